# SPDX-License-Identifier: Apache-2.0
"""The engine in simulation: the Verilated RTL between two memories, as software sees it."""

from collections.abc import Iterable
from enum import IntEnum

import numpy as np

from opencdma.golden.device_memory import Fault
from opencdma.hw import verilog
from opencdma.sim import native
from opencdma.sim.codec import SimulationError
from opencdma.sim.memory import CHANNELS, MemoryTiming, SimulatedMemory, pause_share
from opencdma.spec import PRESETS, Config

__all__ = ["EVENT", "BusChannel", "Port", "SimulatedDevice"]

#: Bytes of a descriptor and of a record: each is one burst, whatever the bursts of the data are.
_DESCRIPTOR_BYTES, _RECORD_BYTES = 64, 32

#: Bytes that the register port has addresses for.
_REGISTER_SPACE = 4096


class Port(IntEnum):
    """Ports of the engine, as events name them."""

    DEV = 0
    HOST = 1
    REGISTERS = 2


#: Channels of a port, as events name them.
BusChannel = IntEnum("BusChannel", CHANNELS, start=0)

#: A handshake: ``port`` is a :class:`Port`, ``channel`` a :data:`BusChannel`, and ``address`` that
#: of the burst (AR, AW, B) or of the beat (R, W). ``beats``, ``qos`` and ``cache`` are those of AR
#: and AW, ``last`` that of R and W, ``response`` that of R and B.
EVENT = np.dtype([
    ("cycle", "<u8"), ("address", "<u8"), ("beats", "<u2"), ("port", "u1"), ("channel", "u1"),
    ("last", "u1"), ("response", "u1"), ("qos", "u1"), ("cache", "u1"),
])


