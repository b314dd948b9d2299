# SPDX-License-Identifier: Apache-2.0
"""The fetcher: a ring in a memory with pauses and faults, and descriptors from registers."""

import random

import pytest
from ring import WORD, Ring, config_for, fields_of
from streams import Bench, cycles, payloads

from opencdma.hw.bus.axi4 import Response
from opencdma.hw.dma.fetcher import AHEAD, Fetcher

WIDTHS = [8, 16, 32, 64]


@pytest.mark.parametrize(
    "pauses", [(0.0, 0.0, 0.8), (0.6, 0.6, 0.0), (0.3, 0.3, 0.3)], ids=repr)
@pytest.mark.parametrize("width", WIDTHS)
def test_order(width, pauses):
    for log2_size, first in ((0, 3), (1, WORD - 5), (4, WORD - 10)):
        ring = Ring(
            width, log2_size, first=first, count=20, pauses=pauses,
            doorbells=0.3 if pauses[0] else 1, latency=1 + log2_size, seed=width + log2_size)
        ring.bench.add(ring.software)
        ring.take(ring.count)
        ring.bench.run(8000)
        ring.check_order()
        ring.check_outputs()


def test_largest_ring():
    ring = Ring(64, 16, first=0xFFFE, count=5)
    ring.bench.add(ring.software)
    ring.take(5)
    ring.bench.run(100)
    ring.check_order()
    assert ring.address(1) == ring.base + 64 * 0xFFFF
    assert ring.address(2) == ring.base


