# SPDX-License-Identifier: Apache-2.0
"""The driver, on the golden model in every build."""

import subprocess
import sys
import zlib
from dataclasses import replace

import ml_dtypes
import numpy as np
import pytest
from engines import DEV, HOST, OFFLOAD, PREFETCH, SlowDevice

from opencdma.golden import formats
from opencdma.golden.device import GoldenDevice
from opencdma.golden.device_memory import Fault
from opencdma.spec import (
    PRESETS,
    Config,
    Descriptor,
    ElementType,
    ErrorCode,
    Flag,
    FormatId,
    Opcode,
    Record,
    Status,
    element_type_of,
)
from opencdma.sw import (
    ChannelHaltedError,
    Device,
    EngineError,
    OutOfMemoryError,
    Ticket,
    TransferError,
)
from opencdma.sw.capabilities import Capabilities

CONFIGS = {
    **PRESETS,
    "shared ring": Config(shared=True, dev_width=64, host_width=64),
    "direct": Config(rings=False),
    "no crc": Config(crc=False),
}
DTYPES = (
    np.float32, np.float16, ml_dtypes.bfloat16, np.uint8, np.int8, np.uint16, np.int16, np.uint32,
    np.int32, ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2, np.bool_)


def golden(config=None, faults=()):
    return GoldenDevice(
        config, dev_size=1 << 17, host_size=1 << 17, dev_base=DEV, host_base=HOST, faults=faults)


@pytest.fixture(params=CONFIGS)
def device(request):
    """The driver of every build."""
    return Device(golden(CONFIGS[request.param]), ring=2)


@pytest.fixture(params=["at once", "slow"])
def slow_or_not(request):
    """The driver of an engine that is at once ready with everything, and of one that is not."""
    engine = golden()
    return Device(engine if request.param == "at once" else SlowDevice(engine, 5), ring=2)


def sparse(dtype, shape, seed=1):
    rng = np.random.default_rng(seed)
    values = rng.integers(1, 100, shape) * (rng.random(shape) < 0.3)
    return values.astype(dtype)


def nop(**changes):
    return Descriptor(opcode=Opcode.NOP, **changes)


def free(device):
    return device.available("dev"), device.available("host")


# Arrays


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: np.dtype(dtype).name)
def test_round_trip(device, dtype):
    if np.dtype(dtype).itemsize not in device.capabilities.element_sizes:
        message = r"^Elements must have one of the sizes \(4,\) bytes that this engine has, not "
        with pytest.raises(ValueError, match=message):
            device.compress(np.zeros(3, dtype))
        return
    before = free(device)
    for shape in ((), (1,), (0,), (3, 0), (5, 7, 11), (2000,)):
        array = sparse(dtype, shape)
        compressed = device.compress(array)
        back = device.decompress(compressed)
        assert (back.dtype, back.shape) == (array.dtype, array.shape)
        assert back.tobytes() == array.tobytes()
        assert compressed.nonzeros == np.count_nonzero(array)
        has_crc = device.capabilities.crc
        assert compressed.crc32 == (zlib.crc32(array.tobytes()) if has_crc else 0)
        assert compressed.raw_length == array.nbytes
        encoded = device.read(compressed.buffer)
        assert encoded == formats.get(compressed.format).encode(
            np.frombuffer(array.tobytes(), f"u{array.itemsize}"))
        device.free(compressed)
    assert free(device) == before


def test_arrays_as_they_come():
    """Strides and byte order are kept by the bytes alone."""
    device = Device(golden())
    array = np.arange(1000, dtype=">i4").reshape(20, 50)
    for view in (array.T, array[::2, ::-3], array.astype("<f4")):
        back = device.decompress(device.compress(view))
        assert back.dtype == view.dtype
        assert (back == view).all()
    back[:] = 0 # may be written


def test_ratio_and_raw_fallback(device):
    zeros = device.compress(np.zeros(3200, np.float32))
    assert (zeros.format, zeros.length, zeros.ratio) == (FormatId.ZVC, 400, 32)
    dense = np.arange(1, 3201, dtype=np.float32)
    stored = device.compress(dense)
    assert (stored.format, stored.length, stored.ratio) == (FormatId.RAW, 12800, 1)
    longer = device.compress(dense, raw_if_larger=False)
    assert (longer.format, longer.length) == (FormatId.ZVC, 13200)
    raw = device.compress(np.zeros(3200, np.float32), format="RAW", raw_if_larger=False)
    assert (raw.format, raw.length) == (FormatId.RAW, 12800)
    for compressed, first in ((stored, 1), (longer, 1), (zeros, 0), (raw, 0)):
        assert device.decompress(compressed)[0] == first
    assert device.compress(np.zeros(0, np.float32)).ratio == 1
    # What is stored takes no more room than it must.
    before = device.available("host")
    device.free(zeros)
    assert device.available("host") - before == 448


