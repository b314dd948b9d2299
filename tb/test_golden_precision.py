# SPDX-License-Identifier: Apache-2.0
"""Precision reduction against ml_dtypes, and the rules where they differ."""

import ml_dtypes
import numpy as np
import pytest

from opencdma.golden import precision
from opencdma.spec import ElementType

TYPES = {
    ElementType.BF16: ml_dtypes.bfloat16, ElementType.FP16: np.float16,
    ElementType.FP8_E4M3: ml_dtypes.float8_e4m3fn, ElementType.FP8_E5M2: ml_dtypes.float8_e5m2,
}

each_type = pytest.mark.parametrize("to", TYPES, ids=lambda to: to.name)


def numbers(seed: int, to: ElementType) -> np.ndarray:
    """Return floats: of any bits, near every value of the type, half way between two of them."""
    rng = np.random.default_rng(seed)
    dtype = np.dtype(TYPES[to])
    values = np.arange(256**dtype.itemsize, dtype=f"u{dtype.itemsize}").view(dtype).astype("f4")
    values = values[np.isfinite(values)]
    ordered = np.unique(values)
    with np.errstate(over="ignore"):
        half = ordered[:-1] + np.diff(ordered) / 2
    near = np.concatenate([values, half])
    return np.concatenate([
        rng.integers(0, 2**32, 20000, dtype=np.uint32).view("f4"),
        near, np.nextafter(near, np.float32(np.inf)), np.nextafter(near, np.float32(-np.inf))])


@each_type
def test_like_ml_dtypes(to):
    array = numbers(1, to)
    array = array[np.isfinite(array)]
    reduced = precision.reduce(array, to)
    assert reduced.dtype == TYPES[to]
    with np.errstate(over="ignore"):
        expected = array.astype(TYPES[to])
    fits = np.isfinite(expected.astype("f4"))
    same = reduced.view(f"u{reduced.itemsize}") == expected.view(f"u{reduced.itemsize}")
    assert same[fits].all()
    largest = ml_dtypes.finfo(TYPES[to]).max
    assert (reduced[~fits] == np.copysign(largest, array[~fits]).astype(TYPES[to])).all()


@each_type
def test_every_value_comes_back(to):
    dtype = np.dtype(TYPES[to])
    array = np.arange(256**dtype.itemsize, dtype=f"u{dtype.itemsize}").view(dtype)
    restored = precision.restore(array)
    assert restored.dtype == np.float32
    number = ~np.isnan(restored)
    again = precision.reduce(restored, to)
    assert (again[number].view(f"u{dtype.itemsize}")
            == array[number].view(f"u{dtype.itemsize}")).all()
    assert np.isnan(again[~number].astype("f4")).all()


def codes(to, *words):
    array = np.array(words, "<u4").view("f4")
    reduced = precision.reduce(array, to)
    return [f"{code:0{2 * reduced.itemsize}x}" for code in reduced.view(f"u{reduced.itemsize}")]


def test_specials():
    infinities, nans = (0x7F800000, 0xFF800000), (0x7F800001, 0xFFC12345)
    zeros, most = (0, 0x80000000), (0x7F7FFFFF, 0xFF7FFFFF)
    assert codes(ElementType.BF16, *infinities, *nans, *zeros, *most) == [
        "7f80", "ff80", "7fc0", "ffc1", "0000", "8000", "7f7f", "ff7f"]
    assert codes(ElementType.FP16, *infinities, *nans, *zeros, *most) == [
        "7c00", "fc00", "7e00", "fe09", "0000", "8000", "7bff", "fbff"]
    assert codes(ElementType.FP8_E4M3, *infinities, *nans, *zeros, *most) == [
        "7e", "fe", "7f", "ff", "00", "80", "7e", "fe"]
    assert codes(ElementType.FP8_E5M2, *infinities, *nans, *zeros, *most) == [
        "7c", "fc", "7e", "fe", "00", "80", "7b", "fb"]


def test_denormals():
    # Half the least step is a tie with zero, which is even; a bit more is the least step.
    assert codes(ElementType.BF16, 0x8000, 0x8001, 0x18000) == ["0000", "0001", "0002"]
    assert codes(ElementType.FP16, 0x33000000, 0x33000001, 0xB3000001) == ["0000", "0001", "8001"]
    assert codes(ElementType.FP8_E5M2, 1) == ["00"]


def test_shapes():
    array = np.linspace(-3, 3, 24, dtype="f4").reshape(2, 3, 4)
    assert precision.reduce(array, ElementType.BF16).shape == (2, 3, 4)
    assert precision.reduce(np.float32(1), ElementType.FP16) == np.float16(1)
    assert precision.reduce(np.zeros(0, "f4"), ElementType.FP16).shape == (0,)


def test_quantise():
    array = np.array([0, 0.24, 0.25, 0.75, 1, 127.25, 127.75, 1e30, -0.25, -0.75, -1e9,
                      np.nan, np.inf, -np.inf], "f4")
    assert precision.quantise(array, 0.5).tolist() == [
        0, 0, 0, 2, 2, 254, 255, 255, 0, 0, 0, 0, 255, 0]
    assert precision.quantise(array, 0.5, np.int8).tolist() == [
        0, 0, 0, 2, 2, 127, 127, 127, 0, -2, -128, 0, 127, -128]
    steps = np.arange(256).astype(np.uint8)
    for scale in (0.5, 0.1, 3e-38, 1e36):
        values = precision.restore_quantised(steps, scale)
        assert values.dtype == np.float32
        assert (precision.quantise(values, scale) == steps).all()


def test_quantise_by_channel():
    array = np.array([[1, 2], [10, 20]], "f4")
    scale = np.array([[0.5], [5]], "f4")
    assert precision.quantise(array, scale).tolist() == [[2, 4], [2, 4]]
    assert precision.restore_quantised([[2, 4], [2, 4]], scale).tolist() == array.tolist()


def test_wrong():
    with pytest.raises(TypeError, match=r"^Elements must be float32, not float64$"):
        precision.reduce(np.zeros(1), ElementType.BF16)
    with pytest.raises(ValueError, match=r"^Floats can be reduced to BF16, FP16, FP8_E4M3, "):
        precision.reduce(np.zeros(1, "f4"), ElementType.U8)
    with pytest.raises(TypeError, match=r"^Elements must be of a reduced type, not float32$"):
        precision.restore(np.zeros(1, "f4"))
    with pytest.raises(TypeError, match=r"^Integers must be uint8 or int8, not uint16$"):
        precision.quantise(np.zeros(1, "f4"), 1, np.uint16)
    for scale in (0, -1, np.inf, np.nan, 1e-40):
        with pytest.raises(ValueError, match=r"^A scale must be finite, normal and greater than 0"):
            precision.quantise(np.zeros(1, "f4"), scale)
