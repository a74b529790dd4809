"""The questions that a model's agents are asked, and their answers."""

import random
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from populace import Action, Persona, Scenario
from populace.agents import Observation
from populace.personas import Hub
from populace.sim import FinishedRun, Resident, World

#: Which of two that are shown.
type Side = Literal["first", "second"]


class Choose(Action):
    """The option that this person would choose."""

    name: ClassVar[str] = "choose"
    novelty = "none"
    kind: Literal["choose"]
    option: Annotated[Side, Field(description="The option as it is numbered in the question")]

    @property
    def emitted_text(self) -> str:
        """The option."""
        return self.option


class Judge(Action):
    """Whether this person agrees with the statement."""

    name: ClassVar[str] = "judge"
    novelty = "none"
    kind: Literal["judge"]
    verdict: Literal["agree", "disagree"]

    @property
    def emitted_text(self) -> str:
        """The verdict."""
        return self.verdict


class Guess(Action):
    """What this person takes a number to be."""

    name: ClassVar[str] = "guess"
    novelty = "none"
    kind: Literal["guess"]
    number: Annotated[float, Field(ge=0, le=1_000_000)]

    @property
    def emitted_text(self) -> str:
        """The number."""
        return f"{self.number:g}"


@dataclass(frozen=True, slots=True)
class FidelityQuestion:
    """One question as it is put in one step: to half of the people in one variant, to the others in the other."""

    test: str
    action: type[Action]
    #: What is asked in variant 0 and in variant 1.
    texts: tuple[str, str]
    #: Where the same is asked twice, the other time in the other variant: 1.
    turned: int = 0
    #: What the question is called, where people have been asked it; and the share of them who chose option a.
    name: str = ""
    share: float | None = None
    #: The two anchors, where it has any: that of variant 0 first.
    anchors: tuple[float, float] = (0.0, 0.0)

    def variant(self, place: int) -> int:
        """The variant for the agent at this place."""
        return (place + self.turned) % 2


@cache
def _items() -> dict[str, Any]:
    return tomllib.loads(files(__package__).joinpath("items.toml").read_text(encoding="utf-8"))


def people() -> Hub:
    """The people who are asked; they do not know each other."""
    return Hub(tuple(Persona(text) for text in _items()["people"]))


@cache
def questions(*tests: str) -> tuple[FidelityQuestion, ...]:
    """The questions of these tests, or of all, in the order of steps."""
    return tuple(one for one in _questions() if not tests or one.test in tests)


def _questions() -> Iterator[FidelityQuestion]:
    items = _items()
    for turned in (0, 1):
        for one in items["options"]:
            texts = _both(one["text"], one["a"], one["b"])
            yield FidelityQuestion("option order", Choose, texts, turned, name=one["text"])
        for one in items["statements"]:
            texts = (f"Do you agree? {one['text']}", f"Do you agree? {one['reversed']}")
            yield FidelityQuestion("agreement", Judge, texts, turned, name=one["text"])
    for one in items["estimates"]:
        low, high = (
            f"Is {one['text']} more or less than {anchor}? And what do you take it to be? Answer with the number alone."
            for anchor in (one["low"], one["high"])
        )
        yield FidelityQuestion("anchoring", Guess, (low, high), name=one["text"], anchors=(one["low"], one["high"]))
    for one in items["games"]:
        a, b = (f"you get {mine}, the other person gets {theirs}" for theirs, mine in (one["a"], one["b"]))
        asked = "You share money with somebody whom you do not know and never meet. Nobody learns what you choose."
        yield FidelityQuestion("dictator game", Choose, _both(asked, a, b), name=one["name"], share=one["share"])
    for one in items["acquaintances"]:
        asked = "You have just moved to a village. Whom would you rather get to know?"
        yield FidelityQuestion(one["test"], Choose, _both(asked, one["a"], one["b"]), name=one["test"])


def _both(asked: str, a: str, b: str) -> tuple[str, str]:
    """The question with a first, and with b first."""
    first, second = (f"{asked} First: {one}. Second: {other}." for one, other in ((a, b), (b, a)))
    return first, second


class Questionnaire(Scenario):
    """Everybody answers one question a step, and remembers none."""

    name = "questionnaire"
    world = "People of one country answer questions for themselves, each as it comes to mind."
    actions = (Choose, Judge, Guess)
    independent = True
    observes = False

    def _asked(self, step: int) -> FidelityQuestion:
        return questions()[step - 1]

    def offer(self, resident: Resident, observation: Observation, rng: random.Random) -> tuple[type[Action], ...]:
        """The form of answer that the question has."""
        return (self._asked(observation.step).action,)

    def task(self, resident: Resident, world: World) -> str:
        """The question, in this one's variant."""
        asked = self._asked(world.step)
        return asked.texts[asked.variant(place_of(resident.persona.text))]


def place_of(persona: str) -> int:
    """The place of one of the people, from 0."""
    return int(_items()["people"].index(persona))


@dataclass(frozen=True, slots=True)
class FidelityAnswer:
    """What one agent answered to one question."""

    question: FidelityQuestion
    place: int
    answer: Any

    @property
    def variant(self) -> int:
        """The variant that was put to the agent."""
        return self.question.variant(self.place)

    @property
    def is_a(self) -> bool:
        """Whether option a was chosen, wherever it stood."""
        return bool((self.answer == "first") == (self.variant == 0))


_RESPONSES = """
SELECT step, ordinal - 1, coalesce(payload ->> 'option', payload ->> 'verdict', payload ->> 'number')
FROM emissions JOIN agents USING (agent) ORDER BY emission
"""


def responses_of(run: FinishedRun) -> Mapping[str, Sequence[FidelityAnswer]]:
    """Return all answers by test."""
    found: dict[str, list[FidelityAnswer]] = {}
    for step, place, answer in run.sql(_RESPONSES).rows:
        question = questions()[step - 1]
        found.setdefault(question.test, []).append(FidelityAnswer(question, place, answer))
    return found
