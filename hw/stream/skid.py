# SPDX-License-Identifier: Apache-2.0
"""A stream whose ready does not wait for anybody."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Skid"]


class Skid(wiring.Component):
    """Passes items on at once, and keeps one that is not taken.

    Throughput is one item per cycle, and there is no latency: ``o.valid`` and ``o.payload`` follow
    ``i`` combinationally while nothing is kept. ``i.ready`` is a register.

    Parameters
    ----------
    shape : shape-like
        Payload of both streams.

    Members
    -------
    i : ``In(stream.Signature(shape))``
        Items.
    o : ``Out(stream.Signature(shape))``
        The same.
    """

    def __init__(self, shape):
        self._shape = shape
        super().__init__({
            "i": In(stream.Signature(shape)),
            "o": Out(stream.Signature(shape)),
        })

    def elaborate(self, platform):
        m = Module()
        kept, keeps = Signal(self._shape, reset_less=True), Signal()
        m.d.comb += [
            self.i.ready.eq(~keeps),
            self.o.valid.eq(keeps | self.i.valid),
            self.o.payload.eq(Mux(keeps, Value.cast(kept), Value.cast(self.i.payload))),
        ]
        m.d.sync += keeps.eq(self.o.valid & ~self.o.ready)
        with m.If(~keeps):
            m.d.sync += kept.eq(self.i.payload)
        return m
