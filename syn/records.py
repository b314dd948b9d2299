# SPDX-License-Identifier: Apache-2.0
"""What was measured, as records, and what has become worse since."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median

from opencdma.hw.codec import CodecGeometry
from opencdma.sim.rates import latency_limit
from opencdma.spec import Direction
from opencdma.syn.designs import Design
from opencdma.syn.devices import Device
from opencdma.syn.flow import Run

__all__ = ["TOLERANCE", "load", "merge", "only", "record", "regressions", "save", "unchanged"]

#: Share by which a number may be worse than the one before without a word.
TOLERANCE = 0.05

# Field, unit, and which way is worse.
_WATCHED = (("mhz_median", "MHz", -1), ("lut4", "LUT4", 1), ("lut6", "LUT6", 1))
_DIRECTIONS = {"compressor": Direction.COMPRESS, "decompressor": Direction.DECOMPRESS}
_SIZES = {"8": (1,), "32": (4,), "all": (1, 2, 4)}


def record(
    design: Design, device: Device, counts: dict[str, int], runs: Sequence[Run],
) -> dict:
    """Return the record of a design on a device.

    Parameters
    ----------
    design : :class:`~opencdma.syn.designs.Design`
        The design.
    device : :class:`~opencdma.syn.devices.Device`
        The device.
    counts : dict of :class:`str` to :class:`int`
        Cells of the netlist, by field.
    runs : sequence of :class:`~opencdma.syn.flow.Run`
        Of the placer, one per seed. None if there is no placer, or no room.

    Returns
    -------
    :class:`dict`
        ``lut4`` or ``lut6`` (of the other there are none), ``ff``, ``bram``, ``dpr`` (lookup
        tables as memory), ``carry``, ``dsp``: cells of the netlist. ``cells``: of logic, when
        placed. ``fits``. ``mhz_median``, ``mhz_min``, ``mhz_max`` of ``seeds`` runs.
        ``gbytes_per_s``: 10⁹ raw bytes in one direction at the median. ``latency_ns``: of a codec,
        at most, beyond the time that the bytes take. ``None`` is what was not measured.
    """
    clocks = [run.mhz for run in runs if run.mhz is not None]
    fits = device.holds(counts) and len(clocks) == len(runs)
    if not fits:
        clocks = []
    middle = median(clocks) if clocks else None
    latency = None
    if middle and design.group in _DIRECTIONS:
        geometry = CodecGeometry(design.width, _SIZES[design.elements])
        latency = 1e3 * latency_limit(geometry, _DIRECTIONS[design.group]) / middle
    return {
        "design": design.name, "device": device.name,
        **{name: counts.get(name) for name in ("lut4", "lut6")},
        **{name: counts.get(name, 0) for name in ("ff", "bram", "dpr", "carry", "dsp")},
        "cells": device.family.count_placed(runs[0].used) if clocks else None,
        "fits": fits,
        "mhz_median": _round(middle),
        "mhz_min": _round(min(clocks, default=None)),
        "mhz_max": _round(max(clocks, default=None)),
        "seeds": len(clocks),
        "gbytes_per_s": _round(middle and middle * design.width / 1e3, 3),
        "latency_ns": _round(latency),
    }


def unchanged(
    records: Iterable[dict], keys: Mapping[tuple[Design, Device], str], seeds: int,
) -> dict[tuple[Design, Device], dict]:
    """Return the records that measuring again would only repeat, by design and device.

    Parameters
    ----------
    records : iterable of :class:`dict`
        What was measured, each with its ``key``.
    keys : mapping of pairs to :class:`str`
        What :func:`~opencdma.syn.tasks.fingerprints` returns now.
    seeds : :class:`int`
        Runs of the placer that are wanted.
    """
    known = {(old["design"], old["device"]): old for old in records}
    found = {}
    for (design, device), key in keys.items():
        old = known.get((design.name, device.name))
        if old and old["key"] == key and (not old["seeds"] or old["seeds"] >= seeds):
            found[design, device] = old
    return found


def only(keys: Mapping, pairs: Iterable) -> dict:
    """Return the keys of some pairs, in their order, of those that have one."""
    return {pair: keys[pair] for pair in pairs if pair in keys}


def merge(
    new: Iterable[dict], old: Iterable[dict], keys: Mapping[tuple[Design, Device], str],
) -> list[dict]:
    """Return new records, and old ones of what is in ``keys`` but not among the new.

    They are in the order of ``keys``. Old ones of designs that have changed are marked as
    ``stale``.
    """
    known = {(record["design"], record["device"]): record for record in (*old, *new)}
    merged = []
    for (design, device), key in keys.items():
        record = known.get((design.name, device.name))
        if record:
            merged.append(record | {"stale": record["key"] != key})
    return merged


def regressions(records: Iterable[dict], before: Iterable[dict]) -> list[str]:
    """Return a line for each number that is more than :data:`TOLERANCE` worse than it was.

    Worse are a lower ``mhz_median``, more ``lut4`` or ``lut6``, and no longer fitting. What is in
    only one of the two is not compared.
    """
    known = {(old["design"], old["device"]): old for old in before}
    lines = []
    for new in records:
        old = known.get((new["design"], new["device"]))
        if old is None:
            continue
        what = f"{new['design']} on {new['device']}"
        if old["fits"] and not new["fits"]:
            lines.append(f"{what}: no longer fits")
        for name, unit, sign in _WATCHED:
            if old[name] and new[name] and sign * (new[name] / old[name] - 1) > TOLERANCE:
                lines.append(
                    f"{what}: {new[name]:g} {unit}, was {old[name]:g} "
                    f"({new[name] / old[name] - 1:+.1%})")
    return lines


def load(path: Path) -> list[dict]:
    """Return the records in a file; none if there is no file."""
    return json.loads(path.read_text()) if path.exists() else []


def save(path: Path, records: Iterable[dict]):
    """Write records to a file, one a line, so that changes can be read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("[\n" + ",\n".join(json.dumps(record) for record in records) + "\n]\n")


def _round(value: float | None, digits: int = 1) -> float | None:
    return None if value is None else round(value, digits)
