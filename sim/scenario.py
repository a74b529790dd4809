"""What a scenario declares: a world, who acts when, what they may do, and what happens to them; and its checks.

Everything has a default. This is a whole scenario::

    class Errands(Scenario):
        \"\"\"What would the people of a small town ask an assistant for?\"\"\"

        name = "errands"
        world = "It is market day in a small town by a river."
"""

import random
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from ..agents.action_schema import check_actions
from ..agents.actions import Action, Instruction, snake_case
from ..agents.memory import Memory, MemoryStream, RecallWeights
from ..agents.mind import Graph, Mind, Rule
from ..agents.named_mind import MindName, named_mind
from ..agents.observation import DISCLOSURE, Disclosure, Observation
from ..agents.turn_prompt import Asides
from ..core.errors import SetupError, hook, parameter
from ..core.inputs import nearest
from ..personas.hub import Hub
from ..personas.persona import Persona, RelationKind
from .dynamics.activation import Activation, everybody
from .dynamics.channels import Channel, check_channels
from .dynamics.declared import Arrival, Intervention, Levers
from .dynamics.world import State, World
from .resident import PersonaDetail, Resident, SocietyView
from .survey.survey import Survey

if TYPE_CHECKING:
    from ..agents.react import ToolFunction
    from .emitted import Emission
    from .survey.items import Item


