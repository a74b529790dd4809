"""Items of a survey: what is asked, how the options are ordered, and what counts as an answer.

    Likert("The council listens to people like me.", points=5)
    Choice("Who should decide about the bridge?", ("the council", "all residents", "the ferrymen"))
    Rank("Order these from the most to the least urgent.", ("roads", "clinic", "school"))
    Number("How many hours a week would you give to it?", low=0, high=40)
    FreeText("What would you tell the council?")

An item is a frozen dataclass, so that it can be hashed, compared and sent to another process. It describes itself to a
model in words (`described`) and as JSON Schema (`schema`), and `read` makes a value of an answer.
"""

import random
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf, isfinite
from typing import Any, ClassVar, Literal

from ...agents.procedural.judging import DONT_KNOW
from ...core.errors import SetupError

#: Names are keys of answers and values in SQL.
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
#: Points of a Likert scale at most, and characters of a free text.
_MOST_POINTS, _MOST_CHARACTERS = 11, 2_000

type Shown = tuple[str, ...]
type ItemType = Literal["likert", "choice", "rank", "number", "text"]


@dataclass(frozen=True, slots=True)
class Item(ABC):
    """One question of a survey. Raises `SetupError` for what cannot be asked."""

    #: As in `surveys.type`.
    type: ClassVar[ItemType]

    text: str
    #: Key of the answer and name in the tables; `q1`, `q2`, ... by the place in the survey where it is empty.
    name: str = field(default="", kw_only=True)
    #: Whether "don't know" is an answer.
    dont_know: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        text, name = _as_any(self.text), _as_any(self.name)
        if not isinstance(text, str) or not text.strip():
            raise SetupError(f"An item of a survey needs its question as a text, but {text!r} was given.")
        if not isinstance(name, str) or (name and _NAME.fullmatch(name) is None):
            raise SetupError(
                f"The item {text!r} is called {name!r}; give it a name of 1 to 64 letters, digits and _ that begins "
                f"with a letter."
            )
        self.check()

    @property
    def options(self) -> tuple[str, ...]:
        """The options or labels as they are declared; none where there are none."""
        return ()

    @property
    def bounds(self) -> tuple[float | None, float | None]:
        """The least and the greatest value of an answer; None where there is none."""
        return None, None

    def check(self) -> None:  # noqa: B027 - most items have nothing to say
        """Raise `SetupError` if the options or bounds are invalid."""

    def order(self, rng: random.Random) -> Shown:
        """Return the options in the order shown to one respondent, or () if the item has none."""
        return ()

    @abstractmethod
    def described(self, shown: Shown) -> str:
        """Return the instruction under the question that tells how to answer."""

    @abstractmethod
    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of an answer, without "don't know": the same for all respondents."""

    @abstractmethod
    def parsed(self, answer: object) -> Any:
        """Return the value of an answer that is not "don't know". Raises `ValueError` saying what to give instead."""

    def read(self, answer: object) -> Any:
        """Return the value of an answer, or `DONT_KNOW`. Raises `ValueError` saying what to give instead."""
        if self.dont_know and isinstance(answer, str) and answer.strip().casefold().replace("’", "'") == DONT_KNOW:
            return DONT_KNOW
        return self.parsed(answer)

    def number(self, value: Any) -> float | None:
        """Return the value as a number if the item asks for one, else None."""
        return None


@dataclass(frozen=True, slots=True)
class Likert(Item):
    """A statement that is rated on a scale of points, 1 to `points`."""

    type: ClassVar[ItemType] = "likert"

    points: int = 5
    #: What the points mean: one label for each, or two for the ends.
    labels: Sequence[str] = ("strongly disagree", "strongly agree")
    #: Show the scale from its other end to half of the respondents.
    shuffle: bool = field(default=False, kw_only=True)

    def check(self) -> None:
        """Raise `SetupError` if the scale is invalid."""
        points, labels = self.points, _check_options(self, self.labels, "label", fewest=0)
        object.__setattr__(self, "labels", labels)
        if not is_whole(points, 2, _MOST_POINTS):
            raise SetupError(
                f"The item {self.text!r} has a scale of {points!r} points; give a whole number from 2 to "
                f"{_MOST_POINTS}."
            )
        if len(labels) not in (0, 2, points):
            raise SetupError(
                f"The item {self.text!r} has {len(labels)} labels for {points} points; give {points}, or two for the "
                f"ends of the scale."
            )

    @property
    def options(self) -> tuple[str, ...]:
        """The labels."""
        return tuple(self.labels)

    @property
    def bounds(self) -> tuple[float | None, float | None]:
        """The ends of the scale."""
        return 1, self.points

    def order(self, rng: random.Random) -> Shown:
        """Return the points as texts, reversed for half of the respondents if `shuffle` is set."""
        points = tuple(str(point) for point in range(1, self.points + 1))
        return points[::-1] if self.shuffle and rng.random() < 0.5 else points

    def described(self, shown: Shown) -> str:
        """Return the instruction with the points and their labels, in the order shown."""
        told = ", ".join(f"{point} ({label})" if (label := self.label(int(point))) else point for point in shown)
        return f"Answer with one of these numbers: {told}."

    def schema(self) -> dict[str, Any]:
        """Return the schema of one of the points."""
        return {"type": "integer", "minimum": 1, "maximum": self.points}

    def parsed(self, answer: object) -> int:
        """Return the point that was answered, also if the answer is its label and every point has one."""
        if isinstance(answer, str) and len(self.labels) == self.points and answer.strip() in self.labels:
            return tuple(self.labels).index(answer.strip()) + 1
        point = _parse_number(answer)
        if point is None or point != int(point) or not 1 <= point <= self.points:
            raise ValueError(f"give a whole number from 1 to {self.points}, not {answer!r:.60}")
        return int(point)

    def number(self, value: Any) -> float | None:
        """Return the point as a float."""
        return float(value)

    def label(self, point: int) -> str:
        """Return the label of a point, or "" if it has none."""
        if len(self.labels) == self.points:
            return self.labels[point - 1]
        return {1: self.labels[0], self.points: self.labels[-1]}.get(point, "") if self.labels else ""


@dataclass(frozen=True, slots=True)
class _OptionItem(Item):
    """An item that is answered with its options."""

    choices: Sequence[str]
    #: Show the options to each respondent in an order of its own.
    shuffle: bool = field(default=True, kw_only=True)

    def check(self) -> None:
        """Raise `SetupError` if there are fewer than two options, or an option is given twice."""
        object.__setattr__(self, "choices", _check_options(self, self.choices, "option", fewest=2))

    @property
    def options(self) -> tuple[str, ...]:
        """The options."""
        return tuple(self.choices)

    def order(self, rng: random.Random) -> Shown:
        """Return the options, shuffled if `shuffle` is set."""
        return tuple(rng.sample(self.choices, len(self.choices)) if self.shuffle else self.choices)

    def find_option(self, answer: object) -> str:
        """Return the option that was answered. Raises `ValueError` saying what to give instead."""
        told = answer.strip().casefold() if isinstance(answer, str) else None
        found = next((one for one in self.choices if one.casefold() == told), None)
        if found is None:
            raise ValueError(f"give one of {', '.join(map(repr, self.choices))}, not {answer!r:.60}")
        return found


@dataclass(frozen=True, slots=True)
class Choice(_OptionItem):
    """One of several options."""

    type: ClassVar[ItemType] = "choice"

    def described(self, shown: Shown) -> str:
        """Return the instruction and the options, one per line."""
        return "\n".join(["Answer with one of these, word for word:", *(f"- {one}" for one in shown)])

    def schema(self) -> dict[str, Any]:
        """Return the schema of one of the options."""
        return {"type": "string", "enum": list(self.choices)}

    def parsed(self, answer: object) -> str:
        """Return the option that was answered."""
        return self.find_option(answer)


@dataclass(frozen=True, slots=True)
class Rank(_OptionItem):
    """Several options that are put in order, the first one first; all of them, or the `most` that come first."""

    type: ClassVar[ItemType] = "rank"

    most: int | None = field(default=None, kw_only=True)

    def check(self) -> None:
        """Raise `SetupError` for fewer than two options, a repeated option, or an invalid `most`."""
        _OptionItem.check(self)
        most = self.most
        if most is not None and not is_whole(most, 1, len(self.choices)):
            raise SetupError(
                f"The item {self.text!r} asks for {most!r} of {len(self.choices)} options; give a whole number from 1 "
                f"to {len(self.choices)}, or leave `most` out for all."
            )

    @property
    def ranks(self) -> int:
        """How many options are put in order."""
        return self.most or len(self.choices)

    def described(self, shown: Shown) -> str:
        """Return the instruction and the options, one per line."""
        wanted = "all of these" if self.ranks == len(self.choices) else f"the first {self.ranks} of these"
        told = f"Answer with a list of {wanted}, word for word, in your order, the first one first:"
        return "\n".join([told, *(f"- {one}" for one in shown)])

    def schema(self) -> dict[str, Any]:
        """Return the schema of a list of options. `parsed` checks that no option is repeated."""
        items = {"type": "string", "enum": list(self.choices)}
        return {"type": "array", "items": items, "minItems": self.ranks, "maxItems": self.ranks}

    def parsed(self, answer: object) -> list[str]:
        """Return the options in the order of the answer."""
        if not isinstance(answer, list):
            raise ValueError(f"give a list of {self.ranks} options, not {answer!r:.60}")
        found = [self.find_option(one) for one in answer]
        if len(found) != self.ranks or len(set(found)) < len(found):
            raise ValueError(f"give a list of {self.ranks} different options, not {answer!r:.120}")
        return found


@dataclass(frozen=True, slots=True)
class Number(Item):
    """A number from `low` to `high`, whole unless `whole` is False."""

    type: ClassVar[ItemType] = "number"

    low: float
    high: float
    whole: bool = field(default=True, kw_only=True)

    def check(self) -> None:
        """Raise `SetupError` if the bounds are not numbers, or `low` is not less than `high`.

        A bound that is not whole is an error too if the answer must be whole.
        """
        low, high = _as_any(self.low), _as_any(self.high)
        numbers = [one for one in (low, high) if isinstance(one, int | float) and not isinstance(one, bool)]
        if len(numbers) < 2 or not all(map(isfinite, numbers)) or not low < high:
            raise SetupError(
                f"The item {self.text!r} asks for a number from {low!r} to {high!r}; give two numbers, the lesser "
                f"one first."
            )
        if self.whole and any(one != int(one) for one in numbers):
            raise SetupError(
                f"The item {self.text!r} asks for a whole number from {low!r} to {high!r}; give whole bounds, or "
                f"`whole=False`."
            )

    @property
    def bounds(self) -> tuple[float | None, float | None]:
        """Low and high."""
        return self.low, self.high

    def described(self, shown: Shown) -> str:
        """Return the instruction with the bounds."""
        return f"Answer with a {'whole ' * self.whole}number from {self.low:g} to {self.high:g}."

    def schema(self) -> dict[str, Any]:
        """Return the schema of a number within the bounds."""
        return {"type": "integer" if self.whole else "number", "minimum": self.low, "maximum": self.high}

    def parsed(self, answer: object) -> float:
        """Return the number that was answered."""
        number = _parse_number(answer)
        if number is None or not self.low <= number <= self.high or (self.whole and number != int(number)):
            raise ValueError(
                f"give a {'whole ' * self.whole}number from {self.low:g} to {self.high:g}, not {answer!r:.60}"
            )
        return int(number) if self.whole else number

    def number(self, value: Any) -> float | None:
        """Return the number as a float."""
        return float(value)


@dataclass(frozen=True, slots=True)
class FreeText(Item):
    """An answer in the respondent's own words, of `most` characters at most."""

    type: ClassVar[ItemType] = "text"

    most: int = 600

    def check(self) -> None:
        """Raise `SetupError` if the maximum length is invalid."""
        most = self.most
        if not is_whole(most, 1, _MOST_CHARACTERS):
            raise SetupError(
                f"The item {self.text!r} asks for a text of {most!r} characters at most; give a whole number from 1 "
                f"to {_MOST_CHARACTERS:,}."
            )

    def described(self, shown: Shown) -> str:
        """Return the instruction with the maximum length."""
        return f"Answer in your own words, in at most {self.most} characters."

    def schema(self) -> dict[str, Any]:
        """Return the schema of a text."""
        return {"type": "string", "minLength": 1, "maxLength": self.most}

    def parsed(self, answer: object) -> str:
        """Return the text without surrounding whitespace."""
        if not isinstance(answer, str) or not answer.strip() or len(answer.strip()) > self.most:
            raise ValueError(f"give a text of 1 to {self.most} characters, not {answer!r:.60}")
        return answer.strip()


