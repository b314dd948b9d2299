# SPDX-License-Identifier: Apache-2.0
"""The watchdog."""

import random

import pytest
from streams import Bench

from opencdma.hw.dma.watchdog import Watchdog


@pytest.mark.parametrize("exponent", range(1, 9))
def test_patience(exponent):
    """It has expired when so many cycles have passed without anything, and stays expired."""
    bench, patience = Bench(Watchdog()), 1 << exponent

    async def wait(ctx):
        dut = bench.dut
        ctx.set(dut.exponent, exponent)
        await ctx.tick().repeat(2 * patience) # nothing is owed
        for _ in range(2):
            assert not ctx.get(dut.expired)
            ctx.set(dut.owed, 1)
            for _ in range(patience):
                assert not ctx.get(dut.expired)
                await ctx.tick()
            for _ in range(3 * patience):
                assert ctx.get(dut.expired)
                await ctx.tick()
            ctx.set(dut.progress, 1)
            assert ctx.get(dut.expired)
            await ctx.tick()
            ctx.set(dut.progress, 0)

    bench.add(wait)
    bench.run(3000)


def test_no_end_of_patience():
    bench = Bench(Watchdog())

    async def wait(ctx):
        dut = bench.dut
        ctx.set(dut.owed, 1)
        for _ in range(600):
            assert not ctx.get(dut.expired)
            await ctx.tick()
        # And what had been waited does not count. That there is an end is seen a cycle later.
        ctx.set(dut.exponent, 3)
        for _ in range(9):
            assert not ctx.get(dut.expired)
            await ctx.tick()
        assert ctx.get(dut.expired)

    bench.add(wait)
    bench.run(700)


def test_any_patience_is_over_when_it_gets_shorter():
    """Another descriptor has its own; cycles that have passed count."""
    bench = Bench(Watchdog())

    async def wait(ctx):
        dut = bench.dut
        ctx.set(dut.owed, 1)
        for exponent in range(1, 7):
            for cycles in range(1 << exponent, 1 << 7):
                ctx.set(dut.progress, 1)
                await ctx.tick()
                ctx.set(dut.progress, 0)
                ctx.set(dut.exponent, 31)
                await ctx.tick().repeat(cycles)
                assert not ctx.get(dut.expired)
                ctx.set(dut.exponent, exponent)
                await ctx.tick().repeat(2)
                assert ctx.get(dut.expired), f"{cycles} cycles, exponent {exponent}"

    bench.add(wait)
    bench.run(100_000)


@pytest.mark.parametrize("exponent", [0, 1, 2, 4, 6])
def test_random(exponent):
    bench, rng = Bench(Watchdog()), random.Random(exponent)
    seen = set()

    async def wait(ctx):
        dut, waited = bench.dut, 0
        ctx.set(dut.exponent, exponent)
        for n in range(3000):
            busy = (0.5, 0.05, 0.01)[n // 100 % 3]
            owed, progress = rng.random() >= busy, rng.random() < busy
            ctx.set(dut.owed, owed)
            ctx.set(dut.progress, progress)
            assert ctx.get(dut.expired) == (exponent > 0 and waited >= 1 << exponent)
            seen.add(ctx.get(dut.expired))
            waited = waited + 1 if owed and not progress else 0
            await ctx.tick()

    bench.add(wait)
    bench.run(3100)
    assert seen == ({0, 1} if exponent else {0})
