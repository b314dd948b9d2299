# SPDX-License-Identifier: Apache-2.0
"""The register bank: every register of every build, over AXI4-Lite with pauses everywhere."""

import random
import re

import pytest
from amaranth.hdl import Value
from streams import Bench, payloads

from opencdma.hw.bus.axi4 import Response
from opencdma.hw.dma.register_bank import RegisterBank
from opencdma.spec import PRESETS, Config
from opencdma.spec.registers import CHANNEL, CHANNEL_BASE, ENGINE, Kind, constants

CONFIGS = PRESETS | {"bare": Config(rings=False, windows=False, counters=False, crc=False)}
WORD = 0xFFFF_FFFF
#: Probability of a pause on AW, W, B, AR and R.
PAUSES = [(0, 0, 0, 0, 0), (0.8, 0, 0, 0, 0), (0, 0.8, 0, 0, 0), (0, 0, 0.8, 0, 0.8),
          (0.5, 0.5, 0.5, 0.5, 0.5)]

every_config = pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS.keys())


def blocks(config):
    """Return the blocks of a build: name of the port, base address, table."""
    return [("engine", 0, ENGINE), *(
        (f"channels[{n}]", CHANNEL_BASE[n], CHANNEL) for n in range(config.channels))]


def packed(register, value, *, config=None):
    """Return the fields of a register without what is between them, as ports have them."""
    result = at = 0
    for field in register.fields:
        if config is None or (register.present(config) and field.present(config)):
            result |= ((value & field.mask) >> field.lsb) << at
        at += field.width
    return result


class Model:
    """What the bank has to do, word by word, with integers."""

    def __init__(self, config, rng):
        self.config = config
        self.registers = {}  # by the address of each word: name, register, word
        self.kept = {}  # storage, by name
        self.inputs = {}  # what the engine says, by name; random
        for port, base, table in blocks(config):
            for register in table.values():
                name = f"{port}.{register.name}"
                for number, offset in enumerate(register.offsets):
                    self.registers[base + offset] = name, register, number
                if register.kind is Kind.STORAGE:
                    self.kept[name] = register.reset
                elif register.kind in (Kind.STATUS, Kind.CLEAR, Kind.EXTERNAL):
                    whole = sum(field.mask for field in register.fields)
                    self.inputs[name] = rng.getrandbits(register.width) & whole
        self.constants = {f"engine.{name}": v for name, v in constants(config).items()}

    def write(self, address, data, strobe):
        """Do a write; return the response and the pulse expected, if any."""
        if address & ~3 not in self.registers:
            return Response.SLVERR, None
        name, register, number = self.registers[address & ~3]
        lanes = sum(0xFF << 8 * n for n in range(4) if strobe >> n & 1)
        mask = (lanes << 32 * number) & register.mask(self.config)
        if register.kind is Kind.STORAGE:
            self.kept[name] = self.kept[name] & ~mask | (data << 32 * number) & mask
        pulse = None
        if register.kind in (Kind.COMMAND, Kind.CLEAR) and data & mask:
            pulse = name, packed(register, data & mask)
        if register.kind is Kind.EXTERNAL:
            pulse = name, (data, strobe)
        return Response.OKAY, pulse

    def read(self, address):
        """Return what a read should bring."""
        if address & ~3 not in self.registers:
            return {"data": 0, "resp": Response.SLVERR}
        name, register, number = self.registers[address & ~3]
        value = 0 if register.kind is Kind.COMMAND else (
            self.constants | self.kept | self.inputs)[name]
        if register.kind is not Kind.CONSTANT:
            value &= register.mask(self.config)
        return {"data": value >> 32 * number & WORD, "resp": Response.OKAY}

    def ports(self):
        """Return what the ports of all storage should be, side by side."""
        return {name: packed(self.register(name), value) for name, value in self.kept.items()}

    def register(self, name):
        """Return a register by its name with that of its port."""
        return (ENGINE if name.startswith("engine.") else CHANNEL)[name.split(".")[1]]


