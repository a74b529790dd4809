"""Growing the people of a society into a run file, from wherever that file's growth stopped."""

import math
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from sys import maxsize

import orjson

from ...core.errors import RunError, parameter
from ...core.model import Answer
from ...core.table import Row
from ...personas.growth import (
    HopResult,
    NoveltyWindow,
    absorb_answers,
    most_per_origin,
    offer_known,
    plan_hop,
    questions_between_checks,
)
from ...personas.hub import Hub
from ...personas.hub.details import details_of, write_details
from ...personas.hub.tables import PassageRow
from ...personas.judgement import RuleResult, RuleResultRow, with_redactions
from ...personas.persona import Passage, Persona, content_id
from ...personas.population import Population
from ...personas.rules import Policy
from ...personas.rules.personal import Pseudonyms
from ...personas.sources import Sources
from ...personas.text_to_persona import Relative
from ..engine import Engine
from ..jobs.loop import Changes, Chunks, Phase, run_phase
from ..runfile import job_rows, rows
from ..runfile.job_rows import Unit
from ..runfile.rows import TargetPersonRow, TargetShareRow, WeightRow
from ..runfile.writer import FileChange
from ..seeds import rng_for
from .settings import (
    Growth,
    GrowthSource,
    NeighbourhoodRequest,
    NextPassage,
    SourceSampler,
    asked_before,
    find_relatives,
    infer_personas,
    skipped_rows,
)
from .stored import persona_rows, reopen_hops, stored_population, weighting_rows

_LATEST = """
SELECT state ->> '$.latest' FROM markers JOIN phases USING (job, phase)
WHERE unit = 'hop' AND chunk > 0 AND CAST(state ->> '$.extension' AS INTEGER) = $extension
ORDER BY markers.rowid DESC LIMIT 1
"""
_FRONTIER = "WHERE hop = $hop AND ordinal > $asked ORDER BY ordinal"
_CHOSEN = "SELECT persona, round FROM frontier WHERE hop = $hop"
_REJECTED = """
SELECT rule, count(*) FROM rule_results WHERE outcome IN ('rejected', 'removed') AND NOT undone
GROUP BY rule ORDER BY count(*) DESC, rule
"""
_PERSONAL = "personal_data"


@dataclass(frozen=True, slots=True)
class GrowthContext:
    """What all hops of growth work on."""

    engine: Engine
    growth: Growth
    population: Population
    seed: int
    #: The extension of growth that is under way; 0 for growth as it was begun.
    extension: int


@dataclass(slots=True)
class _Collected:
    """What is not committed yet."""

    asked: int = 0
    result: HopResult = field(default_factory=HopResult)
    passages: list[PassageRow] = field(default_factory=list)
    failures: list[job_rows.FailureRow] = field(default_factory=list)
    #: Rows that follow from what went before, and so are no events.
    derived: list[Row] = field(default_factory=list)
    statements: list[FileChange] = field(default_factory=list)
    #: Weights and targets of a selection that is read.
    weighting: list[WeightRow | TargetPersonRow | TargetShareRow] = field(default_factory=list)
    position: str | None = None


