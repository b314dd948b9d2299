# SPDX-License-Identifier: Apache-2.0
"""Descriptors are read ahead from the ring, or come from the registers."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from opencdma.hw.bus.axi4 import ReadPort, Response
from opencdma.hw.stream import Queue
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

    Several are on their way at once. The words of the one that is arriving, or was written to the
    registers, stand in one register. When a descriptor cannot be read, it and those behind it are
    not accepted, and nothing more is read until ``rewind``.

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
        A descriptor could not be read, and those before it have been accepted. Stays until
        ``rewind``.
    fault_index : ``Out(32)``, fault_address : ``Out(64)``
        Which one.
    idle : ``Out(1)``
        No descriptor is on its way or waiting.
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
        m.submodules.queue = queue = Queue(FetchedDescriptor, AHEAD)
        wiring.connect(m, queue.o, wiring.flipped(self.o))

        words = Signal(8 * DESCRIPTOR_BYTES)
        m.d.comb += self.direct_read.eq(words)
        for n in range(16):
            for byte in range(4):
                with m.If(self.direct_write[n] & self.write_strobe[byte]):
                    m.d.sync += words.word_select(4 * n + byte, 8).eq(
                        self.write_data.word_select(byte, 8))

        whole, direct = Signal(), Signal() # the words are a descriptor
        index = Signal(32)                 # of the ring
        m.d.comb += [
            queue.i.valid.eq(whole),
            queue.i.p.words.eq(words),
            queue.i.p.index.eq(index),
            queue.i.p.direct.eq(direct),
        ]
        with m.If(whole):
            m.d.sync += whole.eq(0)
            with m.If(~direct):
                m.d.sync += index.eq(index + 1)
        with m.If(self.start):
            m.d.sync += [whole.eq(1), direct.eq(1)]

        if not self._config.rings:
            m.d.comb += self.idle.eq(~whole & ~queue.o.valid)
            return m

        # Asking.
        asked = Signal(32) # the next descriptor that is asked for
        under_way = Signal(range(AHEAD + 2)) # asked for or started, and not handed over
        slot, slot_mask = Signal(16), Signal(16)
        ask = Signal()
        left = Signal(32) # negative if TAIL went back, behind what was asked for
        m.d.comb += left.eq(self.settings.tail - asked)
        m.d.comb += slot_mask.eq((1 << self.settings.size) - 1)
        base = Cat(Const(0, 6), self.settings.base[6:])
        m.d.comb += slot.eq(asked & slot_mask)
        with m.If(~self.port.ar.valid | self.port.ar.ready):
            m.d.comb += ask.eq(
                self.settings.enable & ~self.stop & ~self.fault & left.any() & ~left[31]
                & (under_way < AHEAD))
            m.d.sync += self.port.ar.valid.eq(ask)
        with m.If(ask):
            m.d.sync += [
                self.port.ar.p.address.eq(base + slot * DESCRIPTOR_BYTES),
                self.port.ar.p.length.eq(beats - 1),
                self.port.ar.p.cache.eq(0b0011),
                asked.eq(asked + 1),
            ]

        # Arriving.
        beat = self.port.r
        taken = Signal(range(max(2, beats))) # beats of the descriptor
        arrives, good, refused = Signal(), Signal(), Signal()
        m.d.comb += [
            arrives.eq(beat.valid & (taken == beats - 1)),
            good.eq(~self.fault & ~self.discard & ~refused & (beat.p.resp < Response.SLVERR)),
            self.fault_index.eq(index),
        ]
        m.d.comb += self.fault_address.eq(
            (base + (index & slot_mask) * DESCRIPTOR_BYTES)[:self._config.address_bits])
        with m.If(beat.valid):
            m.d.sync += taken.eq(Mux(arrives, 0, taken + 1))
            m.d.sync += refused.eq(~arrives & ~good)
            if width > DESCRIPTOR_BYTES // 2:
                m.d.sync += words.eq(Value.cast(beat.p.data))
            else:
                m.d.sync += words.word_select(taken, 8 * width).eq(Value.cast(beat.p.data))
        with m.If(arrives):
            m.d.sync += [whole.eq(good), direct.eq(0)]
            with m.If(~good):
                m.d.sync += self.fault.eq(1)

        lost, handed = Signal(), Signal()
        m.d.comb += [
            lost.eq(arrives & ~good),
            handed.eq(queue.o.valid & queue.o.ready),
        ]
        m.d.sync += under_way.eq(under_way + ask + self.start - lost - handed)
        m.d.comb += self.idle.eq(((under_way == 0) | self.discard) & ~whole & ~queue.o.valid)

        owed = Signal(range(AHEAD * beats + 1))
        m.d.sync += owed.eq(owed + Mux(ask, beats, 0) - beat.valid)
        m.d.comb += self.owed.eq(owed != 0)

        with m.If(self.rewind):
            m.d.sync += [asked.eq(self.head), index.eq(self.head), self.fault.eq(0)]
        return m
