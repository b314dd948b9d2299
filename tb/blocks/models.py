# SPDX-License-Identifier: Apache-2.0
"""What the blocks of the codec are compared with: transfers, element by element."""

import dataclasses
import random
from dataclasses import dataclass

from opencdma.hw.codec import CodecGeometry
from opencdma.spec import GROUP_BYTES, ErrorCode, Status

__all__ = [
    "GEOMETRIES",
    "Group",
    "Transfer",
    "as_int",
    "beats_and_rest",
    "beats_of",
    "bits_of",
    "damaged_transfer",
    "encode",
    "encoded_transfer",
    "fill",
    "groups_of",
    "packet",
    "random_raw",
    "random_transfer",
    "ring_of",
]

#: Build parameters every block is tested with: each width, and each ratio of mask to beat.
GEOMETRIES = [
    CodecGeometry(8, (1, 2, 4), ranks=2),
    CodecGeometry(8, (4,), ranks=1),
    CodecGeometry(16, (1, 2), ranks=0),  # mask and beat fill a row of the output store exactly
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
            "long": self.raw_length >= 2 * GROUP_BYTES,
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


def ring_of(begin: int, behind: int, cells: int, rows: int) -> dict:
    """Return the ``Ring`` of the lanes at some places."""
    places = range(begin, behind)
    return {
        "inside": as_int(any(place % cells == cell for place in places) for cell in range(cells)),
        "first": as_int(cell >= begin % cells for cell in range(cells)),
        "row": begin // cells % rows, "next_row": behind // cells % rows,
    }  # fmt: skip


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


def encode(raw: bytes, size: int) -> bytes:
    """Return the ZVC encoding of raw data, element by element."""
    encoded = b""
    for start in range(0, len(raw), GROUP_BYTES):
        group = raw[start : start + GROUP_BYTES]
        elements = [group[at : at + size] for at in range(0, len(group), size)]
        mask = as_int(any(element) for element in elements)
        encoded += mask.to_bytes(GROUP_BYTES // size // 8, "little")
        encoded += b"".join(element for element in elements if any(element))
    return encoded


def encoded_transfer(rng: random.Random, geometry: CodecGeometry, **fixed) -> Transfer:
    """Return a transfer whose packet is the encoding of random raw data."""
    transfer = random_transfer(rng, geometry, **fixed)
    if not transfer.zvc:
        return transfer
    return dataclasses.replace(transfer, data=encode(transfer.data, transfer.size))


def damaged_transfer(rng: random.Random, transfer: Transfer) -> Transfer:
    """Return the transfer with its packet or its command changed for the worse, or neither."""
    data, size = transfer.data, transfer.size
    flipped = bytearray(data)
    if data:
        flipped[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return rng.choice((
        transfer,
        dataclasses.replace(transfer, data=data[: rng.randrange(len(data) + 1)]),
        dataclasses.replace(transfer, data=data + rng.randbytes(rng.randrange(1, 200))),
        dataclasses.replace(transfer, data=bytes(flipped)),
        dataclasses.replace(transfer, data=rng.randbytes(rng.randrange(300))),
        dataclasses.replace(transfer, cut=True),
        dataclasses.replace(transfer, raw_length=size * rng.randrange(600 // size)),
        dataclasses.replace(transfer, refused=rng.choice((Status.BAD_CODEC, Status.BAD_LENGTH))),
    ))  # fmt: skip


@dataclass(frozen=True)
class Group:
    """A group as it is found in an encoded packet.

    Parameters
    ----------
    at : :class:`int`
        Where its mask begins, or its data if it has none: bytes from the start of the packet.
    mask : :class:`int` or ``None``
        Its mask, with zeros for bytes that are not there; ``None`` if it has none.
    raw_bytes : :class:`int`
        Length of its raw data.
    arrived : :class:`int`
        Bytes of its mask that are there; as many as the longest mask has if all are.
    last, refused, truncated : :class:`bool`
        As in ``GroupEntry``.
    """

    at: int
    mask: int | None
    raw_bytes: int
    last: bool
    arrived: int = GROUP_BYTES // 8
    refused: bool = False
    truncated: bool = False

    def data_at(self, size: int) -> int:
        """Where the data of the group begin."""
        return self.at + (0 if self.mask is None else GROUP_BYTES // size // 8)


def beats_and_rest(group: "Group", geometry: CodecGeometry) -> dict:
    """Return how many beats a group has, less one, and how many lanes the last of them."""
    lanes = group.raw_bytes // geometry.lane_bytes
    beats = 0 if group.truncated or not lanes else (lanes - 1) // geometry.lanes
    return {"beats": beats, "rest": (lanes - 1) % geometry.lanes + 1 if lanes else 0}


def groups_of(transfer: Transfer, geometry: CodecGeometry) -> list[Group]:
    """Return the groups of an encoded packet, up to the first one that is not there."""
    if transfer.refused:
        return [Group(0, None, 0, last=True, refused=True)]
    if transfer.raw_length == 0:
        return [Group(0, None, 0, last=True)]
    data, size, groups, at = transfer.data, transfer.size, [], 0
    for begin, end in transfer.groups:
        last = end == transfer.raw_length
        if transfer.zvc:
            need = GROUP_BYTES // size // 8
            mask = int.from_bytes(data[at : at + need], "little")
        else:
            need, mask = geometry.lane_bytes, None
        truncated = at + need > len(data)
        arrived = max(0, len(data) - at) if truncated else GROUP_BYTES // 8
        groups.append(Group(
            at, mask, end - begin, last or truncated, arrived, truncated=truncated))
        if truncated:
            break
        at += GROUP_BYTES if mask is None else need + size * mask.bit_count()
    return groups
