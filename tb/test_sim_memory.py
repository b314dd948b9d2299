# SPDX-License-Identifier: Apache-2.0
"""The memories of a simulated device: latencies, pauses, faults, and channels that are muted."""

import numpy as np
import pytest
from harness import NARROW, WIDE, Copy, cycles, make
from harness_dut import Sin

from opencdma.golden.device_memory import Fault, Memory
from opencdma.sim.codec import SimulationError
from opencdma.sim.device import BusChannel, Port
from opencdma.sim.memory import CHANNELS, MemoryTiming

AR, R, AW, W, B = BusChannel

pytestmark = pytest.mark.xdist_group("harness")


@pytest.mark.parametrize("to_dev", [False, True])
@pytest.mark.parametrize(("read_latency", "write_latency"), [(1, 1), (2, 3), (60, 25)])
def test_latency(read_latency, write_latency, to_dev):
    timing = MemoryTiming(read_latency=read_latency, write_latency=write_latency)
    device = make(dev_timing=timing, host_timing=timing)
    device.start_trace()
    copy = Copy(device, to_dev=to_dev)
    copy.finish()
    addresses, beats = cycles(device, copy.reader, AR), cycles(device, copy.reader, R)
    assert np.array_equal(addresses, addresses[0] + np.arange(4)) # all taken at once
    assert np.array_equal(beats, addresses[0] + read_latency + np.arange(32)) # without a gap
    last = cycles(device, copy.writer, W)[7::8]
    assert np.array_equal(cycles(device, copy.writer, B), last + write_latency)


def test_latency_of_each_burst():
    """A burst that comes when nothing is under way waits as long as the first."""
    device = make(dev_timing=MemoryTiming(read_latency=20, reads=1))
    device.start_trace()
    Copy(device).finish()
    assert np.array_equal(cycles(device, Port.DEV, R)[::8], cycles(device, Port.DEV, AR) + 20)


@pytest.mark.parametrize("most", [1, 3])
def test_outstanding(most):
    device = make(
        dev_timing=MemoryTiming(reads=most, read_latency=50),
        host_timing=MemoryTiming(writes=most, write_latency=50))
    device.start_trace()
    Copy(device, beats=2, bursts=16).finish()
    for port, first, last in (
        (Port.DEV, AR, cycles(device, Port.DEV, R)[1::2]),
        (Port.HOST, AW, cycles(device, Port.HOST, B)),
    ):
        taken = cycles(device, port, first)
        under_way = [sum(taken <= cycle) - sum(last < cycle) for cycle in taken]
        assert max(under_way) == most


def test_late_address():
    device = make(host_timing=MemoryTiming(late_address=True))
    device.start_trace()
    copy = Copy(device)
    copy.finish()
    assert copy.written() == copy.expected()
    addresses, data = cycles(device, Port.HOST, AW), cycles(device, Port.HOST, W)[::8]
    assert np.all(addresses > data)


def test_late_address_finds_who_waits_for_it():
    copy = Copy(make(), sin=Sin.DATA_WAIT_FOR_ADDRESS)
    copy.finish()
    assert copy.written() == copy.expected()
    copy = Copy(make(host_timing=MemoryTiming(late_address=True)), sin=Sin.DATA_WAIT_FOR_ADDRESS)
    with pytest.raises(SimulationError, match=r"^no interrupt in 1000 cycles"):
        copy.finish(1000)


@pytest.mark.parametrize("name", CHANNELS)
def test_pauses(name):
    """A channel that pauses half of the time needs two cycles on average; all data are right."""
    channel = BusChannel[name]
    port = Port.DEV if channel in (AR, R) else Port.HOST
    for pause in (0, 0.5):
        timing = MemoryTiming(**{name.lower(): pause})
        device = make(dev_timing=timing, host_timing=timing)
        device.start_trace()
        copy = Copy(device, beats=1, bursts=256)
        copy.finish()
        assert copy.written() == copy.expected()
        spans = np.diff(cycles(device, port, channel))
        if pause:
            assert 1.7 < spans.mean() < 2.3
            assert max(spans) > 4
        else:
            assert set(spans) == {1}


def test_pauses_are_repeatable():
    def trace(seed):
        timing = MemoryTiming(ar=0.3, r=0.3, aw=0.3, w=0.3, b=0.3)
        device = make(dev_timing=timing, host_timing=timing, register_pauses=0.3, seed=seed)
        device.start_trace()
        Copy(device).finish()
        return device.trace()

    assert np.array_equal(trace(5), trace(5))
    assert not np.array_equal(trace(5), trace(6))


