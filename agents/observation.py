"""What an agent sees before it acts, and how a prompt tells it within a number of tokens."""

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cached_property, lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pydantic import BaseModel

from ..core.prompt import fence
from ..core.text import estimated_tokens

if TYPE_CHECKING:
    from ..personas.profiles.profile import Profile

#: The key, and addressee, that is the visiting player of a game; and what prompts call them.
PLAYER = "player"
_VISITOR = "Visitor"
#: What agents call the player in what they remember.
A_VISITOR = "a visitor"
#: What a conversation in a prompt calls an agent that has no name.
_OWN = "You"

#: How many neighbours a prompt describes where none of them has spoken.
_TOLD = 2
#: Longest share of one neighbour, line, note or piece of news, in characters.
_ITEM = 400
#: The same where a prompt would be too long otherwise, one after the other.
_SHORTER = (200, 100, 50)
#: What stands in the place of a neighbour of whom nothing is known.
_UNKNOWN = "(not known)"

#: Kinds of relations whose ends know each other well; those of the other kinds know of each other what people say.
CLOSE_KINDS = frozenset({"kinship", "friendship", "care"})

#: How much of a description is known: the whole, its first sentence, what that begins with, or nothing.
type Disclosure = Literal["all", "sentence", "impression", "nothing"]

#: How much one person knows of another by the kind of their relation; of strangers (kind `other`), too.
DISCLOSURE: Mapping[str, Disclosure] = MappingProxyType(
    {"kinship": "all", "friendship": "all", "care": "all", "other": "impression"}
)

_SENTENCE = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])")
_CLAUSE = re.compile(r"[,;:(，、；：（]|\s[–—-]\s|\s(?:who|whose|that|which)\s")
#: Fewest and most characters of a first clause that names the role.
_LEAST, _MOST = 12, 90


def disclose_to(description: str, kind: str, levels: Mapping[str, Disclosure] = DISCLOSURE) -> str:
    """Return what one agent knows of another by the kind of their tie.

    If `levels` lacks the kind, this is the first sentence. By default, kin, friends and those who care for each other
    know the whole description. Neighbours, colleagues and others with a tie know its first sentence. Strangers (kind
    `other`) know the beginning of that sentence.
    """
    return disclosed_at(description, levels.get(kind, "sentence"))


def disclosed_at(description: str, level: Disclosure) -> str:
    """Return what is known of an agent at this level."""
    text = " ".join(description.split())
    if level in ("all", "nothing"):
        return text if level == "all" else ""
    sentence = _SENTENCE.split(text, maxsplit=1)[0]
    if level == "sentence":
        return sentence
    ends = (found.start() for found in _CLAUSE.finditer(sentence) if found.start() >= _LEAST)
    clause = sentence[: next(ends, len(sentence))].rstrip(".!?。！？ ")
    return clause if len(clause) <= _MOST else clause[:_MOST].rpartition(" ")[0] + "…"


def quote_line(line: str) -> str:
    """Return a spoken line in quotation marks that nothing in it can close."""
    return f'"{line.replace('"', "'")}"'


def heard_note(speaker: str, line: str) -> str:
    """Return what an agent notes of a line that somebody said to it."""
    return f"{speaker[0].upper()}{speaker[1:]} told you: {quote_line(' '.join(line.split()))}"


def shown_name(key: str) -> str:
    """Return how a prompt names the one with this key."""
    return _VISITOR if key == PLAYER else key


