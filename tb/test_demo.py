# SPDX-License-Identifier: Apache-2.0
"""The demonstration: what it measures, that it notices wrong output, and what it shows."""

import dataclasses
import io
import json
import math

import numpy as np
import pytest
from builds import simulated
from rich.console import Console

from opencdma.golden import zvc
from opencdma.sim import activations, demo, plots
from opencdma.spec import ErrorCode, Status

pytestmark = pytest.mark.xdist_group("w32")


def tiny(dtype, shape, zeros, seed=1):
    """Return facts and elements of a made tensor, with a period of elements that are zero."""
    array = np.random.default_rng(seed).integers(1, 100, shape).astype(dtype)
    array.reshape(-1)[::zeros] = 0
    facts = next(item for item in activations.manifest() if item.dtype == dtype)
    return dataclasses.replace(facts, name=f"tiny/{dtype}", shape=shape), array


TENSORS = [tiny("float32", (1, 4, 8, 8), 2), tiny("uint8", (1, 3, 7, 5), 3)]


class Doctored:
    """The real codec, but for what is done to the results of the runs of a direction."""

    def __init__(self, direction, **changes):
        self._codec, self._direction, self._changes = simulated("w32"), direction, changes
        self.geometry = self._codec.geometry

    def run(self, transfers):
        results = self._codec.run(transfers)
        if transfers[0].command.direction != self._direction:
            return results
        return [
            dataclasses.replace(result, **{
                name: change(getattr(result, name)) for name, change in self._changes.items()})
            for result in results
        ]


@pytest.fixture(scope="module")
def records():
    return [demo.measure(simulated("w32"), *tensor) for tensor in TENSORS]


def test_measure(records):
    for record, (facts, array) in zip(records, TENSORS, strict=True):
        assert (record.name, record.dtype, record.shape) == (facts.name, facts.dtype, array.shape)
        assert (record.raw_bytes, record.element_bytes) == (array.nbytes, array.itemsize)
        assert record.encoded_bytes == len(zvc.encode(array))
        assert record.nonzeros == np.count_nonzero(array)
        assert record.density == np.count_nonzero(array) / array.size
        raw, encoded = -(-array.nbytes // 32), -(-record.encoded_bytes // 32)
        compress, decompress = record.compress, record.decompress
        assert (compress.beats_in, compress.beats_out) == (raw, encoded)
        assert (decompress.beats_in, decompress.beats_out) == (encoded, raw)
        assert 0 < compress.latency <= 18
        assert 0 < decompress.latency <= 16


def test_records_are_flat_json(records):
    for record in records:
        flat = json.loads(json.dumps(record.flat()))
        assert flat.pop("shape") == list(record.shape)
        assert not any(isinstance(value, (dict, list)) for value in flat.values())
        for name in ("compress", "decompress"):
            assert flat[f"{name}_cycles"] == flat[f"{name}_bound"] + flat[f"{name}_latency"]
        assert flat["ratio"] == record.raw_bytes / record.encoded_bytes


def flip(data, at=37):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]


@pytest.mark.parametrize("direction", [0, 1])
def test_wrong_byte(direction):
    facts, array = TENSORS[0]
    want = (zvc.encode(array), array.tobytes())[direction][37]
    way = ("compress", "decompress")[direction]
    message = rf"^tiny/float32, {way}: byte 37 is 0x{want ^ 1:02x}, not 0x{want:02x}$"
    with pytest.raises(demo.Mismatch, match=message):
        demo.measure(Doctored(direction, output=flip), facts, array)


def test_wrong_length():
    facts, array = TENSORS[1]
    message = r"^tiny/uint8, decompress: 101 bytes came out, not 105; byte 101 differs$"
    with pytest.raises(demo.Mismatch, match=message):
        demo.measure(Doctored(1, output=lambda data: data[:-4]), facts, array)


def test_wrong_status():
    facts, array = TENSORS[1]
    codec = Doctored(
        1, status=lambda _: Status.DATA_ERROR, error_code=lambda _: ErrorCode.PADDING,
        position=lambda _: 16)
    message = (
        r"^tiny/uint8, decompress: status DATA_ERROR, PADDING at byte 16, instead of OK$")
    with pytest.raises(demo.Mismatch, match=message):
        demo.measure(codec, facts, array)


def test_totals(records):
    """Two of the same network and dtype count by their bytes, not as a mean of ratios."""
    first = records[0]
    second = dataclasses.replace(first, raw_bytes=4096, encoded_bytes=128, nonzeros=0)
    rows = demo.totals([first, records[1], second])
    assert [(row["dtype"], row["tensors"]) for row in rows] == [("float32", 2), ("uint8", 1)]
    assert rows[0]["ratio"] == (1024 + 4096) / (first.encoded_bytes + 128)
    assert rows[0]["density"] == 128 / (256 + 1024)
    assert rows[0]["theory"] == 1 / (0.1 + 1 / 32)
    # All its groups are full, so theory is exact.
    assert math.isclose(rows[0]["ratio"], rows[0]["theory"])


def test_tables(records):
    console = Console(width=120, file=io.StringIO())
    for table in demo.tables(records):
        console.print(table)
    console.print(demo.summary(records))
    text = console.file.getvalue()
    for record in records:
        assert record.layer in text
        assert f"{1 - record.density:.1%}" in text
        assert f"{record.ratio:.2f}" in text


def test_picture(records, tmp_path):
    path = tmp_path / "demo.png"
    plots.activations([record.flat() for record in records], 32, path)
    assert path.read_bytes().startswith(b"\x89PNG")
