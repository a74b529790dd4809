"""A hub in numbers while people are still being grown into it, by this process or another one."""

from pathlib import Path

from ...personas.hub.file import open_hub
from ...personas.hub.info import HubInfo, describe, describe_hub
from ..runfile.cursors import cursors_of
from ..runfile.reader import open_run
from ..runfile.sidecar import Sidecar

__all__ = ["hub_in_numbers"]


def hub_in_numbers(path: Path) -> HubInfo:
    """The numbers of a hub, also of one that is being grown: then as far as it is committed.

    Raises `SourceError` for what is no hub, and `RunFileError` for one that is held by a process that answers no SQL.
    """
    # A run that was killed leaves its note behind: then the reader finds that nobody answers, and opens the file.
    if path.name and (cursors_of(path) or Sidecar.read(path) is not None):
        with open_run(path) as run:
            return describe(path, lambda statement: run.query(statement).rows)
    with open_hub(path) as hub:
        return describe_hub(hub)
