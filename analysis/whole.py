"""Writing a page as a whole, and over nothing but itself: what was there before stays when that fails."""

import re
from pathlib import Path

from ..personas.errors import SetupError
from ..personas.files import whole_file

__all__ = ["check_own", "mark_of", "write_whole"]

#: How far into a page its mark is looked for, in characters.
_HEAD = 4_000
_NO_MARK = re.compile(r"[^\w.-]")


def mark_of(what: str, of: str) -> str:
    """What stands in a page and says whose it is: `what` was made `of` what, without what markup would read."""
    return f"populace-{what}:{_NO_MARK.sub('_', of)}"


def check_own(path: Path, mark: str, *, what: str) -> None:
    """Raise `SetupError` when there is something at `path` that does not hold this mark, and so is not to be lost."""
    if path.is_dir():
        raise SetupError(f"{str(path)!r} is a folder; give a file in it, as {str(path / f'{what}.html')!r}.")
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            head = file.read(_HEAD)
    except OSError:
        return  # nothing is there, or what is there is met again when the page is written
    if f'"{mark}"' not in head:
        raise SetupError(
            f"{str(path)!r} is there already and is no {what} of the same {'run' if what == 'report' else 'hub'}, so "
            f"it is not written over; name another file, or move that one away."
        )


def write_whole(page: str, path: Path, *, what: str) -> Path:
    """Write the page to `path`, which is also what comes back; `what` it is stands in the sentence of an error.

    Raises `SetupError` when the file cannot be written.
    """
    try:
        with whole_file(path, replace=True) as part:
            part.write_text(page, encoding="utf-8", newline="\n")
    except OSError as error:
        raise SetupError(
            f"The {what} cannot be written to {str(path)!r}: {error.strerror}; name a folder that takes it."
        ) from error
    return path
