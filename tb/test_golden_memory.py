# SPDX-License-Identifier: Apache-2.0
"""Memories behind a bus: bursts, and beats that are refused."""

import pytest

from opencdma.golden.device_memory import BusError, Fault, Memory, bursts

BASE = 0x1000


def memory(*faults, size=0x2000):
    made = Memory(BASE, size, faults)
    made.write(BASE, bytes(at % 251 for at in range(size)))
    return made


def test_bursts():
    assert list(bursts(0x1000, 0, 8, 4)) == []
    assert list(bursts(0x1000, 32, 8, 4)) == [(0x1000, 0x1020)]
    assert list(bursts(0x1000, 33, 8, 4)) == [(0x1000, 0x1020), (0x1020, 0x1021)]
    # The first beat need not be full, and counts.
    assert list(bursts(0x1007, 30, 8, 4)) == [(0x1007, 0x1020), (0x1020, 0x1025)]
    # Nor does a burst reach into the next page.
    assert list(bursts(0x1FF1, 40, 8, 4)) == [(0x1FF1, 0x2000), (0x2000, 0x2019)]
    assert list(bursts(0x1FC0, 256, 64, 64)) == [(0x1FC0, 0x2000), (0x2000, 0x20C0)]


def test_outside():
    message = r"^Bytes must be in the memory's 0x2000 from 0x1000 on, not the 0x2 from 0x2fff on$"
    with pytest.raises(IndexError, match=message):
        memory().read(0x2FFF, 2)
    with pytest.raises(IndexError, match=r"not the 0x1 from 0xfff on$"):
        memory().write(0xFFF, b"x")
    assert memory().read(0x3000, 0) == b""


def test_reads_end_in_front_of_the_first_refused_beat():
    faults = [Fault("dev", 0x1080, 64, "slverr"), Fault("dev", 0x1040, 64, "decerr", reads=False)]
    it = memory(*faults)
    whole = it.read(BASE, 0x2000)
    assert it.fetch([(0x1000, 0x80)], 8) == (whole[:0x80], None)
    assert it.fetch([(0x1000, 0x81)], 8) == (whole[:0x80], BusError(0x1080, "slverr"))
    assert it.fetch([(0x10BF, 0x41)], 8) == (b"", BusError(0x10B8, "slverr"))
    # A wide beat is refused for a part of it.
    assert memory(Fault("dev", 0x1020, 8, "slverr")).fetch([(0x1000, 8)], 64) == (
        b"", BusError(0x1000, "slverr"))
    # Pieces are read in their order, whatever that of their addresses.
    assert it.fetch([(0x1100, 10), (0x1070, 0x20), (0x1000, 5)], 16) == (
        whole[0x100:0x10A] + whole[0x70:0x80], BusError(0x1080, "slverr"))
    assert it.fetch([(0x1085, 0)], 16) == (b"", None)


@pytest.mark.parametrize("writing", [False, True])
def test_first_bytes_of_a_beat_answer(writing):
    """Where they are in several regions, the first region does."""
    def answers(*faults):
        it = memory(*faults, size=0x1100)
        pieces = [(0x1000, 0x200)]
        if writing:
            return it.store(pieces, bytes(0x200), 64, 1)
        return it.fetch(pieces, 64)[1]

    early, late = Fault("dev", 0x1048, 8, "decerr"), Fault("dev", 0x1058, 0x70, "slverr")
    assert answers(early) == answers(early, late) == answers(late, early) == (
        BusError(0x1040, "decerr"))
    assert answers(late) == BusError(0x1040, "slverr")
    one, other = Fault("dev", 0x1080, 8, "slverr"), Fault("dev", 0x1040, 0x80, "decerr")
    assert answers(one, other) == BusError(0x1040, "decerr")
    one, other = Fault("dev", 0x1040, 64, "slverr"), Fault("dev", 0x1040, 8, "decerr")
    assert answers(one, other) == BusError(0x1040, "slverr")
    assert answers(other, one) == BusError(0x1040, "decerr")


def test_there_is_no_memory_elsewhere():
    it = memory()
    assert it.fetch([(0x2FF0, 32)], 8) == (it.read(0x2FF0, 16), BusError(0x3000, "decerr"))
    assert it.fetch([(0x0FF8, 32)], 8) == (b"", BusError(0x0FF8, "decerr"))
    assert it.store([(0x2FF0, 32)], bytes(32), 8, 4) == BusError(0x3000, "decerr")
    assert it.read(0x2FF0, 16) == bytes(16)
    assert it.store([(0x9000, 32)], bytes(32), 8, 4) == BusError(0x9000, "decerr")


def test_writes_leave_out_the_refused_beats():
    faults = [
        Fault("dev", 0x1080, 64, "decerr"), Fault("dev", 0x1100, 64, "slverr"),
        Fault("dev", 0x1140, 64, "slverr", writes=False)]
    it = memory(*faults)
    was = it.read(BASE, 0x2000)
    data = bytes(0x200)
    # Bursts of 4 beats of 16 bytes: the third one fails, and the fifth.
    assert it.store([(0x1004, 0x1FC)], data, 16, 4) == BusError(0x1080, "decerr")
    assert it.read(BASE, 0x200) == (
        was[:4] + bytes(0x7C) + was[0x80:0xC0] + bytes(0x40) + was[0x100:0x140] + bytes(0xC0))
    # A burst is reported by its address, and by its first faulting beat.
    it = memory(*faults)
    assert it.store([(0x1044, 0x140)], data, 16, 16) == BusError(0x1040, "decerr")
    assert it.read(0x1044, 0x3C) == bytes(0x3C)
    assert it.read(0x1080, 0x40) == was[0x80:0xC0]


def test_writes_end_with_the_data():
    it = memory()
    was = it.read(BASE, 0x2000)
    pieces = [(0x1010, 4), (0x1020, 4), (0x1030, 4)]
    assert it.store(pieces, b"abcdef", 8, 4) is None
    assert it.read(0x1010, 0x24) == (
        b"abcd" + was[0x14:0x20] + b"ef" + was[0x22:0x34])


@pytest.mark.parametrize(("arguments", "message"), [
    (("hst", 0, 64, "slverr"), "Memory of a fault must be 'dev' or 'host', not 'hst'"),
    (("dev", 0, 64, "error"), "Kind of a fault must be 'slverr' or 'decerr', not 'error'"),
    (("dev", 0, 0, "slverr"), "Region of a fault must be at 0 or above and not be empty, not 0 "
                              "bytes at 0"),
    (("dev", -1, 64, "slverr"), "Region of a fault must be at 0 or above and not be empty, not 64 "
                                "bytes at -1"),
])
def test_bad_fault(arguments, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        Fault(*arguments)
