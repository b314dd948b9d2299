# SPDX-License-Identifier: Apache-2.0
"""First stage of the compressor: commands and packets become beats that know their place."""

from amaranth import *
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out

from opencdma.spec import ErrorCode, Status

from .command import DecodedCommand
from .geometry import CodecGeometry
from .length_counter import LengthCounter
from .payloads import PacketBeat

__all__ = ["Framer", "InputReport", "RawBeat"]


class RawBeat(data.StructLayout):
    """A beat of raw data and its place in the transfer.

    Fields
    ------
    data
        ``width`` bytes.
    count
        Bytes that belong to the transfer, whole elements from ``data[0]`` up.
    zvc, size
        Of the transfer, as in :class:`DecodedCommand`.
    head
        A mask stands in front of this beat: it is the first of a group.
    tail
        The last beat of a group.
    last
        The last beat of the transfer.
    """

    def __init__(self, width):
        super().__init__({
            "data": data.ArrayLayout(8, width), "count": range(width + 1),
            "zvc": 1, "size": 2, "head": 1, "tail": 1, "last": 1,
        })


class InputReport(data.Struct):
    """What the compressor found at its input, once per transfer."""

    status:     8
    error_code: 8
    position:   32
    bytes_in:   32


class Framer(wiring.Component):
    """Matches packets with commands, and cuts them into groups.

    Every packet answers one command and gives at least one beat, the last of which has ``last``.
    A packet that is too short ends the transfer early, with what there is of whole elements; one
    that is too long gives the bytes the command asked for, and the rest is swallowed. The packet
    of a refused command is swallowed and gives one empty beat.

    Throughput is one beat per cycle, across packets too; latency is one cycle. ``i.ready`` does
    not depend on ``i.valid``, and depends combinationally on ``enable``.

    Members
    -------
    commands : ``In(stream.Signature(DecodedCommand))``
        One per packet.
    i : ``In(stream.Signature(PacketBeat(width)))``
        Packets of raw data.
    o : ``Out(stream.Signature(RawBeat(width), always_ready=True))``
        Beats with their place in the transfer.
    reports : ``Out(stream.Signature(InputReport, always_ready=True))``
        One per packet, two cycles after its last beat is taken.
    enable : ``In(1)``
        A beat may be taken: there is room for it behind ``o``.
    emits : ``Out(1)``
        A beat was taken that will come out of ``o`` in the next cycle.
    """

    def __init__(self, geometry: CodecGeometry):
        self._geometry = geometry
        super().__init__({
            "commands": In(stream.Signature(DecodedCommand)),
            "i": In(stream.Signature(PacketBeat(geometry.width))),
            "o": Out(stream.Signature(RawBeat(geometry.width), always_ready=True)),
            "reports": Out(stream.Signature(InputReport, always_ready=True)),
            "enable": In(1),
            "emits": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        width, group_beats = self._geometry.width, self._geometry.group_beats

        class State(enum.Enum, shape=2):
            IDLE, DATA, EXCESS, REFUSED = range(4)

        state     = Signal(State)
        command   = Signal(DecodedCommand)
        remaining = Signal(32) # bytes the transfer still lacks
        in_group  = Signal(range(group_beats))

        beat, taken = self.i.p, Signal()
        m.d.comb += self.i.ready.eq(self.enable & (state != State.IDLE))
        m.d.comb += taken.eq(self.i.valid & self.i.ready)

        # The next command is taken over in the cycle that ends the packet before it.
        load = Signal()
        m.d.comb += load.eq((state == State.IDLE) | (taken & beat.last))
        m.d.comb += self.commands.ready.eq(load)
        with m.If(load):
            m.d.sync += [
                command.eq(self.commands.payload),
                remaining.eq(self.commands.p.raw_length),
                in_group.eq(0),
                state.eq(State.IDLE),
            ]
            with m.If(self.commands.valid):
                m.d.sync += state.eq(
                    Mux(self.commands.p.status == Status.OK, State.DATA, State.REFUSED))

        # How many bytes of this beat the transfer takes: as many as it lacks, or all there are.
        wanted, short = Signal(range(width + 1)), Signal()
        used = Signal(range(width + 1))
        final = Signal() # the transfer ends with this beat
        m.d.comb += [
            wanted.eq(Mux(remaining >= width, width, remaining)),
            short.eq(beat.count < wanted),
            used.eq(wanted),
            final.eq((remaining <= width) | beat.last),
        ]
        with m.If(short):
            with m.Switch(command.size):
                for size in self._geometry.element_sizes:
                    with m.Case(self._geometry.size_code(size)):
                        m.d.comb += used.eq(beat.count & -size)

        m.d.comb += self.emits.eq(
            taken & ((state == State.DATA) | ((state == State.REFUSED) & beat.last)))
        m.d.sync += [
            self.o.valid.eq(self.emits),
            self.o.p.data.eq(beat.data),
            self.o.p.zvc.eq(command.zvc),
            self.o.p.size.eq(command.size),
        ]
        with m.If(taken & (state == State.DATA)):
            m.d.sync += [
                self.o.p.count.eq(used),
                self.o.p.head.eq(command.zvc & (in_group == 0) & (used != 0)),
                self.o.p.tail.eq(final | (in_group == group_beats - 1)),
                self.o.p.last.eq(final),
            ]
            with m.If(~beat.last):
                m.d.sync += remaining.eq(remaining - wanted)
                m.d.sync += in_group.eq(in_group + 1)
                with m.If(final):
                    m.d.sync += state.eq(State.EXCESS)
        with m.If(state == State.REFUSED):
            m.d.sync += [
                self.o.p.count.eq(0),
                self.o.p.head.eq(0),
                self.o.p.tail.eq(1),
                self.o.p.last.eq(1),
            ]
        # The report: the length is added up in one cycle, and judged in the next.
        ended = Signal(data.StructLayout({"command": DecodedCommand, "total": 32, "cut": 1}))
        judge = Signal()
        m.submodules.length = length = LengthCounter(width)
        m.d.comb += [
            length.take.eq(taken),
            length.count.eq(beat.count),
            length.last.eq(beat.last),
        ]
        m.d.sync += [
            ended.command.eq(command),
            ended.total.eq(length.total),
            ended.cut.eq(beat.cut),
            judge.eq(taken & beat.last),
            self.reports.valid.eq(judge),
            self.reports.p.bytes_in.eq(ended.total),
            self.reports.p.position.eq(0),
            self.reports.p.status.eq(ended.command.status),
            self.reports.p.error_code.eq(ended.command.error_code),
        ]
        with m.If(ended.command.status == Status.OK):
            with m.If(ended.total != ended.command.raw_length):
                m.d.sync += [
                    self.reports.p.status.eq(Status.DATA_ERROR),
                    self.reports.p.error_code.eq(ErrorCode.LENGTH_MISMATCH),
                    self.reports.p.position.eq(Mux(
                        ended.total < ended.command.raw_length,
                        ended.total, ended.command.raw_length)),
                ]
            with m.Elif(ended.cut):
                m.d.sync += [
                    self.reports.p.status.eq(Status.DATA_ERROR),
                    self.reports.p.error_code.eq(ErrorCode.FRAMING),
                    self.reports.p.position.eq(ended.total),
                ]
        return m