class SimulatedDevice:
    """The engine RTL under Verilator, with its two memories, driven natively.

    The model is built at the first use of a configuration, which takes a while, and kept. Whatever
    the engine drives is checked against the rules of its buses.

    Parameters
    ----------
    config : :class:`~opencdma.spec.Config`
        The build; the preset ``ecp5`` if ``None``.
    dev_size, host_size : :class:`int`
        Bytes of the memories: multiples of 64.
    dev_base, host_base : :class:`int`
        Their first addresses: multiples of 64.
    dev_timing, host_timing : :class:`~opencdma.sim.memory.MemoryTiming`
        How they behave; the defaults if ``None``.
    register_pauses : :class:`float`
        Probability of a pause in each channel of the register port, 0 to 0.99.
    faults : iterable of :class:`~opencdma.golden.device_memory.Fault`
        Regions of the memories that refuse what is asked of them: multiples of 8 bytes.
    seed : :class:`int`
        Of the pauses.
    step : :class:`int`
        Cycles of :meth:`advance`.
    patience : :class:`int`
        Cycles in which an access to a register has to end.
    top
        Something else with the ports of an engine that is to be simulated instead.

    Members
    -------
    dev, host : :class:`~opencdma.sim.memory.SimulatedMemory`
        The memories.

    Raises
    ------
    ValueError
        If a parameter is out of its range.
    SimulationError
        If the engine breaks a rule of its buses, here or in anything that lets time pass. It is not
        usable afterwards.
    """

    def __init__(
        self, config: Config | None = None, *, dev_size: int = 1 << 20, host_size: int = 1 << 20,
        dev_base: int = 0x8000_0000, host_base: int = 0x1000_0000,
        dev_timing: MemoryTiming | None = None, host_timing: MemoryTiming | None = None,
        register_pauses: float = 0.0, faults: Iterable[Fault] = (), seed: int = 1, step: int = 64,
        patience: int = 10_000, top: native.Top | None = None,
    ):
        self._config = config = PRESETS["ecp5"] if config is None else config
        self._step = step
        top = verilog.EngineTop(config) if top is None else top
        self._ffi, self._lib = native.load(top, native.ENGINE)
        # The harness reads these settings all the time: they must live as long as it does.
        self._settings = settings = self._ffi.new("engine_config *")
        self.dev = SimulatedMemory(
            self._ffi, settings.memories[Port.DEV], "dev", dev_base, dev_size, dev_timing)
        self.host = SimulatedMemory(
            self._ffi, settings.memories[Port.HOST], "host", host_base, host_size, host_timing)
        faults = tuple(faults)
        self.dev.set_faults(faults)
        self.host.set_faults(faults)
        settings.read_burst = [
            config.read_burst, max(config.read_burst, _DESCRIPTOR_BYTES // config.host_width)]
        settings.write_burst = [
            config.write_burst, max(config.write_burst, _RECORD_BYTES // config.host_width)]
        settings.register_pauses = pause_share(register_pauses)
        settings.patience = patience
        settings.seed = seed
        self._engine = self._ffi.gc(self._lib.engine_new(settings), self._lib.engine_delete)
        self.run(0)

    @property
    def config(self) -> Config:
        """The build."""
        return self._config

    @property
    def cycle(self) -> int:
        """Cycles simulated so far."""
        return self._lib.engine_cycle(self._engine)

    @property
    def irq(self) -> bool:
        """Whether the engine raises its interrupt."""
        return bool(self._lib.engine_irq(self._engine))

    def read_register(self, offset: int) -> int:
        """Return a word of 32 bits.

        Raises
        ------
        ValueError
            If the engine has no register at this offset, in bytes.
        """
        value, response = self._ffi.new("uint32_t *"), self._ffi.new("uint8_t *")
        self._check_offset(offset)
        self._check(self._lib.engine_read(self._engine, offset, value, response))
        self._check_offset(offset, response[0])
        return value[0]

    def write_register(self, offset: int, value: int) -> None:
        """Write a word of 32 bits.

        Raises
        ------
        ValueError
            If the engine has no register at this offset, in bytes.
        """
        response = self._ffi.new("uint8_t *")
        self._check_offset(offset)
        self._check(self._lib.engine_write(self._engine, offset, value, response))
        self._check_offset(offset, response[0])

    def advance(self) -> None:
        """Let some time pass."""
        self.run(self._step)

    def run(self, cycles: int) -> None:
        """Let so many cycles pass."""
        self._check(self._lib.engine_run(self._engine, cycles))

    def run_until_irq(self, cycles: int) -> None:
        """Let time pass until the interrupt is high.

        Raises
        ------
        SimulationError
            If it is not after so many cycles. The engine remains usable.
        """
        outcome = self._lib.engine_run_until_irq(self._engine, cycles)
        self._check(outcome, f"no interrupt in {cycles} cycles")

    def run_until_register(
        self, offset: int, value: int, *, mask: int = 0xFFFF_FFFF, cycles: int, interval: int = 16,
    ) -> None:
        """Read a register every so often until it has a value in the bits of a mask.

        Parameters
        ----------
        offset, value, mask : :class:`int`
            Which register, what it is to be, and which of its bits matter.
        cycles : :class:`int`
            How long to try.
        interval : :class:`int`
            Cycles between two accesses.

        Raises
        ------
        ValueError
            If the engine has no register at this offset, in bytes.
        SimulationError
            If it never has that value. The engine remains usable.
        """
        response = self._ffi.new("uint8_t *")
        self._check_offset(offset)
        outcome = self._lib.engine_run_until_register(
            self._engine, offset, mask, value, interval, cycles, response)
        self._check(outcome, f"register {offset:#05x} is not {value:#x} within {cycles} cycles")
        self._check_offset(offset, response[0])

    def reset(self, cycles: int = 4) -> None:
        """Hold the engine and its buses in reset for so many cycles, 1 or more.

        Memories forget what was under way and keep what they hold.
        """
        if cycles < 1:
            raise ValueError(f"Reset must take 1 cycle or more, not {cycles!r}")
        self._check(self._lib.engine_reset(self._engine, cycles))

    def mute(self, memory: str, channel: str, after: int = 0) -> None:
        """Have a memory stop taking or answering in a channel.

        What it already offers, and nobody has taken, stays on offer. A reset does not end this.

        Parameters
        ----------
        memory : :class:`str`
            ``"dev"`` or ``"host"``.
        channel : :class:`str`
            ``"AR"``, ``"R"``, ``"AW"``, ``"W"`` or ``"B"``.
        after : :class:`int`
            Handshakes from now on that still come about.
        """
        self._lib.engine_mute(self._engine, *self._channel(memory, channel), after)

    def unmute(self, memory: str, channel: str) -> None:
        """End what :meth:`mute` began."""
        self._lib.engine_unmute(self._engine, *self._channel(memory, channel))

    def start_trace(self) -> None:
        """Forget the handshakes recorded so far, and record all from now on."""
        self._lib.engine_clear_events(self._engine)
        self._lib.engine_trace(self._engine, True)

    def stop_trace(self) -> None:
        """Record no more handshakes."""
        self._lib.engine_trace(self._engine, False)

    def trace(self) -> np.ndarray:
        """Return the recorded handshakes as an array of :data:`EVENT`, in order of their cycles."""
        count = self._ffi.new("size_t *")
        events = self._lib.engine_events(self._engine, count)
        return np.frombuffer(self._ffi.buffer(events, count[0] * EVENT.itemsize), EVENT).copy()

    def _channel(self, memory: str, channel: str) -> tuple[int, int]:
        if memory not in ("dev", "host"):
            raise ValueError(f"Memory must be 'dev' or 'host', not {memory!r}")
        if channel not in CHANNELS:
            raise ValueError(f"Channel must be one of {', '.join(CHANNELS)}, not {channel!r}")
        return ("dev", "host").index(memory), CHANNELS.index(channel)

    def _check(self, outcome: int, late: str = ""):
        if outcome == self._lib.ENGINE_DONE:
            return
        if outcome != self._lib.ENGINE_LATE:
            late = self._string(self._lib.engine_failure(self._engine))
        state = self._string(self._lib.engine_state(self._engine))
        raise SimulationError(f"{late} ({state})")

    def _string(self, text) -> str:
        return self._ffi.string(text).decode()

    def _check_offset(self, offset: int, response: int = 0):
        if response or offset % 4 or not 0 <= offset < _REGISTER_SPACE:
            raise ValueError(f"Offset must be that of a register, not {offset:#05x}")
