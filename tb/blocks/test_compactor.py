# SPDX-License-Identifier: Apache-2.0
"""Compaction: a place in the encoded stream for every lane that is kept."""

import random

import pytest
from models import GEOMETRIES, as_int, bits_of, ring_of
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
        "empty": int(first and there == 0),
    }  # fmt: skip


def placed(beats, geometry, lines):
    """Return what becomes of the beats: their placement, what goes beside the lanes, the lanes."""
    lanes, at, results = geometry.lanes, 0, []
    for beat in beats:
        mask = geometry.mask_lanes(1 << beat["size"]) if beat["head"] else 0
        kept = [lane for lane, keep in zip(beat["data"], bits_of(beat["keep"], lanes), strict=True)
                if keep]  # fmt: skip
        begin, data, end = at, at + mask, at + mask + len(kept)
        final = begin if beat["empty"] else end - 1
        at = end
        if beat["last"]:
            # The next transfer has a line of its own, and so has one that wrote nothing.
            at = (final // lanes + 1) * lanes
        complete = at if beat["last"] else final
        places = lines * lanes
        flags = {name: beat[name] for name in ("zvc", "head", "tail", "last", "empty")}
        results.append((
            {"begin": begin % places, "data": data % places, "end": end % places,
             "data_lines": data // lanes - begin // lanes,
             "end_lines": end // lanes - begin // lanes,
             "next_line": at // lanes % lines, "final_line": final // lanes % lines,
             "step": end - begin, "nonzeros": beat["nonzero"].bit_count(), **flags},
            {"ring": ring_of(data, end, lanes, lines), "complete": complete // lanes % lines},
            kept,
        ))  # fmt: skip
    return results


@pytest.mark.parametrize("pause", [0.0, 0.5])
@pytest.mark.parametrize("lines", [8, 32])
@pytest.mark.parametrize("geometry", GEOMETRIES, ids=repr)
def test_compactor(geometry, lines, pause):
    rng, lanes = random.Random(geometry.width + lines), geometry.lanes
    beats = random_beats(geometry, rng, 300)
    dut = Compactor(geometry, places=lines * lanes)
    bench = Bench(dut)
    sent = bench.send(dut.i, beats, pause=pause)
    places = bench.take(dut.places, len(beats))
    taken = bench.take(dut.o, len(beats))
    line = bench.record(dut.line)
    bench.run(100 + 4 * len(beats))
    assert cycles(places) == [cycle + geometry.count_ranks + 1 for cycle in cycles(sent)]
    assert cycles(taken) == [cycle + geometry.ranks for cycle in cycles(places)]

    expected = placed(beats, geometry, lines)
    assert payloads(places) == [place for place, _, _ in expected]
    for (place, where, kept), result in zip(expected, payloads(taken), strict=True):
        assert result["where"] == where
        for rank, lane in enumerate(kept):
            assert result["data"][(place["data"] + rank) % lanes] == lane
    # With the placement the next beat's line is known.
    for item in places:
        assert line[item.cycle] == (item.payload["next_line"],)
