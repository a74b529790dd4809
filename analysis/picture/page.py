"""The picture of a part of a hub: one SVG, or a page around it that loads nothing and runs nothing."""

from collections.abc import Mapping
from pathlib import Path

from ...core.errors import SetupError
from ...personas.network import Excerpt
from ..page import PICTURES, check_own, mark_of, write_whole
from .drawing import Drawing, dark_style, name_of, said

#: Widths in which a page holds the picture: type is not read when it shrinks with a wide one.
_WIDE, _NARROW = 1_040.0, 460.0

_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="populace-mark" content="{mark}">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>{title}</title>
<style>:root{{color-scheme:light dark}}body{{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:1.5rem auto;
padding:0 1rem;background:#fff;color:#1d2126}}h1{{font-size:1.5rem;line-height:1.25;margin:0}}p{{margin:.3rem 0 1rem}}
p.note{{border:1px solid #e6c67a;border-radius:8px;background:#fdf3dd;color:#5c3a00;padding:.5rem .8rem}}
svg{{width:100%;height:auto;display:block}}.narrow{{display:none}}td,th{{text-align:left;padding:.2rem .8rem .2rem 0;
vertical-align:top}}td:first-child{{font-family:ui-monospace,monospace}}td{{overflow-wrap:anywhere}}
@media (max-width:700px){{.wide{{display:none}}.narrow{{display:block}}}}
@media (prefers-color-scheme:dark){{body{{background:#1d2126;color:#e9e7e2}}}}{dark}</style></head>
<body><h1{hint}>{title}</h1><p>{caption}</p>{note}
{wide}
{narrow}
<details><summary>Everybody in the picture</summary><table>
<tr><th>id</th><th>hop</th><th>ties</th><th>who</th></tr>
{rows}
</table></details></body></html>
"""


def check_picture(path: Path, *, of: str = "") -> None:
    """Raise `SetupError` when no picture can be written to a file of this name, or another file is there.

    `of` is the name of the hub: its own earlier picture may be written over.
    """
    if path.suffix.lower() not in PICTURES:
        raise SetupError(f"{str(path)!r} ends in {path.suffix!r}; a picture is written to {' or '.join(PICTURES)}.")
    check_own(path, mark_of("picture", of), what="picture", of="hub")


def write_picture(
    excerpt: Excerpt,
    path: Path,
    *,
    title: str,
    communities: Mapping[str, int] | None = None,
    note: str = "",
    of: str = "",
) -> Path:
    """Write the picture to a file that ends in .svg or .html, over nothing but an earlier one `of` the same hub.

    Around somebody, the title is what that person is. Colours tell `communities`, numbers by id, or else hops. A note
    stands above the picture of a page, and below the legend of an SVG.
    Raises `SetupError` for another ending, for another file there, and when the file cannot be written; what stood
    there before is kept then.
    """
    check_picture(path, of=of)
    mark = mark_of("picture", of)
    if path.suffix.lower() == ".svg":
        page = Drawing(excerpt, communities, note).svg(_WIDE).replace("<svg ", f'<svg data-mark="{mark}" ', 1)
    else:
        page = _page(excerpt, Drawing(excerpt, communities), title, mark, note)
    return write_whole(page, path, what="picture")


def _page(excerpt: Excerpt, drawing: Drawing, title: str, mark: str, note: str = "") -> str:
    centre = next((person for person in excerpt.people if person.distance == 0), None)
    rows = "\n".join(
        f'<tr><td>{p.id[:12]}</td><td>{p.hop}</td><td>{drawing.ties[p.id]}</td><td dir="auto">{said(p.text)}</td></tr>'
        for p in excerpt.people
    )
    return _PAGE.format(
        mark=mark,
        title=said(title if centre is None else f"Around: {name_of(centre.text)}"),
        hint="" if centre is None else f' title="{said(centre.text)}"',
        caption=drawing.caption,
        note=f'<p class="note">{said(note)}</p>' if note else "",
        dark=dark_style(),
        wide=drawing.svg(_WIDE, css_class="wide"),
        narrow=drawing.svg(_NARROW, css_class="narrow"),
        rows=rows,
    )