def test_arrays_in_device_memory():
    device = Device(golden())
    before = free(device)
    array = sparse(np.float32, (30, 40))
    placed, room = device.place(array), device.place(np.zeros((40, 30), np.int32))
    compressed = device.compress(placed)
    device.decompress(compressed, into=room)
    assert device.fetch(room).tobytes() == array.tobytes()
    assert device.fetch(room).shape == (40, 30)
    with pytest.raises(
            ValueError, match=r"^Array to receive must have 4800 bytes, not 4$"):
        device.decompress(compressed, into=device.place(np.float32(1)))
    record = device.measure(placed)
    assert (record.bytes_out, record.nonzeros) == (compressed.length, compressed.nonzeros)
    assert device.measure(array, format="raw").bytes_out == 4800
    for item in (placed, room, compressed):
        device.free(item)
    assert free(device) == (before[0] - 64, before[1]) # for the one that was too short


def test_verify():
    array = sparse(np.float32, 100)
    device = Device(golden(PRESETS["asic"]))
    assert (device.decompress(device.compress(array, verify=True)) == array).all()
    assert device.backend.log[0].descriptor.opcode == Opcode.COMPRESS_VERIFY
    message = r"^This engine has no second decoder; compress without 'verify'$"
    with pytest.raises(ValueError, match=message):
        Device(golden()).compress(array, verify=True)


def test_copy_and_fill(device):
    dev, host = device.allocate("dev", 1000), device.allocate("host", 1000)
    for pattern in (b"a", b"ab", b"abcd", b"abcdefgh"):
        for there, back in ((dev, host), (host, dev)):
            device.fill(there, pattern)
            assert device.read(there) == (pattern * 1000)[:1000]
            device.fill(back)
            device.copy(there, back)
            assert device.read(back) == device.read(there)
            device.write(there, b"0123456789")
            device.copy(there, back, 8)
            assert device.read(back)[:12] == b"01234567" + (pattern * 12)[8:12]
    with pytest.raises(ValueError, match=r"^Pattern must have 1, 2, 4 or 8 bytes, not 3$"):
        device.fill(dev, b"abc")
    message = r"^Source and destination must be in different memories, not both in 'dev'$"
    with pytest.raises(ValueError, match=message):
        device.copy(dev, dev)
    short = device.allocate("dev", 999)
    for source, destination, length, most, wanted in (
            (dev, host, 1001, 1000, 1001), (dev, host, -1, 1000, -1),
            (short, host, 1000, 999, 1000), (host, short, None, 999, 1000)):
        message = (
            rf"^Length must be 0 to {most} bytes, as the source has {source.size} and the "
            rf"destination {destination.size}, not {wanted}$")
        with pytest.raises(ValueError, match=message):
            device.copy(source, destination, length)
    assert device.copy(dev, host, 0).status == Status.OK


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: np.dtype(dtype).name)
def test_element_types(dtype):
    element_type = element_type_of(dtype)
    assert element_type.size == np.dtype(dtype).itemsize
    assert (element_type_of("bfloat16"), element_type_of("f2")) == (
        ElementType.BF16, ElementType.FP16)


# What cannot be


def test_wrong_arguments():
    device = Device(golden())
    before = free(device)
    with pytest.raises(
            ValueError, match=r"^Elements must be of one of the types .*, not float64; view "):
        device.compress(np.zeros(3))
    with pytest.raises(ValueError, match=r"^Format must be one of raw, zvc, not 'zip'$"):
        device.compress(np.zeros(3, np.float32), format="zip")
    with pytest.raises(OutOfMemoryError, match=r"^200000 bytes do not fit any hole; "):
        device.compress(np.zeros(50000, np.float32))
    with pytest.raises(ValueError, match=r"^Memory must be 'dev' or 'host', not 'flash'$"):
        device.allocate("flash", 1)
    with pytest.raises(ValueError, match=r"^Memory must be 'dev' or 'host', not 'flash'$"):
        device.available("flash")
    assert free(device) == before
    buffer = device.allocate("dev", 4)
    with pytest.raises(ValueError, match=r"^Data must fit the buffer of 4 bytes, not 5$"):
        device.write(buffer, b"12345")
    with pytest.raises(ValueError, match=r"^Ring size must be 2\*\*0 to 2\*\*16 descriptors, not "):
        Device(golden(), ring=17)


