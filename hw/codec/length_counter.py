# SPDX-License-Identifier: Apache-2.0
"""How long packets are."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["LengthCounter"]


class LengthCounter(wiring.Component):
    """Adds up the bytes of a packet; a sum that does not fit stays at all ones.

    No length that is asked for is as long as that, so a packet that is longer than can be counted
    is never taken for one of the right length.

    Parameters
    ----------
    width : :class:`int`
        Bytes per beat at most.
    bits : :class:`int`
        Bits of the sum.

    Members
    -------
    take : ``In(1)``
        A beat is taken.
    count : ``In(range(width + 1))``
        Its bytes.
    last : ``In(1)``
        It is the last of its packet.
    total : ``Out(bits)``
        Bytes of the packet up to and with this beat; combinational in ``count``.
    """

    def __init__(self, width: int, *, bits: int = 32):
        super().__init__({
            "take": In(1), "count": In(range(width + 1)), "last": In(1), "total": Out(bits),
        })

    def elaborate(self, platform):
        m = Module()
        before = Signal.like(self.total)
        after = Signal(len(before) + 1)
        m.d.comb += after.eq(before + self.count)
        m.d.comb += self.total.eq(after[:-1] | after[-1].replicate(len(before)))
        with m.If(self.take):
            m.d.sync += before.eq(Mux(self.last, 0, self.total))
        return m
