# SPDX-License-Identifier: Apache-2.0
"""Descriptors on their way to a channel and back: through a ring, or through registers."""

from collections import deque
from dataclasses import dataclass, replace

from opencdma.spec import Channel, Descriptor, Flag, Record, Status
from opencdma.spec.registers import CHANNEL, CHANNEL_BASE

from .backend import Backend
from .buffers import Buffers
from .errors import ChannelHaltedError

__all__ = ["ChannelRegisters", "DirectQueue", "Queue", "RingQueue", "Ticket"]

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

    @property
    def done(self) -> bool:
        """Nothing more will become of it."""
        return self.lost or self.record is not None


class ChannelRegisters:
    """Registers of a channel by their names.

    Parameters
    ----------
    backend : :class:`~opencdma.sw.backend.Backend`
        The engine.
    number : :class:`int`
        Which channel.
    """

    def __init__(self, backend: Backend, number: int):
        self._backend = backend
        self._base = CHANNEL_BASE[number]

    def read(self, name: str) -> int:
        """Return a register of one or two words."""
        return sum(
            self._backend.read_register(self._base + offset) << 32 * word
            for word, offset in enumerate(CHANNEL[name].offsets))

    def write(self, name: str, value: int) -> None:
        """Write a register of one or two words."""
        for word, offset in enumerate(CHANNEL[name].offsets):
            self._backend.write_register(self._base + offset, value >> 32 * word & 0xFFFF_FFFF)

    def set(self, name: str, **fields: int) -> None:
        """Write a register, its fields by their names and the others 0."""
        self.write(name, CHANNEL[name].pack(**fields))

    def get(self, name: str) -> dict[str, int]:
        """Return a register's fields by their names."""
        return CHANNEL[name].unpack(self.read(name))


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
    def empty(self) -> bool:
        """All descriptors are done."""
        return not self._waiting and not self._under_way

    def submit(self, ticket: Ticket) -> None:
        """Put a descriptor behind the others; :meth:`poll` hands it to the engine."""
        self._waiting.append(ticket)

    def set_up(self, *, direction: Channel) -> None:
        """Set the registers of a channel that was reset. What was submitted is lost."""
        for ticket in (*self._under_way, *self._waiting):
            ticket.lost = True
        self._under_way.clear()
        self._waiting.clear()
        self.turn(direction)

    def turn(self, direction: Channel) -> None:
        """Choose which way the channel of a shared build copies and fills, while it is idle."""
        self._registers.set("CTRL", DIRECTION=direction)

    def poll(self) -> None:
        """Take the outcomes that there are, and give the engine what it has room for."""
        raise NotImplementedError

    def check(self) -> None:
        """Look whether the channel gets on.

        Raises
        ------
        ChannelHaltedError
            If it halted.
        """
        status = self._registers.get("STATUS")
        if status["HALTED"] or status["LATCHED"]:
            self._take_stock()
            error = self._registers.get("ERROR")
            raise ChannelHaltedError(
                self._channel, error["STATUS"], error["ERROR_CODE"],
                self._registers.read("ERROR_INDEX"), self._registers.read("ERROR_ADDR"))

    def _take_stock(self) -> None:
        """Take what outcomes can be had of a channel that halted."""
        self.poll()


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
        while self._under_way:
            record = self._record(self._tail - len(self._under_way))
            if record.status == Status.PENDING:
                break
            self._under_way.popleft().record = record
        if self._waiting:
            self._refill()

    def _refill(self) -> None:
        # A record can be seen before HEAD has moved, and HEAD is what the engine goes by.
        free = self._size - (self._tail - self._registers.read("HEAD")) % _COUNTER
        for _ in range(min(free, len(self._waiting))):
            ticket = self._waiting.popleft()
            record = self._record_address(self._tail)
            flags = ticket.descriptor.flags & ~Flag.RECORD_ON_ERROR_ONLY | Flag.WRITE_RECORD
            descriptor = replace(ticket.descriptor, flags=flags, completion_addr=record)
            self._host.write(record, bytes(Record.BYTES))
            slot = self._tail % self._size
            self._host.write(self._ring + Descriptor.BYTES * slot, descriptor.pack())
            self._under_way.append(ticket)
            self._tail += 1
        if free:
            self._registers.write("TAIL", self._tail % _COUNTER)

    def _take_stock(self) -> None:
        # Read first: descriptors may go on completing.
        head = self._registers.read("HEAD")
        done = len(self._under_way) - (self._tail - head) % _COUNTER
        for _ in range(done):
            ticket = self._under_way[0]
            record = self._record(self._tail - len(self._under_way))
            if record.status == Status.PENDING:
                ticket.lost = True
            else:
                ticket.record = record
            self._under_way.popleft()

    def _record_address(self, counter: int) -> int:
        return self._records + Record.BYTES * (counter % self._size)

    def _record(self, counter: int) -> Record:
        return Record.unpack(self._host.read(self._record_address(counter), Record.BYTES))


class DirectQueue(Queue):
    """One descriptor at a time, through registers, for engines without rings."""

    def poll(self) -> None:
        """Take the outcome that there is, and give the engine the next descriptor."""
        status = self._registers.get("STATUS")
        if status["BUSY"]:
            return
        if self._under_way:
            words = (self._registers.read(f"RESULT{word}") for word in range(8))
            self._under_way.popleft().record = Record.unpack(
                b"".join(word.to_bytes(4, "little") for word in words))
        if self._waiting and not status["HALTED"]:
            ticket = self._waiting.popleft()
            # The registers tell the outcome; no memory is needed for a record.
            flags = ticket.descriptor.flags & ~(Flag.WRITE_RECORD | Flag.RECORD_ON_ERROR_ONLY)
            words = replace(ticket.descriptor, flags=flags).pack()
            for word in range(16):
                self._registers.write(
                    f"DIRECT{word}", int.from_bytes(words[4 * word : 4 * word + 4], "little"))
            self._registers.set("COMMAND", START=1)
            self._under_way.append(ticket)
