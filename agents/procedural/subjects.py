"""What one person's life gives to write about: words for generators of tasks, taken from the role they play best."""

import random

from .lexicon import SlotValues, article, entries, lexicon
from .situation import portrait_of

#: Nouns of a role that name nothing one could have or show.
_ABSTRACT = frozenset({"breathing", "silence", "steam", "gossip", "delays", "leaks", "deep water", "radio calls"})


class Subjects(SlotValues):
    """The slots of what is written with a person.

    `thing` is a noun without article, `topic` and `worry` noun phrases, `how` a clause that begins with "how to" and
    `ways` the same without these words, `do` a verb phrase in the base form, `pastime` another one that anybody may
    have, `noun` what the person is and `a_noun` the same with its article, `place` where somebody lives. What the
    description does not say itself comes first, so that little of it is repeated.
    """

    def __init__(self, rng: random.Random, persona: str) -> None:
        super().__init__(self.draw)
        self.rng = rng
        self.me = portrait_of(persona or "A person.")
        self._told = persona.lower()

    def several(self, name: str, count: int) -> list[str]:
        """Return up to `count` different values of a slot that has several, in random order."""
        among = list(self.among(name))
        return self.rng.sample(among, min(count, len(among)))

    def draw(self, name: str) -> str | None:
        """Draw a value of a slot, whatever it was before."""
        role = self.me.role
        match name:
            case "noun":
                return role.name
            case "a_noun":
                return article(role.name)
            case "number":
                return str(self.rng.randint(3, 12))
            case "amount":
                return str(self.rng.choice((20, 35, 40, 60, 75, 90, 120, 150, 180, 240, 320, 400)))
            case "ways":
                how = self("how")
                return how.removeprefix("how to ") if how else None
        among = self.among(name)
        return self.rng.choice(among) if among else None

    def among(self, name: str) -> tuple[str, ...]:
        """Return everything that a slot may hold."""
        role = self.me.role
        match name:
            case "thing":
                return tuple(thing for thing in role.things if thing not in _ABSTRACT)
            case "topic":
                return lexicon().fields[role.field].topics
            case "worry":
                return self._new(role.worries)
            case "how":
                return self._new(tuple(known for known in role.knows if known.startswith("how to ")))
            case "knows":
                return self._new(role.knows)
            case "do":
                return tuple(deed.replace("~", "") for deed in self._new(role.does))
            case "pastime":
                known = entries("people", "habits", "child" if self.me.stage == "child" else "any")
                return self._new(tuple(entry for entry in known if "{" not in entry))
            case "place":
                return tuple(entry for entry in entries("people", "settings", "any") if "{" not in entry)
        return ()

    def _new(self, among: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(entry for entry in among if entry.partition(" ")[2].lower() not in self._told) or among
