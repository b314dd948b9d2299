# SPDX-License-Identifier: Apache-2.0
"""Copies that a stand-in for the engine makes, to test the harness with."""

import numpy as np
from harness_dut import HarnessTop, Offset, Shape, Sin, Start

from opencdma.sim.device import Port, SimulatedDevice
from opencdma.spec import Config

__all__ = ["NARROW", "WIDE", "Copy", "cycles", "make"]

#: Narrow ports of equal width, and wide ones of different width with addresses beyond 32 bits.
NARROW = Config(dev_width=8, host_width=8, address_bits=32)
WIDE = Config(dev_width=64, host_width=32, address_bits=48, read_burst=16, write_burst=64)


def make(config=NARROW, **settings):
    """Return a stand-in for an engine, its memories full of random bytes."""
    device = SimulatedDevice(
        config, top=HarnessTop(config),
        **{"dev_size": 0x4000, "host_size": 0x4000, "dev_base": 0x8000, "host_base": 0x2_0000}
        | settings)
    rng = np.random.default_rng(1)
    for memory in (device.dev, device.host):
        memory.array[:] = rng.integers(0, 256, memory.size, dtype=np.uint8)
    return device


class Copy:
    """Bursts that the stand-in copies: from dev, or to it.

    Addresses are offsets in the memories.
    """

    def __init__(
        self, device, *, source=0x400, target=0x800, beats=8, bursts=4, to_dev=False,
        sin=Sin.NONE, wrong_size=0, wrong_type=0, strobe=0xFFFF_FFFF, ids=0, ar_prot=0, aw_prot=0,
    ):
        self.device = device
        sides = [
            (Port.DEV, device.dev, device.config.dev_width),
            (Port.HOST, device.host, device.config.host_width)]
        (self.reader, self.read_memory, self.read_width), (
            self.writer, self.write_memory, self.write_width) = sides[::-1] if to_dev else sides
        self.source, self.target = self.read_memory.base + source, self.write_memory.base + target
        self.beats, self.bursts = beats, bursts
        shape = Shape.const({
            "beats": beats - 1, "bursts": bursts - 1, "wrong_size": wrong_size,
            "wrong_type": wrong_type})
        start = Start.const({
            "sin": sin, "ids": ids, "ar_prot": ar_prot, "aw_prot": aw_prot, "to_dev": to_dev})
        assert self.source >> 32 == self.target >> 32
        for offset, value in (
            (Offset.SOURCE, self.source & 0xFFFF_FFFF), (Offset.TARGET, self.target & 0xFFFF_FFFF),
            (Offset.HIGH, self.source >> 32), (Offset.SHAPE, shape.as_bits()),
            (Offset.STROBE, strobe), (Offset.START, start.as_bits()),
        ):
            device.write_register(offset, value)

    @property
    def total(self):
        return self.beats * self.bursts

    def finish(self, cycles=20_000):
        """Wait for the end, and return the first responses to reads and writes but OKAY."""
        self.device.run_until_irq(cycles)
        state = self.device.read_register(Offset.STATE)
        assert state & ~0b11110 == self.bursts << 6
        return state >> 1 & 3, state >> 3 & 3

    def expected(self):
        """Return what is to be at the target."""
        data = self.read_memory.read(self.source, self.total * self.read_width)
        beats = np.zeros((self.total, 64), np.uint8)
        beats[:, : self.read_width] = np.frombuffer(data, np.uint8).reshape(self.total, -1)
        return beats[:, : self.write_width].tobytes()

    def written(self):
        return self.write_memory.read(self.target, self.total * self.write_width)


def cycles(device, port, channel):
    """Return the cycles of the handshakes of a channel."""
    trace = device.trace()
    return trace["cycle"][(trace["port"] == port) & (trace["channel"] == channel)].astype(int)
