"""Tasks that make problems: what math, logic, spatial reasoning and brainteasers share.

A task of this kind is an action with the problem in its field `text`, and a class that names it::

    class Riddle(ProblemAction):
        \"\"\"One riddle.\"\"\"

        name: ClassVar[str] = "riddle"
        prompt: ClassVar[str | Prompt] = read_prompt(Path(__file__).with_name("riddle.v1.toml"))
        kind: Literal["riddle"]
        text: Annotated[str, Field(description="The riddle")]
        answer: StatedAnswer = ""


    class Riddles(ProblemTask):
        \"\"\"Riddles created with personas.\"\"\"

        name = "riddles"
        actions = (Riddle,)

An action with the field `answer` is verified in its turn: solutions by the role `solver`, which is shown `text` alone,
must find that answer (`SolutionsAgree`).
"""

import random
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field, StringConstraints

from ...agents.action_schema import prompt_of
from ...agents.actions import Action, Check, KnownSolution, dump_json
from ...agents.checks import (
    BASIC_CHECKS,
    CheckContext,
    CheckResult,
    NoDegeneration,
    OwnVoice,
    failed,
    passed,
    undecided,
)
from ...agents.problem_checks import (
    STATED,
    VERIFIED,
    AsksSomething,
    FewSubProblems,
    GivesNoRole,
    HoldsNoSolution,
    Reviewed,
)
from ...agents.procedural.judging import KNOWS_NONE
from ...agents.procedural.problems import ProblemLibrary
from ...agents.procedural.situation import Situation
from ...core.errors import SetupError
from ..scenario import Settings
from .outputs import Output
from .solving import SolverPanel, SolvingWork
from .task import Task, TaskSettings

#: The wording of a problem, and what it is about in a few words.
ProblemText = Annotated[str, StringConstraints(strip_whitespace=True, max_length=2500)]
ProblemTopic = Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=80)]
#: The author's room to think, in front of the text and behind it. Only the author sees it.
ProblemPlan = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=600),
    Field(
        description="Notes before writing, not the problem: what is taken from the person's life, which quantities or "
        "things there are, what is asked, and how it resolves"
    ),
]
ProblemCheck = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=2000),
    Field(description="The problem solved again from `text` alone, in a few lines"),
]
_THOUGHTS = ("plan", "check")
#: The answer by the author of a problem.
StatedAnswer = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=400),
    Field(description="The final answer alone, as it would stand in a box; empty where a proof alone is asked for"),
]
_PROOF = re.compile(
    r"\b(?:prove|show that|proof|beweise|zeige|démontre|montre|demuestr|dimostra|доказать|докажи)|证明|證明", re.I
)


class ProblemSettings(TaskSettings):
    """What can be asked of problems of any kind."""

    focus: str = Field("", max_length=200, description="Branch, kind or topic; empty for any")
    verify: int = Field(1, ge=0, le=64, description="Solutions of which most must find the stated answer; 0 for none")
    review: bool = Field(True, description="Have a grader review each problem, in one request")


class WorkedSettings(ProblemSettings):
    """The same where the author plans and checks the problem, which takes longer answers."""

    answer_tokens: int = Field(2048, ge=16, description="Maximum answer length in tokens")


