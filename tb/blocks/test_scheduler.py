# SPDX-License-Identifier: Apache-2.0
"""The scheduler, cycle by cycle against a model of its rules."""

import random
from dataclasses import dataclass, field

import pytest
from plans import random_plan
from streams import Bench, plain

from opencdma.hw.dma.scheduler import Scheduler
from opencdma.spec import Direction, ErrorCode, FormatId, Status

SPECIAL = ("fence", "drain", "stop_on_error")
OUTPUTS = ("reads", "writes", "commands", "checks", "passes")


@dataclass
class Inputs:
    """What comes in in a cycle; ``None`` where nothing does."""

    plan: dict | None = None
    again: int | None = None
    ready: frozenset = frozenset(OUTPUTS)
    freed: bool = False
    kill: bool = False
    kill_status: int = 0
    drop: bool = False


@dataclass
class Model:
    """The rules, without a clock.

    Parameters
    ----------
    slots, shared
        As of the device.
    under_way : :class:`int`
        Slots that are in use.
    barrier : :class:`bool`
        What was started last lets nothing follow before it is complete.
    direction, slot : :class:`int`
        Direction of the data that were started last, and the next slot.
    table : :class:`dict`
        Plans by their slots.
    """

    slots: int
    shared: bool
    under_way: int = 0
    barrier: bool = False
    direction: int = 0
    slot: int = 0
    table: dict = field(default_factory=dict)

    def cycle(self, given: Inputs) -> dict:
        """Return what goes out in a cycle: payloads, and whether the inputs are taken."""
        out = {"empty": not self.under_way, "direction": self.direction}
        if given.again is not None:
            plan = self.table[given.again]
            out["again"] = self._room(plan, given)
            if out["again"]:
                out |= self._started(plan, given.again, given, second=True)
        elif given.plan is not None:
            slot = self.slot
            out["i"] = given.drop or (
                self._room(given.plan, given) and self._may(given.plan, given))
            if out["i"] and not given.drop:
                out |= self._started(given.plan, slot, given, second=False)
                out["table"] = slot, given.plan
                self.table[slot] = given.plan
                self.slot = (slot + 1) % self.slots
                self.under_way += 1
                self.barrier = bool(given.plan["stop_on_error"] or given.plan["drain"])
                if self._runs(given.plan, given):
                    self.direction = given.plan["offload"]
        if given.freed:
            self.under_way -= 1
        return out

    def _may(self, plan, given) -> bool:
        if not self.under_way:
            return True
        waits = plan["fence"] or plan["drain"] or self.barrier or (
            self.shared and self._runs(plan, given) and plan["offload"] != self.direction)
        return not waits and self.under_way < self.slots - 1

    def _runs(self, plan, given) -> bool:
        return bool(plan["runs"] and not given.kill)

    def _room(self, plan, given) -> bool:
        # What does not run needs nobody else.
        return given.ready >= set(OUTPUTS if self._runs(plan, given) else ["passes"])

    def _started(self, plan, slot, given, *, second) -> dict:
        runs = self._runs(plan, given)
        status, error_code = plan["status"], plan["error_code"]
        if given.kill:
            status = given.kill_status if second else Status.FLUSHED
            error_code = ErrorCode.NONE
        out = {"passes": {"slot": slot, "runs": int(runs), "second": int(second)}}
        if not runs:
            out["passes"] |= {"status": status, "error_code": error_code}
            return out
        command = {
            "format_id": FormatId.RAW if second else plan["format_id"],
            "element_type": plan["element_type"], "reserved": 0,
            "direction": Direction.COMPRESS if plan["offload"] else Direction.DECOMPRESS,
            "raw_length": plan["raw_length"],
        }
        bus = {"qos": plan["qos"], "cache": plan["cache"]}
        out |= {
            "commands": command,
            "reads": {"extent": plan["source"], "total": plan["source_length"],
                      "pattern": plan["pattern"], **bus},
            "writes": {"extent": plan["destination"], "limit": plan["limit"], **bus},
        }
        if plan["verify"]:
            out["checks"] = command | {"direction": Direction.DECOMPRESS}
        return out


def drive(ctx, dut, given, model):
    """Set the inputs."""
    ctx.set(dut.i.valid, given.plan is not None)
    if given.plan is not None:
        ctx.set(dut.i.payload, given.plan)
    ctx.set(dut.again.valid, given.again is not None)
    if given.again is not None:
        ctx.set(dut.again.payload, given.again)
        ctx.set(dut.again_plan, model.table[given.again])
    for name in OUTPUTS:
        ctx.set(getattr(dut, name).ready, name in given.ready)
    ctx.set(dut.freed, given.freed)
    ctx.set(dut.kill, given.kill)
    ctx.set(dut.kill_status, given.kill_status)
    ctx.set(dut.drop, given.drop)