def member(dut, name, suffix=""):
    """Return the port of a register, side by side; of one in a group, the whole group."""
    port, _, register = name.partition(".")
    interface = dut.engine if port == "engine" else dut.channels[int(port[-2])]
    return Value.cast(getattr(interface, register.rstrip("0123456789").lower() + suffix))


def drive(ctx, dut, model):
    """Set all inputs to what the model says."""
    for name, value in model.inputs.items():
        register = model.register(name)
        if number := re.search(r"\d+$", name):  # one of several words
            suffix = "_read" if register.kind is Kind.EXTERNAL else ""
            ctx.set(member(dut, name, suffix).word_select(int(number[0]), 32), value)
        else:
            ctx.set(member(dut, name), packed(register, value))


def operations(config, rng):
    """Return reads and writes of every word there is and some that are not, in random order."""
    words = [base + offset for _, base, table in blocks(config)
             for register in table.values() for offset in register.offsets]
    words += [0x28, 0xFC, 0x13C, 0x1FC, 0x200, 0x23C, 0x300, 0x400, 0x7FC, 0x800, 0x904, 0xFFC]
    result = []
    for address in 2 * words:
        strobe = rng.choice((0xF, 0xF, 0xF, *range(16)))
        data = rng.choice((0, WORD, 1, rng.getrandbits(32), rng.getrandbits(32)))
        address |= rng.choice((0, 0, 0, 1, 2, 3))
        result += [("write", address, data, strobe), ("read", address)]
    rng.shuffle(result)
    # All there is of what is not kept.
    result += [("write", address, WORD, 0xF) for address in (0x020, 0x104, 0x204)]
    return result + [("read", address) for address in words]


def check(config, todo, *, pauses=PAUSES[0], seed=1):
    """Do reads and writes in order and compare everything there is to see with the model."""
    rng = random.Random(seed)
    dut, model = RegisterBank(config), Model(config, rng)
    bench = Bench(dut, seed=seed)
    writes = [item[1:] for item in todo if item[0] == "write"]
    reads = [item[1] for item in todo if item[0] == "read"]
    # How many of the other kind have to be answered first.
    before_write = [sum(other[0] == "read" for other in todo[:n])
                    for n, item in enumerate(todo) if item[0] == "write"]
    before_read = [sum(other[0] == "write" for other in todo[:n])
                   for n, item in enumerate(todo) if item[0] == "read"]

    async def start(ctx):
        drive(ctx, dut, model)

    bench.add(start)
    outputs = bench.record(*(member(dut, name) for name in model.kept))
    pulse_names = [f"{port}.{name}" for port, _, table in blocks(config) for name, kinds in (
        ("COMMAND", Kind.COMMAND), ("IRQ_STATUS", Kind.CLEAR), ("DIRECT0", Kind.EXTERNAL),
    ) if name in table]
    suffixes = {Kind.COMMAND: "", Kind.CLEAR: "_clear", Kind.EXTERNAL: "_write"}
    pulses = bench.record(*(
        member(dut, name, suffixes[model.register(name).kind]) for name in pulse_names))
    written = bench.record(*(
        signal for port in dut.channels for signal in (port.write_data, port.write_strobe)))

    aw = bench.send(
        dut.bus.aw, [address for address, _, _ in writes], pause=pauses[0],
        allowed=lambda: len(r) >= before_write[len(aw)])
    w = bench.send(
        dut.bus.w, [{"data": data, "strobe": strobe} for _, data, strobe in writes],
        pause=pauses[1], allowed=lambda: len(r) >= before_write[len(w)])
    b = bench.take(dut.bus.b, len(writes), pause=pauses[2])
    ar = bench.send(
        dut.bus.ar, reads, pause=pauses[3], allowed=lambda: len(b) >= before_read[len(ar)])
    r = bench.take(dut.bus.r, len(reads), pause=pauses[4])
    bench.run(1000 + 100 * len(todo))

    answers, acknowledgements, expected_pulses = iter(payloads(r)), iter(b), []
    for kind, address, *rest in todo:
        if kind == "read":
            assert next(answers) == model.read(address), f"read of {address:#05x}"
            continue
        response, pulse = model.write(address, *rest)
        expected_pulses += [] if pulse is None else [pulse]
        answer = next(acknowledgements)
        assert answer.payload == response, f"write of {address:#05x}"
        # With the acknowledgement it has taken effect.
        seen = dict(zip(model.kept, outputs[answer.cycle], strict=True))
        assert seen == model.ports(), f"after a write of {address:#05x}"

    seen_pulses = []
    for values, words in zip(pulses, written, strict=True):
        for name, value in zip(pulse_names, values, strict=True):
            if value and name.endswith(".DIRECT0"):
                assert value & (value - 1) == 0
                channel = int(name[len("channels[")])
                name = name.replace("DIRECT0", f"DIRECT{value.bit_length() - 1}")
                value = words[2 * channel : 2 * channel + 2]
            if value:
                seen_pulses.append((name, value))
    assert seen_pulses == expected_pulses
    return aw, w, b, ar, r


