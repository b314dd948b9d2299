# SPDX-License-Identifier: Apache-2.0
"""The verifier: what a decoder says of packets, and the CRC32 of what it makes of them."""

import random
import zlib
from dataclasses import replace

import pytest
from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from models import GROUP_BYTES, damaged_transfer, encoded_transfer, packet
from streams import Bench, cycles, payloads

from opencdma.golden.transfer import Command, run
from opencdma.hw.codec import CodecGeometry, CommandWord, Compressor, PacketBeat, StatusWord
from opencdma.hw.dma.verifier import Verifier
from opencdma.spec import Direction, ElementType, FormatId, Status

#: The decoder has tests of its own: here two widths will do.
WIDTHS = [CodecGeometry(8, (4,)), CodecGeometry(16, (1, 2, 4))]
every_width = pytest.mark.parametrize("geometry", WIDTHS, ids=repr)


def command(transfer, direction=Direction.DECOMPRESS):
    """Return the command for a transfer."""
    kind = {1: ElementType.U8, 2: ElementType.U16, 4: ElementType.U32}[transfer.size]
    return {
        "format_id": FormatId.ZVC if transfer.zvc else FormatId.RAW, "element_type": kind,
        "reserved": 0, "direction": direction, "raw_length": transfer.raw_length}


def outcome(transfer):
    """Return what the golden model makes of a transfer."""
    word = command(transfer)
    return run(Command(
        word["direction"], word["format_id"], word["element_type"], word["raw_length"]),
        transfer.data)


def check(geometry, transfers, *, pauses=(0.0, 0.0, 0.0, 0.0), depth=4, seed=1):
    """Verify transfers; ``pauses`` are of commands, packets, statuses and CRCs."""
    rng, bench = random.Random(seed), Bench(Verifier(geometry, depth=depth), seed=seed)
    dut, packets = bench.dut, [packet(item.data, geometry.width, rng) for item in transfers]
    beats = [beat for item in packets for beat in item]
    first = [sum(map(len, packets[:n])) for n in range(len(packets) + 1)]

    def room():
        # There may be no more packets than results that can wait.
        begun = sum(at <= len(sent) for at in first[:-1])
        return len(sent) not in first or begun - len(crcs) <= depth

    bench.send(dut.commands, [command(item) for item in transfers], pause=pauses[0])
    sent = bench.send(dut.i, beats, pause=pauses[1], allowed=room)
    statuses = bench.take(dut.statuses, len(transfers), pause=pauses[2])
    crcs = bench.take(dut.crcs, len(transfers), pause=pauses[3])
    bench.run(2000 + 60 * len(transfers) + 60 * len(beats))
    return payloads(statuses), payloads(crcs)


@pytest.mark.parametrize("pauses", [(0.0, 0.0, 0.0, 0.0), (0.5, 0.2, 0.7, 0.7)], ids=repr)
@every_width
def test_good_packets(geometry, pauses):
    rng = random.Random(geometry.width)
    transfers = [encoded_transfer(rng, geometry) for _ in range(20)]
    statuses, crcs = check(geometry, transfers, pauses=pauses)
    for transfer, status, crc in zip(transfers, statuses, crcs, strict=True):
        wanted = outcome(transfer)
        assert status["status"] == wanted.status == Status.OK
        assert status["bytes_in"] == len(transfer.data)
        assert status["bytes_out"] == transfer.raw_length
        assert crc == zlib.crc32(wanted.output)


@every_width
def test_bad_packets(geometry):
    """Each has its status, and the good ones in between have the right CRC."""
    rng = random.Random(geometry.width)
    transfers = [damaged_transfer(rng, encoded_transfer(rng, geometry)) for _ in range(30)]
    statuses, crcs = check(geometry, transfers, pauses=(0.2, 0.2, 0.2, 0.2))
    outcomes = [outcome(transfer) for transfer in transfers]
    for transfer, status, crc, wanted in zip(transfers, statuses, crcs, outcomes, strict=True):
        assert status["status"] == wanted.status, transfer
        assert status["error_code"] == wanted.error_code, transfer
        if wanted.status == Status.OK:
            assert crc == zlib.crc32(wanted.output)
    assert {Status.OK, Status.DATA_ERROR} <= {wanted.status for wanted in outcomes}


