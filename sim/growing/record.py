"""What a hop adds to the run file, chunk by chunk, and how far it has come."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import orjson

from ...personas.growth import HopResult, NoveltyWindow
from ...personas.judgement import Ruling, with_redactions
from ...personas.persona import content_id
from ...personas.population import Population
from ..engine import Engine
from ..persona_rows import persona_rows
from ..runfile import rows
from ..times import now

__all__ = ["HopRecord"]

_CHUNKS = "WHERE job = 1 AND phase = 'growth' AND number = $hop AND chunk > 0 ORDER BY chunk"
_LATEST = "SELECT latest FROM growth_chunks WHERE extension = $extension ORDER BY hop DESC, chunk DESC LIMIT 1"


@dataclass(slots=True)
class _Chunk:
    """What is not committed yet."""

    asked: int = 0
    result: HopResult = field(default_factory=HopResult)
    passages: list[rows.PassageRow] = field(default_factory=list)
    failures: list[rows.FailureRow] = field(default_factory=list)
    #: Rows that follow from what went before, and so are no events.
    derived: list[rows.Row] = field(default_factory=list)
    position: str | None = None


class HopRecord:
    """Collects what a hop brings, and commits it in chunks of so many questions."""

    def __init__(self, engine: Engine, population: Population, hop: int, *, chunk: int, extension: int = 0) -> None:
        """Stands where the last chunk of the hop that is in the run file ended."""
        self._engine = engine
        self._population = population
        self._hop = hop
        self._size = chunk
        self._extension = extension
        #: The chunks that are complete.
        self._complete = engine.log.rows(rows.MarkerRow, _CHUNKS, {"hop": hop})
        # Whoever asks for more knows how new the latest were: an extension begins to count anew.
        before = engine.log.query(_LATEST, {"extension": extension})
        self.latest = NoveltyWindow(before[0][0] if before else "")
        self._chunk = _Chunk()
        self._begun = now()

    @property
    def asked(self) -> int:
        """Passages or people that were asked about so far, those that are not committed yet among them."""
        return sum(c.items for c in self._complete) + self._chunk.asked

    @property
    def chunk(self) -> int:
        """Number of the chunk that is being collected."""
        return len(self._complete) + 1

    @property
    def position(self) -> str | None:
        """Where reading stood at the end of the last complete chunk."""
        return self._complete[-1].position if self._complete else None

    @property
    def asked_before(self) -> int:
        """Passages or people that were asked about before this extension of growth began."""
        return sum(c.items for c in self._complete if orjson.loads(c.state or "{}")["extension"] < self._extension)

    @property
    def room(self) -> int:
        """Questions until the chunk is full."""
        return self._size - self._chunk.asked

    @property
    def is_between_chunks(self) -> bool:
        """Whether all that was asked so far is committed."""
        return not self._chunk.asked

    @property
    def dropped(self) -> int:
        """How many newcomers were not let in, in the hop so far."""
        return sum(c.count("dropped") for c in self._complete) + self._chunk.result.dropped

    def note(self, derived: Sequence[rows.Row]) -> None:
        """Keep rows that belong to the chunk and follow from what went before."""
        self._chunk.derived += derived

    def add(
        self,
        asked: int,
        result: HopResult,
        failures: Sequence[rows.FailureRow] = (),
        *,
        passages: Sequence[rows.PassageRow] = (),
        position: str | None = None,
    ) -> None:
        """Take in what so many questions brought."""
        chunk = self._chunk
        chunk.asked += asked
        chunk.result += result
        chunk.failures += failures
        chunk.passages += passages
        chunk.position = position
        self.latest.note(result.newcomers)

    async def flush(self, *, at_once: bool = False) -> None:
        """Commit the chunk, if it is full; `at_once` if anybody was asked or turned away in it."""
        if self.room <= 0 or (at_once and (self._chunk.asked or self._chunk.result.dropped)):
            await self._engine.commit(*self._take(), finished=None)

    async def close(self) -> None:
        """Commit what is left, and that the hop is complete."""
        is_left = self._chunk.asked or not self._complete
        left = self._take() if is_left else self._chunk.derived
        counts = {name: sum(c.count(name) for c in self._complete) for name in ("born", "duplicates", "relations")}
        hop = rows.MarkerRow(
            phase="growth",
            number=self._hop,
            chunk=0,
            items=sum(c.items for c in self._complete),
            failed=sum(c.failed for c in self._complete),
            state=None,
            counts=orjson.dumps(counts).decode(),
            started_at=self._complete[0].started_at,
            ended_at=now(),
            event_hash=self._engine.events.hex,
        )
        await self._engine.commit(*left, hop, finished=("growth", self._hop))

    def _take(self) -> list[rows.Row]:
        """The rows of the chunk and its marker; another one begins."""
        chunk, self._chunk = self._chunk, _Chunk()
        people = persona_rows(chunk.result, self._population)
        lost = [(f.owner, f.outcome) for f in chunk.failures]
        away = [chunk.result.turned_away] if chunk.result.turned_away else []
        event_hash = self._engine.events.extend([self._hop, chunk.passages, *people, lost, *away])
        self._complete.append(self._marker(chunk, event_hash))
        rulings = [row for said in chunk.result.rulings for row in _rulings(*said)]
        return [*chunk.passages, *people, *rulings, *chunk.failures, *chunk.derived, self._complete[-1]]

    def _marker(self, chunk: _Chunk, event_hash: str) -> rows.MarkerRow:
        result, began, ended = chunk.result, self._begun, now()
        self._begun = ended
        counts = {
            "born": result.born,
            "duplicates": result.duplicates,
            "repeats": result.repeats,
            "dropped": result.dropped,
            "relations": len(result.relations),
            "turned_away": len(result.turned_away),
            "unwanted": result.unwanted,
        }
        return rows.MarkerRow(
            phase="growth",
            number=self._hop,
            chunk=self.chunk,
            items=chunk.asked,
            failed=len(chunk.failures),
            state=orjson.dumps({"latest": str(self.latest), "extension": self._extension}).decode(),
            counts=orjson.dumps(counts).decode(),
            started_at=began,
            ended_at=ended,
            event_hash=event_hash,
            position=chunk.position,
        )


def _rulings(persona: str, said: Ruling) -> Sequence[rows.RulingRow]:
    became = content_id(said.text) if said.text is not None else None
    row = rows.RulingRow(persona, said.rule, said.reason, said.outcome, became, said.was)
    return with_redactions(row, said.changes)
