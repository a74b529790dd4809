"""The stages of an enrichment, chunk by chunk: asked, kept in the hub, and then marked in the ledger.

    profiles ──► check ──► repairs ──► check again ──► biographies        raised
                   └ without --wiki, the end

A chunk that was kept and not marked is asked again, which costs nothing: its answers are in the ledger, and the
same rows take the place of the same.
"""

from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import orjson

from ...personas.hub.contradictions import check_again, find_contradictions, findings_to_ask
from ...personas.hub.file import HubFile
from ...personas.hub.profiles import (
    read_done,
    read_personas,
    read_tied,
    read_values,
    write_biographies,
    write_elites,
    write_profiles,
)
from ...personas.model import Answer, RequestContext
from ...personas.persona import Persona
from ...personas.profiles.biography import Biography, write_biography
from ...personas.profiles.elite import Elite, Tier, raise_persona
from ...personas.profiles.profile import Profile, infer_profile
from ..answered import check_answered
from ..engine import Engine
from ..executor import bounded_map
from ..runfile import rows
from ..seeds import derive_seed
from ..times import now
from .wishes import Enrichment

__all__ = ["Stages"]

type Stage = Literal["profiles", "check", "repairs", "check again", "biographies", "raised"]

_PURPOSES: dict[Stage, str] = {
    "profiles": "profile",
    "repairs": "profile",
    "biographies": "biography",
    "raised": "raise",
}


@dataclass(frozen=True, slots=True)
class _Work[T]:
    """One stage's way with a chunk: about whom, what is asked, and where the answers go."""

    stage: Stage
    begin: Callable[[Sequence[str]], Sequence[Persona]]
    ask: Callable[[Persona, RequestContext], Awaitable[Answer[T]]]
    keep: Callable[[Sequence[T], datetime], None]


