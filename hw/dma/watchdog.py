# SPDX-License-Identifier: Apache-2.0
"""A memory that does not answer is noticed."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Watchdog"]


class Watchdog(wiring.Component):
    """Counts cycles in which something is owed and nothing moves.

    Members
    -------
    owed : ``In(1)``
        A memory owes a beat.
    progress : ``In(1)``
        A beat moved.
    exponent : ``In(5)``
        Patience: 2 to the power of this, in cycles; 0 is no end of it. Another number takes effect
        two cycles later.
    expired : ``Out(1)``
        That many cycles have passed.
    """

    def __init__(self):
        super().__init__({
            "owed": In(1), "progress": In(1), "exponent": In(5), "expired": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        counted, patience = Signal(32, init=1), Signal(32) # bits of a number that is large enough
        endless = Signal(init=1)
        m.d.sync += [
            endless.eq(self.exponent == 0),
            patience.eq(Mux(self.exponent == 0, 0, (-1 << self.exponent)[:32])),
        ]
        # Counted are the cycles at the end of this one, so that it is known in the next.
        with m.If(self.progress | ~self.owed | endless):
            m.d.sync += [counted.eq(1), self.expired.eq(0)]
        with m.Else():
            m.d.sync += self.expired.eq((counted & patience).any())
            with m.If(~self.expired):
                m.d.sync += counted.eq(counted + 1)
        return m
