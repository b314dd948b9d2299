# SPDX-License-Identifier: Apache-2.0
"""Numbers that hardware, golden model and software share: the one place each of them is defined."""

from .codes import GROUP_BYTES, MAX_RAW_LENGTH, Direction
from .config import PRESETS, Config
from .dtypes import element_type_of
from .generated import (
    Channel,
    ElementType,
    ErrorCode,
    Flag,
    FormatId,
    Info,
    Opcode,
    Status,
)
from .words import Descriptor, Record

__all__ = [
    "GROUP_BYTES",
    "MAX_RAW_LENGTH",
    "PRESETS",
    "Channel",
    "Config",
    "Descriptor",
    "Direction",
    "ElementType",
    "ErrorCode",
    "Flag",
    "FormatId",
    "Info",
    "Opcode",
    "Record",
    "Status",
    "element_type_of",
]
