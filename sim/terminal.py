# SPDX-License-Identifier: Apache-2.0
"""What all commands say to a terminal, or to a file in its place."""

import json
import sys
from pathlib import Path

import typer
from rich.console import Console

__all__ = ["console", "fail", "write_json"]


def console(plain_width: int | None = None) -> Console:
    """Return the console; ``plain_width`` are the columns of what does not go to a terminal."""
    return Console(width=None if sys.stdout.isatty() else plain_width, highlight=False)


def fail(message, code: int) -> typer.Exit:
    """Say why a command ends, and return what is to be raised."""
    print(f"opencdma: {message}", file=sys.stderr)
    return typer.Exit(code)


def write_json(path: Path, value):
    """Write a file, and the folders to it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=1) + "\n")
