# SPDX-License-Identifier: Apache-2.0
"""From words to AXI4-Lite."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from opencdma.hw.bus.axi4 import Response
from opencdma.hw.bus.axi_lite import AxiLite

from .word_bus import WordBus

__all__ = ["RegisterPort"]


class RegisterPort(wiring.Component):
    """Makes an access to a word one of AXI4-Lite. All outputs come from registers.

    Parameters
    ----------
    address_bits : :class:`int`
        Bits of an address, of a byte.

    Members
    -------
    words : ``In(WordBus(address_bits - 2))``
        Accesses. One that is answered with anything but OKAY is refused.
    bus : ``Out(AxiLite(address_bits))``
        To the registers.
    """

    def __init__(self, address_bits: int):
        super().__init__({
            "words": In(WordBus(address_bits - 2)), "bus": Out(AxiLite(address_bits)),
        })

    def elaborate(self, platform):
        m = Module()
        words, bus = self.words, self.bus
        request = words.requests
        busy = Signal()
        m.d.comb += [
            request.ready.eq(~busy), bus.b.ready.eq(1), bus.r.ready.eq(1),
            bus.ar.payload.eq(bus.aw.payload), bus.w.p.strobe.eq(~0),
        ]
        for channel in (bus.aw, bus.w, bus.ar):
            with m.If(channel.ready):
                m.d.sync += channel.valid.eq(0)
        with m.If(request.valid & request.ready):
            m.d.sync += [
                busy.eq(1),
                bus.aw.payload.eq(Cat(C(0, 2), request.p.address)),
                bus.w.p.data.eq(request.p.data),
                bus.aw.valid.eq(request.p.write), bus.w.valid.eq(request.p.write),
                bus.ar.valid.eq(~request.p.write),
            ]

        answer = words.answers
        m.d.sync += answer.valid.eq(0)
        with m.If(bus.b.valid):
            m.d.sync += [
                busy.eq(0), answer.valid.eq(1),
                answer.p.data.eq(0), answer.p.refused.eq(bus.b.payload != Response.OKAY),
            ]
        with m.If(bus.r.valid):
            okay = bus.r.p.resp == Response.OKAY
            m.d.sync += [
                busy.eq(0), answer.valid.eq(1),
                answer.p.data.eq(Mux(okay, bus.r.p.data, 0)), answer.p.refused.eq(~okay),
            ]
        return m
