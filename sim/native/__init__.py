# SPDX-License-Identifier: Apache-2.0
"""Verilated models as shared libraries, built once and kept."""

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import cffi

from opencdma.sim import verilator

__all__ = ["BOARD", "CODEC", "ENGINE", "BuildError", "Harness", "Top", "cache_folder", "load"]

_HERE = Path(__file__).parent
# -O2 takes half as long again to compile, and runs no faster.
_CXX = ("g++", "-std=gnu++20", "-O1", "-fPIC", "-w")


class BuildError(RuntimeError):
    """A tool that builds the model failed; the message ends with what it said."""


def cache_folder() -> Path:
    """Return where built models are kept: ``$OPENCDMA_CACHE``, or in the user's cache."""
    default = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"), "opencdma")
    return Path(os.environ.get("OPENCDMA_CACHE", default))


class Top(Protocol):
    """What can be built, hashable: the tops of :mod:`opencdma.hw.verilog`, or with their ports."""

    name: str

    def verilog(self) -> str:
        """Return the Verilog text."""


@dataclass(frozen=True)
class Harness:
    """What drives a Verilated top, in C++, behind an interface in plain C.

    Parameters
    ----------
    source, header : :class:`str`
        Files in this folder: the C++, and the interface.
    includes : tuple of :class:`str`
        Other files here that the source includes.
    defines : callable
        Returns the macros that the source wants for a top. They must follow from its ports.
    """

    source: str
    header: str
    includes: tuple[str, ...]
    defines: Callable[[Any], dict[str, int]]

    def texts(self) -> list[str]:
        """Return what is in the files."""
        return [(_HERE / name).read_text() for name in (self.source, self.header, *self.includes)]


#: Drives a :class:`~opencdma.hw.verilog.Top`.
CODEC = Harness("codec.cpp", "codec.h", (), lambda top: {"WIDTH": top.geometry.width})

#: Drives whatever has the ports of an engine with ``top.config``.
ENGINE = Harness(
    "engine.cpp", "engine.h",
    ("axi.h", "axi_lite.h", "axi_memory.h", "handshake.h", "trace.h"),
    lambda top: {"DEV_WIDTH": top.config.dev_width, "HOST_WIDTH": top.config.host_width})

#: Drives the pins of a board.
BOARD = Harness("board.cpp", "board.h", (), lambda top: {})


@cache
def load(top: Top, harness: Harness = CODEC):
    """Return the interface and the library of a Verilated top, built if need be.

    A process that asks again for an equal top gets the same ones.

    Parameters
    ----------
    top : :class:`Top`
        What to build.
    harness : :class:`Harness`
        What drives it.

    Returns
    -------
    ffi : :class:`cffi.FFI`
        With the declarations of the harness's header.
    lib
        The library.

    Raises
    ------
    BuildError
        If Verilator or the compiler fails.
    """
    text = top.verilog()
    key = hashlib.sha256()
    for part in (text, *harness.texts(), version("verilator"), repr(_CXX)):
        key.update(part.encode() + b"\0")
    library = cache_folder() / f"{top.name}-{key.hexdigest()[:20]}.so"
    if not library.exists():
        _build(top, text, harness, library)
    ffi = cffi.FFI()
    header = (_HERE / harness.header).read_text()
    ffi.cdef(header.split("/* BEGIN */")[1].split("/* END */")[0])
    return ffi, ffi.dlopen(str(library))


def _build(top: Top, text: str, harness: Harness, library: Path):
    library.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=library.parent) as work:
        work = Path(work)
        (work / f"{top.name}.v").write_text(text)
        # Verilator writes C++; it is compiled here, so that its makefiles are not needed.
        _run("verilator", "--cc", "-O3", "--x-assign", "fast", "--x-initial", "fast",
             "--no-timing", "--Mdir", ".", "--prefix", "Vtop", "--output-split", "20000",
             *(f"-Wno-{name}" for name in verilator.WAIVERS), f"{top.name}.v", cwd=work)
        include = verilator.root() / "include"
        sources = [
            *work.glob("*.cpp"), _HERE / harness.source,
            include / "verilated.cpp", include / "verilated_threads.cpp",
        ]
        compiler = ("ccache", *_CXX) if shutil.which("ccache") else _CXX
        defines = [f"-D{name}={value}" for name, value in harness.defines(top).items()]

        def build(source):
            target = f"{source.stem}.o"
            # The others are the same with any macros, so that ccache knows some of them.
            macros = defines if source.name == harness.source else []
            # What Verilator calls slow runs once, and would take the compiler half of its time.
            if source.stem.endswith("__Slow"):
                macros = ["-O0"]
            _run(*compiler, "-c", str(source), "-o", target, *macros,
                 f"-I{include}", f"-I{include / 'vltstd'}", f"-I{_HERE}", "-I.", cwd=work)
            return target

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            objects = list(pool.map(build, sources))
        _run(*_CXX, "-shared", *objects, "-o", "model.so", "-pthread", cwd=work)
        # Builds of the same model may race: the last one in place is as good as the first.
        (work / "model.so").replace(library)


def _run(*command: str, cwd: Path):
    done = subprocess.run(
        command, cwd=cwd, env=verilator.environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise BuildError(f"{command[0]} failed:\n{done.stderr[-4000:]}{done.stdout[-1000:]}")
