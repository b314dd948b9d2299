# SPDX-License-Identifier: Apache-2.0
"""What descriptors do to the memories, and what their records say."""

import random
import zlib
from dataclasses import replace

import numpy as np
import pytest
from engines import DEV, HOST, OFFLOAD, PREFETCH, Engine

from opencdma.golden import formats
from opencdma.golden.device_memory import Fault
from opencdma.spec import (
    PRESETS,
    Config,
    Descriptor,
    ErrorCode,
    Flag,
    FormatId,
    Info,
    Opcode,
    Record,
    Status,
)

VALID = Info.OUTPUT_VALID
ZVC = formats.get("zvc")

#: 32-bit elements: 300 of them, so that the last group is short; every third is not zero.
RAW = np.where(np.arange(300) % 3, 0, np.arange(300) + 1).astype("<u4").tobytes()
ENCODED = ZVC.encode(np.frombuffer(RAW, "<u4"))
NONZEROS = 100

#: None of these is zero, so that they get longer.
DENSE = np.arange(1, 301).astype("<u4").tobytes()

SOURCE, TARGET = DEV, HOST + 0x1_0000

COMPRESS = Descriptor(
    opcode=Opcode.COMPRESS, tag=0x1234_5678, src_addr=SOURCE, dst_addr=TARGET, src_len=1200,
    max_dst_len=2000, format_id=1, element_type=6)
DECOMPRESS = Descriptor(
    opcode=Opcode.DECOMPRESS, tag=77, src_addr=TARGET, dst_addr=SOURCE, src_len=len(ENCODED),
    max_dst_len=1200, format_id=1, element_type=6)
COPY = Descriptor(
    opcode=Opcode.COPY, src_addr=SOURCE, dst_addr=TARGET, src_len=1200, max_dst_len=1200)
FILL = Descriptor(
    opcode=Opcode.FILL, src_addr=0x0807_0605_0403_0201, dst_addr=TARGET, src_len=1200,
    max_dst_len=1200)


def offload(descriptor, raw=RAW, *, config=None, faults=()):
    """Return the record, and what is in host memory then; around the target there is 0xAA."""
    engine = Engine(config, faults)
    engine.dev.write(SOURCE, raw)
    engine.host.write(TARGET - 64, b"\xAA" * 0x3000)
    record = engine.start(descriptor)
    assert engine.host.read(TARGET - 64, 64) == b"\xAA" * 64
    return record, engine.host.read(TARGET, 0x2000)


def prefetch(descriptor, encoded=ENCODED, *, config=None, faults=()):
    """Return the record, and what is in device memory then; before, there is 0xAA all over."""
    engine = Engine(config, faults)
    engine.host.write(TARGET, encoded)
    engine.dev.write(SOURCE, b"\xAA" * 0x2000)
    # The one channel of a shared build is the first.
    channel = OFFLOAD if engine.device.config.shared else PREFETCH
    return engine.start(descriptor, channel), engine.dev.read(SOURCE, 0x2000)


def written(memory):
    """Return what is in front of the 0xAA."""
    return memory.rstrip(b"\xAA")


@pytest.mark.parametrize("preset", PRESETS)
def test_compress(preset):
    config = PRESETS[preset]
    for raw, format in ((RAW, 1), (RAW, 0), (DENSE, 1), (b"", 1)):
        encoded = formats.get(format).encode(np.frombuffer(raw, "<u4"))
        record, memory = offload(
            replace(COMPRESS, src_len=len(raw), format_id=format), raw, config=config)
        assert record == Record(
            status=Status.OK, info=VALID, format_id=format, tag=0x1234_5678, bytes_in=len(raw),
            bytes_out=len(encoded), crc32=zlib.crc32(raw) if config.crc else 0,
            nonzeros=np.count_nonzero(np.frombuffer(raw, "<u4")))
        assert written(memory) == encoded


@pytest.mark.parametrize("preset", PRESETS)
def test_decompress(preset):
    config = PRESETS[preset]
    record, memory = prefetch(DECOMPRESS, config=config)
    assert record == Record(
        status=Status.OK, info=VALID, format_id=1, tag=77, bytes_in=len(ENCODED), bytes_out=1200,
        crc32=zlib.crc32(RAW) if config.crc else 0, nonzeros=NONZEROS)
    assert memory == RAW + b"\xAA" * (0x2000 - 1200)


