"""Dry runs and what is counted in them: calls of a society that is run with the built-in generator in a temporary file.

A total is a sum of ratios, one for each purpose: what the sample took for a unit (an item, an accepted output, a
request) times the units of the whole job. Its error is that of the jackknife over the items of the sample (Efron and
Stein 1981, *Annals of Statistics* 9, 586-596), with Student's t. It holds the chance of the units to come too.
"""

import math
import random
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

import numpy as np
import orjson
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.messages.ai import InputTokenDetails, OutputTokenDetails, UsageMetadata
from langchain_core.outputs import ChatResult
from pydantic import PrivateAttr

from ...agents.gateway.budget import Budget
from ...agents.procedural import ProceduralModel
from ...personas.errors import HookError, PausedError, RunError
from ...personas.hub import Hub
from ...personas.hub.queries import REJECTED
from ...personas.network.spec import GROWN, parse_network
from ...personas.persona import Passage
from ..growth import Growth
from ..runfile.job_rows import Unit
from ..runfile.reader import open_hub_or_run
from ..scenario import Scenario
from ..seeds import rng_for
from ..society import Society

#: The confidence of all intervals of a sample: 90 of 100 hold the true value.
CONFIDENCE = 0.9
#: Items that a sample must hold to say anything.
ENOUGH = 3


@dataclass(frozen=True, slots=True)
class Interval:
    """From `low` to `high`, both included; a prediction has a most likely number in between."""

    low: float
    high: float
    mid: float | None = None

    @classmethod
    def exactly(cls, number: float) -> Self:
        """Return the interval that holds one number."""
        return cls(number, number, number)

    def __contains__(self, number: float) -> bool:
        return self.low <= number <= self.high

    def __add__(self, other: "Interval") -> "Interval":
        """Return the sum. Errors of two predictions are independent, while plain bounds are added."""
        if self.mid is None or other.mid is None:
            return Interval(self.low + other.low, self.high + other.high)
        mid = self.mid + other.mid
        low = mid - math.hypot(self.mid - self.low, other.mid - other.low)
        return Interval(low, mid + math.hypot(self.high - self.mid, other.high - other.mid), mid)

    def __mul__(self, other: "Interval | float") -> "Interval":
        """Return the product of two intervals of non-negative numbers."""
        by = other if isinstance(other, Interval) else Interval.exactly(other)
        mid = None if self.mid is None or by.mid is None else self.mid * by.mid
        return Interval(self.low * by.low, self.high * by.high, mid)

    def widened(self, number: float) -> "Interval":
        """Return the smallest interval that holds this one and the number."""
        return Interval(min(self.low, number), max(self.high, number))


def add_all(intervals: Sequence[Interval]) -> Interval:
    """Return the sum of intervals, or 0 for none."""
    return sum(intervals, start=Interval.exactly(0.0))


@dataclass(frozen=True, slots=True)
class Part:
    """What a sample took for one purpose."""

    #: Units of the whole job, and of each item of the sample.
    whole: float
    units: Mapping[str, float]
    #: By measure, what each item took; None where that is not known.
    took: Mapping[str, Mapping[str, float] | None]
    #: Calls, and the requests that they answer.
    calls: int = 0
    requests: int = 0
    #: Outputs of which none was rejected; 0 where some were, whose share shows in the ratio.
    all_accepted: int = 0
    #: A relative error that the sample cannot show, added on both sides.
    wider: float = 0.0


def predict_total(parts: Sequence[Part], measure: str) -> Interval | None:
    """Return what the whole job will take for these purposes, as a 90 % interval, or None if it is not known.

    The sample is not part of the job. If its answers are reused, the interval is too wide by that.
    """
    items = list(dict.fromkeys(item for part in parts for item in part.units))
    mid = sampled = wider = 0.0
    each, without = np.zeros((2, len(items)))
    for part in parts:
        known = part.took[measure]
        if known is None:
            return None
        units, took = (np.array([by.get(item, 0.0) for item in items]) for by in (part.units, known))
        one = part.whole * float(took.sum() / units.sum())
        mid, sampled, wider = mid + one, sampled + float(took.sum()), wider + one * part.wider
        each += part.whole / units.sum() * took
        # A unit that is left with one item is half known.
        without += part.whole * (took.sum() - took) / np.maximum(units.sum() - units, 0.5)
    if not mid:
        return Interval.exactly(0.0)
    shown = float(np.square(without - without.mean()).sum()) * (1 - 1 / len(items)) / mid**2
    down = _student(len(items) - 1) ** 2 * shown * (1 + sampled / mid)
    calls, requests = (sum(getattr(part, name) for part in parts) for name in ("calls", "requests"))
    # What the sample did not show at all: answers asked for again, and rejected outputs.
    again = math.log1p(share_interval(0, requests).high) if calls == requests > 0 else 0.0
    accepted = max(part.all_accepted for part in parts)
    rejected = math.log1p(-share_interval(0, accepted).high) if accepted else 0.0
    up = down * _tail(each) + again**2 + rejected**2
    low, high = math.exp(-math.sqrt(down)), math.exp(math.sqrt(up))
    return Interval(mid * low * (1 - wider / mid), mid * high * (1 + wider / mid), mid)


