# SPDX-License-Identifier: Apache-2.0
"""The encoded stream, a beat per line, readable from any lane on."""

from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from .geometry import CodecGeometry

__all__ = ["LineStore", "StoreShape"]


class StoreShape:
    """How positions in the encoded stream are counted.

    Lines are numbered modulo four times the depth of the store, so that positions a whole group
    ahead of what has arrived can still be compared; a position counts lanes, modulo the lanes of as
    many lines. Differences are read as signed.

    Parameters
    ----------
    geometry : :class:`CodecGeometry`
        Build parameters.
    """

    def __init__(self, geometry):
        # Two groups at least, so that one can be taken in while the other is read.
        self.depth = max(16, 2 * geometry.group_beats)
        self.line = range(4 * self.depth)
        self.position = range(4 * self.depth * geometry.lanes)
        self.lane_bits = exact_log2(geometry.lanes)
        self._geometry = geometry

    def end_position(self, end):
        """Returns the position behind the last whole lane of a packet with that ``PacketEnd``."""
        return end.line * self._geometry.lanes + end.count // self._geometry.lane_bytes

    def is_before(self, a, b):
        """Returns whether position or line ``a`` comes before ``b``, at most half a turn away."""
        return (a - b)[len(a) - 1]


class LineStore(wiring.Component):
    """Memory for lines, with a write port for whole lines and a read port for any run of lanes.

    A read takes ``cells`` lanes in a row from any lane on; lane ``p`` of the stream comes out in
    cell ``p mod cells``. The read port has no clock; what is written is there in the next cycle.

    Parameters
    ----------
    geometry : :class:`CodecGeometry`
        Build parameters.
    cells : :class:`int`
        Lanes read at once: a multiple of the lanes of a line, by a power of two.

    Members
    -------
    write_en, write_line, write_data : ``In``
        The line to be written.
    read_position : ``In``
        First lane to be read.
    read_after : ``In``
        The position ``cells`` lanes after it, for those that it is too late to add them.
    read_data : ``Out``
        The ``cells`` lanes from there on.
    """

    def __init__(self, geometry: CodecGeometry, *, cells: int):
        self._geometry = geometry
        self._cells = cells
        self._store = store = StoreShape(geometry)
        super().__init__({
            "write_en": In(1),
            "write_line": In(store.line),
            "write_data": In(data.ArrayLayout(8 * geometry.lane_bytes, geometry.lanes)),
            "read_position": In(store.position),
            "read_after": In(store.position),
            "read_data": Out(data.ArrayLayout(8 * geometry.lane_bytes, cells)),
        })

    def elaborate(self, platform):
        m = Module()
        geometry, lanes, cells = self._geometry, self._geometry.lanes, self._cells
        banks = cells // lanes
        bank_bits, cell_bits = exact_log2(banks), exact_log2(cells)
        rows = self._store.depth // banks

        # A cell below the first lane of the read holds it in the row after.
        row, next_row = self.read_position[cell_bits:], self.read_after[cell_bits:]
        first = self.read_position[:cell_bits]
        for cell in range(cells):
            memory = Memory(shape=8 * geometry.lane_bytes, depth=rows, init=[])
            m.submodules[f"cell{cell}"] = memory
            write, read = memory.write_port(), memory.read_port(domain="comb")
            m.d.comb += [
                write.en.eq(self.write_en & (self.write_line[:bank_bits] == cell // lanes)),
                write.addr.eq(self.write_line[bank_bits:]),
                write.data.eq(self.write_data[cell % lanes]),
                read.addr.eq(Mux(first > cell, next_row, row)),
                self.read_data[cell].eq(read.data),
            ]
        return m
