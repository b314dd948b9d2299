# SPDX-License-Identifier: Apache-2.0
"""Read jobs become bursts."""

from amaranth import *
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from opencdma.hw.bus.axi4 import PAGE, Burst
from opencdma.hw.stream import BlockQueue, Skid

from .jobs import ReadJob

__all__ = ["BurstPlanner", "Segment"]


class Segment(data.StructLayout):
    """Beats of one burst, of a pattern, or none.

    Fields
    ------
    address
        Where the first beat is, the bits below a beat unspecified; or the pattern.
    beats_minus_1
        How many, less one.
    single
        There is one, or none.
    start
        First byte of the first beat that counts.
    end_count
        Bytes of the last beat up to the last that counts; 0 if there is no beat.
    reads
        The beats are read, and arrive. If not, they are those of a pattern, or none.
    last
        The job has no further segments.
    cut
        With ``last``: not everything was asked for.
    """

    def __init__(self, width):
        super().__init__({
            "address": 64, "beats_minus_1": 7, "single": 1, "start": range(width),
            "end_count": range(width + 1), "reads": 1, "last": 1, "cut": 1,
        })


class BurstPlanner(wiring.Component):
    """Splits jobs into bursts, and asks for each when there is room for its data.

    A burst ends at its maximum length, at a 4 KB boundary or at the end of a row. One burst
    takes two cycles: in the first it is found out whether the row ends with it, and where the next
    row starts; in the second it goes out. Additions that are longer than half an address take
    both.

    Parameters
    ----------
    width : :class:`int`
        Bytes per beat.
    address_bits : :class:`int`
        Bits per address.
    longest : :class:`int`
        Beats per burst at most, a power of two.
    room : :class:`int`
        Beats that may be asked for and not yet be taken from where they arrive; at least twice
        ``longest``. A burst goes out when there is room for one of maximum length.
    unaligned : :class:`bool`
        Rows may start within a beat.

    Members
    -------
    jobs : ``In(stream.Signature(ReadJob))``
        What to read.
    ar : ``Out(stream.Signature(Burst(address_bits)))``
        The bursts.
    segments : ``Out(stream.Signature(Segment(width)))``
        The same in beats, for whoever receives them; at least one per job. Those of a pattern
        are made like those of a row, but not read.
    freed : ``In(1)``
        A beat was taken.
    kill : ``In(1)``
        Ask for no more from the next cycle on: end every job. An address that is on offer stays.
    """

    def __init__(self, *, width: int, address_bits: int, longest: int, room: int,
                 unaligned: bool):
        self._width = width
        self._address_bits = address_bits
        self._longest = longest
        self._room = room
        self._unaligned = unaligned
        super().__init__({
            "jobs": In(stream.Signature(ReadJob)),
            "ar": Out(stream.Signature(Burst(address_bits))),
            "segments": Out(stream.Signature(Segment(width))),
            "freed": In(1),
            "kill": In(1),
        })

    def elaborate(self, platform):
        m = Module()
        width, longest = self._width, self._longest
        shift, page_shift = exact_log2(width), exact_log2(PAGE)

        m.submodules.asked = asked = BlockQueue(Segment(width), 2 * self._room // longest)
        # What has been decided on goes on, whether or not its address is taken at once.
        m.submodules.offer = offer = Skid(Burst(self._address_bits))
        wiring.connect(m, asked.o, wiring.flipped(self.segments))
        wiring.connect(m, offer.o, wiring.flipped(self.ar))

        class State(enum.Enum, shape=2):
            IDLE, PLAN, ASK, EMPTY = range(4)

        state     = Signal(State)
        asks, repeats = Signal(), Signal() # state ASK, for a burst or for beats of a pattern
        job       = Signal(ReadJob)
        row       = Signal(self._address_bits)              # where the row starts
        page      = Signal(self._address_bits - page_shift) # where the next burst starts
        beat      = Signal(page_shift - shift)              # in the page
        start     = Signal(shift) if self._unaligned else Const(0, shift) # in the beat
        rows_left = Signal(16) # behind this one
        row_bytes = Signal(32) # of every row, less one
        span      = Signal(33) # to the last byte of the row, from that beat on
        room      = Signal(range(self._room + 1), init=self._room)
        spent     = Signal(range(longest + 1)) # of it, a cycle ago
        fits      = Signal() # there is room for a burst of maximum length

        # What is known of a burst that was planned; numbers of beats are less one.
        reach     = exact_log2(min(longest, PAGE // width))
        short     = Signal(reach) if reach else Const(0, 0) # of the most, if the page ends
        rest      = Signal(reach) if reach else Const(0, 0) # if the row ends
        row_ends, last_row = Signal(), Signal()
        end_count = Signal(range(width + 1))

        # The next row, and carries into the address that are due.
        next_low, next_carry = Signal(min(32, self._address_bits)), Signal()
        next_start = Signal(shift) if self._unaligned else Const(0, shift)
        next_span = Signal(33)
        turns_page, turns_half, turns_row = Signal(), Signal(), Signal()

        killed = Signal()
        m.d.sync += killed.eq(self.kill)

        beats, goes, ends = Signal(max(1, reach)), Signal(), Signal()
        m.d.comb += [
            beats.eq(Mux(row_ends, rest, ~short)),
            self.jobs.ready.eq(state == State.IDLE),
            offer.i.p.address.eq(Cat(Const(0, shift), beat, page)),
            offer.i.p.length.eq(beats),
            offer.i.p.qos.eq(job.qos),
            offer.i.p.cache.eq(job.cache),
        ]
        # A segment waits for a cycle: there are two from one to the next.
        segment = asked.i.p
        m.d.sync += [
            segment.address.eq(Cat(
                job.extent.address[:shift], beat, page, job.extent.address[self._address_bits :])),
            segment.beats_minus_1.eq(beats),
            segment.single.eq(ends | (beats == 0)),
            segment.start.eq(start),
            segment.end_count.eq(Mux(row_ends, end_count, width)),
            segment.reads.eq(~job.pattern),
            segment.last.eq(ends | (row_ends & last_row)),
            segment.cut.eq(state == State.ASK),
            asked.i.valid.eq(goes | (ends & asked.i.ready)),
        ]
        with m.If(ends):
            m.d.sync += [segment.start.eq(0), segment.end_count.eq(0), segment.reads.eq(0)]
        with m.Else():
            m.d.sync += segment.cut.eq(0)

        with m.Switch(state):
            with m.Case(State.IDLE):
                extent = self.jobs.p.extent
                first = Const(0, shift)
                if self._unaligned:
                    first = Mux(self.jobs.p.pattern, 0, extent.address[:shift])
                    m.d.sync += [start.eq(first), next_start.eq(first + extent.stride)]
                m.d.sync += [
                    job.eq(self.jobs.payload),
                    row.eq(extent.address),
                    Cat(beat, page).eq(extent.address[shift:]),
                    rows_left.eq(extent.rows_minus_1),
                    row_bytes.eq(extent.row_length - 1),
                    span.eq(extent.row_length - 1 + first),
                    turns_page.eq(0), turns_half.eq(0), turns_row.eq(0),
                ]
                with m.If(self.jobs.valid):
                    m.d.sync += state.eq(
                        Mux(self.jobs.p.total == 0, State.EMPTY, State.PLAN))
            with m.Case(State.PLAN):
                half = 32 - page_shift
                high = page[half:] + turns_half
                near_end, passes = Signal(), Signal() # the row goes on behind the page
                m.d.comb += [
                    near_end.eq(beat[reach:].all() & ~job.pattern),
                    passes.eq((span[shift : shift + reach] + beat[:reach])[reach]),
                ]
                m.d.sync += [
                    *([short.eq(Mux(near_end, beat[:reach], 0)), rest.eq(span[shift:])]
                      if reach else []),
                    row_ends.eq(~span[shift + reach :].any() & ~(near_end & passes)),
                    last_row.eq(rows_left == 0),
                    end_count.eq(span[:shift] + 1),
                    Cat(next_low, next_carry).eq(row[:32] + job.extent.stride),
                    next_span.eq(row_bytes + next_start),
                    page[:half].eq(page[:half] + turns_page),
                    page[half:].eq(high),
                    turns_page.eq(0), turns_half.eq(0), turns_row.eq(0),
                    state.eq(State.ASK),
                    asks.eq(~job.pattern),
                    repeats.eq(job.pattern),
                ]
                with m.If(turns_row):
                    m.d.sync += row[32:].eq(high)
            with m.Case(State.ASK):
                m.d.comb += ends.eq(killed)
                with m.If(killed & asked.i.ready):
                    m.d.sync += [state.eq(State.IDLE), asks.eq(0), repeats.eq(0)]
                with m.If(goes):
                    m.d.sync += [
                        state.eq(Mux(row_ends & last_row, State.IDLE, State.PLAN)),
                        asks.eq(0), repeats.eq(0),
                    ]
                    with m.If(row_ends):
                        m.d.sync += [
                            row[:32].eq(next_low),
                            Cat(beat, page).eq(Cat(next_low, row[32:])[shift:]),
                            turns_half.eq(next_carry),
                            turns_row.eq(next_carry),
                            span.eq(next_span),
                            rows_left.eq(rows_left - 1),
                        ]
                        if self._unaligned:
                            m.d.sync += [
                                start.eq(next_start), next_start.eq(next_start + job.extent.stride),
                            ]
                    with m.Else():
                        # The most beats less, and then those by which the burst is short.
                        m.d.sync += span[shift:].eq(
                            span[shift:] + Cat(short, Const(-1, 33 - shift - reach)))
                        page_ends = beat[reach:].all()
                        with m.If(~job.pattern):
                            m.d.sync += [
                                beat[:reach].eq(Mux(page_ends, 0, beat[:reach])),
                                beat[reach:].eq(beat[reach:] + 1),
                                turns_page.eq(page_ends),
                                turns_half.eq(page_ends & page[: 32 - page_shift].all()),
                            ]
                        if self._unaligned:
                            m.d.sync += start.eq(0)
            with m.Case(State.EMPTY):
                m.d.comb += ends.eq(1)
                with m.If(asked.i.ready):
                    m.d.sync += state.eq(State.IDLE)

        room_next, returned = Signal.like(room), Signal()
        m.d.comb += [
            offer.i.valid.eq(asks & ~killed & fits & asked.i.ready),
            goes.eq(asked.i.ready & ~killed & (repeats | (asks & fits & offer.i.ready))),
            room_next.eq(room - spent + returned),
        ]
        m.d.sync += [
            spent.eq(Mux(goes & asks, beats + 1, 0)),
            returned.eq(self.freed),
            room.eq(room_next),
            fits.eq(room_next[exact_log2(longest) :].any()),
        ]
        return m
