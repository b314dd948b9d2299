# SPDX-License-Identifier: Apache-2.0
"""What makes a channel halt, and the surroundings of its control."""

import random
from dataclasses import dataclass

from plans import anything
from streams import Bench, plain

from opencdma.hw.dma.completer import Retired
from opencdma.hw.dma.control import Control
from opencdma.spec import ErrorCode, Status

__all__ = ["CAUSES", "HEAD", "NOTHING", "OUTPUTS", "Cause", "Channel", "retired"]

#: No error.
NOTHING = {"status": 0, "error_code": 0, "index": 0, "address": 0}
#: Outputs of one bit.
OUTPUTS = ("stop", "kill", "drop", "silent", "latched", "begin", "rewind", "clear", "alarm")
GOOD = {"failed": 0, "stop_on_error": 0, "direct": 0, "record_lost": 0, "record_refused": 0}
#: The counter of the descriptor that is next.
HEAD = 0x1234_5678


def retired(rng, **changes):
    """Return a descriptor whose outcome is good but for what is given."""
    item = anything(rng, Retired) | GOOD | changes
    item["record"]["status"] = Status.DST_OVERFLOW if item["failed"] else Status.OK
    item["halts"] = int(item["record_refused"] or item["record_lost"]
                        or (item["stop_on_error"] and item["failed"]))  # fmt: skip
    return item


@dataclass(frozen=True)
class Cause:
    """Inputs of a cycle after which the channel halts, and what it says then."""

    inputs: dict
    error: dict
    drops: bool = False
    stays: bool = False # until it goes on
    kills: int = 0


def causes():
    """Return everything that makes a channel halt."""
    rng = random.Random(1)

    def from_record(item):
        record = item["record"]
        return {"status": record["status"], "error_code": record["error_code"],
                "index": item["index"], "address": record["fault_addr"]}

    def refused(item):
        return {"status": Status.RECORD_WRITE, "error_code": ErrorCode.NONE,
                "index": item["index"], "address": item["completion_addr"]}

    at_head = NOTHING | {"index": HEAD}
    stop = retired(rng, failed=1, stop_on_error=1)
    lost = retired(rng, failed=1, record_lost=1)
    unwritten = retired(rng, record_refused=1)
    both = retired(rng, record_refused=1, failed=1, stop_on_error=1)
    lost_and_stop = retired(rng, record_lost=1, failed=1, stop_on_error=1)
    fetch = {"fetch_fault": 1, "fetch_index": 0xFFFF_FFFF, "fetch_address": 0x9876_5432_1000}
    return {
        "stop on error": Cause({"retired": stop}, from_record(stop), drops=True),
        "record lost": Cause({"retired": lost}, from_record(lost)),
        "record refused": Cause({"retired": unwritten}, refused(unwritten)),
        "record refused and stop": Cause({"retired": both}, refused(both), drops=True),
        "record lost and stop": Cause(
            {"retired": lost_and_stop}, from_record(lost_and_stop), drops=True),
        "fetch": Cause(fetch, {
            "status": Status.DESC_FETCH, "error_code": 0, "index": 0xFFFF_FFFF,
            "address": 0x9876_5432_1000}, stays=True),
        "ring": Cause(
            {"ring_error": 1}, at_head | {"status": Status.RING_ERROR}, stays=True),
        "abort": Cause(
            {"commands": {"abort": 1}}, at_head | {"status": Status.ABORTED},
            kills=Status.ABORTED),
    }


#: By their names.
CAUSES = causes()


class Channel:
    """A control, and what is around it, cycle by cycle."""

    def __init__(self):
        self.bench = Bench(Control())
        self.dut = self.bench.dut

    def set(self, ctx, **inputs):
        """Set inputs; ``retired`` and ``commands`` are for one cycle."""
        dut = self.dut
        ctx.set(dut.retired.valid, "retired" in inputs)
        if "retired" in inputs:
            ctx.set(dut.retired.payload, inputs.pop("retired"))
        ctx.set(dut.commands, inputs.pop("commands", {}))
        for name, value in inputs.items():
            ctx.set(getattr(dut, name), value)

    async def cycle(self, ctx, **inputs):
        """Let a cycle pass with some inputs; return the outputs in it that are high."""
        self.set(ctx, **inputs)
        high = {name for name in OUTPUTS if ctx.get(getattr(self.dut, name))}
        await ctx.tick()
        self.set(ctx)
        return high

    def status(self, ctx):
        """Return the bits of STATUS that are set."""
        return {name for name, value in plain(ctx.get(self.dut.status)).items() if value}

    def error(self, ctx):
        return plain(ctx.get(self.dut.error))

    def run(self, scenario, limit=300):
        async def started(ctx):
            ctx.set(self.dut.index, HEAD)
            ctx.set(self.dut.idle, 1)
            await scenario(ctx)

        self.bench.add(started)
        self.bench.run(limit)
