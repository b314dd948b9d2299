# SPDX-License-Identifier: Apache-2.0
"""Frozen vectors and the golden formats against a codec that reads one byte after the other.

The naive codec below was written from ``docs/format.md`` and shares nothing with the golden one.
"""

import hashlib
import random
from importlib import resources

import numpy as np
import pytest

from opencdma.golden import formats
from opencdma.golden.errors import FormatError
from opencdma.golden.vectors import GoodVector, MalformedVector, load
from opencdma.spec import ErrorCode, FormatId

# A bitstream is an API: what these files say holds for ever. A new format gets a new file;
# changing one of these hashes breaks every stream that anybody has stored.
SHA256 = {
    "raw": "b5e0a32da41ecda1059424064e7e88b3c3347a7f61622d1cf9e539001415df41",
    "zvc": "f00d40c86b4cf60584547b52e1f5d77a989d7fce3fd225054c671641ae41dc48",
}
VECTORS = [vector for name in SHA256 for vector in load(name)]
GOOD = [vector for vector in VECTORS if isinstance(vector, GoodVector)]
MALFORMED = [vector for vector in VECTORS if isinstance(vector, MalformedVector)]


def naive_encode(format, size, raw):
    if format == FormatId.RAW:
        return raw
    encoded = []
    for group in range(0, len(raw), 128):
        mask = [0] * (16 // size)
        stored = []
        for index, start in enumerate(range(group, min(group + 128, len(raw)), size)):
            element = raw[start : start + size]
            if any(element):
                mask[index // 8] += 2 ** (index % 8)
                stored += element
        encoded += mask + stored
    return bytes(encoded)


def naive_decode(format, size, raw_length, encoded):
    """Return the good raw bytes, and the class and position of the error, if there is one."""
    if format == FormatId.RAW:
        if len(encoded) < raw_length:
            whole = len(encoded) - len(encoded) % 128
            return encoded[:whole], (ErrorCode.LENGTH_MISMATCH, len(encoded))
        if len(encoded) > raw_length:
            return encoded[:raw_length], (ErrorCode.LENGTH_MISMATCH, raw_length)
        return encoded, None
    raw = b""
    at = 0
    while len(raw) < raw_length:
        elements = min(128, raw_length - len(raw)) // size
        marked = []
        for byte in range(16 // size):
            if at == len(encoded):
                return raw, (ErrorCode.TRUNCATED, at)
            for bit in range(8):
                if encoded[at] & 2**bit:
                    if 8 * byte + bit >= elements:
                        return raw, (ErrorCode.PADDING, at)
                    marked.append(8 * byte + bit)
            at += 1
        group = [bytes(size)] * elements
        for index in marked:
            if len(encoded) - at < size:
                return raw, (ErrorCode.TRUNCATED, len(encoded))
            group[index] = encoded[at : at + size]
            if not any(group[index]):
                return raw, (ErrorCode.NON_CANONICAL, at)
            at += size
        raw += b"".join(group)
    if at < len(encoded):
        return raw, (ErrorCode.TRAILING, at)
    return raw, None


def golden_encode(format, size, raw):
    return formats.get(format).encode(np.frombuffer(raw, f"<u{size}"))


def golden_decode(format, size, raw_length, encoded):
    array, error = formats.get(format).decode_partial(
        encoded, dtype=f"<u{size}", count=raw_length // size
    )
    if error is not None:
        assert error.valid == array.nbytes
        error = error.code, error.position
    return array.tobytes(), error


def name_of(vector):
    return f"{vector.format.name}-{vector.name}"


@pytest.mark.parametrize("name", SHA256)
def test_files_are_frozen(name):
    content = resources.files("opencdma.golden.vectors").joinpath(f"{name}.json").read_bytes()
    assert hashlib.sha256(content).hexdigest() == SHA256[name]


def test_cover_every_format_size_and_error():
    assert {format.name for format in formats.available()} == set(SHA256)
    sizes = (1, 2, 4)
    assert {(v.format, v.element_size) for v in GOOD} == {(f, s) for f in FormatId for s in sizes}
    zvc = {"PADDING", "TRUNCATED", "NON_CANONICAL", "TRAILING"}
    errors = {(FormatId.ZVC, s, ErrorCode[e]) for s in sizes for e in zvc}
    errors |= {(FormatId.RAW, s, ErrorCode.LENGTH_MISMATCH) for s in sizes}
    assert {(v.format, v.element_size, v.error) for v in MALFORMED} == errors


def test_names_are_unique():
    for vectors in (GOOD, MALFORMED):
        assert len({(vector.format, vector.name) for vector in vectors}) == len(vectors)


def test_unknown_file():
    with pytest.raises(FileNotFoundError):
        load("huffman")


@pytest.mark.parametrize("encode", [naive_encode, golden_encode])
@pytest.mark.parametrize("vector", GOOD, ids=name_of)
def test_encodes(vector, encode):
    assert encode(vector.format, vector.element_size, vector.raw) == vector.encoded


@pytest.mark.parametrize("decode", [naive_decode, golden_decode])
@pytest.mark.parametrize("vector", GOOD, ids=name_of)
def test_decodes(vector, decode):
    raw, error = decode(vector.format, vector.element_size, len(vector.raw), vector.encoded)
    assert error is None
    assert raw == vector.raw


@pytest.mark.parametrize("decode", [naive_decode, golden_decode])
@pytest.mark.parametrize("vector", MALFORMED, ids=name_of)
def test_refuses(vector, decode):
    raw, error = decode(vector.format, vector.element_size, vector.raw_length, vector.encoded)
    assert error == (vector.error, vector.position)
    assert len(raw) == vector.valid


@pytest.mark.parametrize("vector", MALFORMED, ids=name_of)
def test_raises(vector):
    count = vector.raw_length // vector.element_size
    with pytest.raises(FormatError) as caught:
        formats.get(vector.format).decode(
            vector.encoded, dtype=f"u{vector.element_size}", count=count
        )
    error = caught.value
    assert (error.code, error.position) == (vector.error, vector.position)
    assert error.valid == vector.valid


def mutate(rng, data):
    """Return ``data`` with one to three small changes."""
    data = bytearray(data)
    for _ in range(rng.randint(1, 3)):
        at = rng.randint(0, len(data))
        match rng.randrange(6):
            case 0:
                del data[at:]
            case 1:
                del data[at : at + rng.randint(1, 4)]
            case 2:
                data[at:at] = rng.choices((0, 0, 1, 128, 255), k=rng.randint(1, 4))
            case 3:
                data[at : at + 4] = bytes(4)
            case 4 if at < len(data):
                data[at] ^= 1 << rng.randrange(8)
            case _ if at < len(data):
                data[at] = rng.choice((0, 1, 128, 255))
    return bytes(data)


@pytest.mark.parametrize("size", [1, 2, 4])
def test_agrees_on_mutations(size):
    rng = random.Random(size)
    vectors = [vector for vector in GOOD if vector.element_size == size]
    seen = set()
    for _ in range(4000):
        vector = rng.choice(vectors)
        length = len(vector.raw)
        if rng.random() < 0.2:
            length = max(0, length + size * rng.randint(-40, 40))
        case = vector.format, size, length, mutate(rng, vector.encoded)
        expected = naive_decode(*case)
        assert golden_decode(*case) == expected, case
        seen.add(expected[1] and expected[1][0])
    assert len(seen) == 6  # every class of errors, and none


@pytest.mark.parametrize("size", [1, 2, 4])
def test_agrees_on_random_bytes(size):
    rng = random.Random(100 + size)
    seen = set()
    for _ in range(4000):
        # Sparse bits, so that groups are short and masks and elements run into each other.
        data = bytes(
            rng.getrandbits(8) & rng.getrandbits(8) & rng.getrandbits(8)
            for _ in range(rng.randrange(200))
        )
        case = FormatId.ZVC, size, size * rng.randrange(600 // size), data
        expected = naive_decode(*case)
        assert golden_decode(*case) == expected, case
        seen.add(expected[1] and expected[1][0])
    assert {ErrorCode.TRUNCATED, ErrorCode.PADDING, ErrorCode.NON_CANONICAL} <= seen
