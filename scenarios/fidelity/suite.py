"""Effects in the answers of a model's agents, beside those of people, and one table."""

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median, quantiles, stdev
from typing import Any

from populace.agents import Limits, ModelHandle
from populace.analysis.stats import wilson_interval
from populace.core.errors import SetupError
from populace.core.query import QueryResult
from populace.sim import Growth, Society

from .questions import FidelityAnswer, Questionnaire, people, questions, responses_of

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


_ORDER = "Pezeshkpour and Hruschka 2024"
_AGREEMENT = "Schuman and Presser 1981"
_ANCHORS = "Jacowitz and Kahneman 1995"


def _measure_order(found: Sequence[FidelityAnswer]) -> EffectSize:
    first = sum(one.answer == "first" for one in found)
    what = "share who choose the option that is shown first"
    return share_effect("option order", what, first, len(found), reference=0.5, source=_ORDER)


def _measure_agreement(found: Sequence[FidelityAnswer]) -> EffectSize:
    agreed = sum(one.answer == "agree" for one in found)
    what = "share who agree, of statements and their opposites"
    return share_effect("agreement", what, agreed, len(found), reference=0.5, source=_AGREEMENT)


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
    for question in questions("anchoring"):
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
            scenario, source=people(), growth=growth, steps=len(questions()), seed=seed, out=out, model=model, **options
        )
    return list(_find_effects(responses_of(society.run()), seed))


def _find_effects(answers: Mapping[str, Sequence[FidelityAnswer]], seed: int) -> Iterator[EffectSize]:
    yield _measure_order(answers.get("option order", []))
    yield _measure_agreement(answers.get("agreement", []))
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
