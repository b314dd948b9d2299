# SPDX-License-Identifier: Apache-2.0
"""Real activations there and back through the Verilated codec."""

from dataclasses import asdict, dataclass

import numpy as np

from opencdma.golden import zvc
from opencdma.sim import rates
from opencdma.sim.activations import Activation
from opencdma.sim.codec import SimulatedCodec
from opencdma.sim.mismatch import Mismatch, compare
from opencdma.spec import Direction, Status

__all__ = ["Record", "measure"]


@dataclass(frozen=True)
class Record:
    """One tensor's way through the codec.

    Parameters
    ----------
    name, network, layer, dtype : :class:`str`
        Which tensor.
    shape : tuple of :class:`int`
        Its shape in the corpus.
    element_bytes, raw_bytes, encoded_bytes : :class:`int`
        Sizes.
    nonzeros : :class:`int`
        Nonzero elements.
    compress, decompress : :class:`~opencdma.sim.rates.Rate`
        How fast it went.
    swing : :class:`int`
        Cycles by which the bounds of its groups exceed that of the whole.
    """

    name: str
    network: str
    layer: str
    dtype: str
    shape: tuple[int, ...]
    element_bytes: int
    raw_bytes: int
    encoded_bytes: int
    nonzeros: int
    compress: rates.Rate
    decompress: rates.Rate
    swing: int

    @property
    def density(self) -> float:
        """Share of the elements that are nonzero."""
        return self.nonzeros * self.element_bytes / self.raw_bytes

    @property
    def ratio(self) -> float:
        """Raw bytes per encoded byte."""
        return self.raw_bytes / self.encoded_bytes

    def flat(self) -> dict:
        """Return all figures, without nesting, for JSON."""
        record = asdict(self) | {"density": self.density, "ratio": self.ratio}
        for name in ("compress", "decompress"):
            rate = getattr(self, name)
            del record[name]
            record |= {
                f"{name}_{key}": value for key, value in
                (asdict(rate) | {"bound": rate.bound, "latency": rate.latency}).items()
            }
        return record


def measure(codec: SimulatedCodec, activation: Activation, array: np.ndarray) -> Record:
    """Send a tensor through the codec both ways and compare what comes back, bit for bit.

    Raises
    ------
    Mismatch
        If the codec does not emit the golden model's encoding, or not the original again.
    SimulationError
        If the hardware hangs or breaks its interface.
    """
    encoded, raw = zvc.encode(array), array.tobytes()
    measured = {}
    for direction, want in ((Direction.COMPRESS, encoded), (Direction.DECOMPRESS, raw)):
        (result,), rate = rates.run(codec, [rates.transfer(direction, array)])
        compare(f"{activation.name}, {direction.name.lower()}", result.output, want)
        if result.status is not Status.OK:
            raise Mismatch(
                f"{activation.name}, {direction.name.lower()}: status {result.status.name}, "
                f"{result.error_code.name} at byte {result.position}, instead of OK")
        measured[direction.name.lower()] = rate
    return Record(
        name=activation.name, network=activation.network, layer=activation.layer,
        dtype=activation.dtype, shape=array.shape, element_bytes=array.itemsize,
        raw_bytes=len(raw), encoded_bytes=len(encoded), nonzeros=int(np.count_nonzero(array)),
        swing=rates.swing(array, codec.geometry.width), **measured)
