# SPDX-License-Identifier: Apache-2.0
import random

import pytest
from streams import Bench

from opencdma.hw.codec.length_counter import LengthCounter


@pytest.mark.parametrize("bits", [6, 8])
def test_sums_and_saturation(bits):
    """Packets around the largest sum and far beyond it: a long one never looks short."""
    rng, most = random.Random(bits), (1 << bits) - 1
    packets = []
    for length in [0, 1, most - 1, most, most + 1, most + 2, most + 20, 2 * most + 2, 5]:
        beats = [8] * (length // 8) + [length % 8]
        packets.append((length, beats))
    bench = Bench(LengthCounter(8, bits=bits))
    dut = bench.dut

    async def drive(ctx):
        for _, beats in packets:
            for n, count in enumerate(beats):
                while rng.random() < 0.3:
                    ctx.set(dut.take, 0)
                    ctx.set(dut.count, rng.randrange(9))
                    await ctx.tick()
                ctx.set(dut.take, 1)
                ctx.set(dut.count, count)
                ctx.set(dut.last, n == len(beats) - 1)
                await ctx.tick()
        ctx.set(dut.take, 0)
        await ctx.tick().repeat(3)

    async def watch(ctx):
        async for _, _, take, last, done, total in ctx.tick().sample(
            dut.take, dut.last, dut.done, dut.total
        ):
            ended.append(take and last)
            assert done == (len(ended) > 2 and ended[-3])
            if done:
                totals.append(total)

    ended, totals = [], []
    bench.add(drive)
    bench.add(watch, background=True)
    bench.run(1000)
    assert totals == [min(length, most) for length, _ in packets]
