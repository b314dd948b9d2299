# SPDX-License-Identifier: Apache-2.0
"""Clock and area as tables, pictures and a section of the results."""

import re

import pytest

from opencdma.sim.page import write_section
from opencdma.syn import peers, plan, records, report
from opencdma.syn.flow import Run


@pytest.fixture(scope="module")
def measured():
    """A record of everything that is planned, with numbers that are made up."""
    made = []
    for design, device in plan.full():
        counts = {"lut6" if device.name == "xc7a" else "lut4": 100 * design.width,
                  "ff": 120 * design.width, "bram": 4, "dpr": 5, "carry": 6, "dsp": 0}
        if (design.name, device.name) == ("movers-w8", "up5k"):
            counts["ff"] = 9000
        fits = device.family.placer and device.holds(counts)
        runs = [Run(mhz, {"TRELLIS_COMB": 200 * design.width}) for mhz in (150, 90, 120)]
        made.append(records.record(design, device, counts, runs if fits else []))
    return made


def test_devices(measured):
    sheets = report.sheets(measured)
    main = {row[0]: row[1:] for row in sheets["lfe5u-85f-6"].rows}
    assert main["compressor-w16"] == (
        "1,600", "3,200", "1,920", "4", "5", "6", "0", "120", "90 to 150", "1.92")
    assert sheets["lfe5u-85f-6"].headings[1] == "LUT4"
    assert sheets["xc7a"].headings[1] == "LUT6"
    assert {row[-3:] for row in sheets["xc7a"].rows} == {("", "", "")}
    small = {row[0]: row[1:] for row in sheets["up5k"].rows}
    assert small["movers-w8"][-3:] == ("", "does not fit", "")
    assert small["compressor-w8"][-1] == "0.96"
    for sheet in sheets.values():
        assert {len(row) for row in sheet.rows} == {len(sheet.headings)}


def test_beside_other_codecs(measured):
    rows = {row[0]: row[1:] for row in report.sheets(measured)["codecs"].rows}
    assert rows["EBPC encoder"] == ("832", "", "60", "44 to 60", "1", "1")
    # 32 bytes at 120 MHz are 3840 MB/s: times 60 at best, 43.8 at worst; 832 tables against 6400.
    assert rows["compressor-8bit-w32"] == (
        "3,200", "6,400", "120", "3,840", "64 to 88", "8.3 to 11.4")
    assert rows["decompressor-w16"][-2:] == ("24", "7.0")
    assert "compressor-32bit-w16" not in rows


def test_beside_other_engines(measured):
    rows = report.sheets(measured)["movers"].rows
    assert [row[0] for row in rows] == [
        "movers-w32", "movers-unaligned-w32", *(peer.name for peer in peers.MOVERS)]
    assert rows[0][1:] == ("3,200", "6,400", "3,840", "120")
    assert rows[2][1:] == ("651", "1,991", "642", "77")
    assert rows[4][1:] == ("", "4,367", "", "78")


def test_few_records(measured):
    """What a small run shows needs none of the rest."""
    slices = [record for record in measured if record["design"] == "floor-slice-256"]
    assert list(report.sheets(slices)) == ["lfe5u-85f-6"]


def test_page(measured, tmp_path):
    page = tmp_path / "results.md"
    write_section(page, "bench", "opencdma bench", "cycles")
    before = page.read_text()
    report.write(measured, page)
    text = page.read_text()
    assert text.startswith(before)
    assert "<!-- resources: written by `opencdma resources --docs docs/results.md`" in text
    for sheet in report.sheets(measured).values():
        assert sheet.markdown() in text
    assert "median and spread of 3 runs" in text
    for name in ("resources", "clocks"):
        assert f"images/{name}.png" in text
        assert (tmp_path / "images" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert len(re.findall("^## ", text, re.MULTILINE)) == 1
    report.write(measured, page)
    assert page.read_text() == text
    assert " * " not in text


def test_page_that_is_not_up_to_date(measured, tmp_path):
    page = tmp_path / "results.md"
    some = [record | {"stale": record["design"] == "floor-slice-256"} for record in measured
            if record["design"].startswith(("floor", "compressor-32bit"))]
    report.write(some, page)
    text = page.read_text()
    assert "| floor-slice-256 * |" in text
    assert "| floor-rotator-256 |" in text
    assert "Designs with a * have changed since they were measured" in text
    # There are no codecs of bytes and no movers.
    assert text.count("Not measured yet.") == 2