class ProblemAction(Action):
    """A problem without its solution, which the built-in generator makes of the `library`, if it has one."""

    checks: ClassVar[tuple[Check, ...]] = (
        *BASIC_CHECKS, NoDegeneration(is_puzzle=True), OwnVoice(),
        AsksSomething(), FewSubProblems(2), HoldsNoSolution(), GivesNoRole(),
    )  # fmt: skip
    #: Those of the task that asks for it.
    settings: ClassVar[Any] = ProblemSettings()
    #: Worked examples of which the built-in generator makes problems, and whose solutions it knows.
    library: ClassVar[ProblemLibrary | None] = None

    @classmethod
    def stand_in(cls, rng: random.Random, situation: Situation, schema: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Make a problem of an example as the settings say, in English."""
        if cls.library is None:
            return super().stand_in(rng, situation, schema)
        focus, difficulty = (cls.wanted(setting, situation) for setting in ("focus", "difficulty"))
        problem = cls.library.make(rng, situation.persona, focus=focus, difficulty=difficulty)
        topic = {name: problem.topic for name in ("topic", "reasoning") if name in cls.model_fields}
        return topic | dict(problem.worked())

    @classmethod
    def known_solution(cls, text: str) -> KnownSolution | None:
        """Return the solution of a problem that was made of the library; None for any other."""
        return cls.library.solve(text) if cls.library is not None else None

    @property
    def emitted_text(self) -> str:
        """The problem: the field `text`."""
        return str(vars(self)["text"])

    @property
    def texts(self) -> Iterator[tuple[str, str]]:
        """What checks of text read: all strings but those in which the author thinks."""
        return ((field, text) for field, text in super().texts if field not in _THOUGHTS)

    @classmethod
    def wanted(cls, setting: str, situation: Situation) -> str:
        """Return the word a request drew for a setting that is left open, else the value of the setting."""
        return prompt_of((cls,)).word_in(setting, situation.plain) or str(getattr(cls.settings, setting))


class SolutionsAgree:
    """Most of several independent solutions find the answer that the author states in the field `answer`.

    They are asked of the role `solver`, by the prompt and the comparison of `populace data solve`.
    """

    name = VERIFIED
    version = 1
    revises = False
    asks = True

    def __init__(self, solutions: int = 1) -> None:
        self._panel = SolverPanel(solvers=("solver",), samples=solutions)

    async def judge(self, action: Action, context: CheckContext) -> CheckResult:
        """Judge whether most solutions agree with the stated answer. The score is the share that agrees.

        Failed if no solution came, too. Undecided for a proof.
        """
        text, stated = action.emitted_text, str(vars(action)[STATED])
        if not stated:
            if _PROOF.search(text):
                return undecided("It asks for a proof, so there is no answer to compare.")
            return failed("It states no answer, so no solution can agree with it.")
        work = SolvingWork("", self._panel, 0, 0, lambda _: action.known_solution(text), context.request_context)
        solved = await work(Output(0, 0, "", action.name, text, dump_json({STATED: stated})), context.model)
        if all(one.text == KNOWS_NONE for one in solved.solutions):
            return undecided(KNOWS_NONE)
        agreeing = sum(correct is True for correct in solved.correct)
        if solved.came and 2 * agreeing > solved.came:
            return passed(agreeing / solved.came)
        found = ", ".join(repr(one.answer)[:80] if one.answer else f"none ({one.outcome})" for one in solved.solutions)
        share = agreeing / solved.came if solved.came else None
        return failed(f"Its answer is stated as {stated!r:.80}, and solutions find {found}.", share)


class ProblemTask(Task):
    """Makes problems; the prompt has a phrase for each setting, and the action knows the settings too."""

    settings_type: ClassVar[type[Settings]] = ProblemSettings
    settings: ProblemSettings

    def __init__(self, settings: Settings | dict[str, Any] | None = None) -> None:
        """Configure the actions by the settings. Raises `SetupError` for invalid settings."""
        super().__init__(settings)
        self.actions = tuple(
            action.configured(settings=self.settings, checks=(*action.checks, *self._asked(action)))
            for action in self.actions
        )
        if self.settings.focus.strip() and not self.phrase_of("focus"):
            prompt = prompt_of(self.actions).name
            raise SetupError(
                f"The prompt {prompt!r} of {self.name!r} says nothing of a focus, so it cannot be "
                f'{self.settings.focus!r}; give it [choices.focus] with other = "... $focus ...", or leave focus out.'
            )

    def _asked(self, action: type[Action]) -> list[Check]:
        """List the checks that ask a model: solutions first, so that the reviewer sees the answer they agree on."""
        is_verified = self.settings.verify and STATED in action.model_fields
        checks: list[Check] = [SolutionsAgree(self.settings.verify)] if is_verified else []
        return [*checks, Reviewed()] if self.settings.review else checks
