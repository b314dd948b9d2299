# SPDX-License-Identifier: Apache-2.0
"""Turns."""

import random

import pytest
from streams import Bench

from opencdma.hw.bus.round_robin import RoundRobin


def turn(asking, before, count):
    """Return who is next among those who ask, if the last turn was that of ``before``."""
    return next(who for n in range(1, count + 1)
                if asking >> (who := (before + n) % count) & 1)  # fmt: skip


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_everyone_in_every_situation(count):
    """Whoever had the last turn, and whoever asks; nothing changes until the turn is taken."""
    bench = Bench(RoundRobin(count))
    dut = bench.dut

    async def drive(ctx):
        for before in range(count):
            ctx.set(dut.requests, 1 << before)
            ctx.set(dut.next, 1)
            await ctx.tick()
            ctx.set(dut.next, 0)
            for asking in range(1 << count):
                ctx.set(dut.requests, asking)
                assert ctx.get(dut.any) == (asking != 0)
                if asking:
                    assert ctx.get(dut.chosen) == turn(asking, before, count)
                await ctx.tick()

    bench.add(drive)
    bench.run(200)


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_random(count):
    bench, rng = Bench(RoundRobin(count)), random.Random(count)
    dut = bench.dut

    async def drive(ctx):
        ctx.set(dut.requests, 1)
        ctx.set(dut.next, 1)
        await ctx.tick()
        before = 0
        for _ in range(500):
            asking = rng.randrange(1 << count)
            goes = asking != 0 and rng.random() < 0.6
            ctx.set(dut.requests, asking)
            ctx.set(dut.next, goes)
            if asking:
                assert ctx.get(dut.chosen) == turn(asking, before, count)
            if goes:
                before = turn(asking, before, count)
            await ctx.tick()

    bench.add(drive)
    bench.run(600)


@pytest.mark.parametrize("count", [2, 3, 5])
def test_nobody_waits_for_more_than_everyone_else(count):
    bench = Bench(RoundRobin(count))
    dut, turns = bench.dut, []

    async def drive(ctx):
        ctx.set(dut.requests, (1 << count) - 1)
        ctx.set(dut.next, 1)
        for _ in range(4 * count):
            turns.append(ctx.get(dut.chosen))
            await ctx.tick()

    bench.add(drive)
    bench.run(100)
    for at in range(3 * count):
        assert sorted(turns[at : at + count]) == list(range(count))
