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
from opencdma.sim import activations, bench, plots, rates
from opencdma.sim.bench import (
    codec,
    engine,
    engine_report,
    report,
    simulation,
    software,
    switching,
    tensors,
)
from opencdma.sim.codec import SimulatedCodec
from opencdma.sim.engine_runs import EngineRuns
from opencdma.sim.mismatch import Mismatch
from opencdma.spec import PRESETS, Channel, Direction, ErrorCode, Opcode, Status
from opencdma.spec.registers import address
from opencdma.sw import TransferError

pytestmark = pytest.mark.xdist_group("opencdma_ecp5")


@pytest.fixture(scope="module")
def results():
    return bench.run(Progress(disable=True), quick=True)


@pytest.fixture(scope="module")
def runs():
    return EngineRuns(size=1 << 20)


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
    assert (rate.bound, rate.latency, rate.of_bound) == (12, 8, 0.6)
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


@pytest.mark.parametrize(
    ("direction", "changes", "message"),
    [
        (0, {"output": lambda data: data[:5] + bytes([data[5] ^ 1]) + data[6:]},
         r"tensor, compress: byte 5 is 0x.., not 0x.."),
        (1, {"output": lambda data: data[:-4]},
         r"tensor, decompress: 2996 bytes came out, not 3000; byte 2996 differs"),
        (1, {"status": lambda _: Status.DATA_ERROR, "error_code": lambda _: ErrorCode.PADDING,
             "position": lambda _: 16},
         r"tensor, decompress: status DATA_ERROR, PADDING at byte 16, instead of OK"),
    ],
)
def test_wrong_tensor(monkeypatch, array, direction, changes, message):
    run = SimulatedCodec.run

    def wrong(self, transfers):
        results = run(self, transfers)
        if transfers[0].command.direction != direction:
            return results
        return [
            dataclasses.replace(result, **{
                name: change(getattr(result, name)) for name, change in changes.items()})
            for result in results
        ]

    monkeypatch.setattr(SimulatedCodec, "run", wrong)
    facts = dataclasses.replace(activations.manifest()[0], name="tensor")
    with pytest.raises(Mismatch, match=f"^{message}$"):
        tensors.measure(SimulatedCodec(CodecGeometry(32)), facts, array)


def test_tensor_is_flat_json(array):
    facts = activations.manifest()[0]
    record = tensors.measure(SimulatedCodec(CodecGeometry(32)), facts, array)
    flat = json.loads(json.dumps(record.flat()))
    assert flat.pop("shape") == [750]
    assert not any(isinstance(value, (dict, list)) for value in flat.values())
    for name in ("compress", "decompress"):
        assert flat[f"{name}_cycles"] == flat[f"{name}_bound"] + flat[f"{name}_latency"]


def test_activations(results):
    assert len(results["activations"]) == 6
    for record in results["activations"]:
        for direction in Direction:
            name = direction.name.lower()
            limit = rates.latency_limit(CodecGeometry(32), direction)
            assert record[f"{name}_latency"] <= limit + record["swing"]


@pytest.mark.parametrize("width", [8, 32])
def test_transitions_are_those_of_the_wires(width):
    """Ones and zeros in turn change every wire with every beat, and nothing else does."""
    raw = np.repeat(np.arange(1, 49, dtype="u1") % 2 * 255, width)
    facts = activations.manifest()[0]
    simulated = SimulatedCodec(CodecGeometry(width))
    record, again = switching.measure(simulated, [(facts, raw), (facts, np.zeros_like(raw))])
    assert record["raw_transitions"] == 48 * 8 * width
    assert record["raw_bytes"] == 48 * width
    # Half the mask is ones, in the same places every time; then come the ones themselves.
    assert 0 < record["encoded_transitions"] < record["raw_transitions"] / 2
    # Zeros change nothing by themselves; behind them, what was in the store before shows.
    assert (again["raw_bytes"], again["encoded_bytes"]) == (48 * width, 6 * width)
    assert again["encoded_transitions"] < 8 * 8 * width


