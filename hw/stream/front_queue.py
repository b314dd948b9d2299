# SPDX-License-Identifier: Apache-2.0
"""A queue whose next item stands in a register."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from .depth import check_depth

__all__ = ["FrontQueue"]


class FrontQueue(wiring.Component):
    """First in, first out, for items that much depends on.

    Throughput is one item per cycle at every fill level; latency is one cycle. ``i.ready``,
    ``o.valid`` and ``o.payload`` are registers. All that comes is written into the memory; when
    nothing else is there it goes past it as well.

    Parameters
    ----------
    shape : shape-like
        Payload of both streams.
    depth : :class:`int`
        Items held at most. A power of two, at least 2.

    Members
    -------
    i : ``In(stream.Signature(shape))``
        Items to be queued.
    o : ``Out(stream.Signature(shape))``
        Items in the order of ``i``.

    Raises
    ------
    TypeError, ValueError
        If ``depth`` is not an integer, a power of two of at least 2.
    """

    def __init__(self, shape, depth: int):
        check_depth(depth)
        self._shape = shape
        self._depth = depth
        super().__init__({
            "i": In(stream.Signature(shape)),
            "o": Out(stream.Signature(shape)),
        })

    @property
    def depth(self):
        """Items held at most."""
        return self._depth

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = memory = Memory(shape=self._shape, depth=self._depth, init=[])
        write = memory.write_port()
        read = memory.read_port(domain="comb")

        def counter(name):
            """Return a place, and the one behind it."""
            return (Signal(range(self._depth), name=name),
                    Signal(range(self._depth), init=1, name=f"{name}_next"))

        # Where the next item goes to and is fetched from, and the place of the one in front.
        tail, tail_next = counter("tail")
        head, head_next = counter("head")
        front, front_next = counter("front")
        some, full = Signal(), Signal() # there is an item to fetch; there is room for none
        moves, put, take, fetch = (Signal() for _ in range(4))
        m.d.comb += [
            moves.eq(~self.o.valid | self.o.ready),
            self.i.ready.eq(~full),
            put.eq(self.i.valid & ~full),
            take.eq(self.o.valid & self.o.ready),
            fetch.eq(moves & (some | put)),
            write.addr.eq(tail),
            write.data.eq(self.i.payload),
            write.en.eq(put),
            read.addr.eq(head),
        ]
        with m.If(moves):
            m.d.sync += self.o.valid.eq(some | put)
            m.d.sync += self.o.payload.eq(Mux(
                some, Value.cast(read.data), Value.cast(self.i.payload)))
        for happens, now, behind in (
                (put, tail, tail_next), (fetch, head, head_next), (take, front, front_next)):
            with m.If(happens):
                m.d.sync += [now.eq(behind), behind.eq(behind + 1)]
        m.d.sync += [
            some.eq(Mux(moves, some & (put | (head_next != tail)), some | put)),
            full.eq(~take & (full | (put & (tail_next == front)))),
        ]
        return m
