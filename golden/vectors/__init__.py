# SPDX-License-Identifier: Apache-2.0
"""Frozen encodings, which every version of every decoder must go on to understand.

``docs/format.md`` describes the layout of the files.
"""

import json
from dataclasses import dataclass
from importlib import resources

from opencdma.spec import ErrorCode, FormatId


@dataclass(frozen=True)
class GoodVector:
    """An array and its encoding.

    Parameters
    ----------
    name : :class:`str`
        What it is about; unique within a file.
    format : :class:`~opencdma.spec.FormatId`
        Wire format.
    element_size : :class:`int`
        Bytes per element.
    raw : :class:`bytes`
        The elements, little endian.
    encoded : :class:`bytes`
        Their encoding.
    """

    name: str
    format: FormatId
    element_size: int
    raw: bytes
    encoded: bytes


@dataclass(frozen=True)
class MalformedVector:
    """Data that no encoder makes, and what a decoder says about them.

    Parameters
    ----------
    name : :class:`str`
        What it is about; unique within a file.
    format : :class:`~opencdma.spec.FormatId`
        Wire format.
    element_size : :class:`int`
        Bytes per element.
    raw_length : :class:`int`
        Announced length of the raw data in bytes.
    encoded : :class:`bytes`
        The malformed data.
    error : :class:`~opencdma.spec.ErrorCode`
        Class of the error.
    position : :class:`int`
        Offset in ``encoded`` of the offending byte.
    valid : :class:`int`
        Bytes of raw data that are good nevertheless.
    """

    name: str
    format: FormatId
    element_size: int
    raw_length: int
    encoded: bytes
    error: ErrorCode
    position: int
    valid: int


def load(name: str) -> list[GoodVector | MalformedVector]:
    """Return the vectors of a format, the good ones first.

    Parameters
    ----------
    name : :class:`str`
        Name of the format in lower case.

    Raises
    ------
    FileNotFoundError
        If there are no vectors of this name.
    """
    content = json.loads(resources.files(__package__).joinpath(f"{name}.json").read_text("utf-8"))
    vectors = [_good(entry) for entry in content["good"]]
    return vectors + [_malformed(entry) for entry in content["malformed"]]


def _good(entry: dict) -> GoodVector:
    raw, encoded = bytes.fromhex(entry["raw"]), bytes.fromhex(entry["encoded"])
    format = FormatId(entry["format"])
    return GoodVector(**entry | {"format": format, "raw": raw, "encoded": encoded})


def _malformed(entry: dict) -> MalformedVector:
    encoded = bytes.fromhex(entry["encoded"])
    format, error = FormatId(entry["format"]), ErrorCode[entry["error"]]
    return MalformedVector(**entry | {"format": format, "encoded": encoded, "error": error})
