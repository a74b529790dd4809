"""Which mind the agents of a scenario have: its own, the one that is named, or the default one."""

from typing import TYPE_CHECKING, get_args

from ..agents.mind import Mind, Rule
from ..agents.named_mind import MindName, named_mind
from ..personas.errors import SetupError, hook, parameter
from .config import RunConfig
from .dynamics.archetypes import check_archetypes
from .scenario import Scenario

if TYPE_CHECKING:
    from ..agents.react import ToolFunction


def mind_of(scenario: Scenario, name: MindName | None = None) -> Mind | Rule | None:
    """Return the mind of this name, or the scenario's own.

    None stands for the default mind, whose graph need not be made. Raises `SetupError` if the scenario has no mind for
    the name. Raises `HookError` if a method of it fails, or returns neither a compiled graph nor a function.
    """
    has_own = type(scenario).mind is not Scenario.mind
    if not scenario.actions and has_rule(scenario) and not has_own:
        name = name or "rule"
    if name is None or (name == "rule" and has_own and not has_rule(scenario)):
        own = _own_mind(scenario) if has_own else None
        if name == "rule" and hasattr(own, "ainvoke"):
            raise _no_rule(scenario)
        if own is not None:
            return own
    if name == "rule":
        if not has_rule(scenario):
            raise _no_rule(scenario)
        return scenario.rule
    if has_own:
        raise SetupError(
            f"The scenario {scenario.name!r} has a mind of its own, in the place of which {parameter('mind', name)} "
            f"cannot be put; leave it out."
        )
    plans, reflects = scenario.settings.plan_every > 0, scenario.settings.reflect_at > 0
    if name in (None, "one-call") and not (plans or reflects):
        return None
    return named_mind(name or "one-call", plans=plans, reflects=reflects, tools=tools_of(scenario, name))


def checked_mind(scenario: Scenario, config: RunConfig) -> Mind | Rule | None:
    """Return the mind of a run, as `mind_of` does. Raises `SetupError` for invalid archetypes, too."""
    if config.archetypes is not None:
        check_archetypes(config.archetypes, scenario)
    return mind_of(scenario, config.mind)


def has_rule(scenario: Scenario) -> bool:
    """Return whether the scenario says how agents decide without a model."""
    return type(scenario).rule is not Scenario.rule


def _own_mind(scenario: Scenario) -> Mind | Rule:
    with hook(scenario, "mind"):
        mind: object = scenario.mind()
        if not callable(getattr(mind, "ainvoke", mind)):
            raise TypeError(f"it must give a compiled graph, as build_mind() does, and gave {mind!r:.80}")
    return mind  # type: ignore[return-value]  # whatever can be invoked is one


def tools_of(scenario: Scenario, name: MindName | None) -> "tuple[ToolFunction, ...]":
    """Return the tools of the mind `react`. Other minds have none."""
    if name != "react":
        return ()
    with hook(scenario, "tools"):
        tools = tuple(scenario.tools())
        for one in tools:
            given: object = one
            if not callable(given):
                raise TypeError(f"it must give functions, and gave {given!r:.80}")
    if not tools:
        raise SetupError(
            f"The scenario {scenario.name!r} has no tools with which agents could find something out; give them in "
            f"`tools`, or take another mind: {', '.join(_OTHERS)}."
        )
    return tools


_OTHERS = [name for name in get_args(MindName.__value__) if name not in ("react", "rule")]


def _no_rule(scenario: Scenario) -> SetupError:
    return SetupError(
        f"The scenario {scenario.name!r} has no rule by which agents could decide without a model; define `rule`, or "
        f"take another mind: {', '.join(_OTHERS)}."
    )
