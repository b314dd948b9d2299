# SPDX-License-Identifier: Apache-2.0
"""Packets are laid over the beats of their destination."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from opencdma.hw.codec.payloads import PacketBeat

from .jobs import WriteJob

__all__ = ["PlacedBeat", "Placer"]


class PlacedBeat(data.StructLayout):
    """A beat at its place in memory.

    Fields
    ------
    data
        ``width`` bytes.
    address
        Of the beat, a multiple of the width.
    start
        The first byte that is written.
    count
        How many are; none if the packet just ends, or the limit has been reached.
    row_ends
        The row, or the limit, ends with this beat; with ``last`` it may be set in any case.
    last
        The packet ends.
    qos, cache
        AxQOS and AxCACHE.
    """

    def __init__(self, width, address_bits):
        super().__init__({
            "data": data.ArrayLayout(8, width), "address": address_bits, "start": range(width),
            "count": range(width + 1), "row_ends": 1, "last": 1, "qos": 4, "cache": 4,
        })


class Placer(wiring.Component):
    """Gives every beat of a packet its address, and drops what is beyond the limit of its job.

    For rows that start with a beat and, but for the last, end with one. Throughput is one beat per
    cycle, across packets too. There is no register between the streams: ``o.valid`` follows
    ``i.valid``, ``i.ready`` follows ``o.ready``.

    Parameters
    ----------
    width : :class:`int`
        Bytes per beat.
    address_bits : :class:`int`
        Bits per address.

    Members
    -------
    jobs : ``In(stream.Signature(WriteJob))``
        Where packets go, one job each.
    i : ``In(stream.Signature(PacketBeat(width)))``
        The packets.
    o : ``Out(stream.Signature(PlacedBeat(width, address_bits)))``
        The same, placed.
    """

    def __init__(self, *, width: int, address_bits: int):
        self._width = width
        self._address_bits = address_bits
        super().__init__({
            "jobs": In(stream.Signature(WriteJob)),
            "i": In(stream.Signature(PacketBeat(width))),
            "o": Out(stream.Signature(PlacedBeat(width, address_bits))),
        })

    def elaborate(self, platform):
        m = Module()
        width, shift = self._width, exact_log2(self._width)

        active   = Signal()
        job      = Signal(WriteJob)
        row      = Signal(self._address_bits) # where the row starts
        address  = Signal(self._address_bits)
        row_left = Signal(32) # bytes of the row
        limit    = Signal(32) # bytes that may still be written

        count, row_ends = Signal(range(width + 1)), Signal()
        m.d.comb += [
            count.eq(Mux(limit < self.i.p.count, limit, self.i.p.count)),
            row_ends.eq((row_left <= width) | (limit <= width)),
            self.o.valid.eq(self.i.valid & active),
            self.o.p.data.eq(self.i.p.data),
            self.o.p.address.eq(Cat(Const(0, shift), address[shift:])),
            self.o.p.start.eq(0),
            self.o.p.count.eq(count),
            self.o.p.row_ends.eq(row_ends),
            self.o.p.last.eq(self.i.p.last),
            self.o.p.qos.eq(job.qos),
            self.o.p.cache.eq(job.cache),
            self.i.ready.eq(self.o.ready & active),
        ]

        taken, load = Signal(), Signal()
        extent = self.jobs.p.extent
        m.d.comb += [
            taken.eq(self.i.valid & self.i.ready),
            load.eq(~active | (taken & self.i.p.last)),
            self.jobs.ready.eq(load),
        ]
        with m.If(load):
            m.d.sync += [
                active.eq(self.jobs.valid),
                job.eq(self.jobs.payload),
                row.eq(extent.address),
                address.eq(extent.address),
                row_left.eq(extent.row_length),
                limit.eq(self.jobs.p.limit),
            ]
        with m.Elif(taken):
            m.d.sync += [
                address[shift:].eq(address[shift:] + 1),
                row_left.eq(row_left - width),
                limit.eq(limit - count),
            ]
            with m.If(row_left <= width):
                m.d.sync += [
                    row.eq(row + job.extent.stride),
                    address.eq(row + job.extent.stride),
                    row_left.eq(job.extent.row_length),
                ]
        return m
