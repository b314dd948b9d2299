# SPDX-License-Identifier: Apache-2.0
"""Credits."""

import random
import re

import pytest
from streams import Bench

from opencdma.hw.stream import Credit


@pytest.mark.parametrize("total", [2.0, "3", None])
def test_wrong_type(total):
    message = f"Number of credits must be an integer, not {total!r}"
    with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
        Credit(total)


@pytest.mark.parametrize("total", [0, -1])
def test_wrong_total(total):
    message = f"Number of credits must be at least 1, not {total!r}"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        Credit(total)


@pytest.mark.parametrize("total", [1, 2, 3, 16])
def test_counts(total):
    bench, rng = Bench(Credit(total)), random.Random(total)
    seen = set()

    async def user(ctx):
        dut, left = bench.dut, total
        for n in range(400):
            assert ctx.get(dut.available) == (left > 0)
            assert ctx.get(dut.idle) == (left == total)
            # Now and then everything is taken, or given back.
            eager = (0.9, 0.1, 0.5)[n // 50 % 3]
            take = left > 0 and rng.random() < eager
            give = min(total - left, rng.choices((0, 1, 2), (eager, 0.4, 1 - eager))[0])
            ctx.set(dut.take, take)
            ctx.set(dut.give, give)
            assert ctx.get(dut.soon) == (left + give > take)
            await ctx.tick()
            left += give - take
            seen.add(left)

    bench.add(user)
    bench.run(500)
    assert seen == set(range(total + 1))


def test_taking_and_giving_do_not_show_before_the_next_cycle():
    bench = Bench(Credit(1))

    async def user(ctx):
        ctx.set(bench.dut.take, 1)
        assert ctx.get(bench.dut.available)
        assert ctx.get(bench.dut.idle)
        await ctx.tick()
        ctx.set(bench.dut.take, 0)
        ctx.set(bench.dut.give, 1)
        assert not ctx.get(bench.dut.available)
        assert not ctx.get(bench.dut.idle)
        await ctx.tick()
        assert ctx.get(bench.dut.available)

    bench.add(user)
    bench.run(10)


def test_none_at_first():
    """What is taken has been given before."""
    bench = Bench(Credit(3, initial=0))

    async def user(ctx):
        assert not ctx.get(bench.dut.available)
        ctx.set(bench.dut.give, 2)
        await ctx.tick()
        ctx.set(bench.dut.give, 0)
        ctx.set(bench.dut.take, 1)
        for _ in range(2):
            assert ctx.get(bench.dut.available)
            await ctx.tick()
        assert not ctx.get(bench.dut.available)

    bench.add(user)
    bench.run(10)
