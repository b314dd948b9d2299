# SPDX-License-Identifier: Apache-2.0
"""Several numbers times one, a bit per cycle."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["SerialMultiplier"]


class SerialMultiplier(wiring.Component):
    """Multiplies some numbers of 32 bits by the same one of 16 bits: shift and add.

    Takes as many cycles as the factor has bits up to its highest one; none if it is zero.

    Parameters
    ----------
    count : :class:`int`
        Numbers that are multiplied.

    Members
    -------
    start : ``In(1)``
        Take over the operands.
    factor : ``In(16)``
        The factor.
    numbers : ``In(32).array(count)``
        The numbers.
    products : ``Out(48).array(count)``
        The products, when not ``busy``.
    busy : ``Out(1)``
        Not done; low in the cycle after ``start`` if the factor is zero.
    """

    def __init__(self, count: int):
        super().__init__({
            "start": In(1), "factor": In(16), "numbers": In(32).array(count),
            "products": Out(48).array(count), "busy": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        factor = Signal(16)
        with m.If(self.start):
            m.d.sync += [factor.eq(self.factor), self.busy.eq(self.factor != 0)]
        with m.Else():
            m.d.sync += [factor.eq(factor >> 1), self.busy.eq(factor[1:] != 0)]
        for n, (number, product) in enumerate(zip(self.numbers, self.products, strict=True)):
            shifted = Signal(48, name=f"shifted{n}")
            with m.If(self.start):
                m.d.sync += [shifted.eq(number), product.eq(0)]
            with m.Elif(self.busy):
                m.d.sync += shifted.eq(shifted << 1)
                with m.If(factor[0]):
                    m.d.sync += product.eq(product + shifted)
        return m
