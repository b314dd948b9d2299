# SPDX-License-Identifier: Apache-2.0
"""The estimate in standard cells, in a made library and with the real tools."""

import subprocess

import pytest
from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from distributed import Client, LocalCluster
from rich.progress import Progress
from syn_library import LIBRARY

from opencdma.syn import asic, asic_report, flow
from opencdma.syn.designs import DESIGNS, Design
from opencdma.syn.liberty import LibertyError, Library

SLICE = "floor-slice-256"


@pytest.fixture(scope="module")
def client():
    with LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=":0",
    ) as workers, Client(workers) as client:
        yield client


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("asic")


@pytest.fixture
def library(tmp_path):
    path = tmp_path / "made.lib"
    path.write_text(LIBRARY)
    return path


def script(folder, says):
    """Return a program that stands in for OpenSTA."""
    path = folder / "sta"
    path.write_text(f"#!/bin/sh\n{says}\n")
    path.chmod(0o755)
    return str(path)


def measure(client, library, folder, nand2=None):
    with Progress(disable=True) as progress:
        return asic.measure([DESIGNS[SLICE]], library, nand2, client, folder, progress)


def test_codecs():
    names = {design.name for design in asic.codecs()}
    assert len(names) == 16
    assert {"compressor-32bit-w8", "decompressor-w64"} < names


def test_area_without_sta(client, library, folder, monkeypatch):
    monkeypatch.setattr(asic, "sta", lambda: None)
    (record,), failures = measure(client, library, folder)
    assert failures == []
    assert (record["library"], record["nand2"]) == ("made", "NAND")
    assert 512 <= record["ff"] <= 520
    assert record["ff_share"] == pytest.approx(5 * record["ff"] / record["area_um2"], abs=1e-3)
    # The cells' areas add up, and an area of 1 is a gate.
    assert record["area_um2"] > 5 * record["ff"] + 256
    assert record["kge"] == pytest.approx(record["area_um2"] / 1e3, abs=0.01)
    assert record["ge_per_byte"] == round(record["area_um2"] / 32)
    assert (record["memory_ff"], record["logic_kge"]) == (0, record["kge"])
    assert (record["period_ns"], record["ghz"], record["gbytes_per_s"]) == (None, None, None)
    # Another cell as the gate is another number of the same area.
    (other,), _ = measure(client, library, folder, "BUF")
    assert other["area_um2"] == record["area_um2"]
    assert other["kge"] == pytest.approx(record["kge"] / 0.75, abs=0.01)


class Remembering(wiring.Component):
    """Four words, the one that is written is read without a clock; a NAND and a register."""

    i: In(8)
    address: In(2)
    o: Out(8)

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = memory = Memory(shape=8, depth=4, init=[])
        write, read = memory.write_port(), memory.read_port(domain="comb")
        m.d.comb += [
            write.addr.eq(self.address), write.data.eq(self.i), write.en.eq(1),
            read.addr.eq(self.address),
        ]
        m.d.sync += self.o.eq(~(read.data & self.i))
        return m


def test_memories_are_told_apart(client, library, folder, monkeypatch):
    monkeypatch.setattr(asic, "sta", lambda: None)
    design = Design("remembering", "floor", Remembering, 1)
    monkeypatch.setitem(DESIGNS, design.name, design)
    with Progress(disable=True) as progress:
        (record,), failures = asic.measure([design], library, None, client, folder, progress)
    assert failures == []
    assert (record["ff"], record["memory_ff"]) == (8 + 4 * 8, 4 * 8)
    # A flip-flop and a NAND for each bit, and some buffers; in the memory more, and four times.
    assert 8 * 6 <= 1e3 * record["logic_kge"] < 8 * 10
    assert record["kge"] > record["logic_kge"] + 4 * 8 * 6 / 1e3


