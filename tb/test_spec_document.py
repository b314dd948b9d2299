# SPDX-License-Identifier: Apache-2.0
"""What ``docs/programming.md`` states in tables."""

import re
from pathlib import Path

import pytest

from opencdma.spec import Channel, Config, Flag, Info, Opcode, Status
from opencdma.spec.generated import DESCRIPTOR, RECORD
from opencdma.spec.registers import CHANNEL, CHANNEL_BASE, ENGINE, Kind

TEXT = Path(__file__).parents[1].joinpath("docs", "programming.md").read_text("utf-8")


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the tables between a heading and the next one, without their heads."""
    part = re.search(
        rf"^#+ {re.escape(heading)}$\n(.*?)(?=^#|\Z)", TEXT, re.MULTILINE | re.DOTALL)[1]
    tables = re.findall(r"(?:^\|.*\n)+", part, re.MULTILINE)
    return [[cell.strip() for cell in line.strip("|").split("|")]
            for table in tables for line in table.splitlines()[2:]]


def test_opcodes_in_document():
    found = {name: int(number, 16) for name, number, *_ in rows("Opcodes")}
    assert found == {opcode.name: opcode for opcode in Opcode}


def test_flags_in_document():
    found = {name: 1 << int(bit) for bit, name, _ in rows("Flags")}
    assert found == {flag.name: flag for flag in Flag}


def test_channels_in_document():
    found = re.findall(r"^\| `(\w+)` \((\d)\) \|", TEXT, re.MULTILINE)
    assert found == [(channel.name, str(int(channel))) for channel in Channel]


def test_statuses_in_document():
    found = {}
    for numbers, names, _ in rows("Status codes"):
        pairs = zip(names.split(", "), numbers.split(", "), strict=True)
        found.update({name: int(number, 16) for name, number in pairs})
    assert found == {status.name: status for status in Status}


def test_rules_in_document_are_in_the_order_of_their_statuses():
    found = [Status[name] for name, _ in rows("Rules")]
    assert found == sorted(found)
    assert len(found) == 9


@pytest.mark.parametrize(
    ("heading", "table"), [("Descriptor", DESCRIPTOR), ("Completion record", RECORD)])
def test_words_in_document(heading, table):
    found, offset = [], 0
    for number, names, *_ in rows(heading):
        if number.startswith("0x"):
            offset = 8 * int(number, 16)
        elif number:
            continue  # the record's second table, which says what is in it when
        for name, high, low, bits in re.findall(
                r"`(\w+)`(?: (\d+):(\d+)| \((\d+) bits\))?", names):
            width = int(high) - int(low) + 1 if high else int(bits or 32)
            found.append((name, offset + int(low or 0), width))
    assert found == [(field.name, field.lsb, field.width) for field in table]


def test_info_in_document():
    text, = (text for _, name, text in rows("Completion record")[:4] if name == "`info` 23:16")
    found = {name: 1 << int(bit) for bit, name in re.findall(r"bit (\d) ([A-Z_]+)", text)}
    assert found == {info.name: info for info in Info}


def documented_registers() -> dict[str, dict[str, tuple[int, str, str]]]:
    """Return offset, width and text of each register by its name, for each block."""
    blocks, block = {"engine": {}, "channel": {}}, "engine"
    for offsets, names, text in rows("Registers"):
        if names.startswith("channel "):
            block = "channel"
            assert Channel[names.split()[1]] == CHANNEL_BASE.index(int(offsets, 16))
            continue
        width = 64 if "(64 bits" in names else 32
        names = re.sub(r" \(64 bits.*\)", "", names)
        if "..." in names:
            first, last = names.split(" ... ")
            stem = first.removesuffix("0")
            listed = [f"{stem}{n}" for n in range(int(last.removeprefix(stem)) + 1)]
            low, high = (int(number, 16) for number in offsets.split(" ... "))
            numbers = range(low, high + 4, 4)
        else:
            listed = names.split(", ")
            numbers = [int(number, 16) for number in offsets.split(", ")]
        for name, number in zip(listed, numbers, strict=True):
            blocks[block][name] = number, width, text
    return blocks


@pytest.mark.parametrize(("name", "block"), [("engine", ENGINE), ("channel", CHANNEL)])
def test_registers_in_document(name, block):
    found = documented_registers()[name]
    assert [(name, *entry[:2]) for name, entry in found.items()] == [
        (register.name, register.offset, register.width) for register in block.values()]


@pytest.mark.parametrize(
    ("block", "register"),
    [(block, register) for block, table in (("engine", ENGINE), ("channel", CHANNEL))
     for register in table.values()],
    ids=lambda item: getattr(item, "name", item))
def test_fields_in_document(block, register):
    text = documented_registers()[block][register.name][2]
    if text == "the same bits":
        assert register.fields == ENGINE["IRQ_STATUS"].fields
        return
    fields = {(field.lsb, field.width) for field in register.fields}
    ranges = {
        (int(low), int(high) - int(low) + 1) for high, low in re.findall(r"(\d+):(\d+)", text)}
    # One bit: a number and its name, in capitals or that of a build option.
    text = re.sub(r"\(.*?\)", "", text)
    bits = {
        name.upper(): int(bit) for bit, name in re.findall(r"(?:^|[,:;] )(\d+) (\w+)", text)
        if name.isupper() or hasattr(Config, name)}
    assert bits == {field.name: field.lsb for field in register.fields if field.width == 1}
    if ranges:
        assert ranges == {(lsb, width) for lsb, width in fields if width > 1}
    elif not bits:  # nothing is said: all of it
        assert fields == {(0, register.width)}

    for words, kind in (
        ("write only", Kind.COMMAND), ("read only", Kind.STATUS), ("read and write", Kind.STORAGE),
        ("write 1 to clear", Kind.CLEAR), ("doorbell", Kind.STORAGE), ("window of", Kind.STORAGE),
    ):
        if words in text:
            assert register.kind is kind
    if reset := re.search(r"(\d+) after reset", text):
        assert register.reset == int(reset[1])
    if text.startswith("0x"):
        assert register.reset == int(text[:10], 16)
