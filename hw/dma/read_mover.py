# SPDX-License-Identifier: Apache-2.0
"""The read mover: jobs in, packets out."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from opencdma.hw.bus.axi4 import ReadPort, Response
from opencdma.hw.codec.payloads import PacketBeat
from opencdma.hw.stream import BlockQueue

from .burst_planner import BurstPlanner
from .jobs import MoverReport, ReadJob
from .joiner import Joiner
from .read_delivery import Arrival, ReadDelivery

__all__ = ["ReadMover"]


class ReadMover(wiring.Component):
    """Reads what its jobs say, many bursts at a time, and makes a packet of each.

    ::

        jobs -> burst planner -> ar
                     | segments
                     v
         r -> queue -> delivery (-> joiner) -> o

    A burst is asked for when the queue has room for it, so that the port is never held up. With a
    queue of as many beats as the memory has cycles of latency, and two bursts more, a beat comes in
    every cycle.

    Parameters
    ----------
    width : :class:`int`
        Bytes per beat.
    address_bits : :class:`int`
        Bits per address.
    longest : :class:`int`
        Beats per burst at most.
    buffer : :class:`int`
        Beats the queue holds, a power of two.
    jobs : :class:`int`
        Reports that can be waiting. Whoever gives jobs leaves no more of them without report.
    unaligned : :class:`bool`
        Rows may start and end within a beat.

    Members
    -------
    jobs : ``In(stream.Signature(ReadJob))``
        What to read.
    port : ``Out(ReadPort(width, address_bits))``
        Where to read it.
    o : ``Out(stream.Signature(PacketBeat(width)))``
        A packet per job.
    reports : ``Out(stream.Signature(MoverReport))``
        One per job, when all its beats have come.
    kill : ``In(1)``
        Ask for no more: end jobs early.
    owed : ``Out(1)``
        An address is on offer, or beats have been asked for that have not come.
    """

    def __init__(self, *, width: int, address_bits: int, longest: int, buffer: int, jobs: int,
                 unaligned: bool):
        self._width = width
        self._address_bits = address_bits
        self._longest = longest
        self._buffer = buffer
        self._jobs = jobs
        self._unaligned = unaligned
        super().__init__({
            "jobs": In(stream.Signature(ReadJob)),
            "port": Out(ReadPort(width, address_bits)),
            "o": Out(stream.Signature(PacketBeat(width))),
            "reports": Out(stream.Signature(MoverReport)),
            "kill": In(1),
            "owed": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        width = self._width
        m.submodules.planner = planner = BurstPlanner(
            width=width, address_bits=self._address_bits, longest=self._longest,
            room=self._buffer, unaligned=self._unaligned)
        m.submodules.queue = queue = BlockQueue(Arrival(width), self._buffer, registers=2)
        m.submodules.delivery = delivery = ReadDelivery(
            width=width, reports=self._jobs, unaligned=self._unaligned)

        connect(m, flipped(self.jobs), planner.jobs)
        connect(m, planner.ar, flipped(self.port.ar))
        connect(m, planner.segments, delivery.segments)
        connect(m, queue.o, delivery.arrivals)
        connect(m, delivery.reports, flipped(self.reports))
        m.d.comb += [
            planner.kill.eq(self.kill),
            planner.freed.eq(queue.freed),
            queue.i.valid.eq(self.port.r.valid),
            queue.i.p.data.eq(self.port.r.p.data),
            queue.i.p.fault.eq(Mux(
                self.port.r.p.resp >= Response.SLVERR, self.port.r.p.resp, Response.OKAY)),
        ]

        if self._unaligned:
            m.submodules.joiner = joiner = Joiner(width)
            connect(m, delivery.o, joiner.i)
            connect(m, joiner.o, flipped(self.o))
        else:
            m.d.comb += [
                self.o.valid.eq(delivery.o.valid),
                self.o.p.data.eq(delivery.o.p.data),
                self.o.p.count.eq(delivery.o.p.count),
                self.o.p.last.eq(delivery.o.p.last),
                delivery.o.ready.eq(self.o.ready),
            ]

        # Counted a cycle late.
        owed, asked = Signal(range(self._buffer + 1)), Signal(range(self._longest + 1))
        m.d.sync += asked.eq(0)
        with m.If(self.port.ar.valid & self.port.ar.ready):
            m.d.sync += asked.eq(self.port.ar.p.length + 1)
        m.d.sync += owed.eq(owed + asked - self.port.r.valid)
        m.d.comb += self.owed.eq((owed != 0) | (asked != 0) | self.port.ar.valid)
        return m
