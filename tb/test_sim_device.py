# SPDX-License-Identifier: Apache-2.0
"""The simulated device: registers, time, traces, resets, and the engine in it."""

import numpy as np
import pytest
from harness import NARROW, WIDE, Copy, make
from harness_dut import HarnessTop, Offset, Sin

from opencdma.golden import zvc
from opencdma.sim import native
from opencdma.sim.codec import SimulationError
from opencdma.sim.device import EVENT, BusChannel, Port, SimulatedDevice
from opencdma.sim.memory import CHANNELS, MemoryTiming
from opencdma.spec import PRESETS
from opencdma.spec.registers import ENGINE
from opencdma.sw.device import Device

AR, R, AW, W, B = BusChannel

pytestmark = pytest.mark.xdist_group("harness")


@pytest.mark.parametrize("to_dev", [False, True])
@pytest.mark.parametrize("config", [NARROW, WIDE], ids=["narrow", "wide"])
def test_copy(config, to_dev):
    high = 0x7ABC_0000_0000 if config is WIDE else 0
    device = make(config, dev_base=high + 0x8000, host_base=high + 0x2_0000)
    before = device.dev.array.copy(), device.host.array.copy()
    copy = Copy(device, to_dev=to_dev)
    assert copy.finish() == (0, 0)
    assert copy.written() == copy.expected()
    copy.write_memory.write(copy.target, before[copy.writer][0x800:][: len(copy.written())])
    assert np.array_equal(device.dev.array, before[0])
    assert np.array_equal(device.host.array, before[1])


@pytest.mark.parametrize("sin", [Sin.NONE, Sin.LAZY])
@pytest.mark.parametrize("pauses", [0, 0.6])
def test_registers(pauses, sin):
    device = make(register_pauses=pauses)
    Copy(device, sin=sin).finish()
    rng = np.random.default_rng(2)
    kept = dict.fromkeys((Offset.SOURCE, Offset.TARGET, Offset.HIGH), 7)
    for offset, value in kept.items():
        device.write_register(offset, value)
    for _ in range(200):
        offset = list(kept)[rng.integers(3)]
        if rng.integers(2):
            kept[offset] = int(rng.integers(2**32))
            device.write_register(offset, kept[offset])
        assert device.read_register(offset) == kept[offset]
    Copy(device).finish()


@pytest.mark.parametrize("offset", [0x1C, 0xFFC, 0x1000, 0x02, -4])
def test_no_register(offset):
    device = make()
    message = f"^Offset must be that of a register, not {offset:#05x}$"
    with pytest.raises(ValueError, match=message):
        device.read_register(offset)
    with pytest.raises(ValueError, match=message):
        device.write_register(offset, 0)
    with pytest.raises(ValueError, match=message):
        device.run_until_register(offset, 0xFFFF_FFFF, cycles=100)
    device.write_register(Offset.SOURCE, 5)
    assert device.read_register(Offset.SOURCE) == 5


def test_run_until_register():
    device = make()
    copy = Copy(device)
    device.run_until_register(Offset.STATE, 4 << 6, cycles=1000)
    assert copy.written() == copy.expected()
    device.run_until_register(Offset.STATE, 0, mask=1, cycles=1000)
    message = r"register 0x018 is not 0x1 within 100 cycles \(dev: reads 0, .*; host: reads 0, .*\)"
    with pytest.raises(SimulationError, match=f"^{message}$"):
        device.run_until_register(Offset.STATE, 1, mask=1, cycles=100)


def test_time():
    device = make(step=17)
    start = device.cycle
    device.run(10)
    assert device.cycle == start + 10
    device.advance()
    assert device.cycle == start + 27
    with pytest.raises(SimulationError, match=r"^no interrupt in 30 cycles"):
        device.run_until_irq(30)
    assert device.cycle == start + 57
    Copy(device).finish()
    assert device.irq
    now = device.cycle
    device.run_until_irq(30)
    assert device.cycle == now


