# SPDX-License-Identifier: Apache-2.0
"""What ``docs/format.md`` states in numbers."""

import re
from pathlib import Path

import numpy as np
import pytest

from opencdma.golden import zvc
from opencdma.spec import ElementType, ErrorCode, FormatId

TEXT = Path(__file__).parents[1].joinpath("docs", "format.md").read_text("utf-8")
EXAMPLES = re.findall(r"^```\nelement size  (\d)\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def test_number_of_examples():
    assert len(EXAMPLES) == 7


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_example(example):
    word = np.dtype(f"<u{example[0]}")
    # A line that begins with a space goes on with the field above it.
    lines = re.sub(r"\n +", " ", example[1]).splitlines()
    fields = dict(re.split(r"  +", line, maxsplit=1) for line in lines)
    encoded = bytes.fromhex(fields["encoded"])
    if "raw" in fields:
        raw = np.frombuffer(bytes.fromhex(fields["raw"]), word)
        assert zvc.encode(raw) == encoded
        assert (zvc.decode(encoded, dtype=word, count=raw.size) == raw).all()
        return
    count = int(fields["raw length"]) // word.itemsize
    _, error = zvc.decode_partial(encoded, dtype=word, count=count)
    assert fields["error"] == f"{error.code.name} at {error.position}, {error.valid} valid"


def test_ratios():
    rows = re.findall(r"^\| ([01][.\d]*) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|$", TEXT, re.M)
    assert len(rows) == 11
    for density, *ratios in rows:
        expected = [f"{1 / (float(density) + 1 / bits):.2f}" for bits in (8, 16, 32)]
        assert ratios == expected


def test_codes():
    types = re.findall(r"^\| (\d+) \| (\w+) \| (\d) \| ", TEXT, re.M)
    assert types == [(f"{t:d}", t.name, f"{t.size}") for t in ElementType]
    assert re.findall(r"^\| (\w+) \| (\d+) \|$", TEXT, re.M) == [
        (f.name, f"{f:d}") for f in FormatId
    ]
    errors = dict(re.findall(r"^\| ([A-Z_]+) \| (\d+) \| (?:RAW|ZVC) \| ", TEXT, re.M))
    assert len(errors) == 5
    assert all(ErrorCode[name] == int(code) for name, code in errors.items())
