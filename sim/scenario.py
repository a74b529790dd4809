"""What a scenario declares: a world, who acts when, what they may do, and what happens to them.

Everything has a default. This is a whole scenario::

    class Errands(Scenario):
        \"\"\"What would the people of a small town ask an assistant for?\"\"\"

        name = "errands"
        world = "It is market day in a small town by a river."
"""

import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..agents.action_check import check_actions
from ..agents.actions import Action, Instruction
from ..agents.memory import Memory
from ..agents.mind import Mind, Rule, build_mind
from ..agents.observation import Observation
from ..personas.errors import SetupError, hook, parameter
from ..personas.inputs import nearest
from ..personas.persona import Persona
from .world import State, World

if TYPE_CHECKING:
    from .resident import Resident, SocietyView

#: Names are parts of file names and of sentences.
_NAME = re.compile(r"\w([\w .+-]{0,62}[\w+-])?")


class Settings(BaseModel):
    """The settings every scenario has; subclasses add their own, each settable by `--set name=value`."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    neighbours: int = Field(6, ge=0, le=50, description="Neighbours an agent sees in a step, at most")
    heard: int = Field(4, ge=1, le=50, description="Lines an agent hears in a step, at most; the newest count")
    recalled: int = Field(4, ge=0, le=50, description="Notes that come to an agent's mind in a step, at most")
    memory: int = Field(32, ge=1, description="Notes an agent keeps; the newest count")
    observation_tokens: int = Field(1200, ge=100, description="Length of an observation in tokens, at most (estimated)")
    answer_tokens: int = Field(1024, ge=16, description="Length of an answer in tokens, at most")


#: The settings that have no effect where agents do not see each other.
SEEN_SETTINGS = frozenset({"neighbours", "heard", "recalled", "memory", "observation_tokens"})

#: Settings of tasks that name files, which a run from elsewhere may not have read here.
FILE_SETTINGS = ("demonstrations", "against", "world_file", "tools", "lock")


@dataclass(frozen=True, slots=True)
class Intervention:
    """A change to the world, declared beforehand and applied at the start of step `at`, from 1.

    Raises `SetupError` for an invalid step.
    """

    at: int
    name: str
    #: What everybody hears of it, for two steps.
    news: str
    #: What else it changes. It is given the world and changes nothing but the world.
    effect: Callable[[World], None] | None = None
    #: True where a run that ends before step `at` does without it; else such a run is refused.
    optional: bool = False

    def __post_init__(self) -> None:
        at: object = self.at
        if isinstance(at, bool) or not isinstance(at, int) or at < 1:
            raise SetupError(
                f"The intervention {self.name!r} is to come at step {at!r}; give a whole number from 1, or leave "
                f"it out of `interventions` where it is never to come."
            )
        words: tuple[object, ...] = (self.name, self.news)
        if not all(isinstance(one, str) and one.strip() for one in words):
            raise SetupError(f"An intervention needs a name and news that are texts, but {words!r:.80} were given.")
        if self.effect is not None and not callable(self.effect):
            raise SetupError(
                f"The intervention {self.name!r} has the effect {self.effect!r}; give a function of the world, as "
                f"`lambda world: world.suspend(RelationKind.TRADE)`."
            )


@dataclass(frozen=True, slots=True)
class Visit:
    """A line that a visiting player says to an agent, who hears it in the same step."""

    agent: str
    text: str


class Scenario:
    """What happens: subclass it, name it, and override what should differ from the defaults.

    The first line of a subclass's docstring is what `populace scenarios` says of it.
    """

    #: Name on the command line and in `runs.scenario`.
    name: ClassVar[str] = ""
    #: First in every prompt, verbatim.
    world: str = ""
    #: What agents may emit.
    actions: tuple[type[Action], ...] = (Instruction,)
    interventions: Sequence[Intervention] = ()
    #: True where no turn of a step needs anything from another turn: with --batch steps go by batch too, and those of
    #: many people are committed in pages, so that memory does not grow with them.
    independent: ClassVar[bool] = False
    #: False where agents know only their persona, task and news: they see, hear and remember no others, and neither
    #: observations nor notes are kept.
    observes: ClassVar[bool] = True
    #: Steps that a run takes at most where `ended` alone says when it ends; None for as many as are asked for.
    most_steps: ClassVar[int | None] = None
    #: False where people are grown and none of them acts: nobody is placed in the society, and it takes no step.
    takes_steps: ClassVar[bool] = True
    settings_type: ClassVar[type[Settings]] = Settings
    #: Types of the state of each agent (`resident.state`) and of the world (`world.state`), as subclasses of `State`;
    #: None for no state. Actions change them in `apply`, interventions that of the world.
    agent_state_type: ClassVar[type[BaseModel] | None] = None
    world_state_type: ClassVar[type[BaseModel] | None] = None
    #: Questions to the run file, each with its SQL: answered on the terminal after a run, and in the report.
    questions: Mapping[str, str] = MappingProxyType({})

    def __init__(self, settings: Settings | Mapping[str, Any] | None = None) -> None:
        """Settings may be given as a mapping; an unknown name or a wrong value raises `SetupError`."""
        given = settings.model_dump() if isinstance(settings, Settings) else dict(settings or {})
        self.settings = self._parsed(given)

    @classmethod
    def summary(cls) -> str:
        """What the scenario is, in one line."""
        return (cls.__doc__ or "").strip().partition("\n")[0]

    def active(self, society: "SocietyView", rng: random.Random) -> Sequence["Resident"]:
        """Whose turn it is in this step: by default everybody's."""
        return society.residents

    def visits(self, society: "SocietyView", rng: random.Random) -> Sequence[Visit]:
        """What a visiting player says in this step: by default nothing."""
        return ()

    def offer(self, resident: "Resident", observation: Observation, rng: random.Random) -> tuple[type[Action], ...]:
        """What the agent may do in this turn: by default any of `actions`, and the model chooses."""
        return self.actions

    def task(self, resident: "Resident", world: World) -> str:
        """The sentence that ends the prompt."""
        return f"It is step {world.step}. What do you do now?"

    def measures(self, society: "SocietyView") -> Mapping[str, float]:
        """Numbers to log after each step: by default none.

        What the step emitted is in `society.emitted_this_step`, with the fields of each action.
        """
        return {}

    def group(self, resident: "Resident") -> str | None:
        """The group by which the report tells the agent apart from others: by default none.

        Asked once for each agent, before the first step.
        """
        return None

    def ended(self, society: "SocietyView") -> bool:
        """Whether the run ends before its last step: by default never."""
        return False

    def mind(self) -> Mind | Rule:
        """How all agents decide: a compiled graph, by default generate, check, keep or revise; or a plain function.

        A function is given the observation and a random number generator of the agent's own, and gives one of the
        actions that are offered, or None for nothing. No model is asked, and no text compared with earlier ones.
        """
        return build_mind()

    def memory(self, persona: Persona) -> Memory:
        """An agent's memory, empty: by default one that keeps the newest notes and recalls by words or meaning."""
        return Memory(self.settings.memory)

    def observe(self, resident: "Resident", observation: Observation, world: World) -> Observation:
        """What the agent observes, before it is cut to `observation_tokens`: by default what it is given."""
        return observation

    def agent_state(self, resident: "Resident", rng: random.Random) -> BaseModel:
        """The state with which an agent begins: by default the defaults of `agent_state_type`."""
        return (self.agent_state_type or State)()

    def world_state(self, rng: random.Random) -> BaseModel:
        """The state with which the world begins: by default the defaults of `world_state_type`."""
        return (self.world_state_type or State)()

    def check_readable(self) -> None:
        """Raise `SourceError` when a file that the settings name cannot be read; called before a run file is made."""

    def declared_interventions(self) -> tuple[Intervention, ...]:
        """What is to happen to the world. Raises `HookError` when `interventions` fails or holds something else."""
        with hook(self, "interventions"):
            declared = tuple(self.interventions)
            for one in declared:
                if not isinstance(one, Intervention):
                    raise TypeError(f"it must hold interventions, and holds {one!r}")
        return declared

    def checked_mind(self) -> Mind | Rule | None:
        """What `mind` gives, None for the default one, whose graph need not be made.

        Raises `HookError` when `mind` fails, or gives neither a compiled graph nor a function.
        """
        if type(self).mind is Scenario.mind:
            return None
        with hook(self, "mind"):
            mind: object = self.mind()
            if not callable(getattr(mind, "ainvoke", mind)):
                raise TypeError(f"it must give a compiled graph, as build_mind() does, and gave {mind!r:.80}")
        return mind  # type: ignore[return-value]  # whatever can be invoked is one

    @classmethod
    def _parsed(cls, given: Mapping[str, Any]) -> Settings:
        known = list(cls.settings_type.model_fields)
        for name in given:
            if name not in known:
                used = [one for one in known if cls.observes or one not in SEEN_SETTINGS]
                raise SetupError(
                    f"Scenario {cls.name!r} has no setting {name!r}{nearest(name, used)}. It has: {', '.join(used)}."
                )
        try:
            return cls.settings_type.model_validate(given)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            name = str(first["loc"][0]) if first["loc"] else "?"
            raise SetupError(
                f"Setting {name!r} of scenario {cls.name!r} cannot be {first['input']!r}: {first['msg'].lower()}."
            ) from error


