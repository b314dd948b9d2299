# SPDX-License-Identifier: Apache-2.0
"""What decoders raise."""

from opencdma.spec import ErrorCode


class FormatError(ValueError):
    """The encoded data are malformed.

    Parameters
    ----------
    message : :class:`str`
        What is wrong and what would be right.
    code : :class:`~opencdma.spec.ErrorCode`
        Class of the error.
    position : :class:`int`
        Offset in the encoded data of the offending byte, in bytes.
    valid : :class:`int`
        Bytes of raw data, counted from the first, that are good nevertheless.
    """

    def __init__(self, message: str, code: ErrorCode, position: int, valid: int):
        super().__init__(message, code, position, valid)  # all of them, so that it can be pickled
        self.code = code
        self.position = position
        self.valid = valid

    def __str__(self) -> str:
        return self.args[0]