@pytest.mark.parametrize("name", ["ecp5", "shared ring"])
def test_channels(name):
    device = Device(golden(CONFIGS[name]))
    for channel in (2, -1, "OFFLOAD"):
        for wrong in (
                device.reset, device.resume, lambda channel: device.submit(channel, [nop()]),
                lambda channel: device.wait(Ticket(channel, nop()))):
            message = rf"^Channel must be OFFLOAD \(0\) or PREFETCH \(1\), not {channel!r}$"
            with pytest.raises(ValueError, match=message):
                wrong(channel)
    # The one channel of a shared build is both.
    _, waits = device.submit(
        PREFETCH, [Descriptor(opcode=9, flags=Flag.STOP_ON_ERROR), nop(tag=3)])
    with pytest.raises(ChannelHaltedError):
        device.wait(waits)
    device.resume(PREFETCH)
    assert device.wait(waits)[0].tag == 3
    device.submit(PREFETCH, [nop(tag=4)])
    device.reset(PREFETCH)
    assert device.wait(device.submit(PREFETCH, [nop(tag=5)]))[0].tag == 5


def test_array_that_is_too_long():
    device = Device(golden())
    placed = replace(device.place(np.float32(1)), shape=(0x3800_0000,))
    message = r"^Array must have 3758096383 bytes at most, not 3758096384$"
    with pytest.raises(ValueError, match=message):
        device.compress(placed)


def test_no_engine():
    class Nothing:
        dev = host = None
        irq = False

        def read_register(self, offset):
            return 0xFFFF_FFFF

    with pytest.raises(EngineError, match=r"^Register IDENT must be 0x414d4443, not 0xffffffff: "):
        Device(Nothing())


@pytest.mark.parametrize("name", CONFIGS)
def test_capabilities(name):
    config = CONFIGS[name]
    capabilities = Capabilities.read(golden(config))
    for field in (
            "build_id", "dev_width", "host_width", "address_bits", "slots", "channels", "rings",
            "crc", "two_d", "unaligned", "verify", "shared", "windows", "counters",
            "element_sizes", "read_burst", "write_burst", "read_buffer"):
        assert getattr(capabilities, field) == getattr(config, field), field
    assert capabilities.formats == (FormatId.RAW, FormatId.ZVC)
    assert capabilities.version == (0, 2, 0)


# Descriptors


@pytest.mark.parametrize("name", ["ecp5", "direct", "tiny", "shared ring"])
@pytest.mark.parametrize("period", [0, 1, 5])
def test_more_than_the_ring_holds(name, period):
    engine = golden(CONFIGS[name])
    device = Device(SlowDevice(engine, period) if period else engine, ring=2)
    tickets = device.submit(OFFLOAD, [nop(tag=number) for number in range(23)])
    records = device.wait(tickets)
    assert [record.tag for record in records] == [*range(23)]
    assert all(record.status == Status.OK for record in records)
    assert device.poll(tickets[3]) == records[3]
    # One after the other, too.
    for number in range(9):
        record, = device.wait(device.submit(PREFETCH, [nop(tag=number)]))
        assert record.tag == number
    assert len(engine.log) == 23 + 9


def test_poll():
    engine = SlowDevice(golden(), 3)
    device = Device(engine)
    ticket, = device.submit(OFFLOAD, [nop(tag=9)])
    assert device.poll(ticket) is None
    assert not ticket.done
    for _ in range(3):
        engine.advance()
    assert device.poll(ticket).tag == 9
    assert ticket.done


def test_records_are_the_drivers():
    """What descriptors say of records does not matter."""
    for config in CONFIGS.values():
        device = Device(golden(config))
        flags = Flag.WRITE_RECORD | Flag.RECORD_ON_ERROR_ONLY
        record, = device.wait(device.submit(
            OFFLOAD, [nop(flags=flags, completion_addr=0x1234, tag=1)]))
        assert (record.status, record.tag) == (Status.OK, 1)


def test_failed_transfer():
    device = Device(golden())
    bad = Descriptor(opcode=Opcode.COMPRESS, tag=5, src_len=3, element_type=1)
    ticket, = device.submit(OFFLOAD, [bad])
    with pytest.raises(TransferError) as caught:
        device.wait(ticket)
    assert caught.value.descriptor == bad
    assert caught.value.record == Record(status=Status.BAD_LENGTH, tag=5)
    assert str(caught.value) == (
        "COMPRESS with tag 5 ended with BAD_LENGTH: correct the descriptor: give whole elements "
        "and lawful rows, and split what is longer")
    record, = device.wait(ticket, check=False)
    assert record == caught.value.record


