# SPDX-License-Identifier: Apache-2.0
"""Transfers through the simulated engine whose time is taken, and whose output is compared."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from opencdma.sim import engine_rates, rates
from opencdma.sim.device import BusChannel, Port, SimulatedDevice
from opencdma.sim.memory import MemoryTiming
from opencdma.sim.mismatch import compare
from opencdma.spec import (
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
from opencdma.sw import Buffer, Device, TransferError
from opencdma.sw.registers import ChannelRegisters

__all__ = ["EngineRuns", "Job", "Single"]

#: What destinations hold before: no output that is all zeros comes about by itself.
_UNTOUCHED = b"\xee"

#: Base-2 logarithm of the descriptors in a ring: all of a run fit, so that none has to wait.
_RING = 8


@dataclass(frozen=True)
class Job:
    """A transfer, done once or many times.

    Parameters
    ----------
    opcode : :class:`~opencdma.spec.Opcode`
        COMPRESS, DECOMPRESS, COPY or NOP.
    channel : :class:`~opencdma.spec.Channel`
        Where it goes.
    source, output : :class:`bytes`
        What is read, and what is to be written.
    """

    opcode: Opcode
    channel: Channel
    source: bytes
    output: bytes

    @property
    def memories(self) -> tuple[str, str]:
        """Names of the memories that are read and written."""
        return ("dev", "host") if self.channel is Channel.OFFLOAD else ("host", "dev")

    def bound(self, config: Config) -> int:
        """Return the cycles that it takes at least; 0 if it moves nothing."""
        return max(
            -(-len(data) // engine_rates.width(config, memory))
            for data, memory in zip((self.source, self.output), self.memories, strict=True))

    def descriptor(self, source: int, destination: int) -> Descriptor:
        """Return what asks for it, from an address to another."""
        if self.opcode is Opcode.NOP:
            return Descriptor(opcode=self.opcode)
        return Descriptor(
            opcode=self.opcode, src_addr=source, src_len=len(self.source),
            dst_addr=destination, max_dst_len=len(self.output),
            format_id=FormatId.ZVC, element_type=ElementType.U32)


@dataclass(frozen=True)
class Single:
    """Times of an isolated transfer in cycles.

    Parameters
    ----------
    doorbell_to_address : :class:`int`
        From the doorbell to the address of the first read of data.
    doorbell_to_record : :class:`int`
        From the doorbell to the last beat of the completion record.
    rate : :class:`~opencdma.sim.rates.Rate`
        From the first beat read to the last beat written.
    """

    doorbell_to_address: int
    doorbell_to_record: int
    rate: rates.Rate


@dataclass(frozen=True)
class _Placed:
    """A job in the memories: every transfer reads the source, and has a destination of its own."""

    job: Job
    source: Buffer
    destination: Buffer
    pitch: int
    descriptors: list[Descriptor]


class EngineRuns:
    """A simulated engine and its driver, for runs at any memory latency.

    Parameters
    ----------
    config : :class:`~opencdma.spec.Config` or ``None``
        The build; the preset ``ecp5`` if ``None``.
    size : :class:`int`
        Bytes of each memory.

    Raises
    ------
    BuildError
        If Verilator or the compiler fails.
    """

    def __init__(self, config: Config | None = None, *, size: int = 1 << 25):
        self.device = SimulatedDevice(config, dev_size=size, host_size=size)
        self._driver = Device(self.device, ring=_RING)

    def set_latency(self, cycles: int) -> None:
        """Choose the cycles from address to data, and from data to acknowledgement."""
        timing = MemoryTiming(read_latency=cycles, write_latency=cycles)
        self.device.dev.timing = self.device.host.timing = timing

    def stream(self, jobs: Sequence[Job], count: int) -> list[rates.Rate]:
        """Do jobs of different channels at the same time, each so many times back to back.

        Returns
        -------
        list of :class:`~opencdma.sim.rates.Rate`
            One for each job.

        Raises
        ------
        Mismatch
            If the output is wrong.
        TransferError, SimulationError
            If the engine could not do it.
        """
        placed = [self._place(job, count) for job in jobs]
        events = self._run(placed)
        measured = [
            engine_rates.rate(
                events, self.device.config, item.source, item.destination,
                len(item.job.source), len(item.job.output), count)
            for item in placed
        ]
        for item in placed:
            self._collect(item)
        return measured

    def single(self, job: Job, *, direct: bool = False) -> Single:
        """Do a job once, nothing else being under way; errors are those of :meth:`stream`.

        Parameters
        ----------
        job : :class:`Job`
            What to do.
        direct : :class:`bool`
            Through registers, not through the ring.
        """
        item = self._place(job, 1)
        self._settle(job.channel)
        events = self._start(item) if direct else self._run([item])
        register = "COMMAND" if direct else "TAIL"
        bell = engine_rates.doorbell(events, job.channel, register)
        first = engine_rates.cycles(events, BusChannel.AR, item.source).min()
        rate = engine_rates.rate(
            events, self.device.config, item.source, item.destination,
            len(job.source), len(job.output))
        record = self._record_beats(events, [item])[-1]
        self._collect(item)
        return Single(int(first - bell), int(record - bell), rate)

    def interval(self, job: Job, count: int) -> float:
        """Return the cycles from completion to completion of a job that goes back to back.

        Errors are those of :meth:`stream`.
        """
        item = self._place(job, count)
        self._settle(job.channel)
        beats = self._record_beats(self._run([item]), [item])
        self._collect(item)
        # Every record is as many beats; with its last one it is complete.
        per_record = len(beats) // count
        ends = beats[per_record - 1 :: per_record]
        return float(ends[-1] - ends[0]) / (count - 1)

    def _place(self, job: Job, count: int) -> _Placed:
        reads, writes = job.memories
        source = self._driver.allocate(reads, len(job.source))
        self._driver.write(source, job.source)
        pitch = -(-len(job.output) // 64) * 64
        destination = self._driver.allocate(writes, pitch * count)
        self._driver.write(destination, _UNTOUCHED * destination.size)
        return _Placed(job, source, destination, pitch, [
            job.descriptor(source.address, destination.address + pitch * number)
            for number in range(count)
        ])

    def _collect(self, item: _Placed) -> None:
        """Compare what was written, and free the memory."""
        job = item.job
        written = np.frombuffer(self._driver.read(item.destination), np.uint8)
        want = job.output + _UNTOUCHED * (item.pitch - len(job.output))
        for number in range(len(item.descriptors)):
            got = written[item.pitch * number : item.pitch * (number + 1)].tobytes()
            compare(f"{job.opcode.name} number {number} on {job.channel.name}", got, want)
        self._driver.free(item.source)
        self._driver.free(item.destination)

    def _run(self, placed: list[_Placed]) -> np.ndarray:
        """Do everything through the rings, and return the trace."""
        self.device.start_trace()
        tickets = [
            ticket for item in placed
            for ticket in self._driver.submit(item.job.channel, item.descriptors)
        ]
        self._driver.wait(tickets, timeout=600)
        self.device.stop_trace()
        return self.device.trace()

    def _start(self, item: _Placed) -> np.ndarray:
        """Do one transfer through registers, with a record, and return the trace."""
        channel, descriptor = item.job.channel, item.descriptors[0]
        registers = ChannelRegisters(self.device, channel)
        record = self._driver.allocate("host", Record.BYTES)
        registers.set("CTRL", ENABLE=0)
        recorded = replace(
            descriptor, flags=Flag.WRITE_RECORD, completion_addr=record.address)
        for number, word in enumerate(np.frombuffer(recorded.pack(), "<u4")):
            registers.write(f"DIRECT{number}", int(word))
        self.device.start_trace()
        registers.set("COMMAND", START=1)
        self.device.run_until_register(
            address("STATUS", channel), 0, mask=CHANNEL["STATUS"].pack(BUSY=1),
            cycles=100_000 + len(item.job.source) + len(item.job.output))
        self.device.stop_trace()
        registers.set("CTRL", ENABLE=1)
        outcome = Record.unpack(self._driver.read(record))
        self._driver.free(record)
        if outcome.status != Status.OK:
            raise TransferError(descriptor, outcome)
        return self.device.trace()

    def _settle(self, channel: Channel) -> None:
        """Wait until nothing is under way: a record is there before the channel is idle."""
        idle = CHANNEL["STATUS"].pack(IDLE=1)
        self.device.run_until_register(
            address("STATUS", channel), idle, mask=idle, cycles=100_000)

    def _record_beats(self, events: np.ndarray, placed: list[_Placed]) -> np.ndarray:
        """Return when the host took beats of records: all that are not for destinations."""
        host = events[(events["port"] == Port.HOST) & (events["channel"] == BusChannel.W)]
        data = [
            engine_rates.cycles(events, BusChannel.W, item.destination) for item in placed
            if item.destination.memory == "host"
        ]
        # A port takes one beat in a cycle, so its cycles tell beats apart.
        return np.setdiff1d(host["cycle"].astype(np.int64), np.concatenate([[], *data]))
