"""The request of a turn: its prompt, made of what an agent observes within a number of tokens, and its answer."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from string import Template
from typing import Annotated, Any

from pydantic import AfterValidator, Field, StringConstraints, create_model

from ..core.model import Answer, AnswerSchema, FrozenModel, Outcome, strict_schema
from ..core.prompt import Prompt, RenderedPrompt, fence, language_name, load_prompt
from ..core.text import estimated_tokens
from .action_schema import answer_schema, described_actions, novelty_of, possible_actions, prompt_of
from .actions import Action
from .observation import Observation, shown_name

_ROOM = __package__ or "populace.agents"
#: What stands where a description was cut.
_CUT = "…"


@dataclass(frozen=True, slots=True)
class Asides:
    """What a turn asks for beside the action."""

    #: What the agent thinks, before it acts.
    thoughts: bool = False
    #: How much the turn matters to the agent, with its thoughts.
    importance: bool = False
    #: What the agent means to do next.
    goal: bool = False


#: Nothing but the action is asked for.
ACTION_ALONE = Asides()


@dataclass(frozen=True, slots=True)
class TurnAnswer:
    """What an agent does in a turn, and what was asked for beside it."""

    action: Action
    thoughts: str = ""
    #: From 1 to 10; None where it was not asked.
    importance: int | None = None
    #: Empty where the goal is still the same, too.
    intends: str = ""


#: What weak models write where they mean nothing.
_NO_GOAL = re.compile(
    r"\W*(?:none|null|empty|no|n/a|nothing(?: new| else)?|no (?:new )?(?:errands?|promises?)\b.*)\W*", re.I
)


def _drop_empty_goal(text: str) -> str:
    return "" if _NO_GOAL.fullmatch(text) else text


#: The fields of an answer beside its action: the goal stands behind it, the others before it.
_BESIDE = {
    "thoughts": Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1_200)],
    "importance": Annotated[int, Field(strict=True, ge=1, le=10)],
    "intends": Annotated[
        str, StringConstraints(strip_whitespace=True, max_length=200), AfterValidator(_drop_empty_goal)
    ],
}


@lru_cache(maxsize=8)
def _asked_beside(asks: Asides) -> tuple[type[FrozenModel], dict[str, Any]]:
    """Return the model of what is asked for beside the action, and its JSON Schema by field."""
    wanted = zip(_BESIDE, (asks.thoughts, asks.thoughts and asks.importance, asks.goal), strict=True)
    fields: Any = {name: (_BESIDE[name], ...) for name, is_asked in wanted if is_asked}
    model = create_model("Beside", __base__=FrozenModel, **fields)
    return model, strict_schema(model.model_json_schema())["properties"]


def turn_schema(
    offered: tuple[type[Action], ...], addressees: tuple[str, ...], asks: Asides
) -> AnswerSchema[TurnAnswer]:
    """Return the schema of a turn's answer: one of the `offered` actions, between what is asked for beside it.

    Raises `ValueError` if no action is possible.
    """
    bare = answer_schema(offered, addressees)
    if asks == ACTION_ALONE:
        return bare.then(TurnAnswer)
    is_single = len(possible_actions(offered, addressees)) == 1
    schema, names = _with_asides(offered, asks, is_alone=not addressees), _asked_beside(asks)[1]

    def validate_turn(answer: object) -> TurnAnswer:
        if not isinstance(answer, dict) or "action" not in answer:
            raise ValueError(f"the answer must be an object with the keys {', '.join(('action', *names))}")
        told = _asked_beside(asks)[0].model_validate({key: value for key, value in answer.items() if key != "action"})
        action = bare.validate(answer["action"] if is_single else {"action": answer["action"]})
        return TurnAnswer(action, **told.model_dump())

    return AnswerSchema("Turn", schema, validate_turn, bare.generators)


@lru_cache(maxsize=256)
def _with_asides(offered: tuple[type[Action], ...], asks: Asides, *, is_alone: bool) -> dict[str, Any]:
    """Return the JSON Schema of a turn that asks for more than the action, the same whoever is there."""
    there = () if is_alone else ("somebody",)
    bare, beside = answer_schema(offered, there).json_schema, _asked_beside(asks)[1]
    alone = {name: part for name, part in bare.items() if name != "$defs"}
    is_single = len(possible_actions(offered, there)) == 1
    first = {name: part for name, part in beside.items() if name != "intends"}
    action = {"anyOf": [alone]} if is_single else bare["properties"]["action"]
    properties = {**first, "action": action, **beside}
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
        "$defs": bare.get("$defs", {}),
    }


def action_of(schema: AnswerSchema[TurnAnswer]) -> AnswerSchema[Action]:
    """Return the same schema for a revision, which takes only the action from the answer."""
    return schema.then(lambda turn: turn.action)


def turn_prompt(
    observation: Observation,
    offered: tuple[type[Action], ...],
    *,
    world: str,
    seed: int | None,
    asks: Asides = Asides(),
) -> RenderedPrompt:
    """Build the request of a turn by the prompt of the possible actions.

    `seed` draws its angle, and None draws none.
    """
    possible = possible_actions(offered, observation.addressees)
    template = prompt_of(possible)
    # Replies, and choices that are counted, are not steered.
    is_free = not observation.heard and all(novelty_of(action) != "none" for action in possible)
    language = named_language(template, observation.language)
    turn = template.render(
        world=fence("world", world),
        persona=observation.portrait,
        observation=observation.text,
        choice=phrase_of(template, "choice", "one" if len(possible) == 1 else "several"),
        actions=described_actions(possible),
        task=fence("task", observation.task),
        next=_next_of(template, observation, language, is_choice=len(possible) > 1),
        angle=drawn_angle(template, seed) if is_free else "",
        language=language,
        examples=observation.examples,
        goal=phrase_of(template, "goal", "asked" if asks.goal else "unasked"),
    )
    if not asks.thoughts:
        return turn
    more = load_prompt(_ROOM, "think")
    return follow_turn(
        turn, more.render(importance=phrase_of(more, "importance", "asked" if asks.importance else "unasked"))
    )


def follow_turn(turn: RenderedPrompt, more: RenderedPrompt) -> RenderedPrompt:
    """Append the prompt `more` to that of a turn. The result has the name and version of `more`."""
    *before, (role, text) = turn.messages
    last = (role, f"{text}\n\n{more.messages[-1][1]}")
    return replace(turn, name=more.name, version=more.version, messages=(*before, last))


def phrase_of(template: Prompt, slot: str, word: str, **slots: str) -> str:
    """Return the ready phrase of a prompt with its own slots filled, or "" if the prompt has no such phrases."""
    return Template(template.choices[slot][word]).substitute(slots) if slot in template.choices else ""


def drawn_angle(template: Prompt, seed: int | None) -> str:
    """Draw a phrase of each table by seed, so that requests do not lead all agents to the same subject.

    A prompt that names no tables has at most one, its angles.
    """
    if template.draws and seed is not None:
        return " ".join(template.choices[table][word] for table, word in template.drawn_words(seed).items())
    angles = tuple(template.choices.get("angle", {}).values())
    return angles[seed % len(angles)] if angles and seed is not None else ""


def _next_of(template: Prompt, observation: Observation, language: str, *, is_choice: bool) -> str:
    """Return the prompt's phrase for whose turn it is, and whom they answer."""
    if not observation.name:
        return phrase_of(template, "next", "unnamed", language=language)
    speaker = shown_name(observation.heard[-1].key) if observation.heard else ""
    word = "act" if not speaker else "choose" if is_choice else "answer"
    return phrase_of(template, "next", word, name=observation.name, speaker=speaker, language=language)


