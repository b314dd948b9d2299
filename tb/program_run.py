# SPDX-License-Identifier: Apache-2.0
"""Descriptor programs: what they are, how software runs one, and how two engines are compared."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from opencdma.golden.device import GoldenDevice
from opencdma.golden.device_channel import Completion
from opencdma.golden.device_memory import Fault
from opencdma.spec import Channel, Config, Descriptor, Record, Status
from opencdma.spec.registers import CHANNEL, address

#: Registers of a channel that do not depend on time once it is idle.
COUNTERS = ("BYTES_IN", "BYTES_OUT", "NONZEROS", "DESCRIPTORS", "ERRORS", "RAW_STORED")


@dataclass(frozen=True, kw_only=True)
class ChannelProgram:
    """What software has one channel do.

    Parameters
    ----------
    channel : :class:`~opencdma.spec.Channel`
        Which one.
    descriptors : tuple of :class:`~opencdma.spec.Descriptor`
        In their order.
    registers : mapping of :class:`str` to :class:`int`
        What is written first.
    ctrl : mapping of :class:`str` to :class:`int`
        Fields of CTRL.
    direct : :class:`int`
        So many of the descriptors go through registers, before the ring is enabled.
    log2_size, ring, spare_ring : :class:`int`
        Size of the ring, its address, and one that it moves to when a descriptor cannot be read.
    doorbells : tuple of :class:`int`
        Descriptors per doorbell, over and over again.
    reset, abort : :class:`bool`
        The idle channel is reset and aborted first.
    excess : :class:`int`
        TAIL is first written so much too large; 0: not.
    """

    channel: Channel
    descriptors: tuple[Descriptor, ...]
    registers: Mapping[str, int] = field(default_factory=dict)
    ctrl: Mapping[str, int] = field(default_factory=dict)
    direct: int = 0
    log2_size: int = 2
    ring: int = 0
    spare_ring: int = 0
    doorbells: tuple[int, ...] = (1,)
    reset: bool = False
    abort: bool = False
    excess: int = 0


@dataclass(frozen=True)
class Halt:
    """Why a channel halted, and how far it was then.

    Parameters
    ----------
    status, error_code, index, address : :class:`int`
        ERROR (two fields), ERROR_INDEX and ERROR_ADDR.
    head : :class:`int`
        HEAD, when it was idle. What had begun went on, so this depends on time.
    """

    status: int
    error_code: int
    index: int
    address: int
    head: int = field(compare=False)


@dataclass(frozen=True)
class ChannelOutcome:
    """What can be seen of a channel when it is idle again.

    Parameters
    ----------
    result : :class:`~opencdma.spec.Record`
        RESULT.
    head : :class:`int`
        HEAD.
    counters : mapping of :class:`str` to :class:`int`
        The registers of :data:`COUNTERS`.
    halts : tuple of :class:`Halt`
        In their order.
    ring_intact : :class:`bool`
        The rings hold what software put there.
    """

    result: Record
    head: int
    counters: Mapping[str, int]
    halts: tuple[Halt, ...]
    ring_intact: bool


@dataclass(frozen=True)
class Outcome:
    """What can be seen of an engine when a program is done.

    Parameters
    ----------
    dev, host : :class:`bytes`
        The memories; the rings are as before.
    channels : tuple of :class:`ChannelOutcome`
        As in the program.
    irq_status : :class:`int`
        IRQ_STATUS.
    irq : :class:`bool`
        The interrupt.
    log : tuple of :class:`~opencdma.golden.device_channel.Completion`
        What became of each descriptor, if the engine is the golden model.
    """

    dev: bytes
    host: bytes
    channels: tuple[ChannelOutcome, ...]
    irq_status: int
    irq: bool
    log: tuple[Completion, ...]


@dataclass(frozen=True, kw_only=True)
class Program:
    """Memories and registers, and the descriptors for each channel.

    Parameters
    ----------
    seed : :class:`int`
        What it was made from.
    config : :class:`~opencdma.spec.Config`
        The build it is for.
    dev, host : :class:`bytes`
        Content of the memories.
    dev_base, host_base : :class:`int`
        Their addresses.
    faults : tuple of :class:`~opencdma.golden.device_memory.Fault`
        What they refuse. Backends are made with this.
    irq_enable : :class:`int`
        IRQ_ENABLE.
    channels : tuple of :class:`ChannelProgram`
        One for each channel of the build.
    """

    seed: int
    config: Config
    dev: bytes
    host: bytes
    dev_base: int
    host_base: int
    faults: tuple[Fault, ...]
    irq_enable: int
    channels: tuple[ChannelProgram, ...]

    @property
    def backend_arguments(self) -> dict:
        """Arguments that make a backend the program can run on, beside the configuration."""
        return {
            "dev_size": len(self.dev), "host_size": len(self.host), "dev_base": self.dev_base,
            "host_base": self.host_base, "faults": self.faults,
        }

    def golden(self) -> Outcome:
        """Return what becomes of it in the golden model."""
        return self.run(GoldenDevice(self.config, **self.backend_arguments))

    def load(self, backend) -> None:
        """Fill the memories."""
        backend.dev.write(self.dev_base, self.dev)
        backend.host.write(self.host_base, self.host)

    def run(self, backend, *, patience: int = 100_000) -> Outcome:
        """Fill the memories, have the engine do it all, and return what is to be seen then.

        Parameters
        ----------
        backend
            The engine, as after power-up.
        patience : :class:`int`
            Times that time may be let pass.

        Raises
        ------
        TimeoutError
            If that is not enough.
        """
        self.load(backend)
        backend.write_register(address("IRQ_ENABLE"), self.irq_enable)
        drivers = [_Driver(backend, item) for item in self.channels]
        running = [driver.run() for driver in drivers]
        for _ in range(patience):
            running = [steps for steps in running if next(steps, None) is not None]
            if not running:
                break
            backend.advance()
        else:
            raise TimeoutError(
                f"Program {self.seed} must come to its end, but the channels are at "
                f"{[driver.state() for driver in drivers]}")
        channels = tuple(driver.outcome() for driver in drivers)
        for driver in drivers:
            driver.clear_rings(self)
        return Outcome(
            backend.dev.read(self.dev_base, len(self.dev)),
            backend.host.read(self.host_base, len(self.host)), channels,
            backend.read_register(address("IRQ_STATUS")), backend.irq,
            tuple(getattr(backend, "log", ())))


class _Driver:
    """Software that runs the program of a channel. It yields whenever it waits for something."""

    def __init__(self, backend, program: ChannelProgram):
        self._backend = backend
        self._program = program
        self._halts = []
        self._slots = {}

    def run(self) -> Iterator[bool]:
        program = self._program
        if program.reset:
            self._write("IRQ_TIMER", 1)
            self._write("COMMAND", RESET=1)
            while self._status()["RESETTING"]:
                yield True
        for name, value in program.registers.items():
            self._write(name, value)
        self._write("CTRL", **program.ctrl)
        if program.abort:
            self._write("COMMAND", ABORT=1)
            while not self._status()["HALTED"]:
                yield True
            yield from self._resume()
        for descriptor in program.descriptors[: program.direct]:
            yield from self._direct(descriptor)
        if len(program.descriptors) > program.direct:
            yield from self._ring(program.descriptors[program.direct :])

    def _direct(self, descriptor: Descriptor) -> Iterator[bool]:
        content = descriptor.pack()
        for word in range(16):
            self._write(
                f"DIRECT{word}", int.from_bytes(content[4 * word : 4 * word + 4], "little"))
        self._write("COMMAND", START=1)
        while self._status()["BUSY"]:
            yield True
        if self._status()["HALTED"]:
            yield from self._resume()

    def _ring(self, descriptors: tuple[Descriptor, ...]) -> Iterator[bool]:
        program = self._program
        size = 1 << program.log2_size
        self._write("RING_SIZE", program.log2_size)
        self._enable(program.ring)
        if program.excess:
            self._write("TAIL", size + program.excess)
            while not self._status()["HALTED"]:
                yield True
            self._write("TAIL", 0)
            yield from self._resume()
        ring, tail, doorbell = program.ring, 0, 0
        while True:
            # In this order: a channel that is idle after its last descriptor stays so.
            head = self._read("HEAD")
            status = self._status()
            if status["HALTED"]:
                yield from self._wait_until_idle()
                if self._read("ERROR") & 0xFF == Status.DESC_FETCH:
                    ring = program.spare_ring
                    self._write("CTRL", **program.ctrl)
                    for counter in range(self._read("HEAD"), tail):
                        self._put(ring, counter % size, descriptors[counter])
                    self._enable(ring)
                yield from self._resume()
            elif tail < len(descriptors):
                most = program.doorbells[doorbell % len(program.doorbells)]
                doorbell += 1
                end = min(tail + most, head + size, len(descriptors))
                for counter in range(tail, end):
                    self._put(ring, counter % size, descriptors[counter])
                if end > tail:
                    self._write("TAIL", end)
                tail = end
            elif head == tail and status["IDLE"]:
                return
            yield True

    def _resume(self) -> Iterator[bool]:
        """Note why the channel halted, and let it go on."""
        yield from self._wait_until_idle()
        error = CHANNEL["ERROR"].unpack(self._read("ERROR"))
        self._halts.append(Halt(
            error["STATUS"], error["ERROR_CODE"], self._read("ERROR_INDEX"),
            self._read("ERROR_ADDR"), self._read("HEAD")))
        self._write("COMMAND", RESUME=1)

    def _wait_until_idle(self) -> Iterator[bool]:
        while not self._status()["IDLE"]:
            yield True

    def _enable(self, ring: int) -> None:
        self._write("RING_BASE", ring)
        self._write("CTRL", **self._program.ctrl, ENABLE=1)

    def _put(self, ring: int, slot: int, descriptor: Descriptor) -> None:
        at = ring + Descriptor.BYTES * slot
        self._slots[at] = descriptor.pack()
        self._backend.host.write(at, self._slots[at])

    def state(self) -> str:
        """Return where the channel is, for people."""
        names = ("STATUS", "ERROR", "ERROR_INDEX", "HEAD", "TAIL")
        values = ", ".join(f"{name} {self._read(name):#x}" for name in names)
        return f"{self._program.channel.name}: {values}"

    def outcome(self) -> ChannelOutcome:
        """Return what is to be seen of the channel."""
        result = b"".join(
            self._read(f"RESULT{word}").to_bytes(4, "little") for word in range(8))
        return ChannelOutcome(
            Record.unpack(result), self._read("HEAD"),
            {name: self._read(name) for name in COUNTERS}, tuple(self._halts),
            all(self._backend.host.read(at, Descriptor.BYTES) == content
                for at, content in self._slots.items()))

    def clear_rings(self, program: Program) -> None:
        """Put what was in the rings' place back: which slots were used may depend on time."""
        for at in self._slots:
            offset = at - program.host_base
            self._backend.host.write(at, program.host[offset : offset + Descriptor.BYTES])

    def _status(self) -> dict[str, int]:
        return CHANNEL["STATUS"].unpack(self._read("STATUS"))

    def _read(self, name: str) -> int:
        at = address(name, self._program.channel)
        return sum(
            self._backend.read_register(at + 4 * word) << 32 * word
            for word in range(CHANNEL[name].width // 32))

    def _write(self, name: str, value: int = 0, **fields: int) -> None:
        value |= CHANNEL[name].pack(**fields)
        at = address(name, self._program.channel)
        for word in range(CHANNEL[name].width // 32):
            self._backend.write_register(at + 4 * word, value >> 32 * word & 0xFFFF_FFFF)
