# SPDX-License-Identifier: Apache-2.0
"""Comparison of what two engines made of a program, in words that help to find the difference."""

from collections.abc import Iterator, Sequence
from dataclasses import fields

import numpy as np
from program_run import Halt, Outcome, Program

from opencdma.golden import formats
from opencdma.golden.descriptor_areas import ENCODERS, destination, raw_side
from opencdma.golden.device_channel import Completion
from opencdma.spec import (
    GROUP_BYTES,
    Channel,
    Flag,
    Info,
    Opcode,
    Record,
    Status,
)

_GOOD = (Status.OK, Status.OK_RAW)

#: Outcomes of descriptors that were not refused.
BEGUN = (
    *_GOOD, Status.DATA_ERROR, Status.DST_OVERFLOW, Status.RD_SLVERR, Status.RD_DECERR,
    Status.WR_SLVERR, Status.WR_DECERR, Status.INTERNAL)


def compare(program: Program, golden: Outcome, other: Outcome) -> Iterator[str]:
    """Yield what differs between the outcome in the golden model and another one.

    What ``docs/programming.md`` leaves open is not compared: destinations after faults, but for
    what OUTPUT_VALID vouches for.
    """
    for item, expected, actual in zip(
            program.channels, golden.channels, other.channels, strict=True):
        where = f"program {program.seed}, {item.channel.name}"
        yield from _different_record(f"{where}, RESULT", expected.result, actual.result)
        if actual.head != expected.head:
            yield f"{where}: HEAD must be {expected.head}, not {actual.head}"
        for name, value in expected.counters.items():
            if actual.counters[name] != value:
                yield f"{where}: counter {name} must be {value}, not {actual.counters[name]}"
        if not _same_halts(expected.halts, actual.halts):
            yield (f"{where}: halts must be {[*map(_halt, expected.halts)]}, "
                   f"not {[*map(_halt, actual.halts)]}")
        if not actual.ring_intact:
            yield f"{where}: the engine wrote into a ring"
    for name in ("irq_status", "irq"):
        if getattr(other, name) != getattr(golden, name):
            yield (f"program {program.seed}: {name} must be {getattr(golden, name)!r}, "
                   f"not {getattr(other, name)!r}")
    yield from _different_memory(program, golden, other)


def _same_halts(expected: Sequence[Halt], actual: Sequence[Halt]) -> bool:
    """Tell whether a channel halted whenever it had to.

    In the golden model it halts at every error by itself. In hardware descriptors go on that have
    begun when it comes to a halt, and one halt may be for the errors of them all.
    """
    left = list(expected)
    for halt in actual:
        if not left or left.pop(0) != halt:
            return False
        while left and halt.index < left[0].index < halt.head:
            left.pop(0)
    return not left


def _halt(halt: Halt) -> str:
    return (f"{_name(halt.status)} ({halt.error_code}) at descriptor {halt.index}, "
            f"address {halt.address:#x}, HEAD {halt.head}")


def _name(status: int) -> str:
    return Status(status).name if status in list(Status) else f"{status:#04x}"


def _different_record(where: str, expected: Record, actual: Record) -> Iterator[str]:
    for field in fields(Record):
        right, wrong = (getattr(record, field.name) for record in (expected, actual))
        if wrong != right:
            yield (f"{where}: field {field.name} must be {right:#x}, not {wrong:#x} "
                   f"({_name(actual.status)} instead of {_name(expected.status)})")


