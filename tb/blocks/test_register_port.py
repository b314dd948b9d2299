# SPDX-License-Identifier: Apache-2.0
"""Words become accesses of AXI4-Lite, whatever the far end does."""

import random

import pytest
from streams import Bench, payloads, plain

from opencdma.hw.bus.axi4 import Response
from opencdma.hw.fpga.register_port import RegisterPort

BITS = 8


class Registers:
    """The far end: takes its channels in any order, and refuses some addresses."""

    def __init__(self, bench, bus, pause):
        self._bench, self._bus, self._pause = bench, bus, pause
        self.values = {}
        bench.add(self._serve, background=True)

    @staticmethod
    def response(address):
        """Return the answer to an access at an address."""
        return random.Random(address).choice(
            (Response.OKAY, Response.OKAY, Response.SLVERR, Response.DECERR))

    async def _serve(self, ctx):
        bus, rng = self._bus, self._bench.rng
        held = {}
        channels = {"aw": bus.aw, "w": bus.w, "ar": bus.ar}
        ready = dict.fromkeys(channels, 0)
        answering = {"b": False, "r": False}
        samples = [part for stream in channels.values() for part in (stream.valid, stream.payload)]
        async for _, _, *values in ctx.tick().sample(*samples, bus.b.ready, bus.r.ready):
            for n, name in enumerate(channels):
                if values[2 * n] and ready[name]:
                    assert name not in held
                    held[name] = plain(values[2 * n + 1])
            for name, taken in zip(("b", "r"), values[-2:], strict=True):
                if answering[name] and taken:
                    answering[name] = False
            if {"aw", "w"} <= set(held) and rng.random() >= self._pause:
                address, beat = held.pop("aw"), held.pop("w")
                assert beat["strobe"] == 0xF
                response = self.response(address)
                if response == Response.OKAY:
                    self.values[address] = beat["data"]
                ctx.set(bus.b.payload, response)
                answering["b"] = True
            if "ar" in held and rng.random() >= self._pause:
                address = held.pop("ar")
                # What comes with an error is nothing to be seen.
                data = self.values.get(address, address + 1)
                ctx.set(bus.r.payload, {"data": data, "resp": self.response(address)})
                answering["r"] = True
            for name, stream in channels.items():
                ready[name] = rng.random() >= self._pause
                ctx.set(stream.ready, ready[name])
            ctx.set(bus.b.valid, answering["b"])
            ctx.set(bus.r.valid, answering["r"])


@pytest.mark.parametrize("pause", [0.0, 0.3, 0.9])
def test_random_accesses(pause):
    rng, model = random.Random(2), {}
    bench = Bench(RegisterPort(BITS), seed=3)
    registers = Registers(bench, bench.dut.bus, pause)
    requests, answers = [], []
    for _ in range(100):
        word, write, data = rng.randrange(1 << BITS - 2), rng.randrange(2), rng.getrandbits(32)
        requests.append({"address": word, "write": write, "data": data})
        refused = registers.response(4 * word) != Response.OKAY
        if write and not refused:
            model[4 * word] = data
        read = 0 if write or refused else model.get(4 * word, 4 * word + 1)
        answers.append({"data": read, "refused": int(refused)})
    taken = bench.take(bench.dut.words.answers, len(answers))
    for number, request in enumerate(requests):
        bench.send(bench.dut.words.requests, [request], allowed=lambda n=number: len(taken) == n)
    bench.run(20_000)
    assert payloads(taken) == answers
    assert registers.values == model
