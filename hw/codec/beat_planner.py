# SPDX-License-Identifier: Apache-2.0
"""Second stage of the decompressor: groups become beats whose data are known to be there."""

from amaranth import *
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from opencdma.spec import GROUP_BYTES

from .geometry import CodecGeometry
from .intake import PacketEnd
from .line_store import StoreShape
from .mask_walker import GroupEntry
from .network import prefix_counts, turns_layout

__all__ = ["BeatKind", "BeatPlanner", "PlannedBeat"]


class BeatKind(enum.Enum, shape=2):
    """What a beat of the plan is."""

    #: Raw data, or the single empty beat of an empty transfer.
    DATA = 0
    #: The transfer ends here: a mask bit behind the last element is set.
    PADDING = 1
    #: The transfer ends here: the encoded data do.
    TRUNCATED = 2
    #: The transfer ends here: it was refused.
    REFUSED = 3


class PlannedBeat(data.StructLayout):
    """A raw beat, and where its kept lanes are in the encoded stream.

    Fields
    ------
    position
        Of the first kept lane in the line store.
    taken
        Lanes taken from the encoded stream. In a truncated beat: those that are there, in whole
        elements.
    turns
        What steers the scatter network.
    keep
        One bit per lane: it comes from the encoded stream, the others are zero.
    count
        Raw lanes that belong to the transfer.
    where
        In a padding error, the byte of the mask that has the lowest bad bit.
    kind
        :class:`BeatKind`.
    head
        A mask stands in front of this beat in the encoded stream.
    tail, last
        The last beat of its group, of its transfer.
    zvc, size
        Of the transfer, as in :class:`DecodedCommand`.
    """

    def __init__(self, geometry):
        lanes = geometry.lanes
        super().__init__({
            "position": StoreShape(geometry).position, "taken": range(lanes + 1),
            "turns": turns_layout(lanes), "keep": lanes, "count": range(lanes + 1),
            "where": range(16), "kind": BeatKind, "head": 1, "tail": 1, "last": 1,
            "zvc": 1, "size": 2,
        })


