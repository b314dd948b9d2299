# SPDX-License-Identifier: Apache-2.0
"""The compressor: commands and raw packets in, encoded packets and statuses out."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import connect, flipped
from amaranth.utils import ceil_log2

from opencdma.hw.stream import Credit, Queue

from .command import CommandDecoder
from .compactor import Compactor
from .framer import Framer, InputReport
from .geometry import CodecGeometry
from .mask_builder import MaskBuilder
from .packer import OutputReport, Packer
from .payloads import CodecSignature
from .zero_mask import ZeroMask

__all__ = ["Compressor"]

#: Transfers between command and status at most.
TRANSFERS = 16


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
    room for it in the packer.

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

        # The queue holds what is under way from framer to packer, and a group besides.
        depth = 1 << ceil_log2(geometry.ranks + geometry.group_beats + 6)
        m.submodules.decoder = decoder = CommandDecoder(geometry, depth=TRANSFERS)
        m.submodules.framer = framer = Framer(geometry)
        m.submodules.zero_mask = zero_mask = ZeroMask(geometry)
        m.submodules.mask_builder = mask_builder = MaskBuilder(geometry)
        m.submodules.packer = packer = Packer(geometry, depth=depth, transfers=TRANSFERS)
        m.submodules.compactor = compactor = Compactor(geometry, places=packer.places)
        m.submodules.room = room = Credit(depth)
        m.submodules.transfers = transfers = Credit(TRANSFERS)
        m.submodules.inputs = inputs = Queue(InputReport, TRANSFERS)
        m.submodules.outputs = outputs = Queue(OutputReport, TRANSFERS)

        connect(m, flipped(self.i), framer.i)
        connect(m, framer.o, zero_mask.i)
        connect(m, mask_builder.o, packer.masks)
        connect(m, compactor.o, packer.beats)
        connect(m, packer.o, flipped(self.o))
        for stage in (compactor, mask_builder):
            m.d.comb += [
                stage.i.valid.eq(zero_mask.o.valid),
                stage.i.payload.eq(zero_mask.o.payload),
            ]

        accept = Signal()
        m.d.comb += [
            accept.eq(self.commands.valid & self.commands.ready),
            decoder.i.payload.eq(self.commands.payload),
            decoder.i.valid.eq(self.commands.valid & transfers.available),
            self.commands.ready.eq(decoder.i.ready & transfers.available),
            transfers.take.eq(accept),
            transfers.give.eq(self.statuses.valid & self.statuses.ready),
            framer.enable.eq(room.available),
            room.take.eq(framer.emits),
            room.give.eq(packer.popped),
        ]
        connect(m, decoder.o, framer.commands)

        # One status out of two reports.
        for queue, reports in ((inputs, framer.reports), (outputs, packer.reports)):
            m.d.comb += [queue.i.valid.eq(reports.valid), queue.i.payload.eq(reports.payload)]
            m.d.comb += queue.o.ready.eq(self.statuses.valid & self.statuses.ready)
        m.d.comb += [
            self.statuses.valid.eq(inputs.o.valid & outputs.o.valid),
            self.statuses.p.status.eq(inputs.o.p.status),
            self.statuses.p.error_code.eq(inputs.o.p.error_code),
            self.statuses.p.reserved.eq(0),
            self.statuses.p.bytes_in.eq(inputs.o.p.bytes_in),
            self.statuses.p.bytes_out.eq(outputs.o.p.bytes_out),
            self.statuses.p.nonzeros.eq(outputs.o.p.nonzeros),
            self.statuses.p.position.eq(inputs.o.p.position),
        ]
        return m
