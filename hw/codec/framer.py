# SPDX-License-Identifier: Apache-2.0
"""First stage of the compressor: commands and packets become beats that know their place."""

from amaranth import *
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from opencdma.hw.stream import Queue
from opencdma.spec import ErrorCode, Status

from .command import DecodedCommand
from .geometry import CodecGeometry
from .length_counter import LengthCounter
from .payloads import PacketBeat

__all__ = ["Framer", "InputReport", "RawBeat"]


class RawBeat(data.StructLayout):
    """A beat of raw data and its place in the transfer.

    Fields
    ------
    data
        ``width`` bytes.
    filled
        One bit per byte: it is not zero.
    present
        One bit per lane: it belongs to the transfer. Whole elements, from lane 0 up.
    zvc, size
        Of the transfer, as in :class:`DecodedCommand`.
    head
        A mask stands in front of this beat: it is the first of a group.
    tail
        The last beat of a group.
    last
        The last beat of the transfer.
    empty
        The only beat of a transfer without data.
    """

    def __init__(self, geometry):
        super().__init__({
            "data": data.ArrayLayout(8, geometry.width), "filled": geometry.width,
            "present": geometry.lanes,
            "zvc": 1, "size": 2, "head": 1, "tail": 1, "last": 1, "empty": 1,
        })


class InputReport(data.Struct):
    """What the compressor found at its input, once per transfer."""

    status:     8
    error_code: 8
    position:   32
    bytes_in:   32


