# SPDX-License-Identifier: Apache-2.0
"""The packer: masks and compacted beats become full beats of encoded data."""

import random
import re
from dataclasses import dataclass

import pytest
from models import GEOMETRIES, fill, ring_of
from streams import Bench, cycles, payloads

from opencdma.hw.codec.packer import Packer, lines_touched


def to_bytes(lanes, geometry):
    return b"".join(lane.to_bytes(geometry.lane_bytes, "little") for lane in lanes)


@dataclass(frozen=True)
class Beat:
    """A beat on its way into a packer.

    Parameters
    ----------
    place, data : :class:`dict`
        Payloads of ``places`` and ``beats``.
    mask : :class:`int` or ``None``
        The mask that is complete with this beat.
    reach : :class:`int`
        The last line it may touch or free for the next one, not modulo the store.
    """

    place: dict
    data: dict
    mask: int | None
    reach: int


class Stream:
    """Beats and masks as they reach a packer, and the packets it is to make of them."""

    def __init__(self, geometry, lines, rng):
        self.geometry, self.lines, self.rng = geometry, lines, rng
        self.beats, self.packets, self.reports = [], [], []
        self._at = 0

    def transfer(self, groups, size=None):
        """Add a transfer.

        Each group is a list of beats given by their number of kept lanes; ``size`` is that of its
        elements, or ``None`` for a stored transfer. A transfer with no group has one empty beat.
        """
        geometry, lanes, rng = self.geometry, self.geometry.lanes, self.rng
        encoded, nonzeros, beats = [], 0, []
        for group in groups:
            mask = []
            if size is not None:
                mask = [rng.getrandbits(8 * geometry.lane_bytes)
                        for _ in range(geometry.mask_lanes(size))]  # fmt: skip
            # Above a shorter mask there may be anything.
            bits = fill(to_bytes(mask, geometry), geometry.mask_bits // 8, rng)
            for n, kept in enumerate(group):
                tail = n == len(group) - 1
                data = [rng.getrandbits(8 * geometry.lane_bytes) for _ in range(kept)]
                beats.append((mask if n == 0 else [], data, n == 0 and size is not None, tail,
                              int.from_bytes(bits, "little") if tail and mask else None))
        if not beats:
            beats = [([], [], False, True, None)]
        for n, (mask, data, head, tail, bits) in enumerate(beats):
            begin, last = self._at + len(encoded), n == len(beats) - 1
            encoded += mask + data
            place = begin + len(mask)
            end = place + len(data)
            slots = [rng.getrandbits(8 * geometry.lane_bytes) for _ in range(lanes)]
            for rank, lane in enumerate(data):
                slots[(place + rank) % lanes] = lane
            ones = rng.randrange(lanes + 1)
            nonzeros += ones
            final = (end - 1 if encoded else begin) // lanes
            line = final + 1 if last else end // lanes
            self.beats.append(Beat(
                {"begin": begin % (self.lines * lanes), "data": place % (self.lines * lanes),
                 "end": end % (self.lines * lanes),
                 "data_lines": place // lanes - begin // lanes,
                 "end_lines": end // lanes - begin // lanes, "next_line": line % self.lines,
                 "final_line": final % self.lines, "step": end - begin, "nonzeros": ones,
                 "zvc": int(size is not None), "head": int(head), "tail": int(tail),
                 "last": int(last), "empty": int(not encoded)},
                {"data": slots, "where": {
                    "ring": ring_of(place, end, lanes, self.lines),
                    "complete": (line if last else final) % self.lines}},
                bits, max(line, begin // lanes + lines_touched(geometry) - 1),
            ))  # fmt: skip
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


def make(geometry, seed, lines):
    dut = Packer(geometry, lines=lines, transfers=16)
    return dut, Stream(geometry, lines, random.Random(seed))


def run(dut, stream, *, pause=0.0, o_pause=0.0, allowed=None, seed=1):
    """Feed the stream as the compressor does; return when beats came, and what went out."""
    geometry, bench = stream.geometry, Bench(dut, seed=seed)
    total = sum(max(1, -(-len(data) // geometry.width)) for data in stream.packets)
    sent = []

    async def feed(ctx):
        read, line, waiting = 0, 0, list(stream.beats)
        under_way = [None] * geometry.ranks  # beats come so much later than their places
        mask = None
        while waiting or any(under_way) or mask is not None:
            now = ctx.get(dut.line)
            read, line = read + (now - line) % stream.lines, now
            beat = None
            if waiting and waiting[0].reach < read + stream.lines and bench.rng.random() >= pause:
                beat = waiting.pop(0)
                sent.append(bench.cycle)
                ctx.set(dut.places.payload, beat.place)
            ctx.set(dut.places.valid, beat is not None)
            ctx.set(dut.masks.valid, mask is not None)
            if mask is not None:
                ctx.set(dut.masks.p.bits, mask)
            mask = beat.mask if beat else None # it comes a cycle after its place
            under_way.append(beat)
            beat = under_way.pop(0)
            ctx.set(dut.beats.valid, beat is not None)
            if beat is not None:
                ctx.set(dut.beats.payload, beat.data)
            await ctx.tick()
        for port in (dut.places, dut.masks, dut.beats):
            ctx.set(port.valid, 0)

    bench.add(feed)
    taken = bench.take(dut.o, total, pause=o_pause, allowed=allowed)
    reported = bench.take(dut.reports, len(stream.packets))
    bench.run(1000 + 30 * (len(stream.beats) + total))

    assert payloads(reported) == stream.reports
    # A report comes after the last beat of its packet has been taken.
    assert cycles(reported) == [item.cycle + 2 for item in taken if item.payload["last"]]
    packets = [b""]
    for beat in payloads(taken):
        assert not beat["cut"]
        assert beat["last"] or beat["count"] == geometry.width
        assert not any(beat["data"][beat["count"]:])
        packets[-1] += beat["data"][: beat["count"]]
        if beat["last"]:
            packets.append(b"")
    assert packets == [*stream.packets, b""]
    return sent, taken


@pytest.mark.parametrize("lines", [7, 4, 0, 12])
def test_wrong_lines(lines):
    message = f"Number of lines must be a power of two and at least 8, not {lines!r}"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        Packer(GEOMETRIES[0], lines=lines, transfers=16)


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=repr)
def test_lines_touched(geometry):
    """As many as when a mask begins in the last lane of a line, and all behind it is kept."""
    lanes = geometry.lanes
    places = range(lanes - 1, lanes - 1 + geometry.mask_lanes_max + lanes)
    assert lines_touched(geometry) == len({place // lanes for place in places})


@pytest.mark.parametrize(("pause", "o_pause"), [(0.0, 0.0), (0.0, 0.7), (0.6, 0.0), (0.3, 0.3)])
@pytest.mark.parametrize("geometry", GEOMETRIES, ids=repr)
def test_random_transfers(geometry, pause, o_pause):
    dut, stream = make(geometry, geometry.width, 64 if geometry.width == 8 else 16)
    while len(stream.beats) < 350:
        stream.random_transfer()
    run(dut, stream, pause=pause, o_pause=o_pause)


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=repr)
def test_full_store_loses_nothing(geometry):
    """The output stands still for long, goes on for a while, and so on."""
    dut, stream = make(geometry, 7, 64 if geometry.width == 8 else 16)
    while len(stream.beats) < 350:
        stream.random_transfer()
    held = [0]

    def allowed():
        held[0] += 1
        return held[0] // 150 % 2 == 1

    run(dut, stream, allowed=allowed)


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=repr)
@pytest.mark.parametrize("density", [0.0, 0.5, 1.0])
def test_one_beat_per_cycle(geometry, density):
    """Stored or encoded, in or out: the longer side of each transfer has no gaps."""
    dut, stream = make(geometry, 3, 64)
    size, lanes, beats = geometry.lane_bytes, geometry.lanes, geometry.group_beats
    for _ in range(3):
        stream.transfer([[int(lanes * density)] * beats] * 12, size)
    for _ in range(3):
        stream.transfer([[lanes] * beats] * 4)
    sent, taken = run(dut, stream)
    encoded = [-(-len(data) // geometry.width) for data in stream.packets]
    raw = [12 * beats] * 3 + [4 * beats] * 3
    bound = sum(map(max, encoded, raw))
    assert taken[-1].cycle - sent[0] <= bound + beats + 6


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=repr)
def test_latency(geometry):
    """From the place of a beat to the packet that ends with it."""
    dut, stream = make(geometry, 3, 8)
    for _ in range(20):
        stream.transfer([[geometry.lanes]])
    sent, taken = run(dut, stream, pause=0.5)
    assert cycles(taken) == [cycle + max(geometry.ranks, 1) + 3 for cycle in sent]


def test_one_beat_groups_follow_each_other_without_gaps():
    """Transfers of one beat each, with a mask or without, or empty."""
    for geometry in GEOMETRIES:
        dut, stream = make(geometry, 4, 32)
        for n in range(60):
            if n % 3 == 2:
                stream.transfer([])
            else:
                # Mask and data fill a line at most.
                size = max(geometry.element_sizes)
                room = geometry.lanes - geometry.mask_lanes(size)
                stream.transfer([[room if n % 3 else geometry.lanes]], size if n % 3 else None)
        sent, taken = run(dut, stream)
        assert len(taken) == 60
        assert taken[-1].cycle - sent[0] <= 60 + 6
