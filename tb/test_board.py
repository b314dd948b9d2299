# SPDX-License-Identifier: Apache-2.0
"""The board in simulation, from the pins of its serial port: real activations there and back."""


import numpy as np
import pytest
from typer.testing import CliRunner

from opencdma.golden import zvc
from opencdma.hw.fpga.boards import BOARDS
from opencdma.sim import activations, board_demo
from opencdma.sim.board import SimulatedPort
from opencdma.sim.cli import app
from opencdma.sim.mismatch import Mismatch
from opencdma.spec import PRESETS
from opencdma.spec.board import DEV_BASE, HOST_BASE, REGISTERS_BASE, Page
from opencdma.spec.registers import ENGINE
from opencdma.sw import Device, EngineError
from opencdma.sw import uart as uart_module
from opencdma.sw.uart import UartDevice

pytestmark = pytest.mark.xdist_group("board")

SIZE = 1 << 14


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    """A simulated board needs no time of this world."""
    monkeypatch.setattr(uart_module, "_SETTLE", 0)


@pytest.fixture
def port():
    return SimulatedPort(dev_size=SIZE, host_size=SIZE)


@pytest.fixture
def board(port):
    return UartDevice(port)


def corpus(count):
    """Return the first elements of some tensors, of all networks."""
    for activation, tensor in activations.items(activations.representative()):
        if tensor.dtype == np.float32:
            # From the middle: photographs have plain borders.
            flat = tensor.reshape(-1)
            yield activation, flat[flat.size // 2 :][:count]


def test_page(board, port):
    assert (board.dev.size, board.host.size) == (SIZE, SIZE)
    assert (board.dev.base, board.host.base) == (DEV_BASE, HOST_BASE)
    assert board.clock == 1_000_000
    board.write_words(Page.SCRATCH, [0x0123_4567])
    assert board.read_words(Page.SCRATCH, 1) == [0x0123_4567]
    board.light(0b1010)
    board.check()
    assert port.leds >> 4 == 0b1010


def test_real_activations(board, port):
    """Compressed as the golden model does, and back, to the byte; the driver sees a Backend."""
    device = Device(board)
    assert device.capabilities.build_id == PRESETS["tiny"].build_id
    ratios = []
    for activation, tensor in corpus(500):
        compressed = device.compress(tensor)
        want = zvc.encode(tensor)
        assert device.read(compressed.buffer) == (
            want if len(want) < tensor.nbytes else tensor.tobytes()), activation.name
        assert compressed.nonzeros == np.count_nonzero(tensor)
        back = device.decompress(compressed)
        assert back.tobytes() == tensor.tobytes(), activation.name
        ratios.append(tensor.nbytes / compressed.length)
        device.free(compressed)
    assert len(ratios) == 9
    assert max(ratios) > 1.5
    board.check()
    assert port.broken == 0


@pytest.mark.parametrize("off", [0.98, 1.02])
def test_clocks_that_differ(off):
    """The other side's bits are 2% longer or shorter."""
    device = Device(UartDevice(SimulatedPort(off=off, dev_size=SIZE, host_size=SIZE)))
    _, tensor = next(corpus(200))
    assert device.decompress(device.compress(tensor)).tobytes() == tensor.tobytes()


def test_memories(board):
    """Any bytes at any place, and nothing beside them; both memories are whole, and apart."""
    rng = np.random.default_rng(1)
    for memory in (board.dev, board.host):
        image = bytearray(rng.bytes(3000))
        memory.write(memory.base, bytes(image))
        for _ in range(40):
            at, length = int(rng.integers(0, 2900)), int(rng.integers(0, 40))
            data = rng.bytes(length)
            memory.write(memory.base + at, data)
            image[at : at + length] = data
        assert memory.read(memory.base, len(image)) == image
        assert memory.read(memory.base + 7, 30) == image[7:37]
        last = memory.base + SIZE - 4
        memory.write(last, b"last")
        assert memory.read(last, 4) == b"last"
        with pytest.raises(IndexError, match=r"^Bytes must be in the 0x4000 of \w+ memory from "):
            memory.read(last, 5)
        with pytest.raises(IndexError, match=r"not the 0x1 from 0x\w+ on$"):
            memory.write(memory.base - 1, b"x")
    assert board.dev.read(DEV_BASE, 8) != board.host.read(HOST_BASE, 8)


def test_registers(board):
    """Those that there are; those that cannot be; those that the engine refuses."""
    assert board.read_register(ENGINE["IDENT"].offset) == ENGINE["IDENT"].reset
    assert board.irq is False
    for offset in (2, -4, 4096):
        with pytest.raises(ValueError, match=r"^Offset must be that of a register, not "):
            board.read_register(offset)
    with pytest.raises(EngineError, match=r"^The board reports REFUSED at its serial port"):
        refused(board, lambda: board.read_register(0xF00))
    with pytest.raises(EngineError, match="REFUSED"):
        refused(board, lambda: board.write_register(0xF00, 1))


def refused(board, access):
    """Do an access that brings nothing but 0, and have it checked."""
    assert access() in (0, None)
    board.check()


@pytest.mark.parametrize("address", [
    0x20, 0x0000_8000, REGISTERS_BASE + 0x1000, HOST_BASE - 4, HOST_BASE + SIZE, DEV_BASE - 4,
    DEV_BASE + SIZE, 0xFFFF_FFFC,
])
def test_where_nothing_is(board, address):
    """It reads as 0, writes are ignored, both are told, and nothing hangs."""
    assert board.read_words(address, 2)[0] == 0
    with pytest.raises(EngineError, match="REFUSED"):
        board.check()
    board.write_words(address, [1])
    with pytest.raises(EngineError, match="REFUSED"):
        board.check()
    board.check()


def test_fault_is_seen(board, port):
    board.read_words(HOST_BASE - 4, 1)
    assert port.leds & 8
    board.clear_faults()
    board.check()
    assert not port.leds & 8


def test_overrun(board, port):
    """Who sends while the board answers gets 64 bytes kept and is told of the rest."""
    port.write(bytes([2, 255]) + (DEV_BASE // 4).to_bytes(4, "big"))
    port.write(bytes(200))
    port.reset_input_buffer()
    with pytest.raises(EngineError, match="OVERRUN"):
        board.check()


def test_noise(board, port):
    """Bytes without stop bits; the other side has another baud rate."""
    fast = SimulatedPort(off=0.5, dev_size=SIZE, host_size=SIZE)
    with pytest.raises(EngineError, match=r"^There is no board: "):
        UartDevice(fast)


def test_command_that_breaks_off(board, port):
    """A program that was killed leaves half a command; the next one waits a little, and is fine."""
    port.write(bytes([1, 9, 0x20]))
    port.run(100_000 + 1000)
    again = UartDevice(port)
    again.dev.write(DEV_BASE, b"fine")
    assert again.dev.read(DEV_BASE, 4) == b"fine"


class Silent:
    """A port with nothing at the other end, or something else."""

    def __init__(self, answer=b""):
        self._answer = answer

    def write(self, data):
        return len(data)

    def read(self, size):
        return self._answer[:size]

    def reset_input_buffer(self):
        pass


@pytest.mark.parametrize(("answer", "message"), [
    (b"", r"^There is no board: The board answered 0 bytes of 4 at 0x0$"),
    (b"abc", r"^There is no board: The board answered 3 bytes of 4 at 0x0$"),
    (b"abcd", r"^There is no board: its first word must be 0x4f434642, not 0x61626364; is the "
     r"baud rate right\?$"),
])
def test_no_board(answer, message):
    with pytest.raises(EngineError, match=message):
        UartDevice(Silent(answer))


def test_pyserial(monkeypatch):
    """Its ports have what is needed; one that loops back is no board."""
    with pytest.raises(EngineError, match=r"^There is no board: its first word must be "):
        UartDevice.open("loop://", timeout=0.1)
    with pytest.raises(OSError, match="nothing"):
        UartDevice.open("/dev/nothing")


def call(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def at_port(monkeypatch, board):
    """Have the command line find the simulated board at its port, and two short tensors."""
    opened = []

    def find(path, *, baud):
        opened.append((path, baud))
        return board

    short = [(each, tensor[:300]) for each, tensor in corpus(300)][:2]
    monkeypatch.setattr(UartDevice, "open", find)
    monkeypatch.setattr(activations, "items", lambda chosen: iter(short))
    return opened


def test_demo(at_port, tmp_path):
    result = call("--device", "uart:/dev/ttyUSB7", "--baud", 115200, "demo", "-o", tmp_path)
    assert (result.exit_code, result.stderr) == (0, "")
    assert at_port == [("/dev/ttyUSB7", 115200)]
    assert "at 1 MHz, 16 and 16 KiB of memory" in result.stdout
    assert "2 tensors there and back: every byte is what the golden model says" in result.stdout
    assert "9 others have elements that this engine does not have" in result.stdout
    assert (tmp_path / "board.json").exists()


def test_demo_in_pieces(board):
    """What is longer than the memory left is compressed piece by piece, to the same bytes."""
    device = Device(board)
    device.allocate("dev", SIZE - 2048 - 60)
    activation, tensor = next(
        item for item in corpus(1100) if np.count_nonzero(item[1]) < item[1].size / 2)
    record, = board_demo.run(device, [(activation, tensor)])
    assert record.pieces == 3
    assert record.encoded_bytes == len(zvc.encode(tensor))
    assert record.nonzeros == np.count_nonzero(tensor)
    assert record.ratio > 1.5


@pytest.mark.slow
def test_engine_of_the_boards():
    """With rings, CRC and all element sizes; the memories are those of the boards."""
    board = BOARDS["ulx3s-85f"]
    device = Device(UartDevice(SimulatedPort(
        board.config, dev_size=board.dev_size, host_size=board.host_size)), ring=0)
    tensors = [
        (each, tensor.reshape(-1)[-700:])
        for each, tensor in activations.items(activations.representative())]
    assert len(board_demo.supported(device, activations.representative())) == len(tensors)
    records = list(board_demo.run(device, tensors))
    assert {record.dtype for record in records} == {"float32", "uint8"}
    assert max(record.ratio for record in records) > 2


@pytest.mark.parametrize(("which", "message"), [
    ("compress", r", compress: byte 5 is 0x"), ("decompress", r", decompress: byte 5 is 0x"),
])
def test_demo_mismatch(board, monkeypatch, which, message):
    """A byte that is wrong on its way to the program is a failure."""
    read, memory = board.host.read, board.host
    if which == "decompress":
        read, memory = board.dev.read, board.dev

    def flip(address, length):
        data = bytearray(read(address, length))
        data[5] ^= 1
        return bytes(data)

    monkeypatch.setattr(memory, "read", flip)
    with pytest.raises(Mismatch, match=message):
        list(board_demo.run(Device(board), list(corpus(64))[:1]))


@pytest.mark.parametrize(("arguments", "message"), [
    (["--device", "board", "demo"], "Device must be sim or uart:PATH, not 'board'"),
    (["--device", "uart:", "demo"], "Device must be sim or uart:PATH, not 'uart:'"),
    (["--device", "uart:/dev/ttyUSB0", "verilog"], "--device is for demo"),
])
def test_bad_device(arguments, message):
    result = call(*arguments)
    assert (result.exit_code, result.stderr) == (2, f"opencdma: {message}\n")


