# SPDX-License-Identifier: Apache-2.0
"""Compares a corpus made again with the committed one.

Sums in another order, as another CPU or library makes them, change the last bits of a value. A
change of the recipe goes far beyond these tolerances.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from opencdma.sim.activations import Activation

#: float32: difference of a value, as a share of the greatest value of the tensor.
FLOAT_TOLERANCE = 1e-4

#: uint8: difference in steps, and the share of the elements that may exceed it.
STEP_TOLERANCE = 2
STEP_EXCEPTIONS = 1e-3

#: Difference of a zero fraction.
ZERO_TOLERANCE = 2e-3

#: Difference of a scale, as a share of it.
SCALE_TOLERANCE = 1e-4


def differences(
    corpus: Iterable[tuple[Activation, np.ndarray]],
    committed: Iterable[tuple[Activation, np.ndarray]],
) -> list[str]:
    """Say in what a corpus differs from the committed one by more than the tolerances."""
    old = {activation.name: (activation, array) for activation, array in committed}
    new = {activation.name: (activation, array) for activation, array in corpus}
    found = [f"{name}: not in the committed corpus" for name in new.keys() - old.keys()]
    found += [f"{name}: not made any more" for name in old.keys() - new.keys()]
    for name in new.keys() & old.keys():
        for differ, ours, theirs in zip(
            (_facts_differ, _values_differ), new[name], old[name], strict=True
        ):
            found += [f"{name}: {reason}" for reason in differ(ours, theirs)]
    return sorted(found)


def _facts_differ(new: Activation, old: Activation) -> Iterator[str]:
    for field in ("zero_fraction", "full_zero_fraction"):
        value, expected = getattr(new, field), getattr(old, field)
        if abs(value - expected) > ZERO_TOLERANCE:
            yield f"{field} is {value}, not {expected}"
    measured = {"zero_fraction": 0, "full_zero_fraction": 0, "scale": 0}
    if replace(new, **measured) != replace(old, **measured):
        yield "manifest entry differs"
    if new.scale and old.scale and abs(new.scale - old.scale) > SCALE_TOLERANCE * old.scale:
        yield f"scale is {new.scale}, not {old.scale}"


def _values_differ(new: np.ndarray, old: np.ndarray) -> Iterator[str]:
    if new.shape != old.shape or new.dtype != old.dtype:
        yield f"array is {new.dtype} {new.shape}, not {old.dtype} {old.shape}"
        return
    distance = np.abs(new.astype(np.float64) - old)
    if new.dtype == np.uint8:
        share = np.mean(distance > STEP_TOLERANCE)
        if share > STEP_EXCEPTIONS:
            yield f"{share:.3%} of the elements differ by more than {STEP_TOLERANCE} steps"
    elif distance.max() > FLOAT_TOLERANCE * old.max():
        yield f"values differ by up to {distance.max():.3g}; the greatest is {old.max():.3g}"
