"""What the people of a hub would ask an assistant, as they would type it, with the assistant's response.

Run it as `populace make instruction --hub town.duckdb --n 1000 --solver openai:NAME`, or with `--set response=off` for
the requests alone.
"""

import random
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, StringConstraints
from pydantic.json_schema import SkipJsonSchema

from populace.agents.actions import Action, Check, Novelty
from populace.agents.checks import BASIC_CHECKS, NoDegeneration, OwnVoice, failed, passed
from populace.agents.mind import Mind, MindState, Rule, check, generate, keep
from populace.agents.procedural.lexicon import (
    SlotValues,
    capitalise_sentences,
    fill_frame,
    frame_parts,
    read_toml,
    split,
)
from populace.agents.procedural.situation import Situation, Subjects
from populace.agents.responses import ask_response
from populace.agents.text_forms import whole_text
from populace.core.model import Outcome, TextForm
from populace.core.prompt import Prompt, fence, load_prompt, read_prompt
from populace.sim.scenario import Settings
from populace.sim.tasks.task import Task, TaskSettings

if TYPE_CHECKING:
    from langgraph.runtime import Runtime

    from populace.agents.mind import MindContext

_RANGE = re.compile(r"(\d+)\.\.(\d+)(?: by (\d+))?")
_BEGINNING = re.compile(r"(?:^|[.?!] )\Z")
_TRIES = 20
#: The share of requests of people's own kinds, of long ones, and of those with a detail or an afterthought.
_OWN_SHARE, _LONG_SHARE, _DETAIL_SHARE, _TAIL_SHARE = 0.15, 0.2, 0.6, 0.5


@dataclass(frozen=True, slots=True)
class Ask:
    """One way to ask for something, and how it is recognised in a text."""

    kind: str
    who: str
    frame: str
    #: The longest words between slots, in small letters and without apostrophes: a text without them is none of these.
    sign: str
    #: A pattern with a group for each slot.
    pattern: re.Pattern[str]


def _read_table(name: str) -> Mapping[str, Any]:
    return read_toml(Path(__file__).with_name(f"{name}.toml"))


def _read_frames(of: str, name: str) -> Sequence[str]:
    return split(_read_table("requests")[of][name])


@cache
def _read_asks() -> tuple[Ask, ...]:
    """All asks, those of most words first."""
    kinds = {name: entry for name, entry in _read_table("requests").items() if "asks" in entry}
    asks = [
        _make_ask(name, entry["who"], frame) for name, entry in kinds.items() for frame in _read_frames(name, "asks")
    ]
    return tuple(sorted(asks, key=lambda ask: -len("".join(frame_parts(ask.frame)[::2]))))


def _make_ask(kind: str, who: str, frame: str) -> Ask:
    pattern, seen = "", set()
    for place, part in enumerate(frame_parts(frame)):
        name = part.lower()
        if place % 2 == 0:
            pattern += re.escape(part).replace("'", "'?")
        else:
            pattern += f"(?P={name})" if name in seen else rf'(?P<{name}>[^\n.?!"]+)'
            seen.add(name)
    sign = max(map(_plain_text, frame_parts(frame)[::2]), key=len)
    return Ask(kind, who, frame, sign.rstrip("."), re.compile(pattern.removesuffix(r"\."), re.IGNORECASE))


@cache
def _asked_by(who: tuple[str, ...], kinds: frozenset[str] | None) -> tuple[Ask, ...]:
    return tuple(ask for ask in _read_asks() if ask.who in who and (kinds is None or ask.kind in kinds))


def _plain_text(text: str) -> str:
    return text.lower().replace("'", "")


