# SPDX-License-Identifier: Apache-2.0
"""Third stage of the decompressor: the lanes of a beat are fetched and spread to their places."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from .beat_planner import BeatKind, PlannedBeat
from .geometry import CodecGeometry
from .line_store import StoreShape
from .network import ScatterNetwork
from .ring_store import Ring
from .zero_check import StoredLanes, ZeroCheck, ZeroReport

__all__ = ["ExpandedBeat", "Expander"]


class ExpandedBeat(data.StructLayout):
    """A raw beat, or the reason why there is none.

    Fields
    ------
    data
        ``lanes`` lanes of ``lane_bytes`` bytes.
    keep
        Lanes that come from the encoded stream; the network leaves the others unspecified.
    count, tail, last
        As in :class:`PlannedBeat`.
    step
        Bytes of the encoded stream: the mask in front of the beat, and its data.
    kind
        :class:`BeatKind`.
    where
        As in :class:`PlannedBeat`.
    checked
        As in :class:`PlannedBeat`.
    zeros
        What is among the elements.
    """

    def __init__(self, geometry):
        super().__init__({
            "data": data.ArrayLayout(8 * geometry.lane_bytes, geometry.lanes),
            "beat": ExpandedBeat.side(geometry), "zeros": ZeroReport(geometry),
        })

    @staticmethod
    def side(geometry):
        """Layout of what goes through the network beside the data, under the name ``beat``."""
        lanes = geometry.lanes
        return data.StructLayout({
            "keep": lanes, "count": range(lanes + 1), "step": range(16 + geometry.width + 1),
            "where": range(16), "kind": BeatKind, "tail": 1, "last": 1, "checked": 1,
        })


class Expander(wiring.Component):
    """Reads the kept lanes of a beat from the line store and puts each where its mask bit is.

    On the way the elements are checked: none that is stored may be zero. Throughput is one beat per
    cycle, latency ``1 + ranks`` cycles, no back-pressure.

    Members
    -------
    i : ``In(stream.Signature(PlannedBeat(geometry), always_ready=True))``
        Beats whose data have arrived.
    read_position, read_after, read_data : ``Out``, ``Out``, ``In``
        To a line store of ``lanes`` cells.
    o : ``Out(stream.Signature(ExpandedBeat(geometry), always_ready=True))``
        The beats with their data.
    """

    def __init__(self, geometry: CodecGeometry):
        self._geometry = geometry
        super().__init__({
            "i": In(stream.Signature(PlannedBeat(geometry), always_ready=True)),
            "read_position": Out(StoreShape(geometry).position),
            "read_after": Out(StoreShape(geometry).position),
            "read_data": In(data.ArrayLayout(8 * geometry.lane_bytes, geometry.lanes)),
            "o": Out(stream.Signature(ExpandedBeat(geometry), always_ready=True)),
        })

    def elaborate(self, platform):
        m = Module()
        geometry, lanes = self._geometry, self._geometry.lanes

        # Fetch: the lanes that hold the beat's data stand in the read data in a ring.
        given = self.i.p
        lane_bits = exact_log2(lanes)
        first, mask_bytes = given.position[:lane_bits], Signal(range(16 + 1))
        m.d.comb += mask_bytes.eq(Mux(
            given.head,
            geometry.by_size(given.size, geometry.mask_lanes) * geometry.lane_bytes, 0))
        fetched = Signal(data.StructLayout({
            "data": self.read_data.shape(), "turns": given.turns.shape(),
            "lanes": StoredLanes(geometry), "beat": ExpandedBeat.side(geometry),
        }), reset_less=True)
        stored = Signal(StoredLanes(geometry))
        fetched_valid = Signal()
        ring = Ring(lanes, 1 << len(given.position)).of(given.position, given.behind)
        m.d.comb += [
            self.read_position.eq(given.position), self.read_after.eq(given.after)]
        m.d.sync += [
            fetched_valid.eq(self.i.valid),
            fetched.data.eq(self.read_data),
            fetched.turns.eq(given.turns),
            fetched.lanes.within.eq(ring["inside"]),
            fetched.lanes.there.eq(given.there),
            fetched.lanes.first.eq(first),
            fetched.lanes.mask_bytes.eq(mask_bytes),
            fetched.lanes.size.eq(given.size),
            fetched.beat.step.eq(mask_bytes + given.taken * geometry.lane_bytes),
        ]
        for name in ("keep", "count", "where", "kind", "tail", "last", "checked"):
            m.d.sync += fetched.beat[name].eq(given[name])

        m.submodules.check = check = ZeroCheck(geometry)
        m.submodules.network = network = ScatterNetwork(
            lanes=lanes, lane_bits=8 * geometry.lane_bytes, side=ExpandedBeat.side(geometry),
            ranks=geometry.ranks)
        m.d.comb += [
            stored.eq(fetched.lanes),
            stored.filled.eq(Cat(Value.cast(lane).any() for lane in fetched.data)),
            check.i.eq(stored),
            network.i.valid.eq(fetched_valid),
            network.i.p.data.eq(fetched.data),
            network.i.p.turns.eq(fetched.turns),
            network.i.p.side.eq(fetched.beat),
            self.o.valid.eq(network.o.valid),
            self.o.p.data.eq(network.o.p.data),
            self.o.p.beat.eq(network.o.p.side),
            self.o.p.zeros.eq(check.o),
        ]
        return m
