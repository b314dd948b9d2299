# SPDX-License-Identifier: Apache-2.0
"""Builds of the codec that are simulated."""

from functools import cache

from opencdma.hw.codec import CodecGeometry
from opencdma.sim.codec import SimulatedCodec

#: Builds that are simulated: every width, all sizes and 32 bits alone, and other corners.
GEOMETRIES = {
    "w8": {"width": 8},
    "w16": {"width": 16},
    "w32": {"width": 32},
    "w64": {"width": 64},
    "w8-e32": {"width": 8, "element_sizes": (4,)},
    "w16-e32": {"width": 16, "element_sizes": (4,)},
    "w32-e32": {"width": 32, "element_sizes": (4,)},
    "w64-e32": {"width": 64, "element_sizes": (4,)},
    "w16-e16-32-ranks0": {"width": 16, "element_sizes": (2, 4), "ranks": 0},
    "w32-e8-all-ranks": {"width": 32, "element_sizes": (1,), "ranks": 5},
}


@cache
def simulated(name: str) -> SimulatedCodec:
    """Return the simulation of a build, one per process."""
    return SimulatedCodec(CodecGeometry(**GEOMETRIES[name]))
