# SPDX-License-Identifier: Apache-2.0
"""Cycles of the whole engine: transfers back to back, isolated ones, and tiny ones.

Everything is measured with the preset ``ecp5`` and elements of 32 bits.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from rich.progress import Progress

from opencdma.golden import zvc
from opencdma.sim.bench.codec import elements
from opencdma.sim.engine_runs import EngineRuns, Job
from opencdma.spec import Channel, Opcode

__all__ = [
    "COPY_DENSITY", "FULL", "LIMIT_LATENCY", "QUICK", "Grid", "below_least", "job", "measure",
    "over_limit",
]

#: Memory latency at which a least rate is promised, for as many descriptors back to back.
LIMIT_LATENCY, LIMIT_DESCRIPTORS = 100, 64

#: What is promised: a share of the bound, from a number of bytes per transfer on.
LEAST = {65536: 0.99, 4096: 0.90}

#: Cycles that an isolated transfer may take on top of its bound and of memory latencies.
SINGLE_EXTRA = 60

#: Memory latencies that it may take: descriptor, data, their acknowledgement, and the body of the
#: record, each has to be there before the next can begin.
SINGLE_LATENCIES = {"ring": 4, "direct": 3}

#: Copies do not look at the data.
COPY_DENSITY = 0.5

_OPCODES = {"compress": Opcode.COMPRESS, "decompress": Opcode.DECOMPRESS, "copy": Opcode.COPY,
            "nop": Opcode.NOP}

#: Operations and channels, each alone, and then together.
_ALONE = (
    ("compress", Channel.OFFLOAD), ("decompress", Channel.PREFETCH),
    ("copy", Channel.OFFLOAD), ("copy", Channel.PREFETCH),
)
_TOGETHER = (_ALONE[:2], _ALONE[2:])


@dataclass(frozen=True)
class Grid:
    """What is measured.

    Parameters
    ----------
    streams : tuple of tuples
        Of what goes back to back: bytes per transfer, transfers, memory latencies in cycles, and
        densities.
    latencies : tuple of :class:`int`
        Memory latencies of isolated transfers.
    singles : tuple of :class:`int`
        Bytes of isolated transfers.
    single_densities : tuple of :class:`float`
        Densities of those.
    small : tuple of :class:`int`
        Bytes of tiny transfers.
    small_latencies : tuple of :class:`int`
        Memory latencies of those.
    small_count : :class:`int`
        How many go back to back.
    """

    streams: tuple[tuple[int, int, tuple[int, ...], tuple[float, ...]], ...]
    latencies: tuple[int, ...]
    singles: tuple[int, ...]
    single_densities: tuple[float, ...]
    small: tuple[int, ...]
    small_latencies: tuple[int, ...]
    small_count: int

    @property
    def points(self) -> int:
        """Steps in which it is measured."""
        return (sum(len(latencies) for _, _, latencies, _ in self.streams)
                + len(self.latencies) + len(self.small_latencies))


_DENSITIES = (0, 0.25, 0.5, 0.75, 1)

FULL = Grid(
    # What is simulated takes time: many long transfers only where a rate is promised.
    streams=(
        (4096, 64, (10, 50, 100, 200), _DENSITIES),
        (65536, 16, (10, 50, 200), _DENSITIES),
        (65536, 64, (100,), _DENSITIES),
        (4 << 20, 2, (100,), (0.5, 1)),
    ),
    latencies=(10, 50, 100, 200), singles=(64, 4096, 65536), single_densities=(0, 0.5, 1),
    small=(64, 256, 1024), small_latencies=(10, 100), small_count=128)

QUICK = Grid(
    streams=((4096, 64, (100,), (0.5,)),),
    latencies=(100,), singles=(4096,), single_densities=(0.5,), small=(64,),
    small_latencies=(100,), small_count=32)


def job(op: str, channel: Channel, nbytes: int, density: float) -> Job:
    """Return a transfer of random elements; ``op`` is what records call it."""
    array = elements(nbytes, 4, density)
    raw, encoded = array.tobytes(), zvc.encode(array)
    source, output = {
        "compress": (raw, encoded), "decompress": (encoded, raw), "copy": (raw, raw),
        "nop": (b"", b""),
    }[op]
    return Job(_OPCODES[op], channel, source, output)


def measure(
    grid: Grid, progress: Progress, runs: EngineRuns,
) -> tuple[list[dict], list[dict], list[dict]]:
    """Return the records of what goes back to back, of isolated and of tiny transfers.

    Raises
    ------
    Mismatch
        If the output of a transfer is wrong.
    TransferError, SimulationError
        If the engine could not do it.
    """
    streams, singles, small = [], [], []
    task = progress.add_task("engine", total=grid.points)
    for nbytes, count, latencies, densities in grid.streams:
        for latency in latencies:
            progress.update(task, description=f"engine: {count} of {nbytes} bytes")
            streams += _streams(runs, nbytes, count, latency, densities)
            progress.advance(task)
    for latency in grid.latencies:
        progress.update(task, description="engine: isolated transfers")
        singles += _singles(runs, grid, latency)
        progress.advance(task)
    for latency in grid.small_latencies:
        progress.update(task, description="engine: tiny transfers")
        small += _small(runs, grid, latency)
        progress.advance(task)
    progress.update(task, description="engine")
    return streams, singles, small


def below_least(records: list[dict]) -> list[dict]:
    """Return the records of what goes back to back that are slower than promised."""
    return [
        record for record in records
        if record["least"] is not None and record["of_bound"] < record["least"]
    ]


def over_limit(records: list[dict]) -> list[dict]:
    """Return the records of isolated transfers that took longer than promised."""
    return [record for record in records if record["doorbell_to_record"] > record["limit"]]


def _facts(op: str, channel: Channel, nbytes: int, latency: int, density: float) -> dict:
    return {
        "op": op, "direction": channel.name.lower(), "bytes": nbytes, "memory_latency": latency,
        "density": density,
    }


def _least(nbytes: int, count: int, latency: int) -> float | None:
    """Return the share of the bound that is promised, ``None`` if none is."""
    if latency != LIMIT_LATENCY or count < LIMIT_DESCRIPTORS:
        return None
    return next((least for start, least in LEAST.items() if nbytes >= start), None)


def _streams(
    runs: EngineRuns, nbytes: int, count: int, latency: int, densities: tuple[float, ...],
) -> Iterator[dict]:
    runs.set_latency(latency)
    for ways in (*((way,) for way in _ALONE), *_TOGETHER):
        chosen = (COPY_DENSITY,) if ways[0][0] == "copy" else densities
        for density in chosen:
            jobs = [job(op, channel, nbytes, density) for op, channel in ways]
            measured = runs.stream(jobs, count)
            for (op, channel), rate in zip(ways, measured, strict=True):
                yield _facts(op, channel, nbytes, latency, density) | {
                    "together": len(ways) > 1, "descriptors": count, "cycles": rate.cycles,
                    "bound": rate.bound, "of_bound": rate.of_bound,
                    "least": _least(nbytes, count, latency),
                }


def _singles(runs: EngineRuns, grid: Grid, latency: int) -> Iterator[dict]:
    runs.set_latency(latency)
    for mode, latencies in SINGLE_LATENCIES.items():
        for op, channel in _ALONE:
            for density in (COPY_DENSITY,) if op == "copy" else grid.single_densities:
                for nbytes in grid.singles:
                    what = job(op, channel, nbytes, density)
                    single = runs.single(what, direct=mode == "direct")
                    bound = what.bound(runs.device.config)
                    yield {"mode": mode} | _facts(op, channel, nbytes, latency, density) | {
                        "doorbell_to_address": single.doorbell_to_address,
                        "doorbell_to_record": single.doorbell_to_record,
                        "limit": bound + latencies * latency + SINGLE_EXTRA, "bound": bound,
                        "cycles": single.rate.cycles, "of_bound": single.rate.of_bound,
                    }


def _small(runs: EngineRuns, grid: Grid, latency: int) -> Iterator[dict]:
    runs.set_latency(latency)
    nops = [("nop", channel, 0) for channel in Channel]
    for op, channel, nbytes in (*nops, *(
            (op, channel, nbytes) for op, channel in _ALONE for nbytes in grid.small)):
        what = job(op, channel, nbytes, COPY_DENSITY)
        interval = runs.interval(what, grid.small_count)
        yield _facts(op, channel, nbytes, latency, COPY_DENSITY) | {
            "descriptors": grid.small_count, "cycles_per_descriptor": interval,
            "per_thousand_cycles": 1000 / interval, "bound": what.bound(runs.device.config),
        }
