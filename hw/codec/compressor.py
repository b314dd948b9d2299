# SPDX-License-Identifier: Apache-2.0
"""The compressor: commands and raw packets in, encoded packets and statuses out."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import connect, flipped
from amaranth.utils import ceil_log2

from opencdma.hw.stream import Credit, Queue
from opencdma.spec import Direction

from .command import CommandDecoder
from .compactor import Compactor
from .framer import Framer, InputReport
from .geometry import CodecGeometry
from .mask_builder import MaskBuilder
from .packer import Packer
from .payloads import CodecSignature
from .zero_mask import ZeroMask

__all__ = ["Compressor"]


class Compressor(wiring.Component):
    """Encodes packets as ``docs/format.md`` says, one per command.

    ::

        commands -> decoder -+
                             v
        i ---------------> framer -> zero mask -+-> compactor ---> packer -> o
                             |                  +-> mask builder ----^  |
                             +----------------------------------------> status -> statuses

    A transfer of N raw bytes that encodes to M bytes takes ``max(ceil(N/W), ceil(M/W))`` cycles and
    a constant latency, from the first beat in to the last beat out, for any data whose density
    does not swing between the two limits within the transfer; transfers follow each other without
    a gap. From framer to packer nothing ever stalls: the framer takes a beat only when there is
    room for it, and for all that is under way, in the packer's store.

    Parameters
    ----------
    geometry : :class:`CodecGeometry`
        Build parameters.

    Members
    -------
    commands : ``In(stream.Signature(CommandWord))``
        One per packet.
    i : ``In(stream.Signature(PacketBeat(width)))``
        Raw packets.
    o : ``Out(stream.Signature(PacketBeat(width)))``
        Encoded packets, one per packet in, in order.
    statuses : ``Out(stream.Signature(StatusWord))``
        One per packet, after its last beat has been taken.
    """

    def __init__(self, geometry: CodecGeometry):
        self._geometry = geometry
        super().__init__(CodecSignature(geometry.width))

    def elaborate(self, platform):
        m = Module()
        geometry = self._geometry
        most = geometry.transfers(Direction.COMPRESS)

        # What was taken and not yet placed, at the most lines a beat can take. The last line stays
        # free, so that a full store does not look empty.
        unplaced = geometry.count_ranks + 5
        reserve = unplaced * -(-(geometry.mask_lanes_max + geometry.lanes) // geometry.lanes)
        # Besides there is room for what waits for the mask of its group, or is on its way through
        # the network, and for what comes until a line that is free has been filled.
        group = -(-(geometry.mask_lanes_max + geometry.group_lanes) // geometry.lanes)
        lines = 1 << ceil_log2(reserve + max(group + 9, geometry.ranks + 11))

        m.submodules.decoder = decoder = CommandDecoder(geometry)
        m.submodules.framer = framer = Framer(geometry, depth=most)
        m.submodules.zero_mask = zero_mask = ZeroMask(geometry)
        m.submodules.mask_builder = mask_builder = MaskBuilder(
            geometry, delay=geometry.count_ranks + 1)
        m.submodules.compactor = compactor = Compactor(geometry, places=lines * geometry.lanes)
        m.submodules.packer = packer = Packer(geometry, lines=lines, transfers=most)
        m.submodules.waiting = waiting = Credit(most)
        m.submodules.transfers = transfers = Credit(most)
        m.submodules.inputs = inputs = Queue(InputReport, most)

        connect(m, flipped(self.i), framer.i)
        connect(m, framer.o, zero_mask.i)
        connect(m, mask_builder.o, packer.masks)
        connect(m, compactor.places, packer.places)
        connect(m, compactor.o, packer.beats)
        connect(m, packer.o, flipped(self.o))
        for stage in (compactor, mask_builder):
            m.d.comb += [
                stage.i.valid.eq(zero_mask.o.valid),
                stage.i.payload.eq(zero_mask.o.payload),
            ]

        held = Signal(range(lines))
        m.d.sync += held.eq(compactor.line - packer.line)

        accept, given = Signal(), Signal()
        m.d.comb += [
            accept.eq(self.commands.valid & self.commands.ready),
            decoder.i.payload.eq(self.commands.payload),
            decoder.i.valid.eq(accept),
            self.commands.ready.eq(waiting.available),
            waiting.take.eq(accept),
            waiting.give.eq(framer.begins),
            framer.allowed.eq(transfers.available),
            transfers.take.eq(framer.begins),
            transfers.give.eq(given),
            framer.enable.eq(held < lines - reserve),
        ]
        connect(m, decoder.o, framer.commands)

        # One status out of two reports, when the one before has gone.
        status, both = self.statuses.p, Signal()
        m.d.comb += [
            inputs.i.valid.eq(framer.reports.valid),
            inputs.i.payload.eq(framer.reports.payload),
            both.eq(inputs.o.valid & packer.reports.valid),
            given.eq(both & (~self.statuses.valid | self.statuses.ready)),
            inputs.o.ready.eq(given),
            packer.reports.ready.eq(given),
        ]
        with m.If(~self.statuses.valid | self.statuses.ready):
            m.d.sync += [
                self.statuses.valid.eq(both),
                status.status.eq(inputs.o.p.status),
                status.error_code.eq(inputs.o.p.error_code),
                status.reserved.eq(0),
                status.bytes_in.eq(inputs.o.p.bytes_in),
                status.bytes_out.eq(packer.reports.p.bytes_out),
                status.nonzeros.eq(packer.reports.p.nonzeros),
                status.position.eq(inputs.o.p.position),
            ]
        return m
