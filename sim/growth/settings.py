"""How the people of a society come about: from which texts or people, over how many hops, and until when."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from pydantic import Field, model_validator

from ...core.errors import SetupError, parameter
from ...core.inputs import parse_language
from ...core.model import FrozenModel
from ...core.spec import Spec
from ...personas.growth import MOST_HOPS, FrontierChoice
from ...personas.hub import Hub, read_hub
from ...personas.hub.read import Draw, DrawSpec
from ...personas.judgement import Judge
from ...personas.persona import Passage, RelationKind, shipped_passages
from ...personas.rules import Policy, personal_judge, quality_judge
from ...personas.rules.pseudonyms import Pseudonyms
from ...personas.sources import DEFAULT_LENGTH, Position, Sources, open_sources, read_passages
from ...personas.text_to_persona import Form, check_text_to_persona

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
    #: Seed texts of any size and kind, read as they are needed: files, folders, patterns, `-` for standard input.
    sources: tuple[str, ...] = ()
    reading: ReadingOptions = ReadingOptions()
    #: People and relations that exist already, instead of seed texts.
    hub: Path | None = None
    #: How many people there are to be, at most; None for as many as the hops give, or the hub has.
    agents: int | None = Field(240, ge=1)
    #: Iterations of Persona-to-Persona (the paper grows six).
    hops: int = Field(3, ge=0, le=MOST_HOPS)
    #: Relations asked for at each person; None for as many as it takes to reach `agents`.
    fan_out: int | None = Field(None, ge=1, le=_MOST_RELATIONS)
    #: The same hop by hop, instead; the last of them holds for the hops that follow.
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

    def judges(self, run: Path) -> tuple[Judge, ...]:
        """Return the rules that each described persona must pass to be added to the run in this file."""
        return self._judges(self.language, run)

    def judges_of_people(self, run: Path) -> tuple[Judge, ...]:
        """Return the rules for the personas of a hub.

        They may keep the language they are described in, whatever language is asked of a model.
        """
        return self._judges(None, run)

    def _judges(self, language: str | None, run: Path) -> tuple[Judge, ...]:
        quality = (quality_judge(language),) if self.quality else ()
        return quality if self.personal is None else (*quality, personal_judge(self.personal, Pseudonyms.of(run)))

    @classmethod
    def given(cls, **options: Any) -> Self:
        """Build the settings from options. None means not given. Raises `SetupError` in one sentence.

        If a hub is given, hops default to 0.
        """
        said = {name: value for name, value in options.items() if value is not None}
        return cls._parsed({"hops": 0} | said if "hub" in said else said)

    @classmethod
    def unlimited(cls, **options: Any) -> Self:
        """Build the settings for growth alone. Raises `SetupError` in one sentence.

        By default, there is no limit on agents, and personas are sampled from a hub at random.
        """
        said = {name: value for name, value in options.items() if value is not None}
        return cls._parsed({"agents": None, "draw": "random"} | said)

    @classmethod
    def _parsed(cls, said: dict[str, Any]) -> Self:
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
        return self.fan_outs[min(hop, len(self.fan_outs)) - 1] if self.fan_outs else self.fan_out

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