def named_language(template: Prompt, tag: str) -> str:
    """Return the prompt's phrase for the language in which the agent speaks."""
    known = tag and tag != "und"
    return phrase_of(template, "language", "named" if known else "unknown", name=language_name(tag) if known else "")


def prompt_size(prompt: RenderedPrompt) -> int:
    """Estimate the tokens of all messages of a prompt."""
    return sum(estimated_tokens(text) for _, text in prompt.messages)


def refused_length(prompt: RenderedPrompt, most: int) -> Answer[Any] | None:
    """Return the failure that replaces an answer if a prompt has more than `most` tokens, or None if it may be asked.

    0 sets no limit.
    """
    if not most or (size := prompt_size(prompt)) <= most:
        return None
    return Answer(
        Outcome.LENGTH, None, f"The prompt has {size:,} tokens, of which {most:,} are allowed (prompt_tokens).", 0
    )


def fitted(observation: Observation, render: Callable[[Observation], RenderedPrompt], tokens: int) -> Observation:
    """Cut the observation until the whole prompt that `render` makes of it has at most `tokens` tokens. 0 cuts nothing.

    What the agent perceives is cut first (`Observation.cut`), then the end of the persona's description. What cannot
    be cut (world, rules, actions, task) may leave the prompt too long: `prompt_size` tells.
    """
    view = observation
    while tokens and (over := prompt_size(render(view)) - tokens) > 0:
        shorter = view.cut(max(0, estimated_tokens(view.text) - over))
        if shorter.text == view.text:
            persona = cut_text(view.persona, over)
            if not persona:
                break
            shorter = replace(view, persona=persona)
        view = shorter
    return view


def cut_text(text: str, over: int) -> str:
    """Cut about `over` tokens from the end of the text and mark the cut. Return "" if nothing would be left."""
    left = len(text.encode()) - 4 * over - len(_CUT.encode())
    return "" if left <= 0 else text.encode()[:left].decode(errors="ignore") + _CUT
