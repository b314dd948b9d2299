# SPDX-License-Identifier: Apache-2.0
"""Reports of all parts become the outcome of a descriptor."""

from amaranth import *
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from opencdma.hw.bus.axi4 import Response
from opencdma.hw.codec.payloads import StatusWord
from opencdma.spec import Config, ErrorCode, FormatId, Info, Status

from .jobs import MoverReport
from .plan import Plan
from .scheduler import Pass
from .words import RecordLayout

__all__ = ["Finisher", "Outcome"]


class Outcome(data.StructLayout):
    """The outcome of a descriptor.

    Fields
    ------
    slot
        Whose.
    record
        What goes into its completion record.
    failed
        Its status is neither OK nor OK_RAW.
    recorded
        A completion record is to be written.
    """

    def __init__(self, slots):
        super().__init__({
            "slot": range(slots), "record": RecordLayout, "failed": 1, "recorded": 1,
        })


class Finisher(wiring.Component):
    """Waits for what every part has to say of a descriptor, and decides what came of it.

    Takes three cycles for a descriptor of which nothing is to be heard, and six for others: what is
    heard is compared, and the record prepared. The write mover, the last to report, does not wait
    for that: the outcome comes in the cycle behind its report.

    Parameters
    ----------
    config : :class:`~opencdma.spec.Config`
        Build parameters.

    Members
    -------
    passes : ``In(stream.Signature(Pass(slots)))``
        What is on its way.
    plan : ``In(Plan)``, plan_slot : ``Out(range(slots))``
        Read port of the table of plans.
    reads, writes : ``In(stream.Signature(MoverReport))``
        Reports of the movers.
    statuses, checks : ``In(stream.Signature(StatusWord))``
        Statuses of the codec, and of the decoder that checks the encoder.
    crcs, check_crcs : ``In(stream.Signature(32))``
        CRC32 of the raw data, and of what the checking decoder made.
    again : ``Out(stream.Signature(range(slots)))``
        Slots whose source is to be stored raw.
    o : ``Out(stream.Signature(Outcome(slots), always_ready=True))``
        Outcomes, not always in order.
    kill, kill_status : ``In(1)``, ``In(8)``
        Nothing is done again.
    latched : ``In(1)``
        Wait for nobody: what runs ends with ``kill_status``.
    """

    def __init__(self, config: Config):
        self._config = config
        slots = config.slots
        super().__init__({
            "passes": In(stream.Signature(Pass(slots))),
            "plan": In(Plan),
            "plan_slot": Out(range(slots)),
            "reads": In(stream.Signature(MoverReport)),
            "writes": In(stream.Signature(MoverReport)),
            "statuses": In(stream.Signature(StatusWord)),
            "checks": In(stream.Signature(StatusWord)),
            "crcs": In(stream.Signature(32)),
            "check_crcs": In(stream.Signature(32)),
            "again": Out(stream.Signature(range(slots))),
            "o": Out(stream.Signature(Outcome(slots), always_ready=True)),
            "kill": In(1),
            "kill_status": In(8),
            "latched": In(1),
        })

    def elaborate(self, platform):
        m = Module()
        config, plan, this = self._config, self.plan, self.passes.p

        class State(enum.Enum, shape=2):
            TAKE, WAIT, JUDGE = range(3)

        state = Signal(State)
        m.d.comb += self.plan_slot.eq(this.slot)
        mine = Signal(Plan)
        m.d.sync += mine.eq(plan)

        # Who has to be heard.
        verifies = mine.verify & config.verify
        others, heard, hear = Signal(), Signal(), Signal()
        steady = Signal(3) # for how many cycles all others have been there
        m.d.comb += [
            others.eq(
                self.reads.valid & self.statuses.valid
                & (self.crcs.valid | (not config.crc))
                & (~verifies | (self.checks.valid & self.check_crcs.valid))),
            heard.eq(self.writes.valid & steady[2]),
        ]
        m.d.sync += steady.eq(Mux(state == State.WAIT, Cat(others, steady), 0))
        for report in (self.reads, self.writes, self.statuses):
            m.d.comb += report.ready.eq(hear)
        m.d.comb += self.crcs.ready.eq(hear)
        for report in (self.checks, self.check_crcs):
            m.d.comb += report.ready.eq(hear & verifies)

        # What they say: in the first cycle it is taken over, in the second it is compared.
        read, write, codec = Signal(MoverReport), Signal(MoverReport), Signal(StatusWord)
        crc, check_crc, check_failed = Signal(32), Signal(32), Signal()
        m.d.sync += [
            read.eq(self.reads.payload),
            codec.eq(self.statuses.payload),
            crc.eq(self.crcs.payload if config.crc else 0),
            check_crc.eq(self.check_crcs.payload),
            check_failed.eq(self.checks.p.status != Status.OK),
        ]
        read_failed, internal, data_error = Signal(), Signal(), Signal()
        crc_wrong, check_wrong = Signal(), Signal()
        larger, fits, lacks, exceeds = Signal(), Signal(), Signal(), Signal()
        m.d.sync += [
            read_failed.eq(read.fault != 0),
            data_error.eq(codec.status == Status.DATA_ERROR),
            internal.eq((codec.status != Status.OK) & (codec.status != Status.DATA_ERROR)),
            crc_wrong.eq(mine.check_crc & (crc != mine.expected_crc) if config.crc else 0),
            check_wrong.eq(verifies & (check_failed | (check_crc != crc))),
            larger.eq(mine.raw_if_larger & (codec.bytes_out >= mine.raw_length)),
            fits.eq(mine.raw_length <= mine.capacity),
            lacks.eq(codec.bytes_out > mine.capacity),
            exceeds.eq(codec.bytes_out > mine.limit),
        ]
        if config.provoke:
            with m.If(mine.tag.all()):
                m.d.sync += codec.status.eq(Status.PENDING)
            with m.If(verifies & (mine.tag == 0xFFFF_FFFE)):
                m.d.sync += check_wrong.eq(1)
        required, written, length = Signal(32), Signal(32), Signal(32)
        m.d.comb += [
            required.eq(Mux(larger, mine.raw_length, codec.bytes_out)),
            written.eq(Mux(exceeds & ~mine.discard, mine.limit, codec.bytes_out)),
        ]

        # In the third the record is made, as if all had been written.
        record, made = self.o.p.record, Signal(RecordLayout)
        cut_short, tries_again = Signal(), Signal() # or ends as what is cut short, if it may not
        failing, fails = Signal(), Signal()
        m.d.comb += [length.eq(codec.bytes_out), fails.eq(1)]
        status, error_code, info = Signal(8), Signal(8), Signal(8)
        fault_addr = Signal(64)
        counted, summed, cuts, repeats = Signal(), Signal(), Signal(), Signal()
        with m.If(read_failed):
            m.d.comb += [
                status.eq(Mux(
                    read.fault == Response.SLVERR, Status.RD_SLVERR, Status.RD_DECERR)),
                fault_addr.eq(read.address),
            ]
        with m.Elif(read.cut):
            m.d.comb += cuts.eq(1)
        with m.Elif(internal):
            m.d.comb += status.eq(Status.INTERNAL)
        with m.Elif(data_error):
            m.d.comb += [
                status.eq(Status.DATA_ERROR),
                error_code.eq(codec.error_code),
                fault_addr.eq(codec.position),
                info.eq(Info.OUTPUT_VALID),
                counted.eq(1),
            ]
        with m.Elif(crc_wrong | check_wrong):
            m.d.comb += [
                status.eq(Status.DATA_ERROR),
                error_code.eq(Mux(crc_wrong, ErrorCode.CRC, ErrorCode.VERIFY)),
                length.eq(written),
                counted.eq(1),
                summed.eq(1),
            ]
        with m.Elif(larger & fits & ~this.second):
            m.d.comb += repeats.eq(1)
        with m.Elif(lacks & ~mine.discard):
            m.d.comb += [
                status.eq(Status.DST_OVERFLOW), length.eq(required), counted.eq(1), summed.eq(1),
            ]
        with m.Else():
            m.d.comb += [
                fails.eq(0),
                status.eq(Mux(this.second, Status.OK_RAW, Status.OK)),
                info.eq(Mux(mine.discard, 0, Info.OUTPUT_VALID.value)
                        | Mux(this.second, Info.STORED_RAW.value, 0)),
                counted.eq(1),
                summed.eq(1),
            ]
        with m.If(state == State.WAIT):
            m.d.sync += [
                made.status.eq(status),
                made.error_code.eq(error_code),
                made.info.eq(info),
                made.bytes_in.eq(Mux(counted & ~mine.pattern, codec.bytes_in, 0)),
                made.bytes_out.eq(Mux(counted, length, 0)),
                made.fault_addr.eq(fault_addr),
                made.crc32.eq(Mux(summed, crc, 0)),
                made.nonzeros.eq(Mux(counted & mine.encodes, codec.nonzeros, 0)),
                cut_short.eq(cuts),
                tries_again.eq(repeats),
                failing.eq(fails),
            ]

        # Then comes what matters more.
        abandoned, known, not_written = Signal(), Signal(), Signal()
        above, above_fails, again = Signal(), Signal(), Signal() # one of these; a failure
        with m.If(state == State.WAIT):
            m.d.sync += [
                write.eq(self.writes.payload),
                abandoned.eq(this.runs & self.latched),
                known.eq(~this.runs),
                not_written.eq(self.writes.p.fault != 0),
                above.eq(~this.runs | self.latched | (self.writes.p.fault != 0)),
                above_fails.eq(this.runs | (this.status != Status.OK)),
            ]
        m.d.comb += [
            record.eq(made),
            again.eq(tries_again & ~above & ~self.kill),
            self.o.p.failed.eq(Mux(above, above_fails, cut_short | tries_again | failing)),
        ]
        with m.If(abandoned | known):
            m.d.comb += record.eq(0)
            m.d.comb += record.status.eq(Mux(abandoned, self.kill_status, this.status))
            m.d.comb += record.error_code.eq(Mux(abandoned, 0, this.error_code))
        with m.Elif(not_written):
            m.d.comb += [
                record.eq(0),
                record.status.eq(Mux(
                    write.fault == Response.SLVERR, Status.WR_SLVERR, Status.WR_DECERR)),
                record.fault_addr.eq(write.address),
                record.info.eq(Info.WRITE_FAULT),
            ]
        with m.Elif(cut_short | tries_again):
            m.d.comb += record.status.eq(self.kill_status)
        with m.If(mine.phase):
            m.d.comb += record.info[exact_log2(Info.PHASE)].eq(1)
        m.d.comb += [
            self.o.p.slot.eq(this.slot),
            self.o.p.recorded.eq(mine.record_always | (mine.record_on_error & self.o.p.failed)),
            record.format_id.eq(Mux(
                record.status == Status.OK_RAW, FormatId.RAW, mine.named_format)),
            record.tag.eq(mine.tag),
            self.again.payload.eq(this.slot),
        ]
        with m.Switch(state):
            with m.Case(State.TAKE):
                with m.If(self.passes.valid):
                    m.d.sync += state.eq(State.WAIT)
            with m.Case(State.WAIT):
                m.d.comb += hear.eq(this.runs & ~self.latched & heard)
                with m.If(~this.runs | self.latched | heard):
                    m.d.sync += state.eq(State.JUDGE)
            with m.Case(State.JUDGE):
                m.d.comb += [
                    self.again.valid.eq(again),
                    self.o.valid.eq(~again),
                    self.passes.ready.eq(~again | self.again.ready),
                ]
                with m.If(self.passes.ready):
                    m.d.sync += state.eq(State.TAKE)
        return m
