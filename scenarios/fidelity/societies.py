"""Two small societies of a real model: opinions that are said in words, and a convention against a minority."""

import math
import random
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from populace import Action, Persona, Scenario
from populace.agents import ActionEffects, Observation
from populace.personas import Hub, Relation, RelationKind
from populace.sim import FinishedRun, Resident, Settings, SocietyView, State, World

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


class QuestionnaireSettings(Settings):
    """Which questions are asked."""

    tests: tuple[str, ...] = Field((), description="The tests whose questions are asked; all unless given")


class Questionnaire(Scenario):
    """Everybody answers one question a step, and remembers none."""

    name = "questionnaire"
    world = "People of one country answer questions for themselves, each as it comes to mind."
    actions = (Choose, Judge, Guess)
    independent = True
    observes = False
    settings_type = QuestionnaireSettings
    settings: QuestionnaireSettings

    def _asked(self, step: int) -> FidelityQuestion:
        return questions(*self.settings.tests)[step - 1]

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


def responses_of(run: FinishedRun, *tests: str) -> Mapping[str, Sequence[FidelityAnswer]]:
    """All answers by test, of a run that asked the questions of these tests, or of all."""
    found: dict[str, list[FidelityAnswer]] = {}
    for step, place, answer in run.sql(_RESPONSES).rows:
        question = questions(*tests)[step - 1]
        found.setdefault(question.test, []).append(FidelityAnswer(question, place, answer))
    return found


#: People who play by themselves; those who always say the new name come after them.
FOLLOWERS = 8
#: The name that everybody uses at first, and that of the minority.
_OLD, _NEW = "wug", "blick"
#: Rounds that somebody remembers, and rounds there are.
_REMEMBERED = 4
ROUNDS = 8


def circle() -> Hub:
    """The people in a ring, in which each knows one on either side."""
    known = people().personas
    ends = zip(known, (*known[1:], known[0]), strict=True)
    ties = (Relation(one.id, other.id, RelationKind.NEIGHBOURHOOD, "neighbour") for one, other in ends)
    return Hub(known, tuple(ties))


class PlanSupport(State):
    """What an agent thinks of the plan: 0 against it, 100 for it."""

    support: int


class Speak(Action):
    """What this person now thinks of the plan, and how it says so to one of those who are there."""

    name: ClassVar[str] = "opinion"
    addressed: ClassVar[bool] = True
    remembered: ClassVar[str] = "You said of the plan: $text"
    novelty = "none"
    kind: Literal["opinion"]
    support: Annotated[int, Field(ge=0, le=100, description="0 is wholly against the plan, 100 wholly for it")]
    to: Annotated[str, Field(description="The key of the one who is spoken to")]
    text: Annotated[str, Field(min_length=1, max_length=300, description="What is said, in words and without numbers")]

    @property
    def emitted_text(self) -> str:
        """The words."""
        return self.text

    def apply(self, effects: ActionEffects) -> None:
        """The number is this one's own; the other one hears the words."""
        effects.state.support = self.support
        super().apply(effects)


class VerbalOpinions(Scenario):
    """Neighbours talk about a plan, and may move each other."""

    name = "verbal-opinions"
    world = "A village is to decide whether the road past the school is closed to cars. Neighbours talk about it."
    actions = (Speak,)
    agent_state_type = PlanSupport

    def agent_state(self, resident: Resident, rng: random.Random) -> PlanSupport:
        """Every other one is for it, every other one against it."""
        return PlanSupport(support=20 if place_of(resident.persona.text) % 2 else 80)

    def task(self, resident: Resident, world: World) -> str:
        """What it thought so far, and what is asked."""
        return (
            f"Your support for the plan was {resident.state.support} of 100 so far, and you have heard what neighbours "
            f"say. What is your support now, and what do you say to one of them?"
        )


_HEARD = """
WITH support AS (
    SELECT a.agent, a.ordinal, n.step,
           last_value(s.value::INT IGNORE NULLS) OVER (PARTITION BY a.agent ORDER BY n.step) AS support
    FROM agents AS a CROSS JOIN (SELECT 0 AS step UNION ALL SELECT step FROM steps) AS n
    LEFT JOIN agent_state AS s ON s.agent = a.agent AND s.step = n.step AND s.name = 'support'
)
SELECT old.ordinal, any_value(old.support), avg(teller.support), any_value(new.support)
FROM messages AS m
JOIN support AS teller ON teller.agent = m.sender AND teller.step = m.step
JOIN support AS old ON old.agent = m.recipient AND old.step = m.step
JOIN support AS new ON new.agent = m.recipient AND new.step = m.step + 1
GROUP BY old.ordinal, m.step ORDER BY old.ordinal, m.step
"""

