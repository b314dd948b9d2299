# SPDX-License-Identifier: Apache-2.0
"""The command line: what it writes, and how it says what is wrong."""

import json

import pytest
from test_demo import TENSORS, doctored, flip
from typer.testing import CliRunner

from opencdma.golden import zvc
from opencdma.hw.codec import CodecGeometry
from opencdma.hw.verilog import EngineTop, Top
from opencdma.sim import activations, bench
from opencdma.sim.bench import codec, engine, switching, tensors
from opencdma.sim.cli import app
from opencdma.sim.codec import SimulatedCodec
from opencdma.spec import PRESETS

pytestmark = pytest.mark.xdist_group("opencdma_ecp5")


def call(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def tiny(monkeypatch):
    """Have the demonstration send two tiny tensors."""
    monkeypatch.setattr(activations, "representative", lambda: [facts for facts, _ in TENSORS])
    monkeypatch.setattr(activations, "items", lambda chosen: iter(TENSORS))


@pytest.fixture
def measured(monkeypatch):
    """Have the benchmark return records at once, and return these."""
    latency = {
        "direction": "compress", "width": 8, "build": "32", "element_bytes": 4, "density": 0.5,
        "break_even": False, "raw_bytes": 128, "encoded_bytes": 68, "cycles": 36, "bound": 16,
        "latency": 20, "limit": 24, "swing": 0,
    }
    records = [latency, latency | {"direction": "decompress", "latency": 9, "limit": 12}]
    even = [record | {"break_even": True} for record in records]
    facts = {"op": "copy", "direction": "offload", "bytes": 65536, "memory_latency": 100,
             "density": 0.5, "bound": 2048, "cycles": 2100, "of_bound": 0.995}
    streams = [
        facts | {"op": op, "direction": direction, "together": together, "descriptors": 64,
                 "least": 0.99}
        for op, direction in (("compress", "offload"), ("decompress", "prefetch"),
                              ("copy", "offload"), ("copy", "prefetch"))
        for together in (False, True)]
    singles = [
        facts | {"mode": mode, "doorbell_to_address": 11, "doorbell_to_record": 2500,
                 "limit": 2508} for mode in ("ring", "direct")]
    simulated = SimulatedCodec(CodecGeometry(32))
    results = {
        "engine": streams, "engine_single": singles,
        "engine_small": [facts | {"bytes": 64, "descriptors": 8, "cycles_per_descriptor": 20.0,
                                  "per_thousand_cycles": 50.0}],
        "codec": records + even,
        "streams": [record | {"transfers": 32, "transfer_bytes": 192} for record in records],
        "activations": [tensors.measure(simulated, *tensor).flat() for tensor in TENSORS],
        "switching": list(switching.measure(simulated, TENSORS)),
        "simulation": [{"driver": "native", "design": "x", "cycles": 1, "seconds": 1,
                        "cycles_per_s": 1}],
        "software": [],
    }
    monkeypatch.setattr(bench, "run", lambda progress, quick: results)
    return results


def test_help():
    result = call("--help")
    assert result.exit_code == 0
    assert all(name in result.stdout for name in ("verilog", "demo", "bench"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["verilog", "--width", 7], "Beat width must be 8, 16, 32 or 64 bytes, not 7"),
        (["verilog", "--elements", "8,12"],
         "Element sizes must be some of 8, 16 and 32 bits, not '8,12'"),
        (["verilog", "--elements", ""], "Element sizes must be some of 8, 16 and 32 bits, not ''"),
        (["verilog", "--width", 16, "--elements", 32, "--ranks", 3],
         "Number of register ranks must be 0 to 2 for 4 lanes, not 3"),
        (["verilog", "--preset", "xcvu"], "Preset must be one of ecp5, tiny, asic, not 'xcvu'"),
        (["verilog", "--preset", "tiny", "--width", 8],
         "--preset is for the engine, --width, --elements and --ranks are not"),
        (["bench", "--quick", "--docs", "x.md"],
         "--docs is for the full benchmark, not for --quick"),
    ],
)
def test_bad_values(arguments, message):
    result = call(*arguments)
    assert (result.exit_code, result.stderr) == (2, f"opencdma: {message}\n")


