# SPDX-License-Identifier: Apache-2.0
"""Beats with gaps become packets without."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from opencdma.hw.codec.network import rotate
from opencdma.hw.codec.payloads import PacketBeat

from .read_delivery import RaggedBeat

__all__ = ["Joiner"]


class Joiner(wiring.Component):
    """Moves bytes together, so that every beat of a packet but the last is full.

    Each beat is turned to where the bytes before it end, then laid over what they left of their
    beat. The critical loop is the sum of the counts, modulo the width.

    Takes one beat per cycle, but for one more at the end of a packet whose last beat spills over;
    latency is one cycle. ``i.ready`` depends combinationally on ``o.ready``.

    Parameters
    ----------
    width : :class:`int`
        Bytes per beat.

    Members
    -------
    i : ``In(stream.Signature(RaggedBeat(width)))``
        Packets with gaps.
    o : ``Out(stream.Signature(PacketBeat(width)))``
        The same bytes.
    """

    def __init__(self, width: int):
        self._width = width
        super().__init__({
            "i": In(stream.Signature(RaggedBeat(width))),
            "o": Out(stream.Signature(PacketBeat(width))),
        })

    def elaborate(self, platform):
        m = Module()
        width, bits = self._width, exact_log2(self._width)

        # Turn.
        fill = Signal(bits) # bytes that have not made a beat
        turned = rotate(
            m, self.i.p.data, (fill - self.i.p.start)[:bits], 1, name="turned")
        beat = Signal(data.StructLayout({
            "data": data.ArrayLayout(8, width), "fill": bits, "total": bits + 1, "last": 1,
        }))
        beat_valid, beat_ready = Signal(), Signal()
        m.d.comb += self.i.ready.eq(~beat_valid | beat_ready)
        with m.If(self.i.ready):
            m.d.sync += beat_valid.eq(self.i.valid)
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [
                beat.data.eq(turned),
                beat.fill.eq(fill),
                beat.total.eq(fill + self.i.p.count),
                beat.last.eq(self.i.p.last),
                fill.eq(Mux(self.i.p.last, 0, fill + self.i.p.count)),
            ]

        # Lay over what is held. A total of twice the width cannot be: fill is less than it.
        held = Signal(data.ArrayLayout(8, width))
        spill = Signal() # the last beat has gone out, but for the bytes held
        full, over = Signal(), Signal()
        m.d.comb += [
            full.eq(beat.total >= width),
            over.eq(beat.last & (beat.total > width)),
        ]
        for n in range(width):
            m.d.comb += self.o.p.data[n].eq(
                Mux(spill | (n < beat.fill), held[n], beat.data[n]))
        left = beat.total[:bits] # modulo the width
        m.d.comb += [
            self.o.p.count.eq(Mux(spill, left, Mux(full, width, beat.total))),
            self.o.p.last.eq(spill | (beat.last & ~over)),
        ]
        goes = Signal()
        m.d.comb += [
            self.o.valid.eq(beat_valid & (full | beat.last)),
            goes.eq(self.o.ready | ~(full | beat.last)),
            beat_ready.eq(goes & (~over | spill)),
        ]
        with m.If(beat_valid & goes):
            m.d.sync += spill.eq(over & ~spill)
            for n in range(width):
                with m.If(full | (n >= beat.fill)):
                    m.d.sync += held[n].eq(beat.data[n])
        return m
