# SPDX-License-Identifier: Apache-2.0
"""Packets are cut to the beats of a destination that may start anywhere."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from opencdma.hw.codec.network import rotate
from opencdma.hw.codec.payloads import PacketBeat

from .jobs import WriteJob
from .placer import PlacedBeat

__all__ = ["Cutter"]


class Cutter(wiring.Component):
    """Does what :class:`~opencdma.hw.dma.placer.Placer` does, for rows that start and end anywhere.

    A beat of the destination takes as many bytes as it has room for, and its row has left, from a
    window of two beats of the packet, and they are turned to their place. The critical loop is the
    position in the window: what a beat takes depends on where it, its row, and the packet end.

    One beat of the destination per cycle, and one cycle more between packets; latency is two
    cycles, for the first beat of a packet three.

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
        width, bits = self._width, exact_log2(self._width)

        active   = Signal()
        job      = Signal(WriteJob)
        row      = Signal(self._address_bits) # where the row starts
        address  = Signal(self._address_bits)
        row_left = Signal(32) # bytes of the row
        limit    = Signal(32) # bytes that may still be written

        # The window: a beat, from `position` on, and the beat behind it.
        window   = Signal(PacketBeat(width))
        loaded   = Signal()
        position = Signal(bits)

        start = address[:bits]
        room, wanted, have = (Signal(range(width + 1), name=name) for name in (
            "room", "wanted", "have"))
        both = Signal(range(2 * width + 1))
        take = Signal(range(width + 1))
        m.d.comb += [
            room.eq(Mux(row_left < width - start, row_left, width - start)),
            wanted.eq(Mux(limit < room, limit, room)),
            have.eq(window.count - position),
            both.eq(have + self.i.p.count),
        ]
        # What is beyond the limit is dropped, a beat of the window at a time.
        drops, enough, final, second = Signal(), Signal(), Signal(), Signal()
        fetches = Signal() # the beat behind moves up
        able = Signal()
        m.d.comb += drops.eq(limit == 0)
        with m.If(drops):
            m.d.comb += [
                able.eq(loaded), take.eq(0), final.eq(window.last), fetches.eq(1),
            ]
        with m.Elif(have >= wanted):
            m.d.comb += [
                enough.eq(1), able.eq(loaded), take.eq(wanted),
                final.eq(window.last & (have == wanted)), fetches.eq(have == wanted),
            ]
        with m.Elif(window.last):
            m.d.comb += [able.eq(loaded), take.eq(have), final.eq(1), fetches.eq(1)]
        with m.Else():
            m.d.comb += [
                second.eq(1), fetches.eq(1), able.eq(loaded & self.i.valid),
                take.eq(Mux(both >= wanted, wanted, both)),
                # The whole of the beat behind is used, too, and it is the last.
                final.eq(self.i.p.last & (both <= wanted)),
            ]

        placed = PlacedBeat(width, self._address_bits)
        cut = Signal(data.StructLayout({"beat": placed, "turn": bits}))
        cut_valid, cut_ready = Signal(), Signal()
        goes, moves_up = Signal(), Signal()
        m.d.comb += [
            goes.eq(active & able & (~cut_valid | cut_ready)),
            # A beat comes into the window when there is none, or when the one in it is used up.
            moves_up.eq(active & ~(goes & final) & (~loaded | (goes & fetches))),
            self.i.ready.eq(moves_up | (goes & final & second)),
        ]
        with m.If(goes & final):
            m.d.sync += loaded.eq(0)
        with m.Elif(moves_up):
            m.d.sync += [loaded.eq(self.i.valid), window.eq(self.i.payload)]
        with m.If(moves_up | (goes & final)):
            m.d.sync += position.eq(Mux(goes & second, take - have, 0))
        with m.Elif(goes):
            m.d.sync += position.eq(position + take)

        row_ends = Signal()
        m.d.comb += row_ends.eq((row_left == take) | (limit == take))
        with m.If(~cut_valid | cut_ready):
            m.d.sync += cut_valid.eq(goes & ((take != 0) | final))
        with m.If(goes):
            for n in range(width):
                m.d.sync += cut.beat.data[n].eq(
                    Mux(n >= position, window.data[n], self.i.p.data[n]))
            m.d.sync += [
                cut.turn.eq(start - position),
                cut.beat.address.eq(Cat(Const(0, bits), address[bits:])),
                cut.beat.start.eq(Mux(take == 0, 0, start)),
                cut.beat.count.eq(take),
                cut.beat.row_ends.eq(row_ends),
                cut.beat.last.eq(final),
                cut.beat.qos.eq(job.qos),
                cut.beat.cache.eq(job.cache),
            ]

        load = Signal()
        extent = self.jobs.p.extent
        m.d.comb += [load.eq(~active | (goes & final)), self.jobs.ready.eq(load)]
        with m.If(load):
            m.d.sync += [
                active.eq(self.jobs.valid),
                job.eq(self.jobs.payload),
                row.eq(extent.address),
                address.eq(extent.address),
                row_left.eq(extent.row_length),
                limit.eq(self.jobs.p.limit),
            ]
        with m.Elif(goes & ~drops):
            m.d.sync += [
                address.eq(address + take), row_left.eq(row_left - take), limit.eq(limit - take),
            ]
            with m.If(row_left == take):
                m.d.sync += [
                    row.eq(row + job.extent.stride),
                    address.eq(row + job.extent.stride),
                    row_left.eq(job.extent.row_length),
                ]

        # Turn.
        m.d.comb += cut_ready.eq(~self.o.valid | self.o.ready)
        turned = rotate(m, cut.beat.data, cut.turn, 1, name="turned")
        with m.If(cut_ready):
            m.d.sync += self.o.valid.eq(cut_valid)
            m.d.sync += self.o.payload.eq(cut.beat)
            m.d.sync += self.o.p.data.eq(turned)
        return m
