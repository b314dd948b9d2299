# SPDX-License-Identifier: Apache-2.0
"""Several writers of one port."""

import random

import pytest
from memories import WriteMemory
from streams import Bench, cycles, payloads

from opencdma.hw.bus.write_arbiter import WriteArbiter

WIDTH = 8

#: Writers, bursts that can be under way.
SHAPES = [(1, 4), (2, 2), (3, 16), (4, 8)]


def answer(address):
    return random.Random(address).choice((0, 1, 2, 3))


def random_writes(rng, writer, count, *, longest=6):
    """Return bursts and the beats of each; the address tells the writer and the burst."""
    found = []
    for number in range(count):
        length = rng.randrange(longest)
        burst = {"address": writer << 32 | number << 12, "length": length,
                 "qos": rng.randrange(16), "cache": rng.randrange(16)}  # fmt: skip
        beats = [{"data": rng.randbytes(WIDTH), "strobe": rng.getrandbits(WIDTH),
                  "last": int(n == length)} for n in range(length + 1)]  # fmt: skip
        found.append((burst, beats))
    return found


class Arbiting:
    """An arbiter with writers and a memory. Writers offer data with their address, or later."""

    def __init__(self, shape, writes, *, pauses=(0.0,) * 5, allowed=None, latency=1, seed=1):
        writers, outstanding = shape
        self.writes, self.pauses = writes, pauses
        self.dut = dut = WriteArbiter(
            writers, width=WIDTH, address_bits=40, outstanding=outstanding)
        self.bench = bench = Bench(dut, seed=seed)
        self.memory = WriteMemory(
            bench, dut.port, answer=answer, latency=latency, pauses=pauses[:3], allowed=allowed)
        self.asked, self.sent, self.acks = [], [], []
        for port, own in zip(dut.writers, writes, strict=True):
            self._connect(port, own)

    def _connect(self, port, own):
        offered = [0]

        def offer():
            goes = self.bench.rng.random() >= self.pauses[3]
            offered[0] += goes
            return goes

        beats = [(number, beat) for number, (_, beats) in enumerate(own) for beat in beats]

        def follow():
            return beats[len(sent)][0] < offered[0]

        self.asked.append(self.bench.send(port.aw, [burst for burst, _ in own], allowed=offer))
        sent = self.bench.send(port.w, [beat for _, beat in beats], pause=self.pauses[4],
                               allowed=follow)  # fmt: skip
        self.sent.append(sent)
        self.acks.append(self.bench.take(port.b, len(own)))

    def run(self):
        """Run, and compare what everyone wrote and was told; return whose turns there were."""
        total = sum(len(beats) for own in self.writes for _, beats in own)
        self.bench.run(1000 + 30 * total)
        for acks, own in zip(self.acks, self.writes, strict=True):
            assert payloads(acks) == [answer(burst["address"]) for burst, _ in own]
        order = sorted(((item.cycle, item.payload) for asked in self.asked for item in asked),
                       key=lambda taken: taken[0])  # fmt: skip
        assert payloads(self.memory.bursts) == [burst for _, burst in order]
        beats = [beat for _, burst in order
                 for beat in self.writes[burst["address"] >> 32][burst["address"] >> 12 & 0xFF][1]]
        assert payloads(self.memory.beats) == beats
        # Data come when their address has been on offer at the port, from the cycle behind on.
        firsts = (item for n, item in enumerate(self.memory.beats)
                  if n == 0 or beats[n - 1]["last"])  # fmt: skip
        for (cycle, _), item in zip(order, firsts, strict=True):
            assert item.cycle > cycle
        return [burst["address"] >> 32 for _, burst in order]


@pytest.mark.parametrize("pauses", [
    (0.0,) * 5, (0.8, 0.0, 0.0, 0.0, 0.0), (0.0, 0.6, 0.0, 0.5, 0.0), (0.0, 0.0, 0.8, 0.0, 0.5),
    (0.3, 0.3, 0.3, 0.8, 0.3),
])  # fmt: skip
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_random_bursts(shape, pauses):
    rng = random.Random(shape[0])
    writes = [random_writes(rng, n, rng.choice((3, 15, 25))) for n in range(shape[0])]
    Arbiting(shape, writes, pauses=pauses, latency=rng.choice((1, 9)), seed=shape[1]).run()


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_writers_take_turns(shape):
    rng, writers = random.Random(1), shape[0]
    turns = Arbiting(shape, [random_writes(rng, n, 8) for n in range(writers)]).run()
    for at in range(0, 8 * writers, writers):
        assert sorted(turns[at : at + writers]) == list(range(writers))


def test_a_cycle_for_addresses_and_none_for_data():
    rng = random.Random(2)
    writes = [random_writes(rng, n, 10, longest=1) for n in range(2)]
    arbiting = Arbiting((2, 16), writes, latency=4)
    arbiting.run()
    asked = sorted(cycle for log in arbiting.asked for cycle in cycles(log))
    sent = sorted(cycle for log in arbiting.sent for cycle in cycles(log))
    acks = sorted(cycle for log in arbiting.acks for cycle in cycles(log))
    assert asked == list(range(20))
    assert cycles(arbiting.memory.bursts) == [cycle + 1 for cycle in asked]
    assert cycles(arbiting.memory.beats) == sent == [cycle + 1 for cycle in asked]
    assert acks == cycles(arbiting.memory.acks)


def test_data_do_not_wait_for_the_port_to_take_the_address():
    """Many devices take an address only when they see its data."""
    rng = random.Random(3)
    writes = [random_writes(rng, n, 2) for n in range(2)]
    arbiting = Arbiting((2, 4), writes, pauses=(0.9, 0.0, 0.0, 0.0, 0.0))
    arbiting.run()
    asked = min(log[0].cycle for log in arbiting.asked)
    assert arbiting.memory.beats[0].cycle == asked + 1 < arbiting.memory.bursts[0].cycle


@pytest.mark.parametrize("outstanding", [2, 8])
def test_so_many_bursts_can_be_without_acknowledgement(outstanding):
    rng = random.Random(3)
    writes = [random_writes(rng, n, 12) for n in range(2)]
    arbiting = Arbiting((2, outstanding), writes, allowed=lambda: arbiting.bench.cycle > 200)
    arbiting.run()
    before = [cycle for cycle in cycles(arbiting.memory.bursts) if cycle <= 200]
    assert len(before) == outstanding
