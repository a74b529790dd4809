"""The minds that can be named: which stages a turn has (`--mind`)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from ..core.prompt import RenderedPrompt
from .actions import Action
from .mind import Mind, Stage, check, generate, keep
from .observation import Observation
from .react import plan, plan_prompt, reflect, reflect_prompt
from .responses import answer_request
from .turn_prompt import Asides, turn_prompt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .react import ToolFunction

type MindName = Literal["one-call", "think", "react", "rule"]

#: What a turn is, by mind. All but the last plan before and reflect after, where the scenario's settings say so.
MINDS: Mapping[str, str] = {
    "one-call": "One request for an action, and another where a check asks for a revision.",
    "think": "One request for thoughts and an action, and another where a check asks for a revision.",
    "react": "Thoughts and a tool, its result, and so on; then thoughts and an action.",
    "rule": "The scenario's method `rule`; no model is asked.",
}


def named_mind(
    name: MindName = "one-call",
    *,
    plans: bool = False,
    reflects: bool = False,
    answers: bool = False,
    builds: bool = False,
    tools: "Sequence[ToolFunction]" = (),
) -> Mind:
    """Build the mind of this name that asks a model, with those stages that are wanted.

    They plan, reflect, answer requests, and build and use tools.

    `tools` are those of `react`. Raises `SetupError` for an invalid tool, and `ValueError` for `rule`, which has no
    stages.
    """
    if name == "rule":
        raise ValueError("a rule is a plain function, without stages")
    answering = _react(tools) if name == "react" else generate
    before: tuple[Stage, ...] = (plan,) if plans else ()
    after: list[Stage] = [*((answer_request,) if answers else ()), *((reflect,) if reflects else ())]
    if builds:
        from .tools import build_tool, use_tool  # loads the sandbox

        after = [build_tool, use_tool, *after]
    stages = (*before, answering, check, *after, keep)
    return Mind(stages, is_direct=name != "react" and not (plans or reflects))


def first_prompts(
    name: MindName,
    observation: Observation,
    offered: tuple[type[Action], ...],
    *,
    world: str,
    plans: bool = False,
    reflects: bool = False,
    tools: "Sequence[ToolFunction]" = (),
    tool_calls: int = 1,
    asks: Asides,
) -> Mapping[str, RenderedPrompt]:
    """Return the first prompts that a turn of this mind asks of an observation.

    They are keyed by purpose: the turn itself, plan, reflection.
    """
    if name == "react":
        from .react import react_prompt  # loads LangGraph
        from .react import tool_calls as calls_of

        calls = calls_of(tuple(tools))
        turn = react_prompt(observation, offered, calls, world=world, seed=0, count=tool_calls, asks=asks)
    else:
        turn = turn_prompt(observation, offered, world=world, seed=0, asks=asks)
    found = {"turns": turn}
    if plans:
        found["plans"] = plan_prompt(observation, world=world)
    if reflects:
        found["reflections"] = reflect_prompt(observation, world=world)
    return found


def _react(tools: "Sequence[ToolFunction]") -> Stage:
    from .react import react_with  # loads LangGraph

    return react_with(tuple(tools))
