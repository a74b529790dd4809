"""A survey as a scenario or a script declares it: its items, who is asked, and after which steps."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self, get_args

import orjson

from ...core.errors import SetupError
from ...personas.profiles.profile import AgeBand, BasicValue, Household
from ..seeds import derive_seed, rng_for
from .items import ITEM_TYPES, Choice, Item, Likert, Shown, is_whole

if TYPE_CHECKING:
    from ..resident import Resident

#: The purpose of the calls of surveys, and the prompt that they are asked with.
PURPOSE = "survey"

#: Names stand in those of phases and in sentences.
_NAME = re.compile(r"\w([\w .+-]{0,62}[\w+-])?")
#: How often one respondent is asked the same, at most.
_MOST_REPEATS = 20


@dataclass(frozen=True, slots=True)
class Sample:
    """So many people, drawn anew each time the survey is asked; all where there are fewer."""

    n: int

    def __post_init__(self) -> None:
        if not is_whole(self.n, 1):
            raise SetupError(f"{type(self).__name__}({self.n!r}) is to be asked; give the number of people, from 1.")


@dataclass(frozen=True, slots=True)
class Panel(Sample):
    """So many of those who were there at the beginning, drawn once, who are asked each time as long as they are there.

    All of them where there are fewer.
    """


@dataclass(frozen=True, slots=True)
class Survey:
    """Questions to the agents, whose answers leave no trace in them. Raises `SetupError` for what cannot be asked.

        Survey("council", [Likert("The council listens to people like me.")], at=(0, 4), of=Panel(30))

    It is asked after the steps in `at`, where 0 is before the first, and after every `every`th one.
    """

    name: str
    items: Sequence[Item]
    at: int | Sequence[int] = field(default=(), kw_only=True)
    every: int | None = field(default=None, kw_only=True)
    #: Who is asked; None for everybody.
    of: Sample | None = field(default=None, kw_only=True)
    #: What respondents are told before the items.
    intro: str = field(default="", kw_only=True)
    #: Whether each item is asked in a request of its own, so that no answer depends on the items before it.
    one_by_one: bool = field(default=False, kw_only=True)
    #: How often each respondent is asked, each time afresh: 2 or more show how reliable the answers are.
    repeats: int = field(default=1, kw_only=True)

    def __post_init__(self) -> None:
        name, at = _as_any(self.name), _as_any(self.at)
        if not isinstance(name, str) or _NAME.fullmatch(name) is None:
            raise SetupError(
                f"A survey is called {name!r}; give it 1 to 64 letters, digits, blanks and any of _ . + -, beginning "
                f"and ending with a letter or digit."
            )
        object.__setattr__(self, "items", self._named_items())
        object.__setattr__(self, "at", tuple(sorted(at)) if isinstance(at, Sequence | set | range) else (at,))
        self._check_steps()
        if self.of is not None and not isinstance(_as_any(self.of), Sample):
            raise SetupError(
                f"The survey {name!r} is to be asked of {self.of!r}; give Sample(30), Panel(30), or nothing for "
                f"everybody."
            )
        if not is_whole(self.repeats, 1, _MOST_REPEATS):
            raise SetupError(
                f"The survey {name!r} has repeats={self.repeats!r}; give a whole number from 1 to {_MOST_REPEATS}."
            )

    @property
    def phase(self) -> str:
        """The phase in which it is asked, as its calls and failures are logged."""
        return f"{PURPOSE} {self.name}"

    @property
    def cue(self) -> str:
        """What notes of respondents are recalled by: all that they are asked."""
        return " ".join([self.intro, *(item.text for item in self.items)])

    @property
    def steps(self) -> tuple[int, ...]:
        """The single steps after which it is asked."""
        return self.at if isinstance(self.at, tuple) else ()

    def is_due(self, step: int) -> bool:
        """Return whether the survey is asked after this step. 0 is before the first step."""
        return step in self.steps or bool(self.every and step and step % self.every == 0)

    def respondents(self, residents: Sequence["Resident"], *, seed: int, step: int) -> list["Resident"]:
        """Return the agents to ask after this step, in the order of `residents`.

        That list includes agents that have left. A panel is sampled once from the initial agents. A sample is drawn
        from the present agents each time. Agents that have left are never returned.
        """
        is_panel = isinstance(self.of, Panel)
        drawn = [one for one in residents if (not one.arrived if is_panel else not one.departed)]
        if self.of is not None and self.of.n < len(drawn):
            rng = rng_for(seed, "survey", self.name, "respondents", *(() if is_panel else (step,)))
            drawn = [drawn[place] for place in sorted(rng.sample(range(len(drawn)), self.of.n))]
        return [one for one in drawn if not one.departed]

    def as_json(self) -> dict[str, Any]:
        """Return the questions and respondents as JSON for the spec of a job. The steps are left out."""
        of = None if self.of is None else {type(self.of).__name__.lower(): self.of.n}
        items = [{"type": one.type, **asdict(one)} for one in self.items]
        told: dict[str, Any] = {"name": self.name, "intro": self.intro, "items": items, "of": of}
        told |= {"one_by_one": self.one_by_one, "repeats": self.repeats}
        return dict(orjson.loads(orjson.dumps(told)))

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Self:
        """Build the survey that `as_json` wrote."""
        items = [ITEM_TYPES[one["type"]](**{k: v for k, v in one.items() if k != "type"}) for one in told["items"]]
        kinds: dict[str, type[Sample]] = {"sample": Sample, "panel": Panel}
        of = next((kinds[kind](n) for kind, n in (told["of"] or {}).items()), None)
        same = {name: told[name] for name in ("intro", "one_by_one", "repeats")}
        return cls(told["name"], items, of=of, **same)

    def orders(self, *, seed: int, step: int, agent: str, replicate: int) -> tuple[Shown, ...]:
        """Return the options of each item in the order in which this respondent sees them."""
        rng = rng_for(seed, "survey", self.name, "orders", step, agent, replicate)
        return tuple(item.order(rng) for item in self.items)

    def sampling_seed(self, *, seed: int, step: int, agent: str) -> int:
        """Return the seed for sampling the requests of a respondent."""
        return derive_seed(seed, "survey", self.name, step, agent) >> 32

    def _named_items(self) -> tuple[Item, ...]:
        given: Any = self.items
        items = (given,) if isinstance(given, Item) else tuple(given)
        if strangers := [one for one in items if not isinstance(one, Item)]:
            raise SetupError(
                f"The survey {self.name!r} holds {strangers[0]!r:.80}, which is no item; give Likert, Choice, Rank, "
                f"Number or FreeText."
            )
        if not items:
            raise SetupError(f"The survey {self.name!r} has no items; give one or more.")
        named = tuple(one if one.name else replace(one, name=f"q{place}") for place, one in enumerate(items, start=1))
        names = [one.name for one in named]
        if twice := [one for one in names if names.count(one) > 1]:
            raise SetupError(
                f"The survey {self.name!r} has two items called {twice[0]!r}; give each a name of its own."
            )
        return named

    def _check_steps(self) -> None:
        if wrong := [one for one in self.steps if not is_whole(one, 0)]:
            raise SetupError(
                f"The survey {self.name!r} is to be asked after step {wrong[0]!r}; give whole numbers from 0, where 0 "
                f"is before the first step."
            )
        if self.every is not None and not is_whole(self.every, 1):
            raise SetupError(f"The survey {self.name!r} has every={self.every!r}; give a whole number from 1.")


def _as_any(value: object) -> Any:
    """Return the value, typed as `Any` because a user may have passed any type."""
    return value


#: The name of the survey, by which its answers are found.
IDENTITY = "identity"

_WORK = (
    "0: armed forces",
    "1: manager",
    "2: professional",
    "3: technician or associate professional",
    "4: clerical support",
    "5: service or sales",
    "6: farming, forestry or fishery",
    "7: craft or trade",
    "8: plant or machine operator, assembler",
    "9: elementary occupation",
)
_EDUCATION = (
    "0: none, or early childhood",
    "1: primary",
    "2: lower secondary",
    "3: upper secondary",
    "4: post-secondary, not tertiary",
    "5: short tertiary",
    "6: bachelor's or equivalent",
    "7: master's or equivalent",
    "8: doctoral or equivalent",
)
_AGES, _HOUSEHOLDS, _VALUES = (get_args(known.__value__) for known in (AgeBand, Household, BasicValue))
_LIKE_ME = ("not at all like me", "very much like me")
_TRAITS = {
    "openness": "I am curious, and I like ideas and things that I do not know yet.",
    "conscientiousness": "I am orderly, and I finish what I begin.",
    "extraversion": "I seek company, and I talk easily with people I do not know.",
    "agreeableness": "I trust people, and I would rather give way than quarrel.",
    "neuroticism": "I worry a lot, and small things upset me.",
}


def identity_survey(**options: Any) -> Survey:
    """Build the questionnaire with options of `Survey`, such as `at=(0, 8)`.

    Facts may be answered with "don't know".
    """
    facts: list[Item] = [
        Choice("How old are you?", _AGES, shuffle=False, dont_know=True, name="age_band"),
        Choice("What kind of work do you do, or did you do last?", _WORK, dont_know=True, name="occupation_group"),
        Choice("What is your highest education?", _EDUCATION, shuffle=False, dont_know=True, name="education"),
        Choice("How do you live?", _HOUSEHOLDS, dont_know=True, name="household"),
        Choice("Which of these matters most to you in life?", _VALUES, name="values"),
    ]
    traits: list[Item] = [Likert(text, 5, _LIKE_ME, name=name) for name, text in _TRAITS.items()]
    told = {"intro": "These questions are about yourself.", **options}
    return Survey(IDENTITY, [*facts, *traits], **told)
