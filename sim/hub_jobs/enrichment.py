"""Enriching a hub as a job in its own file: profiles, biographies and elite personas, chunk by chunk."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Self

import duckdb
from langchain_core.language_models.chat_models import BaseChatModel
from pydantic import Field, ValidationError

from ...agents.batch import check_batchable
from ...agents.endpoint.models import ModelHandle, open_model
from ...agents.gateway.budget import Prices, check_priced, known_prices
from ...agents.gateway.limits import Limits
from ...personas.errors import SetupError
from ...personas.hub.contradictions import check_again, find_contradictions, unjudged
from ...personas.hub.file import HubFile, open_hub
from ...personas.hub.queries import registered
from ...personas.inputs import check_seed
from ...personas.model import AnswerMistake, FrozenModel
from ...personas.profiles.elite import Tier
from ...personas.selection.selection import choose_people
from ..engine import Engine, Progress
from ..jobs import run_phase
from ..run_models import choose_model
from ..runfile.runlog import RunLog
from .enrichment_phases import BiographyPhase, CheckPhase, ElitePhase, EnrichmentContext, ProfilePhase
from .jobs import HubJob, check_job_trusted, resumed, stored_job

#: The kind of these jobs.
KIND = "enrichment"

_PHASES = ("profiles", "repairs", "biographies", "raised")
#: Tokens of an answer, at most: a profile has some 900 tokens, a biography up to 2,500.
ANSWER_TOKENS = 4_096
#: People of one chunk where requests go by batch, of which an endpoint takes hours.
_BATCH_CHUNK = 10_000

_STAGES = """
SELECT phase, items, items - failed, failed FROM markers WHERE job = $job AND chunk = 0 AND items > 0 ORDER BY rowid
"""
_MISTAKES = "SELECT mistake, count(*) FROM calls WHERE job = $job AND mistake IS NOT NULL GROUP BY mistake"
_EVIDENCE = """
SELECT known, count(*) FROM (
    SELECT json_extract_string(evidence, '$.*.evidence') AS all_known FROM profiles WHERE made_at >= ?
) CROSS JOIN unnest(all_known) AS u(known) GROUP BY known ORDER BY known
"""
_CONTRADICTIONS = "SELECT status, count(*) FROM contradictions WHERE found_at >= ? GROUP BY status ORDER BY status"


class Enrichment(FrozenModel):
    """What an enrichment is to find out, and about whom."""

    #: A condition in SQL on the columns of personas and profiles; None for everybody.
    where: str | None = None
    #: How many of those, drawn by chance; None for all.
    n: int | None = Field(None, ge=1)
    #: Biographies too; and profiles that contradict those of tied people are asked for again.
    wiki: bool = False
    #: What the model only assumes is unknown.
    only_evident: bool = False
    #: Ask for what is there already, too.
    replace: bool = False
    #: Instead of profiles: raise these people to this tier of this skill.
    skill: str | None = None
    tier: Tier | None = None
    #: People whose results come into the hub in one transaction.
    chunk: int = Field(500, ge=1)

    @classmethod
    def given(cls, **options: Any) -> Self:
        """Build the spec from options. None means not given. Raises `SetupError` in one sentence."""
        try:
            spec = cls.model_validate({name: value for name, value in options.items() if value is not None})
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            said = first["msg"].removeprefix("Input should ").replace("greater than or equal to", "at least").lower()
            raise SetupError(f"{first['loc'][0]} must {said}, but {first['input']!r} was given.") from error
        spec.check()
        return spec

    def check(self) -> None:
        """Raise `SetupError` for options that exclude each other."""
        if (self.skill is None) != (self.tier is None):
            raise SetupError("Raising somebody takes a skill and a tier: --raise SKILL --tier 1% (or 0.1%).")
        if self.skill is not None and (self.wiki or self.only_evident):
            raise SetupError("--raise makes new personas; --wiki and --only-evident do not go with it.")

    @property
    def lacking(self) -> tuple[str, ...]:
        """The tables of which at least one must lack a persona for it to be asked about; none for everybody."""
        if self.replace or self.skill is not None:
            return ()
        return ("profiles", "biographies") if self.wiki else ("profiles",)


@dataclass(frozen=True, slots=True)
class Enriched:
    """The result of an enrichment, over this session and earlier ones."""

    #: The job's number in the hub; None when there was no person to ask about.
    job: int | None
    #: People whom it was about.
    people: int = 0
    #: By stage: people asked about, answers taken over, and people without a usable answer.
    asked: Mapping[str, int] = field(default_factory=dict)
    made: Mapping[str, int] = field(default_factory=dict)
    failed: Mapping[str, int] = field(default_factory=dict)
    #: Answers that were sent back because they quoted what the description does not say.
    misquotations: int = 0
    #: Biographies that were sent back because they contradict the profile, the people around or themselves.
    inconsistencies: int = 0
    #: Attributes by their evidence, in the profiles that the job made.
    evidence: Mapping[str, int] = field(default_factory=dict)
    #: Contradictions that the job found, by what became of them.
    contradictions: Mapping[str, int] = field(default_factory=dict)
    #: Ties of kin of these people whose label is in no language that the rules know.
    unjudged: int = 0
    is_language_model: bool = True
    event_hash: str = ""

    def as_rows(self) -> list[tuple[str, str]]:
        """Return the name and value of each figure, for a terminal."""
        rows = [("people", f"{self.people:,}")]
        for stage, made in self.made.items():
            lost = f", {self.failed[stage]:,} without an answer" if self.failed[stage] else ""
            rows.append((stage, f"{made:,} of {self.asked[stage]:,}{lost}"))
        if self.evidence:
            rows.append(("attributes", _counted(self.evidence)))
            rows.append(("misquotations", f"{self.misquotations:,} answers sent back"))
            left = f"; {self.unjudged:,} ties of kin not judged, by their labels" if self.unjudged else ""
            rows.append(("contradictions", (_counted(self.contradictions) or "none") + left))
        if "biographies" in self.made:
            rows.append(("inconsistencies", f"{self.inconsistencies:,} biographies sent back"))
        return [*rows, ("job", str(self.job))]


def enrich(
    hub: Path | str,
    enrichment: Enrichment | None = None,
    *,
    model: str | BaseChatModel | ModelHandle | None = None,
    base_url: str | Sequence[str] | None = None,
    limits: Limits | None = None,
    prices: Prices | None = None,
    cache: Path | None = None,
    batch: bool = False,
    seed: int = 0,
    anew: bool = False,
    progress: Progress | None = None,
) -> Enriched:
    """Ask a model about the personas of a hub, and store the answers in it.

    By default, asks the model that grew the hub. If called again with the same enrichment, model and seed, a stopped
    job continues, and answers that were paid for are not paid again. Another unfinished enrichment with paid answers is
    abandoned only with `anew`. Raises `SourceError` if the file is not a hub, `SetupError` if the request is invalid,
    and `PausedError` if the budget is spent.
    """
    enrichment = enrichment or Enrichment()
    enrichment.check()
    check_seed(seed)
    handle, prices = choose_model(Path(hub), model, base_url, prices)
    if batch:
        enrichment = enrichment.model_copy(update={"chunk": max(enrichment.chunk, _BATCH_CHUNK)})
    job = _job(Path(hub), enrichment, handle, limits or Limits(), prices, cache, batch=batch, seed=seed)
    number, _ = job.continued(job.unfinished(), anew=anew)
    if number is not None:
        return _enriched(job, enrichment, job.reopen(number), progress)
    with open_hub(job.path, write=True) as opened:
        people = choose_people(
            opened.con, where=enrichment.where, n=enrichment.n, seed=seed, lacking=enrichment.lacking
        )
    if not people:
        return Enriched(None, is_language_model=handle.is_language_model)
    return _enriched(job, enrichment, job.begin(partial(_keep_people, people)), progress)


def resume_enrichment(
    path: Path,
    number: int,
    *,
    model: str | None = None,
    base_url: Sequence[str] | None = None,
    progress: Progress | None = None,
    **given: Any,
) -> Enriched:
    """Continue an unfinished enrichment from its spec. `given` are the limits, prices and cache to change.

    Raises `SetupError` if the job uses an address or a file that was not named on this machine.
    """
    row = stored_job(path, number)
    check_job_trusted(path, row, address=base_url, model=model, cache=given.get("cache"))
    enrichment = Enrichment.model_validate_json(row.spec)
    handle = open_model(model or row.model, base_url=base_url or (row.base_url or "").split() or None)
    job = _job(path, enrichment, handle, **resumed(row, **given))
    return _enriched(job, enrichment, job.reopen(row.job), progress)


def _job(
    path: Path,
    enrichment: Enrichment,
    model: ModelHandle,
    limits: Limits,
    prices: Prices | None,
    cache: Path | None,
    *,
    batch: bool,
    seed: int,
) -> HubJob:
    prices = prices or known_prices(model)
    check_priced(limits, prices)
    if batch:
        check_batchable(model)
    spec = enrichment.model_dump(mode="json")
    return HubJob(
        path=path, kind=KIND, spec=spec, seed=seed, model=model, limits=limits, prices=prices, cache=cache, batch=batch
    )


def _keep_people(people: Sequence[str], con: duckdb.DuckDBPyConnection, job: int) -> None:
    chosen = {"job": [job] * len(people), "ordinal": range(1, len(people) + 1), "item": people}
    with registered(con, chosen, "chosen_people"):
        con.execute("INSERT INTO job_items BY NAME FROM chosen_people")


def _enriched(job: HubJob, enrichment: Enrichment, log: RunLog, progress: Progress | None) -> Enriched:
    with job.running(log, progress, batched=_PHASES, answer_tokens=ANSWER_TOKENS) as engine, log.cursor() as con:
        engine.call(partial(run_enrichment, engine, enrichment, con, job.seed))
        return _summed_up(log, HubFile(job.path, con), engine.events.hex)


async def run_enrichment(engine: Engine, enrichment: Enrichment, con: duckdb.DuckDBPyConnection, seed: int) -> None:
    """Run all phases that were asked for. Raises `RunError` if the endpoint answers no request."""
    row = engine.log.job_row
    ((people,),) = engine.log.query("SELECT count(*) FROM job_items WHERE job = $job", {"job": row.job})
    context = EnrichmentContext(
        engine, con, people, row.started_at, seed, chunk=enrichment.chunk, replace=enrichment.replace
    )
    if enrichment.skill is not None:
        tier = enrichment.tier or Tier.ONE_PERCENT
        await run_phase(engine, ElitePhase(context, skill=enrichment.skill, tier=tier))
        return
    await run_phase(engine, ProfilePhase(context, only_evident=enrichment.only_evident))
    await run_phase(engine, CheckPhase(context, "check", find_contradictions))
    if enrichment.wiki:
        await run_phase(engine, ProfilePhase(context, only_evident=enrichment.only_evident, repairs=True))
        await run_phase(engine, CheckPhase(context, "check again", check_again))
        await run_phase(engine, BiographyPhase(context))


def _summed_up(log: RunLog, hub: HubFile, event_hash: str) -> Enriched:
    """Return the figures of a job that has ended."""
    key = {"job": log.job}
    stages = log.query(_STAGES, key)
    mistakes = dict(log.query(_MISTAKES, key))
    row = log.job_row
    people = [item for (item,) in log.query("SELECT item FROM job_items WHERE job = $job ORDER BY ordinal", key)]
    made = {stage: number for stage, _, number, _ in stages}
    return Enriched(
        log.job,
        len(people),
        asked={stage: asked for stage, asked, _, _ in stages},
        made=made,
        failed={stage: failed for stage, _, _, failed in stages},
        misquotations=mistakes.get(AnswerMistake.MISQUOTATION, 0),
        inconsistencies=mistakes.get(AnswerMistake.INCONSISTENCY, 0),
        evidence=dict(hub.con.execute(_EVIDENCE, [row.started_at]).fetchall()),
        contradictions=dict(hub.con.execute(_CONTRADICTIONS, [row.started_at]).fetchall()),
        unjudged=unjudged(hub.con, people) if "profiles" in made else 0,
        is_language_model=row.is_language_model,
        event_hash=event_hash,
    )


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items())
