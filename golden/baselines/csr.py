# SPDX-License-Identifier: Apache-2.0
"""Compressed sparse rows with 32-bit indices, the storage that EPMC compares itself with.

Each row is an image of the batch, which costs least: pointers to the rows, one more than there are
rows, then the column of each nonzero element, then the elements. Pointers and columns have 32 bits.
"""

import numpy as np

from opencdma.golden.elements import as_bytes, from_words, to_words, word_dtype

_INDEX = np.dtype("<u4")


def encode(array) -> bytes:
    """Return an array, of which the first axis is that of the rows; elements of 1, 2 or 4 bytes."""
    array = np.asarray(array)
    words = to_words(array).reshape(array.shape[0] if array.ndim else 1, -1)
    rows, columns = np.nonzero(words)
    pointers = np.searchsorted(rows, np.arange(words.shape[0] + 1))
    return (pointers.astype(_INDEX).tobytes() + columns.astype(_INDEX).tobytes()
            + words[rows, columns].tobytes())


def size(array) -> int:
    """Return the length in bytes of what :func:`encode` returns, faster."""
    array = np.asarray(array)
    words = to_words(array)
    rows = array.shape[0] if array.ndim else 1
    return _INDEX.itemsize * (rows + 1) + (
        np.count_nonzero(words) * (_INDEX.itemsize + words.itemsize))


def decode(buffer, *, dtype, shape: tuple[int, ...]) -> np.ndarray:
    """Return the array that was encoded.

    Raises
    ------
    ValueError
        If the data are not the encoding of an array of this shape.
    """
    word = word_dtype(dtype).newbyteorder("<")
    data = as_bytes(buffer)
    words = np.zeros((shape[0], int(np.prod(shape[1:]))), word)
    pointers = np.frombuffer(data, _INDEX, shape[0] + 1)
    nonzeros = int(pointers[-1])
    if len(data) != pointers.nbytes + nonzeros * (_INDEX.itemsize + word.itemsize):
        raise ValueError(f"{len(data)} bytes are no {shape[0]} rows of {nonzeros} elements")
    columns = np.frombuffer(data, _INDEX, nonzeros, pointers.nbytes)
    elements = np.frombuffer(data, word, nonzeros, pointers.nbytes + columns.nbytes)
    rows = np.repeat(np.arange(shape[0]), np.diff(pointers.astype(np.int64)))
    words[rows, columns] = elements
    return from_words(words.reshape(-1), dtype).reshape(shape)
