# SPDX-License-Identifier: Apache-2.0
"""Boards and their bitstreams: what is on which pin, and what is said when something is wrong."""

import json
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from opencdma.hw.fpga import breakdown
from opencdma.hw.fpga import build as build_module
from opencdma.hw.fpga.board_top import BoardTop
from opencdma.hw.fpga.boards import BOARDS, UnknownBoardError
from opencdma.hw.fpga.build import (
    Bitstream,
    BuildFailed,
    Placement,
    TimingMissed,
    build,
    read_report,
)
from opencdma.hw.fpga.demonstrator import LEDS
from opencdma.hw.fpga.pll import PllSetting
from opencdma.hw.fpga.uart import divisor_of
from opencdma.sim.cli import app
from opencdma.spec import PRESETS
from opencdma.spec.board import (
    BOARD_IDENT,
    DEV_BASE,
    HOST_BASE,
    PAGE_BASE,
    REGISTERS_BASE,
    Fault,
    Page,
)
from opencdma.sw.uart import BAUD

DOCUMENT = Path(__file__).parents[1].joinpath("docs", "boards.md").read_text("utf-8")

#: Sites of the serial port and of the clock, and the frequency of that; which LEDs have a place.
PINS = {
    "ulx3s-85f": ("M1", "L4", "G2", 25e6, LEDS),
    "ulx3s-12f": ("M1", "L4", "G2", 25e6, LEDS),
    "orangecrab-85f": ("N17", "M18", "A9", 48e6, ("alive", "serial", "fault")),
    "ecpix5-85f": ("R26", "R24", "K23", 100e6, LEDS),
}

every_board = pytest.mark.parametrize("name", BOARDS)


def test_names():
    assert list(PINS) == list(BOARDS)
    message = (
        "Board must be one of ulx3s-85f, ulx3s-12f, orangecrab-85f, ecpix5-85f, not 'zedboard'")
    with pytest.raises(UnknownBoardError) as caught:
        BOARDS["zedboard"]
    assert str(caught.value) == message


@every_board
def test_pins(name):
    """Each wire is where it belongs, and the tools know the clock."""
    board = replace(BOARDS[name], engine="tiny", dev_size=4096, host_size=4096)
    plan = board.make_platform().prepare(BoardTop(board, 25), "top")
    rx, tx, clock, frequency, lit = PINS[name]
    constraints = plan.files["top.lpf"]
    sites = dict(re.findall(r'LOCATE COMP "(\w+?)(?:__io)?(?:\[\d\])?" SITE "(\w+)";', constraints))
    assert sites["uart_0__rx"] == rx
    assert sites["uart_0__tx"] == tx
    assert clock in sites.values()
    assert re.findall(r'FREQUENCY PORT "\w+" ([\d.]+) HZ', constraints) == [str(frequency)]
    assert ("EHXPLLL" in plan.files["top.il"]) == (frequency != board.clock)
    assert [each for each, place in zip(LEDS, board.leds, strict=False) if place] == list(lit)
    assert len(set(filter(None, board.leds))) == len(lit)


@every_board
def test_serial_port(name):
    """The rate of all boards, and the one that most host tools begin with."""
    for baud in (BAUD, 115_200):
        divisor_of(BOARDS[name].clock, baud)


@pytest.mark.parametrize(("given", "wanted"), [
    (25_000_000, 40_000_000), (100_000_000, 50_000_000), (25_000_000, 25_000_000),
    (48_000_000, 60_000_000), (12_000_000, 132_000_000),
])
def test_pll(given, wanted):
    """The dividers make what is wanted, within what the device can do."""
    setting = PllSetting.between(given, wanted)
    assert given * setting.feedback == wanted * setting.reference
    assert 400e6 <= wanted * setting.output <= 800e6
    assert 3_125_000 <= given / setting.reference <= 400e6
    assert all(1 <= divider <= 128 for divider in (
        setting.reference, setting.feedback, setting.output))


@pytest.mark.parametrize(("given", "wanted"), [
    (25_000_000, 33_333_333), (25_000_000, 900_000_000), (12_000_000, 1_000_000),
])
def test_no_pll(given, wanted):
    message = f"Clock must be what a PLL can make of {given} Hz, not {wanted} Hz"
    with pytest.raises(ValueError, match=f"^{message}$"):
        PllSetting.between(given, wanted)


def report(mhz):
    cells = {kind: {"used": n, "available": 100 * n} for n, kind in enumerate(
        ("TRELLIS_COMB", "TRELLIS_FF", "DP16KD"), 1)}
    return {"fmax": {"clk": {"achieved": mhz, "constraint": 0}}, "utilization": cells}


