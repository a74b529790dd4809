"""The suite: its runs, what each gives, and one table."""

import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, median, quantiles
from types import MappingProxyType
from typing import Any

from populace.agents import Limits, ModelHandle
from populace.analysis.stats import wilson_interval
from populace.core.errors import SetupError
from populace.core.query import Result
from populace.personas import Hub
from populace.sim import FinishedRun, Growth, Scenario, Society
from populace.sim.experiment.design import ModelCheckName
from populace.sim.experiment.model_checks import EffectSize

from .societies import (
    FOLLOWERS,
    ROUNDS,
    Convention,
    FidelityAnswer,
    Move,
    Questionnaire,
    VerbalOpinions,
    circle,
    late_adopters,
    moves_of,
    people,
    questions,
    responses_of,
    weights_of,
)

_DRAWS = 1_000


def share_effect(test: str, what: str, hits: int, answers: int, *, reference: float, source: str) -> EffectSize:
    """A share with Wilson's interval and Cohen's h: the difference of arcsines of square roots, times 2."""
    got = hits / answers if answers else math.nan
    low, high = wilson_interval(hits, answers) if answers else (math.nan, math.nan)
    size = 2 * (math.asin(math.sqrt(got)) - math.asin(math.sqrt(reference))) if answers else math.nan
    return EffectSize(test, what, reference, got, low, high, size, answers, source)


def difference_effect(test: str, what: str, one: tuple[int, int], other: tuple[int, int], *, source: str) -> EffectSize:
    """What the first share, as hits of answers, is above the other: with Newcombe's interval, and Cohen's h."""
    if not (one[1] and other[1]):
        return EffectSize(test, what, 0.0, *(math.nan,) * 4, one[1] + other[1], source)
    shares = [hits / answers for hits, answers in (one, other)]
    (low, high), (other_low, other_high) = wilson_interval(*one), wilson_interval(*other)
    got = shares[0] - shares[1]
    below = math.hypot(shares[0] - low, other_high - shares[1])
    above = math.hypot(high - shares[0], shares[1] - other_low)
    angles = [2 * math.asin(math.sqrt(share)) for share in shares]
    return EffectSize(test, what, 0.0, got, got - below, got + above, angles[0] - angles[1], one[1] + other[1], source)


def mean_effect[T](
    test: str,
    what: str,
    people: Sequence[T],
    estimate: Callable[[Sequence[T]], float],
    *,
    reference: float,
    answers: int,
    source: str,
    seed: int,
) -> EffectSize:
    """An estimate over people, with a percentile interval of draws of people; d is its distance in deviations of one.

    A standard error of n people is a deviation of one of them by the root of n.
    """
    rng = random.Random(seed)  # noqa: S311 - no secret
    drawn = [estimate([rng.choice(people) for _ in people]) for _ in range(_DRAWS)] if people else []
    known = [one for one in drawn if math.isfinite(one)]
    if len(known) < _DRAWS / 2:
        return EffectSize(test, what, reference, math.nan, math.nan, math.nan, math.nan, answers, source)
    got, mean = estimate(people), fmean(known)
    cuts = quantiles(known, n=40)
    deviation = math.sqrt(fmean((one - mean) ** 2 for one in known) * len(people))
    size = (got - reference) / deviation if deviation else math.nan
    return EffectSize(test, what, reference, got, cuts[0], cuts[-1], size, answers, source)


_ORDER = "Pezeshkpour and Hruschka 2024"
_AGREEMENT = "Schuman and Presser 1981"
_ANCHORS = "Jacowitz and Kahneman 1995"


