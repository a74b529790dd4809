"""What a job will take by purpose: computed from a dry run, from least to most, or predicted from a sample."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Self

from ...agents.action_check import novelty_of
from ...agents.action_schema import prompt_of
from ...agents.gateway.budget import Prices
from ...agents.mind import build_mind
from ...agents.named_mind import MindName
from ..minds import mind_of
from ..runfile.job_rows import Unit
from ..scenario import Scenario
from .dry_run import ENOUGH, Answered, DryRun, Interval, Part, add_all, predict_total, share_interval

#: Tokens to a byte of UTF-8: one for 4 bytes, and what tokenisers make of prose and JSON (3 to 5.3 bytes).
TOKENS = Interval(0.75 / 4, 1.33 / 4)

#: Answers to a request: one, or another one for every second.
_ANSWERS = Interval(1.0, 1.5)
#: What a request for another answer has beside the first one: the unusable answer, cut to 2,000 characters, and why.
_COMPLAINT = 600

#: Turns that are revised: none to every second one.
_REVISED = Interval(0.0, 0.5)
#: Beside the draft, a revision is shown an earlier text of 600 characters and told to do otherwise.
REVISION = 300

#: The least share of relations that lead to somebody new.
_LEAST_NEW = 0.5


@dataclass(frozen=True, slots=True)
class Asked:
    """How a society is asked: what bounds its answers and prompts."""

    answer_tokens: int
    observation_tokens: int = 0
    #: Names of the prompts that turns are asked with, and of those whose answers are revised, where the mind does so.
    turns: frozenset[str] = frozenset()
    revised: frozenset[str] = frozenset()
    #: Requests of a turn with tools, in which each is one more.
    requests_a_turn: Interval = field(default_factory=lambda: Interval(1, 1))
    #: Tokens of an answer at most, of phases with a limit of their own.
    phase_tokens: Mapping[str, int] = MappingProxyType({})

    @classmethod
    def of(cls, scenario: Scenario, mind: MindName | None = None) -> Self:
        """Return how a scenario asks the agents of its society."""
        turns = {action: prompt_of((action,)).name for action in scenario.actions}
        revised = {a for a in turns if novelty_of(a) == "revise" or any(check.revises for check in a.checks)}
        names = {turns[action] for action in revised}
        if len(set(turns.values())) > 1 and revised:
            names.add("turn")  # which several actions are asked with that have prompts of their own
        names = {mind} if names and mind in ("think", "react") else names
        does_revise = type(scenario).mind is Scenario.mind or mind_of(scenario) is build_mind()
        return cls(
            scenario.settings.answer_tokens,
            scenario.settings.observation_tokens,
            turns=frozenset({"turn", "think", "react", *turns.values()}),
            revised=frozenset(names if does_revise else ()),
            requests_a_turn=Interval(1, 1 + scenario.settings.tool_calls),
        )


@dataclass(frozen=True, slots=True)
class Counted:
    """A dry run that counted bytes, and how many times larger the whole job is."""

    dry_run: DryRun
    #: Factors for the calls of growth and of steps.
    growth: float = 1.0
    steps: Interval = field(default_factory=lambda: Interval.exactly(1.0))
    #: Factors for those of phases that have one of their own; the key "" is for all others outside growth and steps.
    phases: Mapping[str, Interval] = MappingProxyType({})

    def requests(self, name: str) -> Interval:
        """Return the requests for a purpose in the whole job. A request counts once, however many answers it takes."""
        number = self.dry_run.requests(name)
        if name == "persona_to_persona":
            new = self.dry_run.newcomers or 1.0
            return Interval(new, max(1.0, new / _LEAST_NEW)) * number * self.growth
        return self._times(name) * number

    def calls(self, name: str) -> Interval:
        """Return the calls for a purpose in the whole job if the built-in generator does it."""
        return self._times(name) * len(self.dry_run.of(name))

    def _times(self, name: str) -> Interval:
        answers = self.dry_run.of(name)
        phases, units = {a.phase for a in answers}, {a.unit for a in answers}
        if len(phases) == 1 and (phase := answers[0].phase) in self.phases:
            return self.phases[phase]
        if units & {Unit.STEP, Unit.AFTER_STEP} and "" not in self.phases:
            return self.steps
        return Interval.exactly(self.growth) if Unit.HOP in units else self.phases.get("", Interval.exactly(1.0))


@dataclass(frozen=True, slots=True)
class Purpose:
    """The calls for one purpose, or for several, in a whole job."""

    name: str
    calls: Interval
    #: Tokens asked, and tokens answered, reasoning included.
    input: Interval
    output: Interval
    #: Of the output, what the model spends on reasoning; None where nothing is known of it.
    reasoning: Interval | None = None
    #: Dollars; None where the price is not known. The least reckons with what an endpoint may have cached.
    cost: Interval | None = None
    #: The role whose model is asked.
    role: str = "default"
    #: What it belongs to, of a task with jobs behind it.
    stage: str = "making"

    def times(self, number: float) -> "Purpose":
        """Return the purpose multiplied by `number`."""
        more: dict[str, Any] = {
            name: None if (one := getattr(self, name)) is None else one * number for name in MEASURES
        }
        return replace(self, **more)


#: What is counted of calls.
MEASURES = ("calls", "input", "output", "reasoning", "cost")


def add_purposes(name: str, purposes: Sequence[Purpose]) -> Purpose:
    """Add these purposes. What is unknown for one is unknown for the sum."""
    found = {measure: [getattr(one, measure) for one in purposes] for measure in MEASURES}
    added: dict[str, Any] = {key: None if None in all_of else add_all(all_of) for key, all_of in found.items()}
    return Purpose(name, **added)


def stage_of(phase: str) -> str:
    """Return the stage of a task, or of the jobs on its rows, that a phase belongs to."""
    return "solving" if phase == "solving" else "grading" if phase == "grading" else "making"


def count_purposes(counted: Counted) -> list[Purpose]:
    """Return one row per purpose of a job of the built-in generator. Its tokens mean nothing."""
    none, free = Interval.exactly(0.0), Interval.exactly(0.0)
    found = ((name, counted.dry_run.of(name)[0]) for name in counted.dry_run.purposes)
    return [
        Purpose(name, counted.calls(name), none, none, None, free, first.role, stage_of(first.phase))
        for name, first in found
    ]


def compute_purposes(counted: Counted, asked: Asked, prices: Callable[[str], Prices | None]) -> list[Purpose]:
    """Return one row per purpose of a job of a real model, whose answers are unknown.

    `prices` returns the prices of a role.
    """
    names = [name for name in counted.dry_run.purposes if name != "revise" or not asked.revised]
    found = [_computed(name, counted, asked, prices) for name in names]
    turns = [p for p in found if p.name in asked.revised]
    if not turns:
        return found
    revisions = _revisions(turns, counted, prices("default"))
    more = 1 + revisions.calls.high / max(1.0, sum(p.calls.high for p in turns))
    # What checks and further stages ask, they may ask of a revision too.
    asking = {a.purpose for a in counted.dry_run.answered if a.phase == "step"} - asked.turns
    again = [_widen_purpose(p, more) if p.name in asking else p for p in found]
    return [*again, revisions]


def _widen_purpose(purpose: Purpose, more: float) -> Purpose:
    spans = {name: getattr(purpose, name) for name in MEASURES}
    wider: dict[str, Any] = {name: span and span.widened(span.high * more) for name, span in spans.items()}
    return replace(purpose, **wider)


def _computed(name: str, counted: Counted, asked: Asked, prices: Callable[[str], Prices | None]) -> Purpose:
    dry_run = counted.dry_run
    answers = dry_run.of(name)
    requests = counted.requests(name)
    if name == "react":
        per_answer = len({a.turn for a in answers}) / dry_run.requests(name)
        requests = requests * per_answer * asked.requests_a_turn
    calls = requests * _ANSWERS
    size, schema, shared = (mean_of(answers, key) for key in ("input", "reasoning", "cached"))
    seen = [dry_run.seen.get(a.number, 0.0) if a.unit == Unit.STEP else 0.0 for a in answers]
    # A model may write half as much as the stand-in, or fill whatever the observations hold.
    least = size - sum(seen) / len(seen) / 2
    most = size + schema + sum(max(0.0, 4 * asked.observation_tokens - s) for s in seen if s) / len(seen)
    again = (1 - requests.high / calls.high) * _COMPLAINT
    limit = asked.phase_tokens.get(answers[0].phase, asked.answer_tokens)
    each, role = Interval(least * TOKENS.low, most * TOKENS.high + again), answers[0].role
    return _priced(
        Purpose(name, calls, calls * each, calls * Interval(1.0, limit), role=role, stage=stage_of(answers[0].phase)),
        prices(role),
        cached=calls.low * shared * TOKENS.low,
    )


def _priced(purpose: Purpose, prices: Prices | None, *, cached: float = 0.0) -> Purpose:
    if prices is None:
        return purpose
    asked, answered = purpose.input, purpose.output
    cheapest = min(prices.of(asked.low, answered.low, share) for share in (0.0, min(asked.low, cached)))
    return replace(purpose, cost=Interval(cheapest, prices.of(asked.high, answered.high)))


def _revisions(turns: Sequence[Purpose], counted: Counted, prices: Prices | None) -> Purpose:
    """Return the calls for revisions. Their requests are those of turns, with the draft and what it repeats."""
    calls = add_all([p.calls for p in turns])
    requests = sum(counted.dry_run.requests(p.name) for p in turns)
    share = _REVISED.widened(counted.dry_run.requests("revise") / requests)
    asked, answered = (
        Interval(min(s.low / c.low for c, s in spans), max(s.high / c.high for c, s in spans))
        for spans in ([(p.calls, p.input) for p in turns], [(p.calls, p.output) for p in turns])
    )
    longer = asked + Interval(0.0, answered.high + REVISION)
    return _priced(Purpose("revise", calls * share, calls * share * longer, calls * share * answered), prices)


def mean_of(answers: Sequence[Answered], key: str) -> float:
    """Return the mean of a count over answers. Unknown counts are 0."""
    return sum(getattr(a, key) or 0 for a in answers) / len(answers) if answers else 0.0


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
            predicted["revise"] = self._bound_revisions(turns)
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
        whole = self._count_requests_of_whole(name)
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

    def _bound_revisions(self, turns: Sequence[Purpose]) -> Purpose:
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

    def _count_requests_of_whole(self, name: str) -> float:
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
        larger = [
            1.0 if self.reference is None else size / _mean_expected_input(a, self.reference) or 1.0 for a in answers
        ]
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


def _mean_expected_input(answer: Answered, reference: DryRun) -> float:
    """Return the mean bytes of such requests in the dry run of the sample's society, by step where it had any."""
    of_purpose = reference.of(answer.purpose)
    return mean_of([a for a in of_purpose if a.number == answer.number] or of_purpose, "input") or 1.0
