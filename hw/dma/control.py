# SPDX-License-Identifier: Apache-2.0
"""When a channel runs, halts, aborts and resets."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from opencdma.spec import ErrorCode, Status

from .completer import Retired

__all__ = ["ChannelStatus", "Commands", "Control", "ErrorReport"]


class Commands(data.Struct):
    """Bits of the register COMMAND, high for one cycle."""

    start:  1
    abort:  1
    resume: 1
    reset:  1


class ChannelStatus(data.Struct):
    """Bits of the register STATUS."""

    idle:      1
    halted:    1
    latched:   1
    drained:   1
    aborting:  1
    resetting: 1
    busy:      1


class ErrorReport(data.Struct):
    """What the registers ERROR, ERROR_INDEX and ERROR_ADDR say."""

    status:     8
    error_code: 8
    index:      32
    address:    64


class Control(wiring.Component):
    """Decides when a channel reads descriptors, ends what is under way, and starts again.

    Whatever the reason for stopping, the rule is the same: nothing new is begun, all that was begun
    is finished, and only then, when every part is idle, does the channel halt, or is reset.

    Members
    -------
    commands : ``In(Commands)``
        From software.
    retired : ``In(stream.Signature(Retired, always_ready=True))``
        Descriptors whose outcome is visible.
    fetch_fault : ``In(1)``, fetch_index : ``In(32)``, fetch_address : ``In(64)``
        A descriptor could not be read.
    ring_error : ``In(1)``
        TAIL is too far ahead.
    enable : ``In(1)``
        The ring is in use.
    index : ``In(32)``
        HEAD.
    expired : ``In(1)``
        The watchdog has waited long enough.
    idle : ``In(1)``
        No descriptor is anywhere in the channel.
    owed : ``In(1)``
        A memory owes the channel something.
    stop, kill, drop, silent : ``Out(1)``
        Read no further descriptors; begin nothing and cut short what is under way; forget what has
        not begun; write no records.
    kill_status : ``Out(8)``
        Outcome of what is cut short.
    latched : ``Out(1)``
        A memory does not answer: do not wait for it, and ask it for nothing more.
    begin : ``Out(1)``
        Take the words in the registers for a descriptor.
    rewind : ``Out(1)``
        Go on reading descriptors at HEAD.
    clear : ``Out(1)``
        Reset everything.
    alarm : ``Out(1)``
        In this cycle the channel has halted or, before that, was latched.
    status : ``Out(ChannelStatus)``, error : ``Out(ErrorReport)``
        For software.
    """

    def __init__(self):
        super().__init__({
            "commands": In(Commands),
            "retired": In(stream.Signature(Retired, always_ready=True)),
            "fetch_fault": In(1),
            "fetch_index": In(32),
            "fetch_address": In(64),
            "ring_error": In(1),
            "enable": In(1),
            "index": In(32),
            "expired": In(1),
            "idle": In(1),
            "owed": In(1),
            "stop": Out(1),
            "kill": Out(1),
            "drop": Out(1),
            "silent": Out(1),
            "kill_status": Out(8),
            "latched": Out(1),
            "begin": Out(1),
            "rewind": Out(1),
            "clear": Out(1),
            "alarm": Out(1),
            "status": Out(ChannelStatus),
            "error": Out(ErrorReport),
        })

    def elaborate(self, platform):
        m = Module()
        stopping, halted = Signal(), Signal()
        aborting, dropping, resetting = Signal(), Signal(), Signal()
        latched, resume = Signal(), Signal()
        error = Signal(ErrorReport)
        retired = self.retired.p

        # The first error is kept.
        cause = Signal(ErrorReport)
        stops = Signal()
        failing = Signal()
        m.d.comb += failing.eq(self.retired.valid & retired.halts)

        def stop_at_head(status):
            return [stops.eq(1), cause.status.eq(status), cause.index.eq(self.index)]

        with m.If(failing):
            m.d.comb += [
                stops.eq(1),
                cause.index.eq(retired.index),
                cause.status.eq(retired.record.status),
                cause.error_code.eq(retired.record.error_code),
                cause.address.eq(retired.record.fault_addr),
            ]
            with m.If(retired.record_refused):
                m.d.comb += [
                    cause.status.eq(Status.RECORD_WRITE),
                    cause.error_code.eq(ErrorCode.NONE),
                    cause.address.eq(retired.completion_addr),
                ]
        with m.Elif(self.fetch_fault & ~stopping):
            m.d.comb += [
                stops.eq(1), cause.status.eq(Status.DESC_FETCH), cause.index.eq(self.fetch_index),
                cause.address.eq(self.fetch_address),
            ]
        with m.Elif(self.ring_error & ~stopping):
            m.d.comb += stop_at_head(Status.RING_ERROR)
        with m.Elif(self.expired & ~latched):
            m.d.comb += stop_at_head(Status.TIMEOUT)
        with m.Elif((self.commands.abort | self.commands.reset) & ~aborting):
            m.d.comb += stop_at_head(Status.ABORTED)

        with m.If(stops):
            m.d.sync += stopping.eq(1)
        with m.If(error.status == 0): # without a cause it stays as it is
            m.d.sync += error.eq(cause)
        # What is dropped is dropped to the end, or HEAD would count some of it. Behind an abort
        # nothing is dropped.
        with m.If(failing & retired.stop_on_error & retired.failed & ~aborting & ~latched):
            m.d.sync += dropping.eq(1)
        with m.If(self.commands.abort & ~halted):
            m.d.sync += [stopping.eq(1), aborting.eq(1)]
        with m.If(self.commands.reset):
            m.d.sync += [stopping.eq(1), aborting.eq(1), resetting.eq(1)]
        with m.If(self.expired):
            m.d.sync += latched.eq(1)
        # A RESUME may come before the channel has halted; a later ABORT takes it back.
        with m.If(self.commands.abort | self.commands.reset):
            m.d.sync += resume.eq(0)
        with m.Elif(self.commands.resume & (error.status != 0)):
            m.d.sync += resume.eq(1)

        # At rest.
        settled = Signal()
        m.d.comb += [
            settled.eq(stopping & self.idle & ~stops),
            self.alarm.eq(
                ((settled & ~halted) | self.expired) & ~latched & ~resetting),
        ]
        with m.If(settled):
            m.d.sync += [halted.eq(1), dropping.eq(0)]
            with m.If(resetting):
                m.d.comb += self.clear.eq(~self.owed)
            with m.Elif(~latched):
                m.d.sync += aborting.eq(0)
                with m.If(halted & resume):
                    m.d.comb += self.rewind.eq(1)
                    m.d.sync += [
                        halted.eq(0), stopping.eq(0), resume.eq(0), error.as_value().eq(0),
                    ]

        direct = Signal() # a descriptor from the registers is under way
        m.d.comb += self.begin.eq(
            self.commands.start & ~self.enable & self.idle & ~direct & ~stopping)
        with m.If(self.begin):
            m.d.sync += direct.eq(1)
        with m.Elif(self.retired.valid & retired.direct):
            m.d.sync += direct.eq(0)

        m.d.comb += [
            self.stop.eq(stopping),
            self.kill.eq(aborting | latched),
            self.kill_status.eq(Mux(latched, Status.TIMEOUT, Status.ABORTED)),
            self.drop.eq(dropping),
            self.silent.eq(resetting),
            self.latched.eq(latched),
            self.error.eq(error),
            # Whoever sees the channel idle also sees that it has halted.
            self.status.idle.eq(self.idle & ~self.owed & (~stopping | halted) & ~stops),
            self.status.halted.eq(halted),
            self.status.latched.eq(latched),
            self.status.drained.eq(latched & ~self.owed),
            self.status.aborting.eq(aborting),
            self.status.resetting.eq(resetting),
            self.status.busy.eq(direct),
        ]
        return m
