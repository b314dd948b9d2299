# SPDX-License-Identifier: Apache-2.0
"""The gate: good beats go out, the first error ends the packet."""

import random

import pytest
from models import GEOMETRIES, as_int
from streams import Bench, cycles, payloads

from opencdma.hw.codec.beat_planner import BeatKind
from opencdma.hw.codec.gate import Gate
from opencdma.spec import ErrorCode


def random_transfer(geometry, rng, *, faulty):
    """Return the expanded beats of a transfer; in a faulty one any beat may have errors."""
    lanes, size, zvc = geometry.lanes, rng.choice(geometry.element_sizes), rng.random() < 0.8
    span, length = geometry.lanes_per_element(size), rng.choice((1, 1, 2, 3, 5, 9))
    beats = []
    for n in range(length):
        last, first = n == length - 1, n % geometry.group_beats == 0
        count = span * rng.randrange(lanes // span + 1) if last else lanes
        keep = [int(rng.random() < 0.5) for _ in range(count // span) for _ in range(1)]
        keep = [bit for bit in keep for _ in range(span)]
        keep += [0] * (lanes - len(keep))
        taken, error = sum(keep), faulty and rng.random() < 0.3
        kind = rng.choice(list(BeatKind)) if error else BeatKind.DATA
        if kind in (BeatKind.PADDING, BeatKind.REFUSED):
            taken = 0
        zero = taken > 0 and faulty and rng.random() < 0.2 # in a stored transfer it is no error
        last = last or kind is not BeatKind.DATA
        mask = 16 // size if zvc and first and count > 0 else 0
        zero_at = rng.randrange(taken // span) if zero else 0
        beats.append({
            "data": [rng.getrandbits(8 * geometry.lane_bytes) for _ in range(lanes)],
            "beat": {
                "keep": as_int(keep), "step": mask + taken * geometry.lane_bytes, "count": count,
                "where": rng.randrange(16), "kind": kind,
                "tail": int(last or (n + 1) % geometry.group_beats == 0), "last": int(last),
                "checked": int(zvc and kind in (BeatKind.DATA, BeatKind.TRUNCATED)),
            },
            "zeros": {
                "nonzeros": taken // span, "stored_zero": int(zero),
                "offset": mask + zero_at * size if zero else rng.randrange(geometry.width),
            },
        })  # fmt: skip
        if last:
            break
    return beats


def judged(beats, geometry):
    """Return the packet of a transfer and its report; ``None`` is what a report leaves open."""
    lane = geometry.lane_bytes
    packet, consumed, out, nonzeros = [], 0, 0, 0
    report = {"error_code": ErrorCode.NONE, "position": None, "bytes_out": 0, "nonzeros": 0}
    for number, item in enumerate(beats):
        beat, zeros = item["beat"], item["zeros"]
        code, position = ErrorCode.NONE, None
        if beat["checked"] and zeros["stored_zero"]:
            code, position = ErrorCode.NON_CANONICAL, consumed + zeros["offset"]
        elif beat["kind"] is BeatKind.PADDING:
            code, position = ErrorCode.PADDING, consumed + beat["where"]
        elif beat["kind"] is BeatKind.TRUNCATED:
            code = ErrorCode.TRUNCATED
        if code or beat["kind"] is BeatKind.REFUSED:
            packet.append({"data": b"", "count": 0, "last": 1, "cut": 0})
            report.update(error_code=code, position=position, consumed=None)
            return packet, report, number
        count = beat["count"] * lane
        raw = b"".join(
            (value if beat["keep"] >> n & 1 else 0).to_bytes(lane, "little")
            for n, value in enumerate(item["data"]))[:count]  # fmt: skip
        packet.append({"data": raw, "count": count, "last": beat["last"], "cut": 0})
        consumed += beat["step"]
        out, nonzeros = out + count, nonzeros + zeros["nonzeros"]
        if beat["tail"]:
            report.update(bytes_out=out, nonzeros=nonzeros)
    report["consumed"] = consumed
    return packet, report, len(beats)


def check(geometry, transfers, *, pauses=(0.0, 0.0, 0.0), depth=16, reports=16, seed=1):
    packets, expected = [], []
    for beats in transfers:
        packet, report, _ = judged(beats, geometry)
        packets.append(packet)
        expected.append(report)
    out = [beat for packet in packets for beat in packet]
    beats = [beat for transfer in transfers for beat in transfer]
    starts = {id(transfer[0]) for transfer in transfers}

    dut = Gate(geometry, depth=depth, transfers=reports)
    bench = Bench(dut, seed=seed)
    freed, reported = [0], []

    async def count_freed(ctx):
        async for _, _, count in ctx.tick().sample(dut.freed):
            freed[0] += count

    def room():
        # Beats hold a place, transfers a report.
        new = id(beats[min(len(sent), len(beats) - 1)]) in starts
        begun = sum(1 for beat in beats[: len(sent)] if id(beat) in starts)
        return len(sent) - freed[0] < depth and not (new and begun - len(reported) >= reports)

    bench.add(count_freed, background=True)
    sent = bench.send(dut.i, beats, pause=pauses[0], allowed=room)
    taken = bench.take(dut.o, len(out), pause=pauses[1])
    reported = bench.take(dut.reports, len(expected), pause=pauses[2])
    bench.run(1000 + 40 * len(beats))

    for beat, result in zip(out, payloads(taken), strict=True):
        result["data"] = result["data"][: result["count"]]
        assert result == beat
    lasts = [item.cycle for item in taken if item.payload["last"]]
    for number, (report, item) in enumerate(zip(expected, reported, strict=True)):
        result = {name: None if report[name] is None else value
                  for name, value in item.payload.items()}  # fmt: skip
        assert result == report, number
        assert item.cycle > lasts[number]
    # Every beat gives its place back.
    assert freed[0] == len(beats)
    return sent, taken, reported


@pytest.mark.parametrize(
    "pauses", [(0.0, 0.0, 0.0), (0.0, 0.7, 0.0), (0.5, 0.0, 0.9), (0.3, 0.3, 0.3)]
)
@pytest.mark.parametrize("faulty", [False, True])
@pytest.mark.parametrize("geometry", GEOMETRIES, ids=repr)
def test_random_transfers(geometry, pauses, faulty):
    rng = random.Random(geometry.width)
    transfers = [random_transfer(geometry, rng, faulty=faulty) for _ in range(100)]
    check(geometry, transfers, pauses=pauses, reports=4)


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=repr)
def test_one_beat_per_cycle_one_cycle_later(geometry):
    rng = random.Random(2)
    transfers = [random_transfer(geometry, rng, faulty=False) for _ in range(40)]
    sent, taken, _ = check(geometry, transfers, reports=64)
    assert cycles(sent) == list(range(len(sent)))
    assert cycles(taken) == [cycle + 1 for cycle in cycles(sent)]


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=repr)
def test_first_error_counts_and_the_rest_is_dropped(geometry):
    """Behind a stored zero beats may follow, with errors of their own; all are freed at once."""
    rng, transfers = random.Random(3), []
    size, lanes = max(geometry.element_sizes), geometry.lanes
    for at in range(2 * geometry.group_beats):
        beats = []
        for n in range(2 * geometry.group_beats):
            end = n == 2 * geometry.group_beats - 1
            beats.append({"data": [1] * lanes, "beat": {
                "keep": (1 << lanes) - 1, "step": geometry.width, "count": lanes, "where": 3,
                "kind": BeatKind.TRUNCATED if end else BeatKind.DATA,
                "tail": int((n + 1) % geometry.group_beats == 0), "last": int(end), "checked": 1,
            }, "zeros": {
                "nonzeros": geometry.width // size, "offset": 0,
                "stored_zero": int(n >= at and rng.random() < (1 if n == at else 0.3)),
            }})  # fmt: skip
        transfers.append(beats)
    _, _, reported = check(geometry, transfers)
    for at, report in enumerate(payloads(reported)):
        # Whole groups in front of the error.
        assert report["bytes_out"] == at // geometry.group_beats * 128
