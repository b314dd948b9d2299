# SPDX-License-Identifier: Apache-2.0
"""Several writers of one AXI4 port."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from opencdma.hw.stream import FrontQueue

from .axi4 import Burst, WritePort
from .round_robin import RoundRobin

__all__ = ["WriteArbiter"]


class WriteArbiter(wiring.Component):
    """Lets writers take turns at a port, burst by burst, and gives each its acknowledgements.

    A writer offers an address only when it has all data of the burst, so whoever has its turn
    cannot keep the others waiting. Data are offered with their address or later, whether or not the
    port takes the address first. Adds one cycle to addresses, none to data.

    Parameters
    ----------
    writers : :class:`int`
        How many.
    width : :class:`int`
        Bytes per beat.
    address_bits : :class:`int`
        Bits per address.
    outstanding : :class:`int`
        Bursts that can be between address and acknowledgement, a power of two.

    Members
    -------
    writers : ``In(WritePort(width, address_bits)).array(writers)``
        The writers.
    port : ``Out(WritePort(width, address_bits))``
        What they share.
    """

    def __init__(self, writers: int, *, width: int, address_bits: int, outstanding: int):
        self._writers = writers
        self._address_bits = address_bits
        self._outstanding = outstanding
        port = WritePort(width, address_bits)
        super().__init__({"writers": In(port).array(writers), "port": Out(port)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.turns = turns = RoundRobin(self._writers)
        who = range(max(2, self._writers))
        m.submodules.sending = sending = FrontQueue(who, self._outstanding)
        m.submodules.awaiting = awaiting = FrontQueue(who, self._outstanding)

        load = Signal()
        chosen = Signal(Burst(self._address_bits))
        m.d.comb += [
            turns.requests.eq(Cat(writer.aw.valid for writer in self.writers)),
            load.eq(turns.any & sending.i.ready & awaiting.i.ready
                    & (~self.port.aw.valid | self.port.aw.ready)),
            turns.next.eq(load),
        ]
        for queue in (sending, awaiting):
            m.d.comb += [queue.i.payload.eq(turns.chosen), queue.i.valid.eq(load)]
        with m.Switch(turns.chosen):
            for n, writer in enumerate(self.writers):
                with m.Case(n):
                    m.d.comb += chosen.eq(writer.aw.payload)
                    m.d.comb += writer.aw.ready.eq(load)
        with m.If(load):
            m.d.sync += self.port.aw.payload.eq(chosen)
            m.d.sync += self.port.aw.valid.eq(1)
        with m.Elif(self.port.aw.ready):
            m.d.sync += self.port.aw.valid.eq(0)

        m.d.comb += sending.o.ready.eq(
            self.port.w.valid & self.port.w.ready & self.port.w.p.last)
        with m.Switch(sending.o.payload):
            for n, writer in enumerate(self.writers):
                with m.Case(n):
                    m.d.comb += [
                        self.port.w.payload.eq(writer.w.payload),
                        self.port.w.valid.eq(writer.w.valid & sending.o.valid),
                        writer.w.ready.eq(self.port.w.ready & sending.o.valid),
                    ]

        m.d.comb += awaiting.o.ready.eq(self.port.b.valid)
        for n, writer in enumerate(self.writers):
            m.d.comb += [
                writer.b.payload.eq(self.port.b.payload),
                writer.b.valid.eq(self.port.b.valid & (awaiting.o.payload == n)),
            ]
        return m
