# SPDX-License-Identifier: Apache-2.0
"""Plans are put on their way, in order."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from opencdma.hw.codec.payloads import CommandWord
from opencdma.spec import Direction, ErrorCode, FormatId, Status

from .jobs import ReadJob, WriteJob
from .plan import Plan

__all__ = ["Pass", "Scheduler"]


class Pass(data.StructLayout):
    """One way of a descriptor through the channel.

    Fields
    ------
    slot
        Where its plan is kept.
    runs
        Data are moved. If not, the outcome is known:
    status, error_code
        The outcome.
    second
        The source is read again, to be stored raw.
    """

    def __init__(self, slots):
        super().__init__({
            "slot": range(slots), "runs": 1, "status": 8, "error_code": 8, "second": 1,
        })


class Scheduler(wiring.Component):
    """Gives every plan a slot and its jobs to movers and codec.

    A plan with a fence waits until all slots are free; behind one that stops on errors, and behind
    DRAIN, everything waits until they are. A source that has to be read again goes before new
    plans. A plan is looked at in one cycle and taken in the next, so one in two cycles at most.
    Whoever is ready for what comes out has to stay so until it comes, as a queue does.

    Parameters
    ----------
    slots : :class:`int`
        Slots. One of them stays free: it keeps the record of the descriptor that left it.
    shared : :class:`bool`
        The channel has both directions: data that go the other way wait like a fence.

    Members
    -------
    i : ``In(stream.Signature(Plan))``
        Plans.
    again : ``In(stream.Signature(range(slots)))``
        Slots whose source is to be stored raw.
    reads, writes : ``Out(stream.Signature(ReadJob))``, ``Out(stream.Signature(WriteJob))``
        Jobs of the movers.
    commands : ``Out(stream.Signature(CommandWord))``
        Commands of the codec.
    checks : ``Out(stream.Signature(CommandWord))``
        Commands of the decoder that checks the encoder.
    passes : ``Out(stream.Signature(Pass(slots)))``
        What is on its way.
    table_en, table_slot, table_plan
        Write port of the table of plans.
    again_plan : ``In(Plan)``
        The plan of ``again``, from the table.
    freed : ``In(1)``
        The oldest slot is free again.
    kill : ``In(1)``
        Start nothing: what comes ends at once.
    kill_status : ``In(8)``
        Outcome of a descriptor that has been under way and cannot go on.
    drop : ``In(1)``
        Forget what comes.
    empty : ``Out(1)``
        All slots are free.
    direction : ``Out(1)``
        The data that flow, or flowed last, go from device to host.
    """

    def __init__(self, *, slots: int, shared: bool):
        self._slots = slots
        self._shared = shared
        super().__init__({
            "i": In(stream.Signature(Plan)),
            "again": In(stream.Signature(range(slots))),
            "reads": Out(stream.Signature(ReadJob)),
            "writes": Out(stream.Signature(WriteJob)),
            "commands": Out(stream.Signature(CommandWord)),
            "checks": Out(stream.Signature(CommandWord)),
            "passes": Out(stream.Signature(Pass(slots))),
            "table_en": Out(1),
            "table_slot": Out(range(slots)),
            "table_plan": Out(Plan),
            "again_plan": In(Plan),
            "freed": In(1),
            "kill": In(1),
            "kill_status": In(8),
            "drop": In(1),
            "empty": Out(1),
            "direction": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        used = Signal(range(self._slots))
        slot = Signal(range(self._slots))
        barrier = Signal()

        # Who is ready for a plan stays so until there is one: that much is settled a cycle before
        # anything moves, and so are the source of the plan and whether it runs.
        settled, starts, killed = Signal(), Signal(), Signal()
        second, plan = Signal(), Signal(Plan)
        m.d.comb += [
            plan.eq(Mux(second, self.again_plan.as_value(), self.i.payload.as_value())),
            self.empty.eq(used == 0),
        ]
        may, room, settles, runs = Signal(), Signal(), Signal(), Signal()
        # What does not run leaves the ports as they are: a memory may still owe something there.
        turns = self._shared & runs & (plan.offload != self.direction)
        m.d.comb += [
            may.eq(second | (
                self.i.valid & ~self.drop & (used != self._slots - 1)
                & (self.empty | ~(plan.fence | plan.drain | barrier | turns)))),
            # What does not run needs nobody who might never be ready again.
            room.eq(self.passes.ready & (~runs | (
                self.reads.ready & self.writes.ready & self.commands.ready
                & self.checks.ready))),
            settles.eq(may & room & ~settled),
            starts.eq(settled & (second | ~self.drop)),
            runs.eq(plan.runs & ~killed),
            self.again.ready.eq(settled & second),
            self.i.ready.eq(~second & (settled | self.drop)),
            self.table_en.eq(starts & ~second),
            self.table_slot.eq(slot),
            self.table_plan.eq(plan),
        ]
        m.d.sync += settled.eq(settles)
        with m.If(~settles):
            m.d.sync += [second.eq(self.again.valid & ~self.again.ready), killed.eq(self.kill)]
        m.d.sync += used.eq(used + (starts & ~second) - self.freed)
        with m.If(starts & ~second):
            m.d.sync += slot.eq(slot + 1)
            m.d.sync += barrier.eq(plan.stop_on_error | plan.drain)
            with m.If(runs):
                m.d.sync += self.direction.eq(plan.offload)
        with m.Elif(self.empty):
            m.d.sync += barrier.eq(0)

        command = Signal(CommandWord)
        m.d.comb += [
            command.format_id.eq(Mux(second, FormatId.RAW, plan.format_id)),
            command.element_type.eq(plan.element_type),
            command.direction.eq(Mux(plan.offload, Direction.COMPRESS, Direction.DECOMPRESS)),
            command.raw_length.eq(plan.raw_length),
            self.commands.payload.eq(command),
            self.commands.valid.eq(starts & runs),
            self.checks.p.format_id.eq(command.format_id),
            self.checks.p.element_type.eq(command.element_type),
            self.checks.p.direction.eq(Direction.DECOMPRESS),
            self.checks.p.raw_length.eq(plan.raw_length),
            self.checks.valid.eq(starts & runs & plan.verify),

            self.reads.p.extent.eq(plan.source),
            self.reads.p.total.eq(plan.source_length),
            self.reads.p.pattern.eq(plan.pattern),
            self.reads.p.qos.eq(plan.qos),
            self.reads.p.cache.eq(plan.cache),
            self.reads.valid.eq(starts & runs),
            self.writes.p.extent.eq(plan.destination),
            self.writes.p.limit.eq(plan.limit),
            self.writes.p.qos.eq(plan.qos),
            self.writes.p.cache.eq(plan.cache),
            self.writes.valid.eq(starts & runs),

            self.passes.valid.eq(starts),
            self.passes.p.slot.eq(Mux(second, self.again.payload, slot)),
            self.passes.p.runs.eq(runs),
            self.passes.p.second.eq(second),
            self.passes.p.status.eq(Mux(
                killed, Mux(second, self.kill_status, Status.FLUSHED), plan.status)),
            self.passes.p.error_code.eq(Mux(killed, ErrorCode.NONE, plan.error_code)),
        ]
        return m
