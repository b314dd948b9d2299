# SPDX-License-Identifier: Apache-2.0
"""The demonstrator on the pins of a board."""

from amaranth import *
from amaranth.build.res import PortGroup
from amaranth.lib import io, wiring
from amaranth.lib.cdc import ResetSynchronizer

from .boards import Board
from .demonstrator import Demonstrator
from .pll import Ecp5Pll

__all__ = ["BoardTop"]


class BoardTop(wiring.Component):
    """What a bitstream is made of; it has no ports, but asks the platform for pins.

    Parameters
    ----------
    board : :class:`~opencdma.hw.fpga.boards.Board`
        The board.
    divisor : :class:`int`
        Cycles per bit of the serial port.
    """

    def __init__(self, board: Board, divisor: int):
        self._board = board
        self._demonstrator = Demonstrator(
            board.config, clock=board.clock, divisor=divisor,
            dev_size=board.dev_size, host_size=board.host_size)
        super().__init__({})

    def elaborate(self, platform):
        m = Module()
        m.submodules.demonstrator = demonstrator = self._demonstrator
        given = round(platform.default_clk_constraint.frequency)
        # Otherwise the platform makes the domain, of its own clock and reset.
        if given != self._board.clock:
            m.domains.sync = ClockDomain()
            clock = platform.request(platform.default_clk, dir="-")
            m.submodules.clock = clock = io.Buffer("i", clock)
            m.submodules.pll = pll = Ecp5Pll(given, self._board.clock)
            stopped = ~pll.locked
            if platform.default_rst is not None:
                button = platform.request(platform.default_rst, dir="-")
                m.submodules.button = button = io.Buffer("i", button)
                stopped |= button.i
            m.submodules.reset = ResetSynchronizer(stopped, domain="sync")
            m.d.comb += [pll.clk_i.eq(clock.i), ClockSignal("sync").eq(pll.clk_o)]

        uart = platform.request("uart", 0, dir="-")
        m.submodules.rx = rx = io.Buffer("i", uart.rx)
        m.submodules.tx = tx = io.Buffer("o", uart.tx)
        m.d.comb += [demonstrator.rx.eq(rx.i), tx.o.eq(demonstrator.tx)]
        self._elaborate_leds(m, platform)
        return m

    def _elaborate_leds(self, m, platform):
        lit = {
            place: light
            for light, place in zip(self._demonstrator.leds, self._board.leds, strict=False)
            if place is not None}
        for name, number in sorted({place[:2] for place in lit}):
            ports = platform.request(name, number, dir="-")
            # Colours that show nothing are off.
            parts = vars(ports).items() if isinstance(ports, PortGroup) else [(None, ports)]
            for part, port in parts:
                led = m.submodules[f"{name}{number}{part or ''}"] = io.Buffer("o", port)
                m.d.comb += led.o.eq(lit.get((name, number, part), 0))
