# SPDX-License-Identifier: Apache-2.0
"""Checked and decoded commands."""

import itertools

import pytest
from streams import Bench, cycles, payloads

from opencdma.golden import transfer
from opencdma.hw.codec import CodecGeometry
from opencdma.hw.codec.command import CommandDecoder
from opencdma.spec import MAX_RAW_LENGTH, Direction, ElementType, ErrorCode, FormatId, Status

FIELDS = ("format_id", "element_type", "reserved")
LENGTHS = (0, 1, 2, 3, 4, 6, 128, MAX_RAW_LENGTH - 3, MAX_RAW_LENGTH, MAX_RAW_LENGTH + 1, 2**32 - 4)


def command(format_id=0, element_type=0, raw_length=0, **fields):
    blank = {"reserved": 0, "direction": 0}
    return {**blank, "format_id": format_id, "element_type": element_type,
            "raw_length": raw_length, **fields}  # fmt: skip


def decoded(given, sizes):
    """What becomes of a command: every fault there is, and the one that counts."""
    size = 1 << (given["element_type"] & 3)
    faults = [(Status.OK, ErrorCode.NONE)]
    if given["element_type"] not in list(ElementType) or size not in sizes:
        faults.append((Status.BAD_CODEC, ErrorCode.ELEMENT_TYPE))
    if given["format_id"] not in list(FormatId):
        faults.append((Status.BAD_CODEC, ErrorCode.NONE))
    if given["raw_length"] % size or given["raw_length"] > MAX_RAW_LENGTH:
        faults.append((Status.BAD_LENGTH, ErrorCode.NONE))
    if given["reserved"]:
        faults.append((Status.RESERVED_NONZERO, ErrorCode.NONE))
    status, code = min(faults[1:], default=faults[0])
    return {
        "status": status, "error_code": code, "zvc": int(given["format_id"] == FormatId.ZVC),
        "size": given["element_type"] & 3, "raw_length": given["raw_length"],
        "long": given["raw_length"] >= 256,
    }  # fmt: skip


@pytest.mark.parametrize("sizes", [(4,), (2,), (1,), (2, 4), (1, 2, 4)])
def test_every_combination(sizes):
    given = [
        command(*choice) for choice in itertools.product((0, 1, 2, 3, 129), range(16), LENGTHS)
    ]
    # Each reserved bit, alone and beside other faults; each bit of the format.
    for bit in range(19):
        given += [command(*choice, reserved=1 << bit)
                  for choice in ((1, 2, 4), (0, 2, 3), (7, 2, 4), (0, 3, 0))]  # fmt: skip
    given += [command(1 << bit, 2, 8, direction=bit % 2) for bit in range(8)]

    bench = Bench(CommandDecoder(CodecGeometry(16, sizes)))
    bench.send(bench.dut.i, given)
    taken = bench.take(bench.dut.o, len(given))
    bench.run(2 * len(given))
    for one, result in zip(given, payloads(taken), strict=True):
        assert result == decoded(one, sizes), one
        # The golden model is of the same mind; it has no data, so it may miss some.
        model = transfer.run(
            transfer.Command(
                Direction.COMPRESS, one["format_id"], one["element_type"], one["raw_length"],
                any(one[field] for field in FIELDS[2:])),
            b"", element_sizes=sizes)  # fmt: skip
        if model.status is Status.DATA_ERROR:
            model = transfer.Result(b"", Status.OK, ErrorCode.NONE, 0, 0, 0, 0)
        assert (result["status"], result["error_code"]) == (model.status, model.error_code)


@pytest.mark.parametrize("pause", [0.0, 0.5])
def test_latency_is_one_cycle(pause):
    bench = Bench(CommandDecoder(CodecGeometry(8)))
    sent = bench.send(bench.dut.i, [command()] * 9, pause=pause)
    taken = bench.take(bench.dut.o, 9)
    bench.run(100)
    assert cycles(taken) == [cycle + 1 for cycle in cycles(sent)]
