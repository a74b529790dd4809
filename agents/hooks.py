"""Calls of what users write: methods of scenarios and actions, whose errors are to name them and show where."""

import os
import sysconfig
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from ..personas.errors import HookError, PopulaceError

__all__ = ["hook", "own_frames"]

#: Folders whose frames say nothing to whoever wrote a scenario: ours, Python's and other libraries'.
_ROOT = Path(__file__).resolve().parents[1]
_ROOMS = ("agents", "analysis", "personas", "sim", "cli", "src")
_OURS = tuple(f"{_ROOT / room}{os.sep}" for room in _ROOMS)
_OTHERS = tuple(f"{sysconfig.get_path(name)}{os.sep}" for name in ("stdlib", "platstdlib", "purelib", "platlib"))


@contextmanager
def hook(owner: object, name: str) -> Iterator[None]:
    """Turn what the user's method `name` of `owner` (an object or a class) raises into a `HookError`.

    Errors that Populace raises on purpose are sentences already and pass.
    """
    try:
        yield
    except PopulaceError:
        raise
    except Exception as error:
        cls = owner if isinstance(owner, type) else type(owner)
        said = f": {error}" if str(error) else ""
        raise HookError(
            f"`{name}` of {cls.__name__} failed with {type(error).__name__}{said.rstrip('.')}.",
            own_frames(error.__traceback__),
        ) from error


def own_frames(trace: TracebackType | None) -> str:
    """The frames of a traceback that are in the user's own files, the innermost last; empty where there are none."""
    frames = [frame for frame in traceback.extract_tb(trace) if _is_own(frame.filename)]
    return "\n".join(f"  {_shown(f.filename)}:{f.lineno}, in {f.name}\n    {f.line}" for f in frames)


def _is_own(file: str) -> bool:
    path = str(Path(file).resolve())
    return not path.startswith((*_OURS, *_OTHERS)) and not file.startswith("<")


def _shown(file: str) -> str:
    path, here = Path(file).resolve(), Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