class Settings(BaseModel):
    """The settings every scenario has; subclasses add their own, each settable by `--set name=value`."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    neighbours: int = Field(6, ge=0, description="Maximum neighbours in a prompt, sampled each step; rules see all")
    heard: int = Field(4, ge=1, description="Maximum heard lines in a prompt, newest first; rules hear all")
    lines: int = Field(1, ge=1, le=50, description="Maximum lines of a conversation within a step; 1 for one a step")
    circle: int = Field(2, ge=2, le=8, description="Maximum people of a conversation within a step, who all hear it")
    lines_shown: int = Field(6, ge=0, description="Maximum earlier lines shown of a conversation with a speaker")
    recalled: int = Field(4, ge=0, description="Maximum memories recalled per step")
    memory: int = Field(32, ge=1, description="Memories an agent keeps; the oldest are dropped")
    observation_tokens: int = Field(1200, ge=100, description="Maximum observation length in tokens (estimated)")
    persona_detail: PersonaDetail = Field(
        "description",
        description="What an agent is told about itself: description, plus profile, plus biography",
    )
    tell_state: bool = Field(True, description="Show the agent its own state in the prompt")
    tell_attributes: tuple[str, ...] = Field(
        (), description="Imported columns that the agent is told about itself, for example income,trust"
    )
    answer_tokens: int = Field(1024, ge=16, description="Maximum answer length in tokens")
    prompt_tokens: int = Field(0, ge=0, description="Maximum prompt length in tokens (estimated); 0 for no limit")
    neighbours_by: Literal["chance", "strength"] = Field(
        "chance", description="Which neighbours a prompt shows: random, or strongest ties and latest talks"
    )
    memory_kind: Literal["nearest", "stream"] = Field(
        "nearest", description="Recall by similarity, or also by recency and importance"
    )
    recency: float = Field(1.0, ge=0, description="Weight of recency in a memory stream")
    relevance: float = Field(1.0, ge=0, description="Weight of relevance in a memory stream")
    importance: float = Field(1.0, ge=0, description="Weight of importance in a memory stream")
    recency_decay: float = Field(0.9, gt=0, le=1, description="Share of a memory's recency left after a step")
    reflect_at: int = Field(0, ge=0, description="Total importance of memories that triggers reflection; 0 for never")
    assistant: bool = Field(False, description="Have requests to the assistant answered (by --solver, if given)")
    tool_calls: int = Field(4, ge=1, description="Maximum tool calls per turn (--mind react)")
    goals: bool = Field(False, description="Ask in each turn what the agent means to do next, and remind it of that")
    plan_every: int = Field(0, ge=0, description="Steps that a plan covers; 0 for no plans")

    @field_validator("*", mode="before")
    @classmethod
    def _split_values(cls, value: object, info: ValidationInfo) -> object:
        """Split a setting of several values written as text, as in `--set asked_at=0,2,8`. Brackets are optional."""
        annotation = cls.model_fields[info.field_name].annotation if info.field_name else None
        if not isinstance(value, str) or get_origin(annotation) not in (tuple, list):
            return value
        return [one.strip() for one in value.strip().strip("()[]").split(",") if one.strip()]

    @field_validator("reflect_at")
    @classmethod
    def _needs_a_stream(cls, value: int, info: ValidationInfo) -> int:
        if value and info.data.get("memory_kind") != "stream":
            raise ValueError("it needs memory_kind=stream")
        return value


#: The settings that have no effect where agents do not see each other.
SEEN_SETTINGS = frozenset(Settings.model_fields) - {"answer_tokens", "prompt_tokens", "tell_attributes"}

#: Settings of tasks that name files, which a run from elsewhere may not have read here.
FILE_SETTINGS = ("demonstrations", "against", "world_file", "tools", "lock")


@dataclass(frozen=True, slots=True)
class Visit:
    """A line that a visiting player says to an agent, who hears it in the same step."""

    agent: str
    text: str


class Scenario:
    """What happens: subclass it, and override what should differ from the defaults.

    The first line of a subclass's docstring is what `populace list scenarios` says of it.
    """

    #: Name on the command line and in `runs.scenario`; by default that of the class, in lower case with underscores.
    name: ClassVar[str] = ""
    _derived_name: ClassVar[str] = ""
    #: What messages call it.
    noun: ClassVar[str] = "scenario"
    #: First in every prompt, verbatim.
    world: str = ""
    #: What agents may emit; nothing where they only change their state, by `rule`.
    actions: tuple[type[Action], ...] = (Instruction,)
    interventions: Sequence[Intervention] = ()
    #: Where agents can post what others may be shown.
    channels: Sequence[Channel] = ()
    #: Whose turn it is in a step.
    activation: Activation = everybody()
    #: The order in which what agents do in a step is applied: `drawn` for each step by the run's seed, so that nobody
    #: is always first, or `fixed`: as `active` gives them, by default the order of `society.residents`. Agents with
    #: times of their own go as they fall due.
    order: ClassVar[Literal["drawn", "fixed"]] = "drawn"
    #: Where agents have times of their own (`next_turn`), the time over which a step holds the turns that fall due.
    time_window: float = 0.0
    #: What agents are asked after some steps; it leaves no trace in them.
    surveys: "Sequence[Survey]" = ()
    #: True where no turn of a step needs anything from another turn: with --batch steps go by batch too, and those of
    #: many people are committed in pages, so that memory does not grow with them.
    independent: ClassVar[bool] = False
    #: False where agents know only their persona, task and news: they see, hear and remember no others, and neither
    #: observations nor notes are kept.
    observes: ClassVar[bool] = True
    #: Whether each prompt whose answer is free ends with an angle that is drawn by seed, as "It comes out of what
    #: something costs": a device of data making, so that a thousand texts differ. Off in societies, on in tasks.
    draws_angles: ClassVar[bool] = False
    #: Whether an agent is asked for something else where its free text nearly repeats an earlier one; else the text is
    #: kept and marked in `duplicates`. It keeps agents from imitating each other. Off in societies, on in tasks.
    revises_repeats: ClassVar[bool] = False
    #: Steps that a run takes at most where `ended` alone says when it ends; None for as many as are asked for.
    most_steps: ClassVar[int | None] = None
    #: How much an agent knows of another by the kind of their relation, `other` for strangers: all of the description,
    #: its first sentence (as for kinds that are not there), the impression that this begins with, or nothing.
    disclosure: Mapping[str, Disclosure] = DISCLOSURE
    #: False where people are grown and none of them acts: nobody is placed in the society, and it takes no step.
    takes_steps: ClassVar[bool] = True
    settings_type: ClassVar[type[Settings]] = Settings
    #: Types of the state of each agent (`resident.state`) and of the world (`world.state`), as subclasses of `State`;
    #: None for no state. Actions change them in `apply`, interventions in their `effect`.
    agent_state_type: ClassVar[type[BaseModel] | None] = None
    world_state_type: ClassVar[type[BaseModel] | None] = None
    #: Questions to the run file, each with its SQL: answered on the terminal after a run, and in the report.
    questions: Mapping[str, str] = MappingProxyType({})

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Name the scenario after its class unless it has a name."""
        super().__init_subclass__(**kwargs)
        if cls.name == cls._derived_name:
            cls.name = cls._derived_name = snake_case(cls.__name__)

    def __init__(self, settings: Settings | Mapping[str, Any] | None = None) -> None:
        """Check and store the settings.

        A mapping is accepted too. Raises `SetupError` for an unknown name or a wrong value.
        """
        given = settings.model_dump() if isinstance(settings, Settings) else dict(settings or {})
        self.settings = self._parse_settings(given)

    @classmethod
    def summary(cls) -> str:
        """Return the first line of the class docstring, which says what the scenario is."""
        return (cls.__doc__ or "").strip().partition("\n")[0]

    def active(self, society: SocietyView, rng: random.Random) -> Sequence[Resident]:
        """Return the agents that have a turn in this step. By default, `activation` chooses them."""
        return self.activation.choose(society.residents, society, rng)

    def next_turn(self, resident: Resident, rng: random.Random) -> float:
        """Return the time until the agent's next turn, or infinity for never.

        A scenario that overrides this is not in lock-step. Each of its steps holds the turns that fall due next, and
        `world.time` is their time. Neither `activation` nor `active` is used. Called before the first step and after
        each turn.
        """
        raise NotImplementedError(f"{type(self).__name__} is in lock-step")

    @property
    def keeps_time(self) -> bool:
        """Whether agents have turns at times of their own."""
        return type(self).next_turn is not Scenario.next_turn

    def arrivals(self, society: SocietyView, rng: random.Random) -> Sequence[Arrival]:
        """Return who arrives at the beginning of this step. By default, nobody arrives."""
        return ()

    def departures(self, society: SocietyView, rng: random.Random) -> Sequence[Resident | str]:
        """Return who leaves at the beginning of this step, before anyone arrives. By default, nobody leaves."""
        return ()

    def visits(self, society: SocietyView, rng: random.Random) -> Sequence[Visit]:
        """Return what a visiting player says in this step. By default, nothing."""
        return ()

    def offer(self, resident: Resident, observation: Observation, rng: random.Random) -> tuple[type[Action], ...]:
        """Return the actions the agent may choose from in this turn. By default, all of `actions`."""
        return self.actions

    def described(self, resident: Resident) -> str:
        """Return what prompts say about the agent itself in turns and surveys. By default, follows `persona_detail`.

        A scenario may add the agent's place in it, for example "You work in a shop in the old town." What this returns
        after the last step is stored in `descriptions`, so that interviews and surveys of the finished run use it too.
        """
        return resident.described(self.settings.persona_detail, self.settings.tell_attributes)

    def clock(self, step: int) -> str:
        """Return the time of a step as agents are told it, both now and in memories. By default, "step 3".

        A scenario may use the time of its world, for example "Tuesday, 14:00".
        """
        return f"step {step}"

    def place(self, resident: Resident, world: World) -> str:
        """Return where an agent is in this step, such as "on the market square". By default, nothing is said of it.

        Agents who talk with each other within a step should be in one place.
        """
        return ""

    def task(self, resident: Resident, world: World) -> str:
        """Return what an agent is to do; by default nothing in particular."""
        return ""

    def resolve(self, society: SocietyView, decisions: "Sequence[Emission]", levers: Levers) -> None:
        """Settle what all agents decided at the end of a step: payoffs, auctions, matches, elections.

        By default, does nothing. `decisions` hold the outputs (`agent`, `action`) in the order in which they were
        applied. Agents that did nothing are not among them. Called once per step, including the last, in the step's
        commit. All actions are applied before it, and measures are taken after it. Changes by the levers are recorded
        in `intervention_effects` under the intervention `resolve`. Agents perceive them in the next step.
        """

    def measures(self, society: SocietyView) -> Mapping[str, float]:
        """Return numbers to log after each step. By default, none.

        The outputs of the step are in `society.emitted_this_step`, with the fields of each action.
        """
        return {}

    def node_measures(self, society: SocietyView) -> Mapping[str, Mapping[str, float]]:
        """Return numbers to log for each agent after each step, by name and agent. By default, none.

        `network_measures` returns those of the agent's place in the network.
        """
        return {}

    def group(self, resident: Resident) -> str | None:
        """Return the group by which the report tells agents apart. By default, None.

        Called once for each agent before the first step. It may depend on the agent's initial state.
        """
        return None

    def ended(self, society: SocietyView) -> bool:
        """Return whether the run ends before its last step. By default, never."""
        return False

    def mind(self) -> Mind | Graph | Rule:
        """Return how all agents decide: a `Mind`, a compiled LangGraph graph, or a plain function.

        By default: generate, check, keep or revise. The default mind also plans, reflects and asks the assistant if
        `plan_every`, `reflect_at` and `assistant` are set. To use another named mind, pass `--mind` and override
        nothing. If this is overridden, `--mind` accepts only `rule`. A function gets the observation and the agent's
        own random number generator. It returns one of the offered actions, the agent's next state, or None to do
        nothing. A state takes effect when all agents have decided. With a function, no model is asked and no text is
        compared with earlier ones.
        """
        settings = self.settings
        return named_mind(plans=settings.plan_every > 0, reflects=settings.reflect_at > 0, answers=settings.assistant)

    def rule(self, observation: Observation, rng: random.Random) -> Action | BaseModel | None:
        """Return what an agent does if no model decides (`--mind rule`). `mind` may return this function.

        It always decides if there are no `actions`. The agent's next state then follows from its own and its
        neighbours' states (`observation.neighbours[0].state`). By default, there is no rule.
        """
        raise NotImplementedError(f"{type(self).__name__} has no rule")

    def vary(self, action: Action, resident: Resident, rng: random.Random) -> Action:
        """Return what an agent does if another one was asked on behalf of similar agents (`--archetypes`).

        By default, the agent does the same. An addressed action is already directed at someone the agent sees. Use only
        `rng` for random draws.
        """
        return action

    def asides(self, mind: MindName | None) -> Asides:
        """Return what turns of this mind ask for beside the action."""
        settings, thinks = self.settings, mind in ("think", "react")
        return Asides(thinks, thinks and settings.memory_kind == "stream", settings.goals)

    def tools(self) -> "Sequence[ToolFunction]":
        """Return the tools with which agents can look things up before they act (`--mind react`). By default, none.

        A tool is a function with a docstring and typed parameters, which the model sees. If it has a parameter
        `observation`, it gets what the agent observes. It must change nothing and return the same for the same
        arguments. A `ValueError` is returned to the model.
        """
        return ()

    def answer(self, resident: Resident, item: "Item", rng: random.Random) -> Any:
        """Return an agent's answer to a survey item if a rule decides for agents, or None for "don't know".

        Return a number for a scale or a `Number`, an option for a `Choice`, a list of options for a `Rank`, or a text.
        """
        raise NotImplementedError(f"{type(self).__name__} has no rule for the answers to surveys")

    def memory(self, persona: Persona) -> Memory:
        """Return an empty memory for an agent. By default, `memory_kind` sets its kind."""
        chosen = self.settings
        if chosen.memory_kind == "nearest":
            return Memory(chosen.memory)
        weights = RecallWeights(chosen.recency, chosen.relevance, chosen.importance, chosen.recency_decay)
        return MemoryStream(chosen.memory, weights=weights)

    def observe(self, resident: Resident, observation: Observation, world: World) -> Observation:
        """Return what the agent observes, before a prompt cuts it to `observation_tokens`.

        By default, returns it unchanged.
        """
        return observation

    def agent_state(self, resident: Resident, rng: random.Random) -> BaseModel:
        """Return the initial state of an agent. By default, the defaults of `agent_state_type`."""
        return (self.agent_state_type or State)()

    def world_state(self, rng: random.Random) -> BaseModel:
        """Return the initial state of the world. By default, the defaults of `world_state_type`."""
        return (self.world_state_type or State)()

    @property
    def rows_wanted(self) -> int | None:
        """Rows that are to be accepted in all, where steps go on until they are; None where steps are counted."""
        return None

    def check_readable(self) -> None:
        """Raise `SourceError` if a file named in the settings cannot be read. Called before a run file is made."""

    def declared_interventions(self) -> tuple[Intervention, ...]:
        """Return the interventions. Raises `HookError` if `interventions` fails or holds something else."""
        with hook(self, "interventions"):
            declared = tuple(self.interventions)
            for one in declared:
                if not isinstance(one, Intervention):
                    raise TypeError(f"it must hold interventions, and holds {one!r}")
        return declared

    @classmethod
    def _parse_settings(cls, given: Mapping[str, Any]) -> Settings:
        known = list(cls.settings_type.model_fields)
        for name in given:
            if name not in known:
                used = [one for one in known if cls.observes or one not in SEEN_SETTINGS]
                raise SetupError(
                    f"{cls.noun.capitalize()} {cls.name!r} has no setting {name!r}{nearest(name, used)}. "
                    f"It has: {', '.join(used)}."
                )
        try:
            return cls.settings_type.model_validate(given)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            said = first["msg"].removeprefix("Value error, ").lower()
            name = str(first["loc"][0]) if first["loc"] else "?"
            raise SetupError(
                f"Setting {name!r} of {cls.noun} {cls.name!r} cannot be {first['input']!r}: {said}."
            ) from error


class GrowthOnly(Scenario):
    """Growing people and nothing else, as `populace grow` does: the society takes no step."""

    name = "growth"
    takes_steps = False

    def ended(self, society: SocietyView) -> bool:
        """Return True, since there is no step to take."""
        return True


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
