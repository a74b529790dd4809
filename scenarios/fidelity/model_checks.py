"""The checks of a model that an experiment can have asked before its runs: agreement, order of options, anchors.

They say how the model answers, whatever the people: what moves its answers besides their content.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from types import MappingProxyType

from populace.personas import Hub
from populace.sim import FinishedRun, Scenario
from populace.sim.experiment.design import ModelCheckName

from .effects import EffectSize, mean_effect, share_effect
from .questionnaire import FidelityAnswer, Questionnaire, people, questions, responses_of

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