def _tail(each: "np.ndarray[Any, Any]") -> float:
    """Return the variance of a lognormal distribution with this spread, relative to that of the few numbers drawn.

    A small sample rarely holds the long answers that make up much of a total.
    """
    if (each <= 0).any() or not each.std():
        return 1.0
    spread = float(np.log(each).var(ddof=1))
    return max(1.0, math.expm1(spread) * float(each.mean() ** 2 / each.var(ddof=1)))


def mean_interval(values: Sequence[float], of: float) -> Interval:
    """Return the 90 % interval (Student's t) for the mean of `of` future numbers, from three or more drawn ones."""
    drawn = np.asarray(values, dtype=np.float64)
    error = float(drawn.std(ddof=1)) * math.sqrt(1 / len(drawn) + 1 / max(of, 1))
    mean, reach = float(drawn.mean()), _student(len(drawn) - 1) * error
    return Interval(max(0.0, mean - reach), mean + reach)


def share_interval(hits: int, trials: int) -> Interval:
    """Return the confidence interval of a share: Wilson's score interval, 90 %."""
    from scipy.stats import binomtest

    if not trials:
        return Interval(0.0, 1.0)
    found = binomtest(min(hits, trials), trials).proportion_ci(CONFIDENCE, method="wilson")
    return Interval(float(found.low), float(found.high))


def _student(freedom: int) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(freedom, (1 + CONFIDENCE) / 2))


#: Relations that are asked for where nothing bounds the people, and the share of them that leads to somebody new.
_FAN_OUT = 3
_NEW = 0.7

_ANSWERED = """
SELECT phase, unit, number, owner, purpose || if(role = 'default', '', ' (' || role || ')'), request_hash,
       input_tokens, output_tokens, reasoning_tokens, cached_tokens, epoch(ended_at) - epoch(started_at),
       source IN ('endpoint', 'batch'), role, replicate
FROM calls JOIN phases USING (job, phase) WHERE raw IS NOT NULL ORDER BY calls.rowid
"""
_SENT = """
SELECT count(*), count(raw) - count(cost), coalesce(sum(cost), 0.0) FROM calls WHERE source IN ('endpoint', 'batch')
"""
#: People whom rules have rejected are rows too, and no calls are made for them.
_TAKEN_IN = f"(FROM personas WHERE id NOT IN ({REJECTED}))"
#: Where people are only grown, none of them is an agent.
_PEOPLE = f"""
SELECT coalesce(nullif((SELECT count(*) FROM agents), 0), (SELECT count(*) FROM {_TAKEN_IN})),
       (SELECT coalesce(max(step), 0) FROM steps)
"""  # noqa: S608 - our own words
_FOUND = f"SELECT (SELECT count(*) FROM relations), (SELECT count(*) FROM {_TAKEN_IN} WHERE hop > 0)"  # noqa: S608 - ours
_SEEN = "SELECT step, avg(strlen(text)) FROM observations GROUP BY step"


@dataclass(frozen=True, slots=True)
class StageYield:
    """What a stage left of the rows that came to it."""

    #: `making`, or the kind of a job on what was made, which is the name of its phase too.
    stage: str
    #: People asked, of making; accepted rows, of what follows.
    rows: int
    accepted: int
    #: Why one of those was rejected that were rejected for the most frequent reason; empty where none was.
    reason: str = ""

    @property
    def share(self) -> Interval:
        """The share that passes, as a 90 % confidence interval."""
        return share_interval(self.accepted, self.rows)

    def __str__(self) -> str:
        """Return the yield in words, with its interval and an example of why outputs were rejected."""
        span = f" ({self.accepted / self.rows:.1%}, from {self.share.low:.1%} to {self.share.high:.1%})"
        why = f", rejected such as: {self.reason}" if self.reason else ""
        return f"{self.stage} {self.accepted:,} of {self.rows:,}{span if self.rows else ''}{why}"


