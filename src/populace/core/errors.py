"""What can go wrong, in two families. A command exits with 2 for the first and 1 for the second; 3 says paused.

    PopulaceError
    ├── SetupError          what was asked for cannot be done as asked: a wrong name, file or value
    │   ├── SourceError     a text, seed or hub file that cannot be read
    │   └── RunFileError    a file that is not a run file, or not one this version can use
    └── RunError            the run began and failed; what was done stays done
        ├── HookError       what a scenario or an action of the user's own brings failed
        ├── EndpointError   the model's endpoint refuses every call: unreachable, wrong key, no such model
        ├── PausedError     the run is paused on purpose: its budget is spent, or too many calls fail
        │   └── CacheError  the file of answers that runs share cannot be read or written
        └── StorageError    the run file cannot be written: disk full, file gone

Every message is a full sentence that names the thing, shows the value and says the way out. A sentence about a
parameter names it with `parameter`: a caller in Python reads `steps`, a user of the command line --steps.
`hook` turns what a user's method raises into a `HookError` that names the method and shows the user's own lines.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from shlex import quote
from types import FunctionType, TracebackType

type Named = Callable[[str, object], str]


class PopulaceError(Exception):
    """The base class of all errors that Populace raises deliberately."""

    #: Where the user's own code failed, if it did: file, line, function and source line of each frame, innermost last.
    frames = ""


class SetupError(PopulaceError):
    """The request cannot be carried out as given; nothing was begun."""


class SourceError(SetupError):
    """A text, seed or hub file cannot be read; the message names the file and, where there is one, the line."""


class RunFileError(SetupError):
    """A file is not a run file, or not one that this version can use."""


class RunError(PopulaceError):
    """The run began and failed; everything committed before is kept, and the run can be resumed."""


class HookError(RunError):
    """A method of a scenario, an action or an intervention failed; the run can be resumed once it is fixed."""

    def __init__(self, message: str, frames: str = "") -> None:
        super().__init__(message)
        self.frames = frames
        #: The same error without the command that resumes the run.
        self.bare = self

    def with_way_on(self, path: Path) -> "HookError":
        """The same error, with the command that resumes the run in `path`."""
        told = HookError(f"{self} Mend it, and go on with `populace resume {quote(str(path))}`.", self.frames)
        told.__cause__, told.bare = self.__cause__, self
        return told


class EndpointError(RunError):
    """The model's endpoint refuses every call: it cannot be reached, the key is wrong, or it has no such model."""


class PausedError(RunError):
    """The run is paused: its budget is spent, or too many calls fail. It can be resumed."""

    #: How much is left to do, in a sentence; empty where that is not known.
    left = ""

    def __str__(self) -> str:
        """Why, and what is left."""
        return " ".join(filter(None, (super().__str__(), self.left)))


class CacheError(PausedError):
    """The shared cache of answers cannot be read or written; the run file is intact."""


class StorageError(RunError):
    """The run file cannot be written."""


#: How to get a newer Populace, which is on no package index.
UPGRADE = "upgrade Populace: `git pull` and `make setup` in its checkout"


def install_extra(extra: str) -> str:
    """The command that installs an extra: Populace is on no package index, so from a checkout."""
    return f"`pip install -e '.[{extra}]'` in a checkout of Populace"


def parameter(name: str, value: object = None) -> str:
    """How a sentence names a parameter, with the value that it should have, if one is given.

    >>> parameter("steps"), parameter("steps", 4), parameter("cache", False)
    ('`steps`', '`steps=4`', '`cache=False`')
    """
    return _named(name, value)


@contextmanager
def name_parameters(named: Named) -> Iterator[None]:
    """Name parameters otherwise while this lasts, in the whole process: the command line has its options."""
    global _named  # noqa: PLW0603 - errors are raised in threads that inherit no context
    before, _named = _named, named
    try:
        yield
    finally:
        _named = before


def _python_name(name: str, value: object) -> str:
    return f"`{name}`" if value is None else f"`{name}={value!r}`"


_named: Named = _python_name


def hook(owner: object, name: str) -> "_HookGuard":
    """Turn what the user's method `name` of `owner` (an object or a class) raises into a `HookError`, in a `with`.

    Errors that Populace raises on purpose are sentences already and pass.
    """
    return _HookGuard(owner, name)


def text_from(owner: object, name: str, method: Callable[[], object]) -> str:
    """Return the text that the user's method `name` gives. Raises `HookError` if it fails, or gives something else."""
    with hook(owner, name):
        text = method()
        if not isinstance(text, str):
            raise TypeError(f"it must give a str, and gave {text!r:.80}")
    return text


def raise_explained(error: Exception, owner: object, name: str) -> None:
    """Raise a `HookError` from what the user's method raised, but for errors that Populace raises on purpose."""
    if isinstance(error, PopulaceError):
        return
    cls = owner if isinstance(owner, type) else type(owner)
    of = "" if cls is FunctionType else f" of {cls.__name__}"
    said = f": {told}" if (told := _describe_error(error)) else ""
    message = f"`{name}`{of} failed with {type(error).__name__}{said.rstrip('.')}."
    raise HookError(message, own_frames(error.__traceback__)) from error


class _HookGuard:
    """A class, as a generator's context manager costs three times as much."""

    __slots__ = ("_name", "_owner")

    def __init__(self, owner: object, name: str) -> None:
        self._owner, self._name = owner, name

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, Exception):
            raise_explained(error, self._owner, self._name)


def _describe_error(error: Exception) -> str:
    """What the error says: of pydantic's, which take a paragraph for each field, the first in one line."""
    from pydantic import ValidationError  # heavy, and loaded already where one was raised

    if not isinstance(error, ValidationError):
        return str(error)
    first, *more = error.errors(include_url=False)
    where = ".".join(map(str, first["loc"]))
    others = f" (and {len(more)} more)" if more else ""
    return f"{f'{where}: ' if where else ''}{first['msg'].lower()}, and {first['input']!r:.80} was given{others}"


def own_frames(trace: TracebackType | None) -> str:
    """The frames of a traceback that are in the user's own files, the innermost last; empty where there are none."""
    import traceback

    frames = [frame for frame in traceback.extract_tb(trace) if _is_own(frame.filename)]
    return "\n".join(f"  {_show_path(f.filename)}:{f.lineno}, in {f.name}\n    {f.line}" for f in frames)


def _is_own(file: str) -> bool:
    path = str(Path(file).resolve())
    return not path.startswith(_foreign_folders()) and not file.startswith("<")


@cache
def _foreign_folders() -> tuple[str, ...]:
    """Folders whose frames are of no use to the author of a scenario: ours, Python's and other libraries'."""
    import sysconfig

    package = Path(__file__).resolve().parents[1]
    rooms = ("core", "agents", "analysis", "personas", "sim", "cli")
    # In a checkout the rooms lie at its top.
    ours = (root / room for root in (package, package.parents[1]) for room in (*rooms, "src"))
    others = (sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib"))
    return tuple(f"{folder}{os.sep}" for folder in (*ours, *others))


def _show_path(file: str) -> str:
    path, here = Path(file).resolve(), Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
