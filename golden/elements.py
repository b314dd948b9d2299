# SPDX-License-Identifier: Apache-2.0
"""Arrays as little-endian words, one per element; the checks that all formats share.

Formats look at bits only, so an element is an unsigned word of 1, 2 or 4 bytes, whatever number
it stands for.
"""

import operator

import numpy as np

#: Bytes per element that formats can handle.
SIZES = (1, 2, 4)


def to_words(array) -> np.ndarray:
    """Return the elements of an array in C order as little-endian words.

    Parameters
    ----------
    array : array_like
        Any shape, strides and byte order; elements of 1, 2 or 4 bytes.

    Returns
    -------
    :class:`numpy.ndarray`, shape ``(array.size,)``
        Unsigned words; shares memory with ``array`` where it can.

    Raises
    ------
    TypeError, ValueError
        As :func:`word_dtype`.
    """
    array = np.asarray(array)
    word = word_dtype(array.dtype)
    flat = np.ascontiguousarray(array).reshape(-1)
    return flat.view(word).astype(word.newbyteorder("<"), copy=False)


def from_words(words: np.ndarray, dtype) -> np.ndarray:
    """Return words, as :func:`to_words` made them, as an array of ``dtype``."""
    return words.astype(word_dtype(dtype), copy=False).view(dtype)


def word_dtype(dtype) -> np.dtype:
    """Return the unsigned type with the size and the byte order of ``dtype``.

    Raises
    ------
    TypeError
        If elements of this type are no plain numbers.
    ValueError
        If they do not have 1, 2 or 4 bytes.
    """
    dtype = np.dtype(dtype)
    # Kind V is shared by void and structured types and by the numbers that ml_dtypes adds.
    if dtype.kind not in "biufcV" or issubclass(dtype.type, np.void):
        raise TypeError(
            f"Elements must be plain numbers, not {dtype}; pass the bytes of anything else as uint8"
        )
    if dtype.itemsize not in SIZES:
        raise ValueError(
            f"Elements must have 1, 2 or 4 bytes, not {dtype.itemsize} ({dtype}); convert the "
            "array, for example to float32, or view it as uint32"
        )
    return np.dtype(f"u{dtype.itemsize}").newbyteorder(dtype.byteorder)


def check_count(count) -> int:
    """Return ``count``, a number of elements, as an :class:`int`.

    Raises
    ------
    TypeError, ValueError
        If it is no integer, or negative.
    """
    try:
        count = operator.index(count)
    except TypeError:
        raise TypeError(f"Count must be an integer, not {count!r}") from None
    if count < 0:
        raise ValueError(f"Count must not be negative, not {count!r}")
    return count


def check_raw_length(nbytes: int, itemsize: int) -> None:
    """Raise :exc:`ValueError` unless ``nbytes`` is the length of an array of such elements."""
    if itemsize not in SIZES:
        raise ValueError(f"Element size must be 1, 2 or 4 bytes, not {itemsize!r}")
    if nbytes < 0 or nbytes % itemsize:
        raise ValueError(f"Raw length must be a multiple of {itemsize} bytes, not {nbytes!r}")


def as_bytes(buffer) -> bytes:
    """Return encoded data as :class:`bytes`.

    Raises
    ------
    TypeError
        If ``buffer`` is no buffer, or one of something else than bytes.
    """
    if isinstance(buffer, bytes):
        return buffer
    try:
        view = memoryview(buffer)
    except TypeError:
        view = None
    if view is None or view.format not in ("B", "b", "c"):
        raise TypeError(
            "Encoded data must be bytes, a bytearray, a memoryview of bytes or a uint8 array, "
            f"not {type(buffer).__name__}" + (f" of format {view.format!r}" if view else "")
        )
    return view.tobytes()
