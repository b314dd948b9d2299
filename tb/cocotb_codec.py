# SPDX-License-Identifier: Apache-2.0
"""Scenarios for the codec's AXI4-Stream top. They run inside the simulator.

``CODEC_ELEMENT_SIZES`` in the environment names the element sizes of the build, with commas.
"""

import functools
import inspect
import os

import cocotb
import numpy as np
from axis import PERIOD, Bench, Transfer

from opencdma.golden import formats, vectors
from opencdma.golden.transfer import Command
from opencdma.sim import activations
from opencdma.sim.codec import Pauses
from opencdma.spec import (
    GROUP_BYTES,
    MAX_RAW_LENGTH,
    Direction,
    ElementType,
    ErrorCode,
    FormatId,
    Status,
)

COMPRESS, DECOMPRESS = Direction.COMPRESS, Direction.DECOMPRESS

ELEMENT_SIZES = tuple(int(size) for size in os.environ["CODEC_ELEMENT_SIZES"].split(","))

#: What the codec by itself can report.
STATUSES = {
    Status.OK, Status.DATA_ERROR, Status.RESERVED_NONZERO, Status.BAD_LENGTH, Status.BAD_CODEC,
}

#: Cycles that no test may exceed.
WATCHDOG = 60_000

#: Pauses on all four interfaces.
PAUSES = Pauses(0.3, 0.3, 0.3, 0.3, seed=4)


def scenario(function):
    """Make a test of a coroutine of a bench, a random generator, and maybe an element size."""

    @functools.wraps(function)
    async def test(dut, **options):
        name = f"{function.__name__} {options}"
        bench = Bench(dut, ELEMENT_SIZES)
        await bench.reset()
        await function(bench, np.random.default_rng(list(name.encode())), **options)
        await bench.silence()

    test = cocotb.test(timeout_time=WATCHDOG * PERIOD, timeout_unit="ns")(test)
    if "size" in inspect.signature(function).parameters:
        test = cocotb.parametrize(size=ELEMENT_SIZES)(test)
    return test


