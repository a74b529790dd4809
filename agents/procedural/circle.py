"""Who stands around a person: a relation, and the person at its other end."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .frames import Frame
from .lexicon import Role, Tie, entries, lexicon, pool
from .people import Sketch, describe, draw_role
from .portrait import Portrait, portrait_of

__all__ = ["Circle", "Related"]

_STAGES = ("child", "young", "adult", "old")
#: How likely each kind of relation is drawn; a domain's own ties count once more.
_WEIGHTS = {
    "kinship": 3.0, "friendship": 1.4, "neighbourhood": 1.6, "work": 1.6, "trade": 1.2,
    "care": 1.6, "teaching": 1.2, "service": 1.2, "rivalry": 0.8, "other": 0.8,
}  # fmt: skip
_OF_THE_DOMAIN = 4.0
#: What the other may be by age, from the given person's stage.
_RELATIVE: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "parent": {"child": ("adult",), "young": ("adult",), "adult": ("old",)},
    "offspring": {"adult": ("child", "young"), "old": ("adult",)},
    "grandparent": {"child": ("old",), "young": ("old",)},
    "grandchild": {"old": ("child", "young")},
    "partner": {"adult": ("adult",), "old": ("old",)},
    "inlaw": {"adult": ("old",)},
    "elder": {"child": ("adult", "old"), "young": ("adult", "old"), "adult": ("old",)},
    "junior": {"young": ("child",), "adult": ("young", "child"), "old": ("adult", "young")},
    "peer": {stage: (stage,) for stage in _STAGES},
    "any": dict.fromkeys(_STAGES, ("young", "adult", "adult", "old")),
}
#: Ties that do not suit a child.
_GROWN = frozenset({"work", "trade", "service", "rivalry"})
_KNOWN_CHANCE = 0.3
#: Relations in which two people who already live there may stand, whatever they are.
_KNOWN_KINDS = ("friendship", "neighbourhood", "trade", "other", "work")


@dataclass(frozen=True, slots=True)
class Related:
    """A relation seen from the given person, and the other's description."""

    label: str
    kind: str
    persona: str
    #: The key of somebody who already lives there, or "new".
    who: str = "new"


class Circle:
    """The relations of one person, drawn one after another so that they differ in kind."""

    def __init__(self, rng: random.Random, persona: str, known: Sequence[tuple[str, str]] = ()) -> None:
        self.rng = rng
        self.given: Portrait = portrait_of(persona)
        self.known = list(known)
        self.labels: set[str] = set()
        self.kinds: list[str] = []

    def draw(self, kinds: Sequence[str], keys: Sequence[str] = ()) -> Related:
        """One more relation of one of the `kinds`; to one of those behind `keys` at times."""
        free = [(key, text) for key, text in self.known if key in keys]
        if free and self.rng.random() < _KNOWN_CHANCE:
            related = self._known(free, kinds)
            if related is not None:
                return related
        tie = self._tie(kinds)
        self.labels.add(tie.label)
        self.kinds.append(tie.kind)
        return Related(tie.label, tie.kind if tie.kind in kinds else kinds[0], self._person(tie))

    def _known(self, free: list[tuple[str, str]], kinds: Sequence[str]) -> Related | None:
        key, text = self.rng.choice(free)
        other = portrait_of(text)
        apart = {other.stage, self.given.stage} & {"child"} and other.stage != self.given.stage
        same_work = other.role.domain == self.given.role.domain and not apart
        usable = [
            k
            for k in _KNOWN_KINDS
            if k in kinds and (k != "work" or same_work) and not (apart and k in ("friendship", "trade"))
        ]
        options = [
            tie
            for kind in usable
            for tie in lexicon().ties.get(kind, ())
            if (tie.who == ("any",) and tie.label not in self.labels and other.stage in self._stages(tie))
            or (kind == "work" and tie.label in ("colleague", "shift partner") and tie.label not in self.labels)
        ]
        if not options:
            return None
        tie = self.rng.choice(options)
        self.labels.add(tie.label)
        self.kinds.append(tie.kind)
        self.known = [entry for entry in self.known if entry[0] != key]
        return Related(tie.label, tie.kind, text, key)

    def _tie(self, kinds: Sequence[str]) -> Tie:
        options = [t for t in self._ties() if t.label not in self.labels and self._stages(t)]
        allowed = [t for t in options if t.kind in kinds] or options
        grouped: dict[str, list[Tie]] = {}
        for tie in allowed:
            grouped.setdefault("own" if tie in self._own() else tie.kind, []).append(tie)
        names = sorted(grouped)
        weights = [self._weight(name) for name in names]
        return self.rng.choice(grouped[self.rng.choices(names, weights)[0]])

    def _weight(self, name: str) -> float:
        if name == "own":
            return _OF_THE_DOMAIN * 0.4 ** sum(k in _GROWN for k in self.kinds)
        return _WEIGHTS[name] * 0.15 ** self.kinds.count(name)

    def _own(self) -> tuple[Tie, ...]:
        return (*self.given.role.ties, *lexicon().domains[self.given.role.domain].ties)

    def _ties(self) -> list[Tie]:
        general = [tie for ties in lexicon().ties.values() for tie in ties]
        everything = [*self._own(), *general]
        if self.given.stage == "child" or self.given.role.domain == "young":
            return [t for t in everything if t.kind not in _GROWN or t in self._own()]
        return everything

    def _stages(self, tie: Tie) -> tuple[str, ...]:
        if tie.age in _STAGES:
            return (tie.age,)
        return _RELATIVE[tie.age].get(self.given.stage, ())

    def _person(self, tie: Tie) -> str:
        rng = self.rng
        stage = rng.choice(self._stages(tie))
        gender = tie.gender
        role, rank = self._role(tie, stage, gender)
        if rank == "apprentice":
            stage = "young"
        elif stage not in role.ages:
            stage = role.ages[-1] if role.ages != ("young", "adult", "old") else stage
        if gender == "any":
            gender = role.gender if role.gender != "any" else rng.choice("fm")
        if stage == "old" and role.ages != ("old",) and tie.who[0] in ("any", "same") and rng.random() < 0.6:
            rank = "retired"
        aged = tie.kind == "kinship" or tie.age not in ("any", "adult")
        sketch = Sketch(role, stage, gender, rank=rank, bond=self._bond(tie), aged=aged, length="plain")
        return describe(rng, sketch)

    def _role(self, tie: Tie, stage: str, gender: str) -> tuple[Role, str]:
        rng, given = self.rng, self.given.role
        if tie.who == ("apprentice",):
            plain = given if "adult" in given.ages else draw_role(rng, "adult", gender, given.domain)
            return plain, "apprentice"
        if tie.who == ("same",):
            return draw_role(rng, stage, gender, given.domain), ""
        if tie.who != ("any",):
            named = [lexicon().roles[name] for name in tie.who if name in lexicon().roles]
            fitting = [role for role in named if stage in role.ages]
            return rng.choice(fitting or named), ""
        return draw_role(rng, stage, gender), ""

    def _bond(self, tie: Tie) -> str:
        rng, given = self.rng, self.given.role
        domain = lexicon().domains[given.domain]

        def slot(name: str) -> str | None:
            match name:
                case "thing":
                    return rng.choice(given.things)
                case "topic":
                    return rng.choice(domain.topics)
                case "illness":
                    return rng.choice(entries("ties", "illness", "any"))
            return f"{{{name}}}"

        bond = "parent_of_child" if tie.bond == "parent" and self.given.stage == "child" else tie.bond
        return Frame(pool("ties", "bonds", bond).word(rng)).fill(slot) or ""
