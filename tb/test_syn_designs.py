# SPDX-License-Identifier: Apache-2.0
"""What is measured, on what."""

import re
from pathlib import Path

import pytest

from opencdma.syn import plan
from opencdma.syn.designs import DESIGNS, GROUPS
from opencdma.syn.devices import DEVICES, FAMILIES

PAGE = Path(__file__).parents[1] / "docs" / "synthesis.md"


def test_names():
    for group in ("compressor", "decompressor"):
        for infix in ("", "8bit-", "32bit-"):
            for width in (8, 16, 32, 64):
                design = DESIGNS[f"{group}-{infix}w{width}"]
                assert (design.group, design.width) == (group, width)
    assert {"engine-ecp5", "engine-tiny", "engine-asic", "movers-w32", "floor-slice-256",
            "floor-rotator-256", "floor-compaction-8x32bit", "floor-compaction-32x8bit",
            } <= set(DESIGNS)
    assert all(name == design.name for name, design in DESIGNS.items())
    assert {design.group for design in DESIGNS.values()} == set(GROUPS)
    assert all(name == device.name for name, device in DEVICES.items())


def test_full_plan():
    pairs = [(design.name, device.name) for design, device in plan.full()]
    assert len(set(pairs)) == len(pairs)
    for device in ("lfe5u-85f-6", "lfe5u-85f-8", "gw2a", "xc7a"):
        for design in ("compressor-w8", "decompressor-32bit-w64", "movers-w32", "engine-ecp5",
                       "engine-tiny", "movers-unaligned-w32"):
            assert (design, device) in pairs
    for device in ("up5k", "hx8k"):
        assert {design for design, other in pairs if other == device} == {
            "compressor-32bit-w8", "compressor-w8", "decompressor-32bit-w8", "decompressor-w8",
            "engine-tiny", "movers-w8"}
    for design, device in (
        ("engine-ecp5", "lfe5u-45f-6"), ("engine-ecp5-w16", "lfe5u-45f-6"), ("engine-asic", "xc7a"),
        ("compressor-8bit-w32", "lfe5u-85f-6"), ("floor-slice-256", "lfe5u-85f-6"),
    ):
        assert (design, device) in pairs
    assert plan.SEEDS == 5


def test_chosen():
    pairs = plan.chosen(["movers-w8", "engine-tiny"], ["up5k", "hx8k"])
    assert [(design.name, device.name) for design, device in pairs] == [
        ("movers-w8", "up5k"), ("engine-tiny", "up5k"), ("movers-w8", "hx8k"),
        ("engine-tiny", "hx8k")]
    assert plan.chosen([], ["up5k"]) == [(design, DEVICES["up5k"]) for design in DESIGNS.values()]
    assert plan.chosen(["movers-w8"], []) == [(DESIGNS["movers-w8"], DEVICES["lfe5u-85f-6"])]
    with pytest.raises(ValueError, match=r"^There is no design 'movers', but compressor-32bit"):
        plan.chosen(["movers"], [])
    with pytest.raises(ValueError, match=r"^There is no device 'ecp5', but lfe5u-85f-6, "):
        plan.chosen([], ["ecp5"])


@pytest.mark.parametrize(
    ("family", "cells", "counts"),
    [("ecp5", {"LUT4": 5, "TRELLIS_FF": 3, "DP16KD": 2, "TRELLIS_DPR16X4": 4, "CCU2C": 1,
               "PFUMX": 9, "MULT18X18D": 1},
      {"lut4": 5, "ff": 3, "bram": 2, "dpr": 4, "carry": 1, "dsp": 1}),
     ("ice40", {"SB_LUT4": 5, "SB_DFF": 1, "SB_DFFESR": 2, "SB_RAM40_4K": 2, "SB_RAM40_4KNR": 1,
                "SB_CARRY": 3},
      {"lut4": 5, "ff": 3, "bram": 3, "carry": 3}),
     ("gowin", {"LUT1": 1, "LUT4": 5, "MUX2_LUT5": 9, "DFF": 1, "DFFRE": 2, "SDPB": 1, "SDPX9B": 1,
                "DPB": 1, "SP": 1, "pROM": 1, "RAM16SDP4": 7, "ALU": 3, "MULT18X18": 1},
      {"lut4": 6, "ff": 3, "bram": 5, "dpr": 7, "carry": 3, "dsp": 1}),
     ("xc7", {"LUT2": 1, "LUT6": 5, "FDRE": 1, "FDSE": 2, "RAMB18E1": 1, "RAMB36E1": 1,
              "RAM32M": 7, "RAM64X1D": 1, "CARRY4": 3, "DSP48E1": 1, "MUXF7": 9, "INV": 9},
      {"lut6": 6, "ff": 3, "bram": 2, "dpr": 8, "carry": 3, "dsp": 1})],
)
def test_cells(family, cells, counts):
    assert FAMILIES[family].count(cells) == counts


def test_placed_cells():
    assert FAMILIES["ecp5"].count_placed({"TRELLIS_COMB": 5, "TRELLIS_FF": 7}) == 5
    assert FAMILIES["gowin"].count_placed({"LUT4": 5, "ALU": 2, "RAM16SDP4": 3}) == 19


def test_page():
    text = PAGE.read_text("utf-8")
    assert set(re.findall(r"`((?:floor|engine)-\w+(?:-\w+)?)`", text)) <= set(DESIGNS)
    for name in ("up5k", "hx8k", "gw2a", "xc7a", "lfe5u-85f-6"):
        assert f"`{name}`" in text
