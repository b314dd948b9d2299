# SPDX-License-Identifier: Apache-2.0
"""Something small with the ports of an engine, good or bad on demand, to test the harness with."""

import os
from dataclasses import dataclass
from unittest import mock

from amaranth import *
from amaranth.back import verilog
from amaranth.lib import data, enum, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from opencdma.hw.verilog import YOSYS
from opencdma.spec import Config

__all__ = ["DEPTH", "HarnessTop", "Offset", "Shape", "Sin", "Start", "State"]

#: Beats that can be copied at once.
DEPTH = 256


class Offset(enum.IntEnum):
    """Registers. Other offsets are refused."""

    START = 0x00
    SOURCE = 0x04 # low 32 bits of an address
    TARGET = 0x08
    HIGH = 0x0C # the other bits of both
    SHAPE = 0x10
    STROBE = 0x14 # of the first 32 bytes of each beat that is written
    STATE = 0x18 # read only


class Sin(enum.IntFlag, shape=20):
    """What is to be done wrong."""

    NONE = 0
    WITHDRAW_AR = 1 << 0
    WITHDRAW_AW = 1 << 1
    WITHDRAW_W = 1 << 2
    CHANGE_AR = 1 << 3
    CHANGE_AW = 1 << 4
    CHANGE_W = 1 << 5
    EARLY_DATA = 1 << 6
    EARLY_LAST = 1 << 7
    NO_LAST = 1 << 8
    DATA_WAIT_FOR_ADDRESS = 1 << 9 # for its READY, that is
    READY_FOLLOWS_VALID = 1 << 10
    VALID_IN_RESET = 1 << 11
    WITHDRAW_RVALID = 1 << 12 # this and the following on AXI4-Lite
    CHANGE_RDATA = 1 << 13
    UNASKED_R = 1 << 14
    UNASKED_B = 1 << 15
    DECODE_ERROR = 1 << 16
    NO_ANSWER = 1 << 17
    EARLY_ANSWER = 1 << 18
    LAZY = 1 << 19 # no sin at all: READY only in every fourth cycle


class Start(data.Struct):
    """A copy to do: from dev to host, or the other way; and attributes that are to be 0."""

    sin: Sin
    ids: 2 # of AR and of AW
    ar_prot: 3
    aw_prot: 3
    zero: 3
    to_dev: 1


class Shape(data.Struct):
    """What is copied: bursts of some beats, both less one; and wrong bits of AxSIZE and AxBURST."""

    beats: 8
    bursts: 8
    wrong_size: 3
    wrong_type: 2
    zero: 11


class State(data.Struct):
    """What became of a copy.

    Fields
    ------
    busy
        It is under way.
    read_response, write_response
        The first responses other than OKAY.
    wrong
        An ID was not 0; or, ever since power-up, the harness withdrew a VALID or had one high in
        reset.
    done
        Bursts that were acknowledged.
    """

    busy: 1
    read_response: 2
    write_response: 2
    wrong: 1
    done: 9
    zero: 17


@dataclass(frozen=True)
class HarnessTop:
    """A top that copies bursts, through a store of :data:`DEPTH` beats.

    All data are read before the first address is written. AxQOS is 5 for reading and 9 for writing,
    and AxCACHE is 3.
    """

    config: Config

    @property
    def name(self) -> str:
        """Module and file name."""
        return f"harness_dut_{self.config.dev_width}_{self.config.host_width}"

    def verilog(self) -> str:
        """Return the Verilog text."""
        with mock.patch.dict(os.environ, {"YOSYS": str(YOSYS)}):
            return verilog.convert(_Copier(self.config), name=self.name, emit_src=False)


