# SPDX-License-Identifier: Apache-2.0
"""Precision reduction in front of an encoder (EPMC, Gist): 32-bit floats to less, and back.

Floating point: to the nearest value, to the even one of two. What is too large becomes the largest
finite value of its sign. Infinity stays infinity, or becomes the largest value where a type has
none. NaN stays NaN: the upper bits of its payload and the quiet bit, or the one NaN that there is.
Denormal numbers are kept as inputs and as results. Zeros keep their sign. The formats with 8 bits
are those of the OCP 8-bit Floating Point Specification 1.0.

Integers: the product with 1 / scale, to the nearest integer, to the even one of two; what is out of
range becomes the end of it, NaN becomes 0. Back, the product with the scale, rounded once.
"""

from dataclasses import dataclass

import ml_dtypes
import numpy as np

from opencdma.spec import ElementType

_MANTISSA = 23
_BIAS = 127
_SIGN = 1 << 31
_INFINITY = 0x7F80_0000


@dataclass(frozen=True)
class _Float:
    """A floating-point type: bits of its exponent and mantissa, the largest finite value's code."""

    dtype: np.dtype
    exponent: int
    mantissa: int
    largest: int
    infinity: int

    @property
    def bias(self) -> int:
        """What is added to exponents."""
        return (1 << self.exponent - 1) - 1


_FLOATS = {
    ElementType.BF16: _Float(np.dtype(ml_dtypes.bfloat16), 8, 7, 0x7F7F, 0x7F80),
    ElementType.FP16: _Float(np.dtype(np.float16), 5, 10, 0x7BFF, 0x7C00),
    ElementType.FP8_E4M3: _Float(np.dtype(ml_dtypes.float8_e4m3fn), 4, 3, 0x7E, 0x7E),
    ElementType.FP8_E5M2: _Float(np.dtype(ml_dtypes.float8_e5m2), 5, 2, 0x7B, 0x7C),
}

#: Types that 32-bit floats can be reduced to without a scale.
REDUCED = tuple(_FLOATS)


def reduce(array, to: ElementType) -> np.ndarray:
    """Return 32-bit floats as a type of less precision.

    Parameters
    ----------
    array : array_like of :class:`numpy.float32`
        Numbers of any shape.
    to : :class:`~opencdma.spec.ElementType`
        One of :data:`REDUCED`.

    Returns
    -------
    :class:`numpy.ndarray`
        Of the same shape; the type is NumPy's or that of ``ml_dtypes``.

    Raises
    ------
    TypeError
        If the elements are no 32-bit floats.
    ValueError
        If there is no such reduction.
    """
    bits = _float_bits(array)
    target = _target(to)
    magnitude = bits & _SIGN - 1
    significand = np.where(magnitude >> _MANTISSA, 1 << _MANTISSA, 0) | (
        magnitude & (1 << _MANTISSA) - 1)
    # The value is the significand times 2 to the power of this.
    power = np.maximum(magnitude >> _MANTISSA, 1) - _BIAS - _MANTISSA

    # A step of the result is 2 to the power of this; below the normal numbers it stays the same.
    length = np.frexp(significand.astype(float))[1]
    step = np.maximum(power + length - 1, 1 - target.bias) - target.mantissa
    # More is shifted out than there is, so beyond that it makes no difference.
    shift = np.minimum(step - power, _MANTISSA + 3)
    steps = significand >> shift
    rest = significand - (steps << shift)
    half = 1 << shift >> 1
    steps += (shift > 0) & ((rest > half) | ((rest == half) & (steps & 1 == 1)))

    # Codes are in the order of values, so what is rounded up into the next power needs no care.
    code = (step + target.mantissa + target.bias - 1 << target.mantissa) + steps
    code = np.minimum(code, target.largest)
    code = np.where(magnitude == _INFINITY, target.infinity, code)
    code = np.where(magnitude > _INFINITY, _nan(magnitude, target), code)
    size = 8 * target.dtype.itemsize
    code |= (bits >> 31) << size - 1
    return code.astype(f"u{target.dtype.itemsize}").view(target.dtype)


def restore(array) -> np.ndarray:
    """Return what :func:`reduce` returned as 32-bit floats, which is exact.

    Raises
    ------
    TypeError
        If the elements are of none of the reduced types.
    """
    array = np.asarray(array)
    if array.dtype not in [target.dtype for target in _FLOATS.values()]:
        raise TypeError(f"Elements must be of a reduced type, not {array.dtype}")
    return array.astype(np.float32)


def quantise(array, scale, dtype=np.uint8) -> np.ndarray:
    """Return 32-bit floats as integers of 8 bits.

    Parameters
    ----------
    array : array_like of :class:`numpy.float32`
        Numbers of any shape.
    scale : array_like of :class:`numpy.float32`
        Value of one step: finite and normal, greater than 0; one for all, or what broadcasts
        against ``array``, such as one for each channel.
    dtype : dtype_like
        uint8 for what is never negative, or int8.

    Returns
    -------
    :class:`numpy.ndarray`
        Of the same shape.

    Raises
    ------
    TypeError
        If the elements are no 32-bit floats, or are not wanted in 8 bits.
    ValueError
        If a scale is no such number.
    """
    bits = _float_bits(array)
    scale = _check_scale(scale)
    if np.dtype(dtype) not in (np.uint8, np.int8):
        raise TypeError(f"Integers must be uint8 or int8, not {np.dtype(dtype)}")
    inverse = np.float32(1) / scale
    # Exact: both have 24 bits, and the range of their product fits as well.
    product = bits.astype(np.uint32).view(np.float32).astype(float) * inverse.astype(float)
    limits = np.iinfo(dtype)
    steps = np.clip(np.rint(np.nan_to_num(product, nan=0.0)), limits.min, limits.max)
    return steps.astype(dtype)


def restore_quantised(array, scale) -> np.ndarray:
    """Return integers of 8 bits, as :func:`quantise` returned them, times the scale."""
    scale = _check_scale(scale)
    return (np.asarray(array).astype(float) * scale.astype(float)).astype(np.float32)


def _float_bits(array) -> np.ndarray:
    array = np.asarray(array)
    if array.dtype != np.float32:
        raise TypeError(f"Elements must be float32, not {array.dtype}")
    return array.astype("<f4").view("<u4").astype(np.int64)


def _target(to: ElementType) -> _Float:
    if to not in _FLOATS:
        names = ", ".join(kind.name for kind in _FLOATS)
        raise ValueError(f"Floats can be reduced to {names}, not to {to!r}")
    return _FLOATS[to]


def _nan(magnitude: np.ndarray, target: _Float) -> np.ndarray:
    if target.infinity == target.largest:
        return np.full_like(magnitude, target.largest + 1)
    payload = magnitude >> _MANTISSA - target.mantissa & (1 << target.mantissa) - 1
    return target.infinity | payload | 1 << target.mantissa - 1


def _check_scale(scale) -> np.ndarray:
    scale = np.asarray(scale, np.float32)
    if not (np.isfinite(scale) & (scale >= np.finfo(np.float32).tiny)).all():
        raise ValueError(f"A scale must be finite, normal and greater than 0, not {scale!r}")
    return scale
