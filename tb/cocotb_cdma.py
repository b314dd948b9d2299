# SPDX-License-Identifier: Apache-2.0
"""Scenarios for the whole engine. They run inside the simulator."""

import zlib
from dataclasses import replace

import pytest
from cdma_batch import GOOD
from cdma_bench import HOST
from cdma_scenarios import CONFIG, scenario
from cdma_transfers import FLAGS, Transfers
from programs import random_program

from opencdma.golden import formats
from opencdma.golden.descriptor_areas import destination
from opencdma.golden.device_memory import BusError, Fault, Memory
from opencdma.sim import activations
from opencdma.sim.memory import MemoryTiming
from opencdma.spec import Channel, ErrorCode, Flag, FormatId, Info, Opcode, Record, Status
from opencdma.spec.registers import CHANNEL, ENGINE, address, constants
from opencdma.sw.device import Device

OFFLOAD, PREFETCH = Channel

SIZES = CONFIG.element_sizes

#: Pauses on all channels.
PAUSES = MemoryTiming(ar=0.2, r=0.3, aw=0.2, w=0.3, b=0.3)

#: Memories: quick ones, some that pause, are far away, or take one burst at a time.
TIMINGS = [
    MemoryTiming(read_latency=2, write_latency=1),
    MemoryTiming(read_latency=20, write_latency=5, ar=0.3, r=0.4, aw=0.3, w=0.4, b=0.4),
    MemoryTiming(read_latency=120, write_latency=80, late_address=True),
    MemoryTiming(read_latency=7, write_latency=9, reads=1, writes=1, late_address=True, r=0.2),
    MemoryTiming(read_latency=10, write_latency=3, ar=0.9, w=0.8, b=0.9),
    MemoryTiming(read_latency=40, write_latency=20, reads=2, r=0.8, aw=0.9, w=0.1),
]


@scenario(register_pauses=0.3)
async def identification(bench, rng):
    """Constant registers say what the build is; the others can be written, or refuse to be."""
    for name, value in constants(CONFIG).items():
        assert await bench.read(name) == value, name
        await bench.write(name, ~value & 0xFFFF_FFFF)
        assert await bench.read(name) == value, f"{name} was written"
    value = rng.getrandbits(32)
    await bench.write("SCRATCH", value)
    assert await bench.read("SCRATCH") == value
    await bench.write_bytes(address("SCRATCH") + 1, b"\xA5\x5A") # by strobes
    assert await bench.read("SCRATCH") == value & 0xFF00_00FF | 0x005A_A500
    last = max(register.offset for register in ENGINE.values())
    absent = [last + 4, 0x0FC, 0x300, 0xFFC]
    if CONFIG.shared:
        absent += [address(name, PREFETCH) for name in ("CTRL", "COMMAND", "DIRECT0")]
    for offset in absent:
        for access in (bench.read_word(offset), bench.write_word(offset, value)):
            with pytest.raises(ValueError, match=f"not {offset:#05x}$"):
                await access
    assert await bench.read("SCRATCH") == value & 0xFF00_00FF | 0x005A_A500
    for channel in bench.channels:
        assert await bench.status(channel) == CHANNEL["STATUS"].unpack(1), "not just IDLE"


@scenario(ram=True, timing=PAUSES, register_pauses=0.2)
async def direct(bench, rng):
    """Every opcode, one at a time, through registers."""
    opcodes = set()
    for direction in Channel if CONFIG.shared else (OFFLOAD,):
        transfers = Transfers(rng, CONFIG, direction=direction)
        transfers.simple(OFFLOAD, Opcode.NOP)
        transfers.batch(6, 800)
        transfers.compress(transfers.sparse(260, 4), 4, opcode=Opcode.MEASURE)
        transfers.simple(PREFETCH, Opcode.DRAIN)
        if CONFIG.verify:
            transfers.compress(transfers.sparse(500, 4), 4, opcode=Opcode.COMPRESS_VERIFY)
        transfers.copy(direction, rng.randbytes(100))
        transfers.fill(direction, 72)
        golden = await bench.run(transfers.program(direct=True))
        assert {item.record.status for item in golden.log} <= GOOD
        assert golden.irq
        opcodes |= {item.descriptor.opcode for item in golden.log}
    assert opcodes == set(Opcode) - ({Opcode.COMPRESS_VERIFY} if not CONFIG.verify else set())


