# SPDX-License-Identifier: Apache-2.0
"""The control of a channel: when it halts, aborts, resets and goes on."""

import random

import pytest
from controls import CAUSES, HEAD, NOTHING, OUTPUTS, Channel, retired

from opencdma.spec import Status

every_cause = pytest.mark.parametrize("cause", CAUSES.values(), ids=CAUSES.keys())


@every_cause
def test_halts_and_goes_on(cause):
    """Nothing new, all finished, then the halt; RESUME goes on at HEAD."""
    channel = Channel()

    async def scenario(ctx):
        cycle, dut = channel.cycle, channel.dut
        for _ in range(2): # the second time as the first
            assert channel.error(ctx) == NOTHING
            assert await cycle(ctx, idle=0) == set()
            assert channel.status(ctx) == set()
            assert await cycle(ctx, **cause.inputs) == set()
            wanted = {"stop"} | ({"drop"} if cause.drops else set())
            wanted |= {"kill"} if cause.kills else set()
            aborting = {"aborting"} if cause.kills else set()
            for _ in range(5):
                assert channel.error(ctx) == cause.error
                assert channel.status(ctx) == aborting
                if cause.kills:
                    assert ctx.get(dut.kill_status) == cause.kills
                assert await cycle(ctx) == wanted
            assert await cycle(ctx, idle=1) == wanted | {"alarm"}
            for _ in range(5):
                assert channel.status(ctx) == {"halted", "idle"}
                assert channel.error(ctx) == cause.error
                assert await cycle(ctx) == {"stop"}
            if cause.stays:
                inputs = {name: 0 for name in cause.inputs if not name.startswith("fetch_a")}
                assert await cycle(ctx, ring_error=0) == {"stop"}
                # A descriptor that could not be read is forgotten with RESUME.
                assert await cycle(ctx, commands={"resume": 1}) == {"stop"}
                assert await cycle(ctx) == {"stop", "rewind"}
                channel.set(ctx, **inputs)
            else:
                assert await cycle(ctx, commands={"resume": 1}) == {"stop"}
                assert await cycle(ctx) == {"stop", "rewind"}
            assert channel.status(ctx) == {"idle"}

    channel.run(scenario)


@every_cause
def test_idle_channel(cause):
    """It halts in the next cycle."""
    channel = Channel()

    async def scenario(ctx):
        assert channel.status(ctx) == {"idle"}
        channel.set(ctx, **cause.inputs)
        assert channel.status(ctx) == set()
        assert await channel.cycle(ctx, **cause.inputs) == set()
        assert "alarm" in await channel.cycle(ctx)
        assert channel.status(ctx) == {"halted", "idle"}

    channel.run(scenario)


def test_what_is_no_cause():
    channel, rng = Channel(), random.Random(2)

    async def scenario(ctx):
        harmless = [{}, {"stop_on_error": 1}, {"failed": 1}, {"direct": 1}]
        for changes in harmless:
            assert await channel.cycle(ctx, retired=retired(rng, **changes)) == set()
            assert await channel.cycle(ctx) == set()
        channel.set(ctx, retired=CAUSES["stop on error"].inputs["retired"])
        ctx.set(channel.dut.retired.valid, 0)
        await ctx.tick()
        assert channel.error(ctx) == NOTHING
        assert channel.status(ctx) == {"idle"}

    channel.run(scenario)


@every_cause
@pytest.mark.parametrize("idle", [0, 1])
def test_first_error_stays(cause, idle):
    channel = Channel()

    async def scenario(ctx):
        await channel.cycle(ctx, idle=idle, **cause.inputs)
        for other in CAUSES.values():
            await channel.cycle(ctx, **other.inputs)
            assert channel.error(ctx) == cause.error
            assert "rewind" not in await channel.cycle(ctx)

    channel.run(scenario)


def test_one_interrupt_per_halt():
    """Whatever happens to a channel that has halted."""
    channel = Channel()

    async def scenario(ctx):
        assert await channel.cycle(ctx, **CAUSES["record lost"].inputs) == set()
        assert await channel.cycle(ctx) == {"stop", "alarm"}
        for other in CAUSES.values():
            for _ in range(3):
                assert "alarm" not in await channel.cycle(ctx, **other.inputs)

    channel.run(scenario)


def test_resume():
    """Without an error it is nothing; before the halt it counts all the same."""
    channel, cause = Channel(), CAUSES["record lost"]

    async def scenario(ctx):
        cycle = channel.cycle
        assert await cycle(ctx, commands={"resume": 1}) == set()
        assert await cycle(ctx) == set()
        await cycle(ctx, idle=0, **cause.inputs)
        for _ in range(3):
            assert await cycle(ctx) == {"stop"}
        assert await cycle(ctx, idle=1) == {"stop", "alarm"}
        for _ in range(3):
            assert await cycle(ctx) == {"stop"}
        await cycle(ctx, commands={"resume": 1})
        assert await cycle(ctx) == {"stop", "rewind"}

        await cycle(ctx, idle=0, **cause.inputs)
        assert await cycle(ctx, commands={"resume": 1}) == {"stop"}
        assert await cycle(ctx) == {"stop"}
        assert await cycle(ctx, idle=1) == {"stop", "alarm"}
        assert await cycle(ctx) == {"stop", "rewind"}
        assert await cycle(ctx) == set()
        assert channel.error(ctx) == NOTHING

    channel.run(scenario)


