# SPDX-License-Identifier: Apache-2.0
"""What the benchmark found, as tables for the terminal and as a page of the documentation."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from opencdma.hw.codec import CodecGeometry
from opencdma.sim import demo_tables, plots, rates
from opencdma.sim.bench import ACTIVATIONS_WIDTH, codec, engine_report
from opencdma.sim.bench.sheet import Sheet
from opencdma.sim.page import write_section
from opencdma.spec import Direction

__all__ = ["sheets", "write"]

#: Writes the page.
COMMAND = "opencdma bench --docs docs/results.md"

DIRECTIONS = [direction.name.lower() for direction in Direction]


def sheets(results: dict[str, list[dict]]) -> dict[str, Sheet]:
    """Return the tables of the records that :func:`opencdma.sim.bench.run` returns, by topic."""
    return engine_report.sheets(results) | {
        "latency": _latency(results["codec"]),
        "break_even": _break_even(results["codec"]),
        "streams": _streams(results["streams"]),
        "activations": _activations(results["activations"]),
        "switching": _switching(results["switching"]),
        "simulation": _simulation(results["simulation"]),
        "software": _software(results["software"]),
    }


def _builds(records: list[dict]) -> Iterator[tuple[tuple[str, str], dict[str, list[dict]]]]:
    """Yield the labels of each width and build, and its records by direction."""
    builds = {}
    for record in records:
        ways = builds.setdefault((record["width"], record["build"]), {})
        ways.setdefault(record["direction"], []).append(record)
    for (width, build), ways in builds.items():
        yield (str(width), build), ways


def _latency(records: list[dict]) -> Sheet:
    rows = []
    for labels, ways in _builds([record for record in records if not record["break_even"]]):
        cells = []
        for direction in DIRECTIONS:
            latencies = [record["latency"] for record in ways[direction]]
            cells += [str(min(latencies)), str(max(latencies)), str(ways[direction][0]["limit"])]
        rows.append((*labels, *cells))
    return Sheet(
        "Latency of single transfers, cycles beyond the bound",
        ("W", "element sizes", "compress: least", "most", "limit", "decompress: least", "most",
         "limit"), rows)


def _break_even(records: list[dict]) -> Sheet:
    rows = [
        (*labels, *(
            str(max(record[name] for record in ways[direction]))
            for direction in DIRECTIONS for name in ("latency", "swing")))
        for labels, ways in _builds([record for record in records if record["break_even"]])
    ]
    return Sheet(
        "Near break-even, at most, cycles",
        ("W", "element sizes", "compress: latency", "swing", "decompress: latency", "swing"), rows)


def _streams(records: list[dict]) -> Sheet:
    lengths = list(dict.fromkeys(record["transfer_bytes"] for record in records))
    rows = []
    for labels, ways in _builds(records):
        cells = []
        for direction in DIRECTIONS:
            cells += [
                str(max(record["latency"] for record in ways[direction]
                        if record["transfer_bytes"] == length))
                for length in lengths
            ] + [str(ways[direction][0]["limit"])]
        rows.append((*labels, *cells))
    headings = [
        heading for direction in DIRECTIONS
        for heading in (f"{direction}: {lengths[0]} B",
                        *(f"{length} B" for length in lengths[1:]), "limit")
    ]
    return Sheet(
        "Latency of transfers back to back, all together, at most, cycles beyond their bound",
        ("W", "element sizes", *headings), rows)


def _by_network(records: list[dict]) -> dict[tuple[str, str], list[dict]]:
    """Return the records of each network and data type."""
    groups = {}
    for record in records:
        groups.setdefault((record["network"], record["dtype"]), []).append(record)
    return groups


def _activations(records: list[dict]) -> Sheet:
    rows = []
    for (network, dtype), group in _by_network(records).items():
        raw, encoded, nonzeros = (
            sum(record[name] for record in group)
            for name in ("raw_bytes", "encoded_bytes", "nonzeros"))
        size = group[0]["element_bytes"]
        density = nonzeros * size / raw
        rates_in = [
            f"{raw / sum(record[f'{direction}_cycles'] for record in group):.2f}"
            for direction in DIRECTIONS
        ]
        theory = rates.theoretical_ratio(density, 8 * size)
        rows.append((
            network, dtype, str(len(group)), f"{1 - density:.1%}", f"{raw / encoded:.2f}",
            f"{theory:.2f}", *rates_in))
    return Sheet(
        f"Real activations, W = {ACTIVATIONS_WIDTH}",
        ("network", "dtype", "tensors", "zeros", "ratio", "theory",
         "compress: raw bytes/cycle", "decompress: raw bytes/cycle"), rows)


def _switching(records: list[dict]) -> Sheet:
    rows = []
    for (network, dtype), group in _by_network(records).items():
        raw, encoded, raw_changes, changes = (
            sum(record[name] for record in group) for name in (
                "raw_bytes", "encoded_bytes", "raw_transitions", "encoded_transitions"))
        rows.append((
            network, dtype, f"{raw / encoded:.2f}", f"{raw_changes / raw:.2f}",
            f"{changes / raw:.2f}", f"{raw_changes / changes:.2f}", f"{changes / encoded:.2f}"))
    return Sheet(
        f"Transitions of the encoded port, W = {ACTIVATIONS_WIDTH}",
        ("network", "dtype", "ratio", "raw: per raw byte", "compressed: per raw byte",
         "fewer by", "compressed: per byte sent"), rows)


def _simulation(records: list[dict]) -> Sheet:
    slowest = min(record["cycles_per_s"] for record in records)
    return Sheet(
        "Simulated cycles per second", ("driver", "top", "cycles", "cycles/s", "factor"),
        [(record["driver"], record["design"], str(record["cycles"]),
          f"{record['cycles_per_s']:,.0f}", f"{record['cycles_per_s'] / slowest:.0f}")
         for record in records])


def _software(records: list[dict]) -> Sheet:
    return Sheet(
        "Software", ("codec", "dtype", "ratio", "encode MB/s", "decode MB/s"),
        [(record["codec"] + (f" level {record['level']}" if record["level"] else ", golden model"),
          record["dtype"], f"{record['ratio']:.2f}", f"{record['encode_mb_s']:.0f}",
          f"{record['decode_mb_s']:.0f}") for record in records])


def _spread(records: Iterable[dict]) -> int:
    """Return by how much latencies differ, at most, that only the length tells apart."""
    latencies = {}
    for record in records:
        if not record["break_even"]:
            names = ("direction", "width", "build", "element_bytes", "density")
            point = tuple(record[name] for name in names)
            latencies.setdefault(point, []).append(record["latency"])
    return max(max(values) - min(values) for values in latencies.values())


def _excesses(records: Iterable[dict]) -> list[tuple[int, int]]:
    """Return, for activations either way, by how much latency exceeds the limit, and the swing."""
    geometry = CodecGeometry(ACTIVATIONS_WIDTH)
    return [
        (record[f"{direction.name.lower()}_latency"] - rates.latency_limit(geometry, direction),
         record["swing"])
        for record in records for direction in Direction
    ]


def write(results: dict[str, list[dict]], page: Path):
    """Write what belongs to the benchmark on a page, and its pictures into ``images`` beside it."""
    images = page.parent / "images"
    images.mkdir(parents=True, exist_ok=True)
    plots.engine(results["engine"], results["engine_small"], images / "engine.png")
    plots.latency(results["codec"], images / "latency.png")
    plots.activations(results["activations"], ACTIVATIONS_WIDTH, images / "activations.png")
    table = {topic: sheet.markdown() for topic, sheet in sheets(results).items()}
    lengths = sorted({record["raw_bytes"] for record in results["codec"]})
    excesses = _excesses(results["activations"])
    alone = sum(excess <= 0 for excess, _ in excesses)
    within = sum(excess <= swing for excess, swing in excesses)
    densities = ", ".join(
        f"{density:g}" for density in
        sorted({r["density"] for r in results["codec"] if not r["break_even"]}))
    write_section(page, "bench", COMMAND, f"""
