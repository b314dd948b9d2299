# SPDX-License-Identifier: Apache-2.0
"""A channel: descriptors in, completion records out, data moved."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from opencdma.hw.bus.axi4 import ReadPort, WritePort
from opencdma.hw.stream import FrontQueue
from opencdma.spec import Channel as ChannelId
from opencdma.spec import Config

from .checker import Checker
from .coalescer import Coalescer
from .completer import Completer
from .control import Control
from .counters import Counters
from .data_path import DataPath, port_widths
from .fetcher import Fetcher
from .finisher import Finisher
from .plan import Plan
from .register_block import ChannelRegisters
from .scheduler import Pass, Scheduler
from .slot_table import SlotTable
from .watchdog import Watchdog

__all__ = ["Channel"]


class Channel(wiring.Component):
    """Works through descriptors, several at a time.

    ::

        registers -> fetcher -> checker -> scheduler --jobs--> data path --reports-+
                       |                      ^                                    v
                       ring                   +-- again -------------------- finisher
                                                                                  |
                       records, HEAD <------------------------- completer <-------+

    Parameters
    ----------
    config : :class:`~opencdma.spec.Config`
        Build parameters.
    channel : :class:`~opencdma.spec.Channel` or ``None``
        Which one; ``None`` in a shared build.

    Members
    -------
    registers : ``In(ChannelRegisters())``
        From software.
    source : ``Out(ReadPort)``, sink : ``Out(WritePort)``
        Where data are read and written.
    ring : ``Out(ReadPort)``, records : ``Out(WritePort)``
        Host memory, for descriptors and completion records.
    done, error : ``Out(1)``
        Interrupts, for a cycle: completions; the channel halted or was latched.
    offload : ``Out(1)``
        Source is device memory. Changes only while nothing is under way.
    """

    def __init__(self, config: Config, channel: ChannelId | None):
        self._config = config
        self._channel = channel
        source_width, sink_width = port_widths(config, channel)
        super().__init__({
            "registers": In(ChannelRegisters()),
            "source": Out(ReadPort(source_width, config.address_bits)),
            "sink": Out(WritePort(sink_width, config.address_bits)),
            "ring": Out(ReadPort(config.host_width, config.address_bits)),
            "records": Out(WritePort(config.host_width, config.address_bits)),
            "done": Out(1),
            "error": Out(1),
            "offload": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        config, registers = self._config, self.registers
        # What was not encoded is never stored raw instead.
        repeats = self._channel != ChannelId.PREFETCH

        # A channel is cleared when nothing is under way. It takes a few cycles, since it is a long
        # way to everything: all are cleared before the first of them begins again.
        clear = Signal()
        cleared = ResetInserter(clear)
        fetcher = Fetcher(config)
        checker = Checker(config, self._channel)
        scheduler = Scheduler(slots=config.slots, shared=config.shared)
        plans = SlotTable(Plan, slots=config.slots, readers=2, late_readers=int(repeats))
        passes = FrontQueue(Pass(config.slots), config.slots)
        data_path = DataPath(config, self._channel)
        finisher = Finisher(config)
        completer = Completer(config)
        control = Control()
        watchdog = Watchdog()
        coalescer = Coalescer()
        m.submodules.fetcher = cleared(fetcher)
        m.submodules.checker = cleared(checker)
        m.submodules.scheduler = cleared(scheduler)
        m.submodules.plans = cleared(plans)
        m.submodules.passes = cleared(passes)
        m.submodules.data_path = data_path
        m.submodules.finisher = cleared(finisher)
        m.submodules.completer = cleared(completer)
        m.submodules.control = cleared(control)
        m.submodules.watchdog = cleared(watchdog)
        m.submodules.coalescer = cleared(coalescer)
        m.d.sync += clear.eq(control.clear)
        m.d.comb += data_path.clear.eq(clear)

        # The way of a descriptor.
        connect(m, fetcher.o, checker.i)
        connect(m, checker.o, scheduler.i)
        connect(m, scheduler.passes, passes.i)
        connect(m, passes.o, finisher.passes)
        connect(m, finisher.o, completer.i)
        connect(m, scheduler.reads, data_path.reads)
        connect(m, scheduler.writes, data_path.writes)
        connect(m, scheduler.commands, data_path.commands)
        connect(m, scheduler.checks, data_path.checks)
        connect(m, data_path.read_reports, finisher.reads)
        connect(m, data_path.write_reports, finisher.writes)
        connect(m, data_path.statuses, finisher.statuses)
        connect(m, data_path.crcs, finisher.crcs)
        connect(m, data_path.check_statuses, finisher.checks)
        connect(m, data_path.check_crcs, finisher.check_crcs)
        connect(m, fetcher.port, flipped(self.ring))
        connect(m, data_path.source, flipped(self.source))
        connect(m, data_path.sink, flipped(self.sink))
        connect(m, completer.port, flipped(self.records))
        m.d.comb += [
            plans.write_en.eq(scheduler.table_en),
            plans.write_slot.eq(scheduler.table_slot),
            plans.write_data.eq(scheduler.table_plan),
            plans.read_slot[0].eq(finisher.plan_slot),
            finisher.plan.eq(plans.read_data[0]),
            plans.read_slot[1].eq(completer.plan_slot),
            completer.plan.eq(plans.read_data[1]),
            data_path.verifies.eq(scheduler.checks.valid),
            data_path.offload.eq(scheduler.direction),
            scheduler.freed.eq(completer.retired.valid),
            self.offload.eq(scheduler.direction),
        ]

        # What is done again waits for its plan, in registers.
        if repeats:
            again = FrontQueue(range(config.slots), config.slots)
            m.submodules.again = cleared(again)
            connect(m, finisher.again, again.i)
            found = Signal()
            m.d.sync += found.eq(again.o.valid & ~again.o.ready)
            m.d.comb += [
                plans.late_slot[0].eq(again.o.payload),
                again.o.ready.eq(found & (~scheduler.again.valid | scheduler.again.ready)),
            ]
            with m.If(again.o.ready):
                m.d.sync += [
                    scheduler.again.payload.eq(again.o.payload),
                    scheduler.again_plan.eq(plans.late_data[0]),
                ]
            with m.If(scheduler.again.ready | ~scheduler.again.valid):
                m.d.sync += scheduler.again.valid.eq(again.o.ready)

        # What software sets.
        ring = fetcher.settings
        m.d.comb += [
            ring.enable.eq(registers.ctrl.enable),
            ring.base.eq(registers.ring_base),
            ring.size.eq(registers.ring_size),
            ring.tail.eq(registers.tail),
            checker.settings.same_memory.eq(registers.ctrl.same_memory),
            checker.settings.prefetch.eq(registers.ctrl.direction),
            checker.settings.ring_size.eq(registers.ring_size),
            fetcher.direct_write.eq(registers.direct_write),
            fetcher.write_data.eq(registers.write_data),
            fetcher.write_strobe.eq(registers.write_strobe),
            control.commands.eq(registers.command),
            control.enable.eq(registers.ctrl.enable),
            coalescer.count.eq(registers.irq_count),
            coalescer.timer.eq(registers.irq_timer),
        ]
        for name in ("read_low", "read_high", "write_low", "write_high", "record_low",
                     "record_high"):
            m.d.comb += checker.settings[name].eq(getattr(registers, name))

        # When it runs.
        head, owed = Signal(32), Signal()
        retired = completer.retired
        with m.If(retired.valid & ~retired.p.direct):
            m.d.sync += head.eq(head + 1)
        oldest = plans.read_data[0]
        if config.rings:
            # TAIL is behind HEAD and the size, once around the numbers if it is less than HEAD.
            most = Signal(33)
            m.d.sync += [
                most.eq(head + (1 << registers.ring_size)),
                control.ring_error.eq(registers.ctrl.enable & Mux(
                    registers.tail >= head, registers.tail > most,
                    Cat(registers.tail, 1) > most)),
            ]
        m.d.comb += [
            control.retired.valid.eq(retired.valid),
            control.retired.payload.eq(retired.payload),
            # Whatever is wrong with earlier descriptors comes first.
            control.fetch_fault.eq(fetcher.fault & scheduler.empty),
            control.fetch_index.eq(fetcher.fault_index),
            control.fetch_address.eq(fetcher.fault_address),
            control.index.eq(head),
            control.expired.eq(watchdog.expired),
            control.idle.eq(fetcher.idle & scheduler.empty),
            control.owed.eq(owed),
            owed.eq(data_path.owed | fetcher.owed | completer.owed),
            fetcher.stop.eq(control.stop | control.ring_error),
            fetcher.discard.eq(control.latched),
            fetcher.start.eq(control.begin),
            fetcher.rewind.eq(control.rewind),
            fetcher.head.eq(head),
            scheduler.kill.eq(control.kill),
            scheduler.kill_status.eq(control.kill_status),
            scheduler.drop.eq(control.drop),
            data_path.kill.eq(control.kill),
            data_path.latched.eq(control.latched),
            finisher.kill.eq(control.kill),
            finisher.kill_status.eq(control.kill_status),
            finisher.latched.eq(control.latched),
            completer.silent.eq(control.silent),
            coalescer.completes.eq(retired.valid & retired.p.irq & ~control.silent),
            self.done.eq(coalescer.tells & ~control.silent),
            self.error.eq(control.alarm),
        ]

        # Who counts cycles may know a cycle later.
        m.d.sync += [
            watchdog.owed.eq(owed),
            watchdog.progress.eq(
                data_path.progress
                | (self.ring.ar.valid & self.ring.ar.ready) | self.ring.r.valid
                | (self.records.aw.valid & self.records.aw.ready)
                | (self.records.w.valid & self.records.w.ready) | self.records.b.valid),
            watchdog.exponent.eq(Mux(
                passes.o.valid & (oldest.timeout != 0), oldest.timeout, registers.timeout)),
        ]

        # What software reads.
        m.d.comb += [
            registers.status.eq(control.status),
            registers.error.status.eq(control.error.status),
            registers.error.error_code.eq(control.error.error_code),
            registers.error_index.eq(control.error.index),
            registers.error_addr.eq(control.error.address),
            registers.head.eq(head),
            registers.result.eq(completer.result),
            registers.direct_read.eq(fetcher.direct_read),
            registers.clear.eq(clear),
        ]
        if config.counters:
            counters = Counters()
            m.submodules.counters = cleared(counters)
            m.d.comb += [counters.retired.valid.eq(retired.valid),
                         counters.retired.payload.eq(retired.payload)]
            for name in ("stalls_read", "stalls_write", "stalls_codec"):
                m.d.comb += getattr(counters, name).eq(getattr(data_path, name))
            for name in ("bytes_in", "bytes_out", "nonzeros", "descriptors", "errors", "raw_stored",
                         "stall_read", "stall_write", "stall_codec"):
                m.d.comb += getattr(registers, name).eq(getattr(counters, name))
        with m.If(clear):
            m.d.sync += [head.eq(0), scheduler.again.valid.eq(0)]
        return m