#: What an agent thought, the mean of what those thought whom it heard, and what it thought then.
type Move = tuple[float, float, float]


def moves_of(run: FinishedRun) -> list[list[Move]]:
    """The moves of each agent, in each step in which it had heard somebody."""
    found: dict[int, list[Move]] = {}
    for place, own, heard, then in run.sql(_HEARD).rows:
        found.setdefault(place, []).append((float(own), float(heard), float(then)))
    return list(found.values())


def weights_of(agents: Sequence[Sequence[Move]]) -> tuple[float, float]:
    """The weights of the own opinion and of what was heard, by least squares with a constant.

    The constant and the own weight take up what would be there if answers were chance.
    """
    moves = np.array([move for agent in agents for move in agent]).reshape(-1, 3)
    known = np.column_stack([np.ones(len(moves)), moves[:, :2]])
    if len(moves) < 4 or np.linalg.matrix_rank(known) < 3:
        return math.nan, math.nan
    _, own, heard = np.linalg.lstsq(known, moves[:, 2])[0]
    return float(own), float(heard)


class SpokenNames(State):
    """The names that were said, by round and agent."""

    words: dict[str, str] = Field(default_factory=dict)


class Name(Action):
    """The name that this person uses for the object in this round."""

    name: ClassVar[str] = "name"
    novelty = "none"
    kind: Literal["name"]
    word: Literal["wug", "blick"]

    @property
    def emitted_text(self) -> str:
        """The name."""
        return self.word

    def apply(self, effects: ActionEffects) -> None:
        """The partner learns it after the round."""
        effects.world.state.words[f"{effects.world.step} {effects.agent}"] = self.word


class ConventionSettings(Settings):
    """How large the minority is."""

    committed: int = Field(0, ge=0, le=FOLLOWERS, description="Agents that always use the new name")


class Convention(Scenario):
    """Pairs that are drawn anew each round are paid for using one name; some people always use another."""

    name = "convention"
    world = (
        "In each round you meet one person of your group, whom you do not know, and both of you name an object that "
        "you see. If you use the same name, both of you get a point; else both of you lose one. You want points."
    )
    actions = (Name,)
    observes = False
    world_state_type = SpokenNames
    settings_type = ConventionSettings
    settings: ConventionSettings

    def active(self, society: SocietyView, rng: random.Random) -> Sequence[Resident]:
        """The followers; what the others say is known."""
        return society.residents[:FOLLOWERS]

    def task(self, resident: Resident, world: World) -> str:
        """The latest rounds of this one."""
        place = place_of(resident.persona.text)
        told = " ".join(self._told(place, round_, world) for round_ in range(world.step - _REMEMBERED, world.step))
        words = (_OLD, _NEW) if (place + world.step) % 2 else (_NEW, _OLD)
        return f"{told} Which name do you use now: {words[0]} or {words[1]}?"

    def _told(self, place: int, round_: int, world: World) -> str:
        partner = self._partners(round_)[place]
        mine, theirs = (self._said(one, round_, world) for one in (place, partner))
        return (
            f"You said {mine} and your partner said {theirs}: {'one point' if mine == theirs else 'minus one point'}."
        )

    def _said(self, place: int, round_: int, world: World) -> str:
        if place >= FOLLOWERS:
            return _NEW
        if round_ < 1:  # the convention is settled when the minority comes
            return _OLD
        said: SpokenNames = world.state
        return said.words.get(f"{round_} {people().personas[place].id}", _OLD)

    def _partners(self, round_: int) -> list[int]:
        """Who meets whom in a round: nobody is alone, where the number of people is even."""
        group = list(range(FOLLOWERS + (self.settings.committed if round_ > 0 else 0)))
        order = random.Random(round_).sample(group, len(group))  # noqa: S311 - no secret
        partners = [0] * len(group)
        for one, other in zip(order[::2], order[1::2], strict=True):
            partners[one], partners[other] = other, one
        return partners


_LATE = "SELECT count(*) FILTER (text = $1), count(*) FROM emissions WHERE step > $2"


def late_adopters(run: FinishedRun) -> tuple[int, int]:
    """How many answers of the last two rounds are the new name, and how many there are."""
    ((new, answers),) = run.sql(_LATE, (_NEW, ROUNDS - 2)).rows
    return int(new), int(answers)
