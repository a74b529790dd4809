"""How the people of a society come about: from which texts or people, in which order, and until when."""

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any, Self

import orjson
from pydantic import Field, model_validator

from ...core.errors import SetupError, parameter
from ...core.inputs import parse_language
from ...core.model import Answer, FrozenModel, PersonaModel, RequestContext, Spec
from ...core.query import Params
from ...personas.growth import LEAST_YIELD, MOST_HOPS, FrontierChoice
from ...personas.hub import Hub, read_hub
from ...personas.hub.read import Draw, DrawSpec, draw_from
from ...personas.hub.tables import PassageRow
from ...personas.judgement import Judge
from ...personas.persona import Passage, Persona, RelationKind, shipped_passages
from ...personas.rules import Policy, personal_judge, quality_judge
from ...personas.rules.personal import Pseudonyms
from ...personas.sources import DEFAULT_LENGTH, Position, Skip, SkipCount, Sources, open_sources, read_passages
from ...personas.text_to_persona import Form, Relative, check_text_to_persona, persona_to_persona, text_to_persona
from ..engine import Engine
from ..jobs.loop import Chunks
from ..runfile import rows
from ..seeds import derive_seed

#: What people come from: people, texts that are in memory, or texts that are read as they are needed.
type GrowthSource = Hub | Sequence[Passage] | Sources

#: Relations that can be asked for at one person.
_MOST_RELATIONS = 20


class ReadingOptions(FrozenModel):
    """How the documents behind `sources` are read, where they do not say it themselves."""

    #: Column of tables that holds the text.
    column: str | None = None
    #: SPDX identifier, BCP 47 tag and encoding of documents that do not state theirs.
    licence: str | None = None
    language: str | None = None
    encoding: str | None = None
    #: Format of what is named itself, where its name does not tell.
    format: str | None = None
    #: Words of a passage, at most.
    length: int = DEFAULT_LENGTH
    #: Whether anything that cannot be read stops growth, and is not passed over and counted.
    strict: bool = False


