# SPDX-License-Identifier: Apache-2.0
"""What the driver needs of an engine and its memories."""

from typing import Protocol

__all__ = ["Backend", "Memory"]


class Memory(Protocol):
    """A memory that the processor reaches without the engine."""

    base: int
    size: int

    def read(self, address: int, length: int) -> bytes:
        """Return bytes."""

    def write(self, address: int, data: bytes) -> None:
        """Set bytes."""


class Backend(Protocol):
    """An engine, whatever it is made of.

    Members
    -------
    dev, host : :class:`Memory`
        The memories, at the addresses that the engine uses.
    irq : :class:`bool`
        The interrupt.
    """

    dev: Memory
    host: Memory

    @property
    def irq(self) -> bool:
        """The interrupt."""

    def read_register(self, offset: int) -> int:
        """Return a word of 32 bits."""

    def write_register(self, offset: int, value: int) -> None:
        """Write a word of 32 bits."""

    def advance(self) -> None:
        """Let some time pass."""
