"""The people of a society are placed in it and declared in its run file; prompts that are too long are refused."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, get_args

from ..agents.action_schema import typed_fields
from ..agents.actions import dump_json
from ..agents.mind import Mind, Rule
from ..agents.named_mind import MindName, first_prompts, named_mind
from ..agents.observation import Observation, Seen
from ..agents.turn_prompt import prompt_size
from ..core.errors import SetupError, hook, parameter
from ..core.inputs import nearest
from ..core.table import Row
from ..personas.persona import Persona
from .config import RunConfig
from .details import PeopleDetails
from .dynamics.archetypes import check_archetypes
from .mesa import Model
from .resident import Resident
from .runfile import rows
from .runfile.runlog import RunLog
from .runfile.writer import Statement
from .scenario import Scenario, declared_surveys, nobody_has
from .state import SocietyState, begun_state
from .survey.phase import least_size
from .survey.survey import Survey

if TYPE_CHECKING:
    from ..agents.react import ToolFunction


def settle(model: Model, state: SocietyState, details: PeopleDetails | None = None) -> dict[str, Resident]:
    """Create an agent for each persona of the state's graph, by id."""
    scenario = state.scenario
    residents = {
        persona.id: Resident(model, persona, memory=scenario.memory(persona), details=details)
        for persona in state.graph.personas
    }
    if scenario.agent_state_type is not None:
        for one in residents.values():
            one.begin_state = partial(begun_state, state)
    detail = scenario.settings.persona_detail
    if detail != "description" and not any(one.described(detail) != one.persona.text for one in residents.values()):
        raise nobody_has(detail)
    for name in scenario.settings.tell_attributes:
        if not any(name in one.attributes for one in residents.values()):
            known = sorted({column for one in residents.values() for column in one.attributes})
            raise SetupError(
                f"The setting tell_attributes names {name!r}, and nobody was imported with such a column"
                f"{nearest(name, known)}; there are: {', '.join(known) or 'none'}."
            )
    return residents


def settle_one(state: SocietyState, persona: Persona) -> Resident:
    """Create an agent for a persona that arrives during the run."""
    state.graph.add(persona)
    model = next(iter(state.residents.values())).model
    resident = Resident(model, persona, memory=state.scenario.memory(persona))
    state.residents[persona.id] = resident
    return resident


def declare(state: SocietyState, log: RunLog) -> None:
    """Write agents, groups, fields of actions and questions to the run file, unless they are there.

    If the script has changed since, its present version is used.
    """
    with hook(state.scenario, "group"):
        for resident in state.residents.values():
            group: object = state.scenario.group(resident)
            resident.group = None if group is None else str(group)
    declared = declared_rows(state.scenario)
    there = log.rows(rows.AgentRow, "ORDER BY ordinal")
    for row in there:
        resident = state.residents[row.agent]
        resident.arrived, resident.name = row.arrived, row.name or ""
        if state.names is not None and row.name:
            state.names.take(row.name)
    name_residents(state, state.residents.values())
    agents = [
        rows.AgentRow(
            one.id, place, one.group, one.weight, one.arrived, _dump_attributes(one.attributes), one.name or None
        )
        for place, one in enumerate(state.residents.values(), start=1)
    ]
    known = [*log.rows(rows.ActionFieldRow, "ORDER BY ordinal"), *log.rows(rows.QuestionRow, "ORDER BY ordinal")]
    if there == agents and known == declared:
        return
    emptied = [Statement(f"DELETE FROM {table}") for table in ("action_fields", "questions")] if known else []  # noqa: S608
    if emptied:
        log.commit(statements=emptied).result()
    log.commit(declared if there else [*agents, *declared], statements=_regroup_agents(agents, there)).result()


def name_residents(state: SocietyState, residents: Iterable[Resident]) -> None:
    """Give those a name who have none yet, in this order. Does nothing in a society without names."""
    if state.names is not None:
        for one in residents:
            one.name = one.name or state.names.name_person(one.persona, one.attributes)


def _dump_attributes(attributes: Mapping[str, Any]) -> str | None:
    return dump_json(dict(attributes)) if attributes else None


def declared_rows(scenario: Scenario) -> list[Row]:
    """Return the rows of the actions' fields and the questions. Raises `SetupError` for malformed questions."""
    return [*_list_fields(scenario), *_list_questions(scenario)]


