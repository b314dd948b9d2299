# SPDX-License-Identifier: Apache-2.0
"""Simulated cycles per second: the native driver, and cocotb on the same top and transfer."""

import importlib.util
import json
import os
import tempfile
import time
from pathlib import Path
from unittest import mock

import numpy as np

from opencdma.hw.verilog import Top
from opencdma.sim import rates, verilator
from opencdma.sim.codec import SimulatedCodec, command_word
from opencdma.spec import Direction

__all__ = ["CocotbFailed", "CocotbMissing", "measure_cocotb", "measure_native"]

#: How often the transfer is run; the fastest counts, as other programs may get in the way.
NATIVE_REPEATS = 20
COCOTB_REPEATS = 3


class CocotbMissing(RuntimeError):
    """The packages for the comparison are not installed."""


class CocotbFailed(RuntimeError):
    """The simulation under cocotb did not end well; the message ends with what it said."""


def measure_native(codec: SimulatedCodec, array: np.ndarray) -> dict:
    """Return the record of decompressing an array with the native driver."""
    transfer = rates.transfer(Direction.DECOMPRESS, array)
    runs = []
    for _ in range(NATIVE_REPEATS):
        begin, start = codec.cycles, time.perf_counter()
        codec.run([transfer])
        runs.append((codec.cycles - begin, time.perf_counter() - start))
    return _record("native", Top(codec.geometry), runs)


def measure_cocotb(top: Top, array: np.ndarray) -> dict:
    """Return the record of decompressing an array under cocotb, with cocotbext-axi.

    Building the simulation and starting it are not part of the time.

    Raises
    ------
    CocotbMissing
        If cocotb or cocotbext-axi is not installed.
    CocotbFailed
        If the simulation cannot be built, or does not emit the array.
    """
    for package in ("cocotb", "cocotb_tools", "cocotbext.axi"):
        try:
            missing = importlib.util.find_spec(package) is None
        except ModuleNotFoundError: # of the package around it
            missing = True
        if missing:
            raise CocotbMissing(
                f"{package} is not installed, so cocotb is not measured: "
                "install `opencdma[test]` to compare")
    from cocotb_tools.runner import get_runner

    transfer = rates.transfer(Direction.DECOMPRESS, array)
    with tempfile.TemporaryDirectory() as work, mock.patch.dict(
            os.environ, verilator.environment()):
        work = Path(work)
        (work / "command").write_bytes(command_word(transfer.command).to_bytes(8, "little"))
        (work / "input").write_bytes(transfer.data)
        (work / "expected").write_bytes(array.tobytes())
        (work / f"{top.name}.v").write_text(top.verilog())
        # cocotb would have every signal public, at the cost of speed; it needs the ports only.
        (work / "ports.vlt").write_text(
            f'`verilator_config\npublic_flat_rw -module "{top.name}" -var "*"\n')
        runner, log = get_runner("verilator"), work / "log.txt"
        try:
            runner.build(
                sources=[work / "ports.vlt", work / f"{top.name}.v"], hdl_toplevel=top.name,
                build_dir=work / "build", timescale=("1ns", "1ps"), log_file=log,
                build_args=[
                    "-O3", "--x-assign", "fast", "--x-initial", "fast", "--no-public-flat-rw",
                    "--output-split", "20000", *(f"-Wno-{name}" for name in verilator.WAIVERS),
                ])
            runner.test(
                test_module="opencdma.sim.bench.cocotb_speed", hdl_toplevel=top.name,
                build_dir=work / "build", test_dir=work, log_file=log,
                extra_env={"OPENCDMA_SPEED": str(work), "OPENCDMA_REPEATS": str(COCOTB_REPEATS)})
        # The runner ends the program when a command fails.
        except (SystemExit, RuntimeError) as error:
            raise CocotbFailed(f"The simulation under cocotb failed:\n{_tail(log)}") from error
        if not (work / "measured.json").exists():
            raise CocotbFailed(f"The test under cocotb failed:\n{_tail(log)}")
        runs = json.loads((work / "measured.json").read_text())
    return _record("cocotb", top, runs)


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-3000:] if log.exists() else "no log was written"


def _record(driver: str, top: Top, runs: list[tuple[int, float]]) -> dict:
    """Return the record of the fastest of some runs, each given as cycles and seconds."""
    cycles, seconds = max(runs, key=lambda run: run[0] / run[1])
    return {
        "driver": driver, "design": top.name, "cycles": cycles, "seconds": seconds,
        "cycles_per_s": cycles / seconds,
    }
