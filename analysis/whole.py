"""Writing a page as a whole: a file that was there before is left as it was when that fails."""

from pathlib import Path

from ..personas.errors import SetupError
from ..personas.files import whole_file

__all__ = ["write_whole"]


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
