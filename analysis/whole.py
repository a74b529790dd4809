"""Writing a page as a whole: a file that was there before is left as it was when that fails."""

import os
from contextlib import suppress
from pathlib import Path

from ..personas.database import check_regular
from ..personas.errors import SetupError

__all__ = ["write_whole"]


def write_whole(page: str, path: Path, *, what: str) -> Path:
    """Write the page to `path`, which is also what comes back; `what` it is stands in the sentence of an error.

    Raises `SetupError` when the file cannot be written.
    """
    check_regular(path, what=what, raised=SetupError)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_text(page, encoding="utf-8", newline="\n")
        beside.replace(path)
    except OSError as error:
        with suppress(OSError):
            beside.unlink()
        raise SetupError(
            f"The {what} cannot be written to {str(path)!r}: {error.strerror}; name a folder that takes it."
        ) from error
    return path
