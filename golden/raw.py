# SPDX-License-Identifier: Apache-2.0
"""Format 0, RAW: the elements as they are, little endian."""

import numpy as np

from opencdma.spec import GROUP_BYTES, ErrorCode

from .elements import as_bytes, check_count, check_raw_length, from_words, to_words, word_dtype
from .errors import FormatError


def encode(array) -> bytes:
    """Return the bytes of an array.

    Parameters
    ----------
    array : array_like
        Any shape, strides and byte order; elements of 1, 2 or 4 bytes, taken in C order.

    Raises
    ------
    TypeError
        If the elements are no plain numbers.
    ValueError
        If they do not have 1, 2 or 4 bytes.
    """
    return to_words(array).tobytes()


def decode(buffer, *, dtype, count: int) -> np.ndarray:
    """Return the array whose bytes were stored.

    Parameters
    ----------
    buffer : bytes-like
        Encoded data.
    dtype : dtype_like
        Type of the elements; 1, 2 or 4 bytes.
    count : :class:`int`
        Number of elements.

    Returns
    -------
    :class:`numpy.ndarray`, shape ``(count,)``
        A new array.

    Raises
    ------
    FormatError
        If the data are not as long as ``count`` elements.
    TypeError, ValueError
        If an argument is unsuitable.
    """
    array, error = decode_partial(buffer, dtype=dtype, count=count)
    if error is not None:
        raise error
    return array


def decode_partial(buffer, *, dtype, count: int) -> tuple[np.ndarray, FormatError | None]:
    """Return as :func:`decode` does, but hand an error over beside the elements that are good."""
    word = word_dtype(dtype).newbyteorder("<")
    nbytes = check_count(count) * word.itemsize
    data = as_bytes(buffer)
    valid = nbytes if len(data) >= nbytes else len(data) // GROUP_BYTES * GROUP_BYTES
    array = from_words(np.frombuffer(data[:valid], word).copy(), dtype)
    if len(data) == nbytes:
        return array, None
    return array, FormatError(
        f"length mismatch: {len(data)} bytes are stored; there must be {nbytes}, the raw length",
        ErrorCode.LENGTH_MISMATCH,
        min(len(data), nbytes),
        valid,
    )


def bound(nbytes: int, itemsize: int) -> int:
    """Return the length in bytes of ``nbytes`` raw bytes, in elements of ``itemsize``, encoded."""
    check_raw_length(nbytes, itemsize)
    return nbytes
