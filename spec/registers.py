# SPDX-License-Identifier: Apache-2.0
"""Registers of the engine, and what a build says of itself in them."""

from .config import Config
from .generated import CHANNEL, CHANNEL_BASE, ENGINE, FormatId
from .tables import Field, Kind, Register

__all__ = ["CHANNEL", "CHANNEL_BASE", "ENGINE", "Field", "Kind", "Register", "address", "constants"]


def address(name: str, channel: int | None = None) -> int:
    """Return the address of a register: one of the engine, or of one of its channels.

    Raises
    ------
    KeyError
        If there is no such register.
    """
    block = ENGINE if channel is None else CHANNEL
    if name not in block:
        of = "the engine" if channel is None else "a channel"
        raise KeyError(f"Register of {of} must be one of {', '.join(block)}, not {name!r}")
    return block[name].offset + (0 if channel is None else CHANNEL_BASE[channel])


def constants(config: Config) -> dict[str, int]:
    """Return the values of all registers that are constant in a build."""
    log2 = {width: width.bit_length() - 1 for width in (config.dev_width, config.host_width)}
    options = ("rings", "crc", "two_d", "unaligned", "verify", "shared", "windows", "counters")
    return {
        "IDENT": ENGINE["IDENT"].reset,
        "VERSION": ENGINE["VERSION"].reset,
        "BUILD_ID": config.build_id,
        "CAPS_PORTS": ENGINE["CAPS_PORTS"].pack(
            LOG2_DEV_WIDTH=log2[config.dev_width], LOG2_HOST_WIDTH=log2[config.host_width],
            ADDRESS_BITS=config.address_bits, SLOTS=config.slots, CHANNELS=config.channels),
        "CAPS_FEATURES": ENGINE["CAPS_FEATURES"].pack(
            **{name.upper(): getattr(config, name) for name in options},
            # Sizes of 1, 2 and 4 bytes are bits 0, 1 and 2: their sum.
            ELEMENT_SIZES=sum(config.element_sizes)),
        "CAPS_FORMATS": sum(1 << format for format in FormatId),
        "CAPS_BURSTS": ENGINE["CAPS_BURSTS"].pack(
            READ_BURST=config.read_burst, WRITE_BURST=config.write_burst,
            READ_BUFFER=config.read_buffer),
    }
