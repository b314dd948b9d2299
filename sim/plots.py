# SPDX-License-Identifier: Apache-2.0
"""Pictures of what was measured."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib import colormaps, rc_context
from matplotlib.figure import Figure

from opencdma.sim import rates

__all__ = ["activations", "engine", "latency"]

#: Colours of the element sizes in bytes: told apart by colour-blind readers, too.
COLOURS = {1: "#d55e00", 2: "#009e73", 4: "#0072b2"}

#: Colours of the engine's operations.
OPERATIONS = {"compress": "#0072b2", "decompress": "#009e73", "copy": "#d55e00"}

#: Markers of the directions.
MARKERS = {"compress": "o", "decompress": "s"}

STYLE = {
    "font.size": 10, "axes.titlesize": 11, "axes.titleweight": "bold", "axes.grid": True,
    "axes.axisbelow": True, "axes.spines.top": False, "axes.spines.right": False,
    "grid.color": "#e4e4e4", "grid.linewidth": 0.8, "legend.frameon": False,
    "legend.fontsize": 9, "savefig.dpi": 150,
}


def activations(
    records: Sequence[dict], width: int, path: Path, speed_title: str = "Speed, never stalled",
):
    """Draw ratio and bytes per cycle of tensors over their density, beside theory.

    Parameters
    ----------
    records : sequence of :class:`dict`
        What :meth:`opencdma.sim.demo.Record.flat` or
        :meth:`opencdma.sim.bench.tensors.Record.flat` returns.
    width : :class:`int`
        Bytes per beat.
    path : :class:`~pathlib.Path`
        PNG to write.
    speed_title : :class:`str`
        Says under which conditions the speed was measured.
    """
    density = np.linspace(0, 1, 400)
    with rc_context(STYLE):
        figure = Figure(figsize=(12, 5), layout="constrained")
        ratio, speed = figure.subplots(1, 2)

        for size, colour in COLOURS.items():
            bits = 8 * size
            theory = rates.theoretical_ratio(density, bits)
            ratio.plot(density, theory, color=colour, lw=1.5, label=f"{bits}-bit elements, theory")
            chosen = [record for record in records if record["element_bytes"] == size]
            if chosen:
                ratio.scatter(
                    [record["density"] for record in chosen],
                    [record["ratio"] for record in chosen], s=36, color=colour, edgecolor="white",
                    lw=0.6, zorder=3, label=f"{bits}-bit tensors ({len(chosen)}), measured")
        ratio.axhline(1, color="#888888", lw=1, ls=":")
        ratio.set(
            title="Compression ratio", xlabel="density (share of nonzero elements)",
            ylabel="raw bytes / encoded bytes", xlim=(0, 1), yscale="log", ylim=(0.8, 36))
        ticks = (1, 2, 4, 8, 16, 32)
        ratio.set_yticks(ticks, labels=[str(tick) for tick in ticks])
        ratio.minorticks_off()
        ratio.legend(loc="upper right")

        for size, colour in COLOURS.items():
            chosen = [record for record in records if record["element_bytes"] == size]
            if not chosen:
                continue
            # Per raw byte, the longer of the two sides takes its time and the other one waits.
            encoded = 1 / rates.theoretical_ratio(density, 8 * size)
            longer = np.maximum(1, encoded)
            speed.plot(density, width / longer, color=colour, lw=1, alpha=0.6)
            speed.plot(density, width * encoded / longer, color=colour, lw=1, alpha=0.6)
            points = [record["density"] for record in chosen]
            for name, marker in MARKERS.items():
                for side, face in (("raw", colour), ("encoded", "white")):
                    speed.scatter(
                        points,
                        [record[f"{side}_bytes"] / record[f"{name}_cycles"] for record in chosen],
                        s=30, marker=marker, facecolor=face, edgecolor=colour, lw=1.1, zorder=3)
        speed.axhline(width, color="#333333", lw=1, ls="--")
        speed.annotate(
            f"limit: W = {width} bytes per cycle", (0.01, width), xytext=(0, 4),
            textcoords="offset points", color="#333333", fontsize=9)
        speed.set(
            title=speed_title, xlabel="density (share of nonzero elements)",
            ylabel="bytes per cycle", xlim=(0, 1), ylim=(0, 1.12 * width))
        # The colours are those of the other panel, so the legend has none.
        for name, marker in MARKERS.items():
            for side, face in (("raw", "#777777"), ("encoded", "white")):
                speed.scatter(
                    [], [], s=30, marker=marker, facecolor=face, edgecolor="#777777", lw=1.1,
                    label=f"{name}, {side} side")
        speed.plot([], [], color="#777777", lw=1, alpha=0.6, label="bound")
        speed.legend(loc="lower right")
        figure.savefig(path)


def latency(records: Sequence[dict], path: Path):
    """Draw the latencies of all builds beside the limits.

    Parameters
    ----------
    records : sequence of :class:`dict`
        Single transfers, from :func:`opencdma.sim.bench.codec.measure`.
    path : :class:`~pathlib.Path`
        PNG to write.
    """
    records = [record for record in records if not record["break_even"]]
    builds = list(dict.fromkeys((record["width"], record["build"]) for record in records))
    lengths = sorted({record["raw_bytes"] for record in records})
    shades = colormaps["Blues"](np.linspace(0.4, 1, len(lengths)))
    with rc_context(STYLE):
        figure = Figure(figsize=(10, 4.6), layout="constrained")
        panels = figure.subplots(1, 2, sharey=True)
        for panel, direction in zip(panels, MARKERS, strict=True):
            for place, build in enumerate(builds):
                chosen = [
                    record for record in records
                    if (record["direction"], record["width"], record["build"])
                    == (direction, *build)
                ]
                panel.hlines(
                    chosen[0]["limit"], place - 0.38, place + 0.38, color="#d55e00", lw=2,
                    label=None if place else "limit")
                for index, length in enumerate(lengths):
                    latencies = [
                        record["latency"] for record in chosen if record["raw_bytes"] == length]
                    middle = place + 0.22 * (index - (len(lengths) - 1) / 2)
                    panel.scatter(
                        [middle] * len(latencies), latencies, s=18, color=shades[index], zorder=3,
                        label=None if place else f"{length / 1024:g} KiB transfers")
            panel.set_xticks(range(len(builds)), [f"W={width}\n{name}" for width, name in builds])
            panel.set(title=direction, ylim=(0, None))
            panel.grid(visible=False, axis="x")
        panels[0].set_ylabel("latency beyond the bound (cycles)")
        panels[0].legend(loc="upper right")
        figure.savefig(path)


def engine(streams: Sequence[dict], small: Sequence[dict], path: Path):
    """Draw the engine's share of the bound over memory latency, and its rate over size.

    Parameters
    ----------
    streams, small : sequences of :class:`dict`
        What goes back to back, from :func:`opencdma.sim.bench.engine.measure`.
    path : :class:`~pathlib.Path`
        PNG to write.
    """
    with rc_context(STYLE):
        figure = Figure(figsize=(12, 4.8), layout="constrained")
        share, speed = figure.subplots(1, 2)

        lengths = sorted({record["bytes"] for record in streams})[:2]
        for op, colour in OPERATIONS.items():
            for length, line in zip(lengths, ("--", "-"), strict=False):
                chosen = [r for r in streams if (r["op"], r["bytes"]) == (op, length)]
                latencies = sorted({record["memory_latency"] for record in chosen})
                share.plot(
                    latencies,
                    [min(r["of_bound"] for r in chosen if r["memory_latency"] == latency)
                     for latency in latencies],
                    color=colour, ls=line, marker="o", ms=5, label=f"{op}, {length / 1024:g} KiB")
        share.set(
            title="Back to back, the least of all densities", xlabel="memory latency (cycles)",
            ylabel="share of the bound", xlim=(0, None), ylim=(0, 1.05))
        share.legend(loc="lower left")

        def at_latency(record, op):
            return record["op"] == op and record["memory_latency"] == 100

        for op, colour in OPERATIONS.items():
            measured = [
                (record["bytes"], record["cycles_per_descriptor"])
                for record in small if at_latency(record, op)]
            measured += [
                (record["bytes"], record["cycles"] / record["descriptors"])
                for record in streams
                if at_latency(record, op) and record["density"] == 0.5 and not record["together"]]
            # Copies go either way: the slower one counts.
            sizes = sorted({size for size, _ in measured})
            slowest = [max(cycles for at, cycles in measured if at == size) for size in sizes]
            speed.plot(
                sizes, [size / cycles for size, cycles in zip(sizes, slowest, strict=True)],
                color=colour, marker="o", ms=5, label=op)
        speed.axhline(32, color="#333333", lw=1, ls="--", label="limit: W = 32 bytes per cycle")
        speed.set(
            title="Density 0.5, memory latency 100", xlabel="raw bytes of each transfer",
            ylabel="raw bytes per cycle", ylim=(0, 36))
        speed.set_xscale("log", base=2)
        speed.legend(loc="lower right")
        figure.savefig(path)
