# SPDX-License-Identifier: Apache-2.0
"""The emitted Verilog: the same bytes every time, and accepted by three tools."""

import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from opencdma.hw.codec import CodecGeometry
from opencdma.hw.verilog import YOSYS, EngineTop, Top, emit, tops
from opencdma.sim import verilator
from opencdma.spec import PRESETS

CODECS = [top for top in tops() if isinstance(top, Top)]
TOPS = [pytest.param(top, id=top.name, marks=pytest.mark.xdist_group(top.name)) for top in tops()]


@cache
def text(top: Top) -> str:
    return top.verilog()


@pytest.fixture
def source(tmp_path, request) -> Path:
    top = request.getfixturevalue("top")
    path = tmp_path / f"{top.name}.v"
    path.write_text(text(top))
    return path


def run(*command, cwd):
    done = subprocess.run(
        command, cwd=cwd, env=verilator.environment(), capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("top", TOPS)
def test_verilator_lint(top, source):
    waivers = [f"-Wno-{name}" for name in verilator.WAIVERS]
    status, output = run(
        "verilator", "--lint-only", "--quiet", "-Wall", *waivers, source.name, cwd=source.parent)
    assert (status, output.strip()) == (0, "")


def test_every_waiver_is_needed(tmp_path):
    """What no longer warns is no longer waived."""
    top = CODECS[0]
    (tmp_path / f"{top.name}.v").write_text(text(top))
    _, output = run("verilator", "--lint-only", "--quiet", "-Wall", f"{top.name}.v", cwd=tmp_path)
    assert set(re.findall(r"%Warning-(\w+)", output)) == set(verilator.WAIVERS)


@pytest.mark.skipif(shutil.which("iverilog") is None, reason="Icarus Verilog is not installed")
@pytest.mark.parametrize("top", TOPS)
def test_icarus(top, source):
    # Inherited timescales are the one thing -Wall says of sources that have none.
    status, output = run(
        "iverilog", "-g2005", "-Wall", "-Wno-timescale", "-o", "out.vvp", source.name,
        cwd=source.parent)
    # Of constants with 64 ones Icarus says that it cannot count that far, where it need not.
    output = re.sub(r"warning: verinum::as_long\(\) truncated 64 bits to 63, .*\n", "", output)
    assert (status, output.strip()) == (0, "")


@pytest.mark.parametrize("top", TOPS)
def test_yosys(top, source):
    status, output = run(
        str(YOSYS), "-q", "-p",
        f"read_verilog {source.name}; hierarchy -check -top {top.name}; proc; check -assert",
        cwd=source.parent)
    assert status == 0, output
    assert "Warning" not in output, output


def test_deterministic(tmp_path):
    """Another process, with another hash seed, writes the same bytes."""
    top = EngineTop(PRESETS["tiny"])
    program = (
        "import sys; from pathlib import Path; from opencdma.spec import PRESETS; "
        "from opencdma.hw.verilog import EngineTop, emit; "
        "emit(EngineTop(PRESETS['tiny']), Path(sys.argv[1]))")
    for seed in ("1", "2"):
        subprocess.run(
            [sys.executable, "-c", program, tmp_path / seed], check=True,
            env=verilator.environment() | {"PYTHONHASHSEED": seed})
        assert (tmp_path / seed / f"{top.name}.v").read_text() == text(top)


def test_flat_port_names():
    """Exactly the ports that the interface document lists, in plain names."""
    head = text(CODECS[0]).split(");", 1)[0]
    names = set(re.findall(r"\w+", head.split("(", 1)[1]))
    data = {f"{bus}_{port}" for bus in ("s_axis", "m_axis")
            for port in ("tdata", "tkeep", "tlast", "tvalid", "tready")}
    control = {f"{bus}_{port}" for bus in ("s_axis_cmd", "m_axis_sts")
               for port in ("tdata", "tvalid", "tready")}
    assert names == data | control | {"aclk", "aresetn"}
    body = text(CODECS[0])
    for name in names - {"aclk", "aresetn"}:
        bus, _, port = name.rpartition("_")
        assert f'X_INTERFACE_INFO = "xilinx.com:interface:axis:1.0 {bus} {port.upper()}"' in body


def test_names():
    assert [Top(CodecGeometry(*parameters)).name for parameters in (
        (32,), (8, (4,)), (16, (2, 4)), (32, (1, 2, 4), 0), (32, (4,), 3),
    )] == [
        "opencdma_codec_w32", "opencdma_codec_w8_e32", "opencdma_codec_w16_e16_32",
        "opencdma_codec_w32_r0", "opencdma_codec_w32_e32_r3",
    ]


def test_emit_names_the_file(tmp_path):
    path = emit(CODECS[1], tmp_path / "deep" / "folder")
    assert path.name == "opencdma_codec_w8_e32.v"
    assert f"module {path.stem}(" in path.read_text()