def test_advice():
    """There is some for every status, and it names what matters."""
    descriptor = Descriptor(opcode=99, tag=1)
    good = (Status.PENDING, Status.OK, Status.OK_RAW)
    for status in set(Status) - set(good):
        record = Record(status=status, bytes_out=4711, fault_addr=0xABC)
        text = str(TransferError(descriptor, record))
        assert text.startswith(f"0x63 with tag 1 ended with {status.name}")
        assert ("4711" in text) is (status is Status.DST_OVERFLOW)
        assert ("0xabc" in text) is status.name.startswith(("RD_", "WR_"))
    record = Record(status=Status.DATA_ERROR, error_code=5, fault_addr=12)
    assert " ended with DATA_ERROR, NON_CANONICAL at byte 12: " in str(
        TransferError(descriptor, record))
    # Comparisons have no position.
    for code, advice in (
            (ErrorCode.CRC,
             "the source is damaged, or the expected CRC is not that of its raw data"),
            (ErrorCode.VERIFY, "the engine encoded wrongly; report it")):
        record = Record(status=Status.DATA_ERROR, error_code=code)
        assert str(TransferError(descriptor, record)) == (
            f"0x63 with tag 1 ended with DATA_ERROR, {code.name}: {advice}")
    record = Record(status=0x77, error_code=0x78)
    assert str(TransferError(descriptor, record)).endswith(
        " ended with 0x77, 0x78: the driver does not know this status")


def test_damaged_data(device):
    compressed = device.compress(sparse(np.float32, 1000))
    data = bytearray(device.read(compressed.buffer))
    before = free(device)
    device.write(compressed.buffer, bytes(data[:-1]) + bytes([data[-1] ^ 0xFF]))
    # Without a CRC, an element with other bits is as good as any.
    if device.capabilities.crc:
        with pytest.raises(TransferError, match=r"ended with DATA_ERROR, CRC: the source is "):
            device.decompress(compressed)
    device.write(compressed.buffer, bytes(data[:4]) + bytes(4) + bytes(data[8:]))
    with pytest.raises(TransferError, match=r"ended with DATA_ERROR, NON_CANONICAL at byte 4: "):
        device.decompress(compressed)
    assert free(device) == before
    device.write(compressed.buffer, bytes(data))
    assert (device.decompress(compressed) == sparse(np.float32, 1000)).all()


def test_refused_by_the_memory(device):
    config = device.backend.config
    # Behind everything that is taken so far there is a line that cannot be read, or written.
    address = device.allocate("dev", 64).address
    faulty = Device(golden(config, [Fault("dev", address, 64, "slverr")]), ring=2)
    before = free(faulty)
    array = sparse(np.float32, 5000)
    message = rf"RD_SLVERR: the memory refused a read at {address:#x}$"
    with pytest.raises(TransferError, match=message):
        faulty.compress(array)
    assert free(faulty) == before


def test_halt_and_resume(slow_or_not):
    device = slow_or_not
    bad = Descriptor(opcode=9, tag=1, flags=Flag.STOP_ON_ERROR)
    first, second, third = device.submit(OFFLOAD, [nop(tag=0), bad, nop(tag=2)])
    with pytest.raises(ChannelHaltedError) as caught:
        device.wait([first, third])
    assert (caught.value.channel, caught.value.index, caught.value.status) == (
        OFFLOAD, 1, Status.BAD_OPCODE)
    assert str(caught.value) == (
        "Channel OFFLOAD halted at descriptor 1 with BAD_OPCODE, address 0x0: its record, if it "
        "has one, says more; resume goes on behind it")
    assert first.record.status == Status.OK
    with pytest.raises(TransferError, match=r"^0x09 with tag 1 ended with BAD_OPCODE: "):
        device.wait(second)
    # The other channel does not mind.
    device.wait(device.submit(PREFETCH, [nop()]))
    device.resume(OFFLOAD)
    record, = device.wait(third)
    assert record.tag == 2


def test_halt_of_an_engine_without_rings():
    device = Device(golden(CONFIGS["direct"]))
    bad = Descriptor(opcode=9, flags=Flag.STOP_ON_ERROR)
    first, second = device.submit(OFFLOAD, [bad, nop(tag=2)])
    with pytest.raises(ChannelHaltedError, match=r"^Channel OFFLOAD halted at descriptor 0 with "):
        device.wait(second)
    assert first.record.status == Status.BAD_OPCODE
    device.resume(OFFLOAD)
    assert device.wait(second)[0].tag == 2


