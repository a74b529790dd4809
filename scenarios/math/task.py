"""Math problems: what one person's life, work and interests make of a branch of mathematics.

Run it as `populace make math --hub town.duckdb --n 1000 --set focus=geometry --set difficulty=olympiad`.
"""

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from populace.agents.procedural.problems import ProblemLibrary
from populace.agents.procedural.situation import Situation
from populace.core.prompt import Prompt, read_prompt
from populace.sim.scenario import Settings
from populace.sim.tasks.task import (
    ProblemAction,
    ProblemCheck,
    ProblemPlan,
    ProblemTask,
    ProblemText,
    ProblemTopic,
    StatedAnswer,
    WorkedSettings,
)

#: What the built-in generator makes, with known answers.
EXAMPLES = ProblemLibrary(Path(__file__).with_name("examples.toml"))


class MathSettings(WorkedSettings):
    """What can be asked of the problems."""

    focus: str = Field("", max_length=200, description="Branch or topic, as geometry; empty for any")
    difficulty: Literal["any", "school", "competition", "olympiad", "university"] = Field(
        "any", description="How hard they are to be; problems of olympiads may ask for a proof"
    )
    professional: bool = Field(False, description="Draw on what the person knows by profession: finer and harder")


class MathProblem(ProblemAction):
    """One math problem: complete, unambiguous and without its solution."""

    name: ClassVar[str] = "math"
    prompt: ClassVar[str | Prompt] = read_prompt(Path(__file__).with_name("math.v3.toml"))
    settings: ClassVar[MathSettings] = MathSettings()
    library: ClassVar[ProblemLibrary | None] = EXAMPLES

    kind: Literal["math"]
    plan: ProblemPlan
    topic: Annotated[ProblemTopic, Field(description="Its topic within mathematics, in two to five words")]
    text: Annotated[
        ProblemText,
        Field(
            min_length=30,
            description="The whole problem as it is given to a solver, with every number and condition that is "
            "needed; at most two sub-problems, marked (a) and (b). No solution, no hint, no heading.",
        ),
    ]
    check: ProblemCheck
    answer: StatedAnswer = ""

    @classmethod
    def stand_in(cls, rng: random.Random, situation: Situation, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        """Make a problem of an example, in English; with `professional` of a university, unless a level is set."""
        focus, difficulty = (cls.wanted(setting, situation) for setting in ("focus", "difficulty"))
        lead = None
        if cls.settings.professional:
            difficulty, lead = "university" if difficulty == "any" else difficulty, "trade"
        problem = EXAMPLES.make(rng, situation.persona, focus=focus, difficulty=difficulty, lead=lead)
        return {"topic": problem.topic, **problem.worked()}


class Math(ProblemTask):
    """Math problems, by branch and difficulty."""

    name = "math"
    actions = (MathProblem,)
    settings_type: ClassVar[type[Settings]] = MathSettings
    settings: MathSettings
