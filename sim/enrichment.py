"""Enriching a hub as a job in its own file: profiles, biographies and elite personas, chunk by chunk."""

from abc import abstractmethod
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self, Unpack

import duckdb
from pydantic import Field

from ..core.errors import SetupError
from ..core.model import Answer, AnswerMistake, PersonaModel, RequestContext
from ..core.spec import Option
from ..personas.hub.contradictions import check_again, find_contradictions, findings_to_ask, unjudged
from ..personas.hub.file import HubFile, open_hub
from ..personas.hub.profiles import (
    read_done,
    read_personas,
    read_tied,
    read_values,
    write_biographies,
    write_elites,
    write_profiles,
)
from ..personas.persona import Persona
from ..personas.profiles.biography import Biography, Elite, Tier, raise_persona, write_biography
from ..personas.profiles.profile import Profile, infer_profile
from ..personas.selection.selection import choose_people
from .engine import Engine
from .jobs.kind import JobContext, JobKind, JobModels, JobOptions, JobSpec, write_items
from .jobs.life import run_job
from .jobs.loop import Changes, Chunks, Phase, run_phase
from .runfile import job_rows
from .runfile.job_rows import now
from .runfile.runlog import RunLog
from .seeds import derive_seed

if TYPE_CHECKING:
    from ..core.table import Row

_ITEMS = "SELECT ordinal, item FROM job_items WHERE job = $job AND ordinal > $after ORDER BY ordinal LIMIT $most"

type WriteRows[T] = Callable[[duckdb.DuckDBPyConnection, Sequence[T], datetime], None]


@dataclass(frozen=True, slots=True)
class EnrichmentContext:
    """What all phases of an enrichment work on."""

    engine: Engine
    #: A connection that reads the hub.
    con: duckdb.DuckDBPyConnection
    #: People that it is about, and when the job began.
    people: int
    began: datetime
    seed: int
    chunk: int
    #: Ask for what is there already, too.
    replace: bool

    @property
    def job(self) -> int:
        """The job's number in the hub."""
        return self.engine.log.job


@dataclass(frozen=True, slots=True)
class Subject:
    """A person who is asked about, with what the prompt needs besides the description."""

    #: Place among the people of the job.
    ordinal: int
    persona: Persona
    findings: tuple[str, ...] = ()
    values: Mapping[str, Any] = field(default_factory=dict)
    tied: Sequence[Any] = ()


class _PeoplePhase[T](Phase[Subject, Answer[T]]):
    """A phase that asks about the people of the job in their order, and writes the results into the hub."""

    purpose: str
    #: Writes the answers of a chunk.
    write: WriteRows[T]

    def __init__(self, context: EnrichmentContext, name: str, *, title: str = "") -> None:
        self.name = name
        self.chunk = context.chunk
        self._context = context
        self._title = title or name.capitalize()
        self._answers: list[tuple[Subject, Answer[T]]] = []

    @abstractmethod
    def subjects(self, people: Mapping[str, int]) -> Sequence[Subject]:
        """Return the personas to ask about, among personas given by id and ordinal."""

    def begin(self, chunks: Chunks) -> None:
        """Continue after the last persona of the last complete chunk."""
        self._after = int(chunks.position or 0)
        self._context.engine.progress.began(self._title, self._context.people - self._after)

    def owner(self, item: Subject) -> str:
        """Return the id of the persona."""
        return item.persona.id

    def take(self, chunks: Chunks, most: int) -> Sequence[Subject]:
        """Return the next personas to ask about. Personas that already have the result are skipped."""
        context, taken = self._context, list[Subject]()
        while len(taken) < most:
            page = {"job": context.job, "after": self._after, "most": most - len(taken)}
            people = {str(item): int(ordinal) for ordinal, item in context.engine.log.query(_ITEMS, page)}
            if not people:
                break
            self._after = max(people.values())
            found = sorted(self.subjects(people), key=lambda subject: subject.ordinal)
            for _ in range(len(people) - len(found)):
                context.engine.progress.advanced()
            taken += found
        return taken

    def apply(self, items: Sequence[Subject], results: Sequence[Answer[T]]) -> None:
        """Keep the answers for the commit."""
        self._answers += zip(items, results, strict=True)

    def collect(self) -> Changes:
        """Return the answers as rows of the hub, and the failures."""
        answers, self._answers = self._answers, []
        made = [answer.value for _, answer in answers if answer.value is not None]
        failures: list[Row] = [
            job_rows.FailureRow(
                self.name, self.number, None, None, s.persona.id, self.purpose, a.outcome, a.reason, a.attempts,
                self._context.job,
            )
            for s, a in answers
            if a.value is None
        ]  # fmt: skip
        write = type(self).write
        return Changes(
            rows=failures,
            events=[self.name, *([s.persona.id, a.outcome, a.raw] for s, a in answers)],
            failed=len(failures),
            counts={"made": len(made)},
            position=str(answers[-1][0].ordinal) if answers else None,
            statements=[lambda con: write(con, made, now())] if made else (),
        )

    def _lacking(self, table: str, people: Mapping[str, int]) -> list[str]:
        context = self._context
        done = set[str]() if context.replace else read_done(context.con, table, list(people), before=context.began)
        return [persona for persona in people if persona not in done]

    def _read(self, people: Mapping[str, int], ids: Sequence[str]) -> list[Subject]:
        return [Subject(people[persona.id], persona) for persona in read_personas(self._context.con, ids)]


