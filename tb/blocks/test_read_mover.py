# SPDX-License-Identifier: Apache-2.0
"""The read mover: jobs in, packets out."""

import random

import pytest
from memories import ReadMemory
from models import packet
from movers import OKAY, bursts, counted, random_area, read_job, report, stored, touched
from streams import Bench, cycles, payloads

from opencdma.golden.descriptor_areas import Area
from opencdma.hw.dma.read_mover import ReadMover

#: Bytes per beat, beats per burst, beats of the buffer, whether rows may start anywhere.
SHAPES = [(8, 16, 64, False), (8, 4, 16, True), (32, 1, 8, True), (32, 8, 32, False),
          (16, 2, 16, True)]  # fmt: skip


def outcome(area, width, answer):
    """Return what is read of an area, and the report."""
    given = b""
    for beat in touched(area, width):
        resp = answer(beat.address)
        if resp >= 2: # EXOKAY is no refusal
            return given, report(fault=resp, address=beat.address)
        given += stored(beat.address + beat.start, beat.count)
    return given, report()


class Reading:
    """A mover with jobs and a memory. Jobs are given as areas, or as (pattern, length)."""

    def __init__(self, shape, reads, *, answer=lambda address: OKAY, pauses=(0.0,) * 5, latency=1,
                 jobs=64, allowed=None, seed=1):  # fmt: skip
        self.width, longest, buffer, unaligned = shape
        rng = random.Random(seed)
        self.dut = dut = ReadMover(
            width=self.width, address_bits=40, longest=longest, buffer=buffer, jobs=jobs,
            unaligned=unaligned)
        self.bench = bench = Bench(dut, seed=seed)
        self.memory = ReadMemory(
            bench, dut.port, lambda address: (stored(address, self.width), answer(address)),
            latency=latency, pauses=pauses[:2])  # fmt: skip
        given, self.expected, self.wanted, self.bursts = [], [], [], []
        for read in reads:
            if isinstance(read, Area):
                job = read_job(read, rng)
                data, told = outcome(read, self.width, answer)
                self.bursts += [
                    {"address": burst[0].address, "length": len(burst) - 1, "qos": job["qos"],
                     "cache": job["cache"]}
                    for burst in bursts(touched(read, self.width), self.width, longest)]
            else:
                pattern, length = read
                job = read_job(Area(0, length), rng, pattern=pattern)
                data = (pattern.to_bytes(8, "little") * (length // 8 + 1))[:length]
                told = report()
            given.append(job)
            beats = packet(data, self.width, rng)
            if told["fault"] and data and len(data) % self.width == 0:
                # The last beat was gone before the fault came.
                beats[-1]["last"] = 0
                beats += packet(b"", self.width, rng)
            self.expected += beats
            self.wanted.append(told)
        self.jobs = bench.send(dut.jobs, given, pause=pauses[2])
        self.taken = bench.take(dut.o, len(self.expected), pause=pauses[3], allowed=allowed)
        self.reports = bench.take(dut.reports, len(reads), pause=pauses[4])

    def run(self):
        """Run, and compare what was read and what is reported."""
        self.bench.run(2000 + 60 * len(self.expected) + 200 * len(self.wanted))
        assert payloads(self.memory.bursts) == self.bursts
        assert counted(payloads(self.taken)) == counted(self.expected)
        assert payloads(self.reports) == self.wanted


def random_reads(rng, shape, count):
    reads = []
    for _ in range(count):
        area = random_area(rng, shape[0], unaligned=shape[3], most=25)
        pattern = rng.choice((0, rng.getrandbits(64)))
        reads.append(area if rng.random() < 0.8 else (pattern, area.length))
    return reads


@pytest.mark.parametrize("pauses", [
    (0.0,) * 5, (0.0, 0.6, 0.0, 0.0, 0.9), (0.0, 0.0, 0.0, 0.7, 0.0), (0.5, 0.3, 0.9, 0.3, 0.3),
])  # fmt: skip
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_random_reads(shape, pauses):
    rng = random.Random(sum(shape))

    def answer(address):
        # The same in every order of asking.
        return random.Random(address).choices((0, 1, 2, 3), (20, 4, 1, 1))[0]

    reading = Reading(shape, random_reads(rng, shape, 14), answer=answer, pauses=pauses,
                      latency=rng.choice((1, 7)), seed=shape[1])  # fmt: skip
    reading.run()
    assert {OKAY} < {told["fault"] for told in payloads(reading.reports)}


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_full_buffer_loses_nothing(shape):
    """Nobody takes anything for long; what was asked for finds its place."""
    width, longest, buffer, _ = shape
    area = Area(4096 - 3 * width, 3 * buffer * width)
    reading = Reading(shape, [area, area], allowed=lambda: reading.bench.cycle > 6 * buffer)
    reading.run()
    at = 6 * buffer
    asked = sum(item.payload["length"] + 1 for item in reading.memory.bursts if item.cycle < at)
    # All there is room for; some beats are on their way out.
    assert buffer - longest < asked <= buffer + 4


@pytest.mark.parametrize(
    "shape", [(8, 16, 64, False), (8, 16, 64, True), (8, 2, 16, False)], ids=str)
def test_a_beat_per_cycle_whatever_the_latency_of_the_memory(shape):
    """The buffer is as long as latency and two bursts."""
    width, longest, buffer, _ = shape
    latency = buffer - 2 * longest
    area = Area(8192, 300 * width)
    reading = Reading(shape, [area], latency=latency)
    reading.run()
    assert cycles(reading.taken) == list(
        range(reading.taken[0].cycle, reading.taken[0].cycle + 300))
    beats = cycles(reading.memory.beats)
    assert beats == list(range(beats[0], beats[0] + 300))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_owed_while_beats_are_to_come(shape):
    rng = random.Random(5)
    reading = Reading(shape, random_reads(rng, shape, 8), latency=9, pauses=(0.4, 0.4, 0, 0, 0))
    port, dut = reading.dut.port, reading.dut
    log = reading.bench.record(
        dut.owed, port.ar.valid, port.ar.ready, port.ar.p.length, port.r.valid)
    reading.run()
    due, seen = 0, set()
    for owed, offered, taken, length, comes in log:
        assert owed == (due > 0 or offered)
        seen.add(owed)
        due += (length + 1) * (offered and taken) - comes
    assert seen == {0, 1}
    assert due == 0


def packets_of(log):
    """Return the packets that went through a stream of which every cycle was recorded."""
    packets = [b""]
    for valid, ready, beat in log:
        if valid and ready:
            packets[-1] += beat["data"][: beat["count"]]
            if beat["last"]:
                packets.append(b"")
    assert packets.pop() == b""
    return packets


def killed_at(shape, at, answer):
    """Run seven jobs, and kill those under way at a cycle, but for the last, which is given later.

    The second and the fifth are patterns.
    Returns what each should have come to, the packets and reports, and when bursts were started.
    """
    width, longest, buffer, unaligned = shape
    rng, pattern = random.Random(at), 0x0123_4567_89AB_CDEF
    areas = [random_area(rng, width, unaligned=unaligned, most=12) for _ in range(7)]
    jobs = [read_job(area, rng) for area in areas]
    expected = [outcome(area, width, answer) for area in areas]
    for n in (1, 4):
        length = 20 * width
        jobs[n] = read_job(Area(0, length), rng, pattern=pattern)
        expected[n] = ((pattern.to_bytes(8, "little") * length)[:length], report())

    dut = ReadMover(width=width, address_bits=40, longest=longest, buffer=buffer, jobs=8,
                    unaligned=unaligned)  # fmt: skip
    bench, over = Bench(dut, seed=at), []
    memory = ReadMemory(
        bench, dut.port, lambda address: (stored(address, width), answer(address)), latency=6,
        pauses=(0.5, 0.2))  # fmt: skip
    given = bench.send(dut.jobs, jobs, allowed=lambda: len(given) < len(jobs) - 1 or over)
    reports = bench.take(dut.reports, len(jobs), pause=0.2)
    log = bench.record(dut.o.valid, dut.o.ready, dut.o.payload)
    offers = bench.record(dut.port.ar.valid, dut.port.ar.ready)

    async def kill(ctx):
        await ctx.tick().repeat(at)
        ctx.set(dut.kill, 1)
        while len(reports) < len(jobs) - 1 or ctx.get(dut.owed):
            await ctx.tick()
        ctx.set(dut.kill, 0)
        over.append(bench.cycle)

    async def take(ctx):
        async for _ in ctx.tick():
            ctx.set(dut.o.ready, bench.rng.random() < 0.7)

    bench.add(kill)
    bench.add(take, background=True)
    bench.run(3000)
    meanwhile = [item for item in memory.bursts if at < item.cycle < over[0]]
    # An address on offer has to stay.
    assert len(meanwhile) == (offers[at] == (1, 0))
    return list(zip(expected, packets_of(log), payloads(reports), strict=True))


@pytest.mark.parametrize("shape", [(8, 4, 16, True), (32, 8, 32, False)], ids=str)
def test_kill_at_any_cycle(shape):
    """Jobs end early, but with all that was asked for; the next one is as good as ever."""
    def answer(address):
        return random.Random(address).choices((0, 2, 3), (60, 1, 1))[0]

    cuts, patterns = set(), set()
    for at in range(1, 100, 11):
        *early, after = killed_at(shape, at, answer)
        for (data, told), got, was in early:
            assert data.startswith(got)
            cut = was["cut"]
            assert was == (report(cut=True) if cut else told)
            assert len(got) == len(data) or cut
            assert len(got) < len(data) or not cut or told["fault"]
            cuts.add((cut, 0 < len(got) < len(data)))
        patterns |= {(n, early[n][2]["cut"]) for n in (1, 4)}
        (data, told), got, was = after
        assert (got, was) == (data, told)
    assert cuts == {(0, False), (1, False), (1, True)}
    assert {(1, 0), (1, 1), (4, 1)} <= patterns
