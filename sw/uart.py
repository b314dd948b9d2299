# SPDX-License-Identifier: Apache-2.0
"""An engine on a board, at the end of a serial port.

What is spoken there is the uartbone protocol, which ``docs/boards.md`` describes: words of 32 bits,
up to 255 of them in a command; writes are not answered.
"""

import time
from collections.abc import Iterator
from typing import Protocol

from opencdma.spec.board import (
    BOARD_IDENT,
    DEV_BASE,
    HOST_BASE,
    PAGE_BASE,
    REGISTERS_BASE,
    Fault,
    Page,
)

from .errors import EngineError

__all__ = ["BAUD", "SerialPort", "UartDevice", "UartMemory"]

#: Bits per second of the boards, unless they are built otherwise.
BAUD = 1_000_000

_WRITE, _READ = 0x01, 0x02

#: Words of a command at most.
_MOST = 255

#: Commands that are sent ahead of their answers: the board keeps 64 bytes, ten of them.
_AHEAD = 8

#: Seconds in which a command that somebody broke off is given up by the board, and some more.
_SETTLE = 0.15

#: Bytes that the register port has addresses for.
_REGISTER_SPACE = 4096


class SerialPort(Protocol):
    """What is needed of a port: :class:`serial.Serial` with a timeout has it."""

    def read(self, size: int) -> bytes:
        """Return so many bytes, or fewer if the rest takes too long."""

    def write(self, data: bytes) -> int | None:
        """Send all bytes."""

    def reset_input_buffer(self) -> None:
        """Forget what has come."""


class UartDevice:
    """A board as software sees it: registers, memories, interrupt.

    Parameters
    ----------
    port : :class:`SerialPort`
        The port. Nobody else may use it.

    Members
    -------
    dev, host : :class:`UartMemory`
        The memories.

    Raises
    ------
    EngineError
        If there is no such board at the other end.
    """

    def __init__(self, port: SerialPort):
        self._port = port
        time.sleep(_SETTLE)
        port.reset_input_buffer()
        try:
            ident = self._page(Page.IDENT)
        except TimeoutError as error:
            raise EngineError(f"There is no board: {error}") from None
        if ident != BOARD_IDENT:
            raise EngineError(
                f"There is no board: its first word must be {BOARD_IDENT:#x}, not {ident:#x}; is "
                "the baud rate right?")
        self.clear_faults()
        self._clock = self._page(Page.CLOCK)
        self.dev = UartMemory(self, "device", DEV_BASE, self._page(Page.DEV_SIZE))
        self.host = UartMemory(self, "host", HOST_BASE, self._page(Page.HOST_SIZE))

    @classmethod
    def open(cls, path: str, *, baud: int = BAUD, timeout: float = 2.0) -> "UartDevice":
        """Return the board at a serial port of this machine, such as ``/dev/ttyUSB0``.

        Parameters
        ----------
        path : :class:`str`
            The port, or a URL that pyserial knows.
        baud : :class:`int`
            Bits per second.
        timeout : :class:`float`
            Seconds to wait for an answer.

        Raises
        ------
        OSError
            If the port cannot be opened.
        EngineError
            If pyserial is not installed, or there is no such board at the other end.
        """
        try:
            import serial
        except ModuleNotFoundError:
            raise EngineError(
                "Serial ports need the package pyserial: install `opencdma[uart]`") from None
        return cls(serial.serial_for_url(path, baudrate=baud, timeout=timeout))

    @property
    def clock(self) -> int:
        """Cycles per second of the engine."""
        return self._clock

    @property
    def irq(self) -> bool:
        """The interrupt.

        Raises
        ------
        TimeoutError
            If the board does not answer.
        """
        return bool(self._page(Page.STATUS) & 1)

    def read_register(self, offset: int) -> int:
        """Return a word of 32 bits.

        Raises
        ------
        ValueError
            If there can be no register at this offset, in bytes.
        TimeoutError
            If the board does not answer.
        """
        _check_offset(offset)
        return self.read_words(REGISTERS_BASE + offset, 1)[0]

    def write_register(self, offset: int, value: int) -> None:
        """Write a word of 32 bits. Whether that worked, :meth:`check` tells.

        Raises
        ------
        ValueError
            If there can be no register at this offset, in bytes.
        """
        _check_offset(offset)
        self.write_words(REGISTERS_BASE + offset, [value])

    def advance(self) -> None:
        """Let some time pass, which it does."""

    def light(self, leds: int) -> None:
        """Light LEDs: bits 3:0 of a number."""
        self.write_words(PAGE_BASE + Page.LEDS, [leds])

    def check(self) -> None:
        """See whether everything so far has worked.

        Raises
        ------
        EngineError
            If something went wrong on the way to a word; that is forgotten then.
        TimeoutError
            If the board does not answer.
        """
        faults = Fault(self._page(Page.FAULTS))
        if faults:
            self.clear_faults()
            names = " and ".join(fault.name for fault in faults)
            raise EngineError(
                f"The board reports {names} at its serial port: what was written last may be wrong")

    def clear_faults(self) -> None:
        """Have the board forget what went wrong."""
        self.write_words(PAGE_BASE + Page.FAULTS, [sum(Fault)])

    def read_words(self, address: int, count: int) -> list[int]:
        """Return words from a byte address on, a multiple of 4.

        Raises
        ------
        TimeoutError
            If the board does not answer.
        """
        pieces = list(_pieces(address, count))
        words = []
        for n in range(0, len(pieces), _AHEAD):
            group = pieces[n : n + _AHEAD]
            for at, length in group:
                self._port.write(_header(_READ, at, length))
            for at, length in group:
                data = self._port.read(4 * length)
                if len(data) != 4 * length:
                    raise TimeoutError(
                        f"The board answered {len(data)} bytes of {4 * length} at {at:#x}")
                words += [int.from_bytes(data[i : i + 4], "big") for i in range(0, len(data), 4)]
        return words

    def write_words(self, address: int, words: list[int]) -> None:
        """Write words from a byte address on, a multiple of 4. There is no answer to that."""
        done = 0
        for at, length in _pieces(address, len(words)):
            data = b"".join(word.to_bytes(4, "big") for word in words[done : done + length])
            self._port.write(_header(_WRITE, at, length) + data)
            done += length

    def _page(self, word: Page) -> int:
        return self.read_words(PAGE_BASE + word, 1)[0]