def test_any_bit_that_flips_is_noticed():
    """By the status, or by the CRC."""
    rng = random.Random(6)
    good = encoded_transfer(
        rng, WIDTHS[0], size=4, zvc=True, raw_length=20, data=bytes(4) + rng.randbytes(16))
    transfers = []
    for bit in range(8 * len(good.data)):
        data = bytearray(good.data)
        data[bit // 8] ^= 1 << bit % 8
        transfers.append(replace(good, data=bytes(data)))
    raw = outcome(good).output
    for status, crc in zip(*check(WIDTHS[0], transfers), strict=True):
        assert status["status"] != Status.OK or crc != zlib.crc32(raw)


class Compression(wiring.Component):
    """A compressor, and a verifier that looks at all it makes if ``verified``."""

    def __init__(self, geometry, *, verified):
        self._geometry = geometry
        self._verified = verified
        super().__init__({
            "commands": In(stream.Signature(CommandWord)),
            "checks": In(stream.Signature(CommandWord)),
            "i": In(stream.Signature(PacketBeat(geometry.width))),
            "o": Out(stream.Signature(PacketBeat(geometry.width))),
            "statuses": Out(stream.Signature(StatusWord)),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.compressor = compressor = Compressor(self._geometry)
        connect(m, flipped(self.commands), compressor.commands)
        connect(m, flipped(self.i), compressor.i)
        connect(m, compressor.statuses, flipped(self.statuses))
        m.d.comb += self.o.payload.eq(compressor.o.payload)
        willing = 1
        if self._verified:
            m.submodules.verifier = verifier = Verifier(self._geometry, depth=16)
            connect(m, flipped(self.checks), verifier.commands)
            willing = verifier.i.ready
            m.d.comb += [
                verifier.i.payload.eq(compressor.o.payload),
                verifier.i.valid.eq(compressor.o.valid & self.o.ready),
                verifier.statuses.ready.eq(1),
                verifier.crcs.ready.eq(1),
            ]
        else:
            m.d.comb += self.checks.ready.eq(1)
        m.d.comb += [
            self.o.valid.eq(compressor.o.valid & willing),
            compressor.o.ready.eq(self.o.ready & willing),
        ]
        return m


def compressed(geometry, spec, *, verified):
    """Compress packets of groups and densities; return the cycles of beats in and out."""
    rng, transfers = random.Random(5), []
    for groups, density in spec:
        size = rng.choice(geometry.element_sizes)
        length = groups * GROUP_BYTES - size * rng.randrange(3)
        raw = b"".join(
            rng.randbytes(size - 1) + b"\1" if rng.random() < density else bytes(size)
            for _ in range(length // size))
        transfers.append(encoded_transfer(
            rng, geometry, size=size, zvc=True, raw_length=length, data=raw))
    bench = Bench(Compression(geometry, verified=verified))
    dut = bench.dut
    raws = [outcome(item).output for item in transfers]
    bench.send(dut.commands, [command(item, Direction.COMPRESS) for item in transfers])
    bench.send(dut.checks, [command(item) for item in transfers])
    sent = bench.send(
        dut.i, [beat for raw in raws for beat in packet(raw, geometry.width, rng)])
    out = bench.take(dut.o, sum(
        max(1, -(-len(item.data) // geometry.width)) for item in transfers))
    bench.take(dut.statuses, len(transfers))
    bench.run(3000)
    return cycles(sent), cycles(out)


@every_width
@pytest.mark.parametrize("density", [0.0, 1.0])
def test_keeps_up_with_the_encoder(geometry, density):
    """Beats go in and out in the same cycles as without a verifier."""
    spec = [(groups, density) for groups in (1, 5, 1, 1, 3)]
    assert compressed(geometry, spec, verified=True) == compressed(
        geometry, spec, verified=False)


@every_width
def test_keeps_up_when_the_density_swings(geometry):
    """Behind a sparse packet the decoder is still busy when the next one comes: little is lost."""
    spec = [(1, 0.5), (3, 1.0), (12, 0.0), (3, 1.0), (8, 0.0), (5, 1.0), (1, 0.0), (9, 0.2)]
    sent, out = compressed(geometry, spec, verified=True)
    plain_sent, plain_out = compressed(geometry, spec, verified=False)
    assert sent[-1] <= 1.01 * plain_sent[-1]
    assert max(late - early for late, early in zip(out, plain_out, strict=True)) < 32
