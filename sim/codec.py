# SPDX-License-Identifier: Apache-2.0
"""The codec in simulation: the Verilated RTL as a Python object."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from opencdma.golden import zvc
from opencdma.golden.transfer import Command, Result
from opencdma.hw.codec import CodecGeometry
from opencdma.hw.verilog import Top
from opencdma.sim import native
from opencdma.spec import GROUP_BYTES, Direction, ElementType, ErrorCode, FormatId, Status

__all__ = ["Pauses", "Simulated", "SimulatedCodec", "SimulationError", "Transfer", "command_word"]

#: Element type of unsigned integers by their size in bytes.
UNSIGNED = {1: ElementType.U8, 2: ElementType.U16, 4: ElementType.U32}

#: Cycles without any progress after which a simulation is given up.
PATIENCE = 2000


class SimulationError(RuntimeError):
    """The simulated hardware broke its interface: it hung, or sent what it should not have."""


@dataclass(frozen=True)
class Pauses:
    """How often each interface pauses, as the probability of a pause in a cycle.

    Parameters
    ----------
    command, input, output, status : :class:`float`
        0 (never) to 0.99.
    seed : :class:`int`
        Of the random decisions.
    """

    command: float = 0.0
    input: float = 0.0
    output: float = 0.0
    status: float = 0.0
    seed: int = 1

    def __post_init__(self):
        for name in ("command", "input", "output", "status"):
            if not 0 <= getattr(self, name) <= 0.99:
                raise ValueError(
                    f"Pause probability {name!r} must be 0 to 0.99, not {getattr(self, name)!r}")


@dataclass(frozen=True)
class Transfer:
    """A command and its packet.

    Parameters
    ----------
    command : :class:`~opencdma.golden.transfer.Command`
        What to do.
    data : :class:`bytes`
        The packet.
    short_beat : tuple of two :class:`int`, or ``None``
        A beat of the packet that breaks the rules: its number, and how many bytes it has instead
        of all. What it does not have is lost.
    """

    command: Command
    data: bytes
    short_beat: tuple[int, int] | None = None


@dataclass(frozen=True)
class Simulated(Result):
    """What the hardware made of a transfer.

    Parameters
    ----------
    first_in, last_in, first_out, last_out : :class:`int`
        Cycles in which the first and the last beat went in and came out.
    """

    first_in: int
    last_in: int
    first_out: int
    last_out: int

    @property
    def cycles(self) -> int:
        """Cycles from the first beat in to the last beat out, inclusive."""
        return self.last_out - self.first_in + 1


def command_word(command: Command) -> int:
    """Return a command as the 64 bits of :class:`~opencdma.hw.codec.CommandWord`.

    Raises
    ------
    ValueError
        If a field does not fit.
    """
    word = 0
    for value, low, width, name in (
        (command.format, 0, 8, "format"), (command.element_type, 8, 4, "element_type"),
        (command.reserved, 12, 19, "reserved"), (command.direction, 31, 1, "direction"),
        (command.raw_length, 32, 32, "raw_length"),
    ):
        if not 0 <= value < 1 << width:
            raise ValueError(f"Command field {name!r} must fit {width} bits, not {value!r}")
        word |= value << low
    return word


class SimulatedCodec:
    """The codec RTL under Verilator, driven natively.

    The model is built at the first use of a configuration, which takes a while, and kept.

    Parameters
    ----------
    geometry : :class:`~opencdma.hw.codec.CodecGeometry`
        Build parameters of the codec.

    Examples
    --------
    >>> codec = SimulatedCodec()
    >>> codec.decompress(codec.compress(np.float32([0, 1.5, 0])), dtype=np.float32, count=3)
    array([0. , 1.5, 0. ], dtype=float32)
    """

    def __init__(self, geometry: CodecGeometry | None = None):
        self._geometry = CodecGeometry() if geometry is None else geometry
        self._ffi, self._lib = native.load(Top(self._geometry))
        self._codec = self._ffi.gc(self._lib.codec_new(), self._lib.codec_delete)

    @property
    def geometry(self) -> CodecGeometry:
        """Build parameters."""
        return self._geometry

    @property
    def cycles(self) -> int:
        """Cycles simulated so far."""
        return self._lib.codec_cycles(self._codec)

    @property
    def transitions(self) -> int:
        """Changes of the wires of ``m_axis_tdata`` so far: those of all bits, added up."""
        return self._lib.codec_transitions(self._codec)

    def run(self, transfers: Sequence[Transfer], pauses: Pauses | None = None) -> list[Simulated]:
        """Send transfers through the codec, back to back, and return what became of them.

        Raises
        ------
        SimulationError
            If the hardware hangs or breaks its interface. The codec is not usable afterwards.
        """
        pauses = Pauses() if pauses is None else pauses
        ffi = self._ffi
        items = ffi.new("codec_transfer[]", len(transfers))
        keep = [] # what C points to must live until it is done
        for item, transfer in zip(items, transfers, strict=True):
            # No lawful output is longer than the bound of its raw length, nor than what masks
            # alone can stand for: 128 bytes for every four.
            room = min(
                zvc.bound(transfer.command.raw_length, 1), 32 * len(transfer.data) + GROUP_BYTES)
            source, target = ffi.from_buffer(transfer.data), ffi.new("uint8_t[]", room + 1)
            keep += [source, target]
            item.command = command_word(transfer.command)
            item.input = ffi.cast("uint8_t *", source)
            item.input_length = len(transfer.data)
            item.short_beat, item.short_count = transfer.short_beat or (2**64 - 1, 0)
            item.output, item.output_size = target, room
        settings = ffi.new("codec_pauses *", {
            name: math.ceil(256 * getattr(pauses, name))
            for name in ("command", "input", "output", "status")
        } | {"seed": pauses.seed})
        outcome = self._lib.codec_run(self._codec, items, len(transfers), settings, PATIENCE)
        if outcome != self._lib.CODEC_DONE:
            names = {getattr(self._lib, name): name for name in dir(self._lib) if name.isupper()}
            raise SimulationError(
                f"{names[outcome]} after {self.cycles} cycles, in transfers "
                f"{[transfer.command for transfer in transfers][:4]} ...")
        return [self._result(item) for item in items]

    def _result(self, item) -> Simulated:
        word = int.from_bytes(self._ffi.buffer(item.status), "little")
        field = [word >> low & 0xFFFF_FFFF for low in range(0, 160, 32)]
        return Simulated(
            output=self._ffi.buffer(item.output, item.output_length)[:],
            status=Status(field[0] & 0xFF), error_code=ErrorCode(field[0] >> 8 & 0xFF),
            position=field[4], bytes_in=field[1], bytes_out=field[2], nonzeros=field[3],
            first_in=item.first_in, last_in=item.last_in,
            first_out=item.first_out, last_out=item.last_out)

    def compress(self, array: np.ndarray, format: FormatId = FormatId.ZVC) -> bytes:
        """Return the encoding of an array, as the format's ``encode`` does."""
        data = np.ascontiguousarray(array)
        return self._one(Direction.COMPRESS, format, data.dtype, data.nbytes, data.tobytes()).output

    def decompress(
        self, buffer: bytes, *, dtype, count: int, format: FormatId = FormatId.ZVC,
    ) -> np.ndarray:
        """Return the array that an encoding stands for, as the format's ``decode`` does.

        Raises
        ------
        ValueError
            If the hardware finds the encoding malformed.
        """
        dtype = np.dtype(dtype)
        result = self._one(Direction.DECOMPRESS, format, dtype, count * dtype.itemsize, buffer)
        return np.frombuffer(result.output, dtype)

    def _one(self, direction, format, dtype, raw_length, data) -> Simulated:
        command = Command(direction, format, UNSIGNED[dtype.itemsize], raw_length)
        result, = self.run([Transfer(command, bytes(data))])
        if result.status is not Status.OK:
            raise ValueError(
                f"The codec reports {result.status.name}, {result.error_code.name} at byte "
                f"{result.position}")
        return result
