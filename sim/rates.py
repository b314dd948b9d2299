# SPDX-License-Identifier: Apache-2.0
"""How fast a transfer goes through the codec, and how fast it could go.

The *bound* of a transfer of N raw and M encoded bytes is ``max(ceil(N / W), ceil(M / W))`` cycles:
each side moves at most W bytes per cycle. Its *latency* is what it takes beyond that, from the
first beat in to the last beat out, inclusive, when neither side ever waits.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from opencdma.golden import zvc
from opencdma.golden.transfer import Command
from opencdma.hw.codec import CodecGeometry
from opencdma.sim.codec import UNSIGNED, Simulated, SimulatedCodec, Transfer
from opencdma.spec import GROUP_BYTES, Direction, FormatId

__all__ = ["Rate", "beats", "latency_limit", "run", "swing", "theoretical_ratio", "transfer"]


@dataclass(frozen=True)
class Rate:
    """Cycles of a transfer, or of several back to back, and the beats that moved in them.

    Parameters
    ----------
    beats_in, beats_out : :class:`int`
        Beats that went in and that came out.
    cycles : :class:`int`
        From the first beat in to the last beat out, inclusive.
    """

    beats_in: int
    beats_out: int
    cycles: int

    @property
    def bound(self) -> int:
        """Cycles it takes at least."""
        return max(self.beats_in, self.beats_out)

    @property
    def latency(self) -> int:
        """Cycles beyond the bound."""
        return self.cycles - self.bound

    @property
    def of_bound(self) -> float:
        """How near it came to the bound: 1 is as fast as the ports allow."""
        return self.bound / self.cycles


def beats(nbytes: int, width: int) -> int:
    """Return the beats of a packet; an empty one has one, too."""
    return max(1, -(-nbytes // width))


def transfer(direction: Direction, array: np.ndarray) -> Transfer:
    """Return the transfer that compresses an array with ZVC, or decompresses its encoding."""
    raw = np.ascontiguousarray(array)
    data = raw.tobytes() if direction is Direction.COMPRESS else zvc.encode(raw)
    return Transfer(Command(direction, FormatId.ZVC, UNSIGNED[raw.itemsize], raw.nbytes), data)


def run(codec: SimulatedCodec, transfers: Sequence[Transfer]) -> tuple[list[Simulated], Rate]:
    """Send transfers through a codec, back to back and never stalled, and take the time.

    Raises
    ------
    SimulationError
        If the hardware hangs or breaks its interface.
    """
    width = codec.geometry.width
    results = codec.run(transfers)
    return results, Rate(
        beats_in=sum(beats(len(transfer.data), width) for transfer in transfers),
        beats_out=sum(beats(len(result.output), width) for result in results),
        cycles=results[-1].last_out - results[0].first_in + 1)


def latency_limit(geometry: CodecGeometry, direction: Direction) -> int:
    """Return the latency in cycles that the codec promises, for the default number of ranks.

    It holds whatever the length and the density, as long as all groups are shorter encoded than
    raw, or none is; otherwise :func:`swing` comes on top.
    """
    fixed = geometry.element_sizes == (4,)
    if direction is Direction.COMPRESS:
        # A mask can leave only once its whole group has been seen.
        return (8 if fixed else 14) + GROUP_BYTES // geometry.width
    return 12 if fixed else 16


def swing(array: np.ndarray, width: int) -> int:
    """Return by how many cycles the bounds of the groups, added up, exceed that of the array.

    Where a group is longer encoded than raw the encoded side holds up the raw side, where it is
    shorter the raw side holds up the encoded one. Time lost to one is not made up by the other,
    save for what buffers hold.
    """
    raw = np.ascontiguousarray(array).reshape(-1)
    per_group = GROUP_BYTES // raw.itemsize
    nonzero = raw.view(f"u{raw.itemsize}") != 0
    starts = np.arange(0, raw.size, per_group)
    encoded = per_group // 8 + raw.itemsize * np.add.reduceat(nonzero, starts, dtype=np.int64)
    lengths = np.minimum(GROUP_BYTES, raw.nbytes - raw.itemsize * starts)
    bound = max(beats(raw.nbytes, width), beats(int(encoded.sum()), width))
    return beats(int(np.maximum(encoded, lengths).sum()), width) - bound


def theoretical_ratio(density: float, bits: int) -> float:
    """Return the compression ratio of ZVC: a mask bit per element, and the nonzero elements."""
    return 1 / (density + 1 / bits)
