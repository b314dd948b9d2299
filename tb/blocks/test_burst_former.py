# SPDX-License-Identifier: Apache-2.0
"""Beats become bursts of writes."""

import random

import pytest
from movers import PAGE, Touched, bursts, places, random_write
from streams import Bench, cycles, payloads

from opencdma.golden.descriptor_areas import Area
from opencdma.hw.dma.burst_former import BurstFormer

#: Bytes per beat, beats per burst, beats of the buffer.
SHAPES = [(8, 16, 64), (32, 4, 8), (64, 1, 4), (16, 64, 128)]


def placed(area, limit, data, width, rng):
    """Return what all beats of a packet have in common, the beats, and what they lie on."""
    job = {"qos": rng.randrange(16), "cache": rng.randrange(16)}
    beats, lies_on = [], []
    for address, start, piece, ends in places(area, limit, data, width):
        lanes = bytearray(rng.randbytes(width))
        lanes[start : start + len(piece)] = piece
        beats.append(job | {"data": bytes(lanes), "address": address, "start": start,
                            "count": len(piece), "row_ends": int(ends), "last": 0})  # fmt: skip
        lies_on.append(Touched(address, start, len(piece), ends))
    # Empty beats behind: the end of the packet, or what is beyond the limit.
    whole = beats and beats[-1]["start"] + beats[-1]["count"] == width
    ends = not beats or beats[-1]["row_ends"]
    empty = rng.randrange(not beats, 3) if ends else int(whole and rng.random() < 0.5)
    address = rng.randrange(0, 2**30, width) if ends else beats[-1]["address"] + width
    nothing = job | {"data": rng.randbytes(width), "address": address,
                     "start": 0, "count": 0, "row_ends": rng.randrange(2), "last": 0}  # fmt: skip
    beats += [dict(nothing) for _ in range(empty)]
    beats[-1]["last"] = 1
    return job, beats, lies_on


def formed(job, beats, lies_on, width, longest):
    """Return the bursts of a packet of placed beats."""
    found = []
    for burst in bursts(lies_on, width, longest):
        first, last = burst[0], burst[-1]
        found.append(job | {
            "address": first.address, "beats": len(burst) - 1, "start": first.start,
            "end_count": last.start + last.count, "exists": 1, "last": 0,
        })  # fmt: skip
    if beats[-1]["count"] == 0:
        full = lies_on and (
            lies_on[-1].row_ends or (lies_on[-1].address + width) % PAGE == 0
            or found[-1]["beats"] == longest - 1)
        if full or not lies_on:
            found.append({"exists": 0})
    found[-1]["last"] = 1
    return found


def run(shape, writes, *, pauses=(0.0, 0.0, 0.0), late=0, bursts=16, seed=1):
    """Send what becomes of writes, (area, limit, data), and compare; return all logs.

    No data are taken before cycle ``late``.
    """
    width, longest, buffer = shape
    rng, beats, expected = random.Random(seed), [], []
    for area, limit, data in writes:
        job, packet, lies_on = placed(area, limit, data, width, rng)
        beats += packet
        expected += formed(job, packet, lies_on, width, longest)
    dut = BurstFormer(width=width, address_bits=40, longest=longest, buffer=buffer, bursts=bursts)
    bench = Bench(dut, seed=seed)
    sent = bench.send(dut.i, beats, pause=pauses[0])
    taken = bench.take(dut.bursts, len(expected), pause=pauses[1])
    given = [beat["data"] for beat in beats if beat["count"]]
    data = bench.take(dut.o, len(given), pause=pauses[2], allowed=lambda: bench.cycle >= late)
    bench.run(500 + 40 * len(beats))
    for got, wanted in zip(payloads(taken), expected, strict=True):
        assert {name: got[name] for name in wanted} == wanted
    assert payloads(data) == given
    return sent, taken, data


@pytest.mark.parametrize(
    "pauses", [(0.0, 0.0, 0.0), (0.6, 0.0, 0.0), (0.0, 0.6, 0.0), (0.2, 0.4, 0.4)])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_random_writes(shape, pauses):
    rng = random.Random(shape[0])
    writes = [random_write(rng, shape[0], unaligned=rng.random() < 0.7, most=30)
              for _ in range(20)]  # fmt: skip
    run(shape, writes, pauses=pauses, bursts=4 if pauses[1] else 16, seed=shape[0])


def test_every_length_in_front_of_a_page():
    rng, width = random.Random(1), 16
    run((width, 4, 8), [(Area(PAGE - before * width, n), n, rng.randbytes(n)) for before in range(6)
                        for n in range(1, 8 * width, width - 1)])  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_packet_ends_behind_whole_beats(shape):
    """An empty beat closes the burst that is open, or says that there is none."""
    width, longest, _ = shape
    rng, area = random.Random(9), Area(PAGE - 5 * width, 200 * width)
    counts = [*range(12), longest + 4, longest + 5, longest + 6] * 3
    writes = [(area, area.length, rng.randbytes(count * width)) for count in counts]
    _, taken, _ = run(shape, writes)
    ends = [burst["exists"] for burst in payloads(taken) if burst["last"]]
    assert len(ends) == len(writes)
    assert set(ends) == {0, 1}


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_beat_per_cycle(shape):
    width, rng = shape[0], random.Random(2)
    writes = [(Area(PAGE * n + 7, 20 * width), 20 * width, rng.randbytes(20 * width))
              for n in range(4)]  # fmt: skip
    sent, taken, data = run(shape, writes)
    assert cycles(sent) == list(range(len(sent)))
    stored = [item.cycle for item in sent if item.payload["count"]]
    assert cycles(data) == [cycle + 3 for cycle in stored]
    # A burst follows its last beat.
    total = 0
    for item in taken:
        if item.payload["exists"]:
            total += item.payload["beats"] + 1
            assert item.cycle == stored[total - 1] + 1


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_as_many_beats_as_the_buffer_has_can_be_waiting(shape):
    """And two more, which the output of the queue has room for."""
    width, buffer = shape[0], shape[2]
    size, late = 2 * buffer * width, 4 * buffer
    data = random.Random(2).randbytes(size)
    sent, _, _ = run(shape, [(Area(0, size), size, data)], late=late)
    assert [cycle for cycle in cycles(sent) if cycle <= late] == list(range(buffer + 2))