def describe_yields(yields: Sequence[StageYield]) -> str:
    """Return the yields of the stages in words."""
    return "; ".join(map(str, yields)).rstrip(".")


@dataclass(frozen=True, slots=True)
class Scale:
    """A society as it is asked for: how its people come about, and from whom or what."""

    growth: Growth
    source: Hub | Sequence[Passage]
    seed: int
    #: The network that the society begins with, and how many people it is for; None for those of this one.
    network: str = GROWN
    of: int | None = None

    @property
    def people(self) -> int:
        """How many people there will be; estimated from the hops where nothing bounds them."""
        growth = self.growth
        first = len(self.source.personas) if isinstance(self.source, Hub) else len(self.source) * growth.per_passage
        if growth.agents is not None:
            return growth.agents if growth.hops else min(growth.agents, first)
        people, newest = float(first), float(first)
        for hop in range(1, growth.hops + 1):
            newest *= _NEW * (growth.fan_out_at(hop) or _FAN_OUT)
            people += newest
        return round(people)

    def smaller(self, people: int) -> "Scale":
        """Return a society of about `people` personas with the same proportions, or this one if it is no larger.

        From a hub whole circles are taken, so that the personas know as many others as before.
        """
        share = people / max(1, self.people)
        if share >= 1:
            return self
        rng = rng_for(self.seed, "smaller")
        source: Hub | Sequence[Passage]
        if isinstance(self.source, Hub):
            source = _take_circles(self.source, max(1, round(share * len(self.source.personas))), rng)
        else:
            most = max(1, round(share * len(self.source)))
            source = [self.source[n] for n in sorted(rng.sample(range(len(self.source)), most))]
        agents = None if self.growth.agents is None else people
        growth = self.growth.model_copy(update={"agents": agents})
        return Scale(growth, source, self.seed, self.network, self.of or self.people)


def _take_circles(hub: Hub, most: int, rng: random.Random) -> Hub:
    """Return `most` of the people, ring by ring around some, with the relations among them."""
    around: defaultdict[str, list[str]] = defaultdict(list)
    for relation in hub.relations:
        around[relation.source].append(relation.target)
        around[relation.target].append(relation.source)
    taken: dict[str, None] = {}
    for begun in rng.sample(hub.personas, len(hub.personas)):
        ring = [begun.id]
        while ring and len(taken) < most:
            fresh = [one for one in dict.fromkeys(ring) if one not in taken][: most - len(taken)]
            taken.update(dict.fromkeys(fresh))
            ring = [other for one in fresh for other in around[one]]
    kept = tuple(r for r in hub.relations if r.source in taken and r.target in taken)
    return replace(hub, personas=tuple(p for p in hub.personas if p.id in taken), relations=kept)


@dataclass(frozen=True, slots=True)
class Answered:
    """One call that was answered; the counts are bytes where the stand-in did, tokens where a model did."""

    phase: str
    unit: str
    number: int
    owner: str
    #: The name of the prompt, and the role that was asked, if it is not the default.
    purpose: str
    request_hash: str
    input: int | None
    output: int | None
    reasoning: int | None
    cached: int | None
    seconds: float
    was_sent: bool
    role: str = "default"
    replicate: int = 0

    @property
    def turn(self) -> str:
        """The turn, or whatever else is one unit of its phase."""
        return f"{self.number} {self.owner}"

    @property
    def request(self) -> tuple[str, int, str, str, int]:
        """What is the same for all answers to one request, those that were asked for again among them."""
        return self.phase, self.number, self.owner, self.purpose, self.replicate


