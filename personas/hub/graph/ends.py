"""The ends of all relations as numbers, in a temporary table: long ids are read once, and not at each scan."""

from ..file import HubFile
from .folds import fetch

__all__ = ["list_ends"]

_ENDS = """
CREATE OR REPLACE TEMP TABLE graph_ends AS
SELECT hash(source) AS source, hash(target) AS target, rowid AS place FROM relations
"""


def list_ends(hub: HubFile) -> None:
    """Fill the temporary table `graph_ends` (source, target, place) with a row for each relation.

    Ends are hashes of ids, so whoever looks one up compares the ids too; `place` is the row in `relations`. It takes
    24 bytes a relation. Raises `SourceError`.
    """
    fetch(hub, _ENDS)
