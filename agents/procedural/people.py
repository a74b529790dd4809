"""Descriptions of people: one sentence or two about somebody who could exist."""

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass

from .english import article, polished, third_person
from .frames import Pool
from .lexicon import Role, entries, lexicon, pool

__all__ = ["LENGTHS", "Sketch", "describe", "describe_parts", "draw_role"]

#: What the prompts say about length, and the forms that keep to it.
LENGTHS = {"one short sentence": "short", "forty to sixty words": "long"}

_PRONOUN_SLOTS = {
    "f": {"she": "she", "their": "her", "them": "her"},
    "m": {"she": "he", "their": "his", "them": "him"},
}
_LONGEST = 44


@dataclass(frozen=True, slots=True)
class Sketch:
    """What is settled about a person before the words are chosen."""

    role: Role
    stage: str
    gender: str
    #: "apprentice" or empty.
    rank: str = ""
    #: A verb phrase that ties the person to another, or to a subject.
    bond: str = ""
    theme: str = ""
    length: str = "plain"
    #: Whether the description must tell the age.
    aged: bool = False


def draw_role(rng: random.Random, stage: str, gender: str = "any", domain: str | None = None) -> Role:
    """A role that somebody of that stage of life and gender may have."""
    roles = [
        role
        for role in lexicon().roles.values()
        if (stage in role.ages and gender in (role.gender, "any")) or (stage in role.ages and role.gender == "any")
    ]
    near = [role for role in roles if role.domain == domain]
    return rng.choice(near or roles)


def describe(rng: random.Random, sketch: Sketch) -> str:
    """The description, in the third person, beginning with what the person is."""
    person = _Person(rng, sketch)
    text = person.say(_form(rng, sketch))
    if sketch.length == "long":
        more = pool("lives", "forms", "longer")
        text = f"{text} {person.say(more)}"
        text = text if len(text.split()) >= 40 else f"{text} {person.say(more)}"
    for _ in range(4):
        if sketch.length != "plain" or len(text.split()) <= _LONGEST:
            break
        text = _Person(rng, sketch).say(_form(rng, sketch))
    return text


def describe_parts(rng: random.Random, sketch: Sketch) -> dict[str, str]:
    """The description in parts: `role`, `age`, `circumstances`, `knowledge` and `concern`."""
    person = _Person(rng, sketch)
    told = {
        "circumstances": "{circumstance}",
        "knowledge": "{knows}",
        "concern": "{theme}" if sketch.theme else "{worry}",
    }
    parts = {name: person.say(Pool((frame,))).rstrip(".") for name, frame in told.items()}
    age = person.say(Pool((person.draw(entries("lives", "age_phrases", sketch.stage)),))).rstrip(".")
    return {"role": f"{sketch.rank} {sketch.role.name}".strip(), "age": age, **parts}


def _form(rng: random.Random, sketch: Sketch) -> Pool:
    past = _is_past(sketch)
    if sketch.bond:
        return pool("lives", "forms", "tied_past" if past else "tied")
    if sketch.theme:
        return pool("lives", "forms", "themed_past" if past else "themed")
    if past:
        return pool("lives", "forms", "past")
    return pool("lives", "forms", "short" if sketch.length == "short" else "plain")


def _is_past(sketch: Sketch) -> bool:
    return sketch.rank == "retired"


class _Person:
    """The slots of one description, each drawn once."""

    def __init__(self, rng: random.Random, sketch: Sketch) -> None:
        self.rng = rng
        self.sketch = sketch
        self.used: set[str] = set()

    def say(self, forms: Pool) -> str:
        text = forms.say(self.rng, self.slot) or ""
        return polished(_gendered(text, _PRONOUN_SLOTS[self.sketch.gender]))

    def slot(self, name: str) -> str | None:
        role, stage = self.sketch.role, self.sketch.stage
        match name:
            case "head":
                return self.head()
            case "at" | "thing" | "worry" | "knows":
                of = {"at": role.places, "thing": role.things, "worry": role.worries, "knows": role.knows}
                return self.draw(of[name])
            case "setting":
                return self.draw(entries("settings", "settings", "any"))
            case "circumstance":
                return third_person(self.draw(entries("lives", "circumstances", stage)))
            case "does":
                return third_person(self.draw(role.does))
            case "habit" | "hope":
                age = "child" if stage == "child" else "any"
                return third_person(self.draw(entries("lives", f"{name}s", age)))
            case "bond" | "theme":
                return third_person(self.sketch.bond or self.sketch.theme)
        return _PRONOUN_SLOTS[self.sketch.gender].get(name)

    def draw(self, among: tuple[str, ...]) -> str:
        free = [entry for entry in among if entry not in self.used] or list(among)
        chosen = self.rng.choice(free)
        self.used.add(chosen)
        return chosen

    def head(self) -> str:
        """What the person is: "A stubborn ferry mechanic in her fifties"."""
        sketch, rng = self.sketch, self.rng
        noun = f"{sketch.rank} {sketch.role.name}".strip()
        way = rng.random()
        told = noun if way < 0.4 else f"{self.draw(entries('lives', 'manner', 'any'))} {noun}"
        if way < 0.25 and not _says_age(noun):
            return article(f"{self.draw(entries('lives', 'ages', sketch.stage))} {noun}")
        if (sketch.aged or way < 0.8) and not _says_age(noun):
            return f"{article(told)} {self.draw(entries('lives', 'age_phrases', sketch.stage))}"
        return article(told)


def _says_age(noun: str) -> bool:
    return noun.startswith(("teenage", "young", "elder", "child"))


def _gendered(text: str, slots: Mapping[str, str]) -> str:
    # Phrases carry slots of their own, which still stand in the filled text.
    return re.sub(r"\{(she|their|them)\}", lambda m: slots[m[1]], text)
