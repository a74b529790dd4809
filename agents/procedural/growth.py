"""People by the built-in generator: those whom a text suggests, those around a person, profiles and biographies."""

import random
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .lexicon import (
    ROLE_AGES,
    LifeRole,
    TieTemplate,
    article,
    capitalise_first,
    capitalise_sentences,
    data,
    fill_frame,
    read_entries,
    read_lexicon,
    say,
    third_person,
)
from .situation import Portrait, Situation, allowed_values, count_of, language_of, portrait_of, stable_number, tokens

_PRONOUNS = {"f": {"she": "she", "their": "her"}, "m": {"she": "he", "their": "his"}}


@dataclass(frozen=True, slots=True)
class Sketch:
    """What is settled about a person before the words are chosen."""

    role: LifeRole
    stage: str
    gender: str
    #: "trainee", "retired" or empty.
    rank: str = ""
    #: The words for the age where the relation determines it ("in {their} fifties"); otherwise empty.
    aged: str = ""
    #: A verb phrase that a relation asks for ("be recovering from a stroke").
    bond: str = ""
    #: Whether circumstances may be added: they could contradict the relation.
    has_circumstances: bool = True
    #: A language other than English that the person speaks.
    language: str = ""


def draw_role(rng: random.Random, stage: str, gender: str = "any", field: str | None = None) -> LifeRole:
    """Draw a role that fits the stage of life and the gender, in that field if it has one."""
    roles = [
        role
        for role in read_lexicon().roles.values()
        if stage in role.ages and not role.plain and (role.gender == "any" or gender in (role.gender, "any"))
    ]
    return rng.choice([role for role in roles if role.field == field] or roles)


def describe(rng: random.Random, sketch: Sketch) -> str:
    """Return the description, in the third person, beginning with what the person is."""
    person = _PersonSlots(rng, sketch)
    forms = (_sketch_form(sketch), "foreign") if sketch.language else (_sketch_form(sketch),)
    return " ".join(person.say(read_entries("people", "forms", form)) for form in forms)


def describe_parts(rng: random.Random, sketch: Sketch) -> dict[str, str]:
    """Return the description in parts: `role`, `age`, `circumstances`, `knowledge` and `concern`."""
    person = _PersonSlots(rng, sketch)
    told = {
        name: person.say(read_entries("people", "parts", name)) for name in ("circumstances", "knowledge", "concern")
    }
    told["age"] = person.say((person.draw(_possible_ages(sketch)),))
    return {"role": f"{sketch.rank} {sketch.role.name}".strip()} | {
        name: text.rstrip(".") for name, text in told.items()
    }


def _sketch_form(sketch: Sketch) -> str:
    if sketch.bond:
        return "bound"
    if sketch.stage == "child" and not sketch.role.plain:
        return "child"
    if sketch.rank == "retired":
        return "retired"
    return "grown" if not sketch.role.plain and read_lexicon().fields[sketch.role.field].working else "own"


def _possible_ages(sketch: Sketch) -> tuple[str, ...]:
    if sketch.aged:
        return (sketch.aged,)
    is_early = sketch.rank == "trainee" or (sketch.stage == "young" and sketch.role.ages != ROLE_AGES)
    return read_entries("people", "ages", "early" if is_early else sketch.stage)


