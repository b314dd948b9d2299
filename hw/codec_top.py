# SPDX-License-Identifier: Apache-2.0
"""The codec with AXI4-Stream ports: the part to put beside a DMA engine you already have."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from opencdma.hw.bus.axi_stream import PacketSink, PacketSource
from opencdma.hw.codec import (
    CodecGeometry,
    CommandWord,
    Compressor,
    Decompressor,
    PacketBeat,
    StatusWord,
)
from opencdma.hw.stream import Queue
from opencdma.spec import Direction

__all__ = ["Codec", "CodecTop"]


class Codec(wiring.Component):
    """A compressor and a decompressor behind one set of streams.

    The direction of each command decides which of them its packet goes through. Packets and
    statuses come out in the order of the commands. Adds no latency and no bubbles.

    Members
    -------
    commands : ``In(stream.Signature(CommandWord))``
        One per packet.
    i : ``In(stream.Signature(PacketBeat(width)))``
        Packets to be compressed or decompressed.
    o : ``Out(stream.Signature(PacketBeat(width)))``
        What they became.
    statuses : ``Out(stream.Signature(StatusWord))``
        One per packet, after its last beat has been taken.
    """

    def __init__(self, geometry: CodecGeometry):
        self._geometry = geometry
        super().__init__({
            "commands": In(stream.Signature(CommandWord)),
            "i": In(stream.Signature(PacketBeat(geometry.width))),
            "o": Out(stream.Signature(PacketBeat(geometry.width))),
            "statuses": Out(stream.Signature(StatusWord)),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.compressor = compressor = Compressor(self._geometry)
        m.submodules.decompressor = decompressor = Decompressor(self._geometry)
        engines = {Direction.COMPRESS: compressor, Direction.DECOMPRESS: decompressor}

        # The directions of the transfers whose packet has not gone in, not come out, and whose
        # status has not been given: a command may pass when there is room in every one of them.
        queues = {}
        for name in ("input", "output", "status"):
            queues[name] = m.submodules[f"{name}_order"] = Queue(1, 32)
        waiting = [*queues.values()]
        willing, accept = Signal(), Signal()
        m.d.comb += [
            willing.eq(Cat(q.i.ready for q in waiting).all()
                       & Cat(engine.commands.ready for engine in engines.values()).all()),
            self.commands.ready.eq(willing),
            accept.eq(self.commands.valid & willing),
        ]
        for queue in waiting:
            m.d.comb += [queue.i.valid.eq(accept), queue.i.payload.eq(self.commands.p.direction)]
        m.d.comb += [
            queues["input"].o.ready.eq(self.i.valid & self.i.ready & self.i.p.last),
            queues["output"].o.ready.eq(self.o.valid & self.o.ready & self.o.p.last),
            queues["status"].o.ready.eq(self.statuses.valid & self.statuses.ready),
        ]

        for direction, engine in engines.items():
            turn = {
                name: queue.o.valid & (queue.o.payload == direction)
                for name, queue in queues.items()
            }
            m.d.comb += [
                engine.commands.payload.eq(self.commands.payload),
                engine.commands.valid.eq(accept & (self.commands.p.direction == direction)),
                engine.i.payload.eq(self.i.payload),
                engine.i.valid.eq(self.i.valid & turn["input"]),
                engine.o.ready.eq(self.o.ready & turn["output"]),
                engine.statuses.ready.eq(self.statuses.ready & turn["status"]),
            ]
            with m.If(turn["input"]):
                m.d.comb += self.i.ready.eq(engine.i.ready)
            with m.If(turn["output"]):
                m.d.comb += self.o.valid.eq(engine.o.valid)
                m.d.comb += self.o.payload.eq(engine.o.payload)
            with m.If(turn["status"]):
                m.d.comb += self.statuses.valid.eq(engine.statuses.valid)
                m.d.comb += self.statuses.payload.eq(engine.statuses.payload)
        return m


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
