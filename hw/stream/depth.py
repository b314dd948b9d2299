# SPDX-License-Identifier: Apache-2.0
"""What depth a queue may have."""

__all__ = ["check_depth"]


def check_depth(depth: int):
    """Checks the depth of a queue.

    Raises
    ------
    TypeError, ValueError
        If it is not an integer, a power of two of at least 2.
    """
    if not isinstance(depth, int):
        raise TypeError(f"Queue depth must be an integer, not {depth!r}")
    if depth < 2 or depth & (depth - 1):
        raise ValueError(f"Queue depth must be a power of two and at least 2, not {depth!r}")
