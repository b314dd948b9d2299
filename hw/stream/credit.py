# SPDX-License-Identifier: Apache-2.0
"""Credits: room promised before it is needed, so that what flows freely always finds it."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Credit"]


class Credit(wiring.Component):
    """Counts how many more items a section of the design may take in.

    A pipeline without back-pressure ends in a queue; whoever feeds it takes a credit per item,
    and whoever frees a place in the queue gives it back. ``available`` is a register.

    Parameters
    ----------
    total : :class:`int`
        Items that may be under way at once; at least 1.
    initial : :class:`int` or ``None``
        Credits that are there at first, all by default. With none, what is given is what may be
        taken: whoever takes waits for events that others report.

    Members
    -------
    available : ``Out(1)``
        A credit may be taken in this cycle.
    soon : ``Out(1)``
        One may be taken in the next cycle. Depends combinationally on ``take`` and ``give``.
    take : ``In(1)``
        A credit is taken. Must not be high while ``available`` is low.
    give : ``In(2)``
        Credits that come back in this cycle.
    idle : ``Out(1)``
        Every credit is here: nothing is under way.

    Raises
    ------
    TypeError, ValueError
        If ``total`` is not an integer of at least 1.
    """

    def __init__(self, total: int, *, initial: int | None = None):
        if not isinstance(total, int):
            raise TypeError(f"Number of credits must be an integer, not {total!r}")
        if total < 1:
            raise ValueError(f"Number of credits must be at least 1, not {total!r}")
        self._total = total
        self._initial = total if initial is None else initial
        super().__init__({
            "available": Out(1), "soon": Out(1), "take": In(1), "give": In(2), "idle": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        # What is taken and given in a cycle is added up in the next one, beside all that depends on
        # it: no sum waits for either.
        left = Signal(range(self._total + 1), init=self._initial)
        change = Signal(signed(3)) # of the cycle before: -1 to 3
        available = Signal(init=self._initial != 0)
        some, many = Signal(), Signal() # one is there, or more than one
        m.d.sync += [change.eq(self.give - self.take), left.eq(left + change)]
        low, high = left[:2], left[2:].any() if len(left) > 2 else C(0)
        with m.Switch(change):
            for before in range(-1, 4):
                one = 1 - before # as many in `left` are one in truth
                with m.Case(before):
                    m.d.comb += [
                        self.idle.eq(left == self._total - before),
                        some.eq(~high & (low == one)),
                        many.eq(high | (low > one)),
                    ]
        m.d.comb += self.soon.eq((self.give != 0) | many | (some & ~self.take))
        m.d.sync += available.eq(self.soon)
        m.d.comb += self.available.eq(available)
        return m
