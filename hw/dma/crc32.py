# SPDX-License-Identifier: Apache-2.0
"""CRC32 of packets, a beat per cycle."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

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


def _image(images: list[int], value: int) -> int:
    """Return the image of a number under the linear map that takes bit n to ``images[n]``."""
    found = 0
    for bit, image in enumerate(images):
        if value >> bit & 1:
            found ^= image
    return found


def _inverse(images: list[int]) -> list[int]:
    """Return the images of the bits under the inverse of a linear map of 32 bits."""
    rows = [(image, 1 << bit) for bit, image in enumerate(images)]
    for bit in range(32):
        pivot = next(n for n in range(bit, 32) if rows[n][0] >> bit & 1)
        rows[bit], rows[pivot] = rows[pivot], rows[bit]
        for n in range(32):
            if n != bit and rows[n][0] >> bit & 1:
                rows[n] = rows[n][0] ^ rows[bit][0], rows[n][1] ^ rows[bit][1]
    return [source for _, source in rows]


class Crc32(wiring.Component):
    """Computes the CRC32 of every packet that goes by.

    The critical loop is the state: it is advanced by a whole beat in every cycle, which would be
    an XOR of about sixteen of its bits for each bit. Here the state is kept in another basis: the
    vectors that a first one becomes, beat by beat. Advanced, each of them is the next, and only the
    last is a sum of others, so a bit of the state depends on two. What a beat adds is computed
    beforehand, word by word, and what the state means afterwards.

    A last beat that is short is filled up with zeros; in the end the state is taken back over them,
    eight bytes or one in a cycle, while other packets go on.

    Takes one beat per cycle. A result comes eight cycles after the last beat, and one more for each
    step back over zeros; these are done for one packet after the other.

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

        # The basis: bit n of the state that is kept stands for one bit, advanced by n beats.
        beat = [_advanced(1 << bit, width) for bit in range(32)]
        basis = [1]
        while len(basis) < 32:
            basis.append(_image(beat, basis[-1]))
        to_basis = _inverse(basis)
        behind_last = _image(to_basis, _image(beat, basis[-1]))
        initial = _image(to_basis, 0xFFFF_FFFF)

        # Fill up with zeros.
        stage = data.StructLayout({"valid": 1, "last": 1, "padding": range(width + 1)})
        given, keep, taken = Signal(8 * width), Signal(width), Signal(stage)
        padded, filled = Signal(8 * width), Signal(stage)
        m.d.sync += [
            given.eq(Value.cast(self.i.p.data)),
            keep.eq(Cat(n < self.i.p.count for n in range(width))),
            taken.valid.eq(self.i.valid),
            taken.last.eq(self.i.p.last),
            taken.padding.eq(width - self.i.p.count),
            padded.eq(given & Cat(kept.replicate(8) for kept in keep)),
            filled.eq(taken),
        ]

        # What the beat adds to the state behind it: first that of each word, then the sum.
        words, added = [], Signal(32)
        for word in range(width // 4):
            images = [_image(to_basis, _advanced(1 << bit, width - 4 * word - byte))
                      for byte in range(4) for bit in range(8)]  # fmt: skip
            words.append(Signal(32, name=f"word{word}"))
            m.d.sync += words[-1].eq(_linear(padded.word_select(word, 32), images))
        summed, adding = Signal(stage), Signal(stage)
        m.d.sync += [
            summed.eq(filled),
            adding.eq(summed),
            added.eq(Cat(Cat(word[bit] for word in words).xor() for bit in range(32))),
        ]

        # The loop.
        state, behind = Signal(32, init=initial), Signal(32)
        m.d.comb += behind.eq(
            (state << 1)[:32] ^ Mux(state[31], behind_last, 0) ^ added)
        with m.If(adding.valid):
            m.d.sync += state.eq(Mux(adding.last, initial, behind))

        # Out of the basis, and back over the zeros.
        ended, end, meant = Signal(stage), Signal(32), Signal(32)
        m.d.sync += [ended.eq(adding), end.eq(behind), meant.eq(_linear(end, basis))]
        item = data.StructLayout({"state": 32, "padding": range(width + 1)})
        m.submodules.results = results = Queue(item, self._depth)
        m.d.sync += [
            results.i.valid.eq(ended.valid & ended.last), results.i.p.padding.eq(ended.padding),
        ]
        m.d.comb += results.i.p.state.eq(meant)

        active, result = Signal(), Signal(item)
        eight, one = (
            _linear(result.state, [_reversed(1 << bit, zeros) for bit in range(32)])
            for zeros in (8, 1))
        m.d.comb += [
            self.o.valid.eq(active & (result.padding == 0)),
            self.o.payload.eq(~result.state),
            results.o.ready.eq(~active | (self.o.valid & self.o.ready)),
        ]
        with m.If(results.o.ready):
            m.d.sync += [active.eq(results.o.valid), result.eq(results.o.payload)]
        with m.Elif(result.padding >= 8):
            m.d.sync += [result.state.eq(eight), result.padding.eq(result.padding - 8)]
        with m.Elif(result.padding != 0):
            m.d.sync += [result.state.eq(one), result.padding.eq(result.padding - 1)]
        return m
