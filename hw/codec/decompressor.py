# SPDX-License-Identifier: Apache-2.0
"""The decompressor: commands and encoded packets in, raw packets and statuses out."""

from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import connect, flipped
from amaranth.utils import ceil_log2

from opencdma.hw.stream import Credit, Queue
from opencdma.spec import Direction, ErrorCode, Status

from .beat_planner import BeatPlanner
from .command import CommandDecoder
from .expander import Expander
from .gate import DecodeReport, Gate
from .geometry import CodecGeometry
from .intake import Intake, PacketLength
from .line_store import LineStore, StoreShape
from .mask_walker import MaskWalker, Verdict
from .payloads import CodecSignature

__all__ = ["Decompressor"]

#: Beats between planner and output at most.
BEATS = 16


class Decompressor(wiring.Component):
    """Decodes packets as ``docs/format.md`` says, one per command.

    ::

        commands -> decoder -> mask walker -> beat planner -> expander -> gate -> o
                                    ^              ^             ^         |
        i ------> intake -----> line store         |         line store    |
                    +--------------+ends-----------+                       |
                    +--------------------------------------------lengths-> status -> statuses

    A transfer of N raw bytes encoded in M bytes takes ``max(ceil(N/W), ceil(M/W))`` cycles and a
    constant latency, from the first beat in to the last beat out, for any data whose density
    does not swing between the two limits within the transfer; transfers follow each other without
    a gap. Any input ends: in the raw length asked for, or in an error that says where it is. Not
    a byte goes out beyond the raw length.

    Parameters
    ----------
    geometry : :class:`CodecGeometry`
        Build parameters.

    Members
    -------
    commands : ``In(stream.Signature(CommandWord))``
        One per packet.
    i : ``In(stream.Signature(PacketBeat(width)))``
        Encoded packets.
    o : ``Out(stream.Signature(PacketBeat(width)))``
        Raw packets, one per packet in, in order. After an error the packet ends in an empty beat.
    statuses : ``Out(stream.Signature(StatusWord))``
        One per packet, after its last beat has been taken and the whole packet was seen.
    """

    def __init__(self, geometry: CodecGeometry):
        self._geometry = geometry
        super().__init__(CodecSignature(geometry.width))

    def elaborate(self, platform):
        m = Module()
        geometry = self._geometry
        most = geometry.transfers(Direction.DECOMPRESS)

        m.submodules.decoder = decoder = CommandDecoder(geometry)
        # Packets of transfers, and those in the store that came before their command, of a line or
        # more each.
        packets = 1 << ceil_log2(most + StoreShape(geometry).depth)
        m.submodules.intake = intake = Intake(geometry, packets=packets)
        m.submodules.walker = walker = MaskWalker(geometry, depth=most)
        m.submodules.planner = planner = BeatPlanner(geometry)
        m.submodules.expander = expander = Expander(geometry)
        m.submodules.gate = gate = Gate(geometry, depth=BEATS, transfers=most)
        m.submodules.room = room = Credit(BEATS)
        m.submodules.transfers = transfers = Credit(most)
        m.submodules.verdicts = verdicts = Queue(Verdict, most)

        for name, reader, cells in (("mask_store", walker, walker.cells),
                                    ("data_store", expander, geometry.lanes)):
            m.submodules[name] = store = LineStore(geometry, cells=cells)
            m.d.comb += [
                store.write_en.eq(intake.write_en),
                store.write_line.eq(intake.write_line),
                store.write_data.eq(intake.write_data),
                store.read_position.eq(reader.read_position),
                store.read_after.eq(reader.read_after),
                reader.read_data.eq(store.read_data),
            ]

        connect(m, flipped(self.i), intake.i)
        connect(m, decoder.o, walker.commands)
        connect(m, intake.ends_ahead, walker.ends)
        connect(m, walker.o, planner.groups)
        connect(m, intake.ends, planner.ends)
        connect(m, planner.o, expander.i)
        connect(m, expander.o, gate.i)
        connect(m, gate.o, flipped(self.o))

        accept, given = Signal(), Signal()
        m.d.comb += [
            accept.eq(self.commands.valid & self.commands.ready),
            decoder.i.payload.eq(self.commands.payload),
            decoder.i.valid.eq(accept),
            self.commands.ready.eq(transfers.available),
            transfers.take.eq(accept),
            transfers.give.eq(given),
            walker.written.eq(intake.written),
            planner.written.eq(intake.written),
            planner.enable.eq(room.soon),
            room.take.eq(planner.o.valid),
            room.give.eq(gate.freed),
            verdicts.i.valid.eq(walker.verdicts.valid),
            verdicts.i.payload.eq(walker.verdicts.payload),
        ]

        # Lines are needed until the planner has passed them; when it has nothing to plan, until
        # the walker has.
        with m.If(planner.frontier_valid):
            m.d.sync += intake.released.eq(planner.frontier)
        with m.Elif(planner.idle & walker.idle & walker.frontier_valid):
            m.d.sync += intake.released.eq(walker.frontier)

        # One status out of the command, the packet and what decoding came to: put together, then
        # compared, then judged. All steps are taken when the status before has gone.
        parts, moves = data.StructLayout(
            {"verdict": Verdict, "report": DecodeReport, "packet": PacketLength}), Signal()
        joined, joined_valid, complete = Signal(parts), Signal(), Signal()
        blank = Signal(init=1) # as `moves`, beside what depends on it
        m.d.comb += [
            moves.eq(~self.statuses.valid | self.statuses.ready),
            complete.eq(verdicts.o.valid & gate.reports.valid & intake.lengths.valid),
            given.eq(complete & (blank | self.statuses.ready)),
        ]
        for source in (verdicts.o, gate.reports, intake.lengths):
            m.d.comb += source.ready.eq(given)
        compared, compared_valid = Signal(parts), Signal()
        refused, truncated, faulty, differs = Signal(), Signal(), Signal(), Signal(2)
        good = Signal() # as far as decoding came
        code = joined.report.error_code
        with m.If(moves):
            m.d.sync += [
                joined_valid.eq(complete),
                joined.verdict.eq(verdicts.o.payload),
                joined.report.eq(gate.reports.payload),
                joined.packet.eq(intake.lengths.payload),
                compared_valid.eq(joined_valid),
                compared.eq(joined),
                differs.eq(Cat( # each half: the last step is the next cycle's
                    joined.packet.bytes_in.word_select(n, 16)
                    != joined.report.consumed.word_select(n, 16) for n in range(2))),
            ]
            for case, applies in (
                    (refused, 1), (truncated, code == ErrorCode.TRUNCATED),
                    (faulty, (code != ErrorCode.NONE) & (code != ErrorCode.TRUNCATED)),
                    (good, code == ErrorCode.NONE)):
                m.d.sync += case.eq(
                    applies & ((joined.verdict.status != Status.OK) == (case is refused)))
        verdict, report, packet = compared.verdict, compared.report, compared.packet
        trailing, cut = Signal(), Signal()
        m.d.comb += [
            trailing.eq(good & differs.any()),
            cut.eq(good & ~differs.any() & packet.cut),
        ]
        # Of these cases at most one applies. Of none, all is well.
        status, error_code = Signal(8, init=Status.DATA_ERROR), Signal(8)
        with m.If(refused):
            m.d.comb += status.eq(verdict.status)
            m.d.comb += error_code.eq(verdict.error_code)
        with m.Elif(truncated):
            m.d.comb += error_code.eq(
                Mux(verdict.zvc, ErrorCode.TRUNCATED, ErrorCode.LENGTH_MISMATCH))
        with m.Elif(faulty):
            m.d.comb += error_code.eq(report.error_code)
        with m.Elif(trailing):
            m.d.comb += error_code.eq(
                Mux(verdict.zvc, ErrorCode.TRAILING, ErrorCode.LENGTH_MISMATCH))
        with m.Elif(cut):
            m.d.comb += error_code.eq(ErrorCode.FRAMING)
        with m.Else():
            m.d.comb += status.eq(Status.OK)
        with m.If(moves):
            m.d.sync += [
                self.statuses.valid.eq(compared_valid),
                self.statuses.p.status.eq(status),
                self.statuses.p.error_code.eq(error_code),
                self.statuses.p.reserved.eq(0),
                self.statuses.p.bytes_in.eq(packet.bytes_in),
                self.statuses.p.bytes_out.eq(report.bytes_out),
                self.statuses.p.nonzeros.eq(report.nonzeros),
                self.statuses.p.position.eq(
                    (packet.bytes_in & (truncated | cut).replicate(32))
                    | (report.position & faulty.replicate(32))
                    | (report.consumed & trailing.replicate(32))),
            ]
        with m.If(blank | self.statuses.ready):
            m.d.sync += blank.eq(~compared_valid)
        return m
