"""What can go wrong, in two families. A command exits with 2 for the first and 1 for the second; 3 says paused.

    PopulaceError
    ├── SetupError          what was asked for cannot be done as asked: a wrong name, file or value
    │   ├── SourceError     a text, seed or hub file that cannot be read
    │   └── RunFileError    a file that is not a run file, or not one this version can use
    └── RunError            the run began and failed; what was done stays done
        ├── HookError       what a scenario or an action of the user's own brings failed
        ├── EndpointError   the model's endpoint refuses every call: unreachable, wrong key, no such model
        ├── PausedError     the run stands still on purpose: its budget is spent, or too many calls fail
        │   └── CacheError  the file of answers that runs share cannot be read or written
        └── StorageError    the run file cannot be written: disk full, file gone

Every message is a full sentence that names the thing, shows the value and says the way out. A sentence about a
parameter names it with `parameter`: a caller in Python reads `steps`, a user of the command line --steps.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from shlex import quote

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


class CacheError(PausedError):
    """The shared cache of answers cannot be read or written; the run file is intact."""


class StorageError(RunError):
    """The run file cannot be written."""


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
