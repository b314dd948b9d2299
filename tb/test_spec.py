# SPDX-License-Identifier: Apache-2.0
"""The one source of numbers, and what is made from it."""

import importlib.metadata
import random
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from opencdma.spec import (
    PRESETS,
    Channel,
    Config,
    Descriptor,
    ElementType,
    ErrorCode,
    Flag,
    FormatId,
    Info,
    Opcode,
    Record,
    Status,
    generate,
    registers,
)
from opencdma.spec.generated import DESCRIPTOR, RECORD
from opencdma.spec.registers import CHANNEL, CHANNEL_BASE, ENGINE, Field, Kind

ROOT = Path(__file__).parents[1]
CONFIGS = PRESETS | {"narrow": Config(rings=False, counters=False, windows=False, read_burst=128)}


# --- what is made -------------------------------------------------------------------------------


def test_files_are_fresh():
    assert generate.main(["--check"]) == 0


def test_stale_files_are_named_and_written(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(generate, "ROOT", tmp_path)
    assert generate.main(["--check"]) == 1
    message = capsys.readouterr().err
    assert "spec/generated.py is stale: run `make registers`\n" in message
    assert "sw/include/opencdma.h is stale: run `make registers`\n" in message
    tmp_path.joinpath("spec").mkdir()
    assert generate.main([]) == 0
    assert generate.main(["--check"]) == 0
    header = tmp_path.joinpath("sw", "include", "opencdma.h")
    header.write_text(header.read_text("utf-8") + "\n", "utf-8")
    assert generate.main(["--check"]) == 1
    assert capsys.readouterr().err == "sw/include/opencdma.h is stale: run `make registers`\n"


def test_reference(tmp_path):
    assert generate.main(["--docs", str(tmp_path)]) == 0
    assert "STALL_CODEC" in tmp_path.joinpath("opencdma.xml").read_text("utf-8")
    assert tmp_path.joinpath("html", "index.html").exists()
    header = ROOT.joinpath("sw", "include", "opencdma.h")
    assert tmp_path.joinpath("opencdma.h").read_bytes() == header.read_bytes()


def test_nothing_else_needs_the_compiler():
    without = "".join(
        f"sys.modules[{name!r}] = None\n"
        for name in ("systemrdl", "peakrdl_cheader", "peakrdl_html", "peakrdl_ipxact"))
    subprocess.run(
        [sys.executable, "-c", f"import sys\n{without}import opencdma.spec.registers\n"
         "import opencdma.golden, opencdma.hw.verilog, opencdma.hw.dma.register_bank"], check=True)


# --- the model ----------------------------------------------------------------------------------


@pytest.mark.parametrize("block", [ENGINE, CHANNEL], ids=["engine", "channel"])
def test_registers_lie_apart(block):
    end = 0
    for name, register in block.items():
        assert register.name == name
        assert register.offset >= end
        assert register.offset % (register.width // 8) == 0
        end = register.offset + register.width // 8
        bit = 0
        for field in register.fields:
            assert field.lsb >= bit
            assert field.reset < 1 << field.width
            bit = field.lsb + field.width
        assert bit <= register.width
    assert end <= 0x100


@pytest.mark.parametrize(("table", "bits"), [(DESCRIPTOR, 512), (RECORD, 256)])
def test_memory_has_no_gaps(table, bits):
    end = 0
    for field in table:
        assert field.lsb == end
        end += field.width
    assert end == bits


def test_version_is_that_of_the_package():
    parts = ENGINE["VERSION"].unpack(ENGINE["VERSION"].reset)
    assert "{MAJOR}.{MINOR}.{PATCH}".format(**parts) == importlib.metadata.version("opencdma")


def test_ident_is_text():
    assert ENGINE["IDENT"].reset.to_bytes(4, "little") == b"CDMA"


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS.keys())
def test_constants(config):
    values = registers.constants(config)
    assert values.keys() == {name for name, item in ENGINE.items() if item.kind is Kind.CONSTANT}
    ports = ENGINE["CAPS_PORTS"].unpack(values["CAPS_PORTS"])
    assert ports == {
        "LOG2_DEV_WIDTH": [8, 16, 32, 64].index(config.dev_width) + 3,
        "LOG2_HOST_WIDTH": [8, 16, 32, 64].index(config.host_width) + 3,
        "ADDRESS_BITS": config.address_bits, "SLOTS": config.slots, "CHANNELS": config.channels}
    features = ENGINE["CAPS_FEATURES"].unpack(values["CAPS_FEATURES"])
    sizes = features.pop("ELEMENT_SIZES")
    assert [1 << bit for bit in range(3) if sizes >> bit & 1] == list(config.element_sizes)
    assert features == {name: getattr(config, name.lower()) for name in features}
    assert values["CAPS_FORMATS"] == 0b11
    assert values["CAPS_BURSTS"] == (
        config.read_burst & 0xFF | config.write_burst << 8 | config.read_buffer << 16)
    assert values["BUILD_ID"] == config.build_id


def test_register_words():
    ctrl, caps = CHANNEL["CTRL"], ENGINE["CAPS_PORTS"]
    assert ctrl.pack(DIRECTION=1, ENABLE=1) == 5
    assert ctrl.unpack(5) == {"ENABLE": 1, "SAME_MEMORY": 0, "DIRECTION": 1}
    assert caps.field("SLOTS") == Field("SLOTS", 16, 8)
    assert caps.field("SLOTS").mask == 0xFF0000
    assert CHANNEL["READ_HIGH"].reset == 2**64 - 1
    assert list(CHANNEL["READ_HIGH"].offsets) == [0x48, 0x4C]
    with pytest.raises(ValueError, match=r"^Field SLOTS of CAPS_PORTS must fit 8 bits, not 256$"):
        caps.pack(SLOTS=256)
    message = r"Field of CTRL must be one of ENABLE, SAME_MEMORY, DIRECTION, not 'SLOTS'"
    with pytest.raises(KeyError, match=message):
        ctrl.pack(SLOTS=1)


def test_what_a_build_has():
    full, tiny = Config(), PRESETS["tiny"]
    assert CHANNEL["CTRL"].mask(full) == 0b011
    assert CHANNEL["CTRL"].mask(tiny) == 0b110
    assert ENGINE["IRQ_ENABLE"].mask(full) == 0b1111
    assert ENGINE["IRQ_ENABLE"].mask(tiny) == 0b0011
    for name in ("RING_BASE", "RING_SIZE", "TAIL", "HEAD", "READ_LOW", "BYTES_IN", "STALL_READ"):
        assert CHANNEL[name].present(full)
        assert not CHANNEL[name].present(tiny)
        assert CHANNEL[name].mask(tiny) == 0


def test_addresses():
    assert registers.address("SCRATCH") == 0x00C
    assert registers.address("TAIL", Channel.PREFETCH) == 0x22C
    assert list(CHANNEL_BASE) == [0x100, 0x200]
    with pytest.raises(KeyError, match=r"Register of the engine must be one of IDENT, .*'TAIL'"):
        registers.address("TAIL")
    with pytest.raises(KeyError, match=r"Register of a channel must be one of CTRL, .*'IDENT'"):
        registers.address("IDENT", 0)


def test_refuses_mixed_kinds(tmp_path, monkeypatch):
    text = generate.SOURCE.read_text("utf-8")
    broken = re.sub(r"field \{ reset = \d+; \} MINOR", "field { sw = rw; hw = r; } MINOR", text)
    assert broken != text
    monkeypatch.setattr(generate, "SOURCE", tmp_path / "broken.rdl")
    tmp_path.joinpath("broken.rdl").write_text(broken, "utf-8")
    message = r"^Register opencdma\.ENGINE\.VERSION must be of one kind, not {'"
    with pytest.raises(ValueError, match=message):
        generate.python_text(generate.elaborate())


# --- words in memory ----------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "table"), [(Descriptor, DESCRIPTOR), (Record, RECORD)])
def test_words(kind, table):
    assert [item.name for item in fields(kind)] == [field.name for field in table]
    assert kind().pack() == bytes(kind.BYTES)
    rng = random.Random(1)
    for _ in range(50):
        values = {field.name: rng.getrandbits(field.width) for field in table}
        words = kind(**values)
        number = sum(values[field.name] << field.lsb for field in table)
        assert words.pack() == number.to_bytes(kind.BYTES, "little")
        assert kind.unpack(words.pack()) == words
    for field in table:
        top = kind(**{field.name: (1 << field.width) - 1})
        assert int.from_bytes(top.pack(), "little") == field.mask
        with pytest.raises(ValueError, match=(
            rf"^{kind.__name__} field '{field.name}' must fit {field.width} bits, "
            rf"not {1 << field.width}$"
        )):
            kind(**{field.name: 1 << field.width})


def test_words_wrong():
    with pytest.raises(ValueError, match=r"^Descriptor field 'tag' must fit 32 bits, not -1$"):
        Descriptor(tag=-1)
    with pytest.raises(TypeError, match=r"^Record field 'status' must be an integer, not 1\.5$"):
        Record(status=1.5)
    with pytest.raises(ValueError, match=r"^Record must have 32 bytes, not 31$"):
        Record.unpack(bytes(31))


def test_named_values_in_words():
    descriptor = Descriptor(
        opcode=Opcode.COMPRESS, flags=Flag.WRITE_RECORD | Flag.IRQ, rows_minus_1=3)
    assert descriptor.pack()[:4].hex() == "43060000"
    assert descriptor.rows == 4
    record = Record.unpack(bytes([Status.OK_RAW, 0, 6, 0]) + bytes(28))
    assert Info(record.info) == Info.STORED_RAW | Info.OUTPUT_VALID


# --- the header ---------------------------------------------------------------------------------


def words_of(block) -> list[tuple[str, str]]:
    """Return the names of a block's registers and fields, in order."""
    return [(register.inst_name, field.inst_name)
            for register in block.registers() for field in register.fields()]


def test_header(tmp_path):
    top = generate.elaborate()
    rng = random.Random(2)
    prints, expected = [], []
    for kind, table, name in (
        (Descriptor, DESCRIPTOR, "descriptor"), (Record, RECORD, "record"),
    ):
        words = kind(**{field.name: rng.getrandbits(field.width) for field in table})
        prints.append(f"static opencdma_{name}_t {name};")
        for register, field in words_of(top.get_child_by_name(name.upper())):
            mask = f"OPENCDMA_{name}__{register}__{field}".upper()
            value = getattr(words, field)
            prints.append(
                f"{name}.{register} |= ((uint64_t){value:#x} << {mask}_bp) & {mask}_bm;")
        prints += [f"for (size_t i = 0; i < sizeof {name}; i++)",
                   f'    printf("%02x", ((unsigned char *)&{name})[i]);', 'printf("\\n");']
        expected.append(words.pack().hex())
    for block, table in (("engine", ENGINE), ("channel", CHANNEL)):
        for register in table.values():
            member = re.sub(r"^(RESULT|DIRECT)(\d+)$", r"\1[\2]", register.name)
            prints.append(f'printf("%zu\\n", offsetof(opencdma_{block}_t, {member}));')
            expected.append(str(register.offset))
    for channel, base in zip(Channel, CHANNEL_BASE, strict=True):
        prints.append(f'printf("%zu\\n", offsetof(opencdma_engine_t, {channel.name}));')
        expected.append(str(base))
    for kind in (FormatId, ElementType, Channel, Opcode, Flag, Status, ErrorCode, Info):
        stem = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", kind.__name__).upper()
        for member in kind:
            prints.append(f'printf("%d\\n", OPENCDMA_{stem}_{member.name});')
            expected.append(str(int(member)))
    source = tmp_path / "main.c"
    source.write_text("\n".join([
        "#include <stddef.h>", "#include <stdio.h>", '#include "opencdma.h"', "int main(void) {",
        *prints, "return 0; }", ""]), "utf-8")
    program = tmp_path / "main"
    subprocess.run(
        ["gcc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-I", str(ROOT / "sw" / "include"),
         str(source), "-o", str(program)], check=True)
    output = subprocess.run([str(program)], check=True, capture_output=True, text=True).stdout
    assert output.split("\n") == [*expected, ""]


def test_header_in_cpp(tmp_path):
    source = tmp_path / "main.cpp"
    source.write_text('#include "opencdma.h"\nint main() { return OPENCDMA_STATUS_PENDING; }\n')
    subprocess.run(
        ["g++", "-std=c++17", "-Wall", "-Wextra", "-Werror", "-I", str(ROOT / "sw" / "include"),
         "-fsyntax-only", str(source)], check=True)
