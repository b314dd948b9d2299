# SPDX-License-Identifier: Apache-2.0
"""First stage of the decompressor: from mask to mask through the encoded stream."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from opencdma.hw.stream import Credit, FrontQueue
from opencdma.spec import GROUP_BYTES, Status

from .command import DecodedCommand
from .geometry import CodecGeometry
from .intake import PacketEnd
from .line_store import StoreShape
from .network import prefix_counts, rotate

__all__ = ["GroupEntry", "MaskWalker", "Verdict"]


class GroupEntry(data.StructLayout):
    """A group of a transfer.

    Fields
    ------
    mask, arrived
        Its mask, and how many bytes of it arrived; those behind them are unspecified, as all are in
        stored transfers.
    position
        Where its data begin.
    count
        Its raw lanes; zero only in the single group of an empty or refused transfer.
    beats
        Its raw beats less one; none in a refused or truncated group.
    rest
        Raw lanes in the last of them.
    zvc, size
        Of the transfer, as in :class:`DecodedCommand`.
    last
        The last group of the transfer.
    refused
        The transfer is refused.
    truncated
        The packet ends before the mask does, or before the data begin. Such a group is the last.
    """

    def __init__(self, geometry):
        super().__init__({
            "mask": geometry.mask_bits, "arrived": range(16 + 1),
            "position": StoreShape(geometry).position,
            "count": range(geometry.group_lanes + 1), "beats": range(geometry.group_beats),
            "rest": range(geometry.lanes + 1), "zvc": 1, "size": 2,
            "last": 1, "refused": 1, "truncated": 1,
        })


class Verdict(data.Struct):
    """What is known of a transfer from its command alone."""

    status:     8
    error_code: 8
    zvc:        1


class MaskWalker(wiring.Component):
    """Finds the groups of each transfer ahead of their data.

    The critical loop of the decompressor is here: where the next mask begins depends on the ones
    in this one. A group lasts ``128 / W`` beats and the loop may take as many cycles; it takes
    four where it can (read, turn, count, add) and two (read and turn, count and add) for 64-byte
    beats. Whether the mask had arrived is known a cycle after it was read; if it had not, it is
    read again. A transfer whose packet has ended needs no such proof, and its last group leaves the
    loop: the next transfer begins behind the end of the packet, so that short transfers can follow
    each other cycle by cycle.

    Parameters
    ----------
    geometry : :class:`CodecGeometry`
        Build parameters.
    depth : :class:`int`
        Commands that can be waiting, a power of two.

    Members
    -------
    commands : ``In(stream.Signature(DecodedCommand, always_ready=True))``
        One per packet, at most ``depth`` more than there have been last groups.
    verdicts : ``Out(stream.Signature(Verdict, always_ready=True))``
        One per command, as it comes.
    ends : ``In(stream.Signature(PacketEnd(geometry)))``
        The end of every packet.
    written : ``In``
        Number of the line that comes next.
    read_position, read_after, read_data : ``Out``, ``Out``, ``In``
        To a line store of :attr:`cells` cells.
    o : ``Out(stream.Signature(GroupEntry(geometry)))``
        The groups, in order.
    frontier, frontier_valid : ``Out``
        While ``idle`` and the groups before are done with: no line before this one will be needed.
    idle : ``Out(1)``
        No group is on its way to ``o`` or waiting there.
    """

    def __init__(self, geometry: CodecGeometry, *, depth: int):
        self._geometry = geometry
        self._depth = depth
        self._store = store = StoreShape(geometry)
        super().__init__({
            "commands": In(stream.Signature(DecodedCommand, always_ready=True)),
            "verdicts": Out(stream.Signature(Verdict, always_ready=True)),
            "ends": In(stream.Signature(PacketEnd(geometry))),
            "written": In(store.line),
            "read_position": Out(store.position),
            "read_after": Out(store.position),
            "read_data": In(data.ArrayLayout(8 * geometry.lane_bytes, self.cells)),
            "o": Out(stream.Signature(GroupEntry(geometry))),
            "frontier": Out(store.line),
            "frontier_valid": Out(1),
            "idle": Out(1),
        })

    @property
    def cells(self):
        """Lanes read at once: a whole mask, wherever it lies."""
        return max(self._geometry.lanes, self._geometry.mask_lanes_max)

    def elaborate(self, platform):
        m = Module()
        geometry, store = self._geometry, self._store
        four_cycles = geometry.group_beats >= 4

        # A transfer as a number of groups, and what they need to be there: their masks, or in a
        # stored transfer their first lane.
        plan, begins = Signal(self._plan_layout()), Signal()
        commands = self._plans(m)

        # Where the packet ends, once it has: in lanes, and in bytes for masks that end amid a lane.
        # What is written is looked at as late as that.
        end_valid, end_taken, written = Signal(), Signal(), Signal(store.line)
        end = Signal(data.StructLayout({
            "position": store.position, "next_line": store.line, "after_line": store.line,
            "byte": range(geometry.width * len(store.line)),
        }))
        m.d.sync += written.eq(self.written)
        end_known = Signal() # in the next cycle
        m.d.comb += [
            self.ends.ready.eq(~end_valid | end_taken),
            end_known.eq(Mux(self.ends.ready, self.ends.valid, 1)),
        ]
        m.d.sync += end_valid.eq(end_known)
        with m.If(self.ends.ready):
            m.d.sync += [
                end.position.eq(store.end_position(self.ends.p)),
                end.byte.eq(self.ends.p.line * geometry.width + self.ends.p.count),
                end.next_line.eq(self.ends.p.line + 1),
                end.after_line.eq(self.ends.p.line + (1 + self.cells // geometry.lanes)),
            ]

        # There is a group to look at; all groups were; there is no transfer.
        walking, draining, resting = Signal(), Signal(), Signal(init=1)
        # The mask of this group, its data, what it needs; and the same for a next group that
        # would begin with the data.
        position, data_at, behind = (Signal(store.position) for _ in range(3))
        next_data, next_behind = Signal(store.position), Signal(store.position)
        # A row of the store after the masks.
        after, next_after = Signal(store.position), Signal(store.position)
        m.d.sync += [
            next_data.eq(data_at + plan.mask_lanes), next_behind.eq(data_at + plan.needs),
            next_after.eq(data_at + self.cells),
        ]

        m.submodules.room = room = Credit(8)
        trying, sure, finds, found, late, arrived = (Signal() for _ in range(6))
        finish, finished, goes_on = Signal(), Signal(), Signal()
        # The group to look at is the last one.
        final, next_final = Signal(), Signal()
        m.d.comb += [
            arrived.eq(~store.is_before(Cat(C(0, store.lane_bits), written), behind)),
            trying.eq(walking & room.available),
            sure.eq(end_valid | plan.empty),
            finds.eq(trying & (sure | arrived)),
            end_taken.eq(finish),
            commands.ready.eq(finish | resting),
            begins.eq(commands.valid & commands.ready),
        ]
        m.d.sync += [
            found.eq(finds), late.eq(finds & ~sure), finished.eq(finish)]
        # What was found is not the last of its packet, as far as that is known.
        m.d.comb += goes_on.eq(found & ~finished)

        # Read. The mask begins in the cell where its position says.
        read = Signal(data.StructLayout({
            "left": 5, "none_left": 1, # bytes of the mask that arrived, if it is cut
            "truncated": 1, "entry": GroupEntry(geometry),
        }))
        beyond, left = Signal(), Signal(len(end.byte))
        m.d.comb += [self.read_position.eq(position), self.read_after.eq(after)]
        m.d.comb += left.eq(end.byte - position * geometry.lane_bytes)
        cells, turn = self.read_data, position[:exact_log2(self.cells)]
        if four_cycles:
            held_cells, held_turn = Signal.like(cells), Signal.like(turn)
            m.d.sync += [held_cells.eq(cells), held_turn.eq(turn)]
            cells, turn = held_cells, held_turn
        read_mask = Signal(geometry.mask_bits)
        domain = m.d.comb if four_cycles else m.d.sync
        domain += read_mask.eq(Value.cast(rotate(m, cells, turn, -1, name="turned")))
        m.d.sync += [
            read.truncated.eq(~plan.empty & beyond),
            read.left.eq(left),
            read.none_left.eq(left[-1]),
            read.entry.position.eq(data_at),
            read.entry.count.eq(Mux(plan.final, plan.count, geometry.group_lanes)),
            read.entry.beats.eq(Mux(plan.final, plan.beats, geometry.group_beats - 1)),
            read.entry.rest.eq(Mux(plan.final, plan.rest, geometry.lanes)),
            read.entry.zvc.eq(plan.zvc),
            read.entry.size.eq(plan.size),
            read.entry.last.eq(plan.final),
            read.entry.refused.eq(plan.refused),
        ]

        m.submodules.queue = queue = FrontQueue(GroupEntry(geometry), 8)
        m.d.comb += [
            queue.i.valid.eq(found),
            queue.i.payload.eq(read.entry),
            queue.i.p.mask.eq(read_mask),
            queue.i.p.arrived.eq(Mux(
                read.truncated, read.left & (~read.none_left).replicate(5), GROUP_BYTES // 8)),
            queue.i.p.truncated.eq(read.truncated),
            queue.i.p.last.eq(read.entry.last | read.truncated),
            # When it is not sure, there is no next try before it has been counted.
            room.take.eq((trying & sure) | late),
            room.give.eq(self.o.valid & self.o.ready),
            self.idle.eq(room.idle),
        ]
        with m.If(read.truncated):
            m.d.comb += queue.i.p.beats.eq(0)
        wiring.connect(m, queue.o, wiring.flipped(self.o))

        # Count and add: the loop closes, unless the group was the last one.
        # All lanes of a stored transfer are kept.
        counted_mask, step_valid = Signal.like(read_mask), Signal()
        domain = m.d.sync if four_cycles else m.d.comb
        domain += [
            counted_mask.eq(read_mask | (~plan.zvc).replicate(len(read_mask))),
            step_valid.eq(goes_on & ~queue.i.p.last),
        ]
        # Kept lanes of the group: of each half of the mask, so that the last sum is the addition's.
        halves = [Signal(range(geometry.group_lanes // 2 + 1), name=f"half{n}") for n in range(2)]
        for n, half in enumerate(halves):
            def kept(size, n=n):
                bits = GROUP_BYTES // size // 2
                part = list(counted_mask[n * bits:(n + 1) * bits])
                counts = prefix_counts(m, part, name=f"ones{n}_{size}")
                return counts[-1] * geometry.lanes_per_element(size)

            m.d.comb += half.eq(geometry.by_size(plan.size, kept))
        add_valid = step_valid
        if four_cycles:
            add_valid = Signal()
            m.d.sync += add_valid.eq(step_valid)
            counted, halves = halves, [Signal.like(half) for half in halves]
            m.d.sync += [held.eq(half) for held, half in zip(halves, counted, strict=True)]
        goes_final = Signal() # with what was found counted
        m.d.comb += goes_final.eq(plan.final)
        with m.If(goes_on):
            m.d.comb += goes_final.eq((plan.whole == 1) | ((plan.whole == 2) & ~plan.partial))
            m.d.sync += [plan.whole.eq(plan.whole - 1), plan.final.eq(goes_final)]
        m.d.comb += next_final.eq(final)
        with m.If(finds):
            m.d.sync += walking.eq(0)
            m.d.comb += next_final.eq(0)
        with m.If(add_valid):
            m.d.comb += next_final.eq(goes_final)
            m.d.sync += [
                walking.eq(1),
                data_at.eq(next_data + halves[0] + halves[1]),
                behind.eq(next_behind + halves[0] + halves[1]),
            ]

        # Where the transfer after this one begins is known when this packet has ended. Until then
        # no mask is to come: every line that is there belongs to this packet. A transfer begins on
        # a line, so little needs to be added up.
        drains = Signal()
        m.d.comb += drains.eq(draining | (goes_on & queue.i.p.last))
        m.d.sync += draining.eq(drains & ~finish)
        line = Signal(store.line)
        m.d.comb += line.eq(Mux(finish, end.next_line, position[store.lane_bits:]))

        def behind_line(lanes):
            low, high = lanes[:store.lane_bits], lanes[store.lane_bits:]
            gap = C(0, store.lane_bits - len(low))
            return Cat(low, gap, line + high if len(high) else line)

        first_line, first_after = Signal(store.line), Signal(store.line)
        m.d.comb += [
            first_line.eq(Mux(finish, end.next_line, written)),
            first_after.eq(
                Mux(finish, end.after_line, written + self.cells // geometry.lanes)),
        ]
        with m.If(draining | finish): # no sum comes then; what it is chosen from is kept short
            m.d.sync += [
                position.eq(Cat(C(0, store.lane_bits), first_line)),
                after.eq(Cat(C(0, store.lane_bits), first_after)),
            ]
        with m.Elif(add_valid):
            m.d.sync += [
                position.eq(data_at + halves[0] + halves[1]),
                after.eq(next_after + halves[0] + halves[1]),
            ]
        with m.If(finish):
            m.d.sync += resting.eq(1)
        with m.If(begins):
            m.d.sync += [
                plan.eq(commands.payload),
                resting.eq(0), walking.eq(1),
                data_at.eq(behind_line(commands.payload.mask_lanes)),
                behind.eq(behind_line(commands.payload.needs)),
            ]
            m.d.comb += next_final.eq(commands.payload.final)
        # The transfer is over when its last group is looked at, or was, and the end is known: what
        # follows from that is much, so it is told a cycle ahead.
        m.d.sync += [
            final.eq(next_final),
            finish.eq(end_known & ((next_final & room.soon) | (drains & ~finish))),
        ]

        # Lines behind the end of a packet may be another's.
        m.d.comb += beyond.eq(end_valid & store.is_before(end.position, behind))
        m.d.sync += [
            self.frontier.eq(position[store.lane_bits:]),
            self.frontier_valid.eq(
                resting | (draining & ~end_valid) | (walking & (plan.empty | ~beyond))),
        ]
        return m

    def _plan_layout(self):
        """Layout of a transfer as the loop wants it.

        ``whole`` groups are to come, and one in part if ``partial``; the next one is the ``final``
        one, with ``count``, ``beats`` and ``rest`` as in :class:`GroupEntry`.
        """
        geometry = self._geometry
        lanes = range(geometry.mask_lanes_max + 1)
        entry = GroupEntry(geometry).members
        return data.StructLayout({
            "zvc": 1, "size": 2, "refused": 1, "empty": 1, "mask_lanes": lanes, "needs": lanes,
            "whole": 32 - exact_log2(GROUP_BYTES), "partial": 1, "final": 1,
            **{name: entry[name] for name in ("count", "beats", "rest")},
        })

    def _plans(self, m):
        """Works out the plans of commands, and returns the stream of those that wait."""
        geometry, given = self._geometry, self.commands.p
        width_bits, lane_bits = exact_log2(geometry.width), exact_log2(geometry.lane_bytes)
        group_bits = exact_log2(GROUP_BYTES)
        whole, rest = given.raw_length[group_bits:], given.raw_length[:group_bits]
        no_whole, one_whole = Signal(), Signal()
        m.d.comb += [
            no_whole.eq(~given.long & ~whole[0]), one_whole.eq(~given.long & whole[0])]
        empty, mask_lanes = Signal(), Signal(range(geometry.mask_lanes_max + 1))
        m.d.comb += [
            empty.eq((given.status != Status.OK) | (no_whole & (rest == 0))),
            mask_lanes.eq(Mux(
                given.zvc & ~empty, geometry.by_size(given.size, geometry.mask_lanes), 0)),
        ]
        coming, coming_valid = Signal(self._plan_layout()), Signal()
        m.d.sync += [
            coming_valid.eq(self.commands.valid),
            coming.zvc.eq(given.zvc),
            coming.size.eq(given.size),
            coming.refused.eq(given.status != Status.OK),
            coming.empty.eq(empty),
            coming.mask_lanes.eq(mask_lanes),
            coming.needs.eq(Mux(given.zvc, mask_lanes, ~empty)),
            coming.whole.eq(whole),
            coming.partial.eq(rest != 0),
            coming.final.eq(empty | no_whole | (one_whole & (rest == 0))),
        ]
        for field, value in (
                (coming.count, Mux(rest == 0, geometry.group_lanes, rest >> lane_bits)),
                (coming.beats, Mux(rest == 0, geometry.group_beats - 1, (rest - 1) >> width_bits)),
                (coming.rest, Mux(
                    rest[:width_bits] == 0, geometry.lanes, rest[lane_bits:width_bits]))):
            m.d.sync += field.eq(value & (~empty).replicate(len(field)))
        m.submodules.plans = plans = FrontQueue(self._plan_layout(), self._depth)
        m.d.comb += [plans.i.valid.eq(coming_valid), plans.i.payload.eq(coming)]

        m.d.comb += [
            self.verdicts.valid.eq(self.commands.valid),
            self.verdicts.p.status.eq(given.status),
            self.verdicts.p.error_code.eq(given.error_code),
            self.verdicts.p.zvc.eq(given.zvc),
        ]
        return plans.o
