# SPDX-License-Identifier: Apache-2.0
"""What the movers are compared with: jobs, and the beats and bursts of the rows they name."""

import hashlib
import random
from dataclasses import dataclass

from opencdma.golden.descriptor_areas import Area

__all__ = [
    "OKAY",
    "PAGE",
    "Touched",
    "bursts",
    "counted",
    "extent",
    "places",
    "random_area",
    "random_write",
    "read_job",
    "report",
    "segment",
    "stored",
    "touched",
    "write_job",
]

#: Bytes that no burst crosses a boundary of.
PAGE = 4096

OKAY, EXOKAY, SLVERR, DECERR = range(4)


@dataclass(frozen=True)
class Touched:
    """A beat of memory that rows lie on.

    Parameters
    ----------
    address : :class:`int`
        Of the beat.
    start, count : :class:`int`
        The first byte of the beat that is part of a row, and how many are.
    row_ends : :class:`bool`
        The row ends with it.
    """

    address: int
    start: int
    count: int
    row_ends: bool


def touched(area: Area, width: int, limit: int | None = None) -> list[Touched]:
    """Return the beats that rows lie on, up to ``limit`` bytes."""
    beats, left = [], area.length if limit is None else limit
    for address, length in area.pieces():
        length = min(length, left)
        left -= length
        at, end = address, address + length
        while at < end:
            count = min(width - at % width, end - at)
            beats.append(Touched(at - at % width, at % width, count, at + count == end))
            at += count
    return beats


def bursts(beats: list[Touched], width: int, longest: int) -> list[list[Touched]]:
    """Return beats in bursts: up to ``longest`` beats, of one row, in one page."""
    found, open_burst = [], []
    for beat in beats:
        open_burst.append(beat)
        page_ends = (beat.address + width) % PAGE == 0
        if beat.row_ends or page_ends or len(open_burst) == longest:
            found.append(open_burst)
            open_burst = []
    return found + [open_burst] * bool(open_burst)


def random_area(rng: random.Random, width: int, *, unaligned: bool, most: int = 40) -> Area:
    """Return rows of up to about ``most`` beats in all, often close to the end of a page."""
    rows = rng.choice((1, 1, 2, 3, 6))
    length = rng.choice((1, 3, width - 1, width, width + 1, rng.randrange(1, most * width)))
    length = min(length, most * width // rows)
    stride = rng.choice((0, length, 2 * PAGE, rng.randrange(4 * length + 4)))
    page = rng.randrange(4, 1 << 27) # addresses have 40 bits
    address = page * PAGE + rng.choice((-3 * width, -width - 1, -width, -1, 0, rng.randrange(PAGE)))
    if rng.random() < 0.1:
        rows, length = 1, 0
    if not unaligned:
        # Rows are whole beats, but for a single one.
        address, stride = address // width * width, stride // width * width
        if rows > 1:
            length = -(-length // width) * width
    return Area(address, length, rows, stride)


def random_write(
    rng: random.Random, width: int, *, unaligned: bool, most: int = 40,
) -> tuple[Area, int, bytes]:
    """Return rows, a limit, and data of which no more can be written than fits the rows."""
    area = random_area(rng, width, unaligned=unaligned, most=most)
    length = area.length
    limit = rng.choice((length, length, rng.randrange(length + 1), max(0, length - 1), 0))
    size = rng.choice((length, limit, rng.randrange(length + 1), limit + rng.randrange(4 * width)))
    if size <= length and rng.random() < 0.3:
        limit = rng.choice((0xFFFF_FFFF, length + rng.randrange(99)))
    return area, limit, rng.randbytes(size)


def places(area: Area, limit: int, data: bytes, width: int) -> list[tuple[int, int, bytes, bool]]:
    """Return where data are written, beat by beat.

    Each is the address of the beat, the first byte written, what is written from there on, and
    whether the row or the limit ends with it.
    """
    found = []
    for beat in touched(area, width, min(limit, area.length)):
        piece, data = data[: beat.count], data[beat.count :]
        if piece:
            ends = beat.row_ends and len(piece) == beat.count
            found.append((beat.address, beat.start, piece, ends))
    return found


def extent(area: Area) -> dict:
    """Return rows as an ``Extent``."""
    return {"address": area.address, "row_length": area.row_length,
            "rows_minus_1": area.rows - 1, "stride": area.stride}  # fmt: skip


def read_job(area: Area, rng: random.Random, *, pattern: int | None = None) -> dict:
    """Return a ``ReadJob``. With a pattern only the length of the area matters."""
    given = extent(area)
    if pattern is not None:
        given.update(address=pattern, row_length=area.length, rows_minus_1=0)
    return {"extent": given, "total": area.length, "pattern": int(pattern is not None),
            "qos": rng.randrange(16), "cache": rng.randrange(16)}  # fmt: skip


def write_job(area: Area, limit: int, rng: random.Random) -> dict:
    """Return a ``WriteJob``."""
    return {"extent": extent(area), "limit": limit, "qos": rng.randrange(16),
            "cache": rng.randrange(16)}  # fmt: skip


def report(*, fault: int = OKAY, cut: bool = False, address: int = 0) -> dict:
    """Return a ``MoverReport``."""
    return {"fault": fault, "cut": int(cut), "address": address}


def segment(
    beats: list[Touched], *, pattern: int | None = None, cut: bool = False,
) -> dict:
    """Return a ``Segment`` of some beats that follow each other, not the last one of its job."""
    end = beats[-1] if beats else None
    address = beats[0].address if beats else 0
    return {
        "address": address if pattern is None else pattern,
        "beats_minus_1": max(0, len(beats) - 1), "single": int(len(beats) <= 1),
        "start": beats[0].start if beats else 0,
        "end_count": end.start + end.count if beats else 0,
        "reads": int(bool(beats) and pattern is None), "last": 0, "cut": int(cut),
    }  # fmt: skip


def counted(beats: list[dict]) -> list[tuple]:
    """Return what counts of the beats of packets; ``cut`` says something with ``last`` alone."""
    return [(beat["data"][: beat["count"]], beat["last"], beat["last"] and beat["cut"])
            for beat in beats]  # fmt: skip


def stored(address: int, length: int) -> bytes:
    """Return what a memory holds; no two of its lines are equal."""
    first = address // 64
    lines = (hashlib.blake2b(line.to_bytes(8, "little")).digest()
             for line in range(first, (address + length + 63) // 64))  # fmt: skip
    return b"".join(lines)[address - 64 * first :][:length]
