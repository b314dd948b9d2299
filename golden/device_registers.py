# SPDX-License-Identifier: Apache-2.0
"""A block of registers as software reads and writes it, a word of 32 bits at a time."""

from collections.abc import Callable, Mapping

from opencdma.spec import Config
from opencdma.spec.registers import Kind, Register

__all__ = ["RegisterBlock"]

_WORD = 0xFFFF_FFFF


class RegisterBlock:
    """Keeps what software writes; what it only reads, or what acts at once, its owner handles.

    Parameters
    ----------
    table : mapping of :class:`str` to :class:`~opencdma.spec.registers.Register`
        The registers by their names.
    config : :class:`~opencdma.spec.Config`
        The build. What it does not have reads as 0, ignores what is written and acts as after
        reset.
    state : ``state(name) -> int``
        Returns the value of a register that software does not keep here.
    written : ``written(name, value)``
        Is told what was written: the whole new value of a register that is kept here, or the word
        of one that is not.

    Members
    -------
    kept : mapping of :class:`str` to :class:`int`
        Values of the registers that are kept here.
    """

    def __init__(
        self, table: Mapping[str, Register], config: Config, *,
        state: Callable[[str], int], written: Callable[[str, int], None],
    ):
        self._config = config
        self._state = state
        self._written = written
        self._words = {
            offset: (register, 8 * (offset - register.offset))
            for register in table.values() for offset in register.offsets
        }
        self._table = table
        self._high_words: dict[str, int] = {}
        self.kept = {
            name: register.reset for name, register in table.items()
            if register.kind is Kind.STORAGE
        }

    def __contains__(self, offset: int) -> bool:
        return offset in self._words

    def read(self, offset: int) -> int:
        """Return a word."""
        register, shift = self._words[offset]
        name = register.name
        if register.kind is Kind.COMMAND:
            return 0
        value = self.kept[name] if register.kind is Kind.STORAGE else self._state(name)
        value &= register.mask(self._config)
        if register.buffered:
            if shift == 0:
                self._high_words[name] = value
            else:
                value = self._high_words.pop(name, value)
        return value >> shift & _WORD

    def write(self, offset: int, word: int) -> None:
        """Write a word; without effect if software may only read it."""
        register, shift = self._words[offset]
        value = (word & _WORD) << shift
        mask = register.mask(self._config) & _WORD << shift
        if register.kind is Kind.STORAGE:
            value = self.kept[register.name] & ~mask | value & mask
            self.kept[register.name] = value
            self._written(register.name, value)
        elif register.access != "r":
            self._written(register.name, value & mask)

    def reset(self) -> None:
        """Set back what COMMAND.RESET does."""
        for name in self.kept:
            if not self._table[name].survives_reset:
                self.kept[name] = self._table[name].reset
        self._high_words.clear()
