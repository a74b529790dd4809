"""The picture of a part of a hub: one SVG, or a page around it, that loads nothing and runs nothing."""

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from html import escape
from pathlib import Path

import networkx as nx

from ..personas.errors import SetupError
from ..personas.hub.graph import Acquaintance, Excerpt
from ..personas.hub.graph.ties import KINDS
from .report.layout import Position, lay_out
from .wording import clip, short_label

__all__ = ["PICTURES", "check_picture", "draw_excerpt", "render_page", "write_picture"]

#: How files of pictures may end.
PICTURES = (".html", ".svg")

_SIDE = 1000.0
_MARGIN = 30.0
#: Up to so many people have their names beside them; in a fuller picture the centre and the best connected have.
_NAMED = 40
_NAMED_OF_MANY = 12
_DASHES = ("", "3 3", "9 3", "14 3", "9 3 3 3")

_STYLE = """
svg{--ink:#1d2126;--surface:#fff;--c0:#2f63c0;--c1:#b85c00;--c2:#26803c;--c3:#b7382f;--c4:#7547ad;--c5:#83562a;
--c6:#b83a86;--c7:#0b7f82;--c8:#6f7010;--c9:#66707c;--hop0:#16324f;--hop1:#2f6299;--hop2:#5b92c4;--hop3:#86b3da}
@media (prefers-color-scheme:dark){svg{--ink:#e9e7e2;--surface:#1d2126;--c0:#7ba6f5;--c1:#f0a050;--c2:#6fc482;
--c3:#f08a80;--c4:#bb9bf0;--c5:#cba175;--c6:#ee8fc8;--c7:#4fc7c7;--c8:#c5c154;--c9:#a5adb8;--hop0:#e8f1fb;
--hop1:#a9c8e8;--hop2:#6f9bc8;--hop3:#47719c}}
text{font:13px system-ui,sans-serif;fill:var(--ink);paint-order:stroke;stroke:var(--surface);stroke-width:3px}
.back{fill:var(--surface)}
"""

