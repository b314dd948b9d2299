# SPDX-License-Identifier: Apache-2.0
"""The same descriptors over and over again, and what a stop in the middle of them may leave."""

from collections.abc import Collection
from dataclasses import replace

import numpy as np
from cdma_bench import INTERVAL, Bench
from program_compare import written_bytes, written_memory
from program_run import Program

from opencdma.golden.device_channel import Completion
from opencdma.spec import Channel, Descriptor, Info, Record, Status
from opencdma.spec.registers import CHANNEL

__all__ = ["GOOD", "Batch"]

#: What a descriptor of a batch ends with when it is not stopped.
GOOD = {Status.OK, Status.OK_RAW}


class Batch:
    """A program whose descriptors fill the rings, or that goes through registers one by one.

    Parameters
    ----------
    bench : :class:`~cdma_bench.Bench`
        The bench.
    program : :class:`~program_run.Program`
        In the golden model all of it comes out right.
    """

    def __init__(self, bench: Bench, program: Program):
        self._bench = bench
        self._program = program
        self._rings = bench.config.rings
        golden = program.golden()
        assert {item.record.status for item in golden.log} <= GOOD
        self._images = {"dev": golden.dev, "host": golden.host}
        #: Completions in the golden model, by channel.
        self.golden = {
            item.channel: [done for done in golden.log if done.channel is item.channel]
            for item in program.channels}
        self._tails = dict.fromkeys(self.golden, 0)

    # What is asked of the engine

    async def set_up(self, *channels: Channel) -> None:
        """Enable the rings of channels that were reset."""
        for item in self._program.channels:
            if item.channel in channels:
                self._tails[item.channel] = 0
                if self._rings:
                    await self._bench.enable(item)
                else:
                    await self._bench.write("CTRL", channel=item.channel, **item.ctrl)

    async def start(self) -> None:
        """Have the memories as before, and begin with everything."""
        self._program.load(self._bench)
        for item in self._program.channels:
            if self._rings:
                for slot, descriptor in enumerate(item.descriptors):
                    at = item.ring + Descriptor.BYTES * slot
                    self._bench.host.write(at, descriptor.pack())
            for done in self.golden[item.channel]: # and no record is there yet
                self._bench.host.write(done.descriptor.completion_addr, bytes(Record.BYTES))
        for channel, done in self.golden.items():
            if self._rings:
                self._tails[channel] += len(done)
                await self._bench.write("TAIL", self._tails[channel], channel)
            else:
                await self._bench.start(done[0].descriptor, channel)

    async def finish(self, *channels: Channel) -> None:
        """Wait until channels have come to the end of it."""
        for channel in channels:
            while self._rings and await self._bench.read("HEAD", channel) != self._tails[channel]:
                await self._bench.wait(INTERVAL)
            await self._bench.until(channel, IDLE=1, BUSY=0)

    async def done(self, channel: Channel) -> int:
        """Return how many descriptors of a channel are complete, one way or another."""
        if not self._rings:
            return sum(status != Status.PENDING for status in self.statuses(channel))
        first = self._tails[channel] - len(self.golden[channel])
        return await self._bench.read("HEAD", channel) - first

    # What comes of it

    def statuses(self, channel: Channel) -> list[Status]:
        """Return what the records of a channel say."""
        return [
            Status(self._bench.host.read(done.descriptor.completion_addr, 1)[0])
            for done in self.golden[channel]]

    def story(self) -> str:
        """Return what the records say, for people."""
        return "; ".join(
            f"{channel.name}: {' '.join(status.name for status in self.statuses(channel))}"
            for channel in self.golden)

    def check(self, *, silent: Collection[Channel] = ()) -> None:
        """See that the memories are what the records say, to the last byte.

        Parameters
        ----------
        silent : collection of :class:`~opencdma.spec.Channel`
            Channels whose records may be missing, or lack their status.
        """
        program, bench = self._program, self._bench
        expected = {
            name: np.frombuffer(getattr(program, name), np.uint8).copy() for name in self._images}
        known = {name: np.ones(image.size, bool) for name, image in expected.items()}
        for item in program.channels:
            for slot, descriptor in enumerate(item.descriptors if self._rings else ()):
                at = item.ring - program.host_base + Descriptor.BYTES * slot
                expected["host"][at : at + Descriptor.BYTES] = [*descriptor.pack()]
            for done, status in zip(
                    self.golden[item.channel], self.statuses(item.channel), strict=True):
                self._expect(done, status, item.channel in silent, expected, known)
        for name, memory in (("dev", bench.dev), ("host", bench.host)):
            actual = np.frombuffer(memory.read(memory.base, memory.size), np.uint8)
            wrong = np.flatnonzero((actual != expected[name]) & known[name])
            assert not wrong.size, (
                f"{wrong.size} bytes of {name} memory are wrong, the first at "
                f"{memory.base + wrong[0]:#x}: {actual[wrong[0]]:#04x} instead of "
                f"{expected[name][wrong[0]]:#04x}; {self.story()}")

    def _expect(
        self, done: Completion, status: Status, silent: bool, expected: dict[str, np.ndarray],
        known: dict[str, np.ndarray],
    ) -> None:
        """Note what a descriptor with a status must have written, and where it may be anything."""
        at = done.descriptor.completion_addr - self._program.host_base
        expected["host"][at : at + Record.BYTES] = [*self._record(done, status).pack()]
        if silent and status == Status.PENDING: # its body may be there
            known["host"][at + 4 : at + Record.BYTES] = False
        name = written_memory(done)
        if name is None:
            return
        base = getattr(self._program, f"{name}_base")
        area = written_bytes(self._program, done) - base
        if status in GOOD:
            expected[name][area] = np.frombuffer(self._images[name], np.uint8)[area]
        elif silent or status == Status.ABORTED:
            known[name][area] = False

    def _record(self, done: Completion, status: Status) -> Record:
        """Return what must be in a record that has a status."""
        turn = (self._tails[done.channel] - 1) // len(self.golden[done.channel])
        phase = Info.PHASE if self._rings and turn & 1 else 0
        if status == Status.PENDING:
            return Record()
        if status in (Status.ABORTED, Status.FLUSHED):
            given = done.descriptor
            return Record(status=status, tag=given.tag, format_id=given.format_id, info=phase)
        return replace(done.record, info=done.record.info & ~Info.PHASE | phase)

    async def check_registers(self, channel: Channel, kept: dict[str, int]) -> None:
        """See that a channel's registers are as after power-up, but for some."""
        for name, register in CHANNEL.items():
            expected = kept.get(name, register.reset) & register.mask(self._bench.config)
            if name == "STATUS":
                expected = register.pack(IDLE=1)
            if name != "COMMAND":
                assert await self._bench.read(name, channel) == expected, name
