# SPDX-License-Identifier: Apache-2.0
"""The deep queue between two streams."""

import re

import pytest
from amaranth.lib import data
from streams import Bench, cycles, payloads

from opencdma.hw.stream import BlockQueue

SHAPE = data.StructLayout({"number": 16, "odd": 1})


def numbered(count):
    return [{"number": n * 40503 % 65536, "odd": n % 2} for n in range(count)]


@pytest.mark.parametrize("depth", [4.0, "4", None])
def test_wrong_type(depth):
    message = f"Queue depth must be an integer, not {depth!r}"
    with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
        BlockQueue(8, depth)


@pytest.mark.parametrize("depth", [3, 1, 0, -2, 12])
def test_wrong_depth(depth):
    message = f"Queue depth must be a power of two and at least 2, not {depth!r}"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        BlockQueue(8, depth)


def test_depth():
    assert BlockQueue(8, 32).depth == 32


@pytest.mark.parametrize("registers", [1, 2, 3])
@pytest.mark.parametrize("depth", [2, 4, 16])
@pytest.mark.parametrize("pauses", [(0.0, 0.5), (0.5, 0.0), (0.3, 0.3), (0.9, 0.9)])
def test_order(depth, pauses, registers):
    dut = BlockQueue(SHAPE, depth, registers=registers)
    bench, items = Bench(dut, seed=depth), numbered(200)
    bench.send(bench.dut.i, items, pause=pauses[0])
    taken = bench.take(bench.dut.o, len(items), pause=pauses[1])
    bench.run(10_000)
    assert payloads(taken) == items


@pytest.mark.parametrize("registers", [1, 2])
@pytest.mark.parametrize("depth", [2, 8])
def test_full_rate_and_latency(depth, registers):
    bench, items = Bench(BlockQueue(SHAPE, depth, registers=registers)), numbered(50)
    sent = bench.send(bench.dut.i, items)
    taken = bench.take(bench.dut.o, len(items))
    bench.run(200)
    assert cycles(sent) == list(range(50))
    latency = 1 + registers
    assert cycles(taken) == list(range(latency, latency + 50))


@pytest.mark.parametrize("registers", [1, 2])
@pytest.mark.parametrize("depth", [2, 8])
def test_holds_more_than_its_depth_and_keeps_the_rate_when_full(depth, registers):
    bench, items = Bench(BlockQueue(SHAPE, depth, registers=registers)), numbered(50)
    sent = bench.send(bench.dut.i, items)
    taken = bench.take(bench.dut.o, len(items), allowed=lambda: bench.cycle >= 20)
    bench.run(200)
    held = depth + registers
    # One is let in for each that leaves, in the cycle behind it.
    assert len([cycle for cycle in cycles(sent) if cycle <= 20]) == held
    assert cycles(sent)[held:] == list(range(21, 21 + 50 - held))
    assert cycles(taken) == list(range(20, 70))
    assert payloads(taken) == items


def test_ready_and_valid_come_from_registers():
    bench = Bench(BlockQueue(8, 2))
    i, o = bench.dut.i, bench.dut.o

    async def levels(ctx):
        # One item after the other: it is in the memory, then also in the output.
        for ready_now, valid_now in ((1, 0), (1, 0), (1, 1), (0, 1)):
            seen = set()
            for valid, ready in ((0, 0), (0, 1), (1, 0), (1, 1), (0, 0)):
                ctx.set(i.valid, valid)
                ctx.set(o.ready, ready)
                seen.add((ctx.get(i.ready), ctx.get(o.valid)))
            assert seen == {(ready_now, valid_now)}
            ctx.set(i.valid, 1)
            await ctx.tick()

    bench.add(levels)
    bench.run(10)