_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>{title}</title>
<style>:root{{color-scheme:light dark}}body{{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;
padding:0 1rem}}svg{{width:100%;height:auto}}td,th{{text-align:left;padding:.2rem .8rem .2rem 0;vertical-align:top}}
td:first-child{{font-family:ui-monospace,monospace}}</style></head>
<body><h1>{title}</h1><p>{caption}</p>
{picture}
<details><summary>Everybody in the picture</summary><table>
<tr><th>id</th><th>hop</th><th>ties</th><th>who</th></tr>
{rows}
</table></details></body></html>
"""


def check_picture(path: Path) -> None:
    """Raise `SetupError` when no picture can be written to a file of this name."""
    if path.suffix.lower() not in PICTURES:
        raise SetupError(f"{str(path)!r} ends in {path.suffix!r}; a picture is written to {' or '.join(PICTURES)}.")
    if path.is_dir():
        raise SetupError(f"{str(path)!r} is a folder; give a file in it.")


def write_picture(excerpt: Excerpt, path: Path, *, title: str) -> Path:
    """Write the picture to a file that ends in .svg or .html; what stood there before is kept when that fails.

    Raises `SetupError` for another ending and when the file cannot be written.
    """
    check_picture(path)
    page = draw_excerpt(excerpt) if path.suffix.lower() == ".svg" else render_page(excerpt, title=title)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_text(page, encoding="utf-8", newline="\n")
        beside.replace(path)
    except OSError as error:
        with suppress(OSError):
            beside.unlink()
        raise SetupError(
            f"The picture cannot be written to {str(path)!r}: {error.strerror}; name a folder that takes it."
        ) from error
    return path


def render_page(excerpt: Excerpt, *, title: str) -> str:
    """The picture as a page, with everybody in it as a table."""
    ties = _neighbours(excerpt)
    rows = "\n".join(
        f'<tr><td>{p.id[:12]}</td><td>{p.hop}</td><td>{ties[p.id]}</td><td dir="auto">{_said(p.text)}</td></tr>'
        for p in excerpt.people
    )
    return _PAGE.format(title=_said(title), caption=_caption(excerpt), picture=draw_excerpt(excerpt), rows=rows)


def draw_excerpt(excerpt: Excerpt) -> str:
    """The excerpt as SVG: a dot for each person, by hop, and a line for each pair and kind; names on hovering.

    The same excerpt gives the same picture. In dark surroundings it is drawn in light colours.
    """
    picture: nx.Graph[str] = nx.Graph()
    picture.add_nodes_from(person.id for person in excerpt.people)
    picture.add_edges_from((link.source, link.target) for link in excerpt.links)
    at = _fitted(lay_out(picture))
    kinds = [kind for kind in KINDS if any(_kind(link.kind) == kind for link in excerpt.links)]
    height = _SIDE + 24 * (1 + len(kinds) // 5)
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_SIDE:.0f} {height:.0f}" role="img">',
        f"<title>{_caption(excerpt)}</title><style>{_STYLE}</style>",
        f'<rect class="back" width="{_SIDE:.0f}" height="{height:.0f}"/>',
        *_lines(excerpt, at),
        *_dots(excerpt, at),
        *_legend(kinds),
        "</svg>",
    ])  # fmt: skip


def _caption(excerpt: Excerpt) -> str:
    return (
        f"{len(excerpt.people):,} of {excerpt.people_in_all:,} people, "
        f"{len(excerpt.links):,} of {excerpt.links_in_all:,} relations between them"
    )


def _lines(excerpt: Excerpt, at: Mapping[str, Position]) -> Iterator[str]:
    drawn = dict.fromkeys((*sorted((link.source, link.target)), _kind(link.kind)) for link in excerpt.links)
    for source, target, kind in drawn:
        (x1, y1), (x2, y2) = at[source], at[target]
        place = f'x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}"'
        yield f'<line {place} stroke="var(--c{KINDS.index(kind)})" stroke-opacity=".7"{_dash(kind)}/>'


def _dots(excerpt: Excerpt, at: Mapping[str, Position]) -> Iterator[str]:
    ties = _neighbours(excerpt)
    shrunk = min(1.0, max(0.4, (100 / max(1, len(excerpt.people))) ** 0.5))
    radius = {p.id: round(shrunk * (6 + 2 * min(ties[p.id], 40) ** 0.5), 1) for p in excerpt.people}
    named = _named(excerpt, ties)
    for person in excerpt.people:
        x, y = at[person.id]
        ring = ' stroke="var(--ink)" stroke-width="3"' if person.distance == 0 else ' stroke="var(--surface)"'
        yield (
            f'<circle cx="{x}" cy="{y}" r="{radius[person.id]}" fill="var(--hop{min(person.hop, 3)})"{ring}>'
            f"<title>{_said(clip(person.text, 300))} (hop {person.hop})</title></circle>"
        )
    for person in (p for p in excerpt.people if p.id in named):
        x, y = at[person.id]
        above = f"{y - radius[person.id] - 5:.1f}"
        yield f'<text x="{x}" y="{above}" text-anchor="middle">{_said(short_label(person.text, 28))}</text>'


def _named(excerpt: Excerpt, ties: Mapping[str, int]) -> set[str]:
    if len(excerpt.people) <= _NAMED:
        return {person.id for person in excerpt.people}
    best: list[Acquaintance] = sorted(excerpt.people, key=lambda p: (p.distance != 0, -ties[p.id]))
    return {person.id for person in best[:_NAMED_OF_MANY]}


def _legend(kinds: list[str]) -> Iterator[str]:
    for n, kind in enumerate(kinds):
        x, y = 20 + 195 * (n % 5), _SIDE + 12 + 24 * (n // 5)
        colour = f"var(--c{KINDS.index(kind)})"
        yield f'<line x1="{x}" x2="{x + 40}" y1="{y}" y2="{y}" stroke="{colour}" stroke-width="3"{_dash(kind)}/>'
        yield f'<text x="{x + 48}" y="{y + 4}">{kind}</text>'


def _dash(kind: str) -> str:
    # Colour is never the only cue.
    dash = _DASHES[KINDS.index(kind) % len(_DASHES)]
    return f' stroke-dasharray="{dash}"' if dash else ""


def _neighbours(excerpt: Excerpt) -> Counter[str]:
    pairs = {(link.source, link.target) for link in excerpt.links}
    distinct = {tuple(sorted(pair)) for pair in pairs}
    return Counter(end for pair in distinct for end in pair)


def _fitted(positions: Mapping[str, Position]) -> dict[str, Position]:
    if not positions:
        return {}
    left, right = min(x for x, _ in positions.values()), max(x for x, _ in positions.values())
    low, high = min(y for _, y in positions.values()), max(y for _, y in positions.values())
    reach = max(right - left, high - low) or 1.0
    scale = (_SIDE - 2 * _MARGIN) / reach
    across, down = (_SIDE - scale * (right - left)) / 2, (_SIDE - scale * (high - low)) / 2
    return {
        person: (round(across + scale * (x - left), 1), round(down + scale * (y - low), 1))
        for person, (x, y) in positions.items()
    }


def _kind(kind: str) -> str:
    return kind if kind in KINDS else KINDS[-1]


def _said(text: str) -> str:
    # What no XML file may hold, whatever a model wrote.
    return escape("".join(c if c.isprintable() else " " for c in text))
