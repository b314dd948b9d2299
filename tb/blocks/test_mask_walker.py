# SPDX-License-Identifier: Apache-2.0
"""The mask walker: from mask to mask through the encoded stream."""

import random

import pytest
from amaranth.hdl import Module, Mux
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from models import (
    GEOMETRIES,
    Transfer,
    beats_and_rest,
    damaged_transfer,
    encode,
    encoded_transfer,
    groups_of,
    packet,
    random_raw,
)
from streams import Bench, cycles, payloads

from opencdma.hw.codec import PacketBeat
from opencdma.hw.codec.command import DecodedCommand
from opencdma.hw.codec.intake import Intake
from opencdma.hw.codec.line_store import LineStore, StoreShape
from opencdma.hw.codec.mask_walker import GroupEntry, MaskWalker, Verdict
from opencdma.spec import Status

#: Commands that can be waiting.
DEPTH = 16


class Walk(wiring.Component):
    """A walker and the store it walks through; lines go as soon as it lets them."""

    def __init__(self, geometry):
        self.geometry = geometry
        store = StoreShape(geometry)
        super().__init__({
            "commands": In(stream.Signature(DecodedCommand, always_ready=True)),
            "i": In(stream.Signature(PacketBeat(geometry.width))),
            "o": Out(stream.Signature(GroupEntry(geometry))),
            "verdicts": Out(stream.Signature(Verdict, always_ready=True)),
            "frontier": Out(store.line), "frontier_valid": Out(1), "idle": Out(1),
        })  # fmt: skip

    def elaborate(self, platform):
        m = Module()
        m.submodules.intake = intake = Intake(self.geometry, packets=64)
        m.submodules.walker = walker = MaskWalker(self.geometry, depth=DEPTH)
        m.submodules.store = store = LineStore(self.geometry, cells=walker.cells)
        wiring.connect(m, wiring.flipped(self.i), intake.i)
        wiring.connect(m, wiring.flipped(self.commands), walker.commands)
        wiring.connect(m, intake.ends_ahead, walker.ends)
        wiring.connect(m, walker.o, wiring.flipped(self.o))
        wiring.connect(m, walker.verdicts, wiring.flipped(self.verdicts))
        for name in ("frontier", "frontier_valid", "idle"):
            m.d.comb += getattr(self, name).eq(getattr(walker, name))
        m.d.comb += [
            store.write_en.eq(intake.write_en), store.write_line.eq(intake.write_line),
            store.write_data.eq(intake.write_data), store.read_position.eq(walker.read_position),
            store.read_after.eq(walker.read_after),
            walker.read_data.eq(store.read_data), walker.written.eq(intake.written),
            # The ends for the planner and the lengths go the way of the ends for the walker.
            intake.ends.ready.eq(1), intake.lengths.ready.eq(1),
        ]  # fmt: skip
        # Nobody waits for the data of the groups here, so the next mask may be far ahead.
        shape = StoreShape(self.geometry)
        with m.If(walker.idle & walker.frontier_valid):
            m.d.sync += intake.released.eq(Mux(
                shape.is_before(intake.written, walker.frontier), intake.written, walker.frontier
            ))  # fmt: skip
        return m


