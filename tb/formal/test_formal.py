# SPDX-License-Identifier: Apache-2.0
"""Proofs about queues, credits, networks, commands and the packets of a bus."""

import pytest
from amaranth.asserts import AnyConst
from amaranth.hdl import Assert, Assume, Cat, Cover, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In
from amaranth.utils import exact_log2
from prove import ProofError, prove, stays

from opencdma.hw.bus.axi_stream import PacketSink
from opencdma.hw.codec import CodecGeometry, CommandWord
from opencdma.hw.codec.command import CommandDecoder
from opencdma.hw.codec.network import GatherNetwork, ScatterNetwork
from opencdma.hw.stream import Credit, Queue
from opencdma.spec import MAX_RAW_LENGTH, ElementType, ErrorCode, FormatId, Status


class QueueSpec(wiring.Component):
    """Any one item, followed on its way: it comes out after those before it, and before others."""

    def __init__(self, depth):
        self.dut = Queue(1, depth)
        super().__init__(self.dut.signature)

    def elaborate(self, platform):
        m, depth = Module(), self.dut.depth
        m.submodules.dut = self.dut
        wiring.connect(m, wiring.flipped(self), self.dut)
        stays(m, self.i, Assume, name="i")
        stays(m, self.o, Assert, name="o")

        entered, left = Signal(5), Signal(5)
        put, got = self.i.valid & self.i.ready, self.o.valid & self.o.ready
        m.d.sync += [entered.eq(entered + put), left.eq(left + got)]
        number, item = AnyConst(5), Signal(1)
        with m.If(put & (entered == number)):
            m.d.sync += item.eq(self.i.payload)
        with m.If(got & (left == number)):
            m.d.comb += [Assert(entered > number), Assert(self.o.payload == item)]

        # It takes as many as it can hold, and gives what it has.
        m.d.comb += [
            Assert(self.i.ready == (entered - left < depth)),
            Assert(self.o.valid == (entered != left)),
            Cover((left == depth + 1) & ~self.i.ready),
        ]
        return m


@pytest.mark.parametrize("depth", [2, 4])
def test_queue(depth):
    # Head and tail count to twice the depth: they go round.
    prove(QueueSpec(depth), depth=2 * depth + 3)
    prove(QueueSpec(depth), mode="cover", depth=2 * depth + 3)


