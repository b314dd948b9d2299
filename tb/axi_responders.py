# SPDX-License-Identifier: Apache-2.0
"""Memories at the AXI4 ports of the engine: one that is quick, one that can be slow and refuse.

Both hold a :class:`~opencdma.golden.device_memory.Memory`, which may be exchanged during a reset.
"""

import random
from collections import deque
from collections.abc import Iterator

import cocotb
from cocotb.triggers import RisingEdge
from cocotbext.axi import AxiBus, AxiRam

from opencdma.golden.device_memory import Memory
from opencdma.sim.memory import MemoryTiming

__all__ = ["Ram", "Responder", "decisions"]

_RESPONSES = {"slverr": 2, "decerr": 3}
_CHANNELS = ("ar", "r", "aw", "w", "b")


def decisions(seed: str, probability: float) -> Iterator[bool]:
    """Yield for ever whether to pause in a cycle."""
    rng = random.Random(seed)
    while True:
        yield rng.random() < probability


class Ram:
    """The memory of cocotbext-axi, with pauses. Faults are not for it.

    Parameters
    ----------
    dut
        The top.
    name : :class:`str`
        Prefix of the port's signals.
    memory : :class:`~opencdma.golden.device_memory.Memory`
        What it holds.
    timing : :class:`~opencdma.sim.memory.MemoryTiming`
        Its pauses; it has its own latency.
    """

    def __init__(self, dut, name: str, memory: Memory, timing: MemoryTiming):
        self.memory = memory
        ram = AxiRam(
            AxiBus.from_prefix(dut, name), dut.aclk, dut.aresetn, reset_active_level=False,
            mem=self)
        for channel in _CHANNELS:
            side = ram.read_if if channel in ("ar", "r") else ram.write_if
            getattr(side, f"{channel}_channel").set_pause_generator(
                decisions(f"{name} {channel}", getattr(timing, channel)))

    # As cocotbext-axi sees a memory: bytes from address 0 on.

    def __len__(self) -> int:
        return self.memory.base + self.memory.size

    def __getitem__(self, at: slice) -> bytes:
        return self.memory.read(at.start, at.stop - at.start)

    def __setitem__(self, at: slice, data: bytes) -> None:
        self.memory.write(at.start, data)


class Responder:
    """A memory that answers in order, as late and as irregularly as it is told, and may refuse.

    It refuses what its memory does. What it reads and writes it does beat by beat.

    Parameters
    ----------
    dut
        The top.
    name : :class:`str`
        Prefix of the port's signals.
    memory : :class:`~opencdma.golden.device_memory.Memory`
        What it holds, and refuses.
    timing : :class:`~opencdma.sim.memory.MemoryTiming`
        How it behaves. May be exchanged.
    """

    def __init__(self, dut, name: str, memory: Memory, timing: MemoryTiming):
        self.memory = memory
        self.timing = timing
        self._rng = random.Random(name)
        self._clock, self._resetn = dut.aclk, dut.aresetn
        self._prefix, self._dut = name, dut
        self._width = len(self._signal("wstrb"))
        self._driven = {}
        self._forget()
        cocotb.start_soon(self._run())

    def _signal(self, name):
        return getattr(self._dut, f"{self._prefix}_{name}")

    def _forget(self):
        self._reads = deque() # address, beats left, cycle of the first
        self._addresses = deque() # of bursts to be written, and their beats
        self._beats = deque() # data to be written
        self._acknowledgements = deque() # cycle, response
        self._refusal = 0 # of the burst that is being written
        self._addressed = 0 # bursts whose address was taken
        self._filled = 0 # bursts whose last data were taken
        self._data_wait = False # of the burst behind those, some were taken or are offered
        self._r_offered = self._b_offered = False
        self._drive(arready=0, rvalid=0, awready=0, wready=0, bvalid=0)

    def _drive(self, **values):
        for name, value in values.items():
            if self._driven.get(name) != value:
                self._driven[name] = value
                self._signal(name).value = value

    async def _run(self):
        edge = RisingEdge(self._clock)
        cycle = 0
        while True:
            await edge
            cycle += 1
            if not self._resetn.value:
                self._forget()
                continue
            self._take(cycle)
            self._offer(cycle)

    def _take(self, cycle):
        """Take what was handed over in this cycle."""
        timing, driven = self.timing, self._driven
        if self._r_offered and self._signal("rready").value:
            self._r_offered = False
        if self._b_offered and self._signal("bready").value:
            self._b_offered = False
        if driven["arready"] and self._signal("arvalid").value:
            self._reads.append([*self._burst("ar"), cycle + timing.read_latency])
        if driven["awready"] and self._signal("awvalid").value:
            self._addresses.append(self._burst("aw"))
            self._addressed += 1
        if self._signal("wvalid").value:
            self._data_wait = True
            if driven["wready"]:
                data = int(self._signal("wdata").value).to_bytes(self._width, "little")
                self._beats.append((data, int(self._signal("wstrb").value)))
                if self._signal("wlast").value:
                    self._filled += 1
                    self._data_wait = False
        while self._addresses and self._beats:
            self._store(cycle)

    def _burst(self, channel):
        address = int(self._signal(f"{channel}addr").value)
        return address, int(self._signal(f"{channel}len").value) + 1

    def _store(self, cycle):
        """Write the oldest beat of data to where it belongs."""
        address, left = self._addresses.popleft()
        data, strobe = self._beats.popleft()
        if strobe:
            low, high = (strobe & -strobe).bit_length() - 1, strobe.bit_length()
            error = self.memory.store(
                [(address + low, high - low)], data[low:high], self._width, 1)
            self._refusal = self._refusal or (_RESPONSES[error.kind] if error else 0)
        if left > 1:
            self._addresses.appendleft((address + self._width, left - 1))
        else:
            self._acknowledgements.append((cycle + self.timing.write_latency, self._refusal))
            self._refusal = 0

    def _offer(self, cycle):
        """Decide what is offered in the next cycle."""
        timing = self.timing
        self._drive(
            arready=self._goes(timing.ar, timing.reads, len(self._reads)),
            wready=self._goes(timing.w),
            awready=self._address_in_time() and self._goes(
                timing.aw, timing.writes, len(self._addresses) + len(self._acknowledgements)))
        if not self._r_offered:
            due = bool(self._reads) and cycle + 1 >= self._reads[0][2]
            self._r_offered = due and self._goes(timing.r)
            if self._r_offered:
                self._fetch()
            self._drive(rvalid=int(self._r_offered))
        if not self._b_offered:
            due = bool(self._acknowledgements) and cycle + 1 >= self._acknowledgements[0][0]
            self._b_offered = due and self._goes(timing.b)
            if self._b_offered:
                self._drive(bid=0, bresp=self._acknowledgements.popleft()[1])
            self._drive(bvalid=int(self._b_offered))

    def _goes(self, pause, limit=0, used=0):
        return int((not limit or used < limit) and self._rng.random() >= pause)

    def _address_in_time(self):
        """Tell whether the next address may be taken, as data of its burst have been offered."""
        offered = self._filled + self._data_wait
        return not self.timing.late_address or offered > self._addressed

    def _fetch(self):
        address, left, due = self._reads[0]
        data, error = self.memory.fetch([(address, self._width)], self._width)
        if error:
            data = b"\xEE" * self._width
        self._drive(
            rid=0, rdata=int.from_bytes(data, "little"), rlast=int(left == 1),
            rresp=_RESPONSES[error.kind] if error else 0)
        if left > 1:
            self._reads[0] = [address + self._width, left - 1, due]
        else:
            self._reads.popleft()