def test_verify_and_measure():
    config = Config(verify=True)
    record, memory = offload(replace(COMPRESS, opcode=Opcode.COMPRESS_VERIFY), config=config)
    assert (record.status, record.bytes_out) == (Status.OK, len(ENCODED))
    assert written(memory) == ENCODED
    measure = replace(COMPRESS, opcode=Opcode.MEASURE, dst_addr=1, max_dst_len=0)
    record, memory = offload(measure)
    assert record == Record(
        status=Status.OK, format_id=1, tag=0x1234_5678, bytes_in=1200, bytes_out=len(ENCODED),
        crc32=zlib.crc32(RAW), nonzeros=NONZEROS)
    assert written(memory) == b""


def test_copy_and_fill():
    record, memory = offload(replace(COPY, tag=5, format_id=9, element_type=15))
    assert record == Record(
        status=Status.OK, info=VALID, format_id=9, tag=5, bytes_in=1200, bytes_out=1200,
        crc32=zlib.crc32(RAW))
    assert written(memory) == RAW.rstrip(b"\xAA")
    record, memory = prefetch(
        replace(COPY, src_addr=TARGET, dst_addr=SOURCE, src_len=len(ENCODED)))
    assert (record.status, record.bytes_out) == (Status.OK, len(ENCODED))
    assert written(memory) == ENCODED
    record, memory = offload(FILL)
    filled = bytes(range(1, 9)) * 150
    assert record == Record(
        status=Status.OK, info=VALID, bytes_out=1200, crc32=zlib.crc32(filled))
    assert written(memory) == filled
    record, memory = prefetch(replace(FILL, dst_addr=SOURCE, src_len=13))
    assert written(memory) == bytes(range(1, 9)) + bytes(range(1, 6))


@pytest.mark.parametrize("opcode", [Opcode.NOP, Opcode.DRAIN])
def test_nothing(opcode):
    anything = Descriptor(
        opcode=opcode, tag=3, format_id=200, src_addr=1, dst_addr=3, src_len=5, max_dst_len=7,
        element_type=3, convert_to=1, format_version=1, rows_minus_1=9, stride=1)
    record, memory = offload(anything)
    assert record == Record(status=Status.OK, tag=3, format_id=200)
    assert written(memory) == b""


ROWS = {"rows_minus_1": 3, "stride": 320, "dst_stride": 512}


def test_rows():
    matrix = np.frombuffer(random.Random(1).randbytes(4 * 320), np.uint8).reshape(4, 320)
    raw = matrix[:, :256].tobytes()
    record, memory = offload(
        replace(COMPRESS, src_len=256, **ROWS), matrix.tobytes())
    # Groups run across rows.
    encoded = ZVC.encode(np.frombuffer(raw, "<u4"))
    assert (record.bytes_in, record.bytes_out) == (1024, len(encoded))
    assert record.crc32 == zlib.crc32(raw)
    assert written(memory) == encoded

    record, memory = prefetch(
        replace(DECOMPRESS, src_len=len(encoded), max_dst_len=256, **ROWS), encoded)
    assert (record.status, record.bytes_in, record.bytes_out) == (
        Status.OK, len(encoded), 1024)
    got = np.frombuffer(memory[: 4 * 320], np.uint8).reshape(4, 320)
    assert (got[:, :256] == matrix[:, :256]).all()
    assert (got[:, 256:] == 0xAA).all()

    record, memory = offload(replace(COPY, src_len=256, **ROWS), matrix.tobytes())
    got = np.frombuffer(memory[: 4 * 512], np.uint8).reshape(4, 512)
    assert (got[:, :256] == matrix[:, :256]).all()
    assert (got[:, 256:] == 0xAA).all()

    # With unaligned addresses, rows need not be whole patterns: it goes on in the next one.
    config = Config(unaligned=True)
    record, memory = offload(
        replace(FILL, src_len=5, rows_minus_1=2, stride=16), config=config)
    assert (record.bytes_in, record.bytes_out) == (0, 15)
    assert memory[:40] == (
        bytes((1, 2, 3, 4, 5)) + b"\xAA" * 11 + bytes((6, 7, 8, 1, 2)) + b"\xAA" * 11
        + bytes((3, 4, 5, 6, 7)) + b"\xAA" * 3)


