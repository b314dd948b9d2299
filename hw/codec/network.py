# SPDX-License-Identifier: Apache-2.0
"""Log-depth networks that pack chosen lanes together, and spread them out again.

Both networks are made of :math:`\\log_2 n` levels of two-way switches. Packing with rotation sends
the lane of rank ``r`` among those kept to slot ``(start + r) mod n``; spreading is the same network
run backwards.

Take a block of ``2h`` lanes whose kept lanes fill consecutive slots (modulo ``2h``), those of its
lower half first. Halving it is a swap of slots ``i`` and ``i + h`` for some ``i < h``. A slot
belongs to the upper half if it is one of the ``h`` slots from ``turn`` on, where ``turn`` is the
slot of the upper half's first lane. Hence ``i`` is swapped exactly when
``(i < turn mod h) == (turn >= h)``, and never do two lanes meet.

Each lane but the first is the middle of one block, so one vector of turns steers the whole network:
the rank of lane ``l``, plus the start, modulo twice the largest power of two that divides ``l``.
(Hilewitz and Lee steer a parallel extract and deposit by the same ranks: "Fast bit gather, bit
scatter and bit permutation instructions for commodity microprocessors", 2008.)
"""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2, exact_log2

__all__ = [
    "GatherNetwork", "NetworkBeat", "ScatterNetwork", "prefix_counts", "prefix_step", "rotate",
    "turns_layout",
]


def _sum(a, b):
    """Returns ``a + b``, of few bits in gates: a carry chain takes longer to enter and leave."""
    a, b = Value.cast(a), Value.cast(b)
    if len(a) != len(b) or len(a) > 3:
        return a + b
    bits, carry = [], C(0, 1)
    for x, y in zip(a, b, strict=True):
        bits.append(x ^ y ^ carry)
        carry = (x & y) | (carry & (x ^ y))
    return Cat(bits, carry)


def prefix_step(m, counts, step, *, name):
    """Returns the running counts within blocks twice as long as before, which are ``2**step``.

    Every node of the tree that the steps form is a named signal, so that it is computed once
    however often it is used, and can be found in a waveform.
    """
    longer = list(counts)
    for n in range(len(counts)):
        if n >> step & 1: # the upper half of a block adds the count of its lower half
            node = Signal(range((n & (2 << step) - 1) + 2), name=f"{name}_{step}_{n}")
            m.d.comb += node.eq(_sum(counts[n], counts[(n >> step << step) - 1]))
            longer[n] = node
    return longer


def prefix_counts(m, bits, *, name):
    """Returns the running counts of ones: item ``n`` counts the ones in ``bits[:n + 1]``."""
    counts = list(bits)
    for step in range(ceil_log2(len(counts))):
        counts = prefix_step(m, counts, step, name=name)
    return counts


def rotate(m, lanes, amount, direction, *, name):
    """Returns lanes turned by ``amount`` up (``direction`` 1) or down (-1)."""
    count = len(lanes)
    for bit in range(exact_log2(count)):
        turned = Signal(lanes.shape(), name=f"{name}{bit}")
        for n in range(count):
            m.d.comb += turned[n].eq(Mux(
                amount[bit], lanes[(n - direction * (1 << bit)) % count], lanes[n]))
        lanes = turned
    return lanes


def turns_layout(lanes):
    """Layout of the vector that steers a network: field ``l`` for each lane from 1 up."""
    return data.StructLayout({str(lane): exact_log2(lane & -lane) + 1 for lane in range(1, lanes)})


class NetworkBeat(data.StructLayout):
    """Lanes on their way through a network, with what steers it and what travels beside them."""

    def __init__(self, lanes, lane_bits, side):
        super().__init__({
            "data": data.ArrayLayout(lane_bits, lanes),
            "turns": turns_layout(lanes),
            "side": side,
        })


class _Network(wiring.Component):
    """What both directions have in common; see the module for how it works.

    Throughput is one beat per cycle, latency ``ranks`` cycles, no back-pressure.

    Parameters
    ----------
    lanes : :class:`int`
        Lanes per beat, a power of two.
    lane_bits : :class:`int`
        Bits per lane.
    side : shape-like
        What travels beside the lanes.
    ranks : :class:`int`
        Register ranks, spread evenly over the levels; 0 to the number of levels.

    Members
    -------
    i, o : stream of ``NetworkBeat(lanes, lane_bits, side)``, always ready
        Beats before and behind the network. Lanes that no kept lane went to are unspecified.

    Raises
    ------
    ValueError
        If ``ranks`` is more than there are levels, or negative.
    """

    def __init__(self, *, lanes, lane_bits, side, ranks):
        self._lanes = lanes
        self._levels = exact_log2(lanes)
        if not 0 <= ranks <= self._levels:
            raise ValueError(
                f"Number of register ranks must be 0 to {self._levels} for {lanes} lanes, "
                f"not {ranks!r}")
        self._ranks = ranks
        self._layout = NetworkBeat(lanes, lane_bits, side)
        super().__init__({
            "i": In(stream.Signature(self._layout, always_ready=True)),
            "o": Out(stream.Signature(self._layout, always_ready=True)),
        })

    def elaborate(self, platform):
        m = Module()
        beat, valid = self.i.payload, self.i.valid
        for step, level in enumerate(self._order()):
            switched = Signal(self._layout, name=f"level{level}")
            half = 1 << level
            m.d.comb += switched.eq(beat)
            for base in range(0, self._lanes, 2 * half):
                turn = beat.turns[str(base + half)]
                for i in range(half):
                    low, high = base + i, base + i + half
                    swap = Signal(name=f"swap{level}_{low}")
                    m.d.comb += swap.eq((turn[:level] > i) == turn[level])
                    m.d.comb += switched.data[low].eq(
                        Mux(swap, beat.data[high], beat.data[low]))
                    m.d.comb += switched.data[high].eq(
                        Mux(swap, beat.data[low], beat.data[high]))
            beat = switched
            # Rank k of n stands behind level ceil(levels * (k + 1) / n).
            ranks_here = (step + 1) * self._ranks // self._levels
            if ranks_here > step * self._ranks // self._levels:
                held = Signal(self._layout, name=f"rank{ranks_here}", reset_less=True)
                held_valid = Signal(name=f"rank{ranks_here}_valid")
                m.d.sync += [held.eq(beat), held_valid.eq(valid)]
                beat, valid = held, held_valid
        m.d.comb += [self.o.payload.eq(beat), self.o.valid.eq(valid)]
        return m


class GatherNetwork(_Network):
    """Packs lanes: the kept lane of rank ``r`` goes to slot ``(start + r) mod lanes``."""

    def _order(self):
        return range(self._levels)


class ScatterNetwork(_Network):
    """Spreads lanes: slot ``(start + r) mod lanes`` goes to the kept lane of rank ``r``."""

    def _order(self):
        return reversed(range(self._levels))
