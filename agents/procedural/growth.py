"""The people whom a text calls to mind, and those around a person."""

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from .lexicon import Role, TieTemplate, data, entries, lexicon
from .people import Sketch, describe, describe_parts, draw_role
from .portrait import language_of, portrait_of, tokens
from .situation import Situation, allowed, count_of

_STAGES = ("child", "young", "adult", "old")
#: How often a person belongs to a field that the passage speaks of, and among how many nearest roles.
_NEAR = 0.7
_NEAREST = 8
#: How likely each kind of relation is drawn; relations of the person's own role and field count once more.
_WEIGHTS = {
    "kinship": 3.0, "friendship": 1.4, "neighbourhood": 1.6, "work": 1.6, "trade": 1.2,
    "care": 1.6, "teaching": 1.2, "service": 1.2, "rivalry": 0.8, "other": 0.8,
}  # fmt: skip
_OF_THE_FIELD = 4.0
#: What the other may be by age, from the given person's stage of life.
_RELATIVE: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "parent": {"child": ("adult",), "young": ("adult",), "adult": ("old",)},
    "offspring": {"adult": ("child",), "old": ("adult",)},
    "grandparent": {"child": ("old",), "young": ("old",)},
    "grandchild": {"old": ("child", "young")},
    "partner": {"adult": ("adult",), "old": ("old",)},
    "elder": {"child": ("adult", "old"), "young": ("adult", "old"), "adult": ("old",)},
    "junior": {"young": ("child",), "adult": ("young", "child"), "old": ("adult", "young")},
    "peer": {stage: (stage,) for stage in _STAGES},
    "any": dict.fromkeys(_STAGES, ("young", "adult", "adult", "old")),
}
#: Ages that a relation settles more closely than by a stage of life, by the given person's stage.
_AGED: Mapping[tuple[str, str], str] = {
    ("parent", "child"): "in {their} thirties",
    ("parent", "young"): "in {their} fifties",
    ("parent", "adult"): "in {their} seventies",
    ("offspring", "old"): "in {their} forties",
    ("grandparent", "child"): "in {their} seventies",
    ("grandparent", "young"): "in {their} eighties",
}
_KNOWN_CHANCE = 0.3
#: Relations in which two people who already live there may stand, whatever they are.
_KNOWN_KINDS = ("friendship", "neighbourhood", "other")


