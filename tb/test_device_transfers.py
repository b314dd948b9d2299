# SPDX-License-Identifier: Apache-2.0
"""Good transfers through the simulated engine: lengths, attributes of bursts, sustained rate.

What is to be written is said by the encoder alone, and nothing but that may be.
"""

import zlib
from dataclasses import dataclass

import numpy as np
import pytest
from engine_builds import EVERYDAY, same_worker

from opencdma.golden import zvc
from opencdma.sim import activations
from opencdma.sim.bench import engine
from opencdma.sim.device import BusChannel, Port, SimulatedDevice
from opencdma.sim.engine_runs import EngineRuns
from opencdma.sim.memory import MemoryTiming
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

OFFLOAD, PREFETCH = Channel
ECP5 = EVERYDAY["ecp5"]
ON_ECP5 = same_worker(ECP5)

PAGE = 4096

#: Offset in a unit, in bytes: where an address is to be.
Place = tuple[int, int]

_TYPES = {1: ElementType.U8, 2: ElementType.U16, 4: ElementType.U32}

#: What can be done, and on which channel.
_OPERATIONS = (
    (OFFLOAD, Opcode.COMPRESS), (OFFLOAD, Opcode.COPY), (PREFETCH, Opcode.DECOMPRESS),
    (PREFETCH, Opcode.COPY))


def builds():
    """Return a parameter for ports of 32 bytes, and for a host port of 8 and any address."""
    return pytest.mark.parametrize("config", [
        pytest.param(EVERYDAY[name], id=name, marks=same_worker(EVERYDAY[name]))
        for name in ("ecp5", "everything")])


@dataclass(frozen=True)
class Placed:
    """A transfer that has its places, what it has to write, and what its record is to say."""

    channel: Channel
    descriptor: Descriptor
    made: bytes
    record: Record

    @property
    def memories(self) -> tuple[str, str]:
        """Names of the memories that are read and written."""
        return ("dev", "host") if self.channel is OFFLOAD else ("host", "dev")


