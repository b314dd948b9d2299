# SPDX-License-Identifier: Apache-2.0
"""The engine with AXI4 names: the part to put into a chip or an FPGA."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from opencdma.hw.bus.axi4 import Burst
from opencdma.hw.cdma import Cdma
from opencdma.hw.dma.register_bank import ADDRESS_BITS
from opencdma.spec import Config

__all__ = ["CdmaTop"]

#: AxBURST of an incrementing burst.
INCR = 0b01


def _lite_ports():
    return {
        "awaddr": In(ADDRESS_BITS), "awprot": In(3), "awvalid": In(1), "awready": Out(1),
        "wdata": In(32), "wstrb": In(4), "wvalid": In(1), "wready": Out(1),
        "bresp": Out(2), "bvalid": Out(1), "bready": In(1),
        "araddr": In(ADDRESS_BITS), "arprot": In(3), "arvalid": In(1), "arready": Out(1),
        "rdata": Out(32), "rresp": Out(2), "rvalid": Out(1), "rready": In(1),
    }


def _manager_ports(width, address_bits):
    ports = {}
    for channel in ("aw", "ar"):
        ports |= {
            f"{channel}id": Out(1), f"{channel}addr": Out(address_bits), f"{channel}len": Out(8),
            f"{channel}size": Out(3), f"{channel}burst": Out(2), f"{channel}cache": Out(4),
            f"{channel}prot": Out(3), f"{channel}qos": Out(4),
            f"{channel}valid": Out(1), f"{channel}ready": In(1),
        }
    return ports | {
        "wdata": Out(8 * width), "wstrb": Out(width), "wlast": Out(1), "wvalid": Out(1),
        "wready": In(1),
        "bid": In(1), "bresp": In(2), "bvalid": In(1), "bready": Out(1),
        "rid": In(1), "rdata": In(8 * width), "rresp": In(2), "rlast": In(1), "rvalid": In(1),
        "rready": Out(1),
    }


class CdmaTop(wiring.Component):
    """:class:`Cdma` with AXI4 names, one clock and an active-low reset.

    Members
    -------
    aclk, aresetn
        Clock, and reset in its domain.
    s_axil_awaddr, ...
        Registers: AXI4-Lite.
    m_axi_dev_awaddr, ..., m_axi_host_awaddr, ...
        Device and host memory: AXI4.
    irq
        Interrupt, high while there is a reason for it.
    """

    def __init__(self, config: Config):
        self._config = config
        self._buses = {
            "s_axil": _lite_ports(),
            "m_axi_dev": _manager_ports(config.dev_width, config.address_bits),
            "m_axi_host": _manager_ports(config.host_width, config.address_bits),
        }
        super().__init__({
            "aclk": In(1),
            "aresetn": In(1),
            **{f"{bus}_{name}": member for bus, ports in self._buses.items()
               for name, member in ports.items()},
            "irq": Out(1),
        })
        # How Vivado tells buses from wires.
        for bus, ports in self._buses.items():
            for name in ports:
                self._port(bus, name).attrs["X_INTERFACE_INFO"] = (
                    f"xilinx.com:interface:aximm:1.0 {bus} {name.upper()}")
        self.aclk.attrs["X_INTERFACE_INFO"] = "xilinx.com:signal:clock:1.0 aclk CLK"
        self.aclk.attrs["X_INTERFACE_PARAMETER"] = (
            f"ASSOCIATED_BUSIF {':'.join(self._buses)}, ASSOCIATED_RESET aresetn")
        self.aresetn.attrs["X_INTERFACE_INFO"] = "xilinx.com:signal:reset:1.0 aresetn RST"
        self.aresetn.attrs["X_INTERFACE_PARAMETER"] = "POLARITY ACTIVE_LOW"
        self.irq.attrs["X_INTERFACE_INFO"] = "xilinx.com:signal:interrupt:1.0 irq INTERRUPT"
        self.irq.attrs["X_INTERFACE_PARAMETER"] = "SENSITIVITY LEVEL_HIGH"

    def _port(self, bus, name):
        return getattr(self, f"{bus}_{name}")

    def elaborate(self, platform):
        m = Module()
        m.domains.sync = sync = ClockDomain()
        m.d.comb += [sync.clk.eq(self.aclk), sync.rst.eq(~self.aresetn)]
        m.submodules.cdma = cdma = Cdma(self._config)
        m.d.comb += self.irq.eq(cdma.irq)

        def port(name):
            return self._port("s_axil", name)

        bus = cdma.bus
        for channel in ("aw", "ar"):
            address = getattr(bus, channel)
            m.d.comb += [
                address.payload.eq(port(f"{channel}addr")),
                address.valid.eq(port(f"{channel}valid")),
                port(f"{channel}ready").eq(address.ready),
            ]
        m.d.comb += [
            bus.w.p.data.eq(port("wdata")), bus.w.p.strobe.eq(port("wstrb")),
            bus.w.valid.eq(port("wvalid")), port("wready").eq(bus.w.ready),
            port("bresp").eq(bus.b.payload), port("bvalid").eq(bus.b.valid),
            bus.b.ready.eq(port("bready")),
            port("rdata").eq(bus.r.p.data), port("rresp").eq(bus.r.p.resp),
            port("rvalid").eq(bus.r.valid), bus.r.ready.eq(port("rready")),
        ]
        self._connect_manager(
            m, "m_axi_dev", cdma.dev_read, cdma.dev_write, self._config.dev_width)
        self._connect_manager(
            m, "m_axi_host", cdma.host_read, cdma.host_write, self._config.host_width)
        return m

    def _connect_manager(self, m, bus, reads, writes, width):
        def port(name):
            return self._port(bus, name)

        for channel, stream in (("aw", writes.aw), ("ar", reads.ar)):
            burst = Signal(Burst(self._config.address_bits), name=f"{bus}_{channel}")
            m.d.comb += [
                burst.eq(stream.payload),
                port(f"{channel}addr").eq(burst.address),
                port(f"{channel}len").eq(burst.length),
                port(f"{channel}size").eq(exact_log2(width)),
                port(f"{channel}burst").eq(INCR),
                port(f"{channel}cache").eq(burst.cache),
                port(f"{channel}qos").eq(burst.qos),
                port(f"{channel}valid").eq(stream.valid),
                stream.ready.eq(port(f"{channel}ready")),
            ]
        m.d.comb += [
            port("wdata").eq(Value.cast(writes.w.p.data)),
            port("wstrb").eq(writes.w.p.strobe),
            port("wlast").eq(writes.w.p.last),
            port("wvalid").eq(writes.w.valid),
            writes.w.ready.eq(port("wready")),
            writes.b.payload.eq(port("bresp")),
            writes.b.valid.eq(port("bvalid")),
            port("bready").eq(1),
            Value.cast(reads.r.p.data).eq(port("rdata")),
            reads.r.p.resp.eq(port("rresp")),
            reads.r.p.last.eq(port("rlast")),
            reads.r.valid.eq(port("rvalid")),
            port("rready").eq(1),
        ]
