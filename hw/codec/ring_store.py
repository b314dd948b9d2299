# SPDX-License-Identifier: Apache-2.0
"""The encoded stream on its way out: written lane by lane, read line by line."""

from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from .geometry import CodecGeometry

__all__ = ["Ring", "RingStore"]


class Ring(data.StructLayout):
    """Lanes in a row, as the memories of a :class:`RingStore` want them.

    The lane at place ``p`` belongs to cell ``p mod cells``. Not more than ``cells`` of them lie in
    two rows at most, those of the cells from the first one up in the upper row.

    Fields
    ------
    inside
        One bit per cell: it holds one of the lanes.
    first
        One bit per cell: what it holds is in the first row.
    row, next_row
        The first row, and that of the place behind the last lane.
    """

    def __init__(self, cells, places):
        super().__init__({
            "inside": cells, "first": cells,
            "row": range(places // cells), "next_row": range(places // cells),
        })
        self._cells = cells

    def of(self, begin, behind):
        """Returns the fields for the lanes from place ``begin`` up to the one before ``behind``."""
        cells = range(self._cells)
        low = exact_log2(self._cells)
        above = [begin[:low] <= cell for cell in cells]
        below = [behind[:low] > cell for cell in cells]
        one_row = begin[low] == behind[low]
        return {
            "inside": Cat(Mux(one_row, above[n] & below[n], above[n] | below[n]) for n in cells),
            "first": Cat(above), "row": begin[low:], "next_row": behind[low:],
        }


class RingStore(wiring.Component):
    """Memory for lines, with a write port for any run of lanes and a read port for whole lines.

    The read port has no clock; what is written is there in the next cycle.

    Parameters
    ----------
    geometry : :class:`CodecGeometry`
        Build parameters.
    cells : :class:`int`
        Lanes written at once: a multiple of the lanes of a line, by a power of two.
    lines : :class:`int`
        Lines held, a power of two.

    Members
    -------
    en : ``In(1)``
        Lanes are written.
    ring : ``In(Ring(cells, places))``
        Where.
    lanes : ``In``
        What, for each cell.
    advance : ``In(1)``
        The next line is to be read from the next cycle on; the first one is line 0.
    line : ``Out``
        What the line to be read holds.
    """

    def __init__(self, geometry: CodecGeometry, *, cells: int, lines: int):
        self._geometry = geometry
        self._cells = cells
        self._lines = lines
        lane = 8 * geometry.lane_bytes
        super().__init__({
            "en": In(1),
            "ring": In(Ring(cells, lines * geometry.lanes)),
            "lanes": In(data.ArrayLayout(lane, cells)),
            "advance": In(1),
            "line": Out(data.ArrayLayout(lane, geometry.lanes)),
        })

    def elaborate(self, platform):
        m = Module()
        lanes = self._geometry.lanes
        banks = self._cells // lanes # lines per row
        bank_bits = exact_log2(banks)
        # A counter of its own, near the memories: it has a long way to all of them as it is.
        read_line, reads = Signal(range(self._lines)), []
        with m.If(self.advance):
            m.d.sync += read_line.eq(read_line + 1)
        for cell in range(self._cells):
            memory = Memory(
                shape=8 * self._geometry.lane_bytes, depth=self._lines // banks, init=[])
            m.submodules[f"cell{cell}"] = memory
            write, read = memory.write_port(), memory.read_port(domain="comb")
            m.d.comb += [
                write.en.eq(self.en & self.ring.inside[cell]),
                write.addr.eq(Mux(self.ring.first[cell], self.ring.row, self.ring.next_row)),
                write.data.eq(self.lanes[cell]),
                read.addr.eq(read_line[bank_bits:]),
            ]
            reads.append(read.data)
        with m.Switch(read_line[:bank_bits]):
            for bank in range(banks):
                with m.Case(bank):
                    m.d.comb += Value.cast(self.line).eq(Cat(reads[bank * lanes:][:lanes]))
        return m
