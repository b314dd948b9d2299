# SPDX-License-Identifier: Apache-2.0
"""How often the wires of the encoded port change: a stand-in for the power that the link takes.

Encoded data are fewer, but look like noise; the same data raw have whole beats of zeros and
exponents that repeat. So what compression saves in beats is not what it saves in transitions.
"""

from collections.abc import Iterable, Iterator

import numpy as np

from opencdma.golden import formats
from opencdma.golden.transfer import Command
from opencdma.sim.activations import Activation
from opencdma.sim.codec import UNSIGNED, SimulatedCodec, Transfer
from opencdma.sim.mismatch import compare
from opencdma.spec import Direction, FormatId

__all__ = ["measure"]


def measure(
    codec: SimulatedCodec, items: Iterable[tuple[Activation, np.ndarray]],
) -> Iterator[dict]:
    """Yield a record for each tensor: transitions of the output bus of the compressor.

    Every tensor goes out twice through the same port, once as it is and once compressed, never
    stalled. Counted are the data wires, in every cycle, also when nothing is valid on them.

    Raises
    ------
    Mismatch
        If one of the packets is not the golden model's.
    SimulationError
        If the hardware hangs or breaks its interface.
    """
    for activation, array in items:
        raw = np.ascontiguousarray(array)
        transitions, lengths = {}, {}
        for name, format in (("raw", FormatId.RAW), ("encoded", FormatId.ZVC)):
            command = Command(Direction.COMPRESS, format, UNSIGNED[raw.itemsize], raw.nbytes)
            before = codec.transitions
            result, = codec.run([Transfer(command, raw.tobytes())])
            compare(f"{activation.name}, {name}", result.output, formats.get(format).encode(raw))
            transitions[name] = codec.transitions - before
            lengths[name] = len(result.output)
        yield {
            "name": activation.name, "network": activation.network, "dtype": activation.dtype,
            "width": codec.geometry.width,
            **{f"{name}_bytes": length for name, length in lengths.items()},
            **{f"{name}_transitions": count for name, count in transitions.items()},
        }
