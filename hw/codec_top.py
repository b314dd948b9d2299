# SPDX-License-Identifier: Apache-2.0
"""The codec with AXI4-Stream ports: the part to put beside a DMA engine you already have."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from opencdma.hw.bus.axi_stream import PacketSink, PacketSource
from opencdma.hw.codec import Codec, CodecGeometry, CommandWord, StatusWord

__all__ = ["CodecTop"]


class CodecTop(wiring.Component):
    """:class:`Codec` with AXI4-Stream names, one clock and an active-low reset.

    Members
    -------
    aclk, aresetn
        Clock, and reset in its domain.
    s_axis_cmd_tdata, ...
        Commands: a :class:`CommandWord`.
    s_axis_tdata, ...
        Packets in.
    m_axis_tdata, ...
        Packets out.
    m_axis_sts_tdata, ...
        Statuses: a :class:`StatusWord`.
    """

    def __init__(self, geometry: CodecGeometry):
        self._geometry = geometry
        width = geometry.width

        def stream_ports(name, direction, bits, *, packets):
            back = Out if direction is In else In
            ports = {"tdata": direction(bits)}
            if packets:
                ports |= {"tkeep": direction(width), "tlast": direction(1)}
            ports |= {"tvalid": direction(1), "tready": back(1)}
            return {f"{name}_{port}": member for port, member in ports.items()}

        super().__init__({
            "aclk": In(1),
            "aresetn": In(1),
            **stream_ports("s_axis_cmd", In, CommandWord.as_shape().size, packets=False),
            **stream_ports("s_axis", In, 8 * width, packets=True),
            **stream_ports("m_axis", Out, 8 * width, packets=True),
            **stream_ports("m_axis_sts", Out, StatusWord.as_shape().size, packets=False),
        })
        # How Vivado tells buses from wires.
        for member in self.signature.members:
            bus, _, port = member.rpartition("_")
            if bus:
                vlnv = "xilinx.com:interface:axis:1.0"
                getattr(self, member).attrs["X_INTERFACE_INFO"] = f"{vlnv} {bus} {port.upper()}"
        buses = ":".join(("s_axis_cmd", "s_axis", "m_axis", "m_axis_sts"))
        self.aclk.attrs["X_INTERFACE_INFO"] = "xilinx.com:signal:clock:1.0 aclk CLK"
        self.aclk.attrs["X_INTERFACE_PARAMETER"] = (
            f"ASSOCIATED_BUSIF {buses}, ASSOCIATED_RESET aresetn")
        self.aresetn.attrs["X_INTERFACE_INFO"] = "xilinx.com:signal:reset:1.0 aresetn RST"
        self.aresetn.attrs["X_INTERFACE_PARAMETER"] = "POLARITY ACTIVE_LOW"

    def elaborate(self, platform):
        m = Module()
        m.domains.sync = sync = ClockDomain()
        m.d.comb += [sync.clk.eq(self.aclk), sync.rst.eq(~self.aresetn)]

        m.submodules.codec = codec = Codec(self._geometry)
        m.submodules.sink = sink = PacketSink(self._geometry.width)
        m.submodules.source = source = PacketSource(self._geometry.width)
        wiring.connect(m, sink.o, codec.i)
        wiring.connect(m, codec.o, source.i)

        m.d.comb += [
            codec.commands.payload.eq(self.s_axis_cmd_tdata),
            codec.commands.valid.eq(self.s_axis_cmd_tvalid),
            self.s_axis_cmd_tready.eq(codec.commands.ready),

            sink.tdata.eq(self.s_axis_tdata),
            sink.tkeep.eq(self.s_axis_tkeep),
            sink.tlast.eq(self.s_axis_tlast),
            sink.tvalid.eq(self.s_axis_tvalid),
            self.s_axis_tready.eq(sink.tready),

            self.m_axis_tdata.eq(source.tdata),
            self.m_axis_tkeep.eq(source.tkeep),
            self.m_axis_tlast.eq(source.tlast),
            self.m_axis_tvalid.eq(source.tvalid),
            source.tready.eq(self.m_axis_tready),

            self.m_axis_sts_tdata.eq(codec.statuses.payload),
            self.m_axis_sts_tvalid.eq(codec.statuses.valid),
            codec.statuses.ready.eq(self.m_axis_sts_tready),
        ]
        return m
