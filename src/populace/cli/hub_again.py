"""The commands by which a job on a hub goes on: written out of its options, or out of its run file."""

from collections.abc import Mapping
from pathlib import Path
from shlex import join
from typing import Any

from .options import LIMITS

__all__ = ["check_goes_on", "enrich_again"]

_JOB = """
SELECT scenario, settings, growth_settings, model, base_url, seed, batch, embedding_model, embedding_url, cache
FROM runs
"""
#: Options of `populace hub enrich` by the names that its wishes have, in the order in which they are written.
_WISHES = {
    "where": "--where",
    "n": "--n",
    "wiki": "--wiki",
    "only_evident": "--only-evident",
    "replace": "--replace",
    "skill": "--raise",
    "tier": "--tier",
    "seed": "--seed",
    "model": "--model",
    "base_url": "--base-url",
    "batch": "--batch",
    "ledger": "--ledger",
    "cache": "--cache",
    "price": "--price",
}
_DEFAULTS = {"seed": 0, "model": "procedural"}
#: A spent budget would stop the job again at once.
_BUDGET = ("max_calls", "max_tokens", "max_cost")


def enrich_again(hub: Path, options: Mapping[str, Any], *, is_spent: bool = False) -> str:
    """The command that goes on with an enrichment that had these options; without its budget when that is spent."""
    bounds = {name: f"--{name.replace('_', '-')}" for name in LIMITS if not (is_spent and name in _BUDGET)}
    words = ["populace", "hub", "enrich", str(hub)]
    for name, flag in (_WISHES | bounds).items():
        value = options.get(name)
        if value is None or value is False or value == _DEFAULTS.get(name):
            continue
        for one in value if isinstance(value, tuple | list) else (value,):
            words += [flag] if one is True else [flag, str(one)]
    return join(words)


def check_goes_on(file: Path) -> None:
    """Raise `SetupError` for the run file of a job on a hub: it goes on, and ends, by the command that began it."""
    from populace.personas.errors import SetupError
    from populace.sim.runfile.reader import open_run

    with open_run(file) as stored:
        found = stored.query(_JOB)
    job = dict(zip(found.columns, found.rows[0], strict=True))
    if job["scenario"] in _AGAIN:
        what, again = _AGAIN[job["scenario"]]
        raise SetupError(f"{str(file)!r} is no society but {what}; what stopped goes on with `{again(file, job)}`.")


def _enriched(file: Path, job: Mapping[str, Any]) -> str:
    import orjson

    hub = _hub(file, job)
    ledger = None if file.name.startswith(f"{hub.stem}.enrich") else file
    given = {name: job[name] for name in ("model", "seed", "batch", "cache")}
    urls = (job["base_url"] or "").split()
    return enrich_again(hub, {**orjson.loads(job["settings"]), **given, "base_url": urls, "ledger": ledger})


def _compared(file: Path, job: Mapping[str, Any]) -> str:
    hub = _hub(file, job)
    ledger = [] if file.name.startswith(f"{hub.stem}.vectors") else ["--ledger", str(file)]
    url = ["--embeddings-url", job["embedding_url"]] if job["embedding_url"] else []
    return join(["populace", "hub", "dedup", str(hub), "--embeddings", job["embedding_model"], *url, *ledger])


def _hub(file: Path, job: Mapping[str, Any]) -> Path:
    """The hub, which lies beside the run file unless that was put elsewhere."""
    import orjson

    return file.with_name(orjson.loads(job["growth_settings"])["hub"])


_AGAIN = {
    "enrich": ("the ledger of `populace hub enrich`", _enriched),
    "vectors": ("the ledger of `populace hub dedup --embeddings`", _compared),
}
