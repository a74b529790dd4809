"""Making a file where there is none: whether its place is free, and a folder beside it for what is not done yet."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from ...personas import files
from ...personas.database import is_made
from ...personas.errors import RunFileError

__all__ = ["check_free", "folder_beside"]


def check_free(path: Path) -> None:
    """Raise `RunFileError`, in one sentence, when no new run file can be at this path."""
    if path.is_dir():
        file = path / "run.duckdb"
        raise RunFileError(f"{str(path)!r} is a folder; give the path of a file in it, as {str(file)!r}.")
    if is_made(path):
        raise RunFileError(f"{str(path)!r} exists; give another path, or go on with `populace resume {path}`.")
    if not path.parent.is_dir():
        raise RunFileError(
            f"There is no folder {str(path.parent)!r} to write {path.name!r} to; make it, or give another path."
        )


@contextmanager
def folder_beside(path: Path) -> Iterator[Path]:
    """A hidden folder on the same disk as the file, or else among the system's temporary ones; gone when it is left.

    Raises `RunFileError` when nothing can be written anywhere.
    """
    with ExitStack() as stack:
        try:
            folder = _entered(stack, path)
        except OSError as error:
            raise RunFileError(
                f"Nothing can be written beside {str(path)!r} ({error.strerror}); make room, or give a path elsewhere."
            ) from error
        yield folder


def _entered(stack: ExitStack, path: Path) -> Path:
    try:
        return stack.enter_context(files.folder_beside(path))
    except OSError:  # it may lie where nothing can be written
        return Path(stack.enter_context(TemporaryDirectory(prefix="populace-", ignore_cleanup_errors=True)))
