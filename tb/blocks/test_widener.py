# SPDX-License-Identifier: Apache-2.0
"""From narrow beats to wide ones."""

import random

import pytest
from models import packet
from movers import counted
from streams import Bench, cycles, payloads

from opencdma.hw.dma.widener import Widener

WIDTHS = [(8, 32), (16, 32), (8, 64), (32, 64)]


def run(narrow, wide, packets, *, pauses=(0.0, 0.0), seed=1):
    """Send packets, lists of narrow beats, and compare; return the logs of both sides."""
    rng, expected = random.Random(seed), []
    for beats in packets:
        given = b"".join(beat["data"][: beat["count"]] for beat in beats)
        expected += packet(given, wide, rng, cut=beats[-1]["cut"])
        if given and len(given) % wide == 0 and beats[-1]["count"] == 0:
            # The packet ends behind its last full beat.
            expected[-1]["last"] = 0
            expected += packet(b"", wide, rng, cut=beats[-1]["cut"])
    bench = Bench(Widener(narrow, wide), seed=seed)
    sent = bench.send(bench.dut.i, [beat for beats in packets for beat in beats], pause=pauses[0])
    taken = bench.take(bench.dut.o, len(expected), pause=pauses[1])
    bench.run(100 + 30 * len(sent) + 100 * len(expected) * wide // narrow)
    assert counted(payloads(taken)) == counted(expected)
    return sent, taken


def random_packet(rng, narrow, length):
    """Return a packet of narrow beats; if they are all full, maybe with an empty one behind."""
    beats = packet(rng.randbytes(length), narrow, rng, cut=rng.random() < 0.3)
    if length and length % narrow == 0 and rng.random() < 0.3:
        end = dict(beats[-1], count=0)
        beats[-1].update(last=0, cut=0)
        beats.append(end)
    return beats


@pytest.mark.parametrize("pauses", [(0.0, 0.0), (0.0, 0.6), (0.6, 0.0), (0.3, 0.3)])
@pytest.mark.parametrize(("narrow", "wide"), WIDTHS)
def test_random_packets(narrow, wide, pauses):
    rng = random.Random(wide + narrow)
    lengths = (rng.choice((0, 1, narrow, wide, rng.randrange(5 * wide))) for _ in range(40))
    packets = [random_packet(rng, narrow, length) for length in lengths]
    run(narrow, wide, packets, pauses=pauses, seed=wide)


@pytest.mark.parametrize(("narrow", "wide"), WIDTHS)
def test_every_length_without_a_gap(narrow, wide):
    """One narrow beat is taken in every cycle; the wide one follows in the next."""
    rng = random.Random(narrow)
    packets = [packet(rng.randbytes(n), narrow, rng) for n in range(2 * wide + 2)]
    sent, taken = run(narrow, wide, packets)
    assert cycles(sent) == list(range(len(sent)))
    ends, cycle = [], 0
    for beats in packets:
        for number in range(1, len(beats) + 1):
            cycle += 1
            if number == len(beats) or number % (wide // narrow) == 0:
                ends.append(cycle)
    assert cycles(taken) == ends
