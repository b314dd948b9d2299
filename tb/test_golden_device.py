# SPDX-License-Identifier: Apache-2.0
"""Registers, rings, halts and interrupts of the golden model."""

from dataclasses import replace

import pytest
from engines import DEV, HOST, OFFLOAD, PREFETCH, RECORDS, RING, Engine

from opencdma.golden.device import GoldenDevice
from opencdma.golden.device_memory import Fault
from opencdma.spec import (
    PRESETS,
    Config,
    Descriptor,
    ErrorCode,
    Flag,
    Info,
    Opcode,
    Record,
    Status,
)
from opencdma.spec.registers import CHANNEL, CHANNEL_BASE, ENGINE, Kind, address

NOP = Descriptor(opcode=Opcode.NOP)
BAD = Descriptor(opcode=1)
WORD = 0xFFFF_FFFF


def recorded(descriptor, number, *flags):
    """Return a descriptor whose record goes to one of the places for records."""
    return replace(
        descriptor, flags=descriptor.flags | sum(flags) | Flag.WRITE_RECORD, tag=number,
        completion_addr=RECORDS + 32 * number)


def fill(offset=0, **changes):
    """Return a descriptor that fills 64 bytes of host memory."""
    return Descriptor(**{
        "opcode": Opcode.FILL, "src_addr": 0x1111_1111_1111_1111, "src_len": 64,
        "dst_addr": HOST + 0x1_0000 + offset, "max_dst_len": 64} | changes)


# Registers


def test_what_the_engine_says_of_itself():
    engine = Engine(PRESETS["asic"])
    expected = {
        "IDENT": 0x414D4443, "VERSION": 0x000200, "BUILD_ID": PRESETS["asic"].build_id,
        "CAPS_PORTS": 0x02_10_40_56, "CAPS_FEATURES": 0x0007_00DF, "CAPS_FORMATS": 3,
        "CAPS_BURSTS": 0x0200_1020, "SCRATCH": 0, "IRQ_STATUS": 0, "IRQ_ENABLE": 0,
    }
    for name, value in expected.items():
        assert engine.read(name, None) == value, name
    engine = Engine(PRESETS["tiny"])
    assert engine.read("CAPS_PORTS", None) == 0x01_02_20_33
    assert engine.read("CAPS_FEATURES", None) == 0x0004_0020


@pytest.mark.parametrize("preset", PRESETS)
def test_after_power_up(preset):
    config = PRESETS[preset]
    engine = Engine(config)
    for channel in range(config.channels):
        for name, register in CHANNEL.items():
            expected = register.reset & register.mask(config)
            if name == "STATUS":
                expected = 1 # idle
            assert engine.read(name, channel) == expected, name
    if config.windows:
        assert engine.read("READ_HIGH") == (1 << 64) - 1
    assert engine.read("TIMEOUT") == 20


