# SPDX-License-Identifier: Apache-2.0
"""The driver, when a channel stops: what becomes of descriptors, and of their memory."""

from types import SimpleNamespace

import pytest
from engines import HOST, OFFLOAD, PREFETCH, SlowDevice
from test_sw_device import CONFIGS, free, golden, nop, sparse

from opencdma.spec import Descriptor, Flag, Opcode, Status
from opencdma.spec.registers import CHANNEL, address
from opencdma.sw import ChannelHaltedError, Device, EngineError, OutOfMemoryError, TransferError
from opencdma.sw.queues import Ticket

#: A descriptor that halts its channel.
STOP = Descriptor(opcode=9, tag=1, flags=Flag.STOP_ON_ERROR)


class Sudden:
    """A backend in which a channel gets on while one of its registers is looked at.

    What is looked at before does not show it, what is looked at after it does.

    Parameters
    ----------
    device : :class:`~opencdma.golden.device.GoldenDevice`
        What does the work.
    register : :class:`str`
        Which register of a channel.
    """

    def __init__(self, device, register):
        self._device = device
        self._register = CHANNEL[register].offset
        self._late = []
        #: Doorbells and commands are heard late from now on.
        self.late = False
        self.dev, self.host = device.dev, device.host

    @property
    def irq(self):
        return self._device.irq

    def read_register(self, offset):
        if offset >= 0x100 and offset & 0xFF == self._register:
            while self._late:
                self._device.write_register(*self._late.pop(0))
        return self._device.read_register(offset)

    def write_register(self, offset, value):
        if self.late and offset >= 0x100 and offset & 0xFF in (0x04, 0x2C):
            self._late.append((offset, value))
        else:
            self._device.write_register(offset, value)

    def advance(self):
        pass


class Settling:
    """A backend whose channels are neither idle nor halted yet when an outcome is visible.

    Parameters
    ----------
    device : :class:`~opencdma.golden.device.GoldenDevice`
        What does the work.
    looks : :class:`int`
        Looks at STATUS until they are.
    """

    def __init__(self, device, looks):
        self._device = device
        self._looks = looks
        self._left = 0
        self.dev, self.host = device.dev, device.host

    def read_register(self, offset):
        value = self._device.read_register(offset)
        if offset == address("STATUS", OFFLOAD) and self._left:
            self._left -= 1
            return 0
        return value

    def write_register(self, offset, value):
        if offset == address("COMMAND", OFFLOAD):
            self._left = self._looks
        self._device.write_register(offset, value)

    def advance(self):
        pass


# Outcomes


def test_record_that_comes_before_the_halt():
    """The record is not there, then record and halt come together."""
    backend = Sudden(golden(), "STATUS")
    device = Device(backend)
    backend.late = True
    ticket, behind = device.submit(OFFLOAD, [STOP, nop()])
    record, = device.wait(ticket, check=False)
    assert (record.status, record.tag) == (Status.BAD_OPCODE, 1)
    with pytest.raises(ChannelHaltedError):
        device.wait(behind)


def test_record_that_comes_before_head_moves():
    """The record is not there, then HEAD has passed it."""
    backend = Sudden(golden(), "HEAD")
    device = Device(backend)
    backend.late = True
    ticket, = device.submit(OFFLOAD, [nop(tag=5)])
    assert not ticket.done
    assert device.poll(ticket).tag == 5
    assert not ticket.lost


