# SPDX-License-Identifier: Apache-2.0
"""The completer: records in two writes, everything in order, whatever the memory does."""

import random
from dataclasses import dataclass

import pytest
from plans import PlanTable, anything, random_plan
from streams import Bench, Item, cycles, payloads

from opencdma.hw.bus.axi4 import Response
from opencdma.hw.dma.completer import Completer
from opencdma.hw.dma.words import RecordLayout
from opencdma.spec import Config, Record, Status

KEPT = ("irq", "stop_on_error", "direct", "index", "record_lost", "completion_addr")


def config_for(width, slots):
    return Config(dev_width=max(width, 32), host_width=width, slots=slots, address_bits=48) \
        if width > 8 else Config(dev_width=8, host_width=8, slots=slots, address_bits=48)


@dataclass
class Descriptor:
    """A descriptor that is under way, and how the memory answers to the writes of its record."""

    number: int
    slot: int
    plan: dict
    record: dict
    answers: tuple[int, int]

    @property
    def failed(self):
        return self.record["status"] not in (Status.OK, Status.OK_RAW)

    @property
    def outcome(self):
        """The payload of its outcome."""
        return {"slot": self.slot, "record": self.record, "failed": int(self.failed),
                "recorded": int(self.writes > 0)}

    @property
    def writes(self):
        """How many writes its record takes."""
        wanted = self.plan["record_always"] or (self.failed and self.plan["record_on_error"])
        return wanted * (1 if self.answers[0] >= Response.SLVERR else 2)

    @property
    def refused(self):
        return any(answer >= Response.SLVERR for answer in self.answers[: self.writes])

    @property
    def retired(self):
        """What is said when its outcome is visible."""
        return {name: self.plan[name] for name in KEPT} | {
            "record": self.record, "failed": int(self.failed),
            "record_refused": int(self.refused),
            "halts": int(self.refused or self.plan["record_lost"]
                         or (self.failed and self.plan["stop_on_error"]))}

    def bursts(self, width):
        """Return the bursts of its record: address, and beats of bytes, ``None`` not written."""
        content = Record(**self.record).pack()
        start, offset = self.plan["completion_addr"], self.plan["completion_addr"] % width
        around = [None] * offset, [None] * (max(width, 32) - offset - 32)
        body = [*around[0], *[None] * 4, *content[4:], *around[1]]
        seal = [*around[0], *content[:4], *[None] * 28, *around[1]]
        beats = [body[at : at + width] for at in range(0, len(body), width)]
        return [(start - offset, beats), (start - offset, [seal[:width]])][: self.writes]


def descriptors(config, count, seed, *, refuses=0.1, records=0.8):
    rng = random.Random(seed)
    made = []
    for number in range(count):
        record = anything(rng, RecordLayout)
        record["status"] = rng.choice((Status.OK, Status.OK_RAW, rng.randrange(3, 0x40), 0x81))
        wanted = rng.random() < records
        address = rng.getrandbits(32) << 16 | number * 32 # which tells them apart
        plan = random_plan(
            rng, completion_addr=address, record_always=int(wanted and rng.random() < 0.7),
            record_on_error=int(wanted), index=number)
        answers = tuple(
            rng.choice((Response.SLVERR, Response.DECERR)) if rng.random() < refuses
            else Response.OKAY for _ in range(2))
        made.append(Descriptor(number, number % config.slots, plan, record, answers))
    return made


