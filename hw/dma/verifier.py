# SPDX-License-Identifier: Apache-2.0
"""What was encoded is decoded again, as a check of the codec."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from opencdma.hw.codec import CodecGeometry, CommandWord, Decompressor, PacketBeat, StatusWord
from opencdma.hw.stream import BlockQueue

from .crc32 import Crc32

__all__ = ["Verifier"]

#: Encoded beats that can wait while the decoder is busy with what was sparse.
QUEUED = 32


class Verifier(wiring.Component):
    """Decodes packets and gives the CRC32 of what comes out.

    Keeps up with the encoder: it takes as many cycles for a packet, and adds none. Encoded beats
    wait in a queue while it is still busy with a packet that was sparse.

    Parameters
    ----------
    geometry : :class:`~opencdma.hw.codec.CodecGeometry`
        Build parameters of the codec.
    depth : :class:`int`
        Results that can be waiting.

    Members
    -------
    commands : ``In(stream.Signature(CommandWord))``
        One per packet.
    i : ``In(stream.Signature(PacketBeat(width)))``
        Encoded packets.
    statuses : ``Out(stream.Signature(StatusWord))``
        What the decoder says of each.
    crcs : ``Out(stream.Signature(32))``
        The CRC32 of each when decoded.
    """

    def __init__(self, geometry: CodecGeometry, *, depth: int):
        self._geometry = geometry
        self._depth = depth
        super().__init__({
            "commands": In(stream.Signature(CommandWord)),
            "i": In(stream.Signature(PacketBeat(geometry.width))),
            "statuses": Out(stream.Signature(StatusWord)),
            "crcs": Out(stream.Signature(32)),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.decoder = decoder = Decompressor(self._geometry)
        m.submodules.crc = crc = Crc32(self._geometry.width, depth=self._depth)
        connect(m, flipped(self.commands), decoder.commands)
        m.submodules.queue = queue = BlockQueue(PacketBeat(self._geometry.width), QUEUED)
        connect(m, flipped(self.i), queue.i)
        connect(m, queue.o, decoder.i)
        connect(m, decoder.statuses, flipped(self.statuses))
        connect(m, crc.o, flipped(self.crcs))
        m.d.comb += [
            decoder.o.ready.eq(1),
            crc.i.valid.eq(decoder.o.valid),
            crc.i.payload.eq(decoder.o.payload),
        ]
        return m
