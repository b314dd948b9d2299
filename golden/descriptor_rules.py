# SPDX-License-Identifier: Apache-2.0
"""What is checked of a descriptor before anything is read: the rules of ``docs/programming.md``.

Nothing here looks at memory or keeps anything, so the same functions are what the checker in
hardware is tested against.
"""

from dataclasses import dataclass

from opencdma.spec import (
    MAX_RAW_LENGTH,
    Channel,
    Config,
    Descriptor,
    ElementType,
    ErrorCode,
    Flag,
    FormatId,
    Opcode,
    Record,
    Status,
)

from .descriptor_areas import ENCODERS, NOTHING, Area, destination, raw_side, source

__all__ = ["ChannelSettings", "check", "port_widths", "record_address_good", "way"]

_TOP = (1 << 64) - 1

#: Opcodes that one direction only can do.
_ONE_WAY = dict.fromkeys(ENCODERS, Channel.OFFLOAD) | {Opcode.DECOMPRESS: Channel.PREFETCH}

#: All bits that are flags.
_FLAGS = sum(Flag)


@dataclass(frozen=True, kw_only=True)
class ChannelSettings:
    """What registers say about a channel, as far as it matters to the rules.

    Parameters
    ----------
    channel : :class:`~opencdma.spec.Channel`
        Which one it is; not looked at in a shared build.
    direction : :class:`~opencdma.spec.Channel`
        CTRL.DIRECTION; looked at in a shared build only.
    same_memory : :class:`bool`
        CTRL.SAME_MEMORY.
    read_low, read_high, write_low, write_high, record_low, record_high : :class:`int`
        Windows; not looked at in a build without.
    """

    channel: Channel = Channel.OFFLOAD
    direction: Channel = Channel.OFFLOAD
    same_memory: bool = False
    read_low: int = 0
    read_high: int = _TOP
    write_low: int = 0
    write_high: int = _TOP
    record_low: int = 0
    record_high: int = _TOP


def way(descriptor: Descriptor, config: Config, settings: ChannelSettings) -> Channel:
    """Return which way a descriptor goes: that of its channel, or the one of a shared channel."""
    if not config.shared:
        return Channel(settings.channel)
    return _ONE_WAY.get(descriptor.opcode, Channel(settings.direction))


def port_widths(config: Config, way: Channel) -> tuple[int, int]:
    """Return the bytes per beat where a channel reads, and where it writes."""
    widths = config.dev_width, config.host_width
    return widths if way is Channel.OFFLOAD else widths[::-1]


def check(
    descriptor: Descriptor, config: Config, settings: ChannelSettings,
) -> tuple[Status, ErrorCode]:
    """Return why a descriptor is refused: of several reasons the lowest status. OK if it is not.

    Parameters
    ----------
    descriptor : :class:`~opencdma.spec.Descriptor`
        As it was read, whatever is in it.
    config : :class:`~opencdma.spec.Config`
        The build.
    settings : :class:`ChannelSettings`
        The channel it was read by.
    """
    moves_data = descriptor.opcode not in (Opcode.NOP, Opcode.DRAIN)
    if not _opcode_good(descriptor, config, settings):
        return Status.BAD_OPCODE, ErrorCode.NONE
    if not _flags_good(descriptor, config):
        return Status.BAD_FLAGS, ErrorCode.NONE
    if not _reserved_good(descriptor, config):
        return Status.RESERVED_NONZERO, ErrorCode.NONE
    if moves_data and not _length_good(descriptor, config):
        return Status.BAD_LENGTH, ErrorCode.NONE

    reads, writes = source(descriptor, config), destination(descriptor, config)
    if settings.same_memory and reads.shares_a_byte_with(writes):
        return Status.OVERLAP, ErrorCode.NONE
    if not (_in_window(reads, "read", config, settings)
            and _in_window(writes, "write", config, settings)):
        return Status.RANGE, ErrorCode.NONE
    if (descriptor.flags & Flag.WRITE_RECORD
            and not record_address_good(descriptor, config, settings)):
        return Status.RECORD_ADDR, ErrorCode.NONE
    if not _aligned(descriptor, config, settings):
        return Status.ADDR_ALIGN, ErrorCode.NONE
    if descriptor.opcode in _ONE_WAY:
        return _codec(descriptor, config)
    return Status.OK, ErrorCode.NONE


