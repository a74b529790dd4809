"""Growing the people of a society into a run file, from wherever that file's growth stopped.

What a hop is (prompts, frontier, verdicts) lives in `personas`; here it is run with a ledger and markers.
"""

from asyncio import wrap_future
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from ...personas.errors import RunError
from ...personas.growth import HopResult, absorb, plan_hop, questions_between_checks
from ...personas.hub import Hub
from ...personas.hub.details import details_of, write_details
from ...personas.judgement import Judge
from ...personas.persona import content_id
from ...personas.population import Population
from ...personas.rules import Policy
from ...personas.sources import Sources
from ..answered import check_answered
from ..engine import Engine
from ..growth import Growth, Source
from ..persona_rows import stored_population
from ..runfile import rows
from ..seeds import rng_for
from .asking import Asking
from .nobody import nobody
from .record import HopRecord
from .source import Chooser, skipped_rows
from .texts import Unasked

__all__ = ["GrowthJob"]

#: How often the last hop asks, at most, to reach the number of people that is wanted.
_ROUNDS = 4

_LATEST_EXTENSION = "ORDER BY extension DESC LIMIT 1"
_TURNED_AWAY = """
SELECT rule, count(*) FROM rulings WHERE outcome IN ('turned_away', 'removed') AND NOT undone
GROUP BY rule ORDER BY count(*) DESC, rule
"""


