# SPDX-License-Identifier: Apache-2.0
"""Read jobs become bursts."""

from amaranth import *
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from opencdma.hw.bus.axi4 import PAGE, Burst
from opencdma.hw.stream import Queue

from .jobs import ReadJob

__all__ = ["BurstPlanner", "Segment"]


class Segment(data.Struct):
    """Beats that have been asked for.

    Fields
    ------
    beats
        How many; 0 if the job ends without further beats.
    last
        The job has no further segments.
    cut
        With ``last``: not everything was asked for.
    """

    beats: 9
    last:  1
    cut:   1


class BurstPlanner(wiring.Component):
    """Splits jobs into bursts, and asks for each when there is room for its data.

    A burst ends at its maximum length, at a 4 KB boundary or at the end of a row. One burst
    takes two cycles: in the first its length is found, in the second it goes out and the
    address behind it is computed. This is the critical loop of the read mover.

    Parameters
    ----------
    width : :class:`int`
        Bytes per beat.
    address_bits : :class:`int`
        Bits per address.
    longest : :class:`int`
        Beats per burst at most.
    room : :class:`int`
        Beats that may be asked for and not yet be taken from where they arrive.
    jobs : :class:`int`
        Jobs that can be waiting at ``started``.

    Members
    -------
    jobs : ``In(stream.Signature(ReadJob))``
        What to read.
    ar : ``Out(stream.Signature(Burst(address_bits)))``
        The bursts.
    segments : ``Out(stream.Signature(Segment))``
        The same in beats, for whoever receives them; at least one per job.
    started : ``Out(stream.Signature(ReadJob))``
        Jobs whose first segment comes.
    freed : ``In(1)``
        A beat was taken.
    kill : ``In(1)``
        Ask for no more from the next cycle on: end every job. An address that is on offer stays.
    """

    def __init__(self, *, width: int, address_bits: int, longest: int, room: int, jobs: int):
        self._width = width
        self._address_bits = address_bits
        self._longest = longest
        self._room = room
        self._jobs = jobs
        super().__init__({
            "jobs": In(stream.Signature(ReadJob)),
            "ar": Out(stream.Signature(Burst(address_bits))),
            "segments": Out(stream.Signature(Segment)),
            "started": Out(stream.Signature(ReadJob)),
            "freed": In(1),
            "kill": In(1),
        })

    def elaborate(self, platform):
        m = Module()
        width, longest = self._width, self._longest
        shift = exact_log2(width)

        m.submodules.asked = asked = Queue(Segment, 2 * self._room // longest)
        m.submodules.begun = begun = Queue(ReadJob, self._jobs)
        wiring.connect(m, asked.o, wiring.flipped(self.segments))
        wiring.connect(m, begun.o, wiring.flipped(self.started))

        class State(enum.Enum, shape=2):
            IDLE, PLAN, ASK, END = range(4)

        state     = Signal(State)
        job       = Signal(ReadJob)
        row       = Signal(self._address_bits) # where the row starts
        address   = Signal(self._address_bits) # where the next burst starts
        rows_left = Signal(16)                 # behind this one
        left      = Signal(32 - shift + 2)     # beats of the row not yet asked for
        length    = Signal(range(longest + 1))
        room      = Signal(range(self._room + 1), init=self._room)

        # A burst that has been offered is asked for, whatever happens then.
        killed = Signal()
        with m.If(~self.ar.valid | self.ar.ready):
            m.d.sync += killed.eq(self.kill)

        def touched(row_length, start):
            """Beats that a row touches, which depends on where in a beat it starts."""
            return (row_length + start[:shift] + (width - 1)) >> shift

        next_row = row + job.extent.stride

        to_page = Signal(range(PAGE // width + 1))
        m.d.comb += to_page.eq(PAGE // width - address[shift:exact_log2(PAGE)])
        fire = Signal()
        row_ends = Signal()
        m.d.comb += [
            row_ends.eq(left == length),
            self.jobs.ready.eq((state == State.IDLE) & begun.i.ready),
            begun.i.valid.eq((state == State.IDLE) & self.jobs.valid),
            begun.i.payload.eq(self.jobs.payload),
            self.ar.p.address.eq(Cat(Const(0, shift), address[shift:])),
            self.ar.p.length.eq(length - 1),
            self.ar.p.qos.eq(job.qos),
            self.ar.p.cache.eq(job.cache),
        ]
        with m.Switch(state):
            with m.Case(State.IDLE):
                m.d.sync += [
                    job.eq(self.jobs.payload),
                    row.eq(self.jobs.p.extent.address),
                    address.eq(self.jobs.p.extent.address),
                    rows_left.eq(self.jobs.p.extent.rows_minus_1),
                    left.eq(touched(
                        self.jobs.p.extent.row_length, self.jobs.p.extent.address)),
                ]
                with m.If(self.jobs.valid & begun.i.ready):
                    m.d.sync += state.eq(Mux(
                        self.jobs.p.pattern | (self.jobs.p.total == 0), State.END, State.PLAN))
            with m.Case(State.PLAN):
                nearest = Signal.like(length)
                m.d.comb += nearest.eq(Mux(to_page < longest, to_page, longest))
                m.d.sync += length.eq(Mux(left < nearest, left, nearest))
                m.d.sync += state.eq(State.ASK)
            with m.Case(State.ASK):
                m.d.comb += [
                    asked.i.p.beats.eq(Mux(killed, 0, length)),
                    asked.i.p.last.eq(killed | (row_ends & (rows_left == 0))),
                    asked.i.p.cut.eq(killed),
                ]
                with m.If(killed):
                    m.d.comb += asked.i.valid.eq(1)
                    with m.If(asked.i.ready):
                        m.d.sync += state.eq(State.IDLE)
                with m.Else():
                    m.d.comb += [
                        self.ar.valid.eq((room >= length) & asked.i.ready),
                        fire.eq(self.ar.valid & self.ar.ready),
                        asked.i.valid.eq(fire),
                    ]
                    with m.If(fire):
                        m.d.sync += state.eq(State.PLAN)
                        m.d.sync += left.eq(left - length)
                        m.d.sync += address[shift:].eq(address[shift:] + length)
                        with m.If(row_ends):
                            m.d.sync += [
                                row.eq(next_row),
                                address.eq(next_row),
                                left.eq(touched(job.extent.row_length, next_row)),
                                rows_left.eq(rows_left - 1),
                            ]
                            with m.If(rows_left == 0):
                                m.d.sync += state.eq(State.IDLE)
            with m.Case(State.END):
                m.d.comb += [
                    asked.i.valid.eq(1),
                    asked.i.p.beats.eq(0),
                    asked.i.p.last.eq(1),
                    asked.i.p.cut.eq(0),
                ]
                with m.If(asked.i.ready):
                    m.d.sync += state.eq(State.IDLE)
        m.d.sync += room.eq(room - Mux(fire, length, 0) + self.freed)
        return m
