"""Conversations: a person with an assistant, or two people of the run with each other, each turn a call of its own.

Run it as `populace make conversation --hub town.duckdb --n 500 --set turns=4 --solver openai:NAME`, or with
`--set between=personas` for two people.
"""

import random
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.json_schema import SkipJsonSchema

from populace.agents.actions import Action, Check, Novelty
from populace.agents.checks import TEXT_CHECKS, failed, passed
from populace.agents.mind import Draft, Mind, MindState, Rule, check, generate, keep
from populace.agents.observation import Observation, Seen, disclose_to
from populace.agents.procedural.lexicon import read_toml, say, split
from populace.agents.procedural.situation import PresentPerson, Situation, Subjects
from populace.agents.procedural.speech import write_line
from populace.agents.responses import ask_line, ask_response, check_lines
from populace.agents.text_faults import find_said_again
from populace.core.model import Answer, Outcome
from populace.core.prompt import Prompt, fence, read_prompt
from populace.core.text import word_list
from populace.personas.persona import RelationKind
from populace.scenarios.instruction.task import Request, response_to, write_request
from populace.sim.dynamics.world import World
from populace.sim.resident import Resident
from populace.sim.scenario import Settings
from populace.sim.seeds import rng_for
from populace.sim.tasks.task import Task, TaskSettings

if TYPE_CHECKING:
    from langgraph.runtime import Runtime

    from populace.agents.mind import MindContext

_KEY = "The other person"
_TALK = read_toml(Path(__file__).with_name("talk.toml"))
#: What a user says to an answer, and how the assistant takes it up.
_FOLLOWED = {asked: answers for asked, *answers in map(split, _TALK["follow_ups"].strip().splitlines())}
#: Kinds of requests that more than one answer can be given to.
_KINDS = frozenset({"advice", "message", "speech", "debate", "learn", "words", "weekend", "money", "homework"})
_CLOSE = ("kinship", "friendship", "neighbourhood")
#: Words from which on a sentence is not said twice, and draws of a line that is new.
_AGAIN, _TRIES = 7, 6
_MESSAGE = re.compile(r"message-(\d+)")


