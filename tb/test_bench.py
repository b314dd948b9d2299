# SPDX-License-Identifier: Apache-2.0
"""The benchmark: what its records say, and that it notices what it is there to notice."""

import dataclasses
import importlib.util
import json

import numpy as np
import pytest
from rich.progress import Progress

from opencdma.golden import zvc
from opencdma.hw.codec import CodecGeometry
from opencdma.hw.verilog import Top
from opencdma.sim import bench, rates
from opencdma.sim.bench import codec, report, simulation, software
from opencdma.sim.codec import SimulatedCodec
from opencdma.spec import Direction

pytestmark = pytest.mark.xdist_group("w32")


@pytest.fixture(scope="module")
def results():
    return bench.run(Progress(disable=True), quick=True)


@pytest.fixture
def array():
    return codec.elements(3000, 4, 0.4)


@pytest.mark.parametrize(
    ("width", "sizes", "compress", "decompress"),
    [(8, (1, 2, 4), 30, 16), (8, (4,), 24, 12), (32, (1, 2, 4), 18, 16), (32, (4,), 12, 12),
     (64, (1,), 16, 16), (64, (4,), 10, 12)],
)
def test_latency_limit(width, sizes, compress, decompress):
    geometry = CodecGeometry(width, sizes)
    assert rates.latency_limit(geometry, Direction.COMPRESS) == compress
    assert rates.latency_limit(geometry, Direction.DECOMPRESS) == decompress


def test_rate():
    rate = rates.Rate(beats_in=10, beats_out=12, cycles=20)
    assert (rate.bound, rate.latency) == (12, 8)
    assert [rates.beats(nbytes, 8) for nbytes in (0, 1, 8, 9)] == [1, 1, 1, 2]


def test_swing_of_uniform_groups():
    for value in (0, 7):
        assert rates.swing(np.full(1024, value, "u1"), 8) == 0


def test_swing_of_dense_and_empty_groups():
    """A dense group of bytes takes 144 bytes encoded, an empty one 128 raw."""
    array = np.repeat(np.arange(8, dtype="u1") % 2, 128)
    assert rates.swing(array, 16) == 4 * (144 + 128) // 16 - 8 * 128 // 16


