# SPDX-License-Identifier: Apache-2.0
"""What the blocks of the codec are compared with: transfers, element by element."""

import random
from dataclasses import dataclass

from opencdma.hw.codec import CodecGeometry
from opencdma.spec import GROUP_BYTES, ErrorCode, Status

__all__ = [
    "GEOMETRIES",
    "Transfer",
    "as_int",
    "beats_of",
    "bits_of",
    "fill",
    "packet",
    "random_raw",
    "random_transfer",
]

#: Build parameters every block is tested with: each width, and each ratio of mask to beat.
GEOMETRIES = [
    CodecGeometry(8, (1, 2, 4), ranks=2),
    CodecGeometry(8, (4,), ranks=1),
    CodecGeometry(16, (2, 4), ranks=0),
    CodecGeometry(32, (1, 2, 4), ranks=3),
    CodecGeometry(64, (2, 4), ranks=2),
]


@dataclass(frozen=True)
class Transfer:
    """A decoded command and the bytes of its packet.

    Parameters
    ----------
    size : :class:`int`
        Bytes per element.
    zvc : :class:`bool`
        Format is ZVC rather than RAW.
    raw_length : :class:`int`
        Length of the raw data in bytes.
    data : :class:`bytes`
        The packet.
    cut : :class:`bool`
        The packet was cut short.
    refused : :class:`int`
        Status of a refused command, otherwise 0.
    """

    size: int
    zvc: bool
    raw_length: int
    data: bytes
    cut: bool = False
    refused: int = 0

    @property
    def command(self) -> dict:
        """The decoded command."""
        refused = self.refused == Status.BAD_CODEC
        return {
            "status": self.refused or Status.OK,
            "error_code": ErrorCode.ELEMENT_TYPE if refused else ErrorCode.NONE,
            "zvc": self.zvc, "size": self.size.bit_length() - 1, "raw_length": self.raw_length,
        }  # fmt: skip

    @property
    def groups(self) -> list[tuple[int, int]]:
        """Where each group of the raw data begins and ends; an empty one if there are no data."""
        starts = range(0, max(1, self.raw_length), GROUP_BYTES)
        return [(at, min(at + GROUP_BYTES, self.raw_length)) for at in starts]


def bits_of(number: int, count: int) -> list[int]:
    """Return the lowest bits of a number, bit 0 first."""
    return [number >> n & 1 for n in range(count)]


def as_int(bits) -> int:
    """Return the number that consists of some bits, bit 0 first."""
    return sum(bool(bit) << n for n, bit in enumerate(bits))


def fill(data: bytes, length: int, rng: random.Random) -> bytes:
    """Return data and whatever follows them in a beat, so that nothing may depend on it."""
    return data + rng.randbytes(length - len(data))


def random_raw(rng: random.Random, length: int, size: int, density: float) -> bytes:
    """Return elements of which about the given part is not zero; some have a single bit set."""
    raw = bytearray()
    while len(raw) < length:
        element = 0
        if rng.random() < density:
            element = rng.choice((1 << rng.randrange(8 * size), 1 + rng.getrandbits(8 * size)))
        raw += (element % (1 << 8 * size)).to_bytes(size, "little")
    return bytes(raw[:length])


def beats_of(data: bytes, width: int, rng: random.Random) -> list[tuple[bytes, int]]:
    """Return the beats of a packet: ``width`` bytes, and how many of them count."""
    starts = range(0, max(1, len(data)), width)
    return [(fill(data[at : at + width], width, rng), len(data[at : at + width])) for at in starts]


def packet(data: bytes, width: int, rng: random.Random, *, cut: bool = False) -> list[dict]:
    """Return a packet as beats of a ``PacketBeat`` stream."""
    beats = [{"data": beat, "count": count, "last": 0, "cut": 0}
             for beat, count in beats_of(data, width, rng)]  # fmt: skip
    beats[-1].update(last=1, cut=int(cut))
    return beats


def random_transfer(rng: random.Random, geometry: CodecGeometry, **fixed) -> Transfer:
    """Return a transfer of up to some groups with raw data of the announced length."""
    size = fixed.get("size", rng.choice(geometry.element_sizes))
    length = size * rng.choice((
        rng.randrange(4), rng.randrange(200), GROUP_BYTES // size, rng.randrange(400) // size,
        geometry.width // size,
    ))  # fmt: skip
    density = rng.choice((0.0, 0.2, 0.5, 0.9, 1.0))
    given = {"size": size, "zvc": rng.random() < 0.8, "raw_length": length,
             "data": random_raw(rng, length, size, density)}  # fmt: skip
    return Transfer(**(given | fixed))
