# SPDX-License-Identifier: Apache-2.0
"""Build parameters of the engine, checked, and the presets that have names."""

import hashlib
from dataclasses import dataclass, fields, replace

__all__ = ["PRESETS", "Config"]

_DEV_WIDTHS, _HOST_WIDTHS = (8, 16, 32, 64), (8, 16, 32, 64)


def _power_of_two(value: int) -> bool:
    return value > 0 and value & (value - 1) == 0


@dataclass(frozen=True, kw_only=True)
class Config:
    """What is built into an engine.

    Parameters
    ----------
    dev_width, host_width : :class:`int`
        Bytes per beat of the ports to device and host memory: equal (8 to 64), or the device side
        wider: 32 or 64 against 8, 16 or 32. The codec is as wide as the device side.
    address_bits : :class:`int`
        Bits of an address in both memories, 32 to 64.
    element_sizes : tuple of :class:`int`
        Bytes per element that transfers may choose from: some of 1, 2 and 4.
    rings : :class:`bool`
        Rings of descriptors. Without, descriptors come through registers only.
    crc, two_d, unaligned, verify, windows, counters : :class:`bool`
        CRC32 of the raw data; rows with strides; addresses that are multiples of the smallest
        element rather than of the port's width; COMPRESS_VERIFY; address windows; counters.
    shared : :class:`bool`
        One channel for both directions, one at a time, instead of two.
    slots : :class:`int`
        One more than the descriptors of a channel that can be under way: a power of two, 2 to 64.
    memory_latency : :class:`int`
        Cycles from a read address to its data that are hidden at full rate; sets the read
        buffers.
    max_outstanding : :class:`int`
        Bursts of a port that can be between address and last answer, a power of two, 2 to 256.
    read_burst, write_burst : :class:`int`
        Beats of a burst at most, powers of two, 1 to 128 and 1 to 64.
    ranks : :class:`int` or ``None``
        Register ranks in the networks of the codec; the codec's default if ``None``.
    provoke : :class:`bool`
        For tests only: a transfer with tag 0xFFFF_FFFF fails a self-check (INTERNAL), a
        COMPRESS_VERIFY with tag 0xFFFF_FFFE its verification.

    Raises
    ------
    TypeError, ValueError
        If a parameter is none of those above.
    """

    dev_width: int = 32
    host_width: int = 32
    address_bits: int = 64
    element_sizes: tuple[int, ...] = (1, 2, 4)
    rings: bool = True
    crc: bool = True
    two_d: bool = True
    unaligned: bool = False
    verify: bool = False
    windows: bool = True
    counters: bool = True
    shared: bool = False
    slots: int = 16
    memory_latency: int = 200
    max_outstanding: int = 32
    read_burst: int = 32
    write_burst: int = 16
    ranks: int | None = None
    provoke: bool = False

    def __post_init__(self):
        for field in fields(self):
            if field.type in (int, bool, "int", "bool"):
                value = getattr(self, field.name)
                wanted = bool if field.type in (bool, "bool") else int
                if type(value) is not wanted:
                    raise TypeError(
                        f"Parameter {field.name!r} must be of type {wanted.__name__}, "
                        f"not {value!r}")
        sizes = tuple(sorted(set(self.element_sizes)))
        if not sizes or not set(sizes) <= {1, 2, 4}:
            raise ValueError(
                f"Element sizes must be some of 1, 2 and 4 bytes, not {self.element_sizes!r}")
        object.__setattr__(self, "element_sizes", sizes)
        if self.dev_width not in _DEV_WIDTHS:
            raise ValueError(
                f"Device port width must be 8, 16, 32 or 64 bytes, not {self.dev_width!r}")
        if self.host_width not in _HOST_WIDTHS:
            raise ValueError(
                f"Host port width must be 8, 16, 32 or 64 bytes, not {self.host_width!r}")
        if self.host_width > self.dev_width:
            raise ValueError(
                f"Host port must not be wider than the device port ({self.dev_width} bytes), "
                f"not {self.host_width!r} bytes")
        if self.host_width != self.dev_width and self.dev_width < 32:
            raise ValueError(
                f"Ports of different width need a device port of 32 or 64 bytes, "
                f"not {self.dev_width!r}")
        if self.shared and self.host_width != self.dev_width:
            raise ValueError(
                f"A shared channel needs ports of equal width, not {self.dev_width!r} and "
                f"{self.host_width!r} bytes")
        if not 32 <= self.address_bits <= 64:
            raise ValueError(f"Address must have 32 to 64 bits, not {self.address_bits!r}")
        if not (_power_of_two(self.slots) and 2 <= self.slots <= 64):
            raise ValueError(f"Slots must be a power of two, 2 to 64, not {self.slots!r}")
        if not 0 <= self.memory_latency <= 4096:
            raise ValueError(
                f"Memory latency must be 0 to 4096 cycles, not {self.memory_latency!r}")
        if not (_power_of_two(self.max_outstanding) and 2 <= self.max_outstanding <= 256):
            raise ValueError(
                "Parameter 'max_outstanding' must be a power of two, 2 to 256 bursts, not "
                f"{self.max_outstanding!r}")
        for name, most in (("read_burst", 128), ("write_burst", 64)):
            value = getattr(self, name)
            if not (_power_of_two(value) and value <= most):
                raise ValueError(
                    f"Parameter {name!r} must be a power of two, 1 to {most} beats, not {value!r}")
        if self.verify and not self.crc:
            raise ValueError("Parameter 'verify' needs 'crc': what is compared is the CRC")

    @property
    def read_buffer(self) -> int:
        """Beats of a read buffer: the latency to be hidden, and the bursts on both sides of it."""
        return 1 << (self.memory_latency + 2 * self.read_burst - 1).bit_length()

    @property
    def lane_bytes(self) -> int:
        """Bytes of the smallest element."""
        return self.element_sizes[0]

    @property
    def channels(self) -> int:
        """Channels, each with a block of registers."""
        return 1 if self.shared else 2

    @property
    def build_id(self) -> int:
        """Number of 32 bits that tells configurations apart."""
        text = ",".join(f"{field.name}={getattr(self, field.name)}" for field in fields(self))
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "little")

    def with_changes(self, **changes) -> "Config":
        """Return a configuration that differs in some parameters."""
        return replace(self, **changes)


#: Configurations with a name.
PRESETS = {
    "ecp5": Config(),
    "tiny": Config(
        dev_width=8, host_width=8, address_bits=32, element_sizes=(4,), rings=False, crc=False,
        two_d=False, windows=False, counters=False, shared=True, slots=2, memory_latency=16,
        max_outstanding=8, read_burst=16, write_burst=8),
    "asic": Config(dev_width=64, host_width=32, unaligned=True, verify=True),
}