def test_rows_may_lie_on_each_other():
    record, memory = offload(
        replace(COPY, src_len=64, rows_minus_1=2, stride=0, dst_stride=32), bytes(range(64)))
    assert (record.status, record.bytes_out) == (Status.OK, 192)
    assert memory[:128] == bytes(range(32)) * 2 + bytes(range(64))
    assert set(memory[128:]) == {0xAA}


@pytest.mark.parametrize(("raw", "room", "status", "required", "wrote"), [
    (RAW, 2000, Status.OK, len(ENCODED), len(ENCODED)),
    (RAW, len(ENCODED), Status.OK, len(ENCODED), len(ENCODED)),
    (RAW, len(ENCODED) - 1, Status.DST_OVERFLOW, len(ENCODED), len(ENCODED) - 1),
    (DENSE, 1200, Status.OK_RAW, 1200, 1200),
    (DENSE, 9999, Status.OK_RAW, 1200, 1200),
    # It is the raw data that would have to fit, and there is no room for those.
    (DENSE, 1199, Status.DST_OVERFLOW, 1200, 1199),
    (DENSE, 0, Status.DST_OVERFLOW, 1200, 0),
    (b"", 0, Status.OK_RAW, 0, 0),
])
@pytest.mark.parametrize("opcode", [Opcode.COMPRESS, Opcode.COMPRESS_VERIFY])
def test_raw_fallback(opcode, raw, room, status, required, wrote):
    descriptor = replace(
        COMPRESS, opcode=opcode, flags=Flag.RAW_IF_LARGER, src_len=len(raw), max_dst_len=room)
    record, memory = offload(descriptor, raw, config=Config(verify=True))
    assert record == Record(
        status=status, tag=0x1234_5678, bytes_in=len(raw), bytes_out=required,
        format_id=FormatId.RAW if status is Status.OK_RAW else FormatId.ZVC,
        info={Status.OK: VALID, Status.OK_RAW: VALID | Info.STORED_RAW}.get(status, 0),
        crc32=zlib.crc32(raw), nonzeros=np.count_nonzero(np.frombuffer(raw, "<u4")))
    assert set(memory[wrote:]) == {0xAA}
    if status is Status.OK_RAW:
        assert memory[:wrote] == raw


def test_no_raw_fallback_without_the_flag():
    record, memory = offload(COMPRESS, DENSE)
    assert (record.status, record.bytes_out) == (Status.OK, 1240)
    record, memory = offload(replace(COMPRESS, max_dst_len=1239), DENSE)
    assert (record.status, record.bytes_out) == (Status.DST_OVERFLOW, 1240)
    assert set(memory[1239:]) == {0xAA}
    assert memory[1238] != 0xAA


@pytest.mark.parametrize("descriptor", [COPY, FILL])
def test_overflow_of_copy_and_fill(descriptor):
    record, memory = offload(replace(descriptor, max_dst_len=1199))
    bytes_in = 1200 if descriptor is COPY else 0
    data = RAW if descriptor is COPY else bytes(range(1, 9)) * 150
    assert record == Record(
        status=Status.DST_OVERFLOW, bytes_in=bytes_in, bytes_out=1200, crc32=zlib.crc32(data))
    assert memory[:1199] == data[:1199]
    assert set(memory[1199:]) == {0xAA}
    # Room is counted over all rows.
    record, memory = offload(replace(descriptor, src_len=256, max_dst_len=300, **ROWS))
    assert (record.status, record.bytes_out) == (Status.DST_OVERFLOW, 1024)
    start = 512 if descriptor is COPY else 320
    assert 0xAA not in memory[start : start + 44]
    assert set(memory[start + 44 :]) == {0xAA}


