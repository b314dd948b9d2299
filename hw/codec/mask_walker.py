# SPDX-License-Identifier: Apache-2.0
"""First stage of the decompressor: from mask to mask through the encoded stream."""

from amaranth import *
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from opencdma.hw.stream import Credit, Queue
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
    mask
        Its mask; bytes that did not arrive are zero. Unspecified in stored transfers.
    position
        Where its data begin.
    count
        Its raw lanes; zero only in the single group of an empty or refused transfer.
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
            "mask": geometry.mask_bits, "position": StoreShape(geometry).position,
            "count": range(geometry.group_lanes + 1), "zvc": 1, "size": 2,
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
    beats. The last group of a transfer leaves the loop: the next transfer begins behind the end
    of the packet, so that short transfers can follow each other cycle by cycle.

    Members
    -------
    commands : ``In(stream.Signature(DecodedCommand))``
        One per packet.
    verdicts : ``Out(stream.Signature(Verdict, always_ready=True))``
        One per command, as it is taken.
    ends : ``In(stream.Signature(PacketEnd(geometry)))``
        The end of every packet.
    written : ``In``
        Number of the line that comes next.
    read_position, read_data : ``Out``, ``In``
        To a line store of :attr:`cells` cells.
    o : ``Out(stream.Signature(GroupEntry(geometry)))``
        The groups, in order.
    frontier, frontier_valid : ``Out``
        While ``idle`` and the groups before are done with: no line before this one will be needed.
    idle : ``Out(1)``
        No group is on its way to ``o`` or waiting there.
    """

    def __init__(self, geometry: CodecGeometry):
        self._geometry = geometry
        self._store = store = StoreShape(geometry)
        super().__init__({
            "commands": In(stream.Signature(DecodedCommand)),
            "verdicts": Out(stream.Signature(Verdict, always_ready=True)),
            "ends": In(stream.Signature(PacketEnd(geometry))),
            "written": In(store.line),
            "read_position": Out(store.position),
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

        class State(enum.Enum, shape=2):
            IDLE, WALK, DRAIN = range(3)

        state     = Signal(State)
        command   = Signal(DecodedCommand)
        remaining = Signal(32) # raw bytes from this group on
        position  = Signal(store.position) # of the mask of this group
        known     = Signal() # `position` is that of the next group already

        # Where the packet ends, once it has: in lanes, and in bytes for masks that end amid a lane.
        end = self.ends.p
        end_position = Signal.like(position)
        end_byte = Signal(len(position) + exact_log2(geometry.lane_bytes))
        m.d.comb += [
            end_position.eq(store.end_position(end)),
            end_byte.eq(end.line * geometry.width + end.count),
        ]

        # What the group needs to be there: its mask, or in a stored transfer its first lane.
        refused, mask_lanes = Signal(), Signal(range(geometry.mask_lanes_max + 1))
        needs = Signal.like(mask_lanes)
        m.d.comb += refused.eq(command.status != Status.OK)
        empty = Signal()
        m.d.comb += [
            empty.eq(refused | (remaining == 0)),
            mask_lanes.eq(Mux(
                command.zvc & ~empty, geometry.by_size(command.size, geometry.mask_lanes), 0)),
            needs.eq(Mux(empty, 0, Mux(command.zvc, mask_lanes, 1))),
        ]
        behind = Signal.like(position)
        m.d.comb += behind.eq(position + needs)

        arrived, truncated, final = Signal(), Signal(), Signal()
        last_needed = (behind - 1)[:len(position)]
        m.d.comb += [
            arrived.eq(store.is_before(last_needed[store.lane_bits:], self.written)),
            truncated.eq(~empty & self.ends.valid & store.is_before(end_position, behind)),
            final.eq((remaining <= GROUP_BYTES) | truncated | refused),
        ]

        m.submodules.room = room = Credit(8)
        issue = Signal()
        m.d.comb += issue.eq(
            (state == State.WALK) & known & room.available & (self.ends.valid | empty | arrived))

        # Where the transfer after this one begins is known when this packet has ended.
        finish = Signal()
        m.d.comb += [
            finish.eq(self.ends.valid & ((issue & final) | (state == State.DRAIN))),
            self.ends.ready.eq(finish),
            self.commands.ready.eq(finish | (state == State.IDLE)),
            self.verdicts.valid.eq(self.commands.valid & self.commands.ready),
            self.verdicts.p.status.eq(self.commands.p.status),
            self.verdicts.p.error_code.eq(self.commands.p.error_code),
            self.verdicts.p.zvc.eq(self.commands.p.zvc),
        ]
        with m.If(issue):
            m.d.sync += remaining.eq(remaining - GROUP_BYTES)
            m.d.sync += known.eq(0)
            with m.If(final):
                m.d.sync += state.eq(State.DRAIN)
        with m.If(state == State.DRAIN):
            # No mask is to come: every line that is there belongs to this packet.
            m.d.sync += position.eq(Cat(C(0, store.lane_bits), self.written))
        with m.If(finish):
            m.d.sync += position.eq(Cat(C(0, store.lane_bits), end.line + 1))
            m.d.sync += state.eq(State.IDLE)
        with m.If(self.verdicts.valid):
            m.d.sync += [
                command.eq(self.commands.payload),
                remaining.eq(self.commands.p.raw_length),
                known.eq(1),
                state.eq(State.WALK),
            ]

        # Read, and turn the first lane of the mask to the front.
        m.d.comb += self.read_position.eq(position)
        present = Signal(range(16 + 1)) # mask bytes that arrived
        left = Signal(len(end_byte))
        m.d.comb += left.eq(end_byte - position * geometry.lane_bytes)
        m.d.comb += present.eq(
            Mux(~truncated, 16, Mux(left[-1], 0, Mux(left > 16, 16, left))))

        read = Signal(data.StructLayout({
            "cells": self.read_data.shape(), "turn": range(self.cells), "present": range(16 + 1),
            "entry": GroupEntry(geometry),
        }))
        read_valid = Signal()
        request = Signal.like(read)
        m.d.comb += [
            request.cells.eq(self.read_data),
            request.turn.eq(position),
            request.present.eq(present),
            request.entry.mask.eq(0), # filled in when it has been turned
            request.entry.position.eq(position + mask_lanes),
            request.entry.count.eq(Mux(
                refused, 0, Mux(
                    remaining >= GROUP_BYTES, geometry.group_lanes,
                    remaining[exact_log2(geometry.lane_bytes):]))),
            request.entry.zvc.eq(command.zvc),
            request.entry.size.eq(command.size),
            request.entry.last.eq(final),
            request.entry.refused.eq(refused),
            request.entry.truncated.eq(truncated),
        ]
        if four_cycles:
            m.d.sync += [read.eq(request), read_valid.eq(issue)]
        else:
            m.d.comb += [read.eq(request), read_valid.eq(issue)]

        level = rotate(m, read.cells, read.turn, -1, name="turned")
        mask = Signal(geometry.mask_bits)
        for n in range(geometry.mask_bits // 8):
            m.d.comb += mask[8 * n:8 * n + 8].eq(
                Mux(read.present > n, Value.cast(level)[8 * n:8 * n + 8], 0))

        m.submodules.queue = queue = Queue(GroupEntry(geometry), 8)
        m.d.comb += [
            queue.i.valid.eq(read_valid),
            queue.i.payload.eq(read.entry),
            queue.i.p.mask.eq(mask),
            room.take.eq(issue),
            room.give.eq(self.o.valid & self.o.ready),
            self.idle.eq(room.idle),
        ]
        wiring.connect(m, queue.o, wiring.flipped(self.o))

        # Count and add: the loop closes, unless the group was the last one.
        counted_mask, step_valid = Signal(geometry.mask_bits), Signal()
        m.d.sync += [counted_mask.eq(mask), step_valid.eq(read_valid & ~read.entry.last)]
        ones = Signal(range(geometry.group_lanes + 1)) # kept lanes of the group
        counts = prefix_counts(m, list(counted_mask), name="ones")
        m.d.comb += ones.eq(Mux(
            command.zvc,
            geometry.by_size(command.size, lambda size: (
                counts[GROUP_BYTES // size - 1] * geometry.lanes_per_element(size))),
            geometry.group_lanes))
        if four_cycles:
            held_ones, add_valid = Signal.like(ones), Signal()
            m.d.sync += [held_ones.eq(ones), add_valid.eq(step_valid)]
        else:
            held_ones, add_valid = ones, step_valid
        with m.If(add_valid):
            m.d.sync += position.eq(position + mask_lanes + held_ones)
            m.d.sync += known.eq(1)

        m.d.comb += [
            self.frontier.eq(position[store.lane_bits:]),
            self.frontier_valid.eq((known & ~truncated) | (state != State.WALK)),
        ]
        return m