class Growth(Spec):
    """How the people of a society are grown or read."""

    #: Seed texts; None for the corpus that ships with Populace.
    seeds: Path | None = None
    #: Seed texts of any size and kind, read as they are needed: files, folders, `-` for standard input.
    sources: tuple[str, ...] = ()
    reading: ReadingOptions = ReadingOptions()
    #: People and relations that exist already, instead of seed texts.
    hub: Path | None = None
    #: How many people there are to be, at most; None for as many as the hops give, or the hub has.
    agents: int | None = Field(240, ge=1)
    #: Iterations of Persona-to-Persona (the paper grows six).
    hops: int = Field(3, ge=0, le=MOST_HOPS)
    #: Relations asked for at each person, hop by hop; the last of them holds for the hops that follow. None are given
    #: for as many as it takes to reach `agents`.
    fan_outs: tuple[int, ...] = ()
    #: People inferred from each passage.
    per_passage: int = Field(1, ge=1, le=20)
    #: Who is likely to `verb` the passage?
    verb: str = "read"
    granularity: str = "specific"
    #: Whether Text-to-Persona writes prose or named parts.
    form: Form = "plain"
    #: BCP 47 tag of the language that people are described in.
    language: str = "en"
    #: Language of the bundled texts that a limit takes first; None for texts in any language.
    texts_first: str | None = None
    #: Kinds of relations that are asked for; all of them when none is named.
    kinds: tuple[RelationKind, ...] = ()
    #: Whether the prompt of Persona-to-Persona mentions people about whom little is written (paper, section 2.2).
    low_visibility: bool = True
    #: People who already live here, shown to Persona-to-Persona so that circles can close; 0 as in the paper.
    acquaintances: int = Field(3, ge=0, le=9)
    #: How a hop chooses the people it asks about, where it does not ask about all.
    frontier: FrontierChoice = "chance"
    #: Growth ends when less than this share of the latest 500 newcomers were new people.
    until_novelty: float | None = Field(None, gt=0, le=1)
    #: Whether descriptions are judged by the rules of quality, and what becomes of personal data (None: nothing).
    quality: bool = False
    personal: Policy | None = None
    #: A selection that the hub keeps; None for everybody in it.
    select: str | None = None
    #: How people are drawn from a hub that has more of them: so that they know each other, unless it is `random`.
    draw: Draw = "snowball"
    #: Passages or people that are committed together; a part of what the event hash depends on.
    chunk: int = Field(1_000, ge=1, le=100_000)

    def judges(self, run: Path, *, of_people: bool = False) -> tuple[Judge, ...]:
        """Return the rules that each persona must pass to be added to the run in this file.

        Those of a hub (`of_people`) may keep the language they are described in, whatever language is asked of a model.
        """
        quality = (quality_judge(None if of_people else self.language),) if self.quality else ()
        return quality if self.personal is None else (*quality, personal_judge(self.personal, Pseudonyms.of(run)))

    @classmethod
    def given(cls, **options: Any) -> Self:
        """Build the settings from options. None means not given. Raises `SetupError` in one sentence.

        If a hub is given, hops default to 0.
        """
        said = {name: value for name, value in options.items() if value is not None}
        return cls._parse_options({"hops": 0} | said if "hub" in said else said)

    @classmethod
    def unlimited(cls, **options: Any) -> Self:
        """Build the settings for growth alone. Raises `SetupError` in one sentence.

        By default, there is no limit on agents, and personas are sampled from a hub at random.
        """
        said = {name: value for name, value in options.items() if value is not None}
        return cls._parse_options({"agents": None, "draw": "random"} | said)

    @classmethod
    def _parse_options(cls, said: dict[str, Any]) -> Self:
        is_bundled = not said.keys() & {"sources", "seeds", "hub"}
        return cls.parse({"texts_first": said.get("language") if is_bundled else None} | said)

    @model_validator(mode="after")
    def _check(self) -> Self:
        _check_origin(self)
        if self.select is not None and self.hub is None:
            raise SetupError(
                f"The selection {self.select!r} is of a hub's people; say of which hub with {parameter('hub')}."
            )
        check_text_to_persona(verb=self.verb, granularity=self.granularity, count=self.per_passage)
        parse_language(parameter("language"), {"language": self.language})
        for relations in self.fan_outs:
            if not 1 <= relations <= _MOST_RELATIONS:
                named = f"The fan-out of a hop ({parameter('fan_outs')})"
                raise SetupError(f"{named} should be 1 to {_MOST_RELATIONS}, but {relations} was given.")
        if len(self.fan_outs) > max(1, self.hops):
            raise SetupError(
                f"Fan-outs are given for {len(self.fan_outs)} hops and there are {self.hops}; give one a hop at most."
            )
        return self

    def fan_out_at(self, hop: int) -> int | None:
        """Return the relations to ask for at each persona in a hop, or None if `agents` decides."""
        return self.fan_outs[min(hop, len(self.fan_outs)) - 1] if self.fan_outs else None

    @property
    def is_rereadable(self) -> bool:
        """Whether the texts can be read more than once, as a pipe cannot."""
        return "-" not in self.sources

    def source(self, *, seed: int, after: Position | None = None) -> GrowthSource:
        """Return the hub or the passages that personas come from. With `after`, read `sources` from that position.

        If the hub has more than `agents` personas, return a sample drawn with `seed`. Raises `SourceError` if something
        cannot be read.
        """
        if self.hub is not None:
            wish = None if self.agents is None else DrawSpec(self.agents, self.draw, seed)
            return read_hub(self.hub, select=self.select, draw=wish)
        if self.sources:
            return open_sources(self.sources, after=after, **self.reading.model_dump())
        return read_passages(self.seeds) if self.seeds is not None else shipped_passages()

    def check_readable(self) -> None:
        """Raise `SourceError` if not even the first text of `sources` can be read. A pipe is not checked."""
        if self.sources and self.is_rereadable:
            next(iter(open_sources(self.sources, **self.reading.model_dump())), None)

    def shortfall(self, people: int) -> str:
        """Return one sentence if there are fewer `people` than asked for, with what would bring more, else ""."""
        is_asked = self.hub is None or self.agents != type(self).model_fields["agents"].default
        if self.agents is None or people >= self.agents or not is_asked:
            return ""
        source = "the hub" if self.hub is not None else "the texts"
        hops = "1 hop" if self.hops == 1 else f"{self.hops} hops"
        given = f"{source} and {hops}" if self.hops else source
        more = "a larger hub" if self.hub is not None else "more texts"
        more += " or more hops" if self.hops < MOST_HOPS else ""
        return f"Only {people:,} of {self.agents:,} personas came from {given}; give {more}."