Engine, codec, simulation and software are measured by `{COMMAND}`, from
the RTL under Verilator; all outputs were compared with the golden model's. Cycles are the same on
every machine. Speed of simulation and of software is wall-clock time on one machine with
{os.cpu_count()} cores.

N raw bytes that encode to M take at least `max(ceil(N/W), ceil(M/W))` cycles, the *bound*: the
ports carry W bytes per cycle.

{engine_report.section(results)}

## Codec

From here on the codec is by itself, on its AXI4-Stream ports. The *latency* is what a transfer
takes beyond its bound, from the first beat in to the last beat out, inclusive, never stalled.

### Latency

Single transfers of {", ".join(str(length // 1024) for length in lengths)} KiB, random data,
every element size of the build. Densities (shares of nonzero elements): {densities}.

{table["latency"]}

The limits are those of the [codec's timing](codec.md#timing). Latency does not grow with the length
of the transfer: transfers that differ in length only are within {_spread(results["codec"])} cycles
of each other.

![Latency and limit of each build, by length of the transfer](images/latency.png)

#### Near break-even

At the density 1 - 1/bits, data are as long encoded as raw. Of random data about half the groups
are then longer encoded, and held up by the encoded port; the other half are shorter, and held up
by the raw port. The bound of the whole counts one port only, but a cycle in which a port waits is
lost to it, save for what the queues in between even out. *Swing* is how much that can be: the
bounds of the groups, added up, less the bound of the whole. It is a property of the data and of W,
not of the codec.

{table["break_even"]}

### Back to back

{codec.STREAM_TRANSFERS} transfers without a pause: from the first beat in to the last beat out,
cycles beyond the bound `max(sum of ceil(N/W), sum of ceil(M/W))`; the most over element sizes and
densities.

{table["streams"]}

### Real activations

The tensors of [the corpus](activations.md) through the codec and back, with W =
{ACTIVATIONS_WIDTH} and all element sizes. Theory is 1 / (density + 1/bits), of the same elements.

{table["activations"]}

{demo_tables.PUBLISHED}

![Ratio and bytes per cycle of each tensor, over its density](images/activations.png)

Tensors with dense and with sparse regions have a swing, too. Of {len(excesses)} transfers {alone}
took at most bound + limit, and {within} at most bound + limit + swing.

### Switching

Links and memories take power by the wires that change. The same tensors leave the compressor's
encoded port twice, as they are and compressed, never stalled; counted is every change of a data
wire from one cycle to the next, also when nothing is valid. It is a proxy: wires inside the codec,
clock and handshake are not in it, and each wire counts the same.

{table["switching"]}

Random data change half their wires with every beat: 4 transitions per byte sent.

## Speed of simulation

Wall-clock time: it depends on the machine, and so does the factor. The same top decompresses the
same tensor, driven natively as `SimulatedCodec` does it, and by cocotb with cocotbext-axi. The
fastest of several runs; building and starting the simulation are not counted.

{table["simulation"]}

## Software beside it

Wall-clock time of one thread, over the representative part of the corpus, every tensor by itself.
The golden model is written to be read.

{table["software"]}
""")
