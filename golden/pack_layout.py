# SPDX-License-Identifier: Apache-2.0
"""What encoder and decoder of PACK share: fields of elements, numbers of bits, masks."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from opencdma.spec import ElementType

#: Elements that share a largest key and a width.
GROUP = 32
#: Groups that share a header.
GROUPS = 16
#: Elements of a superblock.
SUPERBLOCK = GROUP * GROUPS

#: Bits of a group's kind, of the map of a mask's nibbles, and of such a nibble.
KIND, MAP, NIBBLE = 2, GROUP // 4, 4
#: Bits of the scales of a superblock: largest key, bits of a drop, greatest width, bits of a
#: narrowing, whether there are signs.
SCALES = 8, 4, 4, 3, 1
#: Bits at most of a key, of a drop and of a narrowing, as far as those scales can name them.
KEY, DROP, NARROWING = 8, 15, 7
#: Nibbles that changes in a mask may take; with more of them it is shorter as it is.
MOST_NIBBLES = 5


class Kind(IntEnum):
    """How the mask of a group is stored."""

    EMPTY = 0
    FULL = 1
    RUNS = 2
    PLAIN = 3


@dataclass(frozen=True)
class Layout:
    """The fields of an element, from the top: numbers of bits.

    Parameters
    ----------
    sign, key, rest : :class:`int`
        0 or 1, at most 8, and what is left.
    """

    sign: int
    key: int
    rest: int

    def split(self, words: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return signs, keys and rests of words."""
        words = words.astype(np.int64)
        return (
            words >> self.key + self.rest, words >> self.rest & (1 << self.key) - 1,
            words & (1 << self.rest) - 1)

    def join(self, signs: np.ndarray, keys: np.ndarray, rests: np.ndarray) -> np.ndarray:
        """Return words of signs, keys and rests."""
        return signs << self.key + self.rest | keys << self.rest | rests


#: The fields of each type of element.
LAYOUTS = {
    ElementType.U8: Layout(0, 8, 0),
    ElementType.U16: Layout(0, 8, 8),
    ElementType.U32: Layout(0, 8, 24),
    ElementType.FP8_E4M3: Layout(1, 4, 3),
    ElementType.BF16: Layout(1, 8, 7),
    ElementType.FP32: Layout(1, 8, 23),
    ElementType.FP8_E5M2: Layout(1, 5, 2),
    ElementType.FP16: Layout(1, 5, 10),
}


def present(elements: int) -> np.ndarray:
    """Return which elements of a superblock are there: bools, shape ``(GROUPS, GROUP)``."""
    return np.arange(SUPERBLOCK).reshape(GROUPS, GROUP) < elements


def changes(masks: np.ndarray) -> np.ndarray:
    """Return where masks differ from their bit before; before the first there is a 0.

    Parameters
    ----------
    masks : :class:`numpy.ndarray` of :class:`bool`, shape ``(GROUPS, GROUP)``
        Which elements are nonzero.

    Returns
    -------
    :class:`numpy.ndarray` of :class:`bool`, shape ``(GROUPS, MAP, NIBBLE)``
    """
    return np.diff(masks, axis=1, prepend=False).reshape(GROUPS, MAP, NIBBLE)


def kinds_of(masks: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Return how masks have to be stored.

    Parameters
    ----------
    masks, there : :class:`numpy.ndarray` of :class:`bool`, shape ``(GROUPS, GROUP)``
        Which elements are nonzero, and which are :func:`present`.

    Returns
    -------
    :class:`numpy.ndarray` of :class:`int`, shape ``(GROUPS,)``
        A :class:`Kind` for each.
    """
    nibbles = changes(masks).any(axis=2).sum(axis=1)
    return np.select(
        [~masks.any(axis=1), (masks == there).all(axis=1), nibbles <= MOST_NIBBLES],
        [Kind.EMPTY, Kind.FULL, Kind.RUNS], Kind.PLAIN)


def bit_length(numbers) -> np.ndarray:
    """Return how many bits numbers from 0 to 255 need."""
    return (np.asarray(numbers)[..., np.newaxis] >> np.arange(8) > 0).sum(axis=-1)


# Which bits are stored. What a group or an element could have at most goes into arrays of a fixed
# shape; where these are true, there is a bit in the data, in this order.

def stored_nibbles(kinds: np.ndarray, maps: np.ndarray) -> np.ndarray:
    """Return which nibbles of masks are stored: bools, shape ``(GROUPS, MAP)``."""
    return (kinds == Kind.PLAIN)[:, np.newaxis] | maps


def stored_fields(
    used: np.ndarray, drop_bits: int, narrowing_bits: int, signed: bool,
) -> np.ndarray:
    """Return which bits of drop, narrowing and flag are stored: bools, shape ``(GROUPS, n)``."""
    return used[:, np.newaxis] & np.concatenate([
        np.arange(DROP) < drop_bits, np.arange(NARROWING) < narrowing_bits, [signed]])


def stored_distances(masks: np.ndarray, widths: np.ndarray, flags: np.ndarray) -> np.ndarray:
    """Return which bits of distance and sign are stored: bools, shape ``(GROUPS, GROUP, n)``."""
    of_group = np.concatenate(
        [np.arange(KEY) < widths[:, np.newaxis], flags[:, np.newaxis]], axis=1)
    return masks[:, :, np.newaxis] & of_group[:, np.newaxis]
