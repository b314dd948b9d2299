# SPDX-License-Identifier: Apache-2.0
"""What is on a board, whichever it is: the engine, two memories, and a serial port to all of it."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect

from opencdma.hw.cdma import Cdma
from opencdma.hw.dma.register_bank import ADDRESS_BITS as REGISTER_BITS
from opencdma.hw.stream import Queue
from opencdma.spec import Config
from opencdma.spec.board import DEV_BASE, HOST_BASE, PAGE_BASE, REGISTERS_BASE

from .board_page import USER_LEDS, BoardPage
from .lights import Lights
from .memory import BlockMemory
from .register_port import RegisterPort
from .uart import UartReceiver, UartTransmitter
from .uartbone import ADDRESS_BITS, Uartbone
from .word_bus import WordDecoder

__all__ = ["LEDS", "QUEUE", "Demonstrator"]

#: What the LEDs show, from the first one on.
LEDS = ("alive", "serial", "busy", "fault", *(f"user{n}" for n in range(USER_LEDS)))

#: Bytes of commands that wait while the answer to another is sent.
QUEUE = 64

#: How long a command may pause, in fractions of a second: as long as in LiteX.
_PAUSES_PER_SECOND = 10


class Demonstrator(wiring.Component):
    """The engine between two memories of block RAM, all of them at the end of a serial port.

    ::

        rx --> receiver --> queue --> uartbone --> decoder +--> page, LEDs
        tx <-- transmitter <-----------+                   +--> registers of the engine
                                                           +--> device memory <--> engine
                                                           +--> host memory   <--> engine

    Addresses are those of :mod:`opencdma.spec.board`, at the serial port as in descriptors.

    Parameters
    ----------
    config : :class:`~opencdma.spec.Config`
        The engine.
    clock : :class:`int`
        Cycles per second.
    divisor : :class:`int`
        Cycles per bit of the serial port.
    dev_size, host_size : :class:`int`
        Bytes of the memories: powers of two, 4096 or more.

    Members
    -------
    rx, tx : ``In(1)``, ``Out(1)``
        Serial port, high while idle; ``rx`` is asynchronous.
    leds : ``Out(8)``
        As :data:`LEDS` says: alive (twice a second it changes), serial (bytes come), busy (the
        engine moves data), fault (the page tells which), and those that software lights.
    """

    def __init__(
        self, config: Config, *, clock: int, divisor: int, dev_size: int, host_size: int,
    ):
        self._config = config
        self._clock = clock
        self._receiver = UartReceiver(divisor)
        self._transmitter = UartTransmitter(divisor)
        size = {"address_bits": config.address_bits}
        self._dev = BlockMemory(DEV_BASE, dev_size, width=config.dev_width, **size)
        self._host = BlockMemory(HOST_BASE, host_size, width=config.host_width, **size)
        self._page = BoardPage(clock=clock, dev_size=dev_size, host_size=host_size)
        self._registers = RegisterPort(REGISTER_BITS)
        self._regions = [
            (PAGE_BASE, self._page.words), (REGISTERS_BASE, self._registers.words),
            (DEV_BASE, self._dev.words), (HOST_BASE, self._host.words),
        ]
        self._decoder = WordDecoder(ADDRESS_BITS, [
            (base // 4, len(words.requests.p.address)) for base, words in self._regions])
        super().__init__({"rx": In(1, init=1), "tx": Out(1, init=1), "leds": Out(len(LEDS))})

    def elaborate(self, platform):
        m = Module()
        m.submodules.receiver = receiver = self._receiver
        m.submodules.transmitter = transmitter = self._transmitter
        m.submodules.queue = queue = Queue(8, QUEUE)
        m.submodules.uartbone = uartbone = Uartbone(self._clock // _PAUSES_PER_SECOND)
        m.submodules.decoder = decoder = self._decoder
        m.submodules.page = page = self._page
        m.submodules.registers = registers = self._registers
        m.submodules.dev = dev = self._dev
        m.submodules.host = host = self._host
        m.submodules.cdma = cdma = Cdma(self._config)
        m.submodules.lights = lights = Lights(self._clock)

        m.d.comb += [receiver.rx.eq(self.rx), self.tx.eq(transmitter.tx)]
        connect(m, receiver.o, queue.i)
        connect(m, queue.o, uartbone.i)
        connect(m, uartbone.o, transmitter.i)
        connect(m, uartbone.bus, decoder.bus)
        for n, (_, words) in enumerate(self._regions):
            connect(m, getattr(decoder, f"region{n}"), words)
        connect(m, registers.bus, cdma.bus)
        connect(m, cdma.dev_read, dev.read)
        connect(m, cdma.dev_write, dev.write)
        connect(m, cdma.host_read, host.read)
        connect(m, cdma.host_write, host.write)

        m.d.comb += [
            page.irq.eq(cdma.irq),
            page.refused.eq(uartbone.refused),
            page.overrun.eq(receiver.overrun),
            page.framing.eq(receiver.framing),
            lights.serial.eq(receiver.o.valid),
            lights.busy.eq(Cat(
                memory.read.r.valid | memory.write.b.valid for memory in (dev, host)).any()),
            self.leds.eq(Cat(
                lights.alive, lights.seen_serial, lights.seen_busy, page.faults.any(), page.leds)),
        ]
        return m
