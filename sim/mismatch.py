# SPDX-License-Identifier: Apache-2.0
"""What is said when the hardware's output is not what it should be."""

import numpy as np

__all__ = ["Mismatch", "compare"]


class Mismatch(Exception):
    """The hardware's output is not what it should be; the message says where."""


def compare(name: str, got: bytes, want: bytes) -> None:
    """See that bytes are what they should be.

    Raises
    ------
    Mismatch
        If they are not; the message begins with the name.
    """
    if got == want:
        return
    short = min(len(got), len(want))
    differs = np.frombuffer(got, "u1", short) != np.frombuffer(want, "u1", short)
    if differs.any():
        at = int(differs.argmax())
        raise Mismatch(f"{name}: byte {at} is 0x{got[at]:02x}, not 0x{want[at]:02x}")
    raise Mismatch(f"{name}: {len(got)} bytes came out, not {len(want)}; byte {short} differs")
