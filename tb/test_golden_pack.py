# SPDX-License-Identifier: Apache-2.0
"""PACK: round trips, worked examples, size, canonical form, every mistake that can be made."""

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opencdma.golden import pack
from opencdma.golden.bits import BitReader, to_bits, to_bytes, to_numbers
from opencdma.golden.errors import FormatError
from opencdma.golden.pack_layout import SUPERBLOCK
from opencdma.spec import ErrorCode

TYPES = [
    np.dtype(dtype)
    for dtype in (
        *("?", "u1", "i1", "<u2", ">u2", "<i2", "<u4", ">u4", "<i4"),
        *("<f2", ">f2", "<f4", ">f4", ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn,
          ml_dtypes.float8_e5m2),
    )
]
# The same examples in every run.
SETTINGS = settings(derandomize=True, max_examples=40, deadline=None)

each_type = pytest.mark.parametrize("dtype", TYPES, ids=str)


@st.composite
def arrays(draw, dtype, most=3 * SUPERBLOCK):
    """Return arrays whose stretches differ in density, range and signs."""
    size = dtype.itemsize
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    parts = [np.zeros(0, f"<u{size}")]
    for _ in range(draw(st.integers(0, 12))):
        count = draw(st.integers(1, 300))
        density = draw(st.sampled_from([0.0, 0.03, 0.3, 0.6, 0.97, 1.0]))
        low = draw(st.integers(0, 8 * size))
        high = draw(st.integers(low, 8 * size))
        exponents = rng.integers(low, high + 1, count)
        words = rng.integers(0, 256**size, count, dtype=np.uint64) >> exponents.astype("u8")
        parts.append((words * (rng.random(count) < density)).astype(f"<u{size}"))
    words = np.concatenate(parts)[:most]
    return (words != 0 if dtype.kind == "b" else words).view(dtype)


@each_type
@SETTINGS
@given(data=st.data())
def test_round_trip(dtype, data):
    array = data.draw(arrays(dtype))
    encoded = pack.encode(array)
    assert isinstance(encoded, bytes)
    assert len(encoded) <= pack.bound(array.nbytes, dtype.itemsize)
    decoded = pack.decode(encoded, dtype=dtype, count=array.size)
    assert decoded.dtype == dtype
    assert decoded.tobytes() == array.tobytes()
    assert decoded.flags.writeable


