# SPDX-License-Identifier: Apache-2.0
"""The table of what is under way."""

import random

import pytest
from amaranth.lib import data
from streams import Bench, plain

from opencdma.hw.dma.slot_table import SlotTable

SHAPE = data.StructLayout({"low": 5, "high": 33})


def entry(rng):
    return {"low": rng.getrandbits(5), "high": rng.getrandbits(33)}


@pytest.mark.parametrize(("slots", "readers"), [(2, 1), (8, 3), (64, 2)])
def test_random(slots, readers):
    """What is written shows in the next cycle, at every reader, and until it is overwritten."""
    bench, rng = Bench(SlotTable(SHAPE, slots=slots, readers=readers)), random.Random(slots)
    dut = bench.dut

    async def drive(ctx):
        table = [None] * slots
        for n in range(400):
            first = n < slots # fill all of them
            writes, slot, given = first or rng.random() < 0.5, rng.randrange(slots), entry(rng)
            slot = n if first else slot
            ctx.set(dut.write_en, writes)
            ctx.set(dut.write_slot, slot)
            ctx.set(dut.write_data, given)
            # Often the entry that is being written, which is still the old one.
            wanted = [rng.choice((slot, rng.randrange(slots))) for _ in range(readers)]
            for port, number in zip(dut.read_slot, wanted, strict=True):
                ctx.set(port, number)
            # Without a clock.
            read = [plain(ctx.get(port)) for port in dut.read_data]
            assert first or read == [table[n] for n in wanted]
            await ctx.tick()
            if writes:
                table[slot] = given

    bench.add(drive)
    bench.run(500)
