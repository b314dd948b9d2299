# SPDX-License-Identifier: Apache-2.0
"""What the LEDs of a board say of its state."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Lights"]

#: Looks per second at what happened.
_LOOKS = 16


class Lights(wiring.Component):
    """Makes what lasts for a cycle last long enough to be seen: a sixteenth of a second.

    Parameters
    ----------
    clock : :class:`int`
        Cycles per second.

    Members
    -------
    serial, busy : ``In(1)``
        A byte came, or the engine moved data.
    alive : ``Out(1)``
        On and off, once per second.
    seen_serial, seen_busy : ``Out(1)``
        It happened a moment ago.

    Raises
    ------
    ValueError
        If the clock is too slow for that.
    """

    def __init__(self, clock: int):
        if clock < 2 * _LOOKS:
            raise ValueError(f"Clock must have at least {2 * _LOOKS} Hz, not {clock!r}")
        self._clock = clock
        super().__init__({
            "serial": In(1), "busy": In(1),
            "alive": Out(1), "seen_serial": Out(1), "seen_busy": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        timer = Signal(range(self._clock // _LOOKS))
        look = Signal()
        looks = Signal(range(_LOOKS))
        m.d.comb += [look.eq(timer == 0), self.alive.eq(looks[-1])]
        m.d.sync += timer.eq(timer - 1)
        with m.If(look):
            m.d.sync += [timer.eq(self._clock // _LOOKS - 1), looks.eq(looks + 1)]
        for event, light in ((self.serial, self.seen_serial), (self.busy, self.seen_busy)):
            happened = Signal(name=f"happened_{light.name}")
            with m.If(look):
                m.d.sync += [light.eq(happened | event), happened.eq(0)]
            with m.Elif(event):
                m.d.sync += happened.eq(1)
        return m
