# SPDX-License-Identifier: Apache-2.0
"""What PACK would cost if it were made otherwise, in bits and by part, without encoding."""

from dataclasses import dataclass, replace
from enum import Enum

import numpy as np

from opencdma.golden.pack_layout import (
    GROUP,
    GROUPS,
    KEY,
    KIND,
    NIBBLE,
    SCALES,
    Layout,
    bit_length,
)

__all__ = ["CHOSEN", "PARTS", "VARIANTS", "Masks", "Variant", "cost", "entropy"]

#: Parts of an encoding, in the order of the data.
PARTS = ("masks", "scales", "distances", "signs", "rests", "padding")

_WIDTH_BITS = 4


class Masks(Enum):
    """How masks are stored."""

    BITMAP = "a bit says which groups are empty; other masks as they are"
    KINDS = "empty, full, or as it is"
    RUNS = "empty, full, changes by nibbles, or as it is"


@dataclass(frozen=True)
class Variant:
    """A format like PACK.

    Parameters
    ----------
    group : :class:`int`
        Elements that share a largest key and a width.
    groups : :class:`int`
        Groups that share a header.
    masks : :class:`Masks`
        How masks are stored.
    relative : :class:`bool`
        Largest keys and widths of groups are relative to those of the superblock.
    align : :class:`int`
        Bits to whose multiple each part of a superblock is filled up.
    """

    group: int = GROUP
    groups: int = GROUPS
    masks: Masks = Masks.RUNS
    relative: bool = True
    align: int = 8


#: What PACK is.
CHOSEN = Variant()

#: What was changed, and to what.
VARIANTS = {
    "PACK": CHOSEN,
    "16 elements per group": replace(CHOSEN, group=16),
    "64 elements per group": replace(CHOSEN, group=64),
    "8 groups per header": replace(CHOSEN, groups=8),
    "32 groups per header": replace(CHOSEN, groups=32),
    "masks: bitmap": replace(CHOSEN, masks=Masks.BITMAP),
    "masks: kinds": replace(CHOSEN, masks=Masks.KINDS),
    "scales not relative": replace(CHOSEN, relative=False),
    "no padding": replace(CHOSEN, align=1),
    "32-bit padding": replace(CHOSEN, align=32),
}


def cost(words: np.ndarray, layout: Layout, variant: Variant) -> dict[str, int]:
    """Return the bits of each part that the encoding of words would have.

    Parameters
    ----------
    words : :class:`numpy.ndarray`, shape ``(n,)``
        Elements as unsigned words.
    layout : :class:`~opencdma.golden.pack_layout.Layout`
        Fields of an element.
    variant : :class:`Variant`
        The format.

    Returns
    -------
    :class:`dict` of :class:`str` to :class:`int`
        One for each of :data:`PARTS`.
    """
    group, groups = variant.group, variant.groups
    padded = np.zeros(-(-words.size // (group * groups)) * group * groups, np.int64)
    padded[: words.size] = words
    elements = padded.reshape(-1, groups, group)
    masks = elements != 0
    counts = masks.sum(axis=2)
    used = counts > 0
    signs, keys, _ = layout.split(elements)
    peaks = np.where(masks, keys, 0).max(axis=2)
    widths = bit_length(peaks - np.where(masks, keys, peaks[:, :, np.newaxis]).min(axis=2))
    flags = signs.any(axis=2)

    header = _mask_bits(masks, variant), _scale_bits(used, peaks, widths, flags, variant)
    distances, stored_signs = (counts * widths).sum(axis=1), (counts * flags).sum(axis=1)
    rests = counts.sum(axis=1) * layout.rest
    padding = sum(-part % variant.align for part in (sum(header), distances + stored_signs, rests))
    parts = (*header, distances, stored_signs, rests, padding)
    return {name: int(part.sum()) for name, part in zip(PARTS, parts, strict=True)}


def entropy(words: np.ndarray, layout: Layout) -> tuple[np.ndarray, np.ndarray, int]:
    """Return what an entropy bound is made of, to be added up over tensors.

    Masks count as if each bit depended on the one before, keys of nonzero elements as if all were
    drawn alike, signs likewise, and rests as they are.

    Returns
    -------
    tuple
        Number of masks' bits by the bit before, shape ``(2, 2)``; number of signs and keys by
        value, shape ``(512,)``; bits of all rests.
    """
    masks = (words != 0).astype(int)
    pairs = np.zeros((2, 2), int)
    np.add.at(pairs, (np.concatenate([[0], masks[:-1]])[: masks.size], masks), 1)
    signs, keys, _ = layout.split(words[words != 0])
    return pairs, np.bincount(signs << KEY | keys, minlength=512), keys.size * layout.rest


def _mask_bits(masks: np.ndarray, variant: Variant) -> np.ndarray:
    superblocks, groups, group = masks.shape
    used, full = masks.any(axis=2), masks.all(axis=2)
    if variant.masks is Masks.BITMAP:
        return groups + (used * group).sum(axis=1)
    stored = np.full(used.shape, group)
    if variant.masks is Masks.RUNS:
        changes = np.diff(masks, axis=2, prepend=False)
        nibbles = changes.reshape(superblocks, groups, group // NIBBLE, NIBBLE).any(axis=3)
        stored = np.minimum(stored, nibbles.shape[2] + NIBBLE * nibbles.sum(axis=2))
    return groups * KIND + np.where(used & ~full, stored, 0).sum(axis=1)


def _scale_bits(used, peaks, widths, flags, variant: Variant) -> np.ndarray:
    if not variant.relative:
        return used.sum(axis=1) * (KEY + _WIDTH_BITS + 1)
    def spread(values):
        most = np.where(used, values, 0).max(axis=1, keepdims=True)
        return bit_length(np.where(used, most - values, 0).max(axis=1))
    field = spread(peaks) + spread(widths) + flags.any(axis=1)
    return used.any(axis=1) * sum(SCALES) + used.sum(axis=1) * field
