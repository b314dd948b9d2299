# SPDX-License-Identifier: Apache-2.0
"""A decoder in C that was written from ``docs/format.md`` alone agrees with the frozen vectors."""

import subprocess
from pathlib import Path

import numpy as np
import pytest

from opencdma.golden import vectors, zvc
from opencdma.spec import FormatId

SOURCE = Path(__file__).parent / "independent" / "decoder.c"


@pytest.fixture(scope="module")
def decoder(tmp_path_factory):
    """The compiled decoder, under the sanitizers."""
    program = tmp_path_factory.mktemp("decoder") / "decoder"
    subprocess.run(
        ["gcc", "-std=c99", "-O1", "-Wall", "-Wextra", "-Werror", "-fsanitize=address,undefined",
         "-fno-sanitize-recover", str(SOURCE), "-o", str(program)], check=True)
    return program


def ask(decoder, questions):
    """Return what the decoder makes of (format, element size, raw length, encoded)."""
    text = "".join(
        f"{format:d} {size} {length} {encoded.hex() or '-'}\n"
        for format, size, length, encoded in questions)
    done = subprocess.run([decoder], input=text, capture_output=True, text=True, check=True)
    for line in done.stdout.splitlines():
        code, position, valid, raw = line.split()
        yield int(code), int(position), int(valid), bytes.fromhex(raw.strip("-"))


@pytest.mark.parametrize("format", FormatId)
def test_frozen_vectors(decoder, format):
    entries = vectors.load(format.name.lower())
    good = [entry for entry in entries if isinstance(entry, vectors.GoodVector)]
    bad = [entry for entry in entries if isinstance(entry, vectors.MalformedVector)]
    assert good
    assert bad
    answers = ask(decoder, [(format, v.element_size, len(v.raw), v.encoded) for v in good])
    for vector, answer in zip(good, answers, strict=True):
        assert answer == (0, len(vector.encoded), len(vector.raw), vector.raw), vector.name
    answers = ask(decoder, [(format, v.element_size, v.raw_length, v.encoded) for v in bad])
    for vector, (code, position, valid, raw) in zip(bad, answers, strict=True):
        expected = (vector.error, vector.position, vector.valid)
        assert (code, position, valid) == expected, vector.name
        assert len(raw) == valid


@pytest.mark.parametrize("size", [1, 2, 4])
def test_damaged_streams(decoder, size):
    """On damaged encodings it says what the golden model says."""
    rng = np.random.default_rng(size)
    questions = []
    for _ in range(400):
        count = int(rng.integers(1, 300))
        words = rng.integers(0, 3, count).astype(f"<u{size}")
        stream = bytearray(zvc.encode(words))
        stream[rng.integers(len(stream))] ^= 1 << int(rng.integers(8))
        del stream[len(stream) - int(rng.integers(0, 3)):]
        questions.append((FormatId.ZVC, size, count * size, bytes(stream)))
    for (_, _, length, stream), answer in zip(questions, ask(decoder, questions), strict=True):
        words, error = zvc.decode_partial(stream, dtype=f"<u{size}", count=length // size)
        expected = (0, len(stream)) if error is None else (error.code, error.position)
        assert answer == (*expected, words.nbytes, words.tobytes())