class Details(SlotValues):
    """The slots of requests and answers; a digit behind a name asks for a further value of the same."""

    def __init__(self, subjects: Subjects, known: Mapping[str, str] | None = None) -> None:
        """What is `known` is not drawn."""
        super().__init__(self._further_value)
        self._subjects = subjects
        self.values.update(known or {})

    def _further_value(self, slot: str) -> str | None:
        for _ in range(_TRIES):
            value = self._draw_value(slot.rstrip("0123456789"))
            if value not in self.values.values():
                return value
        return None

    def _draw_value(self, name: str) -> str | None:
        own = f"child_{name}" if self._subjects.me.stage == "child" else name
        pools = _read_table("details")
        pool = split(pools.get(own) or pools.get(name, ""))
        value = fill_frame(self._subjects.rng.choice(pool), self) if pool else self._subjects.draw(name)
        if bounds := _RANGE.fullmatch(value or ""):
            low, high, step = (int(number or 1) for number in bounds.groups())
            return str(self._subjects.rng.randrange(low, high + 1, step))
        return value


def write_request(
    rng: random.Random, persona: str, *, length: str = "mixed", kinds: Collection[str] | None = None
) -> str:
    """Return a request that somebody like this could send; `length` is short, long or mixed."""
    subjects = Subjects(rng, persona)
    details = Details(subjects)
    wanted = None if kinds is None else frozenset(kinds)
    is_child = subjects.me.stage == "child"
    own = "child" if is_child else "working" if subjects.me.is_working else "grown"
    everything = ("child", "anybody") if is_child else (own, "grown", "anybody")
    among = _asked_by((own,) if rng.random() < _OWN_SHARE else everything, wanted) or _asked_by(everything, wanted)
    ask, text = among[0], None
    for _ in range(_TRIES):
        ask = rng.choice(among)
        text = fill_frame(ask.frame, details)
        if text is not None:
            break
        details.forget_slots()
    if text is None:
        return "can you help me with something"
    further = _read_frames(ask.kind, "details")
    if length == "long" or (length == "mixed" and rng.random() < _LONG_SHARE):
        child = "child_" if is_child else ""
        lead = rng.choice(_read_frames("tails", f"{child}leads"))
        ends = rng.sample(_read_frames("tails", f"{child}ends"), rng.randint(2, 3))
        told = (*rng.sample(further, rng.randint(1, 2)), *ends)
        return capitalise_sentences(
            " ".join((*_fill_frames((lead,), details), *map(_end_sentence, (text, *_fill_frames(told, details)))))
        )
    after = [rng.choice(further)] if rng.random() < _DETAIL_SHARE else []
    if rng.random() < _TAIL_SHARE:
        after.append(rng.choice(_read_frames("tails", "child" if is_child else "short")))
    *before, last = (text, *_fill_frames(after, details))
    return _type_text(rng, " ".join((*map(_end_sentence, before), last)))


def _fill_frames(told: Iterable[str], details: Details) -> list[str]:
    """The sentences of which every slot has a value."""
    return [text for frame in told if (text := fill_frame(frame, details)) is not None]


def _end_sentence(text: str) -> str:
    return text if text.endswith((".", "?", "!", '"')) else f"{text}."


def _type_text(rng: random.Random, text: str) -> str:
    """The text as it is typed: with capitals or without, with apostrophes or without."""
    if rng.random() < 0.35:
        return capitalise_sentences(text)
    return text.replace("'", "") if text.islower() and rng.random() < 0.5 else text


def instruction(
    rng: random.Random, situation: Situation, schema: Mapping[str, Any], *, length: str = "mixed"
) -> Mapping[str, Any]:
    """Return the field of a request. It is in English, whatever language is asked for."""
    return {"text": write_request(rng, situation.persona, length=length)}