#: The classes of items by their type.
ITEM_TYPES: Mapping[str, type[Item]] = {one.type: one for one in (Likert, Choice, Rank, Number, FreeText)}


def _as_any(value: object) -> Any:
    """Return the value, typed as `Any` because a user may have passed any type."""
    return value


def is_whole(value: object, low: int, high: float = inf) -> bool:
    """Return whether a value is a whole number within these bounds."""
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _check_options(item: Item, given: Sequence[str], what: str, *, fewest: int) -> tuple[str, ...]:
    options: tuple[Any, ...] = (given,) if isinstance(given, str) else tuple(given)
    if not all(isinstance(one, str) and one.strip() for one in options):
        raise SetupError(f"The item {item.text!r} has the {what}s {options!r:.120}; each must be a text.")
    found = tuple(one.strip() for one in options)
    seen: dict[str, str] = {}
    for one in found:
        if (key := one.casefold()) in seen:
            raise SetupError(f"The item {item.text!r} has the {what} {one!r} twice; give each {what} once.")
        seen[key] = one
    if len(found) < fewest:
        raise SetupError(f"The item {item.text!r} has {len(found)} {what}s; give {fewest} or more.")
    if DONT_KNOW in seen:
        raise SetupError(
            f"The item {item.text!r} has the {what} {seen[DONT_KNOW]!r}; leave it out, and give `dont_know=True`."
        )
    return found


def _parse_number(answer: object) -> float | None:
    if isinstance(answer, str):
        try:
            answer = float(answer)
        except ValueError:
            return None
    if isinstance(answer, bool) or not isinstance(answer, int | float) or not isfinite(answer):
        return None
    return float(answer)
