# SPDX-License-Identifier: Apache-2.0
"""Decodes superblocks of PACK, and says what is wrong with those that no encoder makes."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from opencdma.spec import ErrorCode

from .bits import BitReader, to_numbers
from .pack_layout import (
    DROP,
    GROUPS,
    KEY,
    KIND,
    MAP,
    NARROWING,
    NIBBLE,
    SCALES,
    Kind,
    Layout,
    bit_length,
    changes,
    kinds_of,
    present,
    stored_distances,
    stored_fields,
    stored_nibbles,
)

#: Bytes that no superblock exceeds, good or bad.
REACH = 4096


class Malformed(Exception):
    """What is wrong with a superblock.

    Parameters
    ----------
    code : :class:`~opencdma.spec.ErrorCode`
        Class of the error.
    what : :class:`str`
        Says what is wrong and what would be right.
    """

    def __init__(self, code: ErrorCode, what: str):
        super().__init__(code, what)
        self.code = code
        self.what = what


@dataclass(frozen=True)
class _Header:
    """What a header says, be it right or wrong. Arrays have an entry for each group."""

    there: np.ndarray
    kinds: np.ndarray
    maps: np.ndarray
    masks: np.ndarray
    top: int
    drop_bits: int
    widest: int
    narrowing_bits: int
    signed: int
    drops: np.ndarray
    narrowings: np.ndarray
    flags: np.ndarray
    padding: bool

    @property
    def used(self) -> np.ndarray:
        """Groups that are not empty."""
        return self.kinds != Kind.EMPTY

    @property
    def peaks(self) -> np.ndarray:
        """Largest keys."""
        return self.top - self.drops

    @property
    def widths(self) -> np.ndarray:
        """Bits of a distance."""
        return self.widest - self.narrowings


def decode_superblock(data: bytes, layout: Layout, words: np.ndarray) -> int:
    """Fill words, which are 0, from the data that a superblock begins.

    Parameters
    ----------
    data : :class:`bytes`
        :data:`REACH` of them, or all that there are.
    layout : :class:`~opencdma.golden.pack_layout.Layout`
        Fields of an element.
    words : :class:`numpy.ndarray`
        As many as the superblock has elements.

    Returns
    -------
    :class:`int`
        Length of the superblock in bytes.

    Raises
    ------
    Malformed
        If no superblock of so many elements begins like this.
    """
    reader = BitReader(data)
    try:
        header = _read_header(reader, words.size)
        _check(_header_mistakes(header, layout))
        stored = reader.fill(stored_distances(header.masks, header.widths, header.flags))
        padding = reader.padding()
        rests = np.zeros(header.masks.shape, np.int64)
        rests[header.masks] = to_numbers(
            reader.take(np.count_nonzero(header.masks), layout.rest))
        padding |= reader.padding()
    except EOFError:
        raise Malformed(ErrorCode.TRUNCATED, "truncated: the data end inside") from None

    distances, signs = to_numbers(stored[:, :, :KEY]), stored[:, :, KEY].astype(int)
    elements = layout.join(signs, header.peaks[:, np.newaxis] - distances, rests)
    _check(_element_mistakes(header, distances, signs, elements, padding))
    words[:] = np.where(header.masks, elements, 0).reshape(-1)[: words.size]
    return reader.position // 8


def _read_header(reader: BitReader, elements: int) -> _Header:
    there = present(elements)
    kinds = to_numbers(reader.take(GROUPS, KIND))
    runs = (kinds == Kind.RUNS)[:, np.newaxis]
    maps = reader.fill(np.broadcast_to(runs, (GROUPS, MAP)))
    nibbles = reader.fill(np.broadcast_to(
        stored_nibbles(kinds, maps)[:, :, np.newaxis], (GROUPS, MAP, NIBBLE)))
    bits = nibbles.reshape(there.shape)
    masks = np.where(runs, np.logical_xor.accumulate(bits, axis=1), bits)
    masks |= (kinds == Kind.FULL)[:, np.newaxis] & there

    used = kinds != Kind.EMPTY
    scales = [int(to_numbers(reader.take(width))) if used.any() else 0 for width in SCALES]
    _, drop_bits, _, narrowing_bits, signed = scales
    fields = reader.fill(stored_fields(used, drop_bits, narrowing_bits, bool(signed)))
    drops, narrowings, flags = np.split(fields, [DROP, DROP + NARROWING], axis=1)
    return _Header(
        there, kinds, maps, masks, *scales, to_numbers(drops), to_numbers(narrowings),
        flags.reshape(-1), reader.padding())


def _check(mistakes: Iterator[tuple[ErrorCode, str]]) -> None:
    """Raise the mistake with the lowest code, if there is one."""
    found = min(mistakes, default=None, key=lambda mistake: mistake[0])
    if found:
        raise Malformed(*found)


def _header_mistakes(header: _Header, layout: Layout) -> Iterator[tuple[ErrorCode, str]]:
    wrong = ErrorCode.NON_CANONICAL
    used = header.used
    behind = (header.masks & ~header.there).any(axis=1) | used & ~header.there.any(axis=1)
    for group in np.flatnonzero(behind):
        yield ErrorCode.PADDING, (
            f"padding: group {group} has elements behind the last, which is element "
            f"{np.count_nonzero(header.there) - 1}")
    right = kinds_of(header.masks, header.there)
    # A full group behind the end has no elements, which is wrong, but not for its kind.
    nothing = (header.kinds == Kind.FULL) & ~header.there.any(axis=1)
    for group in np.flatnonzero((header.kinds != right) & ~nothing):
        yield wrong, (
            f"non-canonical: the mask of group {group} is stored as "
            f"{Kind(header.kinds[group]).name}, but has to be {Kind(right[group]).name}")
    named = header.maps & ~changes(header.masks).any(axis=2)
    for group in np.flatnonzero(named.any(axis=1)):
        yield wrong, f"non-canonical: the map of group {group} names a nibble that is 0"
    if not used.any():
        return

    for values, bits, what in (
        (header.drops[used], header.drop_bits, "drop"),
        (header.narrowings[used], header.narrowing_bits, "narrowing"),
    ):
        if values.min() or int(values.max()).bit_length() != bits:
            yield wrong, (
                f"non-canonical: every {what} has {bits} bits; they go from {values.min()} to "
                f"{values.max()}, and have to begin at 0 and need all the bits")
    if header.top >> layout.key:
        yield wrong, (
            f"non-canonical: the largest key is {header.top}, but a key has {layout.key} bits")
    if header.widest > layout.key:
        yield wrong, (
            f"non-canonical: distances have up to {header.widest} bits, but a key has {layout.key}")
    if (header.peaks < 0).any():
        yield wrong, f"non-canonical: a group drops below 0 from {header.top}"
    if (header.widths < 0).any():
        yield wrong, f"non-canonical: a group is narrower than 0 bits from {header.widest}"
    if header.signed > layout.sign or (header.signed and not header.flags.any()):
        yield wrong, "non-canonical: it is said that there are signs, but there are none"
    if header.padding:
        yield ErrorCode.PADDING, "padding: the bits behind the header have to be 0"


def _element_mistakes(
    header: _Header, distances: np.ndarray, signs: np.ndarray, elements: np.ndarray, padding: bool,
) -> Iterator[tuple[ErrorCode, str]]:
    wrong = ErrorCode.NON_CANONICAL
    used, masks, widths = header.used, header.masks, header.widths
    nearest = np.where(masks, distances, 255).min(axis=1)
    farthest = np.where(masks, distances, 0).max(axis=1)
    for group in np.flatnonzero(used & ((nearest > 0) | (bit_length(farthest) != widths))):
        yield wrong, (
            f"non-canonical: distances in group {group} are {nearest[group]} to "
            f"{farthest[group]} in {widths[group]} bits; they have to begin at 0 and need all the "
            "bits")
    for group in np.flatnonzero(farthest > header.peaks):
        yield wrong, (
            f"non-canonical: a key in group {group} is {farthest[group]} below "
            f"{header.peaks[group]}")
    for group in np.flatnonzero((masks & (elements == 0)).any(axis=1)):
        yield wrong, (
            f"non-canonical: an element stored in group {group} is zero; a zero must not be stored")
    for group in np.flatnonzero(header.flags & ~(masks & (signs == 1)).any(axis=1)):
        yield wrong, f"non-canonical: signs are stored in group {group}, but all are 0"
    if padding:
        yield ErrorCode.PADDING, "padding: the bits behind distances and rests have to be 0"
