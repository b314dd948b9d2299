# SPDX-License-Identifier: Apache-2.0
"""The driver's allocator."""

import random

import pytest

from opencdma.sw.allocator import Allocator, OutOfMemoryError


def test_first_fit():
    allocator = Allocator(0x1000, 0x400)
    first, second, third = (allocator.allocate(size) for size in (1, 65, 64))
    assert (first, second, third) == (0x1000, 0x1040, 0x10C0)
    allocator.free(second)
    assert allocator.allocate(129) == 0x1100
    assert allocator.allocate(128) == 0x1040
    assert allocator.available == 0x400 - 64 - 128 - 64 - 192


def test_pieces_are_units():
    allocator = Allocator(0x1010, 0x100)
    assert allocator.available == 0xC0
    assert allocator.allocate(0) == 0x1040
    assert allocator.allocate(0) == 0x1080


def test_holes_are_joined():
    allocator = Allocator(0, 0x400)
    pieces = [allocator.allocate(64) for _ in range(16)]
    with pytest.raises(OutOfMemoryError, match=r"^1 bytes do not fit any hole; 0 are free"):
        allocator.allocate(1)
    for piece in (pieces[3], pieces[5], pieces[4]):
        allocator.free(piece)
    assert allocator.allocate(192) == 0xC0


def test_shrink():
    allocator = Allocator(0, 0x400)
    piece = allocator.allocate(0x400)
    allocator.shrink(piece, 100)
    assert allocator.available == 0x400 - 128
    assert allocator.allocate(0x380) == 128
    # There is nothing behind its end to take back.
    allocator.shrink(piece, 1000)
    assert allocator.available == 0


def test_wrong():
    allocator = Allocator(0, 0x400)
    with pytest.raises(ValueError, match=r"^Size of a piece must not be negative, not -1$"):
        allocator.allocate(-1)
    with pytest.raises(OutOfMemoryError, match=r"^1025 bytes do not fit any hole; 1024 are free"):
        allocator.allocate(1025)
    for act in (allocator.free, lambda address: allocator.shrink(address, 1)):
        with pytest.raises(KeyError, match=r"must be that of an allocated piece, not 0x40"):
            act(0x40)


def test_pieces_never_overlap():
    rng = random.Random(1)
    allocator = Allocator(0, 1 << 16)
    pieces = {}
    for _ in range(2000):
        if pieces and rng.random() < 0.5:
            allocator.free(pieces.popitem()[0])
        else:
            size = rng.randrange(1, 4000)
            try:
                address = allocator.allocate(size)
            except OutOfMemoryError:
                continue
            end = address + size
            assert all(end <= other or other + length <= address
                       for other, length in pieces.items())
            pieces[address] = size
    for address in pieces:
        allocator.free(address)
    assert allocator.available == 1 << 16
    assert allocator.allocate(1 << 16) == 0