class Surroundings:
    """Scheduler and finisher on one side, a memory on the other; all of it with pauses.

    Parameters
    ----------
    config : :class:`~opencdma.spec.Config`
        The build.
    todo : list of :class:`Descriptor`
        Descriptors in their order.
    pause : :class:`float`
        Probability of a pause, wherever there can be one.
    latency : :class:`int`
        Cycles from the end of a write to its acknowledgement, at least.
    """

    def __init__(self, config, todo, *, pause=0.0, latency=1, seed=1):
        self.config, self.todo = config, todo
        self.bench = bench = Bench(Completer(config), seed=seed)
        self.dut, self._pause, self._latency = bench.dut, pause, latency
        self._table = PlanTable(bench, config.slots)
        self.by_address = {item.plan["completion_addr"] // 32 * 32: item for item in todo}
        self.given = {} # number of a descriptor to the cycle in which its outcome came
        bursts = sum(item.writes for item in todo)
        beats = sum(len(beats) for item in todo for _, beats in item.bursts(config.host_width))
        self.aw = bench.take(self.dut.port.aw, bursts, pause=pause)
        self.w = bench.take(self.dut.port.w, beats, pause=pause)
        self.b = []
        self.retired = bench.take(self.dut.retired, len(todo))
        bench.add(self._outcomes)
        bench.add(self._acknowledge, background=True)
        self.outputs = bench.record(self.dut.result, self.dut.owed, self.dut.port.aw.valid)

    async def _outcomes(self, ctx):
        rng, port, started, waiting = self.bench.rng, self.dut.i, 0, []
        while len(self.given) < len(self.todo):
            # One slot is never in use.
            while (started < len(self.todo)
                   and started - len(self.retired) < self.config.slots - 1):
                self._table.put(ctx, self.todo[started].slot, self.todo[started].plan)
                waiting.append(self.todo[started])
                started += 1
            ctx.set(port.valid, 0)
            if waiting and rng.random() >= self._pause:
                item = waiting.pop(rng.randrange(min(3, len(waiting))) if self._pause else 0)
                ctx.set(port.payload, item.outcome)
                ctx.set(port.valid, 1)
                self.given[item.number] = self.bench.cycle
            await ctx.tick()
        ctx.set(port.valid, 0)

    async def _acknowledge(self, ctx):
        rng, port, due = self.bench.rng, self.dut.port.b, []
        writes = {} # so far, of each record
        while True:
            await ctx.tick()
            complete = min(len(self.aw), sum(item.payload["last"] for item in self.w))
            while len(self.b) + len(due) < complete:
                due.append(self.bench.cycle + self._latency - 1)
            ctx.set(port.valid, 0)
            if due and due[0] <= self.bench.cycle and rng.random() >= self._pause:
                due.pop(0)
                item = self._whose(len(self.b))
                answer = item.answers[writes.get(item.number, 0)]
                writes[item.number] = writes.get(item.number, 0) + 1
                ctx.set(port.payload, answer)
                ctx.set(port.valid, 1)
                self.b.append(Item(self.bench.cycle, answer))

    def _whose(self, burst):
        """Return whose record a burst belongs to: in wide beats the strobes tell."""
        address = self.aw[burst].payload["address"]
        ends = [n for n, item in enumerate(self.w) if item.payload["last"]]
        place = 32 * ((self.w[ends[burst]].payload["strobe"] >> 32) != 0)
        return self.by_address[address + place]

    def run(self):
        self.bench.run(1000 + 200 * len(self.todo))
        self._check_writes()
        self._check_retired()
        self._check_outputs()

    def _check_writes(self):
        width, beats = self.config.host_width, iter(self.w)
        seen = {item.number: [] for item in self.todo} # first and last cycles of its writes
        order = {0: [], 1: []}
        for number, (burst, answer) in enumerate(zip(self.aw, self.b, strict=True)):
            item = self._whose(number)
            address, wanted = item.bursts(width)[len(seen[item.number])]
            assert burst.payload == {
                "address": address, "length": len(wanted) - 1, "qos": 0, "cache": 0b0011}
            for n, bytes_written in enumerate(wanted):
                beat = next(beats).payload
                strobed = [
                    value if beat["strobe"] >> n & 1 else None
                    for n, value in enumerate(beat["data"])]
                assert strobed == bytes_written
                assert beat["last"] == (n == len(wanted) - 1)
            order[len(seen[item.number])].append(item.number)
            seen[item.number].append((burst.cycle, answer.cycle))
        for item in self.todo:
            assert len(seen[item.number]) == item.writes
            if item.writes:
                assert seen[item.number][0][0] > self.given[item.number]
            if item.writes == 2: # the status comes when all else was acknowledged
                assert seen[item.number][1][0] > seen[item.number][0][1]
        for numbers in order.values():
            assert numbers == sorted(numbers)
        self.seen = seen

    def _check_retired(self):
        assert payloads(self.retired) == [item.retired for item in self.todo]
        for item, retired in zip(self.todo, self.retired, strict=True):
            assert retired.cycle > self.given[item.number]
            for _, acknowledged in self.seen[item.number]:
                assert retired.cycle > acknowledged

    def _check_outputs(self):
        """The record that can be read is that of the last; writes without answer are owed."""
        retired, begun, done, valid_before = 0, 0, 0, 0
        for cycle, (result, owed, valid) in enumerate(self.outputs):
            while retired < len(self.retired) and self.retired[retired].cycle < cycle - 1:
                retired += 1
            record = self.retired[retired - 1].payload["record"] if retired else dict.fromkeys(
                result, 0)
            assert result == record
            begun += valid and not valid_before
            valid_before = valid and self.aw[begun - 1].cycle != cycle
            assert owed == (begun > done)
            done += done < len(self.b) and self.b[done].cycle == cycle


WIDTHS = [8, 16, 32, 64]


@pytest.mark.parametrize("slots", [2, 16])
@pytest.mark.parametrize("width", WIDTHS)
def test_random(width, slots):
    config = config_for(width, slots)
    todo = descriptors(config, 60, width + slots)
    Surroundings(config, todo, pause=0.3, latency=4, seed=slots).run()


@pytest.mark.parametrize("width", WIDTHS)
def test_two_cycles_and_the_beats(width):
    """For a body, a status, and to retire, when the memory is quick."""
    config = config_for(width, 16)
    todo = descriptors(config, 40, 3, refuses=0)
    for item in todo:
        item.plan["record_always"] = item.plan["record_on_error"] = 1
    bench = Surroundings(config, todo)
    bench.run()
    taken = bench.retired[-1].cycle - bench.retired[19].cycle
    assert taken <= 20 * (2 + max(1, 32 // width) + 2 + 1 + 2)


def test_two_cycles_each_without_records():
    config = config_for(32, 16)
    todo = descriptors(config, 40, 4, records=0)
    bench = Surroundings(config, todo)
    bench.run()
    taken = bench.retired[-1].cycle - bench.retired[19].cycle
    assert taken <= 20 * 6


def test_many_records_under_way():
    """The latency of the memory is waited for twice per round of the slots, not per record."""
    config, latency = config_for(32, 16), 150
    todo = descriptors(config, 60, 5, refuses=0, records=1)
    for item in todo:
        item.plan["record_always"] = 1
    bench = Surroundings(config, todo, latency=latency)
    bench.run()
    assert bench.retired[-1].cycle < (60 / 15 + 1) * (2 * latency + 15 * 8)


@pytest.mark.parametrize("silent_at", [0, 40, 41, 42, 43, 44, 45])
def test_silent(silent_at):
    """No write is begun, those under way are finished, and everything is retired all the same."""
    config = config_for(32, 8)
    todo = descriptors(config, 30, 6, refuses=0)
    bench = Bench(Completer(config))
    dut, table = bench.dut, PlanTable(bench, 8)
    starts, answers = [], []

    async def silence(ctx):
        await ctx.tick().repeat(silent_at) if silent_at else None
        ctx.set(dut.silent, 1)

    async def outcomes(ctx):
        for item in todo:
            while item.number - len(retired) >= 7:
                await ctx.tick()
            table.put(ctx, item.slot, item.plan)
            ctx.set(dut.i.payload, item.outcome)
            ctx.set(dut.i.valid, 1)
            await ctx.tick()
            ctx.set(dut.i.valid, 0)

    async def memory(ctx):
        ctx.set(dut.port.aw.ready, 1)
        ctx.set(dut.port.w.ready, 1)
        due = []
        while True:
            at = bench.cycle
            _, _, valid = await ctx.tick().sample(dut.port.aw.valid)
            if valid:
                starts.append(at)
                due.append(at + 5)
            ctx.set(dut.port.b.valid, bool(due) and due[0] <= bench.cycle)
            if due and due[0] <= bench.cycle:
                answers.append(due.pop(0))

    bench.add(silence)
    bench.add(outcomes)
    bench.add(memory, background=True)
    retired = bench.take(dut.retired, len(todo))
    bench.run(2000)
    assert payloads(retired) == [item.retired for item in todo]
    assert cycles(retired) == sorted(cycles(retired))
    assert len(answers) == len(starts)
    assert not starts or max(starts) <= silent_at
    assert (len(starts) > 0) == (silent_at > 0)
