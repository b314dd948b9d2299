# SPDX-License-Identifier: Apache-2.0
"""Stored zeros, found wherever the ring begins."""

import itertools
import random

import pytest
from models import GEOMETRIES, as_int
from streams import Bench, plain

from opencdma.hw.codec.zero_check import ZeroCheck


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=repr)
def test_every_position_with_pairs_of_zeros(geometry):
    """The first zero is that from the first lane on, also across the end of the ring."""
    rng, lanes = random.Random(1), geometry.lanes
    given, expected = [], []
    for first, size in itertools.product(range(lanes), geometry.element_sizes):
        span = geometry.lanes_per_element(size)
        if first % span:
            continue
        for _ in range(12):
            count = rng.randrange(lanes // span + 1)
            zeros = set(rng.choices(range(count + 1), k=rng.choice((0, 1, 2))))
            arrived = rng.choice((count, count, rng.randrange(count + 1)))
            part = arrived * span + rng.randrange(span) * (arrived < count) # maybe amid an element
            within, filled = [0] * lanes, [rng.randrange(2) for _ in range(lanes)]
            there = [int(part == count * span)] * lanes
            for n in range(part):
                there[(first + n) % lanes] = 1
            for n in range(count):
                at = (first + n * span) % lanes
                within[at:at + span] = [1] * span
                filled[at:at + span] = [0] * span
                filled[at + rng.randrange(span)] = int(n not in zeros)
            stored = [n for n in range(arrived) if n in zeros]
            mask_bytes = rng.choice((0, 16 // size))
            given.append({
                "within": as_int(within), "there": as_int(there), "filled": as_int(filled),
                "first": first, "mask_bytes": mask_bytes, "size": geometry.size_code(size)})
            expected.append((
                arrived - len(stored), bool(stored),
                mask_bytes + stored[0] * size if stored else None))
    dut = ZeroCheck(geometry)
    bench, found = Bench(dut), []

    async def drive(ctx):
        for n in range(len(given) + geometry.ranks):
            if n < len(given):
                ctx.set(dut.i, given[n])
            if n >= geometry.ranks:
                found.append(plain(ctx.get(dut.o)))
            await ctx.tick()

    bench.add(drive)
    bench.run(len(given) + 20)
    for result, (nonzeros, stored_zero, offset) in zip(found, expected, strict=True):
        assert result["nonzeros"] == nonzeros
        assert result["stored_zero"] == stored_zero
        if stored_zero:
            assert result["offset"] == offset
