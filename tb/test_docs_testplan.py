# SPDX-License-Identifier: Apache-2.0
"""What ``docs/testplan.md`` names exists."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = ROOT.joinpath("docs", "testplan.md").read_text("utf-8")
LINES = [line for line in TEXT.splitlines() if re.search(r"test_\w+", line)]


def test_pages():
    files = re.findall(r"`(tb/[\w/]+(?:\.py)?/?)(?:::\w+)?`", TEXT)
    assert len(files) > 40
    for name in files:
        assert ROOT.joinpath(name).exists(), name


@pytest.mark.parametrize("line", LINES, ids=range(len(LINES)))
def test_functions(line):
    """A test that is named without a file is in the one that a line above named last."""
    above = TEXT[:TEXT.index(line)] + line
    for name in re.findall(r"(?:::|`)(test_\w+)(\*?)", line):
        before = above[:above.rindex(name[0])]
        file = re.findall(r"`(tb/[\w/]+\.py)", before)[-1]
        wanted = rf"^(async )?def {name[0]}" + ("" if name[1] else r"\(")
        assert re.search(wanted, ROOT.joinpath(file).read_text("utf-8"), re.MULTILINE), name