class _GrowthPhase[I, R: Answer[tuple[Persona, ...]] | Answer[tuple[Relative, ...]] | None](Phase[I, R]):
    """What the hops have in common: newcomers pass the rules, are admitted, and become rows."""

    name = "growth"
    unit = Unit.HOP
    purpose = "persona_to_persona"

    def __init__(self, context: GrowthContext, hop: int, *, per_question: int) -> None:
        """Prepare a hop. `per_question` is the number of new personas asked for per answer."""
        self.number = hop
        self._context = context
        self._judges = context.growth.judges(context.engine.log.path)
        self._collected = _Collected()
        wanted = context.growth.until_novelty
        self.looks_ahead = wanted is None
        # Where the newest may end growth, no more is asked than shows how new they are.
        most = context.growth.chunk
        self.chunk = most if wanted is None else min(most, questions_between_checks(per_question))
        # An extension counts anew: the user asked for more, knowing how new the latest were.
        log = context.engine.log
        before = log.query(_LATEST, {"extension": context.extension}) if log.may_hold(job_rows.MarkerRow) else []
        self._latest = NoveltyWindow(before[0][0] if before else "")

    def is_over(self, chunks: Chunks) -> bool:
        """Return whether too few of the latest personas were new."""
        wanted, share = self._context.growth.until_novelty, self._latest.share
        return wanted is not None and share is not None and share < wanted

    def collect(self) -> Changes:
        """Return the rows of the new personas, their ties and verdicts, and what the rules said about them."""
        done, self._collected = self._collected, _Collected()
        result = done.result
        people = persona_rows(result, self._context.population)
        lost = [(f.owner, f.outcome) for f in done.failures]
        away = [result.rejected] if result.rejected else []
        rule_results = [
            row for persona, rule_result in result.rule_results for row in _rule_result_rows(persona, rule_result)
        ]
        state = {"latest": str(self._latest), "extension": self._context.extension}
        return Changes(
            rows=[*done.passages, *people, *rule_results, *done.failures, *done.derived, *done.weighting],
            events=[self.number, done.passages, *people, lost, *away, *done.weighting],
            failed=len(done.failures),
            counts={
                "born": result.born,
                "duplicates": result.duplicates,
                "repeats": result.repeats,
                "dropped": result.dropped,
                "relations": len(result.relations),
                "rejected": len(result.rejected),
                "unwanted": result.unwanted,
            },
            state=orjson.dumps(state).decode(),
            position=done.position,
            statements=done.statements,
        )

    def _absorb_answers(self, owners: Sequence[str], answers: Sequence[R]) -> None:
        """Add the answers about these passages or personas, in their order."""
        context, collected = self._context, self._collected
        found = [answer.value or () for answer in answers if answer is not None]
        limit, most = context.growth.agents, None
        if limit is not None and self.number:
            most = most_per_origin(context.population, limit)
        result = absorb_answers(context.population, found, limit, judges=self._judges, most_per_origin=most)
        self._add_result(len(owners), result)
        collected.failures += [
            job_rows.FailureRow.of(answer, self.name, self.number, owner, self.purpose)
            for owner, answer in zip(owners, answers, strict=True)
            if answer is not None and answer.value is None
        ]

    def _add_result(self, asked: int, result: HopResult) -> None:
        self._collected.asked += asked
        self._collected.result += result
        self._latest.note(result.newcomers)

    async def _check_anybody(self, chunks: Chunks, origin: str, reasons: Sequence[str]) -> None:
        """Raise `RunError` if no persona is left, after committing what rules said about those they rejected."""
        context, result = self._context, self._collected.result
        if context.population.alive:
            return
        described = sum(marker.count("dropped") for marker in chunks.complete) + result.dropped
        if described and (self._collected.asked or result.dropped):
            await chunks.commit(self.collect())
            await context.engine.flush()
        rules = dict(context.engine.log.query(_REJECTED))
        raise RunError(_explain_nobody(origin, reasons, described, rules, hub=str(context.engine.log.path)))


class ReadingPhase(_GrowthPhase[None, None]):
    """Hop 0 of growth from people: they are read, and no model is asked."""

    def __init__(self, context: GrowthContext, hub: Hub, sampler: SourceSampler) -> None:
        super().__init__(context, 0, per_question=1)
        self._hub = sampler.people(hub)

    def begin(self, chunks: Chunks) -> None:
        """Add all personas, the ties between them, and what else is known of them."""
        people, growth = self._context.population, self._context.growth
        # The language that was asked for is that of those who are to be described.
        result = absorb_answers(
            people, [self._hub.personas], judges=growth.judges(self._context.engine.log.path, of_people=True)
        )
        between = (r for r in self._hub.relations if r.source in people and r.target in people)
        related = tuple(r for r in between if people.add_relation(r))
        # People who were there before are no newcomers of this growth.
        self._add_result(0, replace(result, relations=related, newcomers=()))
        became = {
            persona: content_id(rule_result.text)
            for persona, rule_result in result.rule_results
            if rule_result.text is not None
        }
        ids = {p.id: became.get(p.id, p.id) for p in self._hub.personas}
        arrived = {was: now for was, now in ids.items() if now in people}
        tables = details_of(self._hub.details, arrived)
        if self._hub.weighting is not None:
            self._hub.weighting.check_met({p.id for p in people.alive}, arrived)
            self._collected.weighting = weighting_rows(self._hub.weighting, arrived)
        if tables:
            names = Pseudonyms.of(self._context.engine.log.path)
            keep = partial(write_details, tables=tables, personal=growth.personal or Policy.KEEP, pseudonyms=names)
            self._collected.statements.append(keep)

    async def check(self, chunks: Chunks) -> None:
        """Raise `RunError` if no persona was accepted."""
        await self._check_anybody(chunks, f"{len(self._hub.personas):,} people", ())


