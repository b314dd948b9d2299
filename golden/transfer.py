# SPDX-License-Identifier: Apache-2.0
"""Model of the hardware codec: one command and one packet in, one packet and one status out."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from opencdma.spec import (
    MAX_RAW_LENGTH,
    Direction,
    ElementType,
    ErrorCode,
    FormatId,
    Status,
)

from . import formats
from .elements import SIZES


@dataclass(frozen=True)
class Command:
    """What one transfer is to do. The numbers need not be known ones, save the direction.

    Parameters
    ----------
    direction : :class:`~opencdma.spec.Direction`
        Compress or decompress.
    format : :class:`int`
        A :class:`~opencdma.spec.FormatId`.
    element_type : :class:`int`
        An :class:`~opencdma.spec.ElementType`.
    raw_length : :class:`int`
        Length of the raw data in bytes, whichever way they go.
    reserved : :class:`int`
        Reserved bits; zero in a good command.

    Raises
    ------
    ValueError
        If there is no such direction, or a field is negative.
    """

    direction: int
    format: int
    element_type: int
    raw_length: int
    reserved: int = 0

    def __post_init__(self):
        Direction(self.direction)
        for name in ("format", "element_type", "raw_length", "reserved"):
            value = getattr(self, name)
            if value < 0:
                raise ValueError(f"Command field {name!r} must not be negative, not {value!r}")


@dataclass(frozen=True)
class Result:
    """Outcome of one transfer.

    Parameters
    ----------
    output : :class:`bytes`
        The packet that leaves. Of malformed data only what is good; hardware may emit more of the
        offending group.
    status : :class:`~opencdma.spec.Status`
        Outcome.
    error_code : :class:`~opencdma.spec.ErrorCode`
        What was wrong with the data, or why the codec was refused.
    position : :class:`int`
        Offset of the offending byte in the packet that entered; 0 when there is none.
    bytes_in : :class:`int`
        Length of the packet that entered.
    bytes_out : :class:`int`
        Length of ``output``.
    nonzeros : :class:`int`
        Nonzero elements of the raw data: those that were encoded, or those in ``output``.
    """

    output: bytes
    status: Status
    error_code: ErrorCode
    position: int
    bytes_in: int
    bytes_out: int
    nonzeros: int


def run(
    command: Command,
    data: bytes,
    *,
    element_sizes: Collection[int] = SIZES,
    framing_error: bool = False,
) -> Result:
    """Return what the codec makes of one packet.

    Parameters
    ----------
    command : :class:`Command`
        What to do.
    data : :class:`bytes`
        The packet that enters.
    element_sizes : collection of :class:`int`
        Sizes in bytes of the elements this build can handle.
    framing_error : :class:`bool`
        The packet ended with ``data`` because a beat in its middle was not full. Any error of
        the data outranks this one.
    """
    status, error_code = _refusal(command, element_sizes)
    if status is not Status.OK:
        return Result(b"", status, error_code, 0, len(data), 0, 0)

    format = formats.get(command.format)
    size = _element_size(command)
    length = command.raw_length
    word = np.dtype(f"<u{size}")
    position = 0
    if command.direction == Direction.COMPRESS:
        raw = np.frombuffer(data, word, min(len(data), length) // size)
        output = format.encode(raw)
        if len(data) != length:
            error_code, position = ErrorCode.LENGTH_MISMATCH, min(len(data), length)
    else:
        raw, error = format.decode_partial(data, dtype=word, count=length // size)
        output = raw.tobytes()
        if error is not None:
            error_code, position = error.code, error.position
    if error_code is ErrorCode.NONE and framing_error:
        error_code, position = ErrorCode.FRAMING, len(data)

    if error_code is not ErrorCode.NONE:
        status = Status.DATA_ERROR
    nonzeros = int(np.count_nonzero(raw))
    return Result(output, status, error_code, position, len(data), len(output), nonzeros)


def _element_size(command: Command) -> int:
    """Return the element size in bytes; 8, which no type has, if the low bits of the code are 3."""
    return 1 << (command.element_type & 3)


def _refusal(command: Command, element_sizes: Collection[int]) -> tuple[Status, ErrorCode]:
    """Return why a command is refused: of several reasons the lowest status; OK if it is not."""
    size = _element_size(command)
    # Lists, because members of an enumeration do not have the hash of the number they equal.
    known_type = command.element_type in list(ElementType) and size in element_sizes
    if command.reserved:
        return Status.RESERVED_NONZERO, ErrorCode.NONE
    if command.raw_length > MAX_RAW_LENGTH or command.raw_length % size:
        return Status.BAD_LENGTH, ErrorCode.NONE
    if command.format not in list(FormatId):
        return Status.BAD_CODEC, ErrorCode.NONE
    if not known_type:
        return Status.BAD_CODEC, ErrorCode.ELEMENT_TYPE
    return Status.OK, ErrorCode.NONE
