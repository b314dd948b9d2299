# SPDX-License-Identifier: Apache-2.0
"""Read jobs become bursts."""

import itertools
import random

import pytest
from movers import PAGE, bursts, random_area, read_job, segment, touched
from streams import Bench, cycles, payloads

from opencdma.golden.descriptor_areas import Area
from opencdma.hw.dma.burst_planner import BurstPlanner

#: Bytes per beat, beats per burst, beats there is room for.
SHAPES = [(8, 16, 64), (32, 4, 16), (64, 1, 8), (16, 128, 512)]


def planned(job, area, width, longest):
    """Return the bursts and the segments of a job."""
    pattern = job["extent"]["address"] if job["pattern"] else None
    area = area if pattern is None else Area(0, area.length)
    beats = touched(area, width)
    found = bursts(beats, width, longest)
    if pattern is not None:
        # Nothing is asked for. Pages mean nothing, and it is a burst as long as it may be.
        most = min(longest, PAGE // width)
        found = [beats[at : at + most] for at in range(0, len(beats), most)]
    addresses = [{"address": burst[0].address, "length": len(burst) - 1, "qos": job["qos"],
                  "cache": job["cache"]} for burst in found if pattern is None]  # fmt: skip
    segments = [segment(burst, pattern=pattern) for burst in found] or [segment([])]
    segments[-1]["last"] = 1
    return addresses, segments


def comparable(segments, width):
    """Return segments without what is unspecified."""
    found = []
    for item in segments:
        if item["end_count"] == 0:
            item = dict(item, address=0, beats_minus_1=0)
        elif item["reads"]:
            item = dict(item, address=item["address"] // width * width)
        found.append(item)
    return found


class Planning:
    """A planner with jobs. Beats are taken some time after they were asked for."""

    def __init__(self, shape, areas, *, patterns=(), pauses=(0.0,) * 4, unaligned=True,
                 frees=True, seed=1):  # fmt: skip
        self.width, self.longest, self.room = shape
        rng = random.Random(seed)
        self.dut = dut = BurstPlanner(
            width=self.width, address_bits=40, longest=self.longest, room=self.room,
            unaligned=unaligned)
        self.bench = bench = Bench(dut, seed=seed)
        self.given = [read_job(area, rng, pattern=rng.getrandbits(64) if n in patterns else None)
                      for n, area in enumerate(areas)]  # fmt: skip
        self.plans = [planned(job, area, self.width, self.longest)
                      for job, area in zip(self.given, areas, strict=True)]  # fmt: skip
        addresses = [address for addresses, _ in self.plans for address in addresses]
        segments = [segment for _, segments in self.plans for segment in segments]
        self.jobs = bench.send(dut.jobs, self.given, pause=pauses[0])
        self.ar = bench.take(dut.ar, len(addresses), pause=pauses[1])
        self.segments = bench.take(dut.segments, len(segments), pause=pauses[2])
        self._expected = addresses, segments
        if frees:
            bench.add(self._free(pauses[3]), background=True)

    def _free(self, pause):
        async def free(ctx):
            freed = 0
            async for _ in ctx.tick():
                asked = sum(burst["length"] + 1 for burst in payloads(self.ar))
                assert asked - freed <= self.room
                frees = asked > freed and self.bench.rng.random() >= pause
                ctx.set(self.dut.freed, frees)
                freed += frees

        return free

    def run(self):
        """Run, and compare all that comes."""
        addresses, segments = self._expected
        beats = sum(item["beats_minus_1"] + 1 for item in segments)
        self.bench.run(1000 + 20 * (beats + len(segments) + len(self.given)))
        assert payloads(self.ar) == addresses
        assert comparable(payloads(self.segments), self.width) == comparable(segments, self.width)


@pytest.mark.parametrize("pauses", [
    (0.0,) * 4, (0.0, 0.7, 0.0, 0.0), (0.0, 0.0, 0.7, 0.0), (0.5, 0.3, 0.3, 0.7),
])  # fmt: skip
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("unaligned", [False, True])
def test_random_jobs(unaligned, shape, pauses):
    rng = random.Random(shape[0])
    areas = [random_area(rng, shape[0], unaligned=unaligned and n % 2, most=rng.choice((4, 60)))
             for n in range(16)]  # fmt: skip
    Planning(shape, areas, patterns=(3, 7, 8), pauses=pauses, unaligned=unaligned,
             seed=shape[1]).run()  # fmt: skip


@pytest.mark.parametrize("width", [8, 64])
def test_ends_of_pages(width):
    """Rows that end just in front of a page, behind one, or with it, from all places near it."""
    areas = [Area(PAGE - before * width, n * width)
             for before in (0, 1, 2, 15, 16, 17) for n in (1, 2, 16, 17, 33)]  # fmt: skip
    Planning((width, 16, 64), areas).run()


@pytest.mark.parametrize("stride", [8, 9, 11, 12, 20, 24, 4095])
def test_rows_of_which_each_starts_elsewhere_in_a_beat(stride):
    """The same length touches a beat more or less, depending on where the row starts."""
    Planning((8, 4, 64), [Area(start, length, 8, stride)
                          for start in (0, 5, 7) for length in (1, 3, 8, 9, 10, 16)]).run()


def test_last_bytes_of_the_memory():
    Planning((8, 4, 64), [Area(2**40 - 64, 64), Area(2**40 - 71, 7, 8, 9)]).run()


@pytest.mark.parametrize("unaligned", [False, True])
def test_bursts_and_rows_that_pass_four_gigabytes(unaligned):
    """Half of an address is carried into the other; what is due is not left to the next job."""
    below = 2**32 - 4096
    areas = [Area(below, 8192), Area(2**32 - 8, 8), Area(64, 64),
             Area(below, 64, 5, 2048), Area(2**33 - 16, 16, 3, 2**31), Area(64, 128, 2, 2**32 - 64),
             Area(2**39 + below, 4096), Area(0, 8)]  # fmt: skip
    Planning((8, 16, 64), areas, unaligned=unaligned).run()


def test_widest_length():
    """The largest raw length, of which only the first bursts are looked at."""
    dut = BurstPlanner(width=8, address_bits=40, longest=128, room=512, unaligned=False)
    bench = Bench(dut)
    job = read_job(Area(PAGE - 8, 0xDFFF_FFFF), random.Random(1))
    bench.send(dut.jobs, [job])
    log = bench.record(dut.ar.valid, dut.ar.p.address, dut.ar.p.length)

    async def take(ctx):
        ctx.set(dut.ar.ready, 1)
        ctx.set(dut.segments.ready, 1)
        await ctx.tick().repeat(20)

    bench.add(take)
    bench.run(30)
    taken = [(address, length) for valid, address, length in log if valid]
    assert taken == [(PAGE - 8, 0), *((PAGE + 1024 * n, 127) for n in range(3))]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_no_more_than_there_is_room_for(shape):
    """A burst goes out while there is room for one of maximum length."""
    width, longest, room = shape
    areas = [Area(0, 3 * room * width)]
    planning = Planning(shape, areas, frees=False)
    with pytest.raises(TimeoutError):
        planning.bench.run(50 + 3 * room)
    asked = [burst["length"] + 1 for burst in payloads(planning.ar)]
    whole = [len(burst) for burst in bursts(touched(areas[0], width), width, longest)]
    fits = len([total for total in itertools.accumulate(whole, initial=0)
                if total + longest <= room])  # fmt: skip
    assert asked == whole[:fits]


def test_a_burst_in_every_second_cycle():
    planning = Planning((8, 4, 256), [Area(0, 40 * 32), Area(PAGE, 64, 4, 128)])
    planning.run()
    first = cycles(planning.ar)[:40]
    assert first == list(range(first[0], first[0] + 80, 2))
    # One more cycle to take a job over.
    second = cycles(planning.ar)[40:]
    assert second == list(range(first[-1] + 3, first[-1] + 3 + 16, 2))


def killed_at(at, areas):
    """Kill jobs at a cycle; return addresses and segments that came, and what was on offer."""
    rng = random.Random(at)
    dut = BurstPlanner(width=8, address_bits=40, longest=4, room=256, unaligned=True)
    bench, over = Bench(dut, seed=at), []
    given = [read_job(area, rng, pattern=7 if n == 2 else None) for n, area in enumerate(areas)]
    # All but one are given, and end, under the kill.
    jobs = bench.send(dut.jobs, given, allowed=lambda: len(jobs) < len(areas) - 1 or over)
    log = bench.record(dut.ar.valid, dut.ar.ready, dut.segments.valid, dut.segments.ready,
                       dut.segments.payload)  # fmt: skip

    def ended():
        return sum(valid and ready and item["last"] for *_, valid, ready, item in log)

    async def drive(ctx):
        async for _ in ctx.tick():
            ctx.set(dut.ar.ready, bench.rng.random() < 0.5)
            ctx.set(dut.segments.ready, bench.rng.random() < 0.7)

    async def kill(ctx):
        await ctx.tick().repeat(at)
        ctx.set(dut.kill, 1)
        while len(jobs) < len(areas) - 1:
            await ctx.tick()
        await ctx.tick().repeat(20)
        over.append(bench.cycle)
        ctx.set(dut.kill, 0)
        while ended() < len(areas) or ctx.get(dut.ar.valid):
            await ctx.tick()

    bench.add(drive, background=True)
    bench.add(kill)
    bench.run(1000)
    addresses = [cycle for cycle, (valid, ready, *_) in enumerate(log) if valid and ready]
    segments = [item for *_, valid, ready, item in log if valid and ready]
    meanwhile = [cycle for cycle in addresses if at < cycle < over[0]]
    # What is on offer has to stay.
    assert len(meanwhile) == (log[at][:2] == (1, 0))
    return given, addresses, segments


def test_kill_at_any_cycle():
    areas = [Area(0, 200), Area(300, 150), Area(0, 99), Area(PAGE - 16, 64, 3, 128), Area(7, 0),
             Area(64, 256)]  # fmt: skip
    seen = set()
    for at in range(1, 60, 2):
        given, addresses, segments = killed_at(at, areas)
        assert len(addresses) == sum(item["reads"] for item in segments)
        for number, (job, area) in enumerate(zip(given, areas, strict=True)):
            _, plan = planned(job, area, 8, 4)
            own = [segments.pop(0)]
            while not own[-1]["last"]:
                own.append(segments.pop(0))
            if own[-1]["cut"]:
                assert comparable(own[-1:], 8) == [dict(segment([], cut=True), last=1)]
                own.pop()
                assert comparable(own, 8) == comparable(plan[: len(own)], 8)
                assert len(own) < len(plan)
                seen.add(min(len(own), 2))
                assert number < len(areas) - 1
            else:
                assert comparable(own, 8) == comparable(plan, 8)
        assert segments == []
    assert seen == {0, 1, 2}
