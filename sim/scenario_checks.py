"""Checks of a scenario and of numbers of steps, before anything is made: what cannot be is refused in a sentence."""

import re
from collections.abc import Collection, Mapping
from math import inf
from pathlib import Path
from typing import get_args

from ..agents.action_schema import check_actions
from ..agents.observation import Disclosure
from ..core.errors import SetupError, hook, parameter
from ..personas.hub import Hub
from ..personas.persona import RelationKind
from .dynamics.activation import Activation, everybody
from .dynamics.channels import check_channels
from .resident import PersonaDetail
from .scenario import Scenario, Settings
from .survey.survey import Survey

#: Names are parts of file names and of sentences.
_NAME = re.compile(r"\w([\w .+-]{0,62}[\w+-])?")

#: The tables that details in prompts come from.
_SOURCES: Mapping[PersonaDetail, tuple[str, ...]] = {
    "profile": ("profiles", "imports"),
    "biography": ("biographies",),
}


def check_scenario(scenario: object) -> None:
    """Raise `SetupError` if this is not a valid scenario.

    For example, its name cannot be a file name, or its agents have no actions.
    """
    if isinstance(scenario, type):
        raise SetupError(
            f"A scenario is to be given, and {scenario.__name__} is a class; write {scenario.__name__}(), with its "
            f"settings in the brackets."
        )
    if not isinstance(scenario, Scenario):
        raise SetupError(f"A scenario is to be given, and {scenario!r} is none; derive a class from Scenario.")
    said = f"The scenario {type(scenario).__name__}"
    name: object = scenario.name
    world: object = scenario.world
    if not isinstance(name, str) or _NAME.fullmatch(name) is None:
        given = f"is called {name!r}" if name else "has no name"
        raise SetupError(
            f"{said} {given}; set its `name` to 1 to 64 letters, digits, blanks and any of _ . + -, beginning and "
            f"ending with a letter or digit."
        )
    if not isinstance(world, str):
        raise SetupError(f"{said} has a world of type {type(world).__name__}; it must be a str.")
    if not isinstance(getattr(scenario, "settings", None), Settings):
        raise SetupError(f"{said} has no settings; call `super().__init__(settings)` in its `__init__`.")
    _check_activation(scenario, said)
    if scenario.order not in ("drawn", "fixed"):
        raise SetupError(f"{said} has the order {scenario.order!r}; give drawn or fixed.")
    check_channels(scenario.channels, said)
    moves = type(scenario).arrivals is not Scenario.arrivals or type(scenario).departures is not Scenario.departures
    if moves and scenario.independent:
        raise SetupError(f"{said} is independent, so nobody comes or leaves; leave out one or the other.")
    if scenario.channels and (scenario.independent or not scenario.observes):
        raise SetupError(f"{said} has channels, and its agents do not see each other; leave out one or the other.")
    with hook(scenario, "actions"):
        actions = scenario.actions
    check_actions(actions, where=said)
    has_rule = type(scenario).rule is not Scenario.rule and scenario.agent_state_type is not None
    if not (actions or has_rule) and type(scenario).offer is Scenario.offer and scenario.takes_steps:
        raise SetupError(
            f"{said} has no actions, so nobody could do anything; list what they may do in `actions`, or define `rule` "
            f"and `agent_state_type`, by which their states change."
        )
    _check_disclosure(scenario.disclosure, said)


def _check_disclosure(disclosure: object, said: str) -> None:
    known = {str(kind) for kind in RelationKind}
    levels = get_args(Disclosure.__value__)
    for kind, level in disclosure.items() if isinstance(disclosure, Mapping) else [(disclosure, None)]:
        if kind not in known or level not in levels:
            raise SetupError(
                f"{said} discloses {level!r} to {kind!r}; `disclosure` maps kinds of relations "
                f"({', '.join(sorted(known))}) to {', '.join(levels)}."
            )


def _check_activation(scenario: Scenario, said: str) -> None:
    activation: object = scenario.activation
    window: object = scenario.time_window
    if not isinstance(activation, Activation):
        raise SetupError(f"{said} has the activation {activation!r}; give a rule, as everybody() or share(0.3).")
    if not isinstance(window, int | float) or isinstance(window, bool) or not 0 <= window < inf:
        raise SetupError(f"{said} has the time window {window!r}; give a number from 0.")
    if scenario.keeps_time and (
        type(scenario).active is not Scenario.active or activation != everybody() or scenario.independent
    ):
        raise SetupError(
            f"{said} has `next_turn`, by which agents have their turns, so it takes neither `activation`, `active` nor "
            f"`independent`; leave out one or the other."
        )