def test_abort_outlasts_an_earlier_resume():
    """The channel halts and stays so: software that aborts waits for that."""
    channel = Channel()

    async def scenario(ctx):
        cycle = channel.cycle
        await cycle(ctx, idle=0, **CAUSES["record lost"].inputs)
        await cycle(ctx, commands={"resume": 1})
        await cycle(ctx)
        await cycle(ctx, commands={"abort": 1})
        assert await cycle(ctx) == {"stop", "kill"}
        assert "alarm" in await cycle(ctx, idle=1)
        for _ in range(5):
            assert await cycle(ctx) == {"stop"}
            assert "halted" in channel.status(ctx)

    channel.run(scenario)


@pytest.mark.parametrize("then", ["abort", "expired"])
def test_what_is_dropped_is_dropped_to_the_end(then):
    """Else HEAD would count some of those behind the failing descriptor, but not the first."""
    channel = Channel()

    async def scenario(ctx):
        cycle = channel.cycle
        await cycle(ctx, idle=0, owed=1, **CAUSES["stop on error"].inputs)
        assert await cycle(ctx) == {"stop", "drop"}
        inputs = {"expired": 1} if then == "expired" else {"commands": {then: 1}}
        assert await cycle(ctx, **inputs) - {"alarm"} == {"stop", "drop"}
        for _ in range(3):
            assert {"stop", "drop", "kill"} <= await cycle(ctx)

    channel.run(scenario)


def test_nothing_is_dropped_behind_what_was_aborted():
    """It is flushed, with its record, though the one before is to stop on errors."""
    channel = Channel()

    async def scenario(ctx):
        await channel.cycle(ctx, idle=0, **CAUSES["abort"].inputs)
        await channel.cycle(ctx, **CAUSES["stop on error"].inputs)
        for _ in range(3):
            assert await channel.cycle(ctx) == {"stop", "kill"}

    channel.run(scenario)


@pytest.mark.parametrize("before", [None, "record lost", "stop on error", "abort", "ring"])
@pytest.mark.parametrize("owed", [0, 1])
def test_reset(before, owed):
    """As abort, but in silence; the end of it waits for what is owed."""
    channel = Channel()

    async def scenario(ctx):
        cycle, dut = channel.cycle, channel.dut
        await cycle(ctx, idle=0, owed=owed)
        if before:
            await cycle(ctx, **CAUSES[before].inputs)
            await cycle(ctx, ring_error=0)
        await cycle(ctx, commands={"reset": 1})
        for _ in range(3):
            assert {"stop", "kill", "silent"} <= await cycle(ctx)
            assert ctx.get(dut.kill_status) == Status.ABORTED
            assert channel.status(ctx) == {"aborting", "resetting"}
        channel.set(ctx, idle=1)
        for _ in range(3 * owed):
            high = await cycle(ctx)
            assert {"stop", "kill", "silent"} <= high
            assert not {"alarm", "clear", "rewind"} & high
        high = await cycle(ctx, owed=0)
        assert {"silent", "clear"} <= high
        assert "alarm" not in high

    channel.run(scenario)


@pytest.mark.parametrize("patience", [0, 5])
def test_timeout(patience):
    """Latched until RESET, which waits until all has come that is owed."""
    channel = Channel()

    async def scenario(ctx):
        cycle, dut = channel.cycle, channel.dut
        await cycle(ctx, idle=0, owed=1)
        # Nobody knows whether it will ever halt.
        assert await cycle(ctx, expired=1) == {"alarm"}
        high = {"stop", "kill", "latched"}
        assert channel.error(ctx) == NOTHING | {"status": Status.TIMEOUT, "index": HEAD}
        for _ in range(patience):
            assert await cycle(ctx, expired=0) == high
            assert ctx.get(dut.kill_status) == Status.TIMEOUT
            assert channel.status(ctx) == {"latched"}
        assert await cycle(ctx, idle=1) == high
        for command in ("resume", "abort", "start", "resume"):
            assert await cycle(ctx, commands={command: 1}) == high
            assert await cycle(ctx) == high
            assert {"latched", "halted"} <= channel.status(ctx)
            assert "idle" not in channel.status(ctx)
        channel.set(ctx, owed=0)
        assert {"latched", "halted", "drained", "idle"} <= channel.status(ctx)
        channel.set(ctx, owed=1)
        assert await cycle(ctx, commands={"reset": 1}) == high
        assert await cycle(ctx) == high | {"silent"}
        assert await cycle(ctx, owed=0) == high | {"silent", "clear"}

    channel.run(scenario)


