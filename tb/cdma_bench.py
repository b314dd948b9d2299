# SPDX-License-Identifier: Apache-2.0
"""Bench of the whole engine, for tests that run inside the simulator."""

import logging
from collections.abc import Callable
from typing import TypeVar

import cocotb
from axi_monitor import PERIOD, Monitor
from axi_responders import Ram, Responder, decisions
from cocotb.clock import Clock
from cocotb.task import bridge, resume
from cocotb.triggers import ClockCycles, RisingEdge
from cocotb.utils import get_sim_time
from cocotbext.axi import AxiLiteBus, AxiLiteMaster, AxiResp
from program_run import ChannelProgram, Outcome, Program
from programs import compare

from opencdma.golden.device_memory import Memory
from opencdma.sim.memory import MemoryTiming
from opencdma.spec import Channel, Config, Descriptor, Record
from opencdma.spec.registers import CHANNEL, address

T = TypeVar("T")

__all__ = ["DEV", "HOST", "PERIOD", "Backend", "Bench"]

#: Where the memories are.
DEV, HOST = 0x8000_0000, 0x1000_0000

#: Cycles in which nothing may come when everything expected has come.
QUIET = 60

#: Cycles between two looks at a register.
INTERVAL = 40

#: Bytes of a descriptor and of a record: each is one burst, whatever the bursts of the data are.
_RING_BYTES, _RECORD_BYTES = Descriptor.BYTES, Record.BYTES


