"""What a run came to, in one page of numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import orjson

from ..core.errors import parameter
from ..personas.hub.queries import NEAR_DUPLICATES
from ..personas.hub.read import DrawReport
from .provenance import is_procedural, read_authors
from .table import Queryable, visible

_RUN = """
SELECT scenario, model, is_language_model, seed, status, reason, event_hash, steps_wanted, settings, drawn, network,
       concat_ws(', ', mind, 'one asked for all of ' || archetypes)
FROM runs
"""

_SIZES = """
SELECT (SELECT count(*) FROM personas), (SELECT count(*) FROM agents),
       (SELECT count(DISTINCT (source, target, kind)) FROM living_relations),
       (SELECT coalesce(max(hop), 0) FROM growth), (SELECT count(*) FROM steps)
"""

_TIES = "SELECT count(*) FROM network_ties"
_TARGETS = """
SELECT count(*), max(abs(weighted - wanted)), arg_max("column" || ' ' || value, abs(weighted - wanted)) FROM targets
"""
_CAME_AND_LEFT = "SELECT change, count(*) FROM agent_changes GROUP BY change ORDER BY change"
_EMISSIONS = "SELECT kind, count(*) FROM emissions GROUP BY kind ORDER BY count(*) DESC, kind"
_DUPLICATES = f"""
SELECT kind, count(*) FROM (
    SELECT kind FROM duplicates WHERE NOT undone AND kind <> 'persona'
    UNION ALL SELECT 'persona' FROM ({NEAR_DUPLICATES})
) GROUP BY kind ORDER BY count(*) DESC, kind
"""  # noqa: S608 - our own words
_FAILURES = """
SELECT outcome, count(*) FROM failures WHERE purpose <> 'embedding' GROUP BY outcome ORDER BY count(*) DESC, outcome
"""
_UNSEEN = "SELECT count(*) FILTER (unseen > 0), count(*), max(neighbours + unseen) FROM observations"
_HAS_CHANGED = "SELECT count(*) > 0 FROM agent_state WHERE step > 0"
_MEMORY = "SELECT embedding_model, (SELECT count(*) FROM failures WHERE purpose = 'embedding') FROM runs"
_CALLS = """
SELECT outcome, count(*) FROM calls WHERE source IN ('endpoint', 'batch')
GROUP BY outcome ORDER BY count(*) DESC, outcome
"""
_INVALID = "SELECT count(invalid_fields), (SELECT count(*) FROM set_aside) FROM calls"
_RECALLED = """
SELECT source, count(*) FROM calls WHERE source IN ('cache', 'fork') GROUP BY source ORDER BY count(*) DESC, source
"""
_TOKENS = """
SELECT sum(input_tokens), sum(output_tokens), count(input_tokens), count(*)
FROM calls WHERE source IN ('endpoint', 'batch')
"""
_COST = """
SELECT any_value(prices ->> 'source'), sum(cost), count(raw) - count(cost)
FROM runs LEFT JOIN calls ON source IN ('endpoint', 'batch')
"""

# From marker to marker: the time between two sessions of a resumed run is not work.
_SECONDS = """
SELECT coalesce(sum(epoch(ended_at - started_at)), 0.0)
FROM (SELECT started_at, ended_at FROM growth_chunks
      UNION ALL SELECT started_at, ended_at FROM growth WHERE hop NOT IN (SELECT hop FROM growth_chunks)
      UNION ALL SELECT started_at, ended_at FROM steps)
"""


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens as the endpoint counted them."""

    input: int
    output: int
    #: Calls that came with a count, of all calls.
    counted_calls: int


@dataclass(frozen=True, slots=True)
class Cost:
    """What the calls cost, as far as it is known."""

    #: Where the prices are from; None when they are not known.
    prices: str | None
    #: US dollars; and the answers without a price, because their tokens are unknown.
    dollars: float
    unpriced: int

    def __str__(self) -> str:
        """Return the cost in words."""
        if self.prices is None:
            return "price not known"
        rest = f", {self.unpriced:,} answers not counted" if self.unpriced else ""
        return f"{self.dollars:,.4f} dollars (prices: {self.prices}{rest})"


