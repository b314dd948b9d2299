# SPDX-License-Identifier: Apache-2.0
"""Several readers of one port."""

import random

import pytest
from memories import ReadMemory
from movers import PAGE, stored
from streams import Bench, cycles, payloads

from opencdma.hw.bus.read_arbiter import ReadArbiter

WIDTH = 16

#: Readers, bursts that can be under way.
SHAPES = [(1, 4), (2, 2), (3, 16), (4, 8)]


def answer(address):
    """Return what is at an address; some of it is refused."""
    return stored(address, WIDTH), random.Random(address).choice((0, 0, 1, 2, 3))


def random_bursts(rng, count, *, longest=6):
    found = []
    for _ in range(count):
        length = rng.randrange(longest)
        page = PAGE * rng.randrange(1 << 20)
        found.append({
            "address": page + WIDTH * rng.randrange(PAGE // WIDTH - length), "length": length,
            "qos": rng.randrange(16), "cache": rng.randrange(16),
        })  # fmt: skip
    return found


class Arbiting:
    """An arbiter with readers, which ask for bursts, and a memory."""

    def __init__(self, shape, bursts, *, pauses=(0.0,) * 3, latency=1, seed=1):
        readers, outstanding = shape
        self.bursts = bursts
        self.dut = dut = ReadArbiter(
            readers, width=WIDTH, address_bits=40, outstanding=outstanding)
        self.bench = bench = Bench(dut, seed=seed)
        self.memory = ReadMemory(bench, dut.port, answer, latency=latency, pauses=pauses[:2])
        self.expected = []
        for own in bursts:
            self.expected.append(beats := [])
            for burst in own:
                for n in range(burst["length"] + 1):
                    data, resp = answer(burst["address"] + n * WIDTH)
                    beats.append({"data": data, "resp": resp, "last": int(n == burst["length"])})
        self.asked = [bench.send(port.ar, own, pause=pauses[2])
                      for port, own in zip(dut.readers, bursts, strict=True)]  # fmt: skip
        self.came = [bench.take(port.r, len(beats))
                     for port, beats in zip(dut.readers, self.expected, strict=True)]  # fmt: skip

    def run(self):
        """Run, and compare what everyone got."""
        total = sum(len(beats) for beats in self.expected)
        self.bench.run(1000 + 20 * total)
        for came, beats in zip(self.came, self.expected, strict=True):
            assert payloads(came) == beats
        # Bursts of a reader pass as they are, in order; in all there are no others.
        order = sorted(((item.cycle, n, item.payload) for n, asked in enumerate(self.asked)
                        for item in asked), key=lambda entry: entry[0])  # fmt: skip
        assert payloads(self.memory.bursts) == [burst for _, _, burst in order]
        return [n for _, n, _ in order]


@pytest.mark.parametrize(
    "pauses", [(0.0, 0.0, 0.0), (0.7, 0.0, 0.0), (0.0, 0.5, 0.7), (0.3, 0.3, 0.9)])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_random_bursts(shape, pauses):
    rng = random.Random(shape[0])
    bursts = [random_bursts(rng, rng.choice((3, 15, 25))) for _ in range(shape[0])]
    Arbiting(shape, bursts, pauses=pauses, latency=rng.choice((1, 9)), seed=shape[1]).run()


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_readers_take_turns(shape):
    rng, readers = random.Random(1), shape[0]
    arbiting = Arbiting(shape, [random_bursts(rng, 8) for _ in range(readers)])
    turns = arbiting.run()
    for at in range(0, 8 * readers, readers):
        assert sorted(turns[at : at + readers]) == list(range(readers))


def test_a_cycle_each_for_addresses_and_for_data():
    """And no more of them, however many bursts there are."""
    rng = random.Random(2)
    arbiting = Arbiting((2, 16), [random_bursts(rng, 10, longest=1) for _ in range(2)], latency=4)
    arbiting.run()
    asked = sorted(cycle for log in arbiting.asked for cycle in cycles(log))
    came = sorted(cycle for log in arbiting.came for cycle in cycles(log))
    assert asked == list(range(20))
    assert cycles(arbiting.memory.bursts) == [cycle + 1 for cycle in asked]
    assert came == [cycle + 1 for cycle in cycles(arbiting.memory.beats)]


@pytest.mark.parametrize("outstanding", [2, 8])
def test_so_many_bursts_can_be_under_way(outstanding):
    rng = random.Random(3)
    arbiting = Arbiting((2, outstanding), [random_bursts(rng, 12) for _ in range(2)], latency=100)
    arbiting.run()
    before = [cycle for cycle in cycles(arbiting.memory.bursts) if cycle <= 100]
    assert len(before) == outstanding
