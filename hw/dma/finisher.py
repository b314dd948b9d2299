# SPDX-License-Identifier: Apache-2.0
"""Reports of all parts become the outcome of a descriptor."""

from amaranth import *
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out

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
    """

    def __init__(self, slots):
        super().__init__({"slot": range(slots), "record": RecordLayout})


class Finisher(wiring.Component):
    """Waits for what every part has to say of a descriptor, and decides what came of it.

    Takes two cycles for a descriptor.

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

        class State(enum.Enum, shape=1):
            WAIT, JUDGE = range(2)

        state = Signal(State)
        m.d.comb += self.plan_slot.eq(this.slot)

        # Who has to be heard.
        verifies = plan.verify & config.verify
        heard, hear = Signal(), Signal()
        m.d.comb += heard.eq(
            self.reads.valid & self.writes.valid & self.statuses.valid
            & (self.crcs.valid | (not config.crc))
            & (~verifies | (self.checks.valid & self.check_crcs.valid)))
        for report in (self.reads, self.writes, self.statuses):
            m.d.comb += report.ready.eq(hear)
        m.d.comb += self.crcs.ready.eq(hear)
        for report in (self.checks, self.check_crcs):
            m.d.comb += report.ready.eq(hear & verifies)

        # What they say, in registers.
        read, write, codec = Signal(MoverReport), Signal(MoverReport), Signal(StatusWord)
        crc = Signal(32)
        crc_wrong, check_wrong = Signal(), Signal()
        larger, fits, lacks = Signal(), Signal(), Signal()
        abandoned = Signal()
        encoded = self.statuses.p.bytes_out
        exceeds = Signal()
        required, written, length = Signal(32), Signal(32), Signal(32)
        with m.If(state == State.WAIT):
            m.d.sync += [
                read.eq(self.reads.payload),
                write.eq(self.writes.payload),
                codec.eq(self.statuses.payload),
                crc.eq(self.crcs.payload if config.crc else 0),
                crc_wrong.eq(plan.check_crc & (self.crcs.payload != plan.expected_crc)
                             if config.crc else 0),
                check_wrong.eq(verifies & (
                    (self.checks.p.status != Status.OK)
                    | (self.check_crcs.payload != self.crcs.payload))),
                larger.eq(plan.raw_if_larger & (encoded >= plan.raw_length)),
                fits.eq(plan.raw_length <= plan.capacity),
                lacks.eq(encoded > plan.capacity),
                exceeds.eq(encoded > plan.limit),
                abandoned.eq(this.runs & self.latched),
            ]
        if config.provoke:
            with m.If((state == State.WAIT) & plan.tag.all()):
                m.d.sync += codec.status.eq(Status.PENDING)
            with m.If((state == State.WAIT) & verifies & (plan.tag == 0xFFFF_FFFE)):
                m.d.sync += check_wrong.eq(1)
        m.d.comb += [
            required.eq(Mux(larger, plan.raw_length, codec.bytes_out)),
            written.eq(Mux(exceeds & ~plan.discard, plan.limit, codec.bytes_out)),
        ]

        record = self.o.p.record
        again = Signal()
        m.d.comb += length.eq(codec.bytes_out)
        status, error_code, info = Signal(8), Signal(8), Signal(8)
        fault_addr = Signal(64)
        counted, summed = Signal(), Signal() # how much of the record is filled in
        with m.If(abandoned):
            m.d.comb += status.eq(self.kill_status)
        with m.Elif(~this.runs):
            m.d.comb += [status.eq(this.status), error_code.eq(this.error_code)]
        with m.Elif(write.fault != 0):
            m.d.comb += [
                status.eq(Mux(
                    write.fault == Response.SLVERR, Status.WR_SLVERR, Status.WR_DECERR)),
                fault_addr.eq(write.address),
                info.eq(Info.WRITE_FAULT),
            ]
        with m.Elif(read.fault != 0):
            m.d.comb += [
                status.eq(Mux(
                    read.fault == Response.SLVERR, Status.RD_SLVERR, Status.RD_DECERR)),
                fault_addr.eq(read.address),
            ]
        with m.Elif(read.cut):
            m.d.comb += status.eq(self.kill_status)
        with m.Elif((codec.status != Status.OK) & (codec.status != Status.DATA_ERROR)):
            m.d.comb += status.eq(Status.INTERNAL)
        with m.Elif(codec.status == Status.DATA_ERROR):
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
            m.d.comb += [again.eq(~self.kill), status.eq(self.kill_status)]
        with m.Elif(lacks & ~plan.discard):
            m.d.comb += [
                status.eq(Status.DST_OVERFLOW), length.eq(required), counted.eq(1), summed.eq(1),
            ]
        with m.Else():
            m.d.comb += [
                status.eq(Mux(this.second, Status.OK_RAW, Status.OK)),
                info.eq(Mux(plan.discard, 0, Info.OUTPUT_VALID.value)
                             | Mux(this.second, Info.STORED_RAW.value, 0)),
                counted.eq(1),
                summed.eq(1),
            ]

        m.d.comb += [
            self.o.p.slot.eq(this.slot),
            record.status.eq(status),
            record.error_code.eq(error_code),
            record.info.eq(info | Mux(plan.phase, Info.PHASE.value, 0)),
            record.format_id.eq(Mux(
                status == Status.OK_RAW, FormatId.RAW, plan.named_format)),
            record.tag.eq(plan.tag),
            record.bytes_in.eq(Mux(counted & ~plan.pattern, codec.bytes_in, 0)),
            record.bytes_out.eq(Mux(counted, length, 0)),
            record.fault_addr.eq(fault_addr),
            record.crc32.eq(Mux(summed, crc, 0)),
            record.nonzeros.eq(Mux(counted & plan.encodes, codec.nonzeros, 0)),
            self.again.payload.eq(this.slot),
        ]
        with m.Switch(state):
            with m.Case(State.WAIT):
                m.d.comb += hear.eq(self.passes.valid & this.runs & ~self.latched & heard)
                with m.If(self.passes.valid & (~this.runs | self.latched | heard)):
                    m.d.sync += state.eq(State.JUDGE)
            with m.Case(State.JUDGE):
                m.d.comb += [
                    self.again.valid.eq(again),
                    self.o.valid.eq(~again),
                    self.passes.ready.eq(~again | self.again.ready),
                ]
                with m.If(self.passes.ready):
                    m.d.sync += state.eq(State.WAIT)
        return m