class Framer(wiring.Component):
    """Matches packets with commands, and cuts them into groups.

    Every packet answers one command and gives at least one beat, the last of which has ``last``.
    A packet that is too short ends the transfer early, with what there is of whole elements; one
    that is too long gives the bytes the command asked for, and the rest is swallowed. The packet
    of a refused command is swallowed and gives one empty beat.

    Throughput is one beat per cycle, across packets too; latency is one cycle. ``i.ready`` does
    not depend on ``i.valid``, and depends combinationally on ``enable``. What a command means for
    the beats is worked out while it waits.

    Parameters
    ----------
    geometry : :class:`CodecGeometry`
        Build parameters.
    depth : :class:`int`
        Commands that can be waiting, a power of two.

    Members
    -------
    commands : ``In(stream.Signature(DecodedCommand, always_ready=True))``
        One per packet; at most ``depth`` more than have begun.
    i : ``In(stream.Signature(PacketBeat(width)))``
        Packets of raw data.
    o : ``Out(stream.Signature(RawBeat(geometry), always_ready=True))``
        Beats with their place in the transfer.
    reports : ``Out(stream.Signature(InputReport, always_ready=True))``
        One per packet, five cycles after its last beat is taken.
    allowed : ``In(1)``
        A packet may begin: there will be room for what is reported of it.
    begins : ``Out(1)``
        A packet begins.
    enable : ``In(1)``
        A beat may be taken: there is room for it behind ``o``.
    """

    def __init__(self, geometry: CodecGeometry, *, depth: int):
        self._geometry = geometry
        self._depth = depth
        super().__init__({
            "commands": In(stream.Signature(DecodedCommand, always_ready=True)),
            "i": In(stream.Signature(PacketBeat(geometry.width))),
            "o": Out(stream.Signature(RawBeat(geometry), always_ready=True)),
            "reports": Out(stream.Signature(InputReport, always_ready=True)),
            "allowed": In(1),
            "begins": Out(1),
            "enable": In(1),
        })

    def elaborate(self, platform):
        m = Module()
        geometry = self._geometry
        width, lanes, group_beats = geometry.width, geometry.lanes, geometry.group_beats
        width_bits = exact_log2(width)

        class State(enum.Enum, shape=2):
            IDLE, DATA, EXCESS, REFUSED = range(4)

        # A transfer as a number of full beats, and what its last beat has.
        plan_layout = data.StructLayout({
            "command": DecodedCommand, "full": 32 - width_bits, "partial": 1,
            "final": 1,       # the next beat is the last
            "present": lanes, # in the last beat
        })
        coming, coming_valid = Signal(plan_layout), Signal()
        length = self.commands.p.raw_length
        full, rest = length[width_bits:], length[:width_bits]
        m.d.sync += [
            coming_valid.eq(self.commands.valid),
            coming.command.eq(self.commands.payload),
            coming.full.eq(full),
            coming.partial.eq(rest != 0),
            coming.final.eq((full == 0) | ((full == 1) & (rest == 0))),
        ]
        for lane in range(lanes):
            m.d.sync += coming.present[lane].eq(
                (rest > lane * geometry.lane_bytes) | ((rest == 0) & (full != 0)))
        m.submodules.plans = plans = Queue(plan_layout, self._depth)
        plan, load = Signal(plan_layout), Signal()
        m.d.comb += [
            plans.i.valid.eq(coming_valid), plans.i.payload.eq(coming),
            plans.o.ready.eq(load & self.allowed), self.begins.eq(plans.o.valid & plans.o.ready)]

        # The next command is taken over in the cycle that ends the packet before it.
        state    = Signal(State)
        in_group = Signal(range(group_beats))
        first    = Signal() # no beat of the transfer came before
        command, beat, taken = plan.command, self.i.p, Signal()
        m.d.comb += [
            self.i.ready.eq(self.enable & (state != State.IDLE)),
            taken.eq(self.i.valid & self.i.ready),
            load.eq((state == State.IDLE) | (taken & beat.last)),
        ]

        # The last beat of a packet may be shorter than the transfer wants it.
        there = Signal(lanes)
        with m.Switch(command.size):
            for size in geometry.element_sizes:
                with m.Case(geometry.size_code(size)):
                    for lane in range(lanes):
                        whole = (lane * geometry.lane_bytes // size + 1) * size
                        m.d.comb += there[lane].eq(beat.count >= whole)

        refused, final, emits = Signal(), Signal(), Signal()
        present = Signal(lanes)
        m.d.comb += [
            refused.eq(state == State.REFUSED),
            final.eq(plan.final | beat.last),
            present.eq(
                there & (plan.present | (~plan.final).replicate(lanes))
                & (~refused).replicate(lanes)),
            emits.eq(taken & ((state == State.DATA) | (refused & beat.last))),
        ]
        m.d.sync += [
            self.o.valid.eq(emits),
            self.o.p.data.eq(beat.data),
            self.o.p.filled.eq(Cat(byte.any() for byte in beat.data)),
            self.o.p.present.eq(present),
            self.o.p.zvc.eq(command.zvc),
            self.o.p.size.eq(command.size),
            self.o.p.head.eq(command.zvc & (in_group == 0) & present[0]),
            self.o.p.tail.eq(final | (in_group == group_beats - 1)),
            self.o.p.last.eq(final),
            self.o.p.empty.eq(first & ~present[0]),
        ]
        with m.If(taken & (state == State.DATA)):
            m.d.sync += [
                plan.full.eq(plan.full - 1),
                plan.final.eq((plan.full == 1) | ((plan.full == 2) & ~plan.partial)),
                in_group.eq(in_group + 1),
                first.eq(0),
            ]
            with m.If(plan.final):
                m.d.sync += state.eq(State.EXCESS)
        with m.If(load):
            m.d.sync += [plan.eq(plans.o.payload), in_group.eq(0), first.eq(1)]
            m.d.sync += state.eq(State.IDLE)
            with m.If(plans.o.valid & self.allowed):
                m.d.sync += state.eq(Mux(
                    plans.o.p.command.status == Status.OK, State.DATA, State.REFUSED))

        # The report: the length is added up, compared, and judged, each in a cycle of its own.
        packet_layout = data.StructLayout({"command": DecodedCommand, "cut": 1})
        taken_last, ended = Signal(packet_layout), Signal(packet_layout)
        m.submodules.counter = counter = LengthCounter(width)
        m.d.comb += [
            counter.take.eq(taken), counter.count.eq(beat.count), counter.last.eq(beat.last),
        ]
        m.d.sync += [
            taken_last.command.eq(command), taken_last.cut.eq(beat.cut), ended.eq(taken_last)]

        judged = Signal(data.StructLayout({
            "command": DecodedCommand, "cut": 1, "total": 32, "short": 1,
            "differs": 2}))
        judge = Signal()
        m.d.sync += [
            judge.eq(counter.done),
            judged.command.eq(ended.command),
            judged.cut.eq(ended.cut),
            judged.total.eq(counter.total),
            judged.short.eq(counter.total < ended.command.raw_length),
            judged.differs.eq(Cat( # each half: the last step is the next cycle's
                counter.total.word_select(n, 16) != ended.command.raw_length.word_select(n, 16)
                for n in range(2))),
        ]
        m.d.sync += [
            self.reports.valid.eq(judge),
            self.reports.p.bytes_in.eq(judged.total),
            self.reports.p.position.eq(0),
            self.reports.p.status.eq(judged.command.status),
            self.reports.p.error_code.eq(judged.command.error_code),
        ]
        with m.If(judged.command.status == Status.OK):
            with m.If(judged.differs.any()):
                m.d.sync += [
                    self.reports.p.status.eq(Status.DATA_ERROR),
                    self.reports.p.error_code.eq(ErrorCode.LENGTH_MISMATCH),
                    self.reports.p.position.eq(
                        Mux(judged.short, judged.total, judged.command.raw_length)),
                ]
            with m.Elif(judged.cut):
                m.d.sync += [
                    self.reports.p.status.eq(Status.DATA_ERROR),
                    self.reports.p.error_code.eq(ErrorCode.FRAMING),
                    self.reports.p.position.eq(judged.total),
                ]
        return m
