# SPDX-License-Identifier: Apache-2.0
"""A table, for the terminal and for a page."""

from dataclasses import dataclass

from rich import box
from rich.table import Table

__all__ = ["Sheet"]


@dataclass(frozen=True)
class Sheet:
    """A table; columns of numbers are those after ``labels`` of text.

    Parameters
    ----------
    title : :class:`str`
        What it shows.
    headings : tuple of :class:`str`
        Of the columns.
    rows : list of tuples of :class:`str`
        Cells.
    labels : :class:`int`
        Columns of text.
    """

    title: str
    headings: tuple[str, ...]
    rows: list[tuple[str, ...]]
    labels: int = 2

    def rich(self) -> Table:
        """Return it for the terminal."""
        table = Table(
            title=self.title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
        for number, heading in enumerate(self.headings):
            table.add_column(heading, justify="left" if number < self.labels else "right")
        for row in self.rows:
            table.add_row(*row)
        return table

    def markdown(self) -> str:
        """Return it for a page, without the title."""
        rules = ["---" if number < self.labels else "---:" for number in range(len(self.headings))]
        return "\n".join(f"| {' | '.join(row)} |" for row in (self.headings, rules, *self.rows))
