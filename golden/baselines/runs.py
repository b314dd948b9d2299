# SPDX-License-Identifier: Apache-2.0
"""Runs of equal flags, which several codecs store."""

import numpy as np


def runs(flags: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the flag and the length of each run, in order."""
    starts = np.flatnonzero(np.diff(flags, prepend=~flags[:1]))
    return flags[starts], np.diff(starts, append=flags.size)
