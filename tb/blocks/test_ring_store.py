# SPDX-License-Identifier: Apache-2.0
"""Runs of lanes, written anywhere and read line by line."""

import random

import pytest
from models import GEOMETRIES, ring_of
from streams import Bench, plain

from opencdma.hw.codec.ring_store import RingStore

LINES = 8


@pytest.mark.parametrize("banks", [1, 2])
@pytest.mark.parametrize("geometry", GEOMETRIES, ids=repr)
def test_any_run_of_lanes(geometry, banks):
    """Every begin with every length, one behind the other or with a gap, read back each time."""
    rng, lanes, cells = random.Random(geometry.width), geometry.lanes, banks * geometry.lanes
    dut = RingStore(geometry, cells=cells, lines=LINES)
    bench, held = Bench(dut), {}
    runs = [(begin, length) for begin in range(cells) for length in range(cells + 1)]
    runs = rng.sample(runs, min(len(runs), 150))

    async def drive(ctx):
        at = read = 0
        for begin, length in runs:
            at += (begin - at) % cells
            values = [rng.getrandbits(8 * geometry.lane_bytes) for _ in range(cells)]
            ctx.set(dut.en, 1)
            ctx.set(dut.ring, ring_of(at, at + length, cells, LINES * lanes // cells))
            ctx.set(dut.lanes, values)
            held.update({
                place % (LINES * lanes): values[place % cells]
                for place in range(at, at + length)})
            at += length
            await ctx.tick()
            ctx.set(dut.en, 0)
            ctx.set(dut.ring.inside, -1)
            await ctx.tick()
            line = rng.choice((at, at - 1, at - cells)) // lanes % LINES
            ctx.set(dut.advance, 1)
            while read != line:
                await ctx.tick()
                read = (read + 1) % LINES
            ctx.set(dut.advance, 0)
            for lane, value in enumerate(plain(ctx.get(dut.line))):
                assert value == held.get(line * lanes + lane, value)

    bench.add(drive)
    bench.run((3 + LINES) * len(runs))
