"""Enriching a hub as a job in its own file: profiles, biographies and elite personas, chunk by chunk."""

from abc import abstractmethod
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import duckdb

from ..core.model import Answer, AnswerMistake, PersonaModel, RequestContext
from ..personas.hub.file import open_hub
from ..personas.hub.profiles import (
    check_again,
    find_contradictions,
    findings_to_ask,
    read_done,
    read_personas,
    read_tied,
    read_values,
    unjudged,
    write_biographies,
    write_elites,
    write_profiles,
)
from ..personas.persona import Persona
from ..personas.profiles.biography import Biography, Elite, Tier, raise_persona, write_biography
from ..personas.profiles.profile import Profile, infer_profile
from ..personas.selection.selection import choose_people
from .engine import JobModels
from .jobs.kind import JobContext, JobKind, JobOptions, write_items
from .jobs.life import run_job
from .jobs.loop import Changes, Chunks, Phase
from .runfile.job_rows import FailureRow, now
from .runfile.runlog import RunLog
from .specs import Enrichment

if TYPE_CHECKING:
    from ..core.table import Row

_EVERYBODY = "SELECT item FROM job_items WHERE job = $job ORDER BY ordinal"
_ITEMS = "SELECT ordinal, item FROM job_items WHERE job = $job AND ordinal > $after ORDER BY ordinal LIMIT $most"

type WriteRows[T] = Callable[[duckdb.DuckDBPyConnection, Sequence[T], datetime], None]


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
    #: What is shown of it as progress.
    title: str
    #: Writes the answers of a chunk.
    write: WriteRows[T]

    def __init__(self, context: JobContext, spec: "Enrichment", con: duckdb.DuckDBPyConnection) -> None:
        """Prepare the phase. `con` reads the hub."""
        self.chunk = spec.chunk
        self._context, self._spec, self._con = context, spec, con

    @abstractmethod
    def subjects(self, people: Mapping[str, int]) -> Sequence[Subject]:
        """Return the personas to ask about, among personas given by id and ordinal."""

    def begin(self, chunks: Chunks) -> None:
        """Continue after the last persona of the last complete chunk."""
        self._after = int(chunks.position or 0)
        self._context.engine.progress.began(self.title, self._context.items - self._after)

    def owner(self, item: Subject) -> str:
        """Return the id of the persona."""
        return item.persona.id

    def take(self, chunks: Chunks, most: int) -> Sequence[Subject]:
        """Return the next personas to ask about. Personas that already have the result are skipped."""
        context, taken = self._context, list[Subject]()
        while len(taken) < most:
            page = {"job": context.job, "after": self._after, "most": most - len(taken)}
            people = {str(item): int(ordinal) for ordinal, item in context.log.query(_ITEMS, page)}
            if not people:
                break
            self._after = max(people.values())
            found = sorted(self.subjects(people), key=lambda subject: subject.ordinal)
            for _ in range(len(people) - len(found)):
                context.engine.progress.advanced()
            taken += found
        return taken

    def collect(self) -> Changes:
        """Return the answers as rows of the hub, and the failures."""
        answers = self.take_done()
        made = [answer.value for _, answer in answers if answer.value is not None]
        failures: list[Row] = [
            FailureRow.of(a, self.name, self.number, s.persona.id, self.purpose, job=self._context.job)
            for s, a in answers
            if a.value is None
        ]
        write = type(self).write
        return Changes(
            rows=failures,
            events=[self.name, *([s.persona.id, a.outcome, a.raw] for s, a in answers)],
            failed=len(failures),
            counts={"made": len(made)},
            position=str(answers[-1][0].ordinal) if answers else None,
            statements=[lambda con: write(con, made, now())] if made else (),
        )

    def request(self, item: Subject) -> RequestContext:
        """Return the context of the request about a persona."""
        return self._context.request(self.name, item.persona.id)

    def find_lacking(self, table: str, people: Mapping[str, int]) -> list[str]:
        """Return those who had no row in this table when the job began, or all where they are replaced."""
        if self._spec.replace:
            return list(people)
        done = read_done(self._con, table, list(people), before=self._context.log.job_row.started_at)
        return [persona for persona in people if persona not in done]

    def read_subjects(self, people: Mapping[str, int], ids: Sequence[str]) -> list[Subject]:
        """Read these personas."""
        return [Subject(people[persona.id], persona) for persona in read_personas(self._con, ids)]


class ProfilePhase(_PeoplePhase[Profile]):
    """Profiles of those who have none."""

    name, title, purpose = "profiles", "Profiles", "profile"
    write = staticmethod(write_profiles)

    def subjects(self, people: Mapping[str, int]) -> Sequence[Subject]:
        """Return the personas without a profile."""
        return self.read_subjects(people, self.find_lacking("profiles", people))

    async def work(self, item: Subject, model: PersonaModel) -> Answer[Profile]:
        """Infer the profile of a persona."""
        findings, only_evident = list(item.findings), self._spec.only_evident
        return await infer_profile(
            model, item.persona, findings=findings, only_evident=only_evident, context=self.request(item)
        )