def _check_origin(growth: Growth) -> None:
    if growth.hub is not None and growth.seeds is not None:
        raise SetupError(
            f"Both {parameter('seeds')} and {parameter('hub')} were given; people come from texts or from a hub, so "
            "leave one out."
        )
    if growth.sources and (growth.hub is not None or growth.seeds is not None):
        raise SetupError("People come from texts or from other people; give sources or a hub, and leave one out.")


#: Examples of one kind that are kept.
_SHOWN = 3
_KNOWN = "SELECT passage FROM passages WHERE passage IN (SELECT unnest($ids))"
_BEFORE = "SELECT passage FROM passages WHERE ordinal <= $asked"


#: Share of the wanted people from which hop 0 asks about no further texts: hops make up for the rest.
_ENOUGH = 0.75
#: Passages that a sample is drawn from at most, and how many times as many as it has where that is more: a file of any
#: size is read no further.
_DRAWN_FROM, _DRAWN_TIMES = 10_000, 20


@dataclass(frozen=True, slots=True)
class NextPassage:
    """A passage, and the position of the reader after it; None where it was not read from a stream."""

    passage: Passage
    position: Position | None
    #: What was passed over between the passage before and this one.
    skipped: tuple[SkipCount, ...] = ()


class PassageStream:
    """Passages in the order of their source."""

    def __init__(
        self,
        source: Iterable[Passage],
        *,
        asked: Callable[[Collection[str]], Collection[str]],
        most: int | None = None,
    ) -> None:
        """Read `source` in its order.

        `asked` returns which of some ids were asked about before. `most` is the total number of passages to hand out.
        """
        self._passages = self._iter_passages(source)
        self._asked = asked
        self._left = most
        #: Ids of this taking and the one before: what was handed out earlier, `asked` knows of.
        self._given: set[str] = set()
        self._before: set[str] = set()
        self._counts_repeated = isinstance(source, Sources)
        #: Ids that were handed out by an earlier stream, of which `asked` does not know yet.
        self.pending = frozenset[str]()
        #: What was passed over since the last passage that was handed out, texts that came before among it.
        self.rest: list[SkipCount] = []

    def take(self, most: int) -> list[NextPassage]:
        """Return the next passages, at most `most`, or an empty list at the end."""
        wanted = most if self._left is None else min(most, self._left)
        taken: list[NextPassage] = []
        self._before, self._given = self._given, set()
        while len(taken) < wanted and (some := self._take_fresh(wanted - len(taken))) is not None:
            taken += some
        if self._left is not None:
            self._left -= len(taken)
        return taken

    def _take_fresh(self, most: int) -> list[NextPassage] | None:
        """Return the next passages that were not asked about yet, or None at the end of the source."""
        read = list(islice(self._passages, most))
        if not read:
            return None
        different = {one.passage.id: one for one in reversed(read)}
        known = {*self._asked(list(different)), *self._before, *self._given, *self.pending}
        fresh: list[NextPassage] = []
        for one in read:
            self.rest += one.skipped
            if different[one.passage.id] is one and one.passage.id not in known:
                # What was passed over is kept with the next passage that is: a run that is killed reads on behind it.
                fresh.append(replace(one, skipped=tuple(self.rest)))
                self.rest = []
            elif self._counts_repeated:
                self.rest.append(SkipCount(Skip.REPEATED, 1, ()))
        self._given.update(one.passage.id for one in fresh)
        return fresh

    def _iter_passages(self, source: Iterable[Passage]) -> Iterator[NextPassage]:
        skips = source.skips if isinstance(source, Sources) else None
        for passage in source:
            # Read at once: the source moves on with the next passage.
            position = getattr(source, "position", None)
            yield NextPassage(passage, position, skips.take() if skips else ())


