# SPDX-License-Identifier: Apache-2.0
"""From narrow beats to wide ones."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from opencdma.hw.codec.payloads import PacketBeat

__all__ = ["Widener"]


class Widener(wiring.Component):
    """Puts beats together, taking one narrow beat per cycle; latency is one cycle.

    ``i.ready`` depends combinationally on ``o.ready``.

    Parameters
    ----------
    narrow, wide : :class:`int`
        Bytes per beat of ``i`` and of ``o``.

    Members
    -------
    i : ``In(stream.Signature(PacketBeat(narrow)))``
        Packets.
    o : ``Out(stream.Signature(PacketBeat(wide)))``
        The same packets.
    """

    def __init__(self, narrow: int, wide: int):
        self._narrow = narrow
        self._wide = wide
        super().__init__({
            "i": In(stream.Signature(PacketBeat(narrow))),
            "o": Out(stream.Signature(PacketBeat(wide))),
        })

    def elaborate(self, platform):
        m = Module()
        narrow, pieces = self._narrow, self._wide // self._narrow
        piece = Signal(range(pieces))
        data = Signal(8 * self._wide)
        m.d.comb += [
            Value.cast(self.o.p.data).eq(data),
            self.i.ready.eq(~self.o.valid | self.o.ready),
        ]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [
                data.word_select(piece, 8 * narrow).eq(Value.cast(self.i.p.data)),
                self.o.p.count.eq(self.i.p.count + piece * narrow),
                self.o.p.last.eq(self.i.p.last),
                self.o.p.cut.eq(self.i.p.cut),
                self.o.valid.eq(self.i.p.last | (piece == pieces - 1)),
                piece.eq(Mux(self.i.p.last, 0, piece + 1)),
            ]
        with m.Elif(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        return m
