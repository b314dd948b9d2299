# SPDX-License-Identifier: Apache-2.0
"""Zero detection, and the masks of groups."""

import random

import pytest
from models import GEOMETRIES, as_int, beats_of, random_transfer
from streams import Bench, cycles, payloads

from opencdma.hw.codec.mask_builder import MaskBuilder
from opencdma.hw.codec.zero_mask import ZeroMask


def raw_beats(transfers, geometry, rng):
    """Return the beats of some transfers as the framer gives them."""
    width, beats = geometry.width, []
    for transfer in transfers:
        size = transfer.size
        data = transfer.data[: len(transfer.data) // size * size]
        cut = beats_of(data, width, rng)
        for n, (beat, count) in enumerate(cut):
            last = n == len(cut) - 1
            in_group = n * width % 128
            beats.append({
                "data": beat, "filled": as_int(beat),
                "present": (1 << count // geometry.lane_bytes) - 1, "zvc": int(transfer.zvc),
                "size": size.bit_length() - 1,
                "head": int(transfer.zvc and in_group == 0 and count > 0),
                "tail": int(last or in_group + width == 128), "last": int(last),
                "empty": int(len(data) == 0),
            })  # fmt: skip
    return beats


def masked(beat, geometry):
    """Return the beat as it is to leave, element by element."""
    size, lane = 1 << beat["size"], geometry.lane_bytes
    there = beat["data"][: lane * beat["present"].bit_count()]
    elements = [there[at : at + size] for at in range(0, len(there), size)]
    nonzero = [any(element) for element in elements]
    if beat["zvc"]:
        keep = [bit for bit in nonzero for _ in range(size // lane)]
    else:
        keep = [True] * (len(there) // lane)
    return {
        **{name: beat[name] for name in ("zvc", "size", "head", "tail", "last", "empty")},
        "keep": as_int(keep), "nonzero": as_int(nonzero),
        "data": beat["data"],
    }  # fmt: skip


def as_bytes(data, lane_bytes):
    """Return lanes as the bytes they hold."""
    if isinstance(data, bytes):
        return data
    return b"".join(lane.to_bytes(lane_bytes, "little") for lane in data)


def as_lanes(data, lane_bytes):
    """Return bytes as lanes."""
    return [int.from_bytes(data[at : at + lane_bytes], "little")
            for at in range(0, len(data), lane_bytes)]  # fmt: skip


@pytest.mark.parametrize("pause", [0.0, 0.5])
@pytest.mark.parametrize("geometry", GEOMETRIES, ids=repr)
def test_zero_mask(geometry, pause):
    rng = random.Random(geometry.width)
    transfers = [random_transfer(rng, geometry) for _ in range(150)]
    beats = raw_beats(transfers, geometry, rng)
    bench = Bench(ZeroMask(geometry))
    sent = bench.send(bench.dut.i, beats, pause=pause)
    taken = bench.take(bench.dut.o, len(beats))
    bench.run(100 + 4 * len(beats))
    assert cycles(taken) == [cycle + 1 for cycle in cycles(sent)]
    for beat, result in zip(beats, payloads(taken), strict=True):
        result["data"] = as_bytes(result["data"], geometry.lane_bytes)
        assert result == masked(beat, geometry)


@pytest.mark.parametrize("size", [1, 2, 4])
def test_any_single_bit_makes_an_element_nonzero(size):
    geometry = GEOMETRIES[0]
    beats = [
        {"data": (1 << bit).to_bytes(8, "little"), "filled": 1 << bit // 8, "present": 0xFF,
         "zvc": 1, "size": size.bit_length() - 1, "head": 0, "tail": 0, "last": 0, "empty": 0}
        for bit in range(64)
    ]  # fmt: skip
    bench = Bench(ZeroMask(geometry))
    bench.send(bench.dut.i, beats)
    taken = bench.take(bench.dut.o, len(beats))
    bench.run(100)
    for bit, result in enumerate(payloads(taken)):
        element = bit // (8 * size)
        assert result["nonzero"] == 1 << element
        assert result["keep"] == ((1 << size) - 1) << element * size


def group_masks(beats, geometry):
    """Return the beats' masks, and for each the number of the beat that completes it."""
    masks, bits, complete = [], None, []
    for n, beat in enumerate(beats):
        size = 1 << beat["size"]
        if beat["head"]:
            bits, at = 0, 0
        if bits is None:
            continue
        bits |= beat["nonzero"] << at
        at += geometry.width // size
        if beat["tail"]:
            masks.append((size, bits))
            complete.append(n)
            bits = None
    return masks, complete


@pytest.mark.parametrize("delay", [0, 3])
@pytest.mark.parametrize("pause", [0.0, 0.5])
@pytest.mark.parametrize("geometry", GEOMETRIES, ids=repr)
def test_mask_builder(geometry, delay, pause):
    rng = random.Random(geometry.width)
    transfers = [random_transfer(rng, geometry) for _ in range(150)]
    beats = [masked(beat, geometry) for beat in raw_beats(transfers, geometry, rng)]
    masks, complete = group_masks(beats, geometry)
    assert len(masks) > 100
    for beat in beats:
        beat["data"] = as_lanes(beat["data"], geometry.lane_bytes)

    bench = Bench(MaskBuilder(geometry, delay=delay))
    sent = bench.send(bench.dut.i, beats, pause=pause)
    taken = bench.take(bench.dut.o, len(masks))
    bench.run(100 + 4 * len(beats))
    assert cycles(taken) == [sent[n].cycle + 1 + delay for n in complete]
    # What stands above the mask of larger elements belongs to nobody.
    for (size, bits), result in zip(masks, payloads(taken), strict=True):
        assert result["bits"] & ((1 << 128 // size) - 1) == bits
