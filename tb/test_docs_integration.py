# SPDX-License-Identifier: Apache-2.0
"""What ``docs/integration.md`` states in tables, and its example."""

import re
from dataclasses import fields
from pathlib import Path

import pytest
from amaranth.lib.wiring import In

from opencdma.hw.cdma_top import CdmaTop
from opencdma.hw.verilog import EngineTop, tops
from opencdma.spec import PRESETS, Config

TEXT = Path(__file__).parents[1].joinpath("docs", "integration.md").read_text("utf-8")


def members(config: Config):
    """Return the ports of the top."""
    top = CdmaTop(config)
    top._MustUse__silence = True # it is made for its ports alone
    return top.signature.members


def table(head: str) -> list[list[str]]:
    """Return the cells of the tables whose first column has this name."""
    found = re.findall(rf"^\| {head} \|.*\n\| ---.*\n((?:\|.*\n)+)", TEXT, re.MULTILINE)
    return [[[cell.strip() for cell in line.strip("|").split("|")] for line in rows.splitlines()]
            for rows in found]


@pytest.mark.parametrize("config", PRESETS.values(), ids=PRESETS.keys())
def test_ports(config):
    ports, = table("port")
    lite, managers = table("signals")
    documented = {name.strip("`"): (direction, int(bits)) for name, direction, bits, _ in ports}
    widths = {"m_axi_dev": config.dev_width, "m_axi_host": config.host_width}
    for bus, rows in {"s_axil": lite, "m_axi_dev": managers, "m_axi_host": managers}.items():
        for names, direction, bits, *_ in rows:
            bits = bits.removesuffix(", not looked at")
            width = widths.get(bus, 0)
            known = {"A": config.address_bits, "W": width, "8 W": 8 * width}
            for name in re.findall(r"`(\w+)`", names):
                documented[f"{bus}_{name}"] = direction, known.get(bits) or int(bits)
    assert documented == {
        name: ("in" if member.flow == In else "out", member.shape)
        for name, member in members(config).items()}


def test_ports_are_those_of_the_file():
    text = EngineTop(PRESETS["tiny"]).verilog()
    module = text[text.index("module opencdma_tiny("):]
    lines = re.findall(
        r"^  (?:input|output)(?: \[(\d+):0\])? (\w+);", module[:module.index("endmodule")], re.M)
    assert {name: int(top or 0) + 1 for top, name in lines} == {
        name: member.shape for name, member in members(PRESETS["tiny"]).items()}


def test_parameters():
    rows, = table("parameter")
    words = {"yes": True, "no": False}
    for name, column in (("ecp5", 1), ("tiny", 2), ("asic", 3)):
        found = {
            row[0].strip("`"): words[row[column]] if row[column] in words
            # Numbers, tuples of numbers and None.
            else eval(row[column], {"__builtins__": {}})
            for row in rows}
        config = PRESETS[name]
        assert list(found) == [field.name for field in fields(Config)]
        assert found == {field.name: getattr(config, field.name) for field in fields(Config)}
    assert PRESETS["ecp5"] == Config()
    assert {"ecp5", "tiny", "asic"} == set(PRESETS)


def test_files():
    for top in tops():
        if isinstance(top, EngineTop):
            assert f"{top.name}.v" in TEXT


def test_read_buffer():
    assert "next power of two above that and two bursts" in " ".join(TEXT.split())
    for latency in (0, 200, 333, 4096):
        config = Config(memory_latency=latency)
        beats = latency + 2 * config.read_burst
        assert config.read_buffer >= beats > config.read_buffer // 2


def test_example(tmp_path, monkeypatch, capsys):
    example, = re.findall(r"^```python\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(compile(example, "integration.md", "exec"), {})
    path = tmp_path / capsys.readouterr().out.strip()
    assert f"module {path.stem}(" in path.read_text("utf-8")
