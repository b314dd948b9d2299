# SPDX-License-Identifier: Apache-2.0
"""Codecs to compare with: they lose nothing, and are as long as they say."""

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opencdma.golden.baselines import csr, ebpc, rle

SETTINGS = settings(derandomize=True, max_examples=40, deadline=None)


@st.composite
def arrays(draw):
    """Return arrays in runs of zeros, of one value, of small steps and of anything."""
    dtype = draw(st.sampled_from(["u1", "i2", "f2", "f4", ml_dtypes.bfloat16]))
    size = np.dtype(dtype).itemsize
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    parts = [np.zeros(0, "u8")]
    for kind in draw(st.lists(st.sampled_from("zsrc"), max_size=8)):
        count = draw(st.sampled_from([1, 2, 7, 8, 16, 17, 33, 129, 260]))
        words = rng.integers(0, 256**size, count, dtype="u8")
        parts.append({
            "z": words * 0, "c": words * 0 + 7, "r": words,
            "s": np.cumsum(words % 3) + words[0]}[kind])
    return (np.concatenate(parts) % 256**size).astype(f"u{size}").view(dtype)


@SETTINGS
@given(arrays())
def test_rle(array):
    encoded = rle.encode(array)
    assert len(encoded) == rle.size(array)
    decoded = rle.decode(encoded, dtype=array.dtype, count=array.size)
    assert decoded.tobytes() == array.tobytes()


def test_rle_example():
    array = np.array([0, 0, 0, 5, -1, 0], "<i2")
    assert rle.encode(array).hex(" ") == "02 81 05 00 ff ff 00"
    assert rle.encode(np.zeros(129, "u1")).hex() == "7f00"


@pytest.mark.parametrize(("data", "count"), [(b"\x02", 2), (b"\x81\x05\x00\xff", 2), (b"", 1)])
def test_rle_wrong(data, count):
    with pytest.raises(ValueError, match=r"^The data "):
        rle.decode(data, dtype="<i2", count=count)


@SETTINGS
@given(arrays(), st.sampled_from([1, 2, 3]))
def test_csr(array, rows):
    array = array[: array.size // rows * rows].reshape(rows, -1)
    encoded = csr.encode(array)
    assert len(encoded) == csr.size(array)
    decoded = csr.decode(encoded, dtype=array.dtype, shape=array.shape)
    assert decoded.tobytes() == array.tobytes()
    assert decoded.shape == array.shape


def test_csr_example():
    array = np.array([[0, 3, 0], [0, 0, 0], [1, 0, 2]], "<u2")
    values = [0, 1, 1, 3], [1, 0, 2], [3, 1, 2]
    assert csr.encode(array) == b"".join(
        np.array(part, dtype).tobytes()
        for part, dtype in zip(values, ["<u4", "<u4", "<u2"], strict=True))
    with pytest.raises(ValueError, match=r"^17 bytes are no 3 rows of 3 elements$"):
        csr.decode(csr.encode(array)[:17], dtype="<u2", shape=(3, 3))


@SETTINGS
@given(arrays())
def test_ebpc(array):
    streams = ebpc.encode(array)
    assert ebpc.size(array) == sum(-(-len(stream) // 8) for stream in streams)
    decoded = ebpc.decode(streams, dtype=array.dtype, count=array.size)
    assert decoded.tobytes() == array.tobytes()


def test_ebpc_example():
    # Differences 1, 1, 0, 0, 0, 0, 0: of 9 planes the last has ones in its lowest two places.
    array = np.array([0, 0, 0, 5, 6, 7, 7, 7, 7, 7, 7], "u1")
    assert ebpc.encode(array) == ("00010" + "1" * 8, "00000101" + "01110" + "00010000")


def test_ebpc_of_zeros():
    assert ebpc.encode(np.zeros(17, "u2")) == ("0111100000", "")
    assert ebpc.encode(np.zeros(0, "u2")) == ("", "")
