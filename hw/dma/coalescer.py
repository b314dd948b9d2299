# SPDX-License-Identifier: Apache-2.0
"""Completions are gathered into interrupts."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Coalescer"]


class Coalescer(wiring.Component):
    """Tells of completions when enough have gathered, or the first has waited long enough.

    Members
    -------
    completes : ``In(1)``
        A descriptor that asks for an interrupt is complete.
    count : ``In(16)``
        How many are enough; 0 counts as 1.
    timer : ``In(32)``
        Cycles the first may wait; 0 is no end of them. Another number takes effect a cycle later.
    tells : ``Out(1)``
        Tell of them, in this cycle.
    """

    def __init__(self):
        super().__init__({
            "completes": In(1), "count": In(16), "timer": In(32), "tells": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        gathered, counted = Signal(16), Signal(32, init=1)
        late = Signal()
        m.d.comb += self.tells.eq((gathered != 0) & ((gathered >= self.count) | late))
        m.d.sync += gathered.eq(Mux(self.tells, self.completes, gathered + self.completes))
        # Counted are the cycles at the end of this one, so that it is known in the next.
        with m.If((gathered == 0) | self.tells):
            m.d.sync += [counted.eq(1), late.eq(0)]
        with m.Else():
            m.d.sync += [
                counted.eq(counted + 1), late.eq((self.timer != 0) & (counted >= self.timer)),
            ]
        return m