def check_interventions(scenario: Scenario, steps: int, *, before: Scenario | None = None, after: int = 0) -> None:
    """Raise `SetupError` for an intervention that would never happen in a run of `steps`, unless it is optional.

    In a fork `after` some step, interventions that the scenario `before` also had are not checked.
    """
    known = {(one.at, one.name) for one in before.declared_interventions()} if before else ()
    conditional: set[str] = set()
    for one in scenario.declared_interventions():
        if one.at is None:
            if one.name in conditional:
                raise SetupError(f"Two interventions with a condition are called {one.name!r}; give each its own name.")
            conditional.add(one.name)
            continue
        if (one.at, one.name) in known:
            continue
        said = f"The intervention {one.name!r} is to come at step {one.at}"
        if one.at <= after:
            raise SetupError(f"{said}, and the fork begins after step {after}; fork at step {one.at - 1} or before.")
        if one.at > steps and scenario.takes_steps and not one.optional:
            raise SetupError(
                f"{said}, and the run is to end after step {steps}; give {parameter('steps', one.at)} or more, or an "
                "earlier step."
            )


def declared_surveys(scenario: Scenario) -> tuple[Survey, ...]:
    """Return the surveys of a scenario. Raises `HookError` if `surveys` fails or holds something else."""
    with hook(scenario, "surveys"):
        declared = tuple(scenario.surveys)
        for one in declared:
            if not isinstance(one, Survey):
                raise TypeError(f"it must hold surveys, and holds {one!r:.80}")
    return declared


def check_surveys(scenario: Scenario, steps: int, *, asked: Collection[tuple[str, int]] = (), after: int = 0) -> None:
    """Raise `SetupError` for a survey that would never be asked in a run of `steps`, and for two of the same name.

    In a fork `after` some step, only surveys in `asked`, by name and step, may be due before that step.
    """
    declared = declared_surveys(scenario)
    names = [one.name for one in declared]
    for one in declared:
        if names.count(one.name) > 1:
            raise SetupError(f"Two surveys are called {one.name!r}; give each a name of its own.")
        if not one.steps and one.every is None:
            raise SetupError(
                f"The survey {one.name!r} does not say when it is asked; give it at=(0, {steps}), or every=2."
            )
        for step in one.steps if scenario.takes_steps else ():
            said = f"The survey {one.name!r} is to be asked after step {step}"
            if step < after and (one.name, step) not in asked:
                raise SetupError(f"{said}, and the fork begins after step {after}; fork at step {step} or before.")
            if step > steps:
                raise SetupError(
                    f"{said}, and the run is to end after step {steps}; give {parameter('steps', step)} or more, or "
                    f"an earlier step."
                )


def check_answers(scenario: Scenario, *, is_rule: bool) -> None:
    """Raise `SetupError` if agents decide by a rule, and no rule says how they answer surveys."""
    if is_rule and type(scenario).answer is Scenario.answer and declared_surveys(scenario):
        raise SetupError(
            f"The agents of {type(scenario).__name__} decide by a rule, and no rule says how they answer its surveys; "
            f"define answer(self, resident, item, rng) in {type(scenario).__name__}."
        )


def check_details(scenario: Scenario, source: object) -> None:
    """Raise `SetupError` if prompts need a detail that the source of personas does not have."""
    detail = scenario.settings.persona_detail
    known = source.details if isinstance(source, Hub) else {}
    if detail != "description" and not any(table in known for table in _SOURCES[detail]):
        raise nobody_has(detail)


def nobody_has(detail: PersonaDetail) -> SetupError:
    """Return the error for a detail that prompts need and no persona has."""
    wiki = " --wiki" if detail == "biography" else ""
    return SetupError(
        f"The setting persona_detail is {detail!r}, and none of the people has a {detail}; take people who have "
        f"({parameter('hub', 'HUB')}, after `populace hub enrich HUB{wiki}`), or set it to description."
    )


def check_steps(steps: object) -> int:
    """Return the number of steps. Raises `SetupError` if it is not a whole number from 1."""
    if isinstance(steps, bool) or not isinstance(steps, int):
        raise SetupError(f"{parameter('steps')} must be a whole number from 1, but {steps!r} was given.")
    if steps < 1:
        raise SetupError(f"{parameter('steps')} must be at least 1, but {steps} was given.")
    return steps


def check_steps_left(steps: object, *, lived: int, path: Path | str) -> None:
    """Raise `SetupError` if a run that has taken `lived` steps is to take fewer steps in total.

    None keeps the number as it was.
    """
    if isinstance(steps, int) and 0 < steps < lived:
        raise SetupError(
            f"{str(path)!r} has run {lived} steps, and steps counts those too; give {lived} or more, "
            f"but {steps} was given."
        )
