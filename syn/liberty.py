# SPDX-License-Identifier: Apache-2.0
"""Reads from Liberty files what the estimate needs to know: cells, areas, functions."""

import gzip
import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Cell", "Group", "LibertyError", "Library", "parse", "read_text"]


class LibertyError(ValueError):
    """Not a Liberty file, or one without the cell that is needed."""


@dataclass(frozen=True)
class Group:
    """``kind (name) { ... }``: simple attributes, and groups within."""

    kind: str
    name: str
    attributes: dict[str, str]
    groups: list["Group"]


@dataclass(frozen=True)
class Cell:
    """A cell.

    Parameters
    ----------
    name : :class:`str`
        Its name.
    area : :class:`float`
        Its area, in µm² in all libraries seen.
    inputs : tuple of :class:`str`
        Input pins.
    functions : dict of :class:`str` to :class:`str`
        What output pins give.
    sequential : :class:`bool`
        It keeps a state.
    usable : :class:`bool`
        The library does not ask to leave it alone.
    """

    name: str
    area: float
    inputs: tuple[str, ...]
    functions: dict[str, str]
    sequential: bool
    usable: bool

    def computes(self, function: Callable[..., bool], inputs: int) -> bool:
        """Whether it is a gate of that many inputs, one output and this function."""
        if self.sequential or len(self.inputs) != inputs or len(self.functions) != 1:
            return False
        text, = self.functions.values()
        return all(
            _evaluate(text, dict(zip(self.inputs, values, strict=True))) == function(*values)
            for values in itertools.product((False, True), repeat=inputs))


class Library:
    """The cells of a Liberty file.

    Parameters
    ----------
    text : :class:`str`
        What is in the file.

    Raises
    ------
    LibertyError
        If it is no Liberty.
    """

    def __init__(self, text: str):
        top = parse(text)
        if top.kind != "library":
            raise LibertyError(f"A Liberty file begins with a library, not with {top.kind!r}")
        self.name = top.name
        cells = [_cell(group) for group in top.groups if group.kind == "cell"]
        #: Cells by name.
        self.cells = {cell.name: cell for cell in cells}

    def smallest(self, what: str, function: Callable[..., bool], inputs: int) -> Cell:
        """Return the smallest usable gate that computes a function.

        Raises
        ------
        LibertyError
            If there is none; the message calls it ``what``.
        """
        found = [
            cell for cell in self.cells.values()
            if cell.usable and cell.area > 0 and cell.computes(function, inputs)]
        if not found:
            raise LibertyError(f"There is no {what} in the library {self.name}")
        return min(found, key=lambda cell: (cell.area, cell.name))

    def nand2(self, name: str | None = None) -> Cell:
        """Return the smallest NAND of two inputs, or the cell of a given name.

        Raises
        ------
        LibertyError
            If there is none.
        """
        if name is None:
            return self.smallest("NAND of two inputs", lambda a, b: not (a and b), 2)
        if name not in self.cells:
            raise LibertyError(f"There is no cell {name!r} in the library {self.name}")
        return self.cells[name]


def read_text(path: Path) -> str:
    """Return what is in a file, unpacked if it is packed with gzip."""
    content = path.read_bytes()
    if content.startswith(b"\x1f\x8b"):
        content = gzip.decompress(content)
    return content.decode("utf-8", "replace")


def _cell(group: Group) -> Cell:
    pins = [inner for inner in group.groups if inner.kind == "pin"]
    return Cell(
        group.name, float(group.attributes.get("area", 0)),
        tuple(pin.name for pin in pins if pin.attributes.get("direction") == "input"),
        {pin.name: pin.attributes["function"] for pin in pins if "function" in pin.attributes},
        any(inner.kind in ("ff", "latch", "ff_bank", "latch_bank", "statetable")
            for inner in group.groups),
        group.attributes.get("dont_use", "false") != "true")


_TOKEN = re.compile(
    r'/\*.*?\*/|//[^\n]*|\\\r?\n|"(?:[^"\\]|\\.)*"|[{}();:,]|[^\s{}();:,"\\]+', re.DOTALL)


def parse(text: str) -> Group:
    """Return the first group of a text with all that is in it, but for complex attributes.

    Raises
    ------
    LibertyError
        If it ends early, or is something else.
    """
    tokens = (
        token for token in _TOKEN.findall(text) if not token.startswith(("/*", "//", "\\")))
    try:
        for kind in tokens:
            if next(tokens) != "(":
                break
            name = _arguments(tokens)
            if next(tokens) != "{":
                break
            return _group(kind, name, tokens)
    except StopIteration:
        raise LibertyError("The Liberty file ends in the middle of a group") from None
    raise LibertyError("This is no Liberty file")


def _group(kind: str, name: str, tokens: Iterator[str]) -> Group:
    group = Group(kind, name, {}, [])
    while (word := next(tokens)) != "}":
        if word == ";":
            continue
        mark = next(tokens)
        if mark == ":":
            parts = list(itertools.takewhile(lambda token: token != ";", tokens))
            group.attributes[word.strip('"')] = " ".join(parts).strip('"')
        elif mark == "(":
            arguments = _arguments(tokens)
            after = next(tokens)
            if after == "{":
                group.groups.append(_group(word, arguments, tokens))
            elif after == "}": # a complex attribute without semicolon ends the group
                break
            elif after != ";":
                # Nor has this one a semicolon, and what follows is the next word.
                tokens = itertools.chain((after,), tokens)
    return group


def _arguments(tokens: Iterator[str]) -> str:
    parts = itertools.takewhile(lambda token: token != ")", tokens)
    return " ".join(part.strip('"') for part in parts)


def _evaluate(text: str, pins: dict[str, bool]) -> bool:
    """Return the value of a Liberty function; what is no pin of it is false."""
    tokens = re.findall(r"[A-Za-z_]\w*(?:\[\d+\])?|[01!'^*&+|()]", text)
    value, rest = _sum(tokens, pins)
    if rest:
        raise LibertyError(f"Function {text!r} makes no sense")
    return value


def _sum(tokens, pins):
    value, tokens = _product(tokens, pins)
    while tokens and tokens[0] in "+|":
        right, tokens = _product(tokens[1:], pins)
        value = value or right
    return value, tokens


def _product(tokens, pins):
    value, tokens = _difference(tokens, pins)
    # Terms beside each other are a product, too.
    while tokens and tokens[0] not in "+|)^'":
        right, tokens = _difference(tokens[tokens[0] in "*&":], pins)
        value = value and right
    return value, tokens


def _difference(tokens, pins):
    value, tokens = _factor(tokens, pins)
    while tokens and tokens[0] == "^":
        right, tokens = _factor(tokens[1:], pins)
        value = value != right
    return value, tokens


def _factor(tokens, pins):
    if not tokens:
        raise LibertyError("A function ends in the middle")
    first, tokens = tokens[0], tokens[1:]
    if first == "!":
        value, tokens = _factor(tokens, pins)
        value = not value
    elif first == "(":
        value, tokens = _sum(tokens, pins)
        tokens = tokens[1:]
    else:
        value = first == "1" or pins.get(first, False)
    while tokens and tokens[0] == "'":
        value, tokens = not value, tokens[1:]
    return value, tokens
