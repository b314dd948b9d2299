# SPDX-License-Identifier: Apache-2.0
"""Scenarios in which the engine is stopped at any moment. They run inside the simulator."""

from cdma_batch import GOOD, Batch
from cdma_bench import DEV, HOST
from cdma_scenarios import CONFIG, scenario
from cdma_transfers import Transfers
from cocotb_cdma import TIMINGS

from opencdma.golden.descriptor_areas import source
from opencdma.sim.memory import MemoryTiming
from opencdma.spec import Channel, Status
from opencdma.spec.registers import CHANNEL

OFFLOAD, PREFETCH = Channel
OK, ABORTED, FLUSHED, PENDING = Status.OK, Status.ABORTED, Status.FLUSHED, Status.PENDING

#: Statuses in the order in which an abort may leave them. What was cut short may be in front of
#: what was not: a FILL takes no notice of memory, so others are read while it is under way.
ORDER = {OK: 0, Status.OK_RAW: 0, ABORTED: 0, FLUSHED: 1, PENDING: 2}

CHANNELS = list(Channel)[: CONFIG.channels]

#: Times that a scenario stops the engine, and that it is run.
STOPS, RUNS = 8, range(3)

#: Base-2 logarithm of the descriptors of a channel, more than it reads ahead and has under way.
LOG2_SIZE = 4

#: Beats of most of them, at most.
LONGEST = 60

#: Cycles after an abort was acknowledged in which a burst of reads may still be offered.
LATE = 4

TIMING = MemoryTiming(read_latency=25, write_latency=10, ar=0.2, r=0.2, aw=0.2, w=0.2, b=0.3)


async def begin(bench, rng):
    """Return a batch that is set up, and the cycles after which it is to be stopped."""
    transfers = Transfers(rng, CONFIG, size=1 << 17)
    # One that is longer than what can be asked for at once.
    for channel in CHANNELS:
        transfers.copy(channel, rng.randbytes((2 * CONFIG.read_buffer + 64) * CONFIG.dev_width))
    if CONFIG.rings:
        transfers.batch((1 << LOG2_SIZE) - 1, LONGEST * CONFIG.host_width)
    program = transfers.program(direct=not CONFIG.rings, log2_size=LOG2_SIZE)
    await bench.prepare(program, TIMING)
    batch = Batch(bench, program)
    await batch.set_up(*bench.channels)
    await batch.start()
    start = bench.cycle
    await batch.finish(*bench.channels)
    cycles = bench.cycle - start
    return batch, [int(cycles * 1.1 / STOPS * (stop + rng.random())) for stop in range(STOPS)]


async def run_clean(bench, batch):
    """See that all of a batch comes out right."""
    await batch.start()
    await batch.finish(*bench.channels)
    batch.check()
    for channel in bench.channels:
        assert set(batch.statuses(channel)) <= GOOD


def reads_since(bench, batch, channel, cycle):
    """Yield the bursts of reads of a channel's data that were offered later than in a cycle."""
    memories = {"dev" if done.way is OFFLOAD else "host" for done in batch.golden[channel]}
    areas = [source(done.descriptor, CONFIG) for done in batch.golden[channel]]
    for burst in bench.ports[memories.pop()].reads:
        if burst.offered > cycle and any(
                area.address <= burst.address < area.end for area in areas):
            yield burst


async def reading(bench, batch, channel):
    """Wait until the first data of a channel come."""
    start = bench.cycle
    while not any(burst.given for burst in reads_since(bench, batch, channel, start)):
        await bench.wait(4)


