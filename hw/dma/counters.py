# SPDX-License-Identifier: Apache-2.0
"""What a channel has done, in numbers."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from opencdma.spec import Status

from .completer import Retired

__all__ = ["Counters"]


class Counters(wiring.Component):
    """Adds up records, and cycles that were lost.

    Members
    -------
    retired : ``In(stream.Signature(Retired, always_ready=True))``
        Descriptors whose outcome is visible.
    stalls_read, stalls_write, stalls_codec : ``In(1)``
        A cycle was lost waiting for this.
    bytes_in, bytes_out, nonzeros : ``Out(64)``
        Sums over the records; ``bytes_out`` of good ones only.
    descriptors, errors, raw_stored : ``Out(32)``
        Records in all, with an error, and of sources that were stored raw.
    stall_read, stall_write, stall_codec : ``Out(32)``
        Cycles.
    """

    def __init__(self):
        super().__init__({
            "retired": In(stream.Signature(Retired, always_ready=True)),
            "stalls_read": In(1), "stalls_write": In(1), "stalls_codec": In(1),
            "bytes_in": Out(64), "bytes_out": Out(64), "nonzeros": Out(64),
            "descriptors": Out(32), "errors": Out(32), "raw_stored": Out(32),
            "stall_read": Out(32), "stall_write": Out(32), "stall_codec": Out(32),
        })

    def elaborate(self, platform):
        m = Module()
        event = Signal.like(self.retired.p)
        happened = Signal()
        m.d.sync += [event.eq(self.retired.payload), happened.eq(self.retired.valid)]
        with m.If(happened):
            m.d.sync += [
                self.descriptors.eq(self.descriptors + 1),
                self.errors.eq(self.errors + event.failed),
                self.raw_stored.eq(
                    self.raw_stored + (event.record.status == Status.OK_RAW)),
                self.bytes_in.eq(self.bytes_in + event.record.bytes_in),
                self.nonzeros.eq(self.nonzeros + event.record.nonzeros),
            ]
            with m.If(~event.failed):
                m.d.sync += self.bytes_out.eq(self.bytes_out + event.record.bytes_out)
        m.d.sync += [
            self.stall_read.eq(self.stall_read + self.stalls_read),
            self.stall_write.eq(self.stall_write + self.stalls_write),
            self.stall_codec.eq(self.stall_codec + self.stalls_codec),
        ]
        return m
