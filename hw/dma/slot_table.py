# SPDX-License-Identifier: Apache-2.0
"""What is known of each descriptor that is under way."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

__all__ = ["SlotTable"]


class SlotTable(wiring.Component):
    """A table with one writer and several readers, who need no clock.

    Parameters
    ----------
    shape : shape-like
        An entry.
    slots : :class:`int`
        Entries.
    readers : :class:`int`
        Reading ports.

    Members
    -------
    write_en, write_slot, write_data
        An entry that is written; it can be read from the next cycle on.
    read_slot : ``In(range(slots)).array(readers)``
        Entries to be read.
    read_data : ``Out(shape).array(readers)``
        What they are.
    """

    def __init__(self, shape, *, slots: int, readers: int):
        self._shape = shape
        self._slots = slots
        super().__init__({
            "write_en": In(1), "write_slot": In(range(slots)), "write_data": In(shape),
            "read_slot": In(range(slots)).array(readers), "read_data": Out(shape).array(readers),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = memory = Memory(shape=self._shape, depth=self._slots, init=[])
        write = memory.write_port()
        m.d.comb += [
            write.en.eq(self.write_en),
            write.addr.eq(self.write_slot),
            write.data.eq(self.write_data),
        ]
        for slot, out in zip(self.read_slot, self.read_data, strict=True):
            read = memory.read_port(domain="comb")
            m.d.comb += [read.addr.eq(slot), out.eq(read.data)]
        return m
