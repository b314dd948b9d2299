# SPDX-License-Identifier: Apache-2.0
"""Verilated models as shared libraries, built once and kept."""

import hashlib
import os
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

import cffi

from opencdma.hw.verilog import Top
from opencdma.sim import verilator

__all__ = ["BuildError", "cache_folder", "load"]

_HERE = Path(__file__).parent
_CXX = ("g++", "-std=gnu++20", "-O2", "-fPIC", "-w")


class BuildError(RuntimeError):
    """A tool that builds the model failed; the message ends with what it said."""


def cache_folder() -> Path:
    """Return where built models are kept: ``$OPENCDMA_CACHE``, or in the user's cache."""
    default = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"), "opencdma")
    return Path(os.environ.get("OPENCDMA_CACHE", default))


def load(top: Top):
    """Return the interface and the library of a Verilated codec, built if need be.

    Parameters
    ----------
    top : :class:`~opencdma.hw.verilog.Top`
        What to build.

    Returns
    -------
    ffi : :class:`cffi.FFI`
        With the declarations of ``codec.h``.
    lib
        The library.

    Raises
    ------
    BuildError
        If Verilator or the compiler fails.
    """
    source, header = _HERE / "codec.cpp", _HERE / "codec.h"
    text = top.verilog()
    key = hashlib.sha256()
    for part in (text, source.read_text(), header.read_text(), version("verilator"), repr(_CXX)):
        key.update(part.encode() + b"\0")
    library = cache_folder() / f"{top.name}-{key.hexdigest()[:20]}.so"
    if not library.exists():
        _build(top, text, library)
    ffi = cffi.FFI()
    ffi.cdef(header.read_text().split("/* BEGIN */")[1].split("/* END */")[0])
    return ffi, ffi.dlopen(str(library))


def _build(top: Top, text: str, library: Path):
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
            *work.glob("*.cpp"), _HERE / "codec.cpp",
            include / "verilated.cpp", include / "verilated_threads.cpp",
        ]
        compiler = ("ccache", *_CXX) if shutil.which("ccache") else _CXX

        def build(source):
            target = f"{source.stem}.o"
            _run(*compiler, "-c", str(source), "-o", target,
                 f"-DWIDTH={top.geometry.width}", f"-I{include}", f"-I{include / 'vltstd'}",
                 f"-I{_HERE}", "-I.", cwd=work)
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
