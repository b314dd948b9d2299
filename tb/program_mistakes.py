# SPDX-License-Identifier: Apache-2.0
"""Mistakes in descriptors: changes that break each of the rules."""

import random
from collections.abc import Callable, Iterator
from dataclasses import replace

from opencdma.golden.descriptor_rules import ChannelSettings, check, record_address_good
from opencdma.spec import Config, Descriptor, ElementType, Flag, FormatId, Opcode, Status

_WORD = 1 << 32

Mistake = Callable[[random.Random, Descriptor, Config, ChannelSettings], dict[str, int]]


def _opcode(rng, descriptor, config, settings):
    return {"opcode": rng.choice((*Opcode, rng.getrandbits(8)))}


def _flags(rng, descriptor, config, settings):
    flags = descriptor.flags
    return {"flags": rng.choice((
        flags | 1 << rng.randrange(24), flags | Flag.RAW_IF_LARGER, flags | Flag.CHECK_CRC,
        (flags | Flag.RECORD_ON_ERROR_ONLY) & ~Flag.WRITE_RECORD))}


def _reserved(rng, descriptor, config, settings):
    return rng.choice((
        {"codec_reserved": 1 << rng.randrange(8)}, {"geometry_reserved": 1 << rng.randrange(3)},
        {"reserved": 1 << rng.randrange(32)}, {"rows_minus_1": rng.getrandbits(16)}))


def _length(rng, descriptor, config, settings):
    name = "max_dst_len" if descriptor.opcode == Opcode.DECOMPRESS else "src_len"
    length = getattr(descriptor, name)
    return rng.choice((
        {name: (length + rng.choice((1, 2, 3))) % _WORD}, {name: 0xE000_0000}, {name: 0xFFFF_FFF8},
        {name: 0x2000_0000, "rows_minus_1": rng.choice((7, 255, 0xFFFF))},
        {name: 0, "rows_minus_1": 1}, {"rows_minus_1": 1, "stride": (length + 1) % _WORD},
        {"rows_minus_1": 1, "stride": length, "dst_stride": (length + 2) % _WORD}))


def _overlap(rng, descriptor, config, settings):
    # By a beat, so that alignment stays what it was, and now and then by a byte.
    distance = rng.choice((0, 1, 64, descriptor.src_len, descriptor.max_dst_len))
    return {"dst_addr": _address(descriptor.src_addr + rng.choice((-1, 1)) * distance)}


def _range(rng, descriptor, config, settings):
    top = 1 << config.address_bits
    kind, field = rng.choice((("read", "src_addr"), ("write", "dst_addr")))
    low, high = getattr(settings, f"{kind}_low"), getattr(settings, f"{kind}_high")
    return {field: _address(rng.choice((
        low - 64, high + 1, high - 63, low - 1, high, top - 64, top, rng.getrandbits(64))))}


def _record_address(rng, descriptor, config, settings):
    top = 1 << config.address_bits
    return {
        "flags": descriptor.flags | Flag.WRITE_RECORD,
        "completion_addr": _address(rng.choice((
            descriptor.completion_addr + rng.choice((1, 4, 8, 16)), settings.record_low - 32,
            settings.record_high + 1, top - 16, top, descriptor.dst_addr // 32 * 32,
            (descriptor.dst_addr + descriptor.max_dst_len - 1) // 32 * 32))),
    }


def _alignment(rng, descriptor, config, settings):
    field = rng.choice(("src_addr", "dst_addr"))
    return {field: _address(getattr(descriptor, field) + rng.choice((1, 2, 4, 8, 16, 32)))}


def _codec(rng, descriptor, config, settings):
    unknown = [number for number in range(16) if number not in list(ElementType)]
    missing = [item for item in ElementType if item.size not in config.element_sizes]
    return rng.choice((
        {"format_id": rng.randrange(len(FormatId), 256)}, {"convert_to": rng.randrange(1, 16)},
        {"format_version": rng.randrange(1, 256)}, {"element_type": rng.choice(unknown)},
        {"element_type": rng.choice(missing or unknown)}))


def _address(value: int) -> int:
    return value % (1 << 64)


_MISTAKES: tuple[Mistake, ...] = (
    _opcode, _flags, _reserved, _length, _overlap, _range, _record_address, _alignment, _codec)


def with_mistake(
    rng: random.Random, descriptor: Descriptor, config: Config, settings: ChannelSettings,
) -> Descriptor:
    """Return a descriptor with one or two mistakes, or as it was if they break no rule.

    A descriptor that breaks one does nothing, wherever its addresses are. Its record is where that
    of the good one would be, or nowhere.
    """
    changes = {}
    for mistake in rng.sample(_MISTAKES, rng.choice((1, 1, 1, 2))):
        changes |= mistake(rng, descriptor, config, settings)
    changed = replace(descriptor, **changes)
    status, _ = check(changed, config, settings)
    moved = changed.completion_addr != descriptor.completion_addr
    if status is Status.OK or (moved and record_address_good(changed, config, settings)):
        return descriptor
    return changed


def areas_elsewhere(base: int, size: int, address_bits: int) -> Iterator[int]:
    """Yield addresses at which there is no memory for at least 64 KiB."""
    for address in (base - 0x10_0000, base + size + 0x10_0000):
        if 0 <= address <= (1 << address_bits) - 0x1_0000:
            yield address
