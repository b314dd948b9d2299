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
        Patience: 2 to the power of this, in cycles; 0 is no end of it.
    expired : ``Out(1)``
        That many cycles have passed.
    """

    def __init__(self):
        super().__init__({
            "owed": In(1), "progress": In(1), "exponent": In(5), "expired": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        waited = Signal(32)
        with m.If(self.progress | ~self.owed | (self.exponent == 0)):
            m.d.sync += waited.eq(0)
        with m.Elif(~self.expired):
            m.d.sync += waited.eq(waited + 1)
        m.d.comb += self.expired.eq((waited >> self.exponent).any() & (self.exponent != 0))
        return m