def test_transitions_of_the_wrong_data(monkeypatch, array):
    run = SimulatedCodec.run
    monkeypatch.setattr(SimulatedCodec, "run", lambda self, transfers: [
        dataclasses.replace(result, output=result.output[1:]) for result in run(self, transfers)])
    facts = dataclasses.replace(activations.manifest()[0], name="tensor")
    with pytest.raises(Mismatch, match=r"^tensor, raw: "):
        list(switching.measure(SimulatedCodec(CodecGeometry(32)), [(facts, array)]))


def test_switching(results):
    assert len(results["switching"]) == len(results["activations"])
    for record, tensor in zip(results["switching"], results["activations"], strict=True):
        assert [record[name] for name in ("name", "raw_bytes", "encoded_bytes")] == [
            tensor[name] for name in ("name", "raw_bytes", "encoded_bytes")]
        assert 0 < record["raw_transitions"] < 8 * record["raw_bytes"]


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
    for name in ("engine", "latency", "activations"):
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




# The whole engine


def test_engine(results):
    """Both operations and copies either way, alone and together."""
    records = results["engine"]
    assert {(r["op"], r["direction"], r["together"]) for r in records} == {
        (op, direction, together) for op, direction in (
            ("compress", "offload"), ("decompress", "prefetch"), ("copy", "offload"),
            ("copy", "prefetch"))
        for together in (False, True)}
    assert len(records) == 8
    for record in records:
        assert (record["bytes"], record["descriptors"]) == (4096, 64)
        assert record["bound"] == 64 * 128
        assert record["of_bound"] == record["bound"] / record["cycles"]
        assert record["least"] == 0.9 <= record["of_bound"] <= 1
    assert engine.below_least(records) == []


def test_engine_below_least(results):
    record = results["engine"][0]
    slow = record | {"of_bound": 0.8999}
    assert engine.below_least([record, slow]) == [slow]
    assert engine.below_least([slow | {"least": None}]) == []


@pytest.mark.parametrize(
    ("nbytes", "count", "latency", "least"),
    [(4096, 64, 100, 0.9), (65535, 64, 100, 0.9), (65536, 64, 100, 0.99), (4095, 64, 100, None),
     (65536, 63, 100, None), (65536, 64, 99, None)],
)
def test_engine_promises(monkeypatch, nbytes, count, latency, least):
    class Runs:
        def set_latency(self, cycles):
            assert cycles == latency

        def stream(self, jobs, times):
            assert times == count
            return [rates.Rate(1, 1, 1) for _ in jobs]

    monkeypatch.setattr(engine, "elements", lambda *_: np.zeros(4, "u4"))
    grid = dataclasses.replace(
        engine.QUICK, streams=((nbytes, count, (latency,), (0,)),), latencies=(),
        small_latencies=())
    streams, singles, small = engine.measure(grid, Progress(disable=True), Runs())
    assert [record["least"] for record in streams] == 8 * [least]
    assert (singles, small) == ([], [])


def test_engine_single(results):
    records = results["engine_single"]
    assert len(records) == 2 * 4
    for record in records:
        latencies = {"ring": 4, "direct": 3}[record["mode"]]
        assert record["bound"] == 128
        assert record["limit"] == 128 + latencies * 100 + 60
        assert record["cycles"] < record["doorbell_to_record"] <= record["limit"]
        # Of the memory's latencies only that of the descriptor is before the first address.
        waits = 100 if record["mode"] == "ring" else 0
        assert waits < record["doorbell_to_address"] < waits + 25
    assert engine.over_limit(records) == []


def test_engine_over_limit(results):
    record = results["engine_single"][0]
    slow = record | {"doorbell_to_record": record["limit"] + 1}
    assert engine.over_limit([record, slow]) == [slow]


def test_engine_small(results):
    records = results["engine_small"]
    assert [(record["op"], record["direction"]) for record in records] == [
        ("nop", "offload"), ("nop", "prefetch"), ("compress", "offload"),
        ("decompress", "prefetch"), ("copy", "offload"), ("copy", "prefetch")]
    for record in records:
        assert record["descriptors"] == 32
        assert record["cycles_per_descriptor"] > 4
        assert record["per_thousand_cycles"] == 1000 / record["cycles_per_descriptor"]


