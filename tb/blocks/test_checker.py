# SPDX-License-Identifier: Apache-2.0
"""The checker: descriptors of all kinds against the rules of the golden model."""

import random
from dataclasses import asdict, dataclass, replace
from itertools import pairwise

import pytest
from program_descriptors import DescriptorMaker
from program_memories import FullError, Memories
from program_mistakes import with_mistake
from streams import Bench

from opencdma.golden.descriptor_areas import Area, destination, raw_side, source
from opencdma.golden.descriptor_rules import ChannelSettings, check, record_address_good, way
from opencdma.hw.dma.checker import Checker
from opencdma.spec import (
    MAX_RAW_LENGTH,
    PRESETS,
    Channel,
    Config,
    Descriptor,
    ErrorCode,
    Flag,
    FormatId,
    Opcode,
    Status,
)

OFFLOAD, PREFETCH = Channel
WORD = 1 << 32

CONFIGS = PRESETS | {
    "narrow host": Config(
        dev_width=64, host_width=16, address_bits=40, element_sizes=(2, 4), crc=False),
    "shared": Config(shared=True, unaligned=True, element_sizes=(2,), verify=True, windows=False),
    "one row": Config(two_d=False, address_bits=33, rings=False),
}

#: Every build with each of its channels; ``None`` is the one of a shared build.
CHECKERS = [
    pytest.param(config, channel, id=f"{name}-{channel.name if channel is not None else 'both'}")
    for name, config in CONFIGS.items()
    for channel in ((None,) if config.shared else Channel)
]


@dataclass(frozen=True)
class Case:
    """A descriptor and everything that matters to its plan."""

    descriptor: Descriptor
    settings: ChannelSettings
    index: int = 0
    direct: bool = False
    ring_size: int = 0

    @property
    def given(self):
        """The payload of the descriptor."""
        return {
            "words": asdict(self.descriptor), "index": self.index, "direct": int(self.direct)}

    @property
    def registers(self):
        """The settings of the checker."""
        values = asdict(self.settings)
        return {
            **{name: values[name] for name in values if name.endswith(("low", "high"))},
            "same_memory": int(self.settings.same_memory),
            "prefetch": int(self.settings.direction == PREFETCH), "ring_size": self.ring_size,
        }

    def plan(self, config):
        """Return what is to be seen in the plan; what a refusal leaves open is not in it."""
        d = self.descriptor
        status, error_code = check(d, config, self.settings)
        flags = Flag(d.flags & sum(Flag))
        wanted = Flag.WRITE_RECORD in flags
        good = record_address_good(d, config, self.settings)
        plan = {
            "status": status, "error_code": error_code, "named_format": d.format_id,
            "fence": Flag.FENCE in flags, "irq": Flag.IRQ in flags,
            "stop_on_error": Flag.STOP_ON_ERROR in flags,
            "record_always": wanted and good and Flag.RECORD_ON_ERROR_ONLY not in flags,
            "record_on_error": wanted and good, "record_lost": wanted and not good,
            "tag": d.tag, "completion_addr": d.completion_addr, "index": self.index,
            "direct": self.direct, "phase": not self.direct and self.index >> self.ring_size & 1,
            "timeout": d.timeout, "runs": 0,
        }
        if status is not Status.OK:
            return plan
        to_host = way(d, config, self.settings) is OFFLOAD
        plan |= {"offload": to_host, "drain": d.opcode == Opcode.DRAIN}
        if d.opcode in (Opcode.NOP, Opcode.DRAIN):
            return plan

        raw = raw_side(d, config)
        room = d.max_dst_len
        limit = room
        copies = d.opcode in (Opcode.COPY, Opcode.FILL)
        if d.opcode == Opcode.DECOMPRESS:
            limit = room = raw.length
        elif d.opcode == Opcode.MEASURE:
            limit = 0
        elif Flag.RAW_IF_LARGER in flags:
            limit = min(room, raw.length)
        plan |= {
            "runs": 1, "encodes": not copies, "pattern": d.opcode == Opcode.FILL,
            "discard": d.opcode == Opcode.MEASURE, "verify": d.opcode == Opcode.COMPRESS_VERIFY,
            "format_id": FormatId.RAW if copies else d.format_id, "raw_length": raw.length,
            "limit": limit, "capacity": room, "check_crc": Flag.CHECK_CRC in flags,
            "raw_if_larger": Flag.RAW_IF_LARGER in flags, "expected_crc": d.expected_crc,
            "qos": d.qos, "cache": d.cache,
        }
        if not copies:
            plan["element_type"] = d.element_type
        if d.opcode == Opcode.FILL:
            plan |= {"source": {"address": d.src_addr}, "source_length": raw.length}
        else:
            reads = source(d, config)
            plan |= {"source": extent(reads), "source_length": reads.length}
        if d.opcode != Opcode.MEASURE:
            plan["destination"] = extent(destination(d, config))
        return plan