class ProfilePhase(_PeoplePhase[Profile]):
    """Profiles of those who have none; or, as repairs, of those whose profiles contradict others."""

    purpose = "profile"
    write = staticmethod(write_profiles)

    def __init__(self, context: EnrichmentContext, *, only_evident: bool, repairs: bool = False) -> None:
        super().__init__(context, "repairs" if repairs else "profiles", title="People checked" if repairs else "")
        self.work = _ProfileWork(self.name, context.seed, context.job, only_evident)
        self._repairs = repairs

    def subjects(self, people: Mapping[str, int]) -> Sequence[Subject]:
        """Return the personas without a profile, or those with findings against their profile."""
        if not self._repairs:
            return self._read(people, self._lacking("profiles", people))
        found = defaultdict[str, list[str]](list)
        for finding in findings_to_ask(self._context.con, list(people)):
            found[finding.asked].append(finding.text)
        return [
            Subject(subject.ordinal, subject.persona, tuple(found[subject.persona.id]))
            for subject in self._read(people, [persona for persona in found if persona in people])
        ]


class BiographyPhase(_PeoplePhase[Biography]):
    """Biographies of those who have a profile."""

    purpose = "biography"
    write = staticmethod(write_biographies)

    def __init__(self, context: EnrichmentContext) -> None:
        super().__init__(context, "biographies")
        self.work = _BiographyWork(self.name, context.seed, context.job)

    def subjects(self, people: Mapping[str, int]) -> Sequence[Subject]:
        """Return the personas with a profile and without a biography.

        Each comes with its values and the personas it is tied to.
        """
        con = self._context.con
        values = read_values(con, list(people))
        found = [s for s in self._read(people, self._lacking("biographies", people)) if s.persona.id in values]
        tied = read_tied(con, [s.persona.id for s in found])
        return [Subject(s.ordinal, s.persona, (), values[s.persona.id], tied[s.persona.id]) for s in found]


class ElitePhase(_PeoplePhase[Elite]):
    """Elite personas, raised from everybody."""

    purpose = "raise"
    write = staticmethod(write_elites)

    def __init__(self, context: EnrichmentContext, *, skill: str, tier: Tier) -> None:
        super().__init__(context, "raised")
        self.work = _EliteWork(self.name, context.seed, context.job, skill, tier)

    def subjects(self, people: Mapping[str, int]) -> Sequence[Subject]:
        """Return all personas."""
        return self._read(people, list(people))


class CheckPhase(Phase[None, None]):
    """Looks for contradictions among the profiles: no model is asked, and all is written in one transaction."""

    chunk = None

    def __init__(self, context: EnrichmentContext, name: str, check: Callable[..., object]) -> None:
        """Prepare the check. `check` takes a connection, the ids of personas and the time."""
        self.name = name
        self._context = context
        self._check = check

    def take(self, chunks: Chunks, most: int) -> Sequence[None]:
        """Return (), since no model is asked."""
        return ()

    def apply(self, items: Sequence[None], results: Sequence[None]) -> None:
        """Do nothing."""

    def collect(self) -> Changes:
        """Return the check, to be run in one transaction with the marker."""
        everybody = "SELECT item FROM job_items WHERE job = $job ORDER BY ordinal"
        people = [item for (item,) in self._context.engine.log.query(everybody, {"job": self._context.job})]
        return Changes(events=[self.name], statements=[partial(_checked, self._check, people)])


def _checked(check: Callable[..., object], people: Sequence[str], con: duckdb.DuckDBPyConnection) -> None:
    check(con, people, now())


@dataclass(frozen=True, slots=True)
class _PhaseWork:
    phase: str
    seed: int
    job: int

    def context(self, persona: Persona) -> RequestContext:
        seed = derive_seed(self.seed, self.phase, persona.id) >> 32
        return RequestContext(self.phase, 1, persona.id, seed, job=self.job)


@dataclass(frozen=True, slots=True)
class _ProfileWork(_PhaseWork):
    only_evident: bool

    async def __call__(self, item: Subject, model: PersonaModel) -> Answer[Profile]:
        findings, persona = list(item.findings), item.persona
        return await infer_profile(
            model, persona, findings=findings, only_evident=self.only_evident, context=self.context(persona)
        )