def test_record_that_is_lost():
    # The ring of the first channel is at the start of host memory, its records are behind it.
    records = HOST + 4 * 64
    device = Device(golden(faults=[Fault("host", records, 64, "decerr")]), ring=2)
    tickets = device.submit(OFFLOAD, [nop(tag=number) for number in range(4)])
    for number in (0, 1):
        with pytest.raises(ChannelHaltedError) as caught:
            device.wait(tickets[3])
        assert str(caught.value) == (
            f"Channel OFFLOAD halted at descriptor {number} with RECORD_WRITE, address "
            f"{records + 32 * number:#x}: a record was not taken by the memory; resume goes on "
            "behind it")
        device.resume(OFFLOAD)
    assert device.wait(tickets[2:])[1].tag == 3
    assert [ticket.lost for ticket in tickets] == [True, True, False, False]
    with pytest.raises(EngineError, match=r"^The outcome of the descriptor with tag 1 is lost: "):
        device.wait(tickets[1])
    assert device.poll(tickets[1]) is None


def test_ring_that_cannot_be_read():
    device = Device(golden(faults=[Fault("host", HOST, 64, "slverr")]), ring=2)
    ticket, = device.submit(OFFLOAD, [nop()])
    message = (
        rf"^Channel OFFLOAD halted at descriptor 0 with DESC_FETCH, address {HOST:#x}: the ring is "
        "not in memory that can be read$")
    with pytest.raises(ChannelHaltedError, match=message):
        device.wait(ticket)


def test_reset():
    engine = golden()
    device = Device(SlowDevice(engine, 4), ring=1)
    tickets = device.submit(OFFLOAD, [nop(tag=number) for number in range(5)])
    device.wait(tickets[0])
    device.reset(OFFLOAD)
    assert [ticket.done for ticket in tickets] == [True] * 5
    assert tickets[4].lost
    with pytest.raises(EngineError, match=r"^The outcome of the descriptor with tag 4 is lost: "):
        device.wait(tickets[4])
    done = len(engine.log)
    assert device.wait(device.submit(OFFLOAD, [nop(tag=7)] * 5))[4].tag == 7
    assert [item.descriptor.tag for item in engine.log[done:]] == [7] * 5


def test_engine_that_hangs():
    engine = SlowDevice(golden(), 1)
    device = Device(engine, timeout=0.02)
    ticket, = device.submit(OFFLOAD, [nop(tag=3)])
    engine._period = 10**9
    message = r"^Waited 0.02 seconds for the descriptor with tag 3, in vain$"
    with pytest.raises(TimeoutError, match=message):
        device.wait(ticket)
    with pytest.raises(TimeoutError, match=r"^Waited 0.01 seconds "):
        device.wait(ticket, timeout=0.01)
    with pytest.raises(TimeoutError, match=r"^Waited 0.02 seconds for the reset of OFFLOAD, in v"):
        device.reset(OFFLOAD)


def test_shared_channel_turns_when_it_is_idle():
    engine = SlowDevice(golden(CONFIGS["shared ring"]), 3)
    device = Device(engine)
    dev, host = device.allocate("dev", 640), device.allocate("host", 640)
    blocks = [bytes([number] * 64) for number in range(10)]
    device.write(dev, b"".join(blocks))
    there = Descriptor(
        opcode=Opcode.COPY, src_addr=dev.address, dst_addr=host.address, src_len=640,
        max_dst_len=640)
    back = replace(there, src_addr=host.address + 192, dst_addr=dev.address, src_len=64)
    tickets = device.submit(OFFLOAD, [there] * 3) + device.submit(PREFETCH, [nop(), back])
    device.wait(tickets)
    assert device.read(host) == b"".join(blocks)
    assert device.read(dev) == b"".join([blocks[3], *blocks[1:]])


def test_driver_and_model_stand_alone():
    """The driver needs nothing but the specification, and the model no hardware."""
    code = (
        "import sys, {module}; "
        "print(*sorted({{name.split('.')[1] for name in sys.modules if name.startswith("
        "'opencdma.')}}))")
    for module, needed in (
            ("opencdma.sw", "spec sw"), ("opencdma.golden.device", "golden spec")):
        run = subprocess.run(
            [sys.executable, "-c", code.format(module=module)], capture_output=True, text=True,
            check=True)
        assert run.stdout.split() == needed.split()
