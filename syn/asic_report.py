# SPDX-License-Identifier: Apache-2.0
"""The estimate in standard cells, as tables and as a section of the results."""

from collections.abc import Sequence
from pathlib import Path

from opencdma.sim.bench.sheet import Sheet
from opencdma.sim.page import write_section
from opencdma.syn.asic import LOAD
from opencdma.syn.peers import ASIC_PEERS

__all__ = ["COMMAND", "sheets", "write"]

#: Writes the section.
COMMAND = "opencdma asic LIB --docs docs/results.md"


def sheets(records: Sequence[dict]) -> dict[str, Sheet]:
    """Return a table of the records of each library, by its name."""
    tables = {}
    for library in dict.fromkeys(record["library"] for record in records):
        tables[library] = Sheet(
            library,
            ("design", "µm²", "kGE", "GE per byte", "kGE without memories", "GE per byte", "FF",
             "in memories", "FF share", "period ns", "GHz", "GB/s"),
            [(record["design"], f"{record['area_um2']:,.0f}", f"{record['kge']:.2f}",
              f"{record['ge_per_byte']:,}", f"{record['logic_kge']:.2f}",
              f"{record['logic_ge_per_byte']:,}", f"{record['ff']:,}",
              f"{record['memory_ff']:,}", f"{record['ff_share']:.0%}",
              _number(record["period_ns"], 3), _number(record["ghz"], 2),
              _number(record["gbytes_per_s"], 1))
             for record in records if record["library"] == library], labels=1)
    return tables


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def write(records: Sequence[dict], page: Path):
    """Write the section of a page."""
    gates = {record["library"]: record["nand2"] for record in records}
    tables = "\n\n".join(
        f"### {library}\n\nOne gate equivalent is a {gates[library]}.\n\n{sheet.markdown()}"
        for library, sheet in sheets(records).items())
    published = Sheet(
        "Published", ("what", "figure", "comparable", "not comparable", "source"),
        [(peer.name, peer.figure, peer.comparable, peer.different, peer.source)
         for peer in ASIC_PEERS], labels=5)
    write_section(page, "asic", COMMAND, f"""
## Standard cells

Measured by `{COMMAND}` with Yosys, ABC and OpenSTA, typical corner of
each library. An [estimate](synthesis.md#standard-cells) of cells alone: no wires, no clock tree,
no power. Memories are flip-flops; the area is also told *without memories* and what selects words
in them. *GE per byte* are gates for each byte per cycle, *FF share* is of the whole area. Inputs
and registers drive as the smallest buffer does, outputs drive {LOAD} fF, the clock is ideal. The
period counts from register to register, through memories as well.

{tables}

### Published figures beside it

{published.markdown()}
""")
