# SPDX-License-Identifier: Apache-2.0
"""The engine by hand: a ring, descriptors, records. ``opencdma.sw`` does all this for you.

Runs on the golden model; the same lines run on anything with registers and memories.
"""

from dataclasses import replace

import numpy as np

from opencdma.golden.device import GoldenDevice
from opencdma.spec import (
    Channel,
    Descriptor,
    ElementType,
    Flag,
    FormatId,
    Opcode,
    Record,
    Status,
)
from opencdma.spec.registers import CHANNEL, CHANNEL_BASE

DEV, HOST = 0x8000_0000, 0x1000_0000


class Halted(Exception):
    """A channel halted, or a memory does not answer: status of ERROR, and ERROR_INDEX."""


class Ring:
    """A channel and its ring of 16 descriptors, whose records lie behind it."""

    LOG2_SIZE, SIZE = 4, 16

    def __init__(self, engine, channel: Channel, base: int):
        self.engine, self.channel, self.base = engine, channel, base
        self.records = base + self.SIZE * Descriptor.BYTES
        self.tail = 0
        self.write("RING_BASE", base)
        self.write("RING_SIZE", self.LOG2_SIZE)
        self.write("CTRL", CHANNEL["CTRL"].pack(ENABLE=1))

    def read(self, name: str) -> int:
        return self.engine.read_register(CHANNEL_BASE[self.channel] + CHANNEL[name].offset)

    def write(self, name: str, value: int):
        for word, offset in enumerate(CHANNEL[name].offsets):
            self.engine.write_register(
                CHANNEL_BASE[self.channel] + offset, value >> 32 * word & 0xFFFF_FFFF)

    def submit(self, descriptor: Descriptor) -> int:
        """Put a descriptor into the ring, ring the doorbell, and return the record's address."""
        # A record can be visible before HEAD has moved, so HEAD says whether there is room.
        self.until(lambda: (self.tail - self.read("HEAD")) % 2**32 < self.SIZE)
        slot = self.tail % self.SIZE
        record = self.records + slot * Record.BYTES
        self.engine.host.write(record, bytes(Record.BYTES))  # PENDING
        descriptor = replace(
            descriptor, flags=descriptor.flags | Flag.WRITE_RECORD, completion_addr=record)
        self.engine.host.write(self.base + slot * Descriptor.BYTES, descriptor.pack())
        self.tail = (self.tail + 1) % 2**32
        self.write("TAIL", self.tail)
        return record

    def wait(self, record: int) -> Record:
        """Poll a record until it is there."""
        self.until(lambda: self.engine.host.read(record, 1)[0] != Status.PENDING)
        return Record.unpack(self.engine.host.read(record, Record.BYTES))

    def until(self, reached):
        """Let time pass until something is the case, unless the channel stops before."""
        while not reached():
            status = CHANNEL["STATUS"].unpack(self.read("STATUS"))
            # A channel whose records are not taken is LATCHED and does not halt. And it may have
            # come to what is awaited just before it stopped: look again.
            if (status["HALTED"] or status["LATCHED"]) and not reached():
                error = CHANNEL["ERROR"].unpack(self.read("ERROR"))
                raise Halted(Status(error["STATUS"]), self.read("ERROR_INDEX"))
            self.engine.advance()

    def resume(self):
        """Go on behind what halted the channel."""
        self.write("COMMAND", CHANNEL["COMMAND"].pack(RESUME=1))


def there_and_back(engine, raw: bytes) -> int:
    """Send floats from device memory to host memory and back; return their encoded length."""
    offload = Ring(engine, Channel.OFFLOAD, HOST)
    prefetch = Ring(engine, Channel.PREFETCH, HOST + 0x1000)
    encoded = HOST + 0x2000
    engine.dev.write(DEV, raw)

    # Too little room, on purpose: the record says how much is needed.
    compress = Descriptor(
        opcode=Opcode.COMPRESS, src_addr=DEV, src_len=len(raw), dst_addr=encoded, max_dst_len=64,
        format_id=FormatId.ZVC, element_type=ElementType.FP32)
    record = offload.wait(offload.submit(compress))
    if record.status == Status.DST_OVERFLOW:
        compress = replace(compress, max_dst_len=record.bytes_out)
        record = offload.wait(offload.submit(compress))
    assert record.status == Status.OK

    # The encoding carries neither format nor length: they come from the record and from us.
    back = DEV + 0x8000
    decompress = Descriptor(
        opcode=Opcode.DECOMPRESS, src_addr=encoded, src_len=record.bytes_out, dst_addr=back,
        max_dst_len=len(raw), format_id=record.format_id, element_type=ElementType.FP32,
        flags=Flag.CHECK_CRC, expected_crc=record.crc32)
    assert prefetch.wait(prefetch.submit(decompress)).status == Status.OK
    assert engine.dev.read(back, len(raw)) == raw

    # An error that stops the channel: what is behind it waits until the channel is resumed.
    broken = replace(compress, element_type=3, flags=Flag.STOP_ON_ERROR)
    first, second = offload.submit(broken), offload.submit(compress)
    assert offload.wait(first).status == Status.BAD_CODEC
    try:
        offload.wait(second)
    except Halted as halted:
        status, counter = halted.args
        offload.resume()
    assert (status, counter) == (Status.BAD_CODEC, 2)
    assert offload.wait(second).status == Status.OK
    return record.bytes_out


if __name__ == "__main__":
    floats = np.maximum(np.random.default_rng(1).normal(size=4096), 0).astype(np.float32)
    length = there_and_back(GoldenDevice(), floats.tobytes())
    print(f"{floats.nbytes} bytes went as {length} and came back as they were")
