# SPDX-License-Identifier: Apache-2.0
"""Made from opencdma.rdl by spec/generate.py; changes belong there."""

from enum import IntEnum, IntFlag

from .codes import Sized
from .tables import Field, Kind, Register


class FormatId(IntEnum):
    """Wire formats; ``docs/format.md`` defines them."""

    #: Stored.
    RAW = 0
    #: Zero-value compression: a mask, then the nonzero elements.
    ZVC = 1


class ElementType(Sized, IntEnum):
    """Element types. Bits 1:0 are the base-2 logarithm of the size in bytes."""

    #: 8-bit integer.
    U8 = 0
    #: 16-bit integer.
    U16 = 1
    #: 32-bit integer.
    U32 = 2
    #: 8-bit floating point, 4 exponent bits.
    FP8_E4M3 = 4
    #: bfloat16.
    BF16 = 5
    #: IEEE 754 binary32.
    FP32 = 6
    #: 8-bit floating point, 5 exponent bits.
    FP8_E5M2 = 8
    #: IEEE 754 binary16.
    FP16 = 9


class Channel(IntEnum):
    """Channels of the engine."""

    #: From device to host memory.
    OFFLOAD = 0
    #: From host to device memory.
    PREFETCH = 1


class Opcode(IntEnum):
    """What a descriptor asks for."""

    #: Do nothing; complete in turn.
    NOP = 0x00
    #: Complete when all earlier descriptors of the channel have.
    DRAIN = 0x02
    #: Copy rows.
    COPY = 0x03
    #: Write rows that repeat the 8 bytes of src_addr.
    FILL = 0x04
    #: Decode to rows. PREFETCH only.
    DECOMPRESS = 0x42
    #: Encode rows. OFFLOAD only.
    COMPRESS = 0x43
    #: Encode rows and decode the result as a check. OFFLOAD only.
    COMPRESS_VERIFY = 0x44
    #: Encode rows and count; write only a record. OFFLOAD only.
    MEASURE = 0x45


class Flag(IntFlag):
    """Bits of a descriptor's flags."""

    #: Read nothing before every earlier descriptor of the channel is complete.
    FENCE = 0x01
    #: The completion counts towards the interrupt.
    IRQ = 0x02
    #: Write a completion record.
    WRITE_RECORD = 0x04
    #: With WRITE_RECORD: only if the status is neither OK nor OK_RAW.
    RECORD_ON_ERROR_ONLY = 0x08
    #: Compare the CRC32 with expected_crc.
    CHECK_CRC = 0x10
    #: Store raw what would not get smaller.
    RAW_IF_LARGER = 0x20
    #: Halt the channel behind this descriptor if the status is neither OK nor OK_RAW.
    STOP_ON_ERROR = 0x40


class Status(IntEnum):
    """Outcome of a descriptor. Of refusals that apply, the lowest is reported."""

    #: Not there yet; the engine never writes it.
    PENDING = 0x00
    #: Did what was asked for.
    OK = 0x01
    #: Stored raw, as it would not have got smaller.
    OK_RAW = 0x02
    #: The data are not what was announced; the error code says how.
    DATA_ERROR = 0x0A
    #: The destination has too little room; bytes_out says how much is needed.
    DST_OVERFLOW = 0x0B
    #: Opcode unknown, not on this channel, or not in this build.
    BAD_OPCODE = 0x10
    #: Flag undefined, or not with this opcode, flag or build.
    BAD_FLAGS = 0x11
    #: A reserved bit is set.
    RESERVED_NONZERO = 0x12
    #: Not whole elements, not lawful rows, or too long.
    BAD_LENGTH = 0x13
    #: Source and destination share a byte.
    OVERLAP = 0x16
    #: Source or destination outside the channel's window.
    RANGE = 0x18
    #: The record's address is not aligned, not allowed, or in the destination.
    RECORD_ADDR = 0x1B
    #: Address not aligned to the port's width.
    ADDR_ALIGN = 0x1C
    #: The memory refused a read: SLVERR.
    RD_SLVERR = 0x20
    #: The memory refused a read: DECERR.
    RD_DECERR = 0x21
    #: The memory refused a write: SLVERR.
    WR_SLVERR = 0x22
    #: The memory refused a write: DECERR.
    WR_DECERR = 0x23
    #: A descriptor could not be read. In a register only.
    DESC_FETCH = 0x24
    #: A record could not be written. In a register only.
    RECORD_WRITE = 0x25
    #: TAIL is further ahead of HEAD than the ring is long. In a register only.
    RING_ERROR = 0x26
    #: A memory does not answer.
    TIMEOUT = 0x28
    #: Was under way when the channel was aborted.
    ABORTED = 0x29
    #: Had not started when the channel was aborted.
    FLUSHED = 0x2A
    #: Format or element type unknown, or not in this build.
    BAD_CODEC = 0x30
    #: A self-check of the engine failed.
    INTERNAL = 0x3F


