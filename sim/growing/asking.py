"""What growth asks of a model, and in which words: settings, seed and context of every question."""

from collections.abc import Awaitable, Callable, Sequence

from ...personas.growth import offer_known
from ...personas.model import Answer, RequestContext
from ...personas.passage import Passage
from ...personas.persona import Persona
from ...personas.persona_to_persona import Relative, persona_to_persona
from ...personas.population import Population
from ...personas.text_to_persona import text_to_persona
from ..engine import Engine
from ..executor import bounded_map
from ..growth import Growth
from ..runfile import rows
from ..seeds import derive_seed, rng_for

__all__ = ["Asking", "Found"]

type Found = Answer[tuple[Persona, ...]] | Answer[tuple[Relative, ...]]

#: Questions that are asked before the answers to the first of them are committed, where no rule may stop growth.
_MOST_AHEAD = 50_000
_AHEAD = 4


class Asking:
    """Asks on behalf of passages and people; the answers come in their order, however many are under way."""

    def __init__(self, engine: Engine, growth: Growth, seed: int, population: Population) -> None:
        self._engine = engine
        self._growth = growth
        self._seed = seed
        self._population = population

    def window(self, room: int) -> int:
        """How many questions to ask before looking at the answers; `room` is what the chunk still takes.

        No more than that where the answers may end growth. Else whole chunks: as many as leave no slot waiting for
        the slowest answer of one, and all that a batch holds.
        """
        if self._growth.until_novelty is not None:
            return room
        chunk = self._growth.chunk
        ahead = min(_AHEAD * self._engine.workers("growth"), _MOST_AHEAD)
        return chunk * max(1, -(-ahead // chunk))

    async def infer(self, passages: Sequence[Passage]) -> list[Answer[tuple[Persona, ...]]]:
        """Text-to-Persona for each passage."""

        async def ask(passage: Passage) -> Answer[tuple[Persona, ...]]:
            return await text_to_persona(
                self._engine.gateway,
                passage,
                verb=self._growth.verb,
                granularity=self._growth.granularity,
                count=self._growth.per_passage,
                language=self._growth.language,
                form=self._growth.form,
                context=self._context(0, passage.id),
            )

        return await self._each(passages, ask)

    async def relatives(
        self, hop: int, people: Sequence[rows.FrontierRow], count: int
    ) -> list[Answer[tuple[Relative, ...]]]:
        """Persona-to-Persona for each of these people."""

        async def ask(row: rows.FrontierRow) -> Answer[tuple[Relative, ...]]:
            return await persona_to_persona(
                self._engine.gateway,
                self._population.persona(row.persona),
                count=count,
                known=[self._population.persona(one) for one in row.known],
                language=self._growth.language,
                kinds=self._growth.kinds,
                low_visibility=self._growth.low_visibility,
                context=self._context(hop, row.persona),
            )

        return await self._each(people, ask)

    def offered(self, hop: int, persona: Persona) -> list[str]:
        """Ids of the people who are offered as answers; to be drawn before any answer changes who is there."""
        rng = rng_for(self._seed, "known", hop, persona.id)
        offered = offer_known(self._population, persona, count=self._growth.acquaintances, rng=rng)
        return [other.id for other in offered]

    def failures(self, hop: int, owners: Sequence[str], answers: Sequence[Found]) -> list[rows.FailureRow]:
        """The questions that were not answered."""
        purpose = "persona_to_persona" if hop else "text_to_persona"
        return [
            rows.FailureRow("growth", hop, None, None, owner, purpose, answer.outcome, answer.reason, answer.attempts)
            for owner, answer in zip(owners, answers, strict=True)
            if answer.value is None
        ]

    async def _each[T, R](self, items: Sequence[T], ask: Callable[[T], Awaitable[R]]) -> list[R]:
        engine = self._engine
        return await bounded_map(ask, items, workers=engine.workers("growth"), done=engine.progress.advanced)

    def _context(self, hop: int, owner: str) -> RequestContext:
        return RequestContext("growth", hop, owner, derive_seed(self._seed, "growth", hop, owner) >> 32)