def text_to_persona(rng: random.Random, situation: Situation, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """People whom the passage calls to mind, no two with the same role, described in prose and in parts."""
    language = language_of(situation.passage)
    near = _near(situation.passage, language)
    used: set[str] = set()
    people = []
    for _ in range(count_of(schema, "personas")):
        role = _role(rng, [r for r in near if r.name not in used], used)
        used.add(role.name)
        stage = rng.choice(role.ages)
        gender = role.gender if role.gender != "any" else rng.choice("fm")
        sketch = Sketch(
            role, stage, gender, rank=_rank(role, stage), language="" if language == "English" else language
        )
        people.append({"persona": describe(rng, sketch), **describe_parts(rng, sketch)})
    return {"personas": people}


def _near(passage: str, language: str) -> list[Role]:
    known = lexicon()
    scores: Counter[str] = Counter()
    for word in dict.fromkeys(w.lower() for w in tokens(passage)):
        roles = known.by_word.get(word, ())
        for role in roles:
            scores[role.name] += 60 // len(roles)
        for role in known.by_head.get(word, ()):
            scores[role.name] += 120
    if language != "English":
        lowered = passage.lower()
        for field in known.fields.values():
            found = sum(sign in lowered for sign in field.signs)
            for role in known.roles.values() if found else ():
                scores[role.name] += 20 * found * (role.field == field.name)
    ranked = sorted(scores, key=lambda name: (-scores[name], name))
    return [known.roles[name] for name in ranked[:_NEAREST] if scores[name]]


def _role(rng: random.Random, near: Sequence[Role], used: set[str]) -> Role:
    if near and rng.random() < _NEAR:
        return rng.choices(near, [1 / (1 + place) for place in range(len(near))])[0]
    stage = rng.choices(_STAGES, (1, 2, 6, 2))[0]
    role = draw_role(rng, stage)
    for _ in range(20):
        if role.name not in used:
            break
        role = draw_role(rng, stage)
    return role


def _rank(role: Role, stage: str) -> str:
    return "retired" if stage == "old" and len(role.ages) > 1 and lexicon().fields[role.field].working else ""


def persona_to_persona(rng: random.Random, situation: Situation, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Relations of the given person, as many as asked for and of the kinds that the schema allows."""
    relatives = Relatives(rng, situation.persona, situation.known)
    kinds = allowed(schema, "kind")
    keys = [key for key in allowed(schema, "who") if key != "new"]
    return {"relations": [relatives.draw(kinds, keys) for _ in range(count_of(schema, "relations"))]}


class Relatives:
    """The relations of one person, drawn one after another so that they differ in kind."""

    def __init__(self, rng: random.Random, persona: str, known: Sequence[tuple[str, str]] = ()) -> None:
        self.rng = rng
        self.given = portrait_of(persona)
        self.known = list(known)
        self.labels: set[str] = set()
        self.kinds: Counter[str] = Counter()

    def draw(self, kinds: Sequence[str], keys: Sequence[str] = ()) -> dict[str, Any]:
        """One more relation of one of the `kinds`: `label`, `kind`, `who` and `persona`.

        It leads to one of those behind `keys` at times, and else to somebody new.
        """
        offered = [(key, text) for key, text in self.known if key in keys]
        if offered and self.rng.random() < _KNOWN_CHANCE and (related := self._with_known(offered, kinds)):
            return related
        tie = self._tie(kinds)
        self._take(tie)
        return {
            "label": tie.label,
            "kind": tie.kind if not kinds or tie.kind in kinds else kinds[0],
            "who": "new",
            "persona": describe(self.rng, self._sketch(tie)),
        }

    def _take(self, tie: TieTemplate) -> None:
        self.labels.add(tie.label)
        self.kinds[tie.kind] += 1

    def _with_known(self, offered: list[tuple[str, str]], kinds: Sequence[str]) -> dict[str, Any] | None:
        key, text = self.rng.choice(offered)
        stage = portrait_of(text).stage
        options = [
            tie
            for tie in lexicon().ties
            if tie.kind in _KNOWN_KINDS
            and (not kinds or tie.kind in kinds)
            and tie.who == ("any",)
            and self._is_free(tie)
            and stage in self._stages(tie)
        ]
        if not options:
            return None
        tie = self.rng.choice(options)
        self._take(tie)
        self.known = [entry for entry in self.known if entry[0] != key]
        return {"label": tie.label, "kind": tie.kind, "who": key, "persona": None}

    def _own(self) -> tuple[TieTemplate, ...]:
        return (*self.given.role.ties, *lexicon().fields[self.given.role.field].ties)

    def _is_free(self, tie: TieTemplate) -> bool:
        return tie.label not in self.labels and self._may_have(tie)

    def _may_have(self, tie: TieTemplate) -> bool:
        stage, field = self.given.stage, lexicon().fields[self.given.role.field]
        works = field.working and stage in ("young", "adult") and not self.given.role.plain
        match tie.whose:
            case "grown":
                return stage != "child"
            case "free":
                return stage != "child" and not self.given.role.plain
            case "working":
                return works
            case "trading":
                return works and field.trading
            case "child" | "old":
                return stage == tie.whose
        return True

    def _tie(self, kinds: Sequence[str]) -> TieTemplate:
        own = self._own() if self.given.stage != "old" or self.given.role.ages == ("old",) else ()
        options = [t for t in (*own, *lexicon().ties) if self._is_free(t) and self._stages(t)]
        wanted = [t for t in options if t.kind in kinds] or options
        grouped: dict[str, list[TieTemplate]] = {}
        for tie in wanted:
            grouped.setdefault("own" if tie in own else tie.kind, []).append(tie)
        names = sorted(grouped)
        weights = [self._weight(name) for name in names]
        return self.rng.choice(grouped[self.rng.choices(names, weights)[0]])

    def _weight(self, name: str) -> float:
        if name == "own":
            return _OF_THE_FIELD * 0.4 ** sum(self.kinds[kind] for kind in ("work", "trade", "service", "rivalry"))
        return _WEIGHTS[name] * 0.15 ** self.kinds[name]

    def _stages(self, tie: TieTemplate) -> tuple[str, ...]:
        if tie.age in _STAGES:
            return (tie.age,)
        return _RELATIVE[tie.age].get(self.given.stage, ())

    def _sketch(self, tie: TieTemplate) -> Sketch:
        rng, field = self.rng, self.given.role.field
        stage, rank = rng.choice(self._stages(tie)), ""
        named = [lexicon().roles[name] for name in tie.who if name in lexicon().roles]
        if named:
            role = rng.choice([r for r in named if stage in r.ages] or named)
        elif tie.who == ("trainee",):
            role, stage, rank = self.given.role, "young", "trainee"
        else:
            role = draw_role(rng, stage, tie.gender, field if tie.who == ("same",) else None)
        if stage not in role.ages and not rank:
            stage = rng.choice(role.ages)
        gender = next((g for g in (tie.gender, role.gender) if g != "any"), "") or rng.choice("fm")
        return Sketch(
            role,
            stage,
            gender,
            rank=rank or _rank(role, stage),
            aged=_AGED.get((tie.age, self.given.stage), ""),
            bond=self._bond(tie),
            has_circumstances=tie.kind not in ("kinship", "care"),
        )

    def _bond(self, tie: TieTemplate) -> str:
        if tie.label not in data("ties")["bonds"]:
            return ""
        bond = self.rng.choice(entries("ties", "bonds", tie.label))
        return bond.replace("{illness}", self.rng.choice(entries("ties", "bonds", "illness")))
