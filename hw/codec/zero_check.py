# SPDX-License-Identifier: Apache-2.0
"""Beside the scatter network: the elements of a beat, counted and checked."""

from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from .geometry import CodecGeometry
from .network import prefix_counts

__all__ = ["StoredLanes", "ZeroCheck", "ZeroReport"]


class StoredLanes(data.StructLayout):
    """Lanes of a beat as the line store gives them: in a ring.

    Fields
    ------
    within
        One bit per lane: it is the beat's.
    there
        One bit per lane: it arrived.
    filled
        One bit per lane: it is not zero.
    first
        The first lane of the beat.
    mask_bytes
        Bytes of the mask in front of them.
    size
        Of the transfer, as in :class:`DecodedCommand`.
    """

    def __init__(self, geometry):
        super().__init__({
            "within": geometry.lanes, "there": geometry.lanes, "filled": geometry.lanes,
            "first": range(geometry.lanes),
            "mask_bytes": range(16 + 1), "size": 2,
        })


class ZeroReport(data.StructLayout):
    """What was found in a beat.

    Fields
    ------
    nonzeros
        Elements that are not zero.
    stored_zero
        There is one that is.
    offset
        With ``stored_zero``: bytes in front of the first of them, from the mask on.
    """

    def __init__(self, geometry):
        super().__init__({
            "nonzeros": range(geometry.lanes + 1), "stored_zero": 1,
            "offset": range(16 + geometry.width),
        })


class ZeroCheck(wiring.Component):
    """Looks for elements that are stored though they are zero, and counts the others.

    Takes one beat per cycle; as many cycles as the networks have ranks.

    Members
    -------
    i : ``In(StoredLanes(geometry))``
        A beat.
    o : ``Out(ZeroReport(geometry))``
        What was found in the one ``ranks`` cycles before.
    """

    def __init__(self, geometry: CodecGeometry):
        self._geometry = geometry
        super().__init__({"i": In(StoredLanes(geometry)), "o": Out(ZeroReport(geometry))})

    def elaborate(self, platform):
        m = Module()
        geometry, lanes = self._geometry, self._geometry.lanes
        ranks = geometry.ranks

        def rank(number, name, value):
            if number >= ranks:
                return value
            held = Signal.like(value, name=f"{name}{number}")
            m.d.sync += held.eq(value)
            return held

        # Elements stand at multiples of their size in the encoded stream, and count when whole.
        elements, filled = Signal(lanes), Signal(lanes)
        with m.Switch(self.i.size):
            for size in geometry.element_sizes:
                span = geometry.lanes_per_element(size)
                with m.Case(geometry.size_code(size)):
                    for n in range(0, lanes, span):
                        m.d.comb += elements[n].eq(
                            self.i.within[n] & self.i.there[n + span - 1])
                        m.d.comb += filled[n].eq(self.i.filled[n:n + span].any())
        ahead = Cat(lane >= self.i.first for lane in range(lanes))
        zeros = rank(0, "zeros", elements & ~filled)
        ones = rank(0, "ones", elements & filled)
        zeros_ahead = rank(0, "zeros_ahead", elements & ~filled & ahead)
        first = rank(0, "first", self.i.first)
        mask_bytes = rank(0, "mask_bytes", self.i.mask_bytes)

        # The first zero from `first` on, or the first of all.
        where = Signal(range(lanes))
        m.d.comb += where.eq(Mux(
            zeros_ahead.any(), self._lowest(zeros_ahead), self._lowest(zeros)))
        where = rank(1, "where", where)
        stored_zero = rank(1, "stored_zero", zeros.any())
        nonzeros = rank(1, "nonzeros", prefix_counts(m, list(ones), name="count")[-1])
        first, mask_bytes = rank(1, "first", first), rank(1, "mask_bytes", mask_bytes)

        lanes_ahead = (where - first)[:exact_log2(lanes)]
        report = Signal(ZeroReport(geometry))
        m.d.comb += [
            report.nonzeros.eq(nonzeros),
            report.stored_zero.eq(stored_zero),
            report.offset.eq(mask_bytes + lanes_ahead * geometry.lane_bytes),
        ]
        for number in range(2, max(ranks, 2)):
            report = rank(number, "report", report)
        m.d.comb += self.o.eq(report)
        return m

    def _lowest(self, bits):
        """Returns the number of the lowest bit that is set, of as many bits as a power of two."""
        if len(bits) == 2:
            return ~bits[0]
        low, high = bits[:len(bits) // 2], bits[len(bits) // 2:]
        return Cat(Mux(low.any(), self._lowest(low), self._lowest(high)), ~low.any())
