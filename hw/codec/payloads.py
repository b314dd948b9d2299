# SPDX-License-Identifier: Apache-2.0
"""What the streams at the edge of the codec carry."""

from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["CodecSignature", "CommandWord", "PacketBeat", "StatusWord"]


class PacketBeat(data.StructLayout):
    """A beat of a packet of bytes.

    Byte ``n`` of the beat is ``data[n]``. Every beat but the last of a packet is full.

    Fields
    ------
    data
        ``width`` bytes.
    count
        Bytes that count, from ``data[0]`` up; the others are unspecified.
    last
        The packet ends here. An empty packet is one beat with a count of 0.
    cut
        With ``last``: the packet went on, but not in a way that could be followed.
    """

    def __init__(self, width):
        super().__init__({
            "data": data.ArrayLayout(8, width), "count": range(width + 1), "last": 1, "cut": 1,
        })


class CommandWord(data.Struct):
    """A command as it stands in 64 bits, fields from bit 0 up. The reserved bits must be zero."""

    format_id:    8 # FormatId
    element_type: 4 # ElementType
    reserved:    19
    direction:    1 # Direction
    raw_length:  32 # bytes


class StatusWord(data.Struct):
    """A status as it stands in 160 bits, fields from bit 0 up."""

    status:     8 # Status
    error_code: 8 # ErrorCode
    reserved:  16 # zero
    bytes_in:  32
    bytes_out: 32
    nonzeros:  32 # elements
    position:  32 # offset in the input packet of the byte an error concerns


class CodecSignature(wiring.Signature):
    """The streams of a compressor, a decompressor, or both: a command, a packet and a status each.

    Members
    -------
    commands : ``In(stream.Signature(CommandWord))``
        What to do with the next packet.
    i : ``In(stream.Signature(PacketBeat(width)))``
        Packets in, one per command.
    o : ``Out(stream.Signature(PacketBeat(width)))``
        Packets out, one per command, in order.
    statuses : ``Out(stream.Signature(StatusWord))``
        What came of it, one per command, after the last beat of the packet out has been taken.
    """

    def __init__(self, width):
        super().__init__({
            "commands": In(stream.Signature(CommandWord)),
            "i": In(stream.Signature(PacketBeat(width))),
            "o": Out(stream.Signature(PacketBeat(width))),
            "statuses": Out(stream.Signature(StatusWord)),
        })
