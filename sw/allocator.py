# SPDX-License-Identifier: Apache-2.0
"""First-fit allocation of addresses."""

__all__ = ["Allocator", "OutOfMemoryError"]


class OutOfMemoryError(MemoryError):
    """No hole is long enough."""


class Allocator:
    """Hands out pieces of a range of addresses.

    Parameters
    ----------
    base, size : :class:`int`
        First address, and length in bytes.
    unit : :class:`int`
        Every piece starts at a multiple of this and is a multiple of it long.
    """

    def __init__(self, base: int, size: int, unit: int = 64):
        self._unit = unit
        start = -(-base // unit) * unit
        self._holes = [(start, (base + size) // unit * unit)]
        self._pieces: dict[int, int] = {}

    @property
    def available(self) -> int:
        """Bytes that are not handed out, in all holes together."""
        return sum(end - start for start, end in self._holes)

    def allocate(self, size: int) -> int:
        """Return the address of a piece of at least ``size`` bytes.

        Raises
        ------
        ValueError
            If the size is negative.
        OutOfMemoryError
            If no hole is long enough.
        """
        if size < 0:
            raise ValueError(f"Size of a piece must not be negative, not {size!r}")
        length = self._whole(size)
        for number, (start, end) in enumerate(self._holes):
            if end - start >= length:
                self._holes[number] = (start + length, end)
                self._pieces[start] = start + length
                return start
        raise OutOfMemoryError(
            f"{size} bytes do not fit any hole; {self.available} are free, in pieces. Free "
            "something first")

    def shrink(self, address: int, size: int) -> None:
        """Take back what of a piece is behind its first ``size`` bytes.

        Raises
        ------
        KeyError
            If no piece starts at this address.
        """
        end = self._end(address)
        keep = min(address + self._whole(size), end)
        self._pieces[address] = keep
        self._give_back(keep, end)

    def free(self, address: int) -> None:
        """Take a piece back.

        Raises
        ------
        KeyError
            If no piece starts at this address.
        """
        end = self._end(address)
        del self._pieces[address]
        self._give_back(address, end)

    def _whole(self, size: int) -> int:
        return max(-(-size // self._unit), 1) * self._unit

    def _end(self, address: int) -> int:
        if address not in self._pieces:
            raise KeyError(f"Address must be that of an allocated piece, not {address:#x}")
        return self._pieces[address]

    def _give_back(self, start: int, end: int) -> None:
        holes = []
        for hole in sorted([*self._holes, (start, end)]):
            if holes and holes[-1][1] == hole[0]:
                holes[-1] = (holes[-1][0], hole[1])
            elif hole[0] < hole[1]:
                holes.append(hole)
        self._holes = holes