class CreditSpec(wiring.Component):
    """What is under way is what was taken and not given back."""

    def __init__(self, total, *, lawful=True):
        self.dut = Credit(total)
        self.total, self.lawful = total, lawful
        super().__init__({"take": In(1), "give": In(2)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.dut = dut = self.dut
        m.d.comb += [dut.take.eq(self.take), dut.give.eq(self.give)]
        under_way = Signal(8)
        m.d.sync += under_way.eq(under_way + self.take - self.give)
        if self.lawful:
            m.d.comb += Assume(dut.available | ~self.take)
        m.d.comb += [
            Assume(self.give <= under_way),
            Assert(under_way <= self.total),
            Assert(dut.available == (under_way < self.total)),
            Assert(dut.idle == (under_way == 0)),
            Cover(under_way == self.total),
        ]
        return m


@pytest.mark.parametrize("total", [1, 3, 4])
def test_credit(total):
    # Every state is reached within `total` cycles, so this many are all there is to see.
    prove(CreditSpec(total), depth=total + 3)
    prove(CreditSpec(total), mode="cover", depth=total + 3)


def test_credit_that_is_taken_but_not_there():
    """The proof that has to fail: without it, one that proves nothing would go unnoticed."""
    with pytest.raises(ProofError, match="Assert failed"):
        prove(CreditSpec(3, lawful=False), depth=6)


class NetworkSpec(wiring.Component):
    """Every kept lane gets to its slot, or back; one bit per lane shows which way it went."""

    def __init__(self, network, lanes):
        self.dut = network(lanes=lanes, lane_bits=1, side=1, ranks=0)
        self.gathers, self.lanes = network is GatherNetwork, lanes
        super().__init__({
            "data": In(lanes), "keep": In(lanes), "start": In(exact_log2(lanes)), "valid": In(1),
        })  # fmt: skip

    def elaborate(self, platform):
        m = Module()
        m.submodules.dut = dut = self.dut
        m.d.comb += [dut.i.valid.eq(self.valid), dut.i.p.data.eq(self.data)]
        after = dut.o.p.data.as_value()
        slot = self.start  # of the next kept lane
        for lane in range(self.lanes):
            if lane:
                m.d.comb += dut.i.p.turns[str(lane)].eq(slot)
            here = Signal(len(self.start), name=f"slot{lane}")
            m.d.comb += here.eq(slot)
            moved = after.bit_select(here, 1) if self.gathers else after[lane]
            was = self.data[lane] if self.gathers else self.data.bit_select(here, 1)
            m.d.comb += Assert(~self.keep[lane] | (moved == was))
            slot = (here + self.keep[lane])[: len(here)]
        m.d.comb += Assert(dut.o.valid == self.valid)
        # Something moves, in any direction.
        m.d.comb += Cover(self.keep.any() & (after != self.data))
        return m


@pytest.mark.parametrize("lanes", [4, 8])
@pytest.mark.parametrize("network", [GatherNetwork, ScatterNetwork])
def test_network(network, lanes):
    # There are no registers: one cycle is all there is.
    prove(NetworkSpec(network, lanes), depth=1)
    prove(NetworkSpec(network, lanes), mode="cover", depth=1)


class CommandSpec(wiring.Component):
    """Of all statuses that apply to a command the lowest comes out."""

    def __init__(self, sizes):
        self.sizes = sizes
        self.dut = CommandDecoder(CodecGeometry(8, sizes))
        super().__init__({"valid": In(1)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.dut = dut = self.dut
        given = data.View(CommandWord, AnyConst(64))
        m.d.comb += [dut.i.payload.eq(given), dut.i.valid.eq(self.valid)]

        result, length = dut.o.p, given.raw_length
        unknown_type = Signal(init=1)
        for element_type in ElementType:
            if element_type.size in self.sizes:
                with m.If(given.element_type == element_type):
                    m.d.comb += unknown_type.eq(0)
        known_formats = [given.format_id == format_id for format_id in FormatId]
        applies = {
            Status.RESERVED_NONZERO:
                given.reserved != 0,
            Status.BAD_LENGTH: (length > MAX_RAW_LENGTH) | Cat(
                (given.element_type[:2] == log) & length[:log].any() for log in range(4)).any(),
            Status.BAD_CODEC: ~Cat(known_formats).any() | unknown_type,
        }  # fmt: skip
        lowest = Status.OK
        for status in sorted(applies, reverse=True):
            lowest = Mux(applies[status], status, lowest)
        by_type = (result.status == Status.BAD_CODEC) & Cat(known_formats).any()
        with m.If(dut.o.valid):
            m.d.comb += [
                Assert(result.status == lowest),
                Assert(result.error_code == Mux(by_type, ErrorCode.ELEMENT_TYPE, ErrorCode.NONE)),
                Assert(result.raw_length == length),
                Assert(result.zvc == (given.format_id == FormatId.ZVC)),
                Assert(result.size == given.element_type[:2]),
            ]
            for status in (Status.OK, *applies):
                m.d.comb += Cover(result.status == status)
        return m


@pytest.mark.parametrize("sizes", [(1, 2, 4), (4,)])
def test_command(sizes):
    # It has no state but its output: two cycles show every command.
    prove(CommandSpec(sizes), depth=4)
    prove(CommandSpec(sizes), mode="cover", depth=4)


class SinkSpec(wiring.Component):
    """Every packet of the bus becomes one packet, whole or cut, and nothing else does."""

    def __init__(self, width):
        self.dut, self.width = PacketSink(width), width
        super().__init__({
            "bus": In(stream.Signature(data.StructLayout({
                "data": 8 * width, "keep": width, "last": 1,
            }))),
            "ready": In(1),
        })  # fmt: skip

    def elaborate(self, platform):
        m, bus = Module(), self.bus
        m.submodules.dut = dut = self.dut
        m.d.comb += [
            dut.tdata.eq(bus.p.data), dut.tkeep.eq(bus.p.keep), dut.tlast.eq(bus.p.last),
            dut.tvalid.eq(bus.valid), bus.ready.eq(dut.tready), dut.o.ready.eq(self.ready),
        ]  # fmt: skip
        stays(m, bus, Assume, name="bus")
        stays(m, dut.o, Assert, name="o")

        # In the packet of the bus that goes on, the packet given out is over.
        over = Signal()
        given = dut.o.valid & dut.o.ready
        with m.If(bus.valid & bus.ready):
            m.d.sync += over.eq(~bus.p.last & (over | (given & dut.o.p.last)))
            m.d.comb += Assert(given == ~over)
        with m.Else():
            m.d.comb += Assert(~given)
        m.d.comb += Assert(~over | (bus.ready & ~dut.o.valid))

        full = (1 << self.width) - 1
        with m.If(dut.o.valid):
            count, last, cut = dut.o.p.count, dut.o.p.last, dut.o.p.cut
            for n in range(self.width + 1):
                first = (1 << n) - 1  # of the lanes, and the one behind them is not there
                starts = (bus.p.keep & (full >> max(0, self.width - n - 1))) == first
                m.d.comb += Assert((count == n) == starts)
            contiguous = Cat(bus.p.keep == (1 << n) - 1 for n in range(self.width + 1)).any()
            whole = Mux(bus.p.last, contiguous, bus.p.keep == full)
            m.d.comb += [
                Assert(cut == ~whole),
                Assert(last == (cut | bus.p.last)),
                Assert(dut.o.p.data.as_value() == bus.p.data),
                Cover(cut & ~bus.p.last),
            ]
        m.d.comb += Cover(over & bus.valid & bus.p.last)
        return m


def test_packet_sink():
    # It has one bit of state, whose values are both reached in the first cycle.
    prove(SinkSpec(4), depth=5)
    prove(SinkSpec(4), mode="cover", depth=5)
