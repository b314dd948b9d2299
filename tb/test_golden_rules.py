# SPDX-License-Identifier: Apache-2.0
"""The rules of descriptors, one by one and in their order."""

from dataclasses import replace

import pytest

from opencdma.golden.descriptor_areas import Area, destination, source
from opencdma.golden.descriptor_rules import (
    ChannelSettings,
    check,
    port_widths,
    record_address_good,
    way,
)
from opencdma.spec import PRESETS, Channel, Config, Descriptor, ErrorCode, Flag, Opcode, Status

OFFLOAD, PREFETCH = Channel
RECORD = Flag.WRITE_RECORD

ALIGNED = Config(dev_width=64, host_width=16, address_bits=40)
UNALIGNED = Config(unaligned=True, element_sizes=(2, 4), verify=True)
SHARED = Config(shared=True)

#: A good descriptor for each opcode, at addresses that are good in every build.
GOOD = {
    opcode: Descriptor(
        opcode=opcode, completion_addr=0x5000, src_addr=0x1000, dst_addr=0x2000, src_len=512,
        max_dst_len=1024, format_id=1, element_type=2, flags=RECORD)
    for opcode in Opcode
}
OFFLOADED = (Opcode.COMPRESS, Opcode.COMPRESS_VERIFY, Opcode.MEASURE)
BOTH = (Opcode.NOP, Opcode.DRAIN, Opcode.COPY, Opcode.FILL)
MOVERS = (*OFFLOADED, Opcode.DECOMPRESS, Opcode.COPY, Opcode.FILL)

#: An Opcode is also an int, so this is what tests are called after.
NAMES = {"ids": lambda value: value.name if isinstance(value, Opcode) else None}


def channel_of(opcode):
    return PREFETCH if opcode is Opcode.DECOMPRESS else OFFLOAD


def status(opcode, config=ALIGNED, settings=None, **changes):
    """Return what is wrong with a good descriptor in which some fields were changed."""
    if opcode is Opcode.COMPRESS_VERIFY:
        config = replace(config, verify=True)
    changes.setdefault("channel", channel_of(opcode))
    settings = replace(settings or ChannelSettings(), channel=changes.pop("channel"))
    return check(replace(GOOD[opcode], **changes), config, settings)[0]


@pytest.mark.parametrize("opcode", Opcode, **NAMES)
@pytest.mark.parametrize("config", [ALIGNED, UNALIGNED, SHARED], ids=["64-16", "32", "shared"])
def test_good(opcode, config):
    assert status(opcode, config) is Status.OK


@pytest.mark.parametrize("opcode", Opcode, **NAMES)
def test_opcodes_of_channels(opcode):
    for channel in Channel:
        good = opcode in BOTH or channel is channel_of(opcode)
        expected = Status.OK if good else Status.BAD_OPCODE
        assert status(opcode, channel=channel) is expected
        assert status(opcode, SHARED, ChannelSettings(direction=channel)) is Status.OK


def test_opcodes_unknown():
    known = [descriptor.opcode for descriptor in GOOD.values()]
    for opcode in set(range(256)) - set(known):
        for config in (ALIGNED, SHARED):
            descriptor = replace(GOOD[Opcode.NOP], opcode=opcode)
            assert check(descriptor, config, ChannelSettings()) == (
                Status.BAD_OPCODE, ErrorCode.NONE)


def test_verify_is_an_option():
    descriptor = GOOD[Opcode.COMPRESS_VERIFY]
    assert check(descriptor, ALIGNED, ChannelSettings())[0] is Status.BAD_OPCODE
    assert check(descriptor, UNALIGNED, ChannelSettings())[0] is Status.OK


def test_way():
    for opcode in Opcode:
        for channel in Channel:
            settings = ChannelSettings(channel=channel, direction=Channel(1 - channel))
            assert way(GOOD[opcode], ALIGNED, settings) is channel
            expected = channel_of(opcode)
            if opcode in BOTH:
                expected = settings.direction
            assert way(GOOD[opcode], SHARED, settings) is expected
    assert port_widths(ALIGNED, OFFLOAD) == (64, 16)
    assert port_widths(ALIGNED, PREFETCH) == (16, 64)


