# SPDX-License-Identifier: Apache-2.0
"""Registers behind block RAM become the RAM's own: Yosys does not use those of ECP5.

``python -m opencdma.syn.output_registers NETLIST`` changes a netlist of any flow, in its file.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

__all__ = ["absorb", "main"]

_RAM, _FF = "DP16KD", "TRELLIS_FF"
# Data bits of one side of a block RAM; a word that takes both is read with the clock of B.
_BITS, _BOTH = 18, 36


def absorb(netlist: dict, top: str = "top") -> int:
    """Move flip-flops into the block RAMs that feed them, where each bit of a port has one.

    Data leave a block RAM of an ECP5 late in the cycle, but for those that go through its output
    register first. That register has a clock and an enable, no reset of its own in use here, and
    is zero in the beginning.

    Parameters
    ----------
    netlist : dict
        As Yosys writes it for ECP5, in JSON. It is changed.
    top : :class:`str`
        Name of the module.

    Returns
    -------
    :class:`int`
        Reading ports of block RAM whose output register is used now.
    """
    module = netlist["modules"][top]
    cells = module["cells"]
    readers = {} # of each net: cell and port
    for name, cell in cells.items():
        for port, bits in cell["connections"].items():
            if cell.get("port_directions", {}).get(port) != "output":
                for bit in bits:
                    readers.setdefault(bit, []).append((name, port))
    for port in module["ports"].values():
        if port["direction"] != "input":
            for bit in port["bits"]:
                readers.setdefault(bit, []).append((None, None))

    ports = 0
    for ram in list(cells.values()):
        if ram["type"] != _RAM:
            continue
        for sides in ("AB",) if int(ram["parameters"]["DATA_WIDTH_B"], 2) == _BOTH else "AB":
            found = list(_registers(cells, readers, ram, sides))
            if not found or not all(register for _, register in found):
                continue
            enables = {_enable(cells[register]) for _, register in found}
            if len(enables) != 1:
                continue
            for pin, register in found:
                ram["connections"][pin] = cells.pop(register)["connections"]["Q"]
            enable = enables.pop()
            for side in sides:
                ram["connections"][f"OCE{side}"] = [enable]
                ram["parameters"][f"REGMODE_{side}"] = "OUTREG"
            ports += 1
    return ports


def _registers(cells, readers, ram, sides) -> Iterator[tuple[str, str | None]]:
    """Yield each pin for data that is used, with the register behind it if it can be moved."""
    clock = ram["connections"][f"CLK{sides[-1]}"]
    fit = all(
        ram["parameters"][f"REGMODE_{side}"] == "NOREG"
        and ram["parameters"][f"CLK{side}MUX"] == f"CLK{side}" for side in sides)
    for data in (f"DO{side}{number}" for side in sides for number in range(_BITS)):
        bit, = ram["connections"].get(data) or [None]
        behind = readers.get(bit, [])
        if not behind:
            continue
        (name, pin), *others = behind
        cell = cells[name] if name is not None and not others else None
        movable = (
            fit and cell is not None and cell["type"] == _FF and pin == "DI"
            and cell["connections"]["CLK"] == clock
            and cell["connections"].get("LSR", ["0"]) == ["0"]
            and cell["parameters"]["CLKMUX"] == "CLK"
            and cell["parameters"]["REGSET"] == "RESET"
            and cell["parameters"]["CEMUX"].strip() in ("CE", "1"))
        yield data, name if movable else None


def _enable(cell):
    if cell["parameters"]["CEMUX"].strip() == "1":
        return "1"
    return cell["connections"]["CE"][0]


def main(arguments: list[str] | None = None):
    """Change a netlist in a file."""
    parser = argparse.ArgumentParser(
        description="Move registers behind block RAM into the RAM, in an ECP5 netlist of Yosys.")
    parser.add_argument("netlist", type=Path, help="file in JSON")
    parser.add_argument("--top", default="top", help="name of the module (default: top)")
    options = parser.parse_args(arguments)
    netlist = json.loads(options.netlist.read_text())
    if options.top not in netlist["modules"]:
        parser.error(f"there is no module {options.top}, but {', '.join(netlist['modules'])}")
    print(f"output registers of block RAM in use: {absorb(netlist, options.top)}")
    options.netlist.write_text(json.dumps(netlist))


if __name__ == "__main__":
    main()
