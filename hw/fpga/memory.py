# SPDX-License-Identifier: Apache-2.0
"""A memory of block RAM behind AXI4, which the serial bridge reaches as well."""

from amaranth import *
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In
from amaranth.utils import exact_log2

from opencdma.hw.bus.axi4 import PAGE, Burst, ReadPort, Response, WritePort

from .word_bus import WordBus

__all__ = ["BlockMemory"]


class BlockMemory(wiring.Component):
    """Answers INCR bursts of its full width in order, a beat per cycle in each direction.

    The first beat of a burst comes two cycles after its address, an acknowledgement one cycle after
    the last beat; what was acknowledged can be read. An access by words goes first, and takes a
    cycle from the direction it uses. ``read.ar.ready``, ``write.w.ready`` and ``write.aw.ready``
    depend combinationally on ``words.requests``, the last one also on ``write.w``. Bursts outside
    the memory are answered with DECERR, and write nothing; data of reads are then unspecified.

    Parameters
    ----------
    base : :class:`int`
        First address, a multiple of ``size``.
    size : :class:`int`
        Bytes, a power of two and at least 4096.
    width : :class:`int`
        Bytes per beat.
    address_bits : :class:`int`
        Bits of an address, of a byte.

    Members
    -------
    read, write : ``In(ReadPort(width, address_bits))``, ``In(WritePort(width, address_bits))``
        The port of a manager.
    words : ``In(WordBus)``
        Accesses to words, counted from the start of the memory. Each is answered a cycle later.

    Raises
    ------
    ValueError
        If base or size is none.
    """

    def __init__(self, base: int, size: int, *, width: int, address_bits: int):
        if size < PAGE or size & (size - 1):
            raise ValueError(
                f"Memory size must be a power of two and at least {PAGE} bytes, not {size!r}")
        if base % size or not 0 <= base < 1 << address_bits:
            raise ValueError(
                f"Memory must start at a multiple of its {size:#x} bytes, within {address_bits} "
                f"bits, not at {base:#x}")
        self._base = base
        self._size = size
        self._width = width
        self._address_bits = address_bits
        super().__init__({
            "read": In(ReadPort(width, address_bits)),
            "write": In(WritePort(width, address_bits)),
            "words": In(WordBus(exact_log2(size // 4))),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = store = memory.Memory(
            shape=8 * self._width, depth=self._size // self._width, init=[])
        read = store.read_port()
        write = store.write_port(granularity=8)

        request = self.words.requests
        low = exact_log2(self._width // 4) # bits of the place of a word in a line
        line = request.p.address[low:]
        reads_word, writes_word = Signal(), Signal()
        m.d.comb += [
            request.ready.eq(1),
            reads_word.eq(request.valid & ~request.p.write),
            writes_word.eq(request.valid & request.p.write),
        ]
        self._elaborate_reads(m, read, reads_word, line)
        self._elaborate_writes(m, write, writes_word, line)

        place = Signal(range(self._width // 4))
        word = Signal()
        m.d.sync += [
            self.words.answers.valid.eq(request.valid),
            word.eq(reads_word),
            place.eq(request.p.address),
        ]
        m.d.comb += [
            self.words.answers.p.data.eq(Mux(word, read.data.word_select(place, 32), 0)),
            self.words.answers.p.refused.eq(0),
        ]
        return m

    def _split(self, m, burst, name):
        """Return the line a burst starts at, and whether it is in the memory."""
        within = exact_log2(self._size)
        outside = Signal(name=f"{name}_outside")
        m.d.comb += outside.eq(burst.address[within:] != self._base >> within)
        return burst.address[exact_log2(self._width) : within], outside

    def _elaborate_reads(self, m, read, reads_word, line):
        ar, r = self.read.ar, self.read.r
        busy = Signal()
        at = Signal.like(read.addr, name="read_at")
        left = Signal(8, name="read_left") # beats behind this one
        refused = Signal(name="read_refused")
        go, last = Signal(name="read_go"), Signal(name="read_last")
        first, outside = self._split(m, Burst(self._address_bits)(ar.payload), "ar")
        m.d.comb += [
            go.eq(busy & ~reads_word),
            last.eq(go & (left == 0)),
            ar.ready.eq(~busy | last),
            read.en.eq(go | reads_word),
            read.addr.eq(Mux(reads_word, line, at)),
            Value.cast(r.p.data).eq(read.data),
        ]
        m.d.sync += [
            r.valid.eq(go), r.p.last.eq(last),
            r.p.resp.eq(Mux(refused, Response.DECERR, Response.OKAY)),
        ]
        with m.If(go):
            m.d.sync += [at.eq(at + 1), left.eq(left - 1)]
        with m.If(last):
            m.d.sync += busy.eq(0)
        with m.If(ar.valid & ar.ready):
            m.d.sync += [
                busy.eq(1), at.eq(first), left.eq(ar.p.length), refused.eq(outside)]

    def _elaborate_writes(self, m, write, writes_word, line):
        aw, w, b = self.write.aw, self.write.w, self.write.b
        busy = Signal()
        at = Signal.like(write.addr, name="write_at")
        refused = Signal(name="write_refused")
        last = Signal(name="write_last")
        first, outside = self._split(m, Burst(self._address_bits)(aw.payload), "aw")
        words = self._width // 4
        strobe = Const(0xF, self._width) << 4 * self.words.requests.p.address[:exact_log2(words)]
        m.d.comb += [
            w.ready.eq(busy & ~writes_word),
            last.eq(w.valid & w.ready & w.p.last),
            aw.ready.eq(~busy | last),
        ]
        with m.If(writes_word):
            m.d.comb += [
                write.addr.eq(line),
                write.data.eq(self.words.requests.p.data.replicate(words)),
                write.en.eq(strobe),
            ]
        with m.Else():
            m.d.comb += [
                write.addr.eq(at),
                write.data.eq(Value.cast(w.p.data)),
                write.en.eq(Mux(w.valid & w.ready & ~refused, w.p.strobe, 0)),
            ]
        m.d.sync += b.valid.eq(last)
        with m.If(w.valid & w.ready):
            m.d.sync += at.eq(at + 1)
        with m.If(last):
            m.d.sync += [
                busy.eq(0), b.payload.eq(Mux(refused, Response.DECERR, Response.OKAY))]
        with m.If(aw.valid & aw.ready):
            m.d.sync += [busy.eq(1), at.eq(first), refused.eq(outside)]