class RepairPhase(ProfilePhase):
    """Profiles once more, of those whose profiles contradict others."""

    name, title = "repairs", "People checked"

    def subjects(self, people: Mapping[str, int]) -> Sequence[Subject]:
        """Return the personas with findings against their profile."""
        found = defaultdict[str, list[str]](list)
        for finding in findings_to_ask(self._con, list(people)):
            found[finding.asked].append(finding.text)
        subjects = self.read_subjects(people, [persona for persona in found if persona in people])
        return [replace(subject, findings=tuple(found[subject.persona.id])) for subject in subjects]


class BiographyPhase(_PeoplePhase[Biography]):
    """Biographies of those who have a profile."""

    name, title, purpose = "biographies", "Biographies", "biography"
    write = staticmethod(write_biographies)

    def subjects(self, people: Mapping[str, int]) -> Sequence[Subject]:
        """Return the personas with a profile and without a biography.

        Each comes with its values and the personas it is tied to.
        """
        values = read_values(self._con, list(people))
        lacking = self.find_lacking("biographies", people)
        found = [s for s in self.read_subjects(people, lacking) if s.persona.id in values]
        tied = read_tied(self._con, [s.persona.id for s in found])
        return [replace(s, values=values[s.persona.id], tied=tied[s.persona.id]) for s in found]

    async def work(self, item: Subject, model: PersonaModel) -> Answer[Biography]:
        """Write the biography of a persona."""
        return await write_biography(
            model, item.persona, values=item.values, tied=item.tied, context=self.request(item)
        )


class ElitePhase(_PeoplePhase[Elite]):
    """Elite personas, raised from everybody."""

    name, title, purpose = "raised", "Raised", "raise"
    write = staticmethod(write_elites)

    def subjects(self, people: Mapping[str, int]) -> Sequence[Subject]:
        """Return all personas."""
        return self.read_subjects(people, list(people))

    async def work(self, item: Subject, model: PersonaModel) -> Answer[Elite]:
        """Raise a persona."""
        skill, tier = self._spec.skill or "", self._spec.tier or Tier.ONE_PERCENT
        return await raise_persona(model, item.persona, skill=skill, tier=tier, context=self.request(item))


class CheckPhase(Phase[None, None]):
    """Looks for contradictions among the profiles: no model is asked, and all is written in one transaction."""

    chunk = None

    def __init__(self, log: RunLog, name: str, check: Callable[..., object]) -> None:
        """Prepare the check. `check` takes a connection, the ids of personas and the time."""
        self.name = name
        self._log, self._check = log, check

    def collect(self) -> Changes:
        """Return the check, to be run in one transaction with the marker."""
        people = _read_people(self._log)

        def check(con: duckdb.DuckDBPyConnection) -> None:
            self._check(con, people, now())

        return Changes(events=[self.name], statements=[check])


def _read_people(log: RunLog) -> list[str]:
    return [item for (item,) in log.query(_EVERYBODY, {"job": log.job})]


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
            rows.append(("attributes", _format_counts(self.evidence)))
            rows.append(("misquotations", f"{self.misquotations:,} answers sent back"))
            left = f"; {self.unjudged:,} ties of kin not judged, by their labels" if self.unjudged else ""
            rows.append(("contradictions", (_format_counts(self.contradictions) or "none") + left))
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
        with context.log.cursor() as self._con:
            super().run(context)

    def phases(self, context: JobContext) -> Sequence[Phase[Any, Any]]:
        """Return the phases that were asked for."""
        about = context, self.spec, self._con
        if self.spec.skill is not None:
            return [ElitePhase(*about)]
        phases: list[Phase[Any, Any]] = [
            ProfilePhase(*about),
            CheckPhase(context.log, "check", find_contradictions),
        ]
        if self.spec.wiki:
            again = CheckPhase(context.log, "check again", check_again)
            return [*phases, RepairPhase(*about), again, BiographyPhase(*about)]
        return phases

    def report(self, context: JobContext) -> Enriched:
        """Return the figures of the job."""
        log, key = context.log, {"job": context.job}
        stages, mistakes = log.query(_STAGES, key), dict(log.query(_MISTAKES, key))
        row, people = log.job_row, _read_people(log)
        made = {stage: number for stage, _, number, _ in stages}
        with log.cursor() as con:
            return Enriched(
                log.job,
                len(people),
                asked={stage: asked for stage, asked, _, _ in stages},
                made=made,
                failed={stage: failed for stage, _, _, failed in stages},
                misquotations=mistakes.get(AnswerMistake.MISQUOTATION, 0),
                inconsistencies=mistakes.get(AnswerMistake.INCONSISTENCY, 0),
                evidence=dict(con.execute(_EVIDENCE, [row.started_at]).fetchall()),
                contradictions=dict(con.execute(_CONTRADICTIONS, [row.started_at]).fetchall()),
                unjudged=unjudged(con, people) if "profiles" in made else 0,
                is_language_model=row.is_language_model,
                event_hash=context.engine.events.hex,
            )

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


def _format_counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items())
