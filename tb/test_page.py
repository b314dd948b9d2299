# SPDX-License-Identifier: Apache-2.0
"""The page of results: who writes a section leaves the others alone."""

from opencdma.sim.page import write_section


def test_sections(tmp_path):
    page = tmp_path / "docs" / "page.md"
    write_section(page, "one", "make one", "## One\n\n| 1 |\n")
    first = page.read_text()
    assert first.startswith("<!-- SPDX-License-Identifier: Apache-2.0 -->\n# Results\n")
    assert first.endswith(
        "\n<!-- one: written by `make one`; do not edit -->\n\n## One\n\n| 1 |\n\n"
        "<!-- end of one -->\n")
    write_section(page, "two", "make two", "## Two")
    both = page.read_text()
    assert both.startswith(first)
    assert both.endswith("\n\n## Two\n\n<!-- end of two -->\n")
    # A section that changes stays where it is, and nothing around it changes.
    write_section(page, "one", "make one", "## Another\n\n\\1 and \\g<0> are text.")
    assert page.read_text() == both.replace(
        "## One\n\n| 1 |", "## Another\n\n\\1 and \\g<0> are text.")
    write_section(page, "one", "make one", "## One\n\n| 1 |")
    assert page.read_text() == both


def test_text_by_hand(tmp_path):
    page = tmp_path / "page.md"
    before, after = "# Mine\n\n", "<!-- end of a -->\nMine, too\n"
    page.write_text(f"{before}<!-- a: written by `x`; do not edit -->\n\nold\n\n{after}")
    write_section(page, "a", "y", "new")
    assert page.read_text() == (
        f"{before}<!-- a: written by `y`; do not edit -->\n\nnew\n\n{after}")
