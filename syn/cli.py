# SPDX-License-Identifier: Apache-2.0
"""The commands ``opencdma resources`` and ``opencdma asic``."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from opencdma.sim import terminal

# What the commands need is imported by them, so that help is there at once.

__all__ = ["asic", "resources"]

_SCHEDULER = typer.Option(
    help="Address of a Dask scheduler; without one, workers are started here.")
_JOBS = typer.Option("--jobs", "-j", min=1, help="Workers to start here.")
_CORES = os.cpu_count() or 1

#: Columns of tables that do not go to a terminal.
PLAIN_WIDTH = 160


def _end(lines: Sequence[str]):
    """End with code 1, saying why, if there is anything to say."""
    for line in lines:
        print(f"opencdma: {line}", file=sys.stderr)
    if lines:
        raise typer.Exit(1)


def resources(
    quick: Annotated[bool, typer.Option(
        "--quick", help="Measure little: two small designs with one seed.")] = False,
    design: Annotated[list[str] | None, typer.Option(
        help="Measure this design; may be repeated (default with --device: all).")] = None,
    device: Annotated[list[str] | None, typer.Option(
        help="Measure on this device; may be repeated (default with --design: lfe5u-85f-6).",
    )] = None,
    seeds: Annotated[int | None, typer.Option(
        min=1, help="Runs of the placer for each design and device (default 5).")] = None,
    jobs: Annotated[int, _JOBS] = _CORES,
    scheduler: Annotated[str | None, _SCHEDULER] = None,
    output: Annotated[Path, typer.Option(
        "--output", "-o", help="File for the records.")] = Path("build/resources.json"),
    committed: Annotated[Path, typer.Option(
        help="Records to compare with. What has not changed since is not measured again."),
    ] = Path("docs/resources.json"),
    afresh: Annotated[bool, typer.Option(
        "--afresh", help="Measure again what has not changed.")] = False,
    docs: Annotated[Path | None, typer.Option(
        help="Also write its section of this page of results, pictures beside it, and the records "
             "to compare with.")] = None,
):
    """Measure lookup tables, registers and clock; what has become worse by 5% is a failure."""
    from opencdma.syn import flow, plan, records, report, tasks

    seeds = seeds or (1 if quick else plan.SEEDS)
    if docs and (quick or seeds < plan.SEEDS):
        raise terminal.fail("--docs is for 5 seeds or more", 2)
    if quick and (design or device):
        raise terminal.fail("--quick chooses the designs, so --design and --device do not", 2)
    try:
        if quick:
            wanted = plan.quick()
        elif design or device:
            wanted = plan.chosen(design or (), device or ())
        else:
            wanted = plan.full()
    except ValueError as error:
        raise terminal.fail(error, 2) from None
    console = terminal.console(PLAIN_WIDTH)
    before = records.load(committed)
    try:
        with tasks.cluster(scheduler, jobs) as client, Progress(console=console) as progress:
            keys = tasks.fingerprints(
                list(dict.fromkeys((*wanted, *(plan.full() if docs else ())))), client, progress)
            known = {} if afresh else records.unchanged(before, keys, seeds)
            measured, failures = tasks.measure(
                [pair for pair in wanted if pair not in known], seeds, client,
                flow.cache_folder(), progress)
    except OSError as error:
        raise terminal.fail(error, 1) from None
    by_name = {(design.name, device.name): key for (design, device), key in keys.items()}
    measured = [
        record | {"key": by_name[record["design"], record["device"]]} for record in measured]
    shown = records.merge(measured, known.values(), records.only(keys, wanted))
    for sheet in report.sheets(shown).values():
        console.print(sheet.rich())
    records.save(output, shown)
    console.print(f"records {output}", soft_wrap=True)
    if docs and not failures:
        everything = records.merge(measured, before, records.only(keys, plan.full()))
        report.write(everything, docs)
        records.save(committed, everything)
    _end([*failures, *records.regressions(shown, before)])


def asic(
    libraries: Annotated[list[Path], typer.Argument(
        metavar="LIB...", help="Liberty files, packed with gzip or not.")],
    design: Annotated[list[str] | None, typer.Option(
        help="Estimate this design; may be repeated (default: codecs of all widths).")] = None,
    nand2: Annotated[str | None, typer.Option(
        help="Cell that is one gate equivalent (default: the smallest NAND of two inputs).",
    )] = None,
    jobs: Annotated[int, _JOBS] = _CORES,
    scheduler: Annotated[str | None, _SCHEDULER] = None,
    output: Annotated[Path, typer.Option(
        "--output", "-o", help="File for the records.")] = Path("build/asic.json"),
    docs: Annotated[Path | None, typer.Option(
        help="Also write its section of this page of results.")] = None,
):
    """Estimate area, gates and clock in the standard cells of a library."""
    from opencdma.syn import asic as estimates
    from opencdma.syn import asic_report, flow, plan, tasks
    from opencdma.syn.liberty import LibertyError

    if docs and design:
        raise terminal.fail("--docs is for the codecs of all widths, so not with --design", 2)
    try:
        wanted = estimates.codecs() if not design else [
            chosen for chosen, _ in plan.chosen(design, ())]
    except ValueError as error:
        raise terminal.fail(error, 2) from None
    if estimates.sta() is None:
        print("opencdma: OpenSTA is missing, so there will be areas, but no clock: install the "
              "package opensta", file=sys.stderr)
        if docs:
            raise typer.Exit(1)
    console = terminal.console(PLAIN_WIDTH)
    measured, failures = [], []
    try:
        with tasks.cluster(scheduler, jobs) as client, Progress(console=console) as progress:
            for library in libraries:
                some, wrong = estimates.measure(
                    wanted, library, nand2, client, flow.cache_folder(), progress)
                measured += some
                failures += wrong
    except (OSError, LibertyError) as error:
        raise terminal.fail(error, 1) from None
    for sheet in asic_report.sheets(measured).values():
        console.print(sheet.rich())
    terminal.write_json(output, measured)
    console.print(f"records {output}", soft_wrap=True)
    if docs and not failures:
        asic_report.write(measured, docs)
    _end(failures)