def test_crc():
    right, wrong = zlib.crc32(RAW), zlib.crc32(RAW) ^ 1
    check = {"flags": Flag.CHECK_CRC}
    for descriptor in (COMPRESS, COPY, replace(COMPRESS, opcode=Opcode.MEASURE)):
        good, _ = offload(descriptor)
        record, _ = offload(replace(descriptor, expected_crc=right, **check))
        assert record == good
        record, _ = offload(replace(descriptor, expected_crc=wrong, **check))
        assert record == replace(
            good, status=Status.DATA_ERROR, error_code=ErrorCode.CRC, info=0)
    good, _ = prefetch(DECOMPRESS)
    record, _ = prefetch(replace(DECOMPRESS, expected_crc=wrong, **check))
    assert record == replace(good, status=Status.DATA_ERROR, error_code=ErrorCode.CRC, info=0)
    record, _ = offload(replace(FILL, expected_crc=right, **check))
    assert (record.status, record.bytes_in) == (Status.DATA_ERROR, 0)


def test_crc_outranks_overflow():
    """What was written is told then, not what was required."""
    record, _ = offload(replace(COMPRESS, flags=Flag.CHECK_CRC, max_dst_len=100))
    assert record == Record(
        status=Status.DATA_ERROR, error_code=ErrorCode.CRC, tag=0x1234_5678, format_id=1,
        bytes_in=1200, bytes_out=100, crc32=zlib.crc32(RAW), nonzeros=NONZEROS)
    flags = Flag.CHECK_CRC | Flag.RAW_IF_LARGER
    record, _ = offload(replace(COMPRESS, flags=flags), DENSE)
    assert (record.status, record.format_id, record.bytes_out) == (Status.DATA_ERROR, 1, 1200)


def test_malformed_data():
    mask = ZVC.encode(np.zeros(32, "<u4"))
    assert len(mask) == 4
    cases = (
        (ENCODED[:-1], ErrorCode.TRUNCATED, len(ENCODED) - 1, 1152),
        (ENCODED + b"x", ErrorCode.TRAILING, len(ENCODED), 1200),
        (ENCODED[:4] + bytes(4) + ENCODED[8:], ErrorCode.NON_CANONICAL, 4, 0),
        (b"", ErrorCode.TRUNCATED, 0, 0),
    )
    for data, code, position, valid in cases:
        record, memory = prefetch(replace(DECOMPRESS, src_len=len(data)), data)
        assert record == Record(
            status=Status.DATA_ERROR, error_code=code, info=VALID, format_id=1, tag=77,
            bytes_in=len(data), bytes_out=valid, fault_addr=position,
            nonzeros=np.count_nonzero(np.frombuffer(RAW[:valid], "<u4")))
        assert memory[:valid] == RAW[:valid]
        assert set(memory[1200:]) == {0xAA}
    record, memory = prefetch(replace(DECOMPRESS, format_id=0, src_len=300), RAW[:300])
    assert (record.error_code, record.fault_addr, record.bytes_out) == (
        ErrorCode.LENGTH_MISMATCH, 300, 256)
    # Damage is seen before a wrong CRC, which would be at the end.
    data = ENCODED[:-1]
    record, _ = prefetch(
        replace(DECOMPRESS, flags=Flag.CHECK_CRC, src_len=len(data)), data)
    assert record.error_code == ErrorCode.TRUNCATED


def failed(status, address, descriptor, **changes):
    info = Info.WRITE_FAULT if status.name.startswith("WR") else 0
    return Record(
        status=status, fault_addr=address, tag=descriptor.tag, format_id=descriptor.format_id,
        info=info, **changes)


@pytest.mark.parametrize("kind", ["slverr", "decerr"])
def test_refused_reads(kind):
    status = Status[f"RD_{kind.upper()}"]
    faults = [Fault("dev", SOURCE + 512, 64, kind), Fault("dev", SOURCE + 640, 64, "slverr")]
    for descriptor in (COMPRESS, COPY, replace(COMPRESS, opcode=Opcode.MEASURE)):
        record, memory = offload(descriptor, faults=faults)
        assert record == failed(status, SOURCE + 512, descriptor)
        expected = b"" if descriptor.opcode == Opcode.MEASURE else RAW[:512]
        if descriptor is COMPRESS:
            expected = ZVC.encode(np.frombuffer(RAW[:512], "<u4"))
        assert written(memory) == expected
    faults = [Fault("host", TARGET + 64, 64, kind)]
    record, memory = prefetch(DECOMPRESS, faults=faults)
    assert record == failed(status, TARGET + 64, DECOMPRESS)
    # The 64 bytes in front of it hold one whole group.
    assert memory[:128] == RAW[:128]
    assert set(memory[256:]) == {0xAA}


