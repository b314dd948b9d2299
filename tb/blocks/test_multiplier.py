# SPDX-License-Identifier: Apache-2.0
"""The serial multiplier."""

import random

import pytest
from streams import Bench

from opencdma.hw.dma.multiplier import SerialMultiplier

EDGES = [0, 1, 2, 3, 0x7FFF, 0x8000, 0xFFFE, 0xFFFF]


@pytest.mark.parametrize("count", [1, 3])
def test_products_and_time(count):
    bench, rng = Bench(SerialMultiplier(count)), random.Random(count)
    dut = bench.dut
    factors = EDGES + [rng.getrandbits(rng.randint(1, 16)) for _ in range(40)]

    async def drive(ctx):
        for factor in factors:
            numbers = [rng.choice((rng.getrandbits(32), 0xFFFF_FFFF, 1, 0)) for _ in range(count)]
            ctx.set(dut.start, 1)
            ctx.set(dut.factor, factor)
            for port, number in zip(dut.numbers, numbers, strict=True):
                ctx.set(port, number)
            await ctx.tick()
            ctx.set(dut.start, 0)
            # Operands are taken over.
            ctx.set(dut.factor, rng.getrandbits(16))
            for port in dut.numbers:
                ctx.set(port, rng.getrandbits(32))
            for _ in range(factor.bit_length()):
                assert ctx.get(dut.busy)
                await ctx.tick()
            # What is done stays.
            for _ in range(rng.choice((1, 3))):
                assert not ctx.get(dut.busy)
                assert [ctx.get(port) for port in dut.products] == [n * factor for n in numbers]
                await ctx.tick()

    bench.add(drive)
    bench.run(2000)


def test_start_of_another_while_busy():
    bench = Bench(SerialMultiplier(1))
    dut = bench.dut

    async def drive(ctx):
        ctx.set(dut.start, 1)
        ctx.set(dut.factor, 0xFFFF)
        ctx.set(dut.numbers[0], 0xFFFF_FFFF)
        await ctx.tick()
        ctx.set(dut.start, 0)
        await ctx.tick().repeat(5)
        ctx.set(dut.start, 1)
        ctx.set(dut.factor, 5)
        ctx.set(dut.numbers[0], 7)
        await ctx.tick()
        ctx.set(dut.start, 0)
        await ctx.tick().repeat(3)
        assert not ctx.get(dut.busy)
        assert ctx.get(dut.products[0]) == 35

    bench.add(drive)
    bench.run(20)