class TextPhase(_GrowthPhase[NextPassage, Answer[tuple[Persona, ...]]]):
    """Hop 0 of growth from texts: Text-to-Persona for each passage."""

    purpose = "text_to_persona"

    def __init__(self, context: GrowthContext, sampler: SourceSampler, source: object) -> None:
        super().__init__(context, 0, per_question=context.growth.per_passage)
        self.work = partial(infer_personas, context.growth, context.seed)
        self._sampler = sampler
        self._source = source
        self._has_ended = False
        self._reasons: list[str] = []

    def begin(self, chunks: Chunks) -> None:
        """Find the passages after those that were asked about."""
        self._chunks = chunks
        self._asked = chunks.items
        self._passages = self._sampler.texts(self._source, chunks)  # type: ignore[arg-type]  # no hub comes here
        if chunks.items == asked_before(chunks, self._context.extension):
            self._collected.derived += skipped_rows(chunks.chunk, self._sampler.skipped)

    def owner(self, item: NextPassage) -> str:
        """Return the id of the passage."""
        return item.passage.id

    def take(self, chunks: Chunks, most: int) -> Sequence[NextPassage]:
        """Return the next passages of the source."""
        people, pending = len(self._context.population), [row.passage for row in self._collected.passages]
        while not (taken := self._passages.take(most)) and (more := self._sampler.more_texts(chunks, people, pending)):
            self._passages = more
        self._has_ended = not taken
        if taken:
            self._reasons = []
            self._context.engine.progress.began(_phase_title(chunks.items, len(taken)), len(taken))
        elif isinstance(self._source, Sources):
            self._pass_over(chunks)
        return taken

    def _pass_over(self, chunks: Chunks) -> None:
        skips = self._source.skips  # type: ignore[attr-defined]  # of sources
        # Where a part is drawn, all was read before, and what was passed over noted.
        if self._context.growth.agents is None:
            self._collected.derived += skipped_rows(chunks.chunk, [*self._passages.rest, *skips.take()])
            self._passages.rest = []

    def apply(self, items: Sequence[NextPassage], results: Sequence[Answer[tuple[Persona, ...]]]) -> None:
        """Add the passages and the personas found in them."""
        chunk = self._collected
        self._reasons += [answer.reason for answer in results if answer.value is None]
        self._absorb_answers([item.passage.id for item in items], results)
        chunk.derived += skipped_rows(self._chunks.chunk, [skipped for item in items for skipped in item.skipped])
        for place, p in enumerate((item.passage for item in items), start=self._asked + 1):
            chunk.passages.append(PassageRow(p.id, place, p.text, p.language, p.source, p.licence))
            if p.document is not None:
                chunk.derived.append(rows.PassagePlaceRow(p.id, p.document, p.offset, len(p.text), p.title))
        self._asked += len(items)
        chunk.position = str(items[-1].position) if items[-1].position else None

    async def check(self, chunks: Chunks) -> None:
        """Raise `RunError` if no text is left and none gave a persona."""
        if self._has_ended:
            origin = "1 text" if chunks.items == 1 else f"{chunks.items:,} texts"
            await self._check_anybody(chunks, origin, self._reasons)


class HopPhase(_GrowthPhase[NeighbourhoodRequest, Answer[tuple[Relative, ...]]]):
    """A further hop of growth: Persona-to-Persona for each person of the frontier."""

    def __init__(
        self,
        context: GrowthContext,
        hop: int,
        *,
        fan_out: int,
        rounds: int,
        plan: Callable[[int, Collection[str]], Sequence[rows.FrontierRow]],
    ) -> None:
        """Prepare a hop. `plan` returns the personas to ask about in a round, and never one that was chosen before."""
        super().__init__(context, hop, per_question=fan_out)
        self.work = partial(find_relatives, context.growth, context.seed, hop, fan_out)
        self._rounds = rounds
        self._plan = plan
        self._waiting = deque[rows.FrontierRow]()
        self._chosen = set[str]()

    def begin(self, chunks: Chunks) -> None:
        """Find the personas that were chosen and not asked about yet."""
        log = self._context.engine.log
        self._waiting.extend(log.rows(rows.FrontierRow, _FRONTIER, {"hop": self.number, "asked": chunks.items}))
        chosen = log.query(_CHOSEN, {"hop": self.number}) if log.may_hold(rows.FrontierRow) else []
        self._round = max((round_ for _, round_ in chosen), default=-1)
        self._chosen.update(persona for persona, _ in chosen)
        self._show_phase()

    def owner(self, item: NeighbourhoodRequest) -> str:
        """Return the id of the persona."""
        return item.persona.id

    def take(self, chunks: Chunks, most: int) -> Sequence[NeighbourhoodRequest]:
        """Return the next personas. Plan another round if none are waiting and rounds are left."""
        if not self._waiting and self._round + 1 < self._rounds:
            self._round += 1
            planned = self._plan(self._round, self._chosen)
            self._chosen.update(row.persona for row in planned)
            self._waiting.extend(planned)
            self._collected.derived += planned
            self._show_phase()
        chosen = [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]
        person = self._context.population.persona
        return [NeighbourhoodRequest(person(row.persona), tuple(map(person, row.known))) for row in chosen]

    def apply(self, items: Sequence[NeighbourhoodRequest], results: Sequence[Answer[tuple[Relative, ...]]]) -> None:
        """Add the personas related to these."""
        self._absorb_answers([item.persona.id for item in items], results)

    def _show_phase(self) -> None:
        if self._waiting:
            self._context.engine.progress.began(f"Hop {self.number}", len(self._waiting))


