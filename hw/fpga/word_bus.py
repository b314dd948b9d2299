# SPDX-License-Identifier: Apache-2.0
"""The bus that the serial bridge is the master of: words of 32 bits, one at a time."""

from itertools import pairwise

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["WordAnswer", "WordBus", "WordDecoder", "WordRequest"]


class WordRequest(data.StructLayout):
    """The address of a word, counted in words; whether to write it, and what."""

    def __init__(self, address_bits):
        super().__init__({"address": address_bits, "write": 1, "data": 32})


class WordAnswer(data.Struct):
    """What was read, and whether the access was refused. Refused reads, and writes, read as 0."""

    data:   32
    refused: 1


class WordBus(wiring.Signature):
    """Accesses to words, as whoever wants them sees it. Each has one answer, writes as well.

    There is no second request before the answer to the first.

    Parameters
    ----------
    address_bits : :class:`int`
        Bits of an address, of a word.

    Members
    -------
    requests : ``Out(stream.Signature(WordRequest(address_bits)))``
        What to do.
    answers : ``In(stream.Signature(WordAnswer, always_ready=True))``
        What came of it, at least one cycle later.
    """

    def __init__(self, address_bits: int):
        super().__init__({
            "requests": Out(stream.Signature(WordRequest(address_bits))),
            "answers": In(stream.Signature(WordAnswer, always_ready=True)),
        })


class WordDecoder(wiring.Component):
    """Hands an access to whoever has its address, and refuses it if nobody has.

    All outputs come from registers. Adds two cycles to an access.

    Parameters
    ----------
    address_bits : :class:`int`
        Bits of an address, of a word.
    regions : sequence of tuples of two :class:`int`
        First address of each region, in words, and the bits of an address within it: it has two to
        the power of these words, and starts at a multiple of them. None overlap.

    Members
    -------
    bus : ``In(WordBus(address_bits))``
        From the master.
    region0, region1, ... : ``Out(WordBus)``
        One for each region, with as many address bits as it has.

    Raises
    ------
    ValueError
        If a region starts elsewhere, or overlaps with another.
    """

    def __init__(self, address_bits: int, regions):
        regions = tuple(regions)
        spans = []
        for base, bits in regions:
            if base % (1 << bits):
                raise ValueError(
                    f"Region of 2**{bits} words must start at a multiple of them, not {base:#x}")
            spans.append((base, base + (1 << bits)))
        spans.sort()
        for (_, end), (start, _) in pairwise(spans):
            if start < end:
                raise ValueError(f"Regions must not overlap, as at {start:#x}")
        self._address_bits = address_bits
        self._regions = regions
        super().__init__({
            "bus": In(WordBus(address_bits)),
            **{f"region{n}": Out(WordBus(bits)) for n, (_, bits) in enumerate(regions)},
        })

    def elaborate(self, platform):
        m = Module()
        bus = self.bus
        busy = Signal()
        request = Signal(WordRequest(self._address_bits))
        m.d.comb += bus.requests.ready.eq(~busy)
        m.d.sync += bus.answers.valid.eq(0)
        with m.If(bus.requests.valid & bus.requests.ready):
            m.d.sync += [busy.eq(1), request.eq(bus.requests.payload)]

        hits = []
        for n, (base, bits) in enumerate(self._regions):
            region = getattr(self, f"region{n}")
            hit = Signal(name=f"hit{n}")
            hits.append(hit)
            m.d.comb += [
                region.requests.p.address.eq(request.address),
                region.requests.p.write.eq(request.write),
                region.requests.p.data.eq(request.data),
            ]
            with m.If(bus.requests.valid & bus.requests.ready):
                mine = bus.requests.p.address[bits:] == base >> bits
                m.d.sync += [hit.eq(mine), region.requests.valid.eq(mine)]
            with m.Elif(region.requests.ready):
                m.d.sync += region.requests.valid.eq(0)
            with m.If(busy & hit & region.answers.valid):
                m.d.sync += [
                    busy.eq(0), bus.answers.valid.eq(1),
                    bus.answers.payload.eq(region.answers.payload),
                ]
        with m.If(busy & ~Cat(hits).any()):
            m.d.sync += [
                busy.eq(0), bus.answers.valid.eq(1),
                bus.answers.p.data.eq(0), bus.answers.p.refused.eq(1),
            ]
        return m
