# SPDX-License-Identifier: Apache-2.0
"""Fields of any number of bits, one behind the other, lowest bit first."""

import numpy as np


def to_bits(numbers, width: int) -> np.ndarray:
    """Return the bits of numbers, lowest first.

    Parameters
    ----------
    numbers : array_like of :class:`int`
        Numbers of any shape.
    width : :class:`int`
        Bits of each that are wanted.

    Returns
    -------
    :class:`numpy.ndarray` of :class:`bool`, shape ``(*numbers.shape, width)``
    """
    return (np.asarray(numbers, np.int64)[..., np.newaxis] >> np.arange(width) & 1).astype(bool)


def to_numbers(bits: np.ndarray) -> np.ndarray:
    """Return the numbers that have these bits: the inverse of :func:`to_bits`."""
    return bits @ (1 << np.arange(bits.shape[-1], dtype=np.int64))


def to_bytes(*fields: np.ndarray) -> bytes:
    """Return fields of bits, one behind the other, filled up with zeros to whole bytes."""
    bits = np.concatenate([field.reshape(-1) for field in fields])
    return np.packbits(bits, bitorder="little").tobytes()


class BitReader:
    """Takes fields from the front of bytes.

    Parameters
    ----------
    data : :class:`bytes`
        Where to take them from.
    """

    def __init__(self, data: bytes):
        self._bits = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little").view(bool)
        self._at = 0

    @property
    def position(self) -> int:
        """Bits taken so far."""
        return self._at

    def take(self, *shape: int) -> np.ndarray:
        """Return bits, as many as fill an array of this shape.

        Raises
        ------
        EOFError
            If there are not so many left.
        """
        count = int(np.prod(shape))
        if self._at + count > self._bits.size:
            raise EOFError(f"{count} bits wanted, {self._bits.size - self._at} left")
        self._at += count
        return self._bits[self._at - count : self._at].reshape(shape)

    def fill(self, wanted: np.ndarray) -> np.ndarray:
        """Return an array of bits: taken where they are wanted, and 0 elsewhere.

        Raises
        ------
        EOFError
            If there are not so many left.
        """
        bits = np.zeros(wanted.shape, bool)
        bits[wanted] = self.take(np.count_nonzero(wanted))
        return bits

    def padding(self) -> bool:
        """Take what is left of a byte, and return whether a bit of it is 1."""
        return bool(self.take(-self._at % 8).any())
