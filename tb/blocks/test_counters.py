# SPDX-License-Identifier: Apache-2.0
"""The counters."""

import random

import pytest
from plans import anything
from streams import Bench

from opencdma.hw.dma.completer import Retired
from opencdma.hw.dma.counters import Counters
from opencdma.spec import Status

SUMS = ("bytes_in", "bytes_out", "nonzeros")
EVENTS = ("descriptors", "errors", "raw_stored")
STALLS = ("read", "write", "codec")


@pytest.mark.parametrize("rate", [1.0, 0.3])
def test_random(rate):
    """A record counts in the second cycle after it came, a stall in the next one."""
    bench, rng = Bench(Counters()), random.Random(4)
    names = (*SUMS, *EVENTS, *(f"stall_{kind}" for kind in STALLS))
    seen = bench.record(*(getattr(bench.dut, name) for name in names))
    wanted = []

    async def count(ctx):
        dut, counts, due = bench.dut, dict.fromkeys(names, 0), {}
        for _ in range(1500):
            for name, value in due.items():
                counts[name] += value
            wanted.append(tuple(counts.values()))
            due = {}
            stalls = [rng.randrange(2) for _ in STALLS]
            for kind, stalled in zip(STALLS, stalls, strict=True):
                ctx.set(getattr(dut, f"stalls_{kind}"), stalled)
            if rng.random() < rate:
                record = anything(rng, Retired)
                status = rng.choice((Status.OK, Status.OK_RAW, Status.DST_OVERFLOW, Status.RANGE))
                record["record"]["status"] = status
                record["failed"] = int(status > Status.OK_RAW)
                ctx.set(dut.retired.payload, record)
                ctx.set(dut.retired.valid, 1)
                due = {"descriptors": 1, "errors": record["failed"],
                       "raw_stored": int(status == Status.OK_RAW)}
                for name in SUMS:
                    due[name] = record["record"][name]
                due["bytes_out"] *= not record["failed"]
            await ctx.tick()
            ctx.set(dut.retired.valid, 0)
            for kind, stalled in zip(STALLS, stalls, strict=True):
                counts[f"stall_{kind}"] += stalled

    bench.add(count)
    bench.run(1600)
    assert len(seen) == 1500
    records = len(SUMS) + len(EVENTS)
    assert [item[records:] for item in seen] == [item[records:] for item in wanted]
    # Records take a cycle more.
    assert [item[:records] for item in seen[1:]] == [item[:records] for item in wanted[:-1]]
    assert wanted[-1][0] >> 32 # beyond 32 bits