class Tools:
    """Stand-ins for the tools: each seed leads to some frequency, and some tool fails."""

    def __init__(self, mhz, fails=None):
        self._mhz, self._fails = iter(mhz), fails
        self.calls = []

    def __call__(self, folder, tool, *arguments):
        self.calls.append((tool, arguments))
        if tool == self._fails:
            raise BuildFailed(f"{tool} failed")
        if tool == "nextpnr-ecp5":
            name = arguments[arguments.index("--report") + 1]
            (folder / name).write_text(json.dumps(report(next(self._mhz))))
        if tool == "ecppack":
            (folder / arguments[arguments.index("--bit") + 1]).write_bytes(b"bits")


@pytest.fixture
def board(monkeypatch):
    """A board whose design is made quickly."""
    board = replace(BOARDS["ulx3s-12f"], clock=40_000_000, dev_size=4096, host_size=4096)
    monkeypatch.setitem(BOARDS, "ulx3s-12f", board)
    return board


def test_build(board, monkeypatch, tmp_path):
    """The first seed that is fast enough is packed; what tools are told is the board's."""
    tools = Tools([39.0, 40.0, 41.0])
    monkeypatch.setattr(build_module, "_run", tools)
    *_, bitstream = steps = list(build("name", board, tmp_path, baud=BAUD))
    assert bitstream == Bitstream(tmp_path / "name.bit", read_report(report(40.0), 2, 40_000_000))
    assert bitstream.path.read_bytes() == b"bits"
    assert [step.met for step in steps if isinstance(step, Placement)] == [False, True]
    assert [tool for tool, _ in tools.calls] == ["yosys", "nextpnr-ecp5", "nextpnr-ecp5", "ecppack"]
    placing = tools.calls[2][1]
    assert {"--12k", "CABGA381", "--speed", "6"} <= set(placing)
    assert placing[placing.index("--seed") + 1] == "2"


def test_report():
    placement = read_report(report(50.5), 7, 50_000_000)
    assert placement == Placement(
        7, 50.5, 50.0, {"luts": 1, "flip_flops": 2, "block_rams": 3},
        {"luts": 100, "flip_flops": 200, "block_rams": 300})
    assert placement.met
    assert not replace(placement, wanted=50.6).met


def test_timing_missed(board, monkeypatch, tmp_path):
    """There is no bitstream then."""
    tools = Tools([30.0, 39.9])
    monkeypatch.setattr(build_module, "_run", tools)
    with pytest.raises(
            TimingMissed, match=r"^39\.9 MHz at most with 2 seeds, and the board has 40\.0 MHz$"):
        list(build("name", board, tmp_path, baud=BAUD, seeds=2))
    assert not list(tmp_path.glob("*.bit"))


def test_tools_that_fail(tmp_path, monkeypatch):
    """A message that ends with what the tool said, or names what to install."""
    with pytest.raises(BuildFailed, match=r"(?s)^yosys failed, see .*: *\n.*nothing\.ys"):
        build_module._run(tmp_path, "yosys", "-q", "nothing.ys")
    with pytest.raises(BuildFailed, match=(
            r"^The program yowasp-nextpnr-none is missing: install `opencdma\[fpga\]`$")):
        build_module._run(tmp_path, "nextpnr-none")


