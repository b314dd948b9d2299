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


@pytest.mark.parametrize(
    ("slots", "readers", "late_readers"), [(2, 1, 0), (8, 3, 1), (64, 2, 2), (16, 0, 1)])
def test_random(slots, readers, late_readers):
    """What is written shows in the next cycle, at every reader, and until it is overwritten."""
    table = SlotTable(SHAPE, slots=slots, readers=readers, late_readers=late_readers)
    bench, rng = Bench(table), random.Random(slots)
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
            late = [rng.randrange(slots) for _ in range(late_readers)]
            for port, number in zip(dut.late_slot, late, strict=True):
                ctx.set(port, number)
            await ctx.tick()
            for port in dut.late_slot: # asking for another changes nothing until the next edge
                ctx.set(port, rng.randrange(slots))
            for port, number in zip(dut.late_data, late, strict=True):
                assert first or (writes and number == slot) or plain(ctx.get(port)) == table[number]
            if writes:
                table[slot] = given

    bench.add(drive)
    bench.run(500)
