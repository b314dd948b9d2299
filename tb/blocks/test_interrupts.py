# SPDX-License-Identifier: Apache-2.0
"""The interrupt and its reasons."""

import random

import pytest
from streams import Bench

from opencdma.hw.dma.interrupts import Interrupts


@pytest.mark.parametrize("channels", [1, 2])
def test_random(channels):
    """Reasons stand in the next cycle, the interrupt in the one after it."""
    bench, rng = Bench(Interrupts(channels)), random.Random(channels)
    seen = set()

    async def happen(ctx):
        dut, status, irq, enable = bench.dut, 0, 0, 0
        for n in range(1500):
            assert ctx.get(dut.status) == status
            assert ctx.get(dut.irq) == irq
            seen.add((status, irq))
            rare = (0.4, 0.05)[n // 100 % 2]
            done, error = (
                sum((rng.random() < rare) << bit for bit in range(channels)) for _ in range(2))
            clear = rng.getrandbits(4) & rng.getrandbits(4)
            enable = rng.choice((enable, enable, rng.getrandbits(4)))
            ctx.set(dut.done, done)
            ctx.set(dut.error, error)
            ctx.set(dut.clear, clear)
            ctx.set(dut.enable, enable)
            await ctx.tick()
            irq = int(status & enable != 0)
            # What happens while it is cleared is not lost.
            status &= ~clear
            for channel in range(channels):
                status |= (done >> channel & 1) << 2 * channel
                status |= (error >> channel & 1) << 2 * channel + 1

    bench.add(happen)
    bench.run(1600)
    assert {status for status, _ in seen} == set(range(4**channels))
    assert {irq for _, irq in seen} == {0, 1}


def test_stays_until_it_is_cleared():
    bench = Bench(Interrupts(2))

    async def scenario(ctx):
        dut = bench.dut
        ctx.set(dut.enable, 0b1000)
        ctx.set(dut.done, 0b01)
        ctx.set(dut.error, 0b10)
        await ctx.tick()
        ctx.set(dut.done, 0)
        ctx.set(dut.error, 0)
        await ctx.tick().repeat(50)
        assert ctx.get(dut.status) == 0b1001
        assert ctx.get(dut.irq)
        ctx.set(dut.clear, 0b0110)
        await ctx.tick().repeat(2)
        assert ctx.get(dut.status) == 0b1001
        ctx.set(dut.clear, 0b1000)
        await ctx.tick()
        ctx.set(dut.clear, 0)
        await ctx.tick()
        assert ctx.get(dut.status) == 0b0001
        assert not ctx.get(dut.irq)

    bench.add(scenario)
    bench.run(100)
