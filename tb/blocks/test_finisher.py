# SPDX-License-Identifier: Apache-2.0
"""The finisher: all there is to hear of a descriptor, and what its record says then."""

import random
from dataclasses import dataclass

import pytest
from plans import PlanTable, anything, random_plan
from streams import Bench, cycles, payloads

from opencdma.hw.bus.axi4 import Response
from opencdma.hw.codec.payloads import StatusWord
from opencdma.hw.dma.finisher import Finisher
from opencdma.hw.dma.jobs import MoverReport
from opencdma.spec import Config, ErrorCode, FormatId, Info, Status

PLAIN = Config(slots=4)
CONFIGS = {"crc": PLAIN, "verify": Config(slots=8, verify=True), "no crc": Config(crc=False)}
AGAIN = "again"

OK = {"fault": Response.OKAY, "cut": 0, "address": 0}


@dataclass
class Story:
    """A pass and what is reported of it; ``None`` where there is no report."""

    slot: int
    plan: dict
    runs: bool = True
    status: int = 0
    error_code: int = 0
    second: bool = False
    read: dict | None = None
    write: dict | None = None
    codec: dict | None = None
    check: dict | None = None
    crc: int | None = None
    check_crc: int | None = None

    @property
    def given(self):
        """The payload of the pass."""
        return {
            "slot": self.slot, "runs": int(self.runs), "status": self.status,
            "error_code": self.error_code, "second": int(self.second)}

    def outcome(self, *, kill=False, kill_status=0):
        """Return the record, or :data:`AGAIN`."""
        plan = self.plan
        record = dict.fromkeys((
            "error_code", "bytes_in", "bytes_out", "fault_addr", "crc32", "nonzeros"), 0)
        record |= {"tag": plan["tag"], "format_id": plan["named_format"]}
        record["info"] = Info.PHASE * plan["phase"]
        told = self._told(kill, kill_status)
        if told is AGAIN:
            return AGAIN
        told["info"] = told.get("info", 0) | record["info"]
        return record | told

    def _told(self, kill, kill_status):
        """Return what differs from a record in which nothing is said."""
        plan, codec = self.plan, self.codec
        if not self.runs:
            return {"status": self.status, "error_code": self.error_code}
        for name, report in (("WR", self.write), ("RD", self.read)):
            if report["fault"]:
                kind = "SLVERR" if report["fault"] == Response.SLVERR else "DECERR"
                return {"status": Status[f"{name}_{kind}"], "fault_addr": report["address"],
                        "info": Info.WRITE_FAULT if name == "WR" else 0}
        if self.read["cut"]:
            return {"status": kill_status}
        counts = {"bytes_in": 0 if plan["pattern"] else codec["bytes_in"],
                  "nonzeros": codec["nonzeros"] if plan["encodes"] else 0}
        if codec["status"] == Status.DATA_ERROR:
            return counts | {
                "status": Status.DATA_ERROR, "error_code": codec["error_code"],
                "bytes_out": codec["bytes_out"], "fault_addr": codec["position"],
                "info": Info.OUTPUT_VALID}
        if codec["status"] != Status.OK:
            return {"status": Status.INTERNAL}

        length, room, raw = codec["bytes_out"], plan["capacity"], plan["raw_length"]
        larger = plan["raw_if_larger"] and length >= raw
        counts["crc32"] = self.crc or 0
        wrong = ErrorCode.NONE
        if self.check_crc is not None and (
                self.check["status"] != Status.OK or self.check_crc != self.crc):
            wrong = ErrorCode.VERIFY
        if plan["check_crc"] and self.crc != plan["expected_crc"]:
            wrong = ErrorCode.CRC
        if wrong:
            written = length if plan["discard"] else min(length, plan["limit"])
            return counts | {
                "status": Status.DATA_ERROR, "error_code": wrong, "bytes_out": written}
        if larger and raw <= room and not self.second:
            return {"status": kill_status} if kill else AGAIN
        if length > room and not plan["discard"]:
            return counts | {"status": Status.DST_OVERFLOW, "bytes_out": raw if larger else length}
        if self.second:
            return counts | {
                "status": Status.OK_RAW, "bytes_out": length, "format_id": FormatId.RAW,
                "info": Info.OUTPUT_VALID | Info.STORED_RAW}
        return counts | {"status": Status.OK, "bytes_out": length,
                         "info": 0 if plan["discard"] else Info.OUTPUT_VALID}


