# SPDX-License-Identifier: Apache-2.0
"""Every beat that the engine reads or writes is refused once, in the RTL and in the golden device.

Both must say the same of it, touch nothing else, and do the same transfer well right after.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
from engine_builds import EVERYDAY, same_worker

from opencdma.golden import zvc
from opencdma.golden.device import GoldenDevice
from opencdma.golden.device_memory import Fault
from opencdma.sim.device import BusChannel, Port, SimulatedDevice
from opencdma.sim.memory import MemoryTiming
from opencdma.spec import (
    GROUP_BYTES,
    Channel,
    Config,
    Descriptor,
    ElementType,
    Flag,
    FormatId,
    Opcode,
    Record,
    Status,
)
from opencdma.spec.registers import CHANNEL, address

OFFLOAD, PREFETCH = Channel

#: Two widths of the host port, 32 and 8 bytes.
BUILDS = {name: EVERYDAY[name] for name in ("ecp5", "everything")}
KINDS = ("slverr", "decerr")

SIZE = 1 << 15
PAGE = 4096
#: Offsets in host memory.
RING, RECORDS = 0x100, 0x400
LOG2_RING = 2

_HALT = ("ERROR", "ERROR_INDEX", "ERROR_ADDR", "HEAD")
_DONE = ("BYTES_IN", "BYTES_OUT", "NONZEROS", "DESCRIPTORS", "ERRORS", "RAW_STORED")
_RESULT = tuple(f"RESULT{word}" for word in range(Record.BYTES // 4))


def builds():
    """Return a parameter for each build."""
    return pytest.mark.parametrize("config", [
        pytest.param(config, id=name, marks=same_worker(config))
        for name, config in BUILDS.items()])


class Both:
    """The engine in simulation and its golden model, which are asked for the same.

    Parameters
    ----------
    config : :class:`~opencdma.spec.Config`
        The build.
    latency : :class:`int`
        Of the memories, in cycles.
    """

    def __init__(self, config: Config, latency: int = 8):
        self.config = config
        timing = MemoryTiming(read_latency=latency, write_latency=latency)
        self.rtl = SimulatedDevice(
            config, dev_size=SIZE, host_size=SIZE, dev_timing=timing, host_timing=timing)
        self.golden = GoldenDevice(config, dev_size=SIZE, host_size=SIZE)
        self._backends = (self.golden, self.rtl)
        self._direct = None
        rng = np.random.default_rng(1)
        self.images = {name: rng.bytes(SIZE) for name in ("dev", "host")}

    def base(self, memory: str) -> int:
        """Return the first address of a memory."""
        return getattr(self.rtl, memory).base

    def width(self, memory: str) -> int:
        """Return the bytes of a beat of a memory."""
        return self.config.dev_width if memory == "dev" else self.config.host_width

    def load(self, *contents: tuple[str, int, bytes]) -> None:
        """Fill the memories: with anything, and over it some contents at addresses."""
        images = {name: bytearray(image) for name, image in self.images.items()}
        for memory, at, data in contents:
            at -= self.base(memory)
            images[memory][at : at + len(data)] = data
        for backend in self._backends:
            for name, image in images.items():
                getattr(backend, name).write(self.base(name), bytes(image))

    def set_faults(self, *faults: Fault) -> None:
        """Have the memories refuse something."""
        for backend in self._backends:
            for name in ("dev", "host"):
                getattr(backend, name).set_faults(
                    [fault for fault in faults if fault.memory == name])

    def allow_writes(self, *places: tuple[str, int, int]) -> None:
        """Have the simulation fail if a byte is written outside of memories, addresses, lengths."""
        for name in ("dev", "host"):
            getattr(self.rtl, name).allow_writes(
                [place[1:] for place in places if place[0] == name])

    def write(self, name: str, channel: Channel, value: int = 0, **fields: int) -> None:
        """Write a register of a channel."""
        value |= CHANNEL[name].pack(**fields)
        for backend in self._backends:
            for word in range(CHANNEL[name].width // 32):
                backend.write_register(
                    address(name, channel) + 4 * word, value >> 32 * word & 0xFFFF_FFFF)

    def read(self, name: str, channel: Channel) -> int:
        """Return a register of a channel, which must be the same in both."""
        golden, rtl = (
            sum(backend.read_register(address(name, channel) + 4 * word) << 32 * word
                for word in range(CHANNEL[name].width // 32))
            for backend in self._backends)
        assert rtl == golden, f"{name} must be {golden:#x}, not {rtl:#x}"
        return rtl

    def start(self, channel: Channel, descriptor: Descriptor) -> Record:
        """Do a descriptor through registers, and return its record."""
        if self._direct != (channel, descriptor):
            content = descriptor.pack()
            for word in range(Descriptor.BYTES // 4):
                self.write(
                    f"DIRECT{word}", channel, int.from_bytes(content[4 * word :][:4], "little"))
            self._direct = channel, descriptor # and there it stays, without a ring
        self.write("COMMAND", channel, START=1)
        self.settle(channel)
        return self.record(descriptor)

    def enable(self, channel: Channel, ring: int) -> None:
        """Set up a ring at an address."""
        self.write("RING_BASE", channel, ring)
        self.write("RING_SIZE", channel, LOG2_RING)
        self.write("CTRL", channel, ENABLE=1)

    def settle(self, channel: Channel) -> None:
        """Wait until a channel is idle."""
        idle = CHANNEL["STATUS"].pack(IDLE=1)
        self.rtl.run_until_register(
            address("STATUS", channel), idle, mask=idle, cycles=20_000, interval=1)

    def halted(self, channel: Channel) -> tuple[int, int, int]:
        """Wait until a channel has halted; return status, counter and address of its error."""
        halted = CHANNEL["STATUS"].pack(IDLE=1, HALTED=1)
        self.rtl.run_until_register(
            address("STATUS", channel), halted, cycles=20_000, interval=1)
        assert self.read("STATUS", channel) == halted
        error, index, at, _ = (self.read(name, channel) for name in _HALT)
        return error, index, at

    def record(self, descriptor: Descriptor) -> Record:
        """Return what is where a record belongs, which must be the same in both."""
        golden, rtl = (
            Record.unpack(backend.host.read(descriptor.completion_addr, Record.BYTES))
            for backend in self._backends)
        assert rtl == golden
        return rtl

    def compare_registers(self, channel: Channel) -> None:
        """See that a channel has counted and reported the same in both."""
        for name in (*_RESULT, *_HALT, *_DONE):
            self.read(name, channel)

    def compare(self, unspecified: tuple[str, int, int] | None = None) -> None:
        """See that the memories are the same.

        Parameters
        ----------
        unspecified : tuple of :class:`str` and two :class:`int`, or ``None``
            Memory, address and length of bytes that are not looked at.
        """
        for name in ("dev", "host"):
            golden = getattr(self.golden, name).read(self.base(name), SIZE)
            different = np.frombuffer(golden, np.uint8) != getattr(self.rtl, name).array
            if unspecified is not None and unspecified[0] == name:
                at = unspecified[1] - self.base(name)
                different[at : at + unspecified[2]] = False
            wrong = np.flatnonzero(different)
            assert not wrong.size, f"{wrong.size} bytes differ, first {name} {wrong[0]:#x}"


@dataclass(frozen=True)
class Transfer:
    """A descriptor, where it reads and writes, and what."""

    channel: Channel
    descriptor: Descriptor
    data: bytes
    room: int

    @property
    def reads(self) -> str:
        """The memory it reads."""
        return "dev" if self.channel is OFFLOAD else "host"

    @property
    def writes(self) -> str:
        """The memory it writes."""
        return "host" if self.channel is OFFLOAD else "dev"

    @property
    def source(self) -> tuple[str, int, bytes]:
        """What is to be there before."""
        return self.reads, self.descriptor.src_addr, self.data

    @property
    def destination(self) -> tuple[str, int, int]:
        """Memory, address and length of what it may write."""
        return self.writes, self.descriptor.dst_addr, self.room


def elements(count: int) -> np.ndarray:
    """Return elements of 32 bits, of which every eighth is 0."""
    rng = np.random.default_rng(count)
    return np.where(np.arange(count) % 8, rng.integers(1, 2**32, count), 0).astype("<u4")


def transfer(both: Both, channel: Channel, opcode: Opcode) -> Transfer:
    """Return a transfer of three bursts at least on either side, with places across pages."""
    config = both.config
    count = 10 * config.read_burst # elements
    given = elements(count).tobytes()
    made = given if opcode == Opcode.COPY else zvc.encode(elements(count))
    data, room = (made, len(given)) if opcode == Opcode.DECOMPRESS else (given, len(made))
    reads, writes = ("dev", "host") if channel is OFFLOAD else ("host", "dev")
    odd = 3 if config.unaligned else 0
    descriptor = Descriptor(
        opcode=opcode, flags=Flag.WRITE_RECORD, tag=count,
        completion_addr=both.base("host") + RECORDS,
        src_addr=both.base(reads) + 3 * PAGE - 2 * both.width(reads) + odd,
        dst_addr=both.base(writes) + 6 * PAGE - 3 * both.width(writes) + 2 * odd,
        src_len=len(data), max_dst_len=room, format_id=FormatId.ZVC, element_type=ElementType.U32)
    return Transfer(channel, descriptor, data, room)


def beats(both: Both, memory: str, channel: BusChannel) -> np.ndarray:
    """Return the addresses in the trace of a bus channel, in their order, without the record."""
    port = Port.DEV if memory == "dev" else Port.HOST
    events = both.rtl.trace()
    events = events[(events["port"] == port) & (events["channel"] == channel)]
    at = events["address"].astype(np.int64)
    return at[(at < both.base("host") + RECORDS) | (at >= both.base("host") + RECORDS + 64)]


def clean(both: Both, job: Transfer) -> None:
    """Do a transfer that nothing is in the way of."""
    both.set_faults()
    both.load(job.source)
    assert both.start(job.channel, job.descriptor).status == Status.OK
    both.compare()


def refused(
    both: Both, memory: str, places: Iterable[int], *, reads: bool,
) -> Iterator[tuple[int, str]]:
    """Have each beat refused in both ways, in turn; yield which and how.

    Now and then only a part of it is, and the other direction, too.
    """
    width = both.width(memory)
    for number, at in enumerate(places):
        for kind in KINDS:
            part = 8 * (number % (width // 8 + 1))
            base, size = (int(at), width) if part == width else (int(at) + part, 8)
            other = bool(number % 2)
            both.set_faults(Fault(memory, base, size, kind, reads or other, other or not reads))
            yield int(at), kind


TRANSFERS = [
    (OFFLOAD, Opcode.COMPRESS), (PREFETCH, Opcode.DECOMPRESS), (OFFLOAD, Opcode.COPY),
    (PREFETCH, Opcode.COPY)]


@builds()
@pytest.mark.parametrize(("channel", "opcode"), TRANSFERS, ids=lambda item: item.name)
def test_every_beat_of_the_data(config, channel, opcode):
    both = Both(config)
    job = transfer(both, channel, opcode)
    both.rtl.start_trace()
    clean(both, job)
    both.rtl.stop_trace()
    read = beats(both, job.reads, BusChannel.R)
    written, bursts = (beats(both, job.writes, item) for item in (BusChannel.W, BusChannel.AW))
    assert len(beats(both, job.reads, BusChannel.AR)) >= 3
    assert len(bursts) >= 3
    assert len(read) * both.width(job.reads) >= len(job.data)
    assert len(written) * both.width(job.writes) >= job.room
    both.allow_writes(job.destination, ("host", job.descriptor.completion_addr, Record.BYTES))

    def fails(status: str, at: int) -> None:
        both.load(job.source)
        record = both.start(channel, job.descriptor)
        assert (record.status, record.fault_addr) == (Status[status.upper()], at)
        both.compare(job.destination)
        clean(both, job)

    for at, kind in refused(both, job.reads, read, reads=True):
        fails(f"rd_{kind}", at)
    for at, kind in refused(both, job.writes, written, reads=False):
        fails(f"wr_{kind}", max(burst for burst in bursts if burst <= at))
    both.compare_registers(channel)


def ring_of(both: Both, channel: Channel) -> tuple[int, list[Descriptor]]:
    """Enable the ring of a channel; return where it is, and a small copy for every slot."""
    base = both.base("host")
    job = transfer(both, channel, Opcode.COPY)
    copies = [
        replace(
            job.descriptor, tag=slot, src_len=96, max_dst_len=96,
            dst_addr=job.descriptor.dst_addr + 128 * slot,
            completion_addr=base + RECORDS + Record.BYTES * slot)
        for slot in range(1 << LOG2_RING)]
    both.enable(channel, base + RING)
    return base + RING, copies


def ring(both: Both, channel: Channel, at: int, copies: Sequence[Descriptor], count: int) -> None:
    """Fill the memories and the ring, and ring the doorbell for some descriptors."""
    both.load(("host", at, b"".join(copy.pack() for copy in copies)))
    both.write("TAIL", channel, both.read("TAIL", channel) + count)


@builds()
@pytest.mark.parametrize("channel", Channel, ids=lambda item: item.name)
def test_every_beat_of_a_descriptor(config, channel):
    """The one in front of it is done; when it can be read after all, it and the next are."""
    both = Both(config)
    at, copies = ring_of(both, channel)
    index = 0
    for offset in range(0, Descriptor.BYTES, config.host_width):
        for kind in KINDS:
            index += 1
            slot = at + Descriptor.BYTES * (index % len(copies))
            both.set_faults(
                Fault("host", slot + offset, config.host_width, kind, writes=bool(index % 2)))
            ring(both, channel, at, copies, 3)
            assert both.halted(channel) == (Status.DESC_FETCH, index, slot)
            both.compare()
            both.set_faults()
            both.write("COMMAND", channel, RESUME=1)
            both.settle(channel)
            index += 2
            assert both.read("HEAD", channel) == index
            for done in range(index - 3, index):
                assert both.record(copies[done % len(copies)]).status == Status.OK
            both.compare()
    both.compare_registers(channel)


@builds()
@pytest.mark.parametrize("channel", Channel, ids=lambda item: item.name)
def test_every_beat_of_a_record(config, channel):
    """Those of the first write, which holds all but the status."""
    both = Both(config)
    at, copies = ring_of(both, channel)
    index = 0
    for offset in range(0, Record.BYTES, config.host_width):
        for kind in KINDS:
            record = copies[index % len(copies)].completion_addr
            both.set_faults(
                Fault("host", record + offset, config.host_width, kind, reads=bool(index % 4)))
            ring(both, channel, at, copies, 1)
            assert both.halted(channel) == (Status.RECORD_WRITE, index, record)
            both.compare()
            both.set_faults()
            both.write("COMMAND", channel, RESUME=1)
            ring(both, channel, at, copies, 1)
            both.settle(channel)
            assert both.record(copies[(index + 1) % len(copies)]).status == Status.OK
            both.compare()
            index += 2
            assert both.read("HEAD", channel) == index
    both.compare_registers(channel)


@builds()
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("channel", Channel, ids=lambda item: item.name)
def test_status_of_a_record(config, channel, kind):
    """When the first write of a record was good, and the second, of the status, is not."""
    both = Both(config, latency=40)
    host = both.rtl.host
    at, copies = ring_of(both, channel)
    record = copies[0].completion_addr
    status = Fault("host", record, 8, kind, reads=False)
    # In the golden device this makes the first write fail, which halts the same way.
    both.golden.host.set_faults([status])
    both.rtl.start_trace()
    ring(both, channel, at, copies, 1)
    before = host.read(record, Record.BYTES)
    while host.read(record + 4, Record.BYTES - 4) == before[4:]:
        both.rtl.run(1)
    both.rtl.run(Record.BYTES // config.host_width)
    host.set_faults([status])
    assert both.halted(channel) == (Status.RECORD_WRITE, 0, record)
    written = host.read(record, Record.BYTES)
    result = b"".join(both.read(name, channel).to_bytes(4, "little") for name in _RESULT)
    assert Record.unpack(result).status == Status.OK
    assert written == before[:4] + result[4:]
    both.set_faults()
    both.write("COMMAND", channel, RESUME=1)
    ring(both, channel, at, copies, 1)
    both.settle(channel)
    assert both.record(copies[1]).status == Status.OK
    both.compare()
    both.compare_registers(channel)


def damaged(both: Both, size: int) -> Iterator[tuple[bytes, int | None]]:
    """Yield encodings of three groups that go bad in the middle one, or the bytes that are refused.

    They are elements that are zero and have been stored; ends of the data; and beats that cannot be
    read.
    """
    rng = np.random.default_rng(size)
    count = GROUP_BYTES // size
    raw = rng.integers(1, 1 << 8 * size, 3 * count).astype(f"<u{size}")
    raw[rng.random(raw.size) < 0.4] = 0
    encoded = zvc.encode(raw)
    start, end = (len(zvc.encode(raw[: groups * count])) for groups in (1, 2))
    for at in range(start + count // 8, end, 4):
        yield encoded[:at] + bytes(size) + encoded[at + size :], None
    for at in range(start, end, 7):
        yield encoded[:at], None
        yield encoded, at


@builds()
@pytest.mark.parametrize("size", [1, 4])
def test_damage_and_a_refused_write(config, size):
    """A write that is refused behind the damage counts as far as writing goes, but no further.

    That is a whole number of beats, in front of the end of the group that is damaged.
    """
    both = Both(config)
    start = transfer(both, PREFETCH, Opcode.DECOMPRESS).descriptor
    width, room = config.dev_width, 3 * GROUP_BYTES
    descriptor = replace(
        start, max_dst_len=room,
        element_type={1: ElementType.U8, 4: ElementType.U32}[size])
    places = range(
        descriptor.dst_addr // width * width, descriptor.dst_addr + room, width)
    seen = set()
    for number, (data, refused_at) in enumerate(damaged(both, size)):
        job = Transfer(PREFETCH, replace(descriptor, src_len=len(data)), data, room)
        faults = []
        if refused_at is not None:
            at = (job.descriptor.src_addr + refused_at) // 8 * 8
            faults = [Fault("host", at, 8, "decerr")]

        def outcome(*more, job=job, faults=faults):
            both.set_faults(*faults, *more)
            both.load(job.source)
            record = both.start(PREFETCH, job.descriptor)
            both.compare(job.destination)
            return record

        alone = outcome()
        assert alone.status == (Status.RD_DECERR if faults else Status.DATA_ERROR)
        reached = []
        for at in places:
            record = outcome(Fault("dev", at, width, "slverr", reads=bool(number % 2)))
            assert record.status in (Status.WR_SLVERR, alone.status)
            reached.append(record.status == Status.WR_SLVERR)
            if not reached[-1]:
                assert record == alone
        # To somewhere, and not beyond.
        assert reached == sorted(reached, reverse=True)
        good = alone.bytes_out if not faults else 0
        end = places[sum(reached)] - descriptor.dst_addr
        assert good <= end if not faults else end > 0
        if not faults:
            assert end <= good + GROUP_BYTES
        seen.add((alone.status, end % GROUP_BYTES // width))
    assert len(seen) > 4
    clean(both, transfer(both, PREFETCH, Opcode.DECOMPRESS))
    both.compare_registers(PREFETCH)
