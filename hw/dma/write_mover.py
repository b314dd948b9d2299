# SPDX-License-Identifier: Apache-2.0
"""The write mover: jobs and packets in, writes out."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from opencdma.hw.bus.axi4 import WritePort
from opencdma.hw.codec.payloads import PacketBeat

from .burst_former import BurstFormer
from .burst_sender import BurstSender
from .cutter import Cutter
from .jobs import MoverReport, WriteJob
from .placer import Placer

__all__ = ["WriteMover"]


class WriteMover(wiring.Component):
    """Writes packets of any length to where their jobs say, many bursts at a time.

    ::

        jobs --> placer (or cutter) -> burst former -> burst sender -> aw, w
        i -------^                                          ^-------- b

    A burst goes out when all its data are there, so it never holds up the port. Takes one beat per
    cycle as long as the port does.

    Parameters
    ----------
    width : :class:`int`
        Bytes per beat.
    address_bits : :class:`int`
        Bits per address.
    longest : :class:`int`
        Beats per burst at most, a power of two.
    outstanding : :class:`int`
        Bursts that can be without acknowledgement, a power of two.
    reports : :class:`int`
        Reports that can be waiting; whoever gives jobs leaves no more of them without report.
    unaligned : :class:`bool`
        Rows may start and end within a beat.

    Members
    -------
    jobs : ``In(stream.Signature(WriteJob))``
        Where packets go, one job each.
    i : ``In(stream.Signature(PacketBeat(width)))``
        The packets.
    port : ``Out(WritePort(width, address_bits))``
        Where to write.
    reports : ``Out(stream.Signature(MoverReport))``
        One per job, when all its bursts were acknowledged.
    hold : ``In(1)``
        Start no further burst from the next cycle on; an address that is on offer stays.
    owed : ``Out(1)``
        The address of a burst is on offer, or its acknowledgement has not come.
    """

    def __init__(self, *, width: int, address_bits: int, longest: int, outstanding: int,
                 reports: int, unaligned: bool):
        self._parameters = {"width": width, "address_bits": address_bits}
        self._longest = longest
        self._outstanding = outstanding
        self._reports = reports
        self._unaligned = unaligned
        super().__init__({
            "jobs": In(stream.Signature(WriteJob)),
            "i": In(stream.Signature(PacketBeat(width))),
            "port": Out(WritePort(width, address_bits)),
            "reports": Out(stream.Signature(MoverReport)),
            "hold": In(1),
            "owed": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.placer = placer = (Cutter if self._unaligned else Placer)(**self._parameters)
        m.submodules.former = former = BurstFormer(
            **self._parameters, longest=self._longest, buffer=4 * self._longest,
            bursts=max(4, min(16, self._outstanding // 2)))
        m.submodules.sender = sender = BurstSender(
            **self._parameters, outstanding=self._outstanding, reports=self._reports)
        connect(m, flipped(self.jobs), placer.jobs)
        connect(m, flipped(self.i), placer.i)
        connect(m, placer.o, former.i)
        connect(m, former.bursts, sender.bursts)
        connect(m, former.o, sender.i)
        connect(m, sender.port, flipped(self.port))
        connect(m, sender.reports, flipped(self.reports))
        m.d.comb += [sender.hold.eq(self.hold), self.owed.eq(sender.owed)]
        return m
