"""Asking finished growth for more: more hops, more people, more sources. What is there stays, and is not paid again."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from ...personas.errors import SetupError
from ..growth import Growth
from ..runfile import rows
from ..runfile.runlog import RunLog
from ..runfile.writer import Statement
from ..times import now
from ..trust import SOURCES, remember

__all__ = ["begin_extension", "extend", "is_further"]

_ROUNDS = "SELECT max(round) + 1 FROM frontier GROUP BY hop ORDER BY hop"
_WHOLE = "SELECT count(*) = coalesce(max(ordinal), 0) FROM personas"
_EXTENSIONS = "SELECT count(*) FROM growth_extensions"


def is_further(name: str, was: Any, wanted: Any, settings: Mapping[str, Any]) -> bool:
    """Whether a setting of growth may become `wanted`: more than it `was`, so that all that was grown is a part of it.

    `settings` are all that are wanted.
    """
    match name:
        case "hops":
            return bool(wanted > was)
        case "agents":
            return was is not None and (wanted is None or wanted > was)
        case "sources":
            return bool(was) and wanted[: len(was)] == was
        case "fan_outs":
            # The last one given holds for the hops that follow.
            return bool(was) and wanted[: len(was)] == was and len(was) < settings["hops"]
    return False


def extend(path: Path, growth: Growth) -> None:
    """Make finished growth in a hub unfinished again, as `growth`: whoever resumes it goes on from what is there.

    Raises `SourceError` for sources that cannot be read, and `SetupError` where people are gone from the hub.
    """
    growth.check_readable()
    with RunLog.open(path) as log:
        ((is_whole,),) = log.query(_WHOLE)
        if not is_whole:
            raise SetupError(
                f"People have been removed from {str(path)!r} since it was grown, so its growth cannot go on; grow "
                f"into another hub from its people: populace grow --people {path} --hub NEW."
            )
        begin_extension(log, growth)
        # Whoever extends growth has named what it is to read.
        remember(log.run, kinds=SOURCES)


def begin_extension(log: RunLog, became: Growth) -> None:
    """Record that growth is to be `became` from here on, and which of its hops are open again, in one transaction."""
    written = log.run.growth_settings
    was = Growth.model_validate_json(written)
    ((number,),) = log.query(_EXTENSIONS)
    rounds = [rounds for (rounds,) in log.query(_ROUNDS)]
    settings = became.model_dump_json()
    row = rows.GrowthExtensionRow(number + 1, written, settings, rounds, log.last_event_hash(), now())
    changes = log.change(spec={"growth": orjson.loads(settings)})
    if (was.agents, was.sources) != (became.agents, became.sources):
        # People who were read from a hub are all there; from texts more may come.
        first = 0 if became.hub is None else 1
        changes.append(Statement("DELETE FROM markers WHERE phase = 'growth' AND chunk = 0 AND number >= ?", [first]))
    log.commit([row], statements=changes).result()
