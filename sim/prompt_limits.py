"""Whether the prompts that a run will use fit its setting `prompt_tokens`: checked before the first call."""

from collections.abc import Iterator, Sequence
from typing import Any

from ..agents.mind import Mind
from ..agents.named_mind import MindName, first_prompts
from ..agents.observation import Observation, Seen
from ..agents.turn_prompt import prompt_size
from ..core.errors import SetupError
from .scenario import Scenario
from .scenario_checks import declared_surveys
from .settling import mind_of, tools_of
from .survey.phase import least_size
from .survey.survey import Survey

#: Tokens that a prompt needs beside all that cannot be cut, to say anything of an agent.
_ROOM = 100


def check_prompts(scenario: Scenario, mind: MindName | None) -> None:
    """Raise `SetupError` if a prompt is too long even without an agent's persona and observation.

    Checks the prompts of turns, plans, reflections and surveys, as this mind and the settings ask them. For a
    scenario's own mind only the prompts of turns are known. A rule has no prompts. The results of tools are not
    counted.
    """
    most = scenario.settings.prompt_tokens
    if not most:
        return
    sizes = dict(_sizes(scenario, mind))
    what = max(sizes, key=lambda one: sizes[one], default="")
    if what and most < (least := _ROOM + sizes[what]):
        raise SetupError(
            f"Setting 'prompt_tokens' of {scenario.noun} {scenario.name!r} is {most}, and what cannot be cut of the "
            f"prompt of {what} leaves room for an agent only from {least}; give that or more."
        )


def check_survey_prompts(surveys: Sequence[Survey], *, world: str, prompt_tokens: int) -> None:
    """Raise `SetupError` if a survey of a finished run has a longer prompt than that run allows."""
    for survey in surveys if prompt_tokens else ():
        if prompt_tokens < (least := survey_room(survey, world=world)):
            way = "shorten its items" if survey.one_by_one else "ask each item in a request of its own, one_by_one=True"
            raise SetupError(
                f"The run was made with prompt_tokens={prompt_tokens}, and the prompt of the survey {survey.name!r} "
                f"leaves room for an agent only from {least}; {way}."
            )


def survey_room(survey: Survey, *, world: str) -> int:
    """Return the least `prompt_tokens` with which a survey's prompts have room for an agent."""
    return _ROOM + least_size(survey, world=world)


def _sizes(scenario: Scenario, name: MindName | None) -> Iterator[tuple[str, int]]:
    """Yield each prompt's subject with the tokens of what cannot be cut from it."""
    if not isinstance(mind_of(scenario, name), Mind):
        return
    settings = scenario.settings
    is_own = type(scenario).mind is not Scenario.mind
    asked: dict[str, Any] = {
        "world": scenario.world,
        "plans": settings.plan_every > 0 and not is_own,
        "reflects": settings.reflect_at > 0 and not is_own,
        "tools": tools_of(scenario, name),
        "tool_calls": settings.tool_calls,
        "asks": scenario.asides(name),
    }
    somebody = Observation(
        "",
        "",
        "",
        neighbours=(Seen("n1", "", "friend", "friendship", ""),) if scenario.observes else (),
        plan_ahead=settings.plan_every,
    )
    actions = tuple(scenario.actions)
    is_all = type(scenario).offer is Scenario.offer
    for offered in [actions] if is_all and actions else [(one,) for one in actions]:
        for what, prompt in first_prompts(name or "one-call", somebody, offered, **asked).items():
            told = f"{what} (mind {name})" if what == "turns" and name is not None else what
            yield told, prompt_size(prompt)
    for survey in declared_surveys(scenario):
        yield f"the survey {survey.name!r}", least_size(survey, world=scenario.world)
