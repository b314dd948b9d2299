# SPDX-License-Identifier: Apache-2.0
"""The networks that pack lanes together and spread them out, and the counts that steer them."""

import itertools
import random
import re

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for
from streams import Bench, cycles, payloads

from opencdma.hw.codec.network import GatherNetwork, ScatterNetwork, prefix_counts

LEVELS = {2: 1, 4: 2, 8: 3, 16: 4, 32: 5, 64: 6}


def choices(lanes, rng):
    """Every start with every choice of kept lanes, or many of them at random."""
    if lanes <= 8:
        yield from itertools.product(range(lanes), itertools.product((0, 1), repeat=lanes))
        return
    for n in range(150):
        density = (0.1, 0.5, 0.9, 0.0, 1.0)[n % 5]
        yield rng.randrange(lanes), [int(rng.random() < density) for _ in range(lanes)]


def turns(start, keep):
    """Start plus rank, modulo twice the largest power of two that divides the lane."""
    lanes = range(1, len(keep))
    return {str(lane): (start + sum(keep[:lane])) % (2 * (lane & -lane)) for lane in lanes}


def beats_for(lanes, rng):
    beats = []
    for start, keep in choices(lanes, rng):
        slots, kept = [None] * lanes, itertools.count(start)
        for lane in range(lanes):
            if keep[lane]:
                slots[next(kept) % lanes] = lane
        beat = {"data": list(rng.randbytes(lanes)), "turns": turns(start, keep),
                "side": rng.getrandbits(8)}  # fmt: skip
        beats.append((beat, slots))
    return beats


@pytest.mark.parametrize(
    ("lanes", "ranks"),
    [(lanes, ranks) for lanes, levels in LEVELS.items() for ranks in range(levels + 1)],
)
@pytest.mark.parametrize("network", [GatherNetwork, ScatterNetwork])
def test_network(network, lanes, ranks):
    """Slot ``start + r`` and the kept lane of rank ``r`` change places, one beat per cycle."""
    rng = random.Random(lanes * 8 + ranks)
    beats = beats_for(lanes, rng)
    # Pauses between beats where it is cheap; without, a beat leaves in every cycle.
    pause = 0.1 if lanes <= 8 else 0.0
    dut = network(lanes=lanes, lane_bits=8, side=8, ranks=ranks)
    bench = Bench(dut, seed=lanes)
    sent = bench.send(dut.i, [beat for beat, _ in beats], pause=pause)
    taken = bench.take(dut.o, len(beats))
    bench.run(100 + 2 * len(beats))

    assert cycles(taken) == [cycle + ranks for cycle in cycles(sent)]
    for (beat, slots), after in zip(beats, payloads(taken), strict=True):
        assert after["side"] == beat["side"]
        for slot, lane in enumerate(slots):
            if lane is not None:
                there, here = (slot, lane) if network is GatherNetwork else (lane, slot)
                assert after["data"][there] == beat["data"][here], (beat, slots)


@pytest.mark.parametrize("network", [GatherNetwork, ScatterNetwork])
@pytest.mark.parametrize(("lanes", "ranks", "levels"), [(8, 4, 3), (8, -1, 3), (64, 7, 6)])
def test_wrong_ranks(network, lanes, ranks, levels):
    message = f"Number of register ranks must be 0 to {levels} for {lanes} lanes, not {ranks}"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        network(lanes=lanes, lane_bits=8, side=1, ranks=ranks)


def test_wrong_lanes():
    with pytest.raises(ValueError, match="12 is not a power of 2"):
        GatherNetwork(lanes=12, lane_bits=8, side=1, ranks=0)


class Counter(wiring.Component):
    def __init__(self, width):
        self._width = width
        super().__init__({
            "bits": In(width),
            **{f"count{n}": Out(bits_for(width)) for n in range(width)},
        })  # fmt: skip

    def elaborate(self, platform):
        m = Module()
        for n, count in enumerate(prefix_counts(m, list(self.bits), name="ones")):
            m.d.comb += getattr(self, f"count{n}").eq(count)
        return m


@pytest.mark.parametrize("width", [1, 2, 3, 5, 8, 21, 64, 128])
def test_prefix_counts(width):
    rng, bench = random.Random(width), Bench(Counter(width))
    values = range(1 << width) if width <= 8 else [rng.getrandbits(width) for _ in range(50)]

    async def check(ctx):
        for value in [*values, (1 << width) - 1]:
            ctx.set(bench.dut.bits, value)
            for n in range(width):
                count = ctx.get(getattr(bench.dut, f"count{n}"))
                assert count == (value & ((2 << n) - 1)).bit_count()
        await ctx.tick()

    bench.add(check)
    bench.run(5)
