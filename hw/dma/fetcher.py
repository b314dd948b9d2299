# SPDX-License-Identifier: Apache-2.0
"""Descriptors are read ahead from the ring, or come from the registers."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from opencdma.hw.bus.axi4 import Burst, ReadPort, Response
from opencdma.hw.stream import Queue, Skid
from opencdma.spec import Config

from .plan import FetchedDescriptor
from .words import DESCRIPTOR_BYTES

__all__ = ["Fetcher", "RingSettings"]

#: Descriptors that can be read ahead.
AHEAD = 8


class RingSettings(data.Struct):
    """Registers of a ring."""

    enable: 1
    base:   64 # bits 5:0 are not looked at
    size:   5  # base-2 logarithm
    tail:   32


class Fetcher(wiring.Component):
    """Reads descriptors as soon as the doorbell says they are there.

    Several are on their way at once, asked for one every three cycles. The words of the one that is
    handed over, or is being written to the registers, stand in one register; beats of others wait.
    A descriptor is there in the cycle behind its last beat. When one cannot be read, it and those
    behind it are not accepted, and nothing more is read until ``rewind``.

    Parameters
    ----------
    config : :class:`~opencdma.spec.Config`
        Build parameters.

    Members
    -------
    settings : ``In(RingSettings)``
        Registers.
    port : ``Out(ReadPort(host_width, address_bits))``
        Where the ring is.
    o : ``Out(stream.Signature(FetchedDescriptor))``
        Descriptors.
    direct_write : ``In(16)``, write_data : ``In(32)``, write_strobe : ``In(4)``
        Words that software writes.
    direct_read : ``Out(512)``
        The words.
    start : ``In(1)``
        Take the words for a descriptor.
    stop : ``In(1)``
        Read no more.
    discard : ``In(1)``
        Accept nothing that still comes.
    rewind : ``In(1)``, head : ``In(32)``
        Go on with this descriptor. Only when idle.
    fault : ``Out(1)``
        A descriptor could not be read, and those before it have been handed over. Stays until
        ``rewind``.
    fault_index : ``Out(32)``, fault_address : ``Out(64)``
        Which one.
    idle : ``Out(1)``
        No descriptor is on its way or waiting, or about to be asked for.
    owed : ``Out(1)``
        Beats have been asked for that have not come.
    """

    def __init__(self, config: Config):
        self._config = config
        super().__init__({
            "settings": In(RingSettings),
            "port": Out(ReadPort(config.host_width, config.address_bits)),
            "o": Out(stream.Signature(FetchedDescriptor)),
            "direct_write": In(16),
            "write_data": In(32),
            "write_strobe": In(4),
            "direct_read": Out(512),
            "start": In(1),
            "stop": In(1),
            "discard": In(1),
            "rewind": In(1),
            "head": In(32),
            "fault": Out(1),
            "fault_index": Out(32),
            "fault_address": Out(64),
            "idle": Out(1),
            "owed": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        width = self._config.host_width
        beats = max(1, DESCRIPTOR_BYTES // width)
        words = Signal(8 * DESCRIPTOR_BYTES)
        m.d.comb += self.direct_read.eq(words)
        for n in range(16):
            for byte in range(4):
                with m.If(self.direct_write[n] & self.write_strobe[byte]):
                    m.d.sync += words.word_select(4 * n + byte, 8).eq(
                        self.write_data.word_select(byte, 8))

        whole, direct = Signal(), Signal() # the words are a descriptor
        index, handed = Signal(32), Signal()
        m.d.comb += [
            self.o.valid.eq(whole),
            self.o.p.words.eq(words),
            self.o.p.index.eq(index),
            self.o.p.direct.eq(direct),
            handed.eq(whole & self.o.ready),
        ]
        # What is counted of those that are handed over, is counted a cycle later.
        counts = Signal()
        m.d.sync += counts.eq(handed & ~direct)
        with m.If(counts):
            m.d.sync += index.eq(index + 1)
        with m.If(handed):
            m.d.sync += whole.eq(0)
        with m.If(self.start):
            m.d.sync += [whole.eq(1), direct.eq(1)]

        if not self._config.rings:
            m.d.comb += self.idle.eq(~whole)
            return m

        # Asking. What depends on which one is next is there two cycles after it has changed.
        m.submodules.offer = offer = Skid(Burst(self._config.address_bits))
        wiring.connect(m, offer.o, wiring.flipped(self.port.ar))
        asked, settling = Signal(32), Signal(2) # the next one that is asked for
        under_way = Signal(range(AHEAD + 1)) # asked for, and not handed over
        broken, more, wants, ask = Signal(), Signal(), Signal(), Signal()
        left, slot_mask = Signal(32), Signal(16) # negative if TAIL went back
        base = Cat(Const(0, 6), self.settings.base[6:])
        low, carry = Signal(32), Signal()
        address = Signal(64)

        def lies(number):
            """Return bytes from the base of the ring."""
            return (number[:16] & slot_mask) * DESCRIPTOR_BYTES

        m.d.comb += left.eq(self.settings.tail - asked)
        m.d.sync += [
            slot_mask.eq((1 << self.settings.size) - 1),
            more.eq((self.settings.tail != asked) & ~left[31]),
            Cat(low, carry).eq(base[:32] + lies(asked)),
            address.eq(Cat(low, base[32:] + carry)),
            settling.eq(settling >> 1),
        ]
        m.d.comb += [
            wants.eq(self.settings.enable & ~self.stop & ~broken & more),
            offer.i.valid.eq(wants & ~settling.any() & (under_way < AHEAD)),
            ask.eq(offer.i.valid & offer.i.ready),
            offer.i.p.address.eq(address),
            offer.i.p.length.eq(beats - 1),
            offer.i.p.cache.eq(0b0011),
        ]
        with m.If(ask):
            m.d.sync += [asked.eq(asked + 1), settling.eq(0b11)]

        # Arriving. Beats wait while the words are a descriptor.
        beat = self.port.r
        entry = data.StructLayout({"data": 8 * width, "last": 1, "good": 1})
        m.submodules.waiting = waiting = Queue(entry, AHEAD * beats)
        come, next_beat = Signal(entry), Signal(entry)
        taken, loaded = Signal(range(max(2, beats))), Signal(range(max(2, beats)))
        arrives, good, refused = Signal(), Signal(), Signal()
        m.d.comb += [
            arrives.eq(beat.valid & (taken == beats - 1)),
            good.eq(~broken & ~self.discard & ~refused & (beat.p.resp < Response.SLVERR)),
            come.data.eq(Value.cast(beat.p.data)),
            come.last.eq(taken == beats - 1),
            come.good.eq(good),
            waiting.i.payload.eq(come),
            waiting.i.valid.eq(beat.valid & (whole | waiting.o.valid)),
            waiting.o.ready.eq(~whole),
            next_beat.eq(Mux(waiting.o.valid, waiting.o.payload.as_value(), come.as_value())),
        ]
        with m.If(beat.valid):
            m.d.sync += [taken.eq(Mux(arrives, 0, taken + 1)), refused.eq(~arrives & ~good)]
        with m.If(arrives & ~good):
            m.d.sync += broken.eq(1)
        with m.If(~whole & (waiting.o.valid | beat.valid)):
            m.d.sync += loaded.eq(Mux(next_beat.last, 0, loaded + 1))
            if width > DESCRIPTOR_BYTES // 2:
                m.d.sync += words.eq(next_beat.data)
            else:
                m.d.sync += words.word_select(loaded, 8 * width).eq(next_beat.data)
            with m.If(next_beat.last):
                m.d.sync += [whole.eq(next_beat.good), direct.eq(0)]

        lost = Signal()
        m.d.comb += lost.eq(arrives & ~good)
        m.d.sync += under_way.eq(under_way + ask - lost - counts)
        # Whoever goes on, or rings, does not find it idle before it has begun.
        m.d.comb += self.idle.eq(
            ((under_way == 0) | self.discard) & ~whole & ~waiting.o.valid
            & ~wants & ~settling.any())

        owed = Signal(range(AHEAD * beats + 1))
        m.d.sync += owed.eq(owed + Mux(ask, beats, 0) - beat.valid)
        m.d.comb += self.owed.eq(owed != 0)

        fault_low, fault_carry = Signal(32), Signal()
        m.d.comb += [
            self.fault_index.eq(index),
            self.fault_address.eq(
                Cat(fault_low, base[32:] + fault_carry)[: self._config.address_bits]),
        ]
        m.d.sync += [
            Cat(fault_low, fault_carry).eq(base[:32] + lies(index)),
            self.fault.eq(broken & self.idle),
        ]
        with m.If(self.rewind):
            m.d.sync += [
                asked.eq(self.head), index.eq(self.head), settling.eq(0b11),
                broken.eq(0), self.fault.eq(0),
            ]
        return m
