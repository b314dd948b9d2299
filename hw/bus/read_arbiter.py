# SPDX-License-Identifier: Apache-2.0
"""Several readers of one AXI4 port."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from opencdma.hw.stream import FrontQueue

from .axi4 import Burst, ReadPort
from .round_robin import RoundRobin

__all__ = ["ReadArbiter"]


class ReadArbiter(wiring.Component):
    """Lets readers take turns at a port, burst by burst, and gives each its data.

    Bursts are answered in order, since all have the same ID. Adds one cycle to addresses and one
    to data.

    Parameters
    ----------
    readers : :class:`int`
        How many.
    width : :class:`int`
        Bytes per beat.
    address_bits : :class:`int`
        Bits per address.
    outstanding : :class:`int`
        Bursts that can be between address and last beat, a power of two.

    Members
    -------
    readers : ``In(ReadPort(width, address_bits)).array(readers)``
        The readers.
    port : ``Out(ReadPort(width, address_bits))``
        What they share.
    """

    def __init__(self, readers: int, *, width: int, address_bits: int, outstanding: int):
        self._readers = readers
        self._width = width
        self._address_bits = address_bits
        self._outstanding = outstanding
        port = ReadPort(width, address_bits)
        super().__init__({"readers": In(port).array(readers), "port": Out(port)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.turns = turns = RoundRobin(self._readers)
        m.submodules.owners = owners = FrontQueue(range(max(2, self._readers)), self._outstanding)

        # A burst that has been chosen stands in a register until the port takes it.
        load = Signal()
        chosen = Signal(Burst(self._address_bits))
        m.d.comb += [
            turns.requests.eq(Cat(reader.ar.valid for reader in self.readers)),
            load.eq(turns.any & owners.i.ready & (~self.port.ar.valid | self.port.ar.ready)),
            turns.next.eq(load),
            owners.i.payload.eq(turns.chosen),
            owners.i.valid.eq(load),
        ]
        with m.Switch(turns.chosen):
            for n, reader in enumerate(self.readers):
                with m.Case(n):
                    m.d.comb += chosen.eq(reader.ar.payload)
                    m.d.comb += reader.ar.ready.eq(load)
        with m.If(load):
            m.d.sync += self.port.ar.payload.eq(chosen)
            m.d.sync += self.port.ar.valid.eq(1)
        with m.Elif(self.port.ar.ready):
            m.d.sync += self.port.ar.valid.eq(0)

        arrived, arrived_valid = Signal.like(self.port.r.payload), Signal()
        m.d.sync += [arrived.eq(self.port.r.payload), arrived_valid.eq(self.port.r.valid)]
        m.d.comb += owners.o.ready.eq(arrived_valid & arrived.last)
        for n, reader in enumerate(self.readers):
            m.d.comb += [
                reader.r.payload.eq(arrived),
                reader.r.valid.eq(arrived_valid & (owners.o.payload == n)),
            ]
        return m
