# SPDX-License-Identifier: Apache-2.0
"""The examples in ``docs/programming.md`` and ``sw/examples`` do what they say."""

import ctypes
import re
import runpy
import subprocess
from pathlib import Path

import numpy as np
import pytest
from engines import LateDevice

from opencdma.golden import zvc
from opencdma.golden.device import GoldenDevice
from opencdma.sim.device import SimulatedDevice
from opencdma.spec import Channel, Config, Descriptor, Flag, FormatId, Opcode, Record, Status
from opencdma.spec.registers import CHANNEL

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "sw" / "examples"
TEXT = ROOT.joinpath("docs", "programming.md").read_text("utf-8")
DEV, HOST = 0x8000_0000, 0x1000_0000


def floats(count: int, density: float = 0.5) -> np.ndarray:
    rng = np.random.default_rng(count)
    values = rng.normal(size=count).astype(np.float32)
    return np.where(rng.random(count) < density, values, np.float32(0))


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def test_drawn_from_files():
    assert len(blocks("python")) == 4
    assert len(blocks("c")) == 1
    files = {"python": "ring.py", "c": "ring.c"}
    # The first one in Python is complete in itself.
    for language, block in (*(("python", b) for b in blocks("python")[1:]), ("c", *blocks("c"))):
        source = EXAMPLES.joinpath(files[language]).read_text("utf-8")
        indented = "".join(f"    {line}" if line.strip() else line
                           for line in block.splitlines(keepends=True))
        assert block in source or indented in source


def test_driver():
    exec(compile(blocks("python")[0], "programming.md", "exec"), {})


def test_ring_in_python(capsys):
    runpy.run_path(str(EXAMPLES / "ring.py"), run_name="__main__")
    assert re.fullmatch(
        r"16384 bytes went as \d+ and came back as they were\n", capsys.readouterr().out)


@pytest.mark.xdist_group("opencdma_ecp5")
def test_ring_in_python_on_rtl():
    example = runpy.run_path(str(EXAMPLES / "ring.py"))
    raw = floats(4096)
    length = example["there_and_back"](SimulatedDevice(), raw.tobytes())
    assert length == len(zvc.encode(raw))


@pytest.mark.xdist_group("opencdma_ecp5")
@pytest.mark.parametrize(("memory", "channel"), [("dev", "R"), ("host", "W"), ("host", "B")])
def test_ring_in_python_on_a_memory_that_does_not_answer(memory, channel):
    """Of these, only the first one lets the channel write its records, and halt."""
    example = runpy.run_path(str(EXAMPLES / "ring.py"))
    engine = SimulatedDevice()
    ring = example["Ring"](engine, Channel.OFFLOAD, HOST)
    ring.write("TIMEOUT", 8)
    engine.mute(memory, channel)
    record = ring.submit(Descriptor(
        opcode=Opcode.COPY, src_addr=DEV, src_len=64, dst_addr=HOST + 0x8000, max_dst_len=64))
    if memory == "dev":
        assert ring.wait(record).status == Status.TIMEOUT
    else:
        with pytest.raises(example["Halted"], match="TIMEOUT"):
            ring.wait(record)


def test_ring_in_python_looks_again_when_the_channel_has_halted():
    example = runpy.run_path(str(EXAMPLES / "ring.py"))
    ring = example["Ring"](LateDevice(GoldenDevice(), 1), Channel.OFFLOAD, HOST)
    record = ring.submit(Descriptor(opcode=9, flags=Flag.STOP_ON_ERROR))
    assert ring.wait(record).status == Status.BAD_OPCODE


def test_ring_in_python_does_not_wait_for_room_in_vain():
    """A ring is full, and its channel halted in front of it."""
    example = runpy.run_path(str(EXAMPLES / "ring.py"))
    engine = GoldenDevice()
    engine.advance = lambda: pytest.fail("it waits")
    ring = example["Ring"](engine, Channel.OFFLOAD, HOST)
    nop = Descriptor(opcode=Opcode.NOP)
    ring.submit(Descriptor(opcode=9, flags=Flag.STOP_ON_ERROR))
    for _ in range(ring.SIZE):
        ring.submit(nop)
    with pytest.raises(example["Halted"]) as caught:
        ring.submit(nop)
    assert caught.value.args == (Status.BAD_OPCODE, 0)
    ring.resume()
    assert ring.wait(ring.submit(nop)).status == Status.OK


# --- C -------------------------------------------------------------------------------------------


#: In a ring of the example: where its records are, and how long it is.
RECORDS, RING_BYTES = 16 * Descriptor.BYTES, 16 * (Descriptor.BYTES + Record.BYTES)


class Platform:
    """The example as a library, its registers and its host memory those of a golden model.

    Parameters
    ----------
    library : :class:`ctypes.CDLL`
        The example.
    config : :class:`~opencdma.spec.Config` or ``None``
        The build.
    """

    def __init__(self, library, config=None):
        self.device = GoldenDevice(config)
        self.library = library
        self._memory = ctypes.create_string_buffer(1 << 16)
        self._unseen = {} # what is in the memory, and the processor has not read again
        read = ctypes.CFUNCTYPE(ctypes.c_uint32, ctypes.c_uint32)(self._read)
        write = ctypes.CFUNCTYPE(None, ctypes.c_uint32, ctypes.c_uint32)(self._write)
        barrier = ctypes.CFUNCTYPE(None)(self._barrier)
        self._kept = read, write, barrier
        library.test_set_up(read, write, barrier, self._memory, ctypes.c_uint64(HOST))

    def _read(self, offset):
        return self.device.read_register(offset)

    def _write(self, offset, value):
        # All the engine does, it does while a register is written. The processor may have read
        # ahead: of new records it sees no more than the first word, but for a barrier.
        before = self._memory.raw
        self.device.host.write(HOST, before)
        self.device.write_register(offset, value)
        seen = bytearray(self.device.host.read(HOST, len(before)))
        self._unseen.clear()
        for ring in (0, RING_BYTES):
            for record in range(ring + RECORDS, ring + RING_BYTES, Record.BYTES):
                rest = slice(record + 4, record + Record.BYTES)
                self._unseen[rest.start] = bytes(seen[rest])
                seen[rest] = before[rest]
        ctypes.memmove(self._memory, bytes(seen), len(seen))

    def _barrier(self):
        for start, rest in self._unseen.items():
            ctypes.memmove(ctypes.byref(self._memory, start), rest, len(rest))
        self._unseen.clear()


