"""Calls of methods that users write: their errors name the method and show the user's own lines."""

import os
import sysconfig
import traceback
from pathlib import Path
from types import TracebackType

from ..personas.errors import HookError, PopulaceError

#: Folders whose frames are of no use to the author of a scenario: ours, Python's and other libraries'.
_ROOT = Path(__file__).resolve().parents[1]
_ROOMS = ("agents", "analysis", "personas", "sim", "cli", "src")
_OURS = tuple(f"{_ROOT / room}{os.sep}" for room in _ROOMS)
_OTHERS = tuple(f"{sysconfig.get_path(name)}{os.sep}" for name in ("stdlib", "platstdlib", "purelib", "platlib"))


def hook(owner: object, name: str) -> "_Hook":
    """Turn what the user's method `name` of `owner` (an object or a class) raises into a `HookError`, in a `with`.

    Errors that Populace raises on purpose are sentences already and pass.
    """
    return _Hook(owner, name)


class _Hook:
    """A class, as a turn enters eight of them and a generator's context manager costs three times as much."""

    __slots__ = ("_name", "_owner")

    def __init__(self, owner: object, name: str) -> None:
        self._owner, self._name = owner, name

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not isinstance(error, Exception) or isinstance(error, PopulaceError):
            return
        cls = self._owner if isinstance(self._owner, type) else type(self._owner)
        said = f": {error}" if str(error) else ""
        raise HookError(
            f"`{self._name}` of {cls.__name__} failed with {type(error).__name__}{said.rstrip('.')}.",
            own_frames(trace),
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
