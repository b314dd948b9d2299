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
    settled, second, killed : :class:`bool`
        A plan is taken in this cycle; it is one to be done again; it is not to run.
    """

    slots: int
    shared: bool
    under_way: int = 0
    barrier: bool = False
    direction: int = 0
    slot: int = 0
    table: dict = field(default_factory=dict)
    settled: bool = False
    second: bool = False
    killed: bool = False

    def cycle(self, given: Inputs) -> dict:
        """Return what goes out in a cycle: payloads, and whether the inputs are taken."""
        out = {"empty": not self.under_way, "direction": self.direction}
        settles = self._settles(given)
        if given.again is not None:
            out["again"] = self.settled and self.second
        if given.plan is not None:
            out["i"] = not self.second and (self.settled or given.drop)
        if out.get("again"):
            out |= self._started(self.table[given.again], given.again, given)
        elif out.get("i") and not given.drop:
            out |= self._started(given.plan, self.slot, given)
            out["table"] = self.slot, given.plan
            self.table[self.slot] = given.plan
            self.slot = (self.slot + 1) % self.slots
            self.under_way += 1
            self.barrier = bool(given.plan["stop_on_error"] or given.plan["drain"])
            if self._runs(given.plan):
                self.direction = given.plan["offload"]
        if given.freed:
            self.under_way -= 1
        self.settled = settles
        if not settles:
            self.second = given.again is not None and not out["again"]
            self.killed = given.kill
        return out

    def _settles(self, given) -> bool:
        if self.settled:
            return False
        if self.second:
            return self._room(self.table[given.again], given)
        return given.plan is not None and not given.drop and self._room(
            given.plan, given) and self._may(given.plan)

    def _may(self, plan) -> bool:
        if not self.under_way:
            return True
        waits = plan["fence"] or plan["drain"] or self.barrier or (
            self.shared and self._runs(plan) and plan["offload"] != self.direction)
        return not waits and self.under_way < self.slots - 1

    def _runs(self, plan) -> bool:
        return bool(plan["runs"] and not self.killed)

    def _room(self, plan, given) -> bool:
        # What does not run needs nobody else.
        return given.ready >= set(OUTPUTS if self._runs(plan) else ["passes"])

    def _started(self, plan, slot, given) -> dict:
        runs, second = self._runs(plan), self.second
        status, error_code = plan["status"], plan["error_code"]
        if self.killed:
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
    if given.plan is not None:
        out["i"] = bool(ctx.get(dut.i.ready))
    if given.plan is None and given.again is None:
        assert "passes" not in out
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
    """Random inputs; one that was not taken stays, and so does who is ready until it is needed."""

    def __init__(self, rng: random.Random):
        self._rng = rng
        self._plan = self._again = None
        self._mood, self._ready = {}, set()

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
        self._ready -= out.keys()
        self._ready |= {name for name in OUTPUTS if rng.random() < mood["ready"]}
        return Inputs(
            self._plan, self._again, frozenset(self._ready), freed, mood["kill"],
            rng.choice((Status.ABORTED, Status.TIMEOUT)), mood["drop"])


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
def test_one_plan_in_two_cycles(slots):
    """And no more of them than slots, less one."""
    rng = random.Random(1)
    plain_plan = dict.fromkeys(SPECIAL, 0)

    def plans(model, out):
        late = len(taken) >= 2 * slots + 5
        taken.append(out)
        if not plan or out.get("i"):
            plan[:] = [random_plan(rng, **plain_plan)]
        return Inputs(plan[0], freed=late and len(taken) % 2 == 0)

    taken, plan = [], []
    log = check(slots, False, plans, 5 * slots + 20)
    starts = [cycle for cycle, (_, _, out) in enumerate(log) if out["i"]]
    assert starts[: slots - 1] == list(range(1, 2 * slots - 1, 2))
    # A plan for a slot is looked at in the cycle behind the one in which the slot becomes free.
    assert starts[slots - 1 :] == list(range(2 * slots + 7, len(log), 2))


@pytest.mark.parametrize("first", [
    {"drain": 1}, {"stop_on_error": 1}, {"stop_on_error": 1, "status": Status.RANGE},
    {"drain": 1, "status": Status.BAD_FLAGS}], ids=repr)
def test_barrier(first):
    """What is behind a barrier is looked at in the cycle behind the one in which it is complete."""
    rng, none = random.Random(2), dict.fromkeys(SPECIAL, 0)

    def plans(model, out):
        if out.get("i"):
            plan[:] = [random_plan(rng, **none)]
        log.append(out)
        return Inputs(plan[0], freed=len(log) == 21)

    log, plan = [], [random_plan(rng, **none | first)]
    taken = [cycle for cycle, (_, _, out) in enumerate(check(8, False, plans, 40)) if out["i"]]
    assert taken == [1, *range(22, 36, 2)]
