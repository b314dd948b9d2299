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
        super().__init__({"bits": geometry.mask_bits})


class MaskBuilder(wiring.Component):
    """Gathers the mask of a group from its beats.

    Takes one beat per cycle; the mask comes ``delay + 1`` cycles after the last beat of its group.
    Stored transfers have no masks.

    Parameters
    ----------
    geometry : :class:`CodecGeometry`
        Build parameters.
    delay : :class:`int`
        Cycles that beats are held back, so that masks come when their places are known.

    Members
    -------
    i : ``In(stream.Signature(MaskedBeat(geometry), always_ready=True))``
        Beats with their zeros marked.
    o : ``Out(stream.Signature(GroupMask(geometry), always_ready=True))``
        One mask per group.
    """

    def __init__(self, geometry: CodecGeometry, *, delay: int = 0):
        self._geometry = geometry
        self._delay = delay
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

        beat = Signal(data.StructLayout(
            {"valid": 1, "nonzero": geometry.lanes, "size": 2, "head": 1, "tail": 1}))
        m.d.comb += beat.valid.eq(self.i.valid)
        m.d.comb += [beat[name].eq(self.i.p[name]) for name in ("nonzero", "size", "head", "tail")]
        for n in range(self._delay):
            held = Signal.like(beat, name=f"held{n}")
            m.d.sync += held.eq(beat)
            beat = held

        with m.If(~beat.head):
            m.d.comb += grown.eq(self.o.p.bits)
        with m.Switch(beat.size):
            for size in geometry.element_sizes:
                step = geometry.width // size
                with m.Case(geometry.size_code(size)):
                    with m.Switch(slot):
                        for n in range(geometry.group_beats):
                            with m.Case(n):
                                m.d.comb += grown[n * step:(n + 1) * step].eq(beat.nonzero)

        grows = Signal()
        m.d.comb += grows.eq(beat.valid & (beat.head | started))
        m.d.sync += self.o.valid.eq(grows & beat.tail)
        with m.If(grows):
            m.d.sync += [
                self.o.p.bits.eq(grown),
                started.eq(~beat.tail),
                slot.eq(Mux(beat.tail, 0, slot + 1)),
            ]
        return m
