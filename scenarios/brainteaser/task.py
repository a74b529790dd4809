"""Trick questions by wordplay, literal readings and turned-round causes, from one person's world.

Run it as `populace make brainteaser --hub town.duckdb --n 1000 --language zh`.
"""

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, StringConstraints

from populace.agents.actions import Check
from populace.agents.problem_checks import BriefAnswer
from populace.agents.procedural.problems import ProblemLibrary
from populace.agents.procedural.situation import Situation
from populace.core.prompt import Prompt, read_prompt
from populace.sim.scenario import Settings
from populace.sim.tasks.task import ProblemAction, ProblemSettings, ProblemTask, ProblemText, ProblemTopic

#: What the built-in generator makes, with known answers.
EXAMPLES = ProblemLibrary(Path(__file__).with_name("examples.toml"))


class BrainteaserSettings(ProblemSettings):
    """What can be asked of the brainteasers."""

    focus: str = Field("", max_length=200, description="Kind of trick, as puns or reversed causality; empty for any")
    language: str = Field("en", description="Language to write in, Chinese or zh; empty: the person's own")


class TrickQuestion(ProblemAction):
    """One brainteaser: a serious question with something wrong in it, which it does not notice."""

    name: ClassVar[str] = "brainteaser"
    prompt: ClassVar[str | Prompt] = read_prompt(Path(__file__).with_name("brainteaser.v2.toml"))
    checks: ClassVar[tuple[Check, ...]] = (*ProblemAction.checks, BriefAnswer())
    settings: ClassVar[BrainteaserSettings] = BrainteaserSettings()
    library: ClassVar[ProblemLibrary | None] = EXAMPLES

    kind: Literal["brainteaser"]
    trick: Annotated[ProblemTopic, Field(description="What is wrong in it, in one to five words, as polysemy")]
    text: Annotated[
        ProblemText,
        Field(
            min_length=10,
            max_length=800,
            description="The question with the one to three sentences that lead to it. No explanation, no answer, no "
            "heading.",
        ),
    ]
    reference: Annotated[
        str,
        StringConstraints(strip_whitespace=True, min_length=1, max_length=80),
        Field(
            description="The right answer alone, as short as it can be: yes or no, a number in digits, a name, or a "
            "word or phrase of at most five words. No reason."
        ),
    ]
    explanation: Annotated[
        str,
        StringConstraints(strip_whitespace=True, min_length=5, max_length=600),
        Field(description="What is wrong in the question, in one sentence"),
    ]

    @classmethod
    def stand_in(cls, rng: random.Random, situation: Situation, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        """Make a riddle of an example: in Chinese if that is asked for, else in English."""
        language = "zh" if cls.settings.language.lower().startswith("zh") else "en"
        riddle = EXAMPLES.make(rng, situation.persona, focus=cls.wanted("focus", situation), language=language)
        answer = {"reference": riddle.answer, "explanation": riddle.steps}
        return {"trick": riddle.focus, "text": riddle.text, **answer}


class Brainteaser(ProblemTask):
    """Trick questions, in English or another language."""

    name = "brainteaser"
    actions = (TrickQuestion,)
    settings_type: ClassVar[type[Settings]] = BrainteaserSettings
    settings: BrainteaserSettings

    @property
    def demonstrations_file(self) -> Path:
        """The file that the settings name, or the one beside this file: in Chinese where that is asked for."""
        is_chinese = self.settings.language.lower().startswith("zh") and not self.settings.demonstrations
        return Path(__file__).with_name("demonstrations.zh.jsonl") if is_chinese else super().demonstrations_file
