# SPDX-License-Identifier: Apache-2.0
"""Random descriptor programs for any build.

A program mixes good descriptors and bad ones, and whatever else may go wrong, but what becomes of
it does not depend on time: no two descriptors touch the same bytes unless a FENCE orders them.
"""

import random
from dataclasses import replace

from program_compare import compare
from program_descriptors import DescriptorMaker, Draft
from program_memories import LINE, FullError, Memories
from program_mistakes import areas_elsewhere, with_mistake
from program_run import ChannelProgram, Outcome, Program

from opencdma.golden.descriptor_areas import destination, source
from opencdma.golden.descriptor_rules import ChannelSettings
from opencdma.golden.device_memory import Fault
from opencdma.sim.memory import FAULT_BYTES
from opencdma.spec import Channel, Config, Descriptor, Flag, Opcode, Record

__all__ = ["Outcome", "Program", "compare", "random_program"]

_NAMES = ("dev", "host")
_TOP = (1 << 64) - 1


def random_program(
    seed: int, config: Config, *, size: int = 1 << 18, most: int = 20,
) -> Program:
    """Return the program that a seed stands for.

    Parameters
    ----------
    seed : :class:`int`
        Any number; the same program comes of it every time.
    config : :class:`~opencdma.spec.Config`
        The build it is for.
    size : :class:`int`
        Bytes of each memory, a multiple of 4096.
    most : :class:`int`
        Descriptors per channel at most.
    """
    rng = random.Random(f"{config.build_id} {seed}")
    top = (1 << config.address_bits) - size
    bases = rng.choice((
        (0x8000_0000, 0x1000_0000), (0x8000_0000, 0x1000_0000), (0x4000_0000, 0x4000_0000),
        (top, top), (0, 0x4000_0000), (0x4000_0000, top)))
    memories = Memories(rng, size, bases)
    makers = [
        _ChannelMaker(rng, config, memories, channel, seed)
        for channel in list(Channel)[: config.channels]]
    # In turn, so that the places of both channels are mixed.
    lengths = [rng.randrange(1, most + 1) for _ in makers]
    try:
        for number in range(most):
            for maker, length in zip(makers, lengths, strict=True):
                if number < length:
                    maker.add()
    except FullError:
        pass  # enough of them, then
    channels = tuple(maker.finish() for maker in makers)
    faults = [fault for maker in makers for fault in maker.faults]
    return Program(
        seed=seed, config=config, dev=bytes(memories.images[0]), host=bytes(memories.images[1]),
        dev_base=bases[0], host_base=bases[1], faults=tuple(faults),
        irq_enable=rng.getrandbits(4), channels=channels)