@dataclass(frozen=True, slots=True)
class Summary:
    """One run in numbers; counts by kind are in falling order."""

    scenario: str
    model: str
    is_language_model: bool
    #: Who wrote the people and the emissions: models by name, `rule` for rules of the scenario.
    authors: Sequence[str]
    seed: int
    #: running, interrupted (marked as running, but no process runs it), finished, failed or paused; and why.
    status: str
    reason: str | None
    #: Everybody who was grown or read, and those of them who live in the society.
    personas: int
    agents: int
    #: Without near-duplicates but the first; a pair may hold several of different kinds.
    relations: int
    hops: int
    steps: int
    steps_wanted: int
    emissions: Mapping[str, int]
    #: Verdicts that stand (not undone), by "persona" or the kind of the emission.
    near_duplicates: Mapping[str, int]
    #: Lost turns and growth requests, by the outcome of their last attempt.
    failures: Mapping[str, int]
    #: The model whose vectors agents are reminded by; None when words do. And turns in which words had to.
    embedding_model: str | None
    turns_without_vectors: int
    #: Calls that were sent, and answers that were paid for elsewhere, by where ("cache", "fork").
    calls: int
    calls_by_outcome: Mapping[str, int]
    recalled: Mapping[str, int]
    #: None when no call came with a count.
    tokens: Tokens | None
    cost: Cost
    #: Time spent in completed hops and steps.
    seconds: float
    event_hash: str | None
    #: The scenario's settings by name, as the run used them.
    settings: Mapping[str, object]
    #: How people were drawn from a hub that had more, and how many ties remained, in one sentence; else empty.
    drawn: str = ""
    #: The network that the society began with, as `ring:4, 120 ties`, where that is not the one that growth found.
    network: str = ""
    #: How the weighted shares of the people differ from those that their selection was to meet, where there were any.
    targets: str = ""
    #: How agents decided, where that was named: the mind, and the archetypes of which one was asked.
    mind: str = ""
    #: How many people arrived, departed and were refused while the society lived; they are among `agents`.
    came_and_left: Mapping[str, int] = field(default_factory=dict)
    #: Calls whose endpoint sent values out of range, which are unknown; and rows that fitted no table (`set_aside`).
    calls_with_invalid_fields: int = 0
    rows_set_aside: int = 0
    #: In how many turns a prompt showed only some of the agent's neighbours, in one sentence; else empty.
    unseen: str = ""
    #: Whether states of agents changed in any step.
    has_changed: bool = False

    def as_rows(self) -> list[tuple[str, str]]:
        """Return the label and value of each line, safe to show on a terminal."""
        rows = [
            ("scenario", f"{self.scenario}, seed {self.seed}"),
            ("settings", ", ".join(f"{name}={value}" for name, value in self.settings.items()) or "none"),
            ("model", self.written_by),
            *([("mind", self.mind)] if self.mind else []),
            ("status", self.status if self.reason is None else f"{self.status}: {self.reason}"),
            ("agents", f"{self.agents:,} of {_n(self.personas, 'persona')}"),
            *([("came and left", _counted(self.came_and_left, total=False))] if self.came_and_left else []),
            *([("drawn", self.drawn)] if self.drawn else []),
            ("relations", f"{self.relations:,} over {_n(self.hops, 'hop')}"),
            *([("network", self.network)] if self.network else []),
            *([("targets", self.targets)] if self.targets else []),
            *([("neighbours", self.unseen)] if self.unseen else []),
            ("steps", _steps(self.steps, self.steps_wanted)),
            ("emissions", _counted(self.emissions)),
            ("near-duplicates", f"{_counted(self.near_duplicates)}, {self._by_words}"),
            ("memory", self._memory),
            ("failures", _counted(self.failures)),
            ("calls", _counted(self.calls_by_outcome)),
        ]
        if self.calls_with_invalid_fields:
            sent = f"in {_n(self.calls_with_invalid_fields, 'call')} (calls.invalid_fields); they count as unknown"
            rows.append(("invalid values", sent))
        if self.rows_set_aside:
            rows.append(("set aside", f"{_n(self.rows_set_aside, 'row')} that fitted no table (table set_aside)"))
        if self.recalled:
            rows.append(("recalled answers", _counted(self.recalled)))
        if self.tokens is not None:
            # The built-in generator has no tokens: it counts words.
            unit = "tokens" if self.is_language_model else "words"
            rows.append((unit, _tokens(self.tokens, self.calls, unit)))
        if self.is_language_model and self.calls:
            rows.append(("cost", str(self.cost)))
        rows.append(("time", f"{self.seconds:,.1f} s"))
        rows.append(("event hash", self.event_hash or "none yet"))
        return [(label, visible(value)) for label, value in rows]

    def lines(self, changed: Mapping[str, object]) -> dict[str, str]:
        """Return the society, its size and its outputs as lines; `changed` are settings that differ from defaults."""
        given = "".join(f", {name}={value}" for name, value in changed.items())
        repeats = sum(count for kind, count in self.near_duplicates.items() if kind != "persona")
        doubles = f", {_n(repeats, 'near-duplicate')}" if repeats else ""
        left = f", {_counted(self.came_and_left, total=False)}" if self.came_and_left else ""
        size = f"{_n(self.agents, 'agent')}{left}, {_n(self.relations, 'tie')}, {_steps(self.steps, self.steps_wanted)}"
        state = "" if self.status == "finished" else f"; {self.status}"
        unit = "step" if self.steps_wanted == 1 else "steps"
        return {
            "society": f"{self.scenario}, seed {self.seed}{given}",
            "size": f"{size} {unit}{state}",
            "outputs": f"{_counted(self.emissions)}{doubles}",
        }

    @property
    def spending(self) -> dict[str, str]:
        """Return what the run cost and how long it took, as two lines."""
        parts = [f"{_n(self.calls, 'call')} to {self.model}"]
        if self.recalled:
            parts.append(f"{sum(self.recalled.values()):,} answers recalled ({_counted(self.recalled, total=False)})")
        if self.tokens is not None:
            # The built-in generator has no tokens: it counts words.
            parts.append(_tokens(self.tokens, self.calls, "tokens" if self.is_language_model else "words"))
        if self.is_language_model and self.calls:
            parts.append(str(self.cost))
        return {"cost": ", ".join(parts), "time": f"{self.seconds:,.1f} s"}

    @property
    def warnings(self) -> tuple[str, ...]:
        """Return one sentence for each thing that a reader should know before using the run."""
        found = []
        if lost := sum(self.failures.values()):
            found.append(f"{_n(lost, 'failure')} ({_counted(self.failures, total=False)}); see the table `failures`.")
        if self.calls_with_invalid_fields:
            found.append(f"{_n(self.calls_with_invalid_fields, 'call')} had invalid fields (`calls.invalid_fields`).")
        if self.rows_set_aside:
            found.append(f"{_n(self.rows_set_aside, 'row')} fitted no table (table `set_aside`).")
        if self.turns_without_vectors:
            found.append(f"{_n(self.turns_without_vectors, 'turn')} recalled memories by words, without vectors.")
        return tuple(found)

    @property
    def silence(self) -> str:
        """One sentence when steps were taken in which nothing was emitted and no turn was lost; else nothing."""
        if not self.steps or self.has_changed or any(self.emissions.values()) or any(self.failures.values()):
            return ""
        return (
            "Nothing was emitted in any step: agents had no turn, saw nobody to whom they could speak, or decided to "
            f"do nothing. The view `ties` has who is tied to whom; {parameter('network')} ties people who are not."
        )

    @property
    def written_by(self) -> str:
        """Who wrote the people and the emissions, and whether that is a language model."""
        if list(self.authors) == ["rule"]:
            return "none asked: rules decided"
        first, *others = [name for name in self.authors if name != "rule"] or [self.model]
        named = f"{first}, with text by {', '.join(others)}" if others else first
        rules = "; rules decided" if "rule" in self.authors else ""
        if not any(map(is_procedural, (first, *others))):
            return f"{named}{rules}"
        some = any(not is_procedural(one) for one in (first, *others))
        return f"{named}{rules} ({'not all of it by a language model' if some else 'no language model'})"

    @property
    def _by_words(self) -> str:
        # Near-duplicates are compared by their words alone, whether vectors were there or not.
        return "by words" if self.embedding_model else "by words only (no embedding model)"

    @property
    def _memory(self) -> str:
        if self.embedding_model is None:
            return "by words only (no embedding model)"
        exceptions = f", by words in {_n(self.turns_without_vectors, 'turn')}" if self.turns_without_vectors else ""
        return f"by meaning ({self.embedding_model}){exceptions}"


