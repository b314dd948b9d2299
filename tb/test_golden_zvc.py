# SPDX-License-Identifier: Apache-2.0
"""RAW and ZVC: round trips, size, canonical form, arguments. Malformed data: with the vectors."""

import pickle

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opencdma.golden import raw, zvc
from opencdma.golden.errors import FormatError
from opencdma.spec import ErrorCode

DTYPES = [
    np.dtype(dtype)
    for dtype in (
        *("?", "u1", "i1", "<u2", ">u2", "<i2", ">i2", "<u4", ">u4", "<i4", ">i4"),
        *("<f2", ">f2", "<f4", ">f4"),
        *(ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2, ml_dtypes.int4),
    )
]
FORMATS = [raw, zvc]
# The same examples in every run.
SETTINGS = settings(derandomize=True, max_examples=60, deadline=None)

each_format = pytest.mark.parametrize("format", FORMATS, ids=["raw", "zvc"])
each_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=str)
each_size = pytest.mark.parametrize("size", [1, 2, 4])


@st.composite
def words(draw, size, most=400):
    """Return arrays of unsigned words in runs of zeros and of anything."""
    runs = draw(st.lists(st.tuples(st.booleans(), st.integers(0, 140)), max_size=8))
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    density = draw(st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0]))
    parts = []
    for zero, length in runs:
        run = rng.integers(1, 256**size, length, dtype=np.uint64)
        parts.append(run * ((rng.random(length) < density) & (not zero)))
    array = np.concatenate(parts) if parts else np.zeros(0)
    return array[:most].astype(f"<u{size}")


@each_format
@each_dtype
@SETTINGS
@given(data=st.data())
def test_round_trip(format, dtype, data):
    bits = data.draw(words(dtype.itemsize))
    array = (bits != 0 if dtype.kind == "b" else bits).view(dtype)
    encoded = format.encode(array)
    assert isinstance(encoded, bytes)
    assert len(encoded) <= format.bound(array.nbytes, dtype.itemsize)
    decoded = format.decode(encoded, dtype=dtype, count=array.size)
    assert decoded.dtype == dtype
    assert decoded.shape == (array.size,)
    assert decoded.tobytes() == array.tobytes()  # comparison of numbers would miss -0.0 and NaN
    assert decoded.flags.writeable


@each_format
@pytest.mark.parametrize("dtype", ["u1", "f2", "f4"])
def test_any_layout(format, dtype):
    values = np.random.default_rng(1).integers(0, 3, (6, 5, 8)).astype(dtype)
    expected = format.encode(values.reshape(-1))
    locked = values.copy()
    locked.flags.writeable = False
    wide = np.zeros((6, 10, 8), dtype)
    wide[:, ::2] = values
    flipped = np.ascontiguousarray(values[::-1])[::-1]
    swapped = values.astype(values.dtype.newbyteorder(">"))
    for array in (values, np.asfortranarray(values), locked, wide[:, ::2], flipped, swapped):
        assert format.encode(array) == expected
    assert format.encode(values.T) == format.encode(values.T.copy().reshape(-1))


@each_format
def test_shapes_without_axes_and_elements(format):
    assert format.encode(np.array(2.0, "f4")) == format.encode(np.array([2.0], "f4"))
    assert format.encode(np.float32(2.0)) == format.encode(np.array([2.0], "f4"))
    for shape in ((0,), (3, 0, 2)):
        assert format.encode(np.zeros(shape, "f4")) == b""
    assert format.decode(b"", dtype="f4", count=0).shape == (0,)


def test_big_endian_values_are_stored_little_endian():
    array = np.array([0, 0x1234], ">u2")
    assert raw.encode(array).hex() == "00003412"
    assert zvc.encode(array).hex() == "02000000000000003412"
    decoded = zvc.decode(zvc.encode(array), dtype=">u2", count=2)
    assert decoded.dtype == np.dtype(">u2")
    assert decoded.tolist() == [0, 0x1234]


def test_bits_decide_what_is_zero():
    special = np.array([0x80000000, 0x7FC00001, 0xFF800001, 1, 0], "<u4")
    encoded = zvc.encode(special.view("<f4"))
    assert encoded == b"\x0f\0\0\0" + special[:4].tobytes()
    assert zvc.decode(encoded, dtype="<f4", count=5).tobytes() == special.tobytes()


