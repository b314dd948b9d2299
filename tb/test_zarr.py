# SPDX-License-Identifier: Apache-2.0
"""The codec for numcodecs and zarr."""

import importlib
import sys
from importlib.metadata import entry_points

import numcodecs
import numpy as np
import pytest

from opencdma.golden import zvc
from opencdma.golden.errors import FormatError
from opencdma.golden.formats import UnknownFormatError
from opencdma.golden.zarr import OpenCDMA


def relu(count, dtype="f4", seed=1):
    return np.maximum(np.random.default_rng(seed).standard_normal(count), 0).astype(dtype)


@pytest.mark.parametrize("format", [0, 1])
@pytest.mark.parametrize(("dtype", "size"), [("f4", 4), ("f2", 2), (">f2", 2), ("f8", 4)])
def test_round_trip(format, dtype, size):
    array = relu(1000, dtype).reshape(10, 100)
    codec = OpenCDMA(format=format, element_size=size)
    decoded = codec.decode(codec.encode(array))
    assert decoded.tobytes() == array.tobytes()


def test_layout():
    array = relu(333)
    encoded = OpenCDMA().encode(array)
    assert encoded == (4 * 333).to_bytes(8, "little") + zvc.encode(array)


@pytest.mark.parametrize("empty", [b"", np.zeros((0, 3), "f4")])
def test_empty(empty):
    assert OpenCDMA().encode(empty) == bytes(8)
    assert OpenCDMA().decode(bytes(8)).size == 0


@pytest.mark.parametrize("wrap", [bytes, bytearray, memoryview])
def test_any_buffer(wrap):
    array = relu(100)
    encoded = OpenCDMA().encode(wrap(array.tobytes()))
    assert OpenCDMA().decode(wrap(encoded)).tobytes() == array.tobytes()


def test_out():
    array = relu(100)
    encoded = OpenCDMA().encode(array)
    out = np.full(100, np.nan, "f4")
    assert OpenCDMA().decode(encoded, out=out) is out
    assert out.tobytes() == array.tobytes()
    room = bytearray(400)
    OpenCDMA().decode(encoded, out=room)
    assert room == array.tobytes()


@pytest.mark.parametrize("room", [396, 404, 0])
def test_out_wrong(room):
    message = rf"^Output must have room for 400 bytes, not for {room}$"
    with pytest.raises(ValueError, match=message):
        OpenCDMA().decode(OpenCDMA().encode(relu(100)), out=bytearray(room))


def test_length_wrong():
    message = (
        r"^Raw length must be a multiple of the element size of 4 bytes, not 7; "
        r"set element_size to the size of the array's elements$"
    )
    with pytest.raises(ValueError, match=message):
        OpenCDMA().encode(bytes(7))
    with pytest.raises(ValueError, match=message):
        OpenCDMA().decode(bytes([7]) + bytes(7))
    assert OpenCDMA(element_size=1).encode(bytes(7))


def test_raw_length_missing():
    message = r"^Encoded data must begin with 8 bytes of raw length, but there are only 5$"
    with pytest.raises(ValueError, match=message):
        OpenCDMA().decode(bytes(5))


def test_malformed():
    with pytest.raises(FormatError, match=r"^truncated: "):
        OpenCDMA().decode(OpenCDMA().encode(relu(100))[:-1])
    with pytest.raises(FormatError, match=r"^length mismatch: "):
        OpenCDMA(format=0).decode(b"\xf0" * 16)


def test_configuration():
    codec = OpenCDMA(format="zvc", element_size=np.int64(2))
    config = codec.get_config()
    assert config == {"id": "opencdma", "format": 1, "element_size": 2}
    assert [type(config[key]) for key in ("format", "element_size")] == [int, int]
    del config["id"]
    assert OpenCDMA.from_config(config) == codec
    assert OpenCDMA().get_config() == {"id": "opencdma", "format": 1, "element_size": 4}
    assert OpenCDMA("raw") != OpenCDMA("zvc")


def test_configuration_wrong():
    with pytest.raises(UnknownFormatError, match=r"not 'lz4'$"):
        OpenCDMA(format="lz4")
    with pytest.raises(ValueError, match=r"^Element size must be 1, 2 or 4 bytes, not 8$"):
        OpenCDMA(element_size=8)


def test_numcodecs_finds_it():
    (entry,) = entry_points(group="numcodecs.codecs", name="opencdma")
    assert entry.load() is OpenCDMA
    codec = numcodecs.get_codec({"id": "opencdma", "format": "raw", "element_size": 2})
    assert codec == OpenCDMA(format=0, element_size=2)


def test_import_without_numcodecs(monkeypatch):
    for name in ("numcodecs", "numcodecs.abc", "numcodecs.compat"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, "opencdma.golden.zarr")
    with pytest.raises(ImportError, match=r"pip install 'opencdma\[zarr\]'$"):
        importlib.import_module("opencdma.golden.zarr")
