"""Dry runs and what is counted in them: calls of a job that is done with the built-in generator in a temporary file."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import orjson
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.messages.ai import OutputTokenDetails, UsageMetadata
from langchain_core.outputs import ChatResult

from ...agents.procedural import ProceduralModel
from ...core.errors import HookError, PausedError, RunError
from ...personas.hub import Hub
from ...personas.hub.queries import REJECTED
from ...personas.hub.read import DrawSpec, draw_from
from ...personas.network.spec import GROWN, parse_network
from ...personas.persona import Passage
from ..growth import Growth
from ..runfile.job_rows import Unit
from ..runfile.reader import open_hub_or_run
from ..scenario import Scenario
from ..seeds import rng_for
from ..society import Society

#: Relations that are asked for where nothing bounds the people, and the share of them that leads to somebody new.
_FAN_OUT = 3
_NEW = 0.7

_ANSWERED = """
SELECT phase, unit, number, owner, purpose || if(role = 'default', '', ' (' || role || ')'),
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

    def make_smaller(self, people: int) -> "Scale":
        """Return a society of about `people` personas with the same proportions, or this one if it is no larger.

        Of a hub those are drawn who know each other.
        """
        share = people / max(1, self.people)
        if share >= 1:
            return self
        source: Hub | Sequence[Passage]
        most = max(1, round(share * len(self.source.personas if isinstance(self.source, Hub) else self.source)))
        if isinstance(self.source, Hub):
            source = draw_from(self.source, DrawSpec(most, "snowball", self.seed))
        else:
            places = rng_for(self.seed, "smaller").sample(range(len(self.source)), most)
            source = [self.source[n] for n in sorted(places)]
        agents = None if self.growth.agents is None else people
        growth = self.growth.model_copy(update={"agents": agents})
        return Scale(growth, source, self.seed, self.network, self.of or self.people)


@dataclass(frozen=True, slots=True)
class Answered:
    """One call that was answered; the counts are bytes where the built-in generator did, tokens where a model did."""

    phase: str
    unit: str
    number: int
    owner: str
    #: The name of the prompt, and the role that was asked, if it is not the default.
    purpose: str
    input: int | None
    output: int | None
    #: Bytes of the schema that the request had beside its messages, where bytes are counted.
    schema: int | None
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
    #: Of a task: how many were asked, whether each output was accepted, and the turn that made it, by its emission.
    asked: int = 0
    made: Mapping[str, tuple[bool, str]] = MappingProxyType({})
    #: Why it was stopped before its end; empty where it was not.
    stopped: str = ""
    #: How many times larger the growth and the rest of the whole job are.
    growth: float = 1.0
    rest: float = 1.0

    def times(self, answer: Answered) -> float:
        """Return how many such calls the whole job has for one of these."""
        return self.growth if answer.unit == Unit.HOP else self.rest

    @property
    def accepted(self) -> int:
        """The accepted outputs of a task."""
        return sum(accepted for accepted, _ in self.made.values())

    @property
    def newcomers(self) -> float | None:
        """New people to each relation that was found; None where there were none."""
        relations, born = self.found
        return born / relations if relations and born else None

    def of(self, purpose: str) -> tuple[Answered, ...]:
        """Return the answers to requests for that purpose."""
        return tuple(a for a in self.answered if a.purpose == purpose)

    @property
    def purposes(self) -> tuple[str, ...]:
        """The purposes of calls, in the order of their first calls."""
        return tuple(dict.fromkeys(a.purpose for a in self.answered))


def dry_run(
    scenario: Scenario,
    *,
    scale: Scale,
    steps: int,
    read: Callable[[Path, DryRun], DryRun] | None = None,
    **options: Any,
) -> DryRun:
    """Run `steps` steps (0: only grow the personas) and count the calls.

    A spent budget ends the run and is not an error. `read` adds what else is wanted of the file. `options` are those
    of `Society`. No file is left behind.
    """
    with tempfile.TemporaryDirectory(prefix="populace-estimate-") as folder:
        path, stopped = Path(folder) / "dry-run.duckdb", ""
        network = parse_network(scale.network).scale_to(scale.people, scale.of or scale.people)
        society = Society(
            type(scenario)(scenario.settings),
            growth=scale.growth,
            source=scale.source,
            seed=scale.seed,
            out=path,
            steps=max(1, steps),
            network=str(network),
            **options,
        )
        try:
            with society:
                society.run_for(steps)
        except PausedError as error:
            stopped = str(error)
            if not path.exists():  # a run without an answer leaves none
                raise RunError(f"No call of the sample was answered. {stopped}") from error
        except HookError as error:  # the file of a dry run cannot be resumed
            raise error.bare from error.__cause__
        counted = replace(count_calls(path), stopped=stopped)
        return counted if read is None else read(path, counted)


def count_calls(path: Path) -> DryRun:
    """Count the calls in a file, of a society or of jobs on a hub."""
    with open_hub_or_run(path) as run:
        ((sent, unpriced, cost),) = run.query(_SENT).rows
        ((people, steps),) = run.query(_PEOPLE).rows
        (found,) = run.query(_FOUND).rows
        answered = tuple(Answered(*row) for row in run.query(_ANSWERED).rows)
    return DryRun(answered, sent, None if unpriced else cost, people, steps, found)


class ByteCounter(ProceduralModel):
    """The built-in generator, which reports bytes instead of tokens.

    Input: the messages as they would be sent. Output: its answer; of that, reasoning: the schema of the request.
    """

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
            asked, answered = sum(map(_count_bytes, messages)), _count_bytes(message)
            message.usage_metadata = UsageMetadata(
                input_tokens=asked,
                output_tokens=answered,
                total_tokens=asked + answered,
                output_token_details=OutputTokenDetails(reasoning=len(orjson.dumps(kwargs.get("response_format")))),
            )
        return result


def _count_bytes(message: BaseMessage) -> int:
    return len(str(message.content).encode())