class Stages:
    """Takes a job through its stages, from wherever its ledger says that it stopped."""

    def __init__(self, engine: Engine, hub: HubFile, wishes: Enrichment, *, seed: int) -> None:
        self._engine = engine
        self._hub = hub
        self._wishes = wishes
        self._seed = seed
        self._began = engine.log.run.started_at
        ((self._people,),) = engine.log.query("SELECT count(*) FROM agents")
        done = engine.log.query("SELECT json_extract_string(world_state, '$.stage') FROM steps")
        self._done = Counter(stage for (stage,) in done)
        # What a chunk's prompts need besides the persona.
        self._findings: dict[str, list[str]] = {}
        self._values: dict[str, dict[str, Any]] = {}
        self._tied: dict[str, Any] = {}

    async def run(self) -> None:
        """All stages that are wished, to the end. Raises `RunError` when the endpoint answers nobody."""
        if self._wishes.skill is not None:
            await self._chunks(_Work("raised", self._everybody, self._raise, self._keep_elites))
            return
        await self._chunks(_Work("profiles", self._lacking("profiles"), self._infer, self._keep_profiles))
        await self._once("check", find_contradictions)
        if self._wishes.wiki:
            await self._chunks(_Work("repairs", self._contradicted, self._infer, self._keep_profiles))
            await self._once("check again", check_again)
            await self._chunks(_Work("biographies", self._described, self._write, self._keep_biographies))

    async def _chunks[T](self, work: _Work[T]) -> None:
        chunks = -(-self._people // self._wishes.chunk)
        done = self._done[work.stage]
        if done < chunks:
            title = "People checked" if work.stage == "repairs" else work.stage.capitalize()
            self._engine.progress.began(title, self._people - done * self._wishes.chunk)
        for chunk in range(done, chunks):
            await self._chunk(work, self._ids(chunk))

    async def _chunk[T](self, work: _Work[T], ids: Sequence[str]) -> None:
        started, number = now(), self._number()
        people = work.begin(ids)

        async def ask(persona: Persona) -> Answer[T]:
            seed = derive_seed(self._seed, work.stage, persona.id) >> 32
            return await work.ask(persona, RequestContext("step", number, persona.id, seed))

        progress = self._engine.progress
        for _ in range(len(ids) - len(people)):
            progress.advanced()
        answers = await bounded_map(ask, people, workers=self._engine.workers("step"), done=progress.advanced)
        check_answered(f"chunk {number} ({work.stage})", [(a.outcome, a.reason) for a in answers])
        made = [a.value for a in answers if a.value is not None]
        with self._hub.writing():
            if made:
                work.keep(made, now())
        await self._mark(work.stage, started, people, answers)

    async def _once(self, stage: Stage, work: Callable[..., object]) -> None:
        if self._done[stage]:
            return
        started = now()
        everybody = [agent for (agent,) in self._engine.log.query("SELECT agent FROM agents ORDER BY ordinal")]
        with self._hub.writing() as con:
            work(con, everybody, started)
        await self._mark(stage, started, (), ())

    async def _mark(
        self, stage: Stage, started: datetime, people: Sequence[Persona], answers: Sequence[Answer[Any]]
    ) -> None:
        number = self._number()
        failures = [
            rows.FailureRow("step", number, number, p.id, p.id, _PURPOSES[stage], a.outcome, a.reason, a.attempts)
            for p, a in zip(people, answers, strict=True)
            if a.value is None
        ]
        raws = [[p.id, a.outcome, a.raw] for p, a in zip(people, answers, strict=True)]
        marker = rows.MarkerRow(
            phase="step",
            number=number,
            chunk=0,
            items=len(people),
            counts=orjson.dumps({"acted": len(people) - len(failures)}).decode(),
            failed=len(failures),
            state=orjson.dumps({"stage": stage}).decode(),
            started_at=started,
            ended_at=now(),
            event_hash=self._engine.events.extend([stage, *raws]),
        )
        await self._engine.commit(*failures, marker, finished=("step", number))
        self._done[stage] += 1

    def _number(self) -> int:
        return self._done.total() + 1

    def _ids(self, chunk: int) -> list[str]:
        first = chunk * self._wishes.chunk
        found = self._engine.log.query(
            "SELECT agent FROM agents WHERE ordinal > ? AND ordinal <= ? ORDER BY ordinal",
            [first, first + self._wishes.chunk],
        )
        return [agent for (agent,) in found]

    def _everybody(self, ids: Sequence[str]) -> Sequence[Persona]:
        return read_personas(self._hub.con, ids)

    def _lacking(self, table: str) -> Callable[[Sequence[str]], Sequence[Persona]]:
        def people(ids: Sequence[str]) -> Sequence[Persona]:
            # Those of this very chunk, kept by a session that was killed before it marked them, are asked again.
            done = set() if self._wishes.replace else read_done(self._hub.con, table, ids, before=self._began)
            return read_personas(self._hub.con, [persona for persona in ids if persona not in done])

        return people

    def _contradicted(self, ids: Sequence[str]) -> Sequence[Persona]:
        found = defaultdict[str, list[str]](list)
        for finding in findings_to_ask(self._hub.con, ids):
            found[finding.asked].append(finding.text)
        self._findings = dict(found)
        return read_personas(self._hub.con, list(found))

    def _described(self, ids: Sequence[str]) -> Sequence[Persona]:
        self._values = read_values(self._hub.con, ids)
        people = [p for p in self._lacking("biographies")(ids) if p.id in self._values]
        self._tied = read_tied(self._hub.con, [p.id for p in people])
        return people

    async def _infer(self, persona: Persona, context: RequestContext) -> Answer[Profile]:
        return await infer_profile(
            self._engine.gateway,
            persona,
            findings=self._findings.get(persona.id, ()),
            only_evident=self._wishes.only_evident,
            context=context,
        )

    async def _write(self, persona: Persona, context: RequestContext) -> Answer[Biography]:
        return await write_biography(
            self._engine.gateway,
            persona,
            values=self._values[persona.id],
            tied=self._tied[persona.id],
            context=context,
        )

    async def _raise(self, persona: Persona, context: RequestContext) -> Answer[Elite]:
        skill, tier = self._wishes.skill or "", self._wishes.tier or Tier.ONE_PERCENT
        return await raise_persona(self._engine.gateway, persona, skill=skill, tier=tier, context=context)

    def _keep_profiles(self, profiles: Sequence[Profile], made_at: datetime) -> None:
        write_profiles(self._hub.con, profiles, made_at)

    def _keep_biographies(self, biographies: Sequence[Biography], made_at: datetime) -> None:
        write_biographies(self._hub.con, biographies, made_at)

    def _keep_elites(self, elites: Sequence[Elite], made_at: datetime) -> None:
        write_elites(self._hub.con, elites, made_at)
