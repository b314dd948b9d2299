# SPDX-License-Identifier: Apache-2.0
"""Bytes over a wire: receiver and transmitter, at every divisor, against wires drawn by hand."""

import random
import re
from itertools import pairwise

import pytest
from streams import Bench, cycles, payloads

from opencdma.hw.fpga.uart import UartReceiver, UartTransmitter, divisor_of

DIVISORS = (4, 5, 7, 16)


def levels(byte: int, *, stop: int = 1) -> list[int]:
    """Return the bits of a byte on the wire, in order."""
    return [0, *(byte >> n & 1 for n in range(8)), stop]


def drive(bench, bits, cycles_per_bit: float, *, idle: int = 0):
    """Put bits on the wire; their ends lie at the nearest cycles."""
    async def wire(ctx):
        for _ in range(idle):
            await ctx.tick()
        done = 0
        for number, bit in enumerate(bits, 1):
            ctx.set(bench.dut.rx, bit)
            while done < round(number * cycles_per_bit):
                await ctx.tick()
                done += 1
        ctx.set(bench.dut.rx, 1)

    bench.add(wire)


def random_bytes(count, seed=1):
    return [*list(random.Random(seed).randbytes(count)), 0, 255, 85, 170]


@pytest.mark.parametrize("block", [UartReceiver, UartTransmitter])
def test_wrong_divisor(block):
    with pytest.raises(TypeError, match=r"^Cycles per bit must be an integer, not 8\.0$"):
        block(8.0)
    with pytest.raises(ValueError, match=r"^Cycles per bit must be at least 4, not 3$"):
        block(3)


@pytest.mark.parametrize(("clock", "baud", "divisor"), [
    (25_000_000, 1_000_000, 25), (12_000_000, 115_200, 104), (50_000_000, 115_200, 434),
    (1_000_000, 250_000, 4), (50_000_000, 2_900_000, 17),
])
def test_divisor(clock, baud, divisor):
    assert divisor_of(clock, baud) == divisor


@pytest.mark.parametrize(("clock", "baud"), [(12_000_000, 4_000_000), (12_000_000, 921_600 * 2)])
def test_no_divisor(clock, baud):
    message = (
        f"Baud rate must be a clock of {clock} Hz divided by a whole number of at least 4, within "
        f"2%, not {baud}")
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        divisor_of(clock, baud)


@pytest.mark.parametrize("off", [0.98, 1.0, 1.02])
@pytest.mark.parametrize("divisor", DIVISORS)
def test_receives(divisor, off):
    """Back to back, also from a transmitter whose clock is off by 2%."""
    sent = random_bytes(20, divisor)
    bench = Bench(UartReceiver(divisor))
    drive(bench, [bit for byte in sent for bit in levels(byte)], divisor * off, idle=3)
    taken = bench.take(bench.dut.o, len(sent))
    seen = bench.record(bench.dut.overrun, bench.dut.framing)
    bench.run(20 * divisor * len(sent))
    assert payloads(taken) == sent
    assert set(seen) == {(0, 0)}


def test_glitch_is_no_byte():
    """A start bit has to last half of its time."""
    bench = Bench(UartReceiver(16))
    drive(bench, [0, 1], 6)
    drive_after = [1] * 30 + [bit for byte in (0x12, 0x34) for bit in levels(byte)]
    drive(bench, drive_after, 16, idle=12)
    taken = bench.take(bench.dut.o, 2)
    bench.run(2000)
    assert payloads(taken) == [0x12, 0x34]


def test_without_a_stop_bit():
    """It is dropped and said; what comes when the wire has been high again is good."""
    bench = Bench(UartReceiver(8))
    bits = [*levels(119, stop=0), 0, 0, 1, 1, *levels(49)]
    drive(bench, bits, 8)
    taken = bench.take(bench.dut.o, 1)
    seen = bench.record(bench.dut.overrun, bench.dut.framing)
    bench.run(1000)
    assert payloads(taken) == [0x31]
    assert sum(framing for _, framing in seen) == 1
    assert not any(overrun for overrun, _ in seen)


def test_overrun():
    """The byte that was there first stays, the others are lost, and each is told."""
    bench = Bench(UartReceiver(8))
    drive(bench, [bit for byte in (1, 2, 3) for bit in levels(byte)], 8)
    taken = bench.take(bench.dut.o, 1, allowed=lambda: bench.cycle > 300)
    seen = bench.record(bench.dut.overrun, bench.dut.framing)
    bench.run(1000)
    assert payloads(taken) == [1]
    assert sum(overrun for overrun, _ in seen) == 2


@pytest.mark.parametrize("pause", [0.0, 0.98])
@pytest.mark.parametrize("divisor", DIVISORS)
def test_transmits(divisor, pause):
    """Every bit has its time to the cycle; without pauses there is nothing between bytes."""
    sent = random_bytes(8, divisor)
    bench = Bench(UartTransmitter(divisor), seed=divisor)
    taken = bench.send(bench.dut.i, sent, pause=pause)
    wire = bench.record(bench.dut.tx)

    async def until_over(ctx):
        while len(taken) < len(sent):
            await ctx.tick()
        for _ in range(10 * divisor + 2):
            await ctx.tick()

    bench.add(until_over)
    bench.run(200 * divisor * len(sent))
    wire = [level for level, in wire]
    want = [1] * len(wire)
    for at, byte in zip(cycles(taken), sent, strict=True):
        drawn = [bit for bit in levels(byte) for _ in range(divisor)]
        want[at + 1 : at + 1 + len(drawn)] = drawn
    assert wire == want[:len(wire)]
    if not pause:
        steps = {b - a for a, b in pairwise(cycles(taken))}
        assert steps == {10 * divisor}
