"""What a request tells: the persona and what that person sees, read back out of the sections of the prompt."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

_OPEN = re.compile(r"<([A-Za-z][\w-]*)(?:\s[^<>]*)?>")
_NEIGHBOUR = re.compile(r"(\w+)(?: \((.*?)(?:, (\w+))?\))?: (.*)")
_SPOKEN = re.compile(r"(\w+)\b[^:]*: (.*)")
_QUOTES = "\"'“”‘’«»"
#: Most entries that are proposed for a list that states no number.
_FEW = 3


@dataclass(frozen=True, slots=True)
class PresentPerson:
    """Somebody who is there: the key to speak to them by, and what they are to the person."""

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
    #: In which somebody is to be among the best.
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
    """The situation that messages (role and text) describe; what an assistant said describes nothing."""
    sections: dict[str, str] = {}
    plain: list[str] = []
    rules = ""
    for role, text in messages:
        if role == "system":
            rules = rules or text
        elif role != "assistant":
            found, outside = read_sections(text)
            sections = {**found, **sections}
            plain.append(outside)
    return Situation(
        persona=_line(sections, "persona"),
        neighbours=tuple(
            PresentPerson(m[1], m[2] or "", m[3] or "", m[4])
            for m in map(_NEIGHBOUR.fullmatch, _lines(sections, "neighbours"))
            if m
        ),
        news=tuple(line.removeprefix("- ").strip(_QUOTES) for line in _lines(sections, "news")),
        memory=tuple(line.removeprefix("- ") for line in _lines(sections, "memory")),
        heard=_spoken(sections, "heard"),
        known=_spoken(sections, "known"),
        passage=sections.get("passage", ""),
        profile=_line(sections, "profile"),
        skill=_line(sections, "skill"),
        plain="\n".join(plain),
        rules=rules,
        sections=sections,
    )


def read_sections(text: str) -> tuple[dict[str, str], str]:
    """The contents of the outermost `<tag>` sections by tag (the first of each), and the text between them.

    Tags stand on lines of their own; whatever stands inside a section is data and opens no other.
    """
    sections: dict[str, str] = {}
    plain: list[str] = []
    lines = text.split("\n")
    at = 0
    while at < len(lines):
        opened = _OPEN.fullmatch(lines[at].strip()) if lines[at].startswith("<") else None
        end = _closing(lines, at + 1, opened[1]) if opened else None
        if opened is None or end is None:
            plain.append(lines[at])
            at += 1
            continue
        sections.setdefault(opened[1], "\n".join(lines[at + 1 : end]).replace("&lt;", "<"))
        at = end + 1
    return sections, "\n".join(plain).strip()


def part_of(schema: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The first property of that name, in the schema or its definitions, with its reference followed; {} for none."""
    definitions: Mapping[str, Mapping[str, Any]] = schema.get("$defs", {})
    for one in (schema, *definitions.values()):
        part = one.get("properties", {}).get(name)
        if isinstance(part, Mapping):
            return definitions.get(str(part.get("$ref", "")).rpartition("/")[2], part)
    return {}


def allowed(schema: Mapping[str, Any], name: str) -> list[Any]:
    """The values that the property of that name may have; none for one that may have any."""
    part = part_of(schema, name)
    return [part["const"]] if "const" in part else list(part.get("enum", ()))


def count_of(schema: Mapping[str, Any], name: str) -> int:
    """How many entries the list of that name must have; a few where it does not say."""
    least = part_of(schema, name).get("minItems")
    return least if isinstance(least, int) and least else _FEW


def _closing(lines: list[str], start: int, tag: str) -> int | None:
    close = f"</{tag}>"
    return next((at for at in range(start, len(lines)) if lines[at].rstrip() == close), None)


def _line(sections: Mapping[str, str], tag: str) -> str:
    return " ".join(sections.get(tag, "").split())


def _lines(sections: Mapping[str, str], tag: str) -> list[str]:
    return [line.strip() for line in sections.get(tag, "").split("\n") if line.strip()]


def _spoken(sections: Mapping[str, str], tag: str) -> tuple[tuple[str, str], ...]:
    found = (m for m in map(_SPOKEN.fullmatch, _lines(sections, tag)) if m)
    return tuple((m[1], m[2].strip(_QUOTES)) for m in found)
