# SPDX-License-Identifier: Apache-2.0
"""Sizes that follow from the build parameters."""

import itertools
import math
import re

import pytest

from opencdma.hw.codec import CodecGeometry

WIDTHS = (8, 16, 32, 64)
SIZES = [c for n in (1, 2, 3) for c in itertools.combinations((1, 2, 4), n)]


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("width", WIDTHS)
def test_sizes(width, sizes):
    geometry = CodecGeometry(width, sizes)
    smallest = min(sizes)
    assert geometry.width == width
    assert geometry.element_sizes == sizes
    assert geometry.lane_bytes == smallest
    assert geometry.lanes * smallest == width
    assert 2**geometry.levels == geometry.lanes
    # One behind every other level, as far as the latency allows that the codec promises.
    promised = (8 if sizes == (4,) else 14) + 128 // width
    fixed = 7 + math.ceil(geometry.levels / 2)
    assert geometry.ranks == min(math.ceil(geometry.levels / 2), promised - fixed)
    assert geometry.count_ranks == math.ceil(geometry.levels / 2)
    assert geometry.group_beats * width == 128
    assert geometry.group_lanes * smallest == 128
    assert geometry.mask_bits == 128 // smallest
    assert geometry.mask_lanes_max == max(geometry.mask_lanes(size) for size in sizes)
    for size in sizes:
        # One bit per element of the group.
        assert geometry.mask_lanes(size) * smallest * 8 == 128 // size
        assert geometry.lanes_per_element(size) * smallest == size
        assert 1 << geometry.size_code(size) == size


def test_defaults():
    assert repr(CodecGeometry()) == "CodecGeometry(width=32, element_sizes=(1, 2, 4), ranks=3)"


def test_element_sizes_in_any_order():
    assert CodecGeometry(8, [4, 1, 4]).element_sizes == (1, 4)


@pytest.mark.parametrize("ranks", range(6))
def test_ranks(ranks):
    assert CodecGeometry(32, ranks=ranks).ranks == ranks


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"width": 32.0}, TypeError, "Beat width must be an integer, not 32.0"),
        ({"width": "8"}, TypeError, "Beat width must be an integer, not '8'"),
        ({"width": 4}, ValueError, "Beat width must be 8, 16, 32 or 64 bytes, not 4"),
        ({"width": 128}, ValueError, "Beat width must be 8, 16, 32 or 64 bytes, not 128"),
        ({"width": 24}, ValueError, "Beat width must be 8, 16, 32 or 64 bytes, not 24"),
        ({"element_sizes": ()}, ValueError,
         "Element sizes must be some of 1, 2 and 4 bytes, not ()"),
        ({"element_sizes": [1, 8]}, ValueError,
         "Element sizes must be some of 1, 2 and 4 bytes, not (1, 8)"),
        ({"element_sizes": iter([3])}, ValueError,
         "Element sizes must be some of 1, 2 and 4 bytes, not (3,)"),
        ({"ranks": 1.0}, TypeError, "Number of register ranks must be an integer, not 1.0"),
        ({"ranks": -1}, ValueError,
         "Number of register ranks must be 0 to 5 for 32 lanes, not -1"),
        ({"width": 8, "element_sizes": (4,), "ranks": 2}, ValueError,
         "Number of register ranks must be 0 to 1 for 2 lanes, not 2"),
    ],
)  # fmt: skip
def test_wrong_parameters(arguments, error, message):
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        CodecGeometry(**arguments)