def respond(rng: random.Random, situation: Situation, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a response to what stands in the section `request`."""
    return {"text": response_to(rng, situation.sections.get("request", ""), situation.persona)}


def response_to(rng: random.Random, request: str, persona: str = "") -> str:
    """Return a response to a request: by its kind where the built-in generator wrote it, else one that fits any."""
    plain = _plain_text(request)
    for ask in _read_asks():
        if ask.sign in plain and (found := ask.pattern.search(request)):
            answer = fill_frame(
                rng.choice(_read_frames(ask.kind, "answers")), Details(Subjects(rng, persona), _read_slots(found))
            )
            if answer is not None:
                return capitalise_sentences(answer)
    return capitalise_sentences(rng.choice(_read_frames("any", "answers")))


def _read_slots(found: re.Match[str]) -> dict[str, str]:
    """What the slots of a request hold, without the capital letter that begins a sentence."""
    begins = (slot for slot in found.groupdict() if _BEGINNING.search(found.string, 0, found.start(slot)))
    return found.groupdict() | {slot: found[slot][:1].lower() + found[slot][1:] for slot in begins}


_FOLDER = Path(__file__).parent
PROMPT = read_prompt(_FOLDER / "instruction.v3.toml")
RESPOND = load_prompt("populace.agents", "respond")

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=2, max_length=4000)]


class Request(Action):
    """What this person would type or say to an assistant now, word for word and nothing around it."""

    name: ClassVar[str] = "instruction"
    prompt: ClassVar[str | Prompt] = PROMPT
    text_form: ClassVar[TextForm | None] = whole_text("text", {"kind": "instruction"})
    novelty: ClassVar[Novelty | None] = "revise"
    checks: ClassVar[tuple[Check, ...]] = (*BASIC_CHECKS, NoDegeneration(fewest=2), OwnVoice(requests=True))
    #: How `procedural` is to write it, as the task's settings say.
    length: ClassVar[str] = "mixed"

    kind: Literal["instruction"]
    text: Annotated[Text, Field(description="The request itself, as this person would type or say it.")]
    #: The teacher's response; empty where none was asked for, or none came.
    response: SkipJsonSchema[str] = ""
    #: How asking for the response ended: `ok`, `refusal`, `length`, `empty`, ...; empty where none was asked for.
    response_outcome: SkipJsonSchema[str] = ""

    @property
    def emitted_text(self) -> str:
        """The request."""
        return self.text

    @classmethod
    def stand_in(cls, rng: random.Random, situation: Situation, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        """A request of one of a few kinds."""
        length = PROMPT.word_in("length", situation.plain) or cls.length
        return instruction(rng, situation, schema, length=length)

    @staticmethod
    def stand_in_response(rng: random.Random, situation: Situation, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        """A response to a request of one of these kinds."""
        return respond(rng, situation, schema)


class InstructionSettings(TaskSettings):
    """What can be asked of the requests, and of the responses."""

    length: Literal["mixed", "words", "short", "medium", "long"] = Field(
        "mixed", description="How long the requests are"
    )
    response: Literal["on", "off"] = Field("on", description="Whether the teacher responds to each request")
    persona_in: Literal["none", "system"] = Field(
        "none", description="Where the teacher is told who asks; export with --persona system to train on that too"
    )


class InstructionTask(Task):
    """Requests to an assistant, with responses."""

    name = "instruction"
    actions: tuple[type[Action], ...] = (Request,)
    settings_type: ClassVar[type[Settings]] = InstructionSettings
    settings: InstructionSettings

    def __init__(self, settings: Settings | dict[str, object] | None = None) -> None:
        """Raises `SetupError` for settings that cannot be."""
        super().__init__(settings)
        if self.settings.length != "mixed":
            self.actions = tuple(action.configured(length=self.settings.length) for action in self.actions)

    def mind(self) -> Mind | Rule:
        """Generate and check the request, then have the teacher respond."""
        if self.settings.response == "off":
            return Mind(is_direct=True)
        return Mind((generate, check, self.respond, keep))

    async def respond(self, state: MindState, runtime: "Runtime[MindContext]") -> Mapping[str, Any]:
        """Have the teacher respond to a request that passed its checks, knowing who asks where the settings say so."""
        draft, persona = state["draft"], state["observation"].persona
        action = draft.accepted
        if not isinstance(action, Request):
            return {}
        told = fence("persona", persona if self.settings.persona_in == "system" else "")
        prompt = RESPOND.render(persona=told, request=fence("request", action.text))
        response = await ask_response(state, runtime, prompt, respond)
        draft = draft.updated(response=response.value or "", response_outcome=response.outcome.value)
        is_usable = response.outcome is Outcome.OK
        result = passed() if is_usable else failed(f"There is no response to learn from ({response.outcome}).")
        return {"draft": draft.checked("response", result)}
