# SPDX-License-Identifier: Apache-2.0
"""The expander: lanes are fetched, checked and spread to their places."""

import random

import pytest
from models import GEOMETRIES, as_int, bits_of
from streams import Bench, cycles, payloads

from opencdma.hw.codec.beat_planner import BeatKind
from opencdma.hw.codec.expander import Expander
from opencdma.hw.codec.line_store import StoreShape

PASSED_ON = ("keep", "count", "where", "kind", "tail", "last", "checked")


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
        "position": position, "behind": (position + taken) % turn, "taken": taken,
        "there": (1 << lanes) - 1, "turns": turns, "keep": as_int(keep),
        "count": rng.randrange(lanes + 1), "where": rng.randrange(16), "kind": rng.randrange(4),
        "head": rng.randrange(2), "tail": rng.randrange(2), "last": rng.randrange(2),
        "checked": int(zvc), "size": geometry.size_code(size),
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
        mask = geometry.lane_bytes * geometry.mask_lanes(1 << plan["size"]) if plan["head"] else 0
        assert beat["step"] == mask + geometry.lane_bytes * plan["taken"]
        found = result["zeros"]
        assert found["nonzeros"] == len(elements) - len(zeros)
        assert found["stored_zero"] == (len(zeros) > 0)
        if zeros:
            assert found["offset"] == mask + zeros[0] * span * geometry.lane_bytes
        kept = [n for n, bit in enumerate(bits_of(plan["keep"], geometry.lanes)) if bit]
        lanes = [lane for element in elements for lane in element]
        # Where a packet ends too early, fewer lanes come than are kept.
        for place, lane in zip(kept, lanes, strict=False):
            assert result["data"][place] == lane
