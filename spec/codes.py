# SPDX-License-Identifier: Apache-2.0
"""Formats, element types, status and error codes."""

from enum import IntEnum

#: Raw bytes that share one mask.
GROUP_BYTES = 128

#: Longest transfer in raw bytes; every encoding of it has a length that fits 32 bits.
MAX_RAW_LENGTH = 0xDFFF_FFFF


class Direction(IntEnum):
    """Which way a transfer goes through the codec."""

    COMPRESS = 0
    DECOMPRESS = 1


class FormatId(IntEnum):
    """Wire formats; ``docs/format.md`` defines them."""

    #: Stored.
    RAW = 0
    #: Zero-value compression: a mask, then the nonzero elements.
    ZVC = 1


class ElementType(IntEnum):
    """Element types. Bits 1:0 are the base-2 logarithm of the size in bytes."""

    U8 = 0
    U16 = 1
    U32 = 2
    FP8_E4M3 = 4
    BF16 = 5
    FP32 = 6
    FP8_E5M2 = 8
    FP16 = 9

    @property
    def size(self) -> int:
        """Bytes per element."""
        return 1 << (self & 3)


class Status(IntEnum):
    """Outcome of a transfer. Of several that apply, the lowest is reported."""

    #: The transfer did what the command asked for.
    OK = 0x01
    #: The data were not what the command announced; the error code says how.
    DATA_ERROR = 0x0A
    #: A reserved bit of the command was set.
    RESERVED_NONZERO = 0x12
    #: Raw length not a multiple of the element size, or above :data:`MAX_RAW_LENGTH`.
    BAD_LENGTH = 0x13
    #: Format or element type unknown, or left out of this build.
    BAD_CODEC = 0x30


class ErrorCode(IntEnum):
    """What was wrong with the data. At one position, the lowest is reported."""

    NONE = 0
    #: RAW: encoded length differs from raw length. Encoder: input differs from the raw length.
    LENGTH_MISMATCH = 1
    #: The encoded data end inside a mask or before the last nonzero element.
    TRUNCATED = 2
    #: The encoded data go on behind the last element.
    TRAILING = 3
    #: A stored element is zero.
    NON_CANONICAL = 5
    #: The element type is unknown or left out of this build (with ``Status.BAD_CODEC``).
    ELEMENT_TYPE = 6
    #: A mask bit behind the last element is set.
    PADDING = 7
    #: A beat other than the last of a packet was not full, or had holes.
    FRAMING = 9
