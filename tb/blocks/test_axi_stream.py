# SPDX-License-Identifier: Apache-2.0
"""AXI4-Stream packets."""

import random

import pytest
from amaranth.hdl import Module, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from models import packet
from streams import Bench, cycles, payloads

from opencdma.hw.bus.axi_stream import PacketSink, PacketSource
from opencdma.hw.codec import PacketBeat


def bus_beat(width):
    return data.StructLayout({"data": data.ArrayLayout(8, width), "keep": width, "last": 1})


class Sink(wiring.Component):
    """A :class:`PacketSink` whose bus is a stream."""

    def __init__(self, width):
        self.width = width
        super().__init__({
            "i": In(stream.Signature(bus_beat(width))),
            "o": Out(stream.Signature(PacketBeat(width))),
        })  # fmt: skip

    def elaborate(self, platform):
        m = Module()
        m.submodules.sink = sink = PacketSink(self.width)
        wiring.connect(m, sink.o, wiring.flipped(self.o))
        m.d.comb += [
            sink.tdata.eq(Value.cast(self.i.p.data)), sink.tkeep.eq(self.i.p.keep),
            sink.tlast.eq(self.i.p.last), sink.tvalid.eq(self.i.valid),
            self.i.ready.eq(sink.tready),
        ]  # fmt: skip
        return m


class Source(wiring.Component):
    """A :class:`PacketSource` whose bus is a stream."""

    def __init__(self, width):
        self.width = width
        super().__init__({
            "i": In(stream.Signature(PacketBeat(width))),
            "o": Out(stream.Signature(bus_beat(width))),
        })  # fmt: skip

    def elaborate(self, platform):
        m = Module()
        m.submodules.source = source = PacketSource(self.width)
        wiring.connect(m, wiring.flipped(self.i), source.i)
        m.d.comb += [
            Value.cast(self.o.p.data).eq(source.tdata), self.o.p.keep.eq(source.tkeep),
            self.o.p.last.eq(source.tlast), self.o.valid.eq(source.tvalid),
            source.tready.eq(self.o.ready),
        ]  # fmt: skip
        return m


def received(beats, width):
    """What a sink makes of bus beats: the packets, as lists of beats of known bytes."""
    results, skipping = [], False
    for number, beat in enumerate(beats):
        if not skipping:
            keep = [beat["keep"] >> n & 1 for n in range(width)]
            count = [*keep, 0].index(0)
            whole = not any(keep[count:]) if beat["last"] else count == width
            results.append((number, {
                "data": beat["data"][:count], "count": count,
                "last": int(beat["last"] or not whole), "cut": int(not whole),
            }))  # fmt: skip
            skipping = not whole
        if beat["last"]:
            skipping = False
    return results


def without_rest(beat):
    return {**beat, "data": beat["data"][: beat["count"]]}


def check_sink(width, beats, *, pauses=(0.0, 0.0)):
    expected = received(beats, width)
    bench = Bench(Sink(width), seed=width)
    sent = bench.send(bench.dut.i, beats, pause=pauses[0])
    taken = bench.take(bench.dut.o, len(expected), pause=pauses[1])
    bench.run(200 + 20 * len(beats))
    assert [without_rest(beat) for beat in payloads(taken)] == [beat for _, beat in expected]
    # No latency, and what is swallowed goes by without being asked for.
    assert cycles(taken) == [sent[number].cycle for number, _ in expected]
    return sent


def test_sink_and_every_keep():
    """Each pattern at the end and in the middle of a packet, followed by more of it or not."""
    width, rng, beats = 8, random.Random(1), []
    for keep in range(1 << width):
        for last, rest in ((1, 0), (0, 1), (0, 3)):
            beats.append({"data": rng.randbytes(width), "keep": keep, "last": last})
            for n in range(rest):
                keep_of_rest = rng.choice((0, 255, rng.getrandbits(width)))
                beats.append({"data": rng.randbytes(width), "keep": keep_of_rest,
                              "last": int(n == rest - 1)})  # fmt: skip
    sent = check_sink(width, beats)
    assert cycles(sent) == list(range(len(beats)))


@pytest.mark.parametrize("pauses", [(0.0, 0.5), (0.5, 0.0), (0.4, 0.4)])
@pytest.mark.parametrize("width", [8, 32, 64])
def test_sink_with_pauses(width, pauses):
    rng, beats = random.Random(width), []
    full = (1 << width) - 1
    for _ in range(80):
        length = rng.randrange(1, 5)
        for n in range(length):
            last = n == length - 1
            keep = full >> rng.randrange(width + 1) if last else full
            if rng.random() < 0.1:
                keep = rng.getrandbits(width)
            beats.append({"data": rng.randbytes(width), "keep": keep, "last": int(last)})
    check_sink(width, beats, pauses=pauses)


def test_sink_while_skipping_needs_no_ready():
    beats = [{"data": bytes(8), "keep": keep, "last": last}
             for keep, last in ((1, 0), (255, 0), (255, 0), (255, 1), (255, 1))]  # fmt: skip
    bench = Bench(Sink(8))
    sent = bench.send(bench.dut.i, beats)
    bench.take(bench.dut.o, 2, allowed=lambda: bench.cycle == 3 or bench.cycle >= 20)
    bench.run(100)
    assert cycles(sent) == [3, 4, 5, 6, 20]


@pytest.mark.parametrize("pauses", [(0.0, 0.0), (0.0, 0.5), (0.5, 0.0)])
@pytest.mark.parametrize("width", [8, 32, 64])
def test_source(width, pauses):
    rng = random.Random(width)
    lengths = [0, 1, width - 1, width, width + 1, 3 * width, 0]
    lengths += [rng.randrange(4 * width) for _ in range(30)]
    packets = [rng.randbytes(length) for length in lengths]
    beats = [beat for data in packets for beat in packet(data, width, rng)]

    bench = Bench(Source(width), seed=width)
    sent = bench.send(bench.dut.i, beats, pause=pauses[0])
    taken = bench.take(bench.dut.o, len(beats), pause=pauses[1])
    bench.run(200 + 20 * len(beats))
    assert cycles(taken) == cycles(sent)
    back = [b""]
    for beat in payloads(taken):
        count = beat["keep"].bit_length()
        assert beat["keep"] == (1 << count) - 1
        assert beat["last"] or count == width
        back[-1] += beat["data"][:count]
        if beat["last"]:
            back.append(b"")
    assert back == [*packets, b""]
    if not any(pauses):
        assert cycles(taken) == list(range(len(beats)))
