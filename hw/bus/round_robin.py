# SPDX-License-Identifier: Apache-2.0
"""Turns."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["RoundRobin"]


class RoundRobin(wiring.Component):
    """Chooses one of several who ask, the one whose turn it is first.

    Members
    -------
    requests : ``In(count)``
        Who asks.
    next : ``In(1)``
        Whoever was chosen had its turn.
    any : ``Out(1)``
        Someone asks; combinational.
    chosen : ``Out(range(max(2, count)))``
        Who it is; combinational.
    """

    def __init__(self, count: int):
        self._count = count
        super().__init__({
            "requests": In(count), "next": In(1), "any": Out(1),
            "chosen": Out(range(max(2, count))),
        })

    def elaborate(self, platform):
        m = Module()
        m.d.comb += self.any.eq(self.requests.any())
        before = Signal.like(self.chosen)
        with m.Switch(before):
            for last in range(self._count):
                with m.Case(last):
                    # The later an assignment, the higher its priority.
                    for n in reversed(range(1, self._count + 1)):
                        who = (last + n) % self._count
                        with m.If(self.requests[who]):
                            m.d.comb += self.chosen.eq(who)
        with m.If(self.next):
            m.d.sync += before.eq(self.chosen)
        return m
