# SPDX-License-Identifier: Apache-2.0
"""Bench of the codec's AXI4-Stream top, for tests that run inside the simulator.

Drivers are those of cocotbext-axi, the scoreboard is the golden model.
"""

import logging
import random
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, FallingEdge, ReadOnly, RisingEdge, Timer
from cocotb.utils import get_sim_time
from cocotbext.axi import AxiStreamBus, AxiStreamFrame, AxiStreamSink, AxiStreamSource

from opencdma.golden import transfer as golden
from opencdma.golden.transfer import Command, Result
from opencdma.sim.codec import Pauses, command_word
from opencdma.spec import GROUP_BYTES, Direction, ErrorCode, Status

__all__ = ["PERIOD", "Bench", "Monitor", "Transfer"]

#: Clock period in ns.
PERIOD = 10

#: Cycles in which nothing may come when everything expected has come.
QUIET = 40


@dataclass(frozen=True)
class Transfer:
    """A command and its packet.

    Parameters
    ----------
    command : :class:`~opencdma.golden.transfer.Command`
        What to do.
    data : :class:`bytes`
        The packet; whole beats if ``keeps`` is given.
    keeps : sequence of :class:`int`, or ``None``
        TKEEP of each beat; by default as it should be.
    """

    command: Command
    data: bytes
    keeps: Sequence[int] | None = None


def accepted(data: bytes, keeps: Sequence[int], width: int) -> tuple[bytes, bool]:
    """Return what the codec gets to see of a packet, and whether it was cut short.

    Every beat but the last must be full, and the last have its bytes in front; the packet ends at
    the first byte that is missing.
    """
    for beat, keep in enumerate(keeps):
        leading = (~keep & keep + 1).bit_length() - 1
        last = beat == len(keeps) - 1
        if leading < width:
            whole = last and keep == (1 << leading) - 1
            return data[:beat * width + leading], not whole
    return data, False


def decisions(seed: str, probability: float) -> Iterator[bool]:
    """Yield for ever whether to pause in a cycle."""
    rng = random.Random(seed)
    while True:
        yield rng.random() < probability