def test_timing_can_change():
    device = make()
    device.dev.timing = MemoryTiming(read_latency=77)
    device.start_trace()
    Copy(device).finish()
    assert cycles(device, Port.DEV, R)[0] == cycles(device, Port.DEV, AR)[0] + 77


@pytest.mark.parametrize(("kind", "response"), [("slverr", 2), ("decerr", 3)])
@pytest.mark.parametrize(("config", "to_dev"), [(NARROW, False), (NARROW, True), (WIDE, True)])
def test_read_fault(config, to_dev, kind, response):
    memory, base = ("host", 0x2_0000) if to_dev else ("dev", 0x8000)
    device = make(config, faults=[Fault(memory, base + 0x480, 64, kind)])
    device.start_trace()
    copy = Copy(device, to_dev=to_dev)
    assert copy.finish() == (response, 0)
    trace = device.trace()
    bad = trace[(trace["response"] != 0)]
    first = base + 0x480
    addresses = list(range(first, first + 64, copy.read_width))
    assert bad["address"].tolist() == addresses
    assert set(bad["response"]) == {response}
    data = np.frombuffer(copy.written(), np.uint8).reshape(-1, copy.write_width).copy()
    place = (first - copy.source) // copy.read_width
    refused = data[place : place + len(addresses)]
    assert np.all(refused[:, : copy.read_width] == 0xEE)
    expected = np.frombuffer(copy.expected(), np.uint8).reshape(data.shape)
    refused[:] = expected[place : place + len(addresses)]
    assert np.array_equal(data, expected)


@pytest.mark.parametrize(("kind", "response"), [("slverr", 2), ("decerr", 3)])
@pytest.mark.parametrize(("config", "to_dev"), [(NARROW, False), (NARROW, True), (WIDE, False)])
def test_write_fault(config, to_dev, kind, response):
    memory, base = ("dev", 0x8000) if to_dev else ("host", 0x2_0000)
    device = make(config, faults=[Fault(memory, base + 0x880, 64, kind)])
    before = (device.dev if to_dev else device.host).read(base + 0x880, 64)
    device.start_trace()
    copy = Copy(device, to_dev=to_dev)
    assert copy.finish() == (0, response)
    trace = device.trace()
    answers = trace[(trace["channel"] == B) & (trace["port"] == copy.writer)]
    burst = 8 * copy.write_width
    assert [bool(response) for response in answers["response"]] == [
        at <= 0x80 < at + burst for at in range(0, 4 * burst, burst)]
    expected = bytearray(copy.expected())
    assert before != expected[0x80:0xC0]
    expected[0x80:0xC0] = before
    assert copy.written() == expected


@pytest.mark.parametrize(("kinds", "response"), [
    (("decerr", "slverr"), 3), (("slverr", "decerr"), 2)])
def test_first_fault_of_a_burst_counts(kinds, response):
    faults = [Fault("host", 0x2_0840 + 64 * n, 64, kind) for n, kind in enumerate(kinds)]
    assert Copy(make(faults=faults), beats=16, bursts=1, target=0x840).finish() == (0, response)


def test_faults_may_overlap_and_change():
    device = make(faults=[
        Fault("dev", 0x8400, 128, "slverr", writes=False), Fault("dev", 0x8400, 64, "decerr"),
        Fault("host", 0x2_0800, 64, "slverr", writes=False),
        Fault("host", 0x2_0800, 64, "decerr", reads=False),
    ])
    assert Copy(device).finish() == (2, 3)
    assert Copy(device, to_dev=True, source=0x800, target=0x400).finish() == (2, 3)
    assert Copy(device, to_dev=True, source=0x1000, target=0x440).finish() == (0, 0)
    device.dev.set_faults([])
    assert Copy(device).finish() == (0, 3)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("to_dev", [False, True])
