"""What a request tells: the world, the persona, and what that person sees, read back out of the prompt."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

__all__ = ["Neighbour", "Situation", "read_sections", "read_situation"]

_OPEN = re.compile(r"<([A-Za-z][\w-]*)(?:\s[^<>]*)?>")
_NEIGHBOUR = re.compile(r"(\w+) \(([^()]*(?:\([^()]*\)[^()]*)*), (\w+)\): (.*)")
_SPOKEN = re.compile(r"(\w+): (.*)")
_STEP = re.compile(r"\bstep (\d+)")
#: Where the world text ends and the rules of a turn begin.
_RULES = "\n\nYou play one person of this world"


@dataclass(frozen=True, slots=True)
class Neighbour:
    """Somebody who is there: the key to speak to them by, and what they are to the person."""

    key: str
    label: str
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Situation:
    """Everything a request says, section by section; what it does not say is empty."""

    world: str = ""
    persona: str = ""
    neighbours: tuple[Neighbour, ...] = ()
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
    step: int | None = None
    #: How often the answer was already given and sent back.
    revisions: int = 0

    def neighbour(self, key: str) -> Neighbour | None:
        """The neighbour of that key, if there is one."""
        return next((n for n in self.neighbours if n.key == key), None)


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


def _closing(lines: list[str], start: int, tag: str) -> int | None:
    close = f"</{tag}>"
    return next((at for at in range(start, len(lines)) if lines[at].rstrip() == close), None)


def read_situation(messages: Iterable[tuple[str, str]]) -> Situation:
    """The situation that messages (role and text) describe; what an assistant said describes nothing."""
    sections: dict[str, str] = {}
    plain: list[str] = []
    rules = ""
    revisions = 0
    for role, text in messages:
        if role == "system":
            rules = rules or text
        elif role == "assistant":
            revisions += 1
        else:
            found, outside = read_sections(text)
            sections = {**found, **sections}
            plain.append(outside)
    world, told, _ = rules.partition(_RULES)
    return _situation(sections, world.strip() if told else "", "\n".join(plain), rules, revisions)


def _situation(sections: Mapping[str, str], world: str, plain: str, rules: str, revisions: int) -> Situation:
    step = _STEP.search(plain)
    return Situation(
        world=world,
        persona=" ".join(sections.get("persona", "").split()),
        neighbours=tuple(
            Neighbour(*m.groups()) for m in map(_NEIGHBOUR.fullmatch, _lines(sections, "neighbours")) if m
        ),
        news=tuple(line.removeprefix("- ") for line in _lines(sections, "news")),
        memory=tuple(line.removeprefix("- ") for line in _lines(sections, "memory")),
        heard=tuple((m[1], m[2]) for m in map(_SPOKEN.fullmatch, _lines(sections, "heard")) if m),
        known=tuple((m[1], m[2]) for m in map(_SPOKEN.fullmatch, _lines(sections, "known")) if m),
        passage=sections.get("passage", ""),
        profile=" ".join(sections.get("profile", "").split()),
        skill=" ".join(sections.get("skill", "").split()),
        plain=plain,
        rules=rules,
        step=int(step[1]) if step else None,
        revisions=revisions,
    )


def _lines(sections: Mapping[str, str], tag: str) -> list[str]:
    return [line.strip() for line in sections.get(tag, "").split("\n") if line.strip()]
