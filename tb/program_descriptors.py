# SPDX-License-Identifier: Apache-2.0
"""Random descriptors, good ones, with places of their own in both memories."""

import random
import zlib
from dataclasses import dataclass, replace

import program_data
from program_memories import Memories

from opencdma.golden import formats
from opencdma.golden.descriptor_areas import Area, destination, raw_side, source
from opencdma.golden.device_memory import PAGE
from opencdma.spec import (
    Channel,
    Config,
    Descriptor,
    ElementType,
    Flag,
    FormatId,
    Opcode,
    Record,
)

_CODEC_OPCODES = {
    Channel.OFFLOAD: (Opcode.COMPRESS, Opcode.COMPRESS_VERIFY, Opcode.MEASURE),
    Channel.PREFETCH: (Opcode.DECOMPRESS,),
}


@dataclass
class Draft:
    """A descriptor, and what is known of it.

    Parameters
    ----------
    descriptor : :class:`~opencdma.spec.Descriptor`
        The descriptor.
    way : :class:`~opencdma.spec.Channel`
        Which way it goes.
    raw : :class:`bytes`
        Its raw data.
    encoded : :class:`bytes`
        Their encoding.
    plain : :class:`bool`
        It is bound to end with OK.
    reads_well, writes_well : :class:`bool`
        What it reads can be read and decoded, and what it writes written.
    span : :class:`int`
        Bytes from its first destination byte on that are its own.
    """

    descriptor: Descriptor
    way: Channel
    raw: bytes = b""
    encoded: bytes = b""
    plain: bool = True
    reads_well: bool = True
    writes_well: bool = True
    span: int = 0


