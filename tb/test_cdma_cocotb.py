# SPDX-License-Identifier: Apache-2.0
"""The engine's top under cocotb: builds it, and runs :data:`MODULES` in the simulator.

``WAVES=1`` in the environment records waves under ``build/waves``; see ``test_codec_cocotb.py``.
"""

import json
from dataclasses import asdict

import pytest
from test_codec_cocotb import run

from opencdma.hw.verilog import EngineTop
from opencdma.spec import PRESETS, Config

#: What is simulated: the parts of the preset ``ecp5``, but smaller; one shared channel without a
#: ring; and ports of different width, any address, and the second decoder. With little room, things
#: come about that are rare otherwise.
CONFIGS = {
    "small": Config(
        dev_width=16, host_width=16, slots=4, memory_latency=16, read_burst=8, write_burst=8),
    "tiny": PRESETS["tiny"],
    "uneven": Config(
        dev_width=32, host_width=8, unaligned=True, verify=True, slots=4, memory_latency=0,
        read_burst=8, write_burst=8),
}


#: Where the scenarios are.
MODULES = ["cocotb_cdma", "cocotb_cdma_stops"]


def run_engine(config, *arguments, **options):
    ran = run(
        EngineTop(config), MODULES, *arguments, **options, CDMA_CONFIG=json.dumps(asdict(config)))
    assert {name.split(".")[0] for name in ran} == set(MODULES)


@pytest.mark.slow
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_engine(config, tmp_path, capsys):
    run_engine(config, tmp_path, capsys)


@pytest.mark.slow
def test_gates(tmp_path, capsys):
    run_engine(CONFIGS["tiny"], tmp_path, capsys, as_gates=True)
