# SPDX-License-Identifier: Apache-2.0
"""LEDs that can be seen."""

import itertools
import re

import pytest
from streams import Bench

from opencdma.hw.fpga.lights import Lights

CLOCK = 160  # ten cycles for each look


def test_alive():
    """Half a second on, half a second off."""
    bench = Bench(Lights(CLOCK))
    lit = bench.record(bench.dut.alive)

    async def wait(ctx):
        for _ in range(3 * CLOCK):
            await ctx.tick()

    bench.add(wait)
    bench.run(4 * CLOCK)
    levels = [level for level, in lit]
    changes = [n for n in range(1, len(levels)) if levels[n] != levels[n - 1]]
    assert {b - a for a, b in itertools.pairwise(changes)} == {CLOCK // 2}


@pytest.mark.parametrize("name", ["serial", "busy"])
@pytest.mark.parametrize("at", range(40, 52))
def test_a_cycle_is_seen(name, at):
    """Whenever it happens, for one look, and in its own light."""
    bench = Bench(Lights(CLOCK))
    dut = bench.dut
    lit = bench.record(dut.seen_serial, dut.seen_busy)

    async def happen(ctx):
        for cycle in range(120):
            ctx.set(getattr(dut, name), cycle == at)
            await ctx.tick()

    bench.add(happen)
    bench.run(200)
    mine = [levels[name == "busy"] for levels in lit]
    assert sum(mine) == CLOCK // 16
    assert at < mine.index(1) <= at + 11
    assert not any(levels[name != "busy"] for levels in lit)


def test_too_slow():
    message = "Clock must have at least 32 Hz, not 31"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        Lights(31)
