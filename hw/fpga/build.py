# SPDX-License-Identifier: Apache-2.0
"""From a board to its bitstream: Amaranth, Yosys, nextpnr and the packer, all from PyPI."""

import json
import subprocess
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .board_top import BoardTop
from .boards import Board
from .uart import divisor_of

__all__ = ["Bitstream", "BuildFailed", "Placement", "TimingMissed", "build"]

#: Names of the files, and of the module.
_NAME = "top"

#: Kinds of cells in nextpnr's report, by what they are called in a summary.
_KINDS = {"luts": "TRELLIS_COMB", "flip_flops": "TRELLIS_FF", "block_rams": "DP16KD"}


class BuildFailed(RuntimeError):
    """A tool failed; the message ends with what it said."""


class TimingMissed(BuildFailed):
    """No seed led to a placement that is fast enough for the board's clock."""


@dataclass(frozen=True)
class Placement:
    """What nextpnr made of a design.

    Parameters
    ----------
    seed : :class:`int`
        Where it began.
    mhz, wanted : :class:`float`
        The clock that is possible, and the one that the board has.
    used, available : dict of :class:`str` to :class:`int`
        ``luts`` (with those for carries and small memories), ``flip_flops`` and ``block_rams``:
        those taken, and those that the device has.
    """

    seed: int
    mhz: float
    wanted: float
    used: dict[str, int]
    available: dict[str, int]

    @property
    def met(self) -> bool:
        """It is fast enough."""
        return self.mhz >= self.wanted


@dataclass(frozen=True)
class Bitstream:
    """A bitstream, and what is in it.

    Parameters
    ----------
    path : :class:`~pathlib.Path`
        The file.
    placement : :class:`Placement`
        Size and speed.
    """

    path: Path
    placement: Placement


def build(
    name: str, board: Board, folder: Path, *, baud: int, seeds: int = 3,
) -> Iterator[str | Placement | Bitstream]:
    """Build a bitstream; yield what is being done, what came of each seed, and the result.

    Seeds are tried from 1 on, until one leads to a placement that is fast enough.

    Parameters
    ----------
    name : :class:`str`
        Of the file.
    board : :class:`~opencdma.hw.fpga.boards.Board`
        The board.
    folder : :class:`~pathlib.Path`
        For everything that the tools read and write.
    baud : :class:`int`
        Bits per second of the serial port.
    seeds : :class:`int`
        How many to try.

    Raises
    ------
    ValueError
        If the serial port cannot have this rate at the clock of the board.
    BuildFailed
        If a tool fails, or does not find room for the design.
    TimingMissed
        If no placement is fast enough.
    """
    divisor = divisor_of(board.clock, baud)
    yield "Amaranth: from Python to RTLIL"
    plan = board.make_platform().prepare(BoardTop(board, divisor), _NAME)
    folder.mkdir(parents=True, exist_ok=True)
    plan.extract(folder)
    commands = {
        command[0]: command[1:]
        for command in json.loads((folder / f"build_{_NAME}.json").read_text())["commands"]}

    yield "Yosys: synthesis"
    _run(folder, "yosys", *commands["yosys"])
    placements = []
    for seed in range(1, seeds + 1):
        yield f"nextpnr: placing and routing, seed {seed}"
        report = folder / f"report{seed}.json"
        # Whether timing is met is seen in the report. The newer router takes half the time.
        _run(folder, "nextpnr-ecp5", *commands["nextpnr-ecp5"], "--seed", str(seed),
             "--report", report.name, "--timing-allow-fail", "--router", "router2")
        placement = read_report(json.loads(report.read_text()), seed, board.clock)
        yield placement
        if placement.met:
            break
        placements.append(placement)
    else:
        best = max(placements, key=lambda each: each.mhz)
        raise TimingMissed(
            f"{best.mhz:.1f} MHz at most with {seeds} seeds, and the board has "
            f"{best.wanted:.1f} MHz")

    yield "ecppack: bitstream"
    _run(folder, "ecppack", *commands["ecppack"])
    path = folder / f"{name}.bit"
    (folder / f"{_NAME}.bit").replace(path)
    yield Bitstream(path, placement)


def read_report(report: dict, seed: int, clock: int) -> Placement:
    """Return what matters of nextpnr's report.

    Parameters
    ----------
    report : dict
        As it is in the file.
    seed : :class:`int`
        Where nextpnr began.
    clock : :class:`int`
        Hz that the engine's clock has.
    """
    # There is one clock of flip-flops, whatever it is called.
    mhz = min(domain["achieved"] for domain in report["fmax"].values())
    cells = {name: report["utilization"][kind] for name, kind in _KINDS.items()}
    return Placement(
        seed, mhz, clock / 1e6,
        {name: cell["used"] for name, cell in cells.items()},
        {name: cell["available"] for name, cell in cells.items()})


def _run(folder: Path, tool: str, *arguments: str):
    # The tools of WebAssembly see a file system of their own, so paths are relative to the folder.
    program = Path(sysconfig.get_path("scripts"), f"yowasp-{tool}")
    try:
        done = subprocess.run(
            [program, *arguments], cwd=folder, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise BuildFailed(f"The program yowasp-{tool} is missing: install `opencdma[fpga]`"
                          ) from None
    if done.returncode:
        raise BuildFailed(f"{tool} failed, see {folder}:\n{(done.stdout + done.stderr)[-2000:]}")
