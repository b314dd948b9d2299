# SPDX-License-Identifier: Apache-2.0
"""The wire formats by number and by name."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from opencdma.spec import FormatId

from . import raw, zvc
from .errors import FormatError


class UnknownFormatError(ValueError):
    """There is no format with this number or name."""


@dataclass(frozen=True)
class Format:
    """A wire format.

    Parameters
    ----------
    id : :class:`~opencdma.spec.FormatId`
        Number in commands.
    encode : ``encode(array) -> bytes``
        Encoder.
    decode : ``decode(buffer, *, dtype, count) -> array``
        Decoder; raises :exc:`~opencdma.golden.errors.FormatError` on malformed data.
    decode_partial : ``decode_partial(buffer, *, dtype, count) -> (array, error)``
        The same, but hands over the good elements and the error, or ``None``.
    bound : ``bound(nbytes, itemsize) -> int``
        Longest encoding in bytes.
    """

    id: FormatId
    encode: Callable[..., bytes]
    decode: Callable[..., np.ndarray]
    decode_partial: Callable[..., tuple[np.ndarray, FormatError | None]]
    bound: Callable[[int, int], int]

    @property
    def name(self) -> str:
        """Name in lower case."""
        return self.id.name.lower()


_FORMATS = tuple(
    Format(id, module.encode, module.decode, module.decode_partial, module.bound)
    for id, module in ((FormatId.RAW, raw), (FormatId.ZVC, zvc))
)


def available() -> tuple[Format, ...]:
    """Return all formats, in the order of their numbers."""
    return _FORMATS


def get(key: int | str) -> Format:
    """Return the format with a number or a name, in upper or lower case.

    Raises
    ------
    UnknownFormatError
        If there is none.
    """
    for format in _FORMATS:
        if format.name == key.lower() if isinstance(key, str) else format.id == key:
            return format
    known = ", ".join(f"{format.id:d} ({format.name})" for format in _FORMATS)
    raise UnknownFormatError(f"Format must be one of {known}, not {key!r}")