@scenario(when=CONFIG.rings, ram=True, timing=PAUSES)
async def rings(bench, rng):
    """Both channels work through rings that they go round several times."""
    for log2_size, doorbells in ((2, (1, 3, 2, 8)), (0, (1,)), (3, (8,))):
        transfers = Transfers(rng, CONFIG)
        transfers.batch(11, 500)
        golden = await bench.run(transfers.program(log2_size=log2_size, doorbells=doorbells))
        for item in golden.log:
            assert item.recorded
            assert item.record.status in GOOD
            assert bool(item.record.info & Info.PHASE) == bool(item.index >> log2_size & 1)
        assert [outcome.head for outcome in golden.channels] == [11, 11]


@scenario(when=CONFIG.rings)
async def interrupts(bench, rng):
    """Interrupts come for as many completions as they should, or in time, and can be cleared."""
    transfers = Transfers(rng, CONFIG)
    for _ in range(5):
        transfers.copy(OFFLOAD, rng.randbytes(128))
    program = transfers.program(log2_size=3)
    item = program.channels[OFFLOAD]
    await bench.prepare(program)
    await bench.write("IRQ_ENABLE", 0b1101) # all but OFFLOAD_ERROR
    await bench.write("IRQ_COUNT", 3, OFFLOAD)
    await bench.enable(item)

    async def done(tail):
        """Ring the doorbell, wait, and return whether there is an interrupt."""
        await bench.write("TAIL", tail, OFFLOAD)
        while await bench.read("HEAD", OFFLOAD) != tail:
            await bench.wait(20)
        await bench.wait(10)
        return bool(bench.dut.irq.value)

    assert not await done(2)
    assert await bench.read("IRQ_STATUS") == 0
    assert await done(3)
    assert await bench.read("IRQ_STATUS") == 0b0001
    await bench.write("IRQ_STATUS", 0b1110)
    assert bench.dut.irq.value, "cleared by other bits"
    await bench.write("IRQ_STATUS", 0b0001)
    await bench.wait(4)
    assert not bench.dut.irq.value
    await bench.write("IRQ_TIMER", 300, OFFLOAD)
    assert not await done(4)
    record = item.descriptors[3].completion_addr
    visible = max(burst.answered for burst in bench.ports["host"].writes if burst.touches(
        record, record + 1, CONFIG.host_width))
    await bench.wait(400)
    assert len(bench.interrupts) == 2
    assert 300 <= bench.interrupts[1] - visible <= 320, "the timer is wrong"
    await bench.write("IRQ_ENABLE", 0)
    await bench.wait(4)
    assert not bench.dut.irq.value
    assert await bench.read("IRQ_STATUS") == 0b0001
    await bench.write("IRQ_STATUS", 0b0001)
    await bench.write("IRQ_ENABLE", 0b1111)
    await bench.write("COMMAND", channel=PREFETCH, ABORT=1)
    await bench.until(PREFETCH, HALTED=1)
    assert await bench.read("IRQ_STATUS") == 0b1000
    assert len(bench.interrupts) == 3


@scenario(ram=True, timing=PAUSES, size=1 << 17)
async def activations_of_networks(bench, rng):
    """Real tensors, out and back, by the driver; the encoding is the golden one."""
    for dtype in ("uint8", "float32"):
        facts = min(
            (fact for fact in activations.manifest() if fact.dtype == dtype),
            key=lambda fact: fact.size)
        tensor = activations.load(facts.name)[:, :64]
        if tensor.itemsize not in SIZES:
            continue

        def there_and_back(backend, tensor=tensor):
            device = Device(backend)
            compressed = device.compress(tensor)
            encoded = device.read(compressed.buffer)[: compressed.length]
            return compressed, encoded, device.decompress(compressed)

        compressed, encoded, decompressed = await bench.software(there_and_back)
        assert compressed.format == FormatId.ZVC
        assert encoded == formats.get(FormatId.ZVC).encode(tensor.ravel())
        assert decompressed.dtype == tensor.dtype
        assert (decompressed == tensor).all()


