# SPDX-License-Identifier: Apache-2.0
"""What is known of each descriptor that is under way."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

__all__ = ["SlotTable"]


class SlotTable(wiring.Component):
    """A table with one writer and several readers: some need no clock, some can wait.

    Parameters
    ----------
    shape : shape-like
        An entry.
    slots : :class:`int`
        Entries.
    readers : :class:`int`
        Reading ports without a clock.
    late_readers : :class:`int`
        Reading ports with one: block RAM, of which there is more than of the other kind.

    Members
    -------
    write_en, write_slot, write_data
        An entry that is written; it can be read from the next cycle on.
    read_slot : ``In(range(slots)).array(readers)``
        Entries to be read.
    read_data : ``Out(shape).array(readers)``
        What they are.
    late_slot : ``In(range(slots)).array(late_readers)``
        Entries to be read.
    late_data : ``Out(shape).array(late_readers)``
        What they were in the cycle before. One that was just being written is not defined.
    """

    def __init__(self, shape, *, slots: int, readers: int, late_readers: int = 0):
        self._shape = shape
        self._slots = slots
        super().__init__({
            "write_en": In(1), "write_slot": In(range(slots)), "write_data": In(shape),
            "read_slot": In(range(slots)).array(readers), "read_data": Out(shape).array(readers),
            "late_slot": In(range(slots)).array(late_readers),
            "late_data": Out(shape).array(late_readers),
        })

    def elaborate(self, platform):
        m = Module()
        memory = self._memory(m, "memory")
        for slot, out in zip(self.read_slot, self.read_data, strict=True):
            read = memory.read_port(domain="comb")
            m.d.comb += [read.addr.eq(slot), out.eq(read.data)]
        # Synthesis takes the same kind of memory for all ports, and no block RAM for so few entries
        # unless it is told to. It also draws the register into the memory.
        for number, (slot, out) in enumerate(zip(self.late_slot, self.late_data, strict=True)):
            memory = self._memory(
                m, f"late_memory{number}", attrs={"ram_style": "block", "no_rw_check": True})
            read = memory.read_port(domain="comb")
            value = Signal(self._shape, reset_less=True, name=f"late_value{number}")
            m.d.comb += [read.addr.eq(slot), out.eq(value)]
            m.d.sync += value.eq(read.data)
        return m

    def _memory(self, m, name, attrs=None):
        """Add a memory that has all that is written, and return it."""
        memory = Memory(shape=self._shape, depth=self._slots, init=[], attrs=attrs)
        m.submodules[name] = memory
        write = memory.write_port()
        m.d.comb += [
            write.en.eq(self.write_en),
            write.addr.eq(self.write_slot),
            write.data.eq(self.write_data),
        ]
        return memory
