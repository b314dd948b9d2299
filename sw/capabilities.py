# SPDX-License-Identifier: Apache-2.0
"""What an engine says of itself."""

from dataclasses import dataclass
from typing import Self

from opencdma.spec import FormatId
from opencdma.spec.registers import ENGINE

from .backend import Backend
from .errors import EngineError
from .registers import Registers

__all__ = ["Capabilities"]


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """What is built into an engine, as its registers say.

    Parameters
    ----------
    version : tuple of three :class:`int`
        Major, minor and patch.
    build_id : :class:`int`
        Number of the configuration.
    dev_width, host_width : :class:`int`
        Bytes per beat of the ports.
    address_bits, slots, channels : :class:`int`
        Bits of an address, descriptors under way, channels.
    rings, crc, two_d, unaligned, verify, shared, windows, counters : :class:`bool`
        Options.
    element_sizes : tuple of :class:`int`
        Bytes per element.
    formats : tuple of :class:`int`
        Numbers of the formats.
    read_burst, write_burst, read_buffer : :class:`int`
        Beats.
    """

    version: tuple[int, int, int]
    build_id: int
    dev_width: int
    host_width: int
    address_bits: int
    slots: int
    channels: int
    rings: bool
    crc: bool
    two_d: bool
    unaligned: bool
    verify: bool
    shared: bool
    windows: bool
    counters: bool
    element_sizes: tuple[int, ...]
    formats: tuple[int, ...]
    read_burst: int
    write_burst: int
    read_buffer: int

    @classmethod
    def read(cls, backend: Backend) -> Self:
        """Ask an engine.

        Raises
        ------
        EngineError
            If there is none.
        """
        registers = Registers(backend, ENGINE)
        ident, expected = registers.read("IDENT"), ENGINE["IDENT"].reset
        if ident != expected:
            raise EngineError(
                f"Register IDENT must be {expected:#x}, not {ident:#x}: there is no engine")
        version, ports, features, bursts = (
            registers.get(name)
            for name in ("VERSION", "CAPS_PORTS", "CAPS_FEATURES", "CAPS_BURSTS"))
        formats = registers.read("CAPS_FORMATS")
        sizes = features.pop("ELEMENT_SIZES")
        return cls(
            version=(version["MAJOR"], version["MINOR"], version["PATCH"]),
            build_id=registers.read("BUILD_ID"),
            dev_width=1 << ports["LOG2_DEV_WIDTH"], host_width=1 << ports["LOG2_HOST_WIDTH"],
            address_bits=ports["ADDRESS_BITS"], slots=ports["SLOTS"], channels=ports["CHANNELS"],
            element_sizes=tuple(1 << bit for bit in range(3) if sizes >> bit & 1),
            formats=tuple(format for format in FormatId if formats >> format & 1),
            read_burst=bursts["READ_BURST"], write_burst=bursts["WRITE_BURST"],
            read_buffer=bursts["READ_BUFFER"],
            **{name.lower(): bool(bit) for name, bit in features.items()})
