"""What a request says: the sections of its prompt, and who the described person is as far as words tell."""

import random
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from hashlib import blake2b
from typing import Any

from .lexicon import (
    Lexicon,
    LifeRole,
    SlotValues,
    article,
    base_form,
    data,
    read_entries,
    read_lexicon,
    split,
    third_person,
)

_SECTION = re.compile(
    r"^<([A-Za-z][\w-]*)(?:\s[^<>\n]*)?>[^\S\n]*\n(.*?)^</\1>[^\S\n]*(?:\n|\Z)", re.MULTILINE | re.DOTALL
)
_NEIGHBOUR = re.compile(r"([^:(]+?)(?: \((.*?)(?:, (\w+))?\))?(?:: (.*))?")
_SPOKEN = re.compile(r"(\w+)\b[^:]*: (.*)")
#: A line of a conversation, which is in quotation marks.
_LINE = re.compile(r"(?:\(.*?\) )?([^:\"]+): (\".*)")
_QUOTES = "\"'“”‘’«»"
#: Most entries that are proposed for a list that states no number.
_FEW = 3


@dataclass(frozen=True, slots=True)
class PresentPerson:
    """A person who is present: the key to address them by, and their relation to the persona."""

    key: str
    label: str
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Situation:
    """Everything a request says, section by section; what it does not say is empty."""

    persona: str = ""
    neighbours: tuple[PresentPerson, ...] = ()
    news: tuple[str, ...] = ()
    memory: tuple[str, ...] = ()
    #: Who said it (a key) and what was said, oldest first.
    heard: tuple[tuple[str, str], ...] = ()
    #: People who already live there, by key.
    known: tuple[tuple[str, str], ...] = ()
    passage: str = ""
    #: What is known of the person beside the description, in one line.
    profile: str = ""
    #: The skill in which an elite persona is to excel.
    skill: str = ""
    #: What stands outside all sections: the question itself.
    plain: str = ""
    #: The rules given with it.
    rules: str = ""
    #: Every section by its tag, as it stands there, for generators that bring sections of their own.
    sections: Mapping[str, str] = field(default_factory=dict)
    #: How often the stand-in answers rightly where it knows the answer: of the model, not of the request.
    accuracy: float = 1.0


def read_situation(messages: Iterable[tuple[str, str]]) -> Situation:
    """Read the situation that messages (role and text) describe. What an assistant said is ignored."""
    sections: dict[str, str] = {}
    plain: list[str] = []
    heard: list[tuple[str, str]] = []
    rules = ""
    for role, text in messages:
        if role == "system":
            rules = rules or text
        elif role != "assistant":
            heard += _last_lines(text)
            found, outside = read_sections(text)
            sections = {**found, **sections}
            plain.append(outside)
    return Situation(
        persona=_section_line(sections, "persona"),
        neighbours=tuple(
            PresentPerson(m[1], m[2] or "", m[3] or "", m[4] or "")
            for m in map(_NEIGHBOUR.fullmatch, _section_lines(sections, "neighbours"))
            if m
        ),
        news=tuple(line.removeprefix("- ").strip(_QUOTES) for line in _section_lines(sections, "news")),
        memory=tuple(line.removeprefix("- ") for line in _section_lines(sections, "memory")),
        heard=tuple(heard),
        known=_spoken_lines(sections, "known"),
        passage=sections.get("passage", ""),
        profile=_section_line(sections, "profile"),
        skill=_section_line(sections, "skill"),
        plain="\n".join(plain),
        rules=rules,
        sections=sections,
    )


def read_sections(text: str) -> tuple[dict[str, str], str]:
    """Return the contents of the outermost `<tag>` sections by tag (the first of each), and the text between them.

    Tags are on lines of their own. Whatever is inside a section is data and opens no other section.
    """
    sections: dict[str, str] = {}
    for tag, content in _SECTION.findall(text):
        sections.setdefault(tag, content.removesuffix("\n").replace("&lt;", "<"))
    return sections, _SECTION.sub("", text).strip()


def _last_lines(text: str) -> Iterator[tuple[str, str]]:
    """Yield what others said last in each conversation of a prompt, with their names."""
    for tag, content in _SECTION.findall(text):
        if tag == "conversation":
            lines = [found for line in content.splitlines() if (found := _LINE.fullmatch(line.strip()))]
            if lines and lines[-1][1] != "You":
                yield lines[-1][1], lines[-1][2].strip(_QUOTES)


