"""The run file of an enrichment: made beside the hub, or found there when the job was stopped."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from uuid import uuid4

import orjson

from ...agents.endpoint.models import ModelHandle
from ...agents.gateway.limits import Limits
from ...agents.gateway.prices import Prices
from ...personas.database import is_made
from ...personas.errors import SetupError
from ...personas.hub.file import HubFile
from ...personas.selection.selection import choose_people
from ..growth import Growth
from ..runfile import rows
from ..runfile.job_rows import job_of
from ..runfile.reader import open_run
from ..runfile.runlog import RunLog
from ..times import now
from ..versions import versions
from .wishes import Enrichment

__all__ = ["Job"]

_NAME = "enrich"
_MOST_LEDGERS = 1_000
#: What a job that goes on may be given anew.
_CHANGEABLE = ("base_url", "limits", "prices", "cache")


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """All that was asked for, and the run file for it."""

    hub: Path
    wishes: Enrichment
    model: ModelHandle
    limits: Limits
    prices: Prices | None
    cache: Path | None
    seed: int
    batch: bool

    def open_ledger(self, hub: HubFile, given: Path | None) -> RunLog | None:
        """The run file of this very job where it is unfinished, else a new one; None when nobody is to be asked about.

        By default it is `HUB.enrich.duckdb` beside the hub, then `HUB.enrich-2.duckdb` and so on. Raises `SetupError`
        when another job is unfinished there.
        """
        place = self._place(given)
        choose = partial(
            choose_people,
            hub.con,
            where=self.wishes.where,
            n=self.wishes.n,
            seed=self.seed,
            lacking=self.wishes.lacking,
        )
        people = [] if is_made(place) else choose()
        if not people and not is_made(place):
            return None
        log = self._reopened(place) if is_made(place) else RunLog.create(place, job_of(self._run_row()))
        try:
            if not log.query("SELECT 1 FROM agents LIMIT 1"):  # it was killed as soon as it was made
                chosen = enumerate(people or choose(), start=1)
                log.commit([rows.AgentRow(persona, ordinal) for ordinal, persona in chosen]).result()
        except BaseException:
            log.close()
            raise
        return log

    def _place(self, given: Path | None) -> Path:
        """Where the run file is, unfinished, or will be."""
        if given is not None:
            if is_made(given) and self._is_finished(given):
                raise SetupError(f"The enrichment in {str(given)!r} is finished; give another --ledger for a new one.")
            return given
        for number in range(1, _MOST_LEDGERS + 1):
            middle = _NAME if number == 1 else f"{_NAME}-{number}"
            place = self.hub.with_name(f"{self.hub.stem}.{middle}.duckdb")
            if not is_made(place) or not self._is_finished(place):
                return place
        raise SetupError(f"There are {_MOST_LEDGERS} enrichments beside {str(self.hub)!r}; move the older ones away.")

    def _is_finished(self, place: Path) -> bool:
        """Whether a run file is done with: finished, or of another job that never came to an answer.

        Raises `SetupError` when another job than this is unfinished in it.
        """
        with open_run(place) as run:
            query = "SELECT scenario, settings, growth_settings, model, seed, status FROM runs"
            ((scenario, settings, source, model, seed, status),) = run.query(query).rows
            ((paid,),) = run.query("SELECT count(raw) FROM calls").rows
        if scenario != _NAME:
            raise SetupError(f"{str(place)!r} is a run of scenario {scenario!r}, no enrichment; give another --ledger.")
        if status == "finished":
            return True
        mine = (self._settings(), self._source(), self.model.name, self.seed)
        if (orjson.loads(settings), orjson.loads(source), model, seed) != mine:
            if not paid:  # it never came to an answer, as with a wrong key
                return True
            wished = {name: value for name, value in orjson.loads(settings).items() if value not in (None, False)}
            raise SetupError(
                f"{str(place)!r} holds another enrichment that is not finished (model {model}, seed {seed}, "
                f"{orjson.dumps(wished).decode()}), with paid answers; go on with that first, or give another --ledger."
            )
        return False

    def _reopened(self, place: Path) -> RunLog:
        log = RunLog.open(place)
        row = job_of(self._run_row())
        log.commit(statements=log.change(**{name: getattr(row, name) for name in _CHANGEABLE})).result()
        return log

    def _settings(self) -> dict[str, object]:
        return self.wishes.model_dump(mode="json")

    def _source(self) -> dict[str, object]:
        return Growth(hub=Path(self.hub.name), agents=None, hops=0).model_dump(mode="json", exclude={"draw"})

    def _run_row(self) -> rows.RunRow:
        return rows.RunRow(
            run=uuid4().hex,
            scenario=_NAME,
            scenario_file=None,
            settings=orjson.dumps(self._settings()).decode(),
            growth_settings=orjson.dumps(self._source()).decode(),
            world="",
            seed=self.seed,
            model=self.model.name,
            is_language_model=self.model.is_language_model,
            base_url=self.model.endpoints,
            max_in_flight=self.limits.max_in_flight,
            steps_wanted=0,
            versions=orjson.dumps(versions()).decode(),
            status="running",
            reason=None,
            event_hash=None,
            started_at=now(),
            ended_at=None,
            limits=self.limits.model_dump_json(),
            prices=orjson.dumps(self.prices).decode() if self.prices else None,
            cache=str(self.cache) if self.cache else None,
            batch=self.batch,
        )