class _PersonSlots:
    """The slots of one description, never twice the same."""

    def __init__(self, rng: random.Random, sketch: Sketch) -> None:
        self.rng = rng
        self.sketch = sketch
        self.used: set[str] = set()

    def say(self, forms: Sequence[str]) -> str:
        text = say(self.rng, forms, self.slot) or ""
        slots = _PRONOUNS[self.sketch.gender]
        # Phrases carry pronouns of their own, which still stand in the filled text.
        return capitalise_sentences(re.sub(r"\{(she|their)\}", lambda m: slots[m[1]], text))

    def slot(self, name: str) -> str | None:
        sketch = self.sketch
        role, stage = sketch.role, sketch.stage
        settled = {**_PRONOUNS[sketch.gender], "bond": third_person(sketch.bond), "language": sketch.language}
        if name in settled or name == "head":
            return self.head() if name == "head" else settled[name]
        among = {
            "does": role.does,
            # Without a second verb of its own: "braids and listens and repeats nothing".
            "also": tuple(deed for deed in role.does if " and " not in deed) or role.does,
            "worry": () if sketch.rank == "retired" else role.worries,
            "knows": role.knows,
            "setting": read_entries("people", "settings", "any"),
            # The circumstances of any person of that stage of life need not be this person's.
            "circumstance": read_entries("people", "circumstances", stage)
            if sketch.has_circumstances and not role.plain
            else (),
            "habit": read_entries("people", "habits", "child" if stage == "child" else "any"),
            "hope": read_entries("people", "hopes", stage if stage in ("child", "old") else "grown"),
        }.get(name)
        if not among:
            return None
        return self.draw(among) if name in ("worry", "knows", "setting") else third_person(self.draw(among))

    def draw(self, among: tuple[str, ...]) -> str:
        chosen = self.rng.choice([entry for entry in among if entry not in self.used] or among)
        self.used.add(chosen)
        return chosen

    def head(self) -> str:
        """Return what the persona is: "A stubborn ferry mechanic in her fifties"."""
        noun = f"{self.sketch.rank} {self.sketch.role.name}".strip()
        told = noun if self.rng.random() < 0.35 else f"{self.draw(read_entries('people', 'manner', 'any'))} {noun}"
        says_age = noun.startswith(("teenage", "young", "new mother"))
        return article(told) if says_age else f"{article(told)} {self.draw(_possible_ages(self.sketch))}"


_STAGES = ("child", "young", "adult", "old")
#: How often a person belongs to a field that the passage speaks of, and among how many nearest roles.
_NEAR = 0.7
_NEAREST = 8
_KNOWN_CHANCE = 0.3
#: Relations in which two people who already live there may stand, whatever they are.
_KNOWN_KINDS = ("friendship", "neighbourhood", "other")