@scenario(timing=PAUSES)
async def outcomes(bench, rng):
    """Too little room, data that do not shrink, damaged data, and descriptors that are refused."""
    size = SIZES[-1]
    transfers = Transfers(rng, CONFIG)
    half, dense = transfers.sparse(600, size), transfers.sparse(512, size, 1)
    expected = []

    def add(status, descriptor, error_code=ErrorCode.NONE):
        expected.append((descriptor.tag, status, error_code))

    for room in (0, size, 200):
        add(Status.DST_OVERFLOW, transfers.compress(half, size, room=room))
    raw = FLAGS | Flag.RAW_IF_LARGER
    add(Status.OK_RAW, transfers.compress(dense, size, room=len(dense), flags=raw))
    add(Status.DST_OVERFLOW, transfers.compress(dense, size, room=len(dense) - size, flags=raw))
    add(Status.OK, transfers.compress(half, size, room=len(half), flags=raw))
    add(Status.DST_OVERFLOW, transfers.copy(OFFLOAD, half, max_dst_len=100))
    add(Status.DATA_ERROR, transfers.decompress(half, size, encoded=b"\xFF" * 99),
        ErrorCode.TRUNCATED)
    add(Status.DATA_ERROR, transfers.decompress(
        bytes(256), size, encoded=bytes(300)), ErrorCode.TRAILING)
    if CONFIG.crc:
        check = {"flags": FLAGS | Flag.CHECK_CRC, "expected_crc": zlib.crc32(half)}
        add(Status.OK, transfers.compress(half, size, **check))
        add(Status.OK, transfers.decompress(half, size, **check))
        check["expected_crc"] ^= 1 << rng.randrange(32)
        add(Status.DATA_ERROR, transfers.copy(OFFLOAD, half, **check), ErrorCode.CRC)
    add(Status.BAD_OPCODE, transfers.simple(OFFLOAD, 0x77))
    add(Status.BAD_FLAGS, transfers.simple(OFFLOAD, Opcode.NOP, flags=FLAGS | 1 << 23))
    add(Status.RESERVED_NONZERO, transfers.simple(OFFLOAD, Opcode.DRAIN, reserved=1))
    add(Status.BAD_LENGTH, transfers.compress(half, size, src_len=size + 1))
    add(Status.RECORD_ADDR, transfers.simple(OFFLOAD, Opcode.NOP, completion_addr=HOST + 8))
    if not CONFIG.unaligned:
        add(Status.ADDR_ALIGN, transfers.decompress(half, size, src_addr=HOST + size))
    add(Status.BAD_CODEC, transfers.compress(half, size, format_id=0, format_version=1))
    golden = await bench.run(transfers.program(direct=not CONFIG.rings))
    got = {item.record.tag: item.record for item in golden.log}
    for tag, status, error_code in expected:
        record = got.pop(tag)
        assert (record.status, record.error_code) == (status, error_code)
    assert not got


