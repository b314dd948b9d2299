# SPDX-License-Identifier: Apache-2.0
"""Numbers that hardware, golden model and software share: the one place each of them is defined."""

from .codes import (
    GROUP_BYTES,
    MAX_RAW_LENGTH,
    Direction,
    ElementType,
    ErrorCode,
    FormatId,
    Status,
)

__all__ = [
    "GROUP_BYTES",
    "MAX_RAW_LENGTH",
    "Direction",
    "ElementType",
    "ErrorCode",
    "FormatId",
    "Status",
]
