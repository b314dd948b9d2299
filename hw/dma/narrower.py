# SPDX-License-Identifier: Apache-2.0
"""From wide beats to narrow ones."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from opencdma.hw.codec.payloads import PacketBeat

__all__ = ["Narrower"]


class Narrower(wiring.Component):
    """Cuts beats into pieces, without a gap: one narrow beat per cycle.

    There is no register between the streams: ``o.valid`` follows ``i.valid``, ``i.ready`` follows
    ``o.ready``.

    Parameters
    ----------
    wide, narrow : :class:`int`
        Bytes per beat of ``i`` and of ``o``.

    Members
    -------
    i : ``In(stream.Signature(PacketBeat(wide)))``
        Packets.
    o : ``Out(stream.Signature(PacketBeat(narrow)))``
        The same packets.
    """

    def __init__(self, wide: int, narrow: int):
        self._wide = wide
        self._narrow = narrow
        super().__init__({
            "i": In(stream.Signature(PacketBeat(wide))),
            "o": Out(stream.Signature(PacketBeat(narrow))),
        })

    def elaborate(self, platform):
        m = Module()
        narrow, pieces = self._narrow, self._wide // self._narrow
        piece, left = Signal(range(pieces)), Signal.like(self.i.p.count)
        ends = Signal()
        m.d.comb += [
            left.eq(self.i.p.count - piece * narrow),
            ends.eq((piece == pieces - 1) | (self.i.p.last & (left <= narrow))),
            Value.cast(self.o.p.data).eq(Value.cast(self.i.p.data).word_select(piece, 8 * narrow)),
            self.o.p.count.eq(Mux(left < narrow, left, narrow)),
            self.o.p.last.eq(self.i.p.last & ends),
            self.o.p.cut.eq(self.i.p.cut),
            self.o.valid.eq(self.i.valid),
            self.i.ready.eq(self.o.ready & ends),
        ]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += piece.eq(Mux(ends, 0, piece + 1))
        return m
