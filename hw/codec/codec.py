# SPDX-License-Identifier: Apache-2.0
"""Compressor and decompressor behind one set of streams."""

from amaranth import *
from amaranth.lib import wiring

from opencdma.hw.stream import Queue
from opencdma.spec import Direction

from .compressor import Compressor
from .decompressor import Decompressor
from .geometry import CodecGeometry
from .payloads import CodecSignature

__all__ = ["Codec"]


class Codec(wiring.Component):
    """A compressor and a decompressor behind one set of streams.

    The direction of each command decides which of them its packet goes through. Packets and
    statuses come out in the order of the commands. Adds no latency and no bubbles.

    Members
    -------
    commands : ``In(stream.Signature(CommandWord))``
        One per packet.
    i : ``In(stream.Signature(PacketBeat(width)))``
        Packets to be compressed or decompressed.
    o : ``Out(stream.Signature(PacketBeat(width)))``
        What they became.
    statuses : ``Out(stream.Signature(StatusWord))``
        One per packet, after its last beat has been taken.
    """

    def __init__(self, geometry: CodecGeometry):
        self._geometry = geometry
        super().__init__(CodecSignature(geometry.width))

    def elaborate(self, platform):
        m = Module()
        m.submodules.compressor = compressor = Compressor(self._geometry)
        m.submodules.decompressor = decompressor = Decompressor(self._geometry)
        engines = {Direction.COMPRESS: compressor, Direction.DECOMPRESS: decompressor}

        # The directions of the transfers whose packet has not gone in, not come out, and whose
        # status has not been given: a command may pass when there is room in every one of them.
        queues = {}
        for name in ("input", "output", "status"):
            queues[name] = m.submodules[f"{name}_order"] = Queue(1, 32)
        waiting = [*queues.values()]
        willing, accept = Signal(), Signal()
        m.d.comb += [
            willing.eq(Cat(q.i.ready for q in waiting).all()
                       & Cat(engine.commands.ready for engine in engines.values()).all()),
            self.commands.ready.eq(willing),
            accept.eq(self.commands.valid & willing),
        ]
        for queue in waiting:
            m.d.comb += [queue.i.valid.eq(accept), queue.i.payload.eq(self.commands.p.direction)]
        m.d.comb += [
            queues["input"].o.ready.eq(self.i.valid & self.i.ready & self.i.p.last),
            queues["output"].o.ready.eq(self.o.valid & self.o.ready & self.o.p.last),
            queues["status"].o.ready.eq(self.statuses.valid & self.statuses.ready),
        ]

        for direction, engine in engines.items():
            turn = {
                name: queue.o.valid & (queue.o.payload == direction)
                for name, queue in queues.items()
            }
            m.d.comb += [
                engine.commands.payload.eq(self.commands.payload),
                engine.commands.valid.eq(accept & (self.commands.p.direction == direction)),
                engine.i.payload.eq(self.i.payload),
                engine.i.valid.eq(self.i.valid & turn["input"]),
                engine.o.ready.eq(self.o.ready & turn["output"]),
                engine.statuses.ready.eq(self.statuses.ready & turn["status"]),
            ]
            with m.If(turn["input"]):
                m.d.comb += self.i.ready.eq(engine.i.ready)
            with m.If(turn["output"]):
                m.d.comb += self.o.valid.eq(engine.o.valid)
                m.d.comb += self.o.payload.eq(engine.o.payload)
            with m.If(turn["status"]):
                m.d.comb += self.statuses.valid.eq(engine.statuses.valid)
                m.d.comb += self.statuses.payload.eq(engine.statuses.payload)
        return m
