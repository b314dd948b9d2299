# SPDX-License-Identifier: Apache-2.0
"""A transfer through the codec's top with cocotbext-axi, timed; runs inside the simulator.

In the environment, ``OPENCDMA_SPEED`` is a folder with the files ``command``, ``input`` and
``expected``, and ``OPENCDMA_REPEATS`` how often the transfer is run. ``measured.json`` is written
to the folder: cycles and seconds of each run.
"""

import json
import os
import time
from pathlib import Path

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles
from cocotb.utils import get_sim_time
from cocotbext.axi import AxiStreamBus, AxiStreamSink, AxiStreamSource

#: Clock period in ns.
PERIOD = 2


@cocotb.test()
async def speed(dut):
    """Send the packet and compare what comes out, again and again."""
    folder = Path(os.environ["OPENCDMA_SPEED"])
    command, data, expected = (
        (folder / name).read_bytes() for name in ("command", "input", "expected"))

    def port(driver, name):
        bus = AxiStreamBus.from_prefix(dut, name)
        made = driver(bus, dut.aclk, dut.aresetn, reset_active_level=False)
        made.log.setLevel("WARNING") # a line for every packet, with all its bytes
        return made

    dut.aresetn.value = 0
    commands, source = (port(AxiStreamSource, name) for name in ("s_axis_cmd", "s_axis"))
    sink, statuses = (port(AxiStreamSink, name) for name in ("m_axis", "m_axis_sts"))
    Clock(dut.aclk, PERIOD, "ns").start()
    await ClockCycles(dut.aclk, 5)
    dut.aresetn.value = 1
    await ClockCycles(dut.aclk, 5)

    runs = []
    for _ in range(int(os.environ["OPENCDMA_REPEATS"])):
        begin, start = get_sim_time("ns"), time.perf_counter()
        await commands.send(command)
        await source.send(data)
        packet = await sink.recv()
        await statuses.recv()
        runs.append((
            round((get_sim_time("ns") - begin) / PERIOD), time.perf_counter() - start))
        assert bytes(packet.tdata) == expected, "the output is not what the golden model gives"
    (folder / "measured.json").write_text(json.dumps(runs))
