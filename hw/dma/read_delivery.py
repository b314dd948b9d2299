# SPDX-License-Identifier: Apache-2.0
"""Read data become packets."""

from amaranth import *
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from opencdma.hw.stream import Queue

from .burst_planner import Segment
from .jobs import MoverReport, ReadJob

__all__ = ["Arrival", "RaggedBeat", "ReadDelivery"]


class Arrival(data.StructLayout):
    """A beat that was read: ``width`` bytes, and its RESP if that is a fault."""

    def __init__(self, width):
        super().__init__({"data": data.ArrayLayout(8, width), "fault": 2})


class RaggedBeat(data.StructLayout):
    """A beat of a packet in which bytes may be missing at the front, too.

    Fields
    ------
    data
        ``width`` bytes.
    start
        The first that counts; unspecified if none does.
    count
        How many count.
    last
        The packet ends here.
    """

    def __init__(self, width):
        super().__init__({
            "data": data.ArrayLayout(8, width), "start": range(width), "count": range(width + 1),
            "last": 1,
        })


class ReadDelivery(wiring.Component):
    """Makes a packet of the beats of each job, and reports what was wrong with them.

    At the first beat that was refused the packet ends, in front of that beat; the rest of the job's
    beats is swallowed. Throughput is one beat per cycle, across jobs too. Between the streams of
    data there is no register: ``o.valid`` follows ``arrivals.valid``, ``arrivals.ready`` follows
    ``o.ready``.

    Parameters
    ----------
    width : :class:`int`
        Bytes per beat.
    reports : :class:`int`
        Reports that can be waiting; whoever gives jobs leaves no more of them without report.
    unaligned : :class:`bool`
        Rows may start within a beat.

    Members
    -------
    started : ``In(stream.Signature(ReadJob))``
        The jobs.
    segments : ``In(stream.Signature(Segment))``
        How many beats come for them.
    arrivals : ``In(stream.Signature(Arrival(width)))``
        The beats.
    o : ``Out(stream.Signature(RaggedBeat(width)))``
        A packet per job. Rows that do not start with a beat leave gaps between its beats.
    reports : ``Out(stream.Signature(MoverReport))``
        One per job.
    kill : ``In(1)``
        End patterns.
    """

    def __init__(self, *, width: int, reports: int, unaligned: bool):
        self._width = width
        self._reports = reports
        self._unaligned = unaligned
        super().__init__({
            "started": In(stream.Signature(ReadJob)),
            "segments": In(stream.Signature(Segment)),
            "arrivals": In(stream.Signature(Arrival(width))),
            "o": Out(stream.Signature(RaggedBeat(width))),
            "reports": Out(stream.Signature(MoverReport)),
            "kill": In(1),
        })

    def elaborate(self, platform):
        m = Module()
        width, shift = self._width, exact_log2(self._width)
        m.submodules.reports = reports = Queue(MoverReport, self._reports)
        wiring.connect(m, reports.o, wiring.flipped(self.reports))

        class State(enum.Enum, shape=2):
            IDLE, DATA, SWALLOW = range(3)

        state     = Signal(State)
        job       = Signal(ReadJob)
        report    = Signal(MoverReport)
        row       = Signal(64) # where the row starts
        rows_left = Signal(16) # behind this one
        row_left  = Signal(32) # bytes of the row
        offset    = Signal(33) # of the beat, from the first beat of the row
        start     = Signal(shift) if self._unaligned else Const(0, shift) # of what counts
        taken     = Signal(9)  # beats of the segment

        # Patterns end early if they are killed, though not in the middle of an offer.
        killed = Signal()
        with m.If(~self.o.valid | self.o.ready):
            m.d.sync += killed.eq(self.kill)

        segment = self.segments.p
        more = Signal() # the segment has a beat
        count, sent = Signal(range(width + 1)), Signal(range(width + 1))
        row_ends, job_ends, last = Signal(), Signal(), Signal()
        m.d.comb += [
            more.eq(segment.beats != taken),
            row_ends.eq(row_left <= width - start),
            count.eq(Mux(row_ends, row_left, width - start)),
            job_ends.eq(row_ends & (rows_left == 0)),
            *(self.o.p.data[n].eq(Mux(
                job.pattern, job.extent.address.word_select(n % 8, 8), self.arrivals.p.data[n]))
              for n in range(width)),
            self.o.p.start.eq(start),
            self.o.p.count.eq(sent),
            self.o.p.last.eq(last),
            sent.eq(count),
            last.eq(job_ends),
        ]

        over = Signal()      # the last segment of the job is done with
        consumed = Signal()  # a beat of the segment is
        ends = Signal(MoverReport) # the report of a job that is over
        m.d.comb += ends.eq(report)
        with m.If(state == State.DATA):
            with m.If(job.pattern & (job.total != 0)):
                # All beats of a pattern belong to one segment without any.
                m.d.comb += self.o.valid.eq(self.segments.valid)
                with m.If(killed):
                    m.d.comb += [
                        sent.eq(0), last.eq(1), ends.cut.eq(1),
                        over.eq(self.segments.valid & self.o.ready),
                    ]
                with m.Else():
                    m.d.comb += over.eq(self.segments.valid & self.o.ready & job_ends)
            with m.Elif(more):
                m.d.comb += [
                    self.o.valid.eq(self.segments.valid & self.arrivals.valid),
                    self.arrivals.ready.eq(self.segments.valid & self.o.ready),
                    consumed.eq(self.o.valid & self.o.ready),
                ]
                with m.If(self.arrivals.p.fault != 0):
                    m.d.comb += [
                        sent.eq(0), last.eq(1),
                        ends.fault.eq(self.arrivals.p.fault),
                        ends.address.eq(Cat(Const(0, shift), (row + offset)[shift:64])),
                    ]
            with m.Else(): # nothing was to be read, or nothing more was asked for
                m.d.comb += [
                    self.o.valid.eq(self.segments.valid),
                    sent.eq(0),
                    last.eq(1),
                    ends.cut.eq(segment.cut),
                    over.eq(self.segments.valid & self.o.ready),
                ]
        with m.Elif(state == State.SWALLOW):
            m.d.comb += [
                self.arrivals.ready.eq(self.segments.valid & more),
                consumed.eq(self.arrivals.valid & self.arrivals.ready),
                over.eq(self.segments.valid & ~more & segment.last),
            ]

        segment_ends = Signal()
        m.d.comb += [
            segment_ends.eq(consumed & (segment.beats == taken + 1)),
            self.segments.ready.eq(over | segment_ends | (self.segments.valid & ~more
                                                          & (state == State.SWALLOW))),
        ]
        finished = Signal()
        m.d.comb += [
            finished.eq(over | (segment_ends & segment.last)),
            reports.i.valid.eq(finished),
            reports.i.payload.eq(ends),
        ]
        with m.If(self.segments.ready):
            m.d.sync += taken.eq(0)
        with m.Elif(consumed):
            m.d.sync += taken.eq(taken + 1)

        # The next job is taken over in the cycle that finishes the one before it.
        load = Signal()
        m.d.comb += load.eq((state == State.IDLE) | finished)
        m.d.comb += self.started.ready.eq(load)
        extent = self.started.p.extent
        with m.If(load):
            m.d.sync += [
                job.eq(self.started.payload),
                # An empty packet has bytes, too, though none count: they must not change.
                job.pattern.eq(self.started.p.pattern | (self.started.p.total == 0)),
                Value.cast(report).eq(0),
                row.eq(extent.address),
                rows_left.eq(extent.rows_minus_1),
                row_left.eq(extent.row_length),
                offset.eq(0),
                state.eq(Mux(self.started.valid, State.DATA, State.IDLE)),
            ]
        with m.Elif((state == State.DATA) & self.o.valid & self.o.ready):
            m.d.sync += [row_left.eq(row_left - count), offset.eq(offset + width)]
            with m.If(row_ends):
                m.d.sync += [
                    row.eq(row + job.extent.stride),
                    rows_left.eq(rows_left - 1),
                    row_left.eq(job.extent.row_length),
                    offset.eq(0),
                ]
            with m.If(last):
                m.d.sync += state.eq(State.SWALLOW)
                m.d.sync += report.eq(ends)
        if self._unaligned:
            with m.If(load):
                m.d.sync += start.eq(Mux(self.started.p.pattern, 0, extent.address[:shift]))
            with m.Elif(self.o.valid & self.o.ready):
                m.d.sync += start.eq(Mux(row_ends, (row + job.extent.stride)[:shift], 0))
        return m
