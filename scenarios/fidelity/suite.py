"""The questions that a model's agents are asked, the effects in their answers, and those of people beside them."""

import math
import random
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from statistics import fmean, median, quantiles, stdev
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from populace import Action, Persona, Scenario
from populace.agents import Limits, ModelHandle, Observation
from populace.analysis.stats import wilson_interval
from populace.core.errors import SetupError
from populace.core.query import QueryResult
from populace.personas import Hub
from populace.sim import FinishedRun, Growth, Resident, Society, World

#: Which of two that are shown.
type Side = Literal["first", "second"]


class Choose(Action):
    """The option that this person would choose."""

    name: ClassVar[str] = "choose"
    novelty = "none"
    kind: Literal["choose"]
    option: Annotated[Side, Field(description="The option as it is numbered in the question")]


class Judge(Action):
    """Whether this person agrees with the statement."""

    name: ClassVar[str] = "judge"
    novelty = "none"
    kind: Literal["judge"]
    verdict: Literal["agree", "disagree"]


class Guess(Action):
    """What this person takes a number to be."""

    name: ClassVar[str] = "guess"
    novelty = "none"
    kind: Literal["guess"]
    number: Annotated[float, Field(ge=0, le=1_000_000)]


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
def _read_items() -> dict[str, Any]:
    return tomllib.loads(files(__package__).joinpath("items.toml").read_text(encoding="utf-8"))


def people() -> Hub:
    """The people who are asked; they do not know each other."""
    return Hub(tuple(Persona(text) for text in _read_items()["people"]))


@cache
def list_questions(*tests: str) -> tuple[FidelityQuestion, ...]:
    """The questions of these tests, or of all, in the order of steps."""
    return tuple(one for one in _iter_questions() if not tests or one.test in tests)


def _iter_questions() -> Iterator[FidelityQuestion]:
    items = _read_items()
    for turned in (0, 1):
        for one in items["options"]:
            texts = _both_orders(one["text"], one["a"], one["b"])
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
        yield FidelityQuestion("dictator game", Choose, _both_orders(asked, a, b), name=one["name"], share=one["share"])
    for one in items["acquaintances"]:
        asked = "You have just moved to a village. Whom would you rather get to know?"
        yield FidelityQuestion(one["test"], Choose, _both_orders(asked, one["a"], one["b"]), name=one["test"])


def _both_orders(asked: str, a: str, b: str) -> tuple[str, str]:
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

    def _asked_question(self, step: int) -> FidelityQuestion:
        return list_questions()[step - 1]

    def offer(self, resident: Resident, observation: Observation, rng: random.Random) -> tuple[type[Action], ...]:
        """The form of answer that the question has."""
        return (self._asked_question(observation.step).action,)

    def task(self, resident: Resident, world: World) -> str:
        """The question, in this one's variant."""
        asked = self._asked_question(world.step)
        return asked.texts[asked.variant(place_of(resident.persona.text))]


def place_of(persona: str) -> int:
    """The place of one of the people, from 0."""
    return int(_read_items()["people"].index(persona))


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
        question = list_questions()[step - 1]
        found.setdefault(question.test, []).append(FidelityAnswer(question, place, answer))
    return found


_DRAWS = 1_000


@dataclass(frozen=True, slots=True)
class EffectSize:
    """One number that was found, with its 95 % interval, beside what is to be expected."""

    test: str
    what: str
    #: What people gave, or what there would be without the effect.
    reference: float
    #: The number; nan where nothing was answered.
    got: float
    low: float
    high: float
    #: Cohen's h for a share, d for a mean: 0.2 is small, 0.5 medium, 0.8 large.
    size: float
    #: Answers that it rests on.
    answers: int
    source: str

    @property
    def differs(self) -> bool:
        """Whether the interval leaves the reference out; where there is none, it does not."""
        return self.reference < self.low or self.reference > self.high


def share_effect(test: str, what: str, hits: int, answers: int, *, reference: float, source: str) -> EffectSize:
    """A share with Wilson's interval and Cohen's h: the difference of arcsines of square roots, times 2."""
    got = hits / answers if answers else math.nan
    low, high = wilson_interval(hits, answers) if answers else (math.nan, math.nan)
    size = 2 * (math.asin(math.sqrt(got)) - math.asin(math.sqrt(reference))) if answers else math.nan
    return EffectSize(test, what, reference, got, low, high, size, answers, source)


_ANCHORS = "Jacowitz and Kahneman 1995"
#: Tests of which one answer is counted: which, what its share is called, and whose result it is set beside.
_COUNTED = {
    "option order": ("first", "share who choose the option that is shown first", "Pezeshkpour and Hruschka 2024"),
    "agreement": ("agree", "share who agree, of statements and their opposites", "Schuman and Presser 1981"),
}