def check_scenario(scenario: object) -> None:
    """Raise `SetupError` for what is no scenario, for a name no file can have, and for actions nobody could emit."""
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
    with hook(scenario, "actions"):
        actions = scenario.actions
    check_actions(actions, where=said)
    if not actions and type(scenario).offer is Scenario.offer and scenario.takes_steps:
        raise SetupError(f"{said} has no actions, so nobody could do anything; list what they may do in `actions`.")


def check_steps(steps: object) -> int:
    """The number of steps. Raises `SetupError` for what is no number of steps."""
    if isinstance(steps, bool) or not isinstance(steps, int):
        raise SetupError(f"steps must be a whole number from 1, but {steps!r} was given.")
    if steps < 1:
        raise SetupError(f"steps must be at least 1, but {steps} was given.")
    return steps


def check_steps_left(steps: object, *, lived: int, path: Path | str) -> None:
    """Raise `SetupError` when a run that has taken so many steps is to take fewer in all; None is as many as it was."""
    if isinstance(steps, int) and 0 < steps < lived:
        raise SetupError(
            f"{str(path)!r} has run {lived} steps, and steps counts those too; give {lived} or more, "
            f"but {steps} was given."
        )


def check_interventions(scenario: Scenario, steps: int, *, before: Scenario | None = None, after: int = 0) -> None:
    """Raise `SetupError` for an intervention that would never come in a run of `steps`, unless it is optional.

    Of a fork `after` some step, those that the scenario `before` it had too are left as they were.
    """
    known = {(one.at, one.name) for one in before.declared_interventions()} if before else ()
    for one in scenario.declared_interventions():
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


class GrowthOnly(Scenario):
    """Growing people and nothing else, as `populace grow` does: the society takes no step."""

    name = "growth"
    takes_steps = False

    def ended(self, society: "SocietyView") -> bool:
        """At once: there is no step to take."""
        return True
