"""Trick questions by wordplay, literal readings and turned-round causes, from one person's world.

Run it as `populace make brainteaser --hub town.duckdb --n 1000 --language zh`.
"""

import random
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Annotated, Any, ClassVar, Literal, cast

from pydantic import Field, StringConstraints

from populace.agents.actions import Action, KnownSolution
from populace.agents.checks import Check
from populace.agents.problem_checks import AsksSomething, HoldsNoSolution
from populace.agents.procedural.situation import Situation
from populace.agents.text_checks import TEXT_CHECKS
from populace.personas.prompt import Prompt, read_prompt
from populace.sim.resident import Resident
from populace.sim.scenario import Settings
from populace.sim.task import Task, TaskSettings
from populace.sim.world import World

from .stand_in import make_riddle, solve_riddle

PROMPT = read_prompt(Path(__file__).with_name("brainteaser.v1.toml"))

Kind = Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=80)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=10, max_length=800)]


class TrickQuestion(Action):
    """One brainteaser: a serious question with something wrong in it, which it does not notice."""

    name: ClassVar[str] = "brainteaser"
    prompt: ClassVar[str | Prompt] = PROMPT
    checks: ClassVar[tuple[Check, ...]] = (*TEXT_CHECKS, AsksSomething(), HoldsNoSolution())
    #: How `procedural` is to make it, as the task's settings say.
    focus: ClassVar[str] = ""
    language: ClassVar[str] = "en"

    kind: Literal["brainteaser"]
    trick: Annotated[Kind, Field(description="What is wrong in it, in one to five words, as polysemy")]
    text: Annotated[
        Text,
        Field(
            description="The question with the one to three sentences that lead to it. No explanation, no answer, no "
            "heading."
        ),
    ]

    @property
    def emitted_text(self) -> str:
        """The question with what leads to it."""
        return self.text

    @classmethod
    def stand_in(cls, rng: random.Random, situation: Situation, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        """A riddle of a small stock, whose answer is known: in Chinese where that is asked for, else in English."""
        riddle = make_riddle(rng, situation.persona, focus=cls.focus, language=cls.language)
        return {"trick": riddle.topic, "text": riddle.text}

    @staticmethod
    def known_solution(text: str) -> KnownSolution | None:
        """The answer to a riddle that `stand_in` made; None for any other."""
        return solve_riddle(text)


class BrainteaserSettings(TaskSettings):
    """What can be asked of the brainteasers."""

    focus: str = Field("", max_length=200, description="Kind of trick, as puns or reversed causality; empty for any")
    language: str = Field("en", description="BCP 47 tag of the language to write in, as zh; empty for the person's own")


class Brainteaser(Task):
    """Trick questions created with personas, in English or in the language that is asked for."""

    name = "brainteaser"
    actions = (TrickQuestion,)
    settings_type: ClassVar[type[Settings]] = BrainteaserSettings
    settings: BrainteaserSettings

    def __init__(self, settings: Settings | dict[str, Any] | None = None) -> None:
        """Raises `SetupError` for settings that cannot be."""
        super().__init__(settings)
        told = {name: getattr(self.settings, name) for name in ("focus", "language")}
        asked = type("TrickQuestion", (TrickQuestion,), {"__doc__": TrickQuestion.__doc__, **told})
        self.actions = (cast("type[TrickQuestion]", asked),)

    @property
    def demonstrations_file(self) -> Path:
        """The file that the settings name, or the one beside this file: in Chinese where that is asked for."""
        is_chinese = self.settings.language.lower().startswith("zh") and not self.settings.demonstrations
        return Path(__file__).with_name("demonstrations.zh.jsonl") if is_chinese else super().demonstrations_file

    def task(self, resident: Resident, world: World) -> str:
        """What the settings ask for, in the prompt's phrases."""
        focus, told = self.settings.focus.strip(), PROMPT.choices
        return told["focus"].get(focus.lower()) or Template(told["focus"]["other"]).safe_substitute(focus=focus)