class BeatPlanner(wiring.Component):
    """Splits groups into beats, counts what each needs, and lets it go once that has arrived.

    Throughput is one beat per cycle, across groups and transfers; latency is three cycles while
    data are there. ``groups.ready`` depends combinationally on ``enable`` and ``written``.

    Members
    -------
    groups : ``In(stream.Signature(GroupEntry(geometry)))``
        Groups in order.
    ends : ``In(stream.Signature(PacketEnd(geometry)))``
        The end of every packet.
    written : ``In``
        Number of the line that comes next.
    o : ``Out(stream.Signature(PlannedBeat(geometry), always_ready=True))``
        Beats. Of every transfer exactly one has ``last``, and it comes last.
    enable : ``In(1)``
        A beat may be let go: there is room for it behind ``o``.
    emits : ``Out(1)``
        A beat is let go that will come out of ``o`` in the next cycle.
    frontier, frontier_valid : ``Out``
        No line before this one will be needed for a beat that has not come out of ``o``.
    idle : ``Out(1)``
        No beat is being planned.
    """

    def __init__(self, geometry: CodecGeometry):
        self._geometry = geometry
        self._store = store = StoreShape(geometry)
        super().__init__({
            "groups": In(stream.Signature(GroupEntry(geometry))),
            "ends": In(stream.Signature(PacketEnd(geometry))),
            "written": In(store.line),
            "o": Out(stream.Signature(PlannedBeat(geometry), always_ready=True)),
            "enable": In(1),
            "emits": Out(1),
            "frontier": Out(store.line),
            "frontier_valid": Out(1),
            "idle": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        geometry, store, lanes = self._geometry, self._store, self._geometry.lanes
        group = self.groups.p

        # Split: which lanes of the beat are kept, and how the beat stands in its group.
        split = Signal(data.StructLayout({
            "keep": lanes, "count": range(lanes + 1), "position": store.position,
            "where": range(16), "kind": BeatKind, "first": 1, "head": 1, "tail": 1, "last": 1,
            "zvc": 1, "size": 2,
        }), reset_less=True)
        split_valid, split_ready = Signal(), Signal()
        beat, beats = Signal(range(geometry.group_beats)), Signal(range(geometry.group_beats + 1))
        m.d.comb += beats.eq((group.count + lanes - 1) >> exact_log2(lanes))

        kept, inside, stray = Signal(lanes), Signal(lanes), Signal(geometry.mask_bits)
        left = Signal.like(group.count)
        m.d.comb += left.eq(group.count - beat * lanes)
        m.d.comb += inside.eq(Cat(left > lane for lane in range(lanes)))
        with m.Switch(group.size):
            for size in geometry.element_sizes:
                span, step = geometry.lanes_per_element(size), geometry.width // size
                with m.Case(geometry.size_code(size)):
                    part = Signal(step, name=f"part{size}")
                    m.d.comb += part.eq(group.mask.word_select(beat, step))
                    m.d.comb += kept.eq(Cat(bit.replicate(span) for bit in part))
                    m.d.comb += stray.eq(Cat(
                        group.mask[n] & (group.count <= n * span)
                        for n in range(GROUP_BYTES // size)))
        kind = Signal(BeatKind)
        with m.If(group.refused):
            m.d.comb += kind.eq(BeatKind.REFUSED)
        with m.Elif(group.zvc & (group.count != 0) & stray.any()):
            m.d.comb += kind.eq(BeatKind.PADDING)
        with m.Elif(group.truncated):
            m.d.comb += kind.eq(BeatKind.TRUNCATED)
        tail = Signal()
        m.d.comb += tail.eq((kind != BeatKind.DATA) | (beat + 1 >= beats))

        # Three stages that wait for each other; the last one lets beats go.
        counted = Signal(data.StructLayout({
            "split": split.shape(), "ranks": turns_layout(lanes), "taken": range(lanes + 1),
        }), reset_less=True)
        counted_valid, counted_ready, go = Signal(), Signal(), Signal()
        m.d.comb += [
            counted_ready.eq(~counted_valid | go),
            split_ready.eq(~split_valid | counted_ready),
            self.groups.ready.eq(split_ready & tail),
        ]
        with m.If(split_ready):
            m.d.sync += [
                split_valid.eq(self.groups.valid),
                split.keep.eq(inside & (kept | (~group.zvc).replicate(lanes))),
                split.count.eq(Mux(left > lanes, lanes, left)),
                split.position.eq(group.position),
                split.kind.eq(kind),
                split.first.eq(beat == 0),
                split.head.eq((beat == 0) & group.zvc & (group.count != 0)),
                split.tail.eq(tail),
                split.last.eq(tail & (group.last | (kind != BeatKind.DATA))),
                split.zvc.eq(group.zvc),
                split.size.eq(group.size),
            ]
            for byte in reversed(range(geometry.mask_bits // 8)):
                with m.If(stray[8 * byte:8 * byte + 8].any()):
                    m.d.sync += split.where.eq(byte)
            with m.If(self.groups.valid):
                m.d.sync += beat.eq(Mux(tail, 0, beat + 1))

        # Count: the rank of every lane.
        counts = prefix_counts(m, list(split.keep), name="kept")
        with m.If(counted_ready):
            m.d.sync += [
                counted_valid.eq(split_valid),
                counted.split.eq(split),
                counted.taken.eq(counts[-1]),
            ]
            for lane in range(1, lanes):
                m.d.sync += counted.ranks[str(lane)].eq(counts[lane - 1])

        # Go: the data are there, or never will be. A transfer that was ended early is over; what
        # the walker still has of it is dropped.
        plan, is_data = counted.split, Signal()
        position, here = Signal(store.position), Signal(store.position)
        behind, last_needed = Signal(store.position), Signal(store.position)
        end_position = Signal(store.position)
        dropping, truncated, arrived = Signal(), Signal(), Signal()
        m.d.comb += [
            is_data.eq(plan.kind == BeatKind.DATA),
            here.eq(Mux(plan.first, plan.position, position)),
            behind.eq(here + counted.taken),
            last_needed.eq(behind - 1),
            end_position.eq(store.end_position(self.ends.p)),
            truncated.eq((counted.taken != 0) & self.ends.valid
                         & store.is_before(end_position, behind)),
            arrived.eq((counted.taken == 0)
                       | store.is_before(last_needed[store.lane_bits:], self.written)),
        ]

        # The end of a packet is done with once its transfer is, but may come only then.
        end_owed = Signal()
        m.d.comb += go.eq(counted_valid & ~end_owed & (
            dropping | (self.enable & (~is_data | self.ends.valid | arrived))))
        ending = Signal() # the last beat of the transfer goes
        m.d.comb += ending.eq(go & plan.last)
        m.d.comb += self.ends.ready.eq(end_owed | ending)
        with m.If(ending & ~self.ends.valid):
            m.d.sync += end_owed.eq(1)
        with m.If(end_owed & self.ends.valid):
            m.d.sync += end_owed.eq(0)
        with m.If(go):
            m.d.sync += position.eq(behind)
            with m.If(plan.last):
                m.d.sync += dropping.eq(0)
            with m.Elif(is_data & truncated):
                m.d.sync += dropping.eq(1)

        there = Signal(store.position) # lanes that did arrive, of a truncated beat
        m.d.comb += there.eq(end_position - here)
        m.d.comb += self.emits.eq(go & ~dropping)
        m.d.sync += [
            self.o.valid.eq(self.emits),
            self.o.p.position.eq(here),
            self.o.p.taken.eq(Mux(is_data, counted.taken, 0)),
            self.o.p.keep.eq(plan.keep),
            self.o.p.count.eq(plan.count),
            self.o.p.where.eq(plan.where),
            self.o.p.kind.eq(plan.kind),
            self.o.p.head.eq(plan.head),
            self.o.p.tail.eq(plan.tail),
            self.o.p.last.eq(plan.last),
            self.o.p.zvc.eq(plan.zvc),
            self.o.p.size.eq(plan.size),
        ]
        for lane in range(1, lanes):
            m.d.sync += self.o.p.turns[str(lane)].eq(here + counted.ranks[str(lane)])
        with m.If(is_data & truncated):
            m.d.sync += [
                self.o.p.kind.eq(BeatKind.TRUNCATED),
                self.o.p.last.eq(1),
            ]
            with m.Switch(plan.size):
                for size in geometry.element_sizes:
                    with m.Case(geometry.size_code(size)):
                        m.d.sync += self.o.p.taken.eq(
                            there & -geometry.lanes_per_element(size))

        m.d.comb += [
            self.frontier.eq(here[store.lane_bits:]),
            self.frontier_valid.eq(
                counted_valid & ~dropping
                & ((is_data & ~truncated) | (plan.kind == BeatKind.REFUSED))),
            self.idle.eq(~split_valid & ~counted_valid),
        ]
        return m
