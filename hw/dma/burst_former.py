# SPDX-License-Identifier: Apache-2.0
"""Beats become bursts of writes."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from opencdma.hw.bus.axi4 import PAGE
from opencdma.hw.stream import BlockQueue, FrontQueue

from .placer import PlacedBeat

__all__ = ["BurstFormer", "FormedBurst"]


class FormedBurst(data.StructLayout):
    """A burst whose data are all there.

    Fields
    ------
    address
        Of its first beat.
    beats
        How many, less one.
    start
        First byte of the first beat that is written.
    end_count
        Bytes of the last beat up to the last that is written.
    exists
        There is a burst; else this says only that the job ends.
    last
        The job ends.
    qos, cache
        AxQOS and AxCACHE.
    """

    def __init__(self, width, address_bits):
        super().__init__({
            "address": address_bits, "beats": 8, "start": range(width),
            "end_count": range(width + 1),
            "exists": 1, "last": 1, "qos": 4, "cache": 4,
        })


class BurstFormer(wiring.Component):
    """Collects beats, and closes a burst when it is as long as it may be.

    It ends at its maximum length, at a 4 KB boundary, with a row, at the limit or with the packet;
    the way data are cut into bursts thus does not depend on when they come. Takes one beat per
    cycle. A burst comes one cycle after its last beat, data come three cycles after they went in.
    ``i.ready`` is a register.

    Parameters
    ----------
    width : :class:`int`
        Bytes per beat.
    address_bits : :class:`int`
        Bits per address.
    longest : :class:`int`
        Beats per burst at most, a power of two.
    buffer : :class:`int`
        Beats that can be waiting, a power of two, at least twice ``longest``.
    bursts : :class:`int`
        Bursts that can be waiting, a power of two, at least 4.

    Members
    -------
    i : ``In(stream.Signature(PlacedBeat(width, address_bits)))``
        The beats.
    bursts : ``Out(stream.Signature(FormedBurst(width, address_bits)))``
        The bursts.
    o : ``Out(stream.Signature(data.ArrayLayout(8, width)))``
        Their data.
    """

    def __init__(self, *, width: int, address_bits: int, longest: int, buffer: int, bursts: int):
        self._width = width
        self._address_bits = address_bits
        self._longest = longest
        self._buffer = buffer
        self._bursts = bursts
        super().__init__({
            "i": In(stream.Signature(PlacedBeat(width, address_bits))),
            "bursts": Out(stream.Signature(FormedBurst(width, address_bits))),
            "o": Out(stream.Signature(data.ArrayLayout(8, width))),
        })

    def elaborate(self, platform):
        m = Module()
        width, shift = self._width, exact_log2(self._width)
        m.submodules.beats = beats = BlockQueue(
            data.ArrayLayout(8, width), self._buffer, registers=2)
        m.submodules.formed = formed = FrontQueue(
            FormedBurst(width, self._address_bits), self._bursts)
        wiring.connect(m, beats.o, wiring.flipped(self.o))
        wiring.connect(m, formed.o, wiring.flipped(self.bursts))

        beat, page_shift = self.i.p, exact_log2(PAGE)
        open_beats = Signal(range(max(2, self._longest))) # of the burst that is being collected
        full       = Signal(init=self._longest == 1)      # one more, and it is as long as it may be
        first      = Signal(init=1)                       # there is none
        start      = Signal(range(width))

        # Room is looked for, and what comes and goes is counted, a cycle late each, so two more of
        # both may still be coming. The queue of beats has two places more than its memory.
        ready = Signal(init=1)
        waiting, bursts_waiting = Signal(range(self._buffer + 4)), Signal(range(self._bursts + 2))
        stored, sent, closed, begun = (Signal(name=name) for name in (
            "stored", "sent", "closed", "begun"))
        stores, taken, closes = Signal(), Signal(), Signal()
        m.d.sync += [
            stored.eq(beats.i.valid),
            sent.eq(beats.o.valid & beats.o.ready),
            closed.eq(formed.i.valid),
            begun.eq(formed.o.valid & formed.o.ready),
            waiting.eq(waiting + stored - sent),
            bursts_waiting.eq(bursts_waiting + closed - begun),
            ready.eq((waiting < self._buffer) & (bursts_waiting < self._bursts - 2)),
        ]
        m.d.comb += [
            self.i.ready.eq(ready),
            taken.eq(self.i.valid & self.i.ready),
            stores.eq(beat.count != 0),
            closes.eq(beat.last | (stores & (
                beat.row_ends | full | beat.address[shift:page_shift].all()))),
            beats.i.valid.eq(taken & stores),
            beats.i.payload.eq(beat.data),
            formed.i.valid.eq(taken & closes),
            # All beats of a burst are in one page, one behind the other.
            formed.i.p.address.eq(Cat(
                Const(0, shift),
                (beat.address[shift:page_shift] - open_beats)[: page_shift - shift],
                beat.address[page_shift:])),
            formed.i.p.start.eq(Mux(first, beat.start, start)),
            formed.i.p.beats.eq(Mux(stores, open_beats, open_beats - 1)),
            # A burst that is open when nothing is added has whole beats only.
            formed.i.p.end_count.eq(Mux(stores, beat.start + beat.count, width)),
            formed.i.p.exists.eq(stores | ~first),
            formed.i.p.last.eq(beat.last),
            formed.i.p.qos.eq(beat.qos),
            formed.i.p.cache.eq(beat.cache),
        ]
        with m.If(taken):
            with m.If(closes):
                m.d.sync += [open_beats.eq(0), first.eq(1), full.eq(full.init)]
            with m.Elif(stores):
                m.d.sync += [
                    open_beats.eq(open_beats + 1),
                    first.eq(0),
                    full.eq(open_beats == self._longest - 2),
                ]
            with m.If(first):
                m.d.sync += start.eq(beat.start)
        return m
