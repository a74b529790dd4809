"""Enriching a hub as a job in its own file: profiles, biographies and elite personas, chunk by chunk."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Self, Unpack

import duckdb
from pydantic import Field

from ...personas.errors import SetupError
from ...personas.hub.contradictions import check_again, find_contradictions, unjudged
from ...personas.hub.file import HubFile, open_hub
from ...personas.model import AnswerMistake
from ...personas.profiles.elite import Tier
from ...personas.selection.selection import choose_people
from ..jobs.kind import JobContext, JobKind, JobModels, JobOptions, JobSpec, write_items
from ..jobs.life import run_job
from ..jobs.loop import Phase, run_phase
from ..runfile.runlog import RunLog
from .phases import BiographyPhase, CheckPhase, ElitePhase, EnrichmentContext, ProfilePhase

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
