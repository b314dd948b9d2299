# SPDX-License-Identifier: Apache-2.0
"""AXI4-Stream packets."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from opencdma.hw.codec.payloads import PacketBeat

__all__ = ["PacketSink", "PacketSource"]


class PacketSink(wiring.Component):
    """Receives AXI4-Stream packets.

    ``tkeep`` is all ones in every beat but the last of a packet, and contiguous from bit 0 there.
    A packet that breaks this rule ends, with ``cut``, at the first byte that is missing; the rest
    of it is swallowed.

    Throughput is one beat per cycle, latency none: ``o.valid`` depends combinationally on
    ``tvalid`` and ``tready`` on ``o.ready``.

    Members
    -------
    tdata, tkeep, tlast, tvalid, tready
        The AXI4-Stream.
    o : ``Out(stream.Signature(PacketBeat(width)))``
        Its packets.
    """

    def __init__(self, width: int):
        self._width = width
        super().__init__({
            "tdata": In(8 * width), "tkeep": In(width), "tlast": In(1),
            "tvalid": In(1), "tready": Out(1),
            "o": Out(stream.Signature(PacketBeat(width))),
        })

    def elaborate(self, platform):
        m = Module()
        width = self._width
        leading = Signal(width) # the run of ones that tkeep starts with
        whole, skipping = Signal(), Signal()
        m.d.comb += leading.eq(self.tkeep & ~(self.tkeep + 1))
        m.d.comb += whole.eq(Mux(self.tlast, leading == self.tkeep, self.tkeep.all()))
        m.d.comb += [
            self.o.valid.eq(self.tvalid & ~skipping),
            Value.cast(self.o.p.data).eq(self.tdata),
            self.o.p.last.eq(self.tlast | ~whole),
            self.o.p.cut.eq(~whole),
            self.tready.eq(self.o.ready | skipping),
        ]
        for n in range(width):
            with m.If(leading[n]):
                m.d.comb += self.o.p.count.eq(n + 1)
        with m.If(self.tvalid & self.tready):
            m.d.sync += skipping.eq(~self.tlast & (skipping | ~whole))
        return m


class PacketSource(wiring.Component):
    """Sends AXI4-Stream packets. An empty packet is one beat with ``tkeep`` zero.

    Throughput is one beat per cycle, latency none: ``tvalid`` depends combinationally on
    ``i.valid`` and ``i.ready`` on ``tready``.

    Members
    -------
    i : ``In(stream.Signature(PacketBeat(width)))``
        Packets.
    tdata, tkeep, tlast, tvalid, tready
        The AXI4-Stream.
    """

    def __init__(self, width: int):
        self._width = width
        super().__init__({
            "i": In(stream.Signature(PacketBeat(width))),
            "tdata": Out(8 * width), "tkeep": Out(width), "tlast": Out(1),
            "tvalid": Out(1), "tready": In(1),
        })

    def elaborate(self, platform):
        m = Module()
        m.d.comb += [
            self.tvalid.eq(self.i.valid),
            self.i.ready.eq(self.tready),
            self.tdata.eq(Value.cast(self.i.p.data)),
            self.tkeep.eq(Cat(self.i.p.count > n for n in range(self._width))),
            self.tlast.eq(self.i.p.last),
        ]
        return m