HARNESS = """
#include "ring.c"
static uint32_t (*reads)(uint32_t);
static void (*writes)(uint32_t, uint32_t);
static void (*barriers)(void);
uint8_t *platform_host;
uint64_t platform_host_address;
uint32_t platform_read(uint32_t offset) { return reads(offset); }
void platform_write(uint32_t offset, uint32_t value) { writes(offset, value); }
void platform_read_barrier(void) { barriers(); }
void test_set_up(uint32_t (*read)(uint32_t), void (*write)(uint32_t, uint32_t),
                 void (*barrier)(void), void *memory, uint64_t address) {
    reads = read; writes = write; barriers = barrier;
    platform_host = memory; platform_host_address = address;
}
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    folder = tmp_path_factory.mktemp("example")
    folder.joinpath("harness.c").write_text(HARNESS)
    subprocess.run([
        "gcc", "-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC",
        "-I", str(EXAMPLES), "-I", str(ROOT / "sw" / "include"), str(folder / "harness.c"),
        "-o", str(folder / "example.so")], check=True)
    example = ctypes.CDLL(str(folder / "example.so"))
    example.offload.restype = example.prefetch.restype = ctypes.c_uint8
    return example


def in_memory(record) -> Record:
    return Record.unpack(bytes(record))


@pytest.mark.parametrize("density", [0.0, 0.3, 1.0])
def test_ring_in_c(library, density):
    platform = Platform(library)
    raw = floats(1024, density)
    encoded, back, most = HOST + 0x4000, DEV + 0x1_0000, 0x8000
    platform.device.dev.write(DEV, raw.tobytes())
    for channel in range(2):
        library.ring_set_up(channel)
    out, into = (ctypes.create_string_buffer(Record.BYTES) for _ in range(2))
    wide = ctypes.c_uint64
    # More transfers than the ring has places; the first of each two has too little room.
    for turn in range(20):
        room = most if turn % 2 else 64
        status = library.offload(wide(DEV), raw.nbytes, wide(encoded), room, most, out)
        expected = zvc.encode(raw) if density < 1 else raw.tobytes()
        assert status == (Status.OK if density < 1 else Status.OK_RAW)
        assert in_memory(out).bytes_out == len(expected)
        assert in_memory(out).format_id == (FormatId.ZVC if density < 1 else FormatId.RAW)
        assert platform.device.host.read(encoded, len(expected)) == expected
        platform.device.dev.write(back, bytes(raw.nbytes))
        status = library.prefetch(out, wide(encoded), wide(back), raw.nbytes, into)
        assert status == Status.OK
        assert platform.device.dev.read(back, raw.nbytes) == raw.tobytes()


def test_ring_in_c_tells_what_is_wrong(library):
    platform = Platform(library)
    library.ring_set_up(0)
    library.ring_set_up(1)
    out, into = (ctypes.create_string_buffer(Record.BYTES) for _ in range(2))
    wide = ctypes.c_uint64
    raw = floats(1024)
    platform.device.dev.write(DEV, raw.tobytes())
    assert library.offload(
        wide(DEV), raw.nbytes, wide(HOST + 0x4000), 64, 65, out) == Status.DST_OVERFLOW
    assert library.offload(
        wide(DEV + 4), raw.nbytes, wide(HOST + 0x4000), 0x8000, 0x8000, out) == Status.ADDR_ALIGN
    # No record: none of the rings lies in the window for records.
    platform = Platform(library, Config())
    platform.device.write_register(0x160, 0xFFFF_FFE0)
    library.ring_set_up(0)
    assert library.offload(
        wide(DEV), raw.nbytes, wide(HOST + 0x4000), 64, 65, into) == Status.PENDING
    assert platform.device.read_register(0x10C) & 0xFF == Status.RECORD_ADDR


def test_ring_in_c_on_a_memory_that_does_not_answer(library):
    """There is no record, the channel is latched, and never idle."""

    class Latched(Platform):
        looks = 0

        def _read(self, offset):
            if offset == 0x108:
                self.looks += 1
                # Who waits for something else gets it in the end: nothing can interrupt C.
                return CHANNEL["STATUS"].pack(
                    **{"LATCHED": 1} if self.looks < 1000 else {"HALTED": 1, "IDLE": 1})
            return super()._read(offset)

        def _write(self, offset, value):
            if offset != 0x12C: # the doorbell
                super()._write(offset, value)

    platform = Latched(library)
    library.ring_set_up(0)
    out, wide = ctypes.create_string_buffer(Record.BYTES), ctypes.c_uint64
    assert library.offload(
        wide(DEV), 64, wide(HOST + 0x4000), 64, 65, out) == Status.PENDING
    assert platform.looks < 10
    assert platform.device.log == []
