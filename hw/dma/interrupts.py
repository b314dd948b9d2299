# SPDX-License-Identifier: Apache-2.0
"""The interrupt."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Interrupts"]


class Interrupts(wiring.Component):
    """Keeps the reasons for an interrupt until software clears them.

    Of every channel two bits: completions, then errors.

    Parameters
    ----------
    channels : :class:`int`
        How many.

    Members
    -------
    done, error : ``In(channels)``
        What happens in this cycle.
    clear, enable : ``In(4)``
        Bits to be cleared, and bits that count.
    status : ``Out(4)``
        The reasons there are.
    irq : ``Out(1)``
        One of them counts.
    """

    def __init__(self, channels: int):
        self._channels = channels
        super().__init__({
            "done": In(channels), "error": In(channels), "clear": In(4), "enable": In(4),
            "status": Out(4), "irq": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        happens = Signal(4)
        for n in range(self._channels):
            m.d.comb += happens[2 * n].eq(self.done[n])
            m.d.comb += happens[2 * n + 1].eq(self.error[n])
        m.d.sync += self.status.eq((self.status & ~self.clear) | happens)
        m.d.sync += self.irq.eq((self.status & self.enable).any())
        return m