class SourceSampler:
    """Opens what people come from, and hands out what is to be asked about, in an order that is always the same."""

    def __init__(
        self,
        engine: Engine,
        growth: Growth,
        seed: int,
        *,
        extension: int,
        texts: int | None = None,
        recorded: Sequence[Passage] | None = None,
    ) -> None:
        """Prepare to sample.

        `texts` is the total number of texts to ask about, if known. `recorded` holds the texts of the run to replay.
        """
        self._texts = texts
        self._recorded = recorded
        self._engine = engine
        self._growth = growth
        self._seed = seed
        self._extension = extension
        #: What was passed over while all was read to draw from it.
        self.skipped: tuple[SkipCount, ...] = ()
        added = min(1, LEAST_YIELD * (growth.fan_out_at(1) or 2)) if growth.hops else 0
        #: People whom one hop cannot add, so texts should give them; 0 without a limit.
        self.wanted = (growth.agents or 0) / (1 + added)
        #: Texts of the first round, of each further one, and of all rounds so far.
        self._first = math.ceil(self.wanted / growth.per_passage)
        self._more = max(1, self._first // 2)
        self._most = texts or self._first
        self._has_more = growth.agents is not None and growth.is_rereadable and texts is None

    def open(self, chunks: Chunks) -> GrowthSource:
        """Open what personas come from, after the part that was read before."""
        # With a limit, texts that were not drawn before may stand before those that were.
        after = chunks.position if self._growth.agents is None else None
        return self._growth.source(seed=self._draw_seed, after=None if after is None else Position.parse(after))

    def texts(self, source: Sequence[Passage] | Sources, chunks: Chunks) -> PassageStream:
        """Return the texts to ask about. With a limit on agents, these are the texts of the rounds begun so far."""
        if self._growth.agents is None:
            return PassageStream(source, asked=self._asked)
        # A round is begun when all texts before it were asked about, so their number says which it is.
        self._most += self._more * max(0, math.ceil((chunks.items - self._most) / self._more))
        if self._recorded is not None:
            self._has_more &= self._most < len(self._recorded)
            return PassageStream(self._recorded[: self._most], asked=self._asked)
        if not isinstance(source, Sources):
            return PassageStream(self._sampled_texts(source, chunks), asked=self._asked)
        return PassageStream(self._draw_passages(source), asked=self._asked, most=self._most - chunks.items)

    def more_texts(self, chunks: Chunks, people: int, pending: Collection[str]) -> PassageStream | None:
        """Return a further round of texts if the texts so far gave too few personas (`people`).

        Returns None if there are enough, or no text is left. Hops make up for up to a quarter of the personas asked
        for. `pending` are ids of texts that were asked about and are not committed yet.
        """
        if not self._has_more or people >= self.wanted * (_ENOUGH if self._growth.hops else 1):
            return None
        self._most += self._more
        source = self._recorded or self._growth.source(seed=self._draw_seed)
        stream = self.texts(source, chunks)  # type: ignore[arg-type]  # no hub
        stream.pending = frozenset(pending)
        return stream

    def people(self, hub: Hub) -> Hub:
        """Return the personas to begin with and the ties between them, sampled if the hub has more than `agents`."""
        most = self._growth.agents
        if most is None or len(hub.personas) <= most:
            return hub
        return draw_from(hub, DrawSpec(most, self._growth.draw, self._draw_seed))

    @property
    def _draw_seed(self) -> int:
        return derive_seed(self._seed, *(("sources", self._extension) if self._extension else ("sources",)))

    def _draw_passages(self, source: Sources) -> Iterable[Passage]:
        """Draw passages by chance, in their order: those with the smallest numbers, each by the seed and its text.

        No more than twice as many are in memory.
        """
        self._engine.progress.began("Reading", 0)
        drawn: dict[int, Passage] = {}
        for passage in islice(source, max(_DRAWN_FROM, _DRAWN_TIMES * self._most)):
            drawn.setdefault(derive_seed(self._seed, "passage", passage.id), passage)
            if len(drawn) > 2 * self._most:
                drawn = _keep_smallest(drawn, self._most)
            self._engine.progress.advanced()
        self.skipped = source.skips.take()
        self._has_more &= len(drawn) >= self._most
        return _keep_smallest(drawn, self._most).values()

    def _sampled_texts(self, texts: Sequence[Passage], chunks: Chunks) -> Sequence[Passage]:
        before = self._passages(_BEFORE, {"asked": asked_before(chunks, self._extension)})
        fresh = list({text.id: text for text in texts if text.id not in before}.values())
        most = max(0, self._first - len(before))
        first = self._sample_items([text for text in fresh if self._is_first(text)], most)
        others = [text for text in fresh if not self._is_first(text)]
        first = [*first, *self._sample_items(others, most - len(first))]
        drawn = {text.id for text in first}
        rest = [text for text in fresh if text.id not in drawn]
        Random(derive_seed(self._draw_seed, "rounds")).shuffle(rest)  # noqa: S311 - no secret
        rest.sort(key=self._is_first, reverse=True)
        more = rest[: max(0, self._most - len(before) - len(first))]
        self._has_more &= len(more) < len(rest)
        return [*first, *more]

    def _is_first(self, text: Passage) -> bool:
        """Return whether the text is taken first. All are, unless a language was asked for."""
        wanted = self._growth.texts_first
        return wanted is None or text.language.split("-")[0] == wanted.split("-")[0]

    def _asked(self, ids: Collection[str]) -> set[str]:
        return self._passages(_KNOWN, {"ids": list(ids)})

    def _passages(self, query: str, params: Params) -> set[str]:
        log = self._engine.log
        return {passage for (passage,) in log.query(query, params)} if log.may_hold(PassageRow) else set()

    def _sample_items[T](self, items: Sequence[T], most: int) -> Sequence[T]:
        # By chance and in order: the first so many of a file are a sample of nothing.
        if len(items) <= most:
            return items
        chosen = Random(self._draw_seed).sample(range(len(items)), most)  # noqa: S311 - no secret
        return [items[position] for position in sorted(chosen)]


def _keep_smallest(numbered: dict[int, Passage], most: int) -> dict[int, Passage]:
    kept = set(sorted(numbered)[:most])
    return {number: passage for number, passage in numbered.items() if number in kept}


def skipped_rows(chunk: int, skipped: Sequence[SkipCount]) -> list[rows.SkippedSourceRow]:
    """Return the rows of skipped sources, one per kind."""
    kinds: dict[Skip, list[SkipCount]] = {}
    for one in skipped:
        kinds.setdefault(one.kind, []).append(one)
    return [
        rows.SkippedSourceRow(
            chunk,
            kind,
            sum(one.number for one in alike),
            [example for one in alike for example in one.examples][:_SHOWN],
        )
        for kind, alike in kinds.items()
    ]


def asked_before(chunks: Chunks, extension: int) -> int:
    """Return the number of passages or personas asked about before this extension of growth began."""
    return sum(m.items for m in chunks.complete if orjson.loads(m.state or "{}").get("extension", 0) < extension)


@dataclass(frozen=True, slots=True)
class NeighbourhoodRequest:
    """A person whose relations are to be inferred, and known people who are offered as answers."""

    persona: Persona
    known: tuple[Persona, ...]


async def infer_personas(
    growth: Growth, seed: int, item: NextPassage, model: PersonaModel
) -> Answer[tuple[Persona, ...]]:
    """Return the personas inferred from a passage."""
    return await text_to_persona(
        model,
        item.passage,
        verb=growth.verb,
        granularity=growth.granularity,
        count=growth.per_passage,
        language=growth.language,
        form=growth.form,
        context=_make_context(seed, 0, item.passage.id),
    )


async def find_relatives(
    growth: Growth, seed: int, hop: int, count: int, item: NeighbourhoodRequest, model: PersonaModel
) -> Answer[tuple[Relative, ...]]:
    """Return the personas related to a persona, `count` if the model finds as many."""
    return await persona_to_persona(
        model,
        item.persona,
        count=count,
        known=list(item.known),
        language=growth.language,
        kinds=growth.kinds,
        low_visibility=growth.low_visibility,
        context=_make_context(seed, hop, item.persona.id),
    )


def _make_context(seed: int, hop: int, owner: str) -> RequestContext:
    return RequestContext("growth", hop, owner, derive_seed(seed, "growth", hop, owner) >> 32)
