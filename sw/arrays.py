# SPDX-License-Identifier: Apache-2.0
"""Arrays in the two memories, raw and compressed."""

import math
from dataclasses import dataclass

import numpy as np

from opencdma.spec import ElementType, FormatId, element_type_of

from .buffers import Buffer

__all__ = ["Compressed", "DeviceArray"]


@dataclass(frozen=True)
class DeviceArray:
    """An array in device memory, its elements in C order without gaps.

    Parameters
    ----------
    buffer : :class:`~opencdma.sw.buffers.Buffer`
        Where it is.
    dtype : :class:`numpy.dtype`
        Its elements.
    shape : tuple of :class:`int`
        Its shape.
    """

    buffer: Buffer
    dtype: np.dtype
    shape: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return math.prod(self.shape) * self.dtype.itemsize


@dataclass(frozen=True)
class Compressed:
    """An array in host memory, encoded.

    Parameters
    ----------
    buffer : :class:`~opencdma.sw.buffers.Buffer`
        Where the encoding is; as long as that.
    format : :class:`~opencdma.spec.FormatId`
        What it is to be decoded with.
    dtype : :class:`numpy.dtype`
        Elements of the array.
    shape : tuple of :class:`int`
        Its shape.
    crc32 : :class:`int`
        CRC32 of its bytes; 0 if the engine has none.
    nonzeros : :class:`int`
        Elements that are not zero.
    """

    buffer: Buffer
    format: FormatId
    dtype: np.dtype
    shape: tuple[int, ...]
    crc32: int
    nonzeros: int

    @property
    def element_type(self) -> ElementType:
        """Element type of the engine."""
        return element_type_of(self.dtype)

    @property
    def raw_length(self) -> int:
        """Bytes of the array."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def length(self) -> int:
        """Bytes of the encoding."""
        return self.buffer.size

    @property
    def ratio(self) -> float:
        """How many times as long the array is as its encoding; 1 if both are empty."""
        return self.raw_length / self.length if self.length else 1.0
