# SPDX-License-Identifier: Apache-2.0
"""Third stage of the decompressor: the lanes of a beat are fetched and spread to their places."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from .beat_planner import BeatKind, PlannedBeat
from .geometry import CodecGeometry
from .line_store import StoreShape
from .network import ScatterNetwork, prefix_counts

__all__ = ["ExpandedBeat", "Expander"]


class ExpandedBeat(data.StructLayout):
    """A raw beat, or the reason why there is none.

    Fields
    ------
    data
        ``lanes`` lanes of ``lane_bytes`` bytes.
    keep
        Lanes that come from the encoded stream; the network leaves the others unspecified.
    nonzeros
        Nonzero elements among those taken from the encoded stream.
    stored_zero
        One of those elements is zero.
    zero_at
        With ``stored_zero``: lanes of the beat's encoded data in front of the first such element.
    taken, count, where, kind, head, tail, last, zvc, size
        As in :class:`PlannedBeat`.
    """

    def __init__(self, geometry):
        super().__init__({
            "data": data.ArrayLayout(8 * geometry.lane_bytes, geometry.lanes),
            "beat": ExpandedBeat.side(geometry),
        })

    @staticmethod
    def side(geometry):
        """Layout of all fields but ``data``, under the name ``beat``."""
        lanes = geometry.lanes
        return data.StructLayout({
            "keep": lanes, "nonzeros": range(lanes + 1), "stored_zero": 1, "zero_at": range(lanes),
            "taken": range(lanes + 1), "count": range(lanes + 1), "where": range(16),
            "kind": BeatKind, "head": 1, "tail": 1, "last": 1, "zvc": 1, "size": 2,
        })


class Expander(wiring.Component):
    """Reads the kept lanes of a beat from the line store and puts each where its mask bit is.

    On the way the elements are checked: none that is stored may be zero. Throughput is one beat per
    cycle, latency ``1 + ranks`` cycles, no back-pressure.

    Members
    -------
    i : ``In(stream.Signature(PlannedBeat(geometry), always_ready=True))``
        Beats whose data have arrived.
    read_position, read_data : ``Out``, ``In``
        To a line store of ``lanes`` cells.
    o : ``Out(stream.Signature(ExpandedBeat(geometry), always_ready=True))``
        The beats with their data.
    """

    def __init__(self, geometry: CodecGeometry):
        self._geometry = geometry
        super().__init__({
            "i": In(stream.Signature(PlannedBeat(geometry), always_ready=True)),
            "read_position": Out(StoreShape(geometry).position),
            "read_data": In(data.ArrayLayout(8 * geometry.lane_bytes, geometry.lanes)),
            "o": Out(stream.Signature(ExpandedBeat(geometry), always_ready=True)),
        })

    def elaborate(self, platform):
        m = Module()
        geometry, lanes = self._geometry, self._geometry.lanes

        # Fetch: the lanes that hold the beat's data stand in the read data in a ring.
        fetched = Signal(data.StructLayout({
            "data": self.read_data.shape(), "filled": lanes, "beat": PlannedBeat(geometry),
        }), reset_less=True)
        fetched_valid = Signal()
        m.d.comb += self.read_position.eq(self.i.p.position)
        m.d.sync += [
            fetched_valid.eq(self.i.valid),
            fetched.data.eq(self.read_data),
            fetched.filled.eq(Cat(Value.cast(lane).any() for lane in self.read_data)),
            fetched.beat.eq(self.i.payload),
        ]

        # Check. Elements stand at multiples of their size in the encoded stream.
        beat = fetched.beat
        first = beat.position[:exact_log2(lanes)]
        within, filled, leading = Signal(lanes), Signal(lanes), Signal(lanes)
        for lane in range(lanes):
            m.d.comb += within[lane].eq((lane - first)[:exact_log2(lanes)] < beat.taken)
        with m.Switch(beat.size):
            for size in geometry.element_sizes:
                span = geometry.lanes_per_element(size)
                with m.Case(geometry.size_code(size)):
                    for n in range(0, lanes, span):
                        m.d.comb += filled[n].eq(fetched.filled[n:n + span].any())
                        m.d.comb += leading[n].eq(1)
        zeros, ahead = Signal(lanes), Signal(lanes)
        m.d.comb += [
            zeros.eq(within & leading & ~filled),
            ahead.eq(Cat(lane >= first for lane in range(lanes))),
        ]
        found = Signal(lanes)
        where = Signal(range(lanes))
        m.d.comb += found.eq(Mux((zeros & ahead).any(), zeros & ahead, zeros))
        for lane in reversed(range(lanes)):
            with m.If(found[lane]):
                m.d.comb += where.eq(lane)
        nonzeros = prefix_counts(m, list(within & leading & filled), name="nonzeros")[-1]

        m.submodules.network = network = ScatterNetwork(
            lanes=lanes, lane_bits=8 * geometry.lane_bytes, side=ExpandedBeat.side(geometry),
            ranks=geometry.ranks)
        side = network.i.p.side
        m.d.comb += [
            network.i.valid.eq(fetched_valid),
            network.i.p.data.eq(fetched.data),
            network.i.p.turns.eq(beat.turns),
            side.stored_zero.eq(beat.zvc & zeros.any()),
            side.zero_at.eq(where - first),
            side.nonzeros.eq(nonzeros),
        ]
        for name in ("keep", "taken", "count", "where", "kind", "head", "tail", "last",
                     "zvc", "size"):
            m.d.comb += side[name].eq(beat[name])
        m.d.comb += [
            self.o.valid.eq(network.o.valid),
            self.o.p.data.eq(network.o.p.data),
            self.o.p.beat.eq(network.o.p.side),
        ]
        return m