@pytest.mark.parametrize("size", [1, 2, 4])
def test_swing_of_random_data(size):
    """The lengths of the groups are those of the golden model, also of a short last one."""
    array = codec.elements(128 * 20 + 36, size, 1 - 1 / (8 * size))
    raw = array.tobytes()
    groups = [raw[start:start + 128] for start in range(0, len(raw), 128)]
    lengths = [len(zvc.encode(np.frombuffer(group, array.dtype))) for group in groups]
    longer = sum(max(len(group), length) for group, length in zip(groups, lengths, strict=True))
    bound = max(-(-len(raw) // 8), -(-sum(lengths) // 8))
    assert rates.swing(array, 8) == -(-longer // 8) - bound > 0


def test_elements_are_the_same_every_time():
    first, again = (codec.elements(4096, 2, 0.25) for _ in range(2))
    assert np.array_equal(first, again)
    assert first.dtype == np.dtype("<u2")
    assert 0.2 < np.count_nonzero(first) / first.size < 0.3
    assert not np.array_equal(first, codec.elements(4096, 2, 0.25, seed=1))


def test_transfers(results):
    records = results["codec"]
    # Element sizes of both builds, densities and break-even, lengths, directions.
    assert len(records) == (3 + 1) * (3 + 1) * 2 * 2
    assert set(records[0]) == {
        "direction", "width", "build", "element_bytes", "density", "break_even", "raw_bytes",
        "encoded_bytes", "cycles", "bound", "latency", "limit", "swing",
    }
    for record in records:
        assert record["width"] == 32
        sides = (record["raw_bytes"], record["encoded_bytes"])
        assert record["bound"] == max(-(-side // 32) for side in sides)
        assert record["cycles"] == record["bound"] + record["latency"]
        extra = record["swing"] if record["break_even"] else 0
        assert 0 < record["latency"] <= record["limit"] + extra
    assert sum(record["break_even"] for record in records) == len(records) // 4
    assert codec.over_limit(records) == []


def test_streams(results):
    records = results["streams"]
    assert len(records) == (3 + 1) * 2
    for record in records:
        assert record["raw_bytes"] == record["transfers"] * record["transfer_bytes"] == 32 * 192
        assert record["latency"] <= record["limit"]


def test_over_limit(results):
    slow = results["codec"][5] | {"latency": results["codec"][5]["limit"] + 1}
    assert codec.over_limit([results["codec"][0], slow | {"break_even": False}]) == [
        slow | {"break_even": False}]
    assert codec.over_limit([slow | {"break_even": True}]) == []


def test_wrong_output(monkeypatch):
    """Cycles in which the wrong bytes came out are no result."""
    run = SimulatedCodec.run

    def wrong(self, transfers):
        return [dataclasses.replace(result, output=result.output[:-1] + b"\xee")
                for result in run(self, transfers)]

    monkeypatch.setattr(SimulatedCodec, "run", wrong)
    with pytest.raises(codec.WrongOutput, match=r"^opencdma_codec_w32, compress, .*: the output"):
        codec.measure(codec.QUICK, Progress(disable=True))


def test_activations(results):
    assert len(results["activations"]) == 6
    for record in results["activations"]:
        for direction in Direction:
            name = direction.name.lower()
            limit = rates.latency_limit(CodecGeometry(32), direction)
            assert record[f"{name}_latency"] <= limit + record["swing"]


def test_native_speed(results):
    record, = results["simulation"]
    assert (record["driver"], record["design"]) == ("native", "opencdma_codec_w32")
    assert record["cycles_per_s"] == record["cycles"] / record["seconds"]
    # The raw side of the tensor has this many beats.
    assert 3136 < record["cycles"] < 3136 + 100


@pytest.mark.slow
def test_cocotb_speed(array):
    record = simulation.measure_cocotb(Top(CodecGeometry(8, (4,))), array)
    assert (record["driver"], record["design"]) == ("cocotb", "opencdma_codec_w8_e32")
    assert 375 < record["cycles"] < 375 + 100


def test_cocotb_missing(monkeypatch, array):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec",
        lambda name, *rest: None if name == "cocotbext.axi" else find_spec(name, *rest))
    message = (
        r"^cocotbext\.axi is not installed, so cocotb is not measured: "
        r"install `opencdma\[test\]` to compare$")
    with pytest.raises(simulation.CocotbMissing, match=message):
        simulation.measure_cocotb(Top(CodecGeometry(8, (4,))), array)


def test_cocotb_failed(monkeypatch, array):
    class Runner:
        def build(self, *, log_file, **_):
            log_file.write_text("ports.vlt: no such module")
            raise SystemExit(1)

    monkeypatch.setattr("cocotb_tools.runner.get_runner", lambda name: Runner())
    message = r"^The simulation under cocotb failed:\nports\.vlt: no such module$"
    with pytest.raises(simulation.CocotbFailed, match=message):
        simulation.measure_cocotb(Top(CodecGeometry(8, (4,))), array)


def test_software(array):
    records = software.measure([array, array.view("u1")], 1, Progress(disable=True))
    assert [(record["codec"], record["level"]) for record in records[:5]] == [
        ("zvc", None), ("zlib", 1), ("zstd", 1), ("zlib", 3), ("zstd", 3)]
    assert [record["dtype"] for record in records] == 5 * ["uint32"] + 5 * ["uint8"]
    assert records[0]["ratio"] == 3000 / len(zvc.encode(array))
    assert all(record["encode_mb_s"] > 0 < record["decode_mb_s"] for record in records)


def test_software_that_loses_data(monkeypatch, array):
    monkeypatch.setattr(zvc, "decode", lambda data, *, dtype, count: np.zeros(count, dtype))
    message = r"^zvc, level None: uint32 data did not come back$"
    with pytest.raises(codec.WrongOutput, match=message):
        software.measure([array], 1, Progress(disable=True))


def test_results_are_json(results):
    assert json.loads(json.dumps(results))["codec"] == results["codec"]


def test_page(results, tmp_path):
    page = tmp_path / "docs" / "results.md"
    page.parent.mkdir()
    report.write(results, page)
    text = page.read_text()
    assert text.startswith("<!-- SPDX-License-Identifier: Apache-2.0 -->\n")
    assert "opencdma bench --docs docs/results.md" in text
    for sheet in report.sheets(results).values():
        assert sheet.markdown() in text
        assert {len(row) for row in sheet.rows} == {len(sheet.headings)}
    for name in ("latency", "activations"):
        assert f"images/{name}.png" in text
        assert (page.parent / "images" / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_latency_sheet(results):
    records = [record for record in results["codec"] if not record["break_even"]]
    rows = {row[:2]: row[2:] for row in report.sheets(results)["latency"].rows}
    assert set(rows) == {("32", "all"), ("32", "32")}
    compress = [
        record["latency"] for record in records
        if (record["direction"], record["build"]) == ("compress", "all")]
    assert rows["32", "all"][:3] == (str(min(compress)), str(max(compress)), "18")


