"""Math problems: what one person's life, work and interests make of a branch of mathematics.

Run it as `populace make math --hub town.duckdb --n 1000 --set focus=geometry --set difficulty=olympiad`.
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

from .stand_in import make_problem, solve_problem

PROMPT = read_prompt(Path(__file__).with_name("math.v1.toml"))

Topic = Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=80)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=30, max_length=2500)]


class MathProblem(Action):
    """One math problem: complete, unambiguous and without its solution."""

    name: ClassVar[str] = "math"
    prompt: ClassVar[str | Prompt] = PROMPT
    checks: ClassVar[tuple[Check, ...]] = (*TEXT_CHECKS, AsksSomething(), FewSubProblems(2), HoldsNoSolution())
    #: How `procedural` is to make it, as the task's settings say.
    focus: ClassVar[str] = ""
    difficulty: ClassVar[str] = "any"
    professional: ClassVar[bool] = False

    kind: Literal["math"]
    topic: Annotated[Topic, Field(description="Its topic within mathematics, in two to five words")]
    text: Annotated[
        Text,
        Field(
            description="The whole problem as it is given to a solver, with every number and condition that is "
            "needed; at most two sub-problems, marked (a) and (b). No solution, no hint, no heading."
        ),
    ]

    @property
    def emitted_text(self) -> str:
        """The problem."""
        return self.text

    @classmethod
    def stand_in(cls, rng: random.Random, situation: Situation, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        """A problem of a template; its answer is known. It is in English, whatever language is asked for."""
        problem = make_problem(
            rng, situation.persona, focus=cls.focus, difficulty=cls.difficulty, professional=cls.professional
        )
        return {"topic": problem.topic, "text": problem.text}

    @staticmethod
    def known_solution(text: str) -> KnownSolution | None:
        """The solution of a problem that `stand_in` made, computed from its text; None for any other."""
        return solve_problem(text)


class MathSettings(TaskSettings):
    """What can be asked of the problems."""

    focus: str = Field("", max_length=200, description="Branch or topic, as geometry; empty for any")
    difficulty: Literal["any", "school", "competition", "olympiad", "university"] = Field(
        "any", description="How hard they are to be; problems of olympiads may ask for a proof"
    )
    professional: bool = Field(False, description="Draw on what the person knows by profession: finer and harder")


class Math(Task):
    """Math problems created with personas, by branch and difficulty."""

    name = "math"
    actions = (MathProblem,)
    settings_type: ClassVar[type[Settings]] = MathSettings
    settings: MathSettings

    def __init__(self, settings: Settings | dict[str, Any] | None = None) -> None:
        """Raises `SetupError` for settings that cannot be."""
        super().__init__(settings)
        told = {name: getattr(self.settings, name) for name in ("focus", "difficulty", "professional")}
        asked = type("MathProblem", (MathProblem,), {"__doc__": MathProblem.__doc__, **told})
        self.actions = (cast("type[MathProblem]", asked),)

    def task(self, resident: Resident, world: World) -> str:
        """What the settings ask for, in the prompt's phrases."""
        focus, told = self.settings.focus.strip(), PROMPT.choices
        phrases = [
            told["focus"].get(focus.lower()) or Template(told["focus"]["other"]).safe_substitute(focus=focus),
            told["difficulty"][self.settings.difficulty],
            told["professional"]["yes" if self.settings.professional else "no"],
        ]
        return " ".join(phrase for phrase in phrases if phrase)