@pytest.mark.parametrize("config", [NARROW, WIDE], ids=["narrow", "wide"])
def test_faults_are_those_of_the_golden_model(config, to_dev, seed):
    """Of any multiple of 8 bytes, one beside the other, or one over the other."""
    rng = np.random.default_rng(seed)
    faults = [
        Fault(memory, base + 8 * int(rng.integers(64)), 8 * int(rng.choice((1, 1, 3, 12))),
              rng.choice(("slverr", "decerr")), *((True, False), (False, True))[rng.integers(2)])
        for _ in range(rng.integers(1, 5))
        for memory, base in (("dev", 0x8400), ("host", 0x2_0400))]
    device = make(config, faults=faults)
    memories = {}
    for it in (device.dev, device.host):
        mine = [fault for fault in faults if fault.memory == it.name]
        memories[it.name] = Memory(it.base, it.size, mine)
        memories[it.name].write(it.base, it.read(it.base, it.size))
    copy = Copy(device, target=0x400, to_dev=to_dev)
    responses = copy.finish()

    reader, writer = (memories[item.name] for item in (copy.read_memory, copy.write_memory))
    data, errors = b"", []
    for beat in range(copy.total):
        piece = copy.source + beat * copy.read_width, copy.read_width
        got, error = reader.fetch([piece], copy.read_width)
        errors += [error.kind] if error else []
        data += ((got or b"\xEE" * copy.read_width) + bytes(64))[: copy.write_width]
    error = writer.store([(copy.target, len(data))], data, copy.write_width, copy.beats)
    numbers = {"slverr": 2, "decerr": 3}
    assert responses == (
        numbers[errors[0]] if errors else 0, numbers[error.kind] if error else 0)
    for it in (device.dev, device.host):
        assert it.read(it.base, it.size) == memories[it.name].read(it.base, it.size)


@pytest.mark.parametrize(("base", "size", "responses"), [
    (0x7F00, 0x140, (2, 0)), (0xBFC0, 0x1000, (2, 0)), (0x7F00, 0x100, (0, 0)),
    (0xC000, 64, (0, 0)), (0, 0x1_0000, (2, 0)), (2**63, 64, (0, 0)),
])
def test_fault_beyond_the_memory(base, size, responses):
    """What of a fault lies outside the memory makes no difference, there or elsewhere."""
    device = make(faults=[Fault("dev", base, size, "slverr")])
    first, last = Copy(device, source=0).finish(), Copy(device, source=0x3F00).finish()
    assert max(first, last) == responses


@pytest.mark.parametrize(("source", "target", "responses"), [
    (0x4000 - 128, 0, (3, 0)), (-128, 0, (3, 0)), (0, 0x4000 - 128, (0, 3)), (0, -128, (0, 3)),
])
def test_outside(source, target, responses):
    """What a memory does not have is refused, and nothing happens to what lies beside it."""
    assert Copy(make(), source=source, target=target).finish() == responses


def test_end_of_addresses():
    config = NARROW.with_changes(address_bits=64)
    device = make(config, dev_base=2**64 - 0x4000, host_base=2**64 - 0x8000)
    copy = Copy(device, source=0x4000 - 256, target=0x4000 - 256)
    assert copy.finish() == (0, 0)
    assert copy.written() == copy.expected()


def test_strobes():
    device = make()
    before = np.frombuffer(device.host.read(0x2_0800, 256), np.uint8).reshape(32, 8)
    copy = Copy(device, strobe=0b0110_0101)
    copy.finish()
    written = np.frombuffer(copy.written(), np.uint8).reshape(32, 8)
    expected = np.frombuffer(copy.expected(), np.uint8).reshape(32, 8)
    strobed = np.array([1, 0, 1, 0, 0, 1, 1, 0], bool)
    assert np.array_equal(written, np.where(strobed, expected, before))


@pytest.mark.parametrize("to_dev", [False, True])
def test_stray_write(to_dev):
    device = make()
    memory, other = (device.dev, device.host) if to_dev else (device.host, device.dev)
    start = memory.base + 0x800
    other.allow_writes([])
    memory.allow_writes([(start, 100), (start + 100, 156)])
    Copy(device, to_dev=to_dev).finish()
    memory.allow_writes([(start, 255)])
    Copy(device, to_dev=to_dev, strobe=0x7F).finish()
    name = "dev" if to_dev else "host"
    message = f"^m_axi_{name} W: byte {start + 255:#x} must not be written, in cycle"
    copy = Copy(device, to_dev=to_dev)
    with pytest.raises(SimulationError, match=message):
        copy.finish()


def test_stray_write_outside():
    device = make()
    device.host.allow_writes([(device.host.base, device.host.size)])
    copy = Copy(device, target=0x4000)
    with pytest.raises(SimulationError, match=r"^m_axi_host W: byte 0x24000 must not be written"):
        copy.finish()


def test_stray_writes_allowed_again():
    device = make()
    device.host.allow_writes([])
    device.host.allow_writes(None)
    assert Copy(device).finish() == (0, 0)


@pytest.mark.parametrize("after", [0, 3])
@pytest.mark.parametrize("name", CHANNELS)
@pytest.mark.parametrize("to_dev", [False, True])
def test_mute(name, to_dev, after):
    device = make()
    reading = name in ("AR", "R")
    memory = "dev" if reading != to_dev else "host"
    device.start_trace()
    device.mute(memory, name, after)
    copy = Copy(device, to_dev=to_dev)
    port = copy.reader if reading else copy.writer
    with pytest.raises(SimulationError, match=r"^no interrupt in 500 cycles"):
        copy.finish(500)
    assert len(cycles(device, port, BusChannel[name])) == after
    device.unmute(memory, name)
    assert copy.finish() == (0, 0)
    assert copy.written() == copy.expected()


