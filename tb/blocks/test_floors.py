# SPDX-License-Identifier: Apache-2.0
"""What is measured as a floor does what it is the floor of."""

import random

import pytest
from memories import ReadMemory, WriteMemory
from movers import OKAY, read_job, report, stored, write_job
from streams import Bench, cycles, payloads

from opencdma.golden.descriptor_areas import Area
from opencdma.spec import Config
from opencdma.syn.floors import Compaction, Movers, Rotator, Slice


@pytest.mark.parametrize(("lanes", "bits"), [(8, 8), (8, 32), (16, 8)])
def test_compaction(lanes, bits):
    rng = random.Random(lanes * bits)
    beats = [
        {"data": [rng.getrandbits(bits) for _ in range(lanes)], "keep": rng.getrandbits(lanes)}
        for _ in range(100)]
    beats += [beats[0] | {"keep": keep} for keep in (0, (1 << lanes) - 1)]
    dut = Compaction(lanes, bits)
    bench = Bench(dut)
    sent = bench.send(dut.i, beats)
    got = bench.take(dut.o, len(beats))
    bench.run(200)
    for beat, packed in zip(beats, payloads(got), strict=True):
        kept = [
            value for lane, value in enumerate(beat["data"]) if beat["keep"] >> lane & 1]
        data = packed["data"]
        assert packed["count"] == len(kept)
        assert list(data)[:len(kept)] == kept
    latency = 2 * lanes.bit_length() - 1 # one more than twice the levels
    assert [at - latency for at in cycles(got)] == cycles(sent)


@pytest.mark.parametrize("pauses", [(0.0, 0.0), (0.4, 0.0), (0.0, 0.4), (0.4, 0.4)])
def test_slice(pauses):
    words = [random.Random(1).getrandbits(256) + n for n in range(200)]
    dut = Slice(256)
    bench = Bench(dut)
    sent = bench.send(dut.i, words, pause=pauses[0])
    got = bench.take(dut.o, len(words), pause=pauses[1])
    bench.run(2000)
    assert payloads(got) == words
    if pauses == (0.0, 0.0):
        assert cycles(sent) == list(range(200))
        assert [at - 1 for at in cycles(got)] == cycles(sent)


def test_rotator():
    rng = random.Random(1)
    beats = [{"data": rng.randbytes(32), "amount": amount} for amount in range(32)]
    dut = Rotator(32)
    bench = Bench(dut)
    sent = bench.send(dut.i, beats)
    got = bench.take(dut.o, len(beats))
    bench.run(200)
    for beat, turned in zip(beats, payloads(got), strict=True):
        at = -beat["amount"] % 32
        assert turned.to_bytes(32, "little") == beat["data"][at:] + beat["data"][:at]
    assert [at - 2 for at in cycles(got)] == cycles(sent)


@pytest.mark.parametrize(("width", "unaligned"), [(8, False), (32, False), (16, True)])
def test_movers(width, unaligned):
    """What was in one memory is in the other, at full rate but for what begins and ends it."""
    config = Config(dev_width=width, host_width=width, memory_latency=20, unaligned=unaligned)
    dut, rng = Movers(config), random.Random(width)
    bench = Bench(dut)
    source = ReadMemory(
        bench, dut.source, lambda address: (stored(address, width), OKAY), latency=20)
    sink = WriteMemory(bench, dut.sink, latency=5)
    step = 3 if unaligned else width
    areas = [
        (Area(0x1000 + n * 0x800 + n * step, 1024 + n), Area(0x9000 + n * 0x800, 1024 + n))
        for n in range(8)]
    bench.send(dut.reads, [read_job(area, rng) for area, _ in areas])
    bench.send(dut.writes, [write_job(area, area.length, rng) for _, area in areas])
    reports = [bench.take(port, len(areas)) for port in (dut.read_reports, dut.write_reports)]
    bench.run(5000)
    image = {}
    for read, written in areas:
        image.update(enumerate(stored(read.address, read.length), written.address))
    assert sink.image == image
    assert [payloads(told) for told in reports] == 2 * [[report()] * len(areas)]
    beats = sink.beats[-1].cycle - sink.beats[0].cycle + 1
    assert beats < 1.1 * len(source.beats)
