# SPDX-License-Identifier: Apache-2.0
"""The expander: lanes are fetched, checked and spread to their places."""

import random

import pytest
from models import GEOMETRIES, as_int, bits_of
from streams import Bench, cycles, payloads

from opencdma.hw.codec.beat_planner import BeatKind
from opencdma.hw.codec.expander import Expander
from opencdma.hw.codec.line_store import StoreShape

PASSED_ON = ("keep", "taken", "count", "where", "kind", "head", "tail", "last", "zvc", "size")


def random_beat(geometry, rng):
    """Return a planned beat and the elements it takes, as lists of lanes."""
    lanes, size = geometry.lanes, rng.choice(geometry.element_sizes)
    span, zvc = geometry.lanes_per_element(size), rng.random() < 0.8
    density = rng.choice((0.0, 0.2, 0.6, 1.0))
    bits = [rng.random() < density for _ in range(lanes // span)]
    keep = [int(bit) for bit in bits for _ in range(span)]
    turn = 4 * StoreShape(geometry).depth * lanes
    position = span * rng.randrange(turn // span)
    taken = sum(keep)
    if rng.random() < 0.1:  # the packet ends in this beat
        taken = span * rng.randrange(taken // span + 1)
    elements = []
    for _ in range(taken // span):
        element = [0] * span
        if rng.random() < 0.93:
            element[rng.randrange(span)] = 1 << rng.randrange(8 * geometry.lane_bytes)
        elements.append(element)
    turns = {str(n): (position + sum(keep[:n])) % (2 * (n & -n)) for n in range(1, lanes)}
    return {
        "position": position, "taken": taken, "turns": turns, "keep": as_int(keep),
        "count": rng.randrange(lanes + 1), "where": rng.randrange(16), "kind": rng.randrange(4),
        "head": rng.randrange(2), "tail": rng.randrange(2), "last": rng.randrange(2),
        "zvc": int(zvc), "size": geometry.size_code(size),
    }, elements  # fmt: skip


def read_data(beat, elements, geometry, rng):
    """Return what the store gives: the lanes from the position on, in a ring."""
    lanes = geometry.lanes
    ring = [rng.choice((0, rng.getrandbits(8 * geometry.lane_bytes))) for _ in range(lanes)]
    for n, lane in enumerate(lane for element in elements for lane in element):
        ring[(beat["position"] + n) % lanes] = lane
    return ring


@pytest.mark.parametrize("pause", [0.0, 0.5])
@pytest.mark.parametrize("geometry", GEOMETRIES, ids=repr)
def test_expander(geometry, pause):
    rng = random.Random(geometry.width)
    plans = [random_beat(geometry, rng) for _ in range(300)]
    rings = [read_data(beat, elements, geometry, rng) for beat, elements in plans]
    dut = Expander(geometry)
    bench = Bench(dut, seed=3)
    sent = []

    async def feed(ctx):
        for (beat, _), ring in zip(plans, rings, strict=True):
            while bench.rng.random() < pause:
                await ctx.tick()
            ctx.set(dut.i.payload, {**beat, "kind": BeatKind(beat["kind"])})
            ctx.set(dut.i.valid, 1)
            assert ctx.get(dut.read_position) == beat["position"]
            ctx.set(dut.read_data, ring)
            sent.append(bench.cycle)
            await ctx.tick()
            ctx.set(dut.i.valid, 0)
            ctx.set(dut.read_data, [0] * geometry.lanes)

    bench.add(feed)
    taken = bench.take(dut.o, len(plans))
    bench.run(100 + 4 * len(plans))
    assert cycles(taken) == [cycle + 1 + geometry.ranks for cycle in sent]

    for (plan, elements), result in zip(plans, payloads(taken), strict=True):
        beat, span = result["beat"], geometry.lanes_per_element(1 << plan["size"])
        assert {name: beat[name] for name in PASSED_ON} == {name: plan[name] for name in PASSED_ON}
        zeros = [n for n, element in enumerate(elements) if not any(element)]
        assert beat["nonzeros"] == len(elements) - len(zeros)
        assert beat["stored_zero"] == (plan["zvc"] and len(zeros) > 0)
        if beat["stored_zero"]:
            assert beat["zero_at"] == zeros[0] * span
        kept = [n for n, bit in enumerate(bits_of(plan["keep"], geometry.lanes)) if bit]
        lanes = [lane for element in elements for lane in element]
        # Where a packet ends too early, fewer lanes come than are kept.
        for place, lane in zip(kept, lanes, strict=False):
            assert result["data"][place] == lane


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=repr)
def test_first_stored_zero_wherever_the_ring_begins(geometry):
    """Every position with every pair of zeros among full beats."""
    rng, lanes, size = random.Random(1), geometry.lanes, geometry.lane_bytes
    pairs = [(a, b) for a in range(lanes) for b in range(a, lanes)]
    plans = []
    for position in range(lanes):
        for zeros in rng.sample(pairs, min(len(pairs), 12)):
            elements = [[int(n not in zeros)] for n in range(lanes)]
            turns = {str(n): (position + n) % (2 * (n & -n)) for n in range(1, lanes)}
            plans.append(({
                "position": position, "taken": lanes, "turns": turns, "keep": (1 << lanes) - 1,
                "count": lanes, "where": 0, "head": 0, "tail": 0, "last": 0, "zvc": 1,
                "size": geometry.size_code(size),
            }, elements, zeros))  # fmt: skip
    dut = Expander(geometry)
    bench = Bench(dut)

    async def feed(ctx):
        ctx.set(dut.i.valid, 1)
        for beat, elements, _ in plans:
            ctx.set(dut.i.payload, beat)
            ctx.set(dut.read_data, read_data(beat, elements, geometry, rng))
            await ctx.tick()
        ctx.set(dut.i.valid, 0)

    bench.add(feed)
    taken = bench.take(dut.o, len(plans))
    bench.run(100 + len(plans))
    for (_, _, zeros), result in zip(plans, payloads(taken), strict=True):
        assert result["beat"]["stored_zero"]
        assert result["beat"]["zero_at"] == min(zeros)