@dataclass(frozen=True, slots=True)
class DryRun:
    """The calls of a dry run."""

    answered: tuple[Answered, ...]
    #: Calls that were sent, answered or not, and their dollars; None where some have no known price.
    sent: int
    cost: float | None
    people: int
    steps: int
    #: Relations that were found, and how many of them led to somebody new.
    found: tuple[int, int]
    #: Mean bytes of an observation, by step.
    seen: Mapping[int, float]
    #: Seconds it took; with the stand-in, all of them are the client's own work.
    seconds: float
    #: Of a task: what making left and each job behind it, as far as they were done.
    yields: tuple[StageYield, ...] = ()
    #: Of a task: whether each output was accepted when it was made, and the turn that made it, by its emission.
    made: Mapping[str, tuple[bool, str]] = MappingProxyType({})
    #: Why it was stopped before its end; empty where it was not.
    stopped: str = ""

    @property
    def newcomers(self) -> float | None:
        """New people to each relation that was found; None where there were none."""
        relations, born = self.found
        return born / relations if relations and born else None

    def of(self, purpose: str) -> tuple[Answered, ...]:
        """Return the answers to requests for that purpose."""
        return tuple(a for a in self.answered if a.purpose == purpose)

    def requests(self, purpose: str) -> int:
        """Count the requests for that purpose. A request that was sent again counts once."""
        return len({a.request for a in self.of(purpose)})

    def grown_as(self, other: "DryRun") -> "DryRun":
        """Return the steps of this dry run after the growth of another."""
        society = (Unit.STEP, Unit.AFTER_STEP)
        kept = tuple(a for a in self.answered if a.unit in society)
        grown = tuple(a for a in other.answered if a.unit not in society)
        return replace(self, answered=grown + kept, found=other.found)

    @property
    def purposes(self) -> tuple[str, ...]:
        """The purposes of calls, in the order of their first calls."""
        return tuple(dict.fromkeys(a.purpose for a in self.answered))


def dry_run(
    scenario: Scenario,
    *,
    scale: Scale,
    steps: int,
    budget: Budget | None = None,
    behind: Callable[[Path, DryRun], DryRun] | None = None,
    **options: Any,
) -> DryRun:
    """Run `steps` steps (0: only grow the personas) and count the calls.

    A spent `budget` ends the run and is not an error. `behind` does in the file what follows the run, and adds its
    result. `options` are those of `Society`. No file is left behind.
    """
    with tempfile.TemporaryDirectory(prefix="populace-estimate-") as folder:
        path, begun = Path(folder) / "dry-run.duckdb", time.perf_counter()
        again = type(scenario)(scenario.settings)
        network = parse_network(scale.network).like(scale.people, scale.of or scale.people)
        society = Society(
            again,
            growth=scale.growth,
            source=scale.source,
            seed=scale.seed,
            out=path,
            steps=max(1, steps),
            network=str(network),
            **options,
        )
        society.shared_budget = budget
        stopped = ""
        try:
            with society:
                society.run_for(steps)
        except PausedError as error:
            stopped = str(error)
            if not path.exists():  # a run without an answer leaves none
                raise RunError(f"No call of the sample was answered. {stopped}") from error
        except HookError as error:  # the file of a dry run cannot be resumed
            raise error.bare from error.__cause__
        counted = replace(count_calls(path, time.perf_counter() - begun), stopped=stopped)
        return counted if stopped or behind is None else behind(path, counted)


def count_calls(path: Path, seconds: float) -> DryRun:
    """Count the calls in a file, of a society or of jobs on a hub."""
    with open_hub_or_run(path) as run:
        ((sent, unpriced, cost),) = run.query(_SENT).rows
        ((people, steps),) = run.query(_PEOPLE).rows
        ((relations, born),) = run.query(_FOUND).rows
        return DryRun(
            answered=tuple(Answered(*row) for row in run.query(_ANSWERED).rows),
            sent=sent,
            cost=None if unpriced else cost,
            people=people,
            steps=steps,
            found=(relations, born),
            seen=dict(run.query(_SEEN).rows),
            seconds=seconds,
        )


class ByteCounter(ProceduralModel):
    """A stand-in that reports the bytes of requests, as they would be sent, instead of tokens.

    Input: the messages; of those, cached: the system message, where an earlier request began with it. Output: the
    stand-in's answer; of that, reasoning: the schema that is sent beside the messages.
    """

    _begun: set[str] = PrivateAttr(default_factory=set)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        result = await super()._agenerate(messages, stop, run_manager, **kwargs)
        message = result.generations[0].message
        if isinstance(message, AIMessage):
            asked, answered = sum(map(_size, messages)), _size(message)
            message.usage_metadata = UsageMetadata(
                input_tokens=asked,
                output_tokens=answered,
                total_tokens=asked + answered,
                input_token_details=InputTokenDetails(cache_read=self._known(messages[0])),
                output_token_details=OutputTokenDetails(reasoning=len(orjson.dumps(kwargs.get("response_format")))),
            )
        return result

    def _known(self, first: BaseMessage) -> int:
        text = str(first.content)
        if text in self._begun:
            return _size(first)
        self._begun.add(text)
        return 0


def _size(message: BaseMessage) -> int:
    return len(str(message.content).encode())