@pytest.mark.parametrize("opcode", Opcode, **NAMES)
def test_flags(opcode):
    for bit in range(24):
        flag = 1 << bit
        good = bit < 7
        if flag == Flag.RECORD_ON_ERROR_ONLY:
            good = False
            assert status(opcode, flags=flag | RECORD) is Status.OK
        elif flag == Flag.CHECK_CRC:
            good = opcode in MOVERS
            if opcode is not Opcode.COMPRESS_VERIFY: # which is not in a build without CRC
                plain = replace(ALIGNED, crc=False)
                assert status(opcode, plain, flags=flag) is Status.BAD_FLAGS
        elif flag == Flag.RAW_IF_LARGER:
            good = opcode in (Opcode.COMPRESS, Opcode.COMPRESS_VERIFY)
        assert status(opcode, flags=flag) is (Status.OK if good else Status.BAD_FLAGS)


@pytest.mark.parametrize("opcode", Opcode, **NAMES)
def test_reserved(opcode):
    for field in ("codec_reserved", "geometry_reserved", "reserved"):
        assert status(opcode, **{field: 1}) is Status.RESERVED_NONZERO
        assert status(opcode, **{field: 4}) is Status.RESERVED_NONZERO
    rows = {"rows_minus_1": 1, "stride": 0x1000, "dst_stride": 0x1000}
    assert status(opcode, **rows) is Status.OK
    assert status(opcode, replace(ALIGNED, two_d=False), **rows) is Status.RESERVED_NONZERO


@pytest.mark.parametrize("opcode", [*OFFLOADED, Opcode.DECOMPRESS], **NAMES)
def test_length_in_elements(opcode):
    raw, other = "src_len", "max_dst_len"
    if opcode is Opcode.DECOMPRESS:
        raw, other = other, raw
    for element_type in range(16):
        size = 1 << (element_type & 3)
        for length in range(9):
            whole = length % size == 0
            outcome = status(opcode, element_type=element_type, **{raw: length})
            assert (outcome is Status.BAD_LENGTH) is not whole
            assert status(opcode, **{other: length}) is Status.OK


@pytest.mark.parametrize("opcode", [Opcode.COPY, Opcode.FILL], **NAMES)
def test_length_in_smallest_elements(opcode):
    for sizes in ((1, 2), (2, 4), (4,)):
        for length in range(9):
            outcome = status(
                opcode, replace(ALIGNED, element_sizes=sizes), src_len=length, element_type=15)
            assert outcome is (Status.BAD_LENGTH if length % sizes[0] else Status.OK)


@pytest.mark.parametrize("opcode", MOVERS, **NAMES)
def test_length_at_most(opcode):
    raw = "max_dst_len" if opcode is Opcode.DECOMPRESS else "src_len"
    assert status(opcode, flags=0, **{raw: 0xDFFF_FFFC}) is Status.OK
    assert status(opcode, flags=0, **{raw: 0xE000_0000}) is Status.BAD_LENGTH
    # All rows together count, beyond 32 bits too.
    for length, rows in (
            (0x1C00_0000, 7), (0x1C00_0000, 8), (0x1BFF_FFC0, 8), (0x2000_0000, 8),
            (0xDFFF_FFC0, 65536), (64, 65536)):
        changes = {
            raw: length, "rows_minus_1": rows - 1, "dst_addr": 1 << 39, "stride": 64,
            "dst_stride": 64, "flags": 0}
        good = length * rows <= 0xDFFF_FFFF
        assert status(opcode, **changes) is (Status.OK if good else Status.BAD_LENGTH)