class Board:
    """A simulated engine, transfers for it, and what the memories are to hold afterwards.

    Every place has 64 bytes on either side that are of no other. All memory is full of random
    bytes, and those that are not to be written may not even be written with what they hold.

    Parameters
    ----------
    config : :class:`~opencdma.spec.Config`
        The build.
    size : :class:`int`
        Bytes of each memory.
    latency : :class:`int`
        Of the memories, in cycles.
    """

    GUARD = 64

    def __init__(self, config: Config, size: int, latency: int = 20):
        timing = MemoryTiming(read_latency=latency, write_latency=latency)
        self.device = SimulatedDevice(
            config, dev_size=size, host_size=size, dev_timing=timing, host_timing=timing)
        self.memories = {"dev": self.device.dev, "host": self.device.host}
        self.transfers: list[Placed] = []
        #: Addresses of the rings, once all is done.
        self.rings: list[range] = []
        self._ends = {name: memory.base for name, memory in self.memories.items()}
        rng = np.random.default_rng(7)
        for memory in self.memories.values():
            memory.array[:] = rng.integers(0, 256, memory.size, np.uint8)

    def add(
        self, channel: Channel, opcode: Opcode, array: np.ndarray, *, spare: int = 0,
        source: Place = (0, 64), target: Place = (0, 64), flags: int = 0, **fields: int,
    ) -> None:
        """Put a transfer of an array, or of its encoding, behind the others.

        Parameters
        ----------
        channel : :class:`~opencdma.spec.Channel`
            Where it goes.
        opcode : :class:`~opencdma.spec.Opcode`
            COMPRESS, DECOMPRESS or COPY.
        array : :class:`numpy.ndarray`
            The raw data.
        spare : :class:`int`
            Bytes at the destination beside those that are needed.
        source, target : tuple of two :class:`int`
            Places.
        flags : :class:`int`
            Flags of the descriptor.
        **fields : :class:`int`
            Other fields of it.
        """
        raw, encoded = array.tobytes(), zvc.encode(array)
        given = encoded if opcode == Opcode.DECOMPRESS else raw
        made = encoded if opcode == Opcode.COMPRESS else raw
        stored = bool(flags & Flag.RAW_IF_LARGER) and len(encoded) >= len(raw)
        made = raw if stored else made
        reads, writes = ("dev", "host") if channel is OFFLOAD else ("host", "dev")
        descriptor = Descriptor(
            opcode=opcode, flags=flags | Flag.WRITE_RECORD, tag=len(self.transfers),
            completion_addr=self._take("host", Record.BYTES),
            src_addr=self._take(reads, len(given), source), src_len=len(given),
            dst_addr=self._take(writes, len(made) + spare, target),
            max_dst_len=len(made) + spare, format_id=FormatId.ZVC,
            element_type=_TYPES[array.itemsize], **fields)
        self.memories[reads].write(descriptor.src_addr, given)
        self.transfers.append(Placed(channel, descriptor, made, Record(
            status=Status.OK_RAW if stored else Status.OK,
            info=Info.OUTPUT_VALID | (Info.STORED_RAW if stored else 0), tag=descriptor.tag,
            format_id=FormatId.RAW if stored else FormatId.ZVC, bytes_in=len(given),
            bytes_out=len(made), crc32=zlib.crc32(raw),
            nonzeros=0 if opcode == Opcode.COPY else int(np.count_nonzero(array)))))

    def _take(self, memory: str, length: int, place: Place = (0, 64)) -> int:
        offset, unit = place
        least = self._ends[memory] + self.GUARD - offset
        at = -(-least // unit) * unit + offset
        self._ends[memory] = at + length + self.GUARD
        end = self.memories[memory].base + self.memories[memory].size
        assert self._ends[memory] <= end, f"{memory} memory is used up"
        return at

    def run(self, cycles: int = 1_000_000) -> int:
        """Do all transfers, those of both channels at the same time, and check all memory.

        Returns
        -------
        cycles : :class:`int`
            That it took.
        """
        programs = {channel: [
            item.descriptor.pack() for item in self.transfers if item.channel is channel]
            for channel in Channel}
        for channel, descriptors in programs.items():
            log2_size = len(descriptors).bit_length() # the ring never turns
            ring = self._take("host", Descriptor.BYTES << log2_size)
            self.rings.append(range(ring, ring + (Descriptor.BYTES << log2_size)))
            self.device.host.write(ring, b"".join(descriptors))
            self._write("RING_BASE", channel, ring)
            self._write("RING_SIZE", channel, log2_size)
            self._write("CTRL", channel, CHANNEL["CTRL"].pack(ENABLE=1))
        expected = self._expected()
        begin = self.device.cycle
        for channel, descriptors in programs.items():
            self._write("TAIL", channel, len(descriptors))
        for channel, descriptors in programs.items():
            self.device.run_until_register(
                address("HEAD", channel), len(descriptors), cycles=cycles)
        took = self.device.cycle - begin
        for name, memory in self.memories.items():
            wrong = np.flatnonzero(memory.array != expected[name])
            assert not wrong.size, (
                f"{wrong.size} bytes are wrong, the first at {name} address "
                f"{memory.base + int(wrong[0]):#x}")
        return took

    def _expected(self) -> dict[str, np.ndarray]:
        """Return what the memories are to hold in the end, and let only that be written."""
        expected = {name: memory.array.copy() for name, memory in self.memories.items()}
        places = {name: [] for name in self.memories}
        for item in self.transfers:
            for name, at, data in (
                ("host", item.descriptor.completion_addr, item.record.pack()),
                (item.memories[1], item.descriptor.dst_addr, item.made),
            ):
                places[name].append((at, len(data)))
                at -= self.memories[name].base
                expected[name][at : at + len(data)] = np.frombuffer(data, np.uint8)
        for name, regions in places.items():
            self.memories[name].allow_writes(regions)
        return expected

    def _write(self, name: str, channel: Channel, value: int) -> None:
        for word in range(CHANNEL[name].width // 32):
            self.device.write_register(
                address(name, channel) + 4 * word, value >> 32 * word & 0xFFFF_FFFF)


def elements(count: int, size: int, density: float) -> np.ndarray:
    """Return random elements, of which a share is not 0."""
    rng = np.random.default_rng(count)
    array = rng.integers(1, 1 << 8 * size, count).astype(f"<u{size}")
    array[rng.random(count) >= density] = 0
    return array


@ON_ECP5
def test_megabytes():
    """Real activations, 3 MiB of them there and back at the same time."""
    chosen, total = [], 0
    for _, tensor in activations.items(
            [item for item in activations.manifest() if item.dtype == "float32"]):
        chosen.append(tensor.ravel().view("<u4"))
        total += tensor.nbytes
        if total >= 3 << 20:
            break
    array = np.concatenate(chosen)
    assert array.nbytes >= 3 << 20
    board = Board(ECP5, size=1 << 23)
    board.add(OFFLOAD, Opcode.COMPRESS, array, spare=5000)
    board.add(PREFETCH, Opcode.DECOMPRESS, array)
    # Both together take little longer than their raw data take through a port.
    assert board.run() < 1.1 * array.nbytes / ECP5.dev_width


@builds()
def test_every_length(config):
    """Around what is a beat, a burst or a page on either side; raw bytes and encoded ones."""
    wide = config.dev_width
    edges = {PAGE} | {
        width * beats for width in (config.dev_width, config.host_width)
        for beats in (config.read_burst, config.write_burst)}
    lengths = {*range(2 * wide + 8)} | {
        length for edge in edges for length in range(edge - wide - 2, edge + wide + 3)}
    # These have an encoding of a page, about, if none of their elements is 0.
    dense = set(range(3600, 3670))
    odd = (1, 5, 3) if config.unaligned else (0, 0, wide)
    places = ((odd[0], 64), (odd[1], PAGE), (PAGE - odd[2], PAGE))
    board = Board(config, size=1 << 24)
    for number, length in enumerate(sorted(lengths | dense)):
        density = 1 if length in dense else (0.4, 1, 0, 0.8)[number % 4]
        array = elements(length, 1, density)
        for channel, opcode in _OPERATIONS:
            board.add(
                channel, opcode, array,
                spare=0 if opcode == Opcode.DECOMPRESS else (0, 1, 77)[number // 4 % 3],
                source=places[(number + 1) % 3], target=places[number % 3])
    for opcode in (Opcode.COPY, Opcode.COMPRESS):
        made = {len(item.made) for item in board.transfers if item.descriptor.opcode == opcode}
        assert {0, *range(PAGE - wide, PAGE + wide)} <= made
    board.run()


@builds()
def test_attributes_of_bursts(config):
    """QOS and CACHE of data are those of their descriptor, and of descriptors and records fixed."""
    board = Board(config, size=1 << 17)
    for number in range(8):
        for channel, opcode in _OPERATIONS:
            flags = 0
            if opcode == Opcode.COMPRESS and number % 2:
                flags = Flag.RAW_IF_LARGER # reads twice, since it stores raw
            board.add(
                channel, opcode, elements(400, 4, 0.5 if number % 4 < 2 else 1), flags=flags,
                qos=(3 * number + 5 * opcode) % 16, cache=(7 * number + opcode) % 16)
    board.device.start_trace()
    board.run()
    assert {item.record.status for item in board.transfers} == {Status.OK, Status.OK_RAW}
    events = board.device.trace()
    events = events[events["port"] != Port.REGISTERS]
    attributes = {
        (Port[name.upper()], channel): events[
            (events["port"] == Port[name.upper()]) & (events["channel"] == channel)]
        for name in ("dev", "host") for channel in (BusChannel.AR, BusChannel.AW)}
    widths = {"dev": config.dev_width, "host": config.host_width}

    def bursts(memory, channel, at, length):
        """Take the bursts of some bytes out, and return the pairs of attributes they have."""
        key = Port[memory.upper()], channel
        found = attributes[key]
        mine = (found["address"] >= at // widths[memory] * widths[memory]) & (
            found["address"] < at + length)
        attributes[key] = found[~mine]
        return set(zip(found["qos"][mine].tolist(), found["cache"][mine].tolist(), strict=True))

    for item in board.transfers:
        descriptor, (reads, writes) = item.descriptor, item.memories
        own = {(descriptor.qos, descriptor.cache)}
        assert bursts(reads, BusChannel.AR, descriptor.src_addr, descriptor.src_len) == own
        assert bursts(writes, BusChannel.AW, descriptor.dst_addr, descriptor.max_dst_len) == own
        assert bursts("host", BusChannel.AW, descriptor.completion_addr, Record.BYTES) == {(0, 3)}
    for ring in board.rings:
        assert bursts("host", BusChannel.AR, ring.start, len(ring)) == {(0, 3)}
    assert not any(len(left) for left in attributes.values())


@ON_ECP5
def test_sustained_rate():
    """Of 64 transfers of 64 KiB back to back in either direction at once, memories being slow."""
    runs = EngineRuns(ECP5, size=1 << 24)
    runs.set_latency(engine.LIMIT_LATENCY)
    jobs = [
        engine.job(op, channel, 1 << 16, 0.5)
        for op, channel in (("compress", OFFLOAD), ("decompress", PREFETCH))]
    rates = runs.stream(jobs, 64)
    assert engine.LIMIT_LATENCY == 100
    assert all(rate.of_bound >= 0.99 for rate in rates), rates
