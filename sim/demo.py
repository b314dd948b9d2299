# SPDX-License-Identifier: Apache-2.0
"""Demonstration: real activations there and back through the simulated engine.

While a tensor is offloaded, the one before it is prefetched back: both channels are at work at the
same time, from the ring to the completion record, and the program waits for their interrupts.
"""

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass

import numpy as np

from opencdma.golden import zvc
from opencdma.sim import engine_rates, rates
from opencdma.sim.activations import Activation
from opencdma.sim.device import SimulatedDevice
from opencdma.sim.memory import MemoryTiming
from opencdma.sim.mismatch import Mismatch, compare
from opencdma.spec import (
    Channel,
    Config,
    Descriptor,
    ErrorCode,
    Flag,
    FormatId,
    Opcode,
    Status,
    element_type_of,
)
from opencdma.spec import Record as Completion
from opencdma.spec.registers import ENGINE
from opencdma.sw import Buffer, Device, Ticket
from opencdma.sw.registers import Registers

__all__ = ["MEMORY_LATENCY", "Record", "build", "run"]

#: Cycles from a read address to its data, and from the last beat written to the acknowledgement.
MEMORY_LATENCY = 100

#: Room in each memory besides the tensors: rings, records, gaps.
_SPARE = 1 << 16


@dataclass(frozen=True)
class Record:
    """One tensor's way through the engine.

    Parameters
    ----------
    name, network, layer, dtype : :class:`str`
        Which tensor.
    shape : tuple of :class:`int`
        Its shape in the corpus.
    element_bytes, raw_bytes, encoded_bytes : :class:`int`
        Sizes; encoded is what lay in host memory.
    stored_raw : :class:`bool`
        It would not have got smaller, and was stored as it is.
    nonzeros : :class:`int`
        Nonzero elements.
    compress, decompress : :class:`~opencdma.sim.rates.Rate`
        How fast it went, from the first beat read to the last beat written.
    compress_interrupt, decompress_interrupt : :class:`int`
        Cycles from the doorbell until the program had read which channel interrupts it.
    """

    name: str
    network: str
    layer: str
    dtype: str
    shape: tuple[int, ...]
    element_bytes: int
    raw_bytes: int
    encoded_bytes: int
    stored_raw: bool
    nonzeros: int
    compress: rates.Rate
    decompress: rates.Rate
    compress_interrupt: int
    decompress_interrupt: int

    @property
    def density(self) -> float:
        """Share of the elements that are nonzero."""
        return self.nonzeros * self.element_bytes / self.raw_bytes

    @property
    def ratio(self) -> float:
        """Raw bytes per encoded byte."""
        return self.raw_bytes / self.encoded_bytes

    def flat(self) -> dict:
        """Return all figures, without nesting, for JSON."""
        record = asdict(self) | {"density": self.density, "ratio": self.ratio}
        for name in ("compress", "decompress"):
            rate = getattr(self, name)
            del record[name]
            figures = asdict(rate) | {"bound": rate.bound, "of_bound": rate.of_bound}
            record |= {f"{name}_{key}": value for key, value in figures.items()}
        return record


@dataclass(frozen=True)
class _Job:
    """What a channel has to do for a tensor, and where."""

    name: str
    channel: Channel
    descriptor: Descriptor
    source: Buffer
    destination: Buffer


@dataclass(frozen=True)
class _Outcome:
    """What became of it."""

    record: Completion
    rate: rates.Rate
    interrupt: int


@dataclass(frozen=True)
class _Offloaded:
    """A tensor that lies in host memory."""

    activation: Activation
    array: np.ndarray
    stored: Buffer
    outcome: _Outcome