@pytest.mark.parametrize("opcode", MOVERS, **NAMES)
def test_rows(opcode):
    raw = "max_dst_len" if opcode is Opcode.DECOMPRESS else "src_len"

    def rows(config, length, stride, dst_stride=64, element_type=1):
        return status(
            opcode, config, rows_minus_1=2, stride=stride, dst_stride=dst_stride,
            element_type=element_type, **{raw: length})

    # The wider port counts, on whichever side the rows are.
    assert rows(ALIGNED, 128, 64) is Status.OK
    assert rows(ALIGNED, 0, 64) is Status.BAD_LENGTH
    assert rows(ALIGNED, 96, 64) is Status.BAD_LENGTH
    assert rows(ALIGNED, 128, 32) is Status.BAD_LENGTH
    assert rows(ALIGNED, 128, 0) is Status.OK
    copies = opcode is Opcode.COPY
    bad = Status.BAD_LENGTH
    assert rows(ALIGNED, 128, 64, dst_stride=32) is (bad if copies else Status.OK)
    # With any address, elements are what counts, the build's smallest for COPY and FILL.
    by_smallest = opcode in (Opcode.COPY, Opcode.FILL)
    for element_type in (1, 2):
        size = 2 if by_smallest else 1 << element_type
        for length in (1, 2, 4, 6, 8):
            for stride in (1, 2, 4, 7):
                good = length % size == 0 and stride % size == 0
                assert rows(
                    UNALIGNED, length, stride, element_type=element_type,
                ) is (Status.OK if good else bad)
    assert rows(UNALIGNED, 0, 4) is bad
    assert rows(UNALIGNED, 4, 4, dst_stride=1) is (bad if copies else Status.OK)


def test_one_row_has_no_stride():
    for opcode in MOVERS:
        assert status(opcode, stride=1, dst_stride=3) is Status.OK


@pytest.mark.parametrize(("opcode", "source_end", "destination_end"), [
    (Opcode.COMPRESS, 0x1200, 0x2400), (Opcode.COMPRESS_VERIFY, 0x1200, 0x2400),
    (Opcode.DECOMPRESS, 0x1200, 0x2400), (Opcode.COPY, 0x1200, 0x2200),
    (Opcode.FILL, None, 0x2200), (Opcode.MEASURE, 0x1200, None),
], **NAMES)
def test_areas(opcode, source_end, destination_end):
    descriptor = GOOD[opcode]
    reads, writes = source(descriptor, ALIGNED), destination(descriptor, ALIGNED)
    assert (reads.address, reads.end) == ((0x1000, source_end) if source_end else (0, 0))
    assert (writes.address, writes.end) == (
        (0x2000, destination_end) if destination_end else (0, 0))


def test_areas_with_rows():
    rows = {"rows_minus_1": 2, "stride": 0x1000, "dst_stride": 0x800}
    area = Area(0x1000, 512, 3, 0x1000)
    assert source(replace(GOOD[Opcode.COMPRESS], **rows), ALIGNED) == area
    assert (area.end, area.length) == (0x3200, 1536)
    assert list(area.pieces()) == [(0x1000, 512), (0x2000, 512), (0x3000, 512)]
    assert destination(replace(GOOD[Opcode.COMPRESS], **rows), ALIGNED) == Area(0x2000, 1024)
    assert source(replace(GOOD[Opcode.DECOMPRESS], **rows), ALIGNED) == Area(0x1000, 512)
    assert destination(replace(GOOD[Opcode.DECOMPRESS], **rows), ALIGNED) == Area(
        0x2000, 1024, 3, 0x1000)
    assert source(replace(GOOD[Opcode.COPY], **rows), ALIGNED) == area
    assert destination(replace(GOOD[Opcode.COPY], **rows), ALIGNED) == Area(
        0x2000, 512, 3, 0x800)
    assert destination(replace(GOOD[Opcode.FILL], **rows), ALIGNED) == Area(
        0x2000, 512, 3, 0x1000)