def test_verilog(tmp_path):
    """One configuration, the same bytes every time; the path is told."""
    texts = []
    for name in ("first", "second"):
        result = call("verilog", "--width", 8, "--elements", 32, "-o", tmp_path / name)
        path = tmp_path / name / "opencdma_codec_w8_e32.v"
        assert result.exit_code == 0
        assert str(path) in result.stdout
        texts.append(path.read_bytes())
    assert texts[0] == texts[1] == Top(CodecGeometry(8, (4,))).verilog().encode()


def test_verilog_of_a_preset(tmp_path):
    assert call("verilog", "--preset", "tiny", "-o", tmp_path).exit_code == 0
    text = (tmp_path / "opencdma_tiny.v").read_text()
    assert text == EngineTop(PRESETS["tiny"]).verilog()


def test_verilog_of_all_tops(tmp_path, monkeypatch):
    chosen = [Top(CodecGeometry(8, (4,))), Top(CodecGeometry(16, (4,)))]
    monkeypatch.setattr("opencdma.hw.verilog.tops", lambda: chosen)
    assert call("verilog", "-o", tmp_path).exit_code == 0
    assert {path.name for path in tmp_path.iterdir()} == {f"{top.name}.v" for top in chosen}


def test_verilog_has_no_place(tmp_path):
    (tmp_path / "file").touch()
    result = call("verilog", "--width", 8, "--elements", 32, "-o", tmp_path / "file")
    assert result.exit_code == 1
    assert result.stderr.startswith("opencdma: [Errno ")
    assert result.stderr.count("\n") == 1


def test_demo(tmp_path, tiny):
    result = call("demo", "-o", tmp_path)
    assert result.exit_code == 0
    assert "building the simulation model (once, about two minutes)" in result.stdout
    assert "2 tensors there and back: every byte is what the golden model says" in result.stdout
    assert "2.6x on average and 13.8x at most" in result.stdout
    assert str(tmp_path / "demo.png") in result.stdout
    records = json.loads((tmp_path / "demo.json").read_text())
    assert [record["name"] for record in records] == ["tiny/float32", "tiny/uint8"]
    assert (tmp_path / "demo.png").read_bytes().startswith(b"\x89PNG")


def test_demo_mismatch(tmp_path, tiny, monkeypatch):
    doctored(monkeypatch, after=flip("host", zvc.encode(TENSORS[0][1]), 0))
    result = call("demo", "-o", tmp_path)
    assert result.exit_code == 1
    assert result.stderr.startswith("opencdma: tiny/float32, compress: byte 37 is 0x")
    assert not (tmp_path / "demo.png").exists()


def test_bench(tmp_path, measured):
    result = call("bench", "-o", tmp_path / "bench.json", "--docs", tmp_path / "results.md")
    assert (result.exit_code, result.stderr) == (0, "")
    assert json.loads((tmp_path / "bench.json").read_text())["codec"] == measured["codec"]
    assert "| 8 | 32 | 20 | 20 | 24 | 9 | 9 | 12 |" in (tmp_path / "results.md").read_text()


@pytest.mark.parametrize("topic", ["codec", "streams"])
def test_bench_over_limit(tmp_path, measured, topic):
    measured[topic][0] |= {"latency": 25}
    over = codec.over_limit(measured[topic])
    result = call("bench", "-o", tmp_path / "bench.json")
    assert result.exit_code == 1
    assert result.stderr == (
        f"opencdma: 1 latencies exceed their limit; the first: {over[0]}\n")


def test_bench_single_over_limit(tmp_path, measured):
    measured["engine_single"][1] |= {"doorbell_to_record": 2509}
    over, = engine.over_limit(measured["engine_single"])
    result = call("bench", "-o", tmp_path / "bench.json")
    assert result.exit_code == 1
    assert result.stderr == f"opencdma: 1 latencies exceed their limit; the first: {over}\n"


def test_bench_below_least(tmp_path, measured):
    measured["engine"][2] |= {"of_bound": 0.98}
    result = call("bench", "-o", tmp_path / "bench.json")
    assert result.exit_code == 1
    assert result.stderr == (
        f"opencdma: 1 rates are below what is promised; the first: {measured['engine'][2]}\n")


def test_bench_break_even_is_no_failure(tmp_path, measured):
    measured["codec"][-1] |= {"latency": 25}
    assert call("bench", "-o", tmp_path / "bench.json").exit_code == 0
