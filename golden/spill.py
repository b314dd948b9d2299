# SPDX-License-Identifier: Apache-2.0
"""How far the hardware decodes into a group that turns out to be bad.

Output is good in whole groups. Hardware works on beats, though, and the beats of the offending
group in front of the one with the error have gone out when it is found. What they hold is of no
use, but that they are written can make a write fail.
"""

from opencdma.spec import GROUP_BYTES, ErrorCode, FormatId

from .transfer import Command, Result

__all__ = ["spilled"]


def spilled(command: Command, data: bytes, result: Result, width: int) -> int:
    """Return the bytes that go out behind the good ones.

    Parameters
    ----------
    command : :class:`~opencdma.golden.transfer.Command`
        The command: to decompress.
    data : :class:`bytes`
        The encoded data.
    result : :class:`~opencdma.golden.transfer.Result`
        What came of them.
    width : :class:`int`
        Bytes per raw beat.
    """
    if result.error_code in (ErrorCode.NONE, ErrorCode.TRAILING, ErrorCode.PADDING):
        return 0 # nothing is bad, or the mask, which comes before all beats
    if command.format == FormatId.RAW:
        missing = command.raw_length > len(data)
        return (len(data) - len(result.output)) // width * width if missing else 0

    size = 1 << (command.element_type & 3)
    start = _group_start(data, size, len(result.output) // GROUP_BYTES)
    mask_bytes = GROUP_BYTES // size // 8
    mask = data[start : start + mask_bytes]
    if len(mask) < mask_bytes:
        return 0
    # The error is at the element of this rank among those stored.
    rank = (result.position - start - mask_bytes) // size
    bits = int.from_bytes(mask, "little")
    for _ in range(rank):
        bits &= bits - 1
    element = (bits & -bits).bit_length() - 1
    return element * size // width * width


def _group_start(data: bytes, size: int, group: int) -> int:
    """Return where a group starts in encoded data that are good up to there."""
    mask_bytes = GROUP_BYTES // size // 8
    at = 0
    for _ in range(group):
        mask = int.from_bytes(data[at : at + mask_bytes], "little")
        at += mask_bytes + size * mask.bit_count()
    return at
