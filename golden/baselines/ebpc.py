# SPDX-License-Identifier: Apache-2.0
"""Extended bit-plane compression (Cavigelli et al., arXiv 1908.11645), from what the paper says.

Two streams of bits. One tells where zeros are: 1 for an element that is nonzero, 0 and 4 bits for a
run of 1 to 16 zeros. The other has the nonzero elements in blocks of 8: the first as it is, then
the 7 differences from one to the next, cut into bit planes from the top, each plane combined with
the one above by exclusive or. What comes of that selects a code (Kim et al., ISCA 2016, table 2):

==================================  ======================
planes                              code
==================================  ======================
2 and more without a one            01, number less 2
one without a one                   001
only ones                           00000
ones, but none before combination   00001
two ones, side by side              00010, place of lower
a single one                        00011, place
any other                           1, the plane
==================================  ======================

A last block that is not full goes on with its last element. Streams are strings of 0 and 1 here,
since only their lengths are of interest.
"""

import numpy as np

from opencdma.golden.elements import from_words, to_words, word_dtype

from .runs import runs

_LONGEST_RUN = 16
_RUN_BITS = 4
_BLOCK = 8
_PLACES = _BLOCK - 1 # bits of a plane
_PLACE_BITS = 3
_ALL = (1 << _PLACES) - 1


def encode(array) -> tuple[str, str]:
    """Return both streams: where zeros are, and the nonzero elements, of 1, 2 or 4 bytes."""
    words = to_words(array)
    bits = 8 * words.itemsize
    zeros = []
    for nonzero, length in zip(*runs(words != 0), strict=True):
        if nonzero:
            zeros.append("1" * length)
        else:
            zeros += [f"0{min(left, _LONGEST_RUN) - 1:0{_RUN_BITS}b}"
                      for left in range(length, 0, -_LONGEST_RUN)]
    blocks = _blocks(words)
    before, combined = _planes(blocks, bits)
    codes = []
    for first, *block in zip(blocks[:, 0], before, combined, strict=True):
        codes += [f"{first:0{bits}b}", *_codes(*block, bits)]
    return "".join(zeros), "".join(codes)