def summarise(run: Queryable) -> Summary:
    """Summarise a run in any state."""
    scenario, model, is_language_model, seed, status, reason, event_hash, steps_wanted, *told = run.query(_RUN).rows[0]
    settings, drawn, network, mind = told
    personas, agents, relations, hops, steps = run.query(_SIZES).rows[0]
    authors = read_authors(lambda sql: run.query(sql).rows, "personas", "emissions")
    calls = _counts(run, _CALLS)
    embedding_model, without = run.query(_MEMORY).rows[0]
    invalid, set_aside = run.query(_INVALID).rows[0]
    return Summary(
        scenario=scenario,
        model=model,
        is_language_model=is_language_model,
        authors=sorted(authors, key=lambda name: name != model),
        seed=seed,
        status="interrupted" if status == "running" and not run.is_live else status,
        reason=reason,
        personas=personas,
        agents=agents,
        relations=relations,
        hops=hops,
        steps=steps,
        # The rounds of a task end with its rows: their number was not asked for.
        steps_wanted=steps if "per_persona" in orjson.loads(settings) else steps_wanted,
        emissions=_counts(run, _EMISSIONS),
        near_duplicates=_counts(run, _DUPLICATES),
        failures=_counts(run, _FAILURES),
        embedding_model=embedding_model,
        turns_without_vectors=without,
        calls=sum(calls.values()),
        calls_by_outcome=calls,
        recalled=_counts(run, _RECALLED),
        tokens=_count_tokens(run),
        cost=_cost(run),
        seconds=run.query(_SECONDS).rows[0][0],
        event_hash=event_hash,
        settings=orjson.loads(settings),
        drawn=DrawReport(**orjson.loads(drawn)).sentence() if drawn else "",
        network="" if network == "grown" else f"{network}, {_n(run.query(_TIES).rows[0][0], 'tie')}",
        targets=_targets(run),
        mind=mind,
        came_and_left=_counts(run, _CAME_AND_LEFT),
        calls_with_invalid_fields=invalid,
        rows_set_aside=set_aside,
        unseen=_unseen(run),
        has_changed=run.query(_HAS_CHANGED).rows[0][0],
    )


