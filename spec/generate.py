# SPDX-License-Identifier: Apache-2.0
"""Make Python, C and documents from ``opencdma.rdl``.

``python -m opencdma.spec.generate`` writes the files that are kept in the repository, in a
checkout of it; with ``--docs FOLDER`` also a register reference in HTML and IP-XACT, and with
``--check`` nothing: it says what is stale instead. The file can also be run as a script, without
what it makes.
"""

import argparse
import re
import sys
import tempfile
import textwrap
from pathlib import Path

from peakrdl_cheader.c_standards import CStandard
from peakrdl_cheader.exporter import CHeaderExporter
from peakrdl_html import HTMLExporter
from peakrdl_ipxact import IPXACTExporter
from systemrdl import RDLCompiler
from systemrdl.node import FieldNode, RegNode

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "spec" / "opencdma.rdl"

#: Base classes and descriptions of the enumerations, which have no place for them in SystemRDL.
ENUMS = {
    "FormatId": ("IntEnum", "Wire formats; ``docs/format.md`` defines them."),
    "ElementType": (
        "Sized, IntEnum",
        "Element types. Bits 1:0 are the base-2 logarithm of the size in bytes."),
    "Channel": ("IntEnum", "Channels of the engine."),
    "Opcode": ("IntEnum", "What a descriptor asks for."),
    "Flag": ("IntFlag", "Bits of a descriptor's flags."),
    "Status": (
        "IntEnum", "Outcome of a descriptor. Of refusals that apply, the lowest is reported."),
    "ErrorCode": (
        "IntEnum", "What was wrong with the data. At one position, the lowest is reported."),
    "Info": ("IntFlag", "Bits of a completion record's info."),
}

NOTICE = "Made from opencdma.rdl by spec/generate.py; changes belong there."


def elaborate():
    """Return the root of the elaborated specification."""
    compiler = RDLCompiler()
    compiler.compile_file(str(SOURCE))
    return compiler.elaborate("opencdma").top


def enumerations(top) -> dict:
    """Return the enumerations that fields refer to, by name, in the order of :data:`ENUMS`."""
    found = {}
    for node in top.descendants():
        if isinstance(node, FieldNode) and (encode := node.get_property("encode")):
            found[encode.type_name] = encode
            flags = ENUMS[encode.type_name][0] == "IntFlag"
            if flags != node.get_property("bit_set", default=False):
                raise ValueError(f"Field {node.get_path()} must be a bit_set if its enum is flags")
    if found.keys() != ENUMS.keys():
        raise ValueError(f"Enumerations must be {', '.join(ENUMS)}, not {', '.join(found)}")
    return {name: found[name] for name in ENUMS}


def kind(register: RegNode) -> str:
    """Return the name of the kind (:class:`~opencdma.spec.tables.Kind`) of a register."""
    if register.external:
        return "EXTERNAL"
    kinds = set()
    for field in register.fields():
        access = field.get_property("sw").name, field.get_property("hw").name
        if field.get_property("singlepulse"):
            access = "singlepulse"
        elif (onwrite := field.get_property("onwrite")) is not None:
            access = onwrite.name
        kinds.add({
            ("rw", "r"): "STORAGE", ("r", "w"): "STATUS", ("r", "na"): "CONSTANT",
            "singlepulse": "COMMAND", "woclr": "CLEAR",
        }[access])
    if len(kinds) != 1:
        raise ValueError(f"Register {register.get_path()} must be of one kind, not {kinds}")
    return kinds.pop()


def _options(node, *names: str) -> str:
    """Return properties that are set as further arguments of a constructor."""
    text = ""
    for name in names:
        if value := node.get_property(name, default=None):
            name = {"buffer_reads": "buffered"}.get(name, name)
            text += f', {name}="{value}"' if isinstance(value, str) else f", {name}={value}"
    return text


def _comment(text: str, indent: str) -> list[str]:
    return textwrap.wrap(text, 100, initial_indent=f"{indent}#: ", subsequent_indent=f"{indent}#: ")


def _enum_lines(name: str, members) -> list[str]:
    base, description = ENUMS[name]
    decimal = base != "IntFlag" and all(member.value < 16 for member in members)
    lines = ["", "", f"class {name}({base}):"]
    lines += [f'    """{description}"""', ""]
    for member in members:
        lines += _comment(member.rdl_desc, "    ")
        value = f"{member.value}" if decimal else f"0x{member.value:02X}"
        lines.append(f"    {member.name} = {value}")
    return lines


def _register_lines(name: str, block) -> list[str]:
    lines = [f"{name} = _table("]
    for register in block.registers(unroll=True):
        number = "".join(str(index) for index in register.current_idx or ())
        options = _options(register, "needs", "unless", "buffer_reads", "survives_reset")
        lines += [
            f'    Register("{register.inst_name}{number}", 0x{register.address_offset:02X}, '
            f"{register.get_property('regwidth')}, Kind.{kind(register)}, ("]
        for field in register.fields():
            reset = field.get_property("reset") or 0
            reset = "" if not reset else f", {reset}" if reset < 256 else f", 0x{reset:X}"
            lines.append(
                f'        Field("{field.inst_name}", {field.low}, {field.width}{reset}'
                f'{_options(field, "needs", "unless")}),')
        lines.append(f"    ){options}),")
    return [*lines, ")"]


