# SPDX-License-Identifier: Apache-2.0
"""Descriptors that a test asks for by name, with places of their own in both memories."""

import random
from dataclasses import replace

from cdma_bench import DEV, HOST
from program_data import encode
from program_memories import Memories
from program_run import ChannelProgram, Program

from opencdma.golden.descriptor_areas import Area
from opencdma.golden.device_memory import Fault
from opencdma.spec import (
    Channel,
    Config,
    Descriptor,
    ElementType,
    Flag,
    FormatId,
    Opcode,
    Record,
)

__all__ = ["Transfers"]

#: What descriptors ask for unless a test says otherwise.
FLAGS = Flag.WRITE_RECORD | Flag.IRQ


class Transfers:
    """Makes descriptors, and programs of them. What is around their places is random.

    Parameters
    ----------
    rng : :class:`random.Random`
        Source of places and content.
    config : :class:`~opencdma.spec.Config`
        The build.
    size : :class:`int`
        Bytes of each memory.
    direction : :class:`~opencdma.spec.Channel`
        Which way a shared build copies and fills.

    Members
    -------
    descriptors : mapping of :class:`~opencdma.spec.Channel` to list of descriptors
        In their order; in a shared build all are those of ``OFFLOAD``.
    faults : list of :class:`~opencdma.golden.device_memory.Fault`
        What the memories refuse.
    images : tuple of two :class:`bytearray`
        Content of device and host memory.
    """

    def __init__(
        self, rng: random.Random, config: Config, *, size: int = 1 << 16,
        direction: Channel = Channel.OFFLOAD,
    ):
        self._rng = rng
        self._config = config
        self._direction = direction
        self._memories = Memories(rng, size, (DEV, HOST))
        self._types = {item.size: item for item in ElementType}
        self.descriptors = {channel: [] for channel in list(Channel)[: config.channels]}
        self.faults: list[Fault] = []

    @property
    def images(self) -> tuple[bytearray, bytearray]:
        return self._memories.images

    def sparse(self, length: int, size: int, density: float = 0.5) -> bytes:
        """Return so many bytes of elements that are nonzero with a probability."""
        elements = (
            self._rng.randrange(1, 256 ** size) * (self._rng.random() < density)
            for _ in range(length // size))
        return b"".join(element.to_bytes(size, "little") for element in elements)

    def simple(self, channel: Channel, opcode: Opcode, **fields: int) -> Descriptor:
        """Add a descriptor without data."""
        return self._add(channel, opcode=opcode, **fields)

    def compress(
        self, raw: bytes, size: int, *, room: int | None = None, opcode: int = Opcode.COMPRESS,
        **fields: int,
    ) -> Descriptor:
        """Add one that encodes elements of ``size`` bytes; by default with just enough room."""
        format = fields.pop("format_id", FormatId.ZVC)
        room = len(encode(raw, size, format)) if room is None else room
        places = {"src_addr": self._place(0, Area(0, len(raw)), raw), "src_len": len(raw)}
        if opcode != Opcode.MEASURE:
            places |= {"dst_addr": self._place(1, Area(0, room)), "max_dst_len": room}
        return self._add(
            Channel.OFFLOAD, opcode=opcode, format_id=format, element_type=self._types[size],
            **places | fields)

    def decompress(
        self, raw: bytes, size: int, *, encoded: bytes | None = None, **fields: int,
    ) -> Descriptor:
        """Add one that decodes to elements of ``size`` bytes, or what else is given as encoded."""
        format = fields.pop("format_id", FormatId.ZVC)
        data = encode(raw, size, format) if encoded is None else encoded
        fields = {
            "src_addr": self._place(1, Area(0, len(data)), data), "src_len": len(data),
            "dst_addr": self._place(0, Area(0, len(raw))), "max_dst_len": len(raw),
        } | fields
        return self._add(
            Channel.PREFETCH, opcode=Opcode.DECOMPRESS, format_id=format,
            element_type=self._types[size], **fields)

    def copy(
        self, channel: Channel, data: bytes, *, rows: int = 1, **fields: int,
    ) -> Descriptor:
        """Add one that copies, in rows with gaps of their own in both memories."""
        source = 0 if channel is Channel.OFFLOAD else 1
        wide, length = self._config.dev_width, len(data) // rows
        strides = [length + wide * self._rng.randrange(4) for _ in range(2)]
        area = Area(0, length, rows, strides[0])
        fields = {
            "src_addr": self._place(source, area, data), "src_len": length,
            "dst_addr": self._place(1 - source, replace(area, stride=strides[1])),
            "max_dst_len": len(data), "rows_minus_1": rows - 1, "stride": strides[0],
            "dst_stride": strides[1],
        } | fields
        return self._add(channel, opcode=Opcode.COPY, **fields)

    def fill(self, channel: Channel, length: int, **fields: int) -> Descriptor:
        """Add one that fills with a random pattern."""
        target = 1 if channel is Channel.OFFLOAD else 0
        fields = {
            "src_addr": self._rng.getrandbits(64), "src_len": length, "max_dst_len": length,
            "dst_addr": self._place(target, Area(0, length)),
        } | fields
        return self._add(channel, opcode=Opcode.FILL, **fields)

    def batch(self, count: int, longest: int) -> None:
        """Add good descriptors of every kind, so many each way, of some bytes at most."""
        for number in range(count):
            for way in Channel:
                self._any(number, way, self._rng.randrange(longest))

    def _any(self, number: int, way: Channel, length: int) -> None:
        rng, config = self._rng, self._config
        size = rng.choice(config.element_sizes)
        raw = self.sparse(length // size * size, size, rng.choice((0, 0.3, 0.6, 1)))
        flags = FLAGS | (Flag.FENCE if rng.random() < 0.1 else 0)
        copies = not config.shared or way is self._direction
        if number % 6 == 2 and copies:
            row = length // 3 // config.dev_width * config.dev_width
            if config.two_d and row:
                self.copy(way, raw[: 3 * row], rows=3, flags=flags)
            else:
                self.copy(way, raw, flags=flags)
        elif number % 6 == 4 and copies:
            self.fill(way, len(raw), flags=flags)
        elif number % 6 == 5:
            self.simple(way, rng.choice((Opcode.NOP, Opcode.DRAIN)), flags=flags)
        elif way is Channel.PREFETCH:
            self.decompress(raw, size, flags=flags)
        else:
            opcode = Opcode.COMPRESS
            if config.verify and rng.random() < 0.5:
                opcode = Opcode.COMPRESS_VERIFY
            self.compress(
                raw, size, opcode=opcode, room=len(raw) + 256, flags=flags | rng.choice((
                    0, Flag.RAW_IF_LARGER)))

    def refuse(self, memory: str, address: int, kind: str, *, lines: int = 1, **ways: bool):
        """Have a memory refuse some lines of 64 bytes, the first being that of an address."""
        self.faults.append(Fault(memory, address & ~63, 64 * lines, kind, **ways))

    def program(self, *, direct: bool = False, irq_enable: int = 0b1111, **options) -> Program:
        """Return the program of all descriptors.

        Parameters
        ----------
        direct : :class:`bool`
            Through registers, not through a ring.
        irq_enable : :class:`int`
            IRQ_ENABLE.
        options
            More of each :class:`~program_run.ChannelProgram`.
        """
        log2_size = options.get("log2_size", 2)
        channels = tuple(
            ChannelProgram(
                channel=channel, descriptors=tuple(descriptors),
                direct=len(descriptors) if direct else 0,
                ring=self._memories.take(1, Descriptor.BYTES << log2_size, Descriptor.BYTES),
                spare_ring=self._memories.take(1, Descriptor.BYTES << log2_size, Descriptor.BYTES),
                ctrl={"DIRECTION": self._direction if self._config.shared else 0}, **options)
            for channel, descriptors in self.descriptors.items())
        return Program(
            seed=0, config=self._config, dev=bytes(self.images[0]), host=bytes(self.images[1]),
            dev_base=DEV, host_base=HOST, faults=tuple(self.faults), irq_enable=irq_enable,
            channels=channels)

    def _add(self, channel: Channel, **fields: int) -> Descriptor:
        rng = self._rng
        descriptor = Descriptor(**{
            "flags": FLAGS, "tag": rng.getrandbits(32), "qos": rng.getrandbits(4),
            "completion_addr": self._memories.take(1, Record.BYTES, Record.BYTES),
        } | fields)
        channel = Channel.OFFLOAD if self._config.shared else channel
        self.descriptors[channel].append(descriptor)
        return descriptor

    def _place(self, memory: int, area: Area, data: bytes = b"") -> int:
        """Return an address for rows, and put data there."""
        config = self._config
        unit = (config.dev_width, config.host_width)[memory]
        if config.unaligned:
            unit = config.lane_bytes
        address = self._memories.take(memory, area.end, unit)
        self._memories.put(memory, replace(area, address=address), data)
        return address
