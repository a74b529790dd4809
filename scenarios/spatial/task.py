"""Problems of spatial reasoning about the places, things and movements of one person's world.

Run it as `populace make spatial --hub town.duckdb --n 1000 --set focus=navigation --set difficulty=hard`.
"""

import random
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Annotated, Any, ClassVar, Literal, cast

from pydantic import Field, StringConstraints

from populace.agents.actions import Action, KnownSolution
from populace.agents.checks import Check
from populace.agents.problem_checks import AsksSomething, FewSubProblems, HoldsNoSolution
from populace.agents.procedural.situation import Situation
from populace.agents.text_checks import TEXT_CHECKS
from populace.personas.prompt import Prompt, read_prompt
from populace.sim.resident import Resident
from populace.sim.scenario import Settings
from populace.sim.task import Task, TaskSettings
from populace.sim.world import World

from .stand_in import make_space, solve_space

PROMPT = read_prompt(Path(__file__).with_name("spatial.v1.toml"))

Kind = Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=80)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=60, max_length=2500)]


class SpatialProblem(Action):
    """One problem of spatial reasoning, all in words: complete, with exactly one answer, and without its solution."""

    name: ClassVar[str] = "spatial"
    prompt: ClassVar[str | Prompt] = PROMPT
    checks: ClassVar[tuple[Check, ...]] = (*TEXT_CHECKS, AsksSomething(), FewSubProblems(2), HoldsNoSolution())
    #: How `procedural` is to make it, as the task's settings say.
    focus: ClassVar[str] = ""
    difficulty: ClassVar[str] = "any"

    kind: Literal["spatial"]
    reasoning: Annotated[Kind, Field(description="Which kind of spatial reasoning it takes, in two to five words")]
    text: Annotated[
        Text,
        Field(
            description="The whole problem as it is given to a solver: every thing with its place, size and "
            "direction, what is done with it, and one question. No picture is needed. No solution, no hint, no "
            "heading."
        ),
    ]

    @property
    def emitted_text(self) -> str:
        """The problem."""
        return self.text

    @classmethod
    def stand_in(cls, rng: random.Random, situation: Situation, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        """A problem whose answer is computed. It is in English, whatever language is asked for."""
        problem = make_space(rng, situation.persona, focus=cls.focus, difficulty=cls.difficulty)
        return {"reasoning": problem.topic, "text": problem.text}

    @staticmethod
    def known_solution(text: str) -> KnownSolution | None:
        """The solution of a problem that `stand_in` made, computed from its text; None for any other."""
        return solve_space(text)


class SpatialSettings(TaskSettings):
    """What can be asked of the problems."""

    focus: str = Field("", max_length=200, description="Kind of reasoning, as navigation; empty for any")
    difficulty: Literal["any", "easy", "medium", "hard"] = Field("any", description="How hard they are to be")


class Spatial(Task):
    """Problems of spatial reasoning created with personas."""

    name = "spatial"
    actions = (SpatialProblem,)
    settings_type: ClassVar[type[Settings]] = SpatialSettings
    settings: SpatialSettings

    def __init__(self, settings: Settings | dict[str, Any] | None = None) -> None:
        """Raises `SetupError` for settings that cannot be."""
        super().__init__(settings)
        told = {name: getattr(self.settings, name) for name in ("focus", "difficulty")}
        asked = type("SpatialProblem", (SpatialProblem,), {"__doc__": SpatialProblem.__doc__, **told})
        self.actions = (cast("type[SpatialProblem]", asked),)

    def task(self, resident: Resident, world: World) -> str:
        """What the settings ask for, in the prompt's phrases."""
        focus, told = self.settings.focus.strip(), PROMPT.choices
        wanted = told["focus"].get(focus.lower()) or Template(told["focus"]["other"]).safe_substitute(focus=focus)
        return " ".join(phrase for phrase in (wanted, told["difficulty"][self.settings.difficulty]) if phrase)
