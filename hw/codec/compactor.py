# SPDX-License-Identifier: Apache-2.0
"""Compaction: a place in the encoded stream for every lane that is kept, and the way there."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from .geometry import CodecGeometry
from .network import GatherNetwork, prefix_step, turns_layout
from .ring_store import Ring
from .zero_mask import MaskedBeat

__all__ = ["Compactor", "PlacedBeat", "Placement"]


class Placement(data.StructLayout):
    """Where a beat stands in the encoded stream.

    Places are counted in lanes, modulo the size of the output store, and lines of the store
    accordingly. Lanes from ``begin`` to ``data`` are the mask's, those from ``data`` to ``end``
    the beat's.

    Fields
    ------
    begin, data, end
        Place of the mask, if there is one; of the first kept lane; behind the last kept lane.
    data_lines, end_lines
        Lines between that of ``begin`` and those of ``data`` and ``end``.
    next_line
        Line where the next beat begins.
    final_line
        Line of the last lane placed so far; that of ``begin`` in an empty transfer.
    step
        Lanes from ``begin`` to ``end``.
    nonzeros
        Nonzero elements in the beat.
    zvc, head, tail, last, empty
        As in :class:`RawBeat`.
    """

    def __init__(self, geometry, places):
        lanes, most = geometry.lanes, geometry.lanes + geometry.mask_lanes_max
        super().__init__({
            "begin": range(places), "data": range(places), "end": range(places),
            "data_lines": range((lanes - 1 + geometry.mask_lanes_max) // lanes + 1),
            "end_lines": range((lanes - 1 + most) // lanes + 1),
            "next_line": range(places // lanes), "final_line": range(places // lanes),
            "step": range(most + 1), "nonzeros": range(lanes + 1),
            "zvc": 1, "head": 1, "tail": 1, "last": 1, "empty": 1,
        })


class PlacedBeat(data.StructLayout):
    """A beat whose kept lanes stand at their places modulo the number of lanes.

    Fields
    ------
    data
        The lanes.
    ring
        Where the lanes go.
    complete
        With this beat, every line before this one has all its data, and is not the last of its
        transfer or known to be.
    """

    def __init__(self, geometry, places):
        super().__init__({
            "data": data.ArrayLayout(8 * geometry.lane_bytes, geometry.lanes),
            "where": PlacedBeat.side(geometry, places),
        })

    @staticmethod
    def side(geometry, places):
        """Layout of all fields but ``data``, under the name ``where``."""
        return data.StructLayout({
            "ring": Ring(geometry.lanes, places),
            "complete": range(places // geometry.lanes),
        })


class Compactor(wiring.Component):
    """Squeezes out the lanes that are not kept, and moves the others to their place in the stream.

    Throughput is one beat per cycle, no back-pressure; ``places`` comes ``count_ranks + 1`` cycles
    after ``i``, and ``o`` another ``ranks`` cycles after that. A transfer begins at a multiple of
    ``lanes``, and each has a line at least.

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
    line : ``Out``
        Line where the next beat will be placed, as far as beats have been counted.
    places : ``Out(stream.Signature(Placement(geometry, places), always_ready=True))``
        Where each beat goes.
    o : ``Out(stream.Signature(PlacedBeat(geometry, places), always_ready=True))``
        The beats, compacted.
    """

    def __init__(self, geometry: CodecGeometry, *, places: int):
        self._geometry = geometry
        self._places = places
        super().__init__({
            "i": In(stream.Signature(MaskedBeat(geometry), always_ready=True)),
            "line": Out(range(places // geometry.lanes)),
            "places": Out(stream.Signature(Placement(geometry, places), always_ready=True)),
            "o": Out(stream.Signature(PlacedBeat(geometry, places), always_ready=True)),
        })

    def elaborate(self, platform):
        m = Module()
        geometry, lanes = self._geometry, self._geometry.lanes
        lane_bits, line_bits = 8 * geometry.lane_bytes, exact_log2(lanes)
        flags = ("zvc", "head", "tail", "last", "empty")

        # Count: the rank of every lane, and how far the stream grows with this beat: by what is
        # kept and its mask; with what fills the line of the last beat; and to the last place
        # taken, which an empty transfer has none of. What is added to the number of lanes for that
        # is added to the count of the last lane before all others are.
        mask_lanes = Signal(range(geometry.mask_lanes_max + 1))
        m.d.comb += mask_lanes.eq(Mux(
            self.i.p.head, geometry.by_size(self.i.p.size, geometry.mask_lanes), 0))
        beat = Signal(data.StructLayout({
            "data": data.ArrayLayout(lane_bits, lanes), "mask_lanes": mask_lanes.shape(),
            **dict.fromkeys(flags, 1),
        }))
        m.d.comb += [beat.data.eq(self.i.p.data), beat.mask_lanes.eq(mask_lanes)]
        m.d.comb += [beat[name].eq(self.i.p[name]) for name in flags]
        valid, growth = self.i.valid, {
            "step": mask_lanes,
            "rounded": Mux(self.i.p.last, mask_lanes + (lanes - 1) + self.i.p.empty, mask_lanes),
            "final": mask_lanes - ~self.i.p.empty,
        }
        kept, ones = list(self.i.p.keep), list(self.i.p.nonzero)
        # What the last lanes count is added a rank later: it comes from much that is counted.
        adding_rank = min(1, geometry.count_ranks - 1)
        for rank in range(geometry.count_ranks):
            last_rank = rank == geometry.count_ranks - 1
            if rank == adding_rank:
                growth = self._grown(m, growth, kept[-1], "first")
            for step in range(geometry.levels)[2 * rank:2 * rank + 2]:
                if rank >= adding_rank:
                    growth = self._grown(m, growth, kept[lanes - (1 << step) - 1], f"then{step}")
                kept = prefix_step(m, kept, step, name="kept")
                ones = prefix_step(m, ones, step, name="nonzero")
            if last_rank:
                break
            valid, beat = self._held(m, valid, f"valid{rank}"), self._held(m, beat, f"beat{rank}")
            kept = [self._held(m, count, f"kept{rank}_{n}") for n, count in enumerate(kept)]
            ones = [self._held(m, count, f"ones{rank}_{n}") for n, count in enumerate(ones)]
            growth = {
                name: self._held(m, sum_, f"{name}{rank}") for name, sum_ in growth.items()}

        counted = Signal(data.StructLayout({
            "beat": beat.shape(), "ranks": turns_layout(lanes),
            **dict.fromkeys(growth, range(self._places)), # modulo places, as all that follows
            "nonzeros": range(lanes + 1),
        }), reset_less=True)
        counted_valid = Signal()
        m.d.sync += [
            counted_valid.eq(valid), counted.beat.eq(beat), counted.nonzeros.eq(ones[-1])]
        m.d.sync += [counted[name].eq(sum_) for name, sum_ in growth.items()]
        for lane in range(1, lanes):
            m.d.sync += counted.ranks[str(lane)].eq(beat.mask_lanes + kept[lane - 1])

        # Place: the critical loop. The next transfer begins on a line of its own, and one that
        # wrote nothing takes a line as well: its empty last beat.
        fill, after = Signal(range(self._places)), Signal(range(self._places))
        m.d.comb += after.eq(fill + counted.rounded)
        m.d.comb += self.line.eq(fill[line_bits:])
        with m.If(counted_valid):
            m.d.sync += fill.eq(after)
            with m.If(counted.beat.last):
                m.d.sync += fill[:line_bits].eq(0)

        place, low = self.places.p, fill[:line_bits]
        m.d.sync += [
            self.places.valid.eq(counted_valid),
            place.begin.eq(fill),
            place.data.eq(fill + counted.beat.mask_lanes),
            place.end.eq(fill + counted.step),
            place.data_lines.eq((low + counted.beat.mask_lanes) >> line_bits),
            place.end_lines.eq((low + counted.step) >> line_bits),
            place.next_line.eq(after[line_bits:]),
            place.final_line.eq((fill + counted.final)[line_bits:len(fill)]),
            place.step.eq(counted.step),
            place.nonzeros.eq(counted.nonzeros),
        ]
        m.d.sync += [place[name].eq(counted.beat[name]) for name in flags]
        placed = Signal(data.StructLayout({
            "data": data.ArrayLayout(lane_bits, lanes), "turns": turns_layout(lanes),
        }), reset_less=True)
        m.d.sync += placed.data.eq(counted.beat.data)
        for lane in range(1, lanes):
            m.d.sync += placed.turns[str(lane)].eq(low + counted.ranks[str(lane)])

        # Move.
        side = PlacedBeat.side(geometry, self._places)
        m.submodules.network = network = GatherNetwork(
            lanes=lanes, lane_bits=lane_bits, side=side, ranks=geometry.ranks)
        m.d.comb += [
            network.i.valid.eq(self.places.valid),
            network.i.p.data.eq(placed.data),
            network.i.p.turns.eq(placed.turns),
            network.i.p.side.complete.eq(Mux(place.last, place.next_line, place.final_line)),
            self.o.valid.eq(network.o.valid),
            self.o.p.data.eq(network.o.p.data),
            self.o.p.where.eq(network.o.p.side),
        ]
        ring = Ring(lanes, self._places).of(place.data, place.end)
        m.d.comb += [network.i.p.side.ring[name].eq(value) for name, value in ring.items()]
        return m

    def _grown(self, m, growth, count, when):
        """Returns the sums of ``growth`` with a count added."""
        grown = {}
        for name, sum_ in growth.items():
            grown[name] = Signal(
                range(-1, self._geometry.mask_lanes_max + 2 * self._geometry.lanes + 1),
                name=f"{name}_{when}")
            m.d.comb += grown[name].eq(sum_ + count)
        return grown

    @staticmethod
    def _held(m, value, name):
        """Returns the value of the cycle before."""
        held = Signal.like(value, name=name)
        m.d.sync += held.eq(value)
        return held
