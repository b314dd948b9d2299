# SPDX-License-Identifier: Apache-2.0
"""A block of registers, made from its generated table."""

import re
from dataclasses import dataclass

from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from opencdma.hw.bus.axi_lite import RegisterAccess
from opencdma.spec import Config
from opencdma.spec.registers import CHANNEL, ENGINE, Kind, Register, constants

__all__ = ["BLOCK_BITS", "ChannelRegisters", "EngineRegisters", "RegisterBlock"]

#: Bits of the address of a byte in a block.
BLOCK_BITS = 8


@dataclass(frozen=True)
class _Group:
    """What is one member of a signature: a register, or some whose names end in a number."""

    name: str
    registers: tuple[Register, ...]

    @property
    def kind(self) -> Kind:
        return self.registers[0].kind

    @property
    def shape(self):
        """A number, or a structure of the fields if there are several."""
        fields = self.registers[0].fields
        if len(self.registers) > 1:
            return 32 * len(self.registers)
        if len(fields) == 1:
            return fields[0].width
        return data.StructLayout({field.name.lower(): field.width for field in fields})


def _groups(table) -> list[_Group]:
    groups = {}
    for register in table.values():
        groups.setdefault(re.sub(r"\d+$", "", register.name).lower(), []).append(register)
    return [_Group(name, tuple(registers)) for name, registers in groups.items()]


def _members(table) -> dict:
    members = {}
    for group in _groups(table):
        match group.kind:
            case Kind.STORAGE | Kind.COMMAND:
                members[group.name] = Out(group.shape)
            case Kind.STATUS:
                members[group.name] = In(group.shape)
            case Kind.CLEAR:
                members[group.name] = In(group.shape)
                members[f"{group.name}_clear"] = Out(group.shape)
            case Kind.EXTERNAL:
                members[f"{group.name}_read"] = In(group.shape)
                members[f"{group.name}_write"] = Out(len(group.registers))
    return members


class EngineRegisters(wiring.Signature):
    """Registers of the engine, as their block sees them. Those that are constant have no member.

    Members
    -------
    scratch, irq_enable : ``Out``
        What software wrote.
    irq_status : ``In``
        What software reads.
    irq_status_clear : ``Out``
        Ones for a cycle: bits that software clears.
    """

    def __init__(self):
        super().__init__(_members(ENGINE))


class ChannelRegisters(wiring.Signature):
    """Registers of a channel, as their block sees them.

    A register that is one number is a member of its width, any other a structure of its fields.
    The signature is the same in all builds. Of what a build does not have, the value after reset
    goes out, and what comes in is not looked at.

    Members
    -------
    ctrl, timeout, ring_base, ring_size, tail, irq_count, irq_timer, read_low, read_high, \
    write_low, write_high, record_low, record_high : ``Out``
        What software wrote.
    command : ``Out``
        Ones for a cycle: what software commands.
    status, error, error_index, error_addr, head, bytes_in, bytes_out, nonzeros, descriptors, \
    errors, raw_stored, stall_read, stall_write, stall_codec : ``In``
        What software reads.
    result : ``In(256)``
        The last completion record.
    direct_read : ``In(512)``
        DIRECT0 to DIRECT15.
    direct_write : ``Out(16)``
        Bit n high for a cycle: ``write_data`` goes to DIRECTn.
    write_data, write_strobe : ``Out(32)``, ``Out(4)``
        A word, and a strobe for each byte of it.
    clear : ``In(1)``
        Sets what software wrote back to its value after reset, except for the windows. A write in
        the same cycle is lost.
    """

    def __init__(self):
        super().__init__(_members(CHANNEL) | {
            "write_data": Out(32), "write_strobe": Out(4), "clear": In(1),
        })


