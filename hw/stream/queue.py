# SPDX-License-Identifier: Apache-2.0
"""A queue between two streams."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from .depth import check_depth

__all__ = ["Queue"]


class Queue(wiring.Component):
    """First in, first out, from one stream to another of the same payload.

    Throughput is one item per cycle at every fill level; latency is one cycle. ``i.ready`` and
    ``o.valid`` are registers. The memory is read without a clock, which is what the
    lookup-table memories of FPGAs offer; ``o.payload`` is therefore its output, not a register.

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

        # Both ends, and the places behind them.
        head, tail = Signal(range(self._depth)), Signal(range(self._depth))
        next_head = Signal(range(self._depth), init=1)
        next_tail = Signal(range(self._depth), init=1)
        has_item, has_room = Signal(), Signal(init=1)
        push, pop = Signal(), Signal()
        m.d.comb += [
            write.addr.eq(tail),
            write.data.eq(self.i.payload),
            write.en.eq(push),
            read.addr.eq(head),
            self.i.ready.eq(has_room),
            self.o.valid.eq(has_item),
            self.o.payload.eq(read.data),
            push.eq(self.i.valid & has_room),
            pop.eq(has_item & self.o.ready),
        ]
        # What the next cycle finds follows from how the queue is now: no comparison waits for
        # what either side does.
        with m.If(push):
            m.d.sync += [tail.eq(next_tail), next_tail.eq(next_tail + 1)]
        with m.If(pop):
            m.d.sync += [head.eq(next_head), next_head.eq(next_head + 1)]
        m.d.sync += [
            has_item.eq(push | (has_item & ~(pop & (next_head == tail)))),
            has_room.eq(pop | (has_room & ~(push & (next_tail == head)))),
        ]
        return m
