# SPDX-License-Identifier: Apache-2.0
"""The store of the encoded stream."""

import random

import pytest
from models import GEOMETRIES
from streams import Bench

from opencdma.hw.codec.line_store import LineStore, StoreShape


def stores():
    for geometry in GEOMETRIES:
        for cells in {geometry.lanes, max(geometry.lanes, geometry.mask_lanes_max)}:
            yield pytest.param(geometry, cells, id=f"{geometry}-{cells}")


@pytest.mark.parametrize(("geometry", "cells"), [*stores()])
def test_line_store(geometry, cells):
    """Any run of lanes among the last lines, read while the next are written."""
    rng, lanes, shape = random.Random(cells), geometry.lanes, StoreShape(geometry)
    bench = Bench(LineStore(geometry, cells=cells))
    stream, turn = [], 4 * shape.depth

    async def write_and_read(ctx):
        dut = bench.dut
        for line in range(2 * turn):
            written = [rng.getrandbits(8 * geometry.lane_bytes) for _ in range(lanes)]
            ctx.set(dut.write_line, line % turn)
            ctx.set(dut.write_data, written)
            ctx.set(dut.write_en, 1)
            # The line that is being written takes the place of the oldest one.
            oldest = max(0, line - shape.depth + 1) * lanes
            for _ in range(4):
                if len(stream) - cells < oldest:
                    break
                position = rng.randint(oldest, len(stream) - cells)
                ctx.set(dut.read_position, position % (turn * lanes))
                ctx.set(dut.read_after, (position + cells) % (turn * lanes))
                cell = ctx.get(dut.read_data)
                for lane in range(position, position + cells):
                    assert cell[lane % cells] == stream[lane], (line, position)
            await ctx.tick()
            if rng.random() < 0.2:
                ctx.set(dut.write_en, 0)
                ctx.set(dut.write_data, [0] * lanes)
                await ctx.tick()
            stream.extend(written)

    bench.add(write_and_read)
    bench.run(5 * turn)


def test_shape():
    for geometry in GEOMETRIES:
        shape = StoreShape(geometry)
        assert shape.depth * geometry.width >= 256
        assert shape.depth & (shape.depth - 1) == 0
        assert len(shape.line) == 4 * shape.depth
        assert len(shape.position) == len(shape.line) * geometry.lanes
        assert 1 << shape.lane_bits == geometry.lanes
