# SPDX-License-Identifier: Apache-2.0
"""Run-length encoding of zeros, as in the comparison of the cDMA paper (arXiv 1705.01626).

The paper gives no layout. This one: elements are cut into runs that are all zero or free of zeros.
A run has a byte in front: its upper bit is 1 if the run is free of zeros, the others are its length
less 1. Elements follow if they are not zero. Runs of more than 128 elements are cut.
"""

import numpy as np

from opencdma.golden.elements import as_bytes, check_count, from_words, to_words, word_dtype

from .runs import runs

_LONGEST = 128
_LITERAL = 0x80


def encode(array) -> bytes:
    """Return an array, run-length encoded; elements have 1, 2 or 4 bytes."""
    words = to_words(array)
    parts = []
    end = 0
    for nonzero, length in zip(*runs(words != 0), strict=True):
        start, end = end, end + length
        for at in range(start, end, _LONGEST):
            stop = min(end, at + _LONGEST)
            parts.append(bytes([stop - at - 1 | _LITERAL * nonzero]))
            if nonzero:
                parts.append(words[at:stop].tobytes())
    return b"".join(parts)


def size(array) -> int:
    """Return the length in bytes of what :func:`encode` returns, faster."""
    words = to_words(array)
    _, lengths = runs(words != 0)
    return int((-(-lengths // _LONGEST)).sum() + np.count_nonzero(words) * words.itemsize)


def decode(buffer, *, dtype, count: int) -> np.ndarray:
    """Return the array that was encoded.

    Raises
    ------
    ValueError
        If the data are not the encoding of ``count`` elements.
    """
    word = word_dtype(dtype).newbyteorder("<")
    count = check_count(count)
    data = as_bytes(buffer)
    parts = [np.zeros(0, word)]
    at = done = 0
    while at < len(data):
        length = (data[at] & _LITERAL - 1) + 1
        literal = bool(data[at] & _LITERAL)
        at += 1
        if literal:
            if at + length * word.itemsize > len(data):
                raise ValueError(f"The data end inside the run in front of byte {at}")
            parts.append(np.frombuffer(data, word, length, at))
            at += length * word.itemsize
        else:
            parts.append(np.zeros(length, word))
        done += length
    if done != count:
        raise ValueError(f"The data stand for {done} elements, not for {count}")
    return from_words(np.concatenate(parts), dtype)
