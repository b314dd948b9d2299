# SPDX-License-Identifier: Apache-2.0
"""What the hardware costs and how fast it clocks, as tables and as a section of the results."""

from collections.abc import Sequence
from pathlib import Path

from opencdma.sim.bench.sheet import Sheet
from opencdma.sim.page import write_section
from opencdma.syn import peers, plots
from opencdma.syn.designs import DESIGNS
from opencdma.syn.devices import DEVICES
from opencdma.syn.plan import MAIN

__all__ = ["COMMAND", "sheets", "write"]

# What the mark says that _name makes.
_STALE = " Designs with a * have changed since they were measured."

#: Writes the section.
COMMAND = "opencdma resources --docs docs/results.md"


def sheets(records: Sequence[dict]) -> dict[str, Sheet]:
    """Return the tables of records, by topic: one per device, named as it, and comparisons."""
    tables = {}
    for name, device in DEVICES.items():
        chosen = [record for record in records if record["device"] == name]
        if chosen:
            tables[name] = _resources(device.title, chosen)
    main = [record for record in records if record["device"] == MAIN]
    for topic, rows in (("codecs", _codecs(main)), ("movers", _movers(main))):
        if rows.rows:
            tables[topic] = rows
    return tables


def _resources(title: str, records: Sequence[dict]) -> Sheet:
    luts = "lut6" if records[0]["lut6"] is not None else "lut4"
    rows = []
    for record in records:
        if record["seeds"]:
            clock = (
                f"{record['mhz_median']:.0f}", f"{record['mhz_min']:.0f} to "
                f"{record['mhz_max']:.0f}", f"{record['gbytes_per_s']:.2f}")
        else:
            clock = ("", "" if record["fits"] else "does not fit", "")
        rows.append((
            _name(record), _number(record[luts]), _number(record["cells"]),
            *(_number(record[name]) for name in ("ff", "bram", "dpr", "carry", "dsp")), *clock))
    return Sheet(
        title, ("design", luts.upper(), "cells", "FF", "BRAM", "LUT-RAM", "carry", "DSP", "MHz",
                "from", "GB/s"), rows, labels=1)


def _codecs(records: Sequence[dict]) -> Sheet:
    """Return codecs of bytes as multiples of those that take a byte at a time."""
    rows = []
    for peer in peers.CODECS:
        rows.append((
            peer.name, _number(peer.lut4), _number(peer.cells), f"{peer.mhz:.0f}",
            _span(*(rate * peer.mhz for rate in peer.bytes_per_cycle)), "1", "1"))
        for record in _placed(records, peer.beside):
            if DESIGNS[record["design"]].elements not in ("8", "all"):
                continue
            megabytes = 1e3 * record["gbytes_per_s"]
            # At its worst first: then the multiple is largest.
            times = [megabytes / (rate * peer.mhz) for rate in reversed(peer.bytes_per_cycle)]
            per_cell = [value * peer.cells_at_least / record["cells"] for value in times]
            rows.append((
                _name(record), _number(record["lut4"]), _number(record["cells"]),
                f"{record['mhz_median']:.0f}", f"{megabytes:,.0f}", _span(*times),
                _span(*per_cell, digits=1)))
    return Sheet(
        "Codecs of bytes",
        ("design", "LUT4", "cells", "MHz", "MB/s", "times the peer's", "the same per cell"),
        rows if len(rows) > len(peers.CODECS) else [], labels=1)


def _movers(records: Sequence[dict]) -> Sheet:
    rows = [
        (_name(record), _number(record["lut4"]), _number(record["cells"]),
         _number(record["ff"]), f"{record['mhz_median']:.0f}")
        for record in _placed(records, "movers") if DESIGNS[record["design"]].width == 32]
    if rows:
        rows += [
            (peer.name, _number(peer.lut4), _number(peer.cells), _number(peer.ff),
             f"{peer.mhz:.0f}") for peer in peers.MOVERS]
    return Sheet(
        "Copying 256 bits per cycle", ("design", "LUT4", "cells", "FF", "MHz"), rows, labels=1)


def write(records: Sequence[dict], page: Path):
    """Write the section of a page, and its pictures into ``images`` beside it."""
    images = page.parent / "images"
    images.mkdir(parents=True, exist_ok=True)
    main = [record for record in records if record["device"] == MAIN]
    plots.pareto(main, images / "resources.png")
    plots.clocks(main, images / "clocks.png")
    tables = dict.fromkeys((MAIN, "codecs", "movers"), "Not measured yet.")
    tables |= {topic: sheet.markdown() for topic, sheet in sheets(records).items()}
    devices = "\n\n".join(
        f"### {device.title}\n\n{tables[name]}"
        for name, device in DEVICES.items() if name in tables and name != MAIN)
    stale = any(record.get("stale") for record in records)
    seeds = max(record["seeds"] for record in records)
    sources = {peer.source for peer in (*peers.CODECS, *peers.MOVERS)}
    write_section(page, "resources", COMMAND, f"""
## Clock and area

Measured by `{COMMAND}` with Yosys and nextpnr, each design by itself and
[out of context](synthesis.md#out-of-context): median and spread of {seeds} runs of the placer.
*LUT4*, *FF* and so on are cells of the netlist, *cells* those of logic when placed: tables for
carries, wide multiplexers and memory come on top. *LUT-RAM* are memories in lookup tables.
*GB/s* are 10⁹ raw bytes per second in one direction, at the median. `w32` is W = 32 bytes per
beat; a codec without a number of bits takes elements of 8, 16 and 32 bits.{_STALE if stale else ""}

### {DEVICES[MAIN].title}

{tables[MAIN]}

The floors are what a codec cannot be without, each by itself: compaction of so many lanes with a
register rank behind every step, a register slice, a rotator in one cycle.

![GB/s over lookup tables](images/resources.png)

![Clock over width](images/clocks.png)

### Beside other codecs

{tables["codecs"]}

Peers are {" and ".join(sorted(sources))}. EBPC takes words of 8 bits, one at a time; where two
numbers stand, they are at its best and at its worst. Its placed cells are not known, so its lookup
tables stand in for them, which flatters it. Comparable are device, tools, words of 8 bits and that
both are lossless; not comparable is the format: EBPC compresses also what is not zero.

### Beside other engines

{tables["movers"]}

`movers` is one direction without codec, descriptors and registers: read mover, write mover, their
jobs from streams. The peers have their descriptors from streams or registers, too.

{devices}
""")


def _name(record: dict) -> str:
    return record["design"] + (" *" if record.get("stale") else "")


def _placed(records: Sequence[dict], group: str) -> list[dict]:
    return [
        record for record in records
        if DESIGNS[record["design"]].group == group and record["seeds"]]


def _number(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def _span(*values: float, digits: int = 0) -> str:
    """Return the one value that all are, or the first and the last."""
    shown = list(dict.fromkeys(f"{value:,.{digits}f}" for value in values))
    return shown[0] if len(shown) == 1 else f"{shown[0]} to {shown[-1]}"
