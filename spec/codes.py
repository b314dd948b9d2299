# SPDX-License-Identifier: Apache-2.0
"""Numbers of the formats and of the codec's own command, which no register or descriptor has."""

from enum import IntEnum

__all__ = ["GROUP_BYTES", "MAX_RAW_LENGTH", "Direction", "Sized"]

#: Raw bytes that share one mask.
GROUP_BYTES = 128

#: Longest transfer in raw bytes; every encoding of it has a length that fits 32 bits.
MAX_RAW_LENGTH = 0xDFFF_FFFF


class Direction(IntEnum):
    """Which way a transfer goes through the codec."""

    COMPRESS = 0
    DECOMPRESS = 1


class Sized:
    """What element types have beside their number."""

    @property
    def size(self) -> int:
        """Bytes per element: bits 1:0 are the base-2 logarithm."""
        return 1 << (self & 3)
