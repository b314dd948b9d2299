# SPDX-License-Identifier: Apache-2.0
"""Bursts of writes go out, and their acknowledgements are gathered."""

import random

import pytest
from memories import WriteMemory
from movers import OKAY, report
from streams import Bench, cycles, payloads

from opencdma.hw.dma.burst_sender import BurstSender

WIDTHS = [8, 32]


def random_bursts(rng, width, count, *, longest=8):
    """Return bursts of random jobs and the data of each."""
    found = []
    for n in range(count):
        exists = rng.random() < 0.8
        beats = rng.choice((0, 1, rng.randrange(longest))) if exists else 0
        start, end = rng.randrange(width), rng.randrange(width)
        if beats == 0:
            start, end = min(start, end), max(start, end)
        burst = {"address": (4096 * n + rng.randrange(2048)) // width * width, "beats": beats,
                 "start": start, "end_count": end + 1, "exists": int(exists),
                 "last": int(not exists or rng.random() < 0.4 or n == count - 1),
                 "qos": rng.randrange(16), "cache": rng.randrange(16)}  # fmt: skip
        found.append((burst, [rng.randbytes(width) for _ in range(beats + exists)]))
    return found


def expected_reports(bursts, answer):
    reports, first = [], report()
    for burst, _ in bursts:
        resp = answer(burst["address"]) if burst["exists"] else OKAY
        if resp >= 2 and first["fault"] == OKAY: # EXOKAY is no refusal
            first = report(fault=resp, address=burst["address"])
        if burst["last"]:
            reports.append(first)
            first = report()
    return reports


class Sending:
    """A sender with bursts, data and a memory."""

    def __init__(self, width, bursts, *, answer=lambda address: OKAY, pauses=(0.0,) * 6, latency=3,
                 outstanding=8, allowed=None, seed=1):  # fmt: skip
        self.width, self.bursts, self.answer = width, bursts, answer
        self.dut = dut = BurstSender(
            width=width, address_bits=40, outstanding=outstanding, reports=64)
        self.bench = bench = Bench(dut, seed=seed)
        self.memory = WriteMemory(
            bench, dut.port, answer=answer, latency=latency, pauses=pauses[:3], allowed=allowed)
        self.data = [beat for _, beats in bursts for beat in beats]
        bench.send(dut.bursts, [burst for burst, _ in bursts], pause=pauses[3])
        bench.send(dut.i, self.data, pause=pauses[4])
        self.wanted = expected_reports(bursts, answer)
        self.reports = bench.take(dut.reports, len(self.wanted), pause=pauses[5])
        self.owed = bench.record(dut.owed)

    def run(self):
        """Run, and compare everything that went out."""
        self.bench.run(1000 + 60 * (len(self.data) + len(self.bursts)))
        assert payloads(self.reports) == self.wanted
        real = [burst for burst, _ in self.bursts if burst["exists"]]
        assert payloads(self.memory.bursts) == [
            {"address": burst["address"], "length": burst["beats"], "qos": burst["qos"],
             "cache": burst["cache"]} for burst in real]  # fmt: skip
        beats = iter(self.data)
        expected = []
        for burst in real:
            for n in range(burst["beats"] + 1):
                first = burst["start"] if n == 0 else 0
                end = burst["end_count"] if n == burst["beats"] else self.width
                expected.append({"data": next(beats), "last": int(n == burst["beats"]),
                                 "strobe": (1 << end) - (1 << first)})  # fmt: skip
        assert payloads(self.memory.beats) == expected


@pytest.mark.parametrize("pauses", [
    (0.0,) * 6, (0.6, 0.0, 0.0, 0.0, 0.0, 0.0), (0.0, 0.6, 0.0, 0.0, 0.0, 0.9),
    (0.0, 0.0, 0.6, 0.0, 0.6, 0.0), (0.3,) * 6,
])  # fmt: skip
@pytest.mark.parametrize("width", WIDTHS)
def test_random_bursts(width, pauses):
    rng = random.Random(width)
    answers = {}

    def answer(address):
        return answers.setdefault(address, rng.choice((0, 0, 0, 0, 1, 2, 3)))

    bursts = random_bursts(rng, width, 50)
    # Answers are drawn before the simulation, so that its order is of no account.
    expected_reports(bursts, answer)
    Sending(width, bursts, answer=answer, pauses=pauses, outstanding=4, seed=width).run()


@pytest.mark.parametrize("refused", [(0,), (1,), (2,), (0, 2), (1, 2), ()])
def test_first_refusal_is_reported_and_none_after_the_job(refused):
    rng = random.Random(1)
    bursts = [burst for burst in random_bursts(rng, 8, 40) if burst[0]["exists"]][:6]
    for n, (burst, _) in enumerate(bursts):
        burst["last"] = int(n % 3 == 2)
    addresses = {bursts[n][0]["address"]: 3 - n % 2 for n in refused}
    sending = Sending(8, bursts, answer=lambda address: addresses.get(address, OKAY))
    sending.run()
    first, second = payloads(sending.reports)
    assert second == report()
    if refused:
        at = refused[0]
        assert first == report(fault=3 - at % 2, address=bursts[at][0]["address"])


