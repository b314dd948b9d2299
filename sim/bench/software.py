# SPDX-License-Identifier: Apache-2.0
"""Speed and ratio of the golden model beside general-purpose compressors, on real activations."""

import time
import zlib
from collections.abc import Callable, Iterable

import numpy as np
import zstandard
from rich.progress import Progress

from opencdma.golden import zvc
from opencdma.sim.bench.codec import WrongOutput

__all__ = ["measure"]

LEVELS = (1, 3)


def measure(arrays: Iterable[np.ndarray], repeats: int, progress: Progress) -> list[dict]:
    """Return a record for each compressor and dtype.

    Every array is compressed by itself, as the hardware would.

    Parameters
    ----------
    arrays : iterable of :class:`numpy.ndarray`
        Data; all that have one dtype make one record.
    repeats : :class:`int`
        How often everything is done; the fastest counts.
    progress : :class:`rich.progress.Progress`
        Shows how far it is.

    Raises
    ------
    WrongOutput
        If what comes back is not what was compressed.
    """
    groups = {}
    for array in arrays:
        groups.setdefault(array.dtype.name, []).append(array)
    codecs = _codecs()
    task = progress.add_task("software", total=len(codecs) * len(groups))
    records = []
    for dtype, group in groups.items():
        raw = sum(array.nbytes for array in group)
        for (name, level), (encode, decode) in codecs.items():
            encode_time, encoded = _fastest(encode, [(array,) for array in group], repeats)
            decode_time, decoded = _fastest(decode, list(zip(encoded, group, strict=True)), repeats)
            if any(bytes(got) != array.tobytes()
                   for got, array in zip(decoded, group, strict=True)):
                raise WrongOutput(f"{name}, level {level}: {dtype} data did not come back")
            records.append({
                "codec": name, "level": level, "dtype": dtype, "raw_bytes": raw,
                "ratio": raw / sum(map(len, encoded)),
                "encode_mb_s": raw / encode_time / 1e6, "decode_mb_s": raw / decode_time / 1e6,
            })
            progress.advance(task)
    return records


def _codecs() -> dict[tuple[str, int | None], tuple[Callable, Callable]]:
    """Return encoder and decoder by name and level. A decoder is given an array as its model."""
    codecs = {("zvc", None): (
        zvc.encode, lambda data, like: zvc.decode(data, dtype=like.dtype, count=like.size))}
    for level in LEVELS:
        codecs["zlib", level] = (
            lambda array, level=level: zlib.compress(array, level),
            lambda data, like: zlib.decompress(data))
        codecs["zstd", level] = (
            zstandard.ZstdCompressor(level=level).compress,
            lambda data, like: zstandard.ZstdDecompressor().decompress(data))
    return codecs


def _fastest(function: Callable, calls: list[tuple], repeats: int) -> tuple[float, list]:
    """Return the shortest time in seconds that all calls took, and what they returned."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        results = [function(*arguments) for arguments in calls]
        times.append(time.perf_counter() - start)
    return min(times), results
