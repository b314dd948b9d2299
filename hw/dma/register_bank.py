# SPDX-License-Identifier: Apache-2.0
"""The registers that software sees."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from opencdma.hw.bus.axi_lite import AxiLite, AxiLiteReceiver
from opencdma.spec import Config
from opencdma.spec.registers import CHANNEL, CHANNEL_BASE, ENGINE

from .register_block import BLOCK_BITS, ChannelRegisters, EngineRegisters, RegisterBlock

__all__ = ["ADDRESS_BITS", "RegisterBank"]

#: Bits of the address of a register.
ADDRESS_BITS = 12


class RegisterBank(wiring.Component):
    """Registers behind AXI4-Lite, one read and one write at a time.

    From the last handshake of a request to a valid answer it takes three cycles. Outputs to the
    bus come from registers. When a write is acknowledged it has taken effect; what is read is
    what there was three cycles before the answer.

    Parameters
    ----------
    config : :class:`~opencdma.spec.Config`
        Build parameters.

    Members
    -------
    bus : ``In(AxiLite(ADDRESS_BITS))``
        From software.
    engine : ``Out(EngineRegisters())``
        Registers of the engine.
    channels : ``Out(ChannelRegisters()).array(config.channels)``
        Registers of each channel.
    """

    def __init__(self, config: Config):
        self._config = config
        super().__init__({
            "bus": In(AxiLite(ADDRESS_BITS)),
            "engine": Out(EngineRegisters()),
            "channels": Out(ChannelRegisters()).array(config.channels),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.receiver = receiver = AxiLiteReceiver(ADDRESS_BITS)
        wiring.connect(m, wiring.flipped(self.bus), receiver.bus)

        access = receiver.access
        read_data, read_hit, write_hit = Const(0, 32), Const(0), Const(0)
        ports = [(0, ENGINE, EngineRegisters(), self.engine)]
        for base, port in zip(CHANNEL_BASE, self.channels, strict=False):
            ports.append((base, CHANNEL, ChannelRegisters(), port))
        for base, table, signature, port in ports:
            block = RegisterBlock(table, signature, self._config)
            m.submodules[f"block_{base:03x}"] = block
            wiring.connect(m, wiring.flipped(port), block.port)
            number, words = base >> BLOCK_BITS, BLOCK_BITS - 2
            m.d.comb += [
                block.access.read.eq(access.read & (access.read_address[words:] == number)),
                block.access.read_address.eq(access.read_address),
                block.access.write.eq(access.write & (access.write_address[words:] == number)),
                block.access.write_address.eq(access.write_address),
                block.access.write_data.eq(access.write_data),
                block.access.write_strobe.eq(access.write_strobe),
            ]
            read_data |= block.access.read_data
            read_hit |= block.access.read_hit
            write_hit |= block.access.write_hit
        m.d.comb += [
            access.read_data.eq(read_data),
            access.read_hit.eq(read_hit),
            access.write_hit.eq(write_hit),
        ]
        return m