@pytest.mark.parametrize("pauses", PAUSES, ids=repr)
@every_config
def test_every_register(config, pauses):
    check(config, operations(config, random.Random(3)), pauses=pauses, seed=4)


@every_config
def test_answers_come_after_three_cycles(config):
    todo = [("write", 0x00C, 5, 15), ("read", 0x00C), ("write", 0x300, 1, 15), ("read", 0x300)]
    aw, w, b, ar, r = check(config, todo)
    assert [y.cycle - x.cycle for x, y in zip(aw, b, strict=True)] == [3, 3]
    assert [y.cycle - x.cycle for x, y in zip(w, b, strict=True)] == [3, 3]
    assert [y.cycle - x.cycle for x, y in zip(ar, r, strict=True)] == [3, 3]


def test_reads_and_writes_do_not_wait_for_each_other():
    """A read is answered while a write's address waits for its data, and the other way round."""
    dut = RegisterBank(Config())
    bench = Bench(dut)
    bench.send(dut.bus.aw, [0x00C])
    read = bench.send(dut.bus.ar, [0x000, 0x00C], allowed=lambda: len(read) <= len(b))
    bench.send(dut.bus.w, [{"data": 7, "strobe": 15}], allowed=lambda: len(r) == 1)
    b = bench.take(dut.bus.b, 1)
    r = bench.take(dut.bus.r, 2)
    bench.run(100)
    assert [item["data"] for item in payloads(r)] == [0x414D4443, 7]


@pytest.mark.parametrize("name", [name for name, item in CHANNEL.items() if item.buffered])
def test_both_words_of_a_counter_are_of_one_time(name):
    """However fast it counts, and whatever is read in between."""
    dut, offset = RegisterBank(Config()), CHANNEL[name].offset
    bench, values = Bench(dut, seed=5), []
    others = [other.offset for other in CHANNEL.values() if other.buffered]

    async def count(ctx):
        value = 0
        while True:
            values.append(value)
            for port, add in ((dut.channels[0], 0), (dut.channels[1], 1)):
                ctx.set(getattr(port, name.lower()), value + add)
            await ctx.tick()
            value += 0x7FFF_FFF3

    reads, rng = [], random.Random(6)
    for _ in range(30):
        for base in CHANNEL_BASE:
            other = rng.choice([other for other in others if other != offset])
            reads += [base + offset, rng.choice(CHANNEL_BASE) + other]
            reads += [base + offset + 4, base + offset + 4]
    bench.add(count, background=True)
    ar = bench.send(dut.bus.ar, reads, pause=0.3)
    r = bench.take(dut.bus.r, len(reads), pause=0.3)
    bench.run(5000)
    for n in range(0, len(reads), 4):
        add = CHANNEL_BASE.index(reads[n] & 0xF00)
        value = r[n].payload["data"] | r[n + 2].payload["data"] << 32
        assert value - add in values[ar[n].cycle : r[n].cycle + 1]
        # The high word is kept for one read.
        now = [value + add >> 32 for value in values[ar[n + 3].cycle : r[n + 3].cycle + 1]]
        assert r[n + 3].payload["data"] in now


