# SPDX-License-Identifier: Apache-2.0
"""Fixtures that test files share."""

import pytest
from builds import GEOMETRIES, simulated

from opencdma.sim.codec import SimulatedCodec


# All tests of a build go to one worker, so that each model is built and loaded once.
@pytest.fixture(params=[
    pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in GEOMETRIES
])
def codec(request) -> SimulatedCodec:
    """The Verilated codec, in every build."""
    return simulated(request.param)