class GrowthJob:
    """Grows a population into a run file, from wherever that file's growth stopped."""

    def __init__(
        self,
        engine: Engine,
        growth: Growth,
        *,
        seed: int,
        source: Source | None = None,
        judges: Sequence[Judge] = (),
    ) -> None:
        """`source` spares opening what people come from again; `judges` see every newcomer before it is taken in."""
        self._engine = engine
        self._source = source
        self._growth = growth
        self._seed = seed
        self._judges = judges
        self._population = stored_population(engine.log)
        self._asking = Asking(engine, growth, seed, self._population)
        #: What finished growth was asked for in addition, the last time; None for growth as it was begun.
        self._extended = next(iter(engine.log.rows(rows.GrowthExtensionRow, _LATEST_EXTENSION)), None)
        self._extension = self._extended.extension if self._extended else 0
        self._chooser = Chooser(engine, growth, seed, extension=self._extension)
        #: What the sources passed over in this session, in words; empty where nothing.
        self.passed_over = ""

    async def run(self) -> Population:
        """Everybody, grown to the last hop. Raises `RunError` when nobody at all could be grown."""
        last = self._engine.log.last_hop()
        for hop in range(0 if last is None else last + 1, self._growth.hops + 1):
            record = HopRecord(self._engine, self._population, hop, chunk=self._chunk(hop), extension=self._extension)
            await (self._expand(hop, record) if hop else self._begin(record))
            await record.close()
        return self._population

    async def _begin(self, record: HopRecord) -> None:
        source = self._chooser.open(record) if self._source is None else self._source
        self._source = None
        if isinstance(source, Hub):
            people = self._chooser.people(source)
            result = self._read(people, record)
            await self._write_details(people, result)
            await self._check_anybody(f"{len(people.personas):,} people", (), record)
            return
        texts = self._chooser.texts(source, record)
        if record.asked == record.asked_before:
            record.note(skipped_rows(record.chunk, self._chooser.skipped))
        while not self._is_stale(record) and (taken := texts.take(self._asking.window(record.room))):
            await self._infer(taken, record)
        if isinstance(source, Sources):
            self.passed_over = source.skips.summary()
            # Where a part is drawn, all was read before, and what was passed over noted.
            record.note(skipped_rows(record.chunk, source.skips.take() if self._growth.agents is None else ()))
        await self._check_anybody(_texts(record.asked), (), record)

    def _read(self, hub: Hub, record: HopRecord) -> HopResult:
        # The language that was asked for is that of those who are to be described.
        result = absorb(self._population, [hub.personas], judges=self._growth.judges_of_people)
        people = self._population
        between = (r for r in hub.relations if r.source in people and r.target in people)
        related = tuple(r for r in between if people.relate(r))
        # Whoever was there before is no newcomer of this growth.
        result = replace(result, relations=related, newcomers=())
        record.add(0, result)
        return result

    async def _write_details(self, hub: Hub, result: HopResult) -> None:
        """Take along what is known of the people beside themselves, before the marker of their hop is there."""
        became = {persona: content_id(ruling.text) for persona, ruling in result.rulings if ruling.text is not None}
        ids = {p.id: became.get(p.id, p.id) for p in hub.personas}
        tables = details_of(hub.details, {was: now for was, now in ids.items() if now in self._population})
        if tables:
            keep = partial(write_details, tables=tables, personal=self._growth.personal or Policy.KEEP)
            await wrap_future(self._engine.log.commit(statements=[keep]))

    async def _infer(self, taken: Sequence[Unasked], record: HopRecord) -> None:
        start = record.asked
        self._engine.progress.began(_title(start, len(taken)), len(taken))
        passages = [one.passage for one in taken]
        answers = await self._asking.infer(passages)
        check_answered(_work("Text-to-Persona", record), [(a.outcome, a.reason) for a in answers])
        failures = self._asking.failures(0, [p.id for p in passages], answers)
        at = 0
        while at < len(taken) and not (at and self._is_stale(record)):
            piece = slice(at, at + record.room)
            some = taken[piece]
            values = [a.value or () for a in answers[piece]]
            result = absorb(self._population, values, self._growth.agents, judges=self._judges)
            ids = {one.passage.id for one in some}
            record.add(
                len(some),
                result,
                [f for f in failures if f.owner in ids],
                passages=_passage_rows(some, start + at),
                position=str(some[-1].position) if some[-1].position else None,
            )
            record.note(_places(some))
            record.note(skipped_rows(record.chunk, [skipped for one in some for skipped in one.skipped]))
            at += len(some)
            await self._check_anybody(_texts(len(taken)), failures, record)
            await record.flush()

    async def _check_anybody(self, origin: str, failures: Sequence[rows.FailureRow], record: HopRecord) -> None:
        """Raise `RunError` when there is nobody; what rules said of those whom they turned away is kept before."""
        if self._population.alive:
            return
        if record.dropped:
            await record.flush(at_once=True)
        rules = dict(self._engine.log.query(_TURNED_AWAY))
        reasons = [failure.reason for failure in failures]
        raise RunError(nobody(origin, reasons, record.dropped, rules, hub=self._engine.log.path))

    async def _expand(self, hop: int, record: HopRecord) -> None:
        planned = self._engine.log.rows(rows.FrontierRow, "WHERE hop = $hop ORDER BY ordinal", {"hop": hop})
        waiting: Sequence[rows.FrontierRow] = planned[record.asked :]
        # Some relations lead to nobody new, so the last hop asks on while there are fewer people than were wanted.
        rounds = _ROUNDS if hop == self._growth.hops and self._growth.agents is not None else 1
        rounds += self._rounds_before(hop)
        fan_out = self._fan_out(hop)
        while not self._is_stale(record):
            if not waiting:
                round_ = planned[-1].round + 1 if planned else 0
                waiting = self._plan(hop, round_, planned, fan_out) if round_ < rounds else ()
                planned += waiting
                record.note(waiting)
            if not waiting:
                break
            self._engine.progress.began(f"Hop {hop}", len(waiting))
            while waiting and not self._is_stale(record):
                most = self._asking.window(record.room)
                some, waiting = waiting[:most], waiting[most:]
                await self._relate(hop, some, fan_out, record)

    async def _relate(self, hop: int, people: Sequence[rows.FrontierRow], fan_out: int, record: HopRecord) -> None:
        answers = await self._asking.relatives(hop, people, fan_out)
        check_answered(_work(f"hop {hop}", record), [(a.outcome, a.reason) for a in answers])
        at = 0
        while at < len(people) and not (at and self._is_stale(record)):
            piece = slice(at, at + record.room)
            found = answers[piece]
            result = absorb(self._population, [a.value or () for a in found], self._growth.agents, judges=self._judges)
            owners = [row.persona for row in people[piece]]
            record.add(len(found), result, self._asking.failures(hop, owners, found))
            await record.flush()
            at += len(found)

    def _plan(self, hop: int, round_: int, planned: Sequence[rows.FrontierRow], fan_out: int) -> list[rows.FrontierRow]:
        people = plan_hop(
            self._population,
            hop=hop,
            hops=self._growth.hops,
            limit=self._growth.agents,
            fan_out=fan_out,
            rng=rng_for(self._seed, "frontier", hop, round_),
            asked={row.persona for row in planned},
            choice=self._growth.frontier,
        )
        return [
            rows.FrontierRow(hop, place, round_, persona.id, self._asking.offered(hop, persona))
            for place, persona in enumerate(people, start=len(planned) + 1)
        ]

    def _is_stale(self, record: HopRecord) -> bool:
        """Whether too few of the latest newcomers were somebody new. It is asked between chunks."""
        wanted, share = self._growth.until_novelty, record.latest.share
        return wanted is not None and share is not None and share < wanted and record.is_between_chunks

    def _chunk(self, hop: int) -> int:
        """Questions of a chunk: where the newest may end growth, no more than show how new they are."""
        growth = self._growth
        if growth.until_novelty is None:
            return growth.chunk
        return min(growth.chunk, questions_between_checks(self._fan_out(hop) if hop else growth.per_passage))

    def _rounds_before(self, hop: int) -> int:
        rounds = self._extended.rounds if self._extended else ()
        return rounds[hop - 1] if hop <= len(rounds) else 0

    def _fan_out(self, hop: int) -> int:
        """As many relations as bring hop 0 to the number wanted, reckoning that some lead to people who are known."""
        growth = self._growth
        given = growth.fan_out_at(hop)
        if given is not None:
            return given
        if growth.agents is None:
            return 3
        first = sum(p.hop == 0 for p in self._population.alive) or 1
        new = 2 / 3 if growth.acquaintances else 0.95
        hops = range(1, growth.hops + 1)
        enough = (f for f in range(2, 20) if first * sum((new * f) ** h for h in hops) >= growth.agents - first)
        return next(enough, 20)


def _texts(number: int) -> str:
    return "1 text" if number == 1 else f"{number:,} texts"


def _title(start: int, number: int) -> str:
    return "Text-to-Persona" if not start else f"Text-to-Persona {start + 1} to {start + number}"


def _work(what: str, record: HopRecord) -> str:
    return what if record.chunk == 1 else f"chunk {record.chunk} of {what}"


def _passage_rows(some: Sequence[Unasked], before: int) -> list[rows.PassageRow]:
    return [
        rows.PassageRow(p.id, place, p.text, p.language, p.source, p.licence)
        for place, p in enumerate((one.passage for one in some), start=before + 1)
    ]


def _places(some: Sequence[Unasked]) -> list[rows.PassagePlaceRow]:
    return [
        rows.PassagePlaceRow(p.id, p.document, p.offset, len(p.text), p.title)
        for p in (one.passage for one in some)
        if p.document is not None
    ]
