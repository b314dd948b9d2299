# SPDX-License-Identifier: Apache-2.0
"""The uartbone protocol: lawful commands, what no command is, and commands that break off."""

import random

import pytest
from streams import Bench, payloads
from word_memory import WordMemory

from opencdma.hw.fpga.uartbone import Uartbone

WRITE, READ, WRITE_FIXED, READ_FIXED = 1, 2, 3, 4
TIMEOUT = 50


def word(value: int) -> bytes:
    return value.to_bytes(4, "big")


def command(number, address, *words, count=None) -> bytes:
    """Return a command; ``count`` instead of the words' for reads."""
    count = len(words) if count is None else count
    return bytes([number, count]) + word(address) + b"".join(map(word, words))


class Bridge:
    """A bridge in front of a model, what is sent to it, and what has to come back."""

    def __init__(self, sent: bytes, answer: bytes, *, pause=0.0, pauses=(0.0, 0.0), slow=0.0,
                 refuses=lambda address: False, seed=1):  # fmt: skip
        self.bench = bench = Bench(Uartbone(TIMEOUT), seed=seed)
        self.memory = WordMemory(bench, bench.dut.bus, refuses=refuses, pauses=pauses)
        self.answer = answer
        self.sent = bench.send(bench.dut.i, sent, pause=pause)
        self.taken = bench.take(bench.dut.o, len(answer), pause=slow)
        self.refused = bench.record(bench.dut.refused)

    def run(self, limit: int = 100_000):
        self.bench.run(limit)
        assert bytes(payloads(self.taken)) == self.answer
        return self


@pytest.mark.parametrize("timeout", [0, -1])
def test_wrong_timeout(timeout):
    with pytest.raises(
            ValueError, match=f"^Timeout must be at least one cycle, not {timeout}$"):
        Uartbone(timeout)


def test_bytes_on_the_wire():
    """As the host tool of LiteX writes and reads a word at byte address 0x1000_0010."""
    sent = bytes.fromhex("01 01 04000004 cafe1234 02 01 04000004")
    bridge = Bridge(sent, bytes.fromhex("cafe1234")).run()
    assert bridge.memory.words == {0x0400_0004: 0xCAFE_1234}


@pytest.mark.parametrize(("pause", "pauses", "slow"), [
    (0.0, (0.0, 0.0), 0.0), (0.5, (0.0, 0.0), 0.0), (0.0, (0.8, 0.8), 0.0), (0.0, (0.0, 0.0), 0.9),
    (0.3, (0.3, 0.3), 0.3),
])
def test_random_commands(pause, pauses, slow):
    """All four, all counts up to beyond a word's worth, with pauses everywhere."""
    rng = random.Random(3)
    model, log, sent, answer = {}, [], b"", b""
    for _ in range(60):
        number, address = rng.choice((1, 2, 3, 4)), rng.choice((8, 0xFFFF_FFF0, 0x1234_5678))
        address += rng.randrange(8)
        count = rng.choice((0, 1, 2, 3, 7, 20))
        places = [
            address if number > 2 else (address + n) & 0xFFFF_FFFF for n in range(count)]
        if number % 2:
            words = [rng.getrandbits(32) for _ in range(count)]
            sent += command(number, address, *words)
            model.update(zip(places, words, strict=True))
            log += zip(places, [1] * count, words, strict=True)
        else:
            sent += command(number, address, count=count)
            answer += b"".join(word(model.get(at, ~at & 0xFFFF_FFFF)) for at in places)
            log += [(at, 0) for at in places]
    # By the time that this is answered, everything was done.
    last = 0x7000_0000
    sent, answer = sent + command(READ, last, count=1), answer + word(~last & 0xFFFF_FFFF)
    log.append((last, 0))
    bridge = Bridge(sent, answer, pause=pause, pauses=pauses, slow=slow, seed=5).run()
    assert bridge.memory.words == model
    assert [entry if entry[1] else entry[:2] for entry in bridge.memory.log] == log


def test_longest():
    rng = random.Random(4)
    words = [rng.getrandbits(32) for _ in range(255)]
    sent = command(WRITE, 100, *words) + command(READ, 100, count=255)
    Bridge(sent, b"".join(map(word, words))).run()


def test_stray_bytes():
    """What is no command costs itself alone."""
    stray = bytes(byte for byte in range(256) if byte not in (1, 2, 3, 4))
    sent = stray + command(WRITE, 5, 6) + b"\0\xff" + command(READ, 5, count=1)
    Bridge(sent, word(6)).run()


@pytest.mark.parametrize("length", range(1, 14))
def test_command_that_breaks_off(length):
    """Whatever of it came, the next one is good when the time is over; whole words are written."""
    broken = command(WRITE, 7, 0x1111_1111, 0x2222_2222)[:length]
    bridge = Bridge(b"", word(0x3333_3333))
    bench = bridge.bench
    bench.send(bench.dut.i, broken)
    bench.send(bench.dut.i, command(WRITE, 9, 0x3333_3333) + command(READ, 9, count=1),
               allowed=lambda: bench.cycle > length + 20 + TIMEOUT)
    bridge.run()
    whole = {7 + n: (n + 1) * 0x1111_1111 for n in range((length - 6) // 4)} if length > 6 else {}
    assert bridge.memory.words == whole | {9: 0x3333_3333}


def test_pauses_within_the_time_are_none():
    bridge = Bridge(b"", word(8))
    bench, sent = bridge.bench, command(WRITE, 7, 8) + command(READ, 7, count=1)
    for number in range(len(sent)):
        bench.send(bench.dut.i, sent[number : number + 1],
                   allowed=lambda n=number: bench.cycle > n * (TIMEOUT - 5))
    bridge.run()


def test_refused():
    """Each access is told; a read brings 0, and the rest of the command goes on."""
    sent = command(WRITE, 0, 1, 2, 3) + command(READ, 0, count=3)
    bridge = Bridge(sent, word(1) + word(0) + word(3), refuses=lambda address: address == 1).run()
    assert bridge.memory.words == {0: 1, 2: 3}
    assert sum(refused for refused, in bridge.refused) == 2
