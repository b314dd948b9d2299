# SPDX-License-Identifier: Apache-2.0
"""Format 3, PACK: masks, then the nonzero elements in as few bits as their groups need.

An element is a word of sign, key and rest: in a floating-point number the key is the exponent, in
an integer it is the upper byte. Within a group of 32 elements keys are alike, so what is stored is
how far they are below the largest, in as many bits as the farthest needs; signs are stored where
there are any, rests always. 16 groups make a superblock, whose header comes first and has all that
tells where things are.
"""

import numpy as np

from opencdma.spec import ErrorCode, element_type_of

from .elements import (
    as_bytes,
    check_count,
    check_raw_length,
    from_words,
    to_words,
    word_dtype,
)
from .errors import FormatError
from .pack_decode import REACH, Malformed, decode_superblock
from .pack_encode import encode_superblock
from .pack_layout import GROUPS, KIND, LAYOUTS, SCALES, SUPERBLOCK


def encode(array) -> bytes:
    """Return the one encoding of an array.

    Parameters
    ----------
    array : array_like
        Any shape, strides and byte order; elements of a type that has a code, taken in C order. An
        element is zero when all its bits are: -0.0 and NaN are kept as they are.

    Returns
    -------
    :class:`bytes`
        At most :func:`bound` of them.

    Raises
    ------
    TypeError, ValueError
        If the elements are of another type.
    """
    array = np.asarray(array)
    layout = LAYOUTS[element_type_of(array.dtype)]
    words = to_words(array)
    return b"".join(
        encode_superblock(words[start : start + SUPERBLOCK], layout)
        for start in range(0, words.size, SUPERBLOCK))


def decode(buffer, *, dtype, count: int) -> np.ndarray:
    """Return the array that was encoded.

    Parameters
    ----------
    buffer : bytes-like
        Encoded data.
    dtype : dtype_like
        Type of the elements, which has to be the one that was encoded.
    count : :class:`int`
        Number of elements.

    Returns
    -------
    :class:`numpy.ndarray`, shape ``(count,)``
        A new array.

    Raises
    ------
    FormatError
        If the data are not the encoding of any ``count`` elements.
    TypeError, ValueError
        If an argument is unsuitable.
    """
    array, error = decode_partial(buffer, dtype=dtype, count=count)
    if error is not None:
        raise error
    return array


def decode_partial(buffer, *, dtype, count: int) -> tuple[np.ndarray, FormatError | None]:
    """Return as :func:`decode` does, but hand an error over beside the elements that are good."""
    layout = LAYOUTS[element_type_of(dtype)]
    words = np.zeros(check_count(count), word_dtype(dtype).newbyteorder("<"))
    data = as_bytes(buffer)

    at = good = 0
    error = None
    while good < words.size and error is None:
        part = words[good : good + SUPERBLOCK]
        try:
            at += decode_superblock(data[at : at + REACH], layout, part)
            good += part.size
        except Malformed as found:
            what = f"{found.what}, in superblock {good // SUPERBLOCK}, which begins at byte {at}"
            where = len(data) if found.code is ErrorCode.TRUNCATED else at
            error = FormatError(what, found.code, where, good * words.itemsize)
    if error is None and at < len(data):
        what = f"trailing: the encoding ends at byte {at}, but {len(data) - at} more follow it"
        error = FormatError(what, ErrorCode.TRAILING, at, words.nbytes)
    return from_words(words[:good], dtype), error


def bound(nbytes: int, itemsize: int) -> int:
    """Return the length in bytes that no encoding of such an array exceeds, whatever the type.

    Parameters
    ----------
    nbytes : :class:`int`
        Raw length in bytes.
    itemsize : :class:`int`
        Bytes per element: 1, 2 or 4.

    Raises
    ------
    ValueError
        If the element size is another one, or the raw length no multiple of it.
    """
    check_raw_length(nbytes, itemsize)
    # A group grows most by a zero or two, whose map and nibbles take more than they spare; a
    # superblock grows most if its groups take all the bits that scales can have.
    mask = {1: 12, 2: 4, 4: 0}[itemsize]
    growth = sum(SCALES) + GROUPS * (KIND + mask + 8 + 4 + 1)
    padding = 3 * 7
    return nbytes + -(-nbytes // (itemsize * SUPERBLOCK)) * ((growth + padding) // 8)