class ErrorCode(IntEnum):
    """What was wrong with the data. At one position, the lowest is reported."""

    #: No error.
    NONE = 0
    #: RAW: encoded length differs from raw length. Encoder: input differs from the raw length.
    LENGTH_MISMATCH = 1
    #: The encoded data end inside a mask or before the last nonzero element.
    TRUNCATED = 2
    #: The encoded data go on behind the last element.
    TRAILING = 3
    #: The CRC32 of the raw data is not the expected one.
    CRC = 4
    #: A stored element is zero.
    NON_CANONICAL = 5
    #: The element type is unknown or left out of this build (with BAD_CODEC).
    ELEMENT_TYPE = 6
    #: A mask bit behind the last element is set.
    PADDING = 7
    #: What was encoded does not decode to what was read.
    VERIFY = 8
    #: A beat other than the last of a packet was not full, or had holes.
    FRAMING = 9


class Info(IntFlag):
    """Bits of a completion record's info."""

    #: The status is WR_SLVERR or WR_DECERR.
    WRITE_FAULT = 0x01
    #: The status is OK_RAW.
    STORED_RAW = 0x02
    #: The first bytes_out bytes at the destination are good.
    OUTPUT_VALID = 0x04
    #: Bit log2(ring size) of the descriptor's counter.
    PHASE = 0x08


def _table(*registers: Register) -> dict[str, Register]:
    return {register.name: register for register in registers}


#: Fields of a descriptor, in bits from its first byte.
DESCRIPTOR = (
    Field("opcode", 0, 8),
    Field("flags", 8, 24),
    Field("tag", 32, 32),
    Field("completion_addr", 64, 64),
    Field("src_addr", 128, 64),
    Field("dst_addr", 192, 64),
    Field("src_len", 256, 32),
    Field("max_dst_len", 288, 32),
    Field("format_id", 320, 8),
    Field("element_type", 328, 4),
    Field("convert_to", 332, 4),
    Field("format_version", 336, 8),
    Field("codec_reserved", 344, 8),
    Field("rows_minus_1", 352, 16),
    Field("qos", 368, 4),
    Field("cache", 372, 4),
    Field("timeout", 376, 5),
    Field("geometry_reserved", 381, 3),
    Field("stride", 384, 32),
    Field("dst_stride", 416, 32),
    Field("expected_crc", 448, 32),
    Field("reserved", 480, 32),
)

#: Fields of a completion record, in bits from its first byte.
RECORD = (
    Field("status", 0, 8),
    Field("error_code", 8, 8),
    Field("info", 16, 8),
    Field("format_id", 24, 8),
    Field("tag", 32, 32),
    Field("bytes_in", 64, 32),
    Field("bytes_out", 96, 32),
    Field("fault_addr", 128, 64),
    Field("crc32", 192, 32),
    Field("nonzeros", 224, 32),
)

#: Addresses of the channels' registers.
CHANNEL_BASE = (0x100, 0x200)

#: Registers of the engine by their names.
ENGINE = _table(
    Register("IDENT", 0x00, 32, Kind.CONSTANT, (
        Field("VALUE", 0, 32, 0x414D4443),
    )),
    Register("VERSION", 0x04, 32, Kind.CONSTANT, (
        Field("PATCH", 0, 8),
        Field("MINOR", 8, 8, 2),
        Field("MAJOR", 16, 8),
    )),
    Register("BUILD_ID", 0x08, 32, Kind.CONSTANT, (
        Field("VALUE", 0, 32),
    )),
    Register("SCRATCH", 0x0C, 32, Kind.STORAGE, (
        Field("VALUE", 0, 32),
    )),
    Register("CAPS_PORTS", 0x10, 32, Kind.CONSTANT, (
        Field("LOG2_DEV_WIDTH", 0, 4),
        Field("LOG2_HOST_WIDTH", 4, 4),
        Field("ADDRESS_BITS", 8, 7),
        Field("SLOTS", 16, 8),
        Field("CHANNELS", 24, 8),
    )),
    Register("CAPS_FEATURES", 0x14, 32, Kind.CONSTANT, (
        Field("RINGS", 0, 1),
        Field("CRC", 1, 1),
        Field("TWO_D", 2, 1),
        Field("UNALIGNED", 3, 1),
        Field("VERIFY", 4, 1),
        Field("SHARED", 5, 1),
        Field("WINDOWS", 6, 1),
        Field("COUNTERS", 7, 1),
        Field("ELEMENT_SIZES", 16, 3),
    )),
    Register("CAPS_FORMATS", 0x18, 32, Kind.CONSTANT, (
        Field("VALUE", 0, 32),
    )),
    Register("CAPS_BURSTS", 0x1C, 32, Kind.CONSTANT, (
        Field("READ_BURST", 0, 8),
        Field("WRITE_BURST", 8, 8),
        Field("READ_BUFFER", 16, 16),
    )),
    Register("IRQ_STATUS", 0x20, 32, Kind.CLEAR, (
        Field("OFFLOAD_DONE", 0, 1),
        Field("OFFLOAD_ERROR", 1, 1),
        Field("PREFETCH_DONE", 2, 1, unless="shared"),
        Field("PREFETCH_ERROR", 3, 1, unless="shared"),
    )),
    Register("IRQ_ENABLE", 0x24, 32, Kind.STORAGE, (
        Field("OFFLOAD_DONE", 0, 1),
        Field("OFFLOAD_ERROR", 1, 1),
        Field("PREFETCH_DONE", 2, 1, unless="shared"),
        Field("PREFETCH_ERROR", 3, 1, unless="shared"),
    )),
)

