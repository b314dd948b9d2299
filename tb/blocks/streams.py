# SPDX-License-Identifier: Apache-2.0
"""Test benches for blocks with streams, in Amaranth's own simulator."""

import enum
import random
from dataclasses import dataclass
from typing import Any

from amaranth.hdl import ClockDomain, Module
from amaranth.lib import data
from amaranth.sim import Simulator

__all__ = ["Bench", "Item", "cycles", "payloads", "plain"]

#: Cycles in which a stream must stay silent when everything expected of it has come.
QUIET = 12


@dataclass(frozen=True)
class Item:
    """What went through a stream, and when.

    Parameters
    ----------
    cycle : :class:`int`
        Clock edges before the one at which it was handed over.
    payload
        As :func:`plain` returns it.
    """

    cycle: int
    payload: Any


def payloads(items) -> list:
    """Return the payloads of some items."""
    return [item.payload for item in items]


def cycles(items) -> list[int]:
    """Return the cycles of some items."""
    return [item.cycle for item in items]


def plain(value):
    """Return a sampled value as nested dictionaries and lists of plain numbers.

    An array of bytes becomes :class:`bytes`.
    """
    if isinstance(value, enum.Enum):
        return value.value
    if not isinstance(value, data.Const):
        return value
    layout = value.shape()
    if isinstance(layout, data.ArrayLayout):
        if layout.elem_shape == 8:
            return value.as_bits().to_bytes(layout.length, "little")
        return [plain(value[n]) for n in range(layout.length)]
    return {name: plain(value[name]) for name, _ in layout}


def settable(value):
    """Return what ``ctx.set`` wants in place of :class:`bytes`, at any depth."""
    if isinstance(value, bytes):
        return list(value)
    if isinstance(value, dict):
        return {name: settable(item) for name, item in value.items()}
    return value


class Bench:
    """A device under test, what is fed to its streams, and what is expected of them.

    All that is random comes from one seed; a watchdog stops a device that locks up.

    Parameters
    ----------
    dut : :class:`~amaranth.lib.wiring.Component`
        Device under test.
    seed : :class:`int`
        Seed of all random pauses.
    """

    def __init__(self, dut, *, seed: int = 1):
        self.dut = dut
        self.rng = random.Random(seed)
        self.cycle = 0  #: clock edges so far
        self._limit = 0
        top = Module()
        top.domains.sync = ClockDomain()  # also for a device without registers
        top.submodules.dut = dut
        self._simulator = Simulator(top)
        self._simulator.add_clock(1e-8)
        self.add(self._count_cycles, background=True)  # the first: it counts before others look

    def add(self, testbench, *, background: bool = False):
        """Add a testbench of your own, an asynchronous function of the simulation context."""
        self._simulator.add_testbench(testbench, background=background)

    def send(self, port, items, *, pause: float = 0.0, allowed=None) -> list[Item]:
        """Feed a stream.

        Parameters
        ----------
        port
            Input stream of the device.
        items : iterable
            Payloads as ``ctx.set`` takes them, or with :class:`bytes` for arrays of bytes.
        pause : :class:`float`
            Probability that an item is held back in a cycle in which it could be offered.
        allowed : callable or ``None``
            Tells in each cycle whether the next item may be offered.

        Returns
        -------
        :class:`list` of :class:`Item`
            What was taken, filled in as the simulation runs.
        """
        log = []

        async def producer(ctx):
            for item in items:
                while self.rng.random() < pause or not (allowed is None or allowed()):
                    await ctx.tick()
                ctx.set(port.payload, settable(item))
                ctx.set(port.valid, 1)
                ready = False
                while not ready:
                    at = self.cycle
                    _, _, ready = await ctx.tick().sample(port.ready)
                log.append(Item(at, item))
                ctx.set(port.valid, 0)

        self.add(producer)
        return log

    def take(self, port, count: int, *, pause: float = 0.0, allowed=None) -> list[Item]:
        """Take items from a stream, and see that no more than expected come.

        A stream with back-pressure must also keep what it offers, unchanged, until it is taken.

        Parameters
        ----------
        port
            Output stream of the device.
        count : :class:`int`
            Items expected.
        pause, allowed
            As in :meth:`send`.

        Returns
        -------
        :class:`list` of :class:`Item`
            What came, filled in as the simulation runs.
        """
        log = []
        always_ready = port.signature.always_ready

        async def consumer(ctx):
            held, quiet = None, 0
            while quiet < QUIET:
                ready = always_ready
                if not always_ready:
                    ready = self.rng.random() >= pause and (allowed is None or allowed())
                    ctx.set(port.ready, ready)
                at = self.cycle
                _, _, valid, payload = await ctx.tick().sample(port.valid, port.payload)
                if held is not None:
                    assert valid, f"{held} was offered and withdrawn at cycle {at}"
                    assert plain(payload) == held, f"the offer changed at cycle {at}"
                held = plain(payload) if valid and not ready else None
                if valid and ready:
                    assert len(log) < count, f"more than {count} items: {plain(payload)}"
                    log.append(Item(at, plain(payload)))
                elif len(log) == count:
                    quiet += 1

        self.add(consumer)
        return log

    def record(self, *signals) -> list[tuple]:
        """Return a list that gets the values of signals at every clock edge."""
        log = []

        async def recorder(ctx):
            async for _, _, *values in ctx.tick().sample(*signals):
                log.append(tuple(plain(value) for value in values))

        self.add(recorder, background=True)
        return log

    def run(self, limit: int):
        """Simulate until everything was fed and taken.

        Parameters
        ----------
        limit : :class:`int`
            Cycles this may take.

        Raises
        ------
        TimeoutError
            If it takes more.
        """
        self._limit = limit
        self._simulator.run()

    async def _count_cycles(self, ctx):
        async for _ in ctx.tick():
            self.cycle += 1
            if self.cycle > self._limit:
                raise TimeoutError(f"not done after {self._limit} cycles: something got lost")
