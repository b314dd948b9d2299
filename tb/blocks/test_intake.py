# SPDX-License-Identifier: Apache-2.0
"""What takes packets in."""

import random

import pytest
from models import GEOMETRIES, packet
from streams import Bench, cycles, payloads

from opencdma.hw.codec.intake import Intake
from opencdma.hw.codec.line_store import StoreShape


@pytest.mark.parametrize("pauses", [(0.0, 0.0), (0.0, 0.6), (0.5, 0.5), (0.5, 0.0)])
@pytest.mark.parametrize("geometry", GEOMETRIES, ids=repr)
def test_intake(geometry, pauses):
    rng, width, shape = random.Random(geometry.width), geometry.width, StoreShape(geometry)
    turn = 4 * shape.depth
    data = [rng.randbytes(rng.choice((0, 1, width, rng.randrange(6 * width)))) for _ in range(60)]
    cut = [rng.random() < 0.2 for _ in data]
    packets = [packet(d, width, rng, cut=c) for d, c in zip(data, cut, strict=True)]
    beats = [beat for beats in packets for beat in beats]

    ends, line = [], 0
    for beats_of_packet in packets:
        line += len(beats_of_packet)
        ends.append({"line": (line - 1) % turn, "count": beats_of_packet[-1]["count"]})
    lengths = [{"bytes_in": len(d), "cut": int(c)} for d, c in zip(data, cut, strict=True)]

    dut = Intake(geometry, packets=64)
    bench = Bench(dut, seed=geometry.width)
    sent = bench.send(dut.i, beats, pause=pauses[0])
    ahead = bench.take(dut.ends_ahead, len(ends), pause=pauses[1])
    behind = bench.take(dut.ends, len(ends), pause=pauses[1])
    # A length is taken out after both ends of its packet.
    taken = bench.take(dut.lengths, len(ends), pause=pauses[1],
                       allowed=lambda: len(taken) < min(len(ahead), len(behind)))  # fmt: skip
    writes = bench.record(dut.write_en, dut.write_line, dut.write_data, dut.written)

    async def release(ctx):
        released = 0
        async for _ in ctx.tick():
            assert len(sent) - released <= shape.depth
            if bench.rng.random() >= pauses[1]:
                released = bench.rng.randint(released, len(sent))
                ctx.set(dut.released, released % turn)

    bench.add(release, background=True)
    bench.run(1000 + 40 * len(beats))
    assert payloads(ahead) == payloads(behind) == ends
    assert payloads(taken) == lengths

    stored = [(number, lanes) for enable, number, lanes, _ in writes if enable]
    assert [number for number, _ in stored] == [n % turn for n in range(len(beats))]
    for (_, lanes), beat in zip(stored, beats, strict=True):
        if not isinstance(lanes, bytes):
            lanes = b"".join(lane.to_bytes(geometry.lane_bytes, "little") for lane in lanes)
        assert lanes == beat["data"]
    # What is counted has been written.
    count = 0
    for enable, _, _, written in writes:
        assert written == count % turn
        count += enable


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=repr)
def test_intake_fills_the_store_and_then_waits(geometry):
    rng, shape = random.Random(2), StoreShape(geometry)
    beats = packet(rng.randbytes(geometry.width * (shape.depth + 3)), geometry.width, rng)
    dut = Intake(geometry, packets=4)
    bench = Bench(dut)
    sent = bench.send(dut.i, beats)

    async def release(ctx):
        await ctx.tick().repeat(shape.depth + 10)
        ctx.set(dut.released, 3)

    bench.add(release)
    bench.run(shape.depth + 30)
    at = shape.depth + 10
    # That there is room is known two cycles later.
    assert cycles(sent) == [*range(1, shape.depth + 1), at + 2, at + 3, at + 4]


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=repr)
def test_lines_that_nobody_will_need_are_taken(geometry):
    """Behind an error in it, a packet can be given up before it is there."""
    rng, shape = random.Random(3), StoreShape(geometry)
    beats = packet(rng.randbytes(geometry.width * 8), geometry.width, rng)
    dut = Intake(geometry, packets=4)
    bench = Bench(dut)
    sent = bench.send(dut.i, beats)

    async def release(ctx):
        for ahead in range(1, 2 * shape.depth):
            ctx.set(dut.released, (ctx.get(dut.written) + ahead) % (4 * shape.depth))
            await ctx.tick()

    bench.add(release)
    bench.run(2 * shape.depth + 10)
    assert cycles(sent) == [*range(1, 9)]