def told_value(value: Any) -> str:
    """Describe a value of a state or an imported column in words."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Enum):
        return told_value(value.value)
    if isinstance(value, BaseModel):
        return "; ".join(told_fields(value))
    if isinstance(value, Mapping):
        return "; ".join(f"{name}: {told_value(one)}" for name, one in value.items()) or "none"
    if isinstance(value, list | tuple | set | frozenset):
        return (
            ", ".join(map(told_value, sorted(value, key=str) if isinstance(value, set | frozenset) else value))
            or "none"
        )
    return "none" if value is None else str(value)


def told_fields(state: BaseModel) -> list[str]:
    """Describe the fields of a state in words, such as `Coins left: 12.5`.

    Leave out those declared with `repr=False`.
    """
    fields = type(state).model_fields
    return [
        f"{fields[name].title or name.replace('_', ' ').capitalize()}: {told_value(value)}"
        for name, value in state
        if fields[name].repr
    ]


# A tuple: a turn makes one for each neighbour, which as a frozen dataclass takes three times as long.
class Seen(NamedTuple):
    """A neighbour, under the key by which this turn's answer can speak to them."""

    #: The neighbour's name; a number of this turn for rules, whose agents have no names.
    key: str
    agent: str
    relation: str
    kind: str
    text: str
    #: The neighbour as a part of a sentence, for what is remembered.
    called: str = "a neighbour"
    #: Weight of all ties that lead from the agent to the neighbour, and of those that lead back; for minds and rules.
    weight_to: float = 0.0
    weight_from: float = 0.0
    #: The neighbour's typed state as the step began, for rules; None for agents who ask a model.
    state: Any = None


@dataclass(frozen=True, slots=True)
class Heard:
    """A line spoken to the agent: who said it (a key of this turn), and the message it was."""

    key: str
    text: str
    message: int


class SaidBefore(NamedTuple):
    """An earlier line of a conversation: the key of the other person, who said it, what was said, and when."""

    key: str
    is_own: bool
    text: str
    time: str = ""
    #: Who said it, where that is neither the agent nor the other person; else that person, or empty.
    speaker: str = ""


