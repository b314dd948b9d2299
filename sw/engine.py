# SPDX-License-Identifier: Apache-2.0
"""Descriptors in, records out; and the memories that they are about."""

import time
from collections.abc import Callable, Iterable, Sequence

from opencdma.spec import Channel, Descriptor, Opcode, Record, Status

from .backend import Backend
from .buffers import Buffer, Buffers
from .capabilities import Capabilities
from .errors import EngineError, TransferError
from .queues import ChannelRegisters, DirectQueue, Queue, RingQueue, Ticket

__all__ = ["Engine"]

#: Looks at memory per look at the registers, while waiting.
_LOOKS = 16


class Engine:
    """An engine, its memories, and what waits for it.

    Parameters
    ----------
    backend : :class:`~opencdma.sw.backend.Backend`
        The engine. It is reset; both its memories are the driver's from then on.
    ring : :class:`int`
        Base-2 logarithm of the descriptors in a ring; not looked at if the engine has none.
    timeout : :class:`float`
        Seconds to wait for anything, unless said otherwise.

    Raises
    ------
    EngineError
        If there is no engine.
    """

    def __init__(self, backend: Backend, *, ring: int = 6, timeout: float = 60.0):
        self._backend = backend
        self._timeout = timeout
        self._capabilities = Capabilities.read(backend)
        self._buffers = Buffers(backend)
        self._direction = Channel.OFFLOAD
        self._registers = [
            ChannelRegisters(backend, number) for number in range(self._capabilities.channels)]
        self._queues = [
            self._queue(number, registers, ring)
            for number, registers in enumerate(self._registers)]
        for number in range(self._capabilities.channels):
            self.reset(Channel(number))

    def _queue(self, number: int, registers: ChannelRegisters, ring: int) -> Queue:
        if self._capabilities.rings:
            return RingQueue(Channel(number), registers, self._backend, self._buffers, ring)
        return DirectQueue(Channel(number), registers)

    @property
    def backend(self) -> Backend:
        """What is driven."""
        return self._backend

    @property
    def capabilities(self) -> Capabilities:
        """What the engine has."""
        return self._capabilities

    # Memory

    def allocate(self, memory: str, size: int) -> Buffer:
        """Return ``size`` bytes of ``"dev"`` or ``"host"`` memory, their content unspecified.

        Raises
        ------
        ValueError
            If there is no such memory, or the size is negative.
        OutOfMemoryError
            If the memory has no piece as long.
        """
        return self._buffers.allocate(memory, size)

    def free(self, buffer: Buffer) -> None:
        """Give memory back. What waits for the engine must not use it any more."""
        self._buffers.free(buffer)

    def available(self, memory: str) -> int:
        """Return the bytes of a memory that are not in use."""
        return self._buffers.available(memory)

    def read(self, buffer: Buffer) -> bytes:
        """Return the content of a buffer, without the engine."""
        return self._buffers.read(buffer)

    def write(self, buffer: Buffer, data: bytes) -> None:
        """Fill a buffer from its start, without the engine.

        Raises
        ------
        ValueError
            If there are more bytes than it has.
        """
        self._buffers.write(buffer, data)

    # Descriptors

    def submit(self, channel: Channel, descriptors: Iterable[Descriptor]) -> list[Ticket]:
        """Hand descriptors to a channel. They need no records: the driver takes care of those.

        In a shared build they go to the one channel, whichever is asked for, and COPY and FILL go
        the way of the one that is.

        Returns
        -------
        list of :class:`~opencdma.sw.queues.Ticket`
            One for each, to ask what became of it.
        """
        descriptors = list(descriptors)
        if self._capabilities.shared:
            if any(item.opcode in (Opcode.COPY, Opcode.FILL) for item in descriptors):
                self._turn(channel)
            channel = Channel.OFFLOAD
        queue = self._queues[channel]
        tickets = [Ticket(Channel(channel), descriptor) for descriptor in descriptors]
        for ticket in tickets:
            queue.submit(ticket)
        queue.poll()
        return tickets

    def poll(self, ticket: Ticket) -> Record | None:
        """Return the outcome of a descriptor, ``None`` as long as there is none."""
        if not ticket.done:
            self._queues[ticket.channel].poll()
        return ticket.record

    def wait(
        self, tickets: Ticket | Sequence[Ticket], *, timeout: float | None = None,
        check: bool = True,
    ) -> list[Record]:
        """Wait for the outcomes of descriptors, and return them.

        Parameters
        ----------
        tickets : :class:`~opencdma.sw.queues.Ticket` or a sequence of them
            What to wait for.
        timeout : :class:`float` or ``None``
            Seconds; what the driver was made with if ``None``.
        check : :class:`bool`
            Raise an error if one of them went wrong.

        Raises
        ------
        TransferError
            If one of them ended with neither OK nor OK_RAW.
        ChannelHaltedError
            If a channel halted in front of one; it goes on after :meth:`resume`.
        EngineError
            If the outcome of one cannot be known any more.
        TimeoutError
            If it takes too long.
        """
        tickets = [tickets] if isinstance(tickets, Ticket) else list(tickets)
        for ticket in tickets:
            queue = self._queues[ticket.channel]
            self._until(
                lambda ticket=ticket: self.poll(ticket) is not None or ticket.done,
                f"descriptor with tag {ticket.descriptor.tag}", timeout, queue.check)
        for ticket in tickets:
            if ticket.lost:
                raise EngineError(
                    f"The outcome of the descriptor with tag {ticket.descriptor.tag} is lost: its "
                    "record was not written, or the channel was reset; submit it again")
            if check and ticket.record.status not in (Status.OK, Status.OK_RAW):
                raise TransferError(ticket.descriptor, ticket.record)
        return [ticket.record for ticket in tickets]

    def resume(self, channel: Channel) -> None:
        """Let a channel that halted go on."""
        self._registers[channel].set("COMMAND", RESUME=1)

    def reset(self, channel: Channel) -> None:
        """Reset a channel and set it up again. The outcomes of what waits for it are lost.

        Raises
        ------
        TimeoutError
            If the channel does not get to the end of it, as a memory does not answer.
        """
        registers = self._registers[channel]
        registers.set("COMMAND", RESET=1)
        self._until(
            lambda: not registers.get("STATUS")["RESETTING"], f"reset of {channel.name}", None)
        self._queues[channel].set_up(direction=self._direction)

    def _turn(self, direction: Channel) -> None:
        """Choose which way the one channel of a shared build copies and fills."""
        if self._direction == direction:
            return
        queue, registers = self._queues[0], self._registers[0]

        def idle() -> bool:
            queue.poll()
            return queue.empty and registers.get("STATUS")["IDLE"]

        self._until(idle, "end of what goes the other way", None, queue.check)
        self._direction = Channel(direction)
        queue.turn(self._direction)

    def _until(
        self, reached: Callable[[], bool], what: str, timeout: float | None,
        check: Callable[[], None] | None = None,
    ) -> None:
        timeout = self._timeout if timeout is None else timeout
        end = time.monotonic() + timeout
        looks = 0
        while not reached():
            looks += 1
            if check is not None and looks % _LOOKS == 0:
                check()
            if time.monotonic() > end:
                raise TimeoutError(f"Waited {timeout} seconds for the {what}, in vain")
            self._backend.advance()
