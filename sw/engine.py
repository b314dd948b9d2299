# SPDX-License-Identifier: Apache-2.0
"""Descriptors in, records out; and the memories that they are about."""

import time
from collections.abc import Callable, Iterable, Sequence

from opencdma.spec import Channel, Descriptor, Opcode, Record, Status

from .backend import Backend
from .buffers import Buffer, Buffers
from .capabilities import Capabilities
from .errors import EngineError, TransferError
from .queues import DirectQueue, Queue, RingQueue, Ticket
from .registers import ChannelRegisters

__all__ = ["Engine"]

#: Looks at what is done per look at whether the channel has stopped, while waiting.
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
        self._queues = [
            self._queue(number, ring) for number in range(self._capabilities.channels)]
        for queue in self._queues:
            self.reset(queue.channel)

    def _queue(self, number: int, ring: int) -> Queue:
        registers = ChannelRegisters(self._backend, number)
        if self._capabilities.rings:
            return RingQueue(Channel(number), registers, self._backend, self._buffers, ring)
        return DirectQueue(Channel(number), registers)

    def _queue_of(self, channel: Channel) -> Queue:
        """Return the queue of a channel: in a shared build that of the one, for both.

        Raises
        ------
        ValueError
            If there is no such channel.
        """
        if channel not in list(Channel):
            names = " or ".join(f"{item.name} ({item.value})" for item in Channel)
            raise ValueError(f"Channel must be {names}, not {channel!r}")
        return self._queues[0 if self._capabilities.shared else channel]

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
        self._poll()
        return self._buffers.allocate(memory, size)

    def free(self, buffer: Buffer) -> None:
        """Give memory back. What waits for the engine must not use it any more."""
        self._buffers.free(buffer)

    def available(self, memory: str) -> int:
        """Return the bytes of a memory that are not in use."""
        self._poll()
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

        Raises
        ------
        ValueError
            If there is no such channel.
        ChannelHaltedError, TimeoutError
            If the one channel of a shared build has to turn, and does not finish what it has.
        """
        tickets = self._queue_up(channel, descriptors)
        self._queue_of(channel).poll()
        return tickets

    def poll(self, ticket: Ticket) -> Record | None:
        """Return the outcome of a descriptor, ``None`` as long as there is none."""
        if not ticket.done:
            self._queue_of(ticket.channel).poll()
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
            Seconds for all of them; what the driver was made with if ``None``.
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
        start = time.monotonic()
        for ticket in tickets:
            self._until(
                lambda ticket=ticket: self.poll(ticket) is not None or ticket.done,
                f"descriptor with tag {ticket.descriptor.tag}", timeout, start,
                self._queue_of(ticket.channel))
        for ticket in tickets:
            if ticket.lost:
                raise EngineError(
                    f"The outcome of the descriptor with tag {ticket.descriptor.tag} is lost: its "
                    "record was not written, or the channel was reset; submit it again")
            if check and ticket.record.status not in (Status.OK, Status.OK_RAW):
                raise TransferError(ticket.descriptor, ticket.record)
        return [ticket.record for ticket in tickets]

    def resume(self, channel: Channel) -> None:
        """Let a channel that halted go on.

        Raises
        ------
        ValueError
            If there is no such channel.
        """
        queue = self._queue_of(channel)
        # What it has done without a record is behind it: its place in the ring will be used again.
        queue.poll()
        queue.registers.set("COMMAND", RESUME=1)

    def reset(self, channel: Channel) -> None:
        """Reset a channel and set it up again. The outcomes of what waits for it are lost.

        Raises
        ------
        ValueError
            If there is no such channel.
        TimeoutError
            If the channel does not get to the end of it, as a memory does not answer.
        """
        queue = self._queue_of(channel)
        queue.registers.set("COMMAND", RESET=1)
        self._until(
            lambda: not queue.registers.get("STATUS")["RESETTING"],
            f"reset of {queue.channel.name}")
        queue.set_up(direction=self._direction)

    def _queue_up(self, channel: Channel, descriptors: Iterable[Descriptor]) -> list[Ticket]:
        """Do as :meth:`submit`, but leave it to the next poll to tell the engine."""
        queue = self._queue_of(channel)
        descriptors = list(descriptors)
        if self._capabilities.shared and any(
                item.opcode in (Opcode.COPY, Opcode.FILL) for item in descriptors):
            self._turn(Channel(channel))
        tickets = [Ticket(queue.channel, descriptor) for descriptor in descriptors]
        for ticket in tickets:
            queue.submit(ticket)
        return tickets

    def _poll(self) -> None:
        """Take all outcomes that there are, so that memory comes back that waits for them."""
        for queue in self._queues:
            queue.poll()

    def _turn(self, direction: Channel) -> None:
        """Choose which way the one channel of a shared build copies and fills."""
        if self._direction == direction:
            return
        queue = self._queue_of(direction)

        def idle() -> bool:
            queue.poll()
            return queue.empty and queue.registers.get("STATUS")["IDLE"]

        self._until(idle, "end of what goes the other way", queue=queue)
        self._direction = direction
        queue.turn(direction)

    def _until(
        self, reached: Callable[[], bool], what: str, timeout: float | None = None,
        start: float | None = None, queue: Queue | None = None,
    ) -> None:
        """Let time pass until something is the case.

        Parameters
        ----------
        reached : ``reached() -> bool``
            Looks whether it is.
        what : :class:`str`
            Its name.
        timeout : :class:`float` or ``None``
            Seconds; what the driver was made with if ``None``.
        start : :class:`float` or ``None``
            When they began, by :func:`time.monotonic`; now if ``None``.
        queue : :class:`~opencdma.sw.queues.Queue` or ``None``
            What has to get on for that.

        Raises
        ------
        ChannelHaltedError
            If the channel of the queue halted first.
        TimeoutError
            If it takes too long.
        """
        timeout = self._timeout if timeout is None else timeout
        end = (time.monotonic() if start is None else start) + timeout
        looks = 0
        while not reached():
            looks += 1
            if queue is not None and looks % _LOOKS == 0:
                halt = queue.halt()
                # It may have been the last thing that the channel did.
                if halt is not None and not reached():
                    raise halt
            if time.monotonic() > end:
                raise TimeoutError(f"Waited {timeout} seconds for the {what}, in vain")
            self._backend.advance()