def test_interval_is_that_of_completions(runs):
    """Transfers whose data take longest complete as often as their data let them."""
    runs.set_latency(20)
    interval = runs.interval(engine.job("copy", Channel.OFFLOAD, 4096, 1), 16)
    assert 128 <= interval < 128 / 0.95


def test_memory_latency_counts(runs):
    """An isolated transfer waits four times for the memory, without a ring three times."""
    job = engine.job("compress", Channel.OFFLOAD, 1024, 0.5)
    for direct, times in ((False, 4), (True, 3)):
        took = []
        for latency in (20, 70):
            runs.set_latency(latency)
            took.append(runs.single(job, direct=direct).doorbell_to_record)
        assert took[1] - took[0] == times * 50


@pytest.mark.parametrize("config", [PRESETS["ecp5"], PRESETS["asic"]], ids=["ecp5", "asic"])
def test_bound_of_each_port(config):
    out = engine.job("compress", Channel.OFFLOAD, 4096, 1)
    back = engine.job("decompress", Channel.PREFETCH, 4096, 1)
    assert len(out.output) == 4096 + 128
    assert out.bound(config) == back.bound(config) == (4096 + 128) / 32
    sparse = engine.job("compress", Channel.OFFLOAD, 4096, 0)
    assert sparse.bound(config) == 4096 / config.dev_width
    assert engine.job("nop", Channel.OFFLOAD, 0, 0).bound(config) == 0


@pytest.mark.parametrize("measure", ["stream", "single", "direct", "interval"])
def test_wrong_engine_output(runs, measure):
    """One wrong byte, or one behind the end, and the cycles are no result."""
    what = engine.job("compress", Channel.OFFLOAD, 1024, 0.5)
    wrong = dataclasses.replace(what, output=what.output[:-1] + bytes([what.output[-1] ^ 1]))
    at, byte = len(what.output) - 1, what.output[-1]
    message = (
        rf"^COMPRESS number 0 on OFFLOAD: byte {at} is 0x{byte:02x}, not 0x{byte ^ 1:02x}$")
    with pytest.raises(Mismatch, match=message):
        {
            "stream": lambda: runs.stream([wrong], 3),
            "single": lambda: runs.single(wrong),
            "direct": lambda: runs.single(wrong, direct=True),
            "interval": lambda: runs.interval(wrong, 3),
        }[measure]()


@pytest.mark.parametrize("direct", [False, True])
def test_engine_refuses(runs, direct):
    short = dataclasses.replace(
        engine.job("copy", Channel.PREFETCH, 1024, 1), opcode=Opcode.DECOMPRESS)
    with pytest.raises(TransferError, match=r"^DECOMPRESS with tag 0 ended with DATA_ERROR"):
        runs.single(short, direct=direct)
    # The ring is in use again.
    assert runs.device.read_register(address("CTRL", Channel.PREFETCH)) & 1


def test_engine_sheets(results):
    sheets = engine_report.sheets(results)
    row, = sheets["engine"].rows
    least = [
        min(r["of_bound"] for r in results["engine"]
            if (r["op"] == "copy") == copy and r["together"]) for copy in (False, True)]
    assert row[:3] == ("4 KiB", "100", "64")
    assert [row[5], row[8]] == [f"{value:.3f}" for value in least]
    ring, direct = sheets["engine_single"].rows
    assert (ring[0], direct[0]) == ("ring", "direct")
    most = max(r["doorbell_to_record"] for r in results["engine_single"] if r["mode"] == "ring")
    assert ring[4:] == (str(most), str(most - 128), str(588 - most))
    assert [row[0] for row in sheets["engine_small"].rows] == ["NOP", "64 B"]


def test_engine_picture(results, tmp_path):
    plots.engine(results["engine"], results["engine_small"], tmp_path / "engine.png")
    assert (tmp_path / "engine.png").read_bytes().startswith(b"\x89PNG")