@dataclass(frozen=True, slots=True)
class FidelityCheck:
    """One check: its questions, asked of people of its own, and the effect in the answers."""

    name: ModelCheckName
    #: The effect in answers; intervals that are drawn depend on the seed.
    effect: Callable[[Sequence[FidelityAnswer], int], EffectSize]
    #: What an effect means, with the model's name, the number and its interval.
    meaning: Callable[[str, EffectSize], str]

    @property
    def scenario(self) -> Scenario:
        """Everybody is asked one question a step, each for itself."""
        return Questionnaire({"tests": (self.name,)})

    @property
    def people(self) -> Hub:
        """Who is asked."""
        return people()

    @property
    def steps(self) -> int:
        """How many questions there are."""
        return len(questions(self.name))

    def read(self, run: FinishedRun, seed: int) -> EffectSize:
        """What the answers of a run came to."""
        return self.effect(responses_of(run, self.name).get(self.name, ()), seed)

    def warning(self, model: str, effect: EffectSize) -> str:
        """What is to be known of the model where there is an effect; empty where none is to be seen."""
        return self.meaning(model, effect) if effect.differs else ""


def _of_order(found: Sequence[FidelityAnswer], seed: int) -> EffectSize:
    first = sum(one.answer == "first" for one in found)
    what = "share who choose the option that is shown first"
    return share_effect("option order", what, first, len(found), reference=0.5, source=_ORDER)


def _of_agreement(found: Sequence[FidelityAnswer], seed: int) -> EffectSize:
    agreed = sum(one.answer == "agree" for one in found)
    what = "share who agree, of statements and their opposites"
    return share_effect("agreement", what, agreed, len(found), reference=0.5, source=_AGREEMENT)


def _of_anchors(found: Sequence[FidelityAnswer], seed: int) -> EffectSize:
    places = sorted({one.place for one in found})
    by_person = [[one for one in found if one.place == place] for place in places]
    return mean_effect(
        "anchoring", "difference of median estimates, as a share of that of anchors; half with people", by_person,
        _anchoring_index, reference=0.0, answers=len(found), source=_ANCHORS, seed=seed,
    )  # fmt: skip


def _anchoring_index(people: Sequence[Sequence[FidelityAnswer]]) -> float:
    """Over questions, the mean of (median with the high anchor - median with the low one) / (high - low)."""
    indices = []
    for question in questions("anchoring"):
        given = [one for answers in people for one in answers if one.question == question]
        low, high = ([float(one.answer) for one in given if one.variant == variant] for variant in (0, 1))
        if low and high:
            indices.append((median(high) - median(low)) / (question.anchors[1] - question.anchors[0]))
    return fmean(indices) if indices else float("nan")


def _order_means(model: str, effect: EffectSize) -> str:
    place, share = ("first", effect.got) if effect.got > effect.reference else ("second", 1 - effect.got)
    return (
        f"{model} chooses the option that is shown {place} in {share:.0%} of its answers, where the order says nothing "
        f"and each is shown first as often: let surveys show options in changing order, and compare arms rather than "
        f"read shares."
    )


def _agreement_means(model: str, effect: EffectSize) -> str:
    verb, share = ("agrees", effect.got) if effect.got > effect.reference else ("disagrees", 1 - effect.got)
    return (
        f"{model} {verb} with {share:.0%} of statements and their opposites, where half would follow from what they "
        f"say: word items in both directions, and compare arms rather than read shares."
    )


def _anchors_mean(model: str, effect: EffectSize) -> str:
    to = "towards" if effect.got > 0 else "away from"
    return (
        f"The estimates of {model} move {to} a number that stands in the question, by {abs(effect.got):.0%} of the "
        f"distance between two such numbers (people: about half): keep numbers in prompts the same in all arms, unless "
        f"they are what the arms differ in."
    )


#: The checks by name.
MODEL_CHECKS: Mapping[ModelCheckName, FidelityCheck] = MappingProxyType(
    {
        one.name: one
        for one in (
            FidelityCheck("option order", _of_order, _order_means),
            FidelityCheck("agreement", _of_agreement, _agreement_means),
            FidelityCheck("anchoring", _of_anchors, _anchors_mean),
        )
    }
)