@each_type
def test_corners(dtype):
    size = dtype.itemsize
    specials = [0, 1, 256**size - 1, 256**size // 2, 256**size // 2 + 1, 3 << 8 * size - 4]
    rng = np.random.default_rng(5)
    for count in (0, 1, 2, 31, 32, 33, 511, 512, 513, 1024, 1025):
        for words in (
            np.zeros(count), *(np.full(count, special) for special in specials),
            rng.choice(specials, count), np.arange(count) % 2, np.arange(count) % 5 == 0,
        ):
            words = words.astype(f"<u{size}")
            array = (words != 0 if dtype.kind == "b" else words).view(dtype)
            encoded = pack.encode(array)
            assert len(encoded) <= pack.bound(array.nbytes, size)
            assert pack.decode(encoded, dtype=dtype, count=count).tobytes() == array.tobytes()


def hand(*fields: tuple[int, int]) -> bytes:
    """Return numbers with so many bits, as bytes."""
    return to_bytes(*(to_bits(value, width) for value, width in fields))


def test_only_zeros():
    for count in (1, 32, 512):
        assert pack.encode(np.zeros(count, "f4")) == bytes(4)
    assert pack.encode(np.zeros(513, "u1")) == bytes(8)


def test_example_of_floats():
    array = np.array([0, 1, -0.0, 0, 2.5, 0, 0, np.nan], "<f4")
    # Nonzero are 1, 2, 4 and 7: changes are at 1, 3, 4, 5, 7 and 8, in three nibbles. Exponents
    # are 127, 0, 128 and 255.
    header = hand(
        (2, 32), (0b111, 8), (0b1010, 4), (0b1011, 4), (0b0001, 4),
        (255, 8), (0, 4), (8, 4), (0, 3), (1, 1), (1, 1))
    distances = hand((128, 8), (0, 1), (255, 8), (1, 1), (127, 8), (0, 1), (0, 8), (0, 1))
    rests = hand((0, 23), (0, 23), (0x200000, 23), (0x400000, 23))
    assert pack.encode(array) == header + distances + rests


def test_example_of_bytes():
    array = np.zeros(70, "u1")
    array[:32] = 5
    array[2:4] = 7
    array[64:68] = 1
    array[69] = 130
    # Group 0 is full, group 1 empty; of group 2 elements 0 to 3 and 5 are nonzero.
    header = hand(
        (0b10_00_01, 32), (0b11, 8), (0b0001, 4), (0b0111, 4),
        (130, 8), (7, 4), (8, 4), (3, 3), (0, 1),
        (123, 7), (6, 3), (0, 7), (0, 3))
    distances = hand(*((0 if at in (2, 3) else 2, 2) for at in range(32)),
                     *((129, 8),) * 4, (0, 8))
    assert pack.encode(array) == header + distances


def test_example_of_masks():
    dense = np.ones(512, "u2")
    # All is full, a single key, no signs: of the elements only the lower bytes are left.
    assert pack.encode(dense) == hand((0x55555555, 32), (0, 20)) + b"\1" * 512
    every_other = np.arange(32, dtype="u1") % 2
    plain = hand((3, 32), (0xAAAAAAAA, 32), (1, 8), (0, 12))
    assert pack.encode(every_other) == plain


@each_type
@SETTINGS
@given(data=st.data())
def test_canonical(dtype, data):
    """What decodes at all is what the encoder makes of the result."""
    array = data.draw(arrays(dtype, most=SUPERBLOCK + 40))
    encoded = bytearray(pack.encode(array))
    count = data.draw(st.sampled_from([array.size, array.size, array.size + 1, 33]))
    for _ in range(data.draw(st.integers(0, 2)) if encoded else 0):
        at = data.draw(st.one_of(
            st.integers(0, min(12, len(encoded) - 1)), st.integers(0, len(encoded) - 1)))
        encoded[at] ^= 1 << data.draw(st.integers(0, 7))
    decoded, error = pack.decode_partial(encoded, dtype=dtype, count=count)
    if dtype.kind == "b":
        return # whose other values are not kept
    again = pack.encode(decoded)
    if error is None:
        assert decoded.size == count
        assert again == encoded
    else:
        assert decoded.nbytes == error.valid
        assert decoded.size % SUPERBLOCK == 0 or decoded.size == count
        assert encoded.startswith(again)
        assert error.position in (len(again), len(encoded))


@pytest.mark.parametrize("dtype", ["u1", "f2", "f4"])
def test_any_layout(dtype):
    values = np.random.default_rng(1).integers(0, 3, (6, 5, 8)).astype(dtype)
    expected = pack.encode(values.reshape(-1))
    for array in (values, np.asfortranarray(values), np.repeat(values, 2, axis=1)[:, ::2],
                  values.astype(values.dtype.newbyteorder(">"))):
        assert pack.encode(array) == expected


#: A group of bytes, 1 to 8 and zeros, and how it is encoded: 4 bits of each.
GOOD = np.zeros(40, "u1")
GOOD[:8] = np.arange(1, 9)
FIELDS = {
    "kinds": (2, 32), "map": (0b101, 8), "first": (1, 4), "third": (1, 4),
    "top": (8, 8), "drop_bits": (0, 4), "widest": (3, 4), "narrowing_bits": (0, 3),
    "signed": (0, 1), "header_padding": (0, 4),
    "distances": (0b000_001_010_011_100_101_110_111, 24),
}


def changed(**fields) -> bytes:
    """Return the encoding of ``GOOD`` with other fields."""
    assert fields.keys() <= FIELDS.keys()
    return hand(*(fields.get(name, field) for name, field in FIELDS.items()))


def fails(data, dtype="u1", count=40):
    array, error = pack.decode_partial(data, dtype=dtype, count=count)
    assert error is not None
    assert (array.size, error.valid) == (0, 0)
    return error


def test_good():
    assert pack.encode(GOOD) == changed()


@pytest.mark.parametrize(("fields", "code", "what"), [
    ({"kinds": (3, 32), "map": (0xFF, 8), "first": (0, 24), "third": (0, 0)}, "NON_CANONICAL",
     "the mask of group 0 is stored as PLAIN, but has to be RUNS"),
    ({"kinds": (2 << 4, 32)}, "PADDING", "group 2 has elements behind the last"),
    ({"kinds": (2 << 2, 32), "third": (2, 4)}, "PADDING", "group 1 has elements behind the last"),
    ({"kinds": (2 | 1 << 8, 32)}, "PADDING", "group 4 has elements behind the last"),
    ({"map": (0b1001, 8), "third": (1, 4), "first": (0, 4)}, "NON_CANONICAL",
     "the map of group 0 names a nibble that is 0"),
    ({"map": (0, 8), "first": (0, 0), "third": (0, 0), "distances": (0, 0)}, "NON_CANONICAL",
     "the mask of group 0 is stored as RUNS, but has to be EMPTY"),
    ({"map": (1, 8), "third": (0, 0)}, "NON_CANONICAL",
     "the mask of group 0 is stored as RUNS, but has to be FULL"),
    ({"drop_bits": (1, 4), "header_padding": (0, 4)}, "NON_CANONICAL", "every drop has 1 bits"),
    ({"drop_bits": (1, 4), "header_padding": (1, 4)}, "NON_CANONICAL",
     "they go from 1 to 1, and have to begin at 0"),
    ({"narrowing_bits": (1, 3)}, "NON_CANONICAL", "every narrowing has 1 bits"),
    ({"signed": (1, 1)}, "NON_CANONICAL", "it is said that there are signs"),
    ({"signed": (1, 1), "header_padding": (1, 4)}, "NON_CANONICAL", "it is said that there are"),
    ({"header_padding": (8, 4)}, "PADDING", "the bits behind the header have to be 0"),
    ({"widest": (9, 4), "distances": (0, 72)}, "NON_CANONICAL", "up to 9 bits, but a key has 8"),
    ({"distances": (0b111_001_010_011_100_101_110_000, 24), "top": (7, 8)}, "NON_CANONICAL",
     "an element stored in group 0 is zero"),
    ({"distances": (0b111_001_010_011_100_101_110_000, 24), "top": (6, 8)}, "NON_CANONICAL",
     "a key in group 0 is 7 below 6"),
    ({"distances": (0o11234567, 24)}, "NON_CANONICAL", "distances in group 0 are 1 to 7"),
    ({"distances": (0o01230123, 24)}, "NON_CANONICAL", "distances in group 0 are 0 to 3 in 3"),
], ids=str)
def test_mistakes(fields, code, what):
    error = fails(changed(**fields))
    assert error.code is ErrorCode[code]
    assert what in str(error)
    assert error.position == 0


def test_mistakes_of_floats():
    array = np.array([1.5, -3, 0, 0.1], "f2")
    good = bytearray(pack.encode(array))
    assert pack.decode(good, dtype="f2", count=4).tobytes() == array.tobytes()
    error = fails(pack.encode(np.array([200], "u1")), "f2", 1)
    assert "the largest key is 200, but a key has 5 bits" in str(error)


@pytest.mark.parametrize("dtype", ["u1", "f4"])
def test_truncated_everywhere(dtype):
    rng = np.random.default_rng(3)
    array = (rng.integers(1, 200, 700) * (rng.random(700) < 0.5)).astype(dtype)
    encoded = pack.encode(array)
    second = len(pack.encode(array[:SUPERBLOCK]))
    for length in range(len(encoded)):
        decoded, error = pack.decode_partial(encoded[:length], dtype=dtype, count=700)
        assert (error.code, error.position) == (ErrorCode.TRUNCATED, length)
        assert decoded.size == (SUPERBLOCK if length >= second else 0)
        assert error.valid == decoded.nbytes


def test_trailing():
    array, error = pack.decode_partial(changed() + b"\0\0", dtype="u1", count=40)
    assert (array == GOOD).all()
    assert (error.code, error.position, error.valid) == (ErrorCode.TRAILING, len(changed()), 40)
    with pytest.raises(FormatError, match=r"^trailing: the encoding ends at byte 12, but 2 more"):
        pack.decode(changed() + b"\0\0", dtype="u1", count=40)


def test_wrong_arguments():
    with pytest.raises(ValueError, match=r"^Elements must be of one of the types bool, uint8, "):
        pack.encode(np.zeros(3))
    with pytest.raises(ValueError, match=r"^Element size must be 1, 2 or 4 bytes, not 8$"):
        pack.bound(64, 8)
    with pytest.raises(ValueError, match=r"^Count must not be negative, not -1$"):
        pack.decode(b"", dtype="u1", count=-1)


@pytest.mark.parametrize("width", [1, 3, 8, 24])
def test_bits(width):
    values = np.random.default_rng(width).integers(0, 1 << width, 9)
    bits = to_bits(values, width)
    assert bits.shape == (9, width)
    assert (to_numbers(bits) == values).all()
    assert "".join("01"[int(bit)] for bit in bits[0, ::-1]) == f"{values[0]:0{width}b}"
    reader = BitReader(to_bytes(bits))
    assert (reader.take(4, width) == bits[:4]).all()
    wanted = np.zeros(bits.shape, bool)
    wanted[4:6] = True
    assert (reader.fill(wanted) == bits * wanted).all()
    assert reader.position == 6 * width
    with pytest.raises(EOFError, match=r" left$"):
        reader.take(1000)


def test_padding_of_bits():
    reader = BitReader(b"\x81\x00")
    assert reader.take(1).all()
    assert reader.padding()
    assert not reader.padding()
    assert reader.position == 8