def _rule_result_rows(persona: str, said: RuleResult) -> Sequence[RuleResultRow]:
    became = content_id(said.text) if said.text is not None else None
    row = RuleResultRow(persona, said.rule, said.reason, said.outcome, became, said.was)
    return with_redactions(row, said.changes)


def _phase_title(start: int, number: int) -> str:
    return "Text-to-Persona" if not start else f"Text-to-Persona {start + 1} to {start + number}"


def _explain_nobody(origin: str, failures: Sequence[str], described: int, rules: Mapping[str, int], *, hub: str) -> str:
    """Return why no persona could be grown from `origin` (such as `3 texts`) into a hub, and what to do.

    `failures` are the reasons of requests without an answer. `rules` counts the described personas that each rule
    rejected.
    """
    said = f"Nobody could be grown from {origin}."
    reasons = " ".join(dict.fromkeys(failures[:3]))
    if described:
        return " ".join(filter(None, [said, _describe_rejected(described, rules, hub), reasons]))
    return f"{said} {reasons or 'No answer held a persona.'} Try another model or other texts."


def _describe_rejected(described: int, rules: Mapping[str, int], hub: str) -> str:
    people = "1 person was" if described == 1 else f"{described:,} people were"
    by = ", ".join(f"{rule} {number:,}" for rule, number in rules.items())
    ways = []
    quality = [rule for rule in rules if rule != _PERSONAL]
    if quality:
        ways.append(f"`populace hub undo {hub} --rule {quality[0]}` and then `populace resume {hub}` take them in")
        ways.append(f"{parameter('quality', value=False)}, with another {parameter('hub')}, lets all in")
    if _PERSONAL in rules:
        keep = f"{parameter('personal', 'keep')}, with another {parameter('hub')}"
        ways.append(f"{keep}, lets in those with personal data")
    return f"{people} described and rejected: {by}; {', and '.join(ways)}."


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

    async def run(self) -> Population:
        """Grow to the last hop and return all personas. Raises `RunError` if none could be grown."""
        while True:
            last = self._engine.log.last_complete(Unit.HOP)
            for hop in range(0 if last is None else last + 1, self._growth.hops + 1):
                await (self._expand_hop(hop) if hop else self._begin_growth())
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
        if not asked or asked < (self._count_texts or 0) or log.is_fork or log.last_complete(Unit.STEP) is not None:
            return False
        wanted = asked + math.ceil(missing / growth.per_passage)
        await self._engine.commit([], reopen_hops(log, texts=wanted))
        await self._engine.flush()
        return True

    @property
    def _count_texts(self) -> int | None:
        """Texts to ask about in total once the hops were reopened; None before."""
        texts: int | None = orjson.loads(self._engine.log.job_row.spec).get("texts")
        return texts

    async def _begin_growth(self) -> None:
        sampler = SourceSampler(
            self._engine,
            self._growth,
            self._seed,
            extension=self._context.extension,
            texts=self._count_texts,
            recorded=self._recorded,
        )
        source = self._source or self._recorded
        if source is None:
            source = sampler.open(Chunks(self._engine, TextPhase.name, 0, None))
        self._source = None
        if isinstance(source, Hub):
            await run_phase(self._engine, ReadingPhase(self._context, source, sampler))
            return
        await run_phase(self._engine, TextPhase(self._context, sampler, source))

    async def _expand_hop(self, hop: int) -> None:
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
                hop,
                place,
                round_,
                persona.id,
                [p.id for p in self._offer_acquaintances(hop, persona.id)] if offers else [],
            )
            for place, persona in enumerate(people, start=len(chosen) + 1)
        ]

    def _offer_acquaintances(self, hop: int, persona: str) -> Sequence[Persona]:
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