class _ChannelMaker:
    """Makes the program of one channel."""

    def __init__(
        self, rng: random.Random, config: Config, memories: Memories, channel: Channel, seed: int,
    ):
        self._rng = rng
        self._config = config
        self._memories = memories
        # Its own, so that which beats of a line are refused changes nothing else of a program.
        self._part_rng = random.Random(f"{config.build_id} {seed} faults {channel}")
        self._channel = channel
        self._direction = rng.choice(list(Channel)) if config.shared else Channel.OFFLOAD
        self._maker = DescriptorMaker(rng, config, memories)
        self._drafts: list[Draft] = []
        #: Drafts that must stay as they are, as others count on them or their places.
        self._fixed: set[int] = set()
        self.faults: list[Fault] = []
        self._log2_size = rng.randrange(4)
        length = Descriptor.BYTES << self._log2_size
        self._ring, self._spare_ring = (memories.take(1, length, LINE) for _ in range(2))

    def add(self) -> None:
        """Put a descriptor behind the others."""
        rng, config = self._rng, self._config
        last = self._drafts[-1] if self._drafts else None
        if (config.shared and last is not None and rng.random() < 0.3
                and last.plain and last.reads_well and last.writes_well
                and last.descriptor.opcode in (Opcode.COMPRESS, Opcode.COMPRESS_VERIFY)):
            self._fixed.add(len(self._drafts) - 1)
            self._drafts.append(self._maker.decompress_again(last))
            return
        way, copies = self._channel, True
        if config.shared:
            way = rng.choice(list(Channel))
            copies = way is self._direction
        draft = self._maker.make(way, copies=copies)
        reused = rng.random() < 0.1 and self._reuse(draft)
        if rng.random() < 0.3:
            self._faults_for(draft, writes=not reused)
        self._drafts.append(draft)

    def _reuse(self, draft: Draft) -> bool:
        """Have a draft write where an earlier one did, behind a FENCE; return whether it does."""
        mine = destination(draft.descriptor, self._config)
        for number, earlier in enumerate(self._drafts):
            theirs = destination(earlier.descriptor, self._config)
            if (earlier.way is draft.way and mine.rows == theirs.rows == 1
                    and 0 < draft.span <= earlier.span
                    and earlier.writes_well and draft.writes_well):
                self._fixed.add(number)
                draft.descriptor = replace(
                    draft.descriptor, dst_addr=earlier.descriptor.dst_addr,
                    flags=draft.descriptor.flags | Flag.FENCE)
                return True
        return False

    def _faults_for(self, draft: Draft, *, writes: bool) -> None:
        """Have memories refuse some of what a draft does."""
        rng, descriptor = self._rng, draft.descriptor
        reads_from = source(descriptor, self._config)
        kind = rng.choice(("read", "read", "write", "write", "both", "record", "harmless"))
        if kind == "record":
            self._fault(1, descriptor.completion_addr, Record.BYTES)
        span = reads_from.end - reads_from.address
        readable, writable = 1 - _writable(draft.way), _writable(draft.way)
        if kind in ("read", "both") and span:
            draft.reads_well = False
            self._fault(readable, reads_from.address, span, writes=rng.random() < 0.5)
        if kind in ("write", "both") and writes:
            draft.writes_well = False
            self._fault(writable, descriptor.dst_addr, draft.span, reads=rng.random() < 0.5)
        if kind == "harmless":
            self._fault(readable, reads_from.address, span, reads=False)

    def _fault(
        self, memory: int, address: int, length: int, *, reads: bool = True, writes: bool = True,
    ) -> None:
        """Have a memory refuse one or two runs of lines of some bytes, or of beats in them."""
        rng, part_rng = self._rng, self._part_rng
        end = min(address + length, self._memories.bases[memory] + self._memories.size)
        lines = range(address // LINE * LINE, end, LINE)
        for _ in range(rng.choice((1, 1, 2))):
            if lines:
                first = rng.randrange(len(lines))
                count = min(rng.choice((1, 1, 2, 5)), len(lines) - first)
                base, size = lines[first], count * LINE
                if part_rng.random() < 0.6:
                    base += part_rng.randrange(0, size, FAULT_BYTES)
                    left = lines[first] + size - base
                    size = min(part_rng.choice((1, 1, 2, 3, 7)) * FAULT_BYTES, left)
                self.faults.append(Fault(
                    _NAMES[memory], base, size, rng.choice(("slverr", "decerr")), reads, writes))

    def finish(self) -> ChannelProgram:
        """Return the program."""
        rng = self._rng
        settings = ChannelSettings(
            channel=self._channel, direction=self._direction, same_memory=rng.random() < 0.4,
            **self._windows())
        descriptors = tuple(
            self._spoiled(draft, settings) if number not in self._fixed and rng.random() < 0.35
            else draft.descriptor
            for number, draft in enumerate(self._drafts))
        direct = len(descriptors)
        if self._config.rings:
            direct = rng.choice((0, 0, 0, 0, 0, 0, rng.randrange(direct + 1), direct))
            if rng.random() < 0.1:
                self._fault(1, self._ring, Descriptor.BYTES << self._log2_size)
        registers = {
            name.upper(): getattr(settings, name) for name in self._windows_names()
        } | {"TIMEOUT": rng.choice((0, 20, 31)), "IRQ_COUNT": rng.randrange(5)}
        return ChannelProgram(
            channel=self._channel, descriptors=descriptors, registers=registers,
            ctrl={"SAME_MEMORY": int(settings.same_memory), "DIRECTION": int(self._direction)},
            direct=direct, log2_size=self._log2_size, ring=self._ring,
            spare_ring=self._spare_ring,
            doorbells=tuple(rng.choice((1, 1, 2, 3, 8)) for _ in range(rng.randrange(1, 6))),
            reset=rng.random() < 0.15, abort=rng.random() < 0.15,
            excess=rng.choice((0, 0, 0, 0, 0, 0, 1, 1 << 16, 1 << 31)))

    def _windows_names(self):
        return [
            f"{kind}_{side}" for kind in ("read", "write", "record") for side in ("low", "high")]

    def _windows(self) -> dict[str, int]:
        """Return windows: open, just around the memories, or just around what is used."""
        kind = self._rng.choice(("open", "open", "memories", "used"))
        if kind == "open":
            return {}
        low = min(self._memories.bases)
        high = max(self._memories.bases) + self._memories.size - 1
        windows = dict.fromkeys(self._windows_names(), low)
        windows |= {name: high for name in windows if name.endswith("high")}
        if kind == "used":
            used = {"read": [], "write": [], "record": []}
            for draft in self._drafts:
                descriptor = draft.descriptor
                areas = (
                    ("read", source(descriptor, self._config)),
                    ("write", destination(descriptor, self._config)))
                for name, area in areas:
                    if area.address < area.end <= high + 1:
                        used[name].append((area.address, area.end - 1))
                used["record"].append((
                    descriptor.completion_addr, descriptor.completion_addr + Record.BYTES - 1))
            for name, ranges in used.items():
                if ranges:
                    windows[f"{name}_low"] = min(first for first, _ in ranges)
                    windows[f"{name}_high"] = max(last for _, last in ranges)
        return windows

    def _spoiled(self, draft: Draft, settings: ChannelSettings) -> Descriptor:
        """Return a draft's descriptor with something wrong with it."""
        rng, descriptor = self._rng, draft.descriptor
        if rng.random() < 0.85:
            return with_mistake(rng, descriptor, self._config, settings)
        reads, writes = source(descriptor, self._config), destination(descriptor, self._config)
        memories = {"completion_addr": 1}
        if reads.row_length:
            memories["src_addr"] = 1 - _writable(draft.way)
        if writes.row_length:
            memories["dst_addr"] = _writable(draft.way)
        field = rng.choice(list(memories))
        nowhere = list(areas_elsewhere(
            self._memories.bases[memories[field]], self._memories.size,
            self._config.address_bits))
        return replace(descriptor, **{field: rng.choice(nowhere)})


def _writable(way: Channel) -> int:
    """Return the number of the memory that is written: 0 device, 1 host."""
    return 1 if way is Channel.OFFLOAD else 0
