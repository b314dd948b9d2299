# SPDX-License-Identifier: Apache-2.0
"""Format 1, ZVC (zero-value compression): per group a mask, then the nonzero elements.

Masks are as long as a whole number of elements, whatever their size, so encoded data are
handled as words of the element size throughout: ``table`` has a row per group, the words of the
mask in front and the elements behind.
"""

import numpy as np

from opencdma.spec import GROUP_BYTES, ErrorCode

from .elements import as_bytes, check_count, check_raw_length, from_words, to_words, word_dtype
from .errors import FormatError


def encode(array) -> bytes:
    """Return the one encoding of an array.

    Parameters
    ----------
    array : array_like
        Any shape, strides and byte order; elements of 1, 2 or 4 bytes, taken in C order. An
        element is zero when all its bits are: -0.0 and NaN are kept as they are.

    Returns
    -------
    :class:`bytes`
        At most :func:`bound` of them.

    Raises
    ------
    TypeError
        If the elements are no plain numbers.
    ValueError
        If they do not have 1, 2 or 4 bytes.
    """
    words = to_words(array)
    size = words.itemsize
    per_group = GROUP_BYTES // size
    mask_words = _mask_bytes(size) // size
    groups = -(-words.size // per_group)

    # The elements that fill up the last group are zero: a bit of its mask, nothing stored.
    elements = np.zeros((groups, per_group), words.dtype)
    elements.reshape(-1)[: words.size] = words
    nonzero = elements != 0
    masks = np.packbits(nonzero, axis=1, bitorder="little").view(words.dtype)
    table = np.hstack([masks, elements])
    keep = np.hstack([np.ones((groups, mask_words), bool), nonzero])
    # Taking indices is several times as fast as indexing with an array of bools.
    return table.reshape(-1)[np.flatnonzero(keep)].tobytes()


def decode(buffer, *, dtype, count: int) -> np.ndarray:
    """Return the array that was encoded.

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
    word = word_dtype(dtype).newbyteorder("<")
    size = word.itemsize
    count = check_count(count)
    data = as_bytes(buffer)

    starts, end = _walk(data, size, count)
    words = np.frombuffer(data, word, min(len(data), end) // size)
    mask_at = starts[:, np.newaxis] // size + np.arange(_mask_bytes(size) // size)
    stored = np.ones(end // size, bool)  # the words that are elements, not parts of a mask
    stored[mask_at] = False
    stored = stored[: words.size]

    error = _first_error(data, words, stored, starts, end, count)
    if error is not None:  # keep the groups in front of the offending one
        count = error.valid // size
        mask_at = mask_at[: -(-error.valid // GROUP_BYTES)]
        if len(mask_at) < len(starts):
            stored = stored[: starts[len(mask_at)] // size]
    nonzero = np.unpackbits(words[mask_at].view(np.uint8), axis=1, bitorder="little").view(bool)
    elements = np.zeros(nonzero.size, word)
    elements[np.flatnonzero(nonzero)] = words[np.flatnonzero(stored)]
    return from_words(elements[:count], dtype), error


def bound(nbytes: int, itemsize: int) -> int:
    """Return the length in bytes that no encoding of such an array exceeds.

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
    return nbytes + -(-nbytes // GROUP_BYTES) * _mask_bytes(itemsize)


def _mask_bytes(size: int) -> int:
    """Return the bytes of a mask: one bit for each element of a group."""
    return GROUP_BYTES // size // 8


def _walk(data: bytes, size: int, count: int) -> tuple[np.ndarray, int]:
    """Return where each group starts, as far as the data reach, and where the last one ends.

    The end is behind the end of the data if, and only if, the data are truncated.
    """
    groups = -(-count * size // GROUP_BYTES)
    mask_bytes = _mask_bytes(size)
    starts = []
    at = 0
    while len(starts) < groups and at <= len(data):
        starts.append(at)
        mask = int.from_bytes(data[at : at + mask_bytes], "little")
        at += mask_bytes + size * mask.bit_count()
    return np.array(starts, np.int64), at


def _first_error(data, words, stored, starts, end, count) -> FormatError | None:
    """Return the error at the lowest position; no two can be at the same one."""
    size = words.itemsize
    per_group = GROUP_BYTES // size
    errors = []

    zeros = stored & (words == 0)
    if zeros.any():
        errors.append((int(zeros.argmax()) * size, ErrorCode.NON_CANONICAL))
    used = count % per_group
    if used and len(starts) == -(-count // per_group):
        start = int(starts[-1])
        spare = int.from_bytes(data[start : start + _mask_bytes(size)], "little") >> used << used
        if spare:
            lowest = (spare & -spare).bit_length() - 1
            errors.append((start + lowest // 8, ErrorCode.PADDING))
    if end > len(data):
        errors.append((len(data), ErrorCode.TRUNCATED))
    elif end < len(data):
        errors.append((end, ErrorCode.TRAILING))
    if not errors:
        return None

    at, code = min(errors)
    if code is ErrorCode.TRAILING:
        what = f"trailing: the encoding ends at byte {at}, but {len(data) - at} more follow it"
        return FormatError(what, code, at, count * size)
    group = int(np.searchsorted(starts, at, side="right")) - 1
    if code is ErrorCode.NON_CANONICAL:
        what = (
            f"non-canonical: the element stored at byte {at}, in group {group}, is zero; "
            "a zero must not be stored, only its mask bit be 0"
        )
    elif code is ErrorCode.PADDING:
        what = (
            f"padding: the mask of group {group} has a bit behind the last element set in byte "
            f"{at}; its bits {used} to {per_group - 1} must be 0"
        )
    else:
        part = "mask" if at < starts[group] + _mask_bytes(size) else "elements"
        what = f"truncated: the data end at byte {at}, inside the {part} of group {group}"
        what += f"; at least {end - at} more must follow"
    return FormatError(what, code, at, group * GROUP_BYTES)
