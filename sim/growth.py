"""Growing the people of a society as a job: hop after hop, each one transaction, so that it can be resumed.

What a hop is (prompts, frontier, verdicts) lives in `personas`; here it is run with a ledger and markers.
"""

from collections.abc import Awaitable, Callable, Container, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from ..personas.errors import RunError, SetupError
from ..personas.growth import MOST_HOPS, HopResult, Population, absorb, offer_known, plan_hop
from ..personas.hub import Hub, read_hub
from ..personas.model import Answer, Occasion, PersonaModel
from ..personas.passage import Passage, read_passages, shipped_passages
from ..personas.persona import Persona
from ..personas.persona_to_persona import Relative, persona_to_persona
from ..personas.text_to_persona import text_to_persona
from .answered import check_answered
from .bounded import bounded_map
from .engine import Engine
from .persona_rows import persona_rows, stored_population
from .runfile import rows
from .seeds import derive_seed, rng_for
from .times import now

__all__ = ["Growth", "GrowthJob"]

#: How often the last hop asks, at most, to reach the number of people that is wanted.
_ROUNDS = 4

type Found = Answer[tuple[Persona, ...]] | Answer[tuple[Relative, ...]]

#: What people come from.
type Source = Hub | Sequence[Passage]


class Growth(BaseModel):
    """How the people of a society are grown or read."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    #: Seed texts; None for the corpus that ships with Populace.
    seeds: Path | None = None
    #: People and relations that exist already, instead of seed texts.
    hub: Path | None = None
    #: How many people there are to be, at most; None for as many as the hops give.
    agents: int | None = Field(240, ge=1)
    #: Iterations of Persona-to-Persona (the paper grows six).
    hops: int = Field(3, ge=0, le=6)
    #: Relations asked for at each person; None for as many as it takes to reach `agents`.
    fan_out: int | None = Field(None, ge=1, le=20)
    #: People inferred from each passage.
    per_passage: int = Field(1, ge=1, le=20)
    #: Who is likely to `verb` the passage?
    verb: str = "read"
    granularity: str = "specific"
    #: People who already live here, shown to Persona-to-Persona so that circles can close; 0 as in the paper.
    acquaintances: int = Field(3, ge=0, le=9)

    @classmethod
    def given(cls, **options: Any) -> "Growth":
        """Growth from options of which some are None, that is, not given. Raises `SetupError` in one sentence.

        People from a hub are not grown any further unless hops are asked for.
        """
        said = {name: value for name, value in options.items() if value is not None}
        if "seeds" in said and "hub" in said:
            raise SetupError(
                "Both --seeds and --hub were given; people come from texts or from a hub, so leave one out."
            )
        if "hub" in said:
            said = {"agents": None, "hops": 0} | said
        try:
            return cls.model_validate(said)
        except ValidationError as error:
            raise SetupError(_out_of_range(error.errors(include_url=False)[0])) from error

    def source(self) -> Source:
        """The hub or the passages that people come from. Raises `SourceError` for what cannot be read."""
        if self.hub is not None:
            return read_hub(self.hub)
        return read_passages(self.seeds) if self.seeds is not None else shipped_passages()

    def shortfall(self, people: int) -> str:
        """One sentence when `people` are fewer than were asked for, with what would give more; else nothing."""
        if self.agents is None or people >= self.agents:
            return ""
        source = "the hub" if self.hub is not None else "the texts"
        hops = "1 hop" if self.hops == 1 else f"{self.hops} hops"
        given = f"{source} and {hops}" if self.hops else source
        more = f"a larger {source[4:]}" if self.hub is not None else f"more {source[4:]}"
        more += " or more hops" if self.hops < MOST_HOPS else ""
        return f"{people:,} of the {self.agents:,} people asked for came from {given}; {more} would give more."


class GrowthJob:
    """Grows a population into a run file, from wherever that file's growth stopped."""

    def __init__(self, engine: Engine, growth: Growth, *, seed: int, source: Source | None = None) -> None:
        """`source` spares reading what people come from again, where it has been read already."""
        self._engine = engine
        self._source = source
        self._model: PersonaModel = engine.gateway
        self._growth = growth
        self._seed = seed
        self._population = stored_population(engine.log)

    async def run(self) -> Population:
        """Everybody, grown to the last hop. Raises `RunError` when nobody at all could be grown."""
        last = self._engine.log.last_hop()
        if last is None:
            await self._begin()
            last = 0
        for hop in range(last + 1, self._growth.hops + 1):
            await self._expand(hop)
        return self._population

    async def _begin(self) -> None:
        started = now()
        source = self._growth.source() if self._source is None else self._source
        self._source = None
        if isinstance(source, Hub):
            hub = self._sampled(source)
            result = absorb(self._population, [hub.personas])
            related = tuple(r for r in hub.relations if self._population.relate(r))
            await self._commit(0, started, 0, HopResult(result.personas, result.verdicts, related), [], [])
            return
        passages = self._passages(source)
        answers = await self._ask("Text-to-Persona", passages, self._infer)
        check_answered("Text-to-Persona", [(a.outcome, a.reason) for a in answers])
        result = absorb(self._population, [a.value or () for a in answers], self._growth.agents)
        failures = self._failures(0, [p.id for p in passages], answers)
        if not self._population.alive:
            raise RunError(_nobody(len(passages), failures))
        await self._commit(0, started, len(passages), result, failures, _passage_rows(passages))

    async def _expand(self, hop: int) -> None:
        started, result = now(), HopResult((), (), ())
        failures: list[rows.FailureRow] = []
        asked: set[str] = set()
        # Some relations lead to nobody new, so the last hop asks on while there are fewer people than were wanted.
        for round_ in range(_ROUNDS if hop == self._growth.hops else 1):
            people = self._frontier(hop, round_, asked)
            if not people:
                break
            answers = await self._relatives(hop, people)
            check_answered(f"hop {hop}", [(a.outcome, a.reason) for a in answers])
            asked.update(p.id for p in people)
            failures += self._failures(hop, [p.id for p in people], answers)
            result += absorb(self._population, [a.value or () for a in answers], self._growth.agents)
        await self._commit(hop, started, len(asked), result, failures, [])

    def _frontier(self, hop: int, round_: int, asked: Container[str]) -> tuple[Persona, ...]:
        return plan_hop(
            self._population,
            hop=hop,
            hops=self._growth.hops,
            limit=self._growth.agents,
            fan_out=self._fan_out(),
            rng=rng_for(self._seed, "frontier", hop, round_),
            asked=asked,
        )

    async def _relatives(self, hop: int, people: Sequence[Persona]) -> list[Answer[tuple[Relative, ...]]]:
        known = {p.id: self._offered(hop, p) for p in people}  # before any answer changes who is there

        async def relatives(persona: Persona) -> Answer[tuple[Relative, ...]]:
            return await persona_to_persona(
                self._model,
                persona,
                count=self._fan_out(),
                known=known[persona.id],
                occasion=self._occasion(hop, persona.id),
            )

        return await self._ask(f"Hop {hop}", people, relatives)

    def _offered(self, hop: int, persona: Persona) -> tuple[Persona, ...]:
        rng = rng_for(self._seed, "known", hop, persona.id)
        return offer_known(self._population, persona, count=self._growth.acquaintances, rng=rng)

    async def _infer(self, passage: Passage) -> Answer[tuple[Persona, ...]]:
        return await text_to_persona(
            self._model,
            passage,
            verb=self._growth.verb,
            granularity=self._growth.granularity,
            count=self._growth.per_passage,
            occasion=self._occasion(0, passage.id),
        )

    async def _ask[T, R](self, title: str, items: Sequence[T], work: Callable[[T], Awaitable[R]]) -> list[R]:
        progress = self._engine.progress
        progress.began(title, len(items))
        return await bounded_map(work, items, workers=self._engine.workers("growth"), done=progress.advanced)

    def _occasion(self, hop: int, owner: str) -> Occasion:
        return Occasion("growth", hop, owner, derive_seed(self._seed, "growth", hop, owner) >> 32)

    def _fan_out(self) -> int:
        """As many relations as bring hop 0 to the number wanted, reckoning that some lead to people who are known."""
        if self._growth.fan_out is not None:
            return self._growth.fan_out
        if self._growth.agents is None:
            return 3
        first = sum(p.hop == 0 for p in self._population.alive) or 1
        new = 2 / 3 if self._growth.acquaintances else 0.95
        hops = range(1, self._growth.hops + 1)
        enough = (f for f in range(2, 20) if first * sum((new * f) ** h for h in hops) >= self._growth.agents - first)
        return next(enough, 20)

    def _passages(self, passages: Sequence[Passage]) -> Sequence[Passage]:
        if self._growth.agents is None:
            return passages
        # Every hop is to have its share of the people, the first one too.
        people = max(1, self._growth.agents // (self._growth.hops + 1))
        return self._sample(passages, -(-people // self._growth.per_passage))

    def _sampled(self, hub: Hub) -> Hub:
        if self._growth.agents is None:
            return hub
        personas = tuple(self._sample(hub.personas, self._growth.agents))
        chosen = {p.id for p in personas}
        return Hub(personas, tuple(r for r in hub.relations if {r.source, r.target} <= chosen))

    def _sample[T](self, items: Sequence[T], most: int) -> Sequence[T]:
        # By chance and in order: the first so many of a file are a sample of nothing.
        if len(items) <= most:
            return items
        chosen = rng_for(self._seed, "sources").sample(range(len(items)), most)
        return [items[position] for position in sorted(chosen)]

    def _failures(self, hop: int, owners: Sequence[str], answers: Sequence[Found]) -> list[rows.FailureRow]:
        purpose = "persona_to_persona" if hop else "text_to_persona"
        return [
            rows.FailureRow("growth", hop, None, None, owner, purpose, answer.outcome, answer.reason, answer.attempts)
            for owner, answer in zip(owners, answers, strict=True)
            if answer.value is None
        ]

    async def _commit(
        self,
        hop: int,
        started: datetime,
        asked: int,
        result: HopResult,
        failures: list[rows.FailureRow],
        passages: list[rows.PassageRow],
    ) -> None:
        written = persona_rows(result, self._population)
        lost = [(f.owner, f.outcome) for f in failures]
        marker = rows.GrowthRow(
            hop=hop,
            asked=asked,
            failed=len(failures),
            born=result.born,
            duplicates=result.duplicates,
            relations=len(result.relations),
            started_at=started,
            ended_at=now(),
            event_hash=self._engine.events.extend([hop, passages, *written, lost]),
        )
        await self._engine.commit(*passages, *written, *failures, marker, finished=("growth", hop))


def _out_of_range(error: ErrorDetails) -> str:
    name, bound = str(error["loc"][0]), error.get("ctx", {})
    if "ge" in bound:
        reason = f"be at least {bound['ge']}"
    elif "le" in bound:
        reason = f"be at most {bound['le']}"
    else:
        reason = error["msg"].removeprefix("Input should ").lower()
    why = " (the paper grows six)" if name == "hops" else ""
    return f"The number of {name} should {reason}{why}, but {error['input']!r} was given."


def _nobody(passages: int, failures: Sequence[rows.FailureRow]) -> str:
    texts = "1 text" if passages == 1 else f"{passages} texts"
    reasons = " ".join(dict.fromkeys(f.reason for f in failures[:3])) or "No answer held a persona."
    return f"Nobody could be grown from {texts}. {reasons} Try another model or other texts."


def _passage_rows(passages: Sequence[Passage]) -> list[rows.PassageRow]:
    return [
        rows.PassageRow(p.id, place, p.text, p.language, p.source, p.licence)
        for place, p in enumerate(passages, start=1)
    ]
