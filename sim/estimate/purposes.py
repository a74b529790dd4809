"""Calls, tokens and time of a run by purpose, as intervals that a sample narrows."""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Self

from ...agents.action_check import novelty_of
from ...agents.action_schema import prompt_of
from ...agents.gateway.limits import Limits
from ...agents.mind import build_mind
from ...agents.named_mind import MindName
from ..minds import mind_of
from ..runfile.job_rows import Unit
from ..scenario import Scenario
from .dry_run import Answered, DryRun, TaskStage

#: Both methods are two-sided with this quantile of the normal distribution: 95 of 100 hold the true value.
_Z = 1.96


@dataclass(frozen=True, slots=True)
class Interval:
    """From `low` to `high`, both included."""

    low: float
    high: float

    @classmethod
    def exactly(cls, number: float) -> Self:
        """The interval that holds one number."""
        return cls(number, number)

    def __contains__(self, number: float) -> bool:
        return self.low <= number <= self.high

    def __add__(self, other: "Interval") -> "Interval":
        return Interval(self.low + other.low, self.high + other.high)

    def __mul__(self, other: "Interval | float") -> "Interval":
        """The product of intervals of numbers that are not negative."""
        by = other if isinstance(other, Interval) else Interval(other, other)
        return Interval(self.low * by.low, self.high * by.high)

    def widened(self, number: float) -> "Interval":
        """The smallest interval that holds this one and the number."""
        return Interval(min(self.low, number), max(self.high, number))


def mean_interval(values: Sequence[float], of: float) -> Interval:
    """The confidence interval of the mean of `of` numbers, from three or more drawn ones: Student's t, 95 %.

    Both the sample's error and that of the numbers which are still to be drawn count.
    """
    n = len(values)
    mean = sum(values) / n
    deviation = math.sqrt(sum((v - mean) ** 2 for v in values) / (n - 1))
    reach = _student(n - 1) * deviation * math.sqrt(1 / n + 1 / max(of, 1))
    return Interval(max(0.0, mean - reach), mean + reach)


def share_interval(hits: float, trials: float, of: float = math.inf) -> Interval:
    """The confidence interval of the share of hits in `of` trials, from those made: Wilson's score interval, 95 %.

    What is still to be drawn counts as in `mean_interval`: as so many trials fewer.
    """
    if not trials:
        return Interval(0.0, 1.0)
    if of < math.inf:
        hits, trials = (number / (1 + trials / max(of, 1)) for number in (hits, trials))
    share, square = min(1.0, hits / trials), _Z * _Z / trials
    middle = share + square / 2
    reach = _Z * math.sqrt(share * (1 - share) / trials + square / (4 * trials))
    # At the ends the formula is exact, and floating point is not.
    low = 0.0 if hits == 0 else (middle - reach) / (1 + square)
    return Interval(low, 1.0 if hits >= trials else (middle + reach) / (1 + square))


