# SPDX-License-Identifier: Apache-2.0
"""An engine with a few words for what tests do with it all the time."""

from collections.abc import Iterable

from opencdma.golden.device import GoldenDevice
from opencdma.golden.device_memory import Fault
from opencdma.spec import Channel, Config, Descriptor, Record
from opencdma.spec.registers import CHANNEL, address

DEV, HOST = 0x8000_0000, 0x1000_0000

#: Places in host memory that tests keep free for these.
RING, RECORDS = HOST, HOST + 0x8000

OFFLOAD, PREFETCH = Channel


class Engine:
    """A golden model; the data of tests are at the start of device memory and from ``DATA`` on.

    Parameters
    ----------
    config : :class:`~opencdma.spec.Config` or ``None``
        The build.
    faults : iterable of :class:`~opencdma.golden.device_memory.Fault`
        What the memories refuse.
    """

    DATA = HOST + 0x1_0000

    def __init__(self, config: Config | None = None, faults: Iterable[Fault] = ()):
        self.device = GoldenDevice(
            config, dev_size=1 << 17, host_size=1 << 18, dev_base=DEV, host_base=HOST,
            faults=faults)
        self.dev, self.host = self.device.dev, self.device.host
        self._used = 0

    def read(self, name: str, channel: Channel | None = OFFLOAD) -> int:
        """Return a register of one or two words."""
        at = address(name, channel)
        value = self.device.read_register(at)
        if channel is not None and CHANNEL[name].width == 64:
            value |= self.device.read_register(at + 4) << 32
        return value

    def write(
        self, name: str, value: int = 0, channel: Channel | None = OFFLOAD, **fields: int,
    ) -> None:
        """Write a register of one or two words, whole or by its fields."""
        at = address(name, channel)
        if channel is not None:
            value |= CHANNEL[name].pack(**fields)
        self.device.write_register(at, value & 0xFFFF_FFFF)
        if channel is not None and CHANNEL[name].width == 64:
            self.device.write_register(at + 4, value >> 32)

    def status(self, channel: Channel = OFFLOAD) -> dict[str, int]:
        """Return the fields of STATUS."""
        return CHANNEL["STATUS"].unpack(self.read("STATUS", channel))

    def error(self, channel: Channel = OFFLOAD) -> tuple[int, int, int, int]:
        """Return ERROR (status and error code), ERROR_INDEX and ERROR_ADDR."""
        error = self.read("ERROR", channel)
        return (
            error & 0xFF, error >> 8, self.read("ERROR_INDEX", channel),
            self.read("ERROR_ADDR", channel))

    def result(self, channel: Channel = OFFLOAD) -> Record:
        """Return RESULT."""
        words = (self.read(f"RESULT{word}", channel) for word in range(8))
        return Record.unpack(b"".join(word.to_bytes(4, "little") for word in words))

    def set_up(self, log2_size: int = 3, channel: Channel = OFFLOAD, **ctrl: int) -> None:
        """Enable the ring."""
        self._used = 0
        self.write("RING_BASE", RING, channel)
        self.write("RING_SIZE", log2_size, channel)
        self.write("CTRL", channel=channel, ENABLE=1, **ctrl)

    def put(
        self, *descriptors: Descriptor, channel: Channel = OFFLOAD, doorbell: bool = True,
    ) -> None:
        """Put descriptors into the ring, as they are."""
        size = 1 << self.read("RING_SIZE", channel)
        for descriptor in descriptors:
            self.host.write(RING + 64 * (self._used % size), descriptor.pack())
            self._used += 1
        if doorbell:
            self.write("TAIL", self._used, channel)

    def start(self, descriptor: Descriptor, channel: Channel = OFFLOAD) -> Record:
        """Do one descriptor through registers, and return RESULT."""
        content = descriptor.pack()
        for word in range(16):
            self.write(
                f"DIRECT{word}", int.from_bytes(content[4 * word : 4 * word + 4], "little"),
                channel)
        self.write("COMMAND", channel=channel, START=1)
        return self.result(channel)

    def record(self, number: int = 0) -> Record:
        """Return what is at one of the places for records."""
        return Record.unpack(self.host.read(RECORDS + 32 * number, 32))


class SlowDevice:
    """A backend in which channels get on only now and then, one at a time.

    Parameters
    ----------
    device : :class:`~opencdma.golden.device.GoldenDevice`
        What does the work.
    period : :class:`int`
        Calls of :meth:`advance` until a doorbell or a command is heard.
    """

    def __init__(self, device, period):
        self._device = device
        self._period = period
        self._time = 0
        self._late = []
        self.dev, self.host = device.dev, device.host

    @property
    def irq(self):
        return self._device.irq

    def read_register(self, offset):
        value = self._device.read_register(offset)
        if self._late and offset >= 0x100 and offset & 0xFF == 0x08:
            return CHANNEL["STATUS"].pack(BUSY=1, RESETTING=1)
        return value

    def write_register(self, offset, value):
        if offset >= 0x100 and offset & 0xFF in (0x04, 0x2C):
            self._late.append((offset, value))
        else:
            self._device.write_register(offset, value)

    def advance(self):
        self._time += 1
        if self._late and self._time % self._period == 0:
            self._device.write_register(*self._late.pop(0))


class LateDevice(SlowDevice):
    """A backend in which a channel works only while its STATUS is read."""

    def read_register(self, offset):
        if offset >= 0x100 and offset & 0xFF == 0x08:
            while self._late:
                self._device.write_register(*self._late.pop(0))
        return self._device.read_register(offset)

    def advance(self):
        pass
