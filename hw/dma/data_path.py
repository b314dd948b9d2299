# SPDX-License-Identifier: Apache-2.0
"""The way of the data through a channel."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from opencdma.hw.bus.axi4 import ReadPort, WritePort
from opencdma.hw.codec import (
    Codec,
    CodecGeometry,
    CommandWord,
    Compressor,
    Decompressor,
    PacketBeat,
    StatusWord,
)
from opencdma.hw.stream import BlockQueue, Queue
from opencdma.spec import Channel, Config

from .crc32 import Crc32
from .jobs import MoverReport, ReadJob, WriteJob
from .narrower import Narrower
from .read_mover import ReadMover
from .verifier import Verifier
from .widener import Widener
from .write_mover import WriteMover

__all__ = ["DataPath", "port_widths"]


def port_widths(config: Config, channel: Channel | None) -> tuple[int, int]:
    """Return the bytes per beat of the ports that a channel reads and writes."""
    if channel == Channel.PREFETCH:
        return config.host_width, config.dev_width
    return config.dev_width, config.host_width


class DataPath(wiring.Component):
    """Reads, encodes or decodes, and writes, job after job without a gap.

    ::

        OFFLOAD    source -> read mover -> +-> compressor -> +-> narrower -> write mover -> sink
                                          crc             verifier
        PREFETCH   source -> read mover -> widener -> decompressor -> +-> write mover -> sink
                                                                     crc

    The raw side has the device port's width, and the codec too. Narrower and widener are there
    when the host port is narrower, crc and verifier when they are built in. A shared build has one
    codec for both directions, and its crc listens on the side that is raw.

    Parameters
    ----------
    config : :class:`~opencdma.spec.Config`
        Build parameters.
    channel : :class:`~opencdma.spec.Channel` or ``None``
        The channel; ``None`` in a shared build, which has both directions.

    Members
    -------
    reads, writes, commands, checks : ``In(stream.Signature(...))``
        Jobs of the movers, commands of the codec and of the verifier: one each per packet, of the
        verifier only if it is to look at it.
    verifies : ``In(1)``
        With a command: the verifier is to look at the packet.
    source : ``Out(ReadPort)``, sink : ``Out(WritePort)``
        The memories.
    read_reports, write_reports, statuses, crcs, check_statuses, check_crcs : \
    ``Out(stream.Signature(...))``
        What came of it, one each per packet, but for builds without them.
    offload : ``In(1)``
        Source is device memory. Changes only while nothing is under way.
    kill : ``In(1)``
        Read no more: packets end early.
    latched : ``In(1)``
        Write no more.
    clear : ``In(1)``
        Everything is reset one cycle later. It has to be high for two cycles at least.
    owed : ``Out(1)``
        A memory owes something.
    progress : ``Out(1)``
        A beat moved between here and the memories.
    stalls_read, stalls_write, stalls_codec : ``Out(1)``
        The codec waits for data; data wait for the memory; data wait for the codec.
    """

    def __init__(self, config: Config, channel: Channel | None):
        self._config = config
        self._channel = channel
        source_width, sink_width = port_widths(config, channel)
        super().__init__({
            "reads": In(stream.Signature(ReadJob)),
            "writes": In(stream.Signature(WriteJob)),
            "commands": In(stream.Signature(CommandWord)),
            "checks": In(stream.Signature(CommandWord)),
            "verifies": In(1),
            "source": Out(ReadPort(source_width, config.address_bits)),
            "sink": Out(WritePort(sink_width, config.address_bits)),
            "read_reports": Out(stream.Signature(MoverReport)),
            "write_reports": Out(stream.Signature(MoverReport)),
            "statuses": Out(stream.Signature(StatusWord)),
            "crcs": Out(stream.Signature(32)),
            "check_statuses": Out(stream.Signature(StatusWord)),
            "check_crcs": Out(stream.Signature(32)),
            "offload": In(1),
            "kill": In(1),
            "latched": In(1),
            "clear": In(1),
            "owed": Out(1),
            "progress": Out(1),
            "stalls_read": Out(1),
            "stalls_write": Out(1),
            "stalls_codec": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        config, channel = self._config, self._channel
        source_width, sink_width = port_widths(config, channel)
        width, slots = config.dev_width, config.slots
        geometry = CodecGeometry(width, config.element_sizes, config.ranks)

        # Two registers, since there is much to be cleared; the codec waits for the rest.
        clear, clear_codec = Signal(), Signal()
        m.d.sync += [clear.eq(self.clear), clear_codec.eq(self.clear | clear)]
        cleared = ResetInserter(clear)
        write_queue = BlockQueue(WriteJob, slots)
        reader = ReadMover(
            width=source_width, address_bits=config.address_bits, longest=config.read_burst,
            buffer=config.read_buffer, jobs=slots, unaligned=config.unaligned)
        writer = WriteMover(
            width=sink_width, address_bits=config.address_bits, longest=config.write_burst,
            outstanding=config.max_outstanding, reports=slots, unaligned=config.unaligned)
        engine = {None: Codec, Channel.OFFLOAD: Compressor, Channel.PREFETCH: Decompressor}[channel]
        codec = engine(geometry)
        m.submodules.write_queue = cleared(write_queue)
        m.submodules.read_mover = cleared(reader)
        m.submodules.write_mover = cleared(writer)
        m.submodules.codec = ResetInserter(clear_codec)(codec)

        connect(m, flipped(self.writes), write_queue.i)
        connect(m, flipped(self.reads), reader.jobs)
        connect(m, write_queue.o, writer.jobs)
        connect(m, flipped(self.commands), codec.commands)
        connect(m, reader.port, flipped(self.source))
        connect(m, writer.port, flipped(self.sink))
        connect(m, reader.reports, flipped(self.read_reports))
        connect(m, writer.reports, flipped(self.write_reports))
        connect(m, codec.statuses, flipped(self.statuses))

        if source_width < width:
            widener = Widener(source_width, width)
            m.submodules.widener = cleared(widener)
            connect(m, reader.o, widener.i)
            connect(m, widener.o, codec.i)
        else:
            connect(m, reader.o, codec.i)

        encoded = codec.o
        if config.verify and channel != Channel.PREFETCH:
            encoded = self._add_verifier(m, geometry, codec, cleared)
        else:
            m.d.comb += self.checks.ready.eq(1)
        if sink_width < width:
            narrower = Narrower(width, sink_width)
            m.submodules.narrower = cleared(narrower)
            connect(m, encoded, narrower.i)
            connect(m, narrower.o, writer.i)
        else:
            connect(m, encoded, writer.i)

        if config.crc:
            crc = Crc32(width, depth=slots)
            m.submodules.crc = cleared(crc)
            taken, given = codec.i.valid & codec.i.ready, codec.o.valid & codec.o.ready
            m.d.comb += [
                crc.i.valid.eq(Mux(self.offload, taken, given)),
                crc.i.payload.eq(Mux(
                    self.offload, codec.i.payload.as_value(), codec.o.payload.as_value())),
            ]
            connect(m, crc.o, flipped(self.crcs))

        def moves(port):
            return port.valid & port.ready

        blocked = Signal()
        m.d.comb += [
            reader.kill.eq(self.kill),
            writer.hold.eq(self.latched),
            self.owed.eq(reader.owed | writer.owed),
            self.progress.eq(
                moves(self.source.ar) | self.source.r.valid | moves(self.sink.aw)
                | moves(self.sink.w) | self.sink.b.valid),
            blocked.eq((self.sink.aw.valid & ~self.sink.aw.ready)
                       | (self.sink.w.valid & ~self.sink.w.ready)),
            self.stalls_read.eq(reader.owed & codec.i.ready & ~codec.i.valid),
            self.stalls_write.eq(blocked),
            self.stalls_codec.eq(codec.i.valid & ~codec.i.ready & ~blocked),
        ]
        return m

    def _add_verifier(self, m, geometry, codec, cleared):
        """Branch off what is encoded, and return what remains of the stream."""
        slots = self._config.slots
        verifier = Verifier(geometry, depth=slots)
        verified = Queue(1, 2 * slots)
        m.submodules.verifier = cleared(verifier)
        m.submodules.verified = cleared(verified)
        connect(m, flipped(self.checks), verifier.commands)
        connect(m, verifier.statuses, flipped(self.check_statuses))
        connect(m, verifier.crcs, flipped(self.check_crcs))
        m.d.comb += [
            verified.i.valid.eq(self.commands.valid & self.commands.ready),
            verified.i.payload.eq(self.verifies),
        ]
        # A beat goes both ways at once, or neither; the packet of a command is behind it.
        rest = stream.Signature(PacketBeat(geometry.width)).create(path=("encoded",))
        looks, goes = Signal(), Signal()
        m.d.comb += [
            looks.eq(verified.o.payload),
            rest.valid.eq(codec.o.valid & (~looks | verifier.i.ready)),
            rest.payload.eq(codec.o.payload),
            verifier.i.valid.eq(codec.o.valid & looks & rest.ready),
            verifier.i.payload.eq(codec.o.payload),
            goes.eq(rest.valid & rest.ready),
            codec.o.ready.eq(rest.ready & (~looks | verifier.i.ready)),
            verified.o.ready.eq(goes & codec.o.p.last),
        ]
        return rest