@pytest.mark.parametrize("name", ["R", "B"])
def test_mute_leaves_what_is_on_offer(name):
    port = Port.DEV if name == "R" else Port.HOST
    more = []
    for time in range(8):
        device = make()
        device.start_trace()
        copy = Copy(device, beats=1, bursts=8, sin=Sin.LAZY)
        while not len(cycles(device, port, BusChannel[name])):
            device.run(1)
        device.run(time)
        before = len(cycles(device, port, BusChannel[name]))
        device.mute(port.name.lower(), name)
        device.run(100)
        more.append(len(cycles(device, port, BusChannel[name])) - before)
        device.unmute(port.name.lower(), name)
        assert copy.finish() == (0, 0)
        assert copy.written() == copy.expected()
    assert set(more) == {0, 1}


def test_state():
    device = make()
    device.mute("dev", "AR", 2)
    device.mute("dev", "R", 9)
    copy = Copy(device)
    with pytest.raises(SimulationError) as caught:
        copy.finish(100)
    assert str(caught.value) == (
        "no interrupt in 100 cycles "
        "(dev: reads 1, writes with all data 0, without 0, not taken: AR; "
        "host: reads 0, writes with all data 0, without 0, not taken: none)")
    device = make()
    device.mute("host", "W", 9)
    device.mute("host", "B")
    copy = Copy(device)
    with pytest.raises(SimulationError, match=r"with all data 1, without 3, not taken: W\)$"):
        copy.finish(100)


@pytest.mark.parametrize(("settings", "message"), [
    ({"read_latency": 0}, r"Memory timing 'read_latency' must be 1 to 2\^32 - 1, not 0"),
    ({"write_latency": 0}, r"Memory timing 'write_latency' must be 1 to 2\^32 - 1, not 0"),
    ({"reads": -1}, r"Memory timing 'reads' must be 0 to 2\^32 - 1, not -1"),
    ({"writes": 2**32}, r"Memory timing 'writes' must be 0 to 2\^32 - 1, not 4294967296"),
    ({"w": 1}, r"Pause probability must be 0 to 0\.99, not 1"),
])
def test_bad_timing(settings, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        MemoryTiming(**settings)


@pytest.mark.parametrize(("settings", "message"), [
    ({"dev_size": 96}, "Memory must be a positive multiple of 64 bytes at a multiple of 64, "
                       "within 64 bits, not 96 bytes at 32768"),
    ({"host_base": 32}, "Memory must be a positive .*, not 16384 bytes at 32"),
    ({"host_base": 2**64 - 64}, "Memory must be a positive .*, not 16384 bytes at 1844674407.*"),
    ({"dev_size": 0}, "Memory must be a positive .*, not 0 bytes at 32768"),
    ({"register_pauses": 1}, r"Pause probability must be 0 to 0\.99, not 1"),
    ({"faults": [Fault("dev", 0x8000, 4, "slverr")]},
     "Fault must be a multiple of 8 bytes at a multiple of 8, not 4 bytes at 32768"),
    ({"faults": [Fault("host", 0x2_0004, 16, "slverr")]},
     "Fault must be a multiple of 8 bytes at a multiple of 8, not 16 bytes at 131076"),
])
def test_bad_settings(settings, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        make(**settings)


def test_outside_the_memories():
    device = make()
    message = r"^Bytes must be in the memory's 0x4000 from 0x8000 on, not the 0x40 from {} on$"
    with pytest.raises(IndexError, match=message.format("0xbfc1")):
        device.dev.read(0xBFC1, 64)
    with pytest.raises(IndexError, match=message.format("0x7fff")):
        device.dev.write(0x7FFF, bytes(64))
    with pytest.raises(IndexError, match=message.format("0xc000")):
        device.dev.allow_writes([(0xC000, 64)])
    device.dev.write(0xBFC0, b"x" * 64)
    assert device.dev.read(0xBFC0, 64) == b"x" * 64


def test_mute_what_there_is_not():
    device = make()
    with pytest.raises(ValueError, match=r"^Memory must be 'dev' or 'host', not 'disk'$"):
        device.mute("disk", "AR")
    with pytest.raises(ValueError, match=r"^Channel must be one of AR, R, AW, W, B, not 'C'$"):
        device.unmute("dev", "C")
