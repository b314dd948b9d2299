# SPDX-License-Identifier: Apache-2.0
"""Second stage of the compressor: zero or not zero."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .framer import RawBeat
from .geometry import CodecGeometry

__all__ = ["MaskedBeat", "ZeroMask"]


class MaskedBeat(data.StructLayout):
    """A beat with the lanes that are to be kept.

    Fields
    ------
    data
        ``lanes`` lanes of ``lane_bytes`` bytes.
    keep
        One bit per lane: its element goes to the encoded stream.
    nonzero
        One bit per element, from bit 0 up: the element is not zero.
    zvc, size, head, tail, last, empty
        As in :class:`RawBeat`.
    """

    def __init__(self, geometry):
        super().__init__({
            "data": data.ArrayLayout(8 * geometry.lane_bytes, geometry.lanes),
            "keep": geometry.lanes,
            "nonzero": geometry.lanes,
            "zvc": 1, "size": 2, "head": 1, "tail": 1, "last": 1, "empty": 1,
        })


class ZeroMask(wiring.Component):
    """Finds the elements of which any bit is set.

    Throughput is one beat per cycle, latency one cycle, no back-pressure. Bytes that do not belong
    to the transfer count as zero. In a stored transfer every byte that belongs to it is kept.

    Members
    -------
    i : ``In(stream.Signature(RawBeat(geometry), always_ready=True))``
        Raw beats.
    o : ``Out(stream.Signature(MaskedBeat(geometry), always_ready=True))``
        The same with their zeros marked.
    """

    def __init__(self, geometry: CodecGeometry):
        self._geometry = geometry
        super().__init__({
            "i": In(stream.Signature(RawBeat(geometry), always_ready=True)),
            "o": Out(stream.Signature(MaskedBeat(geometry), always_ready=True)),
        })

    def elaborate(self, platform):
        m = Module()
        geometry, lanes = self._geometry, self._geometry.lanes

        filled = Signal(lanes)
        for lane in range(lanes):
            low = lane * geometry.lane_bytes
            m.d.comb += filled[lane].eq(
                self.i.p.present[lane]
                & self.i.p.filled[low:low + geometry.lane_bytes].any())

        elements, spread = Signal(lanes), Signal(lanes)
        with m.Switch(self.i.p.size):
            for size in geometry.element_sizes:
                span = geometry.lanes_per_element(size)
                with m.Case(geometry.size_code(size)):
                    for n in range(lanes // span):
                        nonzero = filled[n * span:(n + 1) * span].any()
                        m.d.comb += elements[n].eq(nonzero)
                        m.d.comb += spread[n * span:(n + 1) * span].eq(nonzero.replicate(span))

        m.d.sync += [
            self.o.valid.eq(self.i.valid),
            Value.cast(self.o.p.data).eq(Value.cast(self.i.p.data)),
            self.o.p.keep.eq(Mux(self.i.p.zvc, spread, self.i.p.present)),
            self.o.p.nonzero.eq(elements),
        ]
        for name in ("zvc", "size", "head", "tail", "last", "empty"):
            m.d.sync += self.o.p[name].eq(self.i.p[name])
        return m
