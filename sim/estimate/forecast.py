"""What a sample of a real model's answers says of the whole job: totals with 90 % prediction intervals."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ...agents.gateway.budget import Prices
from ..runfile.job_rows import Unit
from .dry_run import Answered, DryRun
from .intervals import ENOUGH, Interval, Part, predict_total, share_interval
from .purposes import MEASURES, REVISION, Asked, Counted, Purpose, add_purposes, mean_of, stage_of

#: How much more or less than a sample shows requests of a society may take: as answers shape later prompts, and in
#: steps that the sample did not reach.
_REACHED, _LATER = 0.05, 0.1


@dataclass(frozen=True, slots=True)
class Items:
    """Items of a job, each of which is asked about apart from the others."""

    #: How many there will be; of a task, how many outputs are to be accepted.
    whole: float
    #: How many of those each item of the sample is: 1, or of a task how many outputs of a turn were accepted.
    units: Mapping[str, float]
    #: Return the item that an answer belongs to; None if it belongs to none.
    item_of: Callable[[Answered], str | None]
    #: Outputs of a sample in which none was rejected, else 0.
    all_accepted: int = 0


@dataclass(frozen=True, slots=True)
class Forecast:
    """Predictions for the purposes of a job; those that the sample did not reach stay as they were computed."""

    purposes: tuple[Purpose, ...]
    parts: Mapping[str, Part]

    def total(self, name: str, purposes: Sequence[Purpose]) -> Purpose:
        """Return the total of these purposes. It is narrower than the sum of their intervals."""
        known = [one for one in purposes if one.name in self.parts]
        found = [one for one in purposes if one.name not in self.parts]
        if known:
            found.append(_predict(replace(known[0], name=name), [self.parts[one.name] for one in known]))
        return add_purposes(name, found)

    @property
    def unreached(self) -> list[str]:
        """Purposes of which the sample says too little."""
        return [one.name for one in self.purposes if one.name not in {"revise", *self.parts}]


def _predict(purpose: Purpose, parts: Sequence[Part]) -> Purpose:
    found = {measure: predict_total(parts, measure) for measure in MEASURES}
    known: dict[str, Any] = {name: one for name, one in found.items() if one is not None or name == "reasoning"}
    return replace(purpose, **known)


@dataclass(frozen=True, slots=True)
class Sampled:
    """A sample with what its calls are counted by."""

    run: DryRun
    counted: Counted
    asked: Asked
    prices: Callable[[str], Prices | None]
    #: The dry run of the sample's own society; None where requests do not grow from step to step.
    reference: DryRun | None = None
    items: Items | None = None

    def forecast(self, computed: Sequence[Purpose]) -> Forecast:
        """Return the predictions. `computed` holds the purposes as known without a sample."""
        known = {one.name: one for one in computed}
        for name in self.run.purposes:
            if name not in known:
                first, none = self.run.of(name)[0], Interval.exactly(0.0)
                known[name] = Purpose(name, none, none, none, role=first.role, stage=stage_of(first.phase))
        found = {name: self._by_item(name) or self._by_request(name) for name in known}
        parts = {name: part for name, part in found.items() if part is not None}
        predicted = {name: _predict(one, [parts[name]]) if name in parts else one for name, one in known.items()}
        turns = [predicted[name] for name in parts if name in self.asked.revised]
        if "revise" in known and not self.run.of("revise") and turns:
            predicted["revise"] = self._unseen(turns)
        return Forecast(tuple(predicted.values()), parts)

    def _by_item(self, name: str) -> Part | None:
        """Count a purpose by items, some of which were not asked about; None if it is not asked about items."""
        answers, items = self.run.of(name), self.items
        owners = [items.item_of(a) for a in answers] if items else []
        if items is None or not answers or None in owners:
            return None
        units = {**dict.fromkeys(map(str, owners), 0.0), **items.units}
        all_accepted = items.all_accepted if stage_of(answers[0].phase) == "making" else 0
        return self._part(name, items.whole, units, lambda a: str(items.item_of(a)), all_accepted=all_accepted)

    def _by_request(self, name: str) -> Part | None:
        """Count a purpose by its requests, of which the dry run had as many. Return None if too few were sampled."""
        asking = [a for one in self._asking(name) for a in self.run.of(one)]
        whole = self._whole(name)
        if (name == "revise" and not self.run.of(name)) or len({a.owner for a in asking}) < ENOUGH or not whole:
            return None
        requests = {(a.turn if name == "react" else a.request): a.owner for a in asking}
        wider = self._unknown([*asking, *self.run.of(name)])
        relations, born = self.run.found
        if name == "persona_to_persona" and born:
            share, span = min(born, relations) / relations, share_interval(born, relations)
            wider += max(share / span.low, span.high / share) - 1
        units = dict.fromkeys((a.owner for a in self.run.of(name)), 0.0) | Counter(requests.values())
        return self._part(name, whole, units, lambda a: a.owner, wider=wider)

    def _unseen(self, turns: Sequence[Purpose]) -> Purpose:
        """Return the maximum of revisions for these turns if the sample had none."""
        asked = share_interval(0, sum(self.run.requests(one.name) for one in turns)).high
        calls, into, out = (sum(getattr(one, name).high for one in turns) * asked for name in MEASURES[:3])
        into += out + REVISION * calls
        prices = self.prices("default")
        cost = None if prices is None else Interval(0.0, prices.of(into, out))
        reasoning = Interval(0.0, out) if any(one.reasoning for one in turns) else None
        return Purpose("revise", Interval(0.0, calls), Interval(0.0, into), Interval(0.0, out), reasoning, cost)

    def _asking(self, name: str) -> list[str]:
        """Return the purposes whose requests lead to those of this one: itself, or the turns that are revised."""
        if self.counted.dry_run.of(name) and not (name == "revise" and self.asked.revised):
            return [name]
        return [one for one in self.counted.dry_run.purposes if one in (self.asked.revised or self.asked.turns)]

    def _whole(self, name: str) -> float:
        """Return the number of requests in the whole job, at the middle of what the dry run says."""
        dry_run = self.counted.dry_run
        if name == "persona_to_persona" and self.run.newcomers and dry_run.newcomers:
            return dry_run.requests(name) * self.counted.growth * dry_run.newcomers / self.run.newcomers
        spans = [self.counted.requests(one) for one in self._asking(name)]
        whole = sum(one.low + one.high for one in spans) / 2
        answers = dry_run.of(name) if name == "react" else ()
        return whole * len({a.turn for a in answers}) / dry_run.requests(name) if answers else whole

    def _unknown(self, answers: Sequence[Answered]) -> float:
        """Return the relative error that such a sample cannot show."""
        steps = [a.number for a in answers if a.unit == Unit.STEP]
        if not steps:
            return _REACHED
        span = self.counted.steps
        scaled = (span.high - span.low) / (span.high + span.low)
        return scaled + (_REACHED if max(steps) >= self.counted.dry_run.steps else _LATER)

    def _part(
        self, name: str, whole: float, units: Mapping[str, float], owner_of: Callable[[Answered], str], **more: Any
    ) -> Part:
        answers = self.run.of(name)
        took: dict[str, Mapping[str, float] | None] = {}
        for measure, numbers in self._measures(name, answers).items():
            of = Counter[str]()
            for answer, number in zip(answers, numbers or (), strict=numbers is not None):
                of[owner_of(answer)] += number  # type: ignore[assignment]
            took[measure] = of if numbers is not None else None
        return Part(whole, units, took, len(answers), self.run.requests(name), **more)

    def _measures(self, name: str, answers: Sequence[Answered]) -> dict[str, Sequence[float] | None]:
        """Return the measures of each answer, or None if the endpoint does not count them or the price is not known.

        Prompt sizes are scaled to the whole job by the ratio of the dry run's prompts to those of the sample.
        """
        size = mean_of(self.counted.dry_run.of(name), "input")
        larger = [1.0 if self.reference is None else size / _expected(a, self.reference) or 1.0 for a in answers]
        counts = {key: _known([getattr(a, key) for a in answers]) for key in ("input", "output", "reasoning", "cached")}
        asked = counts["input"] and [n * by for n, by in zip(counts["input"], larger, strict=True)]
        cached = counts["cached"] or [0.0] * len(answers)
        prices, cost = self.prices(answers[0].role) if answers else None, None
        if prices is not None and asked is not None and counts["output"] is not None:
            each = zip(asked, counts["output"], cached, larger, strict=True)
            cost = [prices.of(into, out, min(into, kept * by)) for into, out, kept, by in each]
        return {"calls": [1.0] * len(answers), "input": asked, "output": counts["output"],
                "reasoning": counts["reasoning"], "cost": cost}  # fmt: skip


def _known(numbers: Sequence[int | None]) -> list[float] | None:
    """Return the numbers, with the mean in place of unknown ones. Returns None if too few are known."""
    known = [float(one) for one in numbers if one is not None]
    if numbers and len(known) < min(ENOUGH, len(numbers)):
        return None
    return [sum(known) / len(known) if one is None else float(one) for one in numbers]


def _expected(answer: Answered, reference: DryRun) -> float:
    """Return the mean bytes of such requests in the dry run of the sample's society, by step where it had any."""
    of_purpose = reference.of(answer.purpose)
    return mean_of([a for a in of_purpose if a.number == answer.number] or of_purpose, "input") or 1.0
