# SPDX-License-Identifier: Apache-2.0
"""CRC32 of packets, a beat per cycle."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from opencdma.hw.codec.payloads import PacketBeat
from opencdma.hw.stream import Queue

__all__ = ["Crc32"]

#: Polynomial of IEEE 802.3, as zlib uses it: lowest power in the highest bit.
_POLYNOMIAL = 0xEDB88320


def _advanced(state: int, zeros: int) -> int:
    """Return the state after some bytes that are zero."""
    for _ in range(8 * zeros):
        state = state >> 1 ^ (_POLYNOMIAL if state & 1 else 0)
    return state


def _reversed(state: int, zeros: int) -> int:
    """Return the state in front of some bytes that are zero."""
    for _ in range(8 * zeros):
        state = (state ^ _POLYNOMIAL) << 1 | 1 if state >> 31 else state << 1
    return state


def _linear(value, images: list[int]):
    """Return the image of a value under the linear map that takes bit n to ``images[n]``."""
    rows = [
        sum((image >> bit & 1) << n for n, image in enumerate(images)) for bit in range(32)
    ]
    return Cat((value & Const(row, len(images))).xor() for row in rows)


class Crc32(wiring.Component):
    """Computes the CRC32 of every packet that goes by.

    The critical loop is the state: it is advanced by a whole beat in every cycle, which is
    one XOR of about sixteen of its bits for each bit. What the beat adds is computed beforehand. A
    last beat that is short is filled up with zeros; afterwards the state is taken back over them, a
    power of two at a time, outside the loop.

    Takes one beat per cycle; a result comes ``5 + log2(width)`` cycles after the last beat.

    Parameters
    ----------
    width : :class:`int`
        Bytes per beat.
    depth : :class:`int`
        Results that can be waiting. Packets must not come when as many are due.

    Members
    -------
    i : ``In(stream.Signature(PacketBeat(width), always_ready=True))``
        Packets.
    o : ``Out(stream.Signature(32))``
        One result per packet.
    """

    def __init__(self, width: int, *, depth: int):
        self._width = width
        self._depth = depth
        super().__init__({
            "i": In(stream.Signature(PacketBeat(width), always_ready=True)),
            "o": Out(stream.Signature(32)),
        })

    def elaborate(self, platform):
        m = Module()
        width = self._width

        # Fill up with zeros.
        padded = Signal(8 * width)
        padding = Signal(range(width + 1))
        padded_valid, padded_last = Signal(), Signal()
        for n in range(width):
            m.d.sync += padded.word_select(n, 8).eq(
                Mux(n < self.i.p.count, self.i.p.data[n], 0))
        m.d.sync += [
            padding.eq(width - self.i.p.count),
            padded_valid.eq(self.i.valid),
            padded_last.eq(self.i.p.last),
        ]

        # What the beat adds to the state behind it.
        added, added_padding = Signal(32), Signal.like(padding)
        added_valid, added_last = Signal(), Signal()
        images = [
            _advanced(1 << bit, width - byte) for byte in range(width) for bit in range(8)
        ]
        m.d.sync += [
            added.eq(_linear(padded, images)),
            added_padding.eq(padding),
            added_valid.eq(padded_valid),
            added_last.eq(padded_last),
        ]

        # The loop.
        state, behind = Signal(32, init=0xFFFF_FFFF), Signal(32)
        m.d.comb += behind.eq(
            _linear(state, [_advanced(1 << bit, width) for bit in range(32)]) ^ added)
        with m.If(added_valid):
            m.d.sync += state.eq(Mux(added_last, state.init, behind))

        # Back over the zeros.
        stage = data.StructLayout({"valid": 1, "state": 32, "padding": padding.shape()})
        before = Signal(stage)
        m.d.sync += [
            before.valid.eq(added_valid & added_last),
            before.state.eq(behind),
            before.padding.eq(added_padding),
        ]
        for level in range(exact_log2(width) + 1):
            after = Signal(stage, name=f"back{level}")
            images = [_reversed(1 << bit, 1 << level) for bit in range(32)]
            m.d.sync += [
                after.valid.eq(before.valid),
                after.state.eq(
                    Mux(before.padding[level], _linear(before.state, images), before.state)),
                after.padding.eq(before.padding),
            ]
            before = after

        m.submodules.results = results = Queue(32, self._depth)
        m.d.comb += [results.i.valid.eq(before.valid), results.i.payload.eq(~before.state)]
        wiring.connect(m, results.o, wiring.flipped(self.o))
        return m
