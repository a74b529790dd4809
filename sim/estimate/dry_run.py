"""Dry runs: a society like the one asked for, run with the stand-in in a temporary file, and the calls it made."""

import random
import tempfile
import time
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

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
from ...personas.persona import Passage, Persona, Relation
from ..growth import Growth
from ..runfile.job_rows import Unit
from ..runfile.reader import open_hub_or_run
from ..scenario import Scenario
from ..seeds import rng_for
from ..society import Society
from .intervals import Interval, share_interval

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
            source = _circles(self.source, max(1, round(share * len(self.source.personas))), rng)
        else:
            most = max(1, round(share * len(self.source)))
            source = [self.source[n] for n in sorted(rng.sample(range(len(self.source)), most))]
        agents = None if self.growth.agents is None else people
        growth = self.growth.model_copy(update={"agents": agents})
        return Scale(growth, source, self.seed, self.network, self.of or self.people)


def _circles(hub: Hub, most: int, rng: random.Random) -> Hub:
    around: dict[str, list[str]] = {}
    for relation in hub.relations:
        around.setdefault(relation.source, []).append(relation.target)
        around.setdefault(relation.target, []).append(relation.source)
    taken: dict[str, None] = {}
    for begun in rng.sample(hub.personas, len(hub.personas)):
        _walk(begun, around, taken, most)
        if len(taken) >= most:
            break
    return _among(hub, taken)


def _walk(begun: Persona, around: dict[str, list[str]], taken: dict[str, None], most: int) -> None:
    ring: Sequence[str] = (begun.id,)
    while ring and len(taken) < most:
        fresh = [one for one in dict.fromkeys(ring) if one not in taken][: most - len(taken)]
        taken.update(dict.fromkeys(fresh))
        ring = [other for one in fresh for other in around.get(one, ())]


def _among(hub: Hub, ids: Container[str]) -> Hub:
    def is_between(relation: Relation) -> bool:
        return relation.source in ids and relation.target in ids

    people = tuple(p for p in hub.personas if p.id in ids)
    return replace(hub, personas=people, relations=tuple(r for r in hub.relations if is_between(r)))


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
        counted = replace(counted_calls(path, time.perf_counter() - begun), stopped=stopped)
        return counted if stopped or behind is None else behind(path, counted)


def counted_calls(path: Path, seconds: float) -> DryRun:
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
