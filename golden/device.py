# SPDX-License-Identifier: Apache-2.0
"""Model of the whole engine: registers, rings, memories, and nothing of time.

``docs/programming.md`` says what an engine does; this does it, bit for bit. What only time can tell
is missing: nothing is ever under way when a register is read, no memory fails to answer, and the
counters of stalls stay 0.
"""

from collections.abc import Iterable

from opencdma.spec import PRESETS, Channel, Config
from opencdma.spec.registers import CHANNEL_BASE, ENGINE, constants

from .device_channel import Completion, GoldenChannel
from .device_memory import Fault, Memory
from .device_registers import RegisterBlock

__all__ = ["GoldenDevice"]


class GoldenDevice:
    """An engine between two memories.

    Parameters
    ----------
    config : :class:`~opencdma.spec.Config`
        The build; the preset ``ecp5`` if ``None``.
    dev_size, host_size : :class:`int`
        Bytes of the memories.
    dev_base, host_base : :class:`int`
        Their first addresses.
    faults : iterable of :class:`~opencdma.golden.device_memory.Fault`
        Regions that answer with an error.

    Members
    -------
    dev, host : :class:`~opencdma.golden.device_memory.Memory`
        The memories.
    log : list of :class:`~opencdma.golden.device_channel.Completion`
        All descriptors that were completed, and their outcomes.
    """

    def __init__(
        self, config: Config | None = None, *, dev_size: int = 1 << 20, host_size: int = 1 << 20,
        dev_base: int = 0x8000_0000, host_base: int = 0x1000_0000, faults: Iterable[Fault] = (),
    ):
        self._config = PRESETS["ecp5"] if config is None else config
        faults = tuple(faults)
        self.dev = Memory(
            dev_base, dev_size, (fault for fault in faults if fault.memory == "dev"))
        self.host = Memory(
            host_base, host_size, (fault for fault in faults if fault.memory == "host"))
        self.log: list[Completion] = []
        self._irq_status = 0
        self._constants = constants(self._config)
        self._engine = RegisterBlock(
            ENGINE, self._config, state=self._state, written=self._written)
        self._channels = [
            self._channel(number) for number in list(Channel)[: self._config.channels]]
        self._blocks = {0: self._engine} | {
            CHANNEL_BASE[number]: channel.registers
            for number, channel in enumerate(self._channels)
        }

    def _channel(self, number: Channel) -> GoldenChannel:
        def report(*, error: bool) -> None:
            self._irq_status |= 1 << 2 * number + error

        return GoldenChannel(
            number, self._config, self.dev, self.host, completed=self.log.append, report=report)

    @property
    def config(self) -> Config:
        """The build."""
        return self._config

    @property
    def irq(self) -> bool:
        """The interrupt."""
        return bool(self._irq_status & self._engine.kept["IRQ_ENABLE"])

    def read_register(self, offset: int) -> int:
        """Return a word of 32 bits.

        Raises
        ------
        ValueError
            If there is no register at this offset, in bytes.
        """
        block, offset = self._find(offset)
        return block.read(offset)

    def write_register(self, offset: int, value: int) -> None:
        """Write a word of 32 bits, and do all that follows from it.

        Raises
        ------
        ValueError
            If there is no register at this offset, in bytes.
        """
        block, offset = self._find(offset)
        block.write(offset, value)

    def advance(self) -> None:
        """Let time pass, of which there is none."""

    def _find(self, offset: int) -> tuple[RegisterBlock, int]:
        base = offset & ~0xFF
        block = self._blocks.get(base)
        if block is None or offset - base not in block:
            raise ValueError(f"Offset must be that of a register, not {offset:#05x}")
        return block, offset - base

    def _state(self, name: str) -> int:
        return self._irq_status if name == "IRQ_STATUS" else self._constants[name]

    def _written(self, name: str, value: int) -> None:
        if name == "IRQ_STATUS":
            self._irq_status &= ~value