def _counts(run: Queryable, sql: str) -> dict[str, int]:
    return {str(name): int(count) for name, count in run.query(sql).rows}


def _count_tokens(run: Queryable) -> Tokens | None:
    sent, received, counted, _ = run.query(_TOKENS).rows[0]
    return Tokens(int(sent), int(received or 0), int(counted)) if counted else None


def _cost(run: Queryable) -> Cost:
    ((prices, dollars, unpriced),) = run.query(_COST).rows
    return Cost(prices, dollars or 0.0, unpriced)


def _n(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _steps(done: int, wanted: int) -> str:
    return f"{done:,}" if done == wanted else f"{done:,} of {wanted:,}"


def _counted(counts: Mapping[str, int], *, total: bool = True) -> str:
    if not counts:
        return "0"
    parts = ", ".join(f"{name} {count:,}" for name, count in counts.items())
    return f"{sum(counts.values()):,} ({parts})" if total else parts


def _tokens(tokens: Tokens, calls: int, unit: str) -> str:
    counts = f"{tokens.input:,} {unit} in, {tokens.output:,} out"
    return counts if tokens.counted_calls == calls else f"{counts} (of {tokens.counted_calls:,} calls)"


def _unseen(run: Queryable) -> str:
    ((turns, of, most),) = run.query(_UNSEEN).rows
    told = f"prompts showed only some of them in {turns:,} of {_n(of, 'turn')}, drawn anew for each"
    return f"{told}; agents had up to {most:,} ({parameter('set', 'neighbours=N')} shows more)" if turns else ""


def _targets(run: Queryable) -> str:
    ((shares, farthest, where),) = run.query(_TARGETS).rows
    return f"{_n(shares, 'share')}, weighted {farthest:.1%} off at most ({where})" if shares else ""
