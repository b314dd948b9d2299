# SPDX-License-Identifier: Apache-2.0
"""Random descriptor programs: what they provoke, that time does not matter, what is compared."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from engines import SlowDevice
from program_compare import BEGUN, written_bytes, written_memory
from program_run import Halt
from programs import compare, random_program

from opencdma.golden.descriptor_areas import source
from opencdma.golden.device import GoldenDevice
from opencdma.spec import PRESETS, Channel, Config, ErrorCode, Flag, Info, Opcode, Status

CONFIGS = {
    **PRESETS,
    "any-address-8": Config(
        dev_width=8, host_width=8, unaligned=True, address_bits=40, write_burst=4),
    "any-address-64-16": Config(
        dev_width=64, host_width=16, unaligned=True, element_sizes=(2, 4), verify=True),
    "64-8": Config(dev_width=64, host_width=8, write_burst=4, element_sizes=(1,)),
    "shared": Config(dev_width=16, host_width=16, shared=True),
    "bare": Config(windows=False, counters=False, two_d=False, crc=False),
}
PROGRAMS = range(40)

#: What only time, other software or a broken engine can provoke.
NOT_PROVOKED = {Status.PENDING, Status.TIMEOUT, Status.FLUSHED, Status.INTERNAL}

#: What only registers say.
ONLY_HALTS = {Status.DESC_FETCH, Status.RECORD_WRITE, Status.RING_ERROR, Status.ABORTED}


@pytest.fixture(scope="module")
def runs():
    """Programs for every build, and what becomes of them."""
    return {
        name: [(program, program.golden()) for program in (
            random_program(seed, config) for seed in PROGRAMS)]
        for name, config in CONFIGS.items()}


def test_same_program_of_the_same_seed():
    config = CONFIGS["shared"]
    assert random_program(3, config) == random_program(3, config)
    assert random_program(3, config) != random_program(4, config)


def test_everything_is_provoked(runs):
    records, codes, halts = Counter(), Counter(), Counter()
    for outcomes in runs.values():
        for _, outcome in outcomes:
            for completion in outcome.log:
                record = completion.record
                records[Status(record.status)] += 1
                codes[ErrorCode(record.error_code)] += 1
            halts.update(Status(halt.status) for item in outcome.channels for halt in item.halts)
    expected = set(Status) - NOT_PROVOKED - ONLY_HALTS
    assert set(records) == expected
    rare = {status: count for status, count in records.items() if count < 20}
    assert not rare, f"of {records.total()} descriptors"
    assert set(codes) == set(ErrorCode) - {ErrorCode.VERIFY, ErrorCode.FRAMING}
    assert set(halts) >= ONLY_HALTS
    assert min(halts[status] for status in ONLY_HALTS) >= 20


@pytest.mark.parametrize("name", CONFIGS)
def test_everything_of_a_build_is_used(runs, name):
    config = CONFIGS[name]
    log = [completion for _, outcome in runs[name] for completion in outcome.log]
    done = Counter(
        Opcode(item.descriptor.opcode) for item in log
        if item.record.status in (Status.OK, Status.OK_RAW))
    missing = {Opcode.COMPRESS_VERIFY} if not config.verify else set()
    assert set(done) == set(Opcode) - missing
    flags = 0
    for item in log:
        if item.record.status == Status.OK:
            flags |= item.descriptor.flags
    assert flags == sum(Flag) - (0 if config.crc else Flag.CHECK_CRC)
    # More descriptors go well than not, but many do not.
    share = sum(done.values()) / len(log)
    assert 0.4 < share < 0.7
    assert any(item.index is None for item in log)
    assert any(item.record.info & Info.PHASE for item in log) is config.rings


@pytest.mark.parametrize("name", CONFIGS)
def test_every_descriptor_completes_once_in_order(runs, name):
    for program, outcome in runs[name]:
        for item in program.channels:
            log = [done for done in outcome.log if done.channel is item.channel]
            assert tuple(done.descriptor for done in log) == item.descriptors
            ring = [done.index for done in log if done.index is not None]
            assert ring == list(range(len(item.descriptors) - item.direct))
            assert outcome.channels[item.channel].head == len(ring)


@pytest.mark.parametrize("name", CONFIGS)
def test_time_does_not_matter(runs, name):
    for program, outcome in runs[name][:15]:
        others = [
            replace(program, channels=program.channels[::-1]),
            replace(program, channels=tuple(
                replace(item, doorbells=(8,)) for item in program.channels)),
        ]
        for other in others:
            again = other.golden()
            # To the byte, whether it is specified or not, as the model is the same.
            assert (again.dev, again.host) == (outcome.dev, outcome.host)
        slow = program.run(SlowDevice(GoldenDevice(program.config, **program.backend_arguments), 3))
        assert not list(compare(program, outcome, slow))


def read_bytes(program, done):
    """Return which bytes of which memory a descriptor reads."""
    memory = "dev" if done.way is Channel.OFFLOAD else "host"
    base, data = getattr(program, f"{memory}_base"), getattr(program, memory)
    if done.record.status not in BEGUN:
        return memory, np.zeros(0, int)
    rows = [
        np.arange(length) + (address - base)
        for address, length in source(done.descriptor, program.config).pieces()
        if base <= address < base + len(data)]
    at = np.concatenate([np.zeros(0, int), *rows])
    return memory, at[at < len(data)]


@pytest.mark.parametrize("name", CONFIGS)
def test_no_byte_is_used_twice(runs, name):
    """No descriptor writes what another one uses that may be under way at the same time."""
    reused = 0
    for program, outcome in runs[name]:
        # Who used each byte last, as a number that grows with the fences of a channel; 0: nobody.
        users = {
            (memory, use): np.zeros(len(program.dev), int)
            for memory in ("dev", "host") for use in ("read", "write")}
        fences = dict.fromkeys(Channel, 1)
        for done in outcome.log:
            if done.record.status in BEGUN and done.descriptor.flags & Flag.FENCE:
                fences[done.channel] += 1
            me = 2 * fences[done.channel] + done.channel
            memory, read = read_bytes(program, done)
            uses = [((memory, "read"), read, ["write"])]
            memory = written_memory(done)
            if memory is not None:
                at = written_bytes(program, done) - getattr(program, f"{memory}_base")
                uses.append(((memory, "write"), at, ["read", "write"]))
            for (memory, _), at, conflicts in uses:
                for conflict in conflicts:
                    others = users[memory, conflict][at]
                    others = others[others != 0]
                    assert ((others % 2 == done.channel) & (others < me)).all(), program.seed
                    reused += others.size > 0
            for use, at, _ in uses:
                users[use][at] = me
    assert reused


# Comparison


def flipped(data, at):
    return data[:at] + bytes([data[at] ^ 0x40]) + data[at + 1 :]


def find(outcomes, wanted):
    """Return the first program with a completion that is wanted, its outcome and that."""
    for program, outcome in outcomes:
        for done in outcome.log:
            if wanted(done):
                return program, outcome, done
    raise LookupError("No program has what is wanted")


def test_comparison_of_memory(runs):
    def good(opcode):
        return lambda done: (
            done.descriptor.opcode == opcode and done.record.status == Status.OK
            and done.record.bytes_out > 300)

    program, outcome, done = find(runs["ecp5"], good(Opcode.COMPRESS))
    at = done.descriptor.dst_addr - program.host_base
    last = at + done.record.bytes_out - 1
    assert not list(compare(program, outcome, outcome))
    message, = compare(program, outcome, replace(outcome, host=flipped(outcome.host, last)))
    assert f"program {program.seed}, OFFLOAD descriptor " in message
    assert f"(COMPRESS), OK: 1 bytes of the destination are wrong, the first at offset " \
           f"{done.record.bytes_out - 1}, host address {program.host_base + last:#x}: " in message
    message, = compare(program, outcome, replace(outcome, host=flipped(outcome.host, at - 1)))
    assert "1 bytes of host memory that are none of a destination or record" in message
    message, = compare(program, outcome, replace(outcome, dev=flipped(outcome.dev, 0)))
    assert f"were changed, the first at {program.dev_base:#x}: " in message
    program, outcome, done = find(runs["asic"], good(Opcode.DECOMPRESS))
    at = done.descriptor.dst_addr - program.dev_base
    message, = compare(program, outcome, replace(outcome, dev=flipped(outcome.dev, at)))
    assert "PREFETCH descriptor " in message
    assert "(DECOMPRESS), OK: 1 bytes of the destination are wrong, the first at offset 0," in (
        message)


def test_comparison_of_records(runs):
    program, outcome, done = find(
        runs["ecp5"], lambda done: done.recorded and done.record.status == Status.DST_OVERFLOW)
    at = done.descriptor.completion_addr - program.host_base
    wrong = replace(outcome, host=flipped(flipped(outcome.host, at), at + 12))
    first, second = compare(program, outcome, wrong)
    assert "field status must be 0xb, not 0x4b (0x4b instead of DST_OVERFLOW)" in first
    assert f"record: field bytes_out must be {done.record.bytes_out:#x}, not " in second


def test_what_is_not_compared(runs):
    """Destinations after faults, except for what OUTPUT_VALID vouches for."""
    def wrong(name, opcode, status, good):
        program, outcome, done = find(runs[name], lambda done: (
            done.descriptor.opcode == opcode and done.record.status == status
            and done.descriptor.rows_minus_1 == 0 and good(done.record)))
        memory = "host" if done.way is Channel.OFFLOAD else "dev"
        base = getattr(program, f"{memory}_base")

        def messages(offset):
            at = done.descriptor.dst_addr - base + offset
            data = flipped(getattr(outcome, memory), at)
            return list(compare(program, outcome, replace(outcome, **{memory: data})))

        return done, messages

    done, messages = wrong("ecp5", Opcode.COMPRESS, Status.DST_OVERFLOW, lambda _: True)
    room = done.descriptor.max_dst_len
    assert room > 0
    assert [messages(offset) for offset in (0, room - 1)] == [[], []]
    assert messages(room)
    assert messages(-1)
    done, messages = wrong(
        "ecp5", Opcode.DECOMPRESS, Status.DATA_ERROR,
        lambda record: (
            record.bytes_out > 0 and record.info & Info.OUTPUT_VALID
            and record.error_code in (ErrorCode.TRUNCATED, ErrorCode.NON_CANONICAL)))
    good, length = done.record.bytes_out, done.descriptor.max_dst_len
    assert messages(good - 1)
    assert good < length
    assert not messages(good)
    assert not messages(min(good + 127, length - 1))
    if good + 128 < length:
        assert messages(good + 128)
    assert messages(length)


def test_comparison_of_registers(runs):
    program, outcome, _ = find(runs["ecp5"], lambda done: done.record.bytes_out)
    assert outcome.channels[0].halts

    def messages(**changes):
        channel = replace(outcome.channels[0], **changes)
        other = replace(outcome, channels=(channel, *outcome.channels[1:]))
        return list(compare(program, outcome, other))

    first = outcome.channels[0]
    result = replace(first.result, tag=first.result.tag ^ 1)
    message, = messages(result=result)
    assert "OFFLOAD, RESULT: field tag must be " in message
    message, = messages(head=first.head + 1)
    assert f"HEAD must be {first.head}, not {first.head + 1}" in message
    message, = messages(counters={**first.counters, "ERRORS": 99})
    assert "counter ERRORS must be " in message
    message, = messages(ring_intact=False)
    assert "OFFLOAD: the engine wrote into a ring" in message
    message, = messages(halts=(Halt(0x3F, 1, 2, 3, 4), *first.halts))
    assert ", not ['INTERNAL (1) at descriptor 2, address 0x3, HEAD 4', " in message
    message, = messages(halts=())
    assert "halts must be " in message
    for name, value in (("irq", not outcome.irq), ("irq_status", outcome.irq_status ^ 1)):
        message, = compare(program, outcome, replace(outcome, **{name: value}))
        assert f"{name} must be {getattr(outcome, name)!r}, not {value!r}" in message


@pytest.mark.parametrize(("given", "good"), [
    ([(1, 2), (3, 4), (6, 6)], True),
    ([(1, 4), (6, 6)], True), # what had begun at the first halt failed as well
    ([(1, 7)], True),
    ([(1, 4)], False), # the last one cannot have been among it
    ([(1, 2), (6, 6)], False),
    ([(3, 4), (6, 6)], False),
    ([(1, 3), (6, 6)], False),
    ([(1, 2), (3, 4), (3, 4), (6, 6)], False),
    ([(3, 4), (1, 2), (6, 6)], False),
    ([], False),
])
def test_comparison_of_halts(runs, given, good):
    """Given are descriptors at which a channel halted, and HEAD then; errors are at 1, 3 and 6."""
    program, outcome = runs["ecp5"][0]

    def halted(*halts):
        channel = replace(
            outcome.channels[0],
            halts=tuple(Halt(Status.RANGE, 0, index, 0, head) for index, head in halts))
        return replace(outcome, channels=(channel, *outcome.channels[1:]))

    messages = list(compare(program, halted((1, 2), (3, 4), (6, 7)), halted(*given)))
    assert not messages if good else "halts must be " in messages[0]


def test_engine_that_hangs():
    program = random_program(1, CONFIGS["ecp5"])
    device = SlowDevice(GoldenDevice(program.config, **program.backend_arguments), 10**9)
    with pytest.raises(TimeoutError, match=r"^Program 1 must come to its end, but the channels "):
        program.run(device, patience=10)
