# SPDX-License-Identifier: Apache-2.0
"""Last stage of the compressor: masks and compacted beats become full beats of encoded data."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2, exact_log2

from opencdma.hw.stream import Queue

from .compactor import PlacedBeat
from .geometry import CodecGeometry
from .mask_builder import GroupMask
from .network import rotate
from .payloads import PacketBeat

__all__ = ["OutputReport", "Packer", "store_banks"]


class OutputReport(data.Struct):
    """What the compressor gave out, once per transfer."""

    bytes_out: 32
    nonzeros:  32


def store_banks(geometry):
    """Returns how many lines the output store takes in at once: room for a mask and a beat."""
    return 1 << ceil_log2(-(-(geometry.mask_lanes_max + geometry.lanes) // geometry.lanes))


def thermometer(m, value, size, *, name):
    """Returns a signal of ``size`` bits; bit ``n`` says whether ``n < value``."""
    bits = Signal(size, name=name)
    m.d.comb += bits.eq(Cat(value > n for n in range(size)))
    return bits


class Packer(wiring.Component):
    """Puts masks and beats where they belong in the encoded stream, and reads out full beats.

    Beats wait until the mask of their group is complete. Each then goes, with its mask if it is the
    first of a group, into an output store of ``places`` lanes in a single cycle, however long the
    two are together: the store has as many banks of one line as a mask and a beat can touch, and
    every lane of a bank has a write address of its own. A line is read once something behind it
    has been placed, or once its transfer has ended, so the last beat is always known as such.

    Takes one beat per cycle while there is room, gives one beat per cycle while there is a full
    one; latency is three cycles, or until the mask is there. ``o.valid`` comes from registers.

    Parameters
    ----------
    geometry : :class:`CodecGeometry`
        Build parameters.
    depth : :class:`int`
        Beats that can wait for their mask, a power of two.
    transfers : :class:`int`
        Transfers whose ends can be waiting in the output store, a power of two.
    rows : :class:`int`
        Lines per bank of the output store, a power of two, at least 8.

    Members
    -------
    beats : ``In(stream.Signature(PlacedBeat(geometry, places), always_ready=True))``
        At most ``depth`` more than ``popped`` has reported.
    masks : ``In(stream.Signature(GroupMask(geometry), always_ready=True))``
        One per beat with ``head``.
    popped : ``Out(1)``
        A beat has left the queue.
    o : ``Out(stream.Signature(PacketBeat(width)))``
        Encoded packets.
    reports : ``Out(stream.Signature(OutputReport, always_ready=True))``
        One per transfer, as its last beat is taken.

    Raises
    ------
    ValueError
        If ``rows`` is not a power of two of at least 8.
    """

    def __init__(self, geometry: CodecGeometry, *, depth: int, transfers: int, rows: int = 16):
        if rows < 8 or rows & (rows - 1):
            raise ValueError(f"Number of rows must be a power of two and at least 8, not {rows!r}")
        self._geometry = geometry
        self._depth = depth
        self._transfers = transfers
        self._rows = rows
        super().__init__({
            "beats": In(stream.Signature(
                PlacedBeat(geometry, self.places), always_ready=True)),
            "masks": In(stream.Signature(GroupMask(geometry), always_ready=True)),
            "popped": Out(1),
            "o": Out(stream.Signature(PacketBeat(geometry.width))),
            "reports": Out(stream.Signature(OutputReport, always_ready=True)),
        })

    @property
    def places(self):
        """Lanes of the output store."""
        return self._rows * store_banks(self._geometry) * self._geometry.lanes

    def elaborate(self, platform):
        m = Module()
        geometry, lanes = self._geometry, self._geometry.lanes
        lane_bits, line_bits = 8 * geometry.lane_bytes, exact_log2(lanes)
        banks = store_banks(geometry)
        lines = self._rows * banks
        cells = banks * lanes # written in one cycle at most

        m.submodules.beats = beats = Queue(self.beats.payload.shape(), self._depth)
        m.submodules.masks = masks = Queue(self.masks.payload.shape(), self._depth)
        m.d.comb += [
            beats.i.valid.eq(self.beats.valid), beats.i.payload.eq(self.beats.payload),
            masks.i.valid.eq(self.masks.valid), masks.i.payload.eq(self.masks.payload),
        ]
        beat, place = beats.o.p, beats.o.p.place

        # Pop a beat when its mask is there and it cannot reach the lines still to be read: it
        # begins no further than `tail`, and goes on for less than a bank row and a line.
        head, tail = Signal(range(lines)), Signal(range(lines))
        room, pop = Signal(), Signal()
        m.d.comb += [
            room.eq((tail - head)[:len(tail)] < lines - banks - 2),
            pop.eq(beats.o.valid & (masks.o.valid | ~place.head) & room),
            beats.o.ready.eq(pop),
            masks.o.ready.eq(pop & place.head),
            self.popped.eq(pop),
        ]
        after = Signal(range(lines)) # the line where the next beat may begin
        m.d.comb += after.eq(place.end[line_bits:] + 1)
        with m.If(pop):
            m.d.sync += tail.eq(after)

        # The mask is turned to its place.
        mask_slots = max(lanes, geometry.mask_lanes_max)
        mask = Signal(data.ArrayLayout(lane_bits, mask_slots))
        m.d.comb += Value.cast(mask).eq(masks.o.p.bits)
        mask = rotate(m, mask, place.begin, 1, name="mask_turned")

        # Which cells belong to the mask, which to the data: both run on, modulo the cells.
        below = {
            name: thermometer(m, place[name][:exact_log2(cells)], cells, name=f"below_{name}")
            for name in ("begin", "data", "end")
        }

        def covered(first, behind):
            wraps = place[behind][:exact_log2(cells)] < place[first][:exact_log2(cells)]
            above, under = ~below[first], below[behind]
            return Mux(wraps, above | under, above & under)

        write = Signal(data.StructLayout({
            "data": data.ArrayLayout(lane_bits, lanes),
            "mask": data.ArrayLayout(lane_bits, mask_slots),
            "in_data": cells, "in_mask": cells, "next_row": cells,
            "place": place.shape(),
        }), reset_less=True)
        write_valid = Signal()
        m.d.sync += [
            write_valid.eq(pop),
            write.data.eq(beat.data),
            write.mask.eq(mask),
            write.in_data.eq(covered("data", "end")),
            write.in_mask.eq(covered("begin", "data")),
            write.next_row.eq(below["begin"]),
            write.place.eq(place),
        ]

        # The store, a memory per lane of each bank.
        row = write.place.begin[exact_log2(cells):]
        line = Signal(data.ArrayLayout(lane_bits, lanes))
        read_bank, read_row = head[:exact_log2(banks)], head[exact_log2(banks):]
        reads = []
        for cell in range(cells):
            memory = Memory(shape=lane_bits, depth=self._rows, init=[])
            m.submodules[f"cell{cell}"] = memory
            port, read = memory.write_port(), memory.read_port(domain="comb")
            m.d.comb += [
                port.en.eq(write_valid & (write.in_data[cell] | write.in_mask[cell])),
                port.addr.eq(row + write.next_row[cell]),
                port.data.eq(Mux(
                    write.in_data[cell], write.data[cell % lanes], write.mask[cell % mask_slots])),
                read.addr.eq(read_row),
            ]
            reads.append(read.data)
        with m.Switch(read_bank):
            for bank in range(banks):
                with m.Case(bank):
                    m.d.comb += Value.cast(line).eq(Cat(reads[bank * lanes:(bank + 1) * lanes]))

        # What is complete. A line waits for something behind it: until then it may be the last.
        done = Signal(range(lines))
        place = write.place
        final = Signal.like(place.end)
        m.d.comb += final.eq(place.end - 1)
        bytes_out, nonzeros = Signal(32), Signal(32)
        total_bytes, total_nonzeros = Signal(32), Signal(32)
        grown = Signal(range(cells + 1))
        m.d.comb += [
            grown.eq((place.end - place.begin)[:len(grown)]),
            total_bytes.eq(bytes_out + grown * geometry.lane_bytes),
            total_nonzeros.eq(nonzeros + place.nonzeros),
        ]
        ending = data.StructLayout({
            "line": range(lines), "count": range(geometry.width + 1), "report": OutputReport,
        })
        m.submodules.endings = endings = Queue(ending, self._transfers)
        m.d.comb += [
            endings.i.valid.eq(write_valid & place.last),
            endings.i.p.report.bytes_out.eq(total_bytes),
            endings.i.p.report.nonzeros.eq(total_nonzeros),
        ]
        with m.If(place.empty):
            m.d.comb += endings.i.p.line.eq(place.begin[line_bits:])
            m.d.comb += endings.i.p.count.eq(0)
        with m.Else():
            m.d.comb += endings.i.p.line.eq(final[line_bits:])
            m.d.comb += endings.i.p.count.eq((final[:line_bits] + 1) * geometry.lane_bytes)
        with m.If(write_valid):
            with m.If(place.last):
                m.d.sync += done.eq(endings.i.p.line + 1)
                m.d.sync += [bytes_out.eq(0), nonzeros.eq(0)]
            with m.Else():
                m.d.sync += done.eq(final[line_bits:])
                m.d.sync += [bytes_out.eq(total_bytes), nonzeros.eq(total_nonzeros)]

        last, taken = Signal(), Signal()
        m.d.comb += [
            last.eq(endings.o.valid & (endings.o.p.line == head)),
            self.o.valid.eq(done != head),
            self.o.p.count.eq(Mux(last, endings.o.p.count, geometry.width)),
            self.o.p.last.eq(last),
            taken.eq(self.o.valid & self.o.ready),
            endings.o.ready.eq(taken & last),
            self.reports.valid.eq(taken & last),
            self.reports.payload.eq(endings.o.p.report),
        ]
        # What the store has behind the end of a packet was another's: it does not go out.
        for lane in range(lanes):
            inside = self.o.p.count > lane * geometry.lane_bytes
            for byte in range(geometry.lane_bytes):
                m.d.comb += self.o.p.data[lane * geometry.lane_bytes + byte].eq(
                    Mux(inside, line[lane].word_select(byte, 8), 0))
        with m.If(taken):
            m.d.sync += head.eq(head + 1)
        return m