@each_size
@pytest.mark.parametrize("nbytes", [0, 4, 124, 128, 132, 1280, 1300])
def test_bound_is_what_dense_data_need(size, nbytes):
    dense = np.full(nbytes // size, 7, f"u{size}")
    assert len(zvc.encode(dense)) == zvc.bound(nbytes, size)
    assert len(raw.encode(dense)) == raw.bound(nbytes, size) == nbytes


def test_bound_values():
    assert [zvc.bound(1280, size) for size in (1, 2, 4)] == [1280 + 160, 1280 + 80, 1280 + 40]
    assert zvc.bound(129, 1) == 129 + 32


@each_size
def test_length_depends_on_groups_and_nonzeros_only(size):
    rng = np.random.default_rng(size)
    for count in (1, 127, 128, 129, 1000):
        array = (rng.integers(1, 200, count) * (rng.random(count) < 0.4)).astype(f"u{size}")
        groups = -(-array.nbytes // 128)
        assert len(zvc.encode(array)) == groups * 16 // size + size * np.count_nonzero(array)


@each_size
@SETTINGS
@given(data=st.data())
def test_canonical(size, data):
    """What decodes at all is what the encoder makes of the result."""
    encoded = bytearray(zvc.encode(data.draw(words(size, most=140))))
    count = data.draw(st.integers(0, 140))
    if encoded:
        for at in data.draw(st.lists(st.integers(0, len(encoded) - 1), max_size=2)):
            encoded[at] = data.draw(st.sampled_from([0, 1, 128, 255]))
    try:
        array = zvc.decode(encoded, dtype=f"u{size}", count=count)
    except FormatError:
        return
    assert zvc.encode(array) == encoded


@pytest.mark.parametrize("wrap", [bytes, bytearray, memoryview, lambda b: np.frombuffer(b, "u1")])
@each_format
def test_any_buffer(format, wrap):
    array = np.arange(50, dtype="u2") % 3
    buffer = wrap(format.encode(array))
    assert (format.decode(buffer, dtype="u2", count=50) == array).all()


@each_format
def test_buffer_with_strides(format):
    array = np.arange(50, dtype="u2") % 3
    encoded = np.frombuffer(format.encode(array), "u1")
    spread = np.repeat(encoded, 2)[::2]
    assert (format.decode(spread, dtype="u2", count=50) == array).all()


@each_format
def test_buffer_wrong(format):
    message = "^Encoded data must be .* or a uint8 array, not "
    with pytest.raises(TypeError, match=message + "str$"):
        format.decode("00", dtype="u1", count=1)
    with pytest.raises(TypeError, match=message + "ndarray of format 'f'$"):
        format.decode(np.zeros(1, "f4"), dtype="f4", count=1)


@each_format
def test_dtype_wrong(format):
    message = r"^Elements must have 1, 2 or 4 bytes, not 8 \(float64\); convert the array, for "
    with pytest.raises(ValueError, match=message + "example to float32, or view it as uint32$"):
        format.encode(np.zeros(3))
    for dtype in ("f8", "u8", "c8"):
        with pytest.raises(ValueError, match=r"^Elements must have 1, 2 or 4 bytes, not 8 "):
            format.decode(b"", dtype=dtype, count=0)
    for dtype in (object, "u2,u2", "V4", "S4", "M8[s]"):
        with pytest.raises(TypeError, match=r"^Elements must be plain numbers, not "):
            format.encode(np.zeros(3, dtype))


@each_format
def test_count_wrong(format):
    with pytest.raises(ValueError, match=r"^Count must not be negative, not -1$"):
        format.decode(b"", dtype="u1", count=-1)
    for count in (1.0, "1", None):
        with pytest.raises(TypeError, match=rf"^Count must be an integer, not {count!r}$"):
            format.decode(b"", dtype="u1", count=count)
    assert format.decode(b"", dtype="u1", count=np.int64(0)).size == 0


@each_format
def test_bound_wrong(format):
    with pytest.raises(ValueError, match=r"^Element size must be 1, 2 or 4 bytes, not 8$"):
        format.bound(64, 8)
    for nbytes in (-4, 6):
        message = rf"^Raw length must be a multiple of 4 bytes, not {nbytes}$"
        with pytest.raises(ValueError, match=message):
            format.bound(nbytes, 4)


@pytest.mark.parametrize(
    ("format", "encoded", "count", "message"),
    [
        (raw, "01", 2, "length mismatch: 1 bytes are stored; there must be 8, the raw length"),
        (
            zvc,
            "00000000 0100",
            33,
            "truncated: the data end at byte 6, inside the mask of group 1; at least 6 more must "
            "follow",
        ),
        (
            zvc,
            "03000000 01000000",
            32,
            "truncated: the data end at byte 8, inside the elements of group 0; at least 4 more "
            "must follow",
        ),
        (zvc, "00000000 00", 1, "trailing: the encoding ends at byte 4, but 1 more follow it"),
        (
            zvc,
            "00000000 80000000 00000000",
            64,
            "non-canonical: the element stored at byte 8, in group 1, is zero; a zero must not be "
            "stored, only its mask bit be 0",
        ),
        (
            zvc,
            "00020000 01000000",
            9,
            "padding: the mask of group 0 has a bit behind the last element set in byte 1; its "
            "bits 9 to 31 must be 0",
        ),
    ],
)
def test_messages(format, encoded, count, message):
    with pytest.raises(FormatError) as caught:
        format.decode(bytes.fromhex(encoded), dtype="u4", count=count)
    assert str(caught.value) == message


def test_mask_is_not_followed_behind_a_truncation():
    """A large announced length costs neither time nor memory."""
    with pytest.raises(FormatError) as caught:
        zvc.decode(bytes(40), dtype="u4", count=2**60)
    assert caught.value.code is ErrorCode.TRUNCATED
    assert (caught.value.position, caught.value.valid) == (40, 1280)


def test_error_survives_pickling():
    error = FormatError("trailing: one byte", ErrorCode.TRAILING, 4, 128)
    copy = pickle.loads(pickle.dumps(error))
    assert isinstance(copy, ValueError)
    assert (str(copy), copy.code, copy.position, copy.valid) == (
        "trailing: one byte",
        ErrorCode.TRAILING,
        4,
        128,
    )