class DescriptorMaker:
    """Makes descriptors that a build can do.

    Parameters
    ----------
    rng : :class:`random.Random`
        Source of decisions.
    config : :class:`~opencdma.spec.Config`
        The build.
    memories : :class:`Memories`
        Where there is place.
    """

    def __init__(self, rng: random.Random, config: Config, memories: Memories):
        self._rng = rng
        self._config = config
        self._memories = memories
        self._types = [item for item in ElementType if item.size in config.element_sizes]
        self._wide = max(config.dev_width, config.host_width)

    def make(self, way: Channel, *, copies: bool = True) -> Draft:
        """Return a descriptor that goes one way; no COPY or FILL unless ``copies``.

        Raises
        ------
        FullError
            If there is no place for it.
        """
        rng = self._rng
        opcodes = [Opcode.NOP, Opcode.DRAIN, *4 * _CODEC_OPCODES[way]]
        if copies:
            opcodes += 2 * [Opcode.COPY, Opcode.FILL]
        opcode = rng.choice(opcodes)
        if opcode == Opcode.COMPRESS_VERIFY and not self._config.verify:
            opcode = Opcode.COMPRESS
        record = self._memories.take(1, Record.BYTES, Record.BYTES)
        draft = Draft(self._garbage(opcode, record), way)
        match opcode:
            case Opcode.DECOMPRESS:
                self._decompress(draft)
            case Opcode.COMPRESS | Opcode.COMPRESS_VERIFY | Opcode.MEASURE:
                self._compress(draft)
            case Opcode.COPY | Opcode.FILL:
                self._copy_or_fill(draft)
        self._crc(draft)
        return draft

    def decompress_again(self, draft: Draft) -> Draft:
        """Return a descriptor that decompresses what another one of its channel compresses."""
        made = draft.descriptor
        record = self._memories.take(1, Record.BYTES, Record.BYTES)
        again = Draft(self._garbage(Opcode.DECOMPRESS, record), Channel.PREFETCH, draft.raw)
        length = len(draft.raw)
        self._change(
            again, flags=Flag.FENCE, format_id=made.format_id, convert_to=0, format_version=0,
            element_type=made.element_type, rows_minus_1=0, src_addr=made.dst_addr,
            src_len=len(draft.encoded), max_dst_len=length)
        self._place_destination(again, 0, Area(0, length))
        self._crc(again)
        return again

    def _garbage(self, opcode: int, record: int) -> Descriptor:
        """Return a descriptor with anything in the fields that the opcode may not look at."""
        rng = self._rng
        flags = sum(flag for flag, share in (
            (Flag.FENCE, 0.2), (Flag.IRQ, 0.4), (Flag.WRITE_RECORD, 0.85),
            (Flag.STOP_ON_ERROR, 0.12)) if rng.random() < share)
        if flags & Flag.WRITE_RECORD and rng.random() < 0.2:
            flags |= Flag.RECORD_ON_ERROR_ONLY
        return Descriptor(
            opcode=opcode, flags=flags, tag=self._tag(), completion_addr=record,
            src_addr=rng.getrandbits(64), dst_addr=rng.getrandbits(64),
            src_len=rng.getrandbits(32), max_dst_len=rng.getrandbits(32),
            format_id=rng.getrandbits(8), element_type=rng.getrandbits(4),
            convert_to=rng.getrandbits(4), format_version=rng.getrandbits(8),
            rows_minus_1=rng.getrandbits(16) if self._config.two_d else 0,
            qos=rng.getrandbits(4), cache=rng.getrandbits(4), timeout=rng.choice((0, 0, 28, 31)),
            stride=rng.getrandbits(32), dst_stride=rng.getrandbits(32),
            expected_crc=rng.getrandbits(32))

    def _tag(self) -> int:
        """Return any tag, or one that a build for tests fails on."""
        if self._config.provoke and self._rng.random() < 0.1:
            return self._rng.choice((0xFFFF_FFFE, 0xFFFF_FFFF))
        return self._rng.getrandbits(31)

    def _compress(self, draft: Draft) -> None:
        rng = self._rng
        size, format = self._codec(draft)
        self._rows(draft, size)
        area = self._place_source(draft, 0)
        self._memories.put(0, area, program_data.tensor(rng, area.length, size))
        draft.raw = self._memories.get(0, area)
        draft.encoded = program_data.encode(draft.raw, size, format)
        if draft.descriptor.opcode == Opcode.MEASURE:
            return
        most = formats.get(format).bound(area.length, size)
        least = len(draft.encoded)
        room = rng.choice((
            least, least, least + 100, area.length, most, max(least - 1, 0), least // 2, 0,
            max(area.length - 1, 0), 0xFFFF_FFFF if rng.random() < 0.2 else most))
        if rng.random() < 0.5:
            self._change(draft, flags=draft.descriptor.flags | Flag.RAW_IF_LARGER)
        draft.plain = not draft.descriptor.flags & Flag.RAW_IF_LARGER and room in (least, most)
        self._change(draft, max_dst_len=room)
        self._place_destination(draft, 1, Area(0, min(room, most + 100)))

    def _decompress(self, draft: Draft) -> None:
        rng = self._rng
        size, format = self._codec(draft)
        self._rows(draft, size)
        length = raw_side(draft.descriptor, self._config).length
        draft.raw = program_data.tensor(rng, length, size)
        draft.encoded = program_data.encode(draft.raw, size, format)
        if rng.random() < 0.35:
            draft.encoded = program_data.damage(rng, draft.encoded, length, size, format)
            draft.reads_well = program_data.is_good(draft.encoded, length, size, format)
        self._change(draft, src_len=len(draft.encoded))
        area = self._place_source(draft, 1)
        self._memories.put(1, area, draft.encoded)
        self._place_destination(draft, 0, destination(draft.descriptor, self._config))

    def _copy_or_fill(self, draft: Draft) -> None:
        rng = self._rng
        readable, writable = (0, 1) if draft.way is Channel.OFFLOAD else (1, 0)
        self._rows(draft, self._config.lane_bytes)
        if draft.descriptor.opcode == Opcode.COPY:
            draft.raw = self._memories.get(readable, self._place_source(draft, readable))
        else:
            length = raw_side(draft.descriptor, self._config).length
            pattern = draft.descriptor.src_addr.to_bytes(8, "little")
            draft.raw = (pattern * (length // 8 + 1))[:length]
        length = len(draft.raw)
        room = rng.choice((
            *5 * (length,), length + 1, 0xFFFF_FFFF, max(length - 1, 0), length // 2, 0))
        self._change(draft, max_dst_len=room)
        self._place_destination(
            draft, writable, destination(draft.descriptor, self._config))

    def _codec(self, draft: Draft) -> tuple[int, int]:
        """Choose a format and an element type; return the element size and the format."""
        element_type = self._rng.choice(self._types)
        format = self._rng.choice((FormatId.ZVC, FormatId.ZVC, FormatId.ZVC, FormatId.RAW))
        self._change(
            draft, format_id=format, element_type=element_type, convert_to=0, format_version=0)
        return element_type.size, format

    def _rows(self, draft: Draft, size: int) -> None:
        """Choose the rows of elements of the raw side."""
        rng = self._rng
        name = "max_dst_len" if draft.descriptor.opcode == Opcode.DECOMPRESS else "src_len"
        if not self._config.two_d or rng.random() < 0.7:
            self._change(draft, rows_minus_1=0, **{name: self._length(size)})
            return
        unit = size if self._config.unaligned else self._wide
        rows, most = rng.choice(((rng.randrange(2, 7), 1500), (rng.randrange(2, 40), 200)))
        length = unit * rng.randrange(1, max(most // unit, 1) + 1)
        strides = [
            unit * rng.randrange(length // unit + 1) if rng.random() < 0.1
            else length + unit * rng.choice((0, 0, 1, 2, 5)) for _ in range(2)]
        self._change(
            draft, rows_minus_1=rows - 1, stride=strides[0], dst_stride=strides[1],
            **{name: length})

    def _length(self, unit: int) -> int:
        """Return a length, a multiple of ``unit``, most of them short or next to a boundary."""
        rng = self._rng
        beat = rng.choice((self._config.dev_width, self._config.host_width))
        length = rng.choice((
            0, unit, 128, 256, beat, 2 * beat, beat * self._config.write_burst, PAGE,
            rng.randrange(600), rng.randrange(600), rng.randrange(3000), rng.randrange(3000),
            rng.randrange(12000)))
        return max(length // unit + rng.choice((-1, 0, 0, 1)), 0) * unit

    def _place_source(self, draft: Draft, memory: int) -> Area:
        """Choose where a draft reads, and return the area."""
        area = source(draft.descriptor, self._config)
        address, inside = self._place(memory, area)
        draft.reads_well = draft.reads_well and inside
        self._change(draft, src_addr=address)
        return replace(area, address=address)

    def _place_destination(self, draft: Draft, memory: int, area: Area) -> None:
        """Choose where a draft writes an area."""
        address, draft.writes_well = self._place(memory, area)
        self._change(draft, dst_addr=address)
        draft.span = _span(area)

    def _place(self, memory: int, area: Area) -> tuple[int, bool]:
        """Return an address for an area, and whether all of it is inside the memory.

        Now and then it lies across the end of the memory.
        """
        unit, span = self._unit(memory), _span(area)
        if self._rng.random() < 0.02:
            address = self._memories.take_end(memory, span, unit)
            if address is not None:
                return address, False
        return self._memories.take(memory, span, unit), True

    def _unit(self, memory: int) -> int:
        """Return what addresses in a memory are multiples of."""
        if self._config.unaligned:
            return self._config.lane_bytes
        return (self._config.dev_width, self._config.host_width)[memory]

    def _crc(self, draft: Draft) -> None:
        """Have the CRC of some checked."""
        opcode = draft.descriptor.opcode
        if (not self._config.crc or opcode in (Opcode.NOP, Opcode.DRAIN)
                or self._rng.random() < 0.7):
            return
        self._change(draft, flags=draft.descriptor.flags | Flag.CHECK_CRC)
        if self._rng.random() < 0.75:
            self._change(draft, expected_crc=zlib.crc32(draft.raw))
        else:
            draft.plain = False

    def _change(self, draft: Draft, **changes: int) -> None:
        draft.descriptor = replace(draft.descriptor, **changes)


def _span(area: Area) -> int:
    """Return the bytes from the first to the last of an area, wherever it is."""
    return replace(area, address=0).end
