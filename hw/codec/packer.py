# SPDX-License-Identifier: Apache-2.0
"""Last stage of the compressor: masks and compacted beats become full beats of encoded data."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2, exact_log2

from opencdma.hw.stream import Credit, Queue

from .compactor import PlacedBeat, Placement
from .geometry import CodecGeometry
from .mask_builder import GroupMask
from .network import rotate
from .payloads import PacketBeat
from .ring_store import Ring, RingStore

__all__ = ["OutputReport", "Packer", "lines_touched"]


class OutputReport(data.Struct):
    """What the compressor gave out, once per transfer."""

    bytes_out: 32
    nonzeros:  32


def lines_touched(geometry):
    """Returns how many lines a mask and a beat can lie across."""
    lanes = geometry.lanes
    return (lanes - 1 + geometry.mask_lanes_max + lanes - 1) // lanes + 1


class Packer(wiring.Component):
    """Puts masks and beats where they belong in the encoded stream, and reads out full beats.

    Data are written as they come, and the mask of a group when the group is over, each into a
    store of its own in which every lane is a memory with its own address; a third one holds which
    lanes of a line are mask. A line is read once everything in it has been written and something
    behind it has been placed, or once its transfer has ended, so the last beat is always known as
    such. Nothing ever waits on the way in: whoever places beats must know that there is room.

    Takes one beat per cycle, gives one beat per cycle while there is a full one. ``o.valid`` and
    all that ``o.payload`` is chosen from come from registers.

    Parameters
    ----------
    geometry : :class:`CodecGeometry`
        Build parameters.
    lines : :class:`int`
        Lines of the store, a power of two, at least 8.
    transfers : :class:`int`
        Transfers whose ends can be waiting in the store, a power of two.

    Members
    -------
    places : ``In(stream.Signature(Placement(geometry, places), always_ready=True))``
        Where each beat goes, before the beat itself comes.
    masks : ``In(stream.Signature(GroupMask(geometry), always_ready=True))``
        The mask of a group, a cycle after the place of its last beat.
    beats : ``In(stream.Signature(PlacedBeat(geometry, places), always_ready=True))``
        The beats.
    line : ``Out``
        Number of the line to be read next: no place may be ``lines`` or more beyond.
    o : ``Out(stream.Signature(PacketBeat(width)))``
        Encoded packets.
    reports : ``Out(stream.Signature(OutputReport))``
        One per transfer, after its last beat has been taken.

    Raises
    ------
    ValueError
        If ``lines`` is not a power of two of at least 8.
    """

    def __init__(self, geometry: CodecGeometry, *, lines: int, transfers: int):
        if lines < 8 or lines & (lines - 1):
            raise ValueError(
                f"Number of lines must be a power of two and at least 8, not {lines!r}")
        self._geometry = geometry
        self._lines = lines
        self._transfers = transfers
        places = lines * geometry.lanes
        super().__init__({
            "places": In(stream.Signature(Placement(geometry, places), always_ready=True)),
            "masks": In(stream.Signature(GroupMask(geometry), always_ready=True)),
            "beats": In(stream.Signature(PlacedBeat(geometry, places), always_ready=True)),
            "line": Out(range(lines)),
            "o": Out(stream.Signature(PacketBeat(geometry.width))),
            "reports": Out(stream.Signature(OutputReport)),
        })

    def elaborate(self, platform):
        m = Module()
        geometry, lanes = self._geometry, self._geometry.lanes
        lane_bits, line_bits = 8 * geometry.lane_bytes, exact_log2(lanes)
        place = self.places.p
        self._advance = Signal() # a line goes to the output
        self._next_line = Signal(range(self._lines), init=1)

        # Data.
        where = self.beats.p.where
        m.submodules.data_store = data_store = RingStore(
            geometry, cells=lanes, lines=self._lines)
        m.d.comb += [
            data_store.en.eq(self.beats.valid),
            data_store.ring.eq(where.ring),
            data_store.lanes.eq(self.beats.p.data),
            data_store.advance.eq(self._advance),
        ]
        complete, complete_valid = where.complete, self.beats.valid
        if geometry.ranks == 0: # where a transfer ends is known two cycles after its place
            complete, complete_valid = Signal.like(complete), Signal()
            m.d.sync += [complete.eq(where.complete), complete_valid.eq(self.beats.valid)]
        has_data = self._ahead(m, "data", complete, complete_valid)

        # Masks. Where the mask of a group goes is known with its head, what it is with its tail:
        # a cycle later, when the next group may have begun, but its mask has no place yet.
        mask_cells = max(lanes, geometry.mask_lanes_max)
        ring = Ring(mask_cells, self._lines * lanes)
        group = Signal(data.StructLayout({"begin": place.begin.shape(), "ring": ring}))
        with m.If(self.places.valid & place.head):
            m.d.sync += group.begin.eq(place.begin)
            m.d.sync += [
                group.ring[name].eq(value)
                for name, value in ring.of(place.begin, place.data).items()]
        # Turned to its place, a mask comes round as often as it fits.
        mask = Signal(data.ArrayLayout(lane_bits, geometry.mask_lanes_max))
        m.d.comb += Value.cast(mask).eq(self.masks.p.bits)
        mask = rotate(m, mask, group.begin, 1, name="mask_turned")
        m.submodules.mask_store = mask_store = RingStore(
            geometry, cells=mask_cells, lines=self._lines)
        m.d.comb += [
            mask_store.en.eq(self.masks.valid),
            mask_store.ring.eq(group.ring),
            mask_store.advance.eq(self._advance),
        ]
        m.d.comb += [
            lane.eq(mask[n % geometry.mask_lanes_max]) for n, lane in enumerate(mask_store.lanes)]
        known = Signal(range(self._lines))
        m.d.comb += known.eq(place.next_line)
        with m.If(place.zvc & ~place.tail): # the group goes on
            m.d.comb += known.eq(Mux(place.head, place.begin, group.begin)[line_bits:])
        has_masks = self._ahead(m, "masks", known, self.places.valid)

        # Which lanes of a line are mask.
        is_mask = Signal(lanes)
        self._store_kinds(m, is_mask)

        # Where transfers end.
        last, count = self._store_ends(m)

        # What it amounts to: added up beat by beat.
        totals, grown = Signal(OutputReport), Signal(OutputReport)
        report, report_valid = Signal(OutputReport), Signal()
        m.submodules.queue = reports = Queue(OutputReport, self._transfers)
        m.d.comb += [
            grown.bytes_out.eq(totals.bytes_out + place.step * geometry.lane_bytes),
            grown.nonzeros.eq(totals.nonzeros + place.nonzeros),
            reports.i.valid.eq(report_valid),
            reports.i.payload.eq(report),
        ]
        m.d.sync += [report.eq(grown), report_valid.eq(self.places.valid & place.last)]
        with m.If(self.places.valid):
            m.d.sync += totals.eq(grown)
            with m.If(place.last):
                m.d.sync += totals.eq(0)

        # Read. The lines that come out are chosen from in the output itself.
        # Whether the output is free is kept twice: one copy enables its many registers, the other
        # is near what depends on it.
        load, blank = Signal(), Signal(init=1)
        m.d.comb += [
            load.eq(~self.o.valid | self.o.ready),
            self._advance.eq((blank | self.o.ready) & has_data & has_masks),
        ]
        with m.If(blank | self.o.ready):
            m.d.sync += blank.eq(~(has_data & has_masks))
        out = Signal(data.StructLayout({
            "data": data_store.line.shape(), "mask": mask_store.line.shape(), "is_mask": lanes,
            "inside": lanes, "count": range(lanes + 1), "last": 1,
        }), reset_less=True)
        with m.If(load):
            m.d.sync += [
                self.o.valid.eq(has_data & has_masks),
                out.data.eq(data_store.line), out.mask.eq(mask_store.line),
                out.is_mask.eq(is_mask),
                out.count.eq(count), out.last.eq(last),
            ]
            # What the store has behind the end of a packet was another's: it does not go out.
            m.d.sync += out.inside.eq(Cat(count > lane for lane in range(lanes)))
        with m.If(self._advance):
            m.d.sync += [self.line.eq(self._next_line), self._next_line.eq(self._next_line + 1)]
        m.d.comb += [
            self.o.p.count.eq(out.count * geometry.lane_bytes),
            self.o.p.last.eq(out.last),
            self.reports.payload.eq(reports.o.payload),
            reports.o.ready.eq(self.reports.valid & self.reports.ready),
        ]
        # A report waits until its packet is out.
        m.submodules.gone = gone = Credit(self._transfers, initial=0)
        sent = Signal()
        m.d.sync += sent.eq(self.o.valid & self.o.ready & out.last)
        m.d.comb += [
            gone.give.eq(sent), gone.take.eq(reports.o.ready),
            self.reports.valid.eq(gone.available),
        ]
        for lane in range(lanes):
            chosen = Mux(out.is_mask[lane], out.mask[lane], out.data[lane])
            for byte in range(geometry.lane_bytes):
                m.d.comb += self.o.p.data[lane * geometry.lane_bytes + byte].eq(
                    Mux(out.inside[lane], chosen.word_select(byte, 8), 0))
        return m

    def _ahead(self, m, name, done, valid):
        """Returns a register that says whether the line to be read is before ``done``.

        ``done`` is the latest one that was valid, and never falls behind. The comparisons are with
        registers; only their outcomes are chosen from.
        """
        last_done = Signal.like(done, name=f"{name}_done")
        ahead = Signal(name=f"has_{name}")
        with m.If(valid):
            m.d.sync += last_done.eq(done)
        m.d.sync += ahead.eq(
            Mux(self._advance, self._next_line != last_done, self.line != last_done))
        return ahead

    def _store_kinds(self, m, is_mask):
        """Adds the store of what is mask.

        Each beat writes all lines it can touch, the first one with what it had before, so that
        none is left as it was a round ago. Like ends they may be a cycle late.
        """
        geometry, lanes, place = self._geometry, self._geometry.lanes, self.places.p
        line_bits = exact_log2(lanes)
        touched = lines_touched(geometry)
        begin, behind = place.begin[:line_bits], place.data[:line_bits]
        beat = Signal(data.StructLayout({
            "line": range(self._lines), "from_begin": lanes,
            "to_data": data.ArrayLayout(lanes, touched), # of each line
            "end": range(touched + 1), # the line that stays open
        }))
        valid = Signal()
        m.d.sync += [
            valid.eq(self.places.valid),
            beat.line.eq(place.begin[line_bits:]),
            beat.from_begin.eq(Cat(begin <= lane for lane in range(lanes))),
            beat.end.eq(Mux(place.last, touched, place.end_lines)),
        ]
        for n in range(touched):
            m.d.sync += beat.to_data[n].eq(Cat(
                (place.data_lines > n) | ((place.data_lines == n) & (behind > lane))
                for lane in range(lanes)))

        open_line = Signal(lanes)
        kinds = [open_line | (beat.from_begin & beat.to_data[0]), *beat.to_data[1:]]
        with m.If(valid):
            with m.Switch(beat.end):
                for n, kind in enumerate(kinds):
                    with m.Case(n):
                        m.d.sync += open_line.eq(kind)
                with m.Default():
                    m.d.sync += open_line.eq(0)

        m.d.comb += is_mask.eq(self._store_lines(
            m, "kinds", valid, beat.line, lambda n: Array(kinds)[n], (self.line,))[0])

    def _store_ends(self, m):
        """Adds the store of ends; returns whether a packet ends in the line, and its lanes.

        Each beat writes the lines it can touch, like their kinds; one that places nothing writes
        the line that was the last before it.
        """
        lanes, place = self._geometry.lanes, self.places.p
        line_bits = exact_log2(lanes)
        low = place.end[:line_bits]
        beat = Signal(data.StructLayout({
            "line": range(self._lines), "final": range(self._lines), "last": 1,
            "count": range(lanes + 1),
        }))
        valid = Signal()
        m.d.sync += [
            valid.eq(self.places.valid),
            beat.line.eq(Mux(place.step == 0, place.final_line, place.begin[line_bits:])),
            beat.final.eq(place.final_line),
            beat.last.eq(place.last),
            beat.count.eq(Cat(low, (low == 0) & ~place.empty)),
        ]

        def end(n):
            is_last = beat.last & (n == (beat.final - beat.line)[:len(n)])
            return Cat(is_last, Mux(is_last, beat.count, lanes))

        # Known two cycles before a line is: it is looked up one cycle ahead.
        here, ahead = self._store_lines(
            m, "ends", valid, beat.line, end, (self.line, self._next_line))
        ends, held_here, held_ahead = (Signal(1 + len(beat.count)) for _ in range(3))
        moved = Signal()
        m.d.sync += [held_here.eq(here), held_ahead.eq(ahead), moved.eq(self._advance)]
        m.d.comb += ends.eq(Mux(moved, held_ahead, held_here))
        return ends[0], ends[1:]

    def _store_lines(self, m, name, valid, line, value, read):
        """Adds a store of something about each line, and returns it for the lines in ``read``.

        Written are the line given and those behind it that a beat can touch, ``value(n)`` for
        the one ``n`` lines further on, each into a bank of its own.
        """
        touched = lines_touched(self._geometry)
        banks = 1 << ceil_log2(touched)
        reads = [[] for _ in read]
        for bank in range(banks):
            n, row = Signal(range(banks)), Signal(range(self._lines // banks))
            written = Value.cast(value(n))
            memory = Memory(shape=len(written), depth=self._lines // banks, init=[])
            m.submodules[f"{name}{bank}"] = memory
            port = memory.write_port()
            m.d.comb += [
                n.eq(bank - line),
                row.eq((line + (banks - 1 - bank))[exact_log2(banks):]),
                port.en.eq(valid & (n < touched)),
                port.addr.eq(row),
                port.data.eq(written),
            ]
            for wanted, found in zip(read, reads, strict=True):
                reader = memory.read_port(domain="comb")
                m.d.comb += reader.addr.eq(wanted[exact_log2(banks):])
                found.append(reader.data)
        return [
            Array(found)[wanted[:exact_log2(banks)]]
            for wanted, found in zip(read, reads, strict=True)]
