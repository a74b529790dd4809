"""What an agent sees before it acts, capped in neighbours and in length, and as the prompt tells it."""

import re
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from ..personas.prompt import fence
from .actions import PLAYER

#: Longest share of one neighbour, line, note or piece of news, in characters.
_ITEM = 400


#: Kinds of relations whose ends know each other well; those of the other kinds know of each other what people say.
_CLOSE = frozenset({"kinship", "friendship", "care"})
_SENTENCE = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])")
_CLAUSE = re.compile(r"[,;:(，、；：（]|\s[–—-]\s|\s(?:who|whose|that|which)\s")
#: Fewest and most characters of a first clause that names the role.
_LEAST, _MOST = 12, 90


def disclosed(description: str, kind: str) -> str:
    """What one person knows of another by their relation: all, the first sentence, or the first impression.

    Kin, friends and those who care for each other know the whole description; neighbours, colleagues and others with
    a relation its first sentence; strangers (kind `other`) what that begins with.
    """
    text = " ".join(description.split())
    if kind in _CLOSE:
        return text
    sentence = _SENTENCE.split(text, maxsplit=1)[0]
    if kind != "other":
        return sentence
    ends = (found.start() for found in _CLAUSE.finditer(sentence) if found.start() >= _LEAST)
    clause = sentence[: next(ends, len(sentence))].rstrip(".!?。！？ ")
    return clause if len(clause) <= _MOST else clause[:_MOST].rpartition(" ")[0] + "…"


def quoted(line: str) -> str:
    """A spoken line, in quotation marks that nothing in it can close."""
    return f'"{line.replace('"', "'")}"'


def estimated_tokens(text: str) -> int:
    """About how many tokens a text has: one for four bytes of UTF-8, without any model's vocabulary."""
    return -(-len(text.encode()) // 4)


@dataclass(frozen=True, slots=True)
class Seen:
    """A neighbour, under the key by which this turn's answer can speak to them."""

    key: str
    agent: str
    relation: str
    kind: str
    text: str
    #: The neighbour as a part of a sentence, for what is remembered.
    called: str = "a neighbour"


@dataclass(frozen=True, slots=True)
class Heard:
    """A line spoken to the agent: who said it (a key of this turn), and the message it was."""

    key: str
    text: str
    message: int


# Without slots, so that its text is made once: it is capped, asked and kept.
@dataclass(frozen=True)
class Observation:
    """One agent's view of one step; everything in it comes from the snapshot taken when the step began."""

    agent: str
    persona: str
    task: str
    neighbours: tuple[Seen, ...] = ()
    heard: tuple[Heard, ...] = ()
    news: tuple[str, ...] = ()
    memories: tuple[str, ...] = ()
    #: BCP 47 tag of the language in which the agent speaks.
    language: str = ""
    #: Demonstrations of what is to be made, as in the prompt: for prompts with the slot `examples`.
    examples: str = ""
    #: The step, and the states of the agent and of the world as they were when it began; None where the scenario
    #: declares none. They are for minds and rules, and no part of the text.
    step: int = 0
    state: Any = None
    world_state: Any = None

    @property
    def addressees(self) -> tuple[str, ...]:
        """The keys that can be spoken to: every neighbour seen, and the player when there is one."""
        visitors = (PLAYER,) if any(h.key == PLAYER for h in self.heard) else ()
        return (*(n.key for n in self.neighbours), *visitors)

    def agent_behind(self, key: str) -> str:
        """The agent (or the player) with this `key`. Raises `KeyError` for an unknown key."""
        if key == PLAYER:
            return PLAYER
        return next((n.agent for n in self.neighbours if n.key == key), None) or _nobody(key)

    def called(self, key: str) -> str:
        """How the agent refers to the one with this `key`; keys change from step to step, this does not."""
        return next((n.called for n in self.neighbours if n.key == key), "a visitor")

    @cached_property
    def text(self) -> str:
        """The observation as in the prompt, every part of it fenced as data."""
        parts = (
            fence(
                "neighbours",
                "\n".join(f"{n.key} ({_short(n.relation)}, {n.kind}): {_short(n.text)}" for n in self.neighbours),
            ),
            fence("news", "\n".join(f"- {_short(item)}" for item in self.news)),
            fence("memory", "\n".join(f"- {_short(note)}" for note in self.memories)),
            fence("heard", "\n".join(f"{h.key}: {quoted(_short(h.text))}" for h in self.heard)),
        )
        return "\n\n".join(part for part in parts if part)

    def capped(self, tokens: int) -> "Observation":
        """The same view within about `tokens`: notes go first, then silent neighbours, then old lines and news."""
        view = self
        while estimated_tokens(view.text) > tokens:
            speaking = {h.key for h in view.heard}
            if view.memories:
                view = replace(view, memories=view.memories[1:])
            elif view.neighbours and view.neighbours[-1].key not in speaking:
                view = replace(view, neighbours=view.neighbours[:-1])
            elif len(view.heard) > 1:
                view = replace(view, heard=view.heard[1:])
            elif len(view.news) > 1:
                view = replace(view, news=view.news[1:])
            else:
                break
        return view


def _nobody(key: str) -> str:
    raise KeyError(key)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _ITEM else line[: _ITEM - 1] + "…"