def test_overlap():
    same = ChannelSettings(same_memory=True)

    def both(destination, **changes):
        for opcode in (Opcode.COMPRESS, Opcode.DECOMPRESS):
            yield status(opcode, ALIGNED, same, dst_addr=destination, **changes)
            # Two memories have nothing in common.
            assert status(opcode, ALIGNED, dst_addr=destination, **changes) is Status.OK

    assert [*both(0x1000)] == [Status.OVERLAP] * 2
    assert [*both(0x1200)] == [Status.OK] * 2
    assert [*both(0x11C0)] == [Status.OVERLAP] * 2
    assert [*both(0x0C00)] == [Status.OK] * 2
    assert [*both(0x0C40)] == [Status.OVERLAP] * 2
    # Nothing shares a byte with anything.
    assert status(Opcode.COMPRESS, ALIGNED, same, dst_addr=0x1000, src_len=0) is Status.OK
    assert status(Opcode.COMPRESS, ALIGNED, same, dst_addr=0x1000, max_dst_len=0) is Status.OK
    # Gaps between rows count.
    rows = {"rows_minus_1": 1, "stride": 0x2000, "dst_stride": 64, "src_len": 64}
    assert status(Opcode.COPY, ALIGNED, same, dst_addr=0x1400, **rows) is Status.OVERLAP
    assert status(Opcode.FILL, ALIGNED, same, src_addr=0x2000) is Status.OK
    assert status(Opcode.MEASURE, ALIGNED, same, dst_addr=0x1000) is Status.OK


@pytest.mark.parametrize(("opcode", "kind", "low", "high"), [
    (Opcode.COMPRESS, "read", 0x1000, 0x11FF), (Opcode.COMPRESS, "write", 0x2000, 0x23FF),
    (Opcode.DECOMPRESS, "read", 0x1000, 0x11FF), (Opcode.DECOMPRESS, "write", 0x2000, 0x23FF),
    (Opcode.COPY, "write", 0x2000, 0x21FF), (Opcode.FILL, "write", 0x2000, 0x21FF),
    (Opcode.MEASURE, "read", 0x1000, 0x11FF),
], **NAMES)
def test_windows(opcode, kind, low, high):
    def windowed(first, last, config=ALIGNED, **changes):
        settings = ChannelSettings(**{f"{kind}_low": first, f"{kind}_high": last})
        return status(opcode, config, settings, **changes)

    assert windowed(low, high) is Status.OK
    assert windowed(low + 1, high) is Status.RANGE
    assert windowed(low, high - 1) is Status.RANGE
    assert windowed(high, low) is Status.RANGE
    assert windowed(1, 0, replace(ALIGNED, windows=False)) is Status.OK
    # What is empty is inside of everything.
    empty = {"src_len": 0, "max_dst_len": 0}
    assert windowed(1, 0, **empty) is Status.OK


def test_what_is_absent_has_no_window():
    nowhere = {"read_low": 1, "read_high": 0, "write_low": 1, "write_high": 0}
    for opcode in (Opcode.NOP, Opcode.DRAIN):
        assert status(opcode, ALIGNED, ChannelSettings(**nowhere)) is Status.OK
    no_reads = ChannelSettings(read_low=1, read_high=0)
    assert status(Opcode.FILL, ALIGNED, no_reads, src_addr=0xFFFF_FFFF_FFFF_FFFF) is Status.OK
    no_writes = ChannelSettings(write_low=1, write_high=0)
    assert status(Opcode.MEASURE, ALIGNED, no_writes, dst_addr=0xFFFF_FFFF_FFFF_FFFF) is Status.OK


def test_last_address():
    top = 1 << 40
    for field, length in (("src_addr", "src_len"), ("dst_addr", "max_dst_len")):
        for config in (ALIGNED, replace(ALIGNED, windows=False)):
            at = {field: top - 512, length: 512}
            assert status(Opcode.COMPRESS, config, **at) is Status.OK
            assert status(Opcode.COMPRESS, config, **at | {length: 516}) is Status.RANGE
            assert status(Opcode.COMPRESS, config, **at | {field: top}) is Status.RANGE
            assert status(Opcode.COMPRESS, config, **{field: top, length: 0}) is Status.OK
    wide = replace(ALIGNED, address_bits=64)
    assert status(Opcode.COMPRESS, wide, src_addr=(1 << 64) - 512) is Status.OK
    assert status(Opcode.COMPRESS, wide, src_addr=(1 << 64) - 448) is Status.RANGE


