# SPDX-License-Identifier: Apache-2.0
"""Cycles of the codec: single transfers, and many back to back."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from rich.progress import Progress

from opencdma.hw.codec import CodecGeometry
from opencdma.hw.verilog import Top
from opencdma.sim import rates
from opencdma.sim.codec import SimulatedCodec
from opencdma.spec import Direction

__all__ = ["FULL", "QUICK", "Grid", "WrongOutput", "measure", "over_limit"]

#: Builds by the name they have in the records.
BUILDS = {"all": (1, 2, 4), "32": (4,)}

#: Transfers of a stream.
STREAM_TRANSFERS = 32


class WrongOutput(Exception):
    """What was measured did not give what it should; the time it took does not count."""


@dataclass(frozen=True)
class Grid:
    """What is measured: every combination of these, for every element size of a build.

    Parameters
    ----------
    widths : tuple of :class:`int`
        Bytes per beat.
    densities : tuple of :class:`float`
        Shares of nonzero elements; the density at which ZVC breaks even is added.
    lengths : tuple of :class:`int`
        Raw bytes of single transfers.
    stream_lengths : tuple of :class:`int`
        Raw bytes of each of the transfers that go back to back.
    stream_densities : tuple of :class:`float`
        Densities of those.
    """

    widths: tuple[int, ...]
    densities: tuple[float, ...]
    lengths: tuple[int, ...]
    stream_lengths: tuple[int, ...]
    stream_densities: tuple[float, ...]

    def geometries(self) -> Iterator[tuple[str, CodecGeometry]]:
        """Yield name and build parameters of all builds."""
        for width in self.widths:
            for name, sizes in BUILDS.items():
                yield name, CodecGeometry(width, sizes)


FULL = Grid(
    widths=(8, 16, 32, 64), densities=(0, 0.1, 0.25, 0.5, 0.75, 0.9, 1),
    lengths=(4096, 16384, 65536), stream_lengths=(192, 1024, 4096), stream_densities=(0, 0.5, 1))

QUICK = Grid(
    widths=(32,), densities=(0, 0.5, 1), lengths=(4096, 16384), stream_lengths=(192,),
    stream_densities=(0.5,))


def measure(grid: Grid, progress: Progress) -> tuple[list[dict], list[dict]]:
    """Return the records of single transfers and of streams, over a grid.

    Raises
    ------
    WrongOutput
        If the output of a transfer is wrong.
    """
    single, streams = [], []
    geometries = list(grid.geometries())
    task = progress.add_task("codec", total=len(geometries))
    for build, geometry in geometries:
        progress.update(task, description=f"codec: {Top(geometry).name}")
        codec = SimulatedCodec(geometry)
        single += _transfers(codec, build, grid)
        streams += _streams(codec, build, grid)
        progress.advance(task)
    progress.update(task, description="codec")
    return single, streams


def over_limit(records: list[dict]) -> list[dict]:
    """Return the records whose latency exceeds its limit; at break-even there is none."""
    return [
        record for record in records
        if not record["break_even"] and record["latency"] > record["limit"]
    ]


def elements(nbytes: int, size: int, density: float, seed: int = 0) -> np.ndarray:
    """Return random elements, each nonzero with the same probability, the same every time."""
    rng = np.random.default_rng([nbytes, size, round(1e6 * density), seed])
    words = rng.integers(1, 256 ** size, nbytes // size, dtype=np.uint64)
    return (words * (rng.random(words.size) < density)).astype(f"<u{size}")


def _transfers(codec: SimulatedCodec, build: str, grid: Grid) -> Iterator[dict]:
    for size in codec.geometry.element_sizes:
        points = [(density, False) for density in grid.densities] + [(1 - 1 / (8 * size), True)]
        for density, break_even in points:
            for length in grid.lengths:
                yield from _records(
                    codec, build, [elements(length, size, density)],
                    density=density, break_even=break_even)


def _streams(codec: SimulatedCodec, build: str, grid: Grid) -> Iterator[dict]:
    for size in codec.geometry.element_sizes:
        for density in grid.stream_densities:
            for length in grid.stream_lengths:
                arrays = [elements(length, size, density, n) for n in range(STREAM_TRANSFERS)]
                yield from _records(
                    codec, build, arrays, density=density, break_even=False,
                    transfers=STREAM_TRANSFERS, transfer_bytes=length)


def _records(
    codec: SimulatedCodec, build: str, arrays: list[np.ndarray], **facts,
) -> Iterator[dict]:
    """Yield a record for each direction of arrays that go through back to back."""
    width = codec.geometry.width
    ways = {
        direction: [rates.transfer(direction, array) for array in arrays]
        for direction in Direction
    }
    raw, encoded = ([item.data for item in ways[direction]] for direction in Direction)
    for direction, want in zip(Direction, (encoded, raw), strict=True):
        results, rate = rates.run(codec, ways[direction])
        if [result.output for result in results] != want:
            raise WrongOutput(
                f"{Top(codec.geometry).name}, {direction.name.lower()}, {facts}: "
                "the output is not what the golden model gives")
        yield {
            "direction": direction.name.lower(), "width": width, "build": build,
            "element_bytes": arrays[0].itemsize, **facts,
            "raw_bytes": sum(map(len, raw)), "encoded_bytes": sum(map(len, encoded)),
            "cycles": rate.cycles, "bound": rate.bound, "latency": rate.latency,
            "limit": rates.latency_limit(codec.geometry, direction),
            "swing": rates.swing(np.concatenate(arrays), width),
        }