@scenario(timing=TIMINGS[1])
async def memory_errors(bench, rng):
    """Memories that refuse reads, writes, or records; what is in between comes out right."""
    size = SIZES[-1]
    for reads, kind, status in (
        (True, "slverr", Status.RD_SLVERR), (True, "decerr", Status.RD_DECERR),
        (False, "slverr", Status.WR_SLVERR), (False, "decerr", Status.WR_DECERR),
    ):
        transfers = Transfers(rng, CONFIG)
        expected = {}
        for way in 2 * list(Channel):
            raw = transfers.sparse(rng.randrange(400, 900) // size * size, size, 0.7)
            codec = transfers.compress if way is OFFLOAD else transfers.decompress
            made = [codec(raw, size)]
            if not CONFIG.shared:
                made.append(transfers.copy(way, raw))
            for descriptor in made:
                source, target = ("dev", "host") if way is OFFLOAD else ("host", "dev")
                memory, start = (
                    (source, descriptor.src_addr) if reads else (target, descriptor.dst_addr))
                transfers.refuse(memory, start + rng.randrange(300), kind)
                expected[descriptor.tag] = status
            codec(raw, size) # and one that is good
        golden = await bench.run(transfers.program(direct=not CONFIG.rings))
        for item in golden.log:
            assert item.record.status == expected.get(item.descriptor.tag, Status.OK)
            assert bool(item.record.info & Info.WRITE_FAULT) is not (
                reads or item.descriptor.tag not in expected)


@scenario(timing=TIMINGS[1])
async def halts(bench, rng):
    """The channel halts: a record or a descriptor that is refused, an error that is to stop it."""
    transfers = Transfers(rng, CONFIG)
    transfers.batch(3, 300)
    wrong = transfers.simple(OFFLOAD, Opcode.NOP)
    transfers.refuse("host", wrong.completion_addr, "decerr", reads=False)
    transfers.simple(OFFLOAD, 0x77, flags=FLAGS | Flag.STOP_ON_ERROR)
    transfers.batch(3, 300)
    program = transfers.program(direct=not CONFIG.rings)
    if CONFIG.rings:
        slots = (Fault("host", item.ring + 64 * 2, 64, "slverr") for item in program.channels)
        program = replace(program, faults=(*program.faults, *slots))
    golden = await bench.run(program)
    halted = {halt.status for outcome in golden.channels for halt in outcome.halts}
    assert halted == {Status.RECORD_WRITE, Status.BAD_OPCODE} | (
        {Status.DESC_FETCH} if CONFIG.rings else set())


class RefusesStatus(Memory):
    """A memory that takes the body of a record and refuses its status."""

    record = 0

    def store(self, pieces, data, width, burst):
        if pieces == [(self.record, 4)]:
            return BusError(self.record, "slverr")
        return super().store(pieces, data, width, burst)


@scenario(timing=TIMINGS[0])
async def status_refused(bench, rng):
    """The body of a record is written and its status refused: the channel halts behind it."""
    transfers = Transfers(rng, CONFIG)
    record = transfers.simple(OFFLOAD, Opcode.NOP, tag=0x1234_5678).completion_addr
    host = RefusesStatus(HOST, 1 << 16)
    host.record = record
    await bench.reset(host=host)
    await bench.start(transfers.descriptors[OFFLOAD][0], OFFLOAD)
    await bench.until(OFFLOAD, BUSY=0, HALTED=1, IDLE=1)
    assert await bench.error(OFFLOAD) == (Status.RECORD_WRITE, 0, 0, record)
    assert Record.unpack(host.read(record, 32)) == Record(tag=0x1234_5678)
    assert (await bench.result(OFFLOAD)).status == Status.OK
    await bench.write("COMMAND", channel=OFFLOAD, RESUME=1)
    await bench.until(OFFLOAD, HALTED=0)
    assert await bench.error(OFFLOAD) == (0, 0, 0, 0)


@scenario(timing=MemoryTiming(read_latency=3, write_latency=25, w=0.1, b=0.6))
async def order_of_records(bench, rng):
    """A record is written when its data were acknowledged, its status when its body was."""
    transfers = Transfers(rng, CONFIG)
    transfers.batch(9, 400)
    golden = await bench.run(
        transfers.program(direct=not CONFIG.rings, log2_size=3, doorbells=(8,)))
    widths = {"dev": CONFIG.dev_width, "host": CONFIG.host_width}
    records = bench.ports["host"].writes
    checked = 0
    for item in golden.log:
        at = item.descriptor.completion_addr
        body, status = (
            burst for burst in records if burst.touches(at, at + Record.BYTES, widths["host"]))
        assert list(body.written(widths["host"])) == list(range(at + 4, at + Record.BYTES))
        assert list(status.written(widths["host"])) == list(range(at, at + 4))
        assert body.answered < min(status.offered, status.data_offered)
        memory = "host" if item.way is OFFLOAD else "dev"
        area = destination(item.descriptor, CONFIG)
        bursts = [
            burst for burst in bench.ports[memory].writes
            if burst.touches(area.address, area.end, widths[memory])]
        written = sum(len(list(burst.written(widths[memory]))) for burst in bursts)
        assert written == item.record.bytes_out
        for burst in bursts:
            assert burst.answered < min(body.offered, body.data_offered)
            checked += 1
    assert checked > 20


@scenario(each={"seed": range(2 * len(TIMINGS))})
async def random_programs(bench, rng, seed):
    """Whatever software may do, on memories of every kind, beside the golden model."""
    program = random_program(seed, CONFIG, size=1 << 16, most=8)
    golden = await bench.run(program, TIMINGS[seed % len(TIMINGS)])
    assert golden.log
