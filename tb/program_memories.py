# SPDX-License-Identifier: Apache-2.0
"""Places in two memories for what a program reads and writes."""

import random
from dataclasses import dataclass, field

from opencdma.golden.descriptor_areas import Area
from opencdma.golden.device_memory import PAGE

#: Bytes of the widest beat: no line is used for two things, so that a fault is in the way of one.
LINE = 64


class FullError(Exception):
    """The memories are full."""


@dataclass
class Memories:
    """Places in two memories of the same size. No line is used in both.

    Parameters
    ----------
    rng : :class:`random.Random`
        Source of decisions.
    size : :class:`int`
        Bytes of each memory.
    bases : tuple of two :class:`int`
        Addresses of device and host memory.
    """

    rng: random.Random
    size: int
    bases: tuple[int, int]
    next: int = 0
    images: tuple[bytearray, bytearray] = field(init=False)

    def __post_init__(self):
        self.images = tuple(bytearray(self.rng.randbytes(self.size)) for _ in range(2))
        # Something may lie across the end of a memory, once.
        self._free_ends = [True, True]
        self._end = self.size - 2048

    def take(self, memory: int, length: int, unit: int) -> int:
        """Return the address of ``length`` bytes, a multiple of ``unit``, in lines of its own."""
        offset = self.rng.randrange(0, LINE, unit) if self.rng.random() < 0.7 else 0
        start = self.next + LINE * self.rng.randrange(1, 4)
        if self.rng.random() < 0.15 and length:
            # In front of a page, so that it goes across, or ends there.
            before = min(self.rng.choice((1, 8, 64, 100, 512, length)), length)
            start = -(-(start + before) // PAGE) * PAGE - -(-before // LINE) * LINE
        end = -(-(start + offset + length) // LINE) * LINE
        if end > self._end:
            raise FullError
        self.next = end
        return self.bases[memory] + start + offset

    def take_end(self, memory: int, length: int, unit: int) -> int | None:
        """Return an address so that not all ``length`` bytes are in the memory, once."""
        if not self._free_ends[memory] or length < 2 * LINE:
            return None
        self._free_ends[memory] = False
        inside = self.rng.randrange(LINE, min(length, 1024), LINE)
        return self.bases[memory] + self.size - inside + self.rng.randrange(0, LINE, unit)

    def put(self, memory: int, area: Area, data: bytes) -> None:
        """Put data into rows."""
        for number, (address, length) in enumerate(area.pieces()):
            at = address - self.bases[memory]
            piece = data[number * area.row_length :][:length]
            room = max(self.size - at, 0)
            self.images[memory][at : at + min(length, room)] = piece[:room]

    def get(self, memory: int, area: Area) -> bytes:
        """Return what is in rows; where there is no memory, zeros."""
        base = self.bases[memory]
        return b"".join(
            bytes(self.images[memory][address - base :][:length]).ljust(length, b"\0")
            for address, length in area.pieces())
