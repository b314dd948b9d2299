# SPDX-License-Identifier: Apache-2.0
"""The page of results: every command that measures owns a section, and leaves the others alone."""

import re
from pathlib import Path

__all__ = ["write_section"]

_HEAD = """\
<!-- SPDX-License-Identifier: Apache-2.0 -->
# Results

Every section is written by the command that measures what is in it.
"""


def write_section(page: Path, name: str, command: str, text: str):
    """Replace a section of a page; a section that is not there goes to its end.

    Parameters
    ----------
    page : :class:`~pathlib.Path`
        The page; begun if there is none.
    name : :class:`str`
        Of the section.
    command : :class:`str`
        Writes it.
    text : :class:`str`
        What is to stand in it, in Markdown.
    """
    end = f"<!-- end of {name} -->"
    section = (
        f"<!-- {name}: written by `{command}`; do not edit -->\n\n{text.strip()}\n\n{end}\n")
    old = page.read_text("utf-8") if page.exists() else _HEAD
    found = re.search(
        rf"^<!-- {re.escape(name)}: .*?^{re.escape(end)}\n", old, re.MULTILINE | re.DOTALL)
    before, after = (old[:found.start()], old[found.end():]) if found else (old + "\n", "")
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(before + section + after, "utf-8")
