# SPDX-License-Identifier: Apache-2.0
"""A clock of another frequency, on ECP5."""

from dataclasses import dataclass
from typing import Self

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Ecp5Pll", "PllSetting"]

# Lattice FPGA-TN-02200, "ECP5 and ECP5-5G sysCLOCK PLL/DLL Design and Usage Guide", and the data
# sheet, FPGA-DS-02012: what the dividers can be, and what the frequencies may be, in Hz.
_DIVISORS = range(1, 129)
_DETECTOR = (3_125_000, 400_000_000)
_OSCILLATOR = (400_000_000, 800_000_000)
#: The oscillator is best in the middle of what it can do.
_MIDDLE = 600_000_000


@dataclass(frozen=True)
class PllSetting:
    """Dividers of a PLL whose feedback is its output.

    Parameters
    ----------
    reference, feedback, output : :class:`int`
        What the input, the output on its way back, and the oscillator are divided by.
    """

    reference: int
    feedback: int
    output: int

    @classmethod
    def between(cls, given: int, wanted: int) -> Self:
        """Return the dividers that make one frequency of another, exactly. Both are in Hz.

        Raises
        ------
        ValueError
            If there are none.
        """
        found = [
            cls(reference, feedback, output)
            for reference in _DIVISORS
            for feedback in _DIVISORS if given * feedback == wanted * reference
            for output in _DIVISORS
            if _DETECTOR[0] * reference <= given <= _DETECTOR[1] * reference
            and _OSCILLATOR[0] <= wanted * output <= _OSCILLATOR[1]
        ]
        if not found:
            raise ValueError(f"Clock must be what a PLL can make of {given} Hz, not {wanted} Hz")
        return min(found, key=lambda each: (each.reference, abs(wanted * each.output - _MIDDLE)))


class Ecp5Pll(wiring.Component):
    """Makes a clock of a clock.

    Parameters
    ----------
    given, wanted : :class:`int`
        Frequencies in Hz.

    Members
    -------
    clk_i : ``In(1)``
        Clock to begin with.
    clk_o : ``Out(1)``
        Clock that is wanted, and good while ``locked``.
    locked : ``Out(1)``
        Asynchronous to both.

    Raises
    ------
    ValueError
        If no setting of the PLL makes this of that.
    """

    def __init__(self, given: int, wanted: int):
        self._setting = PllSetting.between(given, wanted)
        super().__init__({"clk_i": In(1), "clk_o": Out(1), "locked": Out(1)})

    def elaborate(self, platform):
        m = Module()
        setting = self._setting
        m.submodules.pll = Instance(
            "EHXPLLL",
            p_CLKI_DIV=setting.reference, p_CLKFB_DIV=setting.feedback,
            p_CLKOP_DIV=setting.output, p_CLKOP_ENABLE="ENABLED", p_FEEDBK_PATH="CLKOP",
            p_CLKOP_CPHASE=setting.output - 1, p_CLKOP_FPHASE=0, # no shift
            i_CLKI=self.clk_i, i_CLKFB=self.clk_o, i_RST=0, i_STDBY=0, i_ENCLKOP=0,
            i_PHASESEL0=0, i_PHASESEL1=0, i_PHASEDIR=0, i_PHASESTEP=0, i_PHASELOADREG=0,
            i_PLLWAKESYNC=0,
            o_CLKOP=self.clk_o, o_LOCK=self.locked,
            a_ICP_CURRENT="12", a_LPF_RESISTOR="8",
        )
        return m
