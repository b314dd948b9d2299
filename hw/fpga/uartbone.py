# SPDX-License-Identifier: Apache-2.0
"""From bytes of a serial port to accesses to words: the uartbone protocol.

The protocol is the one that LiteX's host tools speak over a serial port
(`litex/tools/remote/comm_uart.py` and `litex/soc/cores/uart.py` of
https://github.com/enjoy-digital/litex). A command is

======= ====================================================================================
bytes
======= ====================================================================================
1       :class:`UartboneCommand`
1       count of words
4       address of the first word, counted in words
4 each  the words, if they are to be written
======= ====================================================================================

and the answer to a read is the words, to a write nothing. Numbers go high byte first. What the
protocol leaves open: no words are meant by a count of 0, and a byte that should be a command and is
none is dropped, so that a stray one costs nothing but itself.
"""

from amaranth import *
from amaranth.lib import enum, stream, wiring
from amaranth.lib.wiring import In, Out

from .word_bus import WordBus

__all__ = ["ADDRESS_BITS", "Uartbone", "UartboneCommand"]

#: Bits of an address, of a word: 16 GiB, of which a board has the first four.
ADDRESS_BITS = 32


class UartboneCommand(enum.Enum, shape=8):
    """First byte of a command: one word after the other, or all to or from one address."""

    WRITE       = 0x01
    READ        = 0x02
    WRITE_FIXED = 0x03
    READ_FIXED  = 0x04


class Uartbone(wiring.Component):
    """Executes commands, one after the other.

    While a word is on its way to or from the bus, or waits to be sent, no bytes are taken. If a
    command stops in the middle for as long as ``timeout``, the rest of it is not waited for: the
    next byte begins a command. Words that are complete by then have been written.

    Parameters
    ----------
    timeout : :class:`int`
        Cycles without a byte that end a command. LiteX waits 0.1 seconds.

    Members
    -------
    i : ``In(stream.Signature(8))``
        Commands.
    o : ``Out(stream.Signature(8))``
        Answers.
    bus : ``Out(WordBus(32))``
        What is accessed.
    refused : ``Out(1)``
        For one cycle: an access was refused. A word that cannot be read is sent as 0.

    Raises
    ------
    ValueError
        If ``timeout`` is not positive.
    """

    def __init__(self, timeout: int):
        if timeout < 1:
            raise ValueError(f"Timeout must be at least one cycle, not {timeout!r}")
        self._timeout = timeout
        super().__init__({
            "i": In(stream.Signature(8)), "o": Out(stream.Signature(8)),
            "bus": Out(WordBus(ADDRESS_BITS)), "refused": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        request = self.bus.requests
        read, fixed = Signal(), Signal()
        count = Signal(8) # words to come
        number = Signal(2) # of a byte within its word
        word = Signal(32) # bytes so far, or bytes to be sent
        m.d.comb += [
            request.p.write.eq(~read),
            request.p.data.eq(word),
            self.o.payload.eq(word[24:]),
            self.refused.eq(self.bus.answers.valid & self.bus.answers.p.refused),
        ]

        idle = Signal(range(self._timeout + 1))
        late = Signal()
        m.d.comb += late.eq(idle == self._timeout)
        with m.If(~self.i.ready | self.i.valid | late):
            m.d.sync += idle.eq(0)
        with m.Else():
            m.d.sync += idle.eq(idle + 1)

        def shift_in():
            m.d.sync += [word.eq(Cat(self.i.payload, word[:24])), number.eq(number + 1)]

        with m.FSM():
            with m.State("COMMAND"):
                m.d.comb += self.i.ready.eq(1)
                m.d.sync += number.eq(0)
                commands = [
                    (UartboneCommand.WRITE, 0, 0), (UartboneCommand.READ, 1, 0),
                    (UartboneCommand.WRITE_FIXED, 0, 1), (UartboneCommand.READ_FIXED, 1, 1),
                ]
                with m.If(self.i.valid):
                    for command, reads, stays in commands:
                        with m.If(self.i.payload == command.value):
                            m.d.sync += [read.eq(reads), fixed.eq(stays)]
                            m.next = "COUNT"
            with m.State("COUNT"):
                m.d.comb += self.i.ready.eq(1)
                with m.If(self.i.valid):
                    m.d.sync += count.eq(self.i.payload)
                    m.next = "ADDRESS"
                with m.Elif(late):
                    m.next = "COMMAND"
            with m.State("ADDRESS"):
                m.d.comb += self.i.ready.eq(1)
                with m.If(self.i.valid):
                    shift_in()
                    with m.If(number == 3):
                        m.d.sync += request.p.address.eq(Cat(self.i.payload, word[:24]))
                        with m.If(count == 0):
                            m.next = "COMMAND"
                        with m.Elif(read):
                            m.next = "REQUEST"
                        with m.Else():
                            m.next = "DATA"
                with m.Elif(late):
                    m.next = "COMMAND"
            with m.State("DATA"):
                m.d.comb += self.i.ready.eq(1)
                with m.If(self.i.valid):
                    shift_in()
                    with m.If(number == 3):
                        m.next = "REQUEST"
                with m.Elif(late):
                    m.next = "COMMAND"
            with m.State("REQUEST"):
                m.d.comb += request.valid.eq(1)
                with m.If(request.ready):
                    m.next = "ANSWER"
            with m.State("ANSWER"):
                with m.If(self.bus.answers.valid):
                    m.d.sync += [
                        count.eq(count - 1),
                        request.p.address.eq(request.p.address + ~fixed),
                        word.eq(self.bus.answers.p.data),
                    ]
                    with m.If(read):
                        m.next = "SEND"
                    with m.Elif(count == 1):
                        m.next = "COMMAND"
                    with m.Else():
                        m.next = "DATA"
            with m.State("SEND"):
                m.d.comb += self.o.valid.eq(1)
                with m.If(self.o.ready):
                    m.d.sync += [word.eq(Cat(C(0, 8), word[:24])), number.eq(number + 1)]
                    with m.If(number == 3):
                        with m.If(count == 0):
                            m.next = "COMMAND"
                        with m.Else():
                            m.next = "REQUEST"
        return m
