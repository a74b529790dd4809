"""Asking for the same growth a second time: whether it is the same, more, or another."""

from pathlib import Path
from typing import Any

import orjson

from ...personas.errors import RunFileError, SetupError
from ...personas.hub.schema import check_hub
from ..growth import Growth
from ..runfile.database import connect
from ..runfile.reader import open_run
from ..runfile.recording import run_of
from .extending import is_further
from .scenario import Growing

__all__ = ["is_more", "standing"]

_STANDING = """
SELECT hop, sum(asked)::BIGINT, hop IN (SELECT hop FROM growth)
FROM growth_chunks GROUP BY hop ORDER BY max(extension) DESC, hop DESC LIMIT 1
"""

#: What settings are called on the command line, where that is not their own name.
_OPTIONS = {
    "sources": "sources", "agents": "--limit", "per_passage": "--per-text", "fan_outs": "--fan-out", "hub": "--people",
    "form": "--structured", "low_visibility": "--low-visibility", "reading": "how texts are read",
}  # fmt: skip


def is_more(path: Path, growth: Growth, *, seed: int, model: str) -> bool:
    """Whether more is asked for than was grown into a hub: further hops, people or sources; else it is the same.

    Raises `SetupError` when the growth in the hub is another one, naming what differs, or when more is asked for before
    it is finished; `RunFileError` for a file that growth did not make.
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
    # Earlier versions drew people of a hub at random, and did not say so.
    was = {"draw": "random"} | orjson.loads(row.growth_settings) | {"seed": row.seed, "model": row.model}
    wanted = growth.model_dump(mode="json") | {"seed": seed, "model": model}
    differing = [name for name, value in wanted.items() if was.get(name) != value]
    if not differing:
        return False
    differences = "; ".join(_difference(name, was.get(name), wanted[name]) for name in differing)
    if not all(is_further(name, was.get(name), wanted[name], wanted) for name in differing):
        raise SetupError(
            f"{str(path)!r} was grown otherwise: {differences}. What may become more is --hops, --limit, and sources "
            f"behind the earlier ones. Go on as it was begun with `populace resume {path}`; grow from its people, "
            f"`populace grow --people {path} --hub NEW`; or grow another hub and unite the two by `populace hub merge`."
        )
    if row.status != "finished":
        raise SetupError(
            f"{str(path)!r} is not finished, and more is asked for: {differences}. Go on as it was begun with "
            f"`populace resume {path}`, then ask for more."
        )
    return True


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
