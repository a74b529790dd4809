"""Problems with known answers: texts with slots, whose answer is computed from the numbers that stand in the text.

A `ProblemTemplate` draws numbers, fills one of its forms and solves it; `solve` finds its form in a text again and
solves it from what it reads there. What somebody's problem is about (place, things, names) is a `Scene`, drawn by
chance among words of the person's field of work.
"""

import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from string import Formatter

from ..actions import KnownSolution
from .lexicon import article, data, polished, split
from .situation import Portrait, portrait_of

type Rational = int | Fraction

_NUMBER = r"(-?\d+(?:\.\d+)?)"
#: A word slot is a phrase without the end of a sentence.
_PHRASE = r"[^.?!;:。？！；：]{1,60}?"
_MOST_DRAWS = 10_000
_PRONOUN = re.compile(r"\b(?:she|hers?|he|his|him)\b")


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem and its answer."""

    text: str
    #: What it belongs to, in a few words: "linear equations".
    topic: str
    answer: str

    def worked(self, known: KnownSolution | None) -> Mapping[str, str]:
        """The fields of a problem whose author plans it and checks it; `known` is the solution of its text."""
        return {
            "plan": f"Set among the things of the person's field of work, a problem on {self.topic} with the answer "
            f"{self.answer}.",
            "text": self.text,
            "check": f"{known.steps}\nThis gives {known.answer}." if known else "",
            "answer": self.answer,
        }


class Scene:
    """The words of one problem: names, place, things, each drawn once; `slots` gives them by name."""

    def __init__(self, rng: random.Random, portrait: Portrait) -> None:
        field = data("scenes")["fields"][portrait.role.field]
        women, men = split(data("scenes")["women"]), split(data("scenes")["men"])
        who = rng.choice({"f": women, "m": men}.get(_gender(portrait), (*women, *men)))
        others = rng.sample([name for name in (*women, *men) if name != who], 5)
        box = rng.choice(split(field["boxes"]))
        #: Whether the description names a trade, so that `a_noun` holds it.
        self.has_trade = portrait.noun.split()[-1] == portrait.role.name.split()[-1]
        #: People beside the one whom `who` names.
        self.others = tuple(others)
        self.slots: Mapping[str, str] = {
            "who": who,
            "other": others[0],
            "third": others[1],
            "a_noun": article(portrait.noun if self.has_trade else portrait.role.name),
            "place": rng.choice(split(field["places"])),
            "items": rng.choice(split(field["items"])),
            "box": box,
            "boxes": f"{box}es" if box.endswith("x") else f"{box}s",
            "money": rng.choice(split(data("scenes")["money"])),
            "thing": rng.choice(portrait.role.things),
            "day": rng.choice(split(data("scenes")["days"])),
        }

    def say(self, rng: random.Random, frames: Sequence[str]) -> str:
        """One of the frames with its slots filled; those that speak of a trade only where the description names it."""
        known = [frame for frame in frames if self.has_trade or not ("{a_noun}" in frame or "{thing}" in frame)]
        return polished(rng.choice(known).format_map(self.slots))


def _gender(portrait: Portrait) -> str:
    """`f` or `m` by the role or by the pronouns of the description; empty where neither says it."""
    if portrait.role.gender in ("f", "m"):
        return portrait.role.gender
    pronoun = _PRONOUN.search(portrait.text)
    return "" if pronoun is None else "f" if pronoun[0].startswith(("she", "her")) else "m"


def scene_of(rng: random.Random, persona: str) -> Scene:
    """A scene from the life of the person whom `persona` describes."""
    return Scene(rng, portrait_of(persona or "A person."))


class ProblemTemplate:
    """One kind of problem: ranges of its numbers, forms of its text, and its solution."""

    def __init__(
        self,
        topic: str,
        forms: Sequence[str],
        *,
        draw: Mapping[str, Sequence[int]],
        solve: Callable[..., Rational | str],
        shown: Callable[..., Mapping[str, Rational]] | None = None,
        where: Callable[..., object] | None = None,
        is_story: bool = False,
    ) -> None:
        """`draw` gives the values of each number; those that `where` refuses are drawn again.

        `shown` computes from them the numbers that the text shows, where those are others. `solve` is given the numbers
        of the text by name. Slots of a form that are no numbers are those of a `Scene`. A story happens to its persons;
        other problems are addressed to the reader.
        """
        self.topic = topic
        self.forms = tuple(forms)
        self.is_story = is_story
        self._draw = draw
        self._solve = solve
        self._shown = shown
        self._where = where

    def make(self, rng: random.Random, scene: Scene, lead: str = "") -> Problem:
        """A problem of this kind, behind the sentences of `lead`."""
        drawn = self._numbers(rng)
        form = rng.choice(self.forms)
        told = form.format_map({**scene.slots, **{name: written_number(value) for name, value in drawn.items()}})
        # A form may leave out a number for which the solution has a default.
        numbers = {name: value for name, value in drawn.items() if f"{{{name}}}" in form}
        # Chinese knows no blank behind the end of a sentence.
        space = " " if lead.isascii() or lead[-1].isascii() else ""
        return Problem(f"{lead}{space}{polished(told)}".strip(), self.topic, written_number(self._solve(**numbers)))

    def solve(self, text: str) -> KnownSolution | None:
        """The solution of the problem with which `text` ends, from its numbers; None where it is of another kind."""
        for anchor, pattern, names in self._patterns:
            found = pattern.search(text) if anchor in text else None
            if found is None:
                continue
            numbers: dict[str, Rational] = {}
            for name, value in zip(names, found.groups(), strict=True):
                number = Fraction(value)
                read: Rational = number.numerator if number.denominator == 1 else number
                if numbers.setdefault(name, read) != read:
                    break
            else:
                given = ", ".join(f"{name} = {value}" for name, value in numbers.items())
                steps = f"This is a problem in {self.topic}. Its numbers are {given}, and the rest is computation."
                return KnownSolution(steps, written_number(self._solve(**numbers)))
        return None

    def _numbers(self, rng: random.Random) -> Mapping[str, Rational]:
        for _ in range(_MOST_DRAWS):
            drawn: dict[str, Rational] = {name: rng.choice(values) for name, values in self._draw.items()}
            if self._where is None or self._where(**drawn):
                return drawn if self._shown is None else self._shown(**drawn)
        raise ValueError(f"No numbers were found for a problem in {self.topic}; its `where` refuses all of them.")

    @cached_property
    def _patterns(self) -> Sequence[tuple[str, re.Pattern[str], Sequence[str]]]:
        """For each form: a literal that it holds, its pattern, and the names of the numbers in it, in order."""
        numbers = self._numbers(random.Random(0))  # noqa: S311 - for the names alone
        return [_pattern(form, frozenset(numbers)) for form in self.forms]


def _pattern(form: str, numbers: frozenset[str]) -> tuple[str, re.Pattern[str], Sequence[str]]:
    parts: list[str] = []
    names: list[str] = []
    anchor = ""
    for literal, slot, _, _ in Formatter().parse(form):
        parts.append(re.escape(literal))
        # Not from the beginning, whose first letter may have become a capital.
        anchor = max(anchor, literal if len(parts) > 1 else literal[1:], key=len)
        if slot in numbers:
            names.append(slot)
            parts.append(_NUMBER)
        elif slot is not None:
            parts.append(_PHRASE)
    first = parts[0]
    if first and first[0].isalpha():
        parts[0] = f"(?i:{first[0]}){first[1:]}"
    return anchor, re.compile(r"(?<![^\s。：])" + "".join(parts) + r"\Z"), names


def written_number(value: Rational | str) -> str:
    """A number as problems and answers write it: 12 or 3/4; a text as it stands."""
    return str(value)


def decimal(value: Fraction | int) -> str:
    """An amount with as many decimals as it needs. Raises `ValueError` for a number without a finite expansion."""
    whole = Fraction(value)
    places = next((n for n in range(12) if (whole * 10**n).denominator == 1), None)
    if places is None:
        raise ValueError(f"{whole} has no finite decimal expansion")
    return f"{float(whole):.{places}f}"


def listed(words: Sequence[str]) -> str:
    """Words in one phrase: "Ann, Bo and Cy"."""
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


def unlisted(phrase: str) -> tuple[str, ...]:
    """The words of a phrase that `listed` made."""
    return tuple(re.split(r", | and ", phrase))