@pytest.mark.parametrize("by_driver", [True, False])
def test_place_of_a_record_that_was_not_written(by_driver):
    """It is used again, by a descriptor whose record is not that of the first one."""
    device = Device(golden(), ring=2)
    source = device.allocate("dev", 32)
    # The ring is at the start of host memory, its records are behind it.
    first, second = device.submit(OFFLOAD, [
        Descriptor(
            opcode=Opcode.COPY, src_addr=source.address, src_len=32, dst_addr=HOST + 4 * 64,
            max_dst_len=32),
        nop(tag=1)])
    if by_driver:
        device.resume(OFFLOAD)
        assert first.lost
    else:
        device.backend.write_register(
            address("COMMAND", OFFLOAD), CHANNEL["COMMAND"].pack(RESUME=1))
        assert device.poll(first) is None
        assert first.lost
    later = device.submit(OFFLOAD, [nop(tag=number) for number in range(2, 8)])
    assert [record.tag for record in device.wait([second, *later])] == [*range(1, 8)]
    with pytest.raises(EngineError, match=r"^The outcome of the descriptor with tag 0 is lost: "):
        device.wait(first)


def test_record_that_has_no_place():
    device = Device(golden(), ring=2)
    ticket, = device.submit(OFFLOAD, [
        Descriptor(opcode=Opcode.FILL, src_len=32, dst_addr=HOST + 4 * 64, max_dst_len=32)])
    device.submit(OFFLOAD, [nop()])
    with pytest.raises(ChannelHaltedError) as caught:
        device.wait(device.submit(OFFLOAD, [nop()]))
    assert str(caught.value) == (
        "Channel OFFLOAD halted at descriptor 0 with RECORD_ADDR, address 0x0: the place of its "
        "record is in its destination or outside the window of records, so it has none; resume "
        "goes on behind it")
    assert ticket.lost


def test_abort_and_resume():
    device = Device(golden())
    device.backend.write_register(address("COMMAND", OFFLOAD), CHANNEL["COMMAND"].pack(ABORT=1))
    ticket, = device.submit(OFFLOAD, [nop()])
    message = (
        r"^Channel OFFLOAD halted at descriptor 0 with ABORTED, address 0x0: it was aborted; "
        r"resume goes on with what is still in the ring$")
    with pytest.raises(ChannelHaltedError, match=message):
        device.wait(ticket)
    device.resume(OFFLOAD)
    device.wait(ticket)


@pytest.mark.parametrize("looks", [1, 5, 50])
def test_engine_without_rings_that_is_not_idle_yet(looks):
    """It would ignore the next descriptor, and RESULT still is that of the one before."""
    device = Device(Settling(golden(CONFIGS["direct"]), looks))
    first, second = device.submit(OFFLOAD, [STOP, nop(tag=2)])
    with pytest.raises(ChannelHaltedError):
        device.wait(second)
    assert first.record.tag == 1
    device.resume(OFFLOAD)
    assert device.wait(second)[0].tag == 2
    assert [item.descriptor.tag for item in device.backend._device.log] == [1, 2]


def test_engine_without_rings_whose_reset_takes_too_long():
    """When it is done after all, RESULT is that of nothing."""
    engine = SlowDevice(golden(CONFIGS["direct"]), 1)
    device = Device(engine, timeout=0.02)
    engine._period = 10**9
    ticket, = device.submit(OFFLOAD, [nop(tag=1)])
    with pytest.raises(TimeoutError):
        device.reset(OFFLOAD)
    assert not ticket.done
    engine._period = 1
    for _ in range(3):
        engine.advance()
    assert device.poll(ticket) is None
    assert ticket.lost


# Memory


