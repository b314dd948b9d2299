# SPDX-License-Identifier: Apache-2.0
"""What the engine cannot be without, by itself: measured beside it, not built into it."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from amaranth.utils import exact_log2

from opencdma.hw.bus.axi4 import ReadPort, WritePort
from opencdma.hw.codec.network import GatherNetwork, rotate
from opencdma.hw.dma.jobs import MoverReport, ReadJob, WriteJob
from opencdma.hw.dma.read_mover import ReadMover
from opencdma.hw.dma.write_mover import WriteMover
from opencdma.spec import Config

__all__ = ["Compaction", "Movers", "Rotator", "Slice"]


class Compaction(wiring.Component):
    """Squeezes out lanes of a beat: running counts and the network, and nothing else.

    Throughput is one beat per cycle. There is a register rank in front, and one behind every level
    of additions and of the network: latency is one cycle more than twice the levels.

    Parameters
    ----------
    lanes : :class:`int`
        Lanes per beat, a power of two.
    lane_bits : :class:`int`
        Bits per lane.

    Members
    -------
    i : stream of lanes and which of them to keep, always ready
        Beats.
    o : stream of lanes and how many there are, always ready
        Beats with the kept lanes at the bottom.
    """

    def __init__(self, lanes: int, lane_bits: int):
        self._lanes = lanes
        self._lane_bits = lane_bits
        lanes_layout = data.ArrayLayout(lane_bits, lanes)
        beat = data.StructLayout({"data": lanes_layout, "keep": lanes})
        packed = data.StructLayout({"data": lanes_layout, "count": range(lanes + 1)})
        super().__init__({
            "i": In(stream.Signature(beat, always_ready=True)),
            "o": Out(stream.Signature(packed, always_ready=True)),
        })

    def elaborate(self, platform):
        m = Module()
        lanes, levels = self._lanes, exact_log2(self._lanes)
        m.submodules.network = network = GatherNetwork(
            lanes=lanes, lane_bits=self._lane_bits, side=range(lanes + 1), ranks=levels)

        beat, valid, counts = self.i.p.data, self.i.valid, list(self.i.p.keep)
        for rank in range(levels + 1):
            if rank: # the upper half of each block adds the count of its lower half
                step = rank - 1
                counts = [
                    count + counts[(lane >> step << step) - 1] if lane >> step & 1 else count
                    for lane, count in enumerate(counts)]
            held = Signal.like(beat, name=f"data{rank}", reset_less=True)
            held_valid = Signal(name=f"valid{rank}")
            held_counts = [
                Signal.like(count, name=f"counts{rank}_{lane}", reset_less=True)
                for lane, count in enumerate(counts)]
            m.d.sync += [held.eq(beat), held_valid.eq(valid)]
            for held_count, count in zip(held_counts, counts, strict=True):
                m.d.sync += held_count.eq(count)
            beat, valid, counts = held, held_valid, held_counts

        for lane in range(1, lanes):
            m.d.comb += network.i.p.turns[str(lane)].eq(counts[lane - 1])
        m.d.comb += [
            network.i.p.data.eq(beat), network.i.p.side.eq(counts[-1]), network.i.valid.eq(valid),
            self.o.p.data.eq(network.o.p.data), self.o.p.count.eq(network.o.p.side),
            self.o.valid.eq(network.o.valid),
        ]
        return m


class Slice(wiring.Component):
    """Cuts a stream in two: nothing on one side depends combinationally on the other.

    Throughput is one beat per cycle, latency one cycle.

    Parameters
    ----------
    bits : :class:`int`
        Bits per beat.

    Members
    -------
    i, o : streams of ``bits``
        Beats before and behind the cut.
    """

    def __init__(self, bits: int):
        super().__init__({"i": In(stream.Signature(bits)), "o": Out(stream.Signature(bits))})

    def elaborate(self, platform):
        m = Module()
        kept, kept_valid = Signal.like(self.i.payload, reset_less=True), Signal()
        m.d.comb += self.i.ready.eq(~kept_valid)
        with m.If(self.o.ready | ~self.o.valid):
            m.d.sync += [
                self.o.payload.eq(Mux(kept_valid, kept, self.i.payload)),
                self.o.valid.eq(kept_valid | self.i.valid),
                kept_valid.eq(0),
            ]
        with m.Elif(self.i.ready):
            m.d.sync += kept_valid.eq(self.i.valid)
        with m.If(self.i.ready):
            m.d.sync += kept.eq(self.i.payload)
        return m


class Rotator(wiring.Component):
    """Rotates the bytes of a beat, in one cycle between registers.

    Throughput is one beat per cycle, latency two cycles.

    Parameters
    ----------
    width : :class:`int`
        Bytes per beat, a power of two.

    Members
    -------
    i : stream of bytes and by how many places to turn them up, always ready
        Beats.
    o : stream of bytes, always ready
        Rotated beats.
    """

    def __init__(self, width: int):
        lanes = data.ArrayLayout(8, width)
        beat = data.StructLayout({"data": lanes, "amount": range(width)})
        super().__init__({
            "i": In(stream.Signature(beat, always_ready=True)),
            # Yosys confuses lanes of a port that is an array with bits of it.
            "o": Out(stream.Signature(8 * width, always_ready=True)),
        })

    def elaborate(self, platform):
        m = Module()
        taken, taken_valid = Signal.like(self.i.payload, reset_less=True), Signal()
        m.d.sync += [
            taken.eq(self.i.payload), taken_valid.eq(self.i.valid),
            self.o.payload.eq(rotate(m, taken.data, taken.amount, 1, name="turned")),
            self.o.valid.eq(taken_valid),
        ]
        return m


class Movers(wiring.Component):
    """One direction of the engine without codec, descriptors and registers: jobs in, reports out.

    It is what engines that are handed their descriptors on a stream are compared with.

    Parameters
    ----------
    config : :class:`~opencdma.spec.Config`
        Build parameters; both sides have the width of the device port.

    Members
    -------
    reads, writes : ``In(stream.Signature(...))``
        A job for each mover and copy.
    source : ``Out(ReadPort)``, sink : ``Out(WritePort)``
        The memories.
    read_reports, write_reports : ``Out(stream.Signature(MoverReport))``
        What came of the jobs.
    """

    def __init__(self, config: Config):
        self._config = config
        size = (config.dev_width, config.address_bits)
        super().__init__({
            "reads": In(stream.Signature(ReadJob)),
            "writes": In(stream.Signature(WriteJob)),
            "source": Out(ReadPort(*size)),
            "sink": Out(WritePort(*size)),
            "read_reports": Out(stream.Signature(MoverReport)),
            "write_reports": Out(stream.Signature(MoverReport)),
        })

    def elaborate(self, platform):
        m = Module()
        config = self._config
        size = {"width": config.dev_width, "address_bits": config.address_bits,
                "unaligned": config.unaligned}
        m.submodules.read_mover = reader = ReadMover(
            **size, longest=config.read_burst, buffer=config.read_buffer, jobs=config.slots)
        m.submodules.write_mover = writer = WriteMover(
            **size, longest=config.write_burst, outstanding=config.max_outstanding,
            reports=config.slots)
        connect(m, flipped(self.reads), reader.jobs)
        connect(m, flipped(self.writes), writer.jobs)
        connect(m, reader.port, flipped(self.source))
        connect(m, writer.port, flipped(self.sink))
        connect(m, reader.o, writer.i)
        connect(m, reader.reports, flipped(self.read_reports))
        connect(m, writer.reports, flipped(self.write_reports))
        return m