class Bench:
    """Clock, registers, memories and monitors around an engine. Call :meth:`reset` first.

    Parameters
    ----------
    dut
        The top.
    config : :class:`~opencdma.spec.Config`
        Its build.
    timing : :class:`~opencdma.sim.memory.MemoryTiming`
        How both memories behave.
    ram : :class:`bool`
        The memories are those of cocotbext-axi.
    size : :class:`int`
        Bytes of each memory.
    register_pauses : :class:`float`
        Probability of a pause in each channel of the register port.

    Members
    -------
    dev, host : :class:`~opencdma.golden.device_memory.Memory`
        The memories.
    ports : mapping of :class:`str` to :class:`~axi_monitor.Monitor`
        Of ``"dev"`` and ``"host"``.
    interrupts : list of :class:`int`
        Cycles in which the interrupt rose.
    """

    def __init__(
        self, dut, config: Config, *, timing: MemoryTiming | None = None, ram: bool = False,
        size: int = 1 << 16, register_pauses: float = 0.0,
    ):
        # The drivers report everything they do, byte by byte.
        logging.getLogger(f"cocotb.{dut._name}").setLevel(logging.ERROR)
        self.dut = dut
        self.config = config
        self.dev, self.host = Memory(DEV, size), Memory(HOST, size)
        self.interrupts = []
        self._clock = dut.aclk
        cocotb.start_soon(Clock(dut.aclk, PERIOD, "ns").start(start_high=False))
        dut.aresetn.value = 0
        self._registers = AxiLiteMaster(
            AxiLiteBus.from_prefix(dut, "s_axil"), dut.aclk, dut.aresetn,
            reset_active_level=False)
        if register_pauses:
            for side, channels in (("write_if", ("aw", "w", "b")), ("read_if", ("ar", "r"))):
                for channel in channels:
                    stream = getattr(getattr(self._registers, side), f"{channel}_channel")
                    stream.set_pause_generator(decisions(channel, register_pauses))
        self._memories, self.ports = [], {}
        timing = MemoryTiming() if timing is None else timing
        for name, memory, width in (
            ("dev", self.dev, config.dev_width), ("host", self.host, config.host_width),
        ):
            prefix = f"m_axi_{name}"
            self._memories.append((Ram if ram else Responder)(dut, prefix, memory, timing))
            self.ports[name] = Monitor(
                dut, prefix, width,
                read_burst=max(config.read_burst, _RING_BYTES // width),
                write_burst=max(config.write_burst, _RECORD_BYTES // width))
        cocotb.start_soon(self._observe_interrupts())

    async def _observe_interrupts(self):
        while True:
            await RisingEdge(self.dut.irq)
            self.interrupts.append(self.cycle)

    @property
    def cycle(self) -> int:
        """Cycles so far."""
        return int(get_sim_time("ns")) // PERIOD

    @property
    def channels(self) -> list[Channel]:
        """Channels that the build has."""
        return list(Channel)[: self.config.channels]

    @property
    def busy(self) -> bool:
        """Something is under way at a memory."""
        return any(port.busy for port in self.ports.values())

    async def reset(
        self, dev: Memory | None = None, host: Memory | None = None,
        timing: MemoryTiming | None = None, cycles: int = 4,
    ) -> None:
        """Reset the engine and its buses, wherever they are.

        Parameters
        ----------
        dev, host : :class:`~opencdma.golden.device_memory.Memory` or ``None``
            Memories to go on with, in place of those that are there.
        timing : :class:`~opencdma.sim.memory.MemoryTiming` or ``None``
            How they behave from now on, if that changes.
        cycles : :class:`int`
            How long.
        """
        self.dut.aresetn.value = 0
        for cycle in range(cycles):
            await RisingEdge(self._clock)
            if cycle: # it takes a clock edge
                self.silent()
        self.dev, self.host = dev or self.dev, host or self.host
        for responder, memory in zip(self._memories, (self.dev, self.host), strict=True):
            responder.memory = memory
            if timing is not None:
                responder.timing = timing
        self.dut.aresetn.value = 1
        await RisingEdge(self._clock)
        self.silent()
        assert not self.dut.irq.value, "the interrupt is high after a reset"
        self.forget()

    def forget(self) -> None:
        """Forget what was observed so far."""
        for port in self.ports.values():
            port.forget()
        self.interrupts.clear()

    def silent(self) -> None:
        """See that the engine offers nothing."""
        dut = self.dut
        for port in (
            dut.m_axi_dev_arvalid, dut.m_axi_dev_awvalid, dut.m_axi_dev_wvalid,
            dut.m_axi_host_arvalid, dut.m_axi_host_awvalid, dut.m_axi_host_wvalid,
            dut.s_axil_rvalid, dut.s_axil_bvalid,
        ):
            assert not port.value, f"{port._name} is high and should not be"

    async def silence(self) -> None:
        """See that nothing is under way, and nothing more comes."""
        assert not self.busy, "something is under way"
        before = [len(port.reads + port.writes) for port in self.ports.values()]
        await self.wait(QUIET)
        after = [len(port.reads + port.writes) for port in self.ports.values()]
        assert before == after, "a burst came that nobody asked for"

    async def wait(self, cycles: int) -> None:
        """Let some cycles pass."""
        await ClockCycles(self._clock, cycles)

    # Registers

    async def read_word(self, offset: int) -> int:
        """Return a word of 32 bits.

        Raises
        ------
        ValueError
            If the engine has no register at this offset, in bytes.
        """
        answer = await self._registers.read(offset, 4)
        _check(offset, answer.resp)
        return int.from_bytes(answer.data, "little")

    async def write_word(self, offset: int, value: int) -> None:
        """Write a word of 32 bits.

        Raises
        ------
        ValueError
            If the engine has no register at this offset, in bytes.
        """
        await self.write_bytes(offset, value.to_bytes(4, "little"))

    async def write_bytes(self, offset: int, data: bytes) -> None:
        """Write any bytes, a word at a time.

        Raises
        ------
        ValueError
            If the engine lacks one of the registers.
        """
        answer = await self._registers.write(offset, data)
        _check(offset, answer.resp)

    async def read(self, name: str, channel: Channel | None = None) -> int:
        """Return a register, of one word or two."""
        at = address(name, channel)
        words = 1 if channel is None else CHANNEL[name].width // 32
        answer = await self._registers.read(at, 4 * words)
        _check(at, answer.resp)
        return int.from_bytes(answer.data, "little")

    async def write(
        self, name: str, value: int = 0, channel: Channel | None = None, **fields: int,
    ) -> None:
        """Write a register, of one word or two, whole or by its fields."""
        words = 1
        if channel is not None:
            words = CHANNEL[name].width // 32
            value |= CHANNEL[name].pack(**fields)
        await self.write_bytes(address(name, channel), value.to_bytes(4 * words, "little"))

    async def status(self, channel: Channel) -> dict[str, int]:
        """Return the fields of STATUS."""
        return CHANNEL["STATUS"].unpack(await self.read("STATUS", channel))

    async def until(self, channel: Channel, **fields: int) -> None:
        """Wait for fields of STATUS to have these values, all at once."""
        while not (await self.status(channel)).items() >= fields.items():
            await self.wait(INTERVAL)

    async def result(self, channel: Channel) -> Record:
        """Return RESULT."""
        answer = await self._registers.read(address("RESULT0", channel), Record.BYTES)
        return Record.unpack(answer.data)

    async def error(self, channel: Channel) -> tuple[int, int, int, int]:
        """Return ERROR (status and error code), ERROR_INDEX and ERROR_ADDR."""
        error = CHANNEL["ERROR"].unpack(await self.read("ERROR", channel))
        return (
            error["STATUS"], error["ERROR_CODE"], await self.read("ERROR_INDEX", channel),
            await self.read("ERROR_ADDR", channel))

    async def start(self, descriptor: Descriptor, channel: Channel) -> None:
        """Start a descriptor through registers."""
        await self.write_bytes(address("DIRECT0", channel), descriptor.pack())
        await self.write("COMMAND", channel=channel, START=1)

    async def enable(self, item: ChannelProgram) -> None:
        """Put the descriptors of a program into its ring, which has room for all, and enable it."""
        channel = item.channel
        assert len(item.descriptors) <= 1 << item.log2_size
        for slot, descriptor in enumerate(item.descriptors):
            self.host.write(item.ring + Descriptor.BYTES * slot, descriptor.pack())
        await self.write("RING_BASE", item.ring, channel)
        await self.write("RING_SIZE", item.log2_size, channel)
        await self.write("CTRL", channel=channel, ENABLE=1, **item.ctrl)

    # Programs

    async def prepare(self, program: Program, timing: MemoryTiming | None = None) -> None:
        """Reset, and put what a program wants into the memories."""
        memories = [
            Memory(base, len(data), [fault for fault in program.faults if fault.memory == name])
            for name, base, data in (
                ("dev", program.dev_base, program.dev), ("host", program.host_base, program.host))]
        await self.reset(*memories, timing=timing)
        program.load(self)

    async def run(self, program: Program, timing: MemoryTiming | None = None) -> Outcome:
        """Reset, run a program, compare its outcome with that of the golden model; return that."""
        await self.prepare(program, timing)
        outcome = await self.software(program.run)
        golden = program.golden()
        differences = list(compare(program, golden, outcome))
        assert not differences, "\n".join(differences[:10])
        assert not self.busy, "something is under way behind the last descriptor"
        return golden

    async def software(self, work: Callable[["Backend"], T]) -> T:
        """Run something that is not a coroutine, but wants a backend; return what it returns."""
        return await bridge(work)(Backend(self))


class Backend:
    """A bench as software sees it, for threads that ``cocotb.task.bridge`` has made.

    Parameters
    ----------
    bench : :class:`Bench`
        The bench.
    """

    def __init__(self, bench: Bench):
        self.dev, self.host = bench.dev, bench.host
        self._bench = bench
        self.read_register = resume(bench.read_word)
        self.write_register = resume(bench.write_word)
        self._interrupt = resume(self._sample)

    async def _sample(self) -> bool:
        return bool(self._bench.dut.irq.value)

    @property
    def irq(self) -> bool:
        """The interrupt."""
        return self._interrupt()

    def advance(self) -> None:
        """Let some time pass."""
        resume(self._bench.wait)(INTERVAL)


def _check(offset: int, response: AxiResp) -> None:
    assert response in (AxiResp.OKAY, AxiResp.SLVERR), f"{response!r} for {offset:#05x}"
    if response != AxiResp.OKAY:
        raise ValueError(f"Offset must be that of a register, not {offset:#05x}")