class RegisterBlock(wiring.Component):
    """Registers of one table. ``command``, ``_clear`` and ``_write`` come one gate after registers.

    Parameters
    ----------
    table : :class:`dict`
        :data:`~opencdma.spec.registers.ENGINE` or :data:`~opencdma.spec.registers.CHANNEL`.
    signature : :class:`EngineRegisters` or :class:`ChannelRegisters`
        What belongs to it.
    config : :class:`~opencdma.spec.Config`
        Build parameters.

    Members
    -------
    access : ``In(RegisterAccess(BLOCK_BITS - 2))``
        Reads and writes of the block's words.
    port : ``Out(signature)``
        The registers.
    """

    def __init__(self, table, signature, config: Config):
        self._table = table
        self._of_channel = isinstance(signature, ChannelRegisters)
        self._config = config
        super().__init__({
            "access": In(RegisterAccess(BLOCK_BITS - 2)),
            "port": Out(signature),
        })

    def elaborate(self, platform):
        m = Module()
        access = self.access
        if self._of_channel:
            m.d.comb += [
                self.port.write_data.eq(access.write_data),
                self.port.write_strobe.eq(access.write_strobe),
            ]
        words = {} # what is read, by offset
        for group in _groups(self._table):
            for number, register in enumerate(group.registers):
                value = self._connect(m, group, number, register)
                for at, offset in enumerate(register.offsets):
                    words[offset] = value[32 * at : 32 * at + 32]

        m.d.sync += [access.read_data.eq(0), access.read_hit.eq(0), access.write_hit.eq(0)]
        with m.If(access.read), m.Switch(access.read_address):
            for offset, word in words.items():
                with m.Case(offset // 4):
                    m.d.sync += [access.read_data.eq(word), access.read_hit.eq(1)]
        with m.If(access.write):
            m.d.sync += access.write_hit.eq(
                access.write_address.matches(*(offset // 4 for offset in words)))
        return m

    def _connect(self, m, group, number, register):
        """Connect a register with the members of its group, and return what is read."""
        if group.kind is Kind.CONSTANT:
            return Const(constants(self._config)[register.name], register.width)

        def member(suffix=""):
            return Value.cast(getattr(self.port, group.name + suffix))

        present = register.present(self._config)
        match group.kind:
            case Kind.STORAGE:
                m.d.comb += member().eq(self._storage(m, register) if present else register.reset)
                return self._spread(register, member())
            case Kind.STATUS:
                value = self._spread(register, member()[register.width * number:])
                return self._buffered(m, register, value) if register.buffered else value
            case Kind.COMMAND:
                m.d.comb += member().eq(self._ones(m, register))
                return Const(0, register.width)
            case Kind.CLEAR:
                m.d.comb += member("_clear").eq(self._ones(m, register))
                return self._spread(register, member())
            case Kind.EXTERNAL:
                m.d.comb += member("_write")[number].eq(self._selected(m, register, 0))
                return member("_read").word_select(number, 32)

    def _spread(self, register, packed):
        """Return a register with fields where they belong, and 0 for what is not there."""
        value, at = Const(0, 0), 0
        for field in register.fields:
            part = packed[at : at + field.width]
            at += field.width
            if not register.present(self._config) or not field.present(self._config):
                part = Const(0, field.width)
            value = Cat(value, Const(0, field.lsb - len(value)), part)
        return Cat(value, Const(0, register.width - len(value)))

    def _selected(self, m, register, word):
        """Return a register that is high in the second cycle of a write to a word."""
        selected = Signal(name=f"{register.name.lower()}_{word}_selected")
        at = register.offsets[word] // 4
        m.d.sync += selected.eq(self.access.write & (self.access.write_address == at))
        return selected

    def _storage(self, m, register):
        """Return the fields of a register that software writes, side by side."""
        selected = [self._selected(m, register, word) for word in range(len(register.offsets))]
        values = []
        for field in register.fields:
            if not field.present(self._config):
                values.append(Const(field.reset, field.width))
                continue
            name = f"{register.name}_{field.name}".lower()
            value = Signal(field.width, init=field.reset, name=name)
            for byte in range(field.lsb // 8, (field.lsb + field.width - 1) // 8 + 1):
                low = max(8 * byte, field.lsb)
                high = min(8 * byte + 8, field.lsb + field.width)
                with m.If(selected[byte // 4] & self.access.write_strobe[byte % 4]):
                    m.d.sync += value[low - field.lsb : high - field.lsb].eq(
                        self.access.write_data[low % 32 : low % 32 + high - low])
            if self._of_channel and not register.survives_reset:
                with m.If(self.port.clear):
                    m.d.sync += value.eq(field.reset)
            values.append(value)
        return Cat(values)

    def _ones(self, m, register):
        """Return the bits of a register that software writes ones to, side by side."""
        selected = self._selected(m, register, 0)
        return Cat(
            selected & self.access.write_strobe[field.lsb // 8] & self.access.write_data[field.lsb]
            & field.present(self._config) for field in register.fields)

    def _buffered(self, m, register, value):
        """Return a register whose low word, when read, keeps the high one for its next read."""
        if not register.present(self._config):
            return value
        name = register.name.lower()
        high, kept = Signal(32, name=f"{name}_high"), Signal(name=f"{name}_kept")
        low_at, high_at = (offset // 4 for offset in register.offsets)
        with m.If(self.access.read & (self.access.read_address == low_at)):
            m.d.sync += [high.eq(value[32:]), kept.eq(1)]
        with m.If(self.access.read & (self.access.read_address == high_at)):
            m.d.sync += kept.eq(0)
        with m.If(self.port.clear):
            m.d.sync += kept.eq(0)
        return Cat(value[:32], Mux(kept, high, value[32:]))
