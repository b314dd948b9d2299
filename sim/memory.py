# SPDX-License-Identifier: Apache-2.0
"""The memories of a simulated engine: what they hold, and how they behave on the bus."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from opencdma.golden.device_memory import Fault

__all__ = ["CHANNELS", "FAULT_BYTES", "LINE", "MemoryTiming", "SimulatedMemory"]

#: Channels of AXI4, in the order in which the harness numbers them.
CHANNELS = ("AR", "R", "AW", "W", "B")

#: Bytes of the widest beat: bases and sizes of memories are multiples of it.
LINE = 64

#: Bytes of the narrowest beat: bases and sizes of faults are multiples of it.
FAULT_BYTES = 8

_RESPONSES = {"slverr": 2, "decerr": 3}


@dataclass(frozen=True, kw_only=True)
class MemoryTiming:
    """How fast a memory is, and how regular.

    Parameters
    ----------
    read_latency : :class:`int`
        Cycles from the handshake of a read address to the first beat of its data on offer, 1 or
        more. Bursts are answered in order, a beat per cycle.
    write_latency : :class:`int`
        Cycles from the handshake of the last beat of a burst to its acknowledgement, 1 or more.
    reads, writes : :class:`int`
        Bursts that the memory takes ahead of its answers; 0 for any number.
    ar, r, aw, w, b : :class:`float`
        Probability of a pause of each channel in a cycle, 0 (never) to 0.99.
    late_address : :class:`bool`
        Addresses of writes are taken only when the first of their data have been offered.

    Raises
    ------
    ValueError
        If a parameter is out of its range.
    """

    read_latency: int = 32
    write_latency: int = 8
    reads: int = 0
    writes: int = 0
    ar: float = 0.0
    r: float = 0.0
    aw: float = 0.0
    w: float = 0.0
    b: float = 0.0
    late_address: bool = False

    def __post_init__(self):
        for name, least in (("read_latency", 1), ("write_latency", 1), ("reads", 0), ("writes", 0)):
            value = getattr(self, name)
            if not least <= value < 2**32:
                raise ValueError(
                    f"Memory timing {name!r} must be {least} to 2^32 - 1, not {value!r}")
        for channel in CHANNELS:
            pause_share(getattr(self, channel.lower()))


def pause_share(probability: float) -> int:
    """Return a probability of pauses in 256ths.

    Raises
    ------
    ValueError
        If it is not 0 to 0.99.
    """
    if not 0 <= probability <= 0.99:
        raise ValueError(f"Pause probability must be 0 to 0.99, not {probability!r}")
    return math.ceil(256 * probability)


class SimulatedMemory:
    """A memory that the simulated engine and the program share.

    What the engine writes is there as soon as the beat was taken, and what the program writes is
    seen by beats that are not yet on offer.

    Parameters
    ----------
    ffi : :class:`cffi.FFI`
        Interface of the harness.
    settings : ``engine_memory``
        What the harness knows of this memory; kept up to date here.
    name : :class:`str`
        ``"dev"`` or ``"host"``.
    base, size : :class:`int`
        First address, and length in bytes: multiples of 64, within 64 bits.
    timing : :class:`MemoryTiming` or ``None``
        How it behaves; the defaults if ``None``.

    Raises
    ------
    ValueError
        If base or size is none.
    """

    def __init__(
        self, ffi, settings, name: str, base: int, size: int, timing: MemoryTiming | None = None,
    ):
        if base % LINE or size % LINE or size <= 0 or not 0 <= base <= 2**64 - size:
            raise ValueError(
                f"Memory must be a positive multiple of {LINE} bytes at a multiple of {LINE}, "
                f"within 64 bits, not {size!r} bytes at {base!r}")
        self.name = name
        self.base = base
        self.size = size
        self._ffi = ffi
        self._settings = settings
        self._array = np.zeros(size, np.uint8)
        self._faulty = np.zeros(size // FAULT_BYTES, np.uint8)
        self._writable: np.ndarray | None = None
        settings.base, settings.size = base, size
        settings.bytes, settings.faults = self._pointer(self._array), self._pointer(self._faulty)
        self.timing = MemoryTiming() if timing is None else timing

    @property
    def array(self) -> np.ndarray:
        """All bytes: a view, through which they can be changed."""
        return self._array

    @property
    def timing(self) -> MemoryTiming:
        """How the memory behaves; may be set between runs."""
        return self._timing

    @timing.setter
    def timing(self, timing: MemoryTiming):
        self._timing = timing
        for name in ("read_latency", "write_latency", "reads", "writes", "late_address"):
            setattr(self._settings, name, getattr(timing, name))
        self._settings.pauses = [pause_share(getattr(timing, name.lower())) for name in CHANNELS]

    def read(self, address: int, length: int) -> bytes:
        """Return bytes past the bus, whatever the faults.

        Raises
        ------
        IndexError
            If any of them is outside the memory.
        """
        return self._array[self._range(address, length)].tobytes()

    def write(self, address: int, data: bytes) -> None:
        """Set bytes past the bus, whatever the faults.

        Raises
        ------
        IndexError
            If any of them is outside the memory.
        """
        self._array[self._range(address, len(data))] = np.frombuffer(data, np.uint8)

    def set_faults(self, faults: Iterable[Fault]) -> None:
        """Replace the faults by those given for this memory. Where some overlap, the first counts.

        A beat is refused if any of its bytes is, and as the first of those. Outside the memory
        there is nothing but DECERR, with faults or without.

        Raises
        ------
        ValueError
            If one is not a multiple of 8 bytes at a multiple of 8.
        """
        faulty = np.zeros_like(self._faulty)
        for fault in reversed([fault for fault in faults if fault.memory == self.name]):
            if fault.base % FAULT_BYTES or fault.size % FAULT_BYTES:
                raise ValueError(
                    f"Fault must be a multiple of {FAULT_BYTES} bytes at a multiple of "
                    f"{FAULT_BYTES}, not {fault.size!r} bytes at {fault.base!r}")
            start = max(fault.base - self.base, 0)
            end = max(fault.base + fault.size - self.base, 0)
            where = faulty[start // FAULT_BYTES : end // FAULT_BYTES]
            for applies, shift in ((fault.reads, 0), (fault.writes, 2)):
                if applies:
                    where &= ~(3 << shift) & 0xFF
                    where |= _RESPONSES[fault.kind] << shift
        self._faulty[:] = faulty

    def allow_writes(self, regions: Iterable[tuple[int, int]] | None) -> None:
        """Have a run fail that writes a byte outside some regions.

        Parameters
        ----------
        regions : iterable of tuples of two :class:`int`, or ``None``
            Address and length in bytes of each; ``None`` to allow everything again.

        Raises
        ------
        IndexError
            If one is not inside the memory.
        """
        if regions is None:
            self._settings.writable = self._ffi.NULL
            self._writable = None
            return
        writable = np.zeros(self.size, np.uint8)
        for address, length in regions:
            writable[self._range(address, length)] = 1
        self._settings.writable = self._pointer(writable)
        self._writable = writable

    def _range(self, address: int, length: int) -> slice:
        if not self.base <= address <= address + length <= self.base + self.size:
            raise IndexError(
                f"Bytes must be in the memory's {self.size:#x} from {self.base:#x} on, not the "
                f"{length:#x} from {address:#x} on")
        return slice(address - self.base, address - self.base + length)

    def _pointer(self, array: np.ndarray):
        return self._ffi.cast("uint8_t *", array.ctypes.data)
