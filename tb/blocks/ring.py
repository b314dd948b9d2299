# SPDX-License-Identifier: Apache-2.0
"""A ring of descriptors in a memory, for the tests of the fetcher."""

from amaranth.lib import data
from streams import Bench, Item, payloads, plain

from opencdma.hw.bus.axi4 import Response
from opencdma.hw.dma.fetcher import Fetcher
from opencdma.hw.dma.words import DescriptorLayout
from opencdma.spec import Config, Descriptor

__all__ = ["WORD", "Ring", "config_for", "fields_of"]

#: Counters have 32 bits.
WORD = 1 << 32


def config_for(width, **changes):
    return Config(
        dev_width=width if width == 8 else max(width, 32), host_width=width, address_bits=44,
        **changes)


def fields_of(content):
    """Return the fields of a descriptor, good or not."""
    value = data.Const(DescriptorLayout, int.from_bytes(content, "little"))
    return plain(value)


class Ring:
    """A fetcher, the software that fills its ring, and the memory the ring is in.

    Parameters
    ----------
    width, log2_size
        Bytes per beat of the memory, and size of the ring.
    first : :class:`int`
        Counter of the first descriptor.
    count : :class:`int`
        Descriptors there will be.
    pauses : tuple of three :class:`float`
        Probabilities of a pause of the memory's addresses and data, and of who takes descriptors.
    latency : :class:`int`
        Cycles from an address to its data, at least.
    doorbells : :class:`float`
        Probability of a doorbell in a cycle; 1: all is there from the start.
    """

    def __init__(self, width, log2_size, *, first=0, count=60, pauses=(0.0, 0.0, 0.0), latency=1,
                 doorbells=1.0, seed=1):
        self.width, self.first, self.count = width, first, count
        self.bench = bench = Bench(Fetcher(config_for(width)), seed=seed)
        self.dut, self._pauses, self._latency = bench.dut, pauses, latency
        self._size, self._doorbells = 1 << log2_size, doorbells
        # Bits 5:0 are not looked at.
        self.base = bench.rng.getrandbits(37) << 6
        self._settings = {
            "enable": 1, "base": self.base + bench.rng.randrange(64), "size": log2_size,
            "tail": first}
        self.contents = [bench.rng.randbytes(Descriptor.BYTES) for _ in range(count)]
        self.faults = {} # number of a descriptor to the beat that is refused, and how
        self.written = 0
        self.slots = {} # address to number of the descriptor that is there
        self.asked, self.came = [], [] # items: numbers of descriptors, and beats
        self.offered = [] # cycle from which on each address is offered
        self.taken = []
        bench.add(self._memory, background=True)
        self.outputs = bench.record(self.dut.idle, self.dut.owed, self.dut.fault)

    def set(self, ctx, **settings):
        """Change registers."""
        self._settings |= settings
        ctx.set(self.dut.settings, self._settings)

    async def begin(self, ctx):
        """Have the first descriptor be the first."""
        ctx.set(self.dut.settings, self._settings | {"enable": 0})
        await self.rewind(ctx, 0)

    async def rewind(self, ctx, number):
        """Go on with a descriptor."""
        ctx.set(self.dut.head, (self.first + number) % WORD)
        ctx.set(self.dut.rewind, 1)
        await ctx.tick()
        ctx.set(self.dut.rewind, 0)
        self.set(ctx)

    def ring_doorbell(self, ctx, count):
        """Write descriptors, and say so."""
        for number in range(self.written, self.written + count):
            self.slots[self.address(number)] = number
        self.written += count
        self.set(ctx, tail=(self.first + self.written) % WORD)

    def address(self, number):
        """Return where a descriptor lies."""
        return self.base + 64 * ((self.first + number) % WORD % self._size)

    def item(self, number):
        """Return what is to come of a descriptor."""
        return {"words": fields_of(self.contents[number]), "direct": 0,
                "index": (self.first + number) % WORD}

    async def _memory(self, ctx):
        rng, port, width, due, new = self.bench.rng, self.dut.port, self.width, [], True
        while True:
            at = self.bench.cycle
            ready = rng.random() >= self._pauses[0]
            ctx.set(port.ar.ready, ready)
            ctx.set(port.r.valid, 0)
            if due and due[0][0] <= at and rng.random() >= self._pauses[1]:
                _, number, n = due.pop(0)
                content = self.contents[number][n * width : (n + 1) * width]
                answer = Response.OKAY
                if self.faults.get(number, (None,))[0] == n:
                    answer, content = self.faults[number][1], rng.randbytes(width)
                last = n == max(1, 64 // width) - 1
                ctx.set(port.r.payload, {"data": list(content), "resp": answer, "last": last})
                ctx.set(port.r.valid, 1)
                self.came.append(Item(at, (number, n)))
            _, _, valid, payload = await ctx.tick().sample(port.ar.valid, port.ar.payload)
            if valid and new:
                self.offered.append(at)
            new = not valid or ready
            if valid and ready:
                burst, beats = plain(payload), max(1, 64 // width)
                number = self.slots[burst["address"]]
                assert burst == {
                    "address": self.address(number), "length": beats - 1, "qos": 0,
                    "cache": 0b0011}
                self.asked.append(Item(at, number))
                due += [(at + self._latency, number, n) for n in range(beats)]

    async def software(self, ctx):
        """Fill the ring whenever there is room."""
        rng = self.bench.rng
        await self.begin(ctx)
        while self.written < self.count:
            room = min(self._size - (self.written - len(self.taken)), self.count - self.written)
            if room and rng.random() < self._doorbells:
                self.ring_doorbell(ctx, room if self._doorbells == 1 else rng.randint(1, room))
            await ctx.tick()

    def take(self, count, **how):
        self.taken = self.bench.take(self.dut.o, count, pause=self._pauses[2], **how)

    def check_order(self):
        """Every descriptor was asked for once, when it was there, and has come."""
        assert [item.payload for item in self.asked] == list(range(self.count))
        assert payloads(self.taken) == [self.item(number) for number in range(self.count)]

    def check_outputs(self):
        """Idle and owed say what they should, in every cycle."""
        beats = max(1, 64 // self.width)
        ends = [item.cycle for item in self.came[beats - 1 :: beats]]
        begun = came = taken = counted = 0
        for cycle, (idle, owed, fault) in enumerate(self.outputs):
            assert owed == (begun > came)
            begun += self.offered[begun : begun + 1] == [cycle]
            # It takes two cycles to see where to go on. What is handed over counts a cycle later.
            assert idle == (begun == counted) or cycle < 3
            counted = taken
            assert not fault
            came += ends[came : came + 1] == [cycle]
            taken += taken < len(self.taken) and self.taken[taken].cycle == cycle
