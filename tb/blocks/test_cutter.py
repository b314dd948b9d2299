# SPDX-License-Identifier: Apache-2.0
"""Packets are cut to the beats of a destination that may start anywhere."""

import random

import pytest
from models import packet
from movers import places, random_write, write_job
from streams import Bench, cycles, payloads

from opencdma.golden.descriptor_areas import Area
from opencdma.hw.dma.cutter import Cutter

WIDTHS = [8, 32]


def as_packet(data, width, rng):
    """Return a packet; if all its beats are full, maybe with an empty one behind them."""
    beats = packet(data, width, rng)
    if data and len(data) % width == 0 and rng.random() < 0.3:
        beats[-1]["last"] = 0
        beats += packet(b"", width, rng)
    return beats


def run(width, writes, *, pauses=(0.0, 0.0, 0.0), address_bits=40, seed=1):
    """Place packets, given as (area, limit, data), and compare; return the logs of both sides."""
    rng = random.Random(seed)
    jobs = [write_job(area, limit, rng) for area, limit, _ in writes]
    packets = [as_packet(data, width, rng) for _, _, data in writes]
    expected = []
    for (area, limit, data), job, beats in zip(writes, jobs, packets, strict=True):
        found = [{"address": address % 2**address_bits, "start": start, "piece": piece,
                  "row_ends": int(ends), "last": 0, "qos": job["qos"], "cache": job["cache"]}
                 for address, start, piece, ends in places(area, limit, data, width)]  # fmt: skip
        if not found or limit < len(data) or not beats[-1]["count"]:
            # Nothing is left for the beat that ends the packet.
            found.append({"piece": b"", "start": 0, "qos": job["qos"], "cache": job["cache"]})
        found[-1]["last"] = 1
        expected += found

    dut = Cutter(width=width, address_bits=address_bits)
    bench = Bench(dut, seed=seed)
    beats = [beat for packet in packets for beat in packet]
    bench.send(dut.jobs, jobs, pause=pauses[0])
    sent = bench.send(dut.i, beats, pause=pauses[1])
    taken = bench.take(dut.o, len(expected), pause=pauses[2])
    bench.run(200 + 40 * (len(beats) + len(expected)))

    for got, wanted in zip(payloads(taken), expected, strict=True):
        first = got["start"]
        got["piece"] = got["data"][first : first + got["count"]]
        if wanted["last"]:
            wanted.pop("row_ends", None) # makes no difference with the end of the packet
        assert {name: got[name] for name in wanted} == wanted
    return sent, taken


@pytest.mark.parametrize(
    "pauses", [(0.0, 0.0, 0.0), (0.9, 0.0, 0.3), (0.0, 0.6, 0.0), (0.5, 0.3, 0.3)])
@pytest.mark.parametrize("width", WIDTHS)
def test_random_writes(width, pauses):
    rng = random.Random(width)
    writes = [random_write(rng, width, unaligned=True, most=12) for _ in range(20)]
    run(width, writes, pauses=pauses, seed=width)


def test_every_start_and_length():
    """One row of up to three beats, and what it leaves in the window."""
    rng = random.Random(1)
    run(8, [(Area(64 + start, length), length, rng.randbytes(length))
            for start in range(8) for length in range(18)])  # fmt: skip


def test_every_short_row():
    """Rows of one length, all starts in turn, so that one beat goes to many rows."""
    rng = random.Random(2)
    run(8, [(Area(64 + stride, length, 9, stride), 9 * length, rng.randbytes(9 * length))
            for length in range(1, 12) for stride in (length, 9, 15)])  # fmt: skip


def test_every_limit():
    rng = random.Random(3)
    run(8, [(Area(64 + start, 7, 3, 17), limit, rng.randbytes(21))
            for start in (0, 3, 7) for limit in range(22)])  # fmt: skip


def test_addresses_wrap_at_the_top():
    """A row can end with the last byte of a memory that fills the address space."""
    data = random.Random(1).randbytes(64)
    run(16, [(Area(2**32 - 61, 61), 61, data), (Area(2**32 - 64, 31, 2, 33), 62, data[:62])],
        address_bits=32)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("start", [0, 1, -1])
def test_a_beat_of_the_destination_per_cycle(width, start):
    """Packets of one row, or of many; between packets there is a cycle for the window to fill."""
    rng = random.Random(width)
    writes = [(Area(start % width, 6 * width), 6 * width, rng.randbytes(6 * width)),
              (Area(start % width, width, 5, 2 * width), 5 * width, rng.randbytes(5 * width))]
    sent, taken = run(width, writes)
    ends = [number for number, item in enumerate(taken, 1) if item.payload["last"]]
    first, second = taken[: ends[0]], taken[ends[0] :]
    for packet_taken in (first, second):
        at = packet_taken[0].cycle
        assert cycles(packet_taken) == list(range(at, at + len(packet_taken)))
    assert first[0].cycle == sent[0].cycle + 3
    assert second[0].cycle == first[-1].cycle + 2
