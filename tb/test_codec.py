# SPDX-License-Identifier: Apache-2.0
"""The codec RTL against the golden model: every build, natively driven."""

import random

import numpy as np
import pytest
from builds import simulated

from opencdma.golden import transfer as golden
from opencdma.golden import vectors, zvc
from opencdma.golden.transfer import Command
from opencdma.hw.codec import CodecGeometry
from opencdma.sim import activations
from opencdma.sim.codec import UNSIGNED, Pauses, Transfer
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


def sparse(rng, nbytes, size, density):
    """Return random raw data in which each element is nonzero with the given probability."""
    elements = rng.integers(1, 256 ** size, nbytes // size, dtype=np.uint64)
    return (elements * (rng.random(nbytes // size) < density)).astype(f"<u{size}").tobytes()


def accepted(transfer, width):
    """Return what of a transfer's packet the codec gets to see, and whether it was cut short."""
    if transfer.short_beat is None:
        return transfer.data, False
    beat, count = transfer.short_beat
    place = beat * width
    if place >= len(transfer.data):
        return transfer.data, False
    full = min(width, len(transfer.data) - place)
    if count >= full:
        return transfer.data, False
    return transfer.data[:place + count], place + full < len(transfer.data)


def check(codec, transfers, pauses=None):
    """Run transfers and compare all that comes back with the golden model."""
    sizes = codec.geometry.element_sizes
    for transfer, got in zip(transfers, codec.run(transfers, pauses), strict=True):
        data, cut = accepted(transfer, codec.geometry.width)
        want = golden.run(transfer.command, data, element_sizes=sizes, framing_error=cut)
        story = (transfer.command, transfer.short_beat, transfer.data[:64].hex(), pauses)
        for field in ("status", "error_code", "position", "bytes_in", "bytes_out", "nonzeros"):
            assert getattr(got, field) == getattr(want, field), (field, got, want, story)
        if got.output != want.output:
            # Only of a malformed group may more come out than is good, and never beyond its end.
            assert want.status == Status.DATA_ERROR, story
            assert transfer.command.direction == DECOMPRESS, story
            assert got.output[:len(want.output)] == want.output, story
            end = min(len(want.output) + GROUP_BYTES, transfer.command.raw_length)
            assert len(got.output) <= end, story


def command(direction, size, nbytes, format=FormatId.ZVC):
    return Command(direction, format, UNSIGNED[size], nbytes)


def both_ways(raw, size):
    """Return the transfers that compress raw data, and that decompress what it encodes to."""
    encoded = zvc.encode(np.frombuffer(raw, f"<u{size}"))
    return [
        Transfer(command(COMPRESS, size, len(raw)), raw),
        Transfer(command(DECOMPRESS, size, len(raw)), encoded),
    ]


@pytest.mark.parametrize("density", [0, 0.02, 0.3, 0.5, 0.8, 0.97, 1])
def test_density(codec, density):
    rng = np.random.default_rng(int(1000 * density))
    for size in codec.geometry.element_sizes:
        raw = sparse(rng, 8192, size, density)
        check(codec, both_ways(raw, size))
        check(codec, both_ways(raw, size), Pauses(0.3, 0.3, 0.3, 0.3, seed=2))


def test_single_nonzero_everywhere(codec):
    """A group with one nonzero element, at each place, between a dense and an empty group."""
    for size in codec.geometry.element_sizes:
        transfers = []
        for place in range(GROUP_BYTES // size):
            group = np.zeros(GROUP_BYTES // size, f"<u{size}")
            group[place] = 1 << (8 * size - 1)
            transfers += both_ways(
                b"\xff" * GROUP_BYTES + group.tobytes() + bytes(GROUP_BYTES), size)
        check(codec, transfers)


def test_every_length(codec):
    """Every number of elements up to two groups and one more, dense and sparse, back to back."""
    rng = np.random.default_rng(5)
    for size in codec.geometry.element_sizes:
        transfers = []
        for count in range(2 * GROUP_BYTES // size + 2):
            for density in (1, 0.4):
                transfers += both_ways(sparse(rng, count * size, size, density), size)
        check(codec, transfers)
        check(codec, transfers, Pauses(0.2, 0.4, 0.2, 0.4, seed=3))


def test_store_that_fills_up(codec):
    """Transfers that take most lines for their beats, when next to nothing goes out."""
    width = codec.geometry.width
    for size in codec.geometry.element_sizes:
        for nbytes in (width, width - size or width, 2 * width):
            transfers = both_ways(b"\xff" * nbytes, size)
            for transfer in transfers:
                check(codec, [transfer] * 150, Pauses(0, 0, 0.98, 0, seed=1))


def test_float_corner_cases(codec):
    """Negative zero, denormals, infinities and NaN payloads survive bit for bit."""
    patterns = {
        1: [0x00, 0x80, 0x01, 0x7F, 0xFF],
        2: [0x0000, 0x8000, 0x0001, 0x7F80, 0x7FC1, 0xFFFF, 0x0100],
        4: [0x0000_0000, 0x8000_0000, 0x0000_0001, 0x7F80_0000, 0x7FC0_1234, 0xFF80_0001,
            0x0001_0000, 0x0000_0100],
    }
    for size in codec.geometry.element_sizes:
        words = np.resize(np.array(patterns[size], f"<u{size}"), 3 * GROUP_BYTES // size + 1)
        check(codec, both_ways(words.tobytes(), size))


@pytest.mark.parametrize("format", FormatId)
def test_frozen_vectors(codec, format):
    for vector in vectors.load(format.name.lower()):
        if vector.element_size not in codec.geometry.element_sizes:
            continue
        if isinstance(vector, vectors.GoodVector):
            nbytes = len(vector.raw)
            compressed, decompressed = codec.run([
                Transfer(command(COMPRESS, vector.element_size, nbytes, format), vector.raw),
                Transfer(command(DECOMPRESS, vector.element_size, nbytes, format), vector.encoded),
            ])
            assert compressed.output == vector.encoded, vector.name
            assert decompressed.output == vector.raw, vector.name
            assert compressed.status == decompressed.status == Status.OK
        else:
            result, = codec.run([Transfer(
                command(DECOMPRESS, vector.element_size, vector.raw_length, format),
                vector.encoded)])
            assert result.status == Status.DATA_ERROR, vector.name
            assert result.error_code == vector.error, vector.name
            assert result.position == vector.position, vector.name
            assert result.bytes_out == vector.valid, vector.name
            assert len(result.output) <= vector.raw_length, vector.name


def random_transfer(rng, sizes, width):
    """Return a transfer of any kind: good, damaged, of the wrong length, refused, cut."""
    size = rng.choice(sizes)
    group = GROUP_BYTES // size
    count = rng.choice([0, 1, rng.randrange(group), group, rng.randrange(6 * group)])
    format = rng.choice([FormatId.ZVC, FormatId.ZVC, FormatId.ZVC, FormatId.RAW])
    numbers = np.random.default_rng(rng.randrange(2**32))
    density = rng.choice([0, 0.05, 0.5, 0.9, 1])
    raw = sparse(numbers, count * size, size, density)
    direction = rng.choice(list(Direction))
    data = raw
    if direction == DECOMPRESS and format == FormatId.ZVC:
        data = zvc.encode(np.frombuffer(raw, f"<u{size}"))
    length = len(raw)
    data = bytearray(data)

    damage = rng.randrange(12)
    if damage == 0:
        del data[rng.randrange(len(data) + 1):]
    elif damage == 1:
        data += rng.randbytes(rng.choice([1, 3, width, 200]))
    elif damage == 2 and data:
        for _ in range(rng.randrange(1, 4)):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    elif damage == 3 and data:
        at = rng.randrange(len(data))
        data[at:at + size] = bytes(size)
    elif damage == 4:
        length = max(0, length + size * rng.randrange(-40, 40))
    elif damage == 5:
        data = bytearray(rng.randbytes(rng.randrange(300)))

    element_type = rng.choice([t for t in ElementType if t.size == size])
    reserved = 0
    refusal = rng.randrange(24)
    if refusal == 0:
        element_type = rng.randrange(16)
    elif refusal == 1:
        length = rng.choice([length + 1, MAX_RAW_LENGTH + 1, 2**32 - 1])
    elif refusal == 2:
        format = rng.randrange(256)
    elif refusal == 3:
        reserved = 1 << rng.randrange(19)
    short = (rng.randrange(8), rng.randrange(width)) if rng.randrange(10) == 0 else None
    return Transfer(Command(direction, format, element_type, length, reserved), bytes(data), short)


def test_malformed_at_every_line(codec):
    """A short last group that is damaged, wherever its lines are in the store."""
    rng = random.Random(7)
    for size in codec.geometry.element_sizes:
        transfers = []
        for _ in range(300):
            stored = command(DECOMPRESS, size, 4, FormatId.RAW)
            transfers += [Transfer(stored, b"\xff" * 4)] * rng.randrange(1, 4)
            elements = rng.randrange(1, GROUP_BYTES // size)
            stream = bytearray(rng.randbytes(16 // size + rng.randrange(GROUP_BYTES)))
            if rng.randrange(2): # few ones, so that it does not end amid the data each time
                stream[:16 // size] = rng.choice([b"\x01", b"\x80"]) * (16 // size)
            del stream[rng.randrange(len(stream) + 1):]
            length = elements * size + rng.choice([0, GROUP_BYTES])
            transfers.append(Transfer(command(DECOMPRESS, size, length), bytes(stream)))
        check(codec, transfers)


def test_malformed_and_slow(codec):
    """Damaged packets that arrive later than what decodes them waits for."""
    rng, numbers = random.Random(9), np.random.default_rng(9)
    for size in codec.geometry.element_sizes:
        transfers = []
        for _ in range(60):
            raw = sparse(numbers, rng.randrange(1, 500 // size) * size, size, rng.random())
            stream = bytearray(zvc.encode(np.frombuffer(raw, f"<u{size}")))
            stream[rng.randrange(len(stream))] ^= 1 << rng.randrange(8)
            length = max(size, len(raw) - size * rng.choice([0, 1, 20]))
            transfers.append(Transfer(command(DECOMPRESS, size, length), bytes(stream)))
        check(codec, transfers, Pauses(input=0.9, seed=size))


@pytest.mark.parametrize("seed", range(6))
def test_random(codec, seed):
    """Anything after anything: transfers of every kind back to back, with every kind of pause."""
    rng = random.Random(f"{seed} {codec.geometry}")
    for _ in range(6):
        transfers = [
            random_transfer(rng, codec.geometry.element_sizes, codec.geometry.width)
            for _ in range(60)
        ]
        pauses = Pauses(
            *(rng.choice([0, 0, 0.1, 0.5, 0.9]) for _ in range(4)), seed=rng.randrange(2**32))
        check(codec, transfers, pauses)


def test_real_activations(codec):
    """Every tensor of the corpus there and back; encoded, it is what the golden model says."""
    for activation, array in activations.items():
        if array.dtype.itemsize not in codec.geometry.element_sizes:
            continue
        part = np.ascontiguousarray(array).reshape(-1)[:60_000 // array.dtype.itemsize]
        encoded = codec.compress(part)
        assert encoded == zvc.encode(part), activation
        back = codec.decompress(encoded, dtype=part.dtype, count=part.size)
        assert back.tobytes() == part.tobytes(), activation


def limit(geometry, direction):
    """Return the latency that may not be exceeded, in cycles beyond the bound."""
    fixed = geometry.element_sizes == (4,)
    if direction == COMPRESS:
        return (8 if fixed else 14) + GROUP_BYTES // geometry.width
    return 12 if fixed else 16


def bound(transfers, results, width):
    """Return the cycles that transfers back to back take at least."""
    beats_in = sum(max(1, -(-len(transfer.data) // width)) for transfer in transfers)
    beats_out = sum(max(1, -(-len(result.output) // width)) for result in results)
    return max(beats_in, beats_out)


@pytest.mark.parametrize("density", [0, 0.1, 0.25, 0.5, 0.75, 0.9, 1])
@pytest.mark.parametrize("nbytes", [4096, 65536])
def test_full_rate(codec, density, nbytes):
    """One transfer takes the bound and the stated latency, however long it is."""
    geometry = codec.geometry
    if geometry.ranks > CodecGeometry(geometry.width, geometry.element_sizes).ranks:
        pytest.skip("latency is stated for the default number of ranks")
    rng = np.random.default_rng(int(100 * density) + nbytes)
    for size in geometry.element_sizes:
        for transfer in both_ways(sparse(rng, nbytes, size, density), size):
            result, = codec.run([transfer])
            latency = result.cycles - bound([transfer], [result], geometry.width)
            assert 0 < latency <= limit(geometry, transfer.command.direction)


@pytest.mark.parametrize("density", [0, 0.5, 1])
@pytest.mark.parametrize("nbytes", [0, 4, 64, GROUP_BYTES, 192, 1024, 4096])
def test_full_rate_back_to_back(codec, density, nbytes):
    """No bubble between transfers: many take the bound of all together and one latency."""
    geometry = codec.geometry
    if geometry.ranks > CodecGeometry(geometry.width, geometry.element_sizes).ranks:
        pytest.skip("latency is stated for the default number of ranks")
    rng = np.random.default_rng(int(100 * density) + nbytes)
    for size in geometry.element_sizes:
        raw = [sparse(rng, nbytes, size, density) for _ in range(64)]
        for way in (0, 1):
            transfers = [both_ways(data, size)[way] for data in raw]
            results = codec.run(transfers)
            cycles = results[-1].last_out - results[0].first_in + 1
            latency = cycles - bound(transfers, results, geometry.width)
            assert latency <= limit(geometry, transfers[0].command.direction)


@pytest.mark.xdist_group("w32")
@pytest.mark.parametrize("direction", Direction)
def test_long_transfer(direction):
    """More bytes than any counter inside holds but the ones of 32 bits."""
    raw = sparse(np.random.default_rng(9), 3 << 20, 4, 0.4)
    transfer = both_ways(raw, 4)[direction]
    check(simulated("w32"), [transfer])


@pytest.mark.parametrize(
    ("given", "status", "error_code"),
    [
        (Command(COMPRESS, 1, ElementType.FP32, 4, reserved=1), Status.RESERVED_NONZERO, 0),
        (Command(DECOMPRESS, 1, ElementType.FP32, 6), Status.BAD_LENGTH, 0),
        (Command(COMPRESS, 1, ElementType.FP32, 0xE000_0000), Status.BAD_LENGTH, 0),
        (Command(DECOMPRESS, 2, ElementType.FP32, 4), Status.BAD_CODEC, 0),
        (Command(COMPRESS, 1, 3, 8), Status.BAD_CODEC, ErrorCode.ELEMENT_TYPE),
    ],
)
def test_refused(codec, given, status, error_code):
    """A refused command swallows its packet, gives an empty one, and leaves no trace."""
    size = codec.geometry.element_sizes[0]
    raw = sparse(np.random.default_rng(1), 1024, size, 0.5)
    good = both_ways(raw, size)
    refused, *others = codec.run([Transfer(given, b"\x55" * 700), *good])
    assert (refused.status, refused.error_code) == (status, error_code)
    assert (refused.output, refused.bytes_in, refused.bytes_out) == (b"", 700, 0)
    assert [result.output for result in others] == [good[1].data, raw]


@pytest.mark.parametrize("front", [True, False])
@pytest.mark.parametrize("dense", [8, 32, 64, 100, 120])
def test_full_rate_within_groups(codec, dense, front):
    """Groups that are dense at one end and empty at the other: the queues even that out."""
    geometry = codec.geometry
    if geometry.ranks > CodecGeometry(geometry.width, geometry.element_sizes).ranks:
        pytest.skip("latency is stated for the default number of ranks")
    group = np.zeros(GROUP_BYTES, "u1")
    group[:dense] = 0xA5
    raw = (group if front else group[::-1]).tobytes() * 64
    for size in geometry.element_sizes:
        for transfer in both_ways(raw, size):
            result, = codec.run([transfer])
            latency = result.cycles - bound([transfer], [result], geometry.width)
            assert 0 < latency <= limit(geometry, transfer.command.direction)
