# SPDX-License-Identifier: Apache-2.0
"""A channel of the engine: its registers, its ring, and what becomes of its descriptors."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from opencdma.spec import Channel, Config, Descriptor, Flag, Info, Record, Status
from opencdma.spec.registers import CHANNEL

from .descriptor_execute import execute
from .descriptor_rules import ChannelSettings, check, record_address_good, way
from .device_memory import Memory
from .device_registers import RegisterBlock

__all__ = ["Completion", "GoldenChannel"]

_COUNTER = 1 << 32
_GOOD = (Status.OK, Status.OK_RAW)
_WINDOWS = ("READ_LOW", "READ_HIGH", "WRITE_LOW", "WRITE_HIGH", "RECORD_LOW", "RECORD_HIGH")


@dataclass(frozen=True)
class Completion:
    """A descriptor and what became of it.

    Parameters
    ----------
    channel : :class:`~opencdma.spec.Channel`
        Which channel it went through.
    index : :class:`int` or ``None``
        Its counter in the ring; ``None`` if it came through registers.
    descriptor : :class:`~opencdma.spec.Descriptor`
        The descriptor.
    way : :class:`~opencdma.spec.Channel`
        Which way its data went.
    record : :class:`~opencdma.spec.Record`
        The outcome.
    recorded : :class:`bool`
        The record was written to memory.
    """

    channel: Channel
    index: int | None
    descriptor: Descriptor
    way: Channel
    record: Record
    recorded: bool


class GoldenChannel:
    """A channel in which everything happens at once, while a register is written.

    Parameters
    ----------
    number : :class:`~opencdma.spec.Channel`
        Which one.
    config : :class:`~opencdma.spec.Config`
        The build.
    dev, host : :class:`~opencdma.golden.device_memory.Memory`
        The memories.
    completed : ``completed(completion)``
        Is called with each :class:`Completion`, in order.
    report : ``report(*, error: bool)``
        Is called for each interrupt.
    """

    def __init__(
        self, number: Channel, config: Config, dev: Memory, host: Memory, *,
        completed: Callable[[Completion], None], report: Callable[..., None],
    ):
        self._number = number
        self._config = config
        self._dev, self._host = dev, host
        self._completed = completed
        self._report = report
        self.registers = RegisterBlock(
            CHANNEL, config, state=self._state, written=self._written)
        self._power_up()

    def _power_up(self) -> None:
        self._head = 0
        self._halted = False
        self._error = {"ERROR": 0, "ERROR_INDEX": 0, "ERROR_ADDR": 0}
        self._result = bytes(Record.BYTES)
        self._direct = [0] * (Descriptor.BYTES // 4)
        self._counters = dict.fromkeys(
            ("BYTES_IN", "BYTES_OUT", "NONZEROS", "DESCRIPTORS", "ERRORS", "RAW_STORED"), 0)
        self._not_reported = 0

    # Registers

    def _state(self, name: str) -> int:
        if name == "STATUS":
            return CHANNEL[name].pack(IDLE=1, HALTED=self._halted)
        if name == "HEAD":
            return self._head
        if name.startswith("RESULT"):
            at = 4 * int(name.removeprefix("RESULT"))
            return int.from_bytes(self._result[at : at + 4], "little")
        if name.startswith("DIRECT"):
            return self._direct[int(name.removeprefix("DIRECT"))]
        # Nothing takes time here, so nothing ever stalls.
        return (self._error | self._counters).get(name, 0)

    def _written(self, name: str, value: int) -> None:
        if name.startswith("DIRECT"):
            self._direct[int(name.removeprefix("DIRECT"))] = value
        if name == "COMMAND":
            self._command(**CHANNEL[name].unpack(value))
        self._run()
        # Nor does a timer take time.
        if self._not_reported and (self._enough() or self._kept["IRQ_TIMER"]):
            self._not_reported = 0
            self._report(error=False)

    def _command(self, *, START: int, ABORT: int, RESUME: int, RESET: int) -> None:
        if RESET:
            self.registers.reset()
            self._power_up()
        elif ABORT:
            self._halt(Status.ABORTED, self._head)
        elif RESUME:
            self._halted = False
            self._error = dict.fromkeys(self._error, 0)
        elif START and not self._ctrl["ENABLE"] and not self._halted:
            words = b"".join(word.to_bytes(4, "little") for word in self._direct)
            self._process(Descriptor.unpack(words), None)

    @property
    def _kept(self) -> dict[str, int]:
        return self.registers.kept

    @property
    def _ctrl(self) -> dict[str, int]:
        return CHANNEL["CTRL"].unpack(self._kept["CTRL"])

    @property
    def settings(self) -> ChannelSettings:
        """What the registers say to the rules."""
        ctrl = self._ctrl
        return ChannelSettings(
            channel=self._number, direction=Channel(ctrl["DIRECTION"]),
            same_memory=bool(ctrl["SAME_MEMORY"]),
            **{name.lower(): self._kept[name] for name in _WINDOWS})

    # The ring

    def _run(self) -> None:
        """Work through the ring until it is empty, or until something goes wrong."""
        size = 1 << self._kept["RING_SIZE"]
        while self._ctrl["ENABLE"] and not self._halted:
            ahead = (self._kept["TAIL"] - self._head) % _COUNTER
            if not ahead:
                return
            if ahead > size:
                self._halt(Status.RING_ERROR, self._head)
                return
            slot = self._slot(self._head % size)
            words, error = self._host.fetch([(slot, Descriptor.BYTES)], self._config.host_width)
            if error is not None:
                self._halt(Status.DESC_FETCH, self._head, address=slot)
                return
            self._process(Descriptor.unpack(words), self._head)

    def _slot(self, number: int) -> int:
        """Return the address of a slot; a base that is not aligned is rounded down."""
        base = self._kept["RING_BASE"] // Descriptor.BYTES * Descriptor.BYTES
        return (base + Descriptor.BYTES * number) % (1 << self._config.address_bits)

    def _process(self, descriptor: Descriptor, index: int | None) -> None:
        """Take a descriptor from its rules to its record and to what follows from it."""
        settings, config = self.settings, self._config
        taken = way(descriptor, config, settings)
        status, error_code = check(descriptor, config, settings)
        record = Record(
            status=status, error_code=error_code, tag=descriptor.tag,
            format_id=descriptor.format_id)
        if status is Status.OK:
            record = execute(descriptor, config, taken, self._dev, self._host)
        if index is not None and index >> self._kept["RING_SIZE"] & 1:
            record = replace(record, info=record.info | Info.PHASE)
        good = record.status in _GOOD
        self._count(record)

        wanted = descriptor.flags & Flag.WRITE_RECORD and not (
            good and descriptor.flags & Flag.RECORD_ON_ERROR_ONLY)
        writable = record_address_good(descriptor, config, settings)
        recorded = wanted and writable and self._write_record(descriptor.completion_addr, record)
        error = {"code": record.error_code, "address": record.fault_addr}
        if wanted and not writable:
            self._halt(record.status, index, **error)
        elif wanted and not recorded:
            self._halt(Status.RECORD_WRITE, index, address=descriptor.completion_addr)
        elif descriptor.flags & Flag.STOP_ON_ERROR and not good:
            self._halt(record.status, index, **error)

        if index is not None:
            self._head = (index + 1) % _COUNTER
        if descriptor.flags & Flag.IRQ:
            self._not_reported += 1
            if self._enough():
                self._not_reported = 0
                self._report(error=False)
        self._completed(Completion(
            self._number, index, descriptor, taken, record, bool(recorded)))

    def _write_record(self, address: int, record: Record) -> bool:
        """Write a record, the status last; return whether the memory took it."""
        content = record.pack()
        # The first write covers all beats, those of the status too, but not its bytes.
        for start, part in ((4, content[4:]), (0, content[:4])):
            piece = address + start, len(part)
            if self._host.store(
                    [piece], part, self._config.host_width, self._config.write_burst) is not None:
                return False
        return True

    def _count(self, record: Record) -> None:
        good = record.status in _GOOD
        self._result = record.pack()
        for name, amount, bits in (
            ("BYTES_IN", record.bytes_in, 64), ("BYTES_OUT", good * record.bytes_out, 64),
            ("NONZEROS", record.nonzeros, 64), ("DESCRIPTORS", 1, 32), ("ERRORS", not good, 32),
            ("RAW_STORED", record.status == Status.OK_RAW, 32),
        ):
            self._counters[name] = (self._counters[name] + amount) % (1 << bits)

    # What follows

    def _halt(
        self, status: int, index: int | None, *, code: int = 0, address: int = 0,
    ) -> None:
        """Stop until RESUME; of several reasons the first stays."""
        if self._halted:
            return
        self._halted = True
        self._error = {
            "ERROR": CHANNEL["ERROR"].pack(STATUS=status, ERROR_CODE=code),
            "ERROR_INDEX": self._head if index is None else index,
            "ERROR_ADDR": address,
        }
        self._report(error=True)

    def _enough(self) -> bool:
        """Tell whether enough completions have come together for an interrupt."""
        return self._not_reported >= max(1, self._kept["IRQ_COUNT"])
