# SPDX-License-Identifier: Apache-2.0
"""Abort, reset and watchdog of the simulated engine, at every phase of its work."""

from dataclasses import replace

import pytest
from device_traffic import Traffic
from engine_builds import EVERYDAY, same_worker

from opencdma.sim.memory import MemoryTiming
from opencdma.spec import Channel, Descriptor, Flag, Opcode, Status
from opencdma.spec.registers import CHANNEL, address

CONFIG, SHARED = EVERYDAY["ecp5"], EVERYDAY["shared"]
SLOW = MemoryTiming(read_latency=40, write_latency=40, r=0.2, w=0.2, ar=0.1, aw=0.1, b=0.1)
OFFLOAD, PREFETCH = Channel

#: The mark of tests of the first of them.
ON_ECP5 = same_worker(CONFIG)


def seeds(many, few):
    """Return a parameter for many seeds with two channels, and for a few with a shared one."""
    return pytest.mark.parametrize(("config", "seed"), [
        *(pytest.param(CONFIG, seed, id=f"ecp5-{seed}", marks=ON_ECP5) for seed in range(many)),
        *(pytest.param(SHARED, seed, id=f"shared-{seed}", marks=same_worker(SHARED))
          for seed in range(few))])


def begin(seed, *, config=CONFIG, timing=SLOW, longest=4096, count=8, **registers):
    """Return traffic that is under way."""
    traffic = Traffic(config, seed, dev_timing=timing, host_timing=timing)
    traffic.enable(**registers)
    for channel in traffic.channels:
        traffic.add(channel, count, longest)
    for channel in traffic.channels:
        traffic.ring(channel)
    return traffic


def phases(seed):
    """Return a number of cycles that is another in every test."""
    return (seed * 37) % 1500


def chosen(traffic, seed):
    """Return the channel that something happens to, and the others."""
    victim = OFFLOAD if len(traffic.channels) == 1 or seed % 3 else PREFETCH
    return victim, [channel for channel in traffic.channels if channel is not victim]


#: Outcomes of all aborts, with two channels and with a shared one.
SEEN = {False: set(), True: set()}


@seeds(60, 20)
def test_abort(config, seed):
    """Every descriptor that was read has one outcome, the rest is done after RESUME."""
    traffic = begin(seed, config=config, longest=(256, 4096)[seed % 2])
    victim, others = chosen(traffic, seed)
    traffic.device.run(phases(seed))
    traffic.write("COMMAND", victim, ABORT=1)
    traffic.wait(victim, HALTED=1)
    assert traffic.status(victim) == {
        "IDLE": 1, "HALTED": 1, "LATCHED": 0, "DRAINED": 0, "ABORTING": 0, "RESETTING": 0,
        "BUSY": 0}
    head = traffic.read("HEAD", victim)
    error = CHANNEL["ERROR"].unpack(traffic.read("ERROR", victim))
    assert error == {"STATUS": Status.ABORTED, "ERROR_CODE": 0}
    assert traffic.read("ERROR_INDEX", victim) <= head
    outcomes = [traffic.check(victim, number) for number in range(head)]
    SEEN[config.shared] |= set(outcomes)
    assert set(outcomes) <= {Status.OK, Status.OK_RAW, Status.ABORTED, Status.FLUSHED}
    # What was flushed had not begun, so everything behind it had not, either.
    if Status.FLUSHED in outcomes:
        assert set(outcomes[outcomes.index(Status.FLUSHED):]) == {Status.FLUSHED}
    for number in range(head, len(traffic.descriptors[victim])):
        assert traffic.record(victim, number).status == Status.PENDING
    for other in others:
        traffic.finish(other)

    traffic.write("COMMAND", victim, RESUME=1)
    traffic.add(victim, 4)
    traffic.ring(victim)
    traffic.finish(victim)
    for channel, done in ((victim, head), *((other, 0) for other in others)):
        for number in range(done, len(traffic.descriptors[channel])):
            assert traffic.check(channel, number) in (Status.OK, Status.OK_RAW)
    traffic.check_guards()