def _list_fields(scenario: Scenario) -> list[rows.ActionFieldRow]:
    fields = {(action.name, field.name): field for action in scenario.actions for field in typed_fields(action)}
    return [
        rows.ActionFieldRow(kind, name, place, field.type, list(field.choices), field.description)
        for place, ((kind, name), field) in enumerate(fields.items(), start=1)
    ]


def _list_questions(scenario: Scenario) -> list[rows.QuestionRow]:
    asked: object = scenario.questions
    if not isinstance(asked, Mapping) or not all(isinstance(words, str) for pair in asked.items() for words in pair):
        raise SetupError(
            f"The questions of scenario {scenario.name!r} must be a mapping of texts to SQL, as "
            f'{{"How many?": "SELECT ..."}}, but {asked!r:.80} was given.'
        )
    return [rows.QuestionRow(place, *pair) for place, pair in enumerate(asked.items(), start=1)]


def _regroup_agents(agents: list[rows.AgentRow], there: list[rows.AgentRow]) -> list[Statement]:
    before = {row.agent: row.group_name for row in there}
    return [
        Statement("UPDATE agents SET group_name = ? WHERE agent = ?", [row.group_name, row.agent])
        for row in agents
        if row.agent in before and before[row.agent] != row.group_name
    ]


def mind_of(scenario: Scenario, name: MindName | None = None) -> Mind | Rule:
    """Return the mind of this name, or the scenario's own.

    Raises `SetupError` if the scenario has no mind for the name. Raises `HookError` if a method of it fails, or returns
    neither a mind, a compiled graph nor a function.
    """
    has_own = type(scenario).mind is not Scenario.mind
    if not scenario.actions and has_rule(scenario) and not has_own:
        name = name or "rule"
    if has_own and (name is None or (name == "rule" and not has_rule(scenario))):
        own = _own_mind(scenario)
        if name == "rule" and isinstance(own, Mind):
            raise _no_rule(scenario)
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
    settings = scenario.settings
    more = {"plans": settings.plan_every > 0, "reflects": settings.reflect_at > 0, "answers": settings.assistant}
    if builds := bool(getattr(settings, "execute", False)):
        from ..agents.sandbox import confinement

        confinement()  # where no code can be run, that is said now
    more["builds"] = builds
    return named_mind(name or "one-call", tools=tools_of(scenario, name), **more)


def checked_mind(scenario: Scenario, config: RunConfig) -> Mind | Rule:
    """Return the mind of a run, as `mind_of` does.

    Raises `SetupError` for invalid archetypes, too, and where the mind leaves nothing to play.
    """
    if config.archetypes is not None:
        check_archetypes(config.archetypes, scenario)
    mind = mind_of(scenario, config.mind)
    if config.play is not None and (config.archetypes is not None or not isinstance(mind, Mind)):
        raise SetupError(
            f"The turns of {config.play!r} cannot be taken by somebody else where agents decide by a rule, or one for "
            f"many; leave out {parameter('play')}."
        )
    return mind


def check_played(state: SocietyState, agent: str | None) -> None:
    """Raise `SetupError` if no agent has this name or id. None is nobody."""
    names = [one.name for one in state.present if one.name]
    if agent is not None and agent not in names and agent not in state.residents:
        raise SetupError(
            f"There is no agent {agent!r} whose turns could be taken{nearest(agent, names)}. There are: "
            f"{', '.join(names[:20])}{' ...' if len(names) > 20 else ''}."
        )


def has_rule(scenario: Scenario) -> bool:
    """Return whether the scenario says how agents decide without a model."""
    return type(scenario).rule is not Scenario.rule


def _own_mind(scenario: Scenario) -> Mind | Rule:
    with hook(scenario, "mind"):
        mind: Any = scenario.mind()
        if not isinstance(mind, Mind) and callable(getattr(mind, "ainvoke", None)):
            mind = Mind(own=mind)
        if not (isinstance(mind, Mind) or callable(mind)):
            raise TypeError(f"it must give a Mind, a compiled graph or a function, and gave {mind!r:.80}")
    return mind  # type: ignore[no-any-return]


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
    sizes = dict(_prompt_sizes(scenario, mind))
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


def _prompt_sizes(scenario: Scenario, name: MindName | None) -> Iterator[tuple[str, int]]:
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
