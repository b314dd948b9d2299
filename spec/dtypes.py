# SPDX-License-Identifier: Apache-2.0
"""The codes of NumPy's types and of those that ml_dtypes adds."""

import numpy as np

from .generated import ElementType

__all__ = ["element_type_of"]

# Element types by the names of arrays' types; integers with a sign count as those without.
_ELEMENT_TYPES = {
    "bool": ElementType.U8,
    "uint8": ElementType.U8,
    "int8": ElementType.U8,
    "uint16": ElementType.U16,
    "int16": ElementType.U16,
    "uint32": ElementType.U32,
    "int32": ElementType.U32,
    "float8_e4m3fn": ElementType.FP8_E4M3,
    "bfloat16": ElementType.BF16,
    "float32": ElementType.FP32,
    "float8_e5m2": ElementType.FP8_E5M2,
    "float16": ElementType.FP16,
}


def element_type_of(dtype) -> ElementType:
    """Return the code of the elements of arrays of a type.

    Raises
    ------
    ValueError
        If there is none.
    """
    dtype = np.dtype(dtype)
    if dtype.name not in _ELEMENT_TYPES:
        raise ValueError(
            f"Elements must be of one of the types {', '.join(_ELEMENT_TYPES)}, not {dtype.name}; "
            "view others as unsigned integers of 1, 2 or 4 bytes")
    return _ELEMENT_TYPES[dtype.name]