@pytest.mark.parametrize("width", WIDTHS)
def test_many_on_their_way(width):
    """As soon as the doorbell rings, an address every three cycles, until eight wait."""
    ring = Ring(width, 6, count=40, latency=50)
    ring.bench.add(ring.software)
    ring.take(40)
    ring.bench.run(1000)
    ring.check_order()
    assert cycles(ring.asked)[:AHEAD] == list(range(3, 3 + 3 * AHEAD, 3))
    assert cycles(ring.asked)[AHEAD] == ring.taken[0].cycle + 2
    # One is there in the cycle behind its last beat; the beats behind it wait until it is taken.
    beats = max(1, 64 // width)
    ends = cycles(ring.came)[beats - 1 :: beats]
    waits = [item.cycle - end for item, end in zip(ring.taken, ends, strict=True)]
    assert waits[0] == 1
    assert max(waits) <= 2 * AHEAD


@pytest.mark.parametrize("first", [0, WORD - 2])
def test_tail_that_went_back(first):
    """Nothing is asked for until it is ahead again."""
    ring = Ring(32, 4, first=first, count=8)

    async def software(ctx):
        await ring.begin(ctx)
        ring.ring_doorbell(ctx, 4)
        await ctx.tick().repeat(20)
        for tail in (3, 1, 0):
            ring.set(ctx, tail=(first + tail) % WORD)
            await ctx.tick().repeat(20)
            assert len(ring.asked) == 4
        ring.ring_doorbell(ctx, 4)
        while len(ring.taken) < 8:
            await ctx.tick()

    ring.bench.add(software)
    ring.take(8)
    ring.bench.run(200)
    ring.check_order()


def test_no_more_than_eight_are_not_handed_over():
    ring = Ring(32, 6, count=40)
    ring.bench.add(ring.software)
    held = []

    def late():
        if ring.bench.cycle == 100:
            held.append(len(ring.asked))
        return ring.bench.cycle > 100

    ring.take(40, allowed=late)
    ring.bench.run(1000)
    ring.check_order()
    assert held == [AHEAD]


@pytest.mark.parametrize("how", [Response.SLVERR, Response.DECERR])
@pytest.mark.parametrize("width", WIDTHS)
def test_faults(width, how):
    """What is in front of a fault is handed over; the rest comes when the ring is good again."""
    beats = max(1, 64 // width)
    rng = random.Random(width)
    for pause in (0.0, 0.5):
        ring = Ring(width, 5, first=WORD - 9, count=32, pauses=(pause, pause, pause), latency=6)
        ring.faults = {0: (0, how), 1: (beats - 1, how), 13: (rng.randrange(beats), how),
                       14: (0, how), 15: (rng.randrange(beats), how), 31: (0, how)}
        dut, faults = ring.dut, []

        async def software(ctx, ring=ring, dut=dut, faults=faults):
            await ring.begin(ctx)
            ring.ring_doorbell(ctx, ring.count)
            while len(ring.taken) < ring.count:
                await ctx.tick()
                if not ctx.get(dut.fault):
                    continue
                number = min(ring.faults)
                assert ctx.get(dut.fault_index) == ring.item(number)["index"]
                assert ctx.get(dut.fault_address) == ring.address(number)
                asked = len(ring.asked)
                while not ctx.get(dut.idle):
                    await ctx.tick()
                assert len(ring.taken) == number
                assert len(ring.asked) <= asked + 1 # one may have been offered already
                assert not ctx.get(dut.owed)
                await ctx.tick().repeat(20)
                assert ctx.get(dut.fault)
                assert ctx.get(dut.fault_index) == ring.item(number)["index"]
                faults.append(number)
                del ring.faults[number]
                await ring.rewind(ctx, number)
                assert not ctx.get(dut.fault)

        ring.take(ring.count)
        ring.bench.add(software)
        ring.bench.run(5000)
        assert payloads(ring.taken) == [ring.item(number) for number in range(ring.count)]
        assert faults == [0, 1, 13, 14, 15, 31]


@pytest.mark.parametrize("by", ["stop", "enable"])
def test_stop(by):
    """No address is offered any more; what has been asked for comes."""
    ring = Ring(16, 5, count=30, pauses=(0.3, 0.3, 0.3), latency=4)
    dut = ring.dut

    def hold(ctx, held):
        if by == "stop":
            ctx.set(dut.stop, held)
        else:
            ring.set(ctx, enable=int(not held))

    async def software(ctx):
        await ring.begin(ctx)
        ring.ring_doorbell(ctx, ring.count)
        while len(ring.taken) < ring.count:
            await ctx.tick().repeat(ring.bench.rng.randrange(1, 30))
            hold(ctx, 1)
            await ctx.tick()
            offered = len(ring.offered) + ctx.get(dut.port.ar.valid)
            for _ in range(60):
                await ctx.tick()
                assert len(ring.offered) <= offered
            assert ctx.get(dut.idle)
            assert len(ring.taken) == len(ring.asked)
            hold(ctx, 0)

    ring.take(ring.count)
    ring.bench.add(software)
    ring.bench.run(5000)
    ring.check_order()


def test_discard():
    """Nothing that comes is accepted, but it is still owed."""
    ring = Ring(32, 5, count=30, latency=30)
    dut = ring.dut

    async def software(ctx):
        await ring.begin(ctx)
        ring.ring_doorbell(ctx, 30)
        await ctx.tick().until(dut.o.valid & (dut.o.p.index == 2))
        assert [number for _, number in payloads(ring.came)].count(1) == 3
        ctx.set(dut.stop, 1)
        ctx.set(dut.discard, 1)
        await ctx.tick().repeat(2)
        while ctx.get(dut.owed):
            assert ctx.get(dut.idle)
            await ctx.tick()
        assert len(ring.came) == 2 * len(ring.asked)

    ring.take(3)
    ring.bench.add(software)
    ring.bench.run(300)
    assert payloads(ring.taken) == [ring.item(number) for number in range(3)]


@pytest.mark.parametrize("rings", [False, True])
def test_direct(rings):
    """Words are written byte by byte, are read as they are, and go as a descriptor."""
    bench, rng = Bench(Fetcher(config_for(32, rings=rings)), seed=2), random.Random(3)
    dut, words, expected = bench.dut, bytearray(64), []

    async def software(ctx):
        for _ in range(20):
            for _ in range(rng.randrange(40)):
                n, value, strobe = rng.randrange(16), rng.getrandbits(32), rng.randrange(16)
                ctx.set(dut.direct_write, 1 << n)
                ctx.set(dut.write_data, value)
                ctx.set(dut.write_strobe, strobe)
                await ctx.tick()
                ctx.set(dut.direct_write, 0)
                for byte in range(4):
                    if strobe >> byte & 1:
                        words[4 * n + byte] = value >> 8 * byte & 0xFF
                assert ctx.get(dut.direct_read) == int.from_bytes(words, "little")
            ctx.set(dut.start, 1)
            await ctx.tick()
            ctx.set(dut.start, 0)
            expected.append({"words": fields_of(words), "direct": 1, "index": 0})
            assert not ctx.get(dut.idle)
            while len(taken) < len(expected):
                await ctx.tick()
            assert ctx.get(dut.idle)
            assert not ctx.get(dut.owed)

    bench.add(software)
    taken = bench.take(dut.o, 20, pause=0.5)
    bench.run(2000)
    assert payloads(taken) == expected


@pytest.mark.parametrize("width", WIDTHS)
def test_ring_behind_a_descriptor_from_registers(width):
    """The ring may be enabled as soon as it has been started; nobody loses his place."""
    ring = Ring(width, 6, count=20)
    dut, content = ring.dut, random.Random(4).randbytes(64)

    async def software(ctx):
        await ring.begin(ctx)
        ring.set(ctx, enable=0)
        for n in range(16):
            ctx.set(dut.direct_write, 1 << n)
            ctx.set(dut.write_data, int.from_bytes(content[4 * n : 4 * n + 4], "little"))
            ctx.set(dut.write_strobe, 15)
            await ctx.tick()
        ctx.set(dut.direct_write, 0)
        ctx.set(dut.start, 1)
        await ctx.tick()
        ctx.set(dut.start, 0)
        await ctx.tick()
        ring.set(ctx, enable=1)
        ring.ring_doorbell(ctx, 20)
        while len(ring.taken) < 21:
            await ctx.tick()
        await ctx.tick().repeat(2)
        assert ctx.get(dut.idle)

    ring.bench.add(software)
    ring.take(21, allowed=lambda: ring.bench.cycle > 80)
    ring.bench.run(500)
    direct = {"words": fields_of(content), "direct": 1, "index": 0}
    assert payloads(ring.taken) == [direct, *(ring.item(number) for number in range(20))]