def extent(area: Area) -> dict[str, int]:
    """Return an area as the movers want it; the stride is left open when there is one row."""
    rows = {"rows_minus_1": area.rows - 1}
    if area.rows > 1:
        rows["stride"] = area.stride
    return {"address": area.address, "row_length": area.row_length} | rows


def picked(result, wanted):
    """Return those parts of a result that something is said about."""
    if not isinstance(wanted, dict):
        return result
    return {name: picked(result[name], wanted[name]) for name in wanted}


class Cases:
    """Random cases: good descriptors, descriptors with mistakes, and those at the limits."""

    def __init__(self, config: Config, channel: Channel | None, seed: int):
        self._config = config
        self._channel = channel
        self._rng = random.Random(seed)
        self._renew()

    def _renew(self):
        """Choose where the memories are, and settings that fit them."""
        rng, config = self._rng, self._config
        size, top = 1 << 17, 1 << config.address_bits
        same = rng.random() < 0.5
        bases = rng.choice((
            (0x8000_0000, 0x1000_0000), (top - size, 0), (top // 2, top // 2 + size),
            (rng.randrange(0, top - size, 0x1000), rng.randrange(0, top - size, 0x1000))))
        bases = (bases[0], bases[0]) if same else bases
        self._memories = Memories(rng, size, bases)
        self._maker = DescriptorMaker(rng, config, self._memories)
        self._way = rng.choice(list(Channel)) if self._channel is None else self._channel
        windows = {}
        reads, writes = bases if self._way is OFFLOAD else bases[::-1]
        for name, base in (("read", reads), ("write", writes), ("record", bases[1])):
            if rng.random() < 0.8:
                windows |= {f"{name}_low": base, f"{name}_high": base + size - 1}
        self._settings = ChannelSettings(
            channel=self._way, same_memory=same, direction=self._way, **windows)

    def make(self, count: int) -> list[Case]:
        """Return some cases."""
        return [self._case() for _ in range(count)]

    def _case(self) -> Case:
        rng = self._rng
        if rng.random() < 0.05:
            self._renew()
        try:
            descriptor = self._maker.make(self._way).descriptor
        except FullError:
            self._renew()
            return self._case()
        # What nothing may depend on, but in the high bits of an address, comes from the maker.
        kind = rng.random()
        if kind < 0.4:
            descriptor = with_mistake(rng, descriptor, self._config, self._settings)
        elif kind < 0.8:
            descriptor = replace(descriptor, **self._limits(descriptor))
        return Case(
            descriptor, self._settings, rng.getrandbits(32), rng.random() < 0.2,
            rng.randrange(17))

    def _limits(self, d: Descriptor) -> dict[str, int]:
        """Return changes after which a rule is just kept, or just broken."""
        rng, config, settings = self._rng, self._config, self._settings
        reads, writes = source(d, config), destination(d, config)
        nearly = rng.choice((-64, -1, 0, 0, 0, 1, 64))
        end = min(rng.choice((settings.write_high, 1 << 64)), (1 << config.address_bits) - 1) + 1
        raw = "max_dst_len" if d.opcode == Opcode.DECOMPRESS else "src_len"
        unit = rng.choice((1, config.lane_bytes, config.host_width, config.dev_width))
        most = MAX_RAW_LENGTH // d.rows // unit * unit
        changes = rng.choice((
            {"src_addr": settings.read_low + nearly},
            {"src_addr": settings.read_high + 1 - reads.end + reads.address + nearly},
            {"dst_addr": settings.write_low + nearly},
            {"dst_addr": end - writes.end + writes.address + nearly},
            {"dst_addr": reads.end + nearly}, {"dst_addr": reads.end + nearly},
            {"dst_addr": reads.address - writes.end + writes.address + nearly},
            {"completion_addr": settings.record_low + nearly},
            {"completion_addr": settings.record_high + 1 - 32 + nearly},
            {"completion_addr": (1 << config.address_bits) - 32 + nearly},
            {"completion_addr": -(-writes.end // 32) * 32 + rng.choice((-32, 0))},
            {"completion_addr": writes.address // 32 * 32 + rng.choice((-32, 0))},
            {raw: rng.choice((0, most, most + unit, MAX_RAW_LENGTH, WORD - unit))},
            {raw: unit * rng.randrange(4), "rows_minus_1": rng.choice((0, 1, 0x8000, 0xFFFF))},
            {"stride": rng.choice((0, unit, WORD - unit))}, {"dst_stride": WORD - unit},
            {"element_type": rng.randrange(16)}, {"flags": rng.randrange(1 << 7)},
        ))
        bits = {"src_addr": 64, "dst_addr": 64, "completion_addr": 64}
        return {name: value % (1 << bits.get(name, 32)) for name, value in changes.items()}


def run(config, channel, cases, *, pauses=(0.0, 0.0), seed=1):
    """Check descriptors, compare their plans, and return the cycles at which those were taken."""
    dut = Checker(config, channel)
    bench = Bench(dut, seed=seed)

    async def feed(ctx):
        for case in cases:
            while bench.rng.random() < pauses[0]:
                await ctx.tick()
            # Settings stay for as long as the descriptor is looked at.
            ctx.set(dut.settings, case.registers)
            ctx.set(dut.i.payload, case.given)
            ctx.set(dut.i.valid, 1)
            taken = handed = False
            while not taken:
                _, _, taken, valid, ready = await ctx.tick().sample(
                    dut.i.ready, dut.o.valid, dut.o.ready)
                handed = valid and ready
                assert taken == handed # "One is taken when its plan is."
            ctx.set(dut.i.valid, 0)

    bench.add(feed)
    plans = bench.take(dut.o, len(cases), pause=pauses[1])
    bench.run(100 + 60 * len(cases))
    for case, item in zip(cases, plans, strict=True):
        wanted = plain_plan(case.plan(config))
        assert picked(item.payload, wanted) == wanted, case
    return [item.cycle for item in plans]


def plain_plan(plan):
    """Return a plan in plain numbers."""
    return {
        name: plain_plan(value) if isinstance(value, dict) else int(value)
        for name, value in plan.items()}


@pytest.mark.parametrize("way_taken", Channel, ids=lambda way_taken: way_taken.name)
def test_direction_is_that_of_when_the_descriptor_came(way_taken):
    config = CONFIGS["tiny"]
    case = Case(Descriptor(opcode=Opcode.COPY), ChannelSettings(direction=way_taken))
    bench, seen = Bench(Checker(config, None)), []
    dut = bench.dut

    async def change(ctx):
        ctx.set(dut.settings, case.registers)
        ctx.set(dut.i.payload, case.given)
        ctx.set(dut.i.valid, 1)
        await ctx.tick()
        for n in range(20):
            ctx.set(dut.settings.prefetch, n & 1)
            if ctx.get(dut.o.valid):
                seen.append(ctx.get(dut.o.p.offload))
            await ctx.tick()

    bench.add(change)
    bench.run(50)
    assert len(seen) > 10
    assert set(seen) == {way_taken is OFFLOAD}


@pytest.mark.parametrize(("config", "channel"), CHECKERS)
def test_random(config, channel):
    cases = Cases(config, channel, 5).make(160)
    run(config, channel, cases, pauses=(0.3, 0.3))
    seen = {check(case.descriptor, config, case.settings)[0] for case in cases}
    assert seen >= {
        Status.OK, Status.BAD_FLAGS, Status.RESERVED_NONZERO, Status.BAD_LENGTH, Status.RANGE,
        Status.RECORD_ADDR}


@pytest.mark.parametrize(("config", "channel"), CHECKERS)
def test_every_opcode_with_every_flag(config, channel):
    opcodes = [*Opcode, 0x01, 0x41, 0x46, 0xC3]
    settings = ChannelSettings(channel=OFFLOAD if channel is None else channel)
    good = Descriptor(
        completion_addr=0x5000, src_addr=0x1000, dst_addr=0x2000, src_len=512, max_dst_len=1024,
        format_id=1, element_type=max(1, config.lane_bytes // 2))
    cases = []
    for opcode in opcodes:
        for flags in (0, *(1 << bit for bit in range(8)), 1 << 23, 12, 0x5A):
            cases.append(Case(replace(good, opcode=opcode, flags=flags), settings))
    run(config, channel, cases)


@pytest.mark.parametrize(("config", "channel"), CHECKERS)
def test_every_element_type_and_some_formats(config, channel):
    way_taken = OFFLOAD if channel is None else channel
    good = Descriptor(
        opcode=Opcode.DECOMPRESS if way_taken is PREFETCH else Opcode.COMPRESS, src_addr=0x1000,
        dst_addr=0x2000, src_len=64, max_dst_len=64, element_type=max(1, config.lane_bytes // 2))
    changes = [{"element_type": number} for number in range(16)]
    changes += [{"format_id": number} for number in (0, 1, 2, 3, 0x80, 0x81)]
    changes += [{name: bit} for name in ("convert_to", "format_version") for bit in (1, 8)]
    # What is wrong with the format comes first.
    changes += [{"format_id": 2, "element_type": 15}]
    cases = [
        Case(replace(good, **change), ChannelSettings(channel=way_taken)) for change in changes]
    run(config, channel, cases)
    seen = {check(case.descriptor, config, case.settings) for case in cases}
    assert {(Status.BAD_CODEC, ErrorCode.NONE), (Status.BAD_CODEC, ErrorCode.ELEMENT_TYPE),
            (Status.OK, ErrorCode.NONE)} <= seen


@pytest.mark.parametrize(("config", "channel"), CHECKERS)
def test_where_rows_end(config, channel):
    """Windows, and other areas, that begin just behind the last byte of the last row, or on it."""
    way_taken = OFFLOAD if channel is None else channel
    cases = []
    for opcode in (Opcode.COPY, Opcode.FILL, Opcode.COMPRESS, Opcode.DECOMPRESS):
        for rows, stride, dst_stride in ((1, 0, 0), (2, 128, 192), (301, 0x1_0000, 64)):
            rows = rows if config.two_d else 1
            d = Descriptor(
                opcode=opcode, flags=Flag.WRITE_RECORD, completion_addr=0x100, src_len=64,
                max_dst_len=64, element_type=max(1, config.lane_bytes // 2), rows_minus_1=rows - 1,
                stride=stride, dst_stride=dst_stride, src_addr=0x1000, dst_addr=0x800_0000)
            reads, writes = source(d, config), destination(d, config)
            behind_reads = replace(d, dst_addr=reads.end)
            behind_writes = replace(d, dst_addr=0x1000, src_addr=0x1000 + writes.end - 0x800_0000)
            record = replace(d, completion_addr=writes.end)
            for less in (0, 1, 64):
                settings = ChannelSettings(channel=way_taken, direction=way_taken)
                cases += [
                    Case(d, replace(settings, read_high=max(reads.end - 1 - less, 0))),
                    Case(d, replace(settings, write_high=writes.end - 1 - less))]
                settings = replace(settings, same_memory=True)
                cases += [
                    Case(replace(behind_reads, dst_addr=max(reads.end - less, 0)), settings),
                    Case(replace(behind_writes, src_addr=behind_writes.src_addr - less), settings),
                    Case(replace(record, completion_addr=writes.end - less // 2), settings)]
    run(config, channel, cases)
    seen = {check(case.descriptor, config, case.settings)[0] for case in cases}
    assert {Status.OK, Status.OVERLAP, Status.RECORD_ADDR} <= seen
    assert not config.windows or Status.RANGE in seen


def test_direction_of_a_shared_build():
    """Only of what can go both ways."""
    config, cases = CONFIGS["shared"], []
    for direction in Channel:
        settings = ChannelSettings(direction=direction)
        for opcode in Opcode:
            cases.append(Case(Descriptor(
                opcode=opcode, src_addr=0x1000, dst_addr=0x2000, src_len=64, max_dst_len=64,
                element_type=1), settings))
    run(config, None, cases)


@pytest.mark.parametrize("size", [0, 1, 5, 16])
def test_phase(size):
    cases = [
        Case(Descriptor(), ChannelSettings(), index % WORD, direct, size)
        for index in ((1 << size) - 1, 1 << size, (2 << size) - 1, 2 << size, WORD - 1)
        for direct in (False, True)]
    run(Config(), OFFLOAD, cases)


def test_latency():
    """Six cycles with one row; with more, one, and one for each bit of their number less one."""
    good = Descriptor(
        opcode=Opcode.COPY, src_addr=0x1000, dst_addr=1 << 40, src_len=64, max_dst_len=64,
        stride=64, dst_stride=64)
    settings = ChannelSettings(channel=PREFETCH)
    rows = (0, 1, 0, 2, 3, 0x7F, 0x100, 0x8000, 0xFFFF, 0, 0)
    cases = [Case(replace(good, rows_minus_1=number), settings) for number in rows]
    # The same for what is refused.
    cases += [Case(replace(good, opcode=opcode), settings) for opcode in (0x43, 0x01)]
    taken = run(Config(), PREFETCH, cases)
    expected = [6 + (number > 0) + number.bit_length() for number in rows] + [6, 6]
    assert [b - a for a, b in pairwise([-1, *taken])] == expected
    assert max(expected) == 6 + 17