@pytest.mark.parametrize("config", [
    pytest.param(CONFIG, id="ecp5", marks=ON_ECP5),
    pytest.param(SHARED, id="shared", marks=same_worker(SHARED))])
def test_abort_cuts_short_and_flushes(config):
    """Both are among the outcomes of the aborts above, which one worker has run before."""
    if not SEEN[config.shared]:
        pytest.skip("the aborts have not been run")
    assert {Status.ABORTED, Status.FLUSHED, Status.OK} <= SEEN[config.shared]


@seeds(40, 15)
def test_soft_reset(config, seed):
    """The channel is as after power-up, and works; the other one notices nothing."""
    traffic = begin(seed, config=config, longest=(256, 4096)[seed % 2], IRQ_COUNT=3)
    victim, others = chosen(traffic, seed)
    traffic.device.run(phases(seed))
    traffic.write("COMMAND", victim, RESET=1)
    traffic.wait(victim, RESETTING=0)
    before = {name: traffic.read(name, victim) for name in CHANNEL if CHANNEL[name].width == 32}
    for name in ("ERROR_ADDR", "RING_BASE", "BYTES_IN", "BYTES_OUT", "NONZEROS"):
        before[name] = traffic.read(name, victim)
    reset = {name: register.reset for name, register in CHANNEL.items() if name in before}
    assert before == reset | {"STATUS": 1}
    untouched = [
        number for number in range(len(traffic.descriptors[victim]))
        if traffic.record(victim, number).status == Status.PENDING]
    for other in others:
        traffic.finish(other)

    done = [n for n in range(len(traffic.descriptors[victim])) if n not in untouched]
    assert all(traffic.check(victim, n) in (Status.OK, Status.OK_RAW) for n in done)
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


@seeds(20, 10)
def test_hard_reset(config, seed):
    """After aresetn nothing is left over."""
    traffic = begin(seed, config=config)
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


def mutes():
    """Return a parameter for everything that can fall silent, for two channels and a shared one."""
    return pytest.mark.parametrize(("config", "memory", "channel", "victim"), [
        pytest.param(config, memory, channel, victim if config is CONFIG else OFFLOAD,
                     id=f"{name}-{memory}-{channel}", marks=same_worker(config))
        for name, config in (("ecp5", CONFIG), ("shared", SHARED))
        for memory, channel, victim in MUTES])


@pytest.mark.parametrize("after", [0, 3, 17])
@mutes()
def test_watchdog(config, memory, channel, victim, after):
    """A memory that stops answering latches the channel; when it answers after all, RESET helps.

    A shared channel has data that go the other way behind those that wait.
    """
    traffic = Traffic(config, after + len(channel), dev_timing=SLOW, host_timing=SLOW)
    traffic.device.write_register(address("IRQ_ENABLE"), 0b1010)
    traffic.enable(TIMEOUT=9)
    for name in traffic.channels:
        traffic.add(name, 8)
    traffic.device.mute(memory, channel, after)
    for name in traffic.channels:
        traffic.ring(name)
    traffic.wait(victim, LATCHED=1)
    error = CHANNEL["ERROR"].unpack(traffic.read("ERROR", victim))
    assert error["STATUS"] == Status.TIMEOUT
    assert traffic.device.irq # even if it can never halt, since its records are not taken
    assert traffic.device.read_register(address("IRQ_STATUS")) & 2 << 2 * victim
    host_writes = (memory, channel) in (("host", "AW"), ("host", "W"), ("host", "B"))
    if not host_writes:
        # Records can be written: every descriptor that was read has its outcome.
        traffic.wait(victim, HALTED=1)
        head = traffic.read("HEAD", victim)
        outcomes = {traffic.check(victim, number) for number in range(head)}
        assert outcomes <= {Status.OK, Status.OK_RAW, Status.TIMEOUT, Status.FLUSHED}
        # A descriptor that never came has no outcome.
        assert Status.TIMEOUT in outcomes or (
            (memory, channel) in (("host", "AR"), ("host", "R"))
            and head < len(traffic.descriptors[victim]) and Status.FLUSHED not in outcomes)
    traffic.device.run(2000)
    assert not traffic.status(victim)["DRAINED"]
    traffic.write("COMMAND", victim, RESET=1)
    traffic.device.run(2000)
    assert traffic.status(victim)["RESETTING"]

    traffic.device.unmute(memory, channel)
    latched = [name for name in traffic.channels if traffic.status(name)["LATCHED"]]
    for name in latched:
        traffic.write("COMMAND", name, RESET=1)
    for name in traffic.channels:
        traffic.wait(name, RESETTING=0)
    kept = {name: traffic.descriptors[name] for name in latched}
    for name in latched:
        traffic.descriptors[name], traffic.expected[name] = [], []
    sizes = {name: len(traffic.descriptors[name]) for name in traffic.channels}
    traffic.enable()
    for name in traffic.channels:
        traffic.add(name, 5)
        traffic.ring(name)
        traffic.finish(name)
        for number in range(sizes[name], sizes[name] + 5):
            assert traffic.check(name, number) in (Status.OK, Status.OK_RAW)
    for name in latched:
        traffic.descriptors[name] += kept[name]
    traffic.check_guards()


