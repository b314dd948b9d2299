# SPDX-License-Identifier: Apache-2.0
"""Outcomes become visible, in the order of the descriptors."""

from amaranth import *
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from opencdma.hw.bus.axi4 import Response, WritePort
from opencdma.hw.stream import FrontQueue
from opencdma.spec import Config

from .finisher import Outcome
from .plan import Plan
from .slot_table import SlotTable
from .words import RECORD_BYTES, RecordLayout

__all__ = ["Completer", "Retired"]

#: AxCACHE of records: modifiable and bufferable.
RECORD_CACHE = 0b0011


class Retired(data.Struct):
    """A descriptor whose outcome is visible.

    Fields
    ------
    record
        The outcome.
    failed
        Its status is neither OK nor OK_RAW.
    irq, stop_on_error, direct, index
        As in its plan.
    record_lost
        A record was asked for and could not be written, since its address is bad.
    record_refused
        The memory refused the record.
    halts
        The channel is to halt: for one of the last two, or it failed and stops on errors.
    completion_addr
        Where it should have gone.
    """

    record:          RecordLayout
    failed:          1
    irq:             1
    stop_on_error:   1
    direct:          1
    index:           32
    record_lost:     1
    record_refused:  1
    halts:           1
    completion_addr: 64


class Completer(wiring.Component):
    """Writes completion records and retires descriptors, in order.

    A record is two writes: the body, which is all but the first four bytes, and, when that was
    acknowledged, the first four bytes with the status. Many records are under way at once. Three
    pointers go round the slots: *body* behind the descriptors that are finished, *seal* behind the
    bodies that were acknowledged, *retire* behind the records that were. What is done in a
    cycle is the oldest of what can be done; each takes two cycles and the beats it writes. A
    descriptor is told of in the cycle behind that.

    Parameters
    ----------
    config : :class:`~opencdma.spec.Config`
        Build parameters.

    Members
    -------
    i : ``In(stream.Signature(Outcome(slots), always_ready=True))``
        Outcomes, in any order.
    plan : ``In(Plan)``, plan_slot : ``Out(range(slots))``
        Read port of the table of plans.
    port : ``Out(WritePort(host_width, address_bits))``
        Where records are written.
    retired : ``Out(stream.Signature(Retired, always_ready=True))``
        Descriptors whose outcome is visible.
    result : ``Out(RecordLayout)``
        The record of the last of them, two cycles later.
    silent : ``In(1)``
        Write no records.
    owed : ``Out(1)``
        A write has not been acknowledged.
    """

    def __init__(self, config: Config):
        self._config = config
        super().__init__({
            "i": In(stream.Signature(Outcome(config.slots), always_ready=True)),
            "plan": In(Plan),
            "plan_slot": Out(range(config.slots)),
            "port": Out(WritePort(config.host_width, config.address_bits)),
            "retired": Out(stream.Signature(Retired, always_ready=True)),
            "result": Out(RecordLayout),
            "silent": In(1),
            "owed": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        config = self._config
        slots, width = config.slots, config.host_width
        record_beats = max(1, RECORD_BYTES // width)
        kept = data.StructLayout({"record": RecordLayout, "failed": 1})
        m.submodules.records = records = SlotTable(
            kept, slots=slots, readers=1, late_readers=1)
        m.submodules.written = written = FrontQueue(
            data.StructLayout({"slot": range(slots), "seal": 1}), 2 * slots)

        # What has become of the descriptor in each slot, and whether a record is wanted.
        finished, acknowledged, sealed, refused, recorded = (
            Signal(slots, name=name) for name in (
                "finished", "acknowledged", "sealed", "refused", "recorded"))
        body, seal, retire = (Signal(range(slots), name=name) for name in (
            "body", "seal", "retire"))
        # Slots that one pointer is ahead of the next.
        to_seal, to_retire = Signal(range(slots + 1)), Signal(range(slots + 1))

        class Action(enum.Enum, shape=2):
            NONE, RETIRE, SEAL, BODY = range(4)

        # What comes in this cycle is as good as what has come.
        arrives, answered, refuses = Signal(), Signal(), Signal()
        m.d.comb += [
            arrives.eq(self.i.valid & (self.i.p.slot == body)),
            answered.eq(self.port.b.valid & ~written.o.p.seal & (written.o.p.slot == seal)),
            refuses.eq(self.port.b.payload >= Response.SLVERR),
        ]

        action, chosen, slot = Signal(Action), Signal(Action), Signal(range(slots))
        writing = Signal() # beats of a record are on their way to the port
        with m.If((to_retire != 0) & sealed.bit_select(retire, 1)):
            m.d.comb += chosen.eq(Action.RETIRE)
        with m.Elif((to_seal != 0) & (acknowledged.bit_select(seal, 1) | answered) & ~writing):
            m.d.comb += chosen.eq(Action.SEAL)
        with m.Elif((finished.bit_select(body, 1) | arrives) & ~writing):
            m.d.comb += chosen.eq(Action.BODY)
        wanted, was_refused, not_written = Signal(), Signal(), Signal()
        with m.Switch(chosen):
            with m.Case(Action.RETIRE):
                m.d.sync += slot.eq(retire)
            with m.Case(Action.SEAL):
                m.d.sync += [slot.eq(seal), wanted.eq(recorded.bit_select(seal, 1))]
            with m.Default(): # also without an action, so that nothing waits for one
                m.d.sync += [
                    slot.eq(body),
                    wanted.eq(Mux(finished.bit_select(body, 1), recorded.bit_select(body, 1),
                                  self.i.p.recorded)),
                ]
        m.d.sync += [
            action.eq(Mux(action == Action.NONE, chosen, Action.NONE)),
            was_refused.eq(refused.bit_select(seal, 1) | (answered & refuses)),
            not_written.eq(refused.bit_select(retire, 1)),
        ]

        plan, record = self.plan, records.read_data[0].record
        records_it = Signal()
        m.d.comb += [
            self.plan_slot.eq(slot),
            records.read_slot[0].eq(slot),
            records_it.eq(~self.silent & wanted),
        ]

        # A record on its way: address, and one or more beats.
        address = Signal(config.address_bits)
        words = Signal(8 * RECORD_BYTES)
        strobe = Signal(RECORD_BYTES)
        beat = Signal(range(max(2, record_beats)))
        last_beat = Signal(range(max(2, record_beats)))
        address_due, data_due = Signal(), Signal()
        shift = exact_log2(width)
        m.d.comb += [
            writing.eq(address_due | data_due),
            self.port.aw.valid.eq(address_due),
            self.port.aw.p.address.eq(Cat(Const(0, shift), address[shift:])),
            self.port.aw.p.length.eq(last_beat),
            self.port.aw.p.qos.eq(0),
            self.port.aw.p.cache.eq(RECORD_CACHE),
            self.port.w.valid.eq(data_due),
            self.port.w.p.last.eq(beat == last_beat),
        ]
        if width >= RECORD_BYTES: # the record is part of a beat
            places = width // RECORD_BYTES
            place = address[exact_log2(RECORD_BYTES):shift]
            m.d.comb += Value.cast(self.port.w.p.data).eq(words.replicate(places))
            m.d.comb += self.port.w.p.strobe.eq(Cat(
                Mux(place == n, strobe, 0) for n in range(places)) if places > 1 else strobe)
        else:
            m.d.comb += [
                Value.cast(self.port.w.p.data).eq(words.word_select(beat, 8 * width)),
                self.port.w.p.strobe.eq(strobe.word_select(beat, width)),
            ]
        with m.If(self.port.aw.ready):
            m.d.sync += address_due.eq(0)
        with m.If(data_due & self.port.w.ready):
            m.d.sync += beat.eq(Mux(beat == last_beat, 0, beat + 1))
            with m.If(beat == last_beat):
                m.d.sync += data_due.eq(0)

        def advance(pointer):
            m.d.sync += pointer.eq(pointer + 1)

        def send(first, last, seals):
            m.d.sync += [
                address.eq(plan.completion_addr),
                words.eq(record),
                strobe.eq(sum(1 << n for n in range(first, last))),
                last_beat.eq(0 if seals else record_beats - 1),
                address_due.eq(1), data_due.eq(1),
            ]
            m.d.sync += [written.i.valid.eq(1), written.i.p.seal.eq(int(seals))]

        seals, retires, bodies = Signal(), Signal(), Signal()
        m.d.sync += [written.i.valid.eq(0), written.i.p.slot.eq(slot)]
        with m.Switch(action):
            with m.Case(Action.BODY):
                advance(body)
                m.d.comb += bodies.eq(1)
                m.d.sync += finished.bit_select(slot, 1).eq(0)
                with m.If(records_it):
                    send(4, RECORD_BYTES, False)
                with m.Else():
                    m.d.sync += acknowledged.bit_select(slot, 1).eq(1)
            with m.Case(Action.SEAL):
                advance(seal)
                m.d.comb += seals.eq(1)
                m.d.sync += acknowledged.bit_select(slot, 1).eq(0)
                with m.If(records_it & ~was_refused):
                    send(0, 4, True)
                with m.Else():
                    m.d.sync += sealed.bit_select(slot, 1).eq(1)
            with m.Case(Action.RETIRE):
                advance(retire)
                m.d.comb += retires.eq(1)
                m.d.sync += [
                    sealed.bit_select(slot, 1).eq(0), refused.bit_select(slot, 1).eq(0),
                ]
        m.d.sync += to_seal.eq(to_seal + bodies - seals)
        m.d.sync += to_retire.eq(to_retire + seals - retires)

        m.d.comb += [
            written.o.ready.eq(self.port.b.valid),
            self.owed.eq(written.i.valid | written.o.valid),
        ]
        with m.If(self.port.b.valid):
            of = written.o.p.slot
            with m.If(written.o.p.seal):
                m.d.sync += sealed.bit_select(of, 1).eq(1)
            with m.Else():
                m.d.sync += acknowledged.bit_select(of, 1).eq(1)
            with m.If(refuses):
                m.d.sync += refused.bit_select(of, 1).eq(1)

        m.d.comb += [
            records.write_en.eq(self.i.valid),
            records.write_slot.eq(self.i.p.slot),
            records.write_data.record.eq(self.i.p.record),
            records.write_data.failed.eq(self.i.p.failed),
        ]
        with m.If(self.i.valid):
            m.d.sync += [
                finished.bit_select(self.i.p.slot, 1).eq(1),
                recorded.bit_select(self.i.p.slot, 1).eq(self.i.p.recorded),
            ]

        m.d.sync += [
            self.retired.valid.eq(retires),
            self.retired.p.record.eq(record),
            self.retired.p.failed.eq(records.read_data[0].failed),
            self.retired.p.irq.eq(plan.irq),
            self.retired.p.stop_on_error.eq(plan.stop_on_error),
            self.retired.p.direct.eq(plan.direct),
            self.retired.p.index.eq(plan.index),
            self.retired.p.record_lost.eq(plan.record_lost),
            self.retired.p.record_refused.eq(not_written),
            self.retired.p.halts.eq(
                not_written | plan.record_lost
                | (plan.stop_on_error & records.read_data[0].failed)),
            self.retired.p.completion_addr.eq(plan.completion_addr),
        ]
        # The record of the last one stays where it is: its slot is the one that is not in use.
        told, latest = Signal(range(slots)), Signal(range(slots))
        any_yet, shown = Signal(), Signal()
        m.d.sync += [told.eq(slot), shown.eq(any_yet)]
        with m.If(self.retired.valid):
            m.d.sync += [latest.eq(told), any_yet.eq(1)]
        m.d.comb += records.late_slot[0].eq(latest)
        with m.If(shown):
            m.d.comb += self.result.eq(records.late_data[0].record)
        return m
