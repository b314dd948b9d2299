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

    Takes six cycles for a descriptor with one row; up to 17 more for more rows. The lowest status
    of all that apply is given. No cycle has more than one addition or comparison of addresses.

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
            SIDES, LENGTHS, MULTIPLY, ENDS, COMPARE, JUDGE, OFFER = range(7)

        state = Signal(State)

        # What the opcode means: in the first state only lengths are picked, at once.
        encode, decode = Signal(), Signal()
        copy, fill, measure, verify, drain = Signal(), Signal(), Signal(), Signal(), Signal()
        known, moves, offload = Signal(), Signal(), Signal()
        encoders = [Opcode.COMPRESS, Opcode.MEASURE]
        if config.verify:
            encoders.append(Opcode.COMPRESS_VERIFY)
        encodes, decodes = Const(0), Const(0)
        if self._channel != Channel.PREFETCH:
            encodes = d.opcode.matches(*encoders)
        if self._channel != Channel.OFFLOAD:
            decodes = d.opcode == Opcode.DECOMPRESS
        copies, fills = d.opcode == Opcode.COPY, d.opcode == Opcode.FILL
        m.d.sync += [
            encode.eq(encodes),
            decode.eq(decodes),
            copy.eq(copies),
            fill.eq(fills),
            measure.eq(encodes & (d.opcode == Opcode.MEASURE)),
            verify.eq(encodes & (d.opcode == Opcode.COMPRESS_VERIFY)),
            drain.eq(d.opcode == Opcode.DRAIN),
            moves.eq(encodes | decodes | copies | fills),
        ]
        m.d.comb += known.eq(moves | drain | (d.opcode == Opcode.NOP))
        if self._channel is None:
            prefetch = Signal() # as it was when the descriptor came
            with m.If(state == State.SIDES):
                m.d.sync += prefetch.eq(settings.prefetch)
            m.d.comb += offload.eq(encode | (~decode & ~prefetch))
        else:
            m.d.comb += offload.eq(self._channel == Channel.OFFLOAD)

        # Rows, and which sides have them.
        rows = Signal(16)
        many = Signal()
        source_rows, dest_rows = Signal(), Signal()
        row_length, dest_length, dest_stride = Signal(32), Signal(32), Signal(32)
        m.d.comb += [
            rows.eq(d.rows_minus_1 if config.two_d else 0),
            many.eq(rows != 0),
            source_rows.eq(encode | copy),
            dest_rows.eq(decode | copy | fill),
        ]
        m.d.sync += [
            row_length.eq(Mux(decodes, d.max_dst_len, d.src_len)),
            dest_length.eq(Mux(copies | fills, d.src_len, d.max_dst_len)),
        ]
        m.d.comb += dest_stride.eq(Mux(copy, d.dst_stride, d.stride))
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

        # The rules, each as a bit. What they follow from is there, a cycle before it is asked for.
        bad_length, misaligned, record_fault = Signal(), Signal(), Signal()
        too_long, bad_rows = Signal(), Signal()

        def multiple(value, unit):
            return (value & (unit - 1)[:3]) == 0

        smallest = config.lane_bytes
        unit = Signal(4) # bytes of an element
        m.d.sync += unit.eq(Mux(encode | decode, 1 << d.element_type[:2], smallest))
        widest = config.dev_width
        row_unit = (lambda value: multiple(value, unit)) if config.unaligned else (
            lambda value: (value & (widest - 1)) == 0)
        source_width = Mux(offload, config.dev_width, config.host_width)
        dest_width = Mux(offload, config.host_width, config.dev_width)
        if config.unaligned:
            source_width = dest_width = Const(smallest, 7)

        def registered(name, value):
            """Return a value a cycle later."""
            register = Signal(name=name)
            m.d.sync += register.eq(value)
            return register

        def less(name, one, other, *, or_equal=False):
            """One address is less than another. They are compared in halves."""
            low, low_other = one[:32], other[:32]
            found = registered(
                f"{name}_low", low <= low_other if or_equal else low < low_other)
            found &= registered(f"{name}_equal", one[32:] == other[32:])
            return found | registered(f"{name}_high", one[32:] < other[32:])

        def outside(name, first, last):
            """Something is beyond its window, or beyond the addresses of this build."""
            found = registered(f"{name}_beyond", beyond(last))
            if config.windows:
                found |= less(f"{name}_below", first, settings[f"{name}_low"])
                found |= less(f"{name}_above", settings[f"{name}_high"], last)
            return found

        def meet(name, first, last, other_first, other_last):
            """Two areas have a byte in common."""
            return less(f"{name}_begins", first, other_last, or_equal=True) & less(
                f"{name}_follows", other_first, last, or_equal=True)

        two_areas = registered("two_areas", settings.same_memory & has_source & has_dest)
        near_dest = registered("near_dest", has_dest & (offload | settings.same_memory))
        overlap = two_areas & meet(
            "areas", d.src_addr, source_last, d.dst_addr, dest_last)
        out_of_range = (has_source & outside("read", d.src_addr, source_last)) | (
            has_dest & outside("write", d.dst_addr, dest_last))
        bad_record = registered("record_misaligned", d.completion_addr[:5].any()) | outside(
            "record", d.completion_addr, record_last) | (near_dest & meet(
                "record", d.completion_addr, record_last, d.dst_addr, dest_last))

        with m.Switch(state):
            with m.Case(State.SIDES): # which length is whose
                with m.If(self.i.valid):
                    m.d.sync += state.eq(State.LENGTHS)
            with m.Case(State.LENGTHS): # as with one row
                m.d.comb += multiplier.start.eq(1)
                m.d.sync += [
                    raw_length.eq(row_length),
                    source_span.eq(d.src_len - 1),
                    dest_span.eq(dest_length - 1),
                    has_source.eq(moves & ~fill & (d.src_len != 0)),
                    has_dest.eq(moves & ~measure & (dest_length != 0)),
                    state.eq(Mux(many, State.MULTIPLY, State.ENDS)),
                ]
            with m.Case(State.MULTIPLY): # the rows behind the first
                with m.If(~multiplier.busy):
                    m.d.sync += raw_length.eq(raw_length + multiplier.products[0])
                    with m.If(source_rows):
                        m.d.sync += source_span.eq(source_span + multiplier.products[1])
                    with m.If(dest_rows):
                        m.d.sync += dest_span.eq(dest_span + multiplier.products[2])
                    m.d.sync += state.eq(State.ENDS)
            with m.Case(State.ENDS):
                m.d.sync += state.eq(State.COMPARE)
            with m.Case(State.COMPARE):
                m.d.sync += state.eq(State.JUDGE)
            with m.Case(State.JUDGE):
                m.d.sync += state.eq(State.OFFER)
            with m.Case(State.OFFER):
                with m.If(self.o.ready):
                    m.d.sync += state.eq(State.SIDES)
        m.d.sync += [
            source_last.eq(d.src_addr + source_span),
            dest_last.eq(d.dst_addr + dest_span),
            too_long.eq(raw_length > MAX_RAW_LENGTH),
            bad_rows.eq(many & (
                (row_length == 0) | ~row_unit(row_length) | ~row_unit(d.stride)
                | (copy & ~row_unit(d.dst_stride)))),
            bad_length.eq(moves & (~multiple(row_length, unit) | too_long | bad_rows)),
            misaligned.eq(
                (moves & ~fill & ((d.src_addr & (source_width - 1)[:6]) != 0))
                | (moves & ~measure & ((d.dst_addr & (dest_width - 1)[:6]) != 0))),
        ]

        plan, refusal, error_code = self.o.p, Signal(8), Signal(8)
        offered_types = [t for t in ElementType if t.size in config.element_sizes]
        allowed = Signal(24)
        m.d.comb += allowed.eq(
            Flag.FENCE | Flag.IRQ | Flag.WRITE_RECORD | Flag.RECORD_ON_ERROR_ONLY
            | Flag.STOP_ON_ERROR
            | Mux(moves & config.crc, Flag.CHECK_CRC.value, 0)
            | Mux(encode & ~measure, Flag.RAW_IF_LARGER.value, 0))
        # What can be seen in single fields is known early.
        early, late = Signal(8), Signal(8)
        with m.If(~known):
            m.d.sync += early.eq(Status.BAD_OPCODE)
        with m.Elif((flags & ~allowed).any()
                    | (((flags & Flag.RECORD_ON_ERROR_ONLY) != 0) & ~wants_record)):
            m.d.sync += early.eq(Status.BAD_FLAGS)
        with m.Elif(d.codec_reserved.any() | d.geometry_reserved.any() | d.reserved.any()
                    | (d.rows_minus_1.any() & (not config.two_d))):
            m.d.sync += early.eq(Status.RESERVED_NONZERO)
        with m.Else():
            m.d.sync += early.eq(Status.OK)
        bad_format = registered("bad_format", (encode | decode) & (
            ~d.format_id.matches(*FormatId) | d.convert_to.any() | d.format_version.any()))
        bad_type = registered("bad_type", (encode | decode)
                              & ~d.element_type.matches(*offered_types))
        refused_early = registered("refused_early", early != Status.OK)

        m.d.comb += [late.eq(Status.OK), error_code.eq(ErrorCode.NONE)]
        with m.If(bad_length):
            m.d.comb += late.eq(Status.BAD_LENGTH)
        with m.Elif(overlap):
            m.d.comb += late.eq(Status.OVERLAP)
        with m.Elif(out_of_range):
            m.d.comb += late.eq(Status.RANGE)
        with m.Elif(wants_record & bad_record):
            m.d.comb += late.eq(Status.RECORD_ADDR)
        with m.Elif(misaligned):
            m.d.comb += late.eq(Status.ADDR_ALIGN)
        with m.Elif(bad_format | bad_type):
            m.d.comb += late.eq(Status.BAD_CODEC)
            m.d.comb += error_code.eq(
                Mux(bad_format, ErrorCode.NONE, ErrorCode.ELEMENT_TYPE))
        m.d.comb += refusal.eq(Mux(refused_early, early, late))

        def flag(which):
            return (flags & which) != 0

        raw_limits = registered(
            "raw_limits", flag(Flag.RAW_IF_LARGER) & (raw_length < d.max_dst_len))
        limit = Signal(32)
        m.d.comb += limit.eq(Mux(decode, raw_length, d.max_dst_len))
        with m.If(measure):
            m.d.comb += limit.eq(0)
        with m.Elif(raw_limits):
            m.d.comb += limit.eq(raw_length)

        plain_type = {1: ElementType.U8, 2: ElementType.U16, 4: ElementType.U32}[smallest]
        raw_copy = copy | fill
        offered = Signal(Plan)
        with m.If(state == State.JUDGE):
            m.d.sync += [
                offered.status.eq(refusal),
                offered.runs.eq(moves & (refusal == Status.OK)),
                offered.error_code.eq(Mux(refused_early, ErrorCode.NONE, error_code)),
                offered.limit.eq(limit),
                record_fault.eq(bad_record),
            ]
        m.d.comb += [
            self.o.valid.eq(state == State.OFFER),
            self.i.ready.eq((state == State.OFFER) & self.o.ready),
            plan.status.eq(offered.status),
            plan.error_code.eq(offered.error_code),
            plan.limit.eq(offered.limit),
            plan.runs.eq(offered.runs),
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
            plan.destination.row_length.eq(dest_length),
            plan.destination.rows_minus_1.eq(Mux(dest_rows, rows, 0)),
            plan.destination.stride.eq(dest_stride),
            plan.raw_length.eq(raw_length),
            plan.capacity.eq(Mux(decode, raw_length, d.max_dst_len)),
            plan.fence.eq(flag(Flag.FENCE)),
            plan.irq.eq(flag(Flag.IRQ)),
            plan.check_crc.eq(flag(Flag.CHECK_CRC)),
            plan.raw_if_larger.eq( # which is refused, and built out, where nothing is encoded
                flag(Flag.RAW_IF_LARGER) & (self._channel != Channel.PREFETCH)),
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
