"""Text for pages and pictures, safe in markup, and files of them that replace nothing but an earlier version."""

import os
import re
from html import escape
from pathlib import Path

from ..core.database import check_regular
from ..core.errors import SetupError
from ..core.files import whole_file
from ..core.text import make_legible

_ARTICLE = re.compile(r"^(an?|the)\s+", re.IGNORECASE)
# Where a description turns from what the person is to what the person does.
_TURN = re.compile(
    r"\s+(?:who|whose|whom|that|which|in|with|at|just|close)\s|\s*[,;:.(\u2013\u2014]\s|[\u3001\u3002\uff0c\uff1b]"
)


def clip_text(text: str, length: int) -> str:
    """Return the text, or its first words in at most `length` characters with an ellipsis.

    A word that is longer than half of `length` is cut, as is text of a script without spaces.
    """
    if len(text) <= length:
        return text
    head, space, _ = text[:length].rpartition(" ")
    return (head if space and len(head) >= length // 2 else text[: length - 1]).rstrip(" .,;:") + "\u2026"


def short_label(text: str, length: int = 42) -> str:
    """What a person is, in a few words of the description.

    >>> short_label("A night-shift baker who feeds the early trains.")
    'night-shift baker'
    """
    text = " ".join(text.split())
    label = _TURN.split(_ARTICLE.sub("", text), maxsplit=1)[0].strip(" .,;")
    return clip_text(label or text, length)


def escape_markup(text: str) -> str:
    """The text for HTML or SVG: escaped, and legible where it holds what these forbid."""
    return escape(make_legible(text))


#: How far into a page its mark is looked for, in characters.
_HEAD = 4_000
_NO_MARK = re.compile(r"[^\w.-]")


def mark_of(what: str, of: str) -> str:
    """The mark in a page that says what it is: `what`, made `of` what, without what markup would read."""
    return f"populace-{what}:{_NO_MARK.sub('_', of)}"


def check_own(path: Path, mark: str, *, what: str, of: str = "run") -> None:
    """Raise `SetupError` when there is something at `path` that does not hold this mark, and so is not to be lost.

    `what` it is to be, and `of` what, are for the message.
    """
    if path.is_dir():
        raise SetupError(
            f"{str(path)!r} is a folder; give a file in it, as {str(path / f'{what.split()[-1]}.html')!r}."
        )
    if os.path.lexists(path) and f'"{mark}"' not in _read_head(path):
        raise SetupError(
            f"{str(path)!r} is there already and is no {what} of the same {of}, so it is not written over; "
            f"name another file, or move that one away."
        )


def _read_head(path: Path) -> str:
    """The beginning of a file; nothing where it cannot be read, or is no file that has one."""
    if not path.is_file():
        return ""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.read(_HEAD)
    except OSError:
        return ""


def write_whole(page: str, path: Path, *, what: str) -> Path:
    """Write the page to `path`, and return the path; `what` it is appears in error messages.

    Raises `SetupError` when the file cannot be written.
    """
    check_regular(path, what=what, raised=SetupError)
    try:
        with whole_file(path, replace=True) as part:
            part.write_text(page, encoding="utf-8", newline="\n")
    except OSError as error:
        raise SetupError(
            f"The {what} cannot be written to {str(path)!r}: {error.strerror}; name a folder that takes it."
        ) from error
    return path


def check_picture(path: Path, *, what: str, of: str) -> None:
    """Raise `SetupError` when no picture can be written to a file of this name, or another file is there.

    `what` it shows, and the name `of` the file that it is drawn from, mark it: an earlier one may be written over.
    """
    if path.suffix.lower() != ".svg":
        raise SetupError(f"{str(path)!r} ends in {path.suffix!r}; a picture is written to .svg.")
    check_own(path, mark_of(what, of), what="picture", of="file")


def write_picture_file(svg: str, path: Path, *, what: str, of: str) -> Path:
    """Write a picture over nothing but an earlier one of the same.

    Raises `SetupError` as `check_picture` does, and when the file cannot be written; what stood there before is kept
    then.
    """
    check_picture(path, what=what, of=of)
    page = svg.replace("<svg ", f'<svg data-mark="{mark_of(what, of)}" ', 1)
    return write_whole(page, path, what="picture")
