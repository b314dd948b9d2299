# SPDX-License-Identifier: Apache-2.0
"""Demonstration on a board: real activations there and back through the driver alone.

The memories of boards are small, so long tensors go in pieces of whole groups, whose encodings one
after the other are that of the tensor.
"""

import time
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass

import numpy as np
from rich import box
from rich.table import Table

from opencdma.golden import zvc
from opencdma.sim.activations import Activation
from opencdma.sim.mismatch import Mismatch, compare
from opencdma.spec import GROUP_BYTES
from opencdma.sw import Device

__all__ = ["Record", "run", "supported", "table"]


@dataclass(frozen=True)
class Record:
    """One tensor's way through the board.

    Parameters
    ----------
    name, network, layer, dtype : :class:`str`
        Which tensor.
    shape : tuple of :class:`int`
        Its shape in the corpus.
    raw_bytes, encoded_bytes : :class:`int`
        Sizes; encoded is what lay in host memory, all pieces together.
    pieces : :class:`int`
        In how many pieces it went.
    nonzeros : :class:`int`
        Nonzero elements.
    seconds : :class:`float`
        How long that took, nearly all of it at the serial port.
    """

    name: str
    network: str
    layer: str
    dtype: str
    shape: tuple[int, ...]
    raw_bytes: int
    encoded_bytes: int
    pieces: int
    nonzeros: int
    seconds: float

    @property
    def ratio(self) -> float:
        """Raw bytes per encoded byte."""
        return self.raw_bytes / self.encoded_bytes

    @property
    def density(self) -> float:
        """Share of the elements that are nonzero."""
        return self.nonzeros * np.dtype(self.dtype).itemsize / self.raw_bytes

    def flat(self) -> dict:
        """Return all figures for JSON."""
        return asdict(self) | {"density": self.density, "ratio": self.ratio}


def supported(device: Device, activations: Iterable[Activation]) -> list[Activation]:
    """Return those tensors whose elements the engine has."""
    sizes = device.capabilities.element_sizes
    return [each for each in activations if np.dtype(each.dtype).itemsize in sizes]


def run(
    device: Device, tensors: Iterable[tuple[Activation, np.ndarray]],
) -> Iterator[Record]:
    """Compress tensors and restore them, one after the other; yield what came of them.

    Raises
    ------
    Mismatch
        If a byte in host memory, or one that came back, is not what the golden model says.
    EngineError, TimeoutError
        If the board or its engine does not do it.
    """
    for activation, array in tensors:
        start = time.monotonic()
        flat = array.reshape(-1)
        most = min(device.available("dev"), device.available("host"))
        step = most // GROUP_BYTES * GROUP_BYTES // flat.itemsize
        pieces = [flat[at : at + step] for at in range(0, flat.size, step)]
        encoded = sum(_there_and_back(device, activation.name, piece) for piece in pieces)
        yield Record(
            name=activation.name, network=activation.network, layer=activation.layer,
            dtype=activation.dtype, shape=activation.shape, raw_bytes=array.nbytes,
            encoded_bytes=encoded, pieces=len(pieces), nonzeros=int(np.count_nonzero(array)),
            seconds=time.monotonic() - start)


def _there_and_back(device: Device, name: str, piece: np.ndarray) -> int:
    """Compress and restore a piece, compare both, and return the bytes of its encoding."""
    raw, encoded = piece.tobytes(), zvc.encode(piece)
    stored = encoded if len(encoded) < len(raw) else raw
    compressed = device.compress(piece)
    try:
        compare(f"{name}, compress", device.read(compressed.buffer), stored)
        if device.capabilities.crc and compressed.crc32 != zlib.crc32(raw):
            raise Mismatch(f"{name}, compress: the CRC is {compressed.crc32:#010x}")
        compare(f"{name}, decompress", device.decompress(compressed).tobytes(), raw)
        return compressed.length
    finally:
        device.free(compressed)


def table(records: Iterable[Record]) -> Table:
    """Return a table with a line for each tensor; shapes are C x H x W."""
    found = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for heading in ("network", "layer", "shape", "dtype"):
        found.add_column(heading, overflow="fold")
    for heading in ("zeros", "ratio", "kB", "encoded kB", "pieces", "seconds"):
        found.add_column(heading, justify="right", no_wrap=True)
    for record in records:
        found.add_row(
            record.network, record.layer, "x".join(map(str, record.shape[1:])), record.dtype,
            f"{1 - record.density:.1%}", f"{record.ratio:.2f}", f"{record.raw_bytes / 1000:,.1f}",
            f"{record.encoded_bytes / 1000:,.1f}", str(record.pieces), f"{record.seconds:.1f}")
    return found