def _student(freedom: int) -> float:
    """The quantile of Student's distribution, by the Cornish-Fisher expansion; 3 % too small at two degrees."""
    z = _Z
    first, second = (z**3 + z) / 4, (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / freedom + second / freedom**2 + third / freedom**3


#: How much longer our own work on a call takes than with the stand-in: HTTP has its part.
_OWN = 2

#: Tokens to a byte of UTF-8: one for 4 bytes, and what tokenisers make of prose and JSON (3 to 5.3 bytes).
TOKENS = Interval(0.75 / 4, 1.33 / 4)

#: Answers to a request: one, or another one for every second.
_ANSWERS = Interval(1.0, 1.5)
#: What a request for another answer has beside the first one: the unusable answer, cut to 2,000 characters, and why.
_COMPLAINT = 600

#: Turns that are revised: none to every second one.
_REVISED = Interval(0.0, 0.5)
#: Beside the draft, a revision is shown an earlier text of 600 characters and told to do otherwise.
_REVISION = 300

#: How much more or less than a sample shows calls may hold: in what it reached, and in later steps.
_REACHED, _LATER = Interval(0.95, 1.05), Interval(0.9, 1.1)

#: The least share of relations that lead to somebody new.
_LEAST_NEW = 0.5

#: Answers of a purpose that a sample must hold to say anything of it.
_ENOUGH = 3
#: And those that it must hold to say that some are asked for again at least.
_MANY = 20


@dataclass(frozen=True, slots=True)
class Asked:
    """How a society is asked: what bounds its answers and prompts."""

    answer_tokens: int
    observation_tokens: int
    #: Names of the prompts that turns are asked with, and of those whose answers are revised, where the mind does so.
    turns: frozenset[str]
    revised: frozenset[str]
    #: Requests of a turn with tools, in which each is one more.
    requests_a_turn: Interval = Interval(1, 1)
    #: Tokens of an answer at most, of phases with a limit of their own.
    phase_tokens: Mapping[str, int] = MappingProxyType({})

    @classmethod
    def of(cls, scenario: Scenario, mind: MindName | None = None) -> Self:
        """How a scenario has its society asked."""
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
    """A dry run that counted bytes, and how many times larger the society asked for is."""

    dry_run: DryRun
    #: Factors for the calls of growth and of steps.
    growth: float
    steps: Interval
    #: Factor for those of stages: what prepares a task is asked once, however many rows there are.
    stages: float = 1.0
    #: Factors for those of phases that have one of their own: of jobs behind a task.
    phases: Mapping[str, Interval] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Purpose:
    """The calls for one purpose in a whole run; `each` is of one call."""

    name: str
    calls: Interval
    each_input: Interval
    each_output: Interval
    #: Of the output, what the model spends on reasoning; None where nothing is known of it.
    each_reasoning: Interval | None
    #: Of the least input, what an endpoint may have cached: the beginning that such requests share.
    each_cached: float
    #: The role whose model is asked.
    role: str = "default"
    #: What it belongs to, of a task with jobs behind it.
    stage: TaskStage = "making"

    @property
    def input(self) -> Interval:
        """Tokens asked."""
        return self.calls * self.each_input

    @property
    def output(self) -> Interval:
        """Tokens answered, reasoning included."""
        return self.calls * self.each_output

    @property
    def reasoning(self) -> Interval | None:
        """Tokens of reasoning; None where nothing is known of them."""
        return self.each_reasoning and self.calls * self.each_reasoning


def purposes(counted: Counted, asked: Asked, sample: DryRun | None, reference: DryRun | None) -> list[Purpose]:
    """One row for each purpose; `reference` is the dry run of the sample's society."""
    found = []
    for name in counted.dry_run.purposes:
        if name == "revise" and asked.revised:
            continue
        base = _unsampled(name, counted, asked)
        found.append(base if sample is None or reference is None else _narrowed(base, counted, sample, reference))
    turns = [p for p in found if p.name in asked.revised]
    if not turns:
        return found
    revisions = _revisions(turns, counted, sample)
    more = 1 + revisions.calls.high / max(1.0, sum(p.calls.high for p in turns))
    # What checks and further stages ask, they may ask of a revision too.
    asking = {a.purpose for a in counted.dry_run.answered if a.phase == "step"} - asked.turns
    again = [replace(p, calls=p.calls.widened(p.calls.high * more)) if p.name in asking else p for p in found]
    return [*again, revisions]


def counted_purposes(counted: Counted) -> list[Purpose]:
    """One row for each purpose of a run with the stand-in itself, whose tokens mean nothing."""
    none = Interval.exactly(0.0)
    found = ((name, counted.dry_run.of(name)) for name in counted.dry_run.purposes)
    return [
        Purpose(name, _times(name, counted) * len(given), none, none, None, 0.0, given[0].role, _stage_of(given))
        for name, given in found
        if given
    ]


def _unsampled(name: str, counted: Counted, asked: Asked) -> Purpose:
    dry_run = counted.dry_run
    answers = dry_run.of(name)
    requests = _requests(name, counted)
    if name == "react":
        turns = len({(a.number, a.owner) for a in answers})
        requests = _times(name, counted) * turns * asked.requests_a_turn
    calls = requests * _ANSWERS
    size, schema, shared = (_mean(answers, key) for key in (_input, _schema, _cached))
    seen = [dry_run.seen.get(a.number, 0.0) if a.unit == Unit.STEP else 0.0 for a in answers]
    # A model may write half as much as the stand-in, or fill whatever the observations hold.
    least = size - sum(seen) / len(seen) / 2
    most = size + schema + sum(max(0.0, 4 * asked.observation_tokens - s) for s in seen if s) / len(seen)
    again = (1 - requests.high / calls.high) * _COMPLAINT
    return Purpose(
        name,
        calls,
        each_input=Interval(least * TOKENS.low, most * TOKENS.high + again),
        each_output=Interval(1.0, asked.phase_tokens.get(answers[0].phase, asked.answer_tokens)),
        each_reasoning=None,
        each_cached=shared * TOKENS.low,
        role=answers[0].role,
        stage=_stage_of(answers),
    )


def _stage_of(answers: Sequence[Answered]) -> TaskStage:
    phase = answers[0].phase
    return "solving" if phase == "solving" else "grading" if phase == "grading" else "making"


def _requests(name: str, counted: Counted) -> Interval:
    """Requests of a purpose, each counted once however many answers it takes."""
    dry_run = counted.dry_run
    number = dry_run.requests(name)
    if name == "persona_to_persona":
        new = dry_run.newcomers or 1.0
        return Interval(new, max(1.0, new / _LEAST_NEW)) * number * counted.growth
    return _times(name, counted) * number


def _times(name: str, counted: Counted) -> Interval:
    (phase, *others) = {a.phase for a in counted.dry_run.of(name)}
    if not others and phase in counted.phases:
        return counted.phases[phase]
    units = {a.unit for a in counted.dry_run.of(name)}
    if units & {Unit.STEP, Unit.AFTER_STEP}:
        return counted.steps
    return Interval.exactly(counted.growth if Unit.HOP in units else counted.stages)


def _narrowed(base: Purpose, counted: Counted, sample: DryRun, reference: DryRun) -> Purpose:
    """The same by what a real model answered; what the sample does not hold stays as it was."""
    drawn, requests = sample.of(base.name), sample.requests(base.name)
    if len(drawn) < _ENOUGH:
        return base
    calls = base.calls if base.name == "react" else _calls(_requests(base.name, counted), requests, len(drawn))
    size = _mean(counted.dry_run.of(base.name), _input)
    inputs = [a.input * size / _expected(a, reference) for a in drawn if a.input is not None]
    outputs = [float(a.output) for a in drawn if a.output is not None]
    reasoned = [float(a.reasoning) for a in drawn if a.reasoning is not None]
    later = _later(drawn, counted)
    return replace(
        base,
        calls=calls,
        each_input=_mean_of(inputs, calls) * later if len(inputs) >= _ENOUGH else base.each_input,
        each_output=_mean_of(outputs, calls) * later if len(outputs) >= _ENOUGH else base.each_output,
        each_reasoning=_mean_of(reasoned, calls) * later if len(reasoned) >= _ENOUGH else None,
    )


def _calls(asked: Interval, requests: int, answers: int) -> Interval:
    # Two further answers may be asked for each request; the few seen so far give no lower bound.
    share = share_interval(answers - requests, 2 * requests, of=2 * asked.low)
    return Interval(
        asked.low * (1 + 2 * share.low) if requests >= _MANY else asked.low, asked.high * (1 + 2 * share.high)
    )


def _mean_of(numbers: Sequence[float], calls: Interval) -> Interval:
    return mean_interval(numbers, of=calls.low)


def _later(drawn: Sequence[Answered], counted: Counted) -> Interval:
    """What is unknown of the steps that a sample did not reach; the stand-in shows how prompts grow, not answers."""
    has_all = drawn[0].unit != Unit.STEP or max(a.number for a in drawn) >= counted.dry_run.steps
    return _REACHED if has_all else _LATER


def _expected(answer: Answered, reference: DryRun) -> float:
    """The bytes that this request, or a similar one, had in the dry run of the sample's society."""
    of_purpose = reference.of(answer.purpose)
    of_stage = [a for a in of_purpose if a.number == answer.number]
    same = [a for a in of_stage if a.owner == answer.owner]
    return _mean(same or of_stage or of_purpose, _input) or 1.0


def _revisions(turns: Sequence[Purpose], counted: Counted, sample: DryRun | None) -> Purpose:
    """The calls for revisions: their requests are those of turns, with the draft and what it repeats."""
    names = [p.name for p in turns]
    calls = sum((p.calls for p in turns), start=Interval.exactly(0.0))
    stand_in = counted.dry_run.requests("revise") / sum(map(counted.dry_run.requests, names))
    share = _REVISED.widened(stand_in)
    if sample is not None and (drawn := sum(map(sample.requests, names))) >= _ENOUGH:
        share = share_interval(sample.requests("revise"), drawn, of=calls.low).widened(stand_in)
    inputs, outputs = ([getattr(p, name) for p in turns] for name in ("each_input", "each_output"))
    reasoning = [p.each_reasoning for p in turns if p.each_reasoning is not None]
    return Purpose(
        name="revise",
        calls=calls * share,
        each_input=_span(inputs) + Interval(0.0, max(o.high for o in outputs) + _REVISION),
        each_output=_span(outputs),
        each_reasoning=_span(reasoning) if len(reasoning) == len(turns) else None,
        each_cached=0.0,
    )


def _span(intervals: Sequence[Interval]) -> Interval:
    return Interval(min(i.low for i in intervals), max(i.high for i in intervals))


def _mean(answers: Sequence[Answered], key: Callable[[Answered], int | None]) -> float:
    return sum(key(a) or 0 for a in answers) / len(answers) if answers else 0.0


def _input(answer: Answered) -> int | None:
    return answer.input


def _schema(answer: Answered) -> int | None:
    return answer.reasoning


def _cached(answer: Answered) -> int | None:
    return answer.cached


def duration(
    purposes: Sequence[Purpose], dry_run: DryRun, latency: Interval, longest: float, limits: Limits
) -> Interval:
    """Seconds that the calls take, if the endpoint answers as fast when as many are under way as are allowed.

    A hop or step begins when the one before it has ended, so each waits for its slowest answer. Our own work, as
    the dry run shows it, may come on top.
    """
    low = high = 0.0
    for calls in _by_stage(purposes, dry_run):
        low += max(1.0, calls.low / limits.max_in_flight) * latency.low
        high += math.ceil(calls.high / limits.max_in_flight) * latency.high + longest
    calls = sum((p.calls for p in purposes), start=Interval.exactly(0.0))
    high += _OWN * dry_run.seconds * calls.high / len(dry_run.answered)
    tokens = sum((p.input + p.output for p in purposes), start=Interval.exactly(0.0))
    for used, cap in ((calls, limits.rpm), (tokens, limits.tpm)):
        if cap is not None:  # the first minute's share may be used at once
            low, high = max(low, 60 * (used.low / cap - 1)), max(high, 60 * used.high / cap)
    return Interval(low, high)


def _by_stage(purposes: Sequence[Purpose], dry_run: DryRun) -> list[Interval]:
    """The calls of every hop and step, in the proportions of the dry run."""
    stages: dict[tuple[str, int], Interval] = {}
    for purpose in purposes:
        answers = dry_run.of(purpose.name) or [a for a in dry_run.answered if a.phase == "step"]
        for stage, number in Counter((a.phase, a.number) for a in answers).items():
            calls = purpose.calls * (number / len(answers))
            stages[stage] = stages.get(stage, Interval.exactly(0.0)) + calls
    return list(stages.values())
