# SPDX-License-Identifier: Apache-2.0
"""The framer: commands and packets become beats that know their place."""

import dataclasses
import random

import pytest
from models import GEOMETRIES, Transfer, as_int, packet, random_transfer
from streams import Bench, cycles, payloads

from opencdma.hw.codec import CodecGeometry
from opencdma.hw.codec.framer import Framer
from opencdma.spec import ErrorCode, Status


def expected(transfer, geometry):
    """Beats and report of a transfer. The data of a beat are those of its ``count`` bytes."""
    width, length = geometry.width, len(transfer.data)
    report = {"status": Status.OK, "error_code": ErrorCode.NONE, "position": 0, "bytes_in": length}
    common = {"zvc": int(transfer.zvc), "size": transfer.size.bit_length() - 1}
    if transfer.refused:
        report.update(status=transfer.refused, error_code=transfer.command["error_code"])
        beat = {"data": b"", "present": 0, "head": 0, "tail": 1, "last": 1, "empty": 1}
        return [{**common, **beat}], report

    if length != transfer.raw_length:
        report.update(status=Status.DATA_ERROR, error_code=ErrorCode.LENGTH_MISMATCH,
                      position=min(length, transfer.raw_length))  # fmt: skip
    elif transfer.cut:
        report.update(status=Status.DATA_ERROR, error_code=ErrorCode.FRAMING, position=length)

    there = transfer.data[: transfer.raw_length]
    beats = []
    for at in range(0, max(1, len(there)), width):
        data = there[at : at + width]
        data = data[: len(data) // transfer.size * transfer.size]
        last = at + width >= len(there)
        beats.append({
            **common, "data": data, "present": (1 << len(data) // geometry.lane_bytes) - 1,
            "head": int(transfer.zvc and at % 128 == 0 and len(data) > 0),
            "tail": int(last or (at + width) % 128 == 0), "last": int(last),
            "empty": int(at == 0 and not data),
        })  # fmt: skip
    return beats, report


def without_rest(beat, geometry):
    count = geometry.lane_bytes * beat["present"].bit_count()
    assert beat["filled"] == as_int(beat["data"]) # also of what does not belong to the transfer
    return {name: value for name, value in beat.items() if name != "filled"} | {
        "data": beat["data"][:count]}


def check(geometry, transfers, *, pause=0.0, enable=1.0, seed=1, packets=None):
    """Run transfers through a framer; return the bench, when beats went in, and when they came."""
    rng = random.Random(seed)
    if packets is None:
        packets = [packet(t.data, geometry.width, rng, cut=t.cut) for t in transfers]
    beats, reports = [], []
    for transfer in transfers:
        transfer_beats, report = expected(transfer, geometry)
        beats += transfer_beats
        reports.append(report)

    dut = Framer(geometry, depth=16)
    bench = Bench(dut, seed=seed)
    commands = bench.send(
        dut.commands, [t.command for t in transfers], pause=pause,
        allowed=lambda: len(commands) < begun[0] + 16)
    sent = bench.send(dut.i, [beat for beats in packets for beat in beats], pause=pause)
    taken = bench.take(dut.o, len(beats))
    reported = bench.take(dut.reports, len(reports))
    room = bench.record(dut.enable, dut.o.valid)

    begun = [0]

    async def enabler(ctx):
        while True:
            ctx.set(dut.enable, bench.rng.random() < enable)
            # Reports take a while: this many hide that, or do not.
            allowed = begun[0] < len(reported) + (3 if pause or enable < 1 else 8)
            ctx.set(dut.allowed, allowed)
            _, _, begins = await ctx.tick().sample(dut.begins)
            assert allowed or not begins
            begun[0] += begins

    bench.add(enabler, background=True)
    bench.run(200 + 20 * sum(map(len, packets)) + 20 * len(transfers))
    assert [without_rest(beat, geometry) for beat in payloads(taken)] == beats
    assert payloads(reported) == reports
    for (enabled, _), (_, valid) in zip(room, room[2:], strict=False):
        assert enabled or not valid
    return sent, taken


def damaged(transfer, rng):
    """The transfer with a packet that is too short, too long or cut, or a refused command."""
    data, width = transfer.data, 64
    return rng.choice((
        transfer,
        dataclasses.replace(transfer, data=data[: rng.randrange(len(data) + 1)]),
        dataclasses.replace(transfer, data=data + rng.randbytes(rng.randrange(1, 3 * width))),
        dataclasses.replace(transfer, data=data[: rng.randrange(len(data) + 1)], cut=True),
        dataclasses.replace(transfer, cut=True),
        dataclasses.replace(transfer, refused=rng.choice((Status.BAD_CODEC, Status.BAD_LENGTH))),
    ))  # fmt: skip


@pytest.mark.parametrize(("pause", "enable"), [(0.0, 1.0), (0.5, 0.5), (0.0, 0.3), (0.7, 1.0)])
@pytest.mark.parametrize("geometry", GEOMETRIES, ids=repr)
def test_random_transfers(geometry, pause, enable):
    rng = random.Random(geometry.width)
    transfers = [damaged(random_transfer(rng, geometry), rng) for _ in range(80)]
    check(geometry, transfers, pause=pause, enable=enable)


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=repr)
def test_every_length_against_every_announced_length(geometry):
    """Around the ends of beat and group."""
    rng, size = random.Random(5), geometry.lane_bytes
    lengths = {0, size, geometry.width - size, geometry.width, geometry.width + size,
               128 - size, 128, 128 + size}  # fmt: skip
    transfers = [
        Transfer(size, zvc, announced, rng.randbytes(max(0, length + odd)))
        for announced in sorted(lengths) for length in sorted(lengths)
        for odd in (0, 1, -1) for zvc in (False, True)
    ]  # fmt: skip
    check(geometry, transfers)


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=repr)
def test_one_beat_per_cycle_across_packets(geometry):
    rng, size = random.Random(9), max(geometry.element_sizes)
    transfers = []
    for length in (geometry.width, 128, 300 // 4 * 4, 4, 4, 0, 0, 256):
        transfers.append(Transfer(size, True, length, rng.randbytes(length)))
    sent, taken = check(geometry, transfers)
    count = len(sent)
    # The command comes in the first cycle; two later it has been looked at.
    assert cycles(sent) == list(range(3, 3 + count))
    assert cycles(taken) == list(range(4, 4 + count))


def test_nothing_is_taken_without_a_command():
    geometry = GEOMETRIES[0]
    dut = Framer(geometry, depth=4)
    bench = Bench(dut)
    log = bench.record(dut.i.ready, dut.o.valid)

    async def idle(ctx):
        ctx.set(dut.i.valid, 1)
        ctx.set(dut.enable, 1)
        ctx.set(dut.allowed, 1)
        await ctx.tick().repeat(20)

    bench.add(idle)
    bench.run(30)
    assert set(log) == {(0, 0)}


@pytest.mark.parametrize("cut", [False, True])
def test_empty_last_beat_adds_no_bytes(cut):
    """A packet of the announced length is that, even if the beat that ends it has no bytes."""
    geometry, rng = CodecGeometry(8, (4,)), random.Random(3)
    transfers, packets = [], []
    for length in (8, 16, 128):
        transfer = Transfer(4, True, length, rng.randbytes(length), cut=cut)
        beats = packet(transfer.data, 8, rng)
        beats[-1]["last"] = 0
        beats.append({"data": rng.randbytes(8), "count": 0, "last": 1, "cut": int(cut)})
        transfers.append(transfer)
        packets.append(beats)
    check(geometry, transfers, packets=packets)
