# SPDX-License-Identifier: Apache-2.0
"""Bursts of writes go out, and their acknowledgements are gathered."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from opencdma.hw.bus.axi4 import Response, WritePort
from opencdma.hw.stream import Queue

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
        The address of a burst is on offer, or its acknowledgement has not come.
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
        formed = FormedBurst(width, self._address_bits)
        m.submodules.sending = sending = Queue(formed, 4)
        m.submodules.awaiting = awaiting = Queue(
            data.StructLayout({"address": self._address_bits, "exists": 1, "last": 1}),
            self._outstanding)
        # Acknowledgements can come faster than ends of jobs between them pass.
        m.submodules.acks = acks = Queue(2, self._outstanding)
        m.submodules.reports = reports = Queue(MoverReport, self._reports)
        wiring.connect(m, reports.o, wiring.flipped(self.reports))

        # An address that has been offered stays on offer.
        held = Signal()
        with m.If(~self.port.aw.valid | self.port.aw.ready):
            m.d.sync += held.eq(self.hold)

        # A burst starts everywhere at once. Ends of jobs pass also on hold.
        burst, ready, start = self.bursts.p, Signal(), Signal()
        m.d.comb += [
            ready.eq(awaiting.i.ready & (
                ~burst.exists | (self.port.aw.ready & sending.i.ready & ~held))),
            start.eq(self.bursts.valid & ready),
            self.bursts.ready.eq(ready),
            self.port.aw.valid.eq(
                self.bursts.valid & burst.exists & awaiting.i.ready & sending.i.ready & ~held),
            self.port.aw.p.address.eq(burst.address),
            self.port.aw.p.length.eq(burst.beats),
            self.port.aw.p.qos.eq(burst.qos),
            self.port.aw.p.cache.eq(burst.cache),
            sending.i.valid.eq(start & burst.exists),
            sending.i.payload.eq(burst),
            awaiting.i.valid.eq(start),
            awaiting.i.p.address.eq(burst.address),
            awaiting.i.p.exists.eq(burst.exists),
            awaiting.i.p.last.eq(burst.last),
        ]

        sent, out = Signal(8), sending.o.p # beats of the burst
        first, last = Signal(), Signal()
        m.d.comb += [
            first.eq(sent == 0),
            last.eq(sent == out.beats),
            self.port.w.valid.eq(sending.o.valid & self.i.valid),
            self.port.w.p.data.eq(self.i.payload),
            self.port.w.p.last.eq(last),
            self.port.w.p.strobe.eq(
                Cat(~(first & (out.start > n)) for n in range(width))
                & Cat(1, (~(last & (out.end < n)) for n in range(1, width)))),
            self.i.ready.eq(sending.o.valid & self.port.w.ready),
            sending.o.ready.eq(self.i.valid & self.port.w.ready & last),
        ]
        with m.If(self.port.w.valid & self.port.w.ready):
            m.d.sync += sent.eq(Mux(last, 0, sent + 1))

        entry, done = awaiting.o.p, Signal()
        report, ends = Signal(MoverReport), Signal(MoverReport)
        m.d.comb += [
            acks.i.valid.eq(self.port.b.valid),
            acks.i.payload.eq(self.port.b.payload),
            done.eq(awaiting.o.valid & (~entry.exists | acks.o.valid)),
            awaiting.o.ready.eq(done),
            acks.o.ready.eq(done & entry.exists),
            self.owed.eq(awaiting.o.valid | self.port.aw.valid),
            ends.eq(report),
            reports.i.valid.eq(done & entry.last),
            reports.i.payload.eq(ends),
        ]
        refused = entry.exists & (acks.o.payload >= Response.SLVERR)
        with m.If((report.fault == 0) & refused):
            m.d.comb += ends.fault.eq(acks.o.payload)
            m.d.comb += ends.address.eq(entry.address)
        with m.If(done):
            m.d.sync += report.eq(Mux(entry.last, 0, ends.as_value()))
        return m
