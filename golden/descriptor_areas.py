# SPDX-License-Identifier: Apache-2.0
"""What a descriptor reads and writes: rows of bytes, and the addresses from first to last."""

from collections.abc import Iterator
from dataclasses import dataclass

from opencdma.spec import Config, Descriptor, Opcode

__all__ = ["ENCODERS", "NOTHING", "Area", "destination", "raw_side", "source"]

#: Opcodes that encode.
ENCODERS = (Opcode.COMPRESS, Opcode.COMPRESS_VERIFY, Opcode.MEASURE)


@dataclass(frozen=True)
class Area:
    """Rows of equal length at equal distances.

    Parameters
    ----------
    address : :class:`int`
        Of the first byte of the first row.
    row_length : :class:`int`
        Bytes per row.
    rows : :class:`int`
        How many.
    stride : :class:`int`
        Bytes from row to row; not looked at when there is one.
    """

    address: int
    row_length: int
    rows: int = 1
    stride: int = 0

    @property
    def length(self) -> int:
        """Bytes of all rows together."""
        return self.rows * self.row_length

    @property
    def end(self) -> int:
        """Address behind the last byte of the last row; that of the first if there are none."""
        if not self.row_length:
            return self.address
        return self.address + (self.rows - 1) * self.stride + self.row_length

    def pieces(self) -> Iterator[tuple[int, int]]:
        """Yield address and length of each row."""
        for row in range(self.rows):
            yield self.address + row * self.stride, self.row_length

    def shares_a_byte_with(self, other: "Area") -> bool:
        """Tell whether the addresses from first to last, gaps included, have one in common."""
        return max(self.address, other.address) < min(self.end, other.end)

    def within(self, low: int, high: int, address_bits: int) -> bool:
        """Tell whether all addresses are ``low`` to ``high`` and exist; true if there are none."""
        last = min(high, (1 << address_bits) - 1)
        return self.address == self.end or low <= self.address <= self.end - 1 <= last


#: The area of what is absent.
NOTHING = Area(0, 0)


def source(descriptor: Descriptor, config: Config) -> Area:
    """Return what a descriptor reads, :data:`NOTHING` if its opcode does not."""
    if descriptor.opcode == Opcode.DECOMPRESS:
        return Area(descriptor.src_addr, descriptor.src_len)
    if descriptor.opcode == Opcode.COPY or descriptor.opcode in ENCODERS:
        rows = _rows(descriptor, config)
        return Area(descriptor.src_addr, descriptor.src_len, rows, descriptor.stride)
    return NOTHING


def destination(descriptor: Descriptor, config: Config) -> Area:
    """Return what a descriptor may write, :data:`NOTHING` if its opcode does not."""
    rows = _rows(descriptor, config)
    match descriptor.opcode:
        case Opcode.COMPRESS | Opcode.COMPRESS_VERIFY:
            return Area(descriptor.dst_addr, descriptor.max_dst_len)
        case Opcode.DECOMPRESS:
            return Area(descriptor.dst_addr, descriptor.max_dst_len, rows, descriptor.stride)
        case Opcode.COPY:
            return Area(descriptor.dst_addr, descriptor.src_len, rows, descriptor.dst_stride)
        case Opcode.FILL:
            return Area(descriptor.dst_addr, descriptor.src_len, rows, descriptor.stride)
    return NOTHING


def raw_side(descriptor: Descriptor, config: Config) -> Area:
    """Return the side that has rows: of DECOMPRESS and FILL the destination, else the source."""
    if descriptor.opcode in (Opcode.DECOMPRESS, Opcode.FILL):
        return destination(descriptor, config)
    return source(descriptor, config)


def _rows(descriptor: Descriptor, config: Config) -> int:
    return descriptor.rows if config.two_d else 1
