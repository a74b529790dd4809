"""Problems of logical reasoning that take their people, things and rules from one person's world.

Run it as `populace make logic --hub town.duckdb --n 1000 --set focus=scheduling --set difficulty=hard`.
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


class LogicSettings(WorkedSettings):
    """What can be asked of the problems."""

    focus: str = Field("", max_length=200, description="Kind of reasoning, as scheduling; empty for any")
    difficulty: Literal["any", "easy", "medium", "hard"] = Field("any", description="How hard they are to be")


class LogicProblem(ProblemAction):
    """One problem of logical reasoning: complete, with exactly one answer, and without its solution."""

    name: ClassVar[str] = "logic"
    prompt: ClassVar[str | Prompt] = read_prompt(Path(__file__).with_name("logic.v3.toml"))
    settings: ClassVar[LogicSettings] = LogicSettings()
    library: ClassVar[ProblemLibrary | None] = EXAMPLES

    kind: Literal["logic"]
    plan: ProblemPlan
    reasoning: Annotated[ProblemTopic, Field(description="Which kind of reasoning it takes, in two to five words")]
    text: Annotated[
        ProblemText,
        Field(
            min_length=60,
            description="The whole problem as it is given to a solver: who and what there is, every statement or "
            "rule, and one question. No solution, no hint, no heading.",
        ),
    ]
    check: ProblemCheck
    answer: StatedAnswer = ""


class Logic(ProblemTask):
    """Logical reasoning problems."""

    name = "logic"
    actions = (LogicProblem,)
    settings_type: ClassVar[type[Settings]] = LogicSettings
    settings: LogicSettings
