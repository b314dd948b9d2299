# SPDX-License-Identifier: Apache-2.0
"""Demonstration: real activations there and back through the Verilated codec."""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass

import numpy as np
from rich import box
from rich.table import Table

from opencdma.golden import zvc
from opencdma.sim import rates
from opencdma.sim.activations import Activation
from opencdma.sim.codec import SimulatedCodec
from opencdma.spec import Direction, Status

__all__ = ["CAPTION", "PUBLISHED", "Mismatch", "Record", "measure", "summary", "tables", "totals"]

#: What others published, to be said beside figures of ratios.
PUBLISHED = """\
For comparison: cDMA (Rhu et al., HPCA 2018) reports 2.6x on average and 13.8x at most for
zero-value compression. Those are fp32 activations of other networks, during training, and no
target for these. Elements of 8 bits cannot reach more than 8x: their masks take an eighth."""

#: What belongs below :func:`summary`; its lines are short enough not to be wrapped.
CAPTION = f"""\
Theory is 1 / (density + 1 / bits), of the same elements.
{PUBLISHED}"""


class Mismatch(Exception):
    """The hardware's output is not what it should be; the message says where."""


@dataclass(frozen=True)
class Record:
    """One tensor's way through the codec.

    Parameters
    ----------
    name, network, layer, dtype : :class:`str`
        Which tensor.
    shape : tuple of :class:`int`
        Its shape in the corpus.
    element_bytes, raw_bytes, encoded_bytes : :class:`int`
        Sizes.
    nonzeros : :class:`int`
        Nonzero elements.
    compress, decompress : :class:`~opencdma.sim.rates.Rate`
        How fast it went.
    swing : :class:`int`
        Cycles by which the bounds of its groups exceed that of the whole.
    """

    name: str
    network: str
    layer: str
    dtype: str
    shape: tuple[int, ...]
    element_bytes: int
    raw_bytes: int
    encoded_bytes: int
    nonzeros: int
    compress: rates.Rate
    decompress: rates.Rate
    swing: int

    @property
    def density(self) -> float:
        """Share of the elements that are nonzero."""
        return self.nonzeros * self.element_bytes / self.raw_bytes

    @property
    def ratio(self) -> float:
        """Raw bytes per encoded byte."""
        return self.raw_bytes / self.encoded_bytes

    def flat(self) -> dict:
        """Return all figures, without nesting, for JSON."""
        record = asdict(self) | {"density": self.density, "ratio": self.ratio}
        for name in ("compress", "decompress"):
            rate = getattr(self, name)
            del record[name]
            record |= {
                f"{name}_{key}": value for key, value in
                (asdict(rate) | {"bound": rate.bound, "latency": rate.latency}).items()
            }
        return record


def measure(codec: SimulatedCodec, activation: Activation, array: np.ndarray) -> Record:
    """Send a tensor through the codec both ways and compare what comes back, bit for bit.

    Raises
    ------
    Mismatch
        If the codec does not emit the golden model's encoding, or not the original again.
    SimulationError
        If the hardware hangs or breaks its interface.
    """
    encoded, raw = zvc.encode(array), array.tobytes()
    measured = {}
    for direction, want in ((Direction.COMPRESS, encoded), (Direction.DECOMPRESS, raw)):
        (result,), rate = rates.run(codec, [rates.transfer(direction, array)])
        _compare(f"{activation.name}, {direction.name.lower()}", result.output, want)
        if result.status is not Status.OK:
            raise Mismatch(
                f"{activation.name}, {direction.name.lower()}: status {result.status.name}, "
                f"{result.error_code.name} at byte {result.position}, instead of OK")
        measured[direction.name.lower()] = rate
    return Record(
        name=activation.name, network=activation.network, layer=activation.layer,
        dtype=activation.dtype, shape=array.shape, element_bytes=array.itemsize,
        raw_bytes=len(raw), encoded_bytes=len(encoded), nonzeros=int(np.count_nonzero(array)),
        swing=rates.swing(array, codec.geometry.width), **measured)


def _compare(name: str, got: bytes, want: bytes):
    if got == want:
        return
    short = min(len(got), len(want))
    differs = np.frombuffer(got, "u1", short) != np.frombuffer(want, "u1", short)
    if differs.any():
        at = int(differs.argmax())
        raise Mismatch(f"{name}: byte {at} is 0x{got[at]:02x}, not 0x{want[at]:02x}")
    raise Mismatch(f"{name}: {len(got)} bytes came out, not {len(want)}; byte {short} differs")


def _by_group(records: Iterable[Record], *names: str) -> Iterator[tuple[tuple, list[Record]]]:
    """Yield records by the values of the named fields."""
    def key(record):
        return tuple(getattr(record, name) for name in names)
    for value, group in itertools.groupby(sorted(records, key=key), key):
        yield value, list(group)


def totals(records: Iterable[Record]) -> list[dict]:
    """Return sizes, density, ratio and theoretical ratio of each network and dtype."""
    rows = []
    for (network, dtype), group in _by_group(records, "network", "dtype"):
        raw = sum(record.raw_bytes for record in group)
        encoded = sum(record.encoded_bytes for record in group)
        size = group[0].element_bytes
        density = sum(record.nonzeros for record in group) * size / raw
        rows.append({
            "network": network, "dtype": dtype, "tensors": len(group),
            "raw_bytes": raw, "encoded_bytes": encoded, "density": density,
            "ratio": raw / encoded, "theory": rates.theoretical_ratio(density, 8 * size),
        })
    return rows


def tables(records: Iterable[Record]) -> Iterator[Table]:
    """Yield a table for each network, with a line for each tensor; shapes are C x H x W."""
    for (network,), group in _by_group(records, "network"):
        table = Table(
            title=f"{network}: beats per cycle in and out, latency and swing in cycles",
            title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False,
            collapse_padding=True)
        table.add_column("\nlayer", overflow="fold")
        for heading in ("\nshape", "\ndtype"):
            table.add_column(heading)
        for heading in (
            "\nzeros", "\nratio", "compress\nin", "\nout", "\nlatency",
            "decompress\nin", "\nout", "\nlatency", "\nswing",
        ):
            table.add_column(heading, justify="right", no_wrap=True)
        for record in group:
            cells = [
                record.layer, "x".join(map(str, record.shape[1:])), record.dtype,
                f"{1 - record.density:.1%}", f"{record.ratio:.2f}",
            ]
            for rate in (record.compress, record.decompress):
                cells += [
                    f"{rate.beats_in / rate.cycles:.3f}", f"{rate.beats_out / rate.cycles:.3f}",
                    str(rate.latency),
                ]
            table.add_row(*cells, str(record.swing))
        yield table


def summary(records: Iterable[Record]) -> Table:
    """Return a table with a line for each network and dtype."""
    table = Table(title="Totals", title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    for heading in ("network", "dtype"):
        table.add_column(heading)
    for heading in ("tensors", "raw kB", "encoded kB", "zeros", "ratio", "theory"):
        table.add_column(heading, justify="right")
    for row in totals(records):
        table.add_row(
            row["network"], row["dtype"], str(row["tensors"]), f"{row['raw_bytes'] / 1000:,.1f}",
            f"{row['encoded_bytes'] / 1000:,.1f}", f"{1 - row['density']:.1%}",
            f"{row['ratio']:.2f}", f"{row['theory']:.2f}")
    return table
