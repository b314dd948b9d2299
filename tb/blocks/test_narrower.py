# SPDX-License-Identifier: Apache-2.0
"""From wide beats to narrow ones."""

import itertools
import random

import pytest
from models import packet
from movers import counted
from streams import Bench, cycles, payloads

from opencdma.hw.dma.narrower import Narrower

WIDTHS = [(32, 8), (32, 16), (64, 8), (64, 32)]


def run(wide, narrow, packets, *, pauses=(0.0, 0.0), seed=1):
    """Send packets, given as bytes and ``cut``, and compare; return the logs of both sides."""
    rng = random.Random(seed)
    beats, expected = ([beat for given, cut in packets
                        for beat in packet(given, width, rng, cut=cut)]
                       for width in (wide, narrow))  # fmt: skip
    bench = Bench(Narrower(wide, narrow), seed=seed)
    sent = bench.send(bench.dut.i, beats, pause=pauses[0])
    taken = bench.take(bench.dut.o, len(expected), pause=pauses[1])
    bench.run(100 + 30 * len(expected))
    assert counted(payloads(taken)) == counted(expected)
    return sent, taken


@pytest.mark.parametrize("pauses", [(0.0, 0.0), (0.0, 0.6), (0.6, 0.0), (0.3, 0.3)])
@pytest.mark.parametrize(("wide", "narrow"), WIDTHS)
def test_random_packets(wide, narrow, pauses):
    rng = random.Random(wide + narrow)
    lengths = (rng.choice((0, 1, narrow, wide, rng.randrange(5 * wide))) for _ in range(40))
    packets = [(rng.randbytes(length), rng.random() < 0.3) for length in lengths]
    run(wide, narrow, packets, pauses=pauses, seed=wide)


@pytest.mark.parametrize(("wide", "narrow"), WIDTHS)
def test_every_length_without_a_gap(wide, narrow):
    """One narrow beat in every cycle, in the one in which the wide beat is offered."""
    rng = random.Random(narrow)
    sent, taken = run(wide, narrow, [(rng.randbytes(n), False) for n in range(2 * wide + 2)])
    assert cycles(taken) == list(range(len(taken)))
    # A wide beat is taken with the last of its pieces.
    pieces = [max(1, -(-item.payload["count"] // narrow)) for item in sent]
    assert cycles(sent) == [total - 1 for total in itertools.accumulate(pieces)]
