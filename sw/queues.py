# SPDX-License-Identifier: Apache-2.0
"""Descriptors on their way to a channel and back: through a ring, or through registers."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from opencdma.spec import Channel, Descriptor, Flag, Record, Status

from .backend import Backend
from .buffers import Buffers
from .errors import ChannelHaltedError
from .registers import ChannelRegisters

__all__ = ["DirectQueue", "Queue", "RingQueue", "Ticket"]

_COUNTER = 1 << 32


@dataclass(eq=False)
class Ticket:
    """A descriptor that was submitted.

    Parameters
    ----------
    channel : :class:`~opencdma.spec.Channel`
        Channel that it was submitted to.
    descriptor : :class:`~opencdma.spec.Descriptor`
        As it was submitted.
    record : :class:`~opencdma.spec.Record` or ``None``
        Its outcome, once it is known.
    lost : :class:`bool`
        It is complete, or was dropped by a reset, and its outcome will never be known.
    """

    channel: Channel
    descriptor: Descriptor
    record: Record | None = None
    lost: bool = False
    _actions: list[Callable[[], None]] = field(default_factory=list, init=False, repr=False)

    @property
    def done(self) -> bool:
        """Nothing more will become of it: the engine does not use its memory any more."""
        return self.lost or self.record is not None

    def when_done(self, action: Callable[[], None]) -> None:
        """Have something called, once, when it is done: at once if it is."""
        if self.done:
            action()
        else:
            self._actions.append(action)

    def finish(self, record: Record | None) -> None:
        """Set its outcome, ``None`` if that is lost, and call what waits for it."""
        self.record, self.lost = record, record is None
        while self._actions:
            self._actions.pop(0)()


class Queue:
    """Descriptors of a channel, in order: those the engine has, and those that wait for it.

    Parameters
    ----------
    channel : :class:`~opencdma.spec.Channel`
        Which channel.
    registers : :class:`ChannelRegisters`
        Its registers.
    """

    def __init__(self, channel: Channel, registers: ChannelRegisters):
        self._channel = channel
        self._registers = registers
        self._waiting: deque[Ticket] = deque()
        self._under_way: deque[Ticket] = deque()

    @property
    def channel(self) -> Channel:
        """Which channel."""
        return self._channel

    @property
    def registers(self) -> ChannelRegisters:
        """Its registers."""
        return self._registers

    @property
    def empty(self) -> bool:
        """All descriptors are done."""
        return not self._waiting and not self._under_way

    def submit(self, ticket: Ticket) -> None:
        """Put a descriptor behind the others; :meth:`poll` hands it to the engine."""
        self._waiting.append(ticket)

    def set_up(self, *, direction: Channel) -> None:
        """Set the registers of a channel that was reset. What was submitted is lost."""
        self.turn(direction)
        lost = *self._under_way, *self._waiting
        self._under_way.clear()
        self._waiting.clear()
        for ticket in lost:
            ticket.finish(None)

    def turn(self, direction: Channel) -> None:
        """Choose which way the channel of a shared build copies and fills, while it is idle."""
        self._registers.set("CTRL", DIRECTION=direction)

    def poll(self) -> None:
        """Take the outcomes that there are, and give the engine what it has room for."""
        raise NotImplementedError

    def halt(self) -> ChannelHaltedError | None:
        """Return why the channel does not get on, ``None`` if it does.

        Outcomes may have come until it stopped: :meth:`poll` once more to know all of them.
        """
        status = self._registers.get("STATUS")
        # One that is latched may never halt: it does not if its records are not taken.
        if not status["HALTED"] and not status["LATCHED"]:
            return None
        error = self._registers.get("ERROR")
        return ChannelHaltedError(
            self._channel, error["STATUS"], error["ERROR_CODE"],
            self._registers.read("ERROR_INDEX"), self._registers.read("ERROR_ADDR"))


class RingQueue(Queue):
    """A ring in host memory, and as many records.

    Parameters
    ----------
    channel : :class:`~opencdma.spec.Channel`
        Which channel.
    registers : :class:`ChannelRegisters`
        Its registers.
    backend : :class:`~opencdma.sw.backend.Backend`
        Whose host memory it is.
    buffers : :class:`~opencdma.sw.buffers.Buffers`
        What hands that memory out.
    log2_size : :class:`int`
        Base-2 logarithm of the descriptors, 0 to 16.
    """

    def __init__(
        self, channel: Channel, registers: ChannelRegisters, backend: Backend, buffers: Buffers,
        log2_size: int,
    ):
        super().__init__(channel, registers)
        if not 0 <= log2_size <= 16:
            raise ValueError(f"Ring size must be 2**0 to 2**16 descriptors, not 2**{log2_size!r}")
        self._log2_size = log2_size
        self._size = 1 << log2_size
        self._host = backend.host
        self._ring = buffers.allocate("host", Descriptor.BYTES * self._size).address
        self._records = buffers.allocate("host", Record.BYTES * self._size).address
        self._tail = 0

    def set_up(self, *, direction: Channel) -> None:
        """Set the registers of a channel that was reset. What was submitted is lost."""
        self._tail = 0
        self._registers.write("RING_BASE", self._ring)
        self._registers.write("RING_SIZE", self._log2_size)
        super().set_up(direction=direction)

    def turn(self, direction: Channel) -> None:
        """Choose which way the channel of a shared build copies and fills, while it is idle."""
        self._registers.set("CTRL", ENABLE=1, DIRECTION=direction)

    def poll(self) -> None:
        """Take the outcomes that there are, and give the engine what it has room for."""
        if self.empty:
            return
        # HEAD first, and the records after it: what HEAD has passed has its record by then, or
        # will never have one.
        head = self._registers.read("HEAD")
        while self._under_way:
            counter = self._tail - len(self._under_way)
            record = self._record(counter)
            if record.status != Status.PENDING:
                self._under_way.popleft().finish(record)
            elif 0 < (head - counter) % _COUNTER <= self._size:
                self._under_way.popleft().finish(None)
            else:
                break
        self._refill(head)

    def _refill(self, head: int) -> None:
        # A record can be seen before HEAD has moved, and HEAD is what the engine goes by.
        free = self._size - (self._tail - head) % _COUNTER
        count = min(free, len(self._waiting))
        for _ in range(count):
            ticket = self._waiting.popleft()
            record = self._record_address(self._tail)
            flags = ticket.descriptor.flags & ~Flag.RECORD_ON_ERROR_ONLY | Flag.WRITE_RECORD
            descriptor = replace(ticket.descriptor, flags=flags, completion_addr=record)
            self._host.write(record, bytes(Record.BYTES))
            slot = self._tail % self._size
            self._host.write(self._ring + Descriptor.BYTES * slot, descriptor.pack())
            self._under_way.append(ticket)
            self._tail += 1
        if count > 0:
            self._registers.write("TAIL", self._tail % _COUNTER)

    def _record_address(self, counter: int) -> int:
        return self._records + Record.BYTES * (counter % self._size)

    def _record(self, counter: int) -> Record:
        return Record.unpack(self._host.read(self._record_address(counter), Record.BYTES))


class DirectQueue(Queue):
    """One descriptor at a time, through registers, for engines without rings."""

    def poll(self) -> None:
        """Take the outcome that there is, and give the engine the next descriptor."""
        if self.empty:
            return
        status = self._registers.get("STATUS")
        if status["BUSY"]:
            return
        if self._under_way:
            words = (self._registers.read(f"RESULT{word}") for word in range(8))
            record = Record.unpack(b"".join(word.to_bytes(4, "little") for word in words))
            # A reset clears it, even one that took so long that nobody waited for its end.
            self._under_way.popleft().finish(None if record.status == Status.PENDING else record)
        # Only who sees the channel idle sees whether it has halted; until then it ignores START.
        if self._waiting and status["IDLE"] and not status["HALTED"]:
            ticket = self._waiting.popleft()
            # The registers tell the outcome; no memory is needed for a record.
            flags = ticket.descriptor.flags & ~(Flag.WRITE_RECORD | Flag.RECORD_ON_ERROR_ONLY)
            words = replace(ticket.descriptor, flags=flags).pack()
            for word in range(16):
                self._registers.write(
                    f"DIRECT{word}", int.from_bytes(words[4 * word : 4 * word + 4], "little"))
            self._registers.set("COMMAND", START=1)
            self._under_way.append(ticket)
