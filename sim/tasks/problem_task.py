"""Tasks that make problems: what math, logic, spatial reasoning and brainteasers share.

A task of this kind is an action with the problem in its field `text`, and a class that names it::

    class Riddle(ProblemAction):
        \"\"\"One riddle.\"\"\"

        name: ClassVar[str] = "riddle"
        prompt: ClassVar[str | Prompt] = read_prompt(Path(__file__).with_name("riddle.v1.toml"))
        kind: Literal["riddle"]
        text: Annotated[str, Field(description="The riddle")]


    class Riddles(ProblemTask):
        \"\"\"Riddles created with personas.\"\"\"

        name = "riddles"
        actions = (Riddle,)
"""

from typing import Annotated, Any, ClassVar

from pydantic import Field, StringConstraints

from ...agents.action_schema import prompt_of
from ...agents.actions import Action, Check
from ...agents.problem_checks import AsksSomething, FewSubProblems, HoldsNoSolution
from ...agents.text_checks import TEXT_CHECKS
from ...personas.errors import SetupError
from ..scenario import Settings
from .task import Task, TaskSettings

#: The wording of a problem, and what it is about in a few words.
ProblemText = Annotated[str, StringConstraints(strip_whitespace=True, max_length=2500)]
ProblemTopic = Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=80)]


class ProblemSettings(TaskSettings):
    """What can be asked of problems of any kind."""

    focus: str = Field("", max_length=200, description="Branch, kind or topic; empty for any")


class ProblemAction(Action):
    """A problem without its solution; `stand_in` may make it as the settings say, and `known_solution` solve it."""

    checks: ClassVar[tuple[Check, ...]] = (*TEXT_CHECKS, AsksSomething(), FewSubProblems(2), HoldsNoSolution())
    #: Those of the task that asks for it.
    settings: ClassVar[Any] = ProblemSettings()

    @property
    def emitted_text(self) -> str:
        """The problem: the field `text`."""
        return str(vars(self)["text"])


class ProblemTask(Task):
    """Makes problems; the prompt has a phrase for each setting, and the action knows the settings too."""

    settings_type: ClassVar[type[Settings]] = ProblemSettings
    settings: ProblemSettings

    def __init__(self, settings: Settings | dict[str, Any] | None = None) -> None:
        """Raises `SetupError` for settings that cannot be."""
        super().__init__(settings)
        self.actions = tuple(action.configured(settings=self.settings) for action in self.actions)
        if self.settings.focus.strip() and not self.phrase_of("focus"):
            prompt = prompt_of(self.actions).name
            raise SetupError(
                f"The prompt {prompt!r} of {self.name!r} says nothing of a focus, so it cannot be "
                f'{self.settings.focus!r}; give it [choices.focus] with other = "... $focus ...", or leave focus out.'
            )
