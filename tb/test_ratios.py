# SPDX-License-Identifier: Apache-2.0
"""What is said of ratios without encoding anything agrees with what encoders make."""

import ml_dtypes
import numpy as np
import pytest

from opencdma.golden import pack
from opencdma.golden.elements import to_words
from opencdma.golden.pack_layout import LAYOUTS, SUPERBLOCK
from opencdma.sim.ratios import space
from opencdma.spec import element_type_of


def tensor(dtype, count):
    """Return numbers that are partly zero, in stretches of different density."""
    rng = np.random.default_rng(count)
    density = np.repeat(rng.choice([0, 0.1, 0.5, 0.95, 1], -(-count // 64)), 64)[:count]
    values = np.abs(rng.normal(size=count)) * 40 + 1
    return (values * (rng.random(count) < density)).astype(dtype)


@pytest.mark.parametrize("dtype", ["u1", "u2", "f2", "f4", ml_dtypes.bfloat16])
@pytest.mark.parametrize("superblocks", [0, 1, 5])
def test_cost_of_pack_is_its_length(dtype, superblocks):
    array = tensor(dtype, superblocks * SUPERBLOCK)
    words, layout = to_words(array), LAYOUTS[element_type_of(array.dtype)]
    bits = space.cost(words, layout, space.CHOSEN)
    assert tuple(bits) == space.PARTS
    assert sum(bits.values()) == 8 * len(pack.encode(array))


def test_variants_cost_what_they_are_for():
    array = tensor("f4", 16 * SUPERBLOCK)
    words, layout = to_words(array), LAYOUTS[element_type_of(array.dtype)]
    costs = {
        name: space.cost(words, layout, variant) for name, variant in space.VARIANTS.items()}
    chosen = costs["PACK"]
    assert costs["no padding"]["padding"] == 0
    assert costs["32-bit padding"]["padding"] > chosen["padding"]
    assert costs["masks: bitmap"]["masks"] > costs["masks: kinds"]["masks"] > chosen["masks"]
    assert costs["scales not relative"]["scales"] > chosen["scales"]
    assert costs["16 elements per group"]["distances"] < chosen["distances"]
    assert costs["64 elements per group"]["scales"] < chosen["scales"]
    assert all(cost["rests"] == chosen["rests"] for cost in costs.values())


def test_entropy():
    words = np.array([0, 0, 5, 0x8006, 0, 5], np.uint16)
    pairs, values, rests = space.entropy(words, LAYOUTS[element_type_of(ml_dtypes.bfloat16)])
    assert pairs.tolist() == [[2, 2], [1, 1]]
    assert values[[0, 256]].tolist() == [2, 1]
    assert rests == 3 * 7
