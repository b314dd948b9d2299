# SPDX-License-Identifier: Apache-2.0
"""Proofs about bursts, turns, and the queue behind the read mover."""

import pytest
from amaranth.asserts import AnyConst, AnySeq
from amaranth.hdl import Assert, Assume, Cover, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In
from amaranth.utils import exact_log2
from prove import ProofError, prove, stays

from opencdma.hw.bus.axi4 import PAGE
from opencdma.hw.bus.round_robin import RoundRobin
from opencdma.hw.bus.write_arbiter import WriteArbiter
from opencdma.hw.dma.burst_planner import BurstPlanner
from opencdma.hw.stream import BlockQueue

WIDTH, LONGEST, ROOM = 8, 4, 8


class PlannerSpec(wiring.Component):
    """No burst breaks a rule of AXI, leaves its rows, or asks for more than there is room for."""

    def __init__(self, planner=BurstPlanner):
        self.dut = planner(width=WIDTH, address_bits=14, longest=LONGEST, room=ROOM,
                           unaligned=True)
        super().__init__(self.dut.signature)

    def elaborate(self, platform):
        m = Module()
        m.submodules.dut = self.dut
        wiring.connect(m, wiring.flipped(self), self.dut)
        stays(m, self.jobs, Assume, name="jobs")
        stays(m, self.ar, Assert, name="ar")

        asked = Signal(16) # beats that have not been taken
        fires = self.ar.valid & self.ar.ready
        beats = self.ar.p.length + 1
        m.d.sync += asked.eq(asked + Mux(fires, beats, 0) - self.freed)
        m.d.comb += Assume(~self.freed | (asked != 0))

        # One job whose only row is any run of bytes.
        taken = Signal()
        extent = self.jobs.p.extent
        first, end = AnyConst(14), AnyConst(14)
        m.d.comb += [
            Assume(first < end), Assume(~self.jobs.p.pattern),
            Assume(extent.address == first), Assume(extent.row_length == end - first),
            Assume(extent.rows_minus_1 == 0), Assume(self.jobs.p.total == end - first),
            Assume(~(taken & self.jobs.valid)),
        ]
        with m.If(self.jobs.valid & self.jobs.ready):
            m.d.sync += taken.eq(1)
        in_page = self.ar.p.address[:exact_log2(PAGE)]
        with m.If(self.ar.valid):
            address = self.ar.p.address
            m.d.comb += [
                Assert(address[:exact_log2(WIDTH)] == 0),
                Assert(beats <= LONGEST),
                Assert(in_page + (beats << exact_log2(WIDTH)) <= PAGE),
                Assert(address + WIDTH > first),
                Assert(address + ((beats - 1) << exact_log2(WIDTH)) < end),
                Assert(asked + beats <= ROOM),
            ]
        m.d.comb += Cover(fires & (asked == LONGEST) & (in_page == 0))
        return m


class CarelessPlanner(BurstPlanner):
    """Forgets how much has been asked for."""

    def elaborate(self, platform):
        self._room *= 2
        return super().elaborate(platform)


@pytest.mark.slow
def test_burst_planner():
    prove(PlannerSpec(), depth=8)
    prove(PlannerSpec(), mode="cover", depth=9)


@pytest.mark.slow
def test_broken_burst_planner():
    with pytest.raises(ProofError, match="Assert failed"):
        prove(PlannerSpec(CarelessPlanner), depth=8)


class BlockQueueSpec(wiring.Component):
    """Any one item, followed on its way: it comes out after those before it, and before others."""

    def __init__(self, depth):
        self.dut = BlockQueue(1, depth)
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
        held = Signal(5)
        m.d.comb += [
            held.eq(entered - left),
            Assert(held <= depth + 1),
            # It refuses nothing while its memory has room.
            Assert(self.i.ready | (held >= depth)),
            Cover((left == depth + 2) & ~self.i.ready),
        ]
        return m


