# SPDX-License-Identifier: Apache-2.0
"""Last stage of the decompressor: good beats go out, the first error ends the packet."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from opencdma.hw.stream import Credit, Queue
from opencdma.spec import ErrorCode

from .beat_planner import BeatKind
from .expander import ExpandedBeat
from .geometry import CodecGeometry
from .payloads import PacketBeat

__all__ = ["DecodeReport", "Gate"]


class DecodeReport(data.Struct):
    """What decoding a packet came to, once per transfer.

    Fields
    ------
    error_code
        The first error in the data, up to where decoding ended.
    position
        Its position; unspecified for truncated data, whose error is at the end of the packet.
    consumed
        Encoded bytes of the transfer; unspecified after an error.
    bytes_out, nonzeros
        Of the groups in front of the error.
    """

    error_code: 8
    position:  32
    consumed:  32
    bytes_out: 32
    nonzeros:  32


class Gate(wiring.Component):
    """Sends out good beats, and counts; the first error ends the packet with an empty beat.

    An error can be found only when part of its group has gone out. What counts as valid output is
    therefore reported in whole groups.

    Takes one beat per cycle; latency is one cycle.

    Parameters
    ----------
    geometry : :class:`CodecGeometry`
        Build parameters.
    depth : :class:`int`
        Beats that may be in the output queue, a power of two.
    transfers : :class:`int`
        Reports that may be waiting, a power of two.

    Members
    -------
    i : ``In(stream.Signature(ExpandedBeat(geometry), always_ready=True))``
        At most ``depth`` more than ``freed`` has given back.
    o : ``Out(stream.Signature(PacketBeat(width)))``
        Raw packets.
    reports : ``Out(stream.Signature(DecodeReport))``
        One per transfer, after its last beat has been taken.
    freed : ``Out(2)``
        Beats that went out or were dropped in the cycle before.
    """

    def __init__(self, geometry: CodecGeometry, *, depth: int, transfers: int):
        self._geometry = geometry
        self._depth = depth
        self._transfers = transfers
        super().__init__({
            "i": In(stream.Signature(ExpandedBeat(geometry), always_ready=True)),
            "o": Out(stream.Signature(PacketBeat(geometry.width))),
            "reports": Out(stream.Signature(DecodeReport)),
            "freed": Out(2),
        })

    def elaborate(self, platform):
        m = Module()
        geometry, beat = self._geometry, self.i.p.beat

        # The first error of the transfer: before this beat, or in it.
        failed, fails = Signal(), Signal()
        zeros, stored_zero = self.i.p.zeros, Signal()
        m.d.comb += [
            stored_zero.eq(beat.checked & zeros.stored_zero),
            fails.eq(stored_zero | (beat.kind != BeatKind.DATA)),
        ]
        with m.If(self.i.valid):
            with m.If(~failed):
                m.d.sync += failed.eq(fails)
            with m.If(beat.last):
                m.d.sync += failed.eq(0)

        # What there is to add up, a cycle later.
        judged_valid, judged = Signal(), Signal(data.StructLayout({
            "step": beat.step.shape(), "count": beat.count.shape(),
            "nonzeros": zeros.nonzeros.shape(), "tail": 1, "last": 1,
            "fails": 1, "error_code": 8, "where": zeros.offset.shape(), # in the beat
        }))
        first = Signal() # nothing before this beat failed
        m.d.sync += [
            judged_valid.eq(self.i.valid),
            first.eq(~failed),
            judged.step.eq(beat.step),
            judged.count.eq(beat.count),
            judged.nonzeros.eq(zeros.nonzeros),
            judged.tail.eq(beat.tail),
            judged.last.eq(beat.last),
            judged.fails.eq(fails),
            judged.where.eq(Mux(stored_zero, zeros.offset, beat.where)),
            judged.error_code.eq(ErrorCode.NONE),
        ]
        with m.If(stored_zero):
            m.d.sync += judged.error_code.eq(ErrorCode.NON_CANONICAL)
        with m.Elif(beat.kind == BeatKind.PADDING):
            m.d.sync += judged.error_code.eq(ErrorCode.PADDING)
        with m.Elif(beat.kind == BeatKind.TRUNCATED):
            m.d.sync += judged.error_code.eq(ErrorCode.TRUNCATED)

        # Running totals: to the beat, and to the last whole group.
        totals = data.StructLayout({"bytes_out": 32, "nonzeros": 32})
        consumed, total, whole = Signal(32), Signal(totals), Signal(totals)
        next_consumed, next_total = Signal(32), Signal(totals)
        m.d.comb += [
            next_consumed.eq(consumed + judged.step),
            next_total.bytes_out.eq(total.bytes_out + judged.count * geometry.lane_bytes),
            next_total.nonzeros.eq(total.nonzeros + judged.nonzeros),
        ]
        with m.If(judged_valid):
            m.d.sync += [consumed.eq(next_consumed), total.eq(next_total)]
            with m.If(judged.tail):
                m.d.sync += whole.eq(next_total)
            with m.If(judged.last):
                m.d.sync += [consumed.eq(0), total.eq(0), whole.eq(0)]

        # What there is to report, of the first beat that fails or of the last one. Which of the
        # totals it is is chosen when it is stored.
        report, report_fails = Signal(DecodeReport), Signal()
        counted, counted_whole = Signal(totals), Signal(totals)
        with m.If(first): # between beats too: it is looked at only behind the last one
            m.d.sync += [
                report.error_code.eq(judged.error_code),
                report.position.eq(consumed + judged.where),
                report.consumed.eq(next_consumed),
                counted.eq(next_total), counted_whole.eq(whole), report_fails.eq(judged.fails),
            ]

        m.submodules.queue = queue = Queue(PacketBeat(geometry.width), self._depth)
        m.d.comb += [
            queue.i.valid.eq(self.i.valid & ~failed),
            queue.i.p.count.eq(Mux(fails, 0, beat.count * geometry.lane_bytes)),
            queue.i.p.last.eq(beat.last | fails),
        ]
        for lane in range(geometry.lanes):
            for byte in range(geometry.lane_bytes):
                m.d.comb += queue.i.p.data[lane * geometry.lane_bytes + byte].eq(Mux(
                    beat.keep[lane], self.i.p.data[lane].word_select(byte, 8), 0))
        wiring.connect(m, queue.o, wiring.flipped(self.o))
        taken = Signal()
        m.d.comb += taken.eq(self.o.valid & self.o.ready)
        m.d.sync += self.freed.eq(taken + (self.i.valid & failed))

        # A report waits until its packet is out: one that failed is out before it is over.
        m.submodules.reports = reports = Queue(DecodeReport, self._transfers)
        m.submodules.gone = gone = Credit(self._transfers, initial=0)
        ended, sent, given = Signal(), Signal(), Signal()
        m.d.sync += [
            ended.eq(judged_valid & judged.last),
            sent.eq(taken & self.o.p.last),
        ]
        m.d.comb += [
            gone.give.eq(sent),
            gone.take.eq(given),
            given.eq(self.reports.valid & self.reports.ready),
            reports.i.valid.eq(ended),
            reports.i.payload.eq(report),
            reports.i.p.bytes_out.eq(
                Mux(report_fails, counted_whole.bytes_out, counted.bytes_out)),
            reports.i.p.nonzeros.eq(Mux(report_fails, counted_whole.nonzeros, counted.nonzeros)),
            self.reports.valid.eq(reports.o.valid & gone.available),
            self.reports.payload.eq(reports.o.payload),
            reports.o.ready.eq(given),
        ]
        return m