def test_refused_reads_with_any_address():
    """The beat that is refused starts in front of the source, or an element is cut by its start."""
    config = Config(unaligned=True)
    faults = [Fault("dev", SOURCE + 64, 64, "slverr")]
    record, memory = offload(
        replace(COMPRESS, src_addr=SOURCE + 67), config=config, faults=faults)
    assert record == failed(Status.RD_SLVERR, SOURCE + 64, COMPRESS)
    assert written(memory) == b""
    record, memory = offload(
        replace(COMPRESS, src_addr=SOURCE + 3), config=config, faults=faults)
    assert record == failed(Status.RD_SLVERR, SOURCE + 64, COMPRESS)
    # There are 61 bytes in front of it: 15 elements.
    assert written(memory) == ZVC.encode(np.frombuffer(RAW[3:63], "<u4"))


@pytest.mark.parametrize("kind", ["slverr", "decerr"])
def test_refused_writes(kind):
    status = Status[f"WR_{kind.upper()}"]
    config = Config(write_burst=4) # bursts of 128 bytes
    faults = [Fault("host", TARGET + 192, 64, kind), Fault("host", TARGET + 320, 64, "slverr")]
    for descriptor in (COMPRESS, COPY, FILL):
        good = written(offload(descriptor, config=config)[1])
        record, memory = offload(descriptor, config=config, faults=faults)
        assert record == failed(status, TARGET + 128, descriptor)
        assert memory[:192] == good[:192]
        assert set(memory[192:256]) == {0xAA}
        assert memory[256:320] == good[256:320]
    faults = [Fault("dev", SOURCE + 1152, 64, kind)]
    record, _ = prefetch(DECOMPRESS, config=config, faults=faults)
    assert record == failed(status, SOURCE + 1152, DECOMPRESS)
    # A fault behind the last byte written is none.
    short = [Fault("host", TARGET + 1216, 64, kind)]
    assert offload(COPY, config=config, faults=short)[0].status == Status.OK
    room = replace(COPY, max_dst_len=1152)
    short = [Fault("host", TARGET + 1152, 64, kind)]
    assert offload(room, config=config, faults=short)[0].status == Status.DST_OVERFLOW


def test_bursts_end_with_rows():
    config = Config(write_burst=64)
    rows = replace(COPY, src_len=64, rows_minus_1=3, stride=64, dst_stride=64)
    record, _ = offload(rows, config=config, faults=[Fault("host", TARGET + 192, 64, "slverr")])
    assert record == failed(Status.WR_SLVERR, TARGET + 192, COPY)
    record, _ = offload(COPY, config=config, faults=[Fault("host", TARGET + 192, 64, "slverr")])
    assert record == failed(Status.WR_SLVERR, TARGET, COPY)


def test_write_faults_name_beats_not_bytes():
    config = Config(unaligned=True)
    faults = [Fault("host", TARGET, 64, "slverr")]
    record, memory = offload(replace(COPY, dst_addr=TARGET + 35), config=config, faults=faults)
    assert record == failed(Status.WR_SLVERR, TARGET + 32, COPY)
    assert set(memory[:64]) == {0xAA}
    assert memory[64:512] == RAW[29:477]


def test_order_of_faults():
    read = Fault("dev", SOURCE + 640, 64, "slverr")
    write = Fault("host", TARGET, 64, "decerr")
    both = replace(COMPRESS, flags=Flag.CHECK_CRC, max_dst_len=100)
    for faults, status in (
            ([read, write], Status.WR_DECERR), ([read], Status.RD_SLVERR),
            ([write], Status.WR_DECERR), ([], Status.DATA_ERROR)):
        assert offload(both, faults=faults)[0].status == status
    # A write behind the point where reading ended is never made.
    late = Fault("host", TARGET + 320, 64, "decerr")
    assert offload(COMPRESS, faults=[late])[0].status == Status.WR_DECERR
    assert offload(COMPRESS, faults=[late, read])[0].status == Status.RD_SLVERR
    # A read fault outranks what decoding says, wherever that is.
    damaged = ENCODED[:4] + bytes(4) + ENCODED[8:]
    fault = Fault("host", TARGET + 256, 64, "slverr")
    assert prefetch(DECOMPRESS, damaged, faults=[fault])[0].status == Status.RD_SLVERR
    assert prefetch(DECOMPRESS, damaged)[0].status == Status.DATA_ERROR


