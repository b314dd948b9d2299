# SPDX-License-Identifier: Apache-2.0
"""The write mover: jobs and packets in, writes out."""

import itertools
import random

import pytest
from memories import WriteMemory
from models import packet
from movers import OKAY, Touched, bursts, places, random_write, report, write_job
from streams import Bench, cycles, payloads

from opencdma.golden.descriptor_areas import Area
from opencdma.hw.dma.write_mover import WriteMover

#: Bytes per beat, beats per burst, whether rows may start anywhere.
SHAPES = [(8, 16, False), (8, 4, True), (32, 1, True), (32, 8, False), (16, 2, True)]


class Writing:
    """A mover with jobs, packets and a memory. Writes are given as (area, limit, data)."""

    def __init__(self, shape, writes, *, answer=lambda address: OKAY, pauses=(0.0,) * 6, latency=5,
                 outstanding=32, allowed=None, seed=1):  # fmt: skip
        width, longest, unaligned = shape
        rng = random.Random(seed)
        self.dut = dut = WriteMover(
            width=width, address_bits=40, longest=longest, outstanding=outstanding, reports=64,
            unaligned=unaligned)
        self.bench = bench = Bench(dut, seed=seed)
        self.memory = WriteMemory(
            bench, dut.port, answer=answer, latency=latency, pauses=pauses[:3], allowed=allowed)
        jobs = [write_job(area, limit, rng) for area, limit, _ in writes]
        packets = [packet(data, width, rng) for _, _, data in writes]
        self.expected, self.wanted, self.image = [], [], {}
        self.complete = [] # the beat with the last byte of each burst
        sent = 0
        for (area, limit, data), job, beats in zip(writes, jobs, packets, strict=True):
            self._expect(shape, places(area, limit, data, width), job, answer, sent)
            sent += len(beats)
        self._beats = sent
        bench.send(dut.jobs, jobs, pause=pauses[3])
        self.sent = bench.send(
            dut.i, [beat for packet in packets for beat in packet], pause=pauses[4])
        self.reports = bench.take(dut.reports, len(writes), pause=pauses[5])

    def _expect(self, shape, found, job, answer, sent):
        width, longest, _ = shape
        first, given = report(), 0
        lies_on = [Touched(address, start, len(piece), ends)
                   for address, start, piece, ends in found]  # fmt: skip
        for burst in bursts(lies_on, width, longest):
            address = burst[0].address
            self.expected.append({"address": address, "length": len(burst) - 1,
                                  "qos": job["qos"], "cache": job["cache"]})  # fmt: skip
            given += sum(beat.count for beat in burst)
            self.complete.append(sent + (given - 1) // width)
            if first["fault"] == OKAY and answer(address) >= 2:
                first = report(fault=answer(address), address=address)
        for address, start, piece, _ in found:
            self.image.update(enumerate(piece, address + start))
        self.wanted.append(first)

    def run(self):
        """Run, and compare what was written and what is reported."""
        self.bench.run(2000 + 60 * (self._beats + len(self.expected) + len(self.wanted)))
        assert payloads(self.memory.bursts) == self.expected
        assert self.memory.image == self.image
        assert payloads(self.reports) == self.wanted
        # A burst goes out when all its data are there.
        for item, beat in zip(self.memory.bursts, self.complete, strict=True):
            assert item.cycle > self.sent[beat].cycle


@pytest.mark.parametrize("pauses", [
    (0.0,) * 6, (0.0, 0.0, 0.0, 0.0, 0.6, 0.0), (0.0, 0.5, 0.0, 0.0, 0.0, 0.9),
    (0.4, 0.3, 0.5, 0.9, 0.3, 0.3),
])  # fmt: skip
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_random_writes(shape, pauses):
    rng = random.Random(shape[0])

    def answer(address):
        # The same in every order of asking.
        return random.Random(address).choice((0, 0, 0, 1, 2, 3))

    writes = [random_write(rng, shape[0], unaligned=shape[2], most=20) for _ in range(10)]
    writing = Writing(shape, writes, answer=answer, pauses=pauses, outstanding=4, seed=shape[1])
    writing.run()
    assert set(payloads(writing.memory.acks)) == {0, 1, 2, 3}


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_burst_never_holds_up_the_port(shape):
    """However slowly data come, the beats of a burst follow each other."""
    rng, width = random.Random(2), shape[0]
    area = Area(512, 60 * width)
    writing = Writing(shape, [(area, area.length, rng.randbytes(area.length))],
                      pauses=(0.0, 0.0, 0.0, 0.0, 0.7, 0.0))  # fmt: skip
    writing.run()
    beats = writing.memory.beats
    for before, beat in itertools.pairwise(beats):
        assert before.payload["last"] or beat.cycle == before.cycle + 1


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_beat_per_cycle(shape):
    rng, width = random.Random(2), shape[0]
    area = Area(512, 80 * width)
    writing = Writing(shape, [(area, area.length, rng.randbytes(area.length))])
    writing.run()
    beats = cycles(writing.memory.beats)
    assert beats == list(range(beats[0], beats[0] + 80))


def test_outstanding_hold_and_owed():
    rng = random.Random(3)
    area = Area(0, 20 * 64)
    writing = Writing((8, 8, False), [(area, area.length, rng.randbytes(area.length))],
                      outstanding=4, allowed=lambda: writing.bench.cycle > 100)  # fmt: skip
    dut, seen = writing.dut, []

    async def hold(ctx):
        await ctx.tick().repeat(100)
        seen.append((len(writing.memory.bursts), ctx.get(dut.owed)))
        ctx.set(dut.hold, 1)
        await ctx.tick().repeat(100)
        seen.append((len(writing.memory.bursts), ctx.get(dut.owed)))
        ctx.set(dut.hold, 0)

    writing.bench.add(hold)
    writing.run()
    # Four are out and the fifth is on offer, or is not yet, when the hold begins.
    assert seen[0] == (4, 1)
    assert seen[1][0] in (4, 5)
    assert seen[1][1] == 0
    assert len(writing.memory.bursts) == 20