def entries(transfers, geometry):
    """What the walker is to find; what it may leave open is ``None``."""
    line, results = 0, []
    turn = 4 * StoreShape(geometry).depth * geometry.lanes
    for transfer in transfers:
        size, lane = transfer.size, geometry.lane_bytes
        for group in groups_of(transfer, geometry):
            # Nothing is to come of a group without data: it stands where its packet begins.
            position = line * geometry.lanes
            if group.raw_bytes:
                position += group.data_at(size) // lane
            results.append({
                "mask": group.mask, "arrived": None if group.mask is None else group.arrived,
                "position": None if group.truncated else position % turn,
                "count": group.raw_bytes // lane, "zvc": int(transfer.zvc),
                "size": geometry.size_code(size), "last": int(group.last),
                "refused": int(group.refused), "truncated": int(group.truncated),
                **beats_and_rest(group, geometry),
            })  # fmt: skip
        line += max(1, -(-len(transfer.data) // geometry.width))
    return results


def over(taken):
    """Return how many transfers have given their last group."""
    return sum(item.payload["last"] for item in taken)


def check(geometry, transfers, *, pauses=(0.0, 0.0, 0.0), command_delay=0, seed=1):
    rng = random.Random(seed)
    expected = entries(transfers, geometry)
    beats = [beat for t in transfers for beat in packet(t.data, geometry.width, rng, cut=t.cut)]
    bench = Bench(Walk(geometry), seed=seed)
    dut = bench.dut
    commands = bench.send(
        dut.commands, [t.command for t in transfers], pause=pauses[0], allowed=lambda: (
            bench.cycle >= command_delay and len(commands) < over(taken) + DEPTH))
    sent = bench.send(dut.i, beats, pause=pauses[1])
    taken = bench.take(dut.o, len(expected), pause=pauses[2])
    verdicts = bench.take(dut.verdicts, len(transfers))
    bench.run(1000 + 40 * (len(beats) + len(expected)))

    for number, (entry, result) in enumerate(zip(expected, payloads(taken), strict=True)):
        size = 1 << entry["size"]
        # What stands above the mask of larger elements belongs to nobody.
        result["mask"] &= (1 << min(128 // size, 8 * result["arrived"])) - 1
        for name in ("mask", "arrived", "position"):
            if entry[name] is None:
                result[name] = None
        if entry["refused"]:  # a refused command may have had any element type
            result["zvc"], result["size"] = entry["zvc"], entry["size"]
        assert result == entry, number
    for transfer, verdict in zip(transfers, payloads(verdicts), strict=True):
        assert verdict == {name: transfer.command[name] for name in ("status", "error_code", "zvc")}
    return sent, taken


@pytest.mark.parametrize(
    "pauses", [(0.0, 0.0, 0.0), (0.0, 0.5, 0.0), (0.0, 0.0, 0.8), (0.8, 0.0, 0.0), (0.4, 0.4, 0.4)]
)
@pytest.mark.parametrize("geometry", GEOMETRIES, ids=repr)
def test_encoded_transfers(geometry, pauses):
    rng = random.Random(geometry.width)
    check(geometry, [encoded_transfer(rng, geometry) for _ in range(60)], pauses=pauses)


@pytest.mark.parametrize("pauses", [(0.0, 0.0, 0.0), (0.0, 0.5, 0.0), (0.3, 0.3, 0.6)])
@pytest.mark.parametrize("geometry", GEOMETRIES, ids=repr)
def test_damaged_transfers(geometry, pauses):
    rng = random.Random(geometry.width + 1)
    transfers = [damaged_transfer(rng, encoded_transfer(rng, geometry)) for _ in range(70)]
    check(geometry, transfers, pauses=pauses)


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=repr)
def test_packet_ends_at_every_byte_of_a_mask(geometry):
    rng, transfers = random.Random(4), []
    for size in geometry.element_sizes:
        data = encode(random_raw(rng, 256, size, 0.5), size)
        start = 128 // size // 8 + size * int.from_bytes(data[: 16 // size], "little").bit_count()
        for end in range(start - 1, start + 16 // size + 2):
            transfers.append(Transfer(size, True, 256, data[:end]))
        for end in range(16 // size + 2):
            transfers.append(Transfer(size, True, 128, data[:end]))
            transfers.append(Transfer(size, False, 128, data[:end]))
    check(geometry, transfers)


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=repr)
@pytest.mark.parametrize("density", [0.0, 0.5, 1.0])
def test_a_group_takes_no_longer_than_its_raw_data(geometry, density):
    rng, transfers = random.Random(6), []
    size = geometry.lane_bytes
    for _ in range(6):
        data = encode(random_raw(rng, 2048, size, density), size)
        transfers.append(Transfer(size, True, 2048, data))
    sent, taken = check(geometry, transfers)
    groups = 6 * 2048 // 128
    beats = sum(-(-len(t.data) // geometry.width) for t in transfers)
    bound = max(groups * geometry.group_beats, beats)
    assert len(sent) == beats
    assert taken[-1].cycle - sent[0].cycle <= bound + geometry.group_beats + 8


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=repr)
def test_short_transfers_follow_each_other_cycle_by_cycle(geometry):
    rng, size = random.Random(7), max(geometry.element_sizes)
    transfers = []
    for n in range(16):  # they fit in the store
        raw = random_raw(rng, 4, size, 1.0)
        transfers.append((
            Transfer(size, True, 4, encode(raw, size)), Transfer(size, False, 4, raw),
            Transfer(size, True, 0, b""), Transfer(size, True, 4, raw, refused=Status.BAD_CODEC),
        )[n % 4])  # fmt: skip
    _, taken = check(geometry, transfers)
    assert cycles(taken) == list(range(taken[0].cycle, taken[0].cycle + 16))


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=repr)
def test_frontier_is_never_past_what_is_needed(geometry):
    """When nothing is on its way, no later group begins in a line that is declared done with."""
    rng = random.Random(8)
    transfers = [damaged_transfer(rng, encoded_transfer(rng, geometry)) for _ in range(90)]
    starts, line = [], 0
    for transfer in transfers:
        for group in groups_of(transfer, geometry):
            starts.append(line + group.at // geometry.width)
        line += max(1, -(-len(transfer.data) // geometry.width))

    beats = [beat for t in transfers for beat in packet(t.data, geometry.width, rng)]
    bench = Bench(Walk(geometry), seed=8)
    dut, turn = bench.dut, 4 * StoreShape(geometry).depth
    bench.take(dut.verdicts, len(transfers))
    commands = bench.send(
        dut.commands, [t.command for t in transfers], pause=0.3,
        allowed=lambda: len(commands) < over(taken) + DEPTH)
    sent = bench.send(dut.i, beats, pause=0.2)
    taken = bench.take(dut.o, len(starts), pause=0.3)
    states = bench.record(dut.frontier, dut.frontier_valid, dut.idle)
    bench.run(1000 + 40 * (len(beats) + len(starts)))

    come = there = checked = 0
    for cycle, (frontier, valid, idle) in enumerate(states):
        while come < len(starts) and taken[come].cycle < cycle:
            come += 1
        while there < len(sent) and sent[there].cycle < cycle:
            there += 1
        if valid and idle and come < len(starts):
            checked += 1
            # The number nearest to that of the lines that are there.
            assert there + (frontier - there + turn // 2) % turn - turn // 2 <= starts[come]
    assert checked > 50
