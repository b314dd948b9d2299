# SPDX-License-Identifier: Apache-2.0
"""Second stage of the decompressor: groups become beats whose data are known to be there."""

from amaranth import *
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from opencdma.hw.stream import Credit, FrontQueue
from opencdma.spec import GROUP_BYTES

from .geometry import CodecGeometry
from .intake import PacketEnd
from .line_store import StoreShape
from .mask_walker import GroupEntry
from .network import prefix_counts, turns_layout
from .ring_store import Ring

__all__ = ["BeatKind", "BeatPlanner", "PlannedBeat"]


#: Beats that can wait for their data.
QUEUED = 4


class BeatKind(enum.Enum, shape=2):
    """What a beat of the plan is."""

    #: Raw data, or the single empty beat of an empty transfer.
    DATA = 0
    #: A mask bit behind the last element is set.
    PADDING = 1
    #: The encoded data end here.
    TRUNCATED = 2
    #: The only beat of a transfer that was refused.
    REFUSED = 3


class PlannedBeat(data.StructLayout):
    """A raw beat, and where its kept lanes are in the encoded stream.

    Fields
    ------
    position, behind, after
        Of the first kept lane in the line store, behind the last one, and a line after the first.
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
            "behind": StoreShape(geometry).position, "after": StoreShape(geometry).position,
            "taken": range(lanes + 1), "there": lanes, "turns": turns_layout(lanes), "keep": lanes,
            "count": range(lanes + 1), "where": range(16), "kind": BeatKind, "head": 1, "tail": 1,
            "last": 1, "checked": 1, "size": 2,
        })


class BeatPlanner(wiring.Component):
    """Splits groups into beats, counts what each needs, and lets it go once that has arrived.

    Throughput is one beat per cycle, across groups and transfers; latency is three cycles while
    data are there. ``groups.ready`` depends on registers and the group alone, ``o.valid`` is a
    register.

    Members
    -------
    groups : ``In(stream.Signature(GroupEntry(geometry)))``
        Groups in order; those of a transfer once the packet before it has ended.
    ends : ``In(stream.Signature(PacketEnd(geometry)))``
        The end of every packet.
    written : ``In``
        Number of the line that comes next.
    o : ``Out(stream.Signature(PlannedBeat(geometry), always_ready=True))``
        Beats. Of every transfer exactly one has ``last``, and it comes last. What comes of a
        transfer behind the first beat that is not :attr:`BeatKind.DATA` means nothing.
    enable : ``In(1)``
        A beat may be let go in the next cycle: there will be room for it behind ``o``.
    frontier, frontier_valid : ``Out``
        As of the cycle before: no line before this one will be needed for a beat that has not
        come out of ``o``.
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

        # Beats are split and counted for a queue that has room for them, and wait there.
        m.submodules.queue = queue = FrontQueue(self._counted_layout(), QUEUED)
        m.submodules.room = room = Credit(QUEUED)
        splits, planned_valid = Signal(), Signal()

        # Split: which lanes of the beat are kept, and how the beat stands in its group.
        split = Signal(data.StructLayout({
            "keep": lanes, "count": range(lanes + 1), "strays": geometry.mask_bits // 2,
            "position": store.position, "first": 1, "head": 1, "tail": 1, "last": 1, "zvc": 1,
            "size": 2, "refused": 1, "truncated": 1, "arrived": geometry.mask_bits // 8,
        }), reset_less=True)
        split_valid = Signal()
        beat, tail = Signal(range(geometry.group_beats)), Signal()
        first, second_last = Signal(init=1), Signal() # beat; the one that went
        m.d.comb += [
            tail.eq(Mux(first, group.beats == 0, second_last)),
            splits.eq(self.groups.valid & room.available),
            self.groups.ready.eq(room.available & tail),
            room.take.eq(splits),
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
        m.d.sync += [
            split_valid.eq(splits),
            split.keep.eq(
                (kept | (~group.zvc).replicate(lanes))
                & Cat(~tail | (group.rest > lane) for lane in range(lanes))),
            split.count.eq(Mux(tail, group.rest, lanes)),
            split.strays.eq(Cat( # for each two bits
                stray.word_select(n, 2).any() for n in range(len(split.strays)))),
            split.arrived.eq(Cat(group.arrived > n for n in range(len(split.arrived)))),
            split.position.eq(group.position),
            split.first.eq(first),
            split.head.eq(first & group.zvc & (group.count != 0)),
            split.tail.eq(tail),
            split.last.eq(tail & group.last),
            split.zvc.eq(group.zvc),
            split.size.eq(group.size),
            split.refused.eq(group.refused),
            split.truncated.eq(group.truncated),
        ]
        with m.If(splits):
            m.d.sync += [
                beat.eq(Mux(tail, 0, beat + 1)), first.eq(tail),
                second_last.eq(beat + 1 == group.beats),
            ]

        # Count: the rank of every lane. A bit behind the last element ends the transfer, if it
        # arrived.
        counts = prefix_counts(m, list(split.keep), name="kept")
        coming, bad = queue.i.p, Signal.like(split.arrived)
        m.d.comb += [
            queue.i.valid.eq(split_valid),
            coming.taken.eq(counts[-1]),
            bad.eq(split.arrived & Cat(
                split.strays.word_select(n, 4).any() for n in range(len(bad)))),
        ]
        m.d.comb += [
            coming[name].eq(split[name]) for name in (
                "keep", "count", "position", "first", "head", "tail", "last", "zvc", "size")]
        with m.If(split.refused):
            m.d.comb += coming.kind.eq(BeatKind.REFUSED)
        with m.Elif(split.head & bad.any()):
            m.d.comb += coming.kind.eq(BeatKind.PADDING)
        with m.Elif(split.truncated):
            m.d.comb += coming.kind.eq(BeatKind.TRUNCATED)
        with m.Else():
            m.d.comb += coming.kind.eq(BeatKind.DATA)
        for byte in reversed(range(len(bad))):
            with m.If(bad[byte]):
                m.d.comb += coming.where.eq(byte)
        for lane in range(1, lanes):
            m.d.comb += coming.ranks[str(lane)].eq(counts[lane - 1])

        # Plan: where the data are. The critical loop: a beat begins where the one before it ends.
        planned = Signal(data.StructLayout({
            **{name: shape for name, shape in PlannedBeat(geometry).members.items()
               if name != "there"},
            "waits": 1, # for data
        }), reset_less=True)
        plan, taken, planned_ready, go = queue.o.p, queue.o.p.taken, Signal(), self.o.valid
        follows, here, waits = Signal(store.position), Signal(store.position), Signal()
        m.d.comb += [
            here.eq(Mux(plan.first, plan.position, follows)),
            waits.eq((plan.kind == BeatKind.DATA) & (taken != 0)),
            planned_ready.eq(~planned_valid | go),
            queue.o.ready.eq(planned_ready),
            room.give.eq(queue.o.valid & planned_ready),
        ]
        # It may go when the line is there after the one in which its data begin, or when the packet
        # has ended. That is one line too many for some, but it can be told a cycle early.
        arrived, end_known, written = Signal(), Signal(), Signal(store.line)
        m.d.sync += written.eq(self.written - 1)
        begun = { # each place is compared before it is known which one counts
            name: store.is_before(place[store.lane_bits:], written) for name, place in (
                ("first", plan.position), ("next", follows), ("planned", planned.position))}
        m.d.comb += arrived.eq(end_known | Mux(
            planned_ready, ~waits | Mux(plan.first, begun["first"], begun["next"]),
            ~planned.waits | begun["planned"]))
        with m.If(planned_ready):
            m.d.sync += [
                planned_valid.eq(queue.o.valid),
                planned.position.eq(here),
                planned.behind.eq(here + taken),
                planned.after.eq(here + lanes),
                planned.waits.eq(waits),
                planned.checked.eq((plan.kind == BeatKind.DATA) & plan.zvc),
            ]
            for name in (
                    "taken", "kind", "where", "keep", "count", "head", "tail", "last", "size"):
                m.d.sync += planned[name].eq(plan[name])
            for lane in range(1, lanes):
                m.d.sync += planned.turns[str(lane)].eq(
                    here[:lane_bits] + plan.ranks[str(lane)])
            with m.If(queue.o.valid):
                m.d.sync += follows.eq(here + taken)

        # The end of a packet, once it is known; done with once its transfer is.
        end, end_valid, end_taken = Signal(store.position), Signal(), Signal()
        m.d.comb += [
            self.ends.ready.eq(~end_valid | end_taken),
            end_known.eq(Mux(self.ends.ready, self.ends.valid, 1)), # in the next cycle
        ]
        m.d.sync += end_valid.eq(end_known)
        with m.If(self.ends.ready):
            m.d.sync += end.eq(store.end_position(self.ends.p))

        # Go: the data are there, or never will be. The last beat of a transfer may go before the
        # end of its packet is known, which is then still to be taken.
        end_owed, ending = Signal(), Signal()
        m.d.comb += [ending.eq(go & planned.last), end_taken.eq(end_owed | ending)]
        m.d.sync += [
            end_owed.eq(~end_valid & end_taken),
            go.eq((queue.o.valid | ~planned_ready) & self.enable & arrived),
        ]

        overrun, truncated = Signal(), Signal()
        m.d.comb += [
            overrun.eq(end_valid & store.is_before(end, planned.behind)),
            truncated.eq(planned.waits & overrun),
        ]
        m.d.comb += [
            field.eq(planned[name]) for name, field in
            ((name, self.o.p[name]) for name in PlannedBeat(geometry).members if name != "there")]
        there = Ring(lanes, 1 << len(end)).of(planned.position, end)["inside"]
        m.d.comb += self.o.p.there.eq(there | (~truncated).replicate(lanes))
        with m.If(truncated):
            m.d.comb += self.o.p.kind.eq(BeatKind.TRUNCATED)

        m.d.sync += [
            self.frontier.eq(planned.position[store.lane_bits:]),
            self.frontier_valid.eq(
                planned_valid & ~overrun
                & ((planned.kind == BeatKind.DATA) | (planned.kind == BeatKind.REFUSED))),
        ]
        m.d.comb += self.idle.eq(room.idle & ~planned_valid)
        return m

    def _counted_layout(self):
        """Layout of a beat that has been counted; as in :class:`PlannedBeat`, but for:

        ``ranks`` of the lanes, in which place of the ``turns`` they will be; whether it is the
        ``first`` of its group, whose data begin at ``position``.
        """
        members = PlannedBeat(self._geometry).members
        return data.StructLayout({
            **{name: members[name] for name in (
                "keep", "count", "position", "head", "tail", "last", "size", "taken", "kind",
                "where")},
            "ranks": members["turns"], "first": 1, "zvc": 1,
        })
