# SPDX-License-Identifier: Apache-2.0
"""Descriptors are checked before anything is done for them."""

from amaranth import *
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out

from opencdma.spec import (
    MAX_RAW_LENGTH,
    Channel,
    Config,
    ElementType,
    ErrorCode,
    Flag,
    FormatId,
    Opcode,
    Status,
)

from .multiplier import SerialMultiplier
from .plan import FetchedDescriptor, Plan
from .words import RECORD_BYTES

__all__ = ["CheckSettings", "Checker"]


class CheckSettings(data.Struct):
    """Registers that descriptors are checked against."""

    read_low:    64
    read_high:   64
    write_low:   64
    write_high:  64
    record_low:  64
    record_high: 64
    same_memory: 1
    prefetch:    1 # CTRL.DIRECTION of a shared build
    ring_size:   5 # base-2 logarithm


class Checker(wiring.Component):
    """Applies the rules of ``docs/programming.md`` to descriptors, and plans what they ask for.

    Takes five cycles for a descriptor with one row; up to 17 more for more rows. The lowest status
    of all that apply is given.

    Parameters
    ----------
    config : :class:`~opencdma.spec.Config`
        Build parameters.
    channel : :class:`~opencdma.spec.Channel` or ``None``
        The channel; ``None`` in a shared build.

    Members
    -------
    i : ``In(stream.Signature(FetchedDescriptor))``
        Descriptors. One is taken when its plan is.
    o : ``Out(stream.Signature(Plan))``
        What is to be done for them.
    settings : ``In(CheckSettings)``
        Registers.
    """

    def __init__(self, config: Config, channel: Channel | None):
        self._config = config
        self._channel = channel
        super().__init__({
            "i": In(stream.Signature(FetchedDescriptor)),
            "o": Out(stream.Signature(Plan)),
            "settings": In(CheckSettings),
        })

    def elaborate(self, platform):
        m = Module()
        config, settings, d = self._config, self.settings, self.i.p.words
        flags = d.flags

        class State(enum.Enum, shape=3):
            LENGTHS, MULTIPLY, ENDS, COMPARE, JUDGE, OFFER = range(6)

        state = Signal(State)

        # What the opcode means.
        encode, decode = Signal(), Signal()
        copy, fill, measure, verify, drain = Signal(), Signal(), Signal(), Signal(), Signal()
        known, moves, offload = Signal(), Signal(), Signal()
        encoders = [Opcode.COMPRESS, Opcode.MEASURE]
        if config.verify:
            encoders.append(Opcode.COMPRESS_VERIFY)
        m.d.comb += [
            encode.eq(d.opcode.matches(*encoders) if self._channel != Channel.PREFETCH else 0),
            decode.eq((d.opcode == Opcode.DECOMPRESS) if self._channel != Channel.OFFLOAD else 0),
            copy.eq(d.opcode == Opcode.COPY),
            fill.eq(d.opcode == Opcode.FILL),
            measure.eq(encode & (d.opcode == Opcode.MEASURE)),
            verify.eq(encode & (d.opcode == Opcode.COMPRESS_VERIFY)),
            drain.eq(d.opcode == Opcode.DRAIN),
            moves.eq(encode | decode | copy | fill),
            known.eq(moves | drain | (d.opcode == Opcode.NOP)),
        ]
        if self._channel is None:
            prefetch = Signal() # as it was when the descriptor came
            with m.If(state == State.LENGTHS):
                m.d.sync += prefetch.eq(settings.prefetch)
            m.d.comb += offload.eq(encode | (~decode & ~prefetch))
        else:
            m.d.comb += offload.eq(self._channel == Channel.OFFLOAD)

        # Rows, and which sides have them.
        rows = Signal(16)
        many = Signal()
        source_rows, dest_rows = Signal(), Signal()
        row_length, dest_stride = Signal(32), Signal(32)
        m.d.comb += [
            rows.eq(d.rows_minus_1 if config.two_d else 0),
            many.eq(rows != 0),
            source_rows.eq(encode | copy),
            dest_rows.eq(decode | copy | fill),
            row_length.eq(Mux(decode, d.max_dst_len, d.src_len)),
            dest_stride.eq(Mux(copy, d.dst_stride, d.stride)),
        ]
        m.submodules.multiplier = multiplier = SerialMultiplier(3)
        m.d.comb += [
            multiplier.factor.eq(rows),
            multiplier.numbers[0].eq(row_length),
            multiplier.numbers[1].eq(d.stride),
            multiplier.numbers[2].eq(dest_stride),
        ]

        raw_length = Signal(49)
        source_span, dest_span = Signal(49), Signal(49) # bytes, less one
        source_last, dest_last = Signal(65), Signal(65)
        has_source, has_dest = Signal(), Signal()
        record_last = Cat(Const(RECORD_BYTES - 1, 5), d.completion_addr[5:])
        wants_record = Signal()
        m.d.comb += wants_record.eq((flags & Flag.WRITE_RECORD) != 0)

        def beyond(address):
            """The address is not one of this build."""
            return address[config.address_bits:].any()

        # The rules, each as a bit that is set in the cycle in which its operands are there.
        bad_length, overlap, out_of_range = Signal(), Signal(), Signal()
        record_fault, misaligned = Signal(), Signal()

        def multiple(value, unit):
            return (value & (unit - 1)[:3]) == 0

        smallest = config.lane_bytes
        unit = Signal(4) # bytes of an element
        m.d.comb += unit.eq(Mux(encode | decode, 1 << d.element_type[:2], smallest))
        widest = config.dev_width
        row_unit = (lambda value: multiple(value, unit)) if config.unaligned else (
            lambda value: (value & (widest - 1)) == 0)
        source_width = Mux(offload, config.dev_width, config.host_width)
        dest_width = Mux(offload, config.host_width, config.dev_width)
        if config.unaligned:
            source_width = dest_width = Const(smallest, 7)

        def outside(first, last, low, high):
            beyond_window = (first < low) | (last > high) if config.windows else 0
            return beyond(last) | beyond_window

        def meet(first, last, other_first, other_last):
            return (first <= other_last) & (other_first <= last)

        with m.Switch(state):
            with m.Case(State.LENGTHS): # as with one row
                m.d.comb += multiplier.start.eq(1)
                m.d.sync += [
                    raw_length.eq(row_length),
                    source_span.eq(d.src_len - 1),
                    dest_span.eq(Mux(dest_rows, row_length, d.max_dst_len) - 1),
                    has_source.eq(moves & ~fill & (d.src_len != 0)),
                    has_dest.eq(
                        moves & ~measure & (Mux(dest_rows, row_length, d.max_dst_len) != 0)),
                ]
                with m.If(self.i.valid):
                    m.d.sync += state.eq(Mux(many, State.MULTIPLY, State.ENDS))
            with m.Case(State.MULTIPLY): # the rows behind the first
                with m.If(~multiplier.busy):
                    m.d.sync += raw_length.eq(raw_length + multiplier.products[0])
                    with m.If(source_rows):
                        m.d.sync += source_span.eq(source_span + multiplier.products[1])
                    with m.If(dest_rows):
                        m.d.sync += dest_span.eq(dest_span + multiplier.products[2])
                    m.d.sync += state.eq(State.ENDS)
            with m.Case(State.ENDS):
                m.d.sync += [
                    source_last.eq(d.src_addr + source_span),
                    dest_last.eq(d.dst_addr + dest_span),
                    bad_length.eq(moves & (
                        ~multiple(row_length, unit) | (raw_length > MAX_RAW_LENGTH)
                        | (many & (
                            (row_length == 0) | ~row_unit(row_length) | ~row_unit(d.stride)
                            | (copy & ~row_unit(d.dst_stride)))))),
                    misaligned.eq(
                        (moves & ~fill & ((d.src_addr & (source_width - 1)[:6]) != 0))
                        | (moves & ~measure & ((d.dst_addr & (dest_width - 1)[:6]) != 0))),
                    state.eq(State.COMPARE),
                ]
            with m.Case(State.COMPARE):
                m.d.sync += [
                    overlap.eq(settings.same_memory & has_source & has_dest & meet(
                        d.src_addr, source_last, d.dst_addr, dest_last)),
                    out_of_range.eq(
                        (has_source & outside(
                            d.src_addr, source_last, settings.read_low, settings.read_high))
                        | (has_dest & outside(
                            d.dst_addr, dest_last, settings.write_low, settings.write_high))),
                    record_fault.eq(
                        d.completion_addr[:5].any()
                        | outside(d.completion_addr, record_last,
                                  settings.record_low, settings.record_high)
                        | (has_dest & (offload | settings.same_memory) & meet(
                            d.completion_addr, record_last, d.dst_addr, dest_last))),
                    state.eq(State.JUDGE),
                ]
            with m.Case(State.JUDGE):
                m.d.sync += state.eq(State.OFFER)
            with m.Case(State.OFFER):
                with m.If(self.o.ready):
                    m.d.sync += state.eq(State.LENGTHS)

        plan, refusal, error_code = self.o.p, Signal(8), Signal(8)
        offered_types = [t for t in ElementType if t.size in config.element_sizes]
        allowed = Signal(24)
        m.d.comb += allowed.eq(
            Flag.FENCE | Flag.IRQ | Flag.WRITE_RECORD | Flag.RECORD_ON_ERROR_ONLY
            | Flag.STOP_ON_ERROR
            | Mux(moves & config.crc, Flag.CHECK_CRC.value, 0)
            | Mux(encode & ~measure, Flag.RAW_IF_LARGER.value, 0))
        m.d.comb += [refusal.eq(Status.OK), error_code.eq(ErrorCode.NONE)]
        with m.If(~known):
            m.d.comb += refusal.eq(Status.BAD_OPCODE)
        with m.Elif((flags & ~allowed).any()
                    | (((flags & Flag.RECORD_ON_ERROR_ONLY) != 0) & ~wants_record)):
            m.d.comb += refusal.eq(Status.BAD_FLAGS)
        with m.Elif(d.codec_reserved.any() | d.geometry_reserved.any() | d.reserved.any()
                    | (d.rows_minus_1.any() & (not config.two_d))):
            m.d.comb += refusal.eq(Status.RESERVED_NONZERO)
        with m.Elif(bad_length):
            m.d.comb += refusal.eq(Status.BAD_LENGTH)
        with m.Elif(overlap):
            m.d.comb += refusal.eq(Status.OVERLAP)
        with m.Elif(out_of_range):
            m.d.comb += refusal.eq(Status.RANGE)
        with m.Elif(wants_record & record_fault):
            m.d.comb += refusal.eq(Status.RECORD_ADDR)
        with m.Elif(misaligned):
            m.d.comb += refusal.eq(Status.ADDR_ALIGN)
        with m.Elif(encode | decode):
            with m.If(~d.format_id.matches(*FormatId) | d.convert_to.any()
                      | d.format_version.any()):
                m.d.comb += refusal.eq(Status.BAD_CODEC)
            with m.Elif(~d.element_type.matches(*offered_types)):
                m.d.comb += refusal.eq(Status.BAD_CODEC)
                m.d.comb += error_code.eq(ErrorCode.ELEMENT_TYPE)

        def flag(which):
            return (flags & which) != 0

        limit = Signal(32)
        m.d.comb += limit.eq(Mux(decode, raw_length, d.max_dst_len))
        with m.If(measure):
            m.d.comb += limit.eq(0)
        with m.Elif(flag(Flag.RAW_IF_LARGER) & (raw_length < d.max_dst_len)):
            m.d.comb += limit.eq(raw_length)

        plain_type = {1: ElementType.U8, 2: ElementType.U16, 4: ElementType.U32}[smallest]
        raw_copy = copy | fill
        offered = Signal(Plan)
        with m.If(state == State.JUDGE):
            m.d.sync += [
                offered.status.eq(refusal),
                offered.error_code.eq(error_code),
                offered.limit.eq(limit),
            ]
        m.d.comb += [
            self.o.valid.eq(state == State.OFFER),
            self.i.ready.eq((state == State.OFFER) & self.o.ready),
            plan.status.eq(offered.status),
            plan.error_code.eq(offered.error_code),
            plan.limit.eq(offered.limit),
            plan.moves.eq(moves),
            plan.offload.eq(offload),
            plan.encodes.eq(encode | decode),
            plan.pattern.eq(fill),
            plan.discard.eq(measure),
            plan.verify.eq(verify),
            plan.drain.eq(drain),
            plan.format_id.eq(Mux(raw_copy, FormatId.RAW, d.format_id)),
            plan.named_format.eq(d.format_id),
            plan.element_type.eq(Mux(raw_copy, plain_type, d.element_type)),
            plan.source.address.eq(d.src_addr),
            plan.source.row_length.eq(Mux(fill, raw_length, d.src_len)),
            plan.source.rows_minus_1.eq(Mux(source_rows, rows, 0)),
            plan.source.stride.eq(d.stride),
            plan.source_length.eq(Mux(decode, d.src_len, raw_length)),
            plan.destination.address.eq(d.dst_addr),
            plan.destination.row_length.eq(Mux(dest_rows, row_length, d.max_dst_len)),
            plan.destination.rows_minus_1.eq(Mux(dest_rows, rows, 0)),
            plan.destination.stride.eq(dest_stride),
            plan.raw_length.eq(raw_length),
            plan.capacity.eq(Mux(decode, raw_length, d.max_dst_len)),
            plan.fence.eq(flag(Flag.FENCE)),
            plan.irq.eq(flag(Flag.IRQ)),
            plan.check_crc.eq(flag(Flag.CHECK_CRC)),
            plan.raw_if_larger.eq(flag(Flag.RAW_IF_LARGER)),
            plan.stop_on_error.eq(flag(Flag.STOP_ON_ERROR)),
            plan.record_always.eq(
                wants_record & ~flag(Flag.RECORD_ON_ERROR_ONLY) & ~record_fault),
            plan.record_on_error.eq(wants_record & ~record_fault),
            plan.record_lost.eq(wants_record & record_fault),
            plan.expected_crc.eq(d.expected_crc),
            plan.tag.eq(d.tag),
            plan.completion_addr.eq(d.completion_addr),
            plan.qos.eq(d.qos),
            plan.cache.eq(d.cache),
            plan.timeout.eq(d.timeout),
            plan.index.eq(self.i.p.index),
            plan.direct.eq(self.i.p.direct),
            plan.phase.eq(~self.i.p.direct & self.i.p.index.bit_select(settings.ring_size, 1)),
        ]
        return m
