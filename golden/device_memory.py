# SPDX-License-Identifier: Apache-2.0
"""A memory as the engine's bus sees it: bytes, and regions that refuse what is asked of them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

__all__ = ["PAGE", "BusError", "Fault", "Memory", "bursts"]

#: Bytes of a page; no burst crosses from one into the next.
PAGE = 4096

#: Behind the last address there is.
_END = 1 << 64


@dataclass(frozen=True)
class Fault:
    """A region of a memory that answers with an error.

    A beat is refused if its bytes, from one multiple of the port's width to the next, and the
    region overlap. Of several regions the one with the first of its bytes answers, and of those
    that share this byte the one that is named first.

    Parameters
    ----------
    memory : :class:`str`
        ``"dev"`` or ``"host"``.
    base, size : :class:`int`
        First address, and length in bytes.
    kind : :class:`str`
        ``"slverr"`` or ``"decerr"``.
    reads, writes : :class:`bool`
        What is refused.

    Raises
    ------
    ValueError
        If the memory or the kind is none of those, or the region empty.
    """

    memory: str
    base: int
    size: int
    kind: str
    reads: bool = True
    writes: bool = True

    def __post_init__(self):
        if self.memory not in ("dev", "host"):
            raise ValueError(f"Memory of a fault must be 'dev' or 'host', not {self.memory!r}")
        if self.kind not in ("slverr", "decerr"):
            raise ValueError(f"Kind of a fault must be 'slverr' or 'decerr', not {self.kind!r}")
        if self.base < 0 or self.size <= 0:
            raise ValueError(
                f"Region of a fault must be at 0 or above and not be empty, not {self.size!r} "
                f"bytes at {self.base!r}")


@dataclass(frozen=True)
class BusError:
    """What the bus answered instead of OKAY.

    Parameters
    ----------
    address : :class:`int`
        Reads: of the first faulting beat; writes: of the first burst with one.
    kind : :class:`str`
        ``"slverr"`` or ``"decerr"``.
    """

    address: int
    kind: str


class Memory:
    """Bytes at consecutive addresses.

    Parameters
    ----------
    base, size : :class:`int`
        First address, and length in bytes.
    faults : iterable of :class:`Fault`
        Regions that refuse what comes through the bus.
    """

    def __init__(self, base: int, size: int, faults: Iterable[Fault] = ()):
        self.base = base
        self.size = size
        self._bytes = bytearray(size)
        self.set_faults(faults)

    def set_faults(self, faults: Iterable[Fault]) -> None:
        """Replace the regions that refuse what comes through the bus."""
        self._faults = tuple(faults)

    def read(self, address: int, length: int) -> bytes:
        """Return bytes past the bus, whatever the faults.

        Raises
        ------
        IndexError
            If any of them is outside the memory.
        """
        at = self._offset(address, length)
        return bytes(self._bytes[at : at + length])

    def write(self, address: int, data: bytes) -> None:
        """Set bytes past the bus, whatever the faults.

        Raises
        ------
        IndexError
            If any of them is outside the memory.
        """
        at = self._offset(address, len(data))
        self._bytes[at : at + len(data)] = data

    def fetch(
        self, pieces: Iterable[tuple[int, int]], width: int,
    ) -> tuple[bytes, BusError | None]:
        """Return what the bus reads, up to the first beat that is refused.

        Parameters
        ----------
        pieces : iterable of (:class:`int`, :class:`int`)
            Addresses and lengths in bytes, in the order of the data.
        width : :class:`int`
            Bytes per beat.
        """
        data = bytearray()
        for address, length in pieces:
            if not length:
                continue
            error = self._first_error(address, address + length, width, writing=False)
            if error is None:
                data += self.read(address, length)
                continue
            if error.address > address: # the beat may start in front of the piece
                data += self.read(address, error.address - address)
            return bytes(data), error
        return bytes(data), None

    def store(
        self, pieces: Iterable[tuple[int, int]], data: bytes, width: int, burst: int,
    ) -> BusError | None:
        """Write data through the bus, all beats but those that are refused.

        Parameters
        ----------
        pieces : iterable of (:class:`int`, :class:`int`)
            Addresses and lengths in bytes, in the order of the data, which may end earlier.
        data : :class:`bytes`
            What to write.
        width : :class:`int`
            Bytes per beat.
        burst : :class:`int`
            Beats per burst at most.

        Returns
        -------
        :class:`BusError` or ``None``
            The first burst with an error, and the answer of its first faulting beat.
        """
        first = None
        at = 0
        for address, length in pieces:
            piece = data[at : at + length]
            at += length
            for start, stop in bursts(address, len(piece), width, burst):
                error = self._first_error(start, stop, width, writing=True)
                if error is None:
                    self.write(start, piece[start - address : stop - address])
                    continue
                first = first or BusError(start - start % width, error.kind)
                for low, high in bursts(start, stop - start, width, 1):
                    if self._first_error(low, high, width, writing=True) is None:
                        self.write(low, piece[low - address : high - address])
        return first

    def _offset(self, address: int, length: int) -> int:
        if not self.base <= address <= address + length <= self.base + self.size:
            raise IndexError(
                f"Bytes must be in the memory's {self.size:#x} from {self.base:#x} on, not the "
                f"{length:#x} from {address:#x} on")
        return address - self.base

    def _first_error(
        self, start: int, stop: int, width: int, *, writing: bool,
    ) -> BusError | None:
        """Return the first refused beat of those with the bytes from ``start`` to ``stop``."""
        start -= start % width
        stop += -stop % width
        refused = [
            (max(start, low), kind) for low, high, kind in self._refused(writing)
            if max(start, low) < min(stop, high)]
        if not refused:
            return None
        first, kind = min(refused, key=lambda region: region[0])
        return BusError(first - first % width, kind)

    def _refused(self, writing: bool) -> Sequence[tuple[int, int, str]]:
        nowhere = [(0, self.base, "decerr"), (self.base + self.size, _END, "decerr")]
        return nowhere + [
            (fault.base, fault.base + fault.size, fault.kind) for fault in self._faults
            if (fault.writes if writing else fault.reads)
        ]


def bursts(address: int, length: int, width: int, beats: int) -> Iterator[tuple[int, int]]:
    """Yield first address and end of the bursts that bytes are written in.

    Bursts end at multiples of :data:`PAGE`, and after ``beats`` beats of ``width`` bytes, of which
    the first and the last need not be full.
    """
    start, end = address, address + length
    while start < end:
        stop = min(start - start % width + beats * width, start - start % PAGE + PAGE, end)
        yield start, stop
        start = stop
