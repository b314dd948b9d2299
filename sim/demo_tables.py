# SPDX-License-Identifier: Apache-2.0
"""What the demonstration found, for the terminal."""

import itertools
from collections.abc import Iterable, Iterator

from rich import box
from rich.table import Table

from opencdma.sim import rates
from opencdma.sim.demo import MEMORY_LATENCY, Record

__all__ = ["CAPTION", "PUBLISHED", "summary", "tables", "totals"]

#: What others published, to be said beside figures of ratios.
PUBLISHED = """\
For comparison: cDMA (Rhu et al., HPCA 2018) reports 2.6x on average and 13.8x at most for
zero-value compression. Those are fp32 activations of other networks, during training, and no
target for these. Elements of 8 bits cannot reach more than 8x: their masks take an eighth."""

#: What belongs below :func:`summary`; its lines are short enough not to be wrapped.
CAPTION = f"""\
Cycles: from the first data beat read to the last one written. Of bound: the ports allow no more
than 1. Interrupt: cycles from the doorbell to the program knowing of the completion. Both channels
work at the same time; both memories answer after {MEMORY_LATENCY} cycles.
Theory is 1 / (density + 1 / bits), of the same elements.
{PUBLISHED}"""


def _by_group(records: Iterable[Record], *names: str) -> Iterator[tuple[tuple, list[Record]]]:
    """Yield records by the values of the named fields."""
    def key(record):
        return tuple(getattr(record, name) for name in names)
    for value, group in itertools.groupby(sorted(records, key=key), key):
        yield value, list(group)


def totals(records: Iterable[Record]) -> list[dict]:
    """Return sizes, density, ratio, theoretical ratio and rates of each network and dtype."""
    rows = []
    for (network, dtype), group in _by_group(records, "network", "dtype"):
        raw = sum(record.raw_bytes for record in group)
        encoded = sum(record.encoded_bytes for record in group)
        size = group[0].element_bytes
        density = sum(record.nonzeros for record in group) * size / raw
        of_bound = {
            f"{name}_of_bound": sum(getattr(record, name).bound for record in group)
            / sum(getattr(record, name).cycles for record in group)
            for name in ("compress", "decompress")
        }
        rows.append({
            "network": network, "dtype": dtype, "tensors": len(group),
            "raw_bytes": raw, "encoded_bytes": encoded, "density": density,
            "ratio": raw / encoded, "theory": rates.theoretical_ratio(density, 8 * size),
            **of_bound,
        })
    return rows


def tables(records: Iterable[Record]) -> Iterator[Table]:
    """Yield a table for each network, with a line for each tensor; shapes are C x H x W."""
    for (network,), group in _by_group(records, "network"):
        table = Table(
            title=network, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD,
            pad_edge=False, collapse_padding=True)
        table.add_column("\nlayer", overflow="fold")
        for heading in ("\nshape", "\ndtype"):
            table.add_column(heading)
        for heading in (
            "\nzeros", "\nratio", "compress\ncycles", "\nof bound", "\ninterrupt",
            "decompress\ncycles", "\nof bound", "\ninterrupt",
        ):
            table.add_column(heading, justify="right", no_wrap=True)
        for record in group:
            cells = [
                record.layer, "x".join(map(str, record.shape[1:])), record.dtype,
                f"{1 - record.density:.1%}", f"{record.ratio:.2f}",
            ]
            for rate, interrupt in (
                    (record.compress, record.compress_interrupt),
                    (record.decompress, record.decompress_interrupt)):
                cells += [str(rate.cycles), f"{rate.of_bound:.3f}", str(interrupt)]
            table.add_row(*cells)
        yield table


def summary(records: Iterable[Record]) -> Table:
    """Return a table with a line for each network and dtype."""
    table = Table(title="Totals", title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    for heading in ("network", "dtype"):
        table.add_column(heading)
    for heading in ("tensors", "raw kB", "encoded kB", "zeros", "ratio", "theory",
                    "compress", "decompress"):
        table.add_column(heading, justify="right")
    for row in totals(records):
        table.add_row(
            row["network"], row["dtype"], str(row["tensors"]), f"{row['raw_bytes'] / 1000:,.1f}",
            f"{row['encoded_bytes'] / 1000:,.1f}", f"{1 - row['density']:.1%}",
            f"{row['ratio']:.2f}", f"{row['theory']:.2f}",
            *(f"{row[f'{name}_of_bound']:.3f}" for name in ("compress", "decompress")))
    return table
