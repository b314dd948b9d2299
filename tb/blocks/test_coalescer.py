# SPDX-License-Identifier: Apache-2.0
"""The coalescer of interrupts."""

import random

import pytest
from streams import Bench

from opencdma.hw.dma.coalescer import Coalescer


def tells(completions, *, count, timer, cycles):
    """Return the cycles in which is told of completions that come in given cycles."""
    bench = Bench(Coalescer())
    told = bench.record(bench.dut.tells)

    async def complete(ctx):
        dut = bench.dut
        ctx.set(dut.count, count)
        ctx.set(dut.timer, timer)
        for cycle in range(cycles):
            ctx.set(dut.completes, cycle in completions)
            await ctx.tick()

    bench.add(complete)
    bench.run(cycles + 1)
    return [cycle for cycle, (value,) in enumerate(told) if value]


def expected(completions, *, count, timer, cycles):
    result, waiting = [], []
    for cycle in range(cycles):
        if waiting and (len(waiting) >= count or (timer and cycle - waiting[0] > timer)):
            result.append(cycle)
            waiting = []
        if cycle in completions:
            waiting.append(cycle)
    return result


@pytest.mark.parametrize("timer", [0, 1, 2, 7, 40, 0xFFFF_FFFF])
@pytest.mark.parametrize("count", [0, 1, 2, 5, 0xFFFF])
def test_random(count, timer):
    rng = random.Random(count + timer)
    completions = {
        cycle for cycle in range(500) if rng.random() < (0.9, 0.2, 0.03)[cycle // 40 % 3]}
    what = {"count": count, "timer": timer, "cycles": 560}
    assert tells(completions, **what) == expected(completions, **what)


@pytest.mark.parametrize("count", [0, 1])
def test_one_by_one_in_the_next_cycle(count):
    assert tells(set(range(3, 20)), count=count, timer=0, cycles=30) == list(range(4, 21))


def test_none_is_lost_when_one_comes_while_others_are_told_of():
    assert tells(set(range(40)), count=4, timer=0, cycles=50) == list(range(4, 44, 4))


def test_timer_counts_from_the_first():
    told = tells({5, 12, 14, 15, 60}, count=100, timer=10, cycles=90)
    assert told == [16, 71]


def test_settings_may_change():
    """What has gathered is told of as soon as it is enough."""
    bench = Bench(Coalescer())

    async def scenario(ctx):
        dut = bench.dut
        ctx.set(dut.count, 10)
        ctx.set(dut.completes, 1)
        await ctx.tick().repeat(5)
        ctx.set(dut.completes, 0)
        await ctx.tick().repeat(20)
        assert not ctx.get(dut.tells)
        ctx.set(dut.count, 5)
        assert ctx.get(dut.tells)
        ctx.set(dut.count, 6)
        assert not ctx.get(dut.tells)
        ctx.set(dut.timer, 20)
        await ctx.tick()
        assert ctx.get(dut.tells)
        await ctx.tick()
        assert not ctx.get(dut.tells)

    bench.add(scenario)
    bench.run(60)
