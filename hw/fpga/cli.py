# SPDX-License-Identifier: Apache-2.0
"""The command that builds bitstreams."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from opencdma.sim import terminal

# What the command needs is imported by it, so that help is there at once.

__all__ = ["fpga"]


def fpga(
    board: Annotated[str, typer.Argument(help="Which board, such as ulx3s-85f.")],
    engine: Annotated[str | None, typer.Option(
        "--preset", help="The engine: narrow or a preset, instead of the board's.")] = None,
    baud: Annotated[int, typer.Option(help="Bits per second of the serial port.")] = 1_000_000,
    seeds: Annotated[int, typer.Option(
        min=1, help="Placements to try until one is fast enough.")] = 3,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder.")] = Path("build/fpga"),
    docs: Annotated[Path | None, typer.Option(
        help="Also write the table of all bitstreams in the folder into this page.")] = None,
):
    """Build the bitstream of a board with open tools; takes from minutes to half an hour."""
    try:
        from opencdma.hw.fpga import boards, build
    except ModuleNotFoundError as error:
        raise terminal.fail(
            f"Bitstreams need the package {error.name}: install `opencdma[fpga]`", 1) from None
    try:
        chosen = boards.BOARDS[board]
    except boards.UnknownBoardError as error:
        raise terminal.fail(error, 2) from None
    if engine is not None:
        if engine not in boards.ENGINES:
            raise terminal.fail(
                f"Preset must be one of {', '.join(boards.ENGINES)}, not {engine!r}", 2)
        chosen = replace(chosen, engine=engine)
    console = terminal.console()
    console.print(f"{chosen.title}, {chosen.clock / 1e6:g} MHz, {baud} baud")
    columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
    try:
        with Progress(*columns, console=console, transient=True) as progress:
            task = None
            for step in build.build(board, chosen, output / board, baud=baud, seeds=seeds):
                if task is not None:
                    progress.remove_task(task)
                    task = None
                if isinstance(step, str):
                    # A terminal shows how long it has been at it, a log that it has begun.
                    if not console.is_terminal:
                        console.print(step)
                    task = progress.add_task(step, total=None)
                elif isinstance(step, build.Placement):
                    console.print(_summary(step), soft_wrap=True)
                else:
                    record = step.path.with_suffix(".json")
                    terminal.write_json(record, {
                        "board": board, "engine": chosen.engine, **asdict(step.placement)})
                    console.print(f"bitstream {step.path}\nrecord {record}", soft_wrap=True)
        if docs:
            from opencdma.sim.page import write_section

            write_section(docs, "bitstreams", "opencdma fpga BOARD --docs docs/boards.md",
                          _table(output, boards.BOARDS))
    except ValueError as error:
        raise terminal.fail(error, 2) from None
    except (OSError, build.BuildFailed) as error:
        raise terminal.fail(error, 1) from None


def _table(folder: Path, names) -> str:
    """Return the records of a folder as a table, in the order of the boards."""
    lines = ["| board | engine | lookup tables | flip-flops | block RAMs | MHz possible | MHz |",
             "| --- | --- | --- | --- | --- | --- | --- |"]
    for name in names:
        path = folder / name / f"{name}.json"
        if not path.exists():
            continue
        record = json.loads(path.read_text())
        cells = [f"{record['used'][kind]:,} of {record['available'][kind]:,}"
                 for kind in ("luts", "flip_flops", "block_rams")]
        lines.append(f"| {' | '.join([f'`{name}`', record['engine'], *cells])} | "
                     f"{record['mhz']:.1f} | {record['wanted']:g} |")
    return "\n".join(lines)


def _summary(placement) -> str:
    used = ", ".join(
        f"{placement.used[name]} of {placement.available[name]} {name.replace('_', ' ')}"
        for name in placement.used)
    verdict = "timing met" if placement.met else "too slow"
    return (
        f"seed {placement.seed}: {used}; {placement.mhz:.1f} MHz for {placement.wanted:.1f} MHz: "
        f"{verdict}")
