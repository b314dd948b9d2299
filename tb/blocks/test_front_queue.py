# SPDX-License-Identifier: Apache-2.0
"""The queue whose next item stands in a register."""

import re

import pytest
from streams import Bench, cycles, payloads

from opencdma.hw.stream import FrontQueue


def numbered(count):
    return [n * 40503 % 65536 for n in range(count)]


@pytest.mark.parametrize("depth", [4.0, "4", None])
def test_wrong_type(depth):
    message = f"Queue depth must be an integer, not {depth!r}"
    with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
        FrontQueue(8, depth)


@pytest.mark.parametrize("depth", [3, 1, 0, -2, 12])
def test_wrong_depth(depth):
    message = f"Queue depth must be a power of two and at least 2, not {depth!r}"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        FrontQueue(8, depth)


def test_depth():
    assert FrontQueue(8, 32).depth == 32


@pytest.mark.parametrize("depth", [2, 4, 16])
@pytest.mark.parametrize("pauses", [(0.0, 0.5), (0.5, 0.0), (0.3, 0.3), (0.9, 0.9)])
def test_order(depth, pauses):
    bench, items = Bench(FrontQueue(16, depth), seed=depth), numbered(200)
    bench.send(bench.dut.i, items, pause=pauses[0])
    taken = bench.take(bench.dut.o, len(items), pause=pauses[1])
    bench.run(10_000)
    assert payloads(taken) == items


@pytest.mark.parametrize("depth", [2, 8])
def test_full_rate_with_one_cycle_of_latency(depth):
    bench, items = Bench(FrontQueue(16, depth)), numbered(50)
    sent = bench.send(bench.dut.i, items)
    taken = bench.take(bench.dut.o, len(items))
    bench.run(200)
    assert cycles(sent) == list(range(50))
    assert cycles(taken) == list(range(1, 51))


@pytest.mark.parametrize("depth", [2, 8])
def test_holds_as_many_as_its_depth_and_keeps_the_rate_when_full(depth):
    bench, items = Bench(FrontQueue(16, depth)), numbered(50)
    sent = bench.send(bench.dut.i, items)
    taken = bench.take(bench.dut.o, len(items), allowed=lambda: bench.cycle >= 20)
    bench.run(200)
    held = depth
    assert len([cycle for cycle in cycles(sent) if cycle <= 20]) == held
    assert cycles(sent)[held:] == list(range(21, 21 + 50 - held))
    assert cycles(taken) == list(range(20, 70))
    assert payloads(taken) == items
