# SPDX-License-Identifier: Apache-2.0
"""Commands, checked and decoded."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from opencdma.hw.stream import Queue
from opencdma.spec import MAX_RAW_LENGTH, ElementType, ErrorCode, FormatId, Status

from .geometry import CodecGeometry
from .payloads import CommandWord

__all__ = ["CommandDecoder", "DecodedCommand"]


class DecodedCommand(data.Struct):
    """A command that has been checked."""

    status:     8 # Status; anything but OK refuses the transfer
    error_code: 8 # ErrorCode
    zvc:        1 # format is ZVC rather than RAW
    size:       2 # base-2 logarithm of the element size in bytes
    raw_length: 32 # bytes


class CommandDecoder(wiring.Component):
    """Checks commands and decodes their fields.

    Throughput is one command per cycle, latency one cycle. Of several faults the one with the
    lowest status is reported.

    Parameters
    ----------
    geometry : :class:`CodecGeometry`
        Build parameters.
    depth : :class:`int`
        Commands that can be waiting, a power of two.

    Members
    -------
    i : ``In(stream.Signature(CommandWord))``
        Commands as the user gave them. The direction is not looked at.
    o : ``Out(stream.Signature(DecodedCommand))``
        The same, decoded. A refused command says why in ``status``.
    """

    def __init__(self, geometry: CodecGeometry, *, depth: int):
        self._geometry = geometry
        self._depth = depth
        super().__init__({
            "i": In(stream.Signature(CommandWord)),
            "o": Out(stream.Signature(DecodedCommand)),
        })

    def elaborate(self, platform):
        m = Module()
        given, decoded = self.i.p, Signal(DecodedCommand)

        # Bits 1:0 of an element type are the logarithm of its size: the length can be checked
        # against it whether or not the type exists.
        size = given.element_type[:2]
        not_whole = Signal()
        m.d.comb += not_whole.eq((given.raw_length & ((1 << size) - 1)[:3]) != 0)
        offered = [t for t in ElementType if t.size in self._geometry.element_sizes]

        m.d.comb += [
            decoded.zvc.eq(given.format_id == FormatId.ZVC),
            decoded.size.eq(size),
            decoded.raw_length.eq(given.raw_length),
        ]
        with m.If(given.reserved.any()):
            m.d.comb += decoded.status.eq(Status.RESERVED_NONZERO)
        with m.Elif(not_whole | (given.raw_length > MAX_RAW_LENGTH)):
            m.d.comb += decoded.status.eq(Status.BAD_LENGTH)
        with m.Elif((given.format_id != FormatId.RAW) & (given.format_id != FormatId.ZVC)):
            m.d.comb += decoded.status.eq(Status.BAD_CODEC)
        with m.Elif(~given.element_type.matches(*offered)):
            m.d.comb += decoded.status.eq(Status.BAD_CODEC)
            m.d.comb += decoded.error_code.eq(ErrorCode.ELEMENT_TYPE)
        with m.Else():
            m.d.comb += decoded.status.eq(Status.OK)

        m.submodules.queue = queue = Queue(DecodedCommand, self._depth)
        m.d.comb += [
            queue.i.valid.eq(self.i.valid),
            queue.i.payload.eq(decoded),
            self.i.ready.eq(queue.i.ready),
        ]
        wiring.connect(m, queue.o, wiring.flipped(self.o))
        return m
