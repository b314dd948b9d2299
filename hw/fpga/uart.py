# SPDX-License-Identifier: Apache-2.0
"""Bytes over one wire each way: 8 data bits, low one first, no parity, 1 stop bit."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

__all__ = ["LEAST_DIVISOR", "UartReceiver", "UartTransmitter", "divisor_of"]

#: Fewest cycles per bit: one to see an edge, and others on both sides of the middle of the bit.
LEAST_DIVISOR = 4

#: Most that a baud rate may be off. With both sides off by that, the stop bit is sampled 0.4 bits
#: from its middle at worst.
_TOLERANCE = 0.02


def divisor_of(clock: int, baud: int) -> int:
    """Return the cycles per bit, a whole number.

    Parameters
    ----------
    clock : :class:`int`
        Cycles per second.
    baud : :class:`int`
        Bits per second.

    Raises
    ------
    ValueError
        If the nearest whole number is not near enough, or too small.
    """
    divisor = round(clock / baud)
    if divisor < LEAST_DIVISOR or abs(divisor * baud / clock - 1) > _TOLERANCE:
        raise ValueError(
            f"Baud rate must be a clock of {clock} Hz divided by a whole number of at least "
            f"{LEAST_DIVISOR}, within {_TOLERANCE:.0%}, not {baud!r}")
    return divisor


def _check_divisor(divisor):
    if not isinstance(divisor, int):
        raise TypeError(f"Cycles per bit must be an integer, not {divisor!r}")
    if divisor < LEAST_DIVISOR:
        raise ValueError(f"Cycles per bit must be at least {LEAST_DIVISOR}, not {divisor!r}")


class UartReceiver(wiring.Component):
    """Takes bytes from a wire, each sampled in the middle of its bits.

    A byte is offered in the middle of its stop bit, and for as long as nobody takes it; if another
    one is complete by then, that one is lost. A start bit that is over before its middle is none,
    and a byte without a stop bit is dropped. All outputs come from registers.

    Parameters
    ----------
    divisor : :class:`int`
        Cycles per bit, 4 or more.

    Members
    -------
    rx : ``In(1)``
        The wire, high while idle; asynchronous.
    o : ``Out(stream.Signature(8))``
        Bytes.
    overrun : ``Out(1)``
        For one cycle: a byte was lost, because the one before it had not been taken.
    framing : ``Out(1)``
        For one cycle: a byte was dropped, because it had no stop bit.

    Raises
    ------
    TypeError, ValueError
        If ``divisor`` is not an integer of at least 4.
    """

    def __init__(self, divisor: int):
        _check_divisor(divisor)
        self._divisor = divisor
        super().__init__({
            "rx": In(1, init=1), "o": Out(stream.Signature(8)),
            "overrun": Out(1), "framing": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        wire, before = Signal(init=1), Signal(init=1)
        m.submodules.synchronizer = FFSynchronizer(self.rx, wire, init=1)
        m.d.sync += before.eq(wire)

        timer = Signal(range(self._divisor)) # to the middle of the next bit
        left = Signal(range(10)) # bits to come, with start and stop bit
        bits = Signal(8)
        busy = Signal()
        m.d.sync += [self.overrun.eq(0), self.framing.eq(0)]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(~busy):
            # The edge is seen a cycle late, which belongs to the first half of the bit.
            m.d.sync += [timer.eq(self._divisor // 2 - 2), left.eq(9)]
            m.d.sync += busy.eq(before & ~wire)
        with m.Elif(timer != 0):
            m.d.sync += timer.eq(timer - 1)
        with m.Else():
            m.d.sync += [timer.eq(self._divisor - 1), left.eq(left - 1)]
            with m.If(left == 9):
                m.d.sync += busy.eq(~wire)
            with m.Elif(left != 0):
                m.d.sync += bits.eq(Cat(bits[1:], wire))
            with m.Else():
                m.d.sync += [busy.eq(0), self.framing.eq(~wire)]
                with m.If(wire & self.o.valid & ~self.o.ready):
                    m.d.sync += self.overrun.eq(1)
                with m.Elif(wire):
                    m.d.sync += [self.o.valid.eq(1), self.o.payload.eq(bits)]
        return m


class UartTransmitter(wiring.Component):
    """Puts bytes on a wire, back to back as long as there are any.

    ``i.ready`` and ``tx`` come from registers.

    Parameters
    ----------
    divisor : :class:`int`
        Cycles per bit, 4 or more.

    Members
    -------
    i : ``In(stream.Signature(8))``
        Bytes. Each takes ten bits' time.
    tx : ``Out(1)``
        The wire, high while idle.

    Raises
    ------
    TypeError, ValueError
        If ``divisor`` is not an integer of at least 4.
    """

    def __init__(self, divisor: int):
        _check_divisor(divisor)
        self._divisor = divisor
        super().__init__({"i": In(stream.Signature(8)), "tx": Out(1, init=1)})

    def elaborate(self, platform):
        m = Module()
        timer = Signal(range(self._divisor)) # to the end of this bit
        left = Signal(range(11)) # bits that are not over yet
        bits = Signal(9, init=~0)
        m.d.comb += self.tx.eq(bits[0])
        m.d.comb += self.i.ready.eq(left == 0)
        with m.If(left == 0):
            with m.If(self.i.valid):
                m.d.sync += [bits.eq(Cat(C(0, 1), self.i.payload)), left.eq(10)]
                # The cycle in which the next byte is taken belongs to the stop bit.
                m.d.sync += timer.eq(self._divisor - 1)
        with m.Elif(timer != 0):
            m.d.sync += timer.eq(timer - 1)
        with m.Else():
            m.d.sync += [bits.eq(Cat(bits[1:], C(1, 1))), left.eq(left - 1)]
            m.d.sync += timer.eq(Mux(left == 2, self._divisor - 2, self._divisor - 1))
        return m
