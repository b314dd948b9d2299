# SPDX-License-Identifier: Apache-2.0
"""What a board offers over its serial port: the address map, and the page that describes it.

``docs/boards.md`` says the same in words. All addresses are of bytes.
"""

from enum import IntEnum, IntFlag

__all__ = ["BOARD_IDENT", "DEV_BASE", "HOST_BASE", "PAGE_BASE", "REGISTERS_BASE", "Fault", "Page"]

#: The page; the registers of the engine; the memories, where the engine has them, too.
PAGE_BASE = 0x0000_0000
REGISTERS_BASE = 0x0001_0000
HOST_BASE = 0x1000_0000
DEV_BASE = 0x8000_0000

#: What the first word of the page is: "OCFB", read as a number from the left.
BOARD_IDENT = 0x4F43_4642


class Page(IntEnum):
    """Offsets of the words of the page."""

    IDENT = 0x00
    """:data:`BOARD_IDENT`."""
    SCRATCH = 0x04
    """Keeps what is written to it."""
    LEDS = 0x08
    """Bits 3:0 light the LEDs that show no state."""
    STATUS = 0x0C
    """Bit 0 is the interrupt of the engine."""
    FAULTS = 0x10
    """Bits of :class:`Fault`, which stay until they are written with 1."""
    CLOCK = 0x14
    """Cycles per second."""
    DEV_SIZE = 0x18
    """Bytes of device memory."""
    HOST_SIZE = 0x1C
    """Bytes of host memory."""


class Fault(IntFlag):
    """What went wrong on the way to a word, which the serial protocol cannot say."""

    REFUSED = 1
    """An access to an address where nothing is, or that the engine refused."""
    OVERRUN = 2
    """Bytes came faster than they could be used; some are lost."""
    FRAMING = 4
    """A byte without its stop bit, which is not used: noise, or another baud rate."""