def text_to_persona(rng: random.Random, situation: Situation, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the personas that the passage suggests, described in prose and in parts. No two have the same role."""
    language = language_of(situation.passage)
    near = _nearest_roles(situation.passage, language)
    used: set[str] = set()
    people = []
    for _ in range(count_of(schema, "personas")):
        role = _choose_role(rng, [r for r in near if r.name not in used], used)
        used.add(role.name)
        stage = rng.choice(role.ages)
        gender = role.gender if role.gender != "any" else rng.choice("fm")
        sketch = Sketch(
            role, stage, gender, rank=_choose_rank(role, stage), language="" if language == "English" else language
        )
        people.append({"persona": describe(rng, sketch), **describe_parts(rng, sketch)})
    return {"personas": people}


def _nearest_roles(passage: str, language: str) -> list[LifeRole]:
    """Return the roles nearest to the passage, by the words that they share."""
    known, lowered = read_lexicon(), passage.lower()
    scores = known.score_roles(tokens(lowered), head=120)
    for role in known.roles.values() if language != "English" else ():
        scores[role.name] += 20 * sum(sign in lowered for sign in known.fields[role.field].signs)
    ranked = sorted(scores, key=lambda name: (-scores[name], name))
    return [known.roles[name] for name in ranked[:_NEAREST] if scores[name]]


def _choose_role(rng: random.Random, near: Sequence[LifeRole], used: set[str]) -> LifeRole:
    if near and rng.random() < _NEAR:
        return rng.choices(near, [1 / (1 + place) for place in range(len(near))])[0]
    stage = rng.choices(_STAGES, (1, 2, 6, 2))[0]
    role = draw_role(rng, stage)
    for _ in range(20):
        if role.name not in used:
            break
        role = draw_role(rng, stage)
    return role


def _choose_rank(role: LifeRole, stage: str) -> str:
    return "retired" if stage == "old" and len(role.ages) > 1 and read_lexicon().fields[role.field].working else ""


def persona_to_persona(rng: random.Random, situation: Situation, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return ties of the given persona, as many as asked for and of the kinds that the schema allows."""
    relatives = Relatives(rng, situation.persona, situation.known)
    kinds = allowed_values(schema, "kind")
    keys = [key for key in allowed_values(schema, "who") if key != "new"]
    return {"relations": [relatives.draw(kinds, keys) for _ in range(count_of(schema, "relations"))]}


class Relatives:
    """The relations of one person, drawn one after another so that they differ in kind."""

    def __init__(self, rng: random.Random, persona: str, known: Sequence[tuple[str, str]] = ()) -> None:
        self.rng = rng
        self.given = portrait_of(persona)
        self.field = read_lexicon().fields[self.given.role.field]
        self.known = dict(known)
        self.labels: set[str] = set()
        self.kinds: Counter[str] = Counter()

    def draw(self, kinds: Sequence[str], keys: Sequence[str] = ()) -> dict[str, Any]:
        """Return one more tie of one of the `kinds`: `label`, `kind`, `who` and `persona`.

        It sometimes leads to one of the personas behind `keys`, and otherwise to a new one.
        """
        who, tie = "new", None
        offered = [key for key in self.known if key in keys]
        if offered and self.rng.random() < _KNOWN_CHANCE:
            key = self.rng.choice(offered)
            if tie := self._with_known(portrait_of(self.known[key]).stage, kinds):
                who = key
                del self.known[key]
        tie = tie or self._choose_tie(kinds)
        self.labels.add(tie.label)
        self.kinds[tie.kind] += 1
        return {
            "label": tie.label,
            "kind": tie.kind if not kinds or tie.kind in kinds else kinds[0],
            "who": who,
            "persona": describe(self.rng, self._sketch_relative(tie)) if who == "new" else None,
        }

    def _with_known(self, stage: str, kinds: Sequence[str]) -> TieTemplate | None:
        options = [
            tie
            for tie in self._possible_ties(read_lexicon().ties)
            if tie.kind in _KNOWN_KINDS
            and (not kinds or tie.kind in kinds)
            and tie.who == ("any",)
            and stage in self._relative_stages(tie)
        ]
        return self.rng.choice(options) if options else None

    def _possible_ties(self, ties: Iterable[TieTemplate]) -> list[TieTemplate]:
        """Return the ties that the persona may have and has not had."""
        stage, is_plain = self.given.stage, self.given.role.plain
        works = self.field.working and stage in ("young", "adult") and not is_plain
        whose = {
            "all": True,
            "grown": stage != "child",
            "free": stage != "child" and not is_plain,
            "working": works,
            "trading": works and self.field.trading,
            "child": stage == "child",
            "old": stage == "old",
        }
        return [tie for tie in ties if whose[tie.whose] and tie.label not in self.labels and self._relative_stages(tie)]

    def _choose_tie(self, kinds: Sequence[str]) -> TieTemplate:
        is_retired = self.given.stage == "old" and self.given.role.ages != ("old",)
        own = () if is_retired else (*self.given.role.ties, *self.field.ties)
        options = self._possible_ties((*own, *read_lexicon().ties))
        grouped: dict[str, list[TieTemplate]] = {}
        for tie in [tie for tie in options if tie.kind in kinds] or options:
            grouped.setdefault("own" if tie in own else tie.kind, []).append(tie)
        names = sorted(grouped)
        return self.rng.choice(grouped[self.rng.choices(names, [self._kind_weight(name) for name in names])[0]])

    def _kind_weight(self, name: str) -> float:
        weight: float = data("ties")["weights"][name]
        if name == "own":
            return weight * 0.4 ** sum(self.kinds[kind] for kind in ("work", "trade", "service", "rivalry"))
        return weight * 0.15 ** self.kinds[name]

    def _relative_stages(self, tie: TieTemplate) -> tuple[str, ...]:
        return read_entries("ties", "relative", tie.age, self.given.stage)

    def _sketch_relative(self, tie: TieTemplate) -> Sketch:
        rng, roles = self.rng, read_lexicon().roles
        stage, rank = rng.choice(self._relative_stages(tie)), ""
        if named := [roles[name] for name in tie.who if name in roles]:
            role = rng.choice([role for role in named if stage in role.ages] or named)
        elif tie.who == ("trainee",):
            role, stage, rank = self.given.role, "young", "trainee"
        else:
            role = draw_role(rng, stage, tie.gender, self.given.role.field if tie.who == ("same",) else None)
        if stage not in role.ages and not rank:
            stage = rng.choice(role.ages)
        gender = next((one for one in (tie.gender, role.gender) if one != "any"), "") or rng.choice("fm")
        bonds = read_entries("ties", "bonds", tie.label)
        bond = (
            rng.choice(bonds).replace("{illness}", rng.choice(read_entries("ties", "bonds", "illness")))
            if bonds
            else ""
        )
        return Sketch(
            role,
            stage,
            gender,
            rank=rank or _choose_rank(role, stage),
            aged=data("ties")["aged"].get(tie.age, {}).get(self.given.stage, ""),
            bond=bond,
            has_circumstances=tie.kind not in ("kinship", "care"),
        )


type Attribute = dict[str, Any]

_NUMBER = r"(?P<number>\d{1,3}|[a-z]+(?:-(?:one|two|three|four|five|six|seven|eight|nine))?)"
#: Signs of an age, whether they state it, and by how many years it differs from the number that they hold.
_AGES = (
    (re.compile(rf"\b{_NUMBER}[- ]years?[- ]old\b", re.IGNORECASE), "stated", 0),
    (re.compile(rf"\b(?:aged|just turned|turned|past|over|barely) {_NUMBER}\b", re.IGNORECASE), "stated", 0),
    (re.compile(rf"\b(?:not yet|close to|nearly|almost|under) {_NUMBER}\b", re.IGNORECASE), "implied", -1),
)
_DECADE = re.compile(r"\bin (?:her|his|their) (?:early |late |mid-?)?(\w+ies|teens)\b", re.IGNORECASE)
_TRAITS = ("openness", "conscientiousness", "extraversion", "agreeableness", "neuroticism")
_UNKNOWN: Attribute = {"words": "", "evidence": "unknown", "value": None}
_SHORTEST = 1_200
_BAND = re.compile(r"\baged (\d{1,2})(?:-\d+|\+)")
#: What no frame of a biography says.
_LEFT_OPEN: Mapping[str, Any] = {
    **dict.fromkeys(("region", "occupation", "household", "children")),
    "languages": [],
    "others": [],
}


def profile(rng: random.Random, situation: Situation, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the persona's profile, which is the same for every request about that description."""
    return profile_of(situation.persona)


def profile_of(text: str) -> Mapping[str, Attribute]:
    """Read what the description says of each attribute, with its words.

    Some attributes are assumed, the rest unknown.
    """
    portrait, rng = portrait_of(text), random.Random(stable_number("profile", text))  # noqa: S311 - not secrecy
    told = {name: re.findall(pattern, text) for name, pattern in data("profiles")["patterns"].items()}
    noun, place = _find_words(portrait.noun, text), next(iter(told["region"]), "")
    found = {
        "age_band": _find_age(text),
        "occupation": _make_found(noun, "stated", noun and noun[:80]),
        **_find_work(portrait, noun),
        "household": _by_sign("households", text),
        "region": _make_found(place, "stated", place[:80]),
        "interests": _make_found(next(iter(told["interests"]), ""), "implied", told["interests"]),
        "family_background": _UNKNOWN,
        "life_events": _make_found(next(iter(told["life_events"]), ""), "stated", told["life_events"]),
    }
    return found | _draw_assumptions(text, rng)


def biography(rng: random.Random, situation: Situation, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Write a biography of five paragraphs, with the people it speaks of. It states no facts but the age."""
    portrait, known = portrait_of(situation.persona), list(situation.known)[:3]
    ties = [_tie_of(told) for _, told in known]
    values = {
        "text": situation.persona.rstrip(".") + ".",
        "worry": rng.choice(portrait.worries or portrait.role.worries),
        "knows": rng.choice(portrait.knows),
        "people": " and ".join(filter(None, (", ".join(ties[:-1]), *ties[-1:]))) or "the neighbours",
    }

    def told(part: str) -> str:
        return fill_frame(rng.choice(read_entries("profiles", "biography", part)), values.get) or ""

    paragraphs = list(map(told, data("profiles")["biography"]))
    while len("\n\n".join(paragraphs).encode()) < _SHORTEST:
        paragraphs.insert(-1, told("turn"))
    band = _BAND.search(situation.profile)
    return {
        "text": "\n\n".join(paragraphs),
        "mentions": [key for key, _ in known],
        # The last of the decade: no age that the description gives is later.
        "age": int(band[1]) + 9 if band else None,
        **_LEFT_OPEN,
    }


def raise_person(rng: random.Random, situation: Situation, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the description with one more sentence, which says that the persona is among the best."""
    skill, stage = situation.skill, portrait_of(situation.persona).stage
    deeds = read_entries("profiles", "raised", "child" if stage == "child" else "grown")
    deed = fill_frame(rng.choice(deeds), {"skill": skill}.get)
    after = f"It is somebody {deed}, {rng.choice(read_entries('profiles', 'raised', 'since', stage))}."
    return {
        "general_domain": capitalise_first(skill)[:80],
        "specific_domain": capitalise_first(skill)[:80],
        "persona": f"{situation.persona.rstrip('.')}. {after}",
        "changes": [{"before": "", "after": after, "why": f"The standing in {skill} shows in what others ask for."}],
    }


def _find_age(text: str) -> Attribute:
    for pattern, evidence, shift in _AGES:
        for found in pattern.finditer(text):
            number = _parse_number(found["number"].lower())
            if number is not None:
                return _make_found(found[0], evidence, _age_band(max(0, number + shift)))
    if (decade := _DECADE.search(text)) and (number := _parse_number(decade[1].lower())) is not None:
        return _make_found(decade[0], "stated", _age_band(number))
    return _by_sign("decades", text)


def _by_sign(table: str, text: str) -> Attribute:
    """Return what the first sign of a table that occurs in the text says: its evidence and its value."""
    for sign, told in data("profiles")[table].items():
        if words := _find_words(sign, text):
            return _make_found(words, *told.split(" | "))
    return _UNKNOWN


def _find_work(portrait: Portrait, words: str | None) -> dict[str, Attribute]:
    group = data("profiles")["groups"].get(portrait.role.field) if words else None
    if group is None:
        return {"occupation_group": _UNKNOWN, "education": _UNKNOWN}
    return {
        "occupation_group": _make_found(words, "implied", group),
        "education": _make_assumed(data("profiles")["levels"][str(group)]),
    }


def _draw_assumptions(text: str, rng: random.Random) -> dict[str, Attribute]:
    tag = data("profiles")["tags"].get(language_of(text))
    traits = {trait: _make_assumed(min(5, max(1, round(rng.gauss(3, 1))))) for trait in _TRAITS}
    return {
        "languages": _make_assumed([tag]) if tag else _UNKNOWN,
        "values": _make_assumed(rng.sample(read_entries("profiles", "assumed", "values"), 2)),
        **traits,
        "favourite_colour": _make_assumed(rng.choice(read_entries("profiles", "assumed", "colours"))),
        "favourite_number": _make_assumed(rng.randint(1, 99)),
    }


def _make_found(words: str | None, evidence: str, value: Any) -> Attribute:
    return {"words": words, "evidence": evidence, "value": value} if words else _UNKNOWN


def _make_assumed(value: Any) -> Attribute:
    return {"words": "", "evidence": "assumed", "value": value}


def _find_words(words: str, text: str) -> str | None:
    """Return the words as the text has them, as whole words, or None if it does not have them."""
    found = re.search(rf"(?<!\w){re.escape(words)}(?!\w)", text, re.IGNORECASE) if words else None
    return found[0] if found else None


def _age_band(age: int) -> str:
    return "90+" if age >= 90 else f"{age // 10 * 10}-{age // 10 * 10 + 9}"


def _parse_number(word: str) -> int | None:
    numbers = data("profiles")["numbers"]
    number = int(word) if word.isdigit() else sum(numbers.get(part, 999) for part in word.split("-"))
    return number if number <= 120 else None


def _tie_of(told: str) -> str:
    tie = told.partition(": ")[0]
    mine = tie.removeprefix("this person is their ")
    return f"somebody whose {mine} this is" if mine != tie else f"the {tie.removeprefix("this person's ")}"
