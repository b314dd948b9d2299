# SPDX-License-Identifier: Apache-2.0
"""How many transfers can be under way."""

import pytest
from streams import Bench

from opencdma.hw.codec import Codec, CodecGeometry
from opencdma.spec import Direction, ElementType


@pytest.mark.parametrize("direction", Direction)
def test_sixteen_commands_may_go_ahead_of_their_packets(direction):
    bench = Bench(Codec(CodecGeometry(8, (4,))))
    dut, count = bench.dut, 20
    commands = bench.send(dut.commands, [{
        "format_id": 1, "element_type": ElementType.U32, "raw_length": 0, "reserved": 0,
        "direction": direction,
    }] * count)
    empty = {"data": bytes(8), "count": 0, "last": 1, "cut": 0}
    before = []

    def later():
        if bench.cycle == 60:
            before.append(len(commands))
        return bench.cycle > 60

    bench.send(dut.i, [empty] * count, allowed=later)
    bench.take(dut.o, count)
    bench.take(dut.statuses, count)
    bench.run(300)
    # One command of the compressor is looked at already.
    assert before == [17 if direction is Direction.COMPRESS else 16]


def test_no_more_than_sixteen_statuses_are_owed():
    """And no more commands wait than can go ahead of their packets."""
    bench = Bench(Codec(CodecGeometry(8, (4,))))
    dut, count = bench.dut, 40
    commands = bench.send(dut.commands, [{
        "format_id": 1, "element_type": ElementType.U32, "raw_length": 4, "reserved": 0,
        "direction": Direction.COMPRESS,
    }] * count)
    beat = {"data": b"\x01\x02\x03\x04" + bytes(4), "count": 4, "last": 1, "cut": 0}
    before = []

    def later():
        if bench.cycle == 100:
            before.append(len(commands))
        return bench.cycle > 100

    bench.send(dut.i, [beat] * count)
    bench.take(dut.o, count)
    bench.take(dut.statuses, count, allowed=later)
    bench.run(400)
    assert before == [16 + 16]
