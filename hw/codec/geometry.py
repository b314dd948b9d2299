# SPDX-License-Identifier: Apache-2.0
"""Sizes that follow from the build parameters of a codec."""

from amaranth import *
from amaranth.utils import ceil_log2, exact_log2

from opencdma.spec import GROUP_BYTES, Direction

__all__ = ["CodecGeometry"]


class CodecGeometry:
    """Validated build parameters of a codec, and every size derived from them.

    The data path moves *lanes*: the smallest element of the build. A codec for 32-bit elements
    only has a quarter of the lanes of one for all sizes, and is accordingly smaller.

    Parameters
    ----------
    width : :class:`int`
        Bytes per beat: 8, 16, 32 or 64.
    element_sizes : iterable of :class:`int`
        Bytes per element that transfers may choose from: any of 1, 2 and 4.
    ranks : :class:`int` or ``None``
        Register ranks in each of the log-depth networks, 0 to :attr:`levels`; by default one
        behind every other level, as far as the latency that is promised leaves room for them.

    Raises
    ------
    TypeError, ValueError
        If a parameter is none of those above.
    """

    def __init__(self, width: int = 32, element_sizes=(1, 2, 4), ranks: int | None = None):
        if not isinstance(width, int):
            raise TypeError(f"Beat width must be an integer, not {width!r}")
        if width not in (8, 16, 32, 64):
            raise ValueError(f"Beat width must be 8, 16, 32 or 64 bytes, not {width!r}")
        given = tuple(element_sizes)
        sizes = tuple(sorted(set(given)))
        if not sizes or not set(sizes) <= {1, 2, 4}:
            raise ValueError(f"Element sizes must be some of 1, 2 and 4 bytes, not {given!r}")
        self._width = width
        self._element_sizes = sizes
        if ranks is None:
            ranks = min(-(-self.levels // 2), self._promised_latency - 7 - self.count_ranks)
        if not isinstance(ranks, int):
            raise TypeError(f"Number of register ranks must be an integer, not {ranks!r}")
        if not 0 <= ranks <= self.levels:
            raise ValueError(
                f"Number of register ranks must be 0 to {self.levels} for {self.lanes} lanes, "
                f"not {ranks!r}")
        self._ranks = ranks

    def __repr__(self):
        return (f"CodecGeometry(width={self.width}, element_sizes={self.element_sizes}, "
                f"ranks={self.ranks})")

    @property
    def width(self):
        """Bytes per beat."""
        return self._width

    @property
    def element_sizes(self):
        """Bytes per element that transfers may choose from, ascending."""
        return self._element_sizes

    @property
    def ranks(self):
        """Register ranks in each network."""
        return self._ranks

    @property
    def lane_bytes(self):
        """Bytes per lane."""
        return self._element_sizes[0]

    @property
    def lanes(self):
        """Lanes per beat."""
        return self._width // self.lane_bytes

    @property
    def levels(self):
        """Levels of two-way switches in a network over all lanes."""
        return exact_log2(self.lanes)

    @property
    def count_ranks(self):
        """Register ranks where lanes are counted: one for every two levels of additions."""
        return -(-self.levels // 2)

    def transfers(self, direction):
        """Transfers that can be under way in a direction: as many as its latency hides."""
        rest = 10 if direction is Direction.COMPRESS else 12
        return 1 << ceil_log2(self.ranks + self.count_ranks + rest)

    @property
    def _promised_latency(self):
        # Of a compressor, in cycles: docs/codec.md. Seven of them are neither counting nor network.
        return (8 if self._element_sizes == (4,) else 14) + self.group_beats

    @property
    def group_beats(self):
        """Raw beats per group."""
        return GROUP_BYTES // self._width

    @property
    def group_lanes(self):
        """Raw lanes per group."""
        return GROUP_BYTES // self.lane_bytes

    @property
    def mask_bits(self):
        """Bits of the longest mask, which is that of the smallest element."""
        return GROUP_BYTES // self.lane_bytes

    @property
    def mask_lanes_max(self):
        """Lanes of the longest mask."""
        return self.mask_lanes(self.lane_bytes)

    def mask_lanes(self, size):
        """Lanes of a mask over elements of ``size`` bytes."""
        return GROUP_BYTES // size // 8 // self.lane_bytes

    def by_size(self, code, value):
        """Returns ``value(size)`` for the element size that a ``size`` field stands for."""
        chosen = value(self.element_sizes[-1])
        for size in reversed(self.element_sizes[:-1]):
            chosen = Mux(code == self.size_code(size), value(size), chosen)
        return chosen

    def size_code(self, size):
        """Value of a ``size`` field for elements of ``size`` bytes: its base-2 logarithm."""
        return exact_log2(size)

    def lanes_per_element(self, size):
        """Lanes of an element of ``size`` bytes."""
        return size // self.lane_bytes
