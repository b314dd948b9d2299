# SPDX-License-Identifier: Apache-2.0
"""CRC32 of packets."""

import random
import zlib

import pytest
from models import packet
from streams import Bench, cycles, payloads

from opencdma.hw.dma.crc32 import Crc32

WIDTHS = [8, 16, 32, 64]


def run(width, packets, *, depth=64, pauses=(0.0, 0.0), late=0, seed=1):
    """Send packets and compare with zlib; return the logs of both sides.

    No result is taken before cycle ``late``.
    """
    rng = random.Random(seed)
    bench = Bench(Crc32(width, depth=depth), seed=seed)
    beats = [beat for given in packets for beat in packet(given, width, rng)]

    def room():
        # A packet comes when fewer than `depth` are due.
        return sum(item.payload["last"] for item in sent) - len(taken) < depth

    sent = bench.send(bench.dut.i, beats, pause=pauses[0], allowed=room)
    taken = bench.take(bench.dut.o, len(packets), pause=pauses[1],
                       allowed=lambda: bench.cycle >= late)  # fmt: skip
    bench.run(200 + 20 * len(beats))
    assert payloads(taken) == [zlib.crc32(given) for given in packets]
    return sent, taken


@pytest.mark.parametrize("width", WIDTHS)
def test_every_length(width):
    rng = random.Random(width)
    run(width, [rng.randbytes(length) for length in range(2 * width + 2)], depth=256)


@pytest.mark.parametrize("pauses", [(0.0, 0.7), (0.6, 0.0), (0.3, 0.3)])
@pytest.mark.parametrize("width", WIDTHS)
def test_random_packets(width, pauses):
    rng = random.Random(width)
    lengths = [rng.choice((0, 1, width, rng.randrange(6 * width))) for _ in range(30)]
    run(width, [rng.randbytes(length) for length in lengths], depth=4, pauses=pauses, seed=width)


@pytest.mark.parametrize("given", [b"", b"123456789", bytes(100), b"\xff" * 64, b"\x01"])
def test_known(given):
    """Some whose remainders are easily got wrong: nothing, all zeros, all ones, a single bit."""
    run(16, [given, given])


@pytest.mark.parametrize("width", WIDTHS)
def test_a_beat_per_cycle_and_the_latency(width):
    """Results wait for those before them: whole beats take eight cycles, zeros a step each."""
    rng = random.Random(width)
    sent, taken = run(width, [rng.randbytes(length) for length in (3 * width, 1, 5 * width, 0)])
    assert cycles(sent) == list(range(10))
    ends = [item.cycle for item in sent if item.payload["last"]]
    steps = [0, (width - 1) // 8 + (width - 1) % 8, 0, width // 8]
    expected = [ends[0] + 8]
    for end, count in zip(ends[1:], steps[1:], strict=True):
        expected.append(max(end + 8, expected[-1] + 1) + count)
    assert cycles(taken) == expected


def test_as_many_results_as_agreed_can_be_waiting():
    rng = random.Random(3)
    sent, taken = run(8, [rng.randbytes(8) for n in range(8)], depth=8, late=50)
    assert cycles(sent) == list(range(8))
    assert cycles(taken) == list(range(50, 58))
