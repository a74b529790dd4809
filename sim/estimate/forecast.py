"""What a sample of a real model's answers says of the whole job: totals with 90 % prediction intervals."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ...agents.gateway.budget import Prices
from ..runfile.job_rows import Unit
from .dry_run import Answered, DryRun
from .intervals import ENOUGH, AcceptedShare, Interval, Numbers, Part, predict_total, share_interval
from .purposes import MEASURES, REVISION, Asked, Counted, Purpose, add_purposes, mean_of, stage_of

#: How much more or less than a sample shows requests of a society may take: as answers shape later prompts, and in
#: steps that the sample did not reach.
_REACHED, _LATER = 0.05, 0.1


@dataclass(frozen=True, slots=True)
class Items:
    """Items of a job, each of which is asked about apart from the others."""

    #: How many there will be, and were sampled, and of how many clusters these are.
    whole: float
    sampled: float
    clusters: int
    #: Of a task: how many outputs were accepted; they are the items, and as many are made as it takes.
    share: AcceptedShare | None = None


@dataclass(frozen=True, slots=True)
class _Group:
    """Purposes whose clusters are the same, so that their errors are not independent."""

    clusters: tuple[str, ...]
    #: Units of each purpose in all, those of the sample by cluster, and what it took of each measure by cluster.
    whole: dict[str, float] = field(default_factory=dict)
    units: dict[str, Numbers] = field(default_factory=dict)
    took: dict[str, dict[str, Numbers | None]] = field(default_factory=dict)
    share: AcceptedShare | None = None
    wider: float = 0.0
    #: Requests of a sample in which none was asked for again; 0 where some were, whose spread shows it.
    at_once: int = 0

    def predict(self, names: Sequence[str], measure: str) -> Interval | None:
        """Return what these purposes will take together, or None if it is not known."""
        took = [self.took[name][measure] for name in names]
        if any(one is None for one in took):
            return None
        asked = np.sum([self.units[name] for name in names], axis=0) > 0
        parts = [
            Part(self.whole[name], self.units[name][asked], one[asked])
            for name, one in zip(names, took, strict=True)
            if one is not None
        ]
        share = self.share
        if share is not None and share.counting is not None:
            share = replace(share, counting=share.counting[asked])
        return predict_total(parts, int(asked.sum()), share, wider=self.wider, at_once=self.at_once)


@dataclass(frozen=True, slots=True)
class Forecast:
    """Predictions for the purposes of a job; those that the sample did not reach stay as they were computed."""

    purposes: tuple[Purpose, ...]
    groups: tuple[_Group, ...]

    def total(self, name: str, purposes: Sequence[Purpose]) -> Purpose:
        """Return the total of these purposes. It is narrower than the sum of their intervals."""
        known = {one for group in self.groups for one in group.whole}
        found = [one for one in purposes if one.name not in known]
        for group in self.groups:
            names = [one.name for one in purposes if one.name in group.whole]
            if names:
                found.append(_predicted(replace(purposes[0], name=name), group, names))
        return add_purposes(name, found)

    @property
    def unreached(self) -> list[str]:
        """Purposes of which the sample says too little."""
        known = {"revise"}.union(*(group.whole for group in self.groups))
        return [one.name for one in self.purposes if one.name not in known]


def _predicted(purpose: Purpose, group: _Group, names: Sequence[str]) -> Purpose:
    found = {measure: group.predict(names, measure) for measure in MEASURES}
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
                first = self.run.of(name)[0]
                none = Interval.exactly(0.0)
                known[name] = Purpose(name, none, none, none, role=first.role, stage=stage_of(first.phase))
        by_item = [name for name in known if self._is_by_item(name) and self.run.of(name)]
        others = [name for name in known if name not in by_item]
        grown = [name for name in others if name == "persona_to_persona"]
        groups = [self._by_item(names, items) for names, items in self._itemised(by_item) if names]
        reached = (
            [n for n in names if self._is_reached(n)] for names in (grown, [n for n in others if n not in grown])
        )
        groups += [self._by_request(names) for names in reached if names]
        of = {name: group for group in groups for name in group.whole}
        found = [_predicted(one, of[name], [name]) if name in of else one for name, one in known.items()]
        if "revise" in known and not self.run.of("revise"):
            turns = [one for one in found if one.name in self.asked.revised and one.name in of]
            found = [self._unseen(turns) if one.name == "revise" and turns else one for one in found]
        return Forecast(tuple(found), tuple(groups))

    def _is_by_item(self, name: str) -> bool:
        if self.items is None:
            return False
        return all(a.unit != Unit.HOP and (self.items.share is None or _is_made(a)) for a in self.run.of(name))

    def _itemised(self, names: Sequence[str]) -> list[tuple[list[str], Items]]:
        """Return the purposes per item, with their items.

        For a task, some purposes are about accepted items, whose number is the number of rows wanted.
        """
        items = self.items or Items(0, 0, 0)
        later = [name for name in names if items.share and stage_of(self.run.of(name)[0].phase) != "making"]
        accepted = items.share and Items(items.share.wanted, items.share.hits, items.share.hits)
        return [([name for name in names if name not in later], items), (later, accepted or items)]

    def _by_item(self, names: Sequence[str], items: Items) -> _Group:
        """Count each purpose by items, some of which were not asked about."""
        answers = [a for name in names for a in self.run.of(name)]
        where = {id(a): self._item(a) for a in answers}
        clusters = list(dict.fromkeys(where.values()))
        clusters += [f"unasked {place}" for place in range(items.clusters - len(clusters))]
        share = items.share
        if share is not None:
            accepted = {turn for is_accepted, turn in self.run.made.values() if is_accepted}
            share = replace(share, counting=np.array([float(one in accepted) for one in clusters]))
        group = _Group(tuple(clusters), share=share, at_once=_at_once(answers))
        for name in names:
            units = np.full(len(clusters), items.sampled / len(clusters))
            self._add(group, name, items.whole, units, lambda a: where[id(a)])
        return group

    def _item(self, answer: Answered) -> str:
        if self.items is None or self.items.share is None:
            return answer.owner.partition("|")[0]
        made = self.run.made.get(answer.owner.partition("/")[0])
        return answer.turn if made is None or answer.unit == Unit.STEP else made[1]

    def _unseen(self, turns: Sequence[Purpose]) -> Purpose:
        """Return the maximum of revisions for these turns if the sample had none."""
        asked = share_interval(0, sum(self.run.requests(one.name) for one in turns)).high
        calls, into, out = (sum(getattr(one, name).high for one in turns) * asked for name in MEASURES[:3])
        into += out + REVISION * calls
        prices = self.prices("default")
        cost = None if prices is None else Interval(0.0, prices.of(into, out))
        reasoning = Interval(0.0, out) if any(one.reasoning for one in turns) else None
        return Purpose("revise", Interval(0.0, calls), Interval(0.0, into), Interval(0.0, out), reasoning, cost)

    def _is_reached(self, name: str) -> bool:
        if name == "revise" and not self.run.of(name):
            return False
        answers = [a for one in self._asking(name) for a in self.run.of(one)]
        return bool(self._asking(name)) and len({a.owner for a in answers}) >= ENOUGH and self._whole(name) > 0

    def _by_request(self, names: Sequence[str]) -> _Group:
        """Count each purpose by its requests. The dry run with the built-in generator had the same number."""
        answers = [a for name in names for one in {name, *self._asking(name)} for a in self.run.of(one)]
        clusters = tuple(dict.fromkeys(a.owner for a in answers))
        share = None
        relations, born = self.run.found
        if names == ["persona_to_persona"] and born:
            share = AcceptedShare(min(born, relations), relations, max(1.0, self._whole(names[0])))
        group = _Group(clusters, share=share, wider=self._unknown(answers), at_once=_at_once(answers))
        for name in names:
            asking = [a for one in self._asking(name) for a in self.run.of(one)]
            requests = {(a.turn if name == "react" else a.request): a for a in asking}
            units = np.zeros(len(clusters))
            for one in requests.values():
                units[clusters.index(one.owner)] += 1
            self._add(group, name, self._whole(name), units, lambda a: a.owner)
        return group

    def _asking(self, name: str) -> list[str]:
        """Return the purposes whose requests lead to those of this one: itself, or the turns that are revised."""
        if self.counted.dry_run.of(name) and not (name == "revise" and self.asked.revised):
            return [name]
        return [one for one in self.counted.dry_run.purposes if one in (self.asked.revised or self.asked.turns)]

    def _whole(self, name: str) -> float:
        """Return the number of requests in the whole job, at the middle of what the dry run says."""
        if name == "react":
            answers = self.counted.dry_run.of(name)
            times = self.counted.requests(name) * (1 / self.counted.dry_run.requests(name))
            return (times.low + times.high) / 2 * len({a.turn for a in answers})
        if name == "persona_to_persona" and self.run.newcomers and self.counted.dry_run.newcomers:
            number = self.counted.dry_run.requests(name) * self.counted.growth
            return number * self.counted.dry_run.newcomers / self.run.newcomers
        spans = [self.counted.requests(one) for one in self._asking(name)]
        return sum(one.low + one.high for one in spans) / 2

    def _unknown(self, answers: Sequence[Answered]) -> float:
        """Return the relative error that such a sample cannot show."""
        steps = [a.number for a in answers if a.unit == Unit.STEP]
        if not steps:
            return _REACHED
        span = self.counted.steps
        scaled = (span.high - span.low) / (span.high + span.low)
        return scaled + (_REACHED if max(steps) >= self.counted.dry_run.steps else _LATER)

    def _add(self, group: _Group, name: str, whole: float, units: Numbers, cluster: Callable[[Answered], str]) -> None:
        answers = self.run.of(name)
        places = {one: place for place, one in enumerate(group.clusters)}
        group.whole[name], group.units[name], group.took[name] = whole, units, {}
        counts = self._measures(name, answers)
        for measure, numbers in counts.items():
            took = np.zeros(len(places))
            for answer, number in zip(answers, numbers or (), strict=numbers is not None):
                took[places[cluster(answer)]] += number
            group.took[name][measure] = took if numbers is not None else None

    def _measures(self, name: str, answers: Sequence[Answered]) -> dict[str, list[float] | None]:
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


def _is_made(answer: Answered) -> bool:
    return answer.unit == Unit.STEP or answer.phase in ("solving", "grading")


def _at_once(answers: Sequence[Answered]) -> int:
    requests = len({a.request for a in answers})
    return requests if requests == len(answers) else 0


def _known(numbers: Sequence[int | None]) -> list[float] | None:
    """Return the numbers, with the mean in place of unknown ones. Returns None if too few are known."""
    known = [float(one) for one in numbers if one is not None]
    if numbers and len(known) < min(ENOUGH, len(numbers)):
        return None
    return [sum(known) / len(known) if one is None else float(one) for one in numbers]


def _expected(answer: Answered, reference: DryRun) -> float:
    """Return the bytes that this request, or a similar one, had in the dry run of the sample's society."""
    of_purpose = reference.of(answer.purpose)
    of_stage = [a for a in of_purpose if a.number == answer.number]
    same = [a for a in of_stage if a.owner == answer.owner]
    return mean_of(same or of_stage or of_purpose, "input") or 1.0
