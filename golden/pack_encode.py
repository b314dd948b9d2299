# SPDX-License-Identifier: Apache-2.0
"""Encodes superblocks of PACK."""

import numpy as np

from .bits import to_bits, to_bytes
from .pack_layout import (
    DROP,
    GROUP,
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


def encode_superblock(words: np.ndarray, layout: Layout) -> bytes:
    """Return the encoding of up to :data:`~opencdma.golden.pack_layout.SUPERBLOCK` words."""
    elements = np.zeros((GROUPS, GROUP), np.int64)
    elements.reshape(-1)[: words.size] = words
    masks = elements != 0
    kinds = kinds_of(masks, present(words.size))
    header = _masks(masks, kinds)
    used = kinds != Kind.EMPTY
    if not used.any():
        return to_bytes(*header)

    signs, keys, rests = layout.split(elements)
    peaks = np.where(masks, keys, 0).max(axis=1)
    lowest = np.where(masks, keys, peaks[:, np.newaxis]).min(axis=1)
    widths = bit_length(peaks - lowest)
    flags = (signs == 1).any(axis=1)
    header += _scales(used, peaks, widths, flags)
    distances = np.concatenate(
        [to_bits(peaks[:, np.newaxis] - keys, KEY), to_bits(signs, 1)], axis=2)
    return b"".join([
        to_bytes(*header),
        to_bytes(distances[stored_distances(masks, widths, flags)]),
        to_bytes(to_bits(rests[masks], layout.rest))])


def _masks(masks: np.ndarray, kinds: np.ndarray) -> list[np.ndarray]:
    """Return the bits of a header that say which elements are nonzero."""
    runs = kinds == Kind.RUNS
    maps = changes(masks).any(axis=2) & runs[:, np.newaxis]
    nibbles = np.where(
        runs[:, np.newaxis, np.newaxis], changes(masks), masks.reshape(GROUPS, MAP, NIBBLE))
    return [to_bits(kinds, KIND), maps[runs], nibbles[stored_nibbles(kinds, maps)]]


def _scales(
    used: np.ndarray, peaks: np.ndarray, widths: np.ndarray, flags: np.ndarray,
) -> list[np.ndarray]:
    """Return the bits of a header that say how the elements of groups are stored."""
    top, widest, signed = peaks[used].max(), widths[used].max(), flags.any()
    drops, narrowings = top - peaks, widest - widths
    drop_bits, narrowing_bits = (bit_length(field[used].max()) for field in (drops, narrowings))
    scales = top, drop_bits, widest, narrowing_bits, signed
    fields = np.concatenate(
        [to_bits(drops, DROP), to_bits(narrowings, NARROWING), to_bits(flags, 1)], axis=1)
    return [
        *(to_bits(scale, width) for scale, width in zip(scales, SCALES, strict=True)),
        fields[stored_fields(used, drop_bits, narrowing_bits, signed)]]