def size(array) -> int:
    """Return the bytes that both streams of :func:`encode` fill, faster."""
    words = to_words(array)
    bits = 8 * words.itemsize
    nonzero, lengths = runs(words != 0)
    zero_runs = -(-lengths[~nonzero] // _LONGEST_RUN)
    zeros = np.count_nonzero(words) + zero_runs.sum() * (1 + _RUN_BITS)
    blocks = _blocks(words)
    before, combined = _planes(blocks, bits)
    costs = np.select(
        [combined == _ALL, before == 0, _places(combined) >= 0], [5, 5, 5 + _PLACE_BITS],
        1 + _PLACES)
    empty = combined == 0
    # Runs of planes without a one, which no block shares with the next.
    edges = np.diff(empty.astype(int), axis=1, prepend=0, append=0)
    lengths = np.nonzero(edges == -1)[1] - np.nonzero(edges == 1)[1]
    longest, run_bits = _most_planes(bits)
    whole, rest = np.divmod(lengths, longest)
    gaps = whole.sum() * (2 + run_bits)
    gaps += np.select([rest == 0, rest == 1], [0, 3], 2 + run_bits).sum()
    elements = bits * len(blocks) + costs[~empty].sum() + gaps
    return int(-(-zeros // 8) + -(-elements // 8))


def decode(streams: tuple[str, str], *, dtype, count: int) -> np.ndarray:
    """Return the ``count`` elements that were encoded."""
    word = word_dtype(dtype).newbyteorder("<")
    bits = 8 * word.itemsize
    zeros, codes = streams
    nonzero = np.zeros(count, bool)
    at = done = 0
    while done < count:
        if zeros[at] == "1":
            nonzero[done] = True
            at, done = at + 1, done + 1
        else:
            done += int(zeros[at + 1 : at + 1 + _RUN_BITS], 2) + 1
            at += 1 + _RUN_BITS
    elements = []
    at = 0
    while len(elements) < np.count_nonzero(nonzero):
        elements.append(int(codes[at : at + bits], 2))
        planes, at = _decode_planes(codes, at + bits, bits)
        for place in range(_PLACES):
            difference = sum(
                (plane >> place & 1) << bits - row for row, plane in enumerate(planes))
            elements.append(elements[-1] + difference & (1 << bits) - 1)
    words = np.zeros(count, word)
    words[nonzero] = elements[: np.count_nonzero(nonzero)]
    return from_words(words, dtype)


def _blocks(words: np.ndarray) -> np.ndarray:
    """Return the nonzero words, 8 to a row."""
    words = words[words != 0].astype(np.int64)
    return np.pad(words, (0, -words.size % _BLOCK), "edge" if words.size else "constant").reshape(
        -1, _BLOCK)


def _planes(blocks: np.ndarray, bits: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the planes of differences from the top, before they are combined and afterwards."""
    differences = np.diff(blocks, axis=1) & (2 << bits) - 1
    ones = differences[:, np.newaxis] >> np.arange(bits, -1, -1)[:, np.newaxis] & 1
    before = ones @ (1 << np.arange(_PLACES))
    return before, before ^ np.pad(before[:, :-1], ((0, 0), (1, 0)))


def _places(planes):
    """Return where a single one, or the lower of two side by side, is; -1 if neither is there."""
    table = np.full(1 << _PLACES, -1)
    for place in range(_PLACES):
        table[1 << place] = place
        if place + 1 < _PLACES:
            table[3 << place] = place
    return table[planes]


def _most_planes(bits: int) -> tuple[int, int]:
    """Return how many planes without a one have a code in common, and the bits of their number."""
    run_bits = (bits - 1).bit_length()
    return (1 << run_bits) + 1, run_bits


def _codes(before: np.ndarray, combined: np.ndarray, bits: int) -> list[str]:
    """Return the codes of a block's planes."""
    longest, run_bits = _most_planes(bits)
    codes = []
    row = 0
    while row < combined.size:
        plane, place = combined[row], _places(combined[row])
        length = 1
        if not plane:
            ones = np.flatnonzero(combined[row:])
            length = min(int(ones[0]) if ones.size else combined.size - row, longest)
            codes.append("001" if length == 1 else f"01{length - 2:0{run_bits}b}")
        elif plane == _ALL:
            codes.append("00000")
        elif not before[row]:
            codes.append("00001")
        elif place >= 0:
            kind = "00011" if plane == 1 << place else "00010"
            codes.append(f"{kind}{place:0{_PLACE_BITS}b}")
        else:
            codes.append(f"1{plane:0{_PLACES}b}")
        row += length
    return codes


def _decode_planes(codes: str, at: int, bits: int) -> tuple[list[int], int]:
    """Return the planes before combination, and where their codes end."""
    _, run_bits = _most_planes(bits)
    planes = [0]
    while len(planes) < bits + 2:
        above = planes[-1]
        if codes[at] == "1":
            planes.append(above ^ int(codes[at + 1 : at + 1 + _PLACES], 2))
            at += 1 + _PLACES
        elif codes[at : at + 2] == "01":
            planes += [above] * (int(codes[at + 2 : at + 2 + run_bits], 2) + 2)
            at += 2 + run_bits
        elif codes[at : at + 3] == "001":
            planes.append(above)
            at += 3
        elif codes[at : at + 5] == "00000":
            planes.append(above ^ _ALL)
            at += 5
        elif codes[at : at + 5] == "00001":
            planes.append(0)
            at += 5
        else:
            ones = 1 if codes[at + 4] == "1" else 3
            place = int(codes[at + 5 : at + 5 + _PLACE_BITS], 2)
            planes.append(above ^ ones << place)
            at += 5 + _PLACE_BITS
    return planes[1:], at