def test_report_comes_after_the_last_acknowledgement():
    """However late it is; the report of a job without bursts does not pass those before it."""
    rng = random.Random(2)
    bursts = random_bursts(rng, 8, 30)
    sending = Sending(8, bursts, pauses=(0.0, 0.0, 0.8, 0.0, 0.0, 0.0), latency=20)
    sending.run()
    acks, reports, after = iter(cycles(sending.memory.acks)), iter(cycles(sending.reports)), 0
    for burst, _ in bursts:
        if burst["exists"]:
            after = next(acks)
        if burst["last"]:
            assert next(reports) > after


@pytest.mark.parametrize("outstanding", [2, 8])
def test_so_many_bursts_can_be_without_acknowledgement(outstanding):
    rng = random.Random(3)
    bursts = [burst for burst in random_bursts(rng, 8, 40) if burst[0]["exists"]]
    sending = Sending(8, bursts, outstanding=outstanding,
                      allowed=lambda: sending.bench.cycle > 200)  # fmt: skip
    sending.run()
    before = [cycle for cycle in cycles(sending.memory.bursts) if cycle <= 200]
    assert len(before) == outstanding


def test_a_beat_per_cycle():
    rng = random.Random(4)
    bursts = random_bursts(rng, 8, 40)
    bursts = [(burst, beats) for burst, beats in bursts if burst["exists"]]
    sending = Sending(8, bursts, outstanding=32)
    sending.run()
    at = sending.memory.beats[0].cycle
    assert cycles(sending.memory.beats) == list(range(at, at + len(sending.data)))


def test_owed_from_the_start_of_a_burst_to_its_acknowledgement():
    burst = {"address": 64, "beats": 1, "start": 0, "end_count": 8, "exists": 1, "last": 1,
             "qos": 0, "cache": 0}  # fmt: skip
    sending = Sending(8, [(burst, [bytes(8), bytes(8)])], latency=30)
    sending.run()
    owed = [cycle for cycle, (value,) in enumerate(sending.owed) if value]
    started, acknowledged = sending.memory.bursts[0].cycle, sending.memory.acks[0].cycle
    # The acknowledgement passes a queue.
    assert owed[0] in (started, started + 1)
    assert owed == list(range(owed[0], acknowledged + 2))


def test_an_address_that_is_not_taken_is_owed():
    """The watchdog has to see it, though the burst has not started."""
    burst = {"address": 64, "beats": 0, "start": 0, "end_count": 8, "exists": 1, "last": 1,
             "qos": 0, "cache": 0}  # fmt: skip
    dut = BurstSender(width=8, address_bits=40, outstanding=8, reports=4)
    bench = Bench(dut)
    bench.send(dut.bursts, [burst])

    async def look(ctx):
        await ctx.tick().repeat(5)
        assert ctx.get(dut.port.aw.valid)
        assert ctx.get(dut.owed)
        ctx.set(dut.port.aw.ready, 1)
        await ctx.tick()
        assert ctx.get(dut.owed)

    bench.add(look)
    bench.run(50)


def test_hold_starts_no_burst_and_lets_ends_of_jobs_pass():
    rng = random.Random(5)
    bursts = random_bursts(rng, 8, 30)
    # First ends of jobs only, then bursts, which have to wait.
    ends = [entry for entry in bursts if not entry[0]["exists"]][:3]
    real = [entry for entry in bursts if entry[0]["exists"]][:5]
    sending = Sending(8, ends + real)

    async def hold(ctx):
        ctx.set(sending.dut.hold, 1)
        await ctx.tick().repeat(60)
        ctx.set(sending.dut.hold, 0)

    sending.bench.add(hold)
    sending.run()
    assert all(cycle < 10 for cycle in cycles(sending.reports)[:3])
    assert all(cycle >= 60 for cycle in cycles(sending.memory.bursts))


def test_hold_in_the_middle_lets_what_was_started_end():
    """Whatever the cycle, bursts before it go out in whole, and none after it.

    But for one: an address that is on offer has to stay.
    """
    rng, offered = random.Random(6), set()
    bursts = [(burst, beats) for burst, beats in random_bursts(rng, 8, 24) if burst["exists"]]
    for at in range(3, 28, 2):
        sending = Sending(8, bursts, pauses=(0.5, 0.3, 0.3, 0.0, 0.3, 0.0), seed=at)
        memory, port = sending.memory, sending.dut.port
        addresses = sending.bench.record(port.aw.valid, port.aw.ready)

        async def hold(ctx, at=at, sending=sending, memory=memory):
            await ctx.tick().repeat(at)
            ctx.set(sending.dut.hold, 1)
            await ctx.tick().repeat(100)
            assert len(memory.acks) == len(memory.bursts) < len(sending.bursts)
            sizes = [burst["length"] + 1 for burst in payloads(memory.bursts)]
            assert sum(sizes) == len(memory.beats)
            assert not ctx.get(sending.dut.owed)
            ctx.set(sending.dut.hold, 0)

        sending.bench.add(hold)
        sending.run()
        on_offer = addresses[at] == (1, 0)
        offered.add(on_offer)
        meanwhile = [cycle for cycle in cycles(memory.bursts) if at < cycle < at + 100]
        assert len(meanwhile) == on_offer
    assert offered == {False, True}