def observed(ctx, dut, given):
    """Return what goes out, in the words of the model."""
    out = {"empty": bool(ctx.get(dut.empty)), "direction": ctx.get(dut.direction)}
    for name in OUTPUTS:
        port = getattr(dut, name)
        if ctx.get(port.valid) and name in given.ready:
            out[name] = plain(ctx.get(port.payload))
    if "passes" in out and out["passes"]["runs"]:
        del out["passes"]["status"], out["passes"]["error_code"] # not known yet
    if given.again is not None:
        out["again"] = bool(ctx.get(dut.again.ready))
    elif given.plan is not None:
        out["i"] = bool(ctx.get(dut.i.ready))
    else:
        assert "passes" not in out
    if given.again is not None:
        assert not ctx.get(dut.i.ready)
    if ctx.get(dut.table_en):
        out["table"] = ctx.get(dut.table_slot), plain(ctx.get(dut.table_plan))
    return out


def check(slots, shared, stimulus, cycles):
    """Compare with the model in every cycle; ``stimulus`` makes inputs from model and outputs."""
    dut, model = Scheduler(slots=slots, shared=shared), Model(slots, shared)
    bench, log = Bench(dut), []

    async def compare(ctx):
        out = {}
        for _ in range(cycles):
            given = stimulus(model, out)
            drive(ctx, dut, given, model)
            seen = observed(ctx, dut, given)
            under_way = model.under_way
            out = model.cycle(given)
            assert seen == out, f"cycle {bench.cycle}: {given}"
            log.append((under_way, given, out))
            await ctx.tick()

    bench.add(compare)
    bench.run(cycles + 1)
    return log


class Traffic:
    """Random inputs; an input that was not taken stays."""

    def __init__(self, rng: random.Random):
        self._rng = rng
        self._plan = self._again = None
        self._mood = {}

    def __call__(self, model: Model, out: dict) -> Inputs:
        rng = self._rng
        if not self._mood or rng.random() < 0.03:
            self._mood = {
                "plans": rng.choice((0.3, 1.0)), "ready": rng.choice((0.7, 0.95, 1.0)),
                "freed": rng.choice((0.0, 0.05, 0.3, 0.9)), "again": rng.choice((0.0, 0.3)),
                "offload": rng.choice((0.0, 0.0, 0.5, 1.0, 1.0)),
                "kill": rng.random() < 0.25, "drop": rng.random() < 0.2}
        mood = self._mood
        if out.get("i"):
            self._plan = None
        if out.get("again"):
            self._again = None
        if self._plan is None and rng.random() < mood["plans"]:
            # With many slots, waiting for all of them has to be rare.
            self._plan = random_plan(
                rng, offload=int(rng.random() < mood["offload"]),
                **{name: int(rng.random() < 0.4 / model.slots) for name in SPECIAL})
        if self._again is None and model.under_way and rng.random() < mood["again"]:
            self._again = (model.slot - rng.randrange(model.under_way) - 1) % model.slots
        # The slot of what is done again is in use until it is done.
        freed = model.under_way > (self._again is not None) and rng.random() < mood["freed"]
        if freed and self._again == (model.slot - model.under_way) % model.slots:
            freed = False
        return Inputs(
            self._plan, self._again, frozenset(
                name for name in OUTPUTS if rng.random() < mood["ready"]),
            freed, mood["kill"], rng.choice((Status.ABORTED, Status.TIMEOUT)), mood["drop"])


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("slots", [2, 4, 8])
def test_random(slots, shared):
    log = check(slots, shared, Traffic(random.Random(slots)), 1300)
    # Everything there is has happened.
    started = [(under_way, given) for under_way, given, out in log if "table" in out]
    if not shared:
        assert {under_way for under_way, _ in started} == set(range(slots - 1))
    for name in (*SPECIAL, "verify", "offload"):
        assert {given.plan[name] for _, given in started} == {0, 1}
    assert {given.kill for _, given in started} == {False, True}
    assert any(given.kill and out.get("again") for _, given, out in log)
    assert any(given.drop and out.get("i") for _, given, out in log)


@pytest.mark.parametrize("slots", [4, 64])
def test_one_plan_per_cycle(slots):
    """And no more of them than slots, less one."""
    rng = random.Random(1)
    plain_plan = dict.fromkeys(SPECIAL, 0)

    def plans(model, out):
        late = len(taken) >= slots + 5
        taken.append(out)
        return Inputs(random_plan(rng, **plain_plan), freed=late)

    taken = []
    log = check(slots, False, plans, 3 * slots + 20)
    starts = [cycle for cycle, (_, _, out) in enumerate(log) if out["i"]]
    assert starts[: slots - 1] == list(range(slots - 1))
    # A slot can be used again in the cycle behind the one in which it becomes free.
    assert starts[slots - 1 :] == list(range(slots + 6, len(log)))


@pytest.mark.parametrize("first", [
    {"drain": 1}, {"stop_on_error": 1}, {"stop_on_error": 1, "status": Status.RANGE},
    {"drain": 1, "status": Status.BAD_FLAGS}], ids=repr)
def test_barrier(first):
    """What is behind a barrier starts in the cycle behind the one in which it is complete."""
    rng, none = random.Random(2), dict.fromkeys(SPECIAL, 0)

    def plans(model, out):
        cycle = len(log)
        log.append(out)
        return Inputs(random_plan(rng, **none | (first if cycle == 0 else {})), freed=cycle == 20)

    log = []
    taken = [cycle for cycle, (_, _, out) in enumerate(check(8, False, plans, 30)) if out["i"]]
    assert taken == [0, *range(21, 28)]
