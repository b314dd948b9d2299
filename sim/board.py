# SPDX-License-Identifier: Apache-2.0
"""A board in simulation: its Verilated RTL, with a serial port at the pins."""

from dataclasses import dataclass

from opencdma.hw.fpga.demonstrator import Demonstrator
from opencdma.hw.verilog import convert
from opencdma.sim import native
from opencdma.spec import PRESETS, Config

__all__ = ["BoardTop", "SimulatedPort"]

#: What the simulated board takes its clock for. It is slow, so that a command that breaks off is
#: given up soon: after a tenth of a second, which is as many cycles.
_CLOCK = 1_000_000


@dataclass(frozen=True)
class BoardTop:
    """What is on every board, as a top module.

    Parameters
    ----------
    config : :class:`~opencdma.spec.Config`
        The engine.
    divisor : :class:`int`
        Cycles per bit of the serial port.
    dev_size, host_size : :class:`int`
        Bytes of the memories.
    """

    config: Config
    divisor: int
    dev_size: int
    host_size: int

    @property
    def name(self) -> str:
        """Module and file name."""
        return f"opencdma_board_{self.config.build_id:08x}"

    def verilog(self) -> str:
        """Return the Verilog text."""
        component = Demonstrator(
            self.config, clock=_CLOCK, divisor=self.divisor, dev_size=self.dev_size,
            host_size=self.host_size)
        return convert(component, self.name, "engine, memories and serial port", "boards.md")


class SimulatedPort:
    """A serial port with the simulated board at its other end.

    It has what :class:`opencdma.sw.uart.UartDevice` needs of a port of pyserial. Time passes while
    bytes are waited for. The model is built at the first use of a configuration, and kept.

    Parameters
    ----------
    config : :class:`~opencdma.spec.Config` or ``None``
        The engine; the preset ``tiny`` if ``None``.
    divisor : :class:`int`
        Cycles per bit that the board is built for.
    off : :class:`float`
        Bits on the wire are so many times as long.
    dev_size, host_size : :class:`int`
        Bytes of the memories.
    patience : :class:`int`
        Cycles without a byte after which no more is waited for.

    Raises
    ------
    BuildError
        If Verilator or the compiler fails.
    """

    def __init__(
        self, config: Config | None = None, *, divisor: int = 4, off: float = 1.0,
        dev_size: int = 1 << 14, host_size: int = 1 << 14, patience: int = 20_000,
    ):
        self._config = PRESETS["tiny"] if config is None else config
        self._patience = patience
        top = BoardTop(self._config, divisor, dev_size, host_size)
        self._ffi, self._lib = native.load(top, native.BOARD)
        self._board = self._ffi.gc(
            self._lib.board_new(round(256 * divisor * off)), self._lib.board_delete)

    @property
    def config(self) -> Config:
        """The engine."""
        return self._config

    @property
    def cycle(self) -> int:
        """Cycles simulated so far."""
        return self._lib.board_cycle(self._board)

    @property
    def leds(self) -> int:
        """The LEDs, those of :data:`~opencdma.hw.fpga.demonstrator.LEDS` from bit 0 up."""
        return self._lib.board_leds(self._board)

    @property
    def broken(self) -> int:
        """Bytes that came without a stop bit."""
        return self._lib.board_broken(self._board)

    def write(self, data: bytes) -> int:
        """Send bytes."""
        self._lib.board_send(self._board, data, len(data))
        return len(data)

    def read(self, size: int) -> bytes:
        """Return so many bytes, or fewer if no more come."""
        bytes_ = self._ffi.new("uint8_t[]", size)
        count = self._lib.board_receive(self._board, bytes_, size, self._patience)
        return self._ffi.buffer(bytes_, count)[:]

    def reset_input_buffer(self) -> None:
        """Forget what has come. What is still to come is waited for."""
        while self.read(1024):
            pass

    def run(self, cycles: int) -> None:
        """Let so many cycles pass."""
        self._lib.board_run(self._board, cycles)
