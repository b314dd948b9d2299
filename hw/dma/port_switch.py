# SPDX-License-Identifier: Apache-2.0
"""One channel for both directions."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from opencdma.hw.bus.axi4 import ReadPort, WritePort

__all__ = ["PortSwitch"]


class PortSwitch(wiring.Component):
    """Connects source and sink of a channel with the memories, one way or the other.

    Parameters
    ----------
    width : :class:`int`
        Bytes per beat.
    address_bits : :class:`int`
        Bits per address.

    Members
    -------
    source, sink : ``In(ReadPort)``, ``In(WritePort)``
        The channel.
    dev_read, dev_write, host_read, host_write : ``Out(ReadPort)``, ``Out(WritePort)``
        The memories.
    offload : ``In(1)``
        The source is device memory. To be changed only when nothing is under way.
    """

    def __init__(self, *, width: int, address_bits: int):
        read, write = ReadPort(width, address_bits), WritePort(width, address_bits)
        super().__init__({
            "source": In(read), "sink": In(write),
            "dev_read": Out(read), "dev_write": Out(write),
            "host_read": Out(read), "host_write": Out(write),
            "offload": In(1),
        })

    def elaborate(self, platform):
        m = Module()
        for read, write, selected in (
            (self.dev_read, self.host_write, self.offload),
            (self.host_read, self.dev_write, ~self.offload),
        ):
            m.d.comb += [
                read.ar.payload.eq(self.source.ar.payload),
                read.ar.valid.eq(self.source.ar.valid & selected),
                write.aw.payload.eq(self.sink.aw.payload),
                write.aw.valid.eq(self.sink.aw.valid & selected),
                write.w.payload.eq(self.sink.w.payload),
                write.w.valid.eq(self.sink.w.valid & selected),
            ]
            with m.If(selected):
                m.d.comb += [
                    self.source.ar.ready.eq(read.ar.ready),
                    self.source.r.payload.eq(read.r.payload),
                    self.source.r.valid.eq(read.r.valid),
                    self.sink.aw.ready.eq(write.aw.ready),
                    self.sink.w.ready.eq(write.w.ready),
                    self.sink.b.payload.eq(write.b.payload),
                    self.sink.b.valid.eq(write.b.valid),
                ]
        return m
