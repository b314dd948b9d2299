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
        Of the beat, a multiple of the width; also of one without bytes that are written, if it
        comes behind a whole one.
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
    cycle, across packets too; latency is one cycle. ``i.ready`` depends combinationally on
    ``o.ready``.

    What ends with a beat is known from registers, and addresses are added in halves, of which the
    upper one is a row behind the lower.

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

        active  = Signal()
        job     = Signal(WriteJob)
        low     = Signal(32)                                # address of the beat
        high    = Signal(max(1, self._address_bits - 32))
        carries = Signal()                                  # the next beat of the row carries
        row_high = Signal.like(high)                        # upper half of where the row starts
        next_low, next_carry = Signal(32), Signal()         # where the next one does

        # Beats of the row behind this one; the first are those of every row.
        all_left, row_left = Signal(32 - shift), Signal(32 - shift)
        one_beat, row_ends = Signal(), Signal()
        # What may still be written: whole beats, and a part of one behind them.
        wholes, part  = Signal(32 - shift), Signal(shift)
        whole, limits = Signal(), Signal() # there is a whole one; nothing behind this beat

        taken, load, moves = Signal(), Signal(), Signal()
        m.d.comb += [
            moves.eq(~self.o.valid | self.o.ready),
            self.i.ready.eq(moves & active),
            taken.eq(self.i.valid & self.i.ready),
            load.eq(~active | (taken & self.i.p.last)),
            self.jobs.ready.eq(load),
        ]
        with m.If(moves):
            m.d.sync += [
                self.o.valid.eq(self.i.valid & active),
                self.o.p.data.eq(self.i.p.data),
                self.o.p.address.eq(Cat(Const(0, shift), low[shift:], high)),
                self.o.p.start.eq(0),
                self.o.p.count.eq(Mux(whole | (self.i.p.count < part), self.i.p.count, part)),
                self.o.p.row_ends.eq(row_ends | limits),
                self.o.p.last.eq(self.i.p.last),
                self.o.p.qos.eq(job.qos),
                self.o.p.cache.eq(job.cache),
            ]

        extent, limit = self.jobs.p.extent, self.jobs.p.limit
        with m.If(load):
            m.d.sync += [
                active.eq(self.jobs.valid),
                job.eq(self.jobs.payload),
                Cat(low, high).eq(extent.address),
                carries.eq(extent.address[shift:32].all()),
                row_high.eq(extent.address[32:]),
                Cat(next_low, next_carry).eq(extent.address[:32] + extent.stride),
                *(left.eq((extent.row_length - 1) >> shift) for left in (all_left, row_left)),
                *(ends.eq(extent.row_length <= width) for ends in (one_beat, row_ends)),
                Cat(part, wholes).eq(limit),
                whole.eq(limit >= width),
                limits.eq(limit <= width),
            ]
        with m.Elif(taken):
            m.d.sync += [
                wholes.eq(wholes - 1),
                whole.eq(whole & (wholes != 1)),
                limits.eq(~whole | (wholes == 1) | ((wholes == 2) & (part == 0))),
            ]
            with m.If(~whole):
                m.d.sync += part.eq(0)
            with m.If(row_ends):
                next_high = row_high + next_carry
                m.d.sync += [
                    low.eq(next_low),
                    high.eq(next_high),
                    row_high.eq(next_high),
                    carries.eq(next_low[shift:].all()),
                    Cat(next_low, next_carry).eq(next_low + job.extent.stride),
                    row_left.eq(all_left),
                    row_ends.eq(one_beat),
                ]
            with m.Else():
                m.d.sync += [
                    low[shift:].eq(low[shift:] + 1),
                    high.eq(high + carries),
                    carries.eq(low[shift:] == (1 << 32 - shift) - 2),
                    row_left.eq(row_left - 1),
                    row_ends.eq(row_left == 1),
                ]
        return m
