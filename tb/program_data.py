# SPDX-License-Identifier: Apache-2.0
"""Random tensors, their encodings, and encodings that are damaged."""

import random

import numpy as np

from opencdma.golden import formats
from opencdma.spec import GROUP_BYTES, FormatId


def tensor(rng: random.Random, length: int, size: int) -> bytes:
    """Return ``length`` bytes of elements of ``size`` bytes, some, all or none of them zero."""
    elements = np.frombuffer(rng.randbytes(length), f"<u{size}").copy()
    kind = rng.choice(("random", "random", "dense", "zero", "runs", "few bits"))
    if kind == "random":
        zero = np.frombuffer(rng.randbytes(elements.size), np.uint8) < rng.randrange(256)
        elements[zero] = 0
    elif kind == "dense":
        elements |= 1 << rng.randrange(8 * size)
    elif kind == "zero":
        elements[:] = 0
    elif kind == "runs":
        run = rng.randrange(1, 3 * GROUP_BYTES)
        elements[np.arange(elements.size) // run % 2 == rng.randrange(2)] = 0
    else:
        elements &= elements >> rng.randrange(8 * size)
    return elements.tobytes()


def encode(data: bytes, size: int, format: int) -> bytes:
    """Return the encoding of elements of ``size`` bytes."""
    return formats.get(format).encode(np.frombuffer(data, f"<u{size}"))


def is_good(encoded: bytes, length: int, size: int, format: int) -> bool:
    """Tell whether data decode to ``length`` bytes."""
    _, error = formats.get(format).decode_partial(
        encoded, dtype=f"<u{size}", count=length // size)
    return error is None


def damage(rng: random.Random, encoded: bytes, length: int, size: int, format: int) -> bytes:
    """Return something like an encoding of ``length`` bytes that is likely not one."""
    data = bytearray(encoded)
    kind = rng.choice(("bit", "shorter", "longer", "zeros", "padding", "random"))
    if kind == "bit" and data:
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    elif kind == "shorter" and data:
        # Often by little, so that the last element or mask is cut.
        del data[len(data) - min(len(data), rng.choice((1, 2, 4, 8, 17, len(data) // 2 + 1))) :]
    elif kind == "longer":
        data += rng.randbytes(rng.choice((1, 2, 4, 33, 200)))
    elif kind == "zeros" and data:
        at = rng.randrange(len(data)) // size * size
        data[at : at + size] = bytes(size)
    elif kind == "padding" and format == FormatId.ZVC and length % GROUP_BYTES:
        # The last mask starts where the encoding of the groups in front of it ends.
        whole, _ = formats.get(format).decode_partial(
            encoded, dtype=f"<u{size}", count=length // size)
        full = length // GROUP_BYTES * GROUP_BYTES
        mask = len(encode(whole.tobytes()[:full], size, format))
        bit = rng.randrange(length % GROUP_BYTES // size, GROUP_BYTES // size)
        data[mask + bit // 8] |= 1 << bit % 8
    else:
        data = bytearray(rng.randbytes(len(data) or 1))
    return bytes(data)
