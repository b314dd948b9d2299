# SPDX-License-Identifier: Apache-2.0
"""The packer: masks and compacted beats become full beats of encoded data."""

import random
import re

import pytest
from models import GEOMETRIES, fill
from streams import Bench, cycles, payloads

from opencdma.hw.codec.packer import Packer, store_banks


def to_bytes(lanes, geometry):
    return b"".join(lane.to_bytes(geometry.lane_bytes, "little") for lane in lanes)


class Stream:
    """Beats and masks as they reach a packer, and the packets it is to make of them."""

    def __init__(self, geometry, places, rng):
        self.geometry, self.places, self.rng = geometry, places, rng
        self.beats, self.masks, self.packets, self.reports = [], [], [], []
        self.complete = []  # the beat that completes each mask
        self._at = 0

    def transfer(self, groups, size=None):
        """Add a transfer.

        Each group is a list of beats given by their number of kept lanes; ``size`` is that of its
        elements, or ``None`` for a stored transfer. A transfer with no group has one empty beat.
        """
        geometry, lanes, rng = self.geometry, self.geometry.lanes, self.rng
        encoded, nonzeros, beats = [], 0, []
        for group in groups:
            for n, kept in enumerate(group):
                head = size is not None and n == 0
                mask = []
                if head:
                    mask = [rng.getrandbits(8 * geometry.lane_bytes)
                            for _ in range(geometry.mask_lanes(size))]  # fmt: skip
                    # Above a shorter mask there may be anything.
                    bits = fill(to_bytes(mask, geometry), geometry.mask_bits // 8, rng)
                    self.masks.append({
                        "bits": int.from_bytes(bits, "little"), "size": geometry.size_code(size)
                    })  # fmt: skip
                    self.complete.append(len(self.beats) + len(beats) + len(group) - 1)
                data = [rng.getrandbits(8 * geometry.lane_bytes) for _ in range(kept)]
                beats.append((mask, data, head))
        if not beats:
            beats = [([], [], False)]
        for n, (mask, data, head) in enumerate(beats):
            begin = self._at + len(encoded)
            encoded += mask + data
            slots = [rng.getrandbits(8 * geometry.lane_bytes) for _ in range(lanes)]
            for rank, lane in enumerate(data):
                slots[(begin + len(mask) + rank) % lanes] = lane
            ones = rng.randrange(lanes + 1)
            nonzeros += ones
            self.beats.append({"data": slots, "place": {
                "begin": begin % self.places, "data": (begin + len(mask)) % self.places,
                "end": (self._at + len(encoded)) % self.places, "nonzeros": ones,
                "empty": int(not encoded), "head": int(head), "last": int(n == len(beats) - 1),
            }})  # fmt: skip
        self.packets.append(to_bytes(encoded, geometry))
        self.reports.append({"bytes_out": len(self.packets[-1]), "nonzeros": nonzeros})
        self._at += max(1, -(-len(encoded) // lanes)) * lanes

    def random_transfer(self):
        geometry, rng = self.geometry, self.rng
        kind = rng.random()
        if kind < 0.1:
            self.transfer([])
            return
        full = [geometry.lanes] * geometry.group_beats
        if kind < 0.3:
            last = [geometry.lanes] * rng.randrange(geometry.group_beats)
            self.transfer([full] * rng.randrange(3) + [[*last, rng.randint(1, geometry.lanes)]])
            return
        size = rng.choice(geometry.element_sizes)
        span, density = geometry.lanes_per_element(size), rng.choice((0.0, 0.1, 0.5, 0.95, 1.0))
        groups = []
        for n in range(count := rng.randrange(1, 5)):
            beats = rng.randint(1, geometry.group_beats) if n == count - 1 else len(full)
            groups.append([
                span * sum(rng.random() < density for _ in range(geometry.lanes // span))
                for _ in range(beats)
            ])  # fmt: skip
        self.transfer(groups, size)


def make(geometry, seed, depth, rows):
    dut = Packer(geometry, depth=depth, transfers=16, rows=rows)
    return dut, Stream(geometry, dut.places, random.Random(seed))


def run(dut, stream, depth, *, pause=0.0, o_pause=0.0, mask_delay=1, allowed=None, seed=1):
    """Feed the stream as the compressor does; return the bench's logs of beats in and out."""
    geometry, bench = stream.geometry, Bench(dut, seed=seed)
    popped = [0]
    total = sum(max(1, -(-len(data) // geometry.width)) for data in stream.packets)

    async def count_popped(ctx):
        async for _, _, gone in ctx.tick().sample(dut.popped):
            popped[0] += gone

    def room():
        # What the bench has counted by now was popped in the cycles before this one.
        return len(sent) - popped[0] < depth

    def mask_is_there():
        tail = stream.complete[len(masks)]
        # The mask comes some cycles after the last beat of its group; so many can wait.
        return len(sent) > tail and bench.cycle > sent[tail].cycle + mask_delay

    bench.add(count_popped, background=True)
    sent = bench.send(dut.beats, stream.beats, pause=pause, allowed=room)
    masks = bench.send(dut.masks, stream.masks, allowed=mask_is_there)
    taken = bench.take(dut.o, total, pause=o_pause, allowed=allowed)
    reported = bench.take(dut.reports, len(stream.packets))
    bench.run(1000 + 30 * (len(stream.beats) + total))

    assert payloads(reported) == stream.reports
    # A report comes as the last beat of its packet is taken.
    assert cycles(reported) == [item.cycle for item in taken if item.payload["last"]]
    packets = [b""]
    for beat in payloads(taken):
        assert not beat["cut"]
        assert beat["last"] or beat["count"] == geometry.width
        packets[-1] += beat["data"][: beat["count"]]
        if beat["last"]:
            packets.append(b"")
    assert packets == [*stream.packets, b""]
    return sent, taken


@pytest.mark.parametrize("rows", [7, 4, 0, 12])
def test_wrong_rows(rows):
    message = f"Number of rows must be a power of two and at least 8, not {rows!r}"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        Packer(GEOMETRIES[0], depth=16, transfers=16, rows=rows)


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=repr)
def test_store(geometry):
    """A mask and a beat may lie across as many lines as there are banks, and one more."""
    banks = store_banks(geometry)
    assert banks & (banks - 1) == 0
    assert banks * geometry.lanes >= geometry.mask_lanes_max + geometry.lanes
    packer = Packer(geometry, depth=16, transfers=16, rows=8)
    assert packer.places == 8 * banks * geometry.lanes


@pytest.mark.parametrize(
    ("pause", "o_pause", "mask_delay"), [(0.0, 0.0, 0), (0.0, 0.7, 1), (0.6, 0.0, 3), (0.3, 0.3, 0)]
)
@pytest.mark.parametrize("geometry", GEOMETRIES, ids=repr)
def test_random_transfers(geometry, pause, o_pause, mask_delay):
    depth, rows = 32, 8 if o_pause else 16
    dut, stream = make(geometry, geometry.width, depth, rows)
    while len(stream.beats) < 350:
        stream.random_transfer()
    run(dut, stream, depth, pause=pause, o_pause=o_pause, mask_delay=mask_delay)


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=repr)
def test_full_store_and_full_queue_lose_nothing(geometry):
    """The output stands still for long, goes on for a while, and so on."""
    dut, stream = make(geometry, 7, 32, 8)
    while len(stream.beats) < 350:
        stream.random_transfer()
    held = [0]

    def allowed():
        held[0] += 1
        return held[0] // 150 % 2 == 1

    run(dut, stream, 32, allowed=allowed)


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=repr)
@pytest.mark.parametrize("density", [0.0, 0.5, 1.0])
def test_one_beat_per_cycle(geometry, density):
    """Stored or encoded, in or out: the longer side of each transfer has no gaps."""
    dut, stream = make(geometry, 3, 32, 16)
    size, lanes, beats = geometry.lane_bytes, geometry.lanes, geometry.group_beats
    for _ in range(3):
        stream.transfer([[int(lanes * density)] * beats] * 12, size)
    for _ in range(3):
        stream.transfer([[lanes] * beats] * 4)
    sent, taken = run(dut, stream, 32, mask_delay=0)
    encoded = [-(-len(data) // geometry.width) for data in stream.packets]
    raw = [12 * beats] * 3 + [4 * beats] * 3
    bound = sum(map(max, encoded, raw))
    assert taken[-1].cycle - sent[0].cycle <= bound + beats + 6


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=repr)
def test_latency_is_three_cycles(geometry):
    dut, stream = make(geometry, 3, 32, 8)
    for _ in range(20):
        stream.transfer([[geometry.lanes]])
    sent, taken = run(dut, stream, 32, pause=0.5)
    assert cycles(taken) == [cycle + 3 for cycle in cycles(sent)]


def test_one_beat_groups_follow_each_other_without_gaps():
    """Transfers of one beat each, with a mask or without, or empty."""
    for geometry in GEOMETRIES:
        dut, stream = make(geometry, 4, 32, 16)
        for n in range(60):
            if n % 3 == 2:
                stream.transfer([])
            else:
                # Mask and data fill a line at most.
                size = max(geometry.element_sizes)
                room = geometry.lanes - geometry.mask_lanes(size)
                stream.transfer([[room if n % 3 else geometry.lanes]], size if n % 3 else None)
        sent, taken = run(dut, stream, 32, mask_delay=0)
        assert len(taken) == 60
        assert taken[-1].cycle - sent[0].cycle <= 60 + 6
