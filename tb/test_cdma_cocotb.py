# SPDX-License-Identifier: Apache-2.0
"""The engine's top under cocotb: builds it, and runs :data:`MODULES` in the simulator.

``WAVES=1`` in the environment records waves under ``build/waves``; see ``test_codec_cocotb.py``.
"""

import contextlib
import json
import sys
from dataclasses import asdict

import pytest
from cocotb_tools.runner import get_runner
from test_codec_cocotb import BUILD, WAVES, build, environment, outcomes

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


@pytest.mark.slow
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_engine(config, tmp_path, capsys):
    top = EngineTop(config)
    waves = BUILD / "waves" / f"{top.name}.vcd"
    results = tmp_path / "results.xml"
    with environment():
        folder = build(top)
        if WAVES:
            waves.parent.mkdir(parents=True, exist_ok=True)
            with capsys.disabled():
                print(f"\nwaves: {waves}", file=sys.stderr) # which also workers pass on
        # The runner says by leaving the program that tests failed; which ones is said below.
        with contextlib.suppress(SystemExit):
            get_runner("verilator").test(
                test_module=MODULES, hdl_toplevel=top.name, hdl_toplevel_lang="verilog",
                build_dir=folder, test_dir=tmp_path, results_xml=str(results), seed=1,
                extra_env={"CDMA_CONFIG": json.dumps(asdict(config))},
                test_args=["--trace-file", str(waves)] if WAVES else [])
    assert results.exists(), "the simulation ended without results"
    ran, failed = outcomes(results)
    assert {name.split(".")[0] for name in ran} == set(MODULES)
    assert not failed, f"failed: {', '.join(failed)}"
