# SPDX-License-Identifier: Apache-2.0
"""What the benchmark found about the whole engine, as tables and as a section of the page."""

from collections.abc import Iterable

from opencdma.sim.bench.engine import (
    LEAST,
    LIMIT_DESCRIPTORS,
    LIMIT_LATENCY,
    SINGLE_EXTRA,
    SINGLE_LATENCIES,
)
from opencdma.sim.bench.sheet import Sheet

__all__ = ["section", "sheets"]


def sheets(results: dict[str, list[dict]]) -> dict[str, Sheet]:
    """Return the tables of the engine's records, by topic."""
    return {
        "engine": _streams(results["engine"]),
        "engine_single": _singles(results["engine_single"]),
        "engine_small": _small(results["engine_small"]),
    }


def section(results: dict[str, list[dict]]) -> str:
    """Return the section of the page."""
    table = {topic: sheet.markdown() for topic, sheet in sheets(results).items()}
    promised = " and ".join(
        f"{least:.2f} from {_size(length)} on" for length, least in LEAST.items())
    return f"""\
## Engine

The whole engine, preset `ecp5` (both ports W = 32), elements of 32 bits, random data. Both memories
take the same number of cycles, the *memory latency*, from a read address to its first data and from
the last beat of a write burst to its acknowledgement. Every transfer writes a completion record.

### Rings back to back

From the first data beat read to the last data beat written, all descriptors of a ring; the bound is
that of one transfer times their number. Each figure is the least of all densities measured; *both*
is the slower of the two channels while both are at work.

{table["engine"]}

The benchmark fails if, with {LIMIT_DESCRIPTORS} descriptors or more at latency {LIMIT_LATENCY}, one
of them is below {promised}.

![Share of the bound over memory latency, and rate over size](images/engine.png)

### Isolated transfers

Nothing else is under way: from the doorbell (the data of the write to TAIL, or to COMMAND without a
ring) to the first read address of data, and to the last beat of the completion record. The most of
all operations and densities. The limit is the bound, {SINGLE_LATENCIES["ring"]} memory latencies
({SINGLE_LATENCIES["direct"]} without a ring) and {SINGLE_EXTRA} cycles; *margin* is the least that
is left of it. The benchmark fails if that is negative.

{table["engine_single"]}

### Beside other engines

{_peers(results["engine_single"])}

### Tiny transfers

Descriptors per thousand cycles, each with its record, through a full ring of one channel, density
0.5: from the end of the first record to the end of the last.

{table["engine_small"]}"""


def _size(nbytes: int) -> str:
    for unit, size in (("MiB", 1 << 20), ("KiB", 1 << 10)):
        if nbytes >= size:
            return f"{nbytes / size:g} {unit}"
    return f"{nbytes} B"


def _way(record: dict) -> tuple[str, str]:
    """Return operation and direction; copies go either way."""
    return record["op"], record["direction"]


def _groups(records: Iterable[dict], key) -> dict[tuple, list[dict]]:
    groups = {}
    for record in records:
        groups.setdefault(key(record), []).append(record)
    return groups


def _streams(records: list[dict]) -> Sheet:
    def key(record):
        return record["bytes"], record["memory_latency"], record["descriptors"]

    columns = [
        ("compress", lambda r: r["op"] == "compress" and not r["together"]),
        ("decompress", lambda r: r["op"] == "decompress" and not r["together"]),
        ("both", lambda r: r["op"] != "copy" and r["together"]),
        ("copy out", lambda r: _way(r) == ("copy", "offload") and not r["together"]),
        ("copy in", lambda r: _way(r) == ("copy", "prefetch") and not r["together"]),
        ("both", lambda r: r["op"] == "copy" and r["together"]),
    ]
    rows = [
        (_size(nbytes), str(latency), str(count), *(
            f"{min(r['of_bound'] for r in group if chosen(r)):.3f}" for _, chosen in columns))
        for (nbytes, latency, count), group in sorted(_groups(records, key).items())
    ]
    return Sheet(
        "Engine, rings back to back: share of the bound, the least of all densities",
        ("transfer", "memory latency", "descriptors", *(name for name, _ in columns)), rows,
        labels=1)


def _singles(records: list[dict]) -> Sheet:
    def key(record):
        return record["mode"] != "ring", record["bytes"], record["memory_latency"]

    rows = []
    for (_, nbytes, latency), group in sorted(_groups(records, key).items()):
        rows.append((
            group[0]["mode"], _size(nbytes), str(latency),
            str(max(record["doorbell_to_address"] for record in group)),
            str(max(record["doorbell_to_record"] for record in group)),
            str(max(record["doorbell_to_record"] - record["bound"] for record in group)),
            str(min(record["limit"] - record["doorbell_to_record"] for record in group))))
    return Sheet(
        "Engine, isolated transfers: cycles from the doorbell, at most",
        ("mode", "transfer", "memory latency", "to address", "to record", "beyond the bound",
         "margin"), rows)


def _small(records: list[dict]) -> Sheet:
    def key(record):
        return record["bytes"], record["memory_latency"]

    rows = []
    for (nbytes, latency), group in sorted(_groups(records, key).items()):
        figures = {_way(record): f"{record['per_thousand_cycles']:.1f}" for record in group}
        rows.append((
            _size(nbytes) if nbytes else "NOP", str(latency),
            *(figures.get(way, "") for way in (
                ("nop", "offload"), ("nop", "prefetch"), ("compress", "offload"),
                ("decompress", "prefetch"), ("copy", "offload"), ("copy", "prefetch")))))
    return Sheet(
        "Engine, tiny transfers: descriptors per thousand cycles",
        ("transfer", "memory latency", "NOP, offload", "NOP, prefetch", "compress", "decompress",
         "copy out", "copy in"), rows, labels=1)


def _peers(records: list[dict]) -> str:
    """Say how isolated copies compare with what was measured of other engines."""
    nbytes = max(record["bytes"] for record in records)
    at_latency = [
        record for record in records
        if (record["op"], record["bytes"], record["memory_latency"])
        == ("copy", nbytes, LIMIT_LATENCY)
    ]
    address = {
        mode: max(r["doorbell_to_address"] for r in at_latency if r["mode"] == mode)
        for mode in SINGLE_LATENCIES
    }
    copies = [record for record in at_latency if record["mode"] == "ring"]
    beats = min(record["of_bound"] for record in copies)
    whole = min(record["bound"] / record["doorbell_to_record"] for record in copies)
    return f"""\
A single copy of 64 KiB at 256 bits and memory latency 100, simulated from its public RTL, took
axi_cdma (verilog-axi) to 0.27 of the bound with bursts of 16 beats, and to 0.99 with 256. An
isolated copy of {_size(nbytes)} through a ring of this engine, with read bursts of 32 beats, comes
to {beats:.2f} from the first beat read to the last one written, and to {whole:.2f} from the
doorbell to the last beat of the completion record.

Comparable are width, memory latency and that it is one copy by itself. Not comparable: axi_cdma is
handed its descriptor on a stream, reads none from memory and writes no record. Engines of that kind
need 2 to 3 cycles from the descriptor to the first address, this one {address["direct"]} from START
and {address["ring"]} from the doorbell, most of which is the reading of the descriptor. The figures
of rings back to back have no counterpart there. Those of axi_cdma were taken once, in a simulation
of its own; the benchmark does not measure it again."""
