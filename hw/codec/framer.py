# SPDX-License-Identifier: Apache-2.0
"""First stage of the compressor: commands and packets become beats that know their place."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from opencdma.hw.stream import Queue
from opencdma.spec import GROUP_BYTES, ErrorCode, Status

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

    Throughput is one beat per cycle, across packets too; latency is one cycle. ``i.ready`` is a
    register. What a command means for the beats is worked out while it waits.

    Parameters
    ----------
    geometry : :class:`CodecGeometry`
        Build parameters.
    depth : :class:`int`
        Commands that can be waiting, a power of two; and packets that can have begun and not have
        been reported.

    Members
    -------
    commands : ``In(stream.Signature(DecodedCommand, always_ready=True))``
        One per packet; at most ``depth`` more than have begun.
    i : ``In(stream.Signature(PacketBeat(width)))``
        Packets of raw data.
    o : ``Out(stream.Signature(RawBeat(geometry), always_ready=True))``
        Beats with their place in the transfer.
    reports : ``Out(stream.Signature(InputReport, always_ready=True))``
        One per packet, six cycles after its last beat is taken.
    allowed : ``In(1)``
        A packet may begin: there will be room for what is reported of it.
    begins : ``Out(1)``
        A packet begins.
    enable : ``In(1)``
        A beat may be taken in the next cycle: there will be room for it behind ``o``.
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

        # A transfer as a number of full beats, and what its last beat has.
        plan_layout = data.StructLayout({
            "zvc": 1, "size": 2, "full": 32 - width_bits, "partial": 1,
            "final": 1,       # the next beat is the last
            "present": lanes, # in the last beat
        })
        # What its report is made from waits until the packet has ended.
        expected_layout = data.StructLayout({"status": 8, "error_code": 8, "raw_length": 32})
        waiting_layout = data.StructLayout({"plan": plan_layout, "refused": 1})
        coming, coming_expected = Signal(waiting_layout), Signal(expected_layout)
        coming_valid = Signal()
        length = self.commands.p.raw_length
        full, rest = length[width_bits:], length[:width_bits]
        short = length[:exact_log2(2 * GROUP_BYTES)] # if it is not long
        is_long, no_full, one_full = self.commands.p.long, Signal(), Signal()
        m.d.comb += [
            no_full.eq(~is_long & (short[width_bits:] == 0)),
            one_full.eq(~is_long & (short[width_bits:] == 1)),
        ]
        m.d.sync += [
            coming_valid.eq(self.commands.valid),
            coming.refused.eq(self.commands.p.status != Status.OK),
            coming.plan.zvc.eq(self.commands.p.zvc),
            coming.plan.size.eq(self.commands.p.size),
            coming.plan.full.eq(full),
            coming.plan.partial.eq(rest != 0),
            coming.plan.final.eq(no_full | (one_full & (rest == 0))),
        ]
        for lane in range(lanes):
            m.d.sync += coming.plan.present[lane].eq(
                (rest > lane * geometry.lane_bytes) | ((rest == 0) & ~no_full))
        for name in expected_layout.members:
            m.d.sync += coming_expected[name].eq(self.commands.p[name])
        m.submodules.plans = plans = Queue(waiting_layout, self._depth)
        plan, load = Signal(plan_layout), Signal()
        m.d.comb += [
            plans.i.valid.eq(coming_valid), plans.i.payload.eq(coming),
            plans.o.ready.eq(load & self.allowed), self.begins.eq(plans.o.valid & plans.o.ready)]

        # The next command is taken over in the cycle that ends the packet before it. The state is
        # coded so that much can follow from few bits of it: there is a command; its beats go on; it
        # is refused. Neither of the latter: what comes is too much.
        begun, wanted, refused = Signal(), Signal(), Signal()
        in_group = Signal(range(group_beats))
        first    = Signal() # no beat of the transfer came before
        beat, taken = self.i.p, Signal()
        m.d.comb += [
            taken.eq(self.i.valid & self.i.ready),
            load.eq(~begun | (taken & beat.last)),
        ]

        # The last beat of a packet may be shorter than the transfer wants it.
        there = Signal(lanes)
        with m.Switch(plan.size):
            for size in geometry.element_sizes:
                with m.Case(geometry.size_code(size)):
                    for lane in range(lanes):
                        whole = (lane * geometry.lane_bytes // size + 1) * size
                        m.d.comb += there[lane].eq(beat.count >= whole)

        final, emits = Signal(), Signal()
        present = Signal(lanes)
        m.d.comb += [
            final.eq(plan.final | beat.last),
            present.eq(
                there & (plan.present | (~plan.final).replicate(lanes))
                & (~refused).replicate(lanes)),
            emits.eq(taken & (wanted | (refused & beat.last))),
        ]
        m.d.sync += [
            self.o.valid.eq(emits),
            self.o.p.data.eq(beat.data),
            self.o.p.filled.eq(Cat(byte.any() for byte in beat.data)),
            self.o.p.present.eq(present),
            self.o.p.zvc.eq(plan.zvc),
            self.o.p.size.eq(plan.size),
            self.o.p.head.eq(plan.zvc & (in_group == 0) & present[0]),
            self.o.p.tail.eq(final | (in_group == group_beats - 1)),
            self.o.p.last.eq(final),
            self.o.p.empty.eq((first | refused) & ~present[0]),
        ]
        # Counted is on behind the beats that are wanted as well: it does not matter there.
        with m.If(taken):
            m.d.sync += [
                plan.full.eq(plan.full - 1),
                plan.final.eq((plan.full == 1) | ((plan.full == 2) & ~plan.partial)),
                in_group.eq(in_group + 1),
                first.eq(0),
            ]
            with m.If(plan.final):
                m.d.sync += wanted.eq(0)
        # Beats are taken while there is a command, which is told a cycle ahead.
        m.d.sync += self.i.ready.eq(self.enable & (self.begins | ~load))
        with m.If(load):
            m.d.sync += [
                plan.eq(plans.o.p.plan), in_group.eq(0), first.eq(1),
                begun.eq(self.begins),
                wanted.eq(self.begins & ~plans.o.p.refused),
                refused.eq(self.begins & plans.o.p.refused),
            ]

        # The report: the length is added up, compared, and judged, each in a cycle of its own.
        m.submodules.counter = counter = LengthCounter(width)
        m.submodules.expected = expected = Queue(expected_layout, 2 * self._depth)
        m.d.comb += [
            counter.take.eq(taken), counter.count.eq(beat.count), counter.last.eq(beat.last),
            expected.i.valid.eq(coming_valid),
            expected.i.payload.eq(coming_expected),
            expected.o.ready.eq(counter.done),
        ]
        taken_cut, counted_cut = Signal(), Signal()
        m.d.sync += [taken_cut.eq(beat.cut), counted_cut.eq(taken_cut)]
        packet_layout = data.StructLayout({"expected": expected_layout, "total": 32, "cut": 1})
        ended, ended_valid = Signal(packet_layout), Signal()
        m.d.sync += [
            ended_valid.eq(counter.done),
            ended.expected.eq(expected.o.payload),
            ended.total.eq(counter.total),
            ended.cut.eq(counted_cut),
        ]

        wanted_length = ended.expected.raw_length
        judged, judged_valid = Signal(packet_layout), Signal()
        good, short, differs = Signal(), Signal(), Signal(2)
        m.d.sync += [
            judged_valid.eq(ended_valid),
            judged.eq(ended),
            good.eq(ended.expected.status == Status.OK),
            short.eq(ended.total < wanted_length),
            differs.eq(Cat( # each half: the last step is the next cycle's
                ended.total.word_select(n, 16) != wanted_length.word_select(n, 16)
                for n in range(2))),
        ]
        mismatch, cut = Signal(), Signal()
        m.d.comb += [
            mismatch.eq(good & differs.any()),
            cut.eq(good & ~differs.any() & judged.cut),
        ]
        # Sums of masked terms: a multiplexer would become a reset of all these registers.
        m.d.sync += [
            self.reports.valid.eq(judged_valid),
            self.reports.p.bytes_in.eq(judged.total),
            # As far as the packet and its command go together.
            self.reports.p.position.eq(
                (judged.total & (cut | (mismatch & short)).replicate(32))
                | (judged.expected.raw_length & (mismatch & ~short).replicate(32))),
            self.reports.p.status.eq(
                (judged.expected.status & (~(mismatch | cut)).replicate(8))
                | (Status.DATA_ERROR & (mismatch | cut).replicate(8))),
            self.reports.p.error_code.eq(
                judged.expected.error_code
                | (ErrorCode.LENGTH_MISMATCH & mismatch.replicate(8))
                | (ErrorCode.FRAMING & cut.replicate(8))),
        ]
        return m