def test_timeout_takes_over_an_abort():
    channel = Channel()

    async def scenario(ctx):
        await channel.cycle(ctx, idle=0, owed=1)
        await channel.cycle(ctx, **CAUSES["abort"].inputs)
        assert ctx.get(channel.dut.kill_status) == Status.ABORTED
        await channel.cycle(ctx, expired=1)
        assert ctx.get(channel.dut.kill_status) == Status.TIMEOUT
        assert channel.error(ctx) == CAUSES["abort"].error
        assert "latched" in channel.status(ctx)

    channel.run(scenario)


def test_idle_is_not_seen_before_the_halt():
    channel = Channel()

    async def scenario(ctx):
        channel.set(ctx, owed=1)
        assert channel.status(ctx) == set()
        channel.set(ctx, owed=0)
        assert channel.status(ctx) == {"idle"}
        await channel.cycle(ctx, idle=0, **CAUSES["ring"].inputs)
        channel.set(ctx, idle=1)
        assert channel.status(ctx) == set()
        await channel.cycle(ctx)
        assert channel.status(ctx) == {"idle", "halted"}

    channel.run(scenario)


def test_start():
    """Only when the ring is not in use, one at a time, and not when the channel has halted."""
    channel, rng = Channel(), random.Random(3)

    async def scenario(ctx):
        cycle, start = channel.cycle, {"commands": {"start": 1}}
        done = {"retired": retired(rng, direct=1)}
        assert await cycle(ctx, enable=1, **start) == set()
        assert channel.status(ctx) == {"idle"}
        assert await cycle(ctx, enable=0, idle=0, **start) == set() # of the ring, some are left
        channel.set(ctx, idle=1)
        assert await cycle(ctx, enable=0, **start) == {"begin"}
        for _ in range(3):
            channel.set(ctx, idle=0)
            assert channel.status(ctx) == {"busy"}
            assert await cycle(ctx, **start) == set()
        await cycle(ctx, retired=retired(rng)) # of the ring
        assert channel.status(ctx) == {"busy"}
        await cycle(ctx, idle=1, **done)
        assert channel.status(ctx) == {"idle"}
        assert await cycle(ctx, **start) == {"begin"}
        await cycle(ctx, **done)
        await cycle(ctx, **CAUSES["abort"].inputs)
        assert await cycle(ctx, **start) == {"stop", "kill", "alarm"}
        assert await cycle(ctx, **start) == {"stop"}
        await cycle(ctx, commands={"resume": 1})
        assert await cycle(ctx) == {"stop", "rewind"}
        assert await cycle(ctx, **start) == {"begin"}

    channel.run(scenario)


@pytest.mark.parametrize("seed", range(8))
def test_random(seed):
    """What must never be, and what must come, in whatever order things happen."""
    rng, channel = random.Random(seed), Channel()
    counts = dict.fromkeys(OUTPUTS, 0)

    async def scenario(ctx):
        dut, under_way, halted, error = channel.dut, 0, False, NOTHING
        fetch_fault = waiting = 0
        for _ in range(1500):
            names = [name for name in CAUSES if rng.random() < 0.01]
            inputs = {}
            for name in names:
                inputs |= CAUSES[name].inputs
            if under_way and rng.random() < 0.3 and "retired" not in inputs:
                inputs["retired"] = retired(
                    rng, failed=rng.randrange(2), direct=rng.randrange(2))
            fetch_fault |= inputs.get("fetch_fault", 0)
            inputs |= {"fetch_fault": fetch_fault, "ring_error": inputs.get("ring_error", 0)}
            if rng.random() < 0.05:
                inputs["commands"] = {rng.choice(("abort", "resume")): 1}
            elif rng.random() < 0.2:
                inputs["commands"] = {"start": 1}
            channel.set(ctx, idle=int(under_way == 0), **inputs)
            high = {name for name in OUTPUTS if ctx.get(getattr(dut, name))}
            status = channel.status(ctx)
            for name in high:
                counts[name] += 1

            # The error is there as long as the channel is told to stop, and does not change.
            assert ("stop" in high) == (channel.error(ctx)["status"] != 0)
            assert error in (NOTHING, channel.error(ctx))
            assert ("halted" in status) == halted
            assert not halted or "stop" in high
            assert ("kill" in high) == ("aborting" in status)
            assert not {"clear", "silent", "latched"} & high
            if "alarm" in high:
                assert under_way == 0
                assert not halted
                halted = True
            error = channel.error(ctx)
            if "rewind" in high:
                assert halted
                assert under_way == 0
                assert "alarm" not in high
                halted, error, fetch_fault = False, NOTHING, 0
            # It halts soon when nothing is under way.
            waiting = waiting + 1 if "stop" in high and under_way == 0 and not halted else 0
            assert waiting < 8
            if "stop" not in high and rng.random() < 0.3:
                under_way += 1
            elif under_way and rng.random() < 0.4:
                under_way -= 1
            await ctx.tick()

    channel.run(scenario, 1600)
    for name in ("stop", "kill", "drop", "begin", "rewind", "alarm"):
        assert counts[name] > 0
