# SPDX-License-Identifier: Apache-2.0
"""Read data become packets."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from opencdma.hw.bus.axi4 import PAGE
from opencdma.hw.stream import Queue

from .burst_planner import Segment
from .jobs import MoverReport

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
    ``o.ready``. A report comes two cycles after the last beat.

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
    segments : ``In(stream.Signature(Segment(width)))``
        Which beats come for the jobs.
    arrivals : ``In(stream.Signature(Arrival(width)))``
        The beats.
    o : ``Out(stream.Signature(RaggedBeat(width)))``
        A packet per job. Rows that do not start with a beat leave gaps between its beats.
    reports : ``Out(stream.Signature(MoverReport))``
        One per job.
    """

    def __init__(self, *, width: int, reports: int, unaligned: bool):
        self._width = width
        self._reports = reports
        self._unaligned = unaligned
        super().__init__({
            "segments": In(stream.Signature(Segment(width))),
            "arrivals": In(stream.Signature(Arrival(width))),
            "o": Out(stream.Signature(RaggedBeat(width))),
            "reports": Out(stream.Signature(MoverReport)),
        })

    def elaborate(self, platform):
        m = Module()
        width, shift = self._width, exact_log2(self._width)
        m.submodules.reports = reports = Queue(MoverReport, self._reports)
        wiring.connect(m, reports.o, wiring.flipped(self.reports))

        segment  = self.segments.p
        fresh    = Signal(init=1) # the next beat is the first of a segment
        taken    = Signal(7)      # the beats of the segment that went before
        ends_now = Signal()       # the next is its last, if it is not the first
        swallow  = Signal()       # the packet has ended, the job has not
        report   = Signal(MoverReport)
        reported = Signal()       # it is that of a job which is over

        # What has no beat, has one of no bytes.
        fault, refused, last_beat = Signal(2), Signal(), Signal()
        start = Mux(fresh, segment.start, 0) if self._unaligned else 0
        m.d.comb += [
            fault.eq(Mux(segment.reads, self.arrivals.p.fault, 0)),
            refused.eq(fault.any()),
            last_beat.eq(Mux(fresh, segment.single, ends_now)),
            *(self.o.p.data[n].eq(Mux(
                segment.reads, self.arrivals.p.data[n], segment.address.word_select(n % 8, 8)))
              for n in range(width)),
            self.o.p.start.eq(start),
            self.o.p.count.eq(
                Mux(refused, 0, Mux(last_beat, segment.end_count, width) - start)),
            self.o.p.last.eq(refused | (last_beat & segment.last)),
        ]

        comes, consumed, job_ends = Signal(), Signal(), Signal()
        m.d.comb += [
            comes.eq(self.segments.valid & (~segment.reads | self.arrivals.valid)),
            self.o.valid.eq(comes & ~swallow),
            consumed.eq(comes & (swallow | self.o.ready)),
            self.arrivals.ready.eq(
                self.segments.valid & segment.reads & (swallow | self.o.ready)),
            self.segments.ready.eq(consumed & last_beat),
            job_ends.eq(self.segments.ready & segment.last),
        ]
        with m.If(consumed):
            m.d.sync += [
                fresh.eq(self.segments.ready),
                taken.eq(Mux(self.segments.ready, 0, taken + 1)),
                ends_now.eq(taken + 1 == segment.beats_minus_1),
                swallow.eq(~job_ends & (swallow | refused)),
            ]

        in_page = segment.address[shift : exact_log2(PAGE)] + taken
        with m.If(consumed & ~swallow):
            m.d.sync += [
                report.fault.eq(fault),
                report.cut.eq(segment.cut),
                report.address.eq(Mux(refused, Cat(
                    Const(0, shift), in_page[: exact_log2(PAGE) - shift],
                    segment.address[exact_log2(PAGE) :]), 0)),
            ]
        m.d.sync += reported.eq(job_ends)
        m.d.comb += [reports.i.valid.eq(reported), reports.i.payload.eq(report)]
        return m
