# SPDX-License-Identifier: Apache-2.0
"""What the generated tables are made of: fields of words, and registers."""

import enum
from dataclasses import dataclass

__all__ = ["Field", "Kind", "Register"]


class Kind(enum.Enum):
    """What a register is to software (the value), and where its content is."""

    #: Written by software, kept in the bank.
    STORAGE = "rw"
    #: Told by the engine.
    STATUS = "r"
    #: The same for ever in one build.
    CONSTANT = "ro"
    #: Ones start something; nothing is kept.
    COMMAND = "w"
    #: Set by the engine, ones written by software clear.
    CLEAR = "w1c"
    #: Read and written by software, kept elsewhere.
    EXTERNAL = "rw, external"


@dataclass(frozen=True)
class Field:
    """Some bits of a word.

    Parameters
    ----------
    name : :class:`str`
        Upper case in registers, lower case in memory.
    lsb, width : :class:`int`
        Lowest bit, and number of bits. In memory bits count from the first byte.
    reset : :class:`int`
        Value after reset; 0 where nothing is kept.
    needs, unless : :class:`str` or ``None``
        Build options (parameters of :class:`~opencdma.spec.Config`) without and with which the
        field is absent: it reads as 0, ignores what is written, and acts as after reset.
    """

    name: str
    lsb: int
    width: int
    reset: int = 0
    needs: str | None = None
    unless: str | None = None

    @property
    def mask(self) -> int:
        """Bits of the field, in place."""
        return ((1 << self.width) - 1) << self.lsb

    def present(self, config) -> bool:
        """Tell whether a build has the field."""
        return _present(self, config)


@dataclass(frozen=True)
class Register:
    """A register.

    Parameters
    ----------
    name : :class:`str`
        Name in ``docs/programming.md``.
    offset : :class:`int`
        Bytes from the start of its block.
    width : :class:`int`
        32, or 64 for two words, the low one first.
    kind : :class:`Kind`
        What it is to software and to the bank.
    fields : tuple of :class:`Field`
        From bit 0 up. A register that is one number has one field, ``VALUE``.
    needs, unless : :class:`str` or ``None``
        As in :class:`Field`, for the whole register.
    buffered : :class:`bool`
        Reading the low word keeps the high one for the next read of that.
    survives_reset : :class:`bool`
        COMMAND.RESET leaves it as it is.
    """

    name: str
    offset: int
    width: int
    kind: Kind
    fields: tuple[Field, ...]
    needs: str | None = None
    unless: str | None = None
    buffered: bool = False
    survives_reset: bool = False

    @property
    def access(self) -> str:
        """What software may do: ``"rw"``, ``"r"``, ``"w"`` or ``"w1c"``."""
        return {Kind.CONSTANT: "r", Kind.EXTERNAL: "rw"}.get(self.kind, self.kind.value)

    @property
    def offsets(self) -> range:
        """Offsets of its words."""
        return range(self.offset, self.offset + self.width // 8, 4)

    @property
    def reset(self) -> int:
        """Value after reset in a build that has all of it."""
        return sum(field.reset << field.lsb for field in self.fields)

    def present(self, config) -> bool:
        """Tell whether a build has the register. One that is absent can be read, as 0."""
        return _present(self, config)

    def mask(self, config) -> int:
        """Return the bits that a build has."""
        if not self.present(config):
            return 0
        return sum(field.mask for field in self.fields if field.present(config))

    def field(self, name: str) -> Field:
        """Return a field by its name.

        Raises
        ------
        KeyError
            If there is none of that name.
        """
        for field in self.fields:
            if field.name == name:
                return field
        raise KeyError(
            f"Field of {self.name} must be one of "
            f"{', '.join(field.name for field in self.fields)}, not {name!r}")

    def pack(self, **values: int) -> int:
        """Return the register with some fields set, and 0 in the others.

        Raises
        ------
        KeyError, ValueError
            If there is no such field, or the value does not fit it.
        """
        word = 0
        for name, value in values.items():
            field = self.field(name)
            if not 0 <= value < 1 << field.width:
                raise ValueError(
                    f"Field {name} of {self.name} must fit {field.width} bits, not {value!r}")
            word |= int(value) << field.lsb
        return word

    def unpack(self, word: int) -> dict[str, int]:
        """Return the values of all fields by their names."""
        return {field.name: (word & field.mask) >> field.lsb for field in self.fields}


def _present(item, config) -> bool:
    if item.needs is not None and not getattr(config, item.needs):
        return False
    return item.unless is None or not getattr(config, item.unless)