@mutes()
def test_drained(config, memory, channel, victim):
    """DRAINED says that all has come that was owed; RESUME and ABORT are ignored until RESET."""
    traffic = Traffic(config, len(channel), dev_timing=SLOW, host_timing=SLOW)
    traffic.enable(TIMEOUT=9)
    traffic.add(victim, 8)
    traffic.device.mute(memory, channel, 2)
    traffic.ring(victim)
    traffic.wait(victim, LATCHED=1)
    traffic.device.run(3000)
    assert not traffic.status(victim)["DRAINED"]
    assert not traffic.status(victim)["IDLE"]
    traffic.device.unmute(memory, channel)
    traffic.wait(victim, DRAINED=1, HALTED=1, IDLE=1)
    for command in ("RESUME", "ABORT"):
        traffic.write("COMMAND", victim, **{command: 1})
        traffic.device.run(100)
        assert traffic.status(victim)["LATCHED"]
        assert traffic.status(victim)["HALTED"]
    traffic.write("COMMAND", victim, RESET=1)
    traffic.wait(victim, RESETTING=0)
    assert traffic.status(victim) == dict.fromkeys(traffic.status(victim), 0) | {"IDLE": 1}
    traffic.check_guards()


@ON_ECP5
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


@ON_ECP5
def test_start_is_ignored_when_busy():
    """START while the ring is in use begins nothing."""
    traffic = begin(1)
    traffic.write("COMMAND", OFFLOAD, START=1)
    assert not traffic.status(OFFLOAD)["BUSY"]
    for channel in traffic.channels:
        traffic.finish(channel)
    assert traffic.device.read_register(address("DESCRIPTORS", OFFLOAD)) == 8


@ON_ECP5
def test_start_is_ignored_before_the_ring_is_idle():
    """Nor does it push out what has been read from the ring, whose ENABLE is clear by now."""
    traffic = begin(1, count=20, timing=MemoryTiming(read_latency=300, write_latency=300))
    traffic.device.run(450) # as many as can be have been read
    traffic.write("CTRL", OFFLOAD, ENABLE=0)
    traffic.write("COMMAND", OFFLOAD, START=1)
    traffic.wait(OFFLOAD, IDLE=1)
    assert not traffic.status(OFFLOAD)["BUSY"]
    done = traffic.read("HEAD", OFFLOAD)
    assert 8 <= done < 20
    assert traffic.read("DESCRIPTORS", OFFLOAD) == done
    for number in range(done):
        assert traffic.check(OFFLOAD, number) in (Status.OK, Status.OK_RAW)
    # Now it is one.
    for word in range(16):
        traffic.write(f"DIRECT{word}", OFFLOAD)
    traffic.write("COMMAND", OFFLOAD, START=1)
    traffic.wait(OFFLOAD, BUSY=0)
    assert traffic.read("DESCRIPTORS", OFFLOAD) == done + 1
    traffic.write("CTRL", OFFLOAD, ENABLE=1)
    for channel in traffic.channels:
        traffic.finish(channel)


