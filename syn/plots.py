# SPDX-License-Identifier: Apache-2.0
"""Pictures of what the hardware costs and how fast it clocks."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib import rc_context
from matplotlib.figure import Figure

from opencdma.sim.plots import STYLE
from opencdma.syn.designs import DESIGNS

__all__ = ["clocks", "pareto"]

#: Colours of the kinds of designs: told apart by colour-blind readers, too.
COLOURS = {
    "compressor": "#0072b2", "decompressor": "#009e73", "movers": "#d55e00", "floor": "#777777",
    "engine": "#cc79a7",
}

#: Markers of the element sizes of a codec; other designs have none.
MARKERS = {"32": "o", "8": "^", "all": "s", "": "D"}


def pareto(records: Sequence[dict], path: Path):
    """Draw throughput over area, both logarithmic, of everything that was placed on one device.

    Parameters
    ----------
    records : sequence of :class:`dict`
        From :func:`opencdma.syn.records.record`.
    path : :class:`~pathlib.Path`
        PNG to write.
    """
    with rc_context(STYLE):
        figure = Figure(figsize=(10, 5.6), layout="constrained")
        panel = figure.subplots()
        for (group, elements), chosen in _series(records).items():
            panel.plot(
                [record["lut4"] for record in chosen],
                [record["gbytes_per_s"] for record in chosen],
                color=COLOURS[group], marker=MARKERS[elements], ms=6, lw=1,
                # Floors, engines and movers are no series of one design in several widths.
                ls="-" if elements else "", label=_label(group, elements))
            for record in chosen:
                if not elements:
                    panel.annotate(
                        record["design"].removeprefix(f"{group}-"),
                        (record["lut4"], record["gbytes_per_s"]), xytext=(5, -9),
                        textcoords="offset points", fontsize=7, color="#555555")
        panel.set(
            title="Raw bytes per second, in one direction, over lookup tables", xlabel="LUT4",
            ylabel="GB/s", xscale="log", yscale="log")
        panel.legend(loc="center left", bbox_to_anchor=(1, 0.5))
        figure.savefig(path)


def clocks(records: Sequence[dict], path: Path):
    """Draw the clock over the width, its median and its spread, of codec and movers.

    Parameters
    ----------
    records : sequence of :class:`dict`
        From :func:`opencdma.syn.records.record`.
    path : :class:`~pathlib.Path`
        PNG to write.
    """
    with rc_context(STYLE):
        figure = Figure(figsize=(8, 4.8), layout="constrained")
        panel = figure.subplots()
        shown = [
            record for record in records
            if record["design"].startswith(("compressor", "decompressor", "movers-w"))]
        for (group, elements), chosen in _series(shown).items():
            middles = [record["mhz_median"] for record in chosen]
            panel.errorbar(
                [DESIGNS[record["design"]].width for record in chosen], middles,
                yerr=[
                    [middle - record["mhz_min"] for middle, record in zip(
                        middles, chosen, strict=True)],
                    [record["mhz_max"] - middle for middle, record in zip(
                        middles, chosen, strict=True)]],
                color=COLOURS[group], marker=MARKERS[elements], ms=6, lw=1.2, capsize=3,
                label=_label(group, elements))
        panel.set_xscale("log", base=2)
        panel.set_xticks((8, 16, 32, 64), labels=("8", "16", "32", "64"))
        panel.minorticks_off()
        panel.set(
            title="Clock: median, least and most of all seeds", xlabel="W (bytes per beat)",
            ylabel="MHz", ylim=(0, None))
        panel.legend(loc="center left", bbox_to_anchor=(1, 0.5))
        figure.savefig(path)


def _series(records: Sequence[dict]) -> dict[tuple[str, str], list[dict]]:
    """Return records that were placed by group and element sizes, narrow ones first."""
    series = {}
    for record in sorted(records, key=lambda record: DESIGNS[record["design"]].width):
        if record["mhz_median"] is not None:
            design = DESIGNS[record["design"]]
            series.setdefault((design.group, design.elements), []).append(record)
    return series


def _label(group: str, elements: str) -> str:
    sizes = {"": "", "all": ", all sizes"}.get(elements, f", {elements} bits")
    return group + sizes
