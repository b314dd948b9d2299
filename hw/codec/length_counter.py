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
    done : ``Out(1)``
        The last beat was taken two cycles ago.
    total : ``Out(bits)``
        With ``done``: bytes of the packet. Combinational, from registers.
    """

    def __init__(self, width: int, *, bits: int = 32):
        super().__init__({
            "take": In(1), "count": In(range(width + 1)), "last": In(1),
            "done": Out(1), "total": Out(bits),
        })

    def elaborate(self, platform):
        m = Module()
        take, last, count = Signal(), Signal(), Signal.like(self.count)
        m.d.sync += [take.eq(self.take), last.eq(self.last), count.eq(self.count)]
        before, after = Signal.like(self.total), Signal(len(self.total) + 1)
        over, packet, packet_over = Signal(), Signal.like(self.total), Signal()
        m.d.comb += after.eq(before + count)
        with m.If(take):
            m.d.sync += [before.eq(after[:-1]), over.eq(over | after[-1])]
            with m.If(last):
                m.d.sync += [before.eq(0), over.eq(0)]
        m.d.sync += [
            self.done.eq(take & last),
            packet.eq(after[:-1]),
            packet_over.eq(over | after[-1]),
        ]
        m.d.comb += self.total.eq(packet | packet_over.replicate(len(packet)))
        return m
