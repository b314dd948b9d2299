# SPDX-License-Identifier: Apache-2.0
"""The page of words in which a board describes itself."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from opencdma.spec.board import BOARD_IDENT, Fault, Page

from .word_bus import WordBus

__all__ = ["USER_LEDS", "BoardPage"]

#: LEDs that show what software writes.
USER_LEDS = 4


class BoardPage(wiring.Component):
    """Words of :class:`~opencdma.spec.board.Page`. Each access is answered a cycle later.

    Words that cannot be written are left as they are. What is no word of the page is refused.

    Parameters
    ----------
    clock, dev_size, host_size : :class:`int`
        Numbers to be told: cycles per second, and bytes of the memories.

    Members
    -------
    words : ``In(WordBus(3))``
        Accesses.
    irq : ``In(1)``
        Interrupt of the engine.
    refused, overrun, framing : ``In(1)``
        What is remembered as faults.
    faults : ``Out(3)``
        Bits of :class:`~opencdma.spec.board.Fault`.
    leds : ``Out(4)``
        What software wants to be lit.
    """

    def __init__(self, *, clock: int, dev_size: int, host_size: int):
        self._constants = {
            Page.IDENT: BOARD_IDENT, Page.CLOCK: clock,
            Page.DEV_SIZE: dev_size, Page.HOST_SIZE: host_size,
        }
        super().__init__({
            "words": In(WordBus(ceil_log2(max(Page) // 4 + 1))),
            "irq": In(1), "refused": In(1), "overrun": In(1), "framing": In(1),
            "faults": Out(3), "leds": Out(USER_LEDS),
        })

    def elaborate(self, platform):
        m = Module()
        request, answer = self.words.requests, self.words.answers
        scratch = Signal(32)
        values = self._constants | {
            Page.SCRATCH: scratch, Page.LEDS: self.leds, Page.STATUS: self.irq,
            Page.FAULTS: self.faults,
        }
        m.d.comb += request.ready.eq(1)
        m.d.sync += [
            answer.valid.eq(request.valid), answer.p.data.eq(0), answer.p.refused.eq(0)]
        cleared = Signal.like(self.faults)
        with m.Switch(request.p.address):
            for word in Page:
                with m.Case(word // 4):
                    with m.If(~request.p.write):
                        m.d.sync += answer.p.data.eq(values[word])
                    with m.Elif(request.valid):
                        if word == Page.SCRATCH:
                            m.d.sync += scratch.eq(request.p.data)
                        if word == Page.LEDS:
                            m.d.sync += self.leds.eq(request.p.data)
                        if word == Page.FAULTS:
                            m.d.comb += cleared.eq(request.p.data)
            with m.Default():
                m.d.sync += answer.p.refused.eq(1)
        happened = {
            Fault.REFUSED: self.refused, Fault.OVERRUN: self.overrun, Fault.FRAMING: self.framing}
        # What happens while it is cleared is kept.
        for bit, fault in enumerate(Fault):
            m.d.sync += self.faults[bit].eq(self.faults[bit] & ~cleared[bit] | happened[fault])
        return m
