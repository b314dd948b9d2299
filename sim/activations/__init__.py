# SPDX-License-Identifier: Apache-2.0
"""Activations of pretrained networks on photographs, for tests and measurements.

Every tensor is the output of a ReLU or max-pool layer, in NCHW order and C-contiguous: float32, or
uint8 with zero point 0. ``docs/activations.md`` says where they come from and what they are not.
"""

import difflib
import functools
import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

#: The tensors, and the facts about them.
CORPUS_PATH = Path(__file__).parent / "corpus.npz"
MANIFEST_PATH = Path(__file__).parent / "manifest.json"


class UnknownActivationError(KeyError):
    """The corpus has no tensor of this name."""

    def __str__(self) -> str:
        """Return the message as it is; KeyError would quote it."""
        return str(self.args[0])


@dataclass(frozen=True)
class Activation:
    """Facts about one tensor of the corpus.

    Attributes
    ----------
    name : str
        ``network/dtype/photo/layer``.
    network, layer, photo : str
        Where the tensor comes from.
    stage : str
        "early", "middle" or "late": the third of the network's activations it belongs to.
    dtype : str
        "float32" or "uint8".
    full_shape : tuple of int
        Shape in the network: 1, channels, height, width.
    shape : tuple of int
        Shape in the corpus.
    channels : tuple of int or None
        Channels that are in the corpus, evenly spaced over all of them; None if all are.
    zero_fraction, full_zero_fraction : float
        Share of the elements that are zero, in the corpus and in the network.
    scale : float or None
        Value of one step of a uint8 tensor.
    weights, photo_source : str
        Packages, with versions, that the weights and the photograph are in.
    weights_licence, photo_licence : str
        Their licences.
    """

    name: str
    network: str
    dtype: str
    photo: str
    layer: str
    stage: str
    full_shape: tuple[int, ...]
    shape: tuple[int, ...]
    channels: tuple[int, ...] | None
    zero_fraction: float
    full_zero_fraction: float
    scale: float | None
    weights: str
    weights_licence: str
    photo_source: str
    photo_licence: str

    @property
    def size(self) -> int:
        """Elements in the corpus."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of the elements in the corpus."""
        return self.size * np.dtype(self.dtype).itemsize


@functools.cache
def _index() -> dict[str, Activation]:
    entries = json.loads(MANIFEST_PATH.read_text(encoding="utf-8"))
    # JSON has no tuples.
    rows = ({k: tuple(v) if isinstance(v, list) else v for k, v in e.items()} for e in entries)
    return {row["name"]: Activation(**row) for row in rows}


def manifest() -> list[Activation]:
    """Return the facts about all tensors, by network, dtype and photograph."""
    return list(_index().values())


def names() -> list[str]:
    """Return the names of all tensors, in the order of the manifest."""
    return list(_index())


def load(name: str) -> np.ndarray:
    """Return one tensor.

    Raises
    ------
    UnknownActivationError
        If the corpus has no tensor of this name.
    """
    if name not in _index():
        close = difflib.get_close_matches(name, names(), n=1, cutoff=0)[0]
        raise UnknownActivationError(f"No activation {name!r} in the corpus; nearest is {close!r}")
    with np.load(CORPUS_PATH) as corpus:
        return corpus[name]


def items(
    activations: Iterable[Activation] | None = None,
) -> Iterator[tuple[Activation, np.ndarray]]:
    """Yield facts and tensor of the given activations, by default of all in the manifest."""
    chosen = manifest() if activations is None else list(activations)
    with np.load(CORPUS_PATH) as corpus:
        for activation in chosen:
            yield activation, corpus[activation.name]


def representative() -> list[Activation]:
    """Return a subset for demonstrations, about 3 MB in all.

    It has one tensor of each stage of each network in each dtype.
    """
    first = {}
    for activation in manifest():
        first.setdefault((activation.network, activation.dtype, activation.stage), activation)
    return list(first.values())
