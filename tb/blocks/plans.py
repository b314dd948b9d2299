# SPDX-License-Identifier: Apache-2.0
"""Plans of descriptors for the tests of those who carry them out."""

import random

from amaranth.hdl import Shape
from amaranth.lib import data

from opencdma.hw.dma.plan import Plan
from opencdma.spec import Status

__all__ = ["PlanTable", "anything", "random_plan"]


def anything(rng: random.Random, shape):
    """Return a random value of a shape, as ``ctx.set`` takes it."""
    if isinstance(shape, type) and issubclass(shape, data.Struct):
        shape = data.Layout.cast(shape)
    if isinstance(shape, data.StructLayout):
        return {name: anything(rng, member) for name, member in shape.members.items()}
    return rng.getrandbits(Shape.cast(shape).width)


def random_plan(rng: random.Random, **fixed) -> dict:
    """Return a plan with anything in it but what is given; most of them run and are not special."""
    plan = anything(rng, Plan)
    plan["status"] = Status.OK if rng.random() < 0.8 else rng.randrange(0x10, 0x40)
    plan["runs"] = int(plan["status"] == Status.OK and rng.random() < 0.85)
    for name in ("fence", "drain", "stop_on_error"):
        plan[name] = int(rng.random() < 0.05)
    return plan | fixed


class PlanTable:
    """The table of plans, for a device that reads it through ``plan_slot`` and ``plan``.

    Parameters
    ----------
    bench : :class:`~streams.Bench`
        The bench with the device.
    slots : :class:`int`
        Entries.
    """

    def __init__(self, bench, slots: int):
        self._dut = bench.dut
        self._plans = [{}] * slots
        bench.add(self._answer, background=True)

    def __getitem__(self, slot):
        return self._plans[slot]

    def put(self, ctx, slot: int, plan: dict):
        """Change an entry."""
        self._plans[slot] = plan
        if ctx.get(self._dut.plan_slot) == slot:
            ctx.set(self._dut.plan, plan)

    async def _answer(self, ctx):
        async for (slot,) in ctx.changed(self._dut.plan_slot):
            ctx.set(self._dut.plan, self._plans[slot])