def _different_memory(program: Program, golden: Outcome, other: Outcome) -> Iterator[str]:
    open_bytes = _unspecified(program, golden)
    for name, base in (("dev", program.dev_base), ("host", program.host_base)):
        expected, actual = (
            np.frombuffer(getattr(outcome, name), np.uint8) for outcome in (golden, other))
        different = (expected != actual) & ~open_bytes[name]
        for number, completion in _numbered(golden):
            where = (f"program {program.seed}, {completion.channel.name} descriptor {number} "
                     f"({_opcode(completion.descriptor.opcode)})")
            at = completion.descriptor.completion_addr - base
            if name == "host" and completion.recorded and different[at : at + Record.BYTES].any():
                records = (Record.unpack(array[at : at + Record.BYTES].tobytes())
                           for array in (expected, actual))
                yield from _different_record(f"{where}, record", *records)
                different[at : at + Record.BYTES] = False
            if written_memory(completion) != name:
                continue
            bytes_at = written_bytes(program, completion) - base
            wrong = np.flatnonzero(different[bytes_at])
            if wrong.size:
                at = int(bytes_at[wrong[0]])
                yield (f"{where}, {_name(completion.record.status)}: {wrong.size} bytes of the "
                       f"destination are wrong, the first at offset {wrong[0]}, {name} address "
                       f"{base + at:#x}: {expected[at]:#04x} must be there, not "
                       f"{actual[at]:#04x}")
                different[bytes_at] = False
        stray = np.flatnonzero(different)
        if stray.size:
            at = int(stray[0])
            yield (f"program {program.seed}: {stray.size} bytes of {name} memory that are none of "
                   f"a destination or record were changed, the first at {base + at:#x}: "
                   f"{expected[at]:#04x} must be there, not {actual[at]:#04x}")


def _unspecified(program: Program, golden: Outcome) -> dict[str, np.ndarray]:
    """Return which bytes of the memories may be anything."""
    memories = {"dev": (program.dev_base, program.dev), "host": (program.host_base, program.host)}
    unknown = {name: np.zeros(len(data), bool) for name, (_, data) in memories.items()}
    for _, completion in _numbered(golden):
        target = written_memory(completion)
        if target is not None:
            base, _ = memories[target]
            at = written_bytes(program, completion) - base
            good, end = _vouched_for(completion.record, at.size)
            unknown[target][at[:good]] = False
            unknown[target][at[good:end]] = True
    return unknown


def _vouched_for(record: Record, size: int) -> tuple[int, int]:
    """Return how many bytes are good, and where those end that may be anything."""
    if record.status in _GOOD:
        return record.bytes_out, record.bytes_out
    if record.info & Info.OUTPUT_VALID:
        return record.bytes_out, min(record.bytes_out + GROUP_BYTES, size)
    return 0, size


def _numbered(outcome: Outcome) -> Iterator[tuple[int, Completion]]:
    """Yield the completions with their numbers, which are those of the channels' programs."""
    counts = dict.fromkeys(Channel, 0)
    for completion in outcome.log:
        yield counts[completion.channel], completion
        counts[completion.channel] += 1


def written_memory(completion: Completion) -> str | None:
    """Return the memory that a descriptor wrote to, if it did."""
    writers = (
        Opcode.COMPRESS, Opcode.COMPRESS_VERIFY, Opcode.DECOMPRESS, Opcode.COPY, Opcode.FILL)
    if completion.descriptor.opcode not in writers or completion.record.status not in BEGUN:
        return None
    return "host" if completion.way is Channel.OFFLOAD else "dev"


def written_bytes(program: Program, completion: Completion) -> np.ndarray:
    """Return the addresses of all bytes that a descriptor may write, in the order of its data."""
    descriptor, config = completion.descriptor, program.config
    raw_length = raw_side(descriptor, config).length
    most = raw_length
    if descriptor.opcode in ENCODERS:
        element_size = 1 << (descriptor.element_type & 3)
        if not descriptor.flags & Flag.RAW_IF_LARGER:
            most = formats.get(descriptor.format_id).bound(raw_length, element_size)
    if descriptor.opcode != Opcode.DECOMPRESS:
        most = min(most, descriptor.max_dst_len)
    area = destination(descriptor, config)
    rows = [
        np.arange(min(length, most), dtype=np.uint64) + address
        for address, length in area.pieces()]
    base, data = (
        (program.host_base, program.host) if written_memory(completion) == "host"
        else (program.dev_base, program.dev))
    at = np.concatenate(rows)[:most]
    # Some are where there is no memory.
    return at[(at >= base) & (at < base + len(data))]


def _opcode(opcode: int) -> str:
    return Opcode(opcode).name if opcode in list(Opcode) else f"opcode {opcode:#04x}"