@pytest.mark.parametrize("opcode", Opcode, **NAMES)
def test_record_address(opcode):
    for address in (1, 4, 16, 0x5010):
        assert status(opcode, completion_addr=address) is Status.RECORD_ADDR
        assert status(opcode, completion_addr=address, flags=0) is Status.OK
    window = ChannelSettings(record_low=0x5000, record_high=0x501F)
    assert status(opcode, ALIGNED, window) is Status.OK
    for changes in ({"record_low": 0x5001}, {"record_high": 0x501E}):
        assert status(opcode, ALIGNED, replace(window, **changes)) is Status.RECORD_ADDR
    top = 1 << 40
    assert status(opcode, completion_addr=top - 32) is Status.OK
    assert status(opcode, completion_addr=top) is Status.RECORD_ADDR


def test_record_in_the_destination():
    def inside(opcode, address, config=ALIGNED, **changes):
        settings = ChannelSettings(**changes)
        descriptor = replace(GOOD[opcode], completion_addr=address)
        settings = replace(settings, channel=channel_of(opcode))
        outcome, _ = check(descriptor, config, settings)
        good = record_address_good(descriptor, config, settings)
        assert outcome is (Status.OK if good else Status.RECORD_ADDR)
        return not good

    for address, shares in ((0x1FE0, False), (0x2000, True), (0x23E0, True), (0x2400, False)):
        assert inside(Opcode.COMPRESS, address) is shares
        # Records are in host memory, where this destination is only if there is but one memory.
        assert not inside(Opcode.DECOMPRESS, address)
        assert inside(Opcode.DECOMPRESS, address, same_memory=True) is shares
        assert inside(Opcode.COMPRESS, address, SHARED) is shares
        assert not inside(Opcode.DECOMPRESS, address, SHARED)
        assert not inside(Opcode.MEASURE, address)
        copied = 0x2000 <= address < 0x2200
        assert inside(Opcode.COPY, address, SHARED) is copied
        assert not inside(Opcode.COPY, address, SHARED, direction=PREFETCH)


def test_record_of_what_is_refused():
    """What is refused gets its record, unless the record's address is bad too."""
    def good(config=ALIGNED, **changes):
        descriptor = replace(GOOD[Opcode.COMPRESS], **changes)
        assert check(descriptor, config, ChannelSettings())[0] is not Status.OK
        return record_address_good(descriptor, config, ChannelSettings())

    assert good(opcode=0xFF)
    assert not good(opcode=0xFF, completion_addr=0x5008)
    assert good(src_len=511)
    assert not good(src_len=511, completion_addr=0x2000)
    # An opcode that the channel does not know has no destination.
    assert good(opcode=0xFF, completion_addr=0x2000)
    assert good(opcode=Opcode.DECOMPRESS, completion_addr=0x2000)
    # Nor has a build without rows more than one.
    flat = replace(ALIGNED, two_d=False)
    rows = {"opcode": Opcode.COPY, "rows_minus_1": 1, "dst_stride": 0x1000}
    assert good(flat, **rows, completion_addr=0x3000)
    assert not good(flat, **rows, completion_addr=0x2000)
    # Rows without a byte are nowhere.
    empty = {"opcode": Opcode.COPY, "rows_minus_1": 1, "dst_stride": 0x1000, "src_len": 0}
    assert good(**empty, completion_addr=0x2000)


