"""Problems of spatial reasoning about the places, things and movements of one person's world.

Run it as `populace make spatial --hub town.duckdb --n 1000 --set focus=navigation --set difficulty=hard`.
"""

from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from populace.agents.procedural.problems import ProblemLibrary
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


class SpatialSettings(WorkedSettings):
    """What can be asked of the problems."""

    focus: str = Field("", max_length=200, description="Kind of reasoning, as navigation; empty for any")
    difficulty: Literal["any", "easy", "medium", "hard"] = Field("any", description="How hard they are to be")


class SpatialProblem(ProblemAction):
    """One problem of spatial reasoning, all in words: complete, with exactly one answer, and without its solution."""

    name: ClassVar[str] = "spatial"
    prompt: ClassVar[str | Prompt] = read_prompt(Path(__file__).with_name("spatial.v3.toml"))
    settings: ClassVar[SpatialSettings] = SpatialSettings()
    library: ClassVar[ProblemLibrary | None] = EXAMPLES

    kind: Literal["spatial"]
    plan: ProblemPlan
    reasoning: Annotated[
        ProblemTopic, Field(description="Which kind of spatial reasoning it takes, in two to five words")
    ]
    text: Annotated[
        ProblemText,
        Field(
            min_length=60,
            description="The whole problem as it is given to a solver: every thing with its place, size and "
            "direction, what is done with it, and one question. No picture is needed. No solution, no hint, no "
            "heading.",
        ),
    ]
    check: ProblemCheck
    answer: StatedAnswer = ""


class Spatial(ProblemTask):
    """Spatial reasoning problems."""

    name = "spatial"
    actions = (SpatialProblem,)
    settings_type: ClassVar[type[Settings]] = SpatialSettings
    settings: SpatialSettings
