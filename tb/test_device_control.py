# SPDX-License-Identifier: Apache-2.0
"""Abort, reset and watchdog of the simulated engine, at every phase of its work."""

from dataclasses import replace

import pytest
from device_traffic import Traffic

from opencdma.sim.memory import MemoryTiming
from opencdma.spec import PRESETS, Channel, Status
from opencdma.spec.registers import CHANNEL, address

CONFIG = PRESETS["ecp5"]
SLOW = MemoryTiming(read_latency=40, write_latency=40, r=0.2, w=0.2, ar=0.1, aw=0.1, b=0.1)
OFFLOAD, PREFETCH = Channel

pytestmark = pytest.mark.xdist_group("opencdma_ecp5")


def begin(seed, *, timing=SLOW, longest=4096, count=8, **registers):
    """Return traffic that is under way."""
    traffic = Traffic(CONFIG, seed, dev_timing=timing, host_timing=timing)
    traffic.enable(**registers)
    for channel in traffic.channels:
        traffic.add(channel, count, longest)
    for channel in traffic.channels:
        traffic.ring(channel)
    return traffic


def phases(seed):
    """Return a number of cycles that is another in every test."""
    return (seed * 37) % 1500


@pytest.mark.parametrize("seed", range(60))
def test_abort(seed):
    """Every descriptor that was read has one outcome, the rest is done after RESUME."""
    traffic = begin(seed, longest=(256, 4096)[seed % 2])
    victim, other = (OFFLOAD, PREFETCH) if seed % 3 else (PREFETCH, OFFLOAD)
    traffic.device.run(phases(seed))
    traffic.write("COMMAND", victim, ABORT=1)
    traffic.wait(victim, HALTED=1)
    assert traffic.status(victim) == {
        "IDLE": 1, "HALTED": 1, "LATCHED": 0, "DRAINED": 0, "ABORTING": 0, "RESETTING": 0,
        "BUSY": 0}
    head = traffic.read("HEAD", victim)
    error = CHANNEL["ERROR"].unpack(traffic.read("ERROR", victim))
    assert error == {"STATUS": Status.ABORTED, "ERROR_CODE": 0}
    outcomes = [traffic.check(victim, number) for number in range(head)]
    assert set(outcomes) <= {Status.OK, Status.OK_RAW, Status.ABORTED, Status.FLUSHED}
    # What was flushed had not begun, so everything behind it had not, either.
    if Status.FLUSHED in outcomes:
        assert set(outcomes[outcomes.index(Status.FLUSHED):]) == {Status.FLUSHED}
    for number in range(head, len(traffic.descriptors[victim])):
        assert traffic.record(victim, number).status == Status.PENDING
    traffic.finish(other)

    traffic.write("COMMAND", victim, RESUME=1)
    traffic.add(victim, 4)
    traffic.ring(victim)
    traffic.finish(victim)
    for channel, done in ((victim, head), (other, 0)):
        for number in range(done, len(traffic.descriptors[channel])):
            assert traffic.check(channel, number) in (Status.OK, Status.OK_RAW)
    traffic.check_guards()


@pytest.mark.parametrize("seed", range(40))
def test_soft_reset(seed):
    """The channel is as after power-up, and works; the other one notices nothing."""
    traffic = begin(seed, longest=(256, 4096)[seed % 2], IRQ_COUNT=3)
    victim, other = (OFFLOAD, PREFETCH) if seed % 3 else (PREFETCH, OFFLOAD)
    traffic.device.run(phases(seed))
    traffic.write("COMMAND", victim, RESET=1)
    traffic.wait(victim, RESETTING=0)
    before = {name: traffic.read(name, victim) for name in CHANNEL
              if name not in ("COMMAND",) and CHANNEL[name].width == 32}
    reset = {name: register.reset for name, register in CHANNEL.items() if name in before}
    assert before == reset | {"STATUS": 1, "STALL_READ": before["STALL_READ"]}
    untouched = [
        number for number in range(len(traffic.descriptors[victim]))
        if traffic.record(victim, number).status == Status.PENDING]
    traffic.finish(other)

    for channel in (victim,):
        descriptors = traffic.descriptors[channel]
        done = [number for number in range(len(descriptors)) if number not in untouched]
        assert all(traffic.check(channel, n) in (Status.OK, Status.OK_RAW) for n in done)
        assert done == list(range(len(done))), "records came out of order"
    kept, made = traffic.descriptors[victim], traffic.expected[victim]
    traffic.descriptors[victim], traffic.expected[victim] = [], []
    traffic.enable()
    traffic.add(victim, 6)
    traffic.ring(victim)
    traffic.finish(victim)
    for channel in traffic.channels:
        for number in range(len(traffic.descriptors[channel])):
            assert traffic.check(channel, number) in (Status.OK, Status.OK_RAW)
    traffic.descriptors[victim] += kept
    traffic.expected[victim] += made
    traffic.check_guards()


