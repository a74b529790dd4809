"""The similarity study as a picture: a box for each level of this run, beside those of the paper's Figure 10."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...personas.errors import SetupError
from ..page import markup, write_run_picture
from .report import DiversityReport, notes_on
from .similarity import FiveNumbers, SimilarityBin, paper_boxes, paper_facts

#: What the picture shows, as in the mark by which it is known again.
WHAT = "diversity"

_WIDTH, _TYPE = 960.0, 13.0
_LEFT, _RIGHT = 270.0, 60.0
#: Heights of a row, of a box in it, of the heading of a level, and of the room between levels.
_ROW, _BOX, _HEAD, _GAP = 24.0, 14.0, 26.0, 14.0
_TOP, _AXIS = 34.0, 46.0
#: By who made the outputs: the class, its colour in light and in dark.
_COLOURS = {"run": ("#2f63c0", "#8fb4f5"), "paper": ("#8a8f98", "#8a8f98"), "ink": ("#1d2126", "#e9e7e2")}
_COLOURS |= {"muted": ("#5b6470", "#a9b0b8"), "line": ("#dddcd6", "#3a4046"), "level": ("#b7382f", "#f08a80")}

_STAND_IN = "The outputs of this run are by the built-in generator, not a language model."


@dataclass(frozen=True, slots=True)
class _BoxRow:
    label: str
    look: str
    box: FiveNumbers | None
    pairs: int


def write_diversity_picture(found: DiversityReport, path: Path, *, of: str) -> Path:
    """Write the picture to a file that ends in .svg or .html, over nothing but an earlier one `of` the same run file.

    Raises `SetupError` as `check_run_picture` does, for a run without vectors, and when the file cannot be written.
    """
    if found.embedded is None:
        raise SetupError("Without vectors of the outputs there is no picture; name an embedding model.")
    title = f"How alike are outputs of {of}, by how alike their personas are?"
    svg = draw_levels(found.embedded.levels, title=title, note="" if found.is_language_model else _STAND_IN)
    dark = {name: colour for name, (_, colour) in _COLOURS.items()}
    return write_run_picture(svg, path, what=WHAT, of=of, title=title, notes=notes_on(found), dark=dark)


def draw_levels(levels: Sequence[SimilarityBin], *, title: str, note: str = "") -> str:
    """A row for each box of this run and of the paper, by level, as SVG that needs no script.

    A note stands below.
    """
    paper = paper_boxes()
    groups = [
        (
            level.similarity,
            [
                _BoxRow("this run", "run", level.box, level.pairs),
                *(
                    _BoxRow(p.label, "paper", p.box, paper_facts()["pairs"])
                    for p in paper
                    if p.level == level.similarity
                ),
            ],
        )
        for level in levels
    ]
    rows = sum(len(group) for _, group in groups)
    height = _TOP + rows * _ROW + len(groups) * (_HEAD + _GAP) + _AXIS
    bottom = height - _AXIS
    scale = _SimilarityAxis(min([0.0, *(level.box.low for level in levels if level.box)]))
    parts = [*_axis(scale, bottom), *_groups(scale, groups)]
    if note:
        height += _ROW
        parts.append(_text("muted", 12, height - 10, note))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH:g} {height:g}" role="img" '
        f'aria-label="{markup(title)}" font-family="system-ui, sans-serif" font-size="{_TYPE:g}">'
        f"{''.join(parts)}</svg>"
    )


@dataclass(frozen=True, slots=True)
class _SimilarityAxis:
    """Where similarities stand from left to right: from 0, or a tenth below the lowest, to 1."""

    lowest: float

    @property
    def ticks(self) -> list[float]:
        """Every tenth, from the least."""
        return [n / 10 for n in range(math.floor(self.lowest * 10), 11)]

    def x(self, value: float) -> float:
        """The place of a similarity."""
        least = self.ticks[0]
        return _LEFT + (min(1.0, value) - least) / (1 - least) * (_WIDTH - _LEFT - _RIGHT)


def _axis(scale: _SimilarityAxis, bottom: float) -> Iterator[str]:
    middle = (scale.x(scale.ticks[0]) + scale.x(1)) / 2
    yield f'<g class="line" color="{_COLOURS["line"][0]}"><path stroke="currentColor" d="'
    yield "".join(f"M{scale.x(tick):.1f} {_TOP - 8:.1f}V{bottom:.1f}" for tick in scale.ticks)
    yield f'"/></g><g class="muted" color="{_COLOURS["muted"][0]}" fill="currentColor" text-anchor="middle">'
    for tick in scale.ticks:
        yield f'<text x="{scale.x(tick):.1f}" y="{bottom + 18:.1f}">{tick:g}</text>'
    yield f'<text x="{middle:.1f}" y="{bottom + 38:.1f}">similarity of two outputs (cosine)</text>'
    yield f'<text x="{_WIDTH - _RIGHT + 28:.1f}" y="{_TOP - 16:.1f}">median</text>'
    key = "box: quartiles and median; line: lowest to highest pair; dashed: as alike as the personas"
    yield f'<text x="{middle:.1f}" y="{_TOP - 16:.1f}">{key}</text>'
    yield "</g>"


def _groups(scale: _SimilarityAxis, groups: Sequence[tuple[float, Sequence[_BoxRow]]]) -> Iterator[str]:
    y = _TOP
    for similarity, rows in groups:
        end = y + _HEAD + len(rows) * _ROW
        yield _text("ink", 12, y + 17, f"Personas {similarity:g} alike", bold=True)
        yield (
            f'<g class="level" color="{_COLOURS["level"][0]}"><path stroke="currentColor" stroke-width="1.5" '
            f'stroke-dasharray="4 3" d="M{scale.x(similarity):.1f} {y + 4:.1f}V{end:.1f}">'
            f"<title>as alike as their personas: {similarity:g}</title></path></g>"
        )
        y += _HEAD
        for row in rows:
            yield from _row(scale, row, y)
            y += _ROW
        y += _GAP


def _row(scale: _SimilarityAxis, row: _BoxRow, y: float) -> Iterator[str]:
    middle = y + _ROW / 2
    label = row.label if row.look == "paper" else f"{row.label}, {row.pairs:,} pair{'' if row.pairs == 1 else 's'}"
    yield _text("ink" if row.look == "run" else "muted", 12, middle + 4.5, label, bold=row.look == "run")
    if row.box is None:
        yield _text("muted", _LEFT + 6, middle + 4.5, "no pair of personas is that alike")
        return
    box, colour = row.box, _COLOURS[row.look][0]
    low, high = scale.x(box.low), scale.x(box.high)
    told = f"low {box.low:.2f}, Q1 {box.q1:.2f}, median {box.median:.2f}, Q3 {box.q3:.2f}, high {box.high:.2f}"
    top, wide = middle - _BOX / 2, max(1.0, scale.x(box.q3) - scale.x(box.q1))
    yield (
        f'<g class="{row.look}" color="{colour}"><title>{markup(f"{label}: {told}")}</title>'
        f'<path stroke="currentColor" stroke-width="1.5" d="M{low:.1f} {middle:.1f}H{high:.1f}'
        f'M{low:.1f} {top + 3:.1f}v{_BOX - 6:.1f}M{high:.1f} {top + 3:.1f}v{_BOX - 6:.1f}"/>'
        f'<rect x="{scale.x(box.q1):.1f}" y="{top:.1f}" width="{wide:.1f}" height="{_BOX:g}" fill="currentColor"/></g>'
        f'<path stroke="#fff" stroke-width="2.5" d="M{scale.x(box.median):.1f} {top:.1f}v{_BOX:g}"/>'
    )
    yield _text("ink" if row.look == "run" else "muted", _WIDTH - _RIGHT + 14, middle + 4.5, f"{box.median:.2f}")


def _text(look: str, x: float, y: float, text: str, *, bold: bool = False) -> str:
    weight = ' font-weight="600"' if bold else ""
    return (
        f'<text class="{look}" color="{_COLOURS[look][0]}" fill="currentColor" x="{x:.1f}" y="{y:.1f}"{weight}>'
        f"{markup(text)}</text>"
    )