def _ports(bus, width, address_bits, *, lite=False):
    """Return the members of a manager's port."""
    address = {"addr": address_bits, "prot": 3}
    write, answer = {"data": 8 * width, "strb": width}, {"resp": 2}
    if not lite:
        address |= {"len": 8, "size": 3, "burst": 2, "cache": 4, "qos": 4, "id": 1}
        write |= {"last": 1}
        answer |= {"id": 1}
    members = {}
    for channel, flow, payload in (
        ("ar", Out, address), ("aw", Out, address), ("w", Out, write), ("b", In, answer),
        ("r", In, {"data": 8 * width, **answer} | ({} if lite else {"last": 1})),
    ):
        members |= {f"{bus}_{channel}{name}": flow(shape) for name, shape in payload.items()}
        members |= {f"{bus}_{channel}valid": flow(1), f"{bus}_{channel}ready": flow.flip()(1)}
    return members


class _Bus:
    """The ports of a component whose names begin with that of a bus."""

    def __init__(self, component, name):
        self._component = component
        self._name = name

    def __getattr__(self, name):
        return getattr(self._component, f"{self._name}_{name}")


class _Copier(wiring.Component):
    def __init__(self, config):
        self._config = config
        registers = {
            name: member.flip() for name, member in _ports("s_axil", 4, 12, lite=True).items()}
        super().__init__({
            "aclk": In(1), "aresetn": In(1), "irq": Out(1), **registers,
            **_ports("m_axi_dev", config.dev_width, config.address_bits),
            **_ports("m_axi_host", config.host_width, config.address_bits),
        })

    def elaborate(self, platform):
        m = Module()
        m.domains.sync = sync = ClockDomain()
        m.d.comb += [sync.clk.eq(self.aclk), sync.rst.eq(~self.aresetn)]
        self.start = Signal(Start)
        self.shape = Signal(Shape)
        self.state = Signal(State)
        self.wrong = Signal(reset_less=True)
        self.source, self.target, self.high = Signal(32), Signal(32), Signal(32)
        self.strobe = Signal(32, init=0xFFFF_FFFF)
        self.go = Signal()
        turn = Signal(2)
        m.d.sync += turn.eq(turn + 1)
        self.ready = ~(self.start.sin & Sin.LAZY).any() | (turn == 0)
        self._registers(m)
        self._copy(m)
        self._watch(m)
        return m

    def _watch(self, m):
        """See that the harness keeps to the rules, too."""
        dev, host, registers = (_Bus(self, n) for n in ("m_axi_dev", "m_axi_host", "s_axil"))
        channels = [
            (dev.rvalid, dev.rready), (dev.bvalid, dev.bready),
            (host.rvalid, host.rready), (host.bvalid, host.bready),
            (registers.arvalid, registers.arready), (registers.awvalid, registers.awready),
            (registers.wvalid, registers.wready),
        ]
        valid = Cat(valid for valid, _ in channels)
        ready = Cat(ready for _, ready in channels)
        waited = Signal(len(channels))
        m.d.sync += waited.eq(valid & ~ready)
        with m.If(Mux(self.aresetn, (waited & ~valid).any(), valid.any())):
            m.d.sync += self.wrong.eq(1)

    def _registers(self, m):
        bus = _Bus(self, "s_axil")
        sin = self.start.sin
        # Addresses and data that were taken and not yet answered.
        reading, addressed, written = Signal(), Signal(), Signal()
        at_read, at_write, value = Signal(12), Signal(12), Signal(32)
        answers = ~(sin & Sin.NO_ANSWER).any()
        bad = Mux((sin & Sin.DECODE_ERROR).any(), 3, 2)
        early = (sin & Sin.EARLY_ANSWER).any()
        waited, read_seen, write_seen = Signal(), Signal(), Signal()
        m.d.sync += [
            waited.eq(bus.rvalid & ~bus.rready),
            read_seen.eq(early & bus.arvalid), write_seen.eq(early & bus.wvalid),
        ]
        rvalid, bvalid, rdata = Signal(), Signal(), Signal(32)
        m.d.comb += [
            bus.arready.eq(self.ready & ~reading & ~early),
            bus.awready.eq(self.ready & ~addressed & ~early),
            bus.wready.eq(self.ready & ~written),
            bus.rvalid.eq(
                (rvalid & ~(waited & (sin & Sin.WITHDRAW_RVALID).any())) | read_seen
                | (sin & Sin.UNASKED_R).any()),
            bus.rdata.eq(rdata ^ (waited & (sin & Sin.CHANGE_RDATA).any())),
            bus.bvalid.eq(bvalid | write_seen | (sin & Sin.UNASKED_B).any()),
        ]
        storage = {
            Offset.START: self.start, Offset.SOURCE: self.source, Offset.TARGET: self.target,
            Offset.HIGH: self.high, Offset.SHAPE: self.shape, Offset.STROBE: self.strobe,
        }
        m.d.sync += self.go.eq(0)
        with m.If(bus.arvalid & bus.arready):
            m.d.sync += [reading.eq(1), at_read.eq(bus.araddr)]
        with m.If(bus.rvalid & bus.rready):
            m.d.sync += [reading.eq(0), rvalid.eq(0)]
        with m.Elif(reading & answers):
            m.d.sync += [rvalid.eq(1), bus.rresp.eq(0)]
            with m.Switch(at_read):
                for offset, register in (storage | {Offset.STATE: self.state}).items():
                    with m.Case(offset):
                        m.d.sync += rdata.eq(register)
                with m.Default():
                    m.d.sync += bus.rresp.eq(bad)

        with m.If(bus.awvalid & bus.awready):
            m.d.sync += [addressed.eq(1), at_write.eq(bus.awaddr)]
        with m.If(bus.wvalid & bus.wready):
            m.d.sync += [written.eq(1), value.eq(bus.wdata)]
        with m.If(bus.bvalid & bus.bready):
            m.d.sync += bvalid.eq(0)
        with m.Elif(addressed & written & ~bvalid & answers):
            m.d.sync += [addressed.eq(0), written.eq(0), bvalid.eq(1), bus.bresp.eq(0)]
            m.d.sync += self.go.eq(at_write == Offset.START)
            with m.Switch(at_write):
                for offset, register in storage.items():
                    with m.Case(offset):
                        m.d.sync += register.eq(value)
                with m.Default():
                    m.d.sync += bus.bresp.eq(bad)

    def _copy(self, m):
        config, state, shape, sin = self._config, self.state, self.shape, self.start.sin
        buses = [_Bus(self, "m_axi_dev"), _Bus(self, "m_axi_host")]
        widths = [config.dev_width, config.host_width]
        m.submodules.store = store = Memory(
            shape=8 * config.dev_width, depth=DEPTH, init=[])
        put, get = store.write_port(), store.read_port(domain="comb")

        beats = shape.beats + 1
        total = Signal(17)
        received, sent, sent_of_burst = Signal(17), Signal(17), Signal(8)
        reads, writes = Signal(9), Signal(9) # bursts to read, and to write
        filled = Signal(9) # bursts with all data
        read_at, write_at = Signal(config.address_bits), Signal(config.address_bits)
        writing = Signal()
        stubborn = Signal(reset_less=True) # keeps ARVALID high in a reset
        m.d.comb += total.eq(beats * (shape.bursts + 1))
        m.d.comb += [put.addr.eq(received), get.addr.eq(sent)]

        with m.If(self.go):
            m.d.sync += [
                state.eq(0), state.busy.eq(1), state.wrong.eq(self.wrong), self.irq.eq(0),
                reads.eq(shape.bursts + 1), writes.eq(shape.bursts + 1),
                writing.eq(0), filled.eq(0),
                received.eq(0), sent.eq(0), sent_of_burst.eq(0),
                read_at.eq(Cat(self.source, self.high)), write_at.eq(Cat(self.target, self.high)),
                stubborn.eq((sin & Sin.VALID_IN_RESET).any()),
            ]
        with m.If(state.busy & (received == total)):
            m.d.sync += writing.eq(1)
        with m.If(state.busy & (state.done == shape.bursts + 1)):
            m.d.sync += [state.busy.eq(0), self.irq.eq(1)]

        for n, (bus, width) in enumerate(zip(buses, widths, strict=True)):
            reader = self.start.to_dev == n
            waited = Signal(3)
            m.d.sync += waited.eq(Cat(
                bus.arvalid & ~bus.arready, bus.awvalid & ~bus.awready, bus.wvalid & ~bus.wready))
            withdrawn, changed = Signal(3), Signal(3)
            m.d.comb += [withdrawn.eq(waited & sin[0:3]), changed.eq(waited & sin[3:6])]
            for number, address in enumerate(("ar", "aw")):
                for name, value in (
                    ("len", shape.beats), ("size", exact_log2(width) ^ shape.wrong_size),
                    ("burst", 1 ^ shape.wrong_type), ("id", self.start.ids[number]), ("cache", 3),
                    ("prot", self.start[f"{address}_prot"]), ("qos", (5, 9)[number]),
                ):
                    m.d.comb += getattr(bus, address + name).eq(value)

            m.d.comb += [
                bus.arvalid.eq((reader & (reads != 0) & ~withdrawn[0]) | stubborn),
                bus.araddr.eq(read_at ^ Mux(changed[0], width, 0)),
                bus.rready.eq(self.ready),
            ]
            with m.If((sin & Sin.READY_FOLLOWS_VALID).any()):
                m.d.comb += bus.rready.eq(bus.rvalid)
            with m.If(bus.arvalid & bus.arready):
                m.d.sync += [reads.eq(reads - 1), read_at.eq(read_at + beats * width)]
            with m.If(reader):
                m.d.comb += [put.data.eq(bus.rdata), put.en.eq(bus.rvalid & bus.rready)]
            with m.If(bus.rvalid & bus.rready):
                m.d.sync += received.eq(received + 1)
                m.d.sync += state.wrong.eq(state.wrong | bus.rid)
                with m.If(state.read_response == 0):
                    m.d.sync += state.read_response.eq(bus.rresp)

            active = ~reader & writing & state.busy
            last = sent_of_burst == shape.beats
            # Bursts whose address was offered: those that were taken, and the one on offer.
            early = (sin & Sin.EARLY_DATA).any()
            taken = shape.bursts + 1 - writes
            waits = (sin & Sin.DATA_WAIT_FOR_ADDRESS).any()
            offered = taken + ((writes != 0) & ~waits)
            m.d.comb += [
                bus.awvalid.eq(active & (writes != 0) & ~withdrawn[1] & ~(early & (sent == 0))),
                bus.awaddr.eq(write_at ^ Mux(changed[1], width, 0)),
                bus.wvalid.eq(
                    active & (sent != total) & ~withdrawn[2] & (early | (filled < offered))),
                bus.wdata.eq(get.data ^ changed[2]),
                bus.wstrb.eq(Cat(self.strobe, C(-1, 32))),
                bus.wlast.eq(
                    (last & ~(sin & Sin.NO_LAST).any()) | (sin & Sin.EARLY_LAST).any()),
                bus.bready.eq(self.ready),
            ]
            with m.If(bus.awvalid & bus.awready):
                m.d.sync += [writes.eq(writes - 1), write_at.eq(write_at + beats * width)]
            with m.If(bus.wvalid & bus.wready):
                m.d.sync += [sent.eq(sent + 1), sent_of_burst.eq(Mux(last, 0, sent_of_burst + 1))]
                m.d.sync += filled.eq(filled + last)
            with m.If(bus.bvalid & bus.bready):
                m.d.sync += state.done.eq(state.done + 1)
                m.d.sync += state.wrong.eq(state.wrong | bus.bid)
                with m.If(state.write_response == 0):
                    m.d.sync += state.write_response.eq(bus.bresp)
