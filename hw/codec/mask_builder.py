# SPDX-License-Identifier: Apache-2.0
"""Beside the compactor: the masks of groups."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .geometry import CodecGeometry
from .zero_mask import MaskedBeat

__all__ = ["GroupMask", "MaskBuilder"]


class GroupMask(data.StructLayout):
    """The mask of a group as it stands in the stream, bit 0 of its first byte first."""

    def __init__(self, geometry):
        super().__init__({"bits": geometry.mask_bits, "size": 2})


class MaskBuilder(wiring.Component):
    """Gathers the mask of a group from its beats.

    Takes one beat per cycle; the mask comes one cycle after the last beat of its group. Stored
    transfers have no masks.

    Members
    -------
    i : ``In(stream.Signature(MaskedBeat(geometry), always_ready=True))``
        Beats with their zeros marked.
    o : ``Out(stream.Signature(GroupMask(geometry), always_ready=True))``
        One mask per group.
    """

    def __init__(self, geometry: CodecGeometry):
        self._geometry = geometry
        super().__init__({
            "i": In(stream.Signature(MaskedBeat(geometry), always_ready=True)),
            "o": Out(stream.Signature(GroupMask(geometry), always_ready=True)),
        })

    def elaborate(self, platform):
        m = Module()
        geometry = self._geometry
        grown   = Signal(geometry.mask_bits)
        slot    = Signal(range(geometry.group_beats))
        started = Signal() # the group has a mask, and beats of it came before

        with m.If(~self.i.p.head):
            m.d.comb += grown.eq(self.o.p.bits)
        with m.Switch(self.i.p.size):
            for size in geometry.element_sizes:
                step = geometry.width // size
                with m.Case(geometry.size_code(size)):
                    with m.Switch(slot):
                        for n in range(geometry.group_beats):
                            with m.Case(n):
                                m.d.comb += grown[n * step:(n + 1) * step].eq(self.i.p.nonzero)

        m.d.sync += self.o.valid.eq(0)
        with m.If(self.i.valid & (self.i.p.head | started)):
            m.d.sync += [
                self.o.p.bits.eq(grown),
                self.o.p.size.eq(self.i.p.size),
                self.o.valid.eq(self.i.p.tail),
                started.eq(~self.i.p.tail),
                slot.eq(Mux(self.i.p.tail, 0, slot + 1)),
            ]
        return m
