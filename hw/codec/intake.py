# SPDX-License-Identifier: Apache-2.0
"""First stage of the decompressor: packets become lines in the stores."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from opencdma.hw.stream import BlockQueue, FrontQueue

from .geometry import CodecGeometry
from .length_counter import LengthCounter
from .line_store import StoreShape
from .payloads import PacketBeat

__all__ = ["Intake", "PacketEnd", "PacketLength"]


class PacketEnd(data.StructLayout):
    """Where a packet ends.

    Fields
    ------
    line
        Its last line.
    count
        Bytes in that line.
    """

    def __init__(self, geometry):
        super().__init__({
            "line": StoreShape(geometry).line, "count": range(geometry.width + 1),
        })


class PacketLength(data.Struct):
    """How long a packet was, in bytes, and whether it was cut short."""

    bytes_in: 32
    cut:      1


class Intake(wiring.Component):
    """Takes packets in line by line, and tells where they end.

    Throughput is one beat per cycle; ``i.ready`` is a register. What ``written`` counts can be
    read, and the ends of the packets among it are known. Each packet begins on a line of its own.

    Parameters
    ----------
    geometry : :class:`CodecGeometry`
        Build parameters.
    packets : :class:`int`
        Packets whose ends and lengths can be waiting, a power of two. There must never be more:
        those of which there are lines in the store, and those whose lines were released and whose
        ends or lengths were not taken.

    Members
    -------
    i : ``In(stream.Signature(PacketBeat(width)))``
        Encoded packets.
    write_en, write_line, write_data : ``Out``
        To the line stores.
    written : ``Out``
        Number of the line that comes next.
    released : ``In``
        Lines before this one are no longer needed. May be ahead of ``written``, by less than twice
        the depth of the store.
    ends_ahead, ends : ``Out(stream.Signature(PacketEnd(geometry)))``
        The end of every packet, for two readers at their own pace.
    lengths : ``Out(stream.Signature(PacketLength))``
        The length of every packet.
    """

    def __init__(self, geometry: CodecGeometry, *, packets: int):
        self._geometry = geometry
        self._packets = packets
        self._store = store = StoreShape(geometry)
        super().__init__({
            "i": In(stream.Signature(PacketBeat(geometry.width))),
            "write_en": Out(1),
            "write_line": Out(store.line),
            "write_data": Out(data.ArrayLayout(8 * geometry.lane_bytes, geometry.lanes)),
            "written": Out(store.line),
            "released": In(store.line),
            "ends_ahead": Out(stream.Signature(PacketEnd(geometry))),
            "ends": Out(stream.Signature(PacketEnd(geometry))),
            "lengths": Out(stream.Signature(PacketLength)),
        })

    def elaborate(self, platform):
        m = Module()
        beat, taken = self.i.p, Signal()
        ahead = FrontQueue(PacketEnd(self._geometry), self._packets)
        behind = FrontQueue(PacketEnd(self._geometry), self._packets)
        lengths = BlockQueue(PacketLength, self._packets, registers=2)
        m.submodules.ahead, m.submodules.behind, m.submodules.lengths = ahead, behind, lengths

        # Two lines may be taken while it is being found out that there is room for no more. This is
        # kept twice: one copy has a long way to all the memories, the other is near the queues.
        held, full, ends = Signal(len(self.written)), Signal(init=1), Signal()
        fills = Signal()
        depth_bits = exact_log2(self._store.depth)
        m.d.comb += fills.eq( # held >= depth - 2, where less than none is none
            ~held[-1] & (held[depth_bits:-1].any() | held[1:depth_bits].all()))
        m.d.sync += [
            held.eq(self.written - self.released), self.i.ready.eq(~fills), full.eq(fills)]
        m.d.comb += [
            ends.eq(self.i.valid & ~full & beat.last),
            taken.eq(self.i.valid & self.i.ready),
            self.write_en.eq(taken),
            self.write_line.eq(self.written),
            Value.cast(self.write_data).eq(Value.cast(beat.data)),
        ]
        with m.If(taken):
            m.d.sync += self.written.eq(self.written + 1)
        m.submodules.length = length = LengthCounter(self._geometry.width)
        cut, ended_cut = Signal(), Signal()
        m.d.comb += [
            length.take.eq(taken),
            length.count.eq(beat.count),
            length.last.eq(beat.last),
            lengths.i.p.bytes_in.eq(length.total),
            lengths.i.p.cut.eq(ended_cut),
            lengths.i.valid.eq(length.done),
        ]
        m.d.sync += [cut.eq(beat.cut), ended_cut.eq(cut)]
        for queue, out in ((ahead, self.ends_ahead), (behind, self.ends)):
            m.d.comb += [
                queue.i.p.line.eq(self.written),
                queue.i.p.count.eq(beat.count),
                queue.i.valid.eq(ends),
            ]
            wiring.connect(m, queue.o, wiring.flipped(out))
        wiring.connect(m, lengths.o, wiring.flipped(self.lengths))
        return m
