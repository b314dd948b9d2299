# SPDX-License-Identifier: Apache-2.0
"""The engine: the front door."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from opencdma.hw.bus.axi4 import ReadPort, WritePort
from opencdma.hw.bus.axi_lite import AxiLite
from opencdma.hw.bus.read_arbiter import ReadArbiter
from opencdma.hw.bus.write_arbiter import WriteArbiter
from opencdma.hw.dma.channel import Channel
from opencdma.hw.dma.interrupts import Interrupts
from opencdma.hw.dma.port_switch import PortSwitch
from opencdma.hw.dma.register_bank import ADDRESS_BITS, RegisterBank
from opencdma.spec import Channel as ChannelId
from opencdma.spec import Config

__all__ = ["Cdma"]


class Cdma(wiring.Component):
    """The compressing DMA engine.

    ::

                     registers (AXI4-Lite)                  interrupt
                              |                                 ^
        dev.ar, r  --> OFFLOAD channel:  read, compress, write --> host.aw, w, b
        dev.aw, w, b <-- PREFETCH channel: write, decompress, read <-- host.ar, r
                       descriptors <-- host.ar, r;   records --> host.aw, w, b

    The channels use different halves of each port for their data, so both run at full rate at the
    same time. Descriptors and records of both go through the host port, between the bursts.
    ``docs/programming.md`` is the contract with software, ``docs/architecture.md`` the tour.

    Parameters
    ----------
    config : :class:`~opencdma.spec.Config`
        Build parameters.

    Members
    -------
    bus : ``In(AxiLite(12))``
        Registers.
    dev_read, dev_write : ``Out(ReadPort)``, ``Out(WritePort)``
        Device memory.
    host_read, host_write : ``Out(ReadPort)``, ``Out(WritePort)``
        Host memory.
    irq : ``Out(1)``
        Interrupt, high while there is a reason for it.
    """

    def __init__(self, config: Config):
        self._config = config
        dev = {"width": config.dev_width, "address_bits": config.address_bits}
        host = {"width": config.host_width, "address_bits": config.address_bits}
        super().__init__({
            "bus": In(AxiLite(ADDRESS_BITS)),
            "dev_read": Out(ReadPort(**dev)),
            "dev_write": Out(WritePort(**dev)),
            "host_read": Out(ReadPort(**host)),
            "host_write": Out(WritePort(**host)),
            "irq": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        config = self._config
        m.submodules.registers = registers = RegisterBank(config)
        m.submodules.interrupts = interrupts = Interrupts(config.channels)
        connect(m, flipped(self.bus), registers.bus)

        ids = [None] if config.shared else [ChannelId.OFFLOAD, ChannelId.PREFETCH]
        readers = {"dev": [], "host": []}
        writers = {"dev": [], "host": []}
        for number, channel_id in enumerate(ids):
            channel = Channel(config, channel_id)
            name = "channel" if channel_id is None else f"{channel_id.name.lower()}_channel"
            m.submodules[name] = channel
            connect(m, registers.channels[number], channel.registers)
            m.d.comb += [
                interrupts.done[number].eq(channel.done),
                interrupts.error[number].eq(channel.error),
            ]
            if channel_id is None:
                m.submodules.switch = switch = PortSwitch(
                    width=config.dev_width, address_bits=config.address_bits)
                connect(m, channel.source, switch.source)
                connect(m, channel.sink, switch.sink)
                m.d.comb += switch.offload.eq(channel.offload)
                readers["dev"].append(switch.dev_read)
                readers["host"].append(switch.host_read)
                writers["dev"].append(switch.dev_write)
                writers["host"].append(switch.host_write)
            else:
                source, sink = "dev", "host"
                if channel_id == ChannelId.PREFETCH:
                    source, sink = sink, source
                readers[source].append(channel.source)
                writers[sink].append(channel.sink)
            readers["host"].append(channel.ring)
            writers["host"].append(channel.records)

        engine = registers.engine
        m.d.comb += [
            interrupts.clear.eq(engine.irq_status_clear),
            interrupts.enable.eq(engine.irq_enable),
            engine.irq_status.eq(interrupts.status),
            self.irq.eq(interrupts.irq),
        ]

        ports = {
            "dev": (self.dev_read, self.dev_write, config.dev_width),
            "host": (self.host_read, self.host_write, config.host_width),
        }
        for name, (read_port, write_port, width) in ports.items():
            size = {"width": width, "address_bits": config.address_bits,
                    "outstanding": config.max_outstanding}
            m.submodules[f"{name}_read"] = reads = ReadArbiter(len(readers[name]), **size)
            m.submodules[f"{name}_write"] = writes = WriteArbiter(len(writers[name]), **size)
            for n, reader in enumerate(readers[name]):
                connect(m, reader, reads.readers[n])
            for n, writer in enumerate(writers[name]):
                connect(m, writer, writes.writers[n])
            connect(m, reads.port, flipped(read_port))
            connect(m, writes.port, flipped(write_port))
        return m
