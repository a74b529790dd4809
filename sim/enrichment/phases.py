"""The phases of an enrichment: what is asked about each person of a hub, and where the answers go.

    profiles ──► check ──► repairs ──► check again ──► biographies        raised
                   └ without --wiki, the end

Profiles, biographies and elite personas are defined in `personas`.
"""

from abc import abstractmethod
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import duckdb

from ...personas.hub.contradictions import findings_to_ask
from ...personas.hub.profiles import (
    read_done,
    read_personas,
    read_tied,
    read_values,
    write_biographies,
    write_elites,
    write_profiles,
)
from ...personas.model import Answer, PersonaModel, RequestContext
from ...personas.persona import Persona
from ...personas.profiles.biography import Biography, write_biography
from ...personas.profiles.elite import Elite, Tier, raise_persona
from ...personas.profiles.profile import Profile, infer_profile
from ..engine import Engine
from ..jobs.loop import Changes, Chunks, Phase
from ..runfile import job_rows
from ..runfile.job_rows import now
from ..seeds import derive_seed

if TYPE_CHECKING:
    from ...personas.table import Row

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