def random_story(rng, config, slot):
    """Return a story in which anything may go wrong, but not too often."""
    rare = 0.07
    around = rng.choice((0, 0x1000, 0xDFFF_FFF0))
    raw, room, length = (around + rng.randrange(5) for _ in range(3))
    kind = rng.choice(("plain", "plain", "raw_if_larger", "raw_if_larger", "discard", "pattern"))
    plan = random_plan(
        rng, raw_length=raw, capacity=room, pattern=int(kind == "pattern"),
        discard=int(kind == "discard"), raw_if_larger=int(kind == "raw_if_larger"),
        encodes=int(kind != "pattern" and rng.random() < 0.8),
        limit={"discard": 0, "raw_if_larger": min(raw, room)}.get(kind, room),
        verify=int(config.verify and rng.random() < 0.5),
        check_crc=int(config.crc and rng.random() < 0.3))
    if rng.random() < 0.15:
        status = rng.choice((Status.OK, rng.randrange(0x10, 0x40)))
        return Story(slot, plan, runs=False, status=status, error_code=rng.randrange(10))
    second = kind == "raw_if_larger" and raw <= room and rng.random() < 0.4
    codec = anything(rng, StatusWord) | {
        "status": rng.choice((Status.INTERNAL, Status.BAD_LENGTH)) if rng.random() < rare
        else Status.DATA_ERROR if rng.random() < rare else Status.OK,
        "bytes_out": raw if second else length}
    story = Story(slot, plan, codec=codec, second=second)
    for name in ("read", "write"):
        report = anything(rng, MoverReport) | {
            "fault": rng.choice((Response.SLVERR, Response.DECERR)) if rng.random() < rare else 0,
            "cut": int(name == "read" and rng.random() < rare)}
        setattr(story, name, report)
    if config.crc:
        story.crc = rng.getrandbits(32)
        if rng.random() < 0.7:
            plan["expected_crc"] = story.crc
    if plan["verify"]:
        story.check = anything(rng, StatusWord) | {
            "status": Status.DATA_ERROR if rng.random() < rare else Status.OK}
        # One bit is enough.
        story.check_crc = story.crc ^ ((rng.random() < rare) << rng.randrange(32))
    return story


def offer(bench, table, stories, *, pause=0.0):
    """Offer the passes, each when its plan is in the table."""
    dut = bench.dut

    async def passes(ctx):
        for story in stories:
            while bench.rng.random() < pause:
                await ctx.tick()
            table.put(ctx, story.slot, story.plan)
            ctx.set(dut.passes.payload, story.given)
            ctx.set(dut.passes.valid, 1)
            await ctx.tick().until(dut.passes.ready)
            ctx.set(dut.passes.valid, 0)

    bench.add(passes)


def tell(bench, table, stories, *, pause=0.0):
    """Offer passes and reports."""
    dut = bench.dut
    offer(bench, table, stories, pause=pause)
    for name, port in (("read", dut.reads), ("write", dut.writes), ("codec", dut.statuses),
                       ("check", dut.checks), ("crc", dut.crcs), ("check_crc", dut.check_crcs)):
        reports = [getattr(story, name) for story in stories]
        bench.send(port, [report for report in reports if report is not None], pause=pause)


def hold(bench, **values):
    """Hold inputs of the device at values."""

    async def set_them(ctx):
        for name, value in values.items():
            ctx.set(getattr(bench.dut, name), value)

    bench.add(set_them)


def payload(story, record):
    """Return an outcome."""
    failed = int(record["status"] not in (Status.OK, Status.OK_RAW))
    recorded = story.plan["record_always"] or (failed and story.plan["record_on_error"])
    return {"slot": story.slot, "record": record, "failed": failed, "recorded": int(recorded)}