def sparse(rng, nbytes, size, density):
    """Return random raw data in which each element is nonzero with the given probability."""
    elements = rng.integers(1, 256 ** size, nbytes // size, dtype=np.uint64)
    return (elements * (rng.random(nbytes // size) < density)).astype(f"<u{size}").tobytes()


def command(rng, direction, size, nbytes, format=FormatId.ZVC):
    """Return a command with any of the element types of a size."""
    types = [element_type for element_type in ElementType if element_type.size == size]
    return Command(direction, format, types[rng.integers(len(types))], nbytes)


def encode(raw, size, format=FormatId.ZVC):
    """Return the encoding of raw data."""
    return formats.get(format).encode(np.frombuffer(raw, f"<u{size}"))


def both_ways(rng, raw, size, format=FormatId.ZVC):
    """Return the transfers that compress raw data, and that decompress what it encodes to."""
    return [
        Transfer(command(rng, COMPRESS, size, len(raw), format), raw),
        Transfer(command(rng, DECOMPRESS, size, len(raw), format), encode(raw, size, format)),
    ]


def some_pauses(rng):
    """Return pauses that leave some interfaces alone and all but stop others."""
    return Pauses(*rng.choice([0, 0, 0.1, 0.5, 0.9], 4), seed=int(rng.integers(2**32)))


def damage(rng, data):
    """Return data with something wrong in them, mostly."""
    data = bytearray(data)
    at = int(rng.integers(len(data) + 1))
    match rng.integers(5):
        case 0:
            del data[at:]
        case 1:
            data += rng.bytes(rng.choice([1, 4, 200]))
        case 2:
            data[at:at + 1] = rng.bytes(1)
        case 3:
            data[at:at + 4] = bytes(4)
        case 4:
            data[at:at] = rng.bytes(rng.integers(1, 5))
    return bytes(data)


def anything(rng):
    """Return a transfer of any kind: good, damaged, of the wrong length, refused."""
    size = int(rng.choice(ELEMENT_SIZES))
    count = int(rng.choice([0, 1, rng.integers(GROUP_BYTES // size), rng.integers(512 // size)]))
    raw = sparse(rng, count * size, size, rng.choice([0, 0.05, 0.5, 0.9, 1]))
    format = FormatId(rng.choice(FormatId))
    transfer = both_ways(rng, raw, size, format)[rng.integers(2)]
    given, data = transfer.command, transfer.data
    direction, element_type, length = given.direction, given.element_type, given.raw_length
    reserved = 0
    match rng.integers(12):
        case 0 | 1:
            data = damage(rng, data)
        case 2:
            length = max(0, length + size * int(rng.integers(-40, 40)))
        case 3:
            length = int(rng.choice([length + 1, MAX_RAW_LENGTH + 1, 2**32 - 1]))
        case 4:
            element_type = int(rng.integers(16))
        case 5:
            format = int(rng.integers(256))
        case 6:
            reserved = 1 << int(rng.integers(19))
    return Transfer(Command(direction, format, element_type, length, reserved), data)


@scenario
async def density(bench, rng, size):
    """Random data of every density, without and with pauses."""
    for share in (0, 0.05, 0.3, 0.5, 0.7, 0.95, 1):
        transfers = both_ways(rng, sparse(rng, 1024, size, share), size)
        await bench.run(transfers)
        await bench.run(transfers, PAUSES)


@scenario
async def patterns(bench, rng, size):
    """Groups that are empty, dense, alternating, or have one nonzero element at each place."""
    group = GROUP_BYTES // size
    top_bit = 1 << 8 * size - 1
    empty, dense = np.zeros((3, group)), np.full((3, group), 256 ** size - 1)
    elements = np.tile([0, top_bit], (2, group // 2))
    groups = np.tile([[0], [top_bit]], (2, group))
    single = top_bit * np.eye(group)
    last_only = np.zeros((3, group))
    last_only[-1, -1] = 1
    for pattern in (empty, dense, elements, 1 - (elements != 0), groups, single, last_only):
        raw = pattern.astype(f"<u{size}").tobytes()
        await bench.run(both_ways(rng, raw, size), Pauses(output=0.2, seed=len(raw)))


@scenario
async def tails(bench, rng, size):
    """Every number of elements up to two groups, back to back, each way and both mixed."""
    pairs = [
        both_ways(rng, sparse(rng, count * size, size, rng.choice([0.3, 0.9, 1])), size)
        for count in range(2 * GROUP_BYTES // size + 1)
    ]
    compress, decompress = zip(*pairs, strict=True)
    await bench.run(compress)
    await bench.run(decompress, Pauses(0, 0.1, 0.2, 0.1, seed=5))
    rng.shuffle(pairs)
    mixed = [transfer for pair in pairs[:len(pairs) // 4] for transfer in pair]
    await bench.run(mixed, Pauses(0.1, 0, 0.2, 0.4, seed=6))


@scenario
async def float_bits(bench, rng, size):
    """Negative zero, denormals, infinities and NaN payloads survive bit for bit."""
    words = {
        1: [0x00, 0x80, 0x01, 0x81, 0x7F, 0xFF, 0x7C, 0x7E],
        2: [0x0000, 0x8000, 0x0001, 0x8001, 0x7F80, 0x7FC1, 0xFFFF, 0x0100, 0x7C00, 0xFE01],
        4: [0x0000_0000, 0x8000_0000, 0x0000_0001, 0x8000_0001, 0x7F80_0000, 0x7FC0_1234,
            0xFF80_0001, 0x0001_0000, 0x0000_0100, 0x0100_0000],
    }
    raw = rng.choice(words[size], 3 * GROUP_BYTES // size + 1).astype(f"<u{size}").tobytes()
    for format in FormatId:
        await bench.run(both_ways(rng, raw, size, format))


@scenario
async def frozen_vectors(bench, rng, size):
    """Every frozen encoding, good and malformed, of every format."""
    transfers = []
    for format in FormatId:
        for vector in vectors.load(format.name.lower()):
            if vector.element_size != size:
                continue
            if isinstance(vector, vectors.GoodVector):
                transfers += both_ways(rng, vector.raw, size, format)
                assert transfers[-1].data == vector.encoded, vector.name
            else:
                given = command(rng, DECOMPRESS, size, vector.raw_length, format)
                transfers.append(Transfer(given, vector.encoded))
    await bench.run(transfers, Pauses(0, 0.1, 0.1, 0, seed=7))


@scenario
async def malformed(bench, rng, size):
    """Damaged encodings: each is followed by a good one, and every error is met."""
    errors = set()
    for _ in range(8):
        transfers = []
        for _ in range(16):
            raw = sparse(rng, int(rng.integers(500 // size)) * size, size, rng.random())
            good = both_ways(rng, raw, size)
            length = len(raw) + size * int(rng.choice([0, 0, 0, -1, 1, -20]))
            bad = command(rng, DECOMPRESS, size, max(0, length))
            transfers += [Transfer(bad, damage(rng, good[1].data)), good[rng.integers(2)]]
        errors |= {result.error_code for result in await bench.run(transfers, some_pauses(rng))}
    assert errors == {
        ErrorCode.NONE, ErrorCode.TRUNCATED, ErrorCode.TRAILING, ErrorCode.NON_CANONICAL,
        ErrorCode.PADDING,
    }


@scenario
async def refused(bench, rng):
    """A refused command swallows its packet, gives an empty one, and leaves no trace."""
    size = ELEMENT_SIZES[-1]
    element_type = next(t for t in ElementType if t.size == size)
    absent = [t for t in ElementType if t.size not in ELEMENT_SIZES]
    cases = [
        (Command(COMPRESS, 1, element_type, 4, reserved=1 << bit), Status.RESERVED_NONZERO)
        for bit in range(19)
    ]
    cases += [
        (Command(DECOMPRESS, 1, ElementType.FP32, 6), Status.BAD_LENGTH),
        (Command(COMPRESS, 1, element_type, MAX_RAW_LENGTH + 1), Status.BAD_LENGTH),
        (Command(DECOMPRESS, 2, element_type, 4), Status.BAD_CODEC),
        (Command(COMPRESS, 255, element_type, 4), Status.BAD_CODEC),
        (Command(COMPRESS, 1, 3, 8), Status.BAD_CODEC),
        *((Command(DECOMPRESS, 1, unknown, 8), Status.BAD_CODEC) for unknown in absent),
    ]
    good = both_ways(rng, sparse(rng, 300 // size * size, size, 0.5), size)
    for pauses in (None, PAUSES):
        transfers = []
        for n, (bad, _) in enumerate(cases):
            transfers += [Transfer(bad, rng.bytes(rng.choice([0, 1, 200]))), good[n % 2]]
        results = await bench.run(transfers, pauses)
        assert [result.status for result in results[::2]] == [status for _, status in cases]


@scenario
async def empty_packets(bench, rng):
    """Packets of no bytes, where that is right and where it is not."""
    transfers = [
        Transfer(command(rng, direction, size, nbytes, format), b"")
        for size in ELEMENT_SIZES for direction in Direction for format in FormatId
        for nbytes in (0, 8, 0)
    ]
    await bench.run(transfers)
    await bench.run(transfers, PAUSES)


@scenario
async def framing(bench, rng):
    """Beats in the middle that are not full, and holes, cut a packet; the next is not affected."""
    width, full = bench.width, (1 << bench.width) - 1
    errors = set()
    for _ in range(12):
        transfers = []
        for _ in range(24):
            size = int(rng.choice(ELEMENT_SIZES))
            raw = sparse(rng, int(rng.integers(1, 400 // size)) * size, size, 0.6)
            whole = both_ways(rng, raw, size, FormatId(rng.choice(FormatId)))[rng.integers(2)]
            beats, rest = divmod(len(whole.data), width)
            keeps = [full] * beats + [(1 << rest) - 1] * (rest > 0)
            partial = (1 << int(rng.integers(width))) - 1
            holes = int.from_bytes(rng.bytes(width // 8), "little")
            if rng.random() < 0.6: # instead of a beat, or several
                for _ in range(rng.integers(1, 4)):
                    keeps[rng.integers(len(keeps))] = [0, partial, holes][rng.integers(3)]
            else: # behind what the transfer needs
                keeps += [[partial], [holes], [0, full], [full, 0]][rng.integers(4)]
            data = whole.data + rng.bytes(len(keeps) * width - len(whole.data))
            transfers += [Transfer(whole.command, data, keeps), *both_ways(rng, raw[-96:], size)]
        errors |= {result.error_code for result in await bench.run(transfers, some_pauses(rng))}
    assert {ErrorCode.NONE, ErrorCode.FRAMING, ErrorCode.TRUNCATED} <= errors


@scenario
async def empty_last_beat(bench, rng):
    """A packet may end with a beat of no bytes: that is no fault, and they are not missed."""
    width, full = bench.width, (1 << bench.width) - 1
    for size in ELEMENT_SIZES:
        for format in FormatId:
            raw = sparse(rng, 16 * GROUP_BYTES, size, 1) # whole beats, encoded or not
            for transfer in both_ways(rng, raw, size, format):
                keeps = [full] * (len(transfer.data) // width) + [0]
                data = transfer.data + rng.bytes(width)
                await bench.run([Transfer(transfer.command, data, keeps), transfer])


@scenario
async def mixed(bench, rng):
    """Anything after anything, in both directions, with every kind of pause."""
    outcomes = set()
    for _ in range(25):
        transfers = [anything(rng) for _ in range(30)]
        outcomes |= {result.status for result in await bench.run(transfers, some_pauses(rng))}
    assert outcomes == STATUSES


@scenario
async def activations_of_networks(bench, rng):
    """Some of a real tensor of each type, there and back."""
    for dtype, size in (("float32", 4), ("uint8", 1)):
        if size in ELEMENT_SIZES:
            facts = next(fact for fact in activations.manifest() if fact.dtype == dtype)
            raw = activations.load(facts.name).tobytes()[8192:8192 + 3000]
            await bench.run(both_ways(rng, raw, size))
            await bench.run(both_ways(rng, raw, size), PAUSES)


@scenario
async def reset_anywhere(bench, rng):
    """Reset in the middle of transfers of any kind leaves nothing behind."""
    size = ELEMENT_SIZES[0]
    clean = both_ways(rng, sparse(rng, 480, size, 0.5), size)
    for n in range(45):
        # Some are stopped with full queues, some inside a packet that is being skipped.
        transfers = [anything(rng) for _ in range(10)]
        transfers += both_ways(rng, sparse(rng, 2048, size, rng.random()), size)
        if n % 3 == 0:
            bad = Transfer(clean[0].command, rng.bytes(40 * bench.width), [1] * 40)
            transfers.insert(0, bad)
        pauses = [some_pauses(rng), Pauses(output=0.99, seed=n), Pauses(status=0.99, seed=n)][n % 3]
        bench.start(transfers, pauses)
        await bench.wait(int(rng.integers(1, 160)))
        await bench.reset()
        await bench.run(clean)


@scenario
async def no_combinational_path(bench, rng):
    """No output depends on an input within a cycle, whatever the codec is doing."""
    bench.probe(seed=8)
    for _ in range(15):
        await bench.run([anything(rng) for _ in range(20)], some_pauses(rng))


@scenario
async def full_rate(bench, rng, size):
    """Without pauses a transfer takes the beats it has to take, and the stated latency."""
    fixed = ELEMENT_SIZES == (4,)
    limits = {
        COMPRESS: (8 if fixed else 14) + GROUP_BYTES // bench.width,
        DECOMPRESS: 12 if fixed else 16,
    }
    for share in (0, 0.5, 1):
        for transfer in both_ways(rng, sparse(rng, 4096, size, share), size):
            result, = await bench.run([transfer])
            bound = -(-max(result.bytes_in, result.bytes_out) // bench.width)
            cycles = bench.output.cycles[-1] - bench.input.cycles[0] + 1
            direction = Direction(transfer.command.direction)
            assert bound < cycles <= bound + limits[direction], (
                f"{direction.name} at density {share}: {cycles} cycles for a bound of {bound}, "
                f"limit {limits[direction]}")
