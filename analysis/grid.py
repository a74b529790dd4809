"""Cells side by side on a terminal where they can be read so, and else row by row."""

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

#: A column of text that is narrower than this is not read.
_LEAST = 12
_WORD = re.compile(r"\S+")


def grid(
    columns: Sequence[str], cells: Sequence[Sequence[str]], numbers: Sequence[bool], width: int, *, elsewhere: str = ""
) -> str:
    """The cells under the names of their columns, as `render_table` says; `numbers` are the columns that hold such."""
    shapes = [
        _ColumnShape.of(name, [row[n] for row in cells], is_number=is_number)
        for n, (name, is_number) in enumerate(zip(columns, numbers, strict=True))
    ]
    widths = _widths(shapes, width - 3 * len(shapes) - 1)
    if widths is None:
        return _records(columns, cells, width)
    return _printed(columns, cells, shapes, widths, width, elsewhere)


@dataclass(frozen=True, slots=True)
class _ColumnShape:
    """How much room a column takes, and what it can do without."""

    #: Columns of characters of the widest line with the heading and without, of the widest word, and of the heading's.
    widest: int
    content: int
    word: int
    heading: int
    is_number: bool

    @classmethod
    def of(cls, name: str, cells: Sequence[str], *, is_number: bool) -> "_ColumnShape":
        lines = [line for cell in cells for line in cell.splitlines()]
        words = [cell_len(word) for line in lines for word in line.split()]
        return cls(
            widest=max([cell_len(name), *map(cell_len, lines)]),
            content=max(map(cell_len, lines), default=0),
            word=max(words, default=0),
            heading=max(map(cell_len, name.split()), default=0),
            is_number=is_number,
        )

    @property
    def least(self) -> int:
        """The width below which the column is not read: that of a number, or a dozen characters of anything else."""
        content = self.content if self.is_number else min(self.content, _LEAST)
        return max(content, min(self.heading, 2 * _LEAST))

    @property
    def is_text(self) -> bool:
        """Whether it can be folded between words."""
        return not self.is_number and self.word < self.widest


def _widths(shapes: Sequence[_ColumnShape], room: int) -> list[int] | None:
    """The width of each column, or None where there is no room to read them side by side."""
    if sum(shape.widest for shape in shapes) <= room:
        return [shape.widest for shape in shapes]
    # A single column has no neighbour.
    if len(shapes) == 1:
        return [room]
    if sum(shape.least for shape in shapes) > room:
        return None
    widths = [shape.least for shape in shapes]
    left = room - sum(widths)
    # Texts are read best in few lines; ids come next.
    for is_text in (True, False):
        order = sorted((n for n, s in enumerate(shapes) if s.is_text == is_text), key=lambda n: shapes[n].widest)
        for place, n in enumerate(order):
            more = min(shapes[n].widest - widths[n], left // (len(order) - place))
            widths[n] += more
            left -= more
    return widths


def _printed(
    columns: Sequence[str],
    cells: Sequence[Sequence[str]],
    shapes: Sequence[_ColumnShape],
    widths: Sequence[int],
    width: int,
    elsewhere: str,
) -> str:
    table = Table(box=box.ROUNDED, header_style="", show_lines=False)
    for name, shape, wide in zip(columns, shapes, widths, strict=True):
        table.add_column(Text(name), justify="right" if shape.is_number else "left", overflow="fold", width=wide)
    is_cut = False
    for row in cells:
        shown = [
            cell if len(shapes) == 1 or not cell else "\n".join(_cut_words(line, wide) for line in cell.split("\n"))
            for cell, wide in zip(row, widths, strict=True)
        ]
        is_cut = is_cut or shown != list(row)
        table.add_row(*map(Text, shown))
    page = _on_console(table, width)
    return f"{page}{elsewhere}\n" if is_cut and elsewhere else page


def _cut_words(line: str, width: int) -> str:
    """The line with every word that is wider than the column shortened, unless it is in a script without spaces."""
    return _WORD.sub(
        lambda found: (
            found.group()
            if cell_len(found.group()) <= width or not found.group().isascii()
            else found.group()[: width - 1] + "\u2026"
        ),
        line,
    )


def _records(columns: Sequence[str], cells: Sequence[Sequence[str]], width: int) -> str:
    """Each row for itself: a line that numbers it, then a line a column, folded where it is long."""
    beside = min(max(map(cell_len, columns)), max(8, width // 3))
    page = []
    for number, row in enumerate(cells, start=1):
        table = Table.grid(padding=(0, 2))
        table.add_column(width=beside, overflow="fold")
        table.add_column(width=max(8, width - beside - 2), overflow="fold")
        for name, cell in zip(columns, row, strict=True):
            table.add_row(Text(name), Text(cell))
        lead = f"\u2500\u2500 row {number:,} of {len(cells):,} "
        lines = [lead.ljust(width, "\u2500"), *_on_console(table, width).splitlines()]
        page += [f"{line.rstrip()}\n" for line in lines]
    return "".join(page)


def _on_console(table: Table, width: int) -> str:
    page = io.StringIO()
    Console(file=page, width=width, color_system=None, force_terminal=False, legacy_windows=False).print(table)
    return page.getvalue()