class Monitor:
    """Watches a stream: what is offered must stay, unchanged, until it is taken.

    Parameters
    ----------
    dut
        The top.
    name : :class:`str`
        Prefix of the stream's ports.
    payload : sequence of :class:`str`
        Its ports besides ``tvalid`` and ``tready``.

    Attributes
    ----------
    cycles : list of :class:`int`
        When beats were handed over.
    """

    def __init__(self, dut, name: str, payload: Sequence[str]):
        self.cycles = []
        self._name = name
        self._clock, self._resetn = dut.aclk, dut.aresetn
        self._valid, self._ready = (getattr(dut, f"{name}_{port}") for port in ("tvalid", "tready"))
        self._payload = [getattr(dut, f"{name}_{port}") for port in payload]
        cocotb.start_soon(self._run())

    async def _run(self):
        held = None
        edge = RisingEdge(self._clock)
        while True:
            await edge
            valid, ready = bool(self._valid.value), bool(self._ready.value)
            if not self._resetn.value:
                held = None
                continue
            if held is not None:
                assert valid, f"{self._name} was offered and withdrawn"
                assert held == self._sample(), f"{self._name} changed while it was offered"
            held = self._sample() if valid and not ready else None
            if valid and ready:
                self.cycles.append(int(get_sim_time("ns")) // PERIOD)

    def _sample(self):
        return [port.value for port in self._payload]


class Bench:
    """Drivers, monitors and scoreboard around a codec top. Call :meth:`reset` first.

    Parameters
    ----------
    dut
        The top.
    element_sizes : sequence of :class:`int`
        Bytes per element that the build can handle.

    Attributes
    ----------
    input, output, status : :class:`Monitor`
        Of the packets in and out, and of the statuses.
    width : :class:`int`
        Bytes per beat.
    """

    def __init__(self, dut, element_sizes: Sequence[int]):
        # The drivers report every frame, byte by byte.
        logging.getLogger(f"cocotb.{dut._name}").setLevel(logging.ERROR)
        self.dut = dut
        self.width = len(dut.s_axis_tkeep)
        self._element_sizes = element_sizes
        self._filler = random.Random(1)
        self._clock = dut.aclk

        def endpoint(kind, name):
            bus = AxiStreamBus.from_prefix(dut, name)
            return kind(bus, dut.aclk, dut.aresetn, reset_active_level=False)

        self._commands = endpoint(AxiStreamSource, "s_axis_cmd")
        self._packets = endpoint(AxiStreamSource, "s_axis")
        self._outputs = endpoint(AxiStreamSink, "m_axis")
        self._statuses = endpoint(AxiStreamSink, "m_axis_sts")
        self.input = Monitor(dut, "s_axis", ["tdata", "tkeep", "tlast"])
        self.output = Monitor(dut, "m_axis", ["tdata", "tkeep", "tlast"])
        self.status = Monitor(dut, "m_axis_sts", ["tdata"])
        cocotb.start_soon(Clock(dut.aclk, PERIOD, "ns").start(start_high=False))

    async def reset(self):
        """Reset the codec, wherever it is, and forget what was on its way."""
        self.dut.aresetn.value = 0
        await ClockCycles(self._clock, 4)
        for endpoint in (self._commands, self._packets, self._outputs, self._statuses):
            endpoint.clear()
        for port in (self.dut.m_axis_tvalid, self.dut.m_axis_sts_tvalid):
            assert not port.value, f"{port._name} is high in reset"
        self.dut.aresetn.value = 1
        await ClockCycles(self._clock, 2)

    async def wait(self, cycles: int):
        """Let some cycles pass."""
        await ClockCycles(self._clock, cycles)

    def start(self, transfers: Sequence[Transfer], pauses: Pauses | None = None):
        """Put transfers in line, and have the interfaces pause from now on."""
        self._pause(Pauses() if pauses is None else pauses)
        for transfer in transfers:
            word = command_word(transfer.command)
            self._commands.send_nowait(AxiStreamFrame(word.to_bytes(8, "little")))
            data, keeps = self._beats(transfer)
            lanes = [keep >> lane & 1 for keep in keeps for lane in range(self.width)]
            self._packets.send_nowait(AxiStreamFrame(data, lanes))

    async def run(
        self, transfers: Sequence[Transfer], pauses: Pauses | None = None,
    ) -> list[Result]:
        """Send transfers, compare all that comes back with the golden model, and return that.

        Nothing else may be on its way.
        """
        for monitor in (self.input, self.output, self.status):
            monitor.cycles.clear()
        self.start(transfers, pauses)
        results = []
        for transfer in transfers:
            output = await self._outputs.recv(compact=False)
            status = await self._statuses.recv()
            assert status.sim_time_start > output.sim_time_end, "a status overtook its packet"
            results.append(self._check(transfer, output, bytes(status.tdata)))
        return results

    async def silence(self):
        """See that nothing more comes."""
        self._pause(Pauses())
        for monitor in (self.output, self.status):
            monitor.cycles.clear()
        await ClockCycles(self._clock, QUIET)
        assert not self.output.cycles, "a packet came that nobody asked for"
        assert not self.status.cycles, "a status came that nobody asked for"

    def probe(self, seed: int):
        """From now on, see in every cycle that no output depends on an input but by the clock.

        Parameters
        ----------
        seed : :class:`int`
            Decides which inputs are changed, and to what.
        """
        cocotb.start_soon(self._probe(random.Random(seed)))

    async def _probe(self, rng):
        dut = self.dut
        inputs = [
            dut.s_axis_cmd_tvalid, dut.s_axis_cmd_tdata, dut.s_axis_tvalid, dut.s_axis_tdata,
            dut.s_axis_tkeep, dut.s_axis_tlast, dut.m_axis_tready, dut.m_axis_sts_tready,
        ]
        outputs = [
            dut.s_axis_cmd_tready, dut.s_axis_tready, dut.m_axis_tvalid, dut.m_axis_tdata,
            dut.m_axis_tkeep, dut.m_axis_tlast, dut.m_axis_sts_tvalid, dut.m_axis_sts_tdata,
        ]
        while True:
            await FallingEdge(dut.aclk)
            before = [port.value for port in outputs]
            changed = [port for port in inputs if rng.random() < 0.5]
            real = [port.value for port in changed]
            for port in changed:
                bits = len(port)
                port.value = rng.getrandbits(bits) if bits > 1 else not port.value
            await ReadOnly()
            for port, value in zip(outputs, before, strict=True):
                names = [port._name for port in changed]
                assert port.value == value, f"{port._name} follows one of {names} within the cycle"
            await Timer(PERIOD // 5, "ns")
            for port, value in zip(changed, real, strict=True):
                port.value = value

    def _pause(self, pauses: Pauses):
        """Have the interfaces pause as told."""
        for endpoint, name in (
            (self._commands, "command"), (self._packets, "input"),
            (self._outputs, "output"), (self._statuses, "status"),
        ):
            endpoint.clear_pause_generator()
            endpoint.pause = False
            probability = getattr(pauses, name)
            if probability:
                endpoint.set_pause_generator(decisions(f"{name} {pauses.seed}", probability))

    def _beats(self, transfer: Transfer) -> tuple[bytes, Sequence[int]]:
        """Return the bytes of a packet's beats, and TKEEP of each.

        Bytes that are not kept are random. An empty packet has a beat, too.
        """
        data, width = transfer.data, self.width
        if transfer.keeps is not None:
            return data, transfer.keeps
        beats = max(1, -(-len(data) // width))
        spare = beats * width - len(data)
        keeps = [(1 << width) - 1] * (beats - 1) + [(1 << width - spare) - 1]
        return data + self._filler.randbytes(spare), keeps

    def _check(self, transfer: Transfer, output: AxiStreamFrame, status: bytes) -> Result:
        """Compare a packet and a status with the golden model's, and return its result."""
        data, cut = accepted(*self._beats(transfer), self.width)
        want = golden.run(
            transfer.command, data, element_sizes=self._element_sizes, framing_error=cut)
        story = f"{transfer.command}, {len(data)} bytes {data[:64].hex()}..., cut: {cut}"

        code, error_code, reserved, bytes_in, bytes_out, nonzeros, position = struct.unpack(
            "<BBH4I", status)
        got = (Status(code), ErrorCode(error_code), position, bytes_in, bytes_out, nonzeros)
        fields = ("status", "error_code", "position", "bytes_in", "bytes_out", "nonzeros")
        assert got == tuple(getattr(want, field) for field in fields), f"{got}: {want} of {story}"
        assert reserved == 0, story

        kept = sum(output.tkeep)
        assert not any(output.tkeep[kept:]), f"bytes are missing inside the packet: {story}"
        packet = bytes(output.tdata[:kept])
        beats = len(output.tkeep) // self.width
        if want.status is Status.DATA_ERROR and transfer.command.direction == Direction.DECOMPRESS:
            # More of the offending group may come out than is good, and an empty beat at the end.
            end = min(len(want.output) + GROUP_BYTES, transfer.command.raw_length)
            assert packet.startswith(want.output), story
            assert len(packet) <= end, story
            assert beats <= kept // self.width + 1, story
        else:
            assert packet == want.output, story
            assert beats == max(1, -(-kept // self.width)), story
        return want
