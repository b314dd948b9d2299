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
    for length in [0, 1, most - 1, most, most + 1, most + 2, 2 * most + 2, 4 * most + 7, 5]:
        beats = [8] * (length // 8) + [length % 8]
        packets.append((length, beats))
    bench = Bench(LengthCounter(8, bits=bits))
    dut = bench.dut

    async def drive(ctx):
        for length, beats in packets:
            for n, count in enumerate(beats):
                while rng.random() < 0.3:
                    ctx.set(dut.take, 0)
                    ctx.set(dut.count, rng.randrange(9))
                    await ctx.tick()
                ctx.set(dut.take, 1)
                ctx.set(dut.count, count)
                ctx.set(dut.last, n == len(beats) - 1)
                assert ctx.get(dut.total) == min(sum(beats[:n + 1]), most), length
                await ctx.tick()

    bench.add(drive)
    bench.run(1000)
