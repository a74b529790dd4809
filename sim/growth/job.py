"""Growing the people of a society into a run file, from wherever that file's growth stopped."""

import math
from collections.abc import Collection, Sequence
from sys import maxsize

import orjson

from ...personas.growth import offer_known, plan_hop
from ...personas.hub import Hub
from ...personas.persona import Passage, Persona
from ...personas.population import Population
from ..engine import Engine
from ..jobs.loop import Chunks, run_phase
from ..runfile import rows
from ..runfile.job_rows import Unit
from ..seeds import rng_for
from .phases import GrowthContext, HopPhase, ReadingPhase, TextPhase
from .settings import Growth, GrowthSource
from .sources import SourceSampler
from .stored import reopen_hops, stored_population

#: Relations asked for at each person where neither they nor the number of people are given.
_FAN_OUT = 3

#: The least share of relations that lead to new people; below it, growth to a limit offers no known people.
_LEAST_NEW = 1 / 3

_LATEST_EXTENSION = "ORDER BY extension DESC LIMIT 1"


class GrowthJob:
    """Grows a population into a run file, hop by hop."""

    def __init__(
        self,
        engine: Engine,
        growth: Growth,
        *,
        seed: int,
        source: GrowthSource | None = None,
        recorded: Sequence[Passage] | None = None,
    ) -> None:
        """Prepare to grow. If `source` is given, what personas come from is not opened again.

        `recorded` holds the texts of the run to replay.
        """
        self._engine = engine
        self._source = source
        self._recorded = recorded
        self._growth = growth
        self._seed = seed
        self._population = stored_population(engine.log)
        #: What finished growth was asked for in addition, the last time; None for growth as it was begun.
        self._extended = next(iter(engine.log.rows(rows.GrowthExtensionRow, _LATEST_EXTENSION)), None)
        extension = self._extended.extension if self._extended else 0
        self._context = GrowthContext(engine, growth, self._population, seed, extension)
        #: What the sources passed over in this session, in words; empty where nothing.
        self.passed_over = ""

    async def run(self) -> Population:
        """Grow to the last hop and return all personas. Raises `RunError` if none could be grown."""
        while True:
            last = self._engine.log.last_complete(Unit.HOP)
            for hop in range(0 if last is None else last + 1, self._growth.hops + 1):
                await (self._expand(hop) if hop else self._begin())
            if not await self._ask_for_more():
                return self._population

    async def _ask_for_more(self) -> bool:
        """Reopen the hops with texts for the missing personas, unless the texts have run out.

        Returns whether the hops were reopened.
        """
        growth, log = self._growth, self._engine.log
        missing = (growth.agents or 0) - len(self._population)
        if missing <= 0 or not growth.hops or not growth.is_rereadable:
            return False
        # Nobody is added to a society that lives, and no text was asked about where people were read from a hub.
        asked = Chunks(self._engine, TextPhase.name, 0, None).items
        if not asked or asked < (self._texts or 0) or log.is_fork or log.last_complete(Unit.STEP) is not None:
            return False
        wanted = asked + math.ceil(missing / growth.per_passage)
        await self._engine.commit([], reopen_hops(log, texts=wanted))
        await self._engine.flush()
        return True

    @property
    def _texts(self) -> int | None:
        """Texts to ask about in total once the hops were reopened; None before."""
        texts: int | None = orjson.loads(self._engine.log.job_row.spec).get("texts")
        return texts

    async def _begin(self) -> None:
        sampler = SourceSampler(
            self._engine,
            self._growth,
            self._seed,
            extension=self._context.extension,
            texts=self._texts,
            recorded=self._recorded,
        )
        source = self._source or self._recorded
        if source is None:
            source = sampler.open(Chunks(self._engine, TextPhase.name, 0, None))
        self._source = None
        if isinstance(source, Hub):
            await run_phase(self._engine, ReadingPhase(self._context, source, sampler))
            return
        phase = TextPhase(self._context, sampler, source)
        await run_phase(self._engine, phase)
        self.passed_over = phase.passed_over

    async def _expand(self, hop: int) -> None:
        fan_out = self._fan_out(hop)
        # Some relations lead to nobody new, so a hop asks on while there are fewer people than were wanted and others
        # to ask about.
        before = self._extended.rounds if self._extended else ()
        rounds = maxsize if self._growth.agents is not None else 1 + (before[hop - 1] if hop <= len(before) else 0)

        def plan(round_: int, chosen: Collection[str]) -> Sequence[rows.FrontierRow]:
            return self._plan(hop, round_, chosen, fan_out)

        await run_phase(self._engine, HopPhase(self._context, hop, fan_out=fan_out, rounds=rounds, plan=plan))

    def _plan(self, hop: int, round_: int, chosen: Collection[str], fan_out: int) -> list[rows.FrontierRow]:
        people = plan_hop(
            self._population,
            hop=hop,
            hops=self._growth.hops,
            limit=self._growth.agents,
            fan_out=fan_out,
            rng=rng_for(self._seed, "frontier", hop, round_),
            asked=chosen,
            choice=self._growth.frontier,
        )
        # Weak models name the people they are offered and describe nobody new.
        grown = sum(p.hop > 0 for p in self._population.alive)
        is_missing = self._growth.agents is not None and self._growth.hub is None
        offers = not (is_missing and grown < self._population.ties * _LEAST_NEW)
        # Drawn for everybody before any answer changes who is there.
        return [
            rows.FrontierRow(
                hop, place, round_, persona.id, [p.id for p in self._offered(hop, persona.id)] if offers else []
            )
            for place, persona in enumerate(people, start=len(chosen) + 1)
        ]

    def _offered(self, hop: int, persona: str) -> Sequence[Persona]:
        rng, count = rng_for(self._seed, "known", hop, persona), self._growth.acquaintances
        return offer_known(self._population, self._population.persona(persona), count=count, rng=rng)

    def _fan_out(self, hop: int) -> int:
        """Return the relations to ask for at each persona. With a limit, they are no more than hop 0 needs to reach it.

        A given fan-out is for one hop, otherwise all hops share the work. Some relations lead to known personas.
        """
        growth = self._growth
        given = growth.fan_out_at(hop)
        if growth.agents is None:
            return given or _FAN_OUT
        first = sum(p.hop == 0 for p in self._population.alive) or 1
        new = 2 / 3 if growth.acquaintances else 0.95
        hops = range(1, 2 if given else growth.hops + 1)
        enough = (f for f in range(2, 20) if first * sum((new * f) ** h for h in hops) >= growth.agents - first)
        return min(next(enough, 20), given or 20)
