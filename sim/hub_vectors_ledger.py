"""The run file of fetching a hub's vectors: made beside the hub, or found there when the job was stopped."""

from pathlib import Path
from uuid import uuid4

import orjson

from ..agents.embedding.models import EmbeddingHandle
from ..agents.gateway.limits import Limits
from ..agents.gateway.prices import Prices
from ..personas.database import is_made
from ..personas.errors import SetupError
from ..personas.hub.file import HubFile
from .growth import Growth
from .runfile import rows
from .runfile.job_rows import job_of
from .runfile.reader import open_run
from .runfile.runlog import RunLog
from .times import now
from .versions import versions

__all__ = ["open_ledger"]

_NAME = "vectors"
_MOST_LEDGERS = 1_000
#: What a job that goes on may be given anew.
_CHANGEABLE = ("embedding_url", "limits", "prices", "cache")


def open_ledger(
    hub: HubFile,
    given: Path | None,
    model: EmbeddingHandle,
    limits: Limits,
    prices: Prices | None,
    cache: Path | None,
) -> RunLog:
    """The run file of an unfinished job of this model where there is one, else a new one.

    By default it is `HUB.vectors.duckdb` beside the hub, then `HUB.vectors-2.duckdb` and so on. Raises `SetupError`
    when the file that was given is another job's.
    """
    row = _run_row(hub, model, limits, prices, cache)
    place = _place(hub.path, given, model.name)
    if not is_made(place):
        return RunLog.create(place, job_of(row))
    log = RunLog.open(place)
    log.commit(statements=log.change(**{name: getattr(job_of(row), name) for name in _CHANGEABLE})).result()
    return log


def _place(hub: Path, given: Path | None, model: str) -> Path:
    if given is not None:
        if is_made(given) and not _goes_on(given, model):
            raise SetupError(f"{str(given)!r} is no unfinished job for vectors of {model}; give another ledger.")
        return given
    for number in range(1, _MOST_LEDGERS + 1):
        middle = _NAME if number == 1 else f"{_NAME}-{number}"
        place = hub.with_name(f"{hub.stem}.{middle}.duckdb")
        if not is_made(place) or _goes_on(place, model):
            return place
    raise SetupError(f"There are {_MOST_LEDGERS} jobs for vectors beside {str(hub)!r}; move the older ones away.")


def _goes_on(place: Path, model: str) -> bool:
    with open_run(place) as run:
        ((scenario, name, status),) = run.query("SELECT scenario, embedding_model, status FROM runs").rows
    return (scenario, name) == (_NAME, model) and status != "finished"


def _run_row(
    hub: HubFile, model: EmbeddingHandle, limits: Limits, prices: Prices | None, cache: Path | None
) -> rows.RunRow:
    source = Growth(hub=Path(hub.path.name), agents=None, hops=0)
    return rows.RunRow(
        run=uuid4().hex,
        scenario=_NAME,
        scenario_file=None,
        settings="{}",
        growth_settings=orjson.dumps(source.model_dump(mode="json")).decode(),
        world="",
        seed=0,
        model=model.name,
        # Nobody writes in such a run, so there is nothing to be told from a language model's.
        is_language_model=True,
        base_url=model.endpoint,
        max_in_flight=limits.max_in_flight,
        steps_wanted=0,
        versions=orjson.dumps(versions()).decode(),
        status="running",
        reason=None,
        event_hash=None,
        started_at=now(),
        ended_at=None,
        limits=limits.model_dump_json(),
        prices=orjson.dumps(prices).decode() if prices else None,
        cache=str(cache) if cache else None,
        batch=False,
        embedding_model=model.name,
        embedding_url=model.endpoint,
    )
