# SPDX-License-Identifier: Apache-2.0
"""Tasks on Dask: what is run, in which order it comes back, and what happens when one fails."""

import pytest
from distributed import Client, LocalCluster
from rich.progress import Progress

from opencdma.syn import flow, plan, tasks

PLAN = plan.chosen(["floor-slice-256", "movers-w8"], ["lfe5u-85f-6", "lfe5u-85f-8", "up5k", "xc7a"])


@pytest.fixture(scope="module")
def client():
    # Threads, so that what a test changes is changed for the tasks.
    with LocalCluster(
        n_workers=1, threads_per_worker=2, processes=False, dashboard_address=":0",
    ) as workers, Client(workers) as client:
        yield client


#: What the tools were asked. What a task calls has to be found by its name, or it is a copy.
ASKED = []


def elaborate(design):
    return f"text of {design}"


def synthesise(design, text, family, folder):
    assert text == f"text of {design}"
    ASKED.append((design, family))
    luts = {"ice40": "SB_LUT4", "xc7": "LUT6"}.get(family, "LUT4")
    return flow.Netlist(design, family, "key", {luts: 9000 if design == "movers-w8" else 10})


def place(netlist, device, seed, folder):
    assert folder.is_absolute() # workers have working folders of their own
    ASKED.append((netlist.design, device, seed))
    return flow.Run(100.0 + seed, {"TRELLIS_COMB": 20, "ICESTORM_LC": 30})


@pytest.fixture(autouse=True)
def quick_tools(monkeypatch):
    """Have the tools answer at once."""
    ASKED.clear()
    for tool in (elaborate, synthesise, place):
        monkeypatch.setattr(flow, tool.__name__, tool)


def measure(client, tmp_path):
    with Progress(disable=True) as progress:
        result = tasks.measure(PLAN, 3, client, tmp_path, progress)
        assert progress.finished
    return result


def test_fingerprints(client, monkeypatch):
    def fingerprints(design, devices):
        if design == "movers-w8":
            raise flow.FlowError("movers-w8: no")
        return {device: f"{design} on {device}" for device in devices}

    monkeypatch.setattr(flow, "fingerprints", fingerprints)
    with Progress(disable=True) as progress:
        keys = tasks.fingerprints(PLAN, client, progress)
        assert progress.finished
    # What fails is named when it is measured.
    assert keys == {
        (design, device): f"{design.name} on {device.name}" for design, device in PLAN
        if design.name != "movers-w8"}


def test_measure(client, tmp_path):
    records, failures = measure(client, tmp_path)
    assert failures == []
    assert [(r["design"], r["device"]) for r in records] == [
        (design.name, device.name) for design, device in PLAN]
    clocks = {(r["design"], r["device"]): r["mhz_median"] for r in records}
    placed = {pair for pair, mhz in clocks.items() if mhz}
    # One is synthesised only, and one too large for one device.
    assert placed == {
        ("floor-slice-256", "lfe5u-85f-6"), ("floor-slice-256", "lfe5u-85f-8"),
        ("floor-slice-256", "up5k"), ("movers-w8", "lfe5u-85f-6"), ("movers-w8", "lfe5u-85f-8")}
    assert {clocks[pair] for pair in placed} == {102}
    # Once for a family, and once for every seed.
    assert sorted(what for what in ASKED if len(what) == 2) == sorted(
        (design, family) for design in ("floor-slice-256", "movers-w8")
        for family in ("ecp5", "ice40", "xc7"))
    assert sorted(what for what in ASKED if len(what) == 3) == sorted(
        (*pair, seed) for pair in placed for seed in (1, 2, 3))


def test_a_seed_fails(client, monkeypatch, tmp_path):
    def fail(netlist, device, seed, folder):
        if (netlist.design, device, seed) == ("movers-w8", "lfe5u-85f-8", 2):
            raise flow.FlowError("movers-w8 on lfe5u-85f-8, seed 2: no")
        return place(netlist, device, seed, folder)

    monkeypatch.setattr(flow, "place", fail)
    records, failures = measure(client, tmp_path)
    assert failures == ["movers-w8 on lfe5u-85f-8, seed 2: no"]
    assert len(records) == len(PLAN) - 1
    assert ("movers-w8", "lfe5u-85f-8") not in [(r["design"], r["device"]) for r in records]


def test_a_synthesis_fails(client, monkeypatch, tmp_path):
    def fail(design, text, family, folder):
        if (design, family) == ("floor-slice-256", "ecp5"):
            raise flow.FlowError("floor-slice-256 for ecp5: no")
        return synthesise(design, text, family, folder)

    monkeypatch.setattr(flow, "synthesise", fail)
    records, failures = measure(client, tmp_path)
    assert failures == ["floor-slice-256 for ecp5: no"]
    assert [(r["design"], r["device"]) for r in records] == [
        (design.name, device.name) for design, device in PLAN
        if (design.name, device.family.name) != ("floor-slice-256", "ecp5")]


def test_an_elaboration_fails(client, monkeypatch, tmp_path):
    def fail(design):
        if design == "movers-w8":
            raise flow.FlowError("movers-w8: no")
        return elaborate(design)

    monkeypatch.setattr(flow, "elaborate", fail)
    records, failures = measure(client, tmp_path)
    assert failures == ["movers-w8: no"] # once, whatever it was wanted for
    assert {r["design"] for r in records} == {"floor-slice-256"}


def test_cluster_of_processes(monkeypatch):
    """Tasks are what other processes can run: they come back with what they found."""
    monkeypatch.undo()
    with tasks.cluster(None, 1) as client:
        assert client.submit(flow.elaborate, "floor-slice-256").result() == flow.elaborate(
            "floor-slice-256")
        error = client.submit(flow.elaborate, "floor-none").exception()
    assert isinstance(error, flow.FlowError)


def test_scheduler(client):
    with tasks.cluster(client.scheduler_info()["address"], 1) as other:
        assert other.submit(abs, -3).result() == 3


def test_no_scheduler(monkeypatch):
    monkeypatch.setattr(tasks, "PATIENCE", 1)
    with pytest.raises(OSError, match="127"), tasks.cluster("tcp://127.0.0.1:9", 1):
        pass
