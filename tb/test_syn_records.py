# SPDX-License-Identifier: Apache-2.0
"""Records of what was measured, and what has become worse since."""

import json

import pytest

from opencdma.syn import records
from opencdma.syn.designs import DESIGNS
from opencdma.syn.devices import DEVICES
from opencdma.syn.flow import Run

COUNTS = {"lut4": 2500, "ff": 2700, "bram": 0, "dpr": 275, "carry": 182, "dsp": 0}


def runs(*clocks):
    return [Run(mhz, {"TRELLIS_COMB": 4600, "TRELLIS_FF": 2700}) for mhz in clocks]


def record(design="compressor-32bit-w32", device="lfe5u-85f-6", counts=COUNTS, clocks=(110,)):
    return records.record(DESIGNS[design], DEVICES[device], counts, runs(*clocks))


def test_record():
    assert record(clocks=(110.04, 106, 125, 108, 121)) == {
        "design": "compressor-32bit-w32", "device": "lfe5u-85f-6", "lut4": 2500, "lut6": None,
        "ff": 2700, "bram": 0, "dpr": 275, "carry": 182, "dsp": 0, "cells": 4600, "fits": True,
        "mhz_median": 110.0, "mhz_min": 106, "mhz_max": 125, "seeds": 5,
        "gbytes_per_s": 3.521, "latency_ns": 109.1,
    }


def test_synthesis_only():
    counts = {"lut6": 2300, "ff": 2700, "bram": 0, "dpr": 197, "carry": 106, "dsp": 0}
    got = record(device="xc7a", counts=counts, clocks=())
    assert (got["lut4"], got["lut6"], got["fits"], got["seeds"]) == (None, 2300, True, 0)
    for name in ("cells", "mhz_median", "mhz_min", "mhz_max", "gbytes_per_s", "latency_ns"):
        assert got[name] is None


@pytest.mark.parametrize(
    ("counts", "clocks"),
    # Too big for the device; too big for the placer, with one of the seeds or with all.
    [(COUNTS | {"lut4": 90000}, ()), (COUNTS | {"bram": 209}, ()), (COUNTS, (100, None)),
     (COUNTS, (None,))],
)
def test_no_room(counts, clocks):
    got = record(counts=counts, clocks=clocks)
    assert (got["fits"], got["seeds"], got["mhz_median"], got["cells"]) == (False, 0, None, None)


def test_latency_is_that_of_codecs():
    assert record("engine-tiny")["latency_ns"] is None
    # 16 cycles, as the decompressor promises for all element sizes.
    assert record("decompressor-w16", clocks=(160,))["latency_ns"] == 100


def pair(record):
    return DESIGNS[record["design"]], DEVICES[record["device"]]


def test_unchanged():
    same = record(clocks=(100,) * 5) | {"key": "a"}
    other = record("movers-w8", clocks=(100,) * 5) | {"key": "b"}
    unplaced = record("engine-asic", clocks=()) | {"key": "c"}
    keys = {pair(same): "a", pair(other): "changed", pair(unplaced): "c",
            pair(record("engine-tiny")): "new"}
    assert records.unchanged([same, other, unplaced], keys, 5) == {
        pair(same): same, pair(unplaced): unplaced}
    # With fewer seeds than are wanted it is not what is wanted.
    assert list(records.unchanged([same, other, unplaced], keys, 6)) == [pair(unplaced)]


def test_merge():
    old = [record(clocks=(90,)) | {"key": "a"}, record("movers-w8") | {"key": "old"},
           record("engine-tiny") | {"key": "gone"}]
    new = [record(clocks=(95,)) | {"key": "b"}]
    keys = {pair(old[1]): "changed", pair(new[0]): "b", pair(record("engine-ecp5")): "missing"}
    assert records.merge(new, old, keys) == [old[1] | {"stale": True}, new[0] | {"stale": False}]
    assert list(records.only(keys, [pair(new[0]), pair(record("engine-asic"))])) == [pair(new[0])]


def test_regressions():
    before = [record(), record("engine-tiny"), record("movers-w8")]
    assert records.regressions(before, before) == []
    # Within the tolerance is no regression, nor is what became better or is new.
    slower, larger = record(clocks=(104.6,)), record(counts=COUNTS | {"lut4": 2624})
    better = record(counts=COUNTS | {"lut4": 100}, clocks=(200,))
    for now in (slower, larger, better, record("movers-w16", clocks=(1,))):
        assert records.regressions([now], before) == []
    assert records.regressions(
        [record(counts=COUNTS | {"lut4": 2626}, clocks=(104.4,)),
         record("engine-tiny", counts=COUNTS | {"lut4": 90000})], before) == [
        "compressor-32bit-w32 on lfe5u-85f-6: 104.4 MHz, was 110 (-5.1%)",
        "compressor-32bit-w32 on lfe5u-85f-6: 2626 LUT4, was 2500 (+5.0%)",
        "engine-tiny on lfe5u-85f-6: no longer fits",
        "engine-tiny on lfe5u-85f-6: 90000 LUT4, was 2500 (+3500.0%)",
    ]


def test_regressions_of_synthesis_only():
    counts = {"lut6": 2300, "ff": 2700, "bram": 0}
    before = [record(device="xc7a", counts=counts, clocks=())]
    now = [record(device="xc7a", counts=counts | {"lut6": 2500}, clocks=())]
    assert records.regressions(now, before) == [
        "compressor-32bit-w32 on xc7a: 2500 LUT6, was 2300 (+8.7%)"]


def test_files(tmp_path):
    path = tmp_path / "folder" / "records.json"
    assert records.load(path) == []
    some = [record(), record("engine-tiny")]
    records.save(path, some)
    assert records.load(path) == some == json.loads(path.read_text())
    assert len(path.read_text().splitlines()) == 4
