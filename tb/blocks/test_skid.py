# SPDX-License-Identifier: Apache-2.0
"""The stream whose ready waits for nobody."""

import pytest
from streams import Bench, cycles, payloads

from opencdma.hw.stream import Skid


@pytest.mark.parametrize("pauses", [(0.0, 0.5), (0.5, 0.0), (0.3, 0.3), (0.9, 0.9)])
def test_order(pauses):
    bench, items = Bench(Skid(8)), [n * 37 % 256 for n in range(200)]
    bench.send(bench.dut.i, items, pause=pauses[0])
    taken = bench.take(bench.dut.o, len(items), pause=pauses[1])
    bench.run(10_000)
    assert payloads(taken) == items


def test_an_item_goes_out_in_the_cycle_in_which_it_comes():
    bench, items = Bench(Skid(8)), list(range(20))
    sent = bench.send(bench.dut.i, items)
    taken = bench.take(bench.dut.o, len(items))
    bench.run(100)
    assert cycles(sent) == cycles(taken) == list(range(20))


def test_one_is_kept_and_ready_waits_for_nobody():
    bench = Bench(Skid(8))
    i, o = bench.dut.i, bench.dut.o

    async def levels(ctx):
        for kept in (0, 1):
            for ready in (1, 0):
                ctx.set(o.ready, ready)
                assert ctx.get(i.ready) == (not kept)
                assert ctx.get(o.valid) == kept
            ctx.set(i.valid, 1)
            await ctx.tick()
            ctx.set(i.valid, 0)

    bench.add(levels)
    bench.run(10)