def check(config, stories, *, pause=0.0, kill=False, kill_status=0, seed=1):
    bench = Bench(Finisher(config), seed=seed)
    table = PlanTable(bench, config.slots)
    hold(bench, kill=kill, kill_status=kill_status)
    outcomes = [story.outcome(kill=kill, kill_status=kill_status) for story in stories]
    tell(bench, table, stories, pause=pause)
    again = bench.take(bench.dut.again, outcomes.count(AGAIN), pause=pause)
    told = bench.take(bench.dut.o, len(stories) - outcomes.count(AGAIN))
    bench.run(100 + 50 * len(stories))
    assert payloads(again) == [
        story.slot for story, outcome in zip(stories, outcomes, strict=True) if outcome is AGAIN]
    seen = iter(payloads(told))
    for story, outcome in zip(stories, outcomes, strict=True):
        if outcome is not AGAIN:
            assert next(seen) == payload(story, outcome), story
    return outcomes, again, told


def stories_for(config, count, seed):
    rng = random.Random(seed)
    return [random_story(rng, config, n % config.slots) for n in range(count)]


@pytest.mark.parametrize("pause", [0.0, 0.5])
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS.keys())
def test_random(config, pause):
    outcomes, *_ = check(config, stories_for(config, 250, 3), pause=pause)
    seen = {(item["status"], item["error_code"]) for item in outcomes if item is not AGAIN}
    wanted = {
        Status.OK, Status.OK_RAW, Status.DST_OVERFLOW, Status.INTERNAL, Status.RD_SLVERR,
        Status.RD_DECERR, Status.WR_SLVERR, Status.WR_DECERR}
    assert wanted <= {status for status, _ in seen}
    assert AGAIN in outcomes
    codes = [ErrorCode.CRC] * config.crc + [ErrorCode.VERIFY] * config.verify
    assert {(Status.DATA_ERROR, code) for code in codes} <= seen


def test_killed():
    """Nothing is done again, and what was cut ends as told."""
    stories = stories_for(PLAIN, 200, 4)
    outcomes, *_ = check(PLAIN, stories, pause=0.2, kill=True, kill_status=Status.ABORTED)
    would = [story.outcome(kill_status=Status.ABORTED) for story in stories]
    assert AGAIN in would
    assert AGAIN not in outcomes


def plain_story(slot=0, length=8, **changes):
    """Return a story of a descriptor that encodes."""
    plan = random_plan(random.Random(1), **dict.fromkeys(
        ("pattern", "discard", "raw_if_larger", "verify", "check_crc", "phase"), 0))
    plan |= {"raw_length": 8, "capacity": 8, "limit": 8, "encodes": 1} | changes
    codec = {"status": Status.OK, "bytes_out": length}
    codec = dict.fromkeys(("error_code", "bytes_in", "nonzeros", "position"), 0) | codec
    return Story(slot, plan, codec=codec, read=OK, write=OK, crc=5)


def test_cycles_for_a_descriptor():
    """Three if nothing is to be heard of it, else six."""
    rng = random.Random(6)
    stories, expected = [], []
    for n in range(20):
        story = plain_story(n % 4)
        if rng.random() < 0.5:
            story = Story(n % 4, story.plan, runs=False, status=Status.RANGE)
        stories.append(story)
        expected.append((expected[-1] if expected else -1) + (6 if story.runs else 3))
    _, _, told = check(PLAIN, stories)
    assert cycles(told) == expected


@pytest.mark.parametrize("late", ["reads", "writes", "statuses", "crcs", "checks", "check_crcs"])
def test_waits_for_everyone(late):
    """And takes what they say all at once, but all except the last word three cycles late."""
    story = plain_story(verify=1)
    story.check, story.check_crc = story.codec, story.crc
    bench = Bench(Finisher(CONFIGS["verify"]))
    dut = bench.dut
    table = PlanTable(bench, 8)

    offer(bench, table, [story])
    taken = {}
    for name, report in (("reads", OK), ("writes", OK), ("statuses", story.codec), ("crcs", 5),
                         ("checks", story.codec), ("check_crcs", 5)):
        allowed = (lambda: bench.cycle >= 30) if name == late else None
        taken[name] = bench.send(getattr(dut, name), [report], allowed=allowed)
    told = bench.take(dut.o, 1)
    bench.run(100)
    at = 30 if late == "writes" else 33
    assert {item.cycle for log in taken.values() for item in log} == {at}
    assert cycles(told) == [at + 1]