def test_fallback_does_not_hide_faults():
    flags = {"flags": Flag.RAW_IF_LARGER, "max_dst_len": 1200}
    fault = Fault("dev", SOURCE + 1152, 64, "slverr")
    record, _ = offload(replace(COMPRESS, **flags), DENSE, faults=[fault])
    assert record == failed(Status.RD_SLVERR, SOURCE + 1152, COMPRESS)
    fault = Fault("host", TARGET + 1152, 64, "slverr")
    record, _ = offload(replace(COMPRESS, **flags), DENSE, faults=[fault])
    assert record == failed(Status.WR_SLVERR, TARGET + 1024, COMPRESS)


def test_fallback_that_is_cut_short():
    """What was encoded before the fault may be longer than all raw data; so much is written."""
    dense = np.arange(1, 1025).astype("<u4").tobytes()
    descriptor = replace(
        COMPRESS, flags=Flag.RAW_IF_LARGER, src_len=4096, max_dst_len=9999)
    read = Fault("dev", SOURCE + 4032, 64, "slverr")
    record, memory = offload(descriptor, dense, faults=[read])
    assert record.status == Status.RD_SLVERR
    assert memory[4095] != 0xAA
    assert set(memory[4096:]) == {0xAA}
    write = Fault("host", TARGET + 4032, 64, "decerr")
    record, _ = offload(descriptor, dense, faults=[read, write])
    assert record == failed(Status.WR_DECERR, TARGET + 3584, COMPRESS)


def test_there_is_no_memory():
    record, _ = offload(replace(COMPRESS, src_addr=0x4000_0000))
    assert record == failed(Status.RD_DECERR, 0x4000_0000, COMPRESS)
    record, _ = offload(replace(COMPRESS, dst_addr=0x4000_0020))
    assert record == failed(Status.WR_DECERR, 0x4000_0020, COMPRESS)
    # The memories are not each other's.
    record, _ = offload(replace(COMPRESS, src_addr=HOST))
    assert record.status == Status.RD_DECERR
    end = DEV + (1 << 17)
    record, _ = offload(replace(COPY, src_addr=end - 64))
    assert record == failed(Status.RD_DECERR, end, COPY)
    # Nothing is read of what is empty.
    record, _ = offload(replace(COMPRESS, src_addr=0x4000_0000, src_len=0))
    assert record.status == Status.OK


@pytest.mark.parametrize("changes", [
    {"opcode": 9}, {"flags": 1 << 20}, {"reserved": 1}, {"src_len": 3}, {"src_addr": 1 << 63},
    {"src_addr": 1 << 63, "src_len": 0xDFFF_FFFC}, {"dst_addr": TARGET + 1}, {"format_id": 7},
])
def test_refused(changes):
    config = Config(address_bits=48)
    record, memory = offload(replace(COMPRESS, **changes), config=config)
    assert record == Record(
        status=record.status, tag=0x1234_5678, format_id=changes.get("format_id", 1))
    assert record.status not in (Status.OK, Status.OK_RAW)
    assert written(memory) == b""


def test_element_type_is_told():
    record, _ = offload(replace(COMPRESS, element_type=7, src_len=1200))
    assert (record.status, record.error_code) == (Status.BAD_CODEC, ErrorCode.ELEMENT_TYPE)


def test_shared_channel():
    config = Config(shared=True)
    engine = Engine(config)
    engine.dev.write(SOURCE, RAW)
    assert engine.start(COMPRESS).status == Status.OK
    # The same channel goes back.
    assert engine.start(replace(DECOMPRESS, dst_addr=SOURCE + 0x2000)).status == Status.OK
    assert engine.dev.read(SOURCE + 0x2000, 1200) == RAW
    for direction, memory in ((OFFLOAD, engine.host), (PREFETCH, engine.dev)):
        engine.write("CTRL", DIRECTION=direction)
        place = memory.base + 0x3000
        assert engine.start(replace(FILL, dst_addr=place, src_len=8)).status == Status.OK
        assert memory.read(place, 9) == bytes(range(1, 9)) + b"\0"
