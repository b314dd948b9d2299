# SPDX-License-Identifier: Apache-2.0
"""Compaction: a place in the encoded stream for every lane that is kept, and the way there."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from .geometry import CodecGeometry
from .network import GatherNetwork, NetworkBeat, prefix_counts, turns_layout
from .zero_mask import MaskedBeat

__all__ = ["Compactor", "PlacedBeat", "Placement"]


class Placement(data.StructLayout):
    """Where a beat stands in the encoded stream, in lanes modulo the size of the output store.

    Fields
    ------
    begin
        Place of the mask if there is one, otherwise of the data.
    data
        Place of the first kept lane.
    end
        Place behind the last kept lane.
    nonzeros
        Nonzero elements in the beat.
    empty
        Nothing of the transfer has been placed so far, nor is with this beat, which is the last.
    head, last
        As in :class:`RawBeat`.
    """

    def __init__(self, geometry, places):
        super().__init__({
            "begin": range(places), "data": range(places), "end": range(places),
            "nonzeros": range(geometry.lanes + 1), "empty": 1, "head": 1, "last": 1,
        })


class PlacedBeat(data.StructLayout):
    """A beat whose kept lanes stand at their places modulo the number of lanes."""

    def __init__(self, geometry, places):
        super().__init__({
            "data": data.ArrayLayout(8 * geometry.lane_bytes, geometry.lanes),
            "place": Placement(geometry, places),
        })


class Compactor(wiring.Component):
    """Squeezes out the lanes that are not kept, and moves the others to their place in the stream.

    Throughput is one beat per cycle, latency ``2 + ranks`` cycles, no back-pressure. A transfer
    begins at a multiple of ``lanes``.

    The critical loop of the compressor is here: the place behind one beat is where the next one
    begins. It is one addition; everything else is feed-forward.

    Parameters
    ----------
    geometry : :class:`CodecGeometry`
        Build parameters.
    places : :class:`int`
        Lanes of the output store, a power of two: places are counted modulo this.

    Members
    -------
    i : ``In(stream.Signature(MaskedBeat(geometry), always_ready=True))``
        Beats with the lanes to be kept.
    o : ``Out(stream.Signature(PlacedBeat(geometry, places), always_ready=True))``
        The same, compacted and placed.
    """

    def __init__(self, geometry: CodecGeometry, *, places: int):
        self._geometry = geometry
        self._places = places
        super().__init__({
            "i": In(stream.Signature(MaskedBeat(geometry), always_ready=True)),
            "o": Out(stream.Signature(PlacedBeat(geometry, places), always_ready=True)),
        })

    @property
    def latency(self):
        """Cycles from ``i`` to ``o``."""
        return 2 + self._geometry.ranks

    def elaborate(self, platform):
        m = Module()
        geometry, lanes = self._geometry, self._geometry.lanes
        lane_bits = 8 * geometry.lane_bytes

        # Count: the rank of every lane, and how far the stream grows with this beat.
        mask_lanes = Signal(range(geometry.mask_lanes_max + 1))
        m.d.comb += mask_lanes.eq(Mux(
            self.i.p.head, geometry.by_size(self.i.p.size, geometry.mask_lanes), 0))

        kept = prefix_counts(m, list(self.i.p.keep), name="kept")
        ones = prefix_counts(m, list(self.i.p.nonzero), name="nonzero")
        counted = Signal(data.StructLayout({
            "data": data.ArrayLayout(lane_bits, lanes),
            "ranks": turns_layout(lanes),
            "mask_lanes": mask_lanes.shape(),
            "step": range(lanes + geometry.mask_lanes_max + 1),
            "nonzeros": range(lanes + 1),
            "head": 1, "last": 1,
        }), reset_less=True)
        counted_valid = Signal()
        m.d.sync += [
            counted_valid.eq(self.i.valid),
            counted.data.eq(self.i.p.data),
            counted.mask_lanes.eq(mask_lanes),
            counted.step.eq(mask_lanes + kept[-1]),
            counted.nonzeros.eq(ones[-1]),
            counted.head.eq(self.i.p.head),
            counted.last.eq(self.i.p.last),
        ]
        for lane in range(1, lanes):
            m.d.sync += counted.ranks[str(lane)].eq(kept[lane - 1])

        # Place: the critical loop. The next transfer begins on a line of its own, and one that
        # wrote nothing takes a line as well: its empty last beat.
        fill = Signal(range(self._places))
        fresh = Signal(init=1) # nothing of the transfer has been placed yet
        end, empty = Signal.like(fill), Signal()
        m.d.comb += end.eq(fill + counted.step)
        m.d.comb += empty.eq(fresh & (counted.step == 0))
        line_bits = exact_log2(lanes)
        with m.If(counted_valid):
            m.d.sync += fill.eq(end)
            m.d.sync += fresh.eq(0)
            with m.If(counted.last):
                more = end[:line_bits].any() | empty
                m.d.sync += fill.eq(Cat(C(0, line_bits), end[line_bits:] + more))
                m.d.sync += fresh.eq(1)

        m.submodules.network = network = GatherNetwork(
            lanes=lanes, lane_bits=lane_bits, side=Placement(geometry, self._places),
            ranks=geometry.ranks)
        begin = Signal.like(fill)
        m.d.comb += begin.eq(fill + counted.mask_lanes)
        placed = Signal(NetworkBeat(
            lanes, lane_bits, Placement(geometry, self._places)), reset_less=True)
        placed_valid = Signal()
        m.d.sync += [
            placed_valid.eq(counted_valid),
            placed.data.eq(counted.data),
            placed.side.begin.eq(fill),
            placed.side.data.eq(begin),
            placed.side.end.eq(end),
            placed.side.nonzeros.eq(counted.nonzeros),
            placed.side.empty.eq(empty),
            placed.side.head.eq(counted.head),
            placed.side.last.eq(counted.last),
        ]
        for lane in range(1, lanes):
            m.d.sync += placed.turns[str(lane)].eq(begin + counted.ranks[str(lane)])

        m.d.comb += [
            network.i.valid.eq(placed_valid),
            network.i.payload.eq(placed),
            self.o.valid.eq(network.o.valid),
            self.o.p.data.eq(network.o.p.data),
            self.o.p.place.eq(network.o.p.side),
        ]
        return m