@scenario(each={"channel": CHANNELS, "run": RUNS})
async def abort_anywhere(bench, rng, channel, run):
    """After an abort at any moment everything is said of every descriptor; then all goes on."""
    batch, moments = await begin(bench, rng)
    await bench.write("IRQ_ENABLE", 1 << 2 * channel + 1)
    others = [other for other in bench.channels if other is not channel]
    seen = set()
    for number, moment in enumerate(moments):
        await batch.start()
        if number == 0:
            await reading(bench, batch, channel)
        else:
            await bench.wait(moment)
        first = await bench.read("HEAD", channel)
        await bench.write("COMMAND", channel=channel, ABORT=1)
        acknowledged = bench.cycle
        await bench.until(channel, HALTED=1)
        assert await bench.status(channel) == CHANNEL["STATUS"].unpack(0b11), "not IDLE and HALTED"
        assert not list(reads_since(bench, batch, channel, acknowledged + LATE))
        assert bench.dut.irq.value
        await bench.write("IRQ_STATUS", 0b1111)
        done, statuses = await batch.done(channel), batch.statuses(channel)
        status, code, index, at = await bench.error(channel)
        assert (status, code, at) == (ABORTED, 0, 0)
        if CONFIG.rings:
            assert first <= index <= await bench.read("HEAD", channel)
        await batch.finish(*others)
        assert not bench.busy
        batch.check()
        # What was begun, what was only read from the ring, and what was not.
        assert statuses == sorted(statuses, key=ORDER.get), batch.story()
        assert len(statuses) - statuses.count(PENDING) == done
        seen |= set(statuses)

        await bench.write("COMMAND", channel=channel, RESUME=1)
        await bench.until(channel, HALTED=0)
        await batch.finish(channel)
        batch.check()
        if CONFIG.rings: # what is left in the ring is done now, and nothing is done twice
            assert batch.statuses(channel)[:done] == statuses[:done]
            assert set(batch.statuses(channel)[done:]) <= GOOD
        await run_clean(bench, batch)
        bench.forget()
    assert seen >= ({OK, ABORTED, FLUSHED, PENDING} if CONFIG.rings else {OK, ABORTED})


@scenario(each={"channel": CHANNELS, "run": RUNS})
async def reset_of_a_channel_anywhere(bench, rng, channel, run):
    """A channel that is reset at any moment stops in good order and is as after power-up."""
    batch, moments = await begin(bench, rng)
    others = [other for other in bench.channels if other is not channel]
    low, high = min(DEV, HOST), max(DEV, HOST) + bench.dev.size - 1
    windows = {
        f"{name}_{side}": value for name in ("READ", "WRITE", "RECORD")
        for side, value in (("LOW", low), ("HIGH", high))}
    for name, value in windows.items():
        await bench.write(name, value, channel)
    seen = set()
    for moment in moments:
        await batch.start()
        await bench.write("IRQ_STATUS", 0b1111)
        await bench.wait(moment)
        aborted = rng.random() < 0.3
        if aborted:
            await bench.write("COMMAND", channel=channel, ABORT=1)
            await bench.wait(rng.randrange(40))
        await bench.write("COMMAND", channel=channel, RESET=1)
        await bench.until(channel, RESETTING=0)
        statuses = batch.statuses(channel)
        await batch.check_registers(channel, windows)
        assert aborted or await bench.read("IRQ_STATUS") >> 2 * channel & 0b10 == 0
        await batch.finish(*others)
        assert not bench.busy
        batch.check(silent=[channel])
        assert batch.statuses(channel) == statuses
        seen |= set(statuses)

        await batch.set_up(channel)
        await run_clean(bench, batch)
    assert seen >= {OK, PENDING}


@scenario(each={"run": RUNS})
async def reset_anywhere(bench, rng, run):
    """A reset in the middle of transfers, shared with the memories, leaves nothing behind."""
    batch, moments = await begin(bench, rng)
    seen = set()
    for stop, moment in enumerate(moments):
        await batch.start()
        await bench.wait(moment)
        await bench.reset(timing=TIMINGS[stop % len(TIMINGS)], cycles=rng.randrange(1, 5))
        batch.check(silent=bench.channels)
        seen.update(*(batch.statuses(channel) for channel in bench.channels))
        for channel in bench.channels:
            await batch.check_registers(channel, {})
        await batch.set_up(*bench.channels)
        await run_clean(bench, batch)
    assert seen >= {OK, PENDING}
