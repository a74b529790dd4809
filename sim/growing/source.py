"""Which of the texts or people that growth begins with are taken: a sample where there is a limit, never the first."""

from collections.abc import Collection, Sequence
from random import Random

from ...personas.hub import Hub
from ...personas.hub.read import DrawSpec, draw_from
from ...personas.passage import Passage
from ...personas.sources import Position, SkipCount, Sources
from ..engine import Engine
from ..growth import Growth, Source
from ..runfile import rows
from ..seeds import derive_seed
from .record import HopRecord
from .texts import Lottery, Texts

__all__ = ["Chooser", "skipped_rows"]

_KNOWN = "SELECT passage FROM passages WHERE passage IN (SELECT unnest($ids))"
_BEFORE = "SELECT passage FROM passages WHERE ordinal <= $asked"


class Chooser:
    """Opens what people come from, and hands out what is to be asked about, in an order that is always the same."""

    def __init__(self, engine: Engine, growth: Growth, seed: int, *, extension: int) -> None:
        self._engine = engine
        self._growth = growth
        self._seed = seed
        self._extension = extension
        #: What was passed over while all was read to draw from it.
        self.skipped: tuple[SkipCount, ...] = ()

    def open(self, record: HopRecord) -> Source:
        """What people come from, behind what was read of it before."""
        return self._growth.source(seed=self._draw_seed, after=None if self._is_drawn_at_once else self._after(record))

    def texts(self, source: Sequence[Passage] | Sources, record: HopRecord) -> Texts:
        """The texts to ask about. With a limit on people every hop is to have its share of them, the first one too."""
        growth = self._growth
        if growth.agents is None:
            return Texts(source, asked=self._asked)
        most = -(-max(1, growth.agents // (growth.hops + 1)) // growth.per_passage)
        if not isinstance(source, Sources):
            return Texts(self._sampled_texts(source, most, record), asked=self._asked)
        lottery = Lottery(self._seed, most, keeps=self._is_drawn_at_once)
        left = most - record.asked
        self._draw(lottery, source)
        if self._is_drawn_at_once:
            return Texts(lottery.drawn, asked=self._asked, most=left)
        return Texts(source, asked=self._asked, lottery=lottery, most=left)

    def people(self, hub: Hub) -> Hub:
        """The people to begin with, and what is between them."""
        most = self._growth.agents
        if most is None or len(hub.personas) <= most:
            return hub
        return draw_from(hub, DrawSpec(most, self._growth.draw, self._draw_seed))

    @property
    def _draw_seed(self) -> int:
        return derive_seed(self._seed, *(("sources", self._extension) if self._extension else ("sources",)))

    @property
    def _is_drawn_at_once(self) -> bool:
        # What comes through a pipe can be read once only, so what is drawn is held until it is asked about.
        return not self._growth.is_rereadable and self._growth.agents is not None

    def _after(self, record: HopRecord) -> Position | None:
        # An extension with a limit draws more of what has been read already, so it reads from the beginning.
        is_drawn = self._growth.agents is not None
        if record.position is None or (is_drawn and record.asked == record.asked_before):
            return None
        return Position.parse(record.position)

    def _draw(self, lottery: Lottery, source: Sources) -> None:
        self._engine.progress.began("Reading", 0)
        everything = source if self._is_drawn_at_once else self._growth.source(seed=self._draw_seed)
        if not isinstance(everything, Sources):
            return
        for passage in everything:
            lottery.enter(passage)
            self._engine.progress.advanced()
        self.skipped = everything.skips.take()

    def _sampled_texts(self, texts: Sequence[Passage], most: int, record: HopRecord) -> Sequence[Passage]:
        before = {passage for (passage,) in self._engine.log.query(_BEFORE, {"asked": record.asked_before})}
        return self._sample([text for text in texts if text.id not in before], max(0, most - len(before)))

    def _asked(self, ids: Collection[str]) -> set[str]:
        return {passage for (passage,) in self._engine.log.query(_KNOWN, {"ids": list(ids)})}

    def _sample[T](self, items: Sequence[T], most: int) -> Sequence[T]:
        # By chance and in order: the first so many of a file are a sample of nothing.
        if len(items) <= most:
            return items
        chosen = Random(self._draw_seed).sample(range(len(items)), most)  # noqa: S311 - no secret
        return [items[position] for position in sorted(chosen)]


def skipped_rows(chunk: int, skipped: Sequence[SkipCount]) -> list[rows.SkippedSourceRow]:
    """Rows for what was passed over."""
    return [rows.SkippedSourceRow(chunk, one.kind, one.number, one.examples) for one in skipped]