_GAMES = "Charness and Rabin 2002"
_FORMATION = "Papachristou and Yuan 2024"
_DEGROOT = "DeGroot 1974; Chuang and others 2024"
_CONVENTION = "Centola and others 2018; Ashery and others 2025"
#: Steps of talk.
_TALK = 5
#: People who are committed to another name, beside those who play by themselves.
COMMITTED = (0, 2, 4)


def check_language_model(model: ModelHandle) -> None:
    """Raise `SetupError` for a model that is none."""
    if not model.is_language_model:
        raise SetupError(
            f"{model.name} is no language model, so there would be nothing to find about people; name a model, as "
            f"--model openai:NAME, or leave --model out to check the engine."
        )


@dataclass(frozen=True, slots=True)
class Suite:
    """The suite for one model, with its run files in one folder."""

    model: ModelHandle
    folder: Path
    seed: int = 0
    #: Further options of each run, as `limits`.
    options: Mapping[str, Any] = field(default_factory=dict)

    def effects(self) -> Iterator[EffectSize]:
        """All effects, as soon as each is known. Raises what a run raises."""
        answers = responses_of(self._run(Questionnaire(), people(), steps=len(questions())))
        yield from self._of_answers(answers)
        yield from self._weights(self._run(VerbalOpinions(), circle(), steps=_TALK))
        yield from self._conventions()

    def _conventions(self) -> Iterator[EffectSize]:
        alone, few, many = (
            late_adopters(self._run(Convention({"committed": committed}), people(), steps=ROUNDS, name=f"-{committed}"))
            for committed in COMMITTED
        )
        what = "share who leave the convention by themselves"
        yield share_effect("convention", what, *alone, reference=0.0, source=_CONVENTION)
        for committed, arm in zip(COMMITTED[1:], (few, many), strict=True):
            part = committed / (FOLLOWERS + committed)
            what = f"further share who do so where {part:.0%} of people are committed to another"
            yield difference_effect("convention", what, arm, alone, source=_CONVENTION)

    def _run(self, scenario: Scenario, hub: Hub, *, steps: int, name: str = "") -> FinishedRun:
        """The run, or what is left to do of it where it was begun before."""
        out = self.folder / f"{scenario.name}{name}.duckdb"
        if out.exists():
            limits = self.options.get("limits", Limits()).model_dump(exclude_unset=True)
            return Society.resume(out, type(scenario), model=self.model, limits=limits).run()
        growth = Growth(agents=None, hops=0)
        return Society(
            scenario, source=hub, growth=growth, steps=steps, seed=self.seed, out=out, model=self.model, **self.options
        ).run()

    def _of_answers(self, answers: Mapping[str, Sequence[FidelityAnswer]]) -> Iterator[EffectSize]:
        for one in MODEL_CHECKS.values():
            yield one.effect(answers.get(one.name, []), self.seed)
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

    def _weights(self, run: FinishedRun) -> Iterator[EffectSize]:
        agents = moves_of(run)
        answers = sum(map(len, agents))
        for what, weight in (("weight of the own opinion", _own), ("weight of what is heard from others", _heard)):
            yield mean_effect(
                "verbal opinions", what, agents, weight,
                reference=0.0, answers=answers, source=_DEGROOT, seed=self.seed,
            )  # fmt: skip


def _own(agents: Sequence[Sequence[Move]]) -> float:
    return weights_of(agents)[0]


def _heard(agents: Sequence[Sequence[Move]]) -> float:
    return weights_of(agents)[1]


def table_of(effects: Sequence[EffectSize]) -> Result:
    """One row for each effect."""
    columns = ("test", "what", "reference", "got", "low", "high", "size", "differs", "answers", "source")
    types = ("VARCHAR", "VARCHAR", *("DOUBLE",) * 5, "VARCHAR", "BIGINT", "VARCHAR")
    rows = [
        (e.test, e.what, e.reference, e.got, e.low, e.high, e.size, "yes" if e.differs else "no", e.answers, e.source)
        for e in effects
    ]
    return Result(columns, types, rows)
