# SPDX-License-Identifier: Apache-2.0
"""Commands, checked and decoded."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from opencdma.spec import GROUP_BYTES, MAX_RAW_LENGTH, ElementType, ErrorCode, FormatId, Status

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
    long:       1 # raw_length is that of two groups or more


class CommandDecoder(wiring.Component):
    """Checks commands and decodes their fields.

    Throughput is one command per cycle, latency one cycle, no back-pressure. Of several faults the
    one with the lowest status is reported.

    Parameters
    ----------
    geometry : :class:`CodecGeometry`
        Build parameters.

    Members
    -------
    i : ``In(stream.Signature(CommandWord, always_ready=True))``
        Commands as the user gave them. The direction is not looked at.
    o : ``Out(stream.Signature(DecodedCommand, always_ready=True))``
        The same, decoded. A refused command says why in ``status``.
    """

    def __init__(self, geometry: CodecGeometry):
        self._geometry = geometry
        super().__init__({
            "i": In(stream.Signature(CommandWord, always_ready=True)),
            "o": Out(stream.Signature(DecodedCommand, always_ready=True)),
        })

    def elaborate(self, platform):
        m = Module()
        given, decoded = self.i.p, self.o.p

        # Bits 1:0 of an element type are the logarithm of its size: the length can be checked
        # against it whether or not the type exists.
        size = given.element_type[:2]
        not_whole = Signal()
        m.d.comb += not_whole.eq((given.raw_length & ((1 << size) - 1)[:3]) != 0)
        offered = [t for t in ElementType if t.size in self._geometry.element_sizes]

        m.d.sync += [
            self.o.valid.eq(self.i.valid),
            decoded.error_code.eq(ErrorCode.NONE),
            decoded.zvc.eq(given.format_id == FormatId.ZVC),
            decoded.size.eq(size),
            decoded.raw_length.eq(given.raw_length),
            decoded.long.eq(given.raw_length >= 2 * GROUP_BYTES),
        ]
        with m.If(given.reserved.any()):
            m.d.sync += decoded.status.eq(Status.RESERVED_NONZERO)
        with m.Elif(not_whole | (given.raw_length > MAX_RAW_LENGTH)):
            m.d.sync += decoded.status.eq(Status.BAD_LENGTH)
        with m.Elif((given.format_id != FormatId.RAW) & (given.format_id != FormatId.ZVC)):
            m.d.sync += decoded.status.eq(Status.BAD_CODEC)
        with m.Elif(~given.element_type.matches(*offered)):
            m.d.sync += decoded.status.eq(Status.BAD_CODEC)
            m.d.sync += decoded.error_code.eq(ErrorCode.ELEMENT_TYPE)
        with m.Else():
            m.d.sync += decoded.status.eq(Status.OK)
        return m