@pytest.mark.parametrize("preset", PRESETS)
def test_what_can_be_written(preset):
    config = PRESETS[preset]
    # Whatever is started by this meets with an empty ring that is too far behind its end.
    engine = Engine(config)
    blocks = [(None, ENGINE), *((channel, CHANNEL) for channel in range(config.channels))]
    for channel, table in blocks:
        for name, register in table.items():
            if name == "COMMAND":
                continue
            before = engine.read(name, channel)
            at = address(name, channel)
            for word in range(register.width // 32):
                engine.device.write_register(at + 4 * word, WORD)
            stored = register.kind in (Kind.STORAGE, Kind.EXTERNAL)
            expected = register.mask(config) if stored else before
            if name in ("ERROR", "STATUS", "RESULT0"):
                continue # may have changed by now
            assert engine.read(name, channel) == expected, name


def test_what_is_no_register():
    def all_offsets(config):
        device = GoldenDevice(config)
        for offset in range(0x400):
            try:
                device.read_register(offset)
            except ValueError:
                with pytest.raises(ValueError, match=f"^Offset must be .*, not {offset:#05x}$"):
                    device.write_register(offset, 0)
            else:
                yield offset

    engine = {offset for register in ENGINE.values() for offset in register.offsets}
    channel = {offset for register in CHANNEL.values() for offset in register.offsets}
    blocks = [{base + offset for offset in channel} for base in CHANNEL_BASE]
    assert {*all_offsets(Config())} == engine | blocks[0] | blocks[1]
    assert {*all_offsets(Config(shared=True))} == engine | blocks[0]


def test_high_word_of_a_counter_is_kept():
    engine = Engine()
    source, target = DEV, HOST + 0x1_0000
    copy = Descriptor(
        opcode=Opcode.COPY, src_addr=source, dst_addr=target, src_len=32, max_dst_len=32)
    low = address("BYTES_IN", OFFLOAD)
    # There is no other way to get it that far in a test.
    engine.device._channels[OFFLOAD]._counters["BYTES_IN"] = 0x1_FFFF_FFF0
    assert engine.device.read_register(low) == 0xFFFF_FFF0
    engine.start(copy)
    assert engine.device.read_register(low + 4) == 1
    assert engine.device.read_register(low + 4) == 2
    assert engine.device.read_register(low) == 0x10


# Without a ring


def test_direct():
    engine = Engine()
    engine.write("TAIL", 1)
    result = engine.start(recorded(fill(), 3))
    assert result == engine.record(3)
    assert (result.status, result.tag, result.info) == (Status.OK, 3, Info.OUTPUT_VALID)
    assert engine.host.read(HOST + 0x1_0000, 65) == b"\x11" * 64 + b"\0"
    assert (engine.read("HEAD"), engine.read("TAIL")) == (0, 1)
    assert engine.status() == {**dict.fromkeys(engine.status(), 0), "IDLE": 1}
    # What was written can be read, and started again.
    assert engine.read("DIRECT1") == 3
    engine.write("DIRECT1", 4)
    engine.write("COMMAND", START=1)
    assert engine.record(3).tag == 4


def test_start_is_ignored():
    engine = Engine()
    engine.set_up()
    assert engine.start(replace(NOP, tag=5)).status == Status.PENDING
    engine.write("CTRL", ENABLE=0)
    engine.write("COMMAND", ABORT=1)
    engine.write("COMMAND", START=1)
    assert engine.result().status == Status.PENDING
    engine.write("COMMAND", RESUME=1)
    assert engine.result().status == Status.PENDING
    engine.write("COMMAND", START=1)
    assert engine.result().tag == 5


def test_direct_halts():
    engine = Engine()
    engine.start(replace(BAD, flags=Flag.STOP_ON_ERROR))
    assert engine.status()["HALTED"]
    assert engine.error() == (Status.BAD_OPCODE, 0, 0, 0)
    assert [item.index for item in engine.device.log] == [None]


# Rings


def test_ring_wraps():
    engine = Engine()
    for log2_size in (0, 1, 3):
        engine.write("COMMAND", RESET=1)
        engine.set_up(log2_size)
        size = 1 << log2_size
        for counter in range(3 * size):
            engine.put(recorded(replace(NOP, format_id=9), counter % 16))
            phase = Info.PHASE if counter & size else 0
            expected = Record(
                status=Status.OK, tag=counter % 16, format_id=9, info=phase)
            assert engine.record(counter % 16) == expected
            assert engine.result() == expected
            assert engine.read("HEAD") == counter + 1
    assert [item.index for item in engine.device.log[-4:]] == [20, 21, 22, 23]


def test_descriptors_in_one_go():
    engine = Engine()
    engine.set_up(log2_size=3)
    engine.put(*(recorded(fill(64 * number), number) for number in range(8)))
    assert [engine.record(number).status for number in range(8)] == [Status.OK] * 8
    assert engine.host.read(HOST + 0x1_0000, 513) == b"\x11" * 512 + b"\0"


def test_nothing_happens_without_enable():
    engine = Engine()
    engine.write("RING_BASE", RING)
    engine.host.write(RING, recorded(NOP, 0).pack())
    engine.write("TAIL", 1)
    assert engine.read("HEAD") == 0
    engine.write("CTRL", ENABLE=1)
    assert engine.read("HEAD") == 1
    assert engine.record().status == Status.OK


def test_base_is_rounded_down():
    engine = Engine()
    engine.set_up()
    engine.write("RING_BASE", RING + 63)
    engine.put(recorded(NOP, 0))
    assert engine.record().status == Status.OK


def test_channels_are_apart():
    engine = Engine()
    engine.set_up(channel=PREFETCH)
    engine.put(
        recorded(Descriptor(opcode=Opcode.FILL, dst_addr=DEV, src_len=32, max_dst_len=32), 1),
        channel=PREFETCH)
    assert engine.record(1).status == Status.OK
    assert (engine.read("HEAD", PREFETCH), engine.read("HEAD", OFFLOAD)) == (1, 0)
    assert engine.result(OFFLOAD).status == Status.PENDING
    assert [item.channel for item in engine.device.log] == [PREFETCH]


def test_no_rings():
    engine = Engine(PRESETS["tiny"])
    engine.set_up()
    engine.put(recorded(NOP, 0))
    for name in ("CTRL", "RING_BASE", "RING_SIZE", "TAIL", "HEAD"):
        assert engine.read(name) == 0
    assert engine.record().status == Status.PENDING
    # ENABLE is not there, so START is not ignored.
    assert engine.start(NOP).status == Status.OK


# Records


def test_records_on_error_only():
    engine = Engine()
    for number, descriptor in enumerate((NOP, BAD)):
        result = engine.start(recorded(descriptor, number, Flag.RECORD_ON_ERROR_ONLY))
        written = number == 1
        assert engine.record(number) == (result if written else Record())
        assert engine.device.log[-1].recorded is written
    assert engine.start(replace(BAD, completion_addr=RECORDS + 64)).status == Status.BAD_OPCODE
    assert engine.record(2) == Record()


def test_no_good_address_for_the_record():
    engine = Engine()
    engine.set_up()
    nowhere = replace(recorded(fill(), 0), completion_addr=RECORDS + 4)
    engine.put(nowhere, recorded(NOP, 1))
    assert engine.error() == (Status.RECORD_ADDR, 0, 0, 0)
    assert engine.read("HEAD") == 1
    assert engine.host.read(RECORDS, 64) == bytes(64)
    assert engine.host.read(HOST + 0x1_0000, 64) == bytes(64)
    assert engine.result().status == Status.RECORD_ADDR
    engine.write("COMMAND", RESUME=1)
    assert engine.record(1).status == Status.OK
    # If something else is wrong too, that is what the register says.
    engine.put(replace(nowhere, reserved=1))
    assert engine.error() == (Status.RESERVED_NONZERO, 0, 2, 0)
    engine.write("COMMAND", RESUME=1)
    # A record that is not wanted needs no address.
    engine.put(replace(nowhere, flags=0))
    assert not engine.status()["HALTED"]
    assert engine.result().status == Status.OK


def test_record_that_cannot_be_written():
    faults = [Fault("host", RECORDS, 64, "slverr", reads=False)]
    engine = Engine(faults=faults)
    engine.set_up()
    engine.put(recorded(fill(), 1), recorded(NOP, 2))
    assert engine.error() == (Status.RECORD_WRITE, 0, 0, RECORDS + 32)
    assert engine.read("HEAD") == 1
    assert engine.result().status == Status.OK
    assert not engine.device.log[0].recorded
    assert engine.record(1) == engine.record(2) == Record()
    engine.write("COMMAND", RESUME=1)
    assert engine.record(2).status == Status.OK
    assert engine.read("HEAD") == 2
    # Of the reasons of one descriptor to halt, this is the one that is told.
    engine.put(recorded(BAD, 0, Flag.STOP_ON_ERROR))
    assert engine.error()[0] == Status.RECORD_WRITE


def test_record_in_its_window():
    engine = Engine()
    engine.write("RECORD_LOW", RECORDS)
    engine.write("RECORD_HIGH", RECORDS + 63)
    assert engine.start(recorded(NOP, 1)).status == Status.OK
    assert engine.start(recorded(NOP, 2)).status == Status.RECORD_ADDR
    engine.write("COMMAND", RESUME=1)
    # An offset beyond 32 bits is in the second word.
    engine.write("RECORD_LOW", 1 << 32)
    assert engine.start(recorded(NOP, 1)).status == Status.RECORD_ADDR


# Halts


def test_ring_error():
    engine = Engine()
    engine.set_up(log2_size=1)
    engine.put(NOP, NOP)
    engine.write("TAIL", 5)
    assert engine.error() == (Status.RING_ERROR, 0, 2, 0)
    assert engine.read("HEAD") == 2
    engine.write("COMMAND", RESUME=1)
    assert engine.error()[0] == Status.RING_ERROR
    # Backwards is very far ahead.
    engine.write("TAIL", 1)
    engine.write("COMMAND", RESUME=1)
    assert engine.error()[0] == Status.RING_ERROR
    engine.write("TAIL", 4)
    assert engine.read("HEAD") == 2
    engine.write("COMMAND", RESUME=1)
    assert engine.read("HEAD") == 4
    assert engine.error() == (0, 0, 0, 0)
    assert not engine.status()["HALTED"]


def test_descriptor_that_cannot_be_read():
    faults = [Fault("host", RING + 64, 64, "decerr", writes=False)]
    engine = Engine(faults=faults)
    engine.set_up()
    engine.put(NOP, NOP, NOP)
    assert engine.error() == (Status.DESC_FETCH, 0, 1, RING + 64)
    assert engine.read("HEAD") == 1
    engine.write("CTRL", ENABLE=0)
    engine.write("RING_BASE", RING + 0x1000)
    engine.host.write(RING + 0x1040, (NOP.pack() * 2))
    engine.write("CTRL", ENABLE=1)
    assert engine.read("HEAD") == 1
    engine.write("COMMAND", RESUME=1)
    assert engine.read("HEAD") == 3
    assert engine.read("DESCRIPTORS") == 3
    # There is no ring where there is no memory, nor behind the last address.
    engine.write("RING_BASE", (1 << 64) - 64)
    engine.put(NOP)
    assert engine.error() == (Status.DESC_FETCH, 0, 3, 128)


def test_stop_on_error():
    engine = Engine()
    engine.set_up()
    stop = Flag.STOP_ON_ERROR
    overflow = fill(64, max_dst_len=32)
    read_error = Descriptor(
        opcode=Opcode.COMPRESS, src_addr=0x4000_0000, src_len=32, format_id=1,
        dst_addr=HOST + 0x1_0080, max_dst_len=64)
    bad_type = replace(read_error, element_type=3)
    engine.put(
        recorded(fill(), 0, stop), recorded(overflow, 1), recorded(overflow, 2, stop),
        recorded(read_error, 3, stop), recorded(bad_type, 4, stop), recorded(NOP, 5))
    for number, error in (
            (2, (Status.DST_OVERFLOW, 0, 2, 0)), (3, (Status.RD_DECERR, 0, 3, 0x4000_0000)),
            (4, (Status.BAD_CODEC, ErrorCode.ELEMENT_TYPE, 4, 0))):
        assert engine.error() == error
        assert engine.read("HEAD") == number + 1
        # Its record is written, those behind it are not.
        assert engine.record(number).status == error[0]
        assert engine.record(number + 1) == Record()
        engine.write("COMMAND", RESUME=1)
    assert engine.record(5).status == Status.OK
    assert engine.read("HEAD") == 6


def test_first_error_stays():
    engine = Engine()
    engine.start(replace(BAD, flags=Flag.STOP_ON_ERROR))
    engine.write("COMMAND", ABORT=1)
    assert engine.error()[0] == Status.BAD_OPCODE


def test_abort_of_an_idle_channel():
    engine = Engine()
    engine.set_up()
    engine.put(NOP)
    engine.write("COMMAND", ABORT=1)
    assert engine.error() == (Status.ABORTED, 0, 1, 0)
    assert engine.status() == {**dict.fromkeys(engine.status(), 0), "IDLE": 1, "HALTED": 1}
    engine.put(NOP)
    assert engine.read("HEAD") == 1
    engine.write("COMMAND", RESUME=1)
    assert engine.read("HEAD") == 2
    # To resume what did not halt changes nothing.
    engine.write("COMMAND", RESUME=1)
    assert engine.read("HEAD") == 2


def test_reset():
    engine = Engine()
    engine.write("IRQ_ENABLE", 0xF, None)
    engine.set_up()
    engine.put(recorded(fill(), 0, Flag.IRQ), replace(BAD, flags=Flag.STOP_ON_ERROR))
    windows = [name for name in CHANNEL if name.endswith(("_LOW", "_HIGH"))]
    for name in (*windows, "IRQ_COUNT", "IRQ_TIMER", "TIMEOUT", "DIRECT3"):
        engine.write(name, 7)
    interrupts = engine.read("IRQ_STATUS", None)
    fresh = Engine()
    engine.write("COMMAND", RESET=1)
    for name in CHANNEL:
        assert engine.read(name) == (7 if name in windows else fresh.read(name)), name
    # It is the channel that was reset, not the engine.
    assert engine.read("IRQ_STATUS", None) == interrupts != 0
    assert engine.read("IRQ_ENABLE", None) == 0xF


# Interrupts


def irq(engine):
    """Return IRQ_STATUS and the interrupt, and clear it."""
    status = engine.read("IRQ_STATUS", None)
    level = engine.device.irq
    engine.write("IRQ_STATUS", status, None)
    assert engine.read("IRQ_STATUS", None) == 0
    return status, level


def test_interrupt_of_completions():
    engine = Engine()
    for channel, bit in ((OFFLOAD, 1), (PREFETCH, 4)):
        engine.write("IRQ_ENABLE", 0, None)
        engine.start(replace(NOP, flags=Flag.IRQ), channel)
        assert irq(engine) == (bit, False)
        engine.write("IRQ_ENABLE", bit, None)
        engine.start(NOP, channel)
        assert irq(engine) == (0, False)
        engine.start(replace(BAD, flags=Flag.IRQ), channel)
        assert irq(engine) == (bit, True)


def test_interrupt_after_so_many():
    engine = Engine()
    engine.write("IRQ_ENABLE", 1, None)
    engine.write("IRQ_COUNT", 3)
    counted = replace(NOP, flags=Flag.IRQ)
    seen = []
    for _ in range(7):
        engine.start(NOP)
        engine.start(counted)
        seen.append(irq(engine)[0])
    assert seen == [0, 0, 1, 0, 0, 1, 0]
    # It does not matter that they come together.
    engine.write("IRQ_COUNT", 2)
    assert irq(engine)[0] == 0
    engine.set_up()
    engine.put(counted, counted)
    assert irq(engine)[0] == 1
    engine.put(counted)
    assert irq(engine)[0] == 1
    engine.put(counted)
    engine.write("CTRL", ENABLE=0)
    # There is one that was not reported, which is enough now.
    engine.write("IRQ_COUNT", 1)
    assert irq(engine) == (1, True)
    engine.write("IRQ_COUNT", 100)
    engine.start(counted)
    assert irq(engine)[0] == 0
    # Time does not pass here: what a timer waits for is there at once.
    engine.write("IRQ_TIMER", 1000)
    assert irq(engine)[0] == 1
    engine.start(counted)
    assert irq(engine)[0] == 1


def test_interrupt_of_errors():
    engine = Engine()
    engine.write("IRQ_ENABLE", 2, None)
    engine.start(BAD)
    assert irq(engine) == (0, False)
    engine.start(replace(BAD, flags=Flag.STOP_ON_ERROR))
    assert irq(engine) == (2, True)
    engine.write("COMMAND", RESUME=1)
    engine.write("COMMAND", ABORT=1)
    engine.write("COMMAND", ABORT=1, channel=PREFETCH)
    # Only the ones that are written are cleared.
    engine.write("IRQ_STATUS", 8, None)
    assert irq(engine) == (2, True)


def test_interrupts_of_a_shared_channel():
    engine = Engine(Config(shared=True))
    engine.write("IRQ_ENABLE", 0xF, None)
    assert engine.read("IRQ_ENABLE", None) == 3
    engine.start(replace(BAD, flags=Flag.IRQ | Flag.STOP_ON_ERROR))
    assert irq(engine) == (3, True)


# Counters


def test_counters():
    engine = Engine()
    engine.dev.write(DEV, bytes(range(1, 65)))
    compress = Descriptor(
        opcode=Opcode.COMPRESS, src_addr=DEV, src_len=64, dst_addr=HOST + 0x1_0000,
        max_dst_len=200, format_id=1, element_type=0)
    raw = replace(compress, flags=Flag.RAW_IF_LARGER)
    overflow = replace(compress, max_dst_len=8)
    for descriptor in (compress, raw, overflow, fill(), NOP, BAD):
        engine.start(descriptor)
    counters = {
        "BYTES_IN": 3 * 64, "BYTES_OUT": 80 + 64 + 64, "NONZEROS": 3 * 64, "DESCRIPTORS": 6,
        "ERRORS": 2, "RAW_STORED": 1, "STALL_READ": 0, "STALL_WRITE": 0, "STALL_CODEC": 0,
    }
    assert {name: engine.read(name) for name in counters} == counters
    assert engine.read("DESCRIPTORS", PREFETCH) == 0
    without = Engine(replace(PRESETS["ecp5"], counters=False))
    without.start(compress)
    assert [without.read(name) for name in counters] == [0] * 9


def test_settings_of_the_rules():
    """Windows and the bits of CTRL reach the rules."""
    engine = Engine()
    good = fill()
    assert engine.start(good).status == Status.OK
    engine.write("WRITE_HIGH", HOST + 0x1_003E)
    assert engine.start(good).status == Status.RANGE
    engine.write("WRITE_HIGH", HOST + 0x1_003F)
    engine.write("WRITE_LOW", HOST + 0x1_0000)
    assert engine.start(good).status == Status.OK
    copy = Descriptor(
        opcode=Opcode.COPY, src_addr=HOST + 0x1_0020, dst_addr=HOST + 0x1_0000, src_len=64,
        max_dst_len=64)
    assert engine.start(copy).status == Status.RD_DECERR
    engine.write("CTRL", SAME_MEMORY=1)
    assert engine.start(copy).status == Status.OVERLAP
    engine.write("CTRL", 0)
    engine.write("READ_HIGH", DEV)
    assert engine.start(replace(copy, src_addr=DEV)).status == Status.RANGE
