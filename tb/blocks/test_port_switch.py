# SPDX-License-Identifier: Apache-2.0
"""The port switch of a channel that goes both ways."""

import random

import pytest
from amaranth.hdl import Value
from streams import Bench

from opencdma.hw.dma.port_switch import PortSwitch

#: Streams of the channel, and those of the memories they go to when it offloads, and when not.
STREAMS = [
    ("source", "ar", "dev_read", "host_read"), ("sink", "aw", "host_write", "dev_write"),
    ("sink", "w", "host_write", "dev_write"), ("source", "r", "dev_read", "host_read"),
    ("sink", "b", "host_write", "dev_write")]


@pytest.mark.parametrize("width", [8, 64])
@pytest.mark.parametrize("offload", [0, 1])
def test_ways(offload, width):
    """What is selected is connected in the same cycle; the rest is silent and not listened to."""
    bench, rng = Bench(PortSwitch(width=width, address_bits=40)), random.Random(offload)

    async def compare(ctx):
        dut = bench.dut

        def randomize(signal):
            signal = Value.cast(signal)
            value = rng.getrandbits(len(signal)) if len(signal) > 1 else rng.random() < 0.6
            ctx.set(signal, value)
            return int(value)

        ctx.set(dut.offload, offload)
        for _ in range(150):
            given = {}
            for channel, name, *memories in STREAMS:
                inwards = name in ("r", "b")
                for port in memories if inwards else (channel,):
                    stream = getattr(getattr(dut, port), name)
                    given[port, name] = randomize(stream.valid), randomize(stream.payload)
                for port in () if inwards else memories:
                    given[port, name] = randomize(getattr(getattr(dut, port), name).ready)
            for channel, name, *memories in STREAMS:
                selected, other = memories if offload else memories[::-1]
                of_channel = getattr(getattr(dut, channel), name)
                of_memory = getattr(getattr(dut, selected), name)
                of_other = getattr(getattr(dut, other), name)
                if name in ("r", "b"):
                    valid, payload = given[selected, name]
                    sees = of_channel
                else:
                    valid, payload = given[channel, name]
                    sees = of_memory
                    assert ctx.get(of_channel.ready) == given[selected, name]
                    assert not ctx.get(of_other.valid)
                assert ctx.get(sees.valid) == valid
                if valid:
                    assert ctx.get(Value.cast(sees.payload)) == payload
            await ctx.tick()

    bench.add(compare)
    bench.run(200)