def test_kill_comes_while_again_waits():
    bench = Bench(Finisher(PLAIN))
    dut = bench.dut
    table = PlanTable(bench, 4)
    story = plain_story(2, raw_if_larger=1)
    tell(bench, table, [story])

    async def kill(ctx):
        await ctx.tick().until(dut.again.valid)
        await ctx.tick().repeat(3)
        assert ctx.get(dut.again.valid)
        assert not ctx.get(dut.o.valid)
        ctx.set(dut.kill_status, Status.ABORTED)
        ctx.set(dut.kill, 1)
        assert not ctx.get(dut.again.valid)

    bench.add(kill)
    told = bench.take(dut.o, 1)
    bench.run(100)
    assert payloads(told) == [payload(
        story, story.outcome(kill=True, kill_status=Status.ABORTED))]


@pytest.mark.parametrize("provoke", [False, True])
def test_provoked(provoke):
    """Tags that make a self-check fail, in a build for tests only."""
    stories = []
    for slot, (tag, verify) in enumerate((
            (0xFFFF_FFFF, 0), (0xFFFF_FFFE, 1), (0xFFFF_FFFE, 0), (0xFFFF_FFFF, 1), (5, 1))):
        story = plain_story(slot, tag=tag, verify=verify)
        if verify:
            story.check, story.check_crc = story.codec, story.crc
        stories.append(story)
    config = CONFIGS["verify"].with_changes(provoke=provoke)
    bench = Bench(Finisher(config))
    tell(bench, PlanTable(bench, config.slots), stories)
    told = bench.take(bench.dut.o, len(stories))
    bench.run(200)
    seen = [item["record"]["status"] for item in payloads(told)]
    good, data_error, internal = Status.OK, Status.DATA_ERROR, Status.INTERNAL
    assert seen == ([internal, data_error, good, internal, good] if provoke else 5 * [good])
    codes = [item["record"]["error_code"] for item in payloads(told)]
    assert codes == [0, ErrorCode.VERIFY * provoke, 0, 0, 0]


@pytest.mark.parametrize("missing", ["reads", "writes", "statuses", "crcs"])
def test_latched(missing):
    """Whoever has not been heard is not waited for; what did not run ends as it would have."""
    bench = Bench(Finisher(PLAIN))
    dut = bench.dut
    table = PlanTable(bench, 4)
    running = [plain_story(n, raw_if_larger=n % 2) for n in range(3)]
    flushed = Story(3, running[0].plan, runs=False, status=Status.FLUSHED)
    passes = [running[0], flushed, *running[1:]]

    async def latch(ctx):
        for name, report in (("reads", OK), ("writes", OK), ("statuses", running[0].codec),
                             ("crcs", 5)):
            ctx.set(getattr(dut, name).payload, report)
            ctx.set(getattr(dut, name).valid, name != missing)
        await ctx.tick().repeat(20)
        assert len(told) == 0
        ctx.set(dut.kill_status, Status.TIMEOUT)
        ctx.set(dut.kill, 1)
        ctx.set(dut.latched, 1)

    offer(bench, table, passes)
    bench.add(latch)
    told = bench.take(dut.o, 4)
    bench.run(100)
    assert cycles(told) == [21, 24, 27, 30]
    empty = dict.fromkeys((
        "error_code", "info", "bytes_in", "bytes_out", "fault_addr", "crc32", "nonzeros"), 0)
    for story, item in zip(passes, payloads(told), strict=True):
        status = Status.TIMEOUT if story.runs else Status.FLUSHED
        assert item["slot"] == story.slot
        assert item["record"] | empty | {"status": status} == item["record"]