def test_estimate_is_kept(library, folder, monkeypatch):
    monkeypatch.setattr(asic, "sta", lambda: None)
    first = asic.estimate(SLICE, LIBRARY, "BUF", folder)

    def run(*_, **__):
        raise AssertionError("a tool was asked")

    monkeypatch.setattr(subprocess, "run", run)
    assert asic.estimate(SLICE, LIBRARY, "BUF", folder) == first
    with pytest.raises(AssertionError, match=r"^a tool was asked$"):
        asic.estimate(SLICE, LIBRARY + "\n", "BUF", folder)


def test_period_is_that_of_sta(folder, tmp_path, monkeypatch):
    program = script(
        tmp_path, 'test "$1" = -exit && grep -q "period 1 " "$2" && grep -q top netlist.v '
        '&& echo "slack -0.25"')
    monkeypatch.setattr(asic, "sta", lambda: program)
    assert asic.estimate(SLICE, LIBRARY, "BUF", folder)["period_ns"] == 1.25


@pytest.mark.parametrize("says", ["echo Error: syntax error", "echo slack 1e30"])
def test_sta_fails(folder, tmp_path, monkeypatch, says):
    program = script(tmp_path, says)
    monkeypatch.setattr(asic, "sta", lambda: program)
    with pytest.raises(
            flow.FlowError, match=r"^floor-slice-256: OpenSTA found no clock period: "):
        asic.estimate(SLICE, LIBRARY + f"/* {says} */", "BUF", folder)


@pytest.mark.skipif(asic.sta() is None, reason="OpenSTA is not installed: package opensta")
def test_period(folder):
    """From a register through at least one gate to a register: 0.1 ns each, and 0.05 of setup."""
    period = asic.estimate("floor-rotator-256", LIBRARY, "BUF", folder)["period_ns"]
    assert 5 * 2 * 0.1 < period < 10


def test_failures(client, library, folder, monkeypatch):
    monkeypatch.setattr(flow, "elaborate", _refuse)
    assert measure(client, library, folder) == ([], ["floor-slice-256: no"])


def _refuse(design):
    raise flow.FlowError(f"{design}: no")


def test_wrong_library(client, library, folder):
    with pytest.raises(LibertyError, match=r"^There is no cell 'NOR' in the library made$"):
        measure(client, library, folder, "NOR")
    library.write_text(LIBRARY.replace('"!(A & B)"', '"A & B"'))
    with pytest.raises(LibertyError, match=r"^There is no NAND of two inputs in the library made"):
        measure(client, library, folder)
    with pytest.raises(FileNotFoundError):
        measure(client, library.with_name("none.lib"), folder)


def test_made_library():
    cells = Library(LIBRARY).cells
    assert {name: cell.area for name, cell in cells.items()} == {
        "INV": 0.5, "BUF": 0.75, "NAND": 1, "DFF": 5}


def test_report(tmp_path):
    record = {
        "design": "compressor-w32", "library": "made", "nand2": "NAND", "area_um2": 123456.7,
        "kge": 123.46, "ge_per_byte": 3858, "logic_kge": 23.4, "logic_ge_per_byte": 731,
        "ff": 2500, "memory_ff": 2000, "ff_share": 0.604, "period_ns": 0.987,
        "ghz": 1.013, "gbytes_per_s": 32.4}
    unknown = dict.fromkeys(("period_ns", "ghz", "gbytes_per_s"))
    records = [record, record | {"library": "other", "nand2": "ND2"} | unknown]
    sheets = asic_report.sheets(records)
    assert sheets["made"].rows == [
        ("compressor-w32", "123,457", "123.46", "3,858", "23.40", "731", "2,500", "2,000",
         "60%", "0.987", "1.01", "32.4")]
    assert sheets["other"].rows[0][-3:] == ("", "", "")
    page = tmp_path / "results.md"
    page.write_text("# Results\n")
    asic_report.write(records, page)
    text = page.read_text()
    assert text.startswith("# Results\n\n<!-- asic: written by `opencdma asic LIB")
    assert "### made\n\nOne gate equivalent is a NAND.\n" in text
    assert "### other\n\nOne gate equivalent is a ND2.\n" in text
    for words in ("arXiv 1705.01626", "arXiv 1908.11645", "0.31 mm²", "2.8 kGE", "1.7 kGE"):
        assert words in text