@ON_ECP5
@pytest.mark.parametrize("latency", [5, 200])
def test_first_error_is_that_of_the_first_descriptor(latency):
    """Also if one behind it cannot be read, which is known sooner when data take longer."""
    host = MemoryTiming(read_latency=5)
    traffic = Traffic(
        CONFIG, 1, dev_timing=MemoryTiming(read_latency=latency), host_timing=host)
    traffic.add(OFFLOAD, 1)
    nowhere = Descriptor(
        opcode=Opcode.COPY, flags=Flag.STOP_ON_ERROR, src_addr=0x4000_0000, src_len=64,
        dst_addr=traffic.descriptors[OFFLOAD][0].dst_addr, max_dst_len=64)
    ring = traffic.device.host.base + traffic.device.host.size - 64
    traffic.device.host.write(ring, nowhere.pack()) # its second slot is behind the memory
    traffic.write("RING_BASE", OFFLOAD, ring)
    traffic.write("RING_SIZE", OFFLOAD, 1)
    traffic.write("CTRL", OFFLOAD, ENABLE=1)
    traffic.write("TAIL", OFFLOAD, 2)
    for index, status in enumerate((Status.RD_DECERR, Status.DESC_FETCH)):
        traffic.wait(OFFLOAD, HALTED=1)
        assert CHANNEL["ERROR"].unpack(traffic.read("ERROR", OFFLOAD))["STATUS"] == status
        assert traffic.read("ERROR_INDEX", OFFLOAD) == index
        traffic.write("COMMAND", OFFLOAD, RESUME=1)


@ON_ECP5
def test_tail_that_went_back():
    """What was rung for is done; no descriptor is read that nobody rang for."""
    traffic = Traffic(CONFIG, 1, dev_timing=SLOW, host_timing=SLOW)
    traffic.enable()
    traffic.add(OFFLOAD, 4)
    traffic.ring(OFFLOAD)
    traffic.device.run(200)
    traffic.write("TAIL", OFFLOAD, 2)
    traffic.device.run(5000)
    assert traffic.read("DESCRIPTORS", OFFLOAD) == 4
    assert CHANNEL["ERROR"].unpack(traffic.read("ERROR", OFFLOAD))["STATUS"] == Status.RING_ERROR


@ON_ECP5
def test_reset_tells_of_nothing():
    """Completions that were not yet reported are forgotten, and a counter's kept word, too."""
    traffic = Traffic(CONFIG, 1, dev_timing=SLOW, host_timing=SLOW)
    traffic.enable(IRQ_COUNT=5, IRQ_TIMER=500)
    traffic.add(OFFLOAD, 3)
    for number in range(3):
        descriptor = replace(
            traffic.descriptors[OFFLOAD][number],
            flags=traffic.descriptors[OFFLOAD][number].flags | Flag.IRQ)
        traffic.device.host.write(traffic._ring[OFFLOAD] + 64 * number, descriptor.pack())
    traffic.write("TAIL", OFFLOAD, 1)
    while traffic.read("HEAD", OFFLOAD) != 1:
        traffic.device.run(5)
    traffic.device.mute("dev", "R")
    traffic.ring(OFFLOAD)
    traffic.device.run(100)
    traffic.read("BYTES_IN", OFFLOAD)
    traffic.write("COMMAND", OFFLOAD, RESET=1)
    traffic.device.run(1000)
    assert traffic.status(OFFLOAD)["RESETTING"]
    assert not traffic.device.read_register(address("IRQ_STATUS"))
    traffic.device.unmute("dev", "R")
    traffic.wait(OFFLOAD, RESETTING=0)
    assert not traffic.device.read_register(address("IRQ_STATUS"))
