# SPDX-License-Identifier: Apache-2.0
"""The memory of a board: bursts and words at random against a model, and at full rate."""

import random
import re

import pytest
from streams import Bench, cycles, payloads

from opencdma.hw.bus.axi4 import Response
from opencdma.hw.fpga.memory import BlockMemory

BASE, SIZE = 0x1_0000, 4096
WIDTHS = (8, 32)


def memory(width, base=BASE, size=SIZE):
    return BlockMemory(base, size, width=width, address_bits=32)


def burst(address, beats):
    return {"address": address, "length": beats - 1, "qos": 0, "cache": 0}


@pytest.mark.parametrize(("base", "size", "message"), [
    (0, 2048, "Memory size must be a power of two and at least 4096 bytes, not 2048"),
    (0, 12288, "Memory size must be a power of two and at least 4096 bytes, not 12288"),
    (4096, 8192, "Memory must start at a multiple of its 0x2000 bytes, within 32 bits, not at "
     "0x1000"),
    (1 << 32, 8192, "Memory must start at a multiple of its 0x2000 bytes, within 32 bits, not at "
     "0x100000000"),
])
def test_wrong_place(base, size, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        memory(8, base, size)


class Traffic:
    """Bursts in both directions and words, and what the model says of them.

    Reads and words keep to other halves of the memory than writes that are under way, so that the
    order between directions, which AXI leaves open, does not matter.
    """

    def __init__(self, width, rng, image):
        self.width, self.rng, self.image = width, rng, image
        self.written = {}
        self.aw, self.w, self.b = [], [], []
        self.ar, self.r = [], []
        self.words, self.answers = [], []

    def place(self, low, high):
        beats = self.rng.choice((1, 2, 3, 16))
        lines = (high - low) // self.width - beats
        return low + self.width * self.rng.randrange(lines + 1), beats

    def add_write(self):
        """Write to the upper half, or outside."""
        outside = self.rng.random() < 0.2
        address, beats = self.place(2048, 4096)
        self.aw.append(burst((BASE if not outside else 0x9_0000) + address, beats))
        for n in range(beats):
            data, strobe = self.rng.randbytes(self.width), self.rng.getrandbits(self.width)
            self.w.append({"data": data, "strobe": strobe, "last": int(n == beats - 1)})
            for lane in range(self.width):
                if strobe >> lane & 1 and not outside:
                    self.image[address + n * self.width + lane] = data[lane]
        self.b.append(Response.DECERR if outside else Response.OKAY)

    def add_read(self):
        """Read from the lower quarter, or outside."""
        outside = self.rng.random() < 0.2
        address, beats = self.place(0, 1024)
        self.ar.append(burst((BASE if not outside else 0) + address, beats))
        for n in range(beats):
            at = address + n * self.width
            self.r.append((
                None if outside else bytes(self.image[at : at + self.width]),
                Response.DECERR if outside else Response.OKAY, int(n == beats - 1)))

    def add_word(self):
        """Read or write a word of the second quarter."""
        at, data = 1024 + 4 * self.rng.randrange(256), self.rng.getrandbits(32)
        write = self.rng.randrange(2)
        self.words.append({"address": at // 4, "write": write, "data": data})
        if write:
            self.image[at : at + 4] = data.to_bytes(4, "little")
        read = 0 if write else int.from_bytes(self.image[at : at + 4], "little")
        self.answers.append({"data": read, "refused": 0})


@pytest.mark.parametrize("pause", [0.0, 0.6])
@pytest.mark.parametrize("width", WIDTHS)
def test_random_traffic(width, pause):
    rng = random.Random(width)
    dut = memory(width)
    bench = Bench(dut, seed=width)
    image = bytearray(rng.randbytes(SIZE))
    words = dut.words
    fill = [{"address": at // 4, "write": 1, "data": int.from_bytes(image[at : at + 4], "little")}
            for at in range(0, SIZE, 4)]  # fmt: skip
    traffic = Traffic(width, rng, image)
    for _ in range(60):
        traffic.add_write()
        traffic.add_read()
        traffic.add_word()
    dump = [{"address": at // 4, "write": 0, "data": 0} for at in range(0, SIZE, 4)]
    want = [int.from_bytes(image[at : at + 4], "little") for at in range(0, SIZE, 4)]

    answers = bench.take(words.answers, len(fill) + len(traffic.words) + len(dump))
    acks = bench.take(dut.write.b, len(traffic.b))
    beats = bench.take(dut.read.r, len(traffic.r))
    def filled():
        return len(answers) >= len(fill)

    def over():
        return len(acks) == len(traffic.b) and len(beats) == len(traffic.r) and (
            len(answers) >= len(fill) + len(traffic.words))

    bench.send(words.requests, fill)
    bench.send(words.requests, traffic.words, allowed=filled, pause=0.7)
    bench.send(words.requests, dump, allowed=over)
    bench.send(dut.write.aw, traffic.aw, allowed=filled, pause=pause)
    bench.send(dut.write.w, traffic.w, allowed=filled, pause=pause)
    bench.send(dut.read.ar, traffic.ar, allowed=filled, pause=pause)
    bench.run(20_000)

    assert payloads(acks) == traffic.b
    got = [(None if item["resp"] else item["data"], item["resp"], item["last"])
           for item in payloads(beats)]
    assert got == traffic.r
    answered = payloads(answers)[len(fill):]
    assert answered[:len(traffic.answers)] == traffic.answers
    assert [item["data"] for item in answered[len(traffic.answers):]] == want


@pytest.mark.parametrize("width", WIDTHS)
def test_full_rate(width):
    """Bursts follow each other without a gap, in both directions at once."""
    dut = memory(width)
    bench = Bench(dut)
    bursts = [burst(BASE + 4 * width * n, 4) for n in range(8)]
    data = [{"data": bytes([n]) * width, "strobe": (1 << width) - 1, "last": int(n % 4 == 3)}
            for n in range(32)]
    bench.send(dut.write.aw, bursts)
    sent = bench.send(dut.write.w, data)
    acks = bench.take(dut.write.b, len(bursts))
    asked = bench.send(dut.read.ar, bursts, allowed=lambda: len(acks) > 1)
    beats = bench.take(dut.read.r, len(data))
    bench.run(500)
    assert cycles(sent) == list(range(1, 33))
    assert cycles(acks) == [item.cycle + 1 for item in sent if item.payload["last"]]
    first = cycles(asked)[0] + 2
    assert cycles(beats) == list(range(first, first + 32))
    assert [item["data"] for item in payloads(beats)] == [item["data"] for item in data]


def test_words_of_a_line():
    """Each has its lane, and leaves the others alone; the first byte is the lowest."""
    dut = memory(16)
    bench = Bench(dut)
    values = [0x0302_0100 + 0x0404_0404 * n for n in range(4)]
    bench.send(dut.words.requests, [
        {"address": n, "write": 1, "data": value} for n, value in enumerate(values)])
    acks = bench.take(dut.words.answers, 4)
    bench.send(dut.read.ar, [burst(BASE, 1)], allowed=lambda: len(acks) == 4)
    beat = bench.take(dut.read.r, 1)
    bench.run(100)
    assert payloads(beat) == [{"data": bytes(range(16)), "resp": 0, "last": 1}]
