# SPDX-License-Identifier: Apache-2.0
"""A deep queue between two streams."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from .depth import check_depth

__all__ = ["BlockQueue"]


class BlockQueue(wiring.Component):
    """First in, first out, in a memory that is read with a clock, as block RAM is.

    Throughput is one item per cycle at every fill level; latency is one cycle and one for each
    register. ``i.ready``, ``o.valid`` and ``o.payload`` come from registers alone. As many items
    more than ``depth`` fit as there are registers.

    Parameters
    ----------
    shape : shape-like
        Payload of both streams.
    depth : :class:`int`
        Items the memory holds. A power of two, at least 2.
    registers : :class:`int`
        Registers behind the memory. The first belongs to a block RAM, and data leave it late in
        the cycle; the second can be the block RAM's output register.

    Members
    -------
    i : ``In(stream.Signature(shape))``
        Items to be queued.
    o : ``Out(stream.Signature(shape))``
        Items in the order of ``i``.
    freed : ``Out(1)``
        An item leaves the memory for the registers.

    Raises
    ------
    TypeError, ValueError
        If ``depth`` is not an integer, a power of two of at least 2.
    """

    def __init__(self, shape, depth: int, *, registers: int = 1):
        check_depth(depth)
        self._shape = shape
        self._depth = depth
        self._registers = registers
        super().__init__({
            "i": In(stream.Signature(shape)),
            "o": Out(stream.Signature(shape)),
            "freed": Out(1),
        })

    @property
    def depth(self):
        """Items the memory holds."""
        return self._depth

    def elaborate(self, platform):
        m = Module()
        # What is read is never what is being written, so nobody needs to provide for that. The
        # attribute says so of a register that synthesis itself draws into the memory.
        m.submodules.memory = memory = Memory(
            shape=self._shape, depth=self._depth, init=[], attrs={"no_rw_check": True})
        write = memory.write_port()
        read = memory.read_port(domain="comb")

        head, tail = Signal(range(self._depth)), Signal(range(self._depth))
        head_next, tail_next = Signal.like(head, init=1), Signal.like(tail, init=1)
        some, full = Signal(), Signal() # the memory has an item; it has room for none
        put, fetch = Signal(), Signal()
        m.d.comb += [
            write.addr.eq(tail),
            write.data.eq(self.i.payload),
            write.en.eq(put),
            read.addr.eq(head),
            self.i.ready.eq(~full),
            put.eq(self.i.valid & ~full),
        ]

        # Every register moves on when the next one does, or is empty.
        source, source_valid = read.data, some
        stages = []
        for number in range(self._registers):
            value = Signal(self._shape, reset_less=True, name=f"value{number}")
            valid, moves = Signal(name=f"valid{number}"), Signal(name=f"moves{number}")
            with m.If(moves):
                m.d.sync += [value.eq(source), valid.eq(source_valid)]
            stages.append((valid, moves))
            source, source_valid = value, valid
        for (valid, moves), (_, next_moves) in zip(
                stages, [*stages[1:], (None, self.o.ready)], strict=True):
            m.d.comb += moves.eq(~valid | next_moves)
        m.d.comb += [
            fetch.eq(some & stages[0][1]),
            self.freed.eq(fetch),
            self.o.valid.eq(source_valid),
            self.o.payload.eq(source),
        ]

        with m.If(put):
            m.d.sync += [tail.eq(tail_next), tail_next.eq(tail_next + 1)]
        with m.If(fetch):
            m.d.sync += [head.eq(head_next), head_next.eq(head_next + 1)]
        m.d.sync += [
            some.eq(put | (some & ~(fetch & (head_next == tail)))),
            full.eq(~fetch & (full | (put & (tail_next == head)))),
        ]
        return m
