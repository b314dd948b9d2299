# SPDX-License-Identifier: Apache-2.0
"""Registers by their names."""

from collections.abc import Mapping

from opencdma.spec.registers import CHANNEL, CHANNEL_BASE, Register

from .backend import Backend

__all__ = ["ChannelRegisters", "Registers"]


class Registers:
    """A block of registers by their names.

    Parameters
    ----------
    backend : :class:`~opencdma.sw.backend.Backend`
        The engine.
    table : mapping of :class:`str` to :class:`~opencdma.spec.registers.Register`
        What is in the block.
    base : :class:`int`
        Offset of the block in bytes.
    """

    def __init__(self, backend: Backend, table: Mapping[str, Register], base: int = 0):
        self._backend = backend
        self._table = table
        self._base = base

    def read(self, name: str) -> int:
        """Return a register of one or two words."""
        return sum(
            self._backend.read_register(self._base + offset) << 32 * word
            for word, offset in enumerate(self._table[name].offsets))

    def write(self, name: str, value: int) -> None:
        """Write a register of one or two words."""
        for word, offset in enumerate(self._table[name].offsets):
            self._backend.write_register(self._base + offset, value >> 32 * word & 0xFFFF_FFFF)

    def set(self, name: str, **fields: int) -> None:
        """Write a register, its fields by their names and the others 0."""
        self.write(name, self._table[name].pack(**fields))

    def get(self, name: str) -> dict[str, int]:
        """Return a register's fields by their names."""
        return self._table[name].unpack(self.read(name))


class ChannelRegisters(Registers):
    """Registers of a channel by their names.

    Parameters
    ----------
    backend : :class:`~opencdma.sw.backend.Backend`
        The engine.
    number : :class:`int`
        Which channel.
    """

    def __init__(self, backend: Backend, number: int):
        super().__init__(backend, CHANNEL, CHANNEL_BASE[number])