def test_clear_is_for_the_kept_word_of_a_counter():
    dut = RegisterBank(Config())
    bench = Bench(dut)
    offset = CHANNEL["BYTES_IN"].offset

    async def count(ctx):
        for port in dut.channels:
            ctx.set(port.bytes_in, 5 << 32)
        while len(r) < 2: # their low words
            await ctx.tick()
        ctx.set(dut.channels[1].clear, 1)
        for port in dut.channels:
            ctx.set(port.bytes_in, 0)
        await ctx.tick()
        ctx.set(dut.channels[1].clear, 0)

    bench.add(count)
    low = [base + offset for base in CHANNEL_BASE]
    high = [at + 4 for at in low]
    bench.send(dut.bus.ar, low + high, allowed=lambda: bench.cycle < 5 or len(r) > 1)
    r = bench.take(dut.bus.r, 4)
    bench.run(100)
    assert [item["data"] for item in payloads(r)] == [0, 0, 5, 0]


@every_config
def test_clear_is_for_storage_of_its_channel_but_windows(config):
    dut, model = RegisterBank(config), Model(config, random.Random(7))
    bench = Bench(dut, seed=8)
    rng, todo = random.Random(9), []
    for base in (0, *CHANNEL_BASE[: config.channels]):
        for address, (_, register, _) in model.registers.items():
            if register.kind is Kind.STORAGE and address & ~0xFF == base:
                todo.append((address, rng.getrandbits(32), 15))

    async def clear(ctx):
        while len(b) < len(todo):
            await ctx.tick()
        for channel, port in enumerate(dut.channels):
            ctx.set(port.clear, 1)
            await ctx.tick()
            ctx.set(port.clear, 0)
            for name in model.kept:
                if name.startswith(f"channels[{channel}]"):
                    register = model.register(name)
                    if not register.survives_reset:
                        model.kept[name] = register.reset
            seen = {name: ctx.get(member(dut, name)) for name in model.kept}
            assert seen == model.ports()

    bench.add(clear)
    bench.send(dut.bus.aw, [address for address, _, _ in todo])
    bench.send(dut.bus.w, [{"data": data, "strobe": strobe} for _, data, strobe in todo])
    b = bench.take(dut.bus.b, len(todo))
    for write in todo:
        model.write(*write)
    before = dict(model.kept)
    bench.run(1000)
    assert before != model.kept


def test_after_reset():
    """Storage that no build changes comes up as the table says, and so does what is absent."""
    for config in CONFIGS.values():
        dut, seen = RegisterBank(config), []
        bench = Bench(dut)

        async def look(ctx, dut=dut, seen=seen):
            seen += [ctx.get(port.timeout) for port in dut.channels]
            seen += [ctx.get(port.write_high) for port in dut.channels]
            seen += [ctx.get(port.write_low) for port in dut.channels]

        bench.add(look)
        bench.run(10)
        n = config.channels
        assert seen == [20] * n + [2**64 - 1] * n + [0] * n


def test_no_way_from_bus_to_bus_without_a_clock():
    dut, rng = RegisterBank(Config()), random.Random(10)
    bench = Bench(dut)
    bus = dut.bus
    inputs = [bus.aw.valid, bus.aw.payload, bus.w.valid, Value.cast(bus.w.payload), bus.b.ready,
              bus.ar.valid, bus.ar.payload, bus.r.ready]
    outputs = [bus.aw.ready, bus.w.ready, bus.b.valid, bus.b.payload, bus.ar.ready, bus.r.valid,
               Value.cast(bus.r.payload)]
    states = set()

    async def wiggle(ctx):
        for _ in range(300):
            before = [ctx.get(signal) for signal in outputs]
            for signal in inputs:
                ctx.set(signal, rng.getrandbits(len(signal)))
                assert [ctx.get(signal) for signal in outputs] == before
            states.add(tuple(before[n] for n in (0, 1, 2, 4, 5)))
            await ctx.tick()

    bench.add(wiggle)
    bench.run(400)
    assert len(states) > 8
