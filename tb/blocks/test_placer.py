# SPDX-License-Identifier: Apache-2.0
"""Packets are laid over the beats of their destination."""

import random

import pytest
from models import packet
from movers import places, random_write, write_job
from streams import Bench, cycles, payloads

from opencdma.golden.descriptor_areas import Area
from opencdma.hw.dma.placer import Placer

WIDTHS = [8, 64]


def run(width, writes, *, pauses=(0.0, 0.0, 0.0), address_bits=40, seed=1):
    """Place packets, given as (area, limit, data), and compare; return the logs of both sides."""
    rng = random.Random(seed)
    jobs = [write_job(area, limit, rng) for area, limit, _ in writes]
    packets = [packet(data, width, rng) for _, _, data in writes]
    beats = [beat for packet in packets for beat in packet]
    dut = Placer(width=width, address_bits=address_bits)
    bench = Bench(dut, seed=seed)
    bench.send(dut.jobs, jobs, pause=pauses[0])
    sent = bench.send(dut.i, beats, pause=pauses[1])
    taken = bench.take(dut.o, len(beats), pause=pauses[2])
    bench.run(200 + 40 * len(beats))

    out = iter(payloads(taken))
    for (area, limit, data), job, beats in zip(writes, jobs, packets, strict=True):
        expected = places(area, limit, data, width)
        for number, beat in enumerate(beats):
            got = next(out)
            assert (got["last"], got["qos"], got["cache"]) == (
                beat["last"], job["qos"], job["cache"])  # fmt: skip
            assert got["start"] == 0
            if number >= len(expected):
                assert got["count"] == 0
                continue
            address, start, piece, ends = expected[number]
            assert (got["address"], start) == (address % 2**address_bits, 0)
            assert got["data"][: got["count"]] == piece
            # With the end of the packet the end of a row makes no difference.
            assert got["last"] or got["row_ends"] == ends
    return sent, taken


@pytest.mark.parametrize(
    "pauses", [(0.0, 0.0, 0.0), (0.9, 0.0, 0.3), (0.0, 0.6, 0.0), (0.5, 0.3, 0.3)])
@pytest.mark.parametrize("width", WIDTHS)
def test_random_writes(width, pauses):
    rng = random.Random(width)
    writes = [random_write(rng, width, unaligned=False, most=20) for _ in range(25)]
    run(width, writes, pauses=pauses, seed=width)


@pytest.mark.parametrize("width", [8, 16])
def test_every_limit(width):
    """Around the limit: a beat in part, none of the beats behind it."""
    rng = random.Random(width)
    data = rng.randbytes(4 * width)
    run(width, [(Area(0, 2 * width, 2, 5 * width), limit, data) for limit in range(4 * width + 1)])


def test_addresses_wrap_at_the_top():
    """A row can end with the last byte of a memory that fills the address space."""
    data = random.Random(1).randbytes(64)
    run(16, [(Area(2**32 - 64, 64), 64, data), (Area(2**32 - 64, 32, 2, 32), 64, data)],
        address_bits=32)


def test_rows_that_pass_four_gigabytes():
    """Half of an address is carried into the other, within a row and from row to row."""
    rng, below = random.Random(3), 2**32 - 64
    areas = [Area(below, 128), Area(below, 16, 9, 32), Area(2**33 - 16, 16, 5, 2**31),
             Area(2**33 - 32, 48, 3, 2**32 - 48), Area(0, 64)]  # fmt: skip
    run(16, [(area, area.length, rng.randbytes(area.length)) for area in areas])


@pytest.mark.parametrize("width", WIDTHS)
def test_a_beat_per_cycle(width):
    """A beat comes out in the cycle behind that in which it goes in, across packets too."""
    rng = random.Random(width)
    writes = [(Area(4096 * n, width * 4), width * 4, rng.randbytes(rng.randrange(4 * width)))
              for n in range(1, 20)]  # fmt: skip
    sent, taken = run(width, writes)
    assert cycles(sent) == list(range(1, 1 + len(sent)))
    assert cycles(taken) == [cycle + 1 for cycle in cycles(sent)]