def build(longest: int, config: Config | None = None) -> SimulatedDevice:
    """Return an engine with memories for tensors of so many bytes.

    Raises
    ------
    BuildError
        If Verilator or the compiler fails.
    """
    # Each memory holds two tensors at most; with one of them anywhere in three times its length,
    # there is a hole for the other.
    size = -(-(3 * longest + _SPARE) // 64) * 64
    timing = MemoryTiming(read_latency=MEMORY_LATENCY, write_latency=MEMORY_LATENCY)
    return SimulatedDevice(
        config, dev_size=size, host_size=size, dev_timing=timing, host_timing=timing)


def run(
    simulated: SimulatedDevice, tensors: Iterable[tuple[Activation, np.ndarray]],
) -> Iterator[Record]:
    """Offload tensors and prefetch each while the next is offloaded; yield what came of them.

    Raises
    ------
    Mismatch
        If a byte in either memory, or in a completion record, is not what the golden model says, or
        an interrupt has no reason.
    SimulationError
        If the engine hangs or breaks a rule of its buses.
    EngineError
        If a channel halts.
    """
    device = Device(simulated)
    Registers(simulated, ENGINE).write(
        "IRQ_ENABLE", ENGINE["IRQ_ENABLE"].mask(simulated.config))
    waiting = None
    for item in (*tensors, None):
        jobs = []
        if waiting is not None:
            jobs.append(_prefetch(device, waiting))
        if item is not None:
            jobs.insert(0, _offload(device, *item))
        outcomes = dict(zip((job.channel for job in jobs), _run(device, jobs), strict=True))
        if waiting is not None:
            yield _finish(device, waiting, jobs[-1], outcomes[Channel.PREFETCH])
            waiting = None
        if item is not None:
            waiting = _keep(device, *item, jobs[0], outcomes[Channel.OFFLOAD])


def _offload(device: Device, activation: Activation, array: np.ndarray) -> _Job:
    """Put a tensor into device memory; it is to be compressed into host memory."""
    source = device.place(array).buffer
    destination = device.allocate("host", array.nbytes)
    device.write(destination, bytes(array.nbytes))
    return _Job(
        f"{activation.name}, compress", Channel.OFFLOAD,
        Descriptor(
            opcode=Opcode.COMPRESS, flags=Flag.IRQ | Flag.RAW_IF_LARGER,
            src_addr=source.address, src_len=array.nbytes,
            dst_addr=destination.address, max_dst_len=array.nbytes,
            format_id=FormatId.ZVC, element_type=element_type_of(array.dtype)),
        source, destination)


def _prefetch(device: Device, tensor: _Offloaded) -> _Job:
    """Return the job that brings a tensor back, checked by the CRC of when it left."""
    record, nbytes = tensor.outcome.record, tensor.array.nbytes
    destination = device.allocate("dev", nbytes)
    device.write(destination, bytes(nbytes))
    return _Job(
        f"{tensor.activation.name}, decompress", Channel.PREFETCH,
        Descriptor(
            opcode=Opcode.DECOMPRESS, flags=Flag.IRQ | Flag.CHECK_CRC,
            src_addr=tensor.stored.address, src_len=record.bytes_out,
            dst_addr=destination.address, max_dst_len=nbytes,
            format_id=record.format_id, element_type=element_type_of(tensor.array.dtype),
            expected_crc=record.crc32),
        tensor.stored, destination)


def _run(device: Device, jobs: list[_Job]) -> list[_Outcome]:
    """Do jobs of different channels at the same time, and take the time."""
    simulated = device.backend
    registers = Registers(simulated, ENGINE)
    simulated.start_trace()
    tickets = [device.submit(job.channel, [job.descriptor])[0] for job in jobs]
    heard = {}
    # Many times what it takes at one beat per cycle.
    patience = 10_000 + sum(job.source.size for job in jobs)
    end = simulated.cycle + patience
    while len(heard) < len(jobs):
        simulated.run_until_irq(patience)
        reasons = registers.get("IRQ_STATUS")
        new = {
            job.channel for job in jobs if reasons[f"{job.channel.name}_DONE"]} - heard.keys()
        heard |= dict.fromkeys(new, simulated.cycle)
        # The interrupt is high for a few cycles more.
        registers.set("IRQ_STATUS", **reasons)
        if any(reasons[f"{channel.name}_ERROR"] for channel in Channel):
            device.wait(tickets)
        if not new and simulated.cycle > end:
            missing = " and ".join(job.name for job in jobs if job.channel not in heard)
            raise Mismatch(
                f"{missing}: the interrupt stays high, and IRQ_STATUS does not say that it is done")
    simulated.stop_trace()
    events = simulated.trace()
    return [
        _outcome(device, job, ticket, events, heard[job.channel])
        for job, ticket in zip(jobs, tickets, strict=True)
    ]


def _outcome(
    device: Device, job: _Job, ticket: Ticket, events: np.ndarray, heard: int,
) -> _Outcome:
    record = device.poll(ticket)
    if record is None:
        raise Mismatch(f"{job.name}: there was an interrupt, but there is no completion record")
    if record.status not in (Status.OK, Status.OK_RAW):
        raise Mismatch(
            f"{job.name}: status {Status(record.status).name}, "
            f"{ErrorCode(record.error_code).name}, instead of OK")
    rate = engine_rates.rate(
        events, device.backend.config, job.source, job.destination,
        record.bytes_in, record.bytes_out)
    return _Outcome(record, rate, heard - engine_rates.doorbell(events, job.channel))


def _keep(
    device: Device, activation: Activation, array: np.ndarray, job: _Job, outcome: _Outcome,
) -> _Offloaded:
    """Compare what lies in host memory now with the golden model; free the tensor."""
    raw, stored = array.tobytes(), zvc.encode(array)
    smaller = len(stored) < len(raw)
    _check_record(job.name, outcome.record, {
        "status": Status.OK if smaller else Status.OK_RAW,
        "format_id": FormatId.ZVC if smaller else FormatId.RAW,
        "bytes_in": len(raw), "bytes_out": len(stored) if smaller else len(raw),
        "crc32": zlib.crc32(raw), "nonzeros": int(np.count_nonzero(array))})
    got = device.read(job.destination)[:outcome.record.bytes_out]
    compare(job.name, got, stored if smaller else raw)
    device.free(job.source)
    return _Offloaded(activation, array, job.destination, outcome)


def _finish(device: Device, tensor: _Offloaded, job: _Job, outcome: _Outcome) -> Record:
    """Compare what is back in device memory with the original; free both."""
    activation, array, out = tensor.activation, tensor.array, tensor.outcome
    raw = array.tobytes()
    _check_record(job.name, outcome.record, {
        "status": Status.OK, "bytes_in": out.record.bytes_out, "bytes_out": len(raw),
        "crc32": out.record.crc32, "nonzeros": out.record.nonzeros})
    compare(job.name, device.read(job.destination), raw)
    device.free(job.source)
    device.free(job.destination)
    return Record(
        name=activation.name, network=activation.network, layer=activation.layer,
        dtype=activation.dtype, shape=array.shape, element_bytes=array.itemsize,
        raw_bytes=len(raw), encoded_bytes=out.record.bytes_out,
        stored_raw=out.record.status == Status.OK_RAW, nonzeros=out.record.nonzeros,
        compress=out.rate, decompress=outcome.rate,
        compress_interrupt=out.interrupt, decompress_interrupt=outcome.interrupt)


def _check_record(name: str, record: Completion, want: dict[str, int]) -> None:
    for field, value in want.items():
        if getattr(record, field) != value:
            raise Mismatch(
                f"{name}: {field!r} of the completion record is {int(getattr(record, field))}, "
                f"not {int(value)}")