@pytest.mark.parametrize("seed", range(20))
def test_hard_reset(seed):
    """After aresetn nothing is left over."""
    traffic = begin(seed)
    traffic.device.run(phases(seed))
    traffic.device.reset()
    old = traffic.descriptors, traffic.expected
    traffic.descriptors = {channel: [] for channel in traffic.channels}
    traffic.expected = {channel: [] for channel in traffic.channels}
    traffic.enable()
    for channel in traffic.channels:
        traffic.add(channel, 6)
        traffic.ring(channel)
    for channel in traffic.channels:
        traffic.finish(channel)
        for number in range(6):
            assert traffic.check(channel, number) in (Status.OK, Status.OK_RAW)
        traffic.descriptors[channel] += old[0][channel]
    traffic.check_guards()


#: What a memory can stop doing, and which channels cannot do without it.
MUTES = [
    ("dev", "AR", OFFLOAD), ("dev", "R", OFFLOAD), ("host", "R", PREFETCH),
    ("dev", "AW", PREFETCH), ("dev", "W", PREFETCH), ("dev", "B", PREFETCH),
    ("host", "AW", OFFLOAD), ("host", "W", OFFLOAD), ("host", "B", OFFLOAD),
    ("host", "AR", PREFETCH),
]


@pytest.mark.parametrize("after", [0, 3, 17])
@pytest.mark.parametrize(("memory", "channel", "victim"), MUTES)
def test_watchdog(memory, channel, victim, after):
    """A memory that stops answering latches the channel; when it answers after all, RESET helps."""
    traffic = Traffic(CONFIG, after + len(channel), dev_timing=SLOW, host_timing=SLOW)
    traffic.enable(TIMEOUT=9)
    for name in traffic.channels:
        traffic.add(name, 8)
    traffic.device.mute(memory, channel, after)
    for name in traffic.channels:
        traffic.ring(name)
    traffic.wait(victim, LATCHED=1)
    error = CHANNEL["ERROR"].unpack(traffic.read("ERROR", victim))
    assert error["STATUS"] == Status.TIMEOUT
    host_writes = (memory, channel) in (("host", "AW"), ("host", "W"), ("host", "B"))
    if not host_writes:
        # Records can be written: every descriptor that was read has its outcome.
        traffic.wait(victim, HALTED=1)
        head = traffic.read("HEAD", victim)
        outcomes = {traffic.check(victim, number) for number in range(head)}
        assert outcomes <= {Status.OK, Status.OK_RAW, Status.TIMEOUT, Status.FLUSHED}
        # A descriptor that never came has no outcome.
        assert Status.TIMEOUT in outcomes or (memory == "host" and not outcomes)
    traffic.device.run(2000)
    assert not traffic.status(victim)["DRAINED"]
    traffic.write("COMMAND", victim, RESET=1)
    traffic.device.run(2000)
    assert traffic.status(victim)["RESETTING"]

    traffic.device.unmute(memory, channel)
    for name in traffic.channels:
        if traffic.status(name)["LATCHED"]:
            traffic.write("COMMAND", name, RESET=1)
    for name in traffic.channels:
        traffic.wait(name, RESETTING=0)
        if not traffic.read("CTRL", name) & 1: # it was reset
            traffic.descriptors[name], traffic.expected[name] = [], []
    sizes = {name: len(traffic.descriptors[name]) for name in traffic.channels}
    traffic.enable()
    for name in traffic.channels:
        traffic.add(name, 5)
        traffic.ring(name)
        traffic.finish(name)
        for number in range(sizes[name], sizes[name] + 5):
            assert traffic.check(name, number) in (Status.OK, Status.OK_RAW)


def test_watchdog_of_a_descriptor():
    """The exponent in a descriptor beats that of the channel; 0 in both waits for ever."""
    for own, expires in ((8, True), (0, False)):
        traffic = Traffic(CONFIG, 1)
        traffic.enable(TIMEOUT=0)
        traffic.add(OFFLOAD, 1)
        descriptor = replace(traffic.descriptors[OFFLOAD][0], timeout=own)
        traffic.device.host.write(traffic._ring[OFFLOAD], descriptor.pack())
        traffic.device.mute("dev", "AR")
        traffic.ring(OFFLOAD)
        traffic.device.run(3000)
        assert traffic.status(OFFLOAD)["LATCHED"] == expires


def test_start_is_ignored_when_busy():
    """A second START, or one while the ring is in use, begins nothing."""
    traffic = begin(1)
    traffic.write("COMMAND", OFFLOAD, START=1)
    assert not traffic.status(OFFLOAD)["BUSY"]
    for channel in traffic.channels:
        traffic.finish(channel)
    assert traffic.device.read_register(address("DESCRIPTORS", OFFLOAD)) == 8