class UartMemory:
    """A memory of a board. Words are written whole, so those at the ends are read first.

    Parameters
    ----------
    device : :class:`UartDevice`
        The board.
    name : :class:`str`
        Which memory.
    base, size : :class:`int`
        First address, and length in bytes.
    """

    def __init__(self, device: UartDevice, name: str, base: int, size: int):
        self._device = device
        self._name = name
        self.base = base
        self.size = size

    def read(self, address: int, length: int) -> bytes:
        """Return bytes.

        Raises
        ------
        IndexError
            If any of them is outside the memory.
        TimeoutError
            If the board does not answer.
        """
        self._check_range(address, length)
        before = address % 4
        words = self._device.read_words(address - before, -(-(before + length) // 4))
        data = b"".join(word.to_bytes(4, "little") for word in words)
        return data[before : before + length]

    def write(self, address: int, data: bytes) -> None:
        """Set bytes.

        Raises
        ------
        IndexError
            If any of them is outside the memory.
        EngineError
            If it did not work.
        TimeoutError
            If the board does not answer.
        """
        self._check_range(address, len(data))
        if not data:
            return
        before, after = address % 4, -(address + len(data)) % 4
        start, end = address - before, address + len(data) + after
        if before:
            data = self.read(start, before) + data
        if after:
            data += self.read(end - after, after)
        words = [int.from_bytes(data[i : i + 4], "little") for i in range(0, len(data), 4)]
        self._device.write_words(start, words)
        self._device.check()

    def _check_range(self, address: int, length: int) -> None:
        if not self.base <= address <= address + length <= self.base + self.size:
            raise IndexError(
                f"Bytes must be in the {self.size:#x} of {self._name} memory from {self.base:#x} "
                f"on, not the {length:#x} from {address:#x} on")


def _header(command: int, address: int, count: int) -> bytes:
    return bytes([command, count]) + (address // 4).to_bytes(4, "big")


def _pieces(address: int, count: int) -> Iterator[tuple[int, int]]:
    """Yield first address and words of the commands for words from a byte address on."""
    for done in range(0, count, _MOST):
        yield address + 4 * done, min(_MOST, count - done)


def _check_offset(offset: int) -> None:
    if offset % 4 or not 0 <= offset < _REGISTER_SPACE:
        raise ValueError(f"Offset must be that of a register, not {offset:#05x}")