def _word_lines(name: str, block) -> list[str]:
    lines = [f"{name} = ("]
    for register in block.registers():
        for field in register.fields():
            low = 8 * register.address_offset + field.low
            lines.append(f'    Field("{field.inst_name}", {low}, {field.width}),')
    return [*lines, ")"]


def python_text(top) -> str:
    """Return the text of ``generated.py``."""
    engine = top.get_child_by_name("ENGINE")
    channels = [engine.get_child_by_name(item.name)
                for item in enumerations(top)["Channel"]]
    bases = ", ".join(f"0x{channel.address_offset:X}" for channel in channels)
    lines = [
        "# SPDX-License-Identifier: Apache-2.0",
        f'"""{NOTICE}"""', "",
        "from enum import IntEnum, IntFlag", "",
        "from .codes import Sized", "from .tables import Field, Kind, Register",
    ]
    for name, members in enumerations(top).items():
        lines += _enum_lines(name, members)
    lines += ["", "", "def _table(*registers: Register) -> dict[str, Register]:",
              "    return {register.name: register for register in registers}", "", "",
              "#: Fields of a descriptor, in bits from its first byte."]
    lines += _word_lines("DESCRIPTOR", top.get_child_by_name("DESCRIPTOR"))
    lines += ["", "#: Fields of a completion record, in bits from its first byte."]
    lines += _word_lines("RECORD", top.get_child_by_name("RECORD"))
    lines += ["", "#: Addresses of the channels' registers.", f"CHANNEL_BASE = ({bases})", "",
              "#: Registers of the engine by their names."]
    lines += _register_lines("ENGINE", engine)
    lines += ["", "#: Registers of each channel by their names."]
    lines += _register_lines("CHANNEL", channels[0])
    return "\n".join(lines) + "\n"


def _c_enums(top) -> str:
    """Return the enumerations in C."""
    lines = []
    for name, members in enumerations(top).items():
        prefix = "opencdma_" + re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
        lines += ["", "// " + ENUMS[name][1].replace("``", ""), f"enum {prefix} {{"]
        for member in members:
            lines += textwrap.wrap(
                member.rdl_desc, 100, initial_indent="    // ", subsequent_indent="    // ")
            lines.append(f"    {prefix.upper()}_{member.name} = {member.value:#04x},")
        lines.append("};")
    return "\n".join(lines) + "\n"


def header_text(top) -> str:
    """Return the text of ``opencdma.h``: PeakRDL's, and the enumerations it leaves out."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "opencdma.h")
        CHeaderExporter().export(top, str(path), explode_top=True, std=CStandard.gnu11)
        text = path.read_text("utf-8")
    notice = (
        f"// SPDX-License-Identifier: Apache-2.0\n// {NOTICE}\n//\n"
        "// A mask (_bm), a position (_bp) and a width (_bw) for each field; structures for the\n"
        "// registers (all addresses are offsets), the descriptor and the completion record.\n"
        "// Registers of 64 bits are two words on the bus, the low one first. Memory is little\n"
        "// endian, and so must the processor be that uses the structures.\n//\n")
    # All members are aligned by themselves. Packed, some compilers would access them byte by
    # byte, which registers do not stand for.
    text = text.replace(" __attribute__ ((__packed__))", "")
    include = "#include <assert.h>\n"
    return notice + text.replace(include, include + _c_enums(top), 1).rstrip("\n") + "\n"


def main(argv=None) -> int:
    """Write or check the generated files."""
    parser = argparse.ArgumentParser(
        prog="python -m opencdma.spec.generate",
        description="Make Python, C and documents from spec/opencdma.rdl.")
    parser.add_argument(
        "--check", action="store_true", help="write nothing, say which files are stale")
    parser.add_argument(
        "--docs", type=Path, metavar="FOLDER",
        help="also write a reference in HTML, IP-XACT and a copy of the C header")
    arguments = parser.parse_args(argv)

    top = elaborate()
    header = header_text(top)
    files = {
        ROOT / "spec" / "generated.py": python_text(top),
        ROOT / "sw" / "include" / "opencdma.h": header,
    }
    stale = [path for path, text in files.items()
             if not path.exists() or path.read_text("utf-8") != text]
    if arguments.check:
        for path in stale:
            print(f"{path.relative_to(ROOT)} is stale: run `make registers`", file=sys.stderr)
        return bool(stale)
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(files[path], "utf-8")
    if arguments.docs is not None:
        arguments.docs.mkdir(parents=True, exist_ok=True)
        arguments.docs.joinpath("opencdma.h").write_text(header, "utf-8")
        HTMLExporter().export(top, str(arguments.docs / "html"), title="OpenCDMA registers")
        IPXACTExporter(vendor="opencdma", library="opencdma").export(
            top.get_child_by_name("ENGINE"), str(arguments.docs / "opencdma.xml"),
            component_name="opencdma")
    return 0


if __name__ == "__main__":
    sys.exit(main())
