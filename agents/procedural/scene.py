"""The slots of what a person says, each drawn once: from the person, the others, the news, the world."""

import random
import re
from functools import lru_cache

from .english import article
from .lexicon import data, entries, lexicon
from .portrait import Portrait, portrait_of
from .situation import Neighbour, Situation
from .subjects import quotable, sentences, subjects

__all__ = ["Scene"]

_PLACE = re.compile(
    r"\b(in|at|on|by|near|under|behind|beside|along|across|outside) (the [a-z]+)"
    r"(?=[,.;:]| and | on | of | at | is | in )"
)
_PLACES = re.compile(r"\b(the [a-z]{4,})(?=[,.;]| and )")
_NOT_MINE = (
    "person",
    "witness",
    "visitor",
    "regular",
    "child",
    "friend in",
    "companion",
    "first",
    "young person",
    "elderly",
)
_TOLD = re.compile(r"^(?:You (?:said to|asked|thought|did)\b[^:]*|[^:]{1,120} told you): ")
#: How an observation says that the listener's relation leads the other way.
_THEIRS = "you are their "
_FOREIGN = re.compile(r"[^\x00-ɏ‐-…]")
_CLAUSE = 16


@lru_cache(maxsize=64)
def places_of(world: str) -> tuple[str, ...]:
    """Where things happen, as the world text names them: "on the square", "by the mill"."""
    known = frozenset(data("words")["places"].split())
    found = [f"{m[1]} {m[2]}" for m in _PLACE.finditer(world) if m[2][4:] in known]
    taken = {place.split(" ", 1)[1] for place in found}
    named = [m[1] for m in _PLACES.finditer(world) if m[1] not in taken and m[1][4:] in known]
    return tuple(dict.fromkeys([*found, *(f"by {noun}" for noun in named)]))


class Scene:
    """One utterance's slots: `scene(name)` gives the value, always the same one, or None for none."""

    def __init__(
        self,
        rng: random.Random,
        situation: Situation,
        listener: Neighbour | None = None,
        heard: str = "",
        around: str = "",
    ) -> None:
        self.rng = rng
        self.situation = situation
        self.listener = listener
        #: The sentence that is answered, and the line it stands in.
        self.heard = heard
        self.around = around
        self.me: Portrait = portrait_of(situation.persona or situation.passage or "A person.")
        self.values: dict[str, str | None] = {}

    def __call__(self, name: str) -> str | None:
        """The value of a slot."""
        if name not in self.values:
            self.values[name] = self._draw(name)
        return self.values[name]

    def pick(self, among: tuple[str, ...]) -> str | None:
        """One of several, or None of nothing."""
        return self.rng.choice(among) if among else None

    def _draw(self, name: str) -> str | None:
        me, role = self.me, self.me.role
        match name:
            case "thing":
                # Something else than what was just spoken of, where there is something else.
                return self.pick(tuple(t for t in role.things if t not in self.around.lower()) or role.things)
            case "place" | "worry" | "knows":
                return self.pick({"place": role.places, "worry": me.worries, "knows": me.knows}[name])
            case "other_thing":
                return self.pick(tuple(t for t in role.things if t != self("thing")))
            case "do":
                return (self.pick(me.does) or "").replace("~", "").replace("{their}", "my") or None
            case "topic":
                return self.pick((*me.topics, *lexicon().domains[role.domain].topics))
            case "noun" | "a_noun":
                return article(me.noun) if name == "a_noun" else me.noun
            case "self" | "domain":
                return role.domain if name == "domain" else self.situation.persona or None
        return self._surroundings(name)

    def _surroundings(self, name: str) -> str | None:
        match name:
            case "theirs":
                return self._theirs()
            case "echo":
                return self._echo()
            case "news":
                return self._news()
            case "matter":
                return self._matter()
            case "memory":
                return self._memory()
            case "third":
                return self._third()
            case "who" if self.rng.random() < 0.4:
                return self._third()
            case "spot":
                return self._spot()
            case "spot_noun":
                return (self("spot") or "").split(" ", 1)[-1] or None
        return self._pooled(name)

    def _theirs(self) -> str | None:
        known = self.listener is not None and self.listener.text
        return self.pick(portrait_of(known).role.things) if known else None

    def _matter(self) -> str | None:
        found = (s for item in self.situation.news[-2:] for s in subjects(item)[:2])
        return self.pick(tuple(s for s in found if s.startswith("the ")))

    def _pooled(self, name: str) -> str | None:
        for file in ("talk", "errands"):
            if name in data(file)["pools"]:
                return self.pick(entries(file, "pools", name))
        return None

    def _echo(self) -> str | None:
        found = subjects(self.heard) or subjects(self.around)
        if found:
            return self.rng.choice(found[:2])
        foreign = quotable(self.heard) if _FOREIGN.search(self.heard) else ()
        return f"“{foreign[0]}”" if foreign else None

    def _news(self) -> str | None:
        clauses = [
            s.rstrip(".!?") for item in self.situation.news[-2:] for s in sentences(item)[:2] if not s.endswith("?")
        ]
        fitting = tuple(c for c in clauses if 2 < len(c.split()) <= _CLAUSE)
        clause = self.pick(fitting)
        if clause is None:
            return None
        first, space, rest = clause.partition(" ")
        lowered = first.lower() if first.lower() in lexicon().stop and first != "I" else first
        return f"{lowered}{space}{rest}"

    def _memory(self) -> str | None:
        notes = [_TOLD.sub("", note) for note in self.situation.memory[-3:]]
        return self.pick(tuple(s for note in notes for s in subjects(note)[:1]))

    def _third(self) -> str | None:
        others = [
            n
            for n in self.situation.neighbours
            if (self.listener is None or n.key != self.listener.key) and not n.label.startswith(_THEIRS)
        ]
        told = tuple(n.label if n.label.startswith(("the ", "a ", "my ")) else _mine(n.label) for n in others)
        return self.pick(told) or self.pick(entries("talk", "pools", "third"))

    def _spot(self) -> str | None:
        places = places_of(self.situation.world)
        return self.pick(places) if places and self.rng.random() < 0.75 else self.pick(entries("talk", "pools", "spot"))


def _mine(label: str) -> str:
    return f"the {label}" if label.startswith(_NOT_MINE) else f"my {label}"
