# SPDX-License-Identifier: Apache-2.0
"""Read data become packets."""

import random

import pytest
from movers import OKAY, PAGE, random_area, report, segment, stored, touched
from streams import Bench, cycles, payloads

from opencdma.golden.descriptor_areas import Area
from opencdma.hw.dma.read_delivery import ReadDelivery

#: Bytes per beat, and whether rows may start anywhere.
SHAPES = [(8, False), (8, True), (32, True), (16, False)]

EMPTY = {"count": 0, "data": b"", "last": 1}


class Job:
    """A job, what comes for it, and what is to be made of that.

    Parameters
    ----------
    area
        What is read, or with a pattern its length.
    faults : dict
        RESP of beats that are refused, by their number.
    cut_at : :class:`int` or ``None``
        Beats that have been asked for when no more are.
    """

    def __init__(self, width, area, rng, *, pattern=None, faults=None, cut_at=None):
        if pattern is not None:
            self._repeat(width, area.length, pattern, rng)
            return
        faults, beats = faults or {}, touched(area, width)
        asked = beats[:cut_at]
        self.segments, self.beats, self.report = [], [], report()
        while asked:
            # Up to the end of a row or page.
            most = next((n for n, beat in enumerate(asked, 1) if beat.row_ends
                         or (beat.address + width) % PAGE == 0), len(asked))  # fmt: skip
            size = rng.randint(1, min(most, rng.choice((1, 4, 40))))
            self.segments.append(segment(asked[:size]))
            asked = asked[size:]
        if len(beats) == 0 or len(beats[:cut_at]) < len(beats):
            cut = len(beats) > 0
            self.segments.append(segment([], cut=cut))
            self.report = report(cut=cut)
        self.segments[-1]["last"] = 1

        self.arrivals = [
            {"data": stored(beat.address, width), "fault": faults.get(number, OKAY)}
            for number, beat in enumerate(beats[:cut_at])]  # fmt: skip
        for number, beat in enumerate(beats[:cut_at]):
            if number in faults:
                self.report = report(fault=faults[number], address=beat.address)
                self.beats.append(EMPTY)
                break
            given = stored(beat.address + beat.start, beat.count)
            self.beats.append({"start": beat.start, "count": beat.count, "data": given, "last": 0})
        else:
            if self.report["cut"] or not beats:
                self.beats.append(EMPTY)
        self.beats[-1] = dict(self.beats[-1], last=1)

    def _repeat(self, width, length, pattern, rng):
        data = (pattern.to_bytes(8, "little") * (length // 8 + 1))[:length]
        pieces = [data[at : at + width] for at in range(0, length, width)]
        beats = touched(Area(0, length), width)
        size = rng.choice((1, 4, 32))
        self.segments = [segment(beats[at : at + size], pattern=pattern)
                         for at in range(0, len(beats), size)] or [segment([])]  # fmt: skip
        self.segments[-1]["last"] = 1
        self.arrivals, self.report = [], report()
        self.beats = [{"start": 0, "count": len(piece), "data": piece, "last": 0}
                      for piece in pieces] or [EMPTY]  # fmt: skip
        self.beats[-1] = dict(self.beats[-1], last=1)


def random_jobs(rng, shape, count):
    jobs = []
    for _ in range(count):
        area = random_area(rng, shape[0], unaligned=shape[1], most=20)
        beats = len(touched(area, shape[0]))
        pattern = rng.choice((0, rng.getrandbits(64))) if rng.random() < 0.2 else None
        faults = {rng.randrange(beats): rng.choice((2, 3)) for _ in range(rng.randrange(4))
                  if beats and rng.random() < 0.3}  # fmt: skip
        cut_at = rng.randrange(beats + 1) if rng.random() < 0.2 else None
        jobs.append(Job(shape[0], area, rng, pattern=pattern, faults=faults, cut_at=cut_at))
    return jobs


def seen(beat):
    """Return what counts of a beat; without bytes that is not where they start."""
    start, count = beat["start"], beat["count"]
    found = {"count": count, "data": beat["data"][start : start + count], "last": beat["last"]}
    return found | ({"start": start} if count else {})


def run(shape, jobs, *, pauses=(0.0,) * 4, depth=8, seed=1):
    """Deliver jobs and compare; return the logs of arrivals, of what came out, and of reports."""
    width, unaligned = shape
    dut = ReadDelivery(width=width, reports=depth, unaligned=unaligned)
    bench = Bench(dut, seed=seed)
    # No more jobs than reports can be waiting.
    items = [(n, item) for n, job in enumerate(jobs) for item in job.segments]
    given = bench.send(
        dut.segments, [item for _, item in items], pause=pauses[0],
        allowed=lambda: items[len(given)][0] - len(reports) < depth)
    arrived = bench.send(
        dut.arrivals, [item for job in jobs for item in job.arrivals], pause=pauses[1])
    expected = [beat for job in jobs for beat in job.beats]
    taken = bench.take(dut.o, len(expected), pause=pauses[2])
    reports = bench.take(dut.reports, len(jobs), pause=pauses[3])
    bench.run(1000 + 60 * (len(expected) + sum(len(job.arrivals) for job in jobs)))
    assert [seen(beat) for beat in payloads(taken)] == expected
    assert payloads(reports) == [job.report for job in jobs]
    return arrived, taken, reports


@pytest.mark.parametrize("pauses", [
    (0.0,) * 4, (0.9, 0.0, 0.0, 0.0), (0.8, 0.3, 0.0, 0.9), (0.3, 0.0, 0.6, 0.3),
    (0.3, 0.3, 0.3, 0.5),
])  # fmt: skip
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_random_jobs(shape, pauses):
    rng = random.Random(shape[0])
    run(shape, random_jobs(rng, shape, 30), pauses=pauses, seed=shape[0])


@pytest.mark.parametrize("seed", [1, 3])
def test_every_beat_refused(seed):
    """The first and the last of a segment, of a row and of the job; and another one behind it."""
    rng, jobs = random.Random(seed), []
    for first in range(12):
        for second in {first, first + 1, 11}:
            faults = {second: 3} | {first: 2 + first % 2}
            jobs.append(Job(8, Area(0, 32, 3, 64), rng, faults=faults))
    run((8, False), jobs)


def test_every_start_and_length():
    rng = random.Random(1)
    run((8, True), [Job(8, Area(64 + start, length), rng)
                    for start in range(8) for length in range(18)])  # fmt: skip


def test_rows_start_anywhere():
    rng = random.Random(2)
    run((8, True), [Job(8, Area(start, length, 9, stride), rng) for start in (0, 3, 7)
                    for length in (1, 7, 8, 9, 15) for stride in (0, 5, 8, 13)])  # fmt: skip


def test_address_of_a_fault_in_an_unaligned_row():
    """The beat's, in every row."""
    rng, area = random.Random(3), Area(4093, 15, 4, 45)
    beats = touched(area, 8)
    jobs = [Job(8, area, rng, faults={n: 3}) for n in range(len(beats))]
    _, _, reports = run((8, True), jobs)
    assert [told["address"] for told in payloads(reports)] == [beat.address for beat in beats]


def test_empty_packet_on_offer_stays_as_it_is():
    """Also in what does not count, while data of the next job come."""
    rng = random.Random(5)
    jobs = [Job(8, Area(0, 0), rng), Job(8, Area(64, 64), rng)]
    dut = ReadDelivery(width=8, reports=8, unaligned=False)
    bench = Bench(dut)
    bench.send(dut.segments, [item for job in jobs for item in job.segments])
    bench.send(dut.arrivals, jobs[1].arrivals, allowed=lambda: bench.cycle >= 5)
    bench.take(dut.o, 9, allowed=lambda: bench.cycle >= 10)
    bench.take(dut.reports, 2)
    bench.run(100)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_beat_per_cycle_without_a_register(shape):
    """A beat goes out in the cycle in which it comes, across rows and jobs."""
    width = shape[0]
    rng = random.Random(width)
    start = 3 if shape[1] else 0
    areas = [Area(64 + start, n * width, 1 + n % 3, 8 * width) for n in range(1, 9)]
    arrived, taken, _ = run(shape, [Job(width, area, rng) for area in areas], depth=64)
    assert cycles(arrived) == cycles(taken)
    assert cycles(taken) == list(range(len(taken)))


def test_a_pattern_and_what_is_swallowed_take_a_cycle_per_beat():
    rng = random.Random(6)
    jobs = [Job(8, Area(0, 80), rng, pattern=0x1122_3344_5566_7788),
            Job(8, Area(0, 80), rng, faults={2: 2}), Job(8, Area(0, 16), rng)]  # fmt: skip
    arrived, taken, _ = run((8, False), jobs)
    assert cycles(taken) == [*range(10), *range(10, 13), 20, 21]
    assert cycles(arrived) == list(range(10, 22))


def test_report_comes_behind_the_last_beat():
    """Not when the packet has ended, but when nothing more comes for it."""
    rng = random.Random(7)
    jobs = [Job(8, Area(0, 80), rng, faults={2: 2}), Job(8, Area(0, 80), rng)]
    arrived, taken, reports = run((8, False), jobs, pauses=(0, 0.5, 0, 0))
    assert taken[2].payload["last"]
    assert cycles(reports) == [arrived[9].cycle + 2, arrived[19].cycle + 2]
