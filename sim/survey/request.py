"""The request to one respondent: who it is and what it knows, the items in words, and the form of the answers."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from ...agents.gateway.request import judge
from ...agents.procedural.survey import DONT_KNOW
from ...agents.turn_prompt import cut_text, named_language, prompt_size
from ...personas.model import AnswerSchema, RequestContext
from ...personas.prompt import Prompt, RenderedPrompt, fence, load_prompt
from ..observe import described
from ..resident import Resident
from ..state import SocietyState
from .declared import PURPOSE, Survey
from .items import Item, Shown

_ROOM = f"{(__package__ or '').rpartition('.sim')[0]}.agents"


@dataclass(frozen=True, slots=True)
class Respondent:
    """One agent to ask once, as plain data."""

    agent: str
    persona: str
    language: str
    news: tuple[str, ...]
    memories: tuple[str, ...]
    #: By item, the options in the order in which they are shown.
    orders: tuple[Shown, ...]
    context: RequestContext


def respondent_of(state: SocietyState, survey: Survey, resident: Resident, replicate: int, *, job: int) -> Respondent:
    """Return an agent as it is asked after the society's latest step, with what it then knows and remembers."""
    step, agent, settings = state.world.step, resident.id, state.scenario.settings
    seed = survey.sampling_seed(seed=state.seed, step=step, agent=agent)
    context = RequestContext(survey.phase, step, agent, seed, job=job)
    return Respondent(
        agent=agent,
        persona=described(state, resident),
        language=resident.persona.language,
        news=state.world.told_to(agent),
        memories=resident.memory.recall(survey.cue, settings.recalled),
        orders=survey.orders(seed=state.seed, step=step, agent=agent, replicate=replicate),
        context=context.varied(replicate=replicate),
    )


def survey_prompt() -> Prompt:
    """Return the prompt for surveys."""
    return load_prompt(_ROOM, PURPOSE)


def survey_request(
    survey: Survey,
    items: tuple[Item, ...],
    orders: tuple[Shown, ...],
    respondent: Respondent,
    *,
    world: str,
    prompt_tokens: int = 0,
) -> tuple[RenderedPrompt, AnswerSchema[Mapping[str, Any]]]:
    """Return the prompt and the answer schema for these items.

    If the prompt exceeds `prompt_tokens`, the oldest notes are cut first, then the oldest news, then the end of the
    persona's description. 0 is no limit.
    """
    prompt = _rendered(survey, items, orders, respondent, world)
    while prompt_tokens and (over := prompt_size(prompt) - prompt_tokens) > 0:
        if respondent.memories:
            respondent = replace(respondent, memories=respondent.memories[1:])
        elif respondent.news:
            respondent = replace(respondent, news=respondent.news[1:])
        elif persona := cut_text(respondent.persona, over):
            respondent = replace(respondent, persona=persona)
        else:
            break
        prompt = _rendered(survey, items, orders, respondent, world)
    return prompt, survey_schema(items)


def least_size(survey: Survey, *, world: str) -> int:
    """Return the tokens of a survey's longest prompt that cannot be cut: world, rules and items.

    No agent is counted.
    """
    items, orders = tuple(survey.items), survey.orders(seed=0, step=0, agent="", replicate=0)
    nobody = Respondent("", "", "", (), (), orders, RequestContext(survey.phase, 0, "", 0))
    parts = [slice(n, n + 1) for n in range(len(items))] if survey.one_by_one else [slice(None)]
    return max(prompt_size(_rendered(survey, items[part], orders[part], nobody, world)) for part in parts)


def _rendered(
    survey: Survey, items: Sequence[Item], orders: Sequence[Shown], respondent: Respondent, world: str
) -> RenderedPrompt:
    template = survey_prompt()
    asked = "\n\n".join(filter(None, (survey.intro, fence("questions", questions_text(items, orders)))))
    return template.render(
        world=fence("world", world),
        persona=fence("persona", respondent.persona),
        news=fence("news", "\n".join(f"- {' '.join(one.split())}" for one in respondent.news)),
        memory=fence("memory", "\n".join(f"- {' '.join(one.split())}" for one in respondent.memories)),
        # What is the same in the next request comes first: the questions, or, one by one, the respondent.
        questions="" if survey.one_by_one else asked,
        question=asked if survey.one_by_one else "",
        language=named_language(template, respondent.language),
    )


def questions_text(items: Sequence[Item], orders: Sequence[Shown]) -> str:
    """Return the items as a respondent sees them."""
    parts = []
    for item, shown in zip(items, orders, strict=True):
        unsure = f'\nWho does not know answers "{DONT_KNOW}".' if item.dont_know else ""
        parts.append(f"{item.name}: {item.text.strip()}\n{item.described(shown)}{unsure}")
    return "\n\n".join(parts)


@lru_cache(maxsize=4096)
def survey_schema(items: tuple[Item, ...]) -> AnswerSchema[Mapping[str, Any]]:
    """Return the form of the answers to these items: an object with a value, or `DONT_KNOW`, under the name of each.

    It is the same for all respondents, in whatever order they are shown the options, so that it can be cached.
    """
    properties = {item.name: _with_unsure(item) for item in items}
    schema = {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }

    def read(answer: object) -> Mapping[str, Any]:
        if not isinstance(answer, Mapping) or answer.keys() != properties.keys():
            raise ValueError(f"give an object with the keys {', '.join(properties)} and no others")
        values, complaints = {}, []
        for item in items:
            try:
                values[item.name] = item.read(answer[item.name])
            except ValueError as error:
                complaints.append(f"{item.name}: {error}")
        if complaints:
            raise ValueError("\n".join(complaints))
        return values

    return AnswerSchema("survey", schema, read)


def partial_answers(items: Sequence[Item], raw: str) -> Mapping[str, Any]:
    """Return the valid item values from an answer that does not fit as a whole."""

    def read(answer: object) -> Mapping[str, Any]:
        values: dict[str, Any] = {}
        given: Mapping[str, Any] = answer if isinstance(answer, Mapping) else {}
        for item in items:
            with suppress(KeyError, ValueError):
                values[item.name] = item.read(given[item.name])
        return values

    return judge(raw, AnswerSchema("survey", {}, read)).value or {}


def _with_unsure(item: Item) -> dict[str, Any]:
    own = item.schema()
    if not item.dont_know:
        return own
    if own["type"] == "string":
        return own | {"enum": [*own["enum"], DONT_KNOW]} if "enum" in own else own
    return {"anyOf": [own, {"type": "string", "enum": [DONT_KNOW]}]}