def record_address_good(
    descriptor: Descriptor, config: Config, settings: ChannelSettings,
) -> bool:
    """Tell whether a record may be written where the descriptor says, refused or not."""
    record = Area(descriptor.completion_addr, Record.BYTES)
    # An opcode that is not known here has no destination.
    writes = NOTHING
    if _opcode_good(descriptor, config, settings):
        writes = destination(descriptor, config)
    to_host = way(descriptor, config, settings) is Channel.OFFLOAD
    return (
        record.address % Record.BYTES == 0
        and _in_window(record, "record", config, settings)
        and not ((to_host or settings.same_memory) and record.shares_a_byte_with(writes))
    )


def _opcode_good(descriptor: Descriptor, config: Config, settings: ChannelSettings) -> bool:
    opcode = descriptor.opcode
    if opcode not in list(Opcode) or (opcode == Opcode.COMPRESS_VERIFY and not config.verify):
        return False
    taken = way(descriptor, config, settings)
    return _ONE_WAY.get(opcode, taken) is taken


def _flags_good(descriptor: Descriptor, config: Config) -> bool:
    flags, opcode = descriptor.flags, descriptor.opcode
    if flags & ~_FLAGS:
        return False
    if flags & Flag.RECORD_ON_ERROR_ONLY and not flags & Flag.WRITE_RECORD:
        return False
    if flags & Flag.CHECK_CRC and (not config.crc or opcode in (Opcode.NOP, Opcode.DRAIN)):
        return False
    storers = (Opcode.COMPRESS, Opcode.COMPRESS_VERIFY)
    return not flags & Flag.RAW_IF_LARGER or opcode in storers


def _reserved_good(descriptor: Descriptor, config: Config) -> bool:
    reserved = descriptor.codec_reserved | descriptor.geometry_reserved | descriptor.reserved
    return not reserved and (config.two_d or not descriptor.rows_minus_1)


def _length_good(descriptor: Descriptor, config: Config) -> bool:
    raw = raw_side(descriptor, config)
    unit = config.lane_bytes
    if descriptor.opcode in _ONE_WAY:
        unit = _element_size(descriptor)
    if raw.row_length % unit or raw.length > MAX_RAW_LENGTH:
        return False
    if raw.rows == 1:
        return True
    strides = [raw.stride]
    if descriptor.opcode == Opcode.COPY:
        strides.append(descriptor.dst_stride)
    if not config.unaligned:
        unit = max(config.dev_width, config.host_width)
    return raw.row_length > 0 and not any(value % unit for value in (raw.row_length, *strides))


def _in_window(area: Area, kind: str, config: Config, settings: ChannelSettings) -> bool:
    low, high = 0, _TOP
    if config.windows:
        low, high = getattr(settings, f"{kind}_low"), getattr(settings, f"{kind}_high")
    return area.within(low, high, config.address_bits)


def _aligned(descriptor: Descriptor, config: Config, settings: ChannelSettings) -> bool:
    units = port_widths(config, way(descriptor, config, settings))
    if config.unaligned:
        units = config.lane_bytes, config.lane_bytes
    areas = source(descriptor, config), destination(descriptor, config)
    return not any(area.address % unit for area, unit in zip(areas, units, strict=True))


def _codec(descriptor: Descriptor, config: Config) -> tuple[Status, ErrorCode]:
    if (descriptor.format_id not in list(FormatId) or descriptor.convert_to
            or descriptor.format_version):
        return Status.BAD_CODEC, ErrorCode.NONE
    if (descriptor.element_type not in list(ElementType)
            or _element_size(descriptor) not in config.element_sizes):
        return Status.BAD_CODEC, ErrorCode.ELEMENT_TYPE
    return Status.OK, ErrorCode.NONE


def _element_size(descriptor: Descriptor) -> int:
    """Return the element size in bytes; 8, which no type has, if the low bits of the code are 3."""
    return 1 << (descriptor.element_type & 3)
