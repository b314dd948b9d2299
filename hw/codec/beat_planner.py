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
from .ring_store import Ring

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
    position, behind
        Of the first kept lane in the line store, and behind the last one.
    taken
        Lanes taken from the encoded stream.
    there
        One bit per lane of the line store: in a truncated beat, whether it arrived; otherwise set.
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
    checked
        None of the elements may be zero: they are encoded data.
    size
        Of the transfer, as in :class:`DecodedCommand`.
    """

    def __init__(self, geometry):
        lanes = geometry.lanes
        super().__init__({
            "position": StoreShape(geometry).position,
            "behind": StoreShape(geometry).position, "taken": range(lanes + 1), "there": lanes,
            "turns": turns_layout(lanes), "keep": lanes, "count": range(lanes + 1),
            "where": range(16), "kind": BeatKind, "head": 1, "tail": 1, "last": 1,
            "checked": 1, "size": 2,
        })


class BeatPlanner(wiring.Component):
    """Splits groups into beats, counts what each needs, and lets it go once that has arrived.

    Throughput is one beat per cycle, across groups and transfers; latency is three cycles while
    data are there. ``groups.ready`` and ``o.valid`` depend combinationally on ``enable``.

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
            "frontier": Out(store.line),
            "frontier_valid": Out(1),
            "idle": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        geometry, store, lanes = self._geometry, self._store, self._geometry.lanes
        group, lane_bits = self.groups.p, exact_log2(lanes)

        # Three stages that wait for each other; the last one lets beats go.
        split_valid, counted_valid, planned_valid = Signal(), Signal(), Signal()
        split_ready, counted_ready, planned_ready, go = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            planned_ready.eq(~planned_valid | go),
            counted_ready.eq(~counted_valid | planned_ready),
            split_ready.eq(~split_valid | counted_ready),
        ]

        # Split: which lanes of the beat are kept, and how the beat stands in its group.
        split = Signal(data.StructLayout({
            "keep": lanes, "count": range(lanes + 1), "stray": geometry.mask_bits,
            "position": store.position, "first": 1, "head": 1, "tail": 1, "last": 1, "zvc": 1,
            "size": 2, "refused": 1, "truncated": 1,
        }), reset_less=True)
        beat, tail = Signal(range(geometry.group_beats)), Signal()
        m.d.comb += [
            tail.eq(beat == group.beats),
            self.groups.ready.eq(split_ready & tail),
        ]
        kept, stray = Signal(lanes), Signal(geometry.mask_bits)
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
        with m.If(split_ready):
            m.d.sync += [
                split_valid.eq(self.groups.valid),
                split.keep.eq(
                    (kept | (~group.zvc).replicate(lanes))
                    & Cat(~tail | (group.rest > lane) for lane in range(lanes))),
                split.count.eq(Mux(tail, group.rest, lanes)),
                split.stray.eq(
                    stray & (group.zvc & (group.count != 0) & (beat == 0)).replicate(len(stray))),
                split.position.eq(group.position),
                split.first.eq(beat == 0),
                split.head.eq((beat == 0) & group.zvc & (group.count != 0)),
                split.tail.eq(tail),
                split.last.eq(tail & group.last),
                split.zvc.eq(group.zvc),
                split.size.eq(group.size),
                split.refused.eq(group.refused),
                split.truncated.eq(group.truncated),
            ]
            with m.If(self.groups.valid):
                m.d.sync += beat.eq(Mux(tail, 0, beat + 1))

        # Count: the rank of every lane. A bit behind the last element ends the transfer.
        counted = Signal(data.StructLayout({
            "split": split.shape(), "ranks": turns_layout(lanes), "taken": range(lanes + 1),
            "kind": BeatKind, "where": range(16),
        }), reset_less=True)
        counts = prefix_counts(m, list(split.keep), name="kept")
        with m.If(counted_ready):
            m.d.sync += [
                counted_valid.eq(split_valid),
                counted.split.eq(split),
                counted.taken.eq(counts[-1]),
            ]
            with m.If(split.refused):
                m.d.sync += counted.kind.eq(BeatKind.REFUSED)
            with m.Elif(split.stray.any()):
                m.d.sync += counted.kind.eq(BeatKind.PADDING)
            with m.Elif(split.truncated):
                m.d.sync += counted.kind.eq(BeatKind.TRUNCATED)
            with m.Else():
                m.d.sync += counted.kind.eq(BeatKind.DATA)
            for byte in reversed(range(geometry.mask_bits // 8)):
                with m.If(split.stray[8 * byte:8 * byte + 8].any()):
                    m.d.sync += counted.where.eq(byte)
            for lane in range(1, lanes):
                m.d.sync += counted.ranks[str(lane)].eq(counts[lane - 1])

        # Plan: where the data are. The critical loop: a beat begins where the one before it ends.
        planned = Signal(data.StructLayout({
            **{name: shape for name, shape in PlannedBeat(geometry).members.items()
               if name != "there"},
            "waits": 1, # for data
        }), reset_less=True)
        follows, here, taken = Signal(store.position), Signal(store.position), counted.taken
        plan = counted.split
        m.d.comb += here.eq(Mux(plan.first, plan.position, follows))
        # It may go when the line is there after the one in which its data begin. That is one too
        # many for some, but it can be told early; and the end of the packet is waited for anyway.
        enough, written = Signal(), Signal(store.line)
        m.d.sync += written.eq(self.written - 1)
        line = Mux(planned_ready, here, planned.position)[store.lane_bits:]
        m.d.sync += enough.eq(store.is_before(line, written))
        with m.If(planned_ready):
            m.d.sync += [
                planned_valid.eq(counted_valid),
                planned.position.eq(here),
                planned.behind.eq(here + taken),
                planned.taken.eq(taken),
                planned.kind.eq(counted.kind),
                planned.where.eq(counted.where),
                planned.waits.eq((counted.kind == BeatKind.DATA) & (taken != 0)),
                planned.checked.eq((counted.kind == BeatKind.DATA) & plan.zvc),
            ]
            for name in ("keep", "count", "head", "tail", "last", "size"):
                m.d.sync += planned[name].eq(plan[name])
            for lane in range(1, lanes):
                m.d.sync += planned.turns[str(lane)].eq(
                    here[:lane_bits] + counted.ranks[str(lane)])
            with m.If(counted_valid):
                m.d.sync += follows.eq(here + taken)

        # The end of a packet, once it is known; done with once its transfer is.
        end, end_valid, end_taken = Signal(store.position), Signal(), Signal()
        m.d.comb += self.ends.ready.eq(~end_valid | end_taken)
        with m.If(self.ends.ready):
            m.d.sync += [end_valid.eq(self.ends.valid), end.eq(store.end_position(self.ends.p))]

        # Go: the data are there, or never will be. What is planned of a transfer that was ended
        # early is dropped.
        dropping, end_owed, truncated, ending = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            truncated.eq(planned.waits & end_valid & store.is_before(end, planned.behind)),
            go.eq(planned_valid & ~end_owed & (
                dropping | (self.enable & (~planned.waits | end_valid | enough)))),
            ending.eq(go & planned.last),
            end_taken.eq(end_owed | ending),
        ]
        with m.If(ending & ~end_valid):
            m.d.sync += end_owed.eq(1)
        with m.If(end_owed & end_valid):
            m.d.sync += end_owed.eq(0)
        with m.If(go):
            with m.If(planned.last):
                m.d.sync += dropping.eq(0)
            with m.Elif(truncated | (planned.kind == BeatKind.PADDING)):
                m.d.sync += dropping.eq(1)

        m.d.comb += self.o.valid.eq(go & ~dropping)
        m.d.comb += [
            field.eq(planned[name]) for name, field in
            ((name, self.o.p[name]) for name in PlannedBeat(geometry).members if name != "there")]
        there = Ring(lanes, 1 << len(end)).of(planned.position, end)["inside"]
        m.d.comb += self.o.p.there.eq(there | (~truncated).replicate(lanes))
        with m.If(truncated):
            m.d.comb += self.o.p.kind.eq(BeatKind.TRUNCATED)
        with m.If(truncated | (planned.kind == BeatKind.PADDING)):
            m.d.comb += self.o.p.last.eq(1)

        m.d.comb += [
            self.frontier.eq(planned.position[store.lane_bits:]),
            self.frontier_valid.eq(
                planned_valid & ~dropping
                & (((planned.kind == BeatKind.DATA) & ~truncated)
                   | (planned.kind == BeatKind.REFUSED))),
            self.idle.eq(~split_valid & ~counted_valid & ~planned_valid),
        ]
        return m
