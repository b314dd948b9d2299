# SPDX-License-Identifier: Apache-2.0
"""The model of the hardware codec."""

import dataclasses
import random

import numpy as np
import pytest

from opencdma.golden import formats
from opencdma.golden.transfer import Command, Result, run
from opencdma.golden.vectors import GoodVector, load
from opencdma.spec import MAX_RAW_LENGTH, Direction, ElementType, ErrorCode, FormatId, Status

COMPRESS, DECOMPRESS = Direction
RAW, ZVC = FormatId
TYPES = {1: ElementType.U8, 2: ElementType.BF16, 4: ElementType.FP32}
VECTORS = [*load("raw"), *load("zvc")]


def refused(data, status, code=ErrorCode.NONE):
    return Result(b"", status, code, 0, len(data), 0, 0)


def nonzeros(raw, size):
    return sum(any(raw[at : at + size]) for at in range(0, len(raw), size))


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: f"{v.format.name}-{v.name}")
def test_vectors(vector):
    size = vector.element_size
    fields = vector.format, TYPES[size]
    if isinstance(vector, GoodVector):
        raw, encoded = vector.raw, vector.encoded
        count = nonzeros(raw, size)
        ok = Status.OK, ErrorCode.NONE, 0
        assert run(Command(COMPRESS, *fields, len(raw)), raw) == Result(
            encoded, *ok, len(raw), len(encoded), count
        )
        assert run(Command(DECOMPRESS, *fields, len(raw)), encoded) == Result(
            raw, *ok, len(encoded), len(raw), count
        )
    else:
        result = run(Command(DECOMPRESS, *fields, vector.raw_length), vector.encoded)
        assert result.status is Status.DATA_ERROR
        assert (result.error_code, result.position) == (vector.error, vector.position)
        assert len(result.output) == result.bytes_out == vector.valid
        assert result.bytes_in == len(vector.encoded)
        assert result.nonzeros == nonzeros(result.output, size)


@pytest.mark.parametrize("element_type", ElementType)
def test_every_element_type(element_type):
    raw = np.array([0, 0, 1, 2, 0, 0, 0, 0x80], "u1").tobytes()
    result = run(Command(COMPRESS, ZVC, element_type, 8), raw)
    assert result.status is Status.OK
    assert result.nonzeros == nonzeros(raw, element_type.size)
    back = run(Command(DECOMPRESS, ZVC, element_type, 8), result.output)
    assert back.output == raw


def test_output_in_front_of_an_error_is_good():
    raw = random.Random(1).randbytes(512)
    encoded = run(Command(COMPRESS, ZVC, ElementType.FP32, 512), raw).output
    result = run(Command(DECOMPRESS, ZVC, ElementType.FP32, 512), encoded[:-1])
    assert result.output == raw[:384]
    trailing = run(Command(DECOMPRESS, ZVC, ElementType.FP32, 512), encoded + b"\0")
    assert trailing.error_code is ErrorCode.TRAILING
    assert trailing.output == raw


@pytest.mark.parametrize("format", FormatId)
@pytest.mark.parametrize(
    ("given", "used", "position"), [(10, 8, 10), (0, 0, 0), (13, 12, 12), (17, 12, 12)]
)
def test_compress_length_mismatch(format, given, used, position):
    data = bytes(range(1, given + 1))
    encoded = formats.get(format).encode(np.frombuffer(data[:used], "<u4"))
    assert run(Command(COMPRESS, format, ElementType.U32, 12), data) == Result(
        encoded,
        Status.DATA_ERROR,
        ErrorCode.LENGTH_MISMATCH,
        position,
        given,
        len(encoded),
        used // 4,
    )


@pytest.mark.parametrize("direction", Direction)
@pytest.mark.parametrize("format", FormatId)
def test_framing_error(direction, format):
    command = Command(direction, format, ElementType.U8, 3)
    data = b"\1\2\3"
    if direction == DECOMPRESS:
        data = formats.get(format).encode(np.frombuffer(data, "u1"))
    good = run(command, data)
    assert good.status is Status.OK
    framed = run(command, data, framing_error=True)
    assert (framed.status, framed.error_code) == (Status.DATA_ERROR, ErrorCode.FRAMING)
    assert framed.position == len(data)
    changed = {"status": good.status, "error_code": good.error_code, "position": 0}
    assert dataclasses.replace(framed, **changed) == good


@pytest.mark.parametrize("direction", Direction)
def test_framing_error_ranks_last(direction):
    for command in (
        Command(direction, ZVC, ElementType.U8, 300),
        Command(direction, ZVC, ElementType.U8, 300, reserved=1),
    ):
        result = run(command, b"\1\2\3")
        assert result.status is not Status.OK
        assert run(command, b"\1\2\3", framing_error=True) == result


@pytest.mark.parametrize("direction", Direction)
@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ((ZVC, 2, 8, 1), Status.RESERVED_NONZERO, ErrorCode.NONE),
        ((9, 3, 7, 1), Status.RESERVED_NONZERO, ErrorCode.NONE),
        ((ZVC, 2, 6), Status.BAD_LENGTH, ErrorCode.NONE),
        ((ZVC, 1, 7), Status.BAD_LENGTH, ErrorCode.NONE),
        ((ZVC, 3, 12), Status.BAD_LENGTH, ErrorCode.NONE),
        ((ZVC, 7, 4), Status.BAD_LENGTH, ErrorCode.NONE),
        ((9, 2, 6), Status.BAD_LENGTH, ErrorCode.NONE),
        ((ZVC, 0, MAX_RAW_LENGTH + 1), Status.BAD_LENGTH, ErrorCode.NONE),
        ((ZVC, 2, 0xFFFFFFFC), Status.BAD_LENGTH, ErrorCode.NONE),
        ((2, 2, 8), Status.BAD_CODEC, ErrorCode.NONE),
        ((255, 15, 8), Status.BAD_CODEC, ErrorCode.NONE),
        ((ZVC, 3, 8), Status.BAD_CODEC, ErrorCode.ELEMENT_TYPE),
        ((ZVC, 10, 8), Status.BAD_CODEC, ErrorCode.ELEMENT_TYPE),
        ((RAW, 15, 8), Status.BAD_CODEC, ErrorCode.ELEMENT_TYPE),
    ],
)
def test_refused(direction, fields, status, code):
    data = bytes(8)
    assert run(Command(direction, *fields), data) == refused(data, status, code)


@pytest.mark.parametrize("format", FormatId)
def test_element_size_left_out(format):
    command = Command(COMPRESS, format, ElementType.BF16, 4)
    assert run(command, bytes(4), element_sizes=(2,)).status is Status.OK
    assert run(command, bytes(4), element_sizes=(1, 4)) == refused(
        bytes(4), Status.BAD_CODEC, ErrorCode.ELEMENT_TYPE
    )


def test_longest_length_is_accepted():
    length = MAX_RAW_LENGTH // 4 * 4
    for command in (
        Command(DECOMPRESS, ZVC, ElementType.FP32, length),
        Command(COMPRESS, RAW, ElementType.U8, MAX_RAW_LENGTH),
    ):
        assert run(command, b"\1").status is Status.DATA_ERROR


def test_command_wrong():
    with pytest.raises(ValueError, match=r"^2 is not a valid Direction$"):
        Command(2, ZVC, 0, 0)
    message = r"^Command field 'raw_length' must not be negative, not -4$"
    with pytest.raises(ValueError, match=message):
        Command(COMPRESS, ZVC, ElementType.U32, -4)
