# SPDX-License-Identifier: Apache-2.0
"""AXI4 as streams: what the engine uses of it.

One ID, INCR bursts of the port's full width, no locked or exclusive access. ``hw/cdma_top.py`` adds
the constant signals and the names.
"""

from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = [
    "PAGE", "Burst", "ReadBeat", "ReadPort", "Response", "WriteBeat", "WritePort",
]

#: Bytes that no burst may cross a boundary of.
PAGE = 4096


class Response:
    """Values of RRESP and BRESP. The engine never asks for EXOKAY."""

    OKAY, EXOKAY, SLVERR, DECERR = range(4)


class Burst(data.StructLayout):
    """An address beat.

    Fields
    ------
    address
        Of the first byte; a multiple of the port's width.
    length
        Beats, less one.
    qos, cache
        AxQOS and AxCACHE.
    """

    def __init__(self, address_bits):
        super().__init__({"address": address_bits, "length": 8, "qos": 4, "cache": 4})


class ReadBeat(data.StructLayout):
    """A beat of read data: ``width`` bytes, the response, and whether the burst ends."""

    def __init__(self, width):
        super().__init__({"data": data.ArrayLayout(8, width), "resp": 2, "last": 1})


class WriteBeat(data.StructLayout):
    """A beat to be written: ``width`` bytes, a strobe for each, and whether the burst ends."""

    def __init__(self, width):
        super().__init__({"data": data.ArrayLayout(8, width), "strobe": width, "last": 1})


class ReadPort(wiring.Signature):
    """The reading half of a manager.

    Whoever asks for data has room for them, so ``r`` is always ready.
    """

    def __init__(self, width, address_bits):
        super().__init__({
            "ar": Out(stream.Signature(Burst(address_bits))),
            "r": In(stream.Signature(ReadBeat(width), always_ready=True)),
        })


class WritePort(wiring.Signature):
    """The writing half of a manager. Acknowledgements, ``b``, are always taken."""

    def __init__(self, width, address_bits):
        super().__init__({
            "aw": Out(stream.Signature(Burst(address_bits))),
            "w": Out(stream.Signature(WriteBeat(width))),
            "b": In(stream.Signature(2, always_ready=True)),
        })