def test_block_queue():
    prove(BlockQueueSpec(2), depth=8)
    prove(BlockQueueSpec(2), mode="cover", depth=10)


class TurnsSpec(wiring.Component):
    """Whoever keeps asking has its turn when all others have had theirs once, at the latest."""

    def __init__(self, count):
        self.dut = RoundRobin(count)
        self._count = count
        super().__init__({"requests": In(count), "next": In(1)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.dut = dut = self.dut
        m.d.comb += [dut.requests.eq(self.requests), dut.next.eq(self.next & dut.any)]
        m.d.comb += Assert(dut.any == self.requests.any())
        with m.If(dut.any):
            m.d.comb += Assert(self.requests.bit_select(dut.chosen, 1))
        one, waited = AnyConst(range(self._count)), Signal(4)
        m.d.comb += Assume(one < self._count)
        asks = self.requests.bit_select(one, 1)
        with m.If(~asks | (dut.next & (dut.chosen == one))):
            m.d.sync += waited.eq(0)
        with m.Elif(dut.next):
            m.d.sync += waited.eq(waited + 1)
        m.d.comb += [Assert(waited < self._count), Cover(waited == self._count - 1)]
        return m


@pytest.mark.parametrize("count", [2, 3])
def test_round_robin(count):
    prove(TurnsSpec(count), depth=2 * count + 3)
    prove(TurnsSpec(count), mode="cover", depth=2 * count + 3)


class WriteArbiterSpec(wiring.Component):
    """Offers stay; data follow their addresses, in order, and so do acknowledgements."""

    def __init__(self):
        self.dut = WriteArbiter(2, width=1, address_bits=2, outstanding=2)
        super().__init__({})

    def elaborate(self, platform):
        m = Module()
        m.submodules.dut = self.dut
        # Neighbours that do anything they may.
        writers, port = self.dut.writers, self.dut.port
        free = [port.aw.ready, port.w.ready, port.b.valid, port.b.payload]
        for writer in writers:
            free += [writer.aw.valid, writer.aw.payload.as_value(), writer.w.valid,
                     writer.w.payload.as_value()]
        m.d.comb += [signal.eq(AnySeq(len(signal))) for signal in free]
        stays(m, port.aw, Assert, name="aw")
        stays(m, port.w, Assert, name="w")
        offered, sent = Signal(4), Signal(4) # bursts whose address, whose data went to the port
        before = Signal()
        m.d.sync += before.eq(port.aw.valid & ~port.aw.ready)
        m.d.sync += sent.eq(
            sent + (port.w.valid & port.w.ready & port.w.p.last))
        new = port.aw.valid & ~before
        m.d.sync += offered.eq(offered + new)
        m.d.comb += Assert(~port.w.valid | (sent < offered + new))
        for n, writer in enumerate(writers):
            stays(m, writer.aw, Assume, name=f"aw{n}")
            stays(m, writer.w, Assume, name=f"w{n}")
        # A port acknowledges what it has; a writer gets as many as it has sent.
        acked = Signal(4)
        m.d.sync += acked.eq(acked + port.b.valid)
        m.d.comb += Assume(~port.b.valid | (acked < sent))
        m.d.comb += Assert(
            port.b.valid == (writers[0].b.valid | writers[1].b.valid))
        m.d.comb += Assert(~(writers[0].b.valid & writers[1].b.valid))
        for n, writer in enumerate(writers):
            own, answered = Signal(4, name=f"own{n}"), Signal(4, name=f"answered{n}")
            m.d.sync += own.eq(own + (writer.w.valid & writer.w.ready & writer.w.p.last))
            m.d.sync += answered.eq(answered + writer.b.valid)
            m.d.comb += Assert(~writer.b.valid | (answered < own))
        m.d.comb += Cover((sent == 3) & writers[1].b.valid)
        return m


def test_write_arbiter():
    prove(WriteArbiterSpec(), depth=10)
    prove(WriteArbiterSpec(), mode="cover", depth=14)
