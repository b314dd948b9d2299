# SPDX-License-Identifier: Apache-2.0
"""The beat planner: groups become beats whose data are known to be there."""

import itertools
import random

import pytest
from models import (
    GEOMETRIES,
    Transfer,
    as_int,
    beats_and_rest,
    bits_of,
    damaged_transfer,
    encode,
    encoded_transfer,
    groups_of,
    random_raw,
    ring_of,
)
from streams import Bench, cycles, payloads

from opencdma.hw.codec.beat_planner import BeatKind, BeatPlanner
from opencdma.hw.codec.line_store import StoreShape
from opencdma.spec import Status

DATA, PADDING, TRUNCATED, REFUSED = (kind.value for kind in BeatKind)


def lines_of(transfer, geometry):
    return max(1, -(-len(transfer.data) // geometry.width))


def entry_of(transfer, group, line, geometry, rng):
    """Return a group as the walker gives it; what it leaves open is random."""
    size, lane = transfer.size, geometry.lane_bytes
    mask = group.mask if group.mask is not None else rng.getrandbits(geometry.mask_bits)
    position = line * geometry.lanes
    if group.truncated:
        position = rng.getrandbits(20)
    elif group.raw_bytes:
        position += group.data_at(size) // lane
    if group.mask is not None and size > lane:
        elements = 128 // size
        mask |= rng.getrandbits(geometry.mask_bits) >> elements << elements
    mask |= rng.getrandbits(geometry.mask_bits) >> 8 * group.arrived << 8 * group.arrived
    return {
        "mask": mask & (1 << geometry.mask_bits) - 1, "arrived": group.arrived,
        "position": position % (4 * StoreShape(geometry).depth * geometry.lanes),
        "count": group.raw_bytes // lane, "zvc": int(transfer.zvc),
        "size": geometry.size_code(size), "last": int(group.last),
        "refused": int(group.refused), "truncated": int(group.truncated),
        **beats_and_rest(group, geometry),
    }  # fmt: skip


def turns(position, keep):
    lanes = range(1, len(keep))
    return {str(n): (position + sum(keep[:n])) % (2 * (n & -n)) for n in lanes}


def beats_of_group(transfer, group, line, geometry):
    """Return the plan of a group: its beats, as if those before them were good."""
    size, lane, lanes = transfer.size, geometry.lane_bytes, geometry.lanes
    span = size // lane
    base = {
        "checked": int(transfer.zvc), "size": geometry.size_code(size), "head": 0, "tail": 1,
        "last": int(group.last), "kind": DATA, "taken": 0, "count": 0, "keep": 0,
        "where": None, "turns": None, "position": None, "behind": None, "after": None,
        "there": (1 << lanes) - 1,
    }  # fmt: skip
    early = {**base, "checked": 0, "count": None, "keep": None, "head": None, "taken": None}
    follows = {**dict.fromkeys(base), "last": 0}  # what means nothing
    if group.refused:
        return [{**early, "kind": REFUSED, "tail": None}]
    if group.raw_bytes == 0:
        return [base]
    bits = bits_of(group.mask, 128 // size) if transfer.zvc else [1] * (128 // size)
    stray = [n for n, bit in enumerate(bits) if bit and n * size >= group.raw_bytes]
    if transfer.zvc and stray:
        beats = [{**early, "kind": PADDING, "where": stray[0] // 8, "head": 1, "tail": None}]
        beats += [dict(follows) for _ in range(beats_and_rest(group, geometry)["beats"])]
        for beat in beats:
            beat["last"] = int(beat is beats[-1] and group.last)
        return beats
    if group.truncated:
        return [{**early, "kind": TRUNCATED, "tail": None}]

    kept = [bit for bit in bits for _ in range(span)]
    end = line * lanes + len(transfer.data) // lane
    at, beats = line * lanes + group.data_at(size) // lane, []
    count = group.raw_bytes // lane
    for first in range(0, count, lanes):
        tail = first + lanes >= count
        keep = kept[first : min(first + lanes, count)]
        keep += [0] * (lanes - len(keep))
        beat = {
            **base, "count": min(lanes, count - first), "keep": as_int(keep), "taken": sum(keep),
            "head": int(transfer.zvc and first == 0), "tail": int(tail),
            "last": int(tail and group.last), "position": at, "behind": at + sum(keep),
            "after": at + lanes, "turns": turns(at, keep),
        }  # fmt: skip
        if beat["taken"] == 0:
            beat["position"] = beat["behind"] = beat["after"] = beat["turns"] = None
        beats.append(beat)
        if sum(keep) and at + sum(keep) > end:
            beat.update(kind=TRUNCATED, there=ring_of(at, end, lanes, 1)["inside"])
        at += sum(keep)
    return beats


def plan_of(transfer, line, geometry):
    """Return the beats of each group of a transfer; behind the first bad one they mean nothing."""
    good, plan = True, []
    for group in groups_of(transfer, geometry):
        beats = beats_of_group(transfer, group, line, geometry)
        for n, beat in enumerate(beats):
            if not good:
                beats[n] = {**dict.fromkeys(beat), "last": beat["last"]}
            good = good and beat["kind"] == DATA
        plan.append((group, beats))
    return plan


class Arrival:
    """The packets as they arrive: lines that are written, and the ends that go with them."""

    def __init__(self, bench, transfers, geometry, *, pause):
        self.bench, self.geometry, self.pause = bench, geometry, pause
        self.shape = StoreShape(geometry)
        self.lines = [lines_of(transfer, geometry) for transfer in transfers]
        self.starts = [0, *itertools.accumulate(self.lines)]
        self.counts = [len(t.data) - geometry.width * (lines - 1)
                       for t, lines in zip(transfers, self.lines, strict=True)]  # fmt: skip
        self.written = 0
        self.done = 0  # ends taken
        self.floor = 0  # lines before this one are done with

    async def run(self, ctx):
        dut, turn = self.bench.dut, 4 * self.shape.depth
        while True:
            ctx.set(dut.written, self.written % turn)
            waiting = self.done < len(self.lines) and self.written >= self.starts[self.done + 1]
            ctx.set(dut.ends.valid, waiting)
            if waiting:
                line = self.starts[self.done + 1] - 1
                ctx.set(dut.ends.payload, {"line": line % turn, "count": self.counts[self.done]})
            _, _, ready = await ctx.tick().sample(dut.ends.ready)
            self.done += waiting and ready
            if self.done:
                self.floor = max(self.floor, self.starts[self.done])
            if (self.bench.rng.random() >= self.pause and self.written < self.starts[-1]
                    and self.written < self.floor + self.shape.depth):  # fmt: skip
                self.written += 1


def check(geometry, transfers, *, pauses=(0.0, 0.0), enable=1.0, seed=1):
    rng = random.Random(seed)
    dut = BeatPlanner(geometry)
    bench = Bench(dut, seed=seed)
    arrival = Arrival(bench, transfers, geometry, pause=pauses[0])
    turn = len(arrival.shape.position)

    entries, needs, starts, expected = [], [], [], []
    beats_before = []  # of each group
    for number, transfer in enumerate(transfers):
        line = arrival.starts[number]
        for group, beats in plan_of(transfer, line, geometry):
            starts.append(line + group.at // geometry.width)
            beats_before.append(len(expected))
            expected += beats
            entries.append(entry_of(transfer, group, line, geometry, rng))
            # The walker has seen the mask, or the end of the packet.
            at = group.data_at(transfer.size) if group.raw_bytes else 0
            if group.mask is None and group.raw_bytes:
                at += geometry.lane_bytes
            needs.append(min(line + -(-at // geometry.width), arrival.starts[number + 1]))
        assert expected[-1]["last"]

    def group_is_known():
        return arrival.written >= needs[len(sent)]

    async def enabler(ctx):
        while True:
            ctx.set(dut.enable, bench.rng.random() < enable)
            await ctx.tick()

    async def release(ctx):
        async for _ in ctx.tick():
            # Lines in front of the data of the last beat that came out are done with.
            position = expected[len(taken) - 1]["position"] if taken else None
            if position is not None:
                arrival.floor = max(arrival.floor, position // geometry.lanes)
            # When no beat is on its way, so are those in front of the next mask.
            if len(sent) == len(entries):
                arrival.floor = arrival.starts[-1]
            elif len(taken) == beats_before[len(sent)]:
                arrival.floor = max(arrival.floor, starts[len(sent)])

    async def every_end(ctx):
        while arrival.done < len(transfers):
            await ctx.tick()

    bench.add(arrival.run, background=True)
    bench.add(every_end)
    bench.add(enabler, background=True)
    sent = bench.send(dut.groups, entries, pause=pauses[1], allowed=group_is_known)
    taken = bench.take(dut.o, len(expected))
    bench.add(release, background=True)
    states = bench.record(dut.enable, dut.o.valid, dut.written, dut.frontier,
                          dut.frontier_valid, dut.idle)  # fmt: skip
    bench.run(1000 + 40 * (arrival.starts[-1] + len(expected)))

    for number, (beat, result) in enumerate(zip(expected, payloads(taken), strict=True)):
        for name, value in beat.items():
            if value is None:
                result[name] = None
        beat = dict(beat)
        for name in ("position", "behind", "after"):
            if beat[name] is not None:
                beat[name] %= turn
        assert result == beat, number
    check_signals(states, expected, taken, geometry)
    return sent, taken, states


def check_signals(states, expected, taken, geometry):
    turn = 4 * StoreShape(geometry).depth
    assert all(before[0] or not now[1] for before, now in itertools.pairwise(states))
    # Data of a beat that comes have been written, and a frontier stays in front of the data of
    # every beat that comes now or later.
    come = passed = 0
    for cycle, (_, _, written, frontier, frontier_valid, _) in enumerate(states):
        rest = (beat["position"] for beat in expected[come:] if beat["position"] is not None)
        if frontier_valid and (position := next(rest, None)) is not None:
            passed += (frontier - passed) % turn  # it never goes back
            assert passed <= position // geometry.lanes, cycle
        if come < len(taken) and taken[come].cycle == cycle:
            beat = expected[come]
            if beat["position"] is not None and beat["kind"] == DATA:
                last = (beat["position"] + beat["taken"] - 1) // geometry.lanes
                assert 0 < (written - last) % turn < turn // 2, cycle
            come += 1


@pytest.mark.parametrize(
    ("pauses", "enable"),
    [((0.0, 0.0), 1.0), ((0.6, 0.0), 1.0), ((0.0, 0.6), 1.0), ((0.0, 0.0), 0.4),
     ((0.3, 0.3), 0.7)],
)  # fmt: skip
@pytest.mark.parametrize("geometry", GEOMETRIES, ids=repr)
def test_encoded_transfers(geometry, pauses, enable):
    rng = random.Random(geometry.width)
    transfers = [encoded_transfer(rng, geometry) for _ in range(40)]
    check(geometry, transfers, pauses=pauses, enable=enable)


@pytest.mark.parametrize(
    ("pauses", "enable"), [((0.0, 0.0), 1.0), ((0.6, 0.0), 1.0), ((0.3, 0.5), 0.7)]
)
@pytest.mark.parametrize("geometry", GEOMETRIES, ids=repr)
def test_damaged_transfers(geometry, pauses, enable):
    rng = random.Random(geometry.width + 1)
    transfers = [damaged_transfer(rng, encoded_transfer(rng, geometry)) for _ in range(60)]
    check(geometry, transfers, pauses=pauses, enable=enable)


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=repr)
def test_packet_ends_at_every_byte_of_its_data(geometry):
    rng, transfers = random.Random(4), []
    for size in geometry.element_sizes:
        for zvc in (False, True):
            raw = random_raw(rng, 136, size, 0.8)
            data = encode(raw, size) if zvc else raw
            for end in (*range(16 // size, len(data), 5), *range(len(data) - 9, len(data) + 2)):
                transfers.append(Transfer(size, zvc, 136, (data + b"x")[:end]))
    check(geometry, transfers)


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=repr)
def test_every_stray_bit(geometry):
    """A bit behind the last element ends the transfer, and its byte is reported."""
    rng, transfers = random.Random(5), []
    for size in geometry.element_sizes:
        elements = 128 // size
        for count in (1, elements // 2, elements - 1):
            for stray in range(count, elements, max(1, elements // 16)):
                mask = 1 << stray | rng.getrandbits(count)
                data = mask.to_bytes(elements // 8, "little") + rng.randbytes(size * elements)
                transfers.append(Transfer(size, True, size * count, data))
    check(geometry, transfers)


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=repr)
def test_one_beat_per_cycle_three_cycles_later(geometry):
    """Across groups and transfers, while their data are there."""
    rng, transfers = random.Random(6), []
    size = geometry.lane_bytes
    for n in range(12):
        length = (geometry.width, 128, 384, 4, 0, 4)[n % 6]
        raw = random_raw(rng, length, size, 0.3)
        transfers.append(Transfer(size, True, length, encode(raw, size)))
    sent, taken, _ = check(geometry, transfers)
    # Nothing waits once a transfer's data are there: the store runs ahead of sparse data.
    start = len(taken) // 2
    assert cycles(taken)[start:] == list(range(taken[start].cycle, taken[-1].cycle + 1))

    # A single group whose data are there long before.
    one = [Transfer(size, True, 128, encode(random_raw(rng, 128, size, 0.0), size))]
    sent, taken, states = check(geometry, one)
    first = sent[0].cycle - geometry.group_beats + 1  # when the group was offered
    assert cycles(taken) == list(range(first + 3, first + 3 + geometry.group_beats))
    idle = [bool(state[-1]) for state in states]
    assert idle[: first + 1] == [True] * (first + 1)
    assert idle[-1]
    assert not any(idle[first + 1 : taken[-1].cycle])


def test_end_of_a_packet_may_come_late():
    """The transfer is over, its packet goes on: nothing of the next one is let go before."""
    geometry, size = GEOMETRIES[0], 4
    long_packet = Transfer(size, True, 8, encode(b"abcdefgh", size) + bytes(200))
    refused = Transfer(size, True, 8, bytes(200), refused=Status.BAD_CODEC)
    after = Transfer(size, True, 8, encode(b"12345678", size))
    check(geometry, [long_packet, after, refused, after], pauses=(0.5, 0.0))
