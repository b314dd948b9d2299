# SPDX-License-Identifier: Apache-2.0
"""Compaction: a place in the encoded stream for every lane that is kept."""

import random

import pytest
from models import GEOMETRIES, as_int, bits_of
from streams import Bench, cycles, payloads

from opencdma.hw.codec.compactor import Compactor


def random_beats(geometry, rng, count):
    """Return the masked beats of random transfers: all but the last have something to place."""
    beats = []
    while len(beats) < count:
        size, zvc = rng.choice(geometry.element_sizes), rng.random() < 0.7
        length = rng.choice((1, 1, 2, geometry.group_beats + 1, 2 * geometry.group_beats))
        beats += [
            random_beat(geometry, rng, size, zvc, first=n == 0, last=n == length - 1)
            for n in range(length)
        ]
    return beats


def random_beat(geometry, rng, size, zvc, *, first, last):
    lanes, span = geometry.lanes, geometry.lanes_per_element(size)
    density = rng.choice((0.0, 0.0, 0.3, 0.7, 1.0))
    nonzero = [rng.random() < density for _ in range(geometry.width // size)]
    there = rng.choice((0, 1, lanes - 1, lanes)) // span * span if last else lanes
    if zvc:
        nonzero = [bit and n * span < there for n, bit in enumerate(nonzero)]
        keep = [bit for bit in nonzero for _ in range(span)]
    else:
        keep = [lane < there for lane in range(lanes)]
    head = zvc and there > 0 and (first or rng.random() < 0.3)
    return {
        "data": [rng.getrandbits(8 * geometry.lane_bytes) for _ in range(lanes)],
        "keep": as_int(keep), "nonzero": as_int(nonzero), "zvc": int(zvc),
        "size": size.bit_length() - 1, "head": int(head),
        "tail": int(last or rng.random() < 0.3), "last": int(last),
    }  # fmt: skip


def placed(beats, geometry, places):
    """Return what becomes of the beats: their placement and the lanes that are kept."""
    lanes, at, fresh, results = geometry.lanes, 0, True, []
    for beat in beats:
        mask = geometry.mask_lanes(1 << beat["size"]) if beat["head"] else 0
        kept = [lane for lane, keep in zip(beat["data"], bits_of(beat["keep"], lanes), strict=True)
                if keep]  # fmt: skip
        fresh = fresh and mask == 0 and not kept
        end = at + mask + len(kept)
        results.append(({
            "begin": at % places, "data": (at + mask) % places, "end": end % places,
            "nonzeros": beat["nonzero"].bit_count(), "empty": int(fresh),
            "head": beat["head"], "last": beat["last"],
        }, kept))  # fmt: skip
        at = end
        if beat["last"]:
            # The next transfer has a line of its own, and so has one that wrote nothing.
            at = (at + lanes - 1) // lanes * lanes + (lanes if fresh else 0)
            fresh = True
    return results


def test_latency():
    for geometry in GEOMETRIES:
        assert Compactor(geometry, places=256).latency == 2 + geometry.ranks


@pytest.mark.parametrize("pause", [0.0, 0.5])
@pytest.mark.parametrize("lines", [8, 32])
@pytest.mark.parametrize("geometry", GEOMETRIES, ids=repr)
def test_compactor(geometry, lines, pause):
    rng = random.Random(geometry.width + lines)
    places = max(lines * geometry.lanes, 64)
    beats = random_beats(geometry, rng, 300)
    dut = Compactor(geometry, places=places)
    bench = Bench(dut)
    sent = bench.send(dut.i, beats, pause=pause)
    taken = bench.take(dut.o, len(beats))
    bench.run(100 + 4 * len(beats))
    assert cycles(taken) == [cycle + dut.latency for cycle in cycles(sent)]

    for (place, kept), result in zip(
        placed(beats, geometry, places), payloads(taken), strict=True
    ):
        assert result["place"] == place
        for rank, lane in enumerate(kept):
            assert result["data"][(place["data"] + rank) % geometry.lanes] == lane
