# SPDX-License-Identifier: Apache-2.0
"""Beats with gaps become packets without."""

import random

import pytest
from models import packet
from movers import counted
from streams import Bench, cycles, payloads

from opencdma.hw.dma.joiner import Joiner

WIDTHS = [8, 64]


def ragged(pieces, width, rng):
    """Return a packet of beats in which (start, count) bytes count, and those bytes."""
    beats, given = [], b""
    for number, (start, count) in enumerate(pieces):
        data = rng.randbytes(width)
        given += data[start : start + count]
        beats.append({
            "data": data, "start": start, "count": count, "last": int(number == len(pieces) - 1),
        })  # fmt: skip
    return beats, given


def random_pieces(rng, width):
    """Return what rows leave of beats, with short rows and long ones, or no bytes at all."""
    if rng.random() < 0.1:
        return [(rng.randrange(width), 0)]
    pieces = []
    for _ in range(rng.randrange(1, 6)):
        start, left = rng.randrange(width), rng.choice((1, width, rng.randrange(1, 4 * width)))
        while left:
            pieces.append((start, min(left, width - start)))
            start, left = 0, left - pieces[-1][1]
    if rng.random() < 0.2:
        pieces.append((rng.randrange(width), 0)) # a fault
    return pieces


def run(width, packets, *, pauses=(0.0, 0.0), seed=1):
    """Send packets, lists of (start, count), and compare; return the logs of both sides."""
    rng, beats, expected = random.Random(seed), [], []
    for pieces in packets:
        ragged_beats, given = ragged(pieces, width, rng)
        beats += ragged_beats
        joined = packet(given, width, rng)
        if given and len(given) % width == 0 and pieces[-1][1] == 0:
            # The last full beat was gone before the packet ended.
            joined[-1]["last"] = 0
            joined += packet(b"", width, rng)
        expected += joined
    bench = Bench(Joiner(width), seed=seed)
    sent = bench.send(bench.dut.i, beats, pause=pauses[0])
    taken = bench.take(bench.dut.o, len(expected), pause=pauses[1])
    bench.run(200 + 30 * len(beats))
    assert counted(payloads(taken)) == counted(expected)
    return sent, taken


@pytest.mark.parametrize("pauses", [(0.0, 0.0), (0.0, 0.6), (0.6, 0.0), (0.3, 0.3)])
@pytest.mark.parametrize("width", WIDTHS)
def test_random_packets(width, pauses):
    rng = random.Random(width)
    run(width, [random_pieces(rng, width) for _ in range(15)], pauses=pauses, seed=width)


def test_every_pair_of_beats():
    """What is held, where the next beat starts, and how much of it counts: all of it."""
    width = 8
    run(width, [[(width - held, held), (start, count)]
                for held in range(1, width + 1) for start in range(width)
                for count in range(width - start + 1)])  # fmt: skip


@pytest.mark.parametrize("width", [8, 32])
def test_a_beat_per_cycle_but_for_what_spills_over(width):
    rng = random.Random(width)
    packets = [random_pieces(rng, width) for _ in range(25)]
    sent, taken = run(width, packets)
    starts, ends, cycle = [], [], 0
    for pieces in packets:
        total = 0
        for number, (_, count) in enumerate(pieces, 1):
            last, total = number == len(pieces), total % width + count
            starts.append(cycle)
            cycle += 1
            if total >= width or last:
                ends.append(cycle) # one cycle later
            if last and total > width:
                cycle += 1
                ends.append(cycle)
    assert cycles(sent) == starts
    assert cycles(taken) == ends
