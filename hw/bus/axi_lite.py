# SPDX-License-Identifier: Apache-2.0
"""AXI4-Lite as streams, and its way to registers."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .axi4 import Response

__all__ = ["AxiLite", "AxiLiteReceiver", "LiteReadBeat", "LiteWriteBeat", "RegisterAccess"]


class LiteReadBeat(data.Struct):
    """A word that was read, and the response."""

    data: 32
    resp:  2


class LiteWriteBeat(data.Struct):
    """A word to be written, and a strobe for each of its bytes."""

    data:  32
    strobe: 4


class AxiLite(wiring.Signature):
    """AXI4-Lite with 32 bits of data, as a manager sees it. Protection bits are left out.

    Parameters
    ----------
    address_bits : :class:`int`
        Bits of an address, of a byte.

    Members
    -------
    aw, ar : ``Out(stream.Signature(address_bits))``
        Addresses.
    w : ``Out(stream.Signature(LiteWriteBeat))``
        Data to be written.
    b : ``In(stream.Signature(2))``
        Responses to writes.
    r : ``In(stream.Signature(LiteReadBeat))``
        Data that were read, with responses.
    """

    def __init__(self, address_bits: int):
        super().__init__({
            "aw": Out(stream.Signature(address_bits)),
            "w": Out(stream.Signature(LiteWriteBeat)),
            "b": In(stream.Signature(2)),
            "ar": Out(stream.Signature(address_bits)),
            "r": In(stream.Signature(LiteReadBeat)),
        })


class RegisterAccess(wiring.Signature):
    """Reads and writes of words, as whoever wants them sees it. Each takes two cycles.

    Parameters
    ----------
    address_bits : :class:`int`
        Bits of an address, of a word.

    Members
    -------
    read, write : ``Out(1)``
        First cycle: look the address up.
    read_address, write_address : ``Out(address_bits)``
        Of the word, in the first cycle.
    write_data, write_strobe : ``Out(32)``, ``Out(4)``
        What to write and a strobe for each byte of it, in both cycles. To be written in the second.
    read_hit, write_hit : ``In(1)``
        Second cycle: there is such a word. Otherwise 0.
    read_data : ``In(32)``
        Second cycle: what was read. Otherwise, or without a hit, 0.
    """

    def __init__(self, address_bits: int):
        super().__init__({
            "read": Out(1), "read_address": Out(address_bits),
            "read_hit": In(1), "read_data": In(32),
            "write": Out(1), "write_address": Out(address_bits),
            "write_data": Out(32), "write_strobe": Out(4), "write_hit": In(1),
        })


class AxiLiteReceiver(wiring.Component):
    """Takes reads and writes from AXI4-Lite, one of each at a time, and answers them.

    From the handshake of the last address or data to a valid answer it takes three cycles. All
    outputs come from registers, but for one gate in front of ``read`` and ``write``. The address
    and the data of a write may come in any order. The low two bits of addresses are not looked at.

    Parameters
    ----------
    address_bits : :class:`int`
        Bits of an address, of a byte.

    Members
    -------
    bus : ``In(AxiLite(address_bits))``
        From the manager. What is no register is answered with SLVERR.
    access : ``Out(RegisterAccess(address_bits - 2))``
        To the registers.
    """

    def __init__(self, address_bits: int):
        super().__init__({
            "bus": In(AxiLite(address_bits)),
            "access": Out(RegisterAccess(address_bits - 2)),
        })

    def elaborate(self, platform):
        m = Module()
        bus, access = self.bus, self.access

        def response(hit):
            return Mux(hit, Response.OKAY, Response.SLVERR)

        address_held, data_held, writing = Signal(), Signal(), Signal() # taken from the bus
        m.d.comb += [
            bus.aw.ready.eq(~address_held),
            bus.w.ready.eq(~data_held),
            access.write.eq(address_held & data_held & ~writing & ~bus.b.valid),
        ]
        with m.If(bus.aw.valid & bus.aw.ready):
            m.d.sync += [address_held.eq(1), access.write_address.eq(bus.aw.payload[2:])]
        with m.If(bus.w.valid & bus.w.ready):
            m.d.sync += [
                data_held.eq(1),
                access.write_data.eq(bus.w.p.data),
                access.write_strobe.eq(bus.w.p.strobe),
            ]
        m.d.sync += writing.eq(access.write)
        with m.If(writing):
            m.d.sync += [
                address_held.eq(0),
                data_held.eq(0),
                bus.b.valid.eq(1),
                bus.b.payload.eq(response(access.write_hit)),
            ]
        with m.If(bus.b.valid & bus.b.ready):
            m.d.sync += bus.b.valid.eq(0)

        held, reading = Signal(), Signal()
        m.d.comb += [
            bus.ar.ready.eq(~held),
            access.read.eq(held & ~reading & ~bus.r.valid),
        ]
        with m.If(bus.ar.valid & bus.ar.ready):
            m.d.sync += [held.eq(1), access.read_address.eq(bus.ar.payload[2:])]
        m.d.sync += reading.eq(access.read)
        with m.If(reading):
            m.d.sync += [
                held.eq(0),
                bus.r.valid.eq(1),
                bus.r.p.data.eq(access.read_data),
                bus.r.p.resp.eq(response(access.read_hit)),
            ]
        with m.If(bus.r.valid & bus.r.ready):
            m.d.sync += bus.r.valid.eq(0)
        return m
