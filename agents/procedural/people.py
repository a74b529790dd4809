"""Descriptions of people: one sentence or two about somebody who could exist."""

import random
import re
from dataclasses import dataclass

from .lexicon import ROLE_AGES, Role, entries, lexicon, pool
from .templates import Pool, article, polished, third_person

_PRONOUNS = {"f": {"she": "she", "their": "her"}, "m": {"she": "he", "their": "his"}}


@dataclass(frozen=True, slots=True)
class Sketch:
    """What is settled about a person before the words are chosen."""

    role: Role
    stage: str
    gender: str
    #: "trainee", "retired" or empty.
    rank: str = ""
    #: How the age is told where a relation settles it ("in {their} fifties"); empty for any of that stage of life.
    aged: str = ""
    #: A verb phrase that a relation asks for ("be recovering from a stroke").
    bond: str = ""
    #: Whether circumstances may be told: they may contradict what a relative is to somebody.
    has_circumstances: bool = True
    #: A language other than English that the person speaks.
    language: str = ""


def draw_role(rng: random.Random, stage: str, gender: str = "any", field: str | None = None) -> Role:
    """A role that somebody of that stage of life and gender may have, in that field where there is one."""
    roles = [
        role
        for role in lexicon().roles.values()
        if stage in role.ages and not role.plain and (role.gender == "any" or gender in (role.gender, "any"))
    ]
    return rng.choice([role for role in roles if role.field == field] or roles)


def describe(rng: random.Random, sketch: Sketch) -> str:
    """The description, in the third person, beginning with what the person is."""
    person = _Person(rng, sketch)
    text = person.say(pool("people", "forms", _form(sketch)))
    return f"{text} {person.say(pool('people', 'forms', 'foreign'))}" if sketch.language else text


def describe_parts(rng: random.Random, sketch: Sketch) -> dict[str, str]:
    """The description in parts: `role`, `age`, `circumstances`, `knowledge` and `concern`."""
    person = _Person(rng, sketch)
    told = {
        "circumstances": "{circumstance} | {does}",
        "knowledge": "knows {knows}",
        "concern": "worries about {worry} | {hope}",
    }
    parts = {name: person.say(Pool(frames.split(" | "))).rstrip(".") for name, frames in told.items()}
    age = person.say(Pool((person.draw(_ages(sketch)),))).rstrip(".")
    return {"role": f"{sketch.rank} {sketch.role.name}".strip(), "age": age, **parts}


def _form(sketch: Sketch) -> str:
    if sketch.bond:
        return "bound"
    if sketch.stage == "child" and not sketch.role.plain:
        return "child"
    if sketch.rank == "retired":
        return "retired"
    return "grown" if not sketch.role.plain and lexicon().fields[sketch.role.field].working else "own"


def _ages(sketch: Sketch) -> tuple[str, ...]:
    if sketch.aged:
        return (sketch.aged,)
    if sketch.rank == "trainee" or (sketch.stage == "young" and sketch.role.ages != ROLE_AGES):
        return entries("people", "ages", "early")
    return entries("people", "ages", sketch.stage)


class _Person:
    """The slots of one description: each drawn once, and never twice the same."""

    def __init__(self, rng: random.Random, sketch: Sketch) -> None:
        self.rng = rng
        self.sketch = sketch
        self.used: set[str] = set()

    def say(self, forms: Pool) -> str:
        text = forms.say(self.rng, self.slot) or ""
        slots = _PRONOUNS[self.sketch.gender]
        # Phrases carry pronouns of their own, which still stand in the filled text.
        return polished(re.sub(r"\{(she|their)\}", lambda m: slots[m[1]], text))

    def slot(self, name: str) -> str | None:
        sketch = self.sketch
        role, stage = sketch.role, sketch.stage
        match name:
            case "head":
                return self.head()
            case "does":
                return third_person(self.draw(role.does))
            case "also":
                # Without a second verb of its own: "braids and listens and repeats nothing".
                return third_person(self.draw(tuple(d for d in role.does if " and " not in d) or role.does))
            case "worry" | "knows":
                if name == "worry" and sketch.rank == "retired":
                    return None
                return self.draw(role.worries if name == "worry" else role.knows)
            case "setting":
                return self.draw(entries("people", "settings", "any"))
            case "circumstance":
                return third_person(self.draw(entries("people", "circumstances", stage))) if self.is_free else None
            case "habit":
                return third_person(self.draw(entries("people", "habits", "child" if stage == "child" else "any")))
            case "hope":
                return third_person(
                    self.draw(entries("people", "hopes", stage if stage in ("child", "old") else "grown"))
                )
        settled = {**_PRONOUNS[sketch.gender], "bond": third_person(sketch.bond), "language": sketch.language}
        return settled.get(name)

    @property
    def is_free(self) -> bool:
        """Whether the circumstances of any person of that stage of life may be this person's."""
        return self.sketch.has_circumstances and not self.sketch.role.plain

    def draw(self, among: tuple[str, ...]) -> str:
        chosen = self.rng.choice([entry for entry in among if entry not in self.used] or among)
        self.used.add(chosen)
        return chosen

    def head(self) -> str:
        """What the person is: "A stubborn ferry mechanic in her fifties"."""
        noun = f"{self.sketch.rank} {self.sketch.role.name}".strip()
        told = noun if self.rng.random() < 0.35 else f"{self.draw(entries('people', 'manner', 'any'))} {noun}"
        says_age = noun.startswith(("teenage", "young", "new mother"))
        return article(told) if says_age else f"{article(told)} {self.draw(_ages(self.sketch))}"