#: Registers of each channel by their names.
CHANNEL = _table(
    Register("CTRL", 0x00, 32, Kind.STORAGE, (
        Field("ENABLE", 0, 1, needs="rings"),
        Field("SAME_MEMORY", 1, 1),
        Field("DIRECTION", 2, 1, needs="shared"),
    )),
    Register("COMMAND", 0x04, 32, Kind.COMMAND, (
        Field("START", 0, 1),
        Field("ABORT", 1, 1),
        Field("RESUME", 2, 1),
        Field("RESET", 3, 1),
    )),
    Register("STATUS", 0x08, 32, Kind.STATUS, (
        Field("IDLE", 0, 1),
        Field("HALTED", 1, 1),
        Field("LATCHED", 2, 1),
        Field("DRAINED", 3, 1),
        Field("ABORTING", 4, 1),
        Field("RESETTING", 5, 1),
        Field("BUSY", 6, 1),
    )),
    Register("ERROR", 0x0C, 32, Kind.STATUS, (
        Field("STATUS", 0, 8),
        Field("ERROR_CODE", 8, 8),
    )),
    Register("ERROR_INDEX", 0x10, 32, Kind.STATUS, (
        Field("VALUE", 0, 32),
    )),
    Register("TIMEOUT", 0x14, 32, Kind.STORAGE, (
        Field("VALUE", 0, 5, 20),
    )),
    Register("ERROR_ADDR", 0x18, 64, Kind.STATUS, (
        Field("VALUE", 0, 64),
    )),
    Register("RING_BASE", 0x20, 64, Kind.STORAGE, (
        Field("VALUE", 0, 64),
    ), needs="rings"),
    Register("RING_SIZE", 0x28, 32, Kind.STORAGE, (
        Field("VALUE", 0, 5),
    ), needs="rings"),
    Register("TAIL", 0x2C, 32, Kind.STORAGE, (
        Field("VALUE", 0, 32),
    ), needs="rings"),
    Register("HEAD", 0x30, 32, Kind.STATUS, (
        Field("VALUE", 0, 32),
    ), needs="rings"),
    Register("IRQ_COUNT", 0x34, 32, Kind.STORAGE, (
        Field("VALUE", 0, 16),
    )),
    Register("IRQ_TIMER", 0x38, 32, Kind.STORAGE, (
        Field("VALUE", 0, 32),
    )),
    Register("READ_LOW", 0x40, 64, Kind.STORAGE, (
        Field("VALUE", 0, 64),
    ), needs="windows", survives_reset=True),
    Register("READ_HIGH", 0x48, 64, Kind.STORAGE, (
        Field("VALUE", 0, 64, 0xFFFFFFFFFFFFFFFF),
    ), needs="windows", survives_reset=True),
    Register("WRITE_LOW", 0x50, 64, Kind.STORAGE, (
        Field("VALUE", 0, 64),
    ), needs="windows", survives_reset=True),
    Register("WRITE_HIGH", 0x58, 64, Kind.STORAGE, (
        Field("VALUE", 0, 64, 0xFFFFFFFFFFFFFFFF),
    ), needs="windows", survives_reset=True),
    Register("RECORD_LOW", 0x60, 64, Kind.STORAGE, (
        Field("VALUE", 0, 64),
    ), needs="windows", survives_reset=True),
    Register("RECORD_HIGH", 0x68, 64, Kind.STORAGE, (
        Field("VALUE", 0, 64, 0xFFFFFFFFFFFFFFFF),
    ), needs="windows", survives_reset=True),
    Register("RESULT0", 0x70, 32, Kind.STATUS, (
        Field("VALUE", 0, 32),
    )),
    Register("RESULT1", 0x74, 32, Kind.STATUS, (
        Field("VALUE", 0, 32),
    )),
    Register("RESULT2", 0x78, 32, Kind.STATUS, (
        Field("VALUE", 0, 32),
    )),
    Register("RESULT3", 0x7C, 32, Kind.STATUS, (
        Field("VALUE", 0, 32),
    )),
    Register("RESULT4", 0x80, 32, Kind.STATUS, (
        Field("VALUE", 0, 32),
    )),
    Register("RESULT5", 0x84, 32, Kind.STATUS, (
        Field("VALUE", 0, 32),
    )),
    Register("RESULT6", 0x88, 32, Kind.STATUS, (
        Field("VALUE", 0, 32),
    )),
    Register("RESULT7", 0x8C, 32, Kind.STATUS, (
        Field("VALUE", 0, 32),
    )),
    Register("BYTES_IN", 0x90, 64, Kind.STATUS, (
        Field("VALUE", 0, 64),
    ), needs="counters", buffered=True),
    Register("BYTES_OUT", 0x98, 64, Kind.STATUS, (
        Field("VALUE", 0, 64),
    ), needs="counters", buffered=True),
    Register("NONZEROS", 0xA0, 64, Kind.STATUS, (
        Field("VALUE", 0, 64),
    ), needs="counters", buffered=True),
    Register("DESCRIPTORS", 0xA8, 32, Kind.STATUS, (
        Field("VALUE", 0, 32),
    ), needs="counters"),
    Register("ERRORS", 0xAC, 32, Kind.STATUS, (
        Field("VALUE", 0, 32),
    ), needs="counters"),
    Register("RAW_STORED", 0xB0, 32, Kind.STATUS, (
        Field("VALUE", 0, 32),
    ), needs="counters"),
    Register("STALL_READ", 0xB4, 32, Kind.STATUS, (
        Field("VALUE", 0, 32),
    ), needs="counters"),
    Register("STALL_WRITE", 0xB8, 32, Kind.STATUS, (
        Field("VALUE", 0, 32),
    ), needs="counters"),
    Register("STALL_CODEC", 0xBC, 32, Kind.STATUS, (
        Field("VALUE", 0, 32),
    ), needs="counters"),
    Register("DIRECT0", 0xC0, 32, Kind.EXTERNAL, (
        Field("VALUE", 0, 32),
    )),
    Register("DIRECT1", 0xC4, 32, Kind.EXTERNAL, (
        Field("VALUE", 0, 32),
    )),
    Register("DIRECT2", 0xC8, 32, Kind.EXTERNAL, (
        Field("VALUE", 0, 32),
    )),
    Register("DIRECT3", 0xCC, 32, Kind.EXTERNAL, (
        Field("VALUE", 0, 32),
    )),
    Register("DIRECT4", 0xD0, 32, Kind.EXTERNAL, (
        Field("VALUE", 0, 32),
    )),
    Register("DIRECT5", 0xD4, 32, Kind.EXTERNAL, (
        Field("VALUE", 0, 32),
    )),
    Register("DIRECT6", 0xD8, 32, Kind.EXTERNAL, (
        Field("VALUE", 0, 32),
    )),
    Register("DIRECT7", 0xDC, 32, Kind.EXTERNAL, (
        Field("VALUE", 0, 32),
    )),
    Register("DIRECT8", 0xE0, 32, Kind.EXTERNAL, (
        Field("VALUE", 0, 32),
    )),
    Register("DIRECT9", 0xE4, 32, Kind.EXTERNAL, (
        Field("VALUE", 0, 32),
    )),
    Register("DIRECT10", 0xE8, 32, Kind.EXTERNAL, (
        Field("VALUE", 0, 32),
    )),
    Register("DIRECT11", 0xEC, 32, Kind.EXTERNAL, (
        Field("VALUE", 0, 32),
    )),
    Register("DIRECT12", 0xF0, 32, Kind.EXTERNAL, (
        Field("VALUE", 0, 32),
    )),
    Register("DIRECT13", 0xF4, 32, Kind.EXTERNAL, (
        Field("VALUE", 0, 32),
    )),
    Register("DIRECT14", 0xF8, 32, Kind.EXTERNAL, (
        Field("VALUE", 0, 32),
    )),
    Register("DIRECT15", 0xFC, 32, Kind.EXTERNAL, (
        Field("VALUE", 0, 32),
    )),
)
