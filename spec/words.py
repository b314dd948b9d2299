# SPDX-License-Identifier: Apache-2.0
"""Descriptor and completion record, and the bytes they are in memory."""

import operator
from dataclasses import dataclass, fields
from typing import ClassVar, Self

from .generated import DESCRIPTOR, RECORD
from .tables import Field

__all__ = ["Descriptor", "Record"]


class _Words:
    """Fields that lie in memory as a table of the specification says."""

    BYTES: ClassVar[int]
    _TABLE: ClassVar[tuple[Field, ...]]

    def __post_init__(self):
        widths = {field.name: field.width for field in self._TABLE}
        for item in fields(self):
            value = getattr(self, item.name)
            what = f"{type(self).__name__} field {item.name!r}"
            try:
                number = operator.index(value)
            except TypeError:
                raise TypeError(f"{what} must be an integer, not {value!r}") from None
            if not 0 <= number < 1 << widths[item.name]:
                raise ValueError(f"{what} must fit {widths[item.name]} bits, not {value!r}")

    def pack(self) -> bytes:
        """Return the bytes in memory."""
        word = 0
        for field in self._TABLE:
            word |= operator.index(getattr(self, field.name)) << field.lsb
        return word.to_bytes(self.BYTES, "little")

    @classmethod
    def unpack(cls, buffer: bytes) -> Self:
        """Return what bytes in memory stand for, all fields as plain integers.

        Raises
        ------
        ValueError
            If there are more or fewer bytes.
        """
        if len(buffer) != cls.BYTES:
            raise ValueError(f"{cls.__name__} must have {cls.BYTES} bytes, not {len(buffer)}")
        word = int.from_bytes(buffer, "little")
        return cls(**{field.name: (word & field.mask) >> field.lsb for field in cls._TABLE})


@dataclass(frozen=True, kw_only=True)
class Descriptor(_Words):
    """What the engine is to do. ``docs/programming.md`` says what the fields mean.

    Raises
    ------
    TypeError, ValueError
        If a field is not an integer, or does not fit.
    """

    BYTES: ClassVar[int] = 64
    _TABLE: ClassVar[tuple[Field, ...]] = DESCRIPTOR

    opcode: int = 0
    flags: int = 0
    tag: int = 0
    completion_addr: int = 0
    src_addr: int = 0
    dst_addr: int = 0
    src_len: int = 0
    max_dst_len: int = 0
    format_id: int = 0
    element_type: int = 0
    convert_to: int = 0
    format_version: int = 0
    codec_reserved: int = 0
    rows_minus_1: int = 0
    qos: int = 0
    cache: int = 0
    timeout: int = 0
    geometry_reserved: int = 0
    stride: int = 0
    dst_stride: int = 0
    expected_crc: int = 0
    reserved: int = 0

    @property
    def rows(self) -> int:
        """Rows, 1 to 65536."""
        return self.rows_minus_1 + 1


@dataclass(frozen=True, kw_only=True)
class Record(_Words):
    """What became of a descriptor. ``docs/programming.md`` says what the fields mean.

    Raises
    ------
    TypeError, ValueError
        If a field is not an integer, or does not fit.
    """

    BYTES: ClassVar[int] = 32
    _TABLE: ClassVar[tuple[Field, ...]] = RECORD

    status: int = 0
    error_code: int = 0
    info: int = 0
    format_id: int = 0
    tag: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    fault_addr: int = 0
    crc32: int = 0
    nonzeros: int = 0