@pytest.mark.parametrize("opcode", MOVERS, **NAMES)
def test_alignment(opcode):
    source_unit, destination_unit = (16, 64) if opcode is Opcode.DECOMPRESS else (64, 16)
    units = {
        "src_addr": source_unit if opcode is not Opcode.FILL else 1,
        "dst_addr": destination_unit if opcode is not Opcode.MEASURE else 1,
    }
    for field, unit in units.items():
        for distance in (1, 2, 4, 8, 16, 32, 64):
            changes = {field: 0x8000 + distance}
            bad = distance % unit
            assert status(opcode, **changes) is (Status.ADDR_ALIGN if bad else Status.OK)
            # With any address, it is the smallest element of the build that counts.
            bad = unit > 1 and distance % 2
            assert status(opcode, UNALIGNED, **changes) is (
                Status.ADDR_ALIGN if bad else Status.OK)


def test_alignment_of_what_is_empty():
    assert status(Opcode.COMPRESS, src_len=0, src_addr=0x1001) is Status.ADDR_ALIGN


@pytest.mark.parametrize("opcode", Opcode, **NAMES)
def test_codec(opcode):
    looks = opcode in (*OFFLOADED, Opcode.DECOMPRESS)

    def outcome(config=ALIGNED, **changes):
        config = replace(config, verify=True)
        settings = ChannelSettings(channel=channel_of(opcode))
        return check(replace(GOOD[opcode], **changes), config, settings)

    refused = (Status.BAD_CODEC if looks else Status.OK, ErrorCode.NONE)
    for changes in (
            {"format_id": 2}, {"format_id": 255}, {"convert_to": 1}, {"format_version": 1},
            {"format_id": 2, "element_type": 3, "src_len": 0, "max_dst_len": 0}):
        assert outcome(**changes) == refused
    assert outcome(format_id=0) == (Status.OK, ErrorCode.NONE)
    refused = (
        (Status.BAD_CODEC, ErrorCode.ELEMENT_TYPE) if looks else (Status.OK, ErrorCode.NONE))
    for element_type in (3, 7, 10, 11, 12, 13, 14, 15):
        assert outcome(element_type=element_type) == refused
    narrow = replace(ALIGNED, element_sizes=(4,))
    for element_type in (0, 1, 4, 5, 8, 9):
        assert outcome(element_type=element_type) == (Status.OK, ErrorCode.NONE)
        assert outcome(narrow, element_type=element_type) == refused
    for element_type in (2, 6):
        assert outcome(narrow, element_type=element_type) == (Status.OK, ErrorCode.NONE)


def test_lowest_status_wins():
    """Everything is wrong at once, and put right from the lowest status on."""
    settings = ChannelSettings(
        same_memory=True, read_low=0x1000, read_high=0x1100, write_low=0, record_low=0x6000)
    wrong = replace(
        GOOD[Opcode.COMPRESS], opcode=0x99, flags=RECORD | 1 << 23, reserved=1, src_len=513,
        dst_addr=0x1001, src_addr=0x1004, completion_addr=0x5001, format_id=9)
    expected = (
        (Status.BAD_OPCODE, {}), (Status.BAD_FLAGS, {"opcode": Opcode.COMPRESS}),
        (Status.RESERVED_NONZERO, {"flags": RECORD}), (Status.BAD_LENGTH, {"reserved": 0}),
        (Status.OVERLAP, {"src_len": 512}), (Status.RANGE, {"dst_addr": 0x2001}),
        (Status.RECORD_ADDR, {"src_len": 128}), (Status.ADDR_ALIGN, {"completion_addr": 0x6000}),
        (Status.BAD_CODEC, {"dst_addr": 0x2000, "src_addr": 0x1000}), (Status.OK, {"format_id": 1}),
    )
    for status, change in expected:
        wrong = replace(wrong, **change)
        assert check(wrong, ALIGNED, settings)[0] is status


def test_presets_do_not_agree_on_everything():
    assert status(Opcode.COMPRESS, PRESETS["tiny"]) is Status.OK
    assert status(Opcode.COMPRESS, PRESETS["tiny"], element_type=1) is Status.BAD_CODEC
    assert status(Opcode.COMPRESS, PRESETS["asic"], src_addr=0x1001) is Status.OK
    assert status(Opcode.COMPRESS, PRESETS["ecp5"], src_addr=0x1001) is Status.ADDR_ALIGN
