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

        # Running totals: to the beat, and to the last whole group.
        consumed, bytes_out, nonzeros = Signal(32), Signal(32), Signal(32)
        valid_bytes, valid_nonzeros = Signal(32), Signal(32)
        next_consumed, next_bytes, next_nonzeros = Signal(32), Signal(32), Signal(32)
        zeros, stored_zero = self.i.p.zeros, Signal()
        m.d.comb += [
            next_consumed.eq(consumed + beat.step),
            next_bytes.eq(bytes_out + beat.count * geometry.lane_bytes),
            next_nonzeros.eq(nonzeros + zeros.nonzeros),
            stored_zero.eq(beat.checked & zeros.stored_zero),
        ]

        # The first error of the transfer, before this beat or in it; or what there is of it.
        failed, report = Signal(), Signal(DecodeReport)
        fails, found = Signal(), Signal(DecodeReport)
        m.d.comb += [
            fails.eq(stored_zero | (beat.kind != BeatKind.DATA)),
            found.position.eq(consumed + Mux(stored_zero, zeros.offset, beat.where)),
            found.consumed.eq(next_consumed),
            # Of use when the beat fails, or is the last.
            found.bytes_out.eq(Mux(fails, valid_bytes, next_bytes)),
            found.nonzeros.eq(Mux(fails, valid_nonzeros, next_nonzeros)),
        ]
        with m.If(stored_zero):
            m.d.comb += found.error_code.eq(ErrorCode.NON_CANONICAL)
        with m.Elif(beat.kind == BeatKind.PADDING):
            m.d.comb += found.error_code.eq(ErrorCode.PADDING)
        with m.Elif(beat.kind == BeatKind.TRUNCATED):
            m.d.comb += found.error_code.eq(ErrorCode.TRUNCATED)

        with m.If(self.i.valid):
            m.d.sync += [
                consumed.eq(next_consumed), bytes_out.eq(next_bytes), nonzeros.eq(next_nonzeros),
            ]
            with m.If(beat.tail):
                m.d.sync += [valid_bytes.eq(next_bytes), valid_nonzeros.eq(next_nonzeros)]
            with m.If(~failed):
                m.d.sync += [failed.eq(fails), report.eq(found)]
            with m.If(beat.last):
                m.d.sync += [
                    failed.eq(0), consumed.eq(0), bytes_out.eq(0), nonzeros.eq(0),
                    valid_bytes.eq(0), valid_nonzeros.eq(0),
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
            ended.eq(self.i.valid & beat.last),
            sent.eq(taken & self.o.p.last),
        ]
        m.d.comb += [
            gone.give.eq(sent),
            gone.take.eq(given),
            given.eq(self.reports.valid & self.reports.ready),
            reports.i.valid.eq(ended),
            reports.i.payload.eq(report),
            self.reports.valid.eq(reports.o.valid & gone.available),
            self.reports.payload.eq(reports.o.payload),
            reports.o.ready.eq(given),
        ]
        return m