def test_trace():
    ffi, _ = native.load(HarnessTop(NARROW), native.ENGINE)
    assert EVENT.itemsize == ffi.sizeof("engine_event")
    device = make()
    Copy(device).finish()
    assert len(device.trace()) == 0
    device.start_trace()
    copy = Copy(device, beats=2, bursts=2)
    copy.finish()
    trace = device.trace()
    assert np.all(np.diff(trace["cycle"].astype(int)) >= 0)

    def rows(port, channel, *fields):
        chosen = trace[(trace["port"] == port) & (trace["channel"] == channel)]
        return [tuple(int(row[field]) for field in fields) for row in chosen]

    source, target = copy.source, copy.target
    fields = ("address", "beats", "qos", "cache")
    assert rows(Port.DEV, AR, *fields) == [(source, 2, 5, 3), (source + 16, 2, 5, 3)]
    assert rows(Port.HOST, AW, *fields) == [(target, 2, 9, 3), (target + 16, 2, 9, 3)]
    fields = ("address", "last")
    places = [(0, 0), (8, 1), (16, 0), (24, 1)]
    assert rows(Port.DEV, R, *fields) == [(source + at, last) for at, last in places]
    assert rows(Port.HOST, W, *fields) == [(target + at, last) for at, last in places]
    assert rows(Port.HOST, B, "address", "response") == [(target, 0), (target + 16, 0)]
    assert rows(Port.DEV, AW, "cycle") == rows(Port.HOST, AR, "cycle") == []
    written = [(int(o),) for o in (
        Offset.SOURCE, Offset.TARGET, Offset.HIGH, Offset.SHAPE, Offset.STROBE, Offset.START)]
    assert rows(Port.REGISTERS, AW, "address") == rows(Port.REGISTERS, W, "address") == written
    assert rows(Port.REGISTERS, AR, "address") == [(int(Offset.STATE),)]

    device.stop_trace()
    Copy(device).finish()
    assert np.array_equal(device.trace(), trace)
    device.start_trace()
    assert len(device.trace()) == 0


def test_reset():
    device = make(dev_timing=MemoryTiming(read_latency=50))
    Copy(device)
    device.run(20)
    device.reset()
    before = device.dev.array.copy(), device.host.array.copy()
    device.run(200)
    assert device.read_register(Offset.STATE) == 0
    assert np.array_equal(device.dev.array, before[0])
    assert np.array_equal(device.host.array, before[1])
    now = device.cycle
    device.reset(9)
    assert device.cycle == now + 9
    copy = Copy(device)
    assert copy.finish() == (0, 0)
    assert copy.written() == copy.expected()
    with pytest.raises(ValueError, match=r"^Reset must take 1 cycle or more, not 0$"):
        device.reset(0)


@pytest.mark.parametrize("sin", [Sin.NONE, Sin.LAZY])
def test_reset_in_the_middle(sin):
    """Whatever is under way is forgotten by both sides."""
    device = make(host_timing=MemoryTiming(aw=0.5, w=0.5, write_latency=30))
    for time in range(200):
        Copy(device, beats=4, sin=sin)
        device.run(time)
        device.reset()
        copy = Copy(device, beats=1, bursts=2, target=0x1000)
        assert copy.finish() == (0, 0)
        assert copy.written() == copy.expected()
        copy.write_memory.write(copy.target, bytes(16))


@pytest.mark.parametrize("name", CHANNELS)
def test_reset_of_what_waits(name):
    device = make()
    for memory in ("dev", "host"):
        device.mute(memory, name, 1)
    Copy(device)
    device.run(200)
    device.reset()
    for memory in ("dev", "host"):
        device.unmute(memory, name)
    copy = Copy(device)
    assert copy.finish() == (0, 0)
    assert copy.written() == copy.expected()


def test_valid_in_reset():
    device = make()
    device.mute("dev", "AR")
    Copy(device, sin=Sin.VALID_IN_RESET)
    with pytest.raises(SimulationError, match=r"^aresetn: VALID is high when it rises, in cycle"):
        device.reset()


@pytest.mark.parametrize("busy", [False, True])
def test_engine(busy):
    """The smallest preset, and the driver on top; the system tests have the others."""
    timing = MemoryTiming(
        reads=2, writes=1, ar=0.4, r=0.4, aw=0.4, w=0.4, b=0.4, late_address=True)
    device = SimulatedDevice(
        PRESETS["tiny"],
        **{"dev_timing": timing, "host_timing": timing, "register_pauses": 0.4} if busy else {})
    assert device.config == PRESETS["tiny"]
    assert device.read_register(ENGINE["IDENT"].offset) == ENGINE["IDENT"].reset == 0x414D_4443
    rng = np.random.default_rng(4)
    array = (rng.random(3000) * (rng.random(3000) < 0.4)).astype(np.float32)
    driver = Device(device)
    compressed = driver.compress(array)
    stored = device.host.read(compressed.buffer.address, len(zvc.encode(array)))
    assert stored == zvc.encode(array)
    assert np.array_equal(driver.decompress(compressed), array)
