# SPDX-License-Identifier: Apache-2.0
"""Bursts of writes go out, and their acknowledgements are gathered."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from opencdma.hw.bus.axi4 import Burst, Response, WritePort
from opencdma.hw.stream import BlockQueue, FrontQueue, Skid

from .burst_former import FormedBurst
from .jobs import MoverReport

__all__ = ["BurstSender"]


class BurstSender(wiring.Component):
    """Sends bursts, many at a time, and reports on each job when all its bursts were acknowledged.

    Parameters
    ----------
    width : :class:`int`
        Bytes per beat.
    address_bits : :class:`int`
        Bits per address.
    outstanding : :class:`int`
        Bursts that can be without acknowledgement, a power of two.
    reports : :class:`int`
        Reports that can be waiting; whoever gives jobs leaves no more of them without report.

    Members
    -------
    bursts : ``In(stream.Signature(FormedBurst(width, address_bits)))``
        The bursts.
    i : ``In(stream.Signature(data.ArrayLayout(8, width)))``
        Their data.
    port : ``Out(WritePort(width, address_bits))``
        Where they go.
    reports : ``Out(stream.Signature(MoverReport))``
        One per job: the first burst that was refused.
    hold : ``In(1)``
        Start no further burst from the next cycle on; an address that is on offer stays.
    owed : ``Out(1)``
        A burst has been decided on, and its acknowledgement has not come.
    """

    def __init__(self, *, width: int, address_bits: int, outstanding: int, reports: int):
        self._width = width
        self._address_bits = address_bits
        self._outstanding = outstanding
        self._reports = reports
        super().__init__({
            "bursts": In(stream.Signature(FormedBurst(width, address_bits))),
            "i": In(stream.Signature(data.ArrayLayout(8, width))),
            "port": Out(WritePort(width, address_bits)),
            "reports": Out(stream.Signature(MoverReport)),
            "hold": In(1),
            "owed": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        width = self._width
        m.submodules.offer = offer = Skid(Burst(self._address_bits))
        m.submodules.sending = sending = FrontQueue(
            data.StructLayout({
                "beats": 8, "single": 1, "start": range(width), "end_count": range(width + 1)}), 4)
        m.submodules.awaiting = awaiting = BlockQueue(
            data.StructLayout({"address": self._address_bits, "exists": 1, "last": 1}),
            self._outstanding)
        # Acknowledgements can come faster than ends of jobs between them pass.
        m.submodules.acks = acks = FrontQueue(2, self._outstanding)
        m.submodules.reports = reports = FrontQueue(MoverReport, self._reports)
        wiring.connect(m, offer.o, wiring.flipped(self.port.aw))
        wiring.connect(m, reports.o, wiring.flipped(self.reports))

        held = Signal()
        m.d.sync += held.eq(self.hold)

        # Bursts that have been decided on, and were not acknowledged.
        unanswered, room = Signal(range(self._outstanding + 1)), Signal(init=1)

        # A burst starts everywhere at once. Ends of jobs pass also on hold.
        burst, ready, start = self.bursts.p, Signal(), Signal()
        m.d.comb += [
            ready.eq(awaiting.i.ready & (
                ~burst.exists | (offer.i.ready & sending.i.ready & room & ~held))),
            start.eq(self.bursts.valid & ready),
            self.bursts.ready.eq(ready),
            offer.i.valid.eq(start & burst.exists),
            offer.i.p.address.eq(burst.address),
            offer.i.p.length.eq(burst.beats),
            offer.i.p.qos.eq(burst.qos),
            offer.i.p.cache.eq(burst.cache),
            sending.i.valid.eq(start & burst.exists),
            sending.i.p.beats.eq(burst.beats),
            sending.i.p.single.eq(burst.beats == 0),
            sending.i.p.start.eq(burst.start),
            sending.i.p.end_count.eq(burst.end_count),
            awaiting.i.valid.eq(start),
            awaiting.i.p.address.eq(burst.address),
            awaiting.i.p.exists.eq(burst.exists),
            awaiting.i.p.last.eq(burst.last),
        ]

        out = sending.o.p
        sent = Signal(8)                 # beats of the burst
        first, ends = Signal(init=1), Signal() # there is none; one more is the last
        last = Signal()
        m.d.comb += [
            last.eq(Mux(first, out.single, ends)),
            self.port.w.valid.eq(sending.o.valid & self.i.valid),
            self.port.w.p.data.eq(self.i.payload),
            self.port.w.p.last.eq(last),
            self.port.w.p.strobe.eq(
                Cat(~(first & (out.start > n)) for n in range(width))
                & Cat(1, (~last | (out.end_count > n) for n in range(1, width)))),
            self.i.ready.eq(sending.o.valid & self.port.w.ready),
            sending.o.ready.eq(self.i.valid & self.port.w.ready & last),
        ]
        with m.If(self.port.w.valid & self.port.w.ready):
            m.d.sync += [
                first.eq(last),
                sent.eq(Mux(last, 0, sent + 1)),
                ends.eq(sent + 1 == out.beats),
            ]

        entry, done = awaiting.o.p, Signal()
        report, result = Signal(MoverReport), Signal(MoverReport)
        m.d.comb += [
            acks.i.valid.eq(self.port.b.valid),
            acks.i.payload.eq(self.port.b.payload),
            done.eq(awaiting.o.valid & (~entry.exists | acks.o.valid)),
            awaiting.o.ready.eq(done),
            acks.o.ready.eq(awaiting.o.valid & entry.exists),
            self.owed.eq(unanswered != 0),
            result.eq(report),
            reports.i.valid.eq(done & entry.last),
            reports.i.payload.eq(result),
        ]
        asked, answered = Signal(), Signal()
        m.d.comb += [
            asked.eq(start & burst.exists), answered.eq(acks.o.valid & acks.o.ready),
        ]
        m.d.sync += [
            unanswered.eq(unanswered + asked - answered),
            room.eq(answered | (unanswered < self._outstanding - 1)
                    | (~asked & (unanswered == self._outstanding - 1))),
        ]
        refused = entry.exists & (acks.o.payload >= Response.SLVERR)
        with m.If((report.fault == 0) & refused):
            m.d.comb += result.fault.eq(acks.o.payload)
            m.d.comb += result.address.eq(entry.address)
        with m.If(done):
            m.d.sync += report.eq(Mux(entry.last, 0, result.as_value()))
        return m