def call(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.mark.parametrize(("arguments", "message"), [
    (["fpga", "icebreaker"],
     "Board must be one of ulx3s-85f, ulx3s-12f, orangecrab-85f, ecpix5-85f, not 'icebreaker'"),
    (["fpga", "ulx3s-85f", "--preset", "huge"],
     "Preset must be one of ecp5, tiny, asic, narrow, not 'huge'"),
    (["fpga", "ulx3s-12f", "--baud", 11_000_000],
     "Baud rate must be a clock of 25000000 Hz divided by a whole number of at least 4, within 2%, "
     "not 11000000"),
])
def test_bad_values(arguments, message, tmp_path):
    result = call(*arguments, "-o", tmp_path)
    assert (result.exit_code, result.stderr) == (2, f"opencdma: {message}\n")


def test_command(board, monkeypatch, tmp_path):
    monkeypatch.setattr(build_module, "_run", Tools([10.0, 50.0]))
    page = tmp_path / "boards.md"
    result = call("fpga", "ulx3s-12f", "--preset", "tiny", "-o", tmp_path, "--docs", page)
    assert (result.exit_code, result.stderr) == (0, "")
    assert "Radiona ULX3S with an LFE5U-12F, 40 MHz, 1000000 baud" in result.stdout
    assert "Yosys: synthesis" in result.stdout
    assert (
        "seed 1: 1 of 100 luts, 2 of 200 flip flops, 3 of 300 block rams; 10.0 MHz for 40.0 MHz: "
        "too slow") in result.stdout
    assert "50.0 MHz for 40.0 MHz: timing met" in result.stdout
    assert str(tmp_path / "ulx3s-12f" / "ulx3s-12f.bit") in result.stdout
    assert "| `ulx3s-12f` | tiny | 1 of 100 | 2 of 200 | 3 of 300 | 50.0 | 40 |" in page.read_text()
    record = json.loads((tmp_path / "ulx3s-12f" / "ulx3s-12f.json").read_text())
    assert (record["board"], record["seed"], record["mhz"]) == ("ulx3s-12f", 2, 50.0)


@pytest.mark.parametrize(("tools", "message"), [
    (Tools([], fails="yosys"), "yosys failed"),
    (Tools([1.0]), "1.0 MHz at most with 1 seeds, and the board has 40.0 MHz"),
])
def test_command_fails(board, monkeypatch, tmp_path, tools, message):
    monkeypatch.setattr(build_module, "_run", tools)
    result = call("fpga", "ulx3s-12f", "--seeds", 1, "-o", tmp_path)
    assert (result.exit_code, result.stderr) == (1, f"opencdma: {message}\n")


def test_breakdown():
    """A cell is in the block whose path its name begins with, and in those around it."""
    scopes = dict.fromkeys(("x", "x.a", "x.a.c", "x.b", "y"), "$scopeinfo")
    cells = {f"x.a.c.signal{n}": "LUT4" for n in range(600)} | {
        "x.a.field.of.it": "LUT4", "x.ab": "FF", "x.b.d": "FF", "y.e": "FF", "f": "FF"}
    found = dict(breakdown.rows(scopes | cells, "x"))
    without_scopes = {
        name: {kind: count for kind, count in counts.items() if kind != "$scopeinfo"}
        for name, counts in found.items()}
    assert without_scopes == {
        "x": {"LUT4": 601, "FF": 2}, "x.a": {"LUT4": 601}, "x.a.c": {"LUT4": 600},
        "x.b": {"FF": 1}}
    text = breakdown.markdown(
        (name, {"iCE40": counts, "ECP5": Counter(LUT4=5)}) for name, counts in found.items())
    assert text.splitlines()[2:5] == [
        "| engine | 601 | 2 | 0 | 5 | 0 | 0 | 0 |", "| · a | 601 | 0 | 0 | 5 | 0 | 0 | 0 |",
        "| · · c | 600 | 0 | 0 | 5 | 0 | 0 | 0 |"]
    assert "The engine alone wants 601 logic cells of an iCE40; an iCE40UP5K has 5,280" in text


def document_rows(head):
    """Return the cells of the table in the document whose first column has this name."""
    rows, = re.findall(rf"^\| {head} \|.*\n\| ---.*\n((?:\|.*\n)+)", DOCUMENT, re.MULTILINE)
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows.splitlines()]


def test_document_boards():
    rows = document_rows("board \\| device")
    assert [row[0].strip("`") for row in rows] == list(BOARDS)
    for name, device, given, clock, engine, memories, loader in rows:
        board = BOARDS[name.strip("`")]
        assert device.split(",")[0] == board.make_platform().device
        assert float(given.removesuffix(" MHz")) * 1e6 == PINS[name.strip("`")][3]
        assert float(clock.removesuffix(" MHz")) * 1e6 == board.clock
        assert engine == board.engine
        assert memories == f"{board.dev_size >> 10} + {board.host_size >> 10} KiB"
        assert loader == f"`-b {board.loader}`"
    assert BOARDS["ulx3s-12f"].config == PRESETS["tiny"]


def test_document_addresses():
    page = {row[1]: int(row[0], 16) for row in document_rows("offset")}
    assert page == {word.name: word for word in Page}
    assert [int(row[0], 16) for row in document_rows("from")] == [
        PAGE_BASE, REGISTERS_BASE, HOST_BASE, DEV_BASE]
    faults, = (row[2] for row in document_rows("offset") if row[1] == "FAULTS")
    assert [1 << int(bit) for bit in re.findall(r"(\d): [A-Z]", faults)] == list(Fault)
    assert re.findall(r"[A-Z]{2,}", faults) == [fault.name for fault in Fault]
    assert f"{BOARD_IDENT:#010x}"[2:].upper() == "4F434642"
    assert [row[0] for row in document_rows("LED")] == [
        "alive", "serial", "busy", "fault", "user0 to user3"]


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_bitstream(tmp_path):
    """One in earnest, of the smallest engine; the packer's file begins as such files do."""
    result = call("fpga", "ulx3s-12f", "-o", tmp_path)
    assert (result.exit_code, result.stderr) == (0, "")
    assert (tmp_path / "ulx3s-12f" / "ulx3s-12f.bit").read_bytes().startswith(b"\xff\x00")
