# SPDX-License-Identifier: Apache-2.0
"""Proofs: SymbiYosys, Yosys and z3 at work on an Amaranth component."""

import os
import subprocess
import sysconfig
import tempfile
from pathlib import Path

from amaranth.back import rtlil
from amaranth.hdl import Signal

__all__ = ["ProofError", "prove", "stays"]

#: Where the tools are: beside the Python that runs this.
SCRIPTS = Path(sysconfig.get_path("scripts"))

CONFIGURATION = """\
[options]
mode {mode}
depth {depth}
[engines]
smtbmc z3
[script]
read_rtlil top.il
prep -top top
[files]
top.il
"""


class ProofError(AssertionError):
    """A property does not hold, or could not be proven."""


def prove(spec, *, mode: str = "bmc", depth: int = 10):
    """Prove every ``Assert`` of a component for all inputs that its ``Assume`` allow.

    Parameters
    ----------
    spec : :class:`~amaranth.lib.wiring.Component`
        What is to be proven; its input ports are free. Everything starts from reset.
    mode : :class:`str`
        ``bmc`` for the first ``depth`` cycles, ``prove`` for all by induction, ``cover`` to reach
        every ``Cover``.
    depth : :class:`int`
        Cycles looked at; for induction, cycles assumed before the one in question.

    Raises
    ------
    ProofError
        With the log, if there is a counterexample or something cannot be reached.
    """
    command = [SCRIPTS / "yowasp-sby"]
    for option, tool in (("yosys", "yosys"), ("smtbmc", "yosys-smtbmc"),
                         ("witness", "yosys-witness")):  # fmt: skip
        command += [f"--{option}", SCRIPTS / f"yowasp-{tool}"]
    path = os.pathsep.join((str(SCRIPTS), os.environ.get("PATH", "")))  # z3 is there
    with tempfile.TemporaryDirectory() as work:
        Path(work, "top.il").write_text(rtlil.convert(spec, platform="formal"))
        Path(work, "run.sby").write_text(CONFIGURATION.format(mode=mode, depth=depth))
        run = subprocess.run(
            [*map(str, command), "run.sby"], cwd=work, env={**os.environ, "PATH": path},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    if run.returncode:
        raise ProofError(run.stdout + run.stderr)


def stays(m, port, check, *, name: str):
    """Have what a stream offers stay, unchanged, until it is taken.

    Parameters
    ----------
    m : :class:`~amaranth.hdl.Module`
        Where the property goes.
    port
        The stream.
    check : callable
        ``Assume`` for inputs, ``Assert`` for outputs.
    name : :class:`str`
        Prefix of the signals this takes.
    """
    held = Signal(name=f"{name}_held")
    was = Signal.like(port.payload, name=f"{name}_was")
    m.d.sync += [held.eq(port.valid & ~port.ready), was.eq(port.payload)]
    with m.If(held):
        m.d.comb += [check(port.valid), check(port.payload == was)]