def write_opening(rng: random.Random, situation: Situation, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The first message of a user. It is in English, whatever language is asked for."""
    return {"text": write_request(rng, situation.persona, kinds=_KINDS)}


def write_reply(rng: random.Random, situation: Situation, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The assistant's next message."""
    messages = _read_messages(situation)
    last = messages[-1] if messages else ""
    if len(messages) < 2:
        return {"text": response_to(rng, last)}
    anything = split(_TALK["anything"])
    answers = _FOLLOWED.get(last, anything)
    return {"text": rng.choice([one for one in answers if one not in messages] or anything)}


def next_line(rng: random.Random, situation: Situation, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The user's next message, or the end of the conversation: sooner or later."""
    messages = _read_messages(situation)
    if rng.random() < 0.1 * (len(messages) - 1):
        return {"done": True, "text": ""}
    new = [asked for asked in _FOLLOWED if asked not in messages]
    return {"done": False, "text": rng.choice(new or ["ok"])}


def first_line(rng: random.Random, situation: Situation, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what one person says to another to begin with: something of their own, and a question."""
    subjects = Subjects(rng, situation.persona)
    kind = next((one.kind for one in situation.neighbours), "")
    questions = split(_TALK["close_questions" if kind in _CLOSE else "questions"])
    said = say(rng, split(_TALK["openings"]), subjects) or ""
    asides = rng.sample(split(_TALK["asides"]), rng.randint(1, 2))
    return {"text": " ".join((said, *asides, say(rng, questions, subjects) or "How are things with you?"))}


def answer_line(rng: random.Random, situation: Situation, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a person says to what the other one said last, or the end of the conversation."""
    messages = _read_messages(situation)
    if rng.random() < 0.08 * (len(messages) - 1):
        return {"done": True, "text": ""}
    there = PresentPerson(_KEY, situation.sections.get("relation", ""), "other", situation.sections.get("other", ""))
    seen = replace(
        situation,
        neighbours=(there,),
        heard=((_KEY, messages[-1] if messages else "How are things with you?"),),
        memory=tuple(messages),  # so that nothing is said twice
    )
    tries = (str(write_line(rng, seen, {"properties": {"to": {"enum": [_KEY]}}})["text"]) for _ in range(_TRIES))
    said = next((text for text in tries if not find_said_again(text, messages, least=_AGAIN)), None)
    return {"done": said is None, "text": said or ""}


def _read_messages(situation: Situation) -> list[str]:
    found = {int(m[1]): text for tag, text in situation.sections.items() if (m := _MESSAGE.fullmatch(tag))}
    return [found[place] for place in sorted(found)]


_FOLDER = Path(__file__).parent
CONVERSATION = read_prompt(_FOLDER / "conversation.v2.toml")
OPENING = read_prompt(_FOLDER / "opening.v2.toml")
ASSISTANT = read_prompt(_FOLDER / "assistant.v2.toml")
USER = read_prompt(_FOLDER / "user.v2.toml")
SPEAKER = read_prompt(_FOLDER / "speaker.v2.toml")

MessageText = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4000)]


class Message(BaseModel):
    """One message in the format of OpenAI."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    role: Literal["user", "assistant"]
    content: str
    #: What the speaker is, where two people talk; empty for the assistant and its user.
    name: str = ""


class Conversation(Action):
    """The first message of a conversation with an assistant, word for word: what this person comes with."""

    name: ClassVar[str] = "conversation"
    prompt: ClassVar[str | Prompt] = CONVERSATION
    novelty: ClassVar[Novelty | None] = "revise"
    checks: ClassVar[tuple[Check, ...]] = Request.checks
    #: Turns of each side at most.
    turns: ClassVar[int] = 3

    kind: Literal["conversation"]
    text: Annotated[MessageText, Field(description="The first message, as this person would type or say it.")]
    #: The whole conversation; it begins with `text`.
    messages: SkipJsonSchema[tuple[Message, ...]] = ()
    #: Why it ended: `done` (nothing was left to say), `turns` (as many as were wanted), or how the request for a
    #: message ended that did not come, as `refusal`.
    ended: SkipJsonSchema[str] = ""
    #: Ids of the personas who speak: the user, or both people.
    personas: SkipJsonSchema[tuple[str, ...]] = ()
    #: What the second person is to the first; empty for the assistant, and for people who do not know each other.
    relation: SkipJsonSchema[str] = ""

    @property
    def emitted_text(self) -> str:
        """The first message, by which conversations are compared."""
        return self.text

    @property
    def payload(self) -> dict[str, Any]:
        """The conversation as JSON; messages have a name only where they have one."""
        payload = super().payload
        payload["messages"] = [
            {k: v for k, v in message.items() if v or k != "name"} for message in payload["messages"]
        ]
        return payload

    @classmethod
    def stand_in(cls, rng: random.Random, situation: Situation, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        """A first message."""
        return write_opening(rng, situation, schema)


class Talk(Conversation):
    """The first thing that this person says to the other one: a line or a few, as people talk."""

    prompt: ClassVar[str | Prompt] = OPENING
    checks: ClassVar[tuple[Check, ...]] = TEXT_CHECKS

    @classmethod
    def stand_in(cls, rng: random.Random, situation: Situation, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        """A first line."""
        return first_line(rng, situation, schema)


class ConversationSettings(TaskSettings):
    """What can be asked of the conversations."""

    turns: int = Field(3, ge=1, le=20, description="Turns of each side, at most; each is a call")
    between: Literal["assistant", "personas"] = Field(
        "assistant", description="Whom the person talks to: an assistant (the teacher), or another person of the run"
    )


class ConversationTask(Task):
    """Conversations of a persona with an assistant, or of two personas."""

    name = "conversation"
    actions: tuple[type[Action], ...] = (Conversation,)
    settings_type: ClassVar[type[Settings]] = ConversationSettings
    settings: ConversationSettings

    def __init__(self, settings: Settings | dict[str, object] | None = None) -> None:
        """Raises `SetupError` for settings that cannot be."""
        super().__init__(settings)
        base = Conversation if self.settings.between == "assistant" else Talk
        self.actions = (base.configured(turns=self.settings.turns),)
        self._others: tuple[Resident, ...] = ()

    def observe(self, resident: Resident, observation: Observation, world: World) -> Observation:
        """Who the other person is, where there is one, as far as this person knows."""
        observation = super().observe(resident, observation, world)
        if self.settings.between == "assistant":
            return observation
        partner = self._draw_partner(resident, world)
        if partner is None:
            return observation
        seen, description = partner
        return replace(observation, neighbours=(seen,), state=description)

    def mind(self) -> Mind | Rule:
        """Generate and check the first message, then have both sides go on."""
        stage = converse_with_assistant if self.settings.between == "assistant" else converse_with_person
        return Mind((generate, check, stage, keep))

    def _draw_partner(self, resident: Resident, world: World) -> tuple[Seen, str] | None:
        """One of those whom this person knows, else anybody, drawn by seed, with the whole description."""
        society = resident.model
        rng = rng_for(society.seed, "partner", world.step, resident.id)
        if ties := society.graph.neighbours(resident.id):
            tie = rng.choice(ties)
            other = society.resident(tie.id)
            known = disclose_to(other.persona.text, tie.kind)
            return Seen(_KEY, other.id, tie.described, tie.kind, known, tie.called), other.persona.text
        others = self._others = self._others or tuple(society.residents)
        if len(others) < 2:
            return None
        other = next(one for one in iter(lambda: rng.choice(others), None) if one.id != resident.id)
        known = disclose_to(other.persona.text, RelationKind.OTHER)
        return Seen(_KEY, other.id, "somebody new", RelationKind.OTHER, known, "somebody"), other.persona.text


async def converse_with_assistant(state: MindState, runtime: "Runtime[MindContext]") -> Mapping[str, Any]:
    """Have the teacher answer, and the person go on until done, to the last answer."""
    action = state["draft"].accepted
    if not isinstance(action, Conversation):
        return {}
    messages, ended = [Message(role="user", content=action.text)], "turns"
    persona = fence("persona", state["observation"].persona)
    for turn in range(action.turns):
        if turn:
            prompt = USER.render(persona=persona, conversation=_fence_messages(messages, "user", "assistant"))
            said = await ask_line(state, runtime, prompt, next_line)
            if not said.value or said.outcome is not Outcome.OK:
                ended = _describe_end(said)
                break
            messages.append(Message(role="user", content=said.value))
        prompt = ASSISTANT.render(conversation=_fence_messages(messages, "user", "assistant"))
        said = await ask_response(state, runtime, prompt, write_reply)
        if not said.value or said.outcome is not Outcome.OK:
            ended = _describe_end(said)
            break
        messages.append(Message(role="assistant", content=said.value))
    personas = {"user": state["observation"].persona}
    draft = _with_lines_checked(state, runtime.context, messages, personas, asked_by=USER)
    return _keep_conversation(draft, messages, ended, (state["observation"].agent,), "")


async def converse_with_person(state: MindState, runtime: "Runtime[MindContext]") -> Mapping[str, Any]:
    """Have two people talk in turn, each knowing of the other what they would, until one of them is done."""
    action, observation = state["draft"].accepted, state["observation"]
    if not isinstance(action, Conversation):
        return {}
    if not observation.neighbours:
        alone = [Message(role="user", content=action.text)]
        return _keep_conversation(state["draft"], alone, "alone", (observation.agent,), "")
    other = observation.neighbours[0]
    mine, theirs = observation.persona, observation.state
    names = _speaker_names(mine, theirs)
    messages, ended = [Message(role="user", content=action.text, name=names[0])], "turns"
    for turn in range(1, 2 * action.turns):
        is_first = turn % 2 == 0
        me, you = (mine, theirs) if is_first else (theirs, mine)
        prompt = SPEAKER.render(
            persona=fence("persona", me),
            other=fence("other", disclose_to(you, other.kind)),
            relation=fence("relation", other.relation if is_first else ""),
            conversation=_fence_messages(messages, *names),
        )
        said = await ask_line(state, runtime, prompt, answer_line)
        if not said.value or said.outcome is not Outcome.OK:
            ended = _describe_end(said)
            break
        messages.append(Message(role="user" if is_first else "assistant", content=said.value, name=names[turn % 2]))
    speakers = {"user": mine, "assistant": theirs}
    draft = _with_lines_checked(state, runtime.context, messages, speakers, asked_by=SPEAKER)
    return _keep_conversation(draft, messages, ended, (observation.agent, other.agent), other.relation)


def _describe_end(said: Answer[str]) -> str:
    return "done" if said.outcome is Outcome.OK else said.outcome.value


def _with_lines_checked(
    state: MindState, context: "MindContext", messages: list[Message], personas: Mapping[str, str], *, asked_by: Prompt
) -> Draft:
    """The draft with checks of the lines behind the first one, each by the persona of its speaker."""
    draft = state["draft"]
    for role, persona in personas.items():
        said = [(f"messages[{at}].content", one.content) for at, one in enumerate(messages) if at and one.role == role]
        draft = check_lines(state, context, draft, said, persona=persona, rules=asked_by.system)
    return draft


def _keep_conversation(
    draft: Draft,
    messages: list[Message],
    ended: str,
    personas: tuple[str, ...],
    relation: str,
) -> Mapping[str, Any]:
    draft = draft.updated(messages=tuple(messages), ended=ended, personas=personas, relation=relation)
    is_whole = ended in ("done", "turns") and len(messages) > 1
    result = passed() if is_whole else failed(f"It broke off after {len(messages)} messages ({ended}).")
    if found := _find_repeated(messages):
        result = failed(f"Somebody says the same again ({found!r}).")
    return {"draft": draft.checked("turns", result)}


def _find_repeated(messages: list[Message]) -> str:
    """Find what one side says a second time, or what both sides say in the same words."""
    for place, message in enumerate(messages):
        before, said = messages[:place], word_list(message.content)
        own = [one.content for one in before if one.role == message.role]
        if found := find_said_again(message.content, own, least=_AGAIN):
            return found
        if said in (word_list(one.content) for one in before):
            return message.content[:60]
    return ""


def _fence_messages(messages: list[Message], first: str, second: str) -> str:
    """The conversation so far, each message in a section of its own, by what its speaker is."""
    names = {"user": first, "assistant": second}
    told = (
        fence(f"message-{place}", one.content, **{"from": names[one.role]})
        for place, one in enumerate(messages, start=1)
    )
    return "\n".join(told)


_HEAD = re.compile(r"[,.;:(]|\b(?:who|whose|with|in|from|at|aged|just|past)\b")


def _speaker_names(first: str, second: str) -> tuple[str, str]:
    """What two people are, as names of speakers; OpenAI takes letters, digits, _ and - alone."""
    found = [_speaker_name(text) for text in (first, second)]
    same = found[0] == found[1]
    return (found[0] or "first_speaker", f"{found[1]}_2" if same and found[1] else found[1] or "second_speaker")


def _speaker_name(description: str) -> str:
    head = _HEAD.split(description, maxsplit=1)[0] if description.isascii() else ""
    words = re.findall(r"[a-z0-9]+", head.lower())
    return "_".join(words[1:] if words[:1] in (["a"], ["an"], ["the"]) else words)[:64]