def measure_anchors(found: Sequence[FidelityAnswer], seed: int) -> EffectSize:
    """Return the anchoring index, with a percentile interval of draws of people.

    Its size is the distance from no effect in deviations of one person.
    """
    what = "difference of median estimates, as a share of that of anchors; half with people"
    places = sorted({one.place for one in found})
    by_person = [[one for one in found if one.place == place] for place in places]
    rng = random.Random(seed)  # noqa: S311 - no secret
    drawn = [_anchoring_index([rng.choice(by_person) for _ in by_person]) for _ in range(_DRAWS)] if by_person else []
    known = [one for one in drawn if math.isfinite(one)]
    if len(known) < _DRAWS / 2:
        return EffectSize("anchoring", what, 0.0, *(math.nan,) * 4, len(found), _ANCHORS)
    got, cuts = _anchoring_index(by_person), quantiles(known, n=40)
    deviation = stdev(known) * math.sqrt(len(by_person))
    size = got / deviation if deviation else math.nan
    return EffectSize("anchoring", what, 0.0, got, cuts[0], cuts[-1], size, len(found), _ANCHORS)


def _anchoring_index(people: Sequence[Sequence[FidelityAnswer]]) -> float:
    """Over questions, the mean of (median with the high anchor - median with the low one) / (high - low)."""
    indices = []
    for question in list_questions("anchoring"):
        given = [one for answers in people for one in answers if one.question == question]
        low, high = ([float(one.answer) for one in given if one.variant == variant] for variant in (0, 1))
        if low and high:
            indices.append((median(high) - median(low)) / (question.anchors[1] - question.anchors[0]))
    return fmean(indices) if indices else float("nan")


_GAMES = "Charness and Rabin 2002"
_FORMATION = "Papachristou and Yuan 2024"


def check_language_model(model: ModelHandle) -> None:
    """Raise `SetupError` for a model that is none."""
    if not model.is_language_model:
        raise SetupError(
            f"{model.name} is no language model, so there would be nothing to find about people; name a model, as "
            f"--model openai:NAME, or leave --model out to check the engine."
        )


def measure_fidelity(model: ModelHandle, folder: Path, seed: int, options: Mapping[str, Any]) -> list[EffectSize]:
    """Ask all questions in a run in this folder, or go on with the one that is there. Return the effects.

    `options` are further options of a run, as `limits`. Raises what a run raises.
    """
    scenario = Questionnaire()
    out = folder / f"{scenario.name}.duckdb"
    if out.exists():
        limits = options.get("limits", Limits()).model_dump(exclude_unset=True)
        society = Society.resume(out, Questionnaire, model=model, limits=limits)
    else:
        growth = Growth(agents=None, hops=0)
        society = Society(
            scenario,
            source=people(),
            growth=growth,
            steps=len(list_questions()),
            seed=seed,
            out=out,
            model=model,
            **options,
        )
    return list(_find_effects(responses_of(society.run()), seed))


def _find_effects(answers: Mapping[str, Sequence[FidelityAnswer]], seed: int) -> Iterator[EffectSize]:
    for test, (counted, what, source) in _COUNTED.items():
        given = [one.answer for one in answers.get(test, [])]
        yield share_effect(test, what, given.count(counted), len(given), reference=0.5, source=source)
    yield measure_anchors(answers.get("anchoring", []), seed)
    games = answers.get("dictator game", [])
    for game in dict.fromkeys(one.question for one in games):
        chosen = [one.is_a for one in games if one.question == game]
        what, share = f"{game.name}: share who choose the first pair of the paper", game.share or 0.0
        yield share_effect("dictator game", what, sum(chosen), len(chosen), reference=share, source=_GAMES)
    for test, asked in answers.items():
        if asked[0].question.test == asked[0].question.name:
            chosen = [one.is_a for one in asked]
            what = "share who choose the one with more of it"
            yield share_effect(test, what, sum(chosen), len(chosen), reference=0.5, source=_FORMATION)


def table_of(effects: Sequence[EffectSize]) -> QueryResult:
    """One row for each effect."""
    columns = ("test", "what", "reference", "got", "low", "high", "size", "differs", "answers", "source")
    types = ("VARCHAR", "VARCHAR", *("DOUBLE",) * 5, "VARCHAR", "BIGINT", "VARCHAR")
    rows = [
        (e.test, e.what, e.reference, e.got, e.low, e.high, e.size, "yes" if e.differs else "no", e.answers, e.source)
        for e in effects
    ]
    return QueryResult(columns, types, rows)
