# SPDX-License-Identifier: Apache-2.0
"""The encoded stream, a beat per line, readable from any lane on."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from opencdma.hw.stream import Queue

from .geometry import CodecGeometry
from .payloads import PacketBeat

__all__ = ["Intake", "LineStore", "PacketEnd", "PacketLength", "StoreShape"]


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

    def is_before(self, a, b):
        """Returns whether position or line ``a`` comes before ``b``, at most half a turn away."""
        return (a - b)[len(a) - 1]


class PacketEnd(data.StructLayout):
    """Where a packet ends.

    Fields
    ------
    line
        Its last line.
    count
        Bytes in that line.
    """

    def __init__(self, geometry):
        super().__init__({
            "line": StoreShape(geometry).line, "count": range(geometry.width + 1),
        })


class PacketLength(data.Struct):
    """How long a packet was, in bytes, and whether it was cut short."""

    bytes_in: 32
    cut:      1


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
            "read_data": Out(data.ArrayLayout(8 * geometry.lane_bytes, cells)),
        })

    def elaborate(self, platform):
        m = Module()
        geometry, lanes, cells = self._geometry, self._geometry.lanes, self._cells
        banks = cells // lanes
        bank_bits, cell_bits = exact_log2(banks), exact_log2(cells)
        rows = self._store.depth // banks

        # A cell below the first lane of the read holds it in the row after.
        row, first = self.read_position[cell_bits:], self.read_position[:cell_bits]
        for cell in range(cells):
            memory = Memory(shape=8 * geometry.lane_bytes, depth=rows, init=[])
            m.submodules[f"cell{cell}"] = memory
            write, read = memory.write_port(), memory.read_port(domain="comb")
            m.d.comb += [
                write.en.eq(self.write_en & (self.write_line[:bank_bits] == cell // lanes)),
                write.addr.eq(self.write_line[bank_bits:]),
                write.data.eq(self.write_data[cell % lanes]),
                read.addr.eq(row + (first > cell)),
                self.read_data[cell].eq(read.data),
            ]
        return m


class Intake(wiring.Component):
    """Takes packets in line by line, and tells where they end.

    Throughput is one beat per cycle. What ``written`` counts can be read, and the ends of the
    packets among it are known. Each packet begins on a line of its own.

    Parameters
    ----------
    geometry : :class:`CodecGeometry`
        Build parameters.
    packets : :class:`int`
        Packets whose ends can be waiting, a power of two.

    Members
    -------
    i : ``In(stream.Signature(PacketBeat(width)))``
        Encoded packets.
    write_en, write_line, write_data : ``Out``
        To the line stores.
    written : ``Out``
        Number of the line that comes next.
    released : ``In``
        Lines before this one are no longer needed.
    ends_ahead, ends : ``Out(stream.Signature(PacketEnd(geometry)))``
        The end of every packet, for two readers at their own pace.
    lengths : ``Out(stream.Signature(PacketLength))``
        The length of every packet.
    """

    def __init__(self, geometry: CodecGeometry, *, packets: int):
        self._geometry = geometry
        self._packets = packets
        self._store = store = StoreShape(geometry)
        super().__init__({
            "i": In(stream.Signature(PacketBeat(geometry.width))),
            "write_en": Out(1),
            "write_line": Out(store.line),
            "write_data": Out(data.ArrayLayout(8 * geometry.lane_bytes, geometry.lanes)),
            "written": Out(store.line),
            "released": In(store.line),
            "ends_ahead": Out(stream.Signature(PacketEnd(geometry))),
            "ends": Out(stream.Signature(PacketEnd(geometry))),
            "lengths": Out(stream.Signature(PacketLength)),
        })

    def elaborate(self, platform):
        m = Module()
        beat, taken = self.i.p, Signal()
        ahead = Queue(PacketEnd(self._geometry), self._packets)
        behind = Queue(PacketEnd(self._geometry), self._packets)
        lengths = Queue(PacketLength, self._packets)
        m.submodules.ahead, m.submodules.behind, m.submodules.lengths = ahead, behind, lengths
        # The two ends are taken out of their queues before the length is: its queue is the
        # fullest of the three, and room there is room everywhere.
        held = (self.written - self.released)[:len(self.written)]
        m.d.comb += [
            self.i.ready.eq((held < self._store.depth) & lengths.i.ready),
            taken.eq(self.i.valid & self.i.ready),
            self.write_en.eq(taken),
            self.write_line.eq(self.written),
            Value.cast(self.write_data).eq(Value.cast(beat.data)),
        ]
        length = Signal(32)
        with m.If(taken):
            m.d.sync += self.written.eq(self.written + 1)
            m.d.sync += length.eq(Mux(beat.last, 0, length + beat.count))
        m.d.comb += [
            lengths.i.p.bytes_in.eq(length + beat.count),
            lengths.i.p.cut.eq(beat.cut),
            lengths.i.valid.eq(taken & beat.last),
        ]
        for queue, out in ((ahead, self.ends_ahead), (behind, self.ends)):
            m.d.comb += [
                queue.i.p.line.eq(self.written),
                queue.i.p.count.eq(beat.count),
                queue.i.valid.eq(taken & beat.last),
            ]
            wiring.connect(m, queue.o, wiring.flipped(out))
        wiring.connect(m, lengths.o, wiring.flipped(self.lengths))
        return m
