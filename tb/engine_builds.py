# SPDX-License-Identifier: Apache-2.0
"""Builds of the engine that are simulated."""

import pytest

from opencdma.hw.verilog import EngineTop
from opencdma.spec import PRESETS, Config

#: Builds that every run of the tests simulates.
EVERYDAY = {
    "ecp5": PRESETS["ecp5"],
    "tiny": PRESETS["tiny"],
    "everything": Config(
        dev_width=32, host_width=8, unaligned=True, verify=True, slots=8, read_burst=16,
        provoke=True),
    "shared": Config(
        dev_width=8, host_width=8, shared=True, unaligned=True, verify=True, two_d=False, slots=4),
}

#: Builds that the long run simulates besides: other widths, and options one by one.
MORE = {
    "asic": PRESETS["asic"],
    "wide": Config(dev_width=64, host_width=64, element_sizes=(4,), write_burst=32),
    "narrow-host": Config(dev_width=64, host_width=8, crc=False, slots=32, address_bits=48),
    "small": Config(
        dev_width=8, host_width=8, memory_latency=0, read_burst=1, write_burst=1, slots=2,
        windows=False, counters=False),
    "halves": Config(dev_width=16, host_width=16, element_sizes=(2, 4), unaligned=True),
    "shared-aligned": Config(dev_width=16, host_width=16, shared=True),
}


def same_worker(config: Config):
    """Return the mark that keeps all tests of a build on one worker, which builds it once."""
    return pytest.mark.xdist_group(EngineTop(config).name)