@dataclass(frozen=True, slots=True)
class ShownPost:
    """A post that the agent is shown, under the key by which this turn's answer can reply to it."""

    key: str
    channel: str
    #: Id of its author, and what the author is to the agent, in words.
    agent: str
    author: str
    text: str
    #: Number of the post.
    post: int


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
    #: Whether the task's settings ask for that language; else it is the persona's own.
    is_language_set: bool = False
    #: Demonstrations of what is to be made, as in the prompt: for prompts with the slot `examples`.
    examples: str = ""
    #: The step, and the states of the agent and of the world as they were when it began; None where the scenario
    #: declares none. They are for minds and rules; the text has the agent's own in words (`now`).
    step: int = 0
    state: Any = None
    world_state: Any = None
    #: What is known of the agent by attribute; None without a profile. For rules too, and no part of the text.
    profile: "Profile | None" = None
    #: What the agent means to do, and since when; empty where that was never asked.
    plan: str = ""
    plan_time: str = ""
    #: The time, and the agent's own state in words, as a prompt tells them.
    now: str = ""
    #: The columns that the agent was imported with, for rules; prompts hold those that `tell_attributes` names.
    attributes: Mapping[str, Any] = field(default_factory=dict)
    #: Where they are due: for how many steps it is to plan in this turn, and the notes on which it is to reflect.
    plan_ahead: int = 0
    reflects_on: tuple[str, ...] = ()
    #: What the agent is shown in channels, the first of each channel's ranking first.
    posts: tuple[ShownPost, ...] = ()
    #: Tools that the agent may use: each name with how it is called, and what for.
    tools: Mapping[str, str] = field(default_factory=dict)
    #: Neighbours that the agent has and is not shown, because a prompt holds no more.
    unseen: int = 0
    #: Most characters of one neighbour, line, note or piece of news in the text.
    item_length: int = _ITEM
    #: The agent's own name; empty where agents have none.
    name: str = ""
    #: Earlier lines of the conversations with those who speak now, oldest first.
    said_before: tuple[SaidBefore, ...] = ()
    #: The keys of all others in a conversation of more than two, which all of them hear.
    party: tuple[str, ...] = ()

    @cached_property
    def addressees(self) -> tuple[str, ...]:
        """The keys that can be spoken to: every neighbour seen, and the player when there is one."""
        keys = [n.key for n in self.neighbours]
        if self.heard and any(h.key == PLAYER for h in self.heard):
            keys.append(PLAYER)
        return tuple(keys)

    def agent_behind(self, key: str) -> str:
        """Return the agent (or the player) with this `key`. Raises `KeyError` for an unknown key."""
        agents: dict[str, str] = {n.key: n.agent for n in reversed(self.neighbours)}
        return agents[key] if key != PLAYER else PLAYER

    def post_behind(self, key: str) -> ShownPost:
        """Return the post with this `key`. Raises `KeyError` for an unknown key."""
        return {one.key: one for one in reversed(self.posts)}[key]

    def called(self, key: str) -> str:
        """Return how the agent refers to the one with this `key`. Keys change from step to step, but this does not."""
        return next((n.called for n in self.neighbours if n.key == key), A_VISITOR)

    def knows_well(self, key: str) -> bool:
        """Return whether the one with this `key` is kin, a friend, or in a tie of care."""
        return any(n.key == key and n.kind in CLOSE_KINDS for n in self.neighbours)

    @property
    def portrait(self) -> str:
        """The agent itself as in the prompt: its description under its name."""
        return fence("persona", self.persona, **({"name": _as_attribute(self.name)} if self.name else {}))

    @cached_property
    def text(self) -> str:
        """The observation as in the prompt, every part of it fenced as data."""
        most = self.item_length
        parts = [fence("now", self.now)] if self.now else []
        if self.plan:
            parts.append(fence("goal", (f"({self.plan_time}) " if self.plan_time else "") + self.plan))
        if self.neighbours:
            parts.append(fence("neighbours", "\n".join(self._iter_neighbours())))
        if self.news:
            parts.append(_list_section("news", self.news, most))
        if self.memories:
            parts.append(_list_section("memory", self.memories, most))
        if self.tools:
            parts.append(_list_section("tools", list(self.tools.values()), most))
        if self.posts:
            shown = [
                f"{one.key} ({one.channel}, by {_shorten_line(one.author, most)}): "
                f"{quote_line(_shorten_line(one.text, most))}"
                for one in self.posts
            ]
            parts.append(fence("posts", "\n".join(shown)))
        speakers = dict.fromkeys(
            line.key for line in reversed(self.heard)
        )  # who spoke last is answered, and comes last
        parts += map(self._show_conversation, reversed(speakers))
        return "\n\n".join(parts)

    def _iter_neighbours(self) -> Iterator[str]:
        """Yield a line for each neighbour: those who speak, or else the first few, with what is known of them."""
        texts, most = _all_short([one.text for one in self.neighbours], self.item_length), self.item_length
        speaking = {line.key for line in self.heard}
        told = speaking or {one.key for one in self.neighbours[:_TOLD]}
        for (key, _, relation, kind, *_), text in zip(self.neighbours, texts, strict=True):
            # Of those who are silent while others speak, a reply needs the names alone.
            label = f" ({_short_again(relation, most)}, {kind})" if key in told or not speaking else ""
            known = (text if key in speaking else disclosed_at(text, "impression")) or _UNKNOWN
            yield f"{key}{label}{f': {known}' if key in told else ''}"

    def _show_conversation(self, key: str) -> str:
        """Return the conversation with the one who has this key, up to what they have just said."""
        name, own, most = shown_name(key), self.name or _OWN, self.item_length
        lines, time = [], ""
        for one in self.said_before:
            if one.key == key:
                when = f"({one.time}) " if one.time != time else ""
                speaker = own if one.is_own else shown_name(one.speaker) or name
                lines.append(f"{when}{speaker}: {quote_line(_shorten_line(one.text, most))}")
                time = one.time
        lines += [f"{name}: {quote_line(_shorten_line(line.text, most))}" for line in self.heard if line.key == key]
        others = [one for one in self.party if one != key] if key in self.party else []
        return fence("conversation", "\n".join(lines), **{"with": _as_attribute(" and ".join((name, *others)))})

    def cap_tokens(self, tokens: int, *, least: int = 0) -> "Observation":
        """Return the same view within about `tokens`.

        Notes are dropped first, then silent neighbours, posts, lines heard earlier, older ones heard now, and news. At
        least `least` neighbours stay.
        """
        if len(self.text) <= tokens:  # a token has four bytes, and a character no more
            return self
        view, speaking = self, {h.key for h in self.heard}
        places = [place for place, one in enumerate(self.neighbours, start=1) if one.key in speaking]
        silent = len(self.neighbours) - max(places, default=0)
        cuts: tuple[tuple[Callable[[Observation, int], Observation], int], ...] = (
            (lambda v, n: replace(v, memories=v.memories[n:]), len(self.memories)),
            (Observation.drop_neighbours, min(silent, len(self.neighbours) - least)),
            (lambda v, n: replace(v, posts=v.posts[: len(v.posts) - n]), len(self.posts)),
            (lambda v, n: replace(v, said_before=v.said_before[n:]), len(self.said_before)),
            (lambda v, n: replace(v, heard=v.heard[n:]), len(self.heard) - 1),
            (lambda v, n: replace(v, news=v.news[n:]), len(self.news) - 1),
        )
        for cut, most in cuts:
            if most > 0 and estimated_tokens(view.text) > tokens:
                whole = view
                fewest = bisect_left(range(most), True, key=lambda n: estimated_tokens(cut(whole, n).text) <= tokens)
                view = cut(whole, fewest)
        return view

    def drop_neighbours(self, fewer: int) -> "Observation":
        """Return the same view without its last `fewer` neighbours."""
        left = self.neighbours[: len(self.neighbours) - fewer]
        return replace(self, neighbours=left, unseen=self.unseen + fewer) if fewer > 0 else self

    def among_speakers(self) -> "Observation":
        """Return the same view with none there but those who are in conversation with the agent."""
        speaking = {*self.party, *(line.key for line in self.heard)}
        return replace(self, neighbours=tuple(one for one in self.neighbours if one.key in speaking))

    def cut(self, tokens: int) -> "Observation":
        """Return the same view within `tokens`, or with one neighbour (or one line heard) and nothing else.

        After what `cap_tokens` leaves out, items are shortened. Then those who spoke are dropped, then lines, news and
        the plan.
        """
        view = self.cap_tokens(tokens, least=1)
        for most in _SHORTER:
            if estimated_tokens(view.text) > tokens:
                view = replace(view, item_length=min(most, view.item_length))
        while estimated_tokens(view.text) > tokens:
            if len(view.neighbours) > 1:
                key = view.neighbours[-1].key
                heard = tuple(h for h in view.heard if h.key != key)
                view = replace(view.drop_neighbours(1), heard=heard)
            elif view.heard and len(view.heard) + len(view.neighbours) > 1:
                view = replace(view, heard=view.heard[1:])
            elif view.news or view.plan or view.memories:
                view = replace(view, news=view.news[1:], plan=view.plan if view.news else "", memories=())
            else:
                break
        return view


def _as_attribute(text: str) -> str:
    """Return a text as the value of a tag's attribute, which nothing in it can close."""
    return " ".join(text.replace('"', "'").replace("<", "").replace(">", "").split())


def _list_section(section: str, items: Sequence[str], most: int) -> str:
    """Return a section of the text with these items, one per line."""
    return fence(section, "- " + "\n- ".join(_all_short(items, most)))


def _all_short(texts: Sequence[str], most: int) -> Sequence[str]:
    """Shorten each text to one line of at most `most` characters."""
    together = f" {' '.join(texts)} "
    # Most often there is nothing to do, which is seen at once: no other space is printable, and where all words are
    # single spaces apart, so are those of each text.
    if together.isprintable() and "  " not in together and max(map(len, texts)) <= most:
        return texts
    return [_shorten_line(text, most) for text in texts]


def _shorten_line(text: str, most: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1] + "…"


#: Of texts of which there are few, as what neighbours are to each other.
_short_again = lru_cache(1 << 12)(_shorten_line)
