"""Growing the people of a society into a run file, from wherever that file's growth stopped.

What a hop is (prompts, frontier, verdicts) lives in `personas`; here it is run with a ledger and markers.
"""

from collections.abc import Collection, Sequence

from ...personas.errors import RunError
from ...personas.growth import HopResult, Population, absorb, plan_hop
from ...personas.hub import Hub
from ...personas.judging import Judge
from ...personas.passage import Passage
from ...personas.sources import Position, Sources
from ..answered import check_answered
from ..engine import Engine
from ..growth import Growth, Source
from ..persona_rows import stored_population
from ..runfile import rows
from ..seeds import rng_for
from .asking import Asking
from .record import HopRecord
from .texts import Lottery, Texts, Unasked

__all__ = ["GrowthJob"]

#: How often the last hop asks, at most, to reach the number of people that is wanted.
_ROUNDS = 4

_KNOWN = "SELECT passage FROM passages WHERE passage IN (SELECT unnest($ids))"


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
        #: What the sources passed over in this session, in words; empty where nothing.
        self.passed_over = ""

    async def run(self) -> Population:
        """Everybody, grown to the last hop. Raises `RunError` when nobody at all could be grown."""
        last = self._engine.log.last_hop()
        for hop in range(0 if last is None else last + 1, self._growth.hops + 1):
            record = HopRecord(self._engine, self._population, hop, chunk=self._growth.chunk)
            await (self._expand(hop, record) if hop else self._begin(record))
            await record.close()
        return self._population

    async def _begin(self, record: HopRecord) -> None:
        after = Position.parse(record.position) if record.position else None
        source = self._growth.source(after=after) if self._source is None else self._source
        self._source = None
        if isinstance(source, Hub):
            self._read(self._sampled(source), record)
            return
        texts = self._texts(source, record.asked)
        while not self._is_stale(record) and (taken := texts.take(self._asking.window(record.room))):
            await self._infer(taken, record)
        if isinstance(source, Sources):
            self.passed_over = source.skips.summary()

    def _read(self, hub: Hub, record: HopRecord) -> None:
        result = absorb(self._population, [hub.personas], judges=self._judges)
        people = self._population
        between = (r for r in hub.relations if r.source in people and r.target in people)
        related = tuple(r for r in between if people.relate(r))
        record.add(0, HopResult(result.personas, result.verdicts, related, rulings=result.rulings))

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
            if not self._population.alive:
                raise RunError(_nobody(len(taken), failures))
            await record.flush()
            at += len(some)

    async def _expand(self, hop: int, record: HopRecord) -> None:
        planned = self._engine.log.rows(rows.FrontierRow, "WHERE hop = $hop ORDER BY ordinal", {"hop": hop})
        waiting: Sequence[rows.FrontierRow] = planned[record.asked :]
        # Some relations lead to nobody new, so the last hop asks on while there are fewer people than were wanted.
        rounds = _ROUNDS if hop == self._growth.hops and self._growth.agents is not None else 1
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
        return wanted is not None and share is not None and share < wanted and record.room == self._growth.chunk

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

    def _texts(self, source: Sequence[Passage] | Sources, asked: int) -> Texts:
        if self._growth.agents is None:
            return Texts(source, asked=self._asked)
        # Every hop is to have its share of the people, the first one too.
        people = max(1, self._growth.agents // (self._growth.hops + 1))
        most = -(-people // self._growth.per_passage)
        if not isinstance(source, Sources):
            return Texts(self._sample(source, most), asked=self._asked)
        return Texts(source, asked=self._asked, lottery=self._lottery(most), most=most - asked)

    def _lottery(self, most: int) -> Lottery | None:
        # What comes through a pipe can be read once only, and is taken as it comes.
        if not self._growth.is_rereadable:
            return None
        lottery = Lottery(self._seed, most)
        self._engine.progress.began("Reading", 0)
        texts = self._growth.source()
        for passage in texts if not isinstance(texts, Hub) else ():
            lottery.enter(passage)
            self._engine.progress.advanced()
        return lottery

    def _asked(self, ids: Collection[str]) -> set[str]:
        return {passage for (passage,) in self._engine.log.query(_KNOWN, {"ids": list(ids)})}

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


def _title(start: int, number: int) -> str:
    return "Text-to-Persona" if not start else f"Text-to-Persona {start + 1} to {start + number}"


def _work(what: str, record: HopRecord) -> str:
    return what if record.chunk == 1 else f"chunk {record.chunk} of {what}"


def _nobody(passages: int, failures: Sequence[rows.FailureRow]) -> str:
    texts = "1 text" if passages == 1 else f"{passages} texts"
    reasons = " ".join(dict.fromkeys(f.reason for f in failures[:3])) or "No answer held a persona."
    return f"Nobody could be grown from {texts}. {reasons} Try another model or other texts."


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
