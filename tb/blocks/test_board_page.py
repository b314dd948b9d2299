# SPDX-License-Identifier: Apache-2.0
"""The page of a board: what it says, what it keeps, and what it remembers."""

from streams import Bench, payloads

from opencdma.hw.fpga.board_page import BoardPage
from opencdma.spec.board import BOARD_IDENT, Fault, Page


class PageBench:
    """A page, words to be read and written one after the other, and what must be answered."""

    def __init__(self):
        self.bench = Bench(BoardPage(clock=25_000_000, dev_size=1 << 16, host_size=1 << 15))
        self.dut = self.bench.dut
        self.requests, self.answers = [], []

    def read(self, word, value, *, refused=0):
        self.requests.append({"address": word // 4, "write": 0, "data": 0})
        self.answers.append({"data": value, "refused": refused})

    def write(self, word, value):
        self.requests.append({"address": word // 4, "write": 1, "data": value})
        self.answers.append({"data": 0, "refused": 0})

    def run(self, *, allowed=None, beside=None):
        self.bench.send(self.dut.words.requests, self.requests, allowed=allowed)
        if beside is not None:
            self.bench.add(beside)  # behind the above, whose offers it sees in the same cycle
        taken = self.bench.take(self.dut.words.answers, len(self.answers))
        self.bench.run(1000)
        assert payloads(taken) == self.answers


def test_words():
    """Constants stay, SCRATCH and LEDS are kept."""
    page = PageBench()
    constants = {
        Page.IDENT: BOARD_IDENT, Page.CLOCK: 25_000_000, Page.DEV_SIZE: 1 << 16,
        Page.HOST_SIZE: 1 << 15, Page.STATUS: 0, Page.FAULTS: 0,
    }
    for word, value in constants.items():
        page.read(word, value)
        page.write(word, 0xFFFF_FFFF)
        page.read(word, value)
    page.write(Page.SCRATCH, 0x1234_5678)
    page.write(Page.LEDS, 0xFFFF_FFF5)
    page.read(Page.SCRATCH, 0x1234_5678)
    page.read(Page.LEDS, 5)
    leds = page.bench.record(page.dut.leds)
    page.run()
    assert leds[-1] == (5,)
    assert set(Page) == {*constants, Page.SCRATCH, Page.LEDS}


def test_interrupt():
    page = PageBench()
    page.read(Page.STATUS, 1)

    async def raise_it(ctx):
        ctx.set(page.dut.irq, 1)

    page.bench.add(raise_it)
    page.run(allowed=lambda: page.bench.cycle > 2)


def test_faults():
    """Each is remembered until it is cleared, alone; one that comes just then is kept."""
    dut = (page := PageBench()).dut
    seen = page.bench.record(dut.faults)
    page.read(Page.FAULTS, Fault.REFUSED | Fault.OVERRUN | Fault.FRAMING)
    page.write(Page.FAULTS, Fault.OVERRUN)
    page.read(Page.FAULTS, Fault.REFUSED | Fault.FRAMING)
    page.write(Page.FAULTS, 7)

    async def happen(ctx):
        for signal in (dut.refused, dut.overrun, dut.framing):
            ctx.set(signal, 1)
            await ctx.tick()
            ctx.set(signal, 0)
        while not (ctx.get(dut.words.requests.valid) and ctx.get(dut.words.requests.p.data) == 7):
            await ctx.tick()
        ctx.set(dut.framing, 1)
        await ctx.tick()
        ctx.set(dut.framing, 0)

    page.run(allowed=lambda: page.bench.cycle > 5, beside=happen)
    assert seen[-1] == (Fault.FRAMING,)
