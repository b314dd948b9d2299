# SPDX-License-Identifier: Apache-2.0
"""What a descriptor that passed the rules does to the memories, and what its record says."""

import zlib
from dataclasses import dataclass, replace

from opencdma.spec import (
    Channel,
    Config,
    Descriptor,
    Direction,
    ElementType,
    ErrorCode,
    Flag,
    FormatId,
    Info,
    Opcode,
    Record,
    Status,
)

from .descriptor_areas import ENCODERS, destination, raw_side, source
from .descriptor_rules import port_widths
from .device_memory import BusError, Memory
from .spill import spilled
from .transfer import Command, run

__all__ = ["execute"]


@dataclass(frozen=True)
class _Output:
    """What is to be written, and what is known of it.

    Parameters
    ----------
    data : :class:`bytes`
        All of it, whether there is room or not.
    raw : :class:`bytes`
        The raw data, as far as they are good.
    nonzeros : :class:`int`
        Nonzero elements of them.
    error_code : :class:`~opencdma.spec.ErrorCode`
        Why decoding ended early.
    position : :class:`int`
        Offset in the source of the byte that did.
    """

    data: bytes
    raw: bytes
    nonzeros: int = 0
    error_code: ErrorCode = ErrorCode.NONE
    position: int = 0


def execute(
    descriptor: Descriptor, config: Config, way: Channel, dev: Memory, host: Memory,
) -> Record:
    """Do what a descriptor asks for, and return its record, without PHASE.

    Parameters
    ----------
    descriptor : :class:`~opencdma.spec.Descriptor`
        One that :func:`~opencdma.golden.descriptor_rules.check` finds good.
    config : :class:`~opencdma.spec.Config`
        The build.
    way : :class:`~opencdma.spec.Channel`
        Which way the data go.
    dev, host : :class:`~opencdma.golden.device_memory.Memory`
        The memories.
    """
    record = Record(status=Status.OK, tag=descriptor.tag, format_id=descriptor.format_id)
    if descriptor.opcode in (Opcode.NOP, Opcode.DRAIN):
        return record

    read_width, write_width = port_widths(config, way)
    readable, writable = (dev, host) if way is Channel.OFFLOAD else (host, dev)
    data, read_error = readable.fetch(source(descriptor, config).pieces(), read_width)
    raw_length = raw_side(descriptor, config).length
    output = _process(descriptor, config, way, data, raw_length)

    falls_back = (
        descriptor.flags & Flag.RAW_IF_LARGER and read_error is None
        and len(output.data) >= raw_length)
    to_write = data if falls_back else output.data
    room = _room(descriptor, raw_length, len(to_write))
    write_error = writable.store(
        destination(descriptor, config).pieces(), to_write[:room], write_width, config.write_burst)

    # Of several faults the first of these is reported.
    if write_error is not None:
        return replace(record, **_bus_error("WR", write_error), info=Info.WRITE_FAULT)
    if read_error is not None:
        return replace(record, **_bus_error("RD", read_error))
    if config.provoke and descriptor.tag == 0xFFFF_FFFF:
        return replace(record, status=Status.INTERNAL)
    record = replace(record, bytes_in=len(data), nonzeros=output.nonzeros)
    if output.error_code is not ErrorCode.NONE:
        return replace(
            record, status=Status.DATA_ERROR, error_code=output.error_code,
            bytes_out=len(output.raw), fault_addr=output.position, info=Info.OUTPUT_VALID)
    record = replace(record, crc32=zlib.crc32(output.raw) if config.crc else 0)
    if descriptor.flags & Flag.CHECK_CRC and record.crc32 != descriptor.expected_crc:
        return replace(
            record, status=Status.DATA_ERROR, error_code=ErrorCode.CRC,
            bytes_out=min(len(to_write), room))
    if (config.provoke and descriptor.tag == 0xFFFF_FFFE
            and descriptor.opcode == Opcode.COMPRESS_VERIFY):
        return replace(
            record, status=Status.DATA_ERROR, error_code=ErrorCode.VERIFY,
            bytes_out=min(len(to_write), room))
    record = replace(record, bytes_out=len(to_write))
    if len(to_write) > room:
        return replace(record, status=Status.DST_OVERFLOW)
    if falls_back:
        return replace(
            record, status=Status.OK_RAW, format_id=FormatId.RAW,
            info=Info.STORED_RAW | Info.OUTPUT_VALID)
    if descriptor.opcode == Opcode.MEASURE:
        return record
    return replace(record, info=Info.OUTPUT_VALID)


def _process(
    descriptor: Descriptor, config: Config, way: Channel, data: bytes, raw_length: int,
) -> _Output:
    """Return what becomes of what was read."""
    if descriptor.opcode == Opcode.COPY and way is Channel.OFFLOAD:
        return _Output(data, data)
    if descriptor.opcode == Opcode.FILL:
        # The pattern goes on across rows.
        data = (descriptor.src_addr.to_bytes(8, "little") * -(-raw_length // 8))[:raw_length]
        return _Output(data, data)
    if descriptor.opcode in ENCODERS:
        # Only a read that failed makes the data shorter than announced, and that is reported.
        result = run(
            Command(Direction.COMPRESS, descriptor.format_id, descriptor.element_type, raw_length),
            data)
        return _Output(result.output, data, result.nonzeros)
    command = Command(
        Direction.DECOMPRESS, descriptor.format_id, descriptor.element_type, raw_length)
    if descriptor.opcode == Opcode.COPY:
        plain = {1: ElementType.U8, 2: ElementType.U16, 4: ElementType.U32}[config.lane_bytes]
        command = replace(command, format=FormatId.RAW, element_type=plain)
    result = run(command, data)
    spill = bytes(spilled(command, data, result, config.dev_width))
    nonzeros = 0 if descriptor.opcode == Opcode.COPY else result.nonzeros
    return _Output(
        result.output + spill, result.output, nonzeros, result.error_code, result.position)


def _room(descriptor: Descriptor, raw_length: int, length: int) -> int:
    """Return the bytes that may be written, of which there are ``length``."""
    if descriptor.opcode == Opcode.MEASURE:
        return length  # though none is written
    if descriptor.opcode == Opcode.DECOMPRESS:
        return raw_length
    if descriptor.flags & Flag.RAW_IF_LARGER:
        return min(descriptor.max_dst_len, raw_length)
    return descriptor.max_dst_len


def _bus_error(kind: str, error: BusError) -> dict[str, int]:
    return {"status": Status[f"{kind}_{error.kind.upper()}"], "fault_addr": error.address}