def take(device):
    """Take all memory that is free, and return it, filled."""
    pieces = [
        device.allocate(memory, 64)
        for memory in ("dev", "host") for _ in range(device.available(memory) // 64)]
    for piece in pieces:
        device.write(piece, b"\xEE" * 64)
    return pieces


def give_back(device, pieces):
    """Check that nobody wrote to what was taken, and free it."""
    for piece in pieces:
        assert device.read(piece) == b"\xEE" * 64
        device.free(piece)


@pytest.mark.parametrize("name", ["ecp5", "direct", "shared ring"])
def test_memory_of_what_waits_behind_a_halt(name):
    """The engine uses it when the channel goes on, so nobody else gets it before."""
    device = Device(golden(CONFIGS[name]), ring=3)
    array = sparse("float32", 1000)
    compressed = device.compress(array)
    before = free(device)
    channels = (OFFLOAD,) if device.capabilities.shared else (OFFLOAD, PREFETCH)
    for channel in channels:
        device.submit(channel, [STOP])
    for transfer, item in (
            (device.compress, array), (device.measure, array), (device.decompress, compressed)):
        with pytest.raises(ChannelHaltedError):
            transfer(item)
    others = take(device)
    for channel in channels:
        device.resume(channel)
        device.wait(device.submit(channel, [nop()]))
    done = [item.descriptor.opcode for item in device.backend.log]
    assert {Opcode.COMPRESS, Opcode.MEASURE, Opcode.DECOMPRESS} <= set(done[1:])
    give_back(device, others)
    assert free(device) == before
    assert (device.decompress(compressed) == array).all()


def test_memory_of_what_takes_too_long():
    engine = SlowDevice(golden(), 1)
    device = Device(engine, timeout=0.02)
    array = sparse("float32", 1000)
    compressed = device.compress(array)
    before = free(device)
    engine._period = 10**9
    for transfer, item in (
            (device.compress, array), (device.measure, array), (device.decompress, compressed)):
        with pytest.raises(TimeoutError):
            transfer(item)
    others = take(device)
    engine._period = 1
    for _ in range(10):
        engine.advance()
    # Who asks for memory gets what the engine has finished with in the meantime.
    assert free(device) == (before[0] - sum(piece.memory == "dev" for piece in others) * 64,
                            before[1] - sum(piece.memory == "host" for piece in others) * 64)
    give_back(device, others)
    assert free(device) == before


def test_memory_of_what_is_lost():
    device = Device(golden())
    before = free(device)
    device.submit(OFFLOAD, [STOP])
    with pytest.raises(ChannelHaltedError):
        device.compress(sparse("float32", 1000))
    assert all(now < then for now, then in zip(free(device), before, strict=True))
    device.reset(OFFLOAD)
    assert free(device) == before


def test_memory_of_what_fails():
    device = Device(golden())
    before = free(device)
    array = device.place(sparse("float32", 1000))
    with pytest.raises(ValueError, match=r"^This engine has no second decoder"):
        device.compress(sparse("float32", 1000), verify=True)
    with pytest.raises(OutOfMemoryError):
        device.compress(sparse("float32", 30000)) # there is room for it in one memory only
    device.free(array)
    compressed = device.compress(sparse("float32", 1000))
    device.write(compressed.buffer, bytes(compressed.length))
    with pytest.raises(TransferError):
        device.decompress(compressed)
    device.free(compressed)
    assert free(device) == before


def test_called_once():
    calls = []
    for record, early in ((None, True), (None, False), ("record", True), ("record", False)):
        ticket = Ticket(OFFLOAD, nop())
        if early:
            ticket.when_done(lambda: calls.append(1))
            ticket.when_done(lambda: calls.append(2))
            assert not calls
        ticket.finish(record)
        assert (ticket.done, ticket.lost, ticket.record) == (True, record is None, record)
        if not early:
            ticket.when_done(lambda: calls.append(1))
            ticket.when_done(lambda: calls.append(2))
        assert calls == [1, 2]
        calls.clear()


# Time


def test_timeout_is_for_all(monkeypatch):
    """However many descriptors are waited for, and however each of them gets on."""
    engine = SlowDevice(golden(), 3)
    device = Device(engine, ring=0) # a doorbell for each
    monkeypatch.setattr(
        "opencdma.sw.engine.time", SimpleNamespace(monotonic=lambda: engine._time))
    tickets = device.submit(OFFLOAD, [nop(tag=number) for number in range(10)])
    message = r"^Waited 10 seconds for the descriptor with tag [234], in vain$"
    with pytest.raises(TimeoutError, match=message):
        device.wait(tickets, timeout=10)
    assert [record.tag for record in device.wait(tickets, timeout=100)] == [*range(10)]
