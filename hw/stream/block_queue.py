# SPDX-License-Identifier: Apache-2.0
"""A deep queue between two streams."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

__all__ = ["BlockQueue"]


class BlockQueue(wiring.Component):
    """First in, first out, in a memory that is read with a clock, as block RAM is.

    Throughput is one item per cycle at every fill level; latency is two cycles. ``i.ready`` and
    ``o.valid`` come from registers alone. One item more than ``depth`` fits, in the output.

    Parameters
    ----------
    shape : shape-like
        Payload of both streams.
    depth : :class:`int`
        Items the memory holds. A power of two, at least 2.

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
        if not isinstance(depth, int):
            raise TypeError(f"Queue depth must be an integer, not {depth!r}")
        if depth < 2 or depth & (depth - 1):
            raise ValueError(f"Queue depth must be a power of two and at least 2, not {depth!r}")
        self._shape = shape
        self._depth = depth
        super().__init__({
            "i": In(stream.Signature(shape)),
            "o": Out(stream.Signature(shape)),
        })

    @property
    def depth(self):
        """Items the memory holds."""
        return self._depth

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = memory = Memory(shape=self._shape, depth=self._depth, init=[])
        write = memory.write_port()
        read = memory.read_port(domain="sync")

        # One bit more than the address tells a full memory from an empty one. An item is read
        # when the one before it has left the output, which is the memory's own register.
        head = Signal(range(2 * self._depth))
        tail = Signal(range(2 * self._depth))
        fetch = Signal()
        m.d.comb += [
            write.addr.eq(tail),
            write.data.eq(self.i.payload),
            write.en.eq(self.i.valid & self.i.ready),
            fetch.eq((tail != head) & (~self.o.valid | self.o.ready)),
            read.addr.eq(head),
            read.en.eq(fetch),
            self.i.ready.eq((tail ^ head) != self._depth),
            self.o.payload.eq(read.data),
        ]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += tail.eq(tail + 1)
        with m.If(fetch):
            m.d.sync += head.eq(head + 1)
            m.d.sync += self.o.valid.eq(1)
        with m.Elif(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        return m
