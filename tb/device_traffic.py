# SPDX-License-Identifier: Apache-2.0
"""Steady traffic on both channels of a simulated engine, and a look at what became of it."""

import random
import zlib

import numpy as np

from opencdma.golden import zvc
from opencdma.sim.device import SimulatedDevice
from opencdma.spec import (
    Channel,
    Config,
    Descriptor,
    ElementType,
    Flag,
    FormatId,
    Info,
    Opcode,
    Record,
    Status,
)
from opencdma.spec.registers import CHANNEL, address

GUARD = 0xA5
SIZE = 1 << 19
LOG2_RING = 5


#: Opcodes that go one way only.
_WAYS = {Opcode.COMPRESS: Channel.OFFLOAD, Opcode.DECOMPRESS: Channel.PREFETCH}


def memories(channel: Channel, descriptor: Descriptor) -> tuple[str, str]:
    """Return the memories that a descriptor of a channel reads and writes."""
    way = _WAYS.get(descriptor.opcode, channel)
    return ("dev", "host") if way is Channel.OFFLOAD else ("host", "dev")


class Traffic:
    """Rings of transfers of all kinds on every channel, with guarded places of their own.

    A shared channel gets those of both directions, in turn.

    Parameters
    ----------
    config : :class:`~opencdma.spec.Config`
        The build.
    seed : :class:`int`
        Of lengths, data and kinds.
    timing
        Further arguments of :class:`~opencdma.sim.device.SimulatedDevice`.
    """

    def __init__(self, config: Config, seed: int, **timing):
        self.rng = random.Random(seed)
        self.device = SimulatedDevice(
            config, dev_size=SIZE, host_size=SIZE, seed=seed, **timing)
        self.channels = [Channel.OFFLOAD] if config.shared else list(Channel)
        self.device.dev.array[:] = GUARD
        self.device.host.array[:] = GUARD
        self._free = {"dev": self.device.dev.base, "host": self.device.host.base}
        self._ring = {c: self._take("host", 64 << LOG2_RING, 64) for c in self.channels}
        #: Of each channel: descriptors so far, and what each has to write.
        self.descriptors = {channel: [] for channel in self.channels}
        self.expected = {channel: [] for channel in self.channels}

    def _take(self, memory: str, length: int, align: int = 64) -> int:
        """Return the address of a place with a guard behind it."""
        at = -(-self._free[memory] // align) * align
        self._free[memory] = at + length + 64
        assert self._free[memory] <= getattr(self.device, memory).base + SIZE, "memory is used up"
        return at

    def read(self, name: str, channel: Channel) -> int:
        """Return a register of one word."""
        return self.device.read_register(address(name, channel))

    def write(self, name: str, channel: Channel, value: int = 0, **fields: int) -> None:
        """Write a register."""
        value |= CHANNEL[name].pack(**fields)
        for word in range(CHANNEL[name].width // 32):
            self.device.write_register(
                address(name, channel) + 4 * word, value >> 32 * word & 0xFFFF_FFFF)

    def status(self, channel: Channel) -> dict[str, int]:
        """Return the fields of STATUS."""
        return CHANNEL["STATUS"].unpack(self.read("STATUS", channel))

    def enable(self, **registers: int) -> None:
        """Set up and enable all rings."""
        for channel in self.channels:
            self.write("RING_BASE", channel, self._ring[channel])
            self.write("RING_SIZE", channel, LOG2_RING)
            for name, value in registers.items():
                self.write(name, channel, value)
            self.write("CTRL", channel, ENABLE=1)

    def add(self, channel: Channel, count: int, longest: int = 4096) -> None:
        """Put descriptors behind the others, without ringing the doorbell."""
        for _ in range(count):
            words = self.rng.randrange(0, longest // 4)
            density = self.rng.choice((0, 0.3, 0.7, 1))
            generator = np.random.default_rng(self.rng.getrandbits(32))
            raw = generator.integers(1, 2**32, words, np.uint32)
            raw[generator.random(words) >= density] = 0
            kind = self.rng.choice(("codec", "codec", "codec", "raw", "copy", "fill"))
            way = channel
            if self.device.config.shared and kind in ("codec", "raw"):
                way = self.rng.choice(list(Channel))
            given, made = raw.tobytes(), zvc.encode(raw)
            opcode, flags = Opcode.COMPRESS, Flag.WRITE_RECORD
            length, room = len(given), zvc.bound(len(given), 4)
            if way is Channel.PREFETCH:
                given, made = made, given
                opcode, length, room = Opcode.DECOMPRESS, len(given), len(made)
            if kind == "raw" and opcode is Opcode.COMPRESS:
                flags |= Flag.RAW_IF_LARGER
                made = given if len(made) >= len(given) else made
            elif kind == "copy":
                opcode, room, made = Opcode.COPY, len(given), given
            elif kind == "fill":
                opcode, room = Opcode.FILL, length
            source, sink = memories(channel, Descriptor(opcode=opcode))
            src = self._take(source, len(given))
            if kind == "fill":
                pattern = self.rng.getrandbits(64)
                src = pattern
                made = (pattern.to_bytes(8, "little") * (length // 8 + 1))[:length]
            else:
                getattr(self.device, source).write(src, given)
            descriptor = Descriptor(
                opcode=opcode, flags=flags, tag=len(self.descriptors[channel]),
                completion_addr=self._take("host", Record.BYTES), src_addr=src,
                dst_addr=self._take(sink, room), src_len=length, max_dst_len=room,
                format_id=FormatId.ZVC, element_type=ElementType.U32)
            self.device.host.write(descriptor.completion_addr, bytes(Record.BYTES))
            slot = len(self.descriptors[channel]) % (1 << LOG2_RING)
            self.device.host.write(self._ring[channel] + 64 * slot, descriptor.pack())
            self.descriptors[channel].append(descriptor)
            self.expected[channel].append(made)

    def ring(self, channel: Channel) -> None:
        """Ring the doorbell."""
        self.write("TAIL", channel, len(self.descriptors[channel]))

    def record(self, channel: Channel, number: int) -> Record:
        """Return the completion record of a descriptor."""
        at = self.descriptors[channel][number].completion_addr
        return Record.unpack(self.device.host.read(at, Record.BYTES))

    def wait(self, channel: Channel, cycles: int = 100_000, **fields: int) -> None:
        """Wait until fields of STATUS have values."""
        end = self.device.cycle + cycles
        while any(self.status(channel)[name] != value for name, value in fields.items()):
            assert self.device.cycle < end, (
                f"{channel.name} must get to {fields}, but is at {self.status(channel)}")
            self.device.run(20)

    def finish(self, channel: Channel) -> None:
        """Wait until everything in the ring is complete."""
        end = self.device.cycle + 200_000
        while self.read("HEAD", channel) != len(self.descriptors[channel]):
            assert self.device.cycle < end, f"{channel.name} is stuck at {self.status(channel)}"
            self.device.run(50)

    def check(self, channel: Channel, number: int) -> Status:
        """See that a record is one, and that a good one has good data; return the status."""
        descriptor, record = self.descriptors[channel][number], self.record(channel, number)
        made = self.expected[channel][number]
        assert record.tag == descriptor.tag
        status = Status(record.status)
        if status in (Status.OK, Status.OK_RAW):
            _, sink = memories(channel, descriptor)
            assert record.bytes_out == len(made)
            assert record.fault_addr == 0
            assert record.info & Info.OUTPUT_VALID
            assert bool(record.info & Info.STORED_RAW) == (status is Status.OK_RAW)
            if self.device.config.crc:
                raw = made
                if descriptor.opcode is Opcode.COMPRESS:
                    raw = self.device.dev.read(descriptor.src_addr, descriptor.src_len)
                assert record.crc32 == zlib.crc32(raw)
            assert getattr(self.device, sink).read(descriptor.dst_addr, len(made)) == made
        else:
            assert (record.bytes_in, record.bytes_out, record.nonzeros) == (0, 0, 0)
            assert (record.crc32, record.fault_addr) == (0, 0)
        return status

    def check_guards(self) -> None:
        """See that nothing was written but destinations and records."""
        for name in ("dev", "host"):
            memory = getattr(self.device, name)
            mine = np.zeros(SIZE, bool)
            for channel, descriptors in self.descriptors.items():
                for descriptor in descriptors:
                    source, sink = memories(channel, descriptor)
                    places = [("host", descriptor.completion_addr, Record.BYTES),
                              (sink, descriptor.dst_addr, descriptor.max_dst_len)]
                    if descriptor.opcode != Opcode.FILL:
                        places.append((source, descriptor.src_addr, descriptor.src_len))
                    for where, at, length in places:
                        if where == name:
                            mine[at - memory.base : at - memory.base + length] = True
            if name == "host":
                for at in self._ring.values():
                    mine[at - memory.base : at - memory.base + (64 << LOG2_RING)] = True
            wrong = np.flatnonzero(~mine & (memory.array != GUARD))
            assert not wrong.size, f"{name} memory was written at offset {wrong[0]:#x}"
