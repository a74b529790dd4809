"""Asking for the same growth a second time: whether it is the same, and what differs."""

from pathlib import Path
from typing import Any

import orjson

from ...personas.errors import RunFileError, SetupError
from ...personas.hub.schema import check_hub
from ..growth import Growth
from ..runfile.database import connect
from ..runfile.reader import open_run
from ..runfile.recording import run_of
from .scenario import Growing

__all__ = ["check_same", "standing"]

_STANDING = """
SELECT hop, sum(asked)::BIGINT, hop IN (SELECT hop FROM growth)
FROM growth_chunks GROUP BY hop ORDER BY hop DESC LIMIT 1
"""

#: What settings are called on the command line, where that is not their own name.
_OPTIONS = {
    "sources": "sources", "agents": "--limit", "per_passage": "--per-text", "fan_outs": "--fan-out", "hub": "--people",
    "form": "--structured", "low_visibility": "--low-visibility", "reading": "how texts are read",
}  # fmt: skip


def check_same(path: Path, growth: Growth, *, seed: int, model: str) -> None:
    """Raise `SetupError` when the growth in a hub is not the one that is asked for, naming what differs.

    Raises `RunFileError` for a file that growth did not make.
    """
    try:
        run = open_run(path)
    except RunFileError as error:
        raise _not_grown(path) or error from error
    with run:
        row = run_of(run)
    if row.scenario != Growing.name or row.scenario_file is not None:
        raise RunFileError(
            f"{str(path)!r} is a run of the scenario {row.scenario!r}; give growth another --hub, and people to begin "
            f"with by --people {path}."
        )
    was = orjson.loads(row.growth_settings) | {"seed": row.seed, "model": row.model}
    wanted = growth.model_dump(mode="json") | {"seed": seed, "model": model}
    differences = [_difference(name, was.get(name), value) for name, value in wanted.items() if was.get(name) != value]
    if differences:
        raise SetupError(
            f"{str(path)!r} was grown otherwise: {'; '.join(differences)}. Go on as it was begun with `populace resume "
            f"{path}`, or grow into another --hub and bring the two together with `populace hub merge`."
        )


def standing(path: Path) -> str:
    """How far unfinished growth has come, in words; empty when it is finished, or going on at this moment."""
    with open_run(path) as run:
        if run.is_live:
            return ""
        row, found = run_of(run), run.query(_STANDING).rows
    if row.status == "finished":
        return ""
    if not found:
        return "before its first answers were kept"
    ((hop, asked, is_complete),) = found
    return f"behind hop {hop}" if is_complete else f"in hop {hop}, behind {asked:,} questions"


def _not_grown(path: Path) -> SetupError | None:
    """What is wrong with a hub that was not grown here; None when the file is no hub either."""
    con = connect(path, read_only=True)
    try:
        check_hub(con, str(path))
    except SetupError:
        return None
    finally:
        con.close()
    return SetupError(
        f"{str(path)!r} is a hub that was not grown, so growth cannot go on in it; give another --hub, and these "
        f"people to begin with by --people {path}, or bring the two together with `populace hub merge`."
    )


def _difference(name: str, was: Any, wanted: Any) -> str:
    option = _OPTIONS.get(name, f"--{name.replace('_', '-')}")
    return f"{option} {_shown(was)} then and {_shown(wanted)} now"


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{name} {_shown(one)}" for name, one in value.items() if one is not None)
    return "none" if value is None else str(value)