def part_of(schema: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Find the first property of that name in the schema or its definitions, with its reference followed.

    Return {} if there is none.
    """
    definitions: Mapping[str, Mapping[str, Any]] = schema.get("$defs", {})
    for one in (schema, *definitions.values()):
        part = one.get("properties", {}).get(name)
        if isinstance(part, Mapping):
            return definitions.get(str(part.get("$ref", "")).rpartition("/")[2], part)
    return {}


def allowed_values(schema: Mapping[str, Any], name: str) -> list[Any]:
    """Return the values that the property of that name may have, or an empty list if it may have any."""
    part = part_of(schema, name)
    return [part["const"]] if "const" in part else list(part.get("enum", ()))


def count_of(schema: Mapping[str, Any], name: str) -> int:
    """Return how many entries the list of that name must have, or a few if the schema does not say."""
    least = part_of(schema, name).get("minItems")
    return least if isinstance(least, int) and least else _FEW


def _section_line(sections: Mapping[str, str], tag: str) -> str:
    return " ".join(sections.get(tag, "").split())


def _section_lines(sections: Mapping[str, str], tag: str) -> list[str]:
    return [line.strip() for line in sections.get(tag, "").split("\n") if line.strip()]


def _spoken_lines(sections: Mapping[str, str], tag: str) -> tuple[tuple[str, str], ...]:
    found = (m for m in map(_SPOKEN.fullmatch, _section_lines(sections, tag)) if m)
    return tuple((m[1], m[2].strip(_QUOTES)) for m in found)


_TOKEN = re.compile(r"[A-Za-zÀ-ɏ][A-Za-zÀ-ɏ'’-]*|[0-9]+|[^\sA-Za-z0-9]")
_NOUN_END = re.compile(
    r"\s*(?:[,.;:(]|\b(?:who|whose|with|in|on|from|at|near|by|for|and|living|working|past|close|just|not|aged|far"
    r"|new|small|barely|a few)\b)"
)
_ARTICLE = re.compile(r"(?:an?|the|one)\s+", re.IGNORECASE)
_AGED = re.compile(r"(?:[a-z]+-)*[a-z]+-year-old\s+|middle-aged\s+|young\s+|elderly\s+|old\s+")
_WORRY = re.compile(r"\b(?:worr(?:y|ies|ied) about|afraid of|fears|lies awake over|concerned about) ([^.,;]{4,80})")
_KNOWS = re.compile(r"\bknows ((?:how|why|when|which|what|where|who) [^.,;]{6,80})")
_DOES = re.compile(r"\bwho ([a-z]+s) ([^.,;:]{6,90})")
#: Signs of people who are too ill to work.
_ILL = re.compile(r"\b(?:in hospital with|recovering from|in treatment for)\b")
_THIRD = re.compile(r"\b(?:she|he|they|him|hers|theirs|himself|herself)\b")


@dataclass(frozen=True, slots=True)
class Portrait:
    """A person as the stand-in plays them: the nearest role it knows, the description's own words first."""

    text: str
    #: What the person is, in the description's words: "retired ferry mechanic".
    noun: str
    role: LifeRole
    #: child, young, adult or old.
    stage: str
    does: tuple[str, ...]
    worries: tuple[str, ...]
    knows: tuple[str, ...]
    #: Whether the person works in the role, and is no child and not retired.
    is_working: bool


def stable_number(*parts: str) -> int:
    """Return a 64-bit number made from texts, the same in every process."""
    return int.from_bytes(blake2b("\x1f".join(parts).encode(), digest_size=8).digest())


def tokens(text: str) -> list[str]:
    """Return words and marks, in order."""
    return _TOKEN.findall(text)


@lru_cache(maxsize=4096)
def language_of(text: str) -> str:
    """Return the language that a text is most likely in, by its script or else by its most common words."""
    for language, span in data("languages")["scripts"].items():
        if len(re.findall(f"[{span}]", text)) * 3 >= len(re.findall(r"\w", text)) > 0:
            return str(language)
    words = [w.lower() for w in tokens(text)]
    scores = {name: sum(w in common.split() for w in words) for name, common in data("languages")["common"].items()}
    best = max(scores, key=lambda name: scores[name])
    return best if scores[best] else "English"


@lru_cache(maxsize=16_384)
def portrait_of(text: str) -> Portrait:
    """Return the portrait of the persona that `text` describes."""
    opening = _ARTICLE.sub("", text[:160], count=1)
    role, named = _find_role(read_lexicon(), text, opening)
    stage = _find_stage(text, role, named=named)
    retired = "retired" in opening.lower()
    worries = tuple(_as_told(m[1]) for m in _WORRY.finditer(text))
    return Portrait(
        text=text,
        noun=_find_noun(opening, role, named=named),
        role=role,
        stage=stage,
        does=_find_deeds(text, role, named=named, retired=retired),
        worries=worries if worries or retired else role.worries,
        is_working=read_lexicon().fields[role.field].working
        and stage != "child"
        and not retired
        and not _ILL.search(text),
        knows=tuple(_as_told(m[1]) for m in _KNOWS.finditer(text)) or role.knows,
    )


@cache
def _stage_patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    signs = {stage: "|".join(map(re.escape, split(told))) for stage, told in data("words")["stages"].items()}
    return tuple((stage, re.compile(rf"(?<![\w-])(?:{sign})\b")) for stage, sign in signs.items())


def _find_stage(text: str, role: LifeRole, *, named: bool) -> str:
    if named and len(role.ages) == 1:
        return role.ages[0]
    head = re.split(r"\bwho(?:se)?\b", text[:140].lower(), maxsplit=1)[0]
    told = next((stage for stage, sign in _stage_patterns() if sign.search(head)), None)
    return told or (role.ages[0] if len(role.ages) == 1 else "adult")


def _find_deeds(text: str, role: LifeRole, *, named: bool, retired: bool) -> tuple[str, ...]:
    if _ILL.search(text):
        return read_entries("words", "deeds", "ill")
    # What retired people did for a living they do no more.
    known = _list_pastimes() if retired else role.does
    words = text.lower()
    if mine := tuple(deed for deed in known if third_person(deed).lower() in words):
        return mine
    read = None if named else _read_deed(text)
    return (read,) if read else read_entries("words", "deeds", "retired") if retired else role.does


@cache
def _list_pastimes() -> tuple[str, ...]:
    told = (*read_entries("people", "habits", "any"), *read_entries("people", "circumstances", "old"))
    return tuple(entry for entry in told if "{" not in entry and not entry.startswith(("be ", "have ")))


def _as_told(phrase: str) -> str:
    # Cut before a second clause, and told in the first person.
    phrase = re.split(r" and (?=[a-z]+s\b)|; ", phrase)[0].strip()
    return re.sub(r"\b(?:his|her|their)\b", "my", phrase)


def _read_deed(text: str) -> str | None:
    found = _DOES.search(text)
    verb = base_form(found[1]) if found and found[1] not in read_entries("words", "deeds", "untold") else None
    if found is None or verb is None:
        return None
    rest = _as_told(found[2])
    return None if _THIRD.search(rest) else f"{verb} {rest}"


def _find_role(known: Lexicon, text: str, opening: str) -> tuple[LifeRole, bool]:
    lowered = f" {opening.lower()} ".replace(",", " ").replace(".", " ")
    heads = dict.fromkeys(lowered.split())
    named = [r for word in heads for r in known.by_head.get(word, ()) if f" {r.name} " in lowered]
    if named:
        return max(named, key=lambda r: (-lowered.index(r.name), len(r.name))), True
    for word in re.findall(r"[a-z][a-z-]+", _NOUN_END.split(opening)[0].lower())[::-1]:
        if word in known.by_head:
            candidates = known.by_head[word]
            return candidates[stable_number(text) % len(candidates)], False
    scores = known.score_roles(tokens(text.lower()))
    best = max(scores.values(), default=0)
    names = sorted(name for name in (scores if best else known.roles) if scores[name] == best)
    return known.roles[names[stable_number(text) % len(names)]], False


def _find_noun(opening: str, role: LifeRole, *, named: bool) -> str:
    if named:
        prefix = next(
            (p for p in ("retired ", "trainee ", "apprentice ", "former ") if f"{p}{role.name}" in opening), ""
        )
        return f"{prefix}{role.name}"
    told = _AGED.sub("", _NOUN_END.split(opening)[0].strip(), count=1)
    words = told.split()
    plain = all(ord(c) < 0x250 for c in told)
    return " ".join(words[-4:]) if words and plain and len(words) <= 8 else role.name


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
                return read_lexicon().fields[role.field].topics
            case "worry":
                return self._keep_new(role.worries)
            case "how":
                return self._keep_new(tuple(known for known in role.knows if known.startswith("how to ")))
            case "knows":
                return self._keep_new(role.knows)
            case "do":
                return tuple(deed.replace("~", "") for deed in self._keep_new(role.does))
            case "pastime":
                known = read_entries("people", "habits", "child" if self.me.stage == "child" else "any")
                return self._keep_new(tuple(entry for entry in known if "{" not in entry))
            case "place":
                return tuple(entry for entry in read_entries("people", "settings", "any") if "{" not in entry)
        return ()

    def _keep_new(self, among: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(entry for entry in among if entry.partition(" ")[2].lower() not in self._told) or among
