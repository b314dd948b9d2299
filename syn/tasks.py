# SPDX-License-Identifier: Apache-2.0
"""Runs the tools many times at once, on Dask."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from distributed import Client, Future, LocalCluster, as_completed
from rich.progress import Progress

from opencdma.syn import flow
from opencdma.syn.designs import Design
from opencdma.syn.devices import Device, Family
from opencdma.syn.records import record

__all__ = ["cluster", "fingerprints", "finished", "measure"]

#: Seconds in which a scheduler has to answer.
PATIENCE = 20


@contextmanager
def cluster(scheduler: str | None, jobs: int) -> Iterator[Client]:
    """Give a client of a scheduler that runs, or of workers started for the purpose.

    Parameters
    ----------
    scheduler : :class:`str` or ``None``
        Address of a scheduler. Its workers need the same packages, and the folder of results at
        the same place.
    jobs : :class:`int`
        Without a scheduler: workers to start here.

    Raises
    ------
    OSError
        If there is no scheduler at the address.
    """
    if scheduler is not None:
        with Client(scheduler, timeout=PATIENCE) as client:
            yield client
        return
    # Workers are processes, since elaboration is Python. What takes memory are the tools, which
    # are processes of their own, so a limit would be about the wrong ones.
    with LocalCluster(
        n_workers=jobs, threads_per_worker=1, memory_limit=0, dashboard_address=":0",
        silence_logs=logging.CRITICAL,
    ) as workers, Client(workers) as client:
        yield client


def finished(
    futures: Iterable[Future], progress: Progress, name: str, total: int,
) -> Iterator[tuple[Future, "Rest"]]:
    """Yield futures as they finish, with what takes further ones, and show how far it is."""
    rest = Rest(as_completed(futures), progress, progress.add_task(name, total=total))
    for future in rest.futures:
        progress.advance(rest.task)
        yield future, rest


@dataclass(frozen=True)
class Rest:
    """What is still to be done.

    Parameters
    ----------
    futures : :class:`distributed.as_completed`
        Takes further futures.
    progress : :class:`rich.progress.Progress`
        Shows it.
    task
        Of the progress.
    """

    futures: as_completed
    progress: Progress
    task: int

    def skip(self, steps: int):
        """Take off steps that are not needed after all."""
        self.progress.advance(self.task, steps)


def fingerprints(
    plan: Sequence[tuple[Design, Device]], client: Client, progress: Progress,
) -> dict[tuple[Design, Device], str]:
    """Return what changes with the numbers of designs on devices; nothing for those that failed."""
    devices: dict[Design, list[Device]] = {}
    for design, device in plan:
        devices.setdefault(design, []).append(device)
    futures = {
        client.submit(
            flow.fingerprints, design.name, [device.name for device in some], pure=False): design
        for design, some in devices.items()}
    return {
        (futures[future], device): future.result()[device.name]
        for future, _ in finished(futures, progress, "what has changed", len(futures))
        if future.exception() is None
        for device in devices[futures[future]]}


def measure(
    plan: Sequence[tuple[Design, Device]], seeds: int, client: Client, folder: Path,
    progress: Progress,
) -> tuple[list[dict], list[str]]:
    """Synthesise designs, and place and route each with several seeds.

    Synthesis for a family of devices is one task, each run of the placer another.

    Parameters
    ----------
    plan : sequence of (:class:`~opencdma.syn.designs.Design`, \
    :class:`~opencdma.syn.devices.Device`)
        What to measure, on what.
    seeds : :class:`int`
        Runs of the placer for each.
    client : :class:`distributed.Client`
        Runs the tasks.
    folder : :class:`~pathlib.Path`
        Keeps what the tools said.
    progress : :class:`rich.progress.Progress`
        Shows how far it is.

    Returns
    -------
    list of :class:`dict`
        Records, in the order of the plan, of what did not fail.
    list of :class:`str`
        What failed, and on what.
    """
    folder = folder.resolve()
    texts, synthesis = {}, {}
    for design, device in plan:
        if design.name not in texts:
            texts[design.name] = client.submit(
                flow.elaborate, design.name, pure=False, priority=_urgency(design))
        if (design, device.family) not in synthesis:
            synthesis[design, device.family] = client.submit(
                flow.synthesise, design.name, texts[design.name], device.family.name, folder,
                pure=False, priority=_urgency(design))
    pairs: dict[Future, tuple[Design, Family]] = {
        future: pair for pair, future in synthesis.items()}
    places: dict[Future, tuple[Design, Device]] = {}
    counts, runs, failures = {}, {pair: [] for pair in plan}, []

    total = len(pairs) + sum(seeds for _, device in plan if device.family.placer)
    for future, rest in finished(pairs, progress, "synthesis and placement", total):
        error = future.exception()
        if future in pairs:
            design, family = pairs[future]
            targets = [
                device for other, device in plan if (other, device.family) == (design, family)]
            if error:
                failures.append(str(error))
            else:
                netlist = future.result()
                counts[design, family] = family.count(netlist.cells)
            for device in targets:
                if family.placer is None:
                    continue
                if error or not device.holds(counts[design, family]):
                    rest.skip(seeds)
                    continue
                for seed in range(1, seeds + 1):
                    run = client.submit(
                        flow.place, netlist, device.name, seed, folder, pure=False,
                        priority=_urgency(design))
                    places[run] = design, device
                    rest.futures.add(run)
        elif error:
            failures.append(str(error))
        else:
            runs[places[future]].append(future.result())

    failed = set(places.values()) - {pair for pair in plan if len(runs[pair]) == seeds}
    records = [
        record(design, device, counts[design, device.family], runs[design, device])
        for design, device in plan
        if (design, device.family) in counts and (design, device) not in failed
    ]
    return records, list(dict.fromkeys(failures))


def _urgency(design: Design) -> int:
    """Return the priority of a design's tasks: what takes longest comes first."""
    return design.width + (100 if design.group == "engine" else 0)