@dataclass(frozen=True, slots=True)
class _BiographyWork(_PhaseWork):
    async def __call__(self, item: Subject, model: PersonaModel) -> Answer[Biography]:
        context = self.context(item.persona)
        return await write_biography(model, item.persona, values=item.values, tied=item.tied, context=context)


@dataclass(frozen=True, slots=True)
class _EliteWork(_PhaseWork):
    skill: str
    tier: Tier

    async def __call__(self, item: Subject, model: PersonaModel) -> Answer[Elite]:
        context = self.context(item.persona)
        return await raise_persona(model, item.persona, skill=self.skill, tier=self.tier, context=context)


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


class Enrichment(JobSpec):
    """What an enrichment is to find out, and about whom."""

    where: Annotated[
        str | None, Option("Whom: a condition on the columns of personas and profiles.", metavar="SQL")
    ] = None
    n: Annotated[int | None, Option("How many of them, drawn by chance.  [default: all]")] = Field(None, ge=1)
    wiki: Annotated[bool, Option("Biographies too; profiles that contradict each other are asked for again.")] = False
    only_evident: Annotated[bool, Option("What the model only assumes is unknown.")] = False
    replace: Annotated[bool, Option("Ask for what is there already, too.")] = False
    skill: Annotated[
        str | None,
        Option("Instead: make elite personas, among the best at this skill.", name="raise", metavar="SKILL"),
    ] = None
    tier: Annotated[Tier | None, Option("How high: the top 1 or 0.1 per cent.")] = None
    chunk: int = Field(500, ge=1)

    @classmethod
    def given(cls, **options: Any) -> Self:
        """Build the spec from options. None means not given. Raises `SetupError` in one sentence."""
        spec = super().given(**options)
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


class EnrichmentJob(JobKind[Enrichment, Enriched]):
    """Asks a model about the people of a hub, and stores the answers there."""

    kind = "enrichment"
    spec_type = Enrichment
    phase_names = ("profiles", "repairs", "biographies", "raised")
    # A profile has some 900 tokens, a biography up to 2,500.
    answer_tokens = 4_096
    is_on_hub = True
    is_done_once = False
    _people: Sequence[str] = ()

    def check(self) -> None:
        """Raise `SetupError` for options that exclude each other."""
        self.spec.check()

    def prepare(self, path: Path, seed: int, models: JobModels) -> int:
        """Choose the people, and return how many they are. Raises `SetupError` for a condition that cannot be asked."""
        spec = self.spec
        with open_hub(path, write=True) as hub:
            self._people = choose_people(hub.con, where=spec.where, n=spec.n, seed=seed, lacking=spec.lacking)
        return len(self._people)

    def fill(self, con: duckdb.DuckDBPyConnection, number: int, seed: int) -> None:
        """Write the chosen people."""
        write_items(con, number, self._people)

    def run(self, context: JobContext) -> None:
        """Run all phases that were asked for."""
        with context.log.cursor() as con:
            for phase in self._phases(context, con):
                context.engine.call(partial(run_phase, context.engine, phase))

    def _phases(self, context: JobContext, con: duckdb.DuckDBPyConnection) -> list[Phase[Any, Any]]:
        spec = self.spec
        about = EnrichmentContext(
            context.engine,
            con,
            context.items,
            context.log.job_row.started_at,
            context.seed,
            chunk=spec.chunk,
            replace=spec.replace,
        )
        if spec.skill is not None:
            return [ElitePhase(about, skill=spec.skill, tier=spec.tier or Tier.ONE_PERCENT)]
        phases: list[Phase[Any, Any]] = [
            ProfilePhase(about, only_evident=spec.only_evident),
            CheckPhase(about, "check", find_contradictions),
        ]
        if spec.wiki:
            phases += [
                ProfilePhase(about, only_evident=spec.only_evident, repairs=True),
                CheckPhase(about, "check again", check_again),
                BiographyPhase(about),
            ]
        return phases

    def report(self, context: JobContext) -> Enriched:
        """Return the figures of the job."""
        with context.log.cursor() as con:
            return _summed_up(context.log, HubFile(context.log.path, con), context.engine.events.hex)

    def nothing(self, path: Path, models: JobModels) -> Enriched:
        """Return the report for a hub in which everybody has what was wished."""
        return Enriched(None, is_language_model=models.model is None or models.model.is_language_model)


def enrich(hub: Path | str, enrichment: Enrichment | None = None, **options: Unpack[JobOptions]) -> Enriched:
    """Ask a model about the personas of a hub, and store the answers in it.

    By default, asks the model that grew the hub. `run_job` says what the options are and how a stopped job continues.
    Raises `SourceError` if the file is not a hub, `SetupError` if the request is invalid, and `PausedError` if the
    budget is spent.
    """
    return run_job(hub, EnrichmentJob(enrichment or Enrichment()), **options)


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
