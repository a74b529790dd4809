"""What a run came to in one page of numbers, what making data came to, and who wrote it all."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from ..core.errors import parameter
from ..core.model import PROCEDURAL_NOTICE
from ..personas.hub.queries import NEAR_DUPLICATES
from ..personas.hub.read import DrawReport
from .table import Queryable

#: From marker to marker in `seconds`: the time between two sessions of a resumed run is not work.
_NUMBERS = """
SELECT scenario, model, is_language_model, seed, status, reason, event_hash, steps_wanted, settings, drawn, network,
       concat_ws(', ', mind, 'one asked for all of ' || archetypes) AS mind, embedding_model,
       prices ->> 'source' AS prices,
       (SELECT count(*) FROM personas) AS personas,
       (SELECT count(*) FROM agents) AS agents,
       (SELECT count(DISTINCT (source, target, kind)) FROM living_relations) AS relations,
       (SELECT coalesce(max(hop), 0) FROM growth) AS hops,
       (SELECT count(*) FROM steps) AS steps,
       (SELECT count(*) FROM failures WHERE purpose = 'embedding') AS turns_without_vectors,
       (SELECT count(invalid_fields) FROM calls) AS calls_with_invalid_fields,
       (SELECT count(*) FROM set_aside) AS rows_set_aside,
       (SELECT count(*) > 0 FROM agent_state WHERE step > 0) AS has_changed,
       (SELECT coalesce(sum(epoch(ended_at - started_at)), 0.0) FROM (
            SELECT started_at, ended_at FROM growth_chunks
            UNION ALL SELECT started_at, ended_at FROM growth WHERE hop NOT IN (SELECT hop FROM growth_chunks)
            UNION ALL SELECT started_at, ended_at FROM steps
        )) AS seconds
FROM runs
"""
_TIES = "SELECT count(*) FROM network_ties"
_TARGETS = """
SELECT count(*), max(abs(weighted - wanted)), arg_max("column" || ' ' || value, abs(weighted - wanted)) FROM targets
"""
_UNSEEN = "SELECT count(*) FILTER (unseen > 0), count(*), max(neighbours + unseen) FROM observations"
_USED = """
SELECT sum(input_tokens)::BIGINT, sum(output_tokens)::BIGINT, count(input_tokens), coalesce(sum(cost), 0.0),
       count(raw) - count(cost)
FROM calls WHERE source IN ('endpoint', 'batch')
"""
#: Counts by name, in falling order.
_COUNTS = {
    "came_and_left": "SELECT change, count(*) AS n FROM agent_changes GROUP BY ALL",
    "emissions": "SELECT kind, count(*) AS n FROM emissions GROUP BY ALL",
    "near_duplicates": f"""
        SELECT kind, count(*) AS n FROM (
            SELECT kind FROM duplicates WHERE NOT undone AND kind <> 'persona'
            UNION ALL SELECT 'persona' FROM ({NEAR_DUPLICATES})
        ) GROUP BY ALL""",  # noqa: S608 - our own words
    "failures": "SELECT outcome, count(*) AS n FROM failures WHERE purpose <> 'embedding' GROUP BY ALL",
    "calls_by_outcome": "SELECT outcome, count(*) AS n FROM calls WHERE source IN ('endpoint', 'batch') GROUP BY ALL",
    "recalled": "SELECT source, count(*) AS n FROM calls WHERE source IN ('cache', 'fork') GROUP BY ALL",
}


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
    #: Those that the society began with; of a grown network without near-duplicates but the first, and a pair may hold
    #: several of different kinds.
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
    #: The network that the society began with, as `ring:4`, where that is not the one that growth found.
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

    @property
    def calls(self) -> int:
        """Return how many calls were sent."""
        return sum(self.calls_by_outcome.values())

    @property
    def unit(self) -> str:
        """Return what is counted of texts: the built-in generator has no tokens, it counts words."""
        return "tokens" if self.is_language_model else "words"

    @property
    def _describe_used(self) -> str:
        if self.tokens is None:
            return ""
        counts = f"{self.tokens.input:,} {self.unit} in, {self.tokens.output:,} out"
        return (
            counts if self.tokens.counted_calls == self.calls else f"{counts} (of {self.tokens.counted_calls:,} calls)"
        )

    def lines(self, changed: Mapping[str, object]) -> dict[str, str]:
        """Return the society, its size and its outputs as lines; `changed` are settings that differ from defaults."""
        given = "".join(f", {name}={value}" for name, value in changed.items())
        repeats = sum(count for kind, count in self.near_duplicates.items() if kind != "persona")
        doubles = f", {_count_noun(repeats, 'near-duplicate')}" if repeats else ""
        left = f", {_join_counts(self.came_and_left, total=False)}" if self.came_and_left else ""
        done = _format_steps(self.steps, self.steps_wanted)
        size = f"{_count_noun(self.agents, 'agent')}{left}, {_count_noun(self.relations, 'tie')}, {done}"
        state = "" if self.status == "finished" else f"; {self.status}"
        unit = "step" if self.steps_wanted == 1 else "steps"
        return {
            "society": f"{self.scenario}, seed {self.seed}{given}",
            "size": f"{size} {unit}{state}",
            "outputs": f"{_join_counts(self.emissions)}{doubles}",
        }

    @property
    def spending(self) -> dict[str, str]:
        """Return what the run cost and how long it took, as two lines."""
        parts = [f"{_count_noun(self.calls, 'call')} to {self.model}"]
        if self.recalled:
            parts.append(
                f"{sum(self.recalled.values()):,} answers recalled ({_join_counts(self.recalled, total=False)})"
            )
        parts += [self._describe_used, str(self.cost) if self.is_language_model and self.calls else ""]
        return {"cost": ", ".join(filter(None, parts)), "time": f"{self.seconds:,.1f} s"}

    @property
    def warnings(self) -> tuple[str, ...]:
        """Return one sentence for each thing that a reader should know before using the run."""
        found = []
        if lost := sum(self.failures.values()):
            counts = _join_counts(self.failures, total=False)
            found.append(f"{_count_noun(lost, 'failure')} ({counts}); see the table `failures`.")
        if self.calls_with_invalid_fields:
            found.append(
                f"{_count_noun(self.calls_with_invalid_fields, 'call')} had invalid fields (`calls.invalid_fields`)."
            )
        if self.rows_set_aside:
            found.append(f"{_count_noun(self.rows_set_aside, 'row')} fitted no table (table `set_aside`).")
        if self.turns_without_vectors:
            found.append(
                f"{_count_noun(self.turns_without_vectors, 'turn')} recalled memories by words, without vectors."
            )
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
    def memory(self) -> str:
        """Return how agents were reminded."""
        if self.embedding_model is None:
            return "by words only (no embedding model)"
        exceptions = (
            f", by words in {_count_noun(self.turns_without_vectors, 'turn')}" if self.turns_without_vectors else ""
        )
        return f"by meaning ({self.embedding_model}){exceptions}"


def summarise(run: Queryable) -> Summary:
    """Summarise a run in any state."""
    found = run.query(_NUMBERS)
    numbers = dict(zip(found.columns, found.rows[0], strict=True))
    authors = read_authors(lambda sql: run.query(sql).rows, "personas", "emissions")
    settings, drawn, network = orjson.loads(numbers["settings"]), numbers["drawn"], numbers["network"]
    ((sent, received, counted, dollars, unpriced),) = run.query(_USED).rows
    changed = {
        "status": "interrupted" if numbers["status"] == "running" and not run.is_live else numbers["status"],
        "settings": settings,
        # The rounds of a task end with its rows: their number was not asked for.
        "steps_wanted": numbers["steps" if "per_persona" in settings else "steps_wanted"],
        "drawn": DrawReport(**orjson.loads(drawn)).sentence() if drawn else "",
        "network": "" if network == "grown" else network,
        "relations": numbers["relations"] if network == "grown" else run.query(_TIES).rows[0][0],
    }
    cost = Cost(numbers.pop("prices"), dollars, unpriced)
    return Summary(
        **numbers | changed | {name: _read_counts(run, sql) for name, sql in _COUNTS.items()},
        authors=sorted(authors, key=lambda name: name != numbers["model"]),
        tokens=Tokens(sent, received or 0, counted) if counted else None,
        cost=cost,
        targets=_describe_targets(run),
        unseen=_describe_unseen(run),
    )


def _read_counts(run: Queryable, sql: str) -> dict[str, int]:
    return {str(name): int(count) for name, count in run.query(f"{sql} ORDER BY n DESC, 1").rows}


def _count_noun(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _format_steps(done: int, wanted: int) -> str:
    return f"{done:,}" if done == wanted else f"{done:,} of {wanted:,}"


def _join_counts(counts: Mapping[str, int], *, total: bool = True) -> str:
    if not counts:
        return "0"
    parts = ", ".join(f"{name} {count:,}" for name, count in counts.items())
    return f"{sum(counts.values()):,} ({parts})" if total else parts


def _describe_unseen(run: Queryable) -> str:
    ((turns, of, most),) = run.query(_UNSEEN).rows
    told = f"prompts showed only some of them in {turns:,} of {_count_noun(of, 'turn')}, drawn anew for each"
    return f"{told}; agents had up to {most:,} ({parameter('set', 'neighbours=N')} shows more)" if turns else ""


def _describe_targets(run: Queryable) -> str:
    ((shares, farthest, where),) = run.query(_TARGETS).rows
    return f"{_count_noun(shares, 'share')}, weighted {farthest:.1%} off at most ({where})" if shares else ""


_MEASURED = """
SELECT name, arg_min(value, step), arg_max(value, step), min(step), max(step)
FROM measures WHERE isfinite(value) GROUP BY name ORDER BY min(value) = max(value), name
"""


def describe_measures(run: Queryable, most: int) -> list[tuple[str, str]]:
    """Return the name of each measure of the scenario, those that changed first, and its first and last value."""
    found = []
    for name, first, last, begun, ended in run.query(_MEASURED).rows:
        change = f", {last:.3g} in step {ended}" if begun != ended else ""
        found.append((name.replace("_", " "), f"{first:.3g} in step {begun}{change}"))
    return found[:most]


_ACCEPTED = """
SELECT count(*) FILTER (status = 'accepted'), (SELECT count(DISTINCT agent) FROM emissions) FROM outputs
"""
_REJECTED = "SELECT stage, count(*) AS n FROM outputs WHERE status = 'rejected' GROUP BY ALL"
_LOST = """
SELECT outcome, count(*) AS n FROM failures
WHERE step IS NOT NULL AND purpose NOT IN ('embedding', 'plan', 'reflect') GROUP BY ALL
"""
#: As `Task.ended` looks at them.
_LATEST = 500
_NOVELTY = f"""
SELECT if(count(*) < {_LATEST}, NULL, avg(is_new::INTEGER)) FROM (
    SELECT emission NOT IN (SELECT emission FROM duplicates WHERE NOT undone AND emission IS NOT NULL) AS is_new
    FROM emissions ORDER BY emission DESC LIMIT {_LATEST}
)
"""  # noqa: S608 - our own number
#: Rows of files to compare with that could not be read (chunk -1): how many, and the first sentence of each reason.
_UNREAD = "SELECT sum(number), list(examples[1]) FROM skipped_sources WHERE chunk = -1"
#: Settings of every scenario that have no effect where agents do not see each other.
SOCIETY_SETTINGS = frozenset(
    (
        "neighbours", "heard", "recalled", "memory", "observation_tokens", "neighbours_by", "memory_kind", "recency",
        "relevance", "importance", "recency_decay", "reflect_at", "plan_every", "tool_calls",
    )
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class DataSummary:
    """What a run of a task came to, beside its summary; counts are in falling order."""

    run: Summary
    #: Those of the task.
    settings: Mapping[str, object]
    accepted: int
    #: Outputs that were rejected, by the check that failed, or `near_duplicate`.
    rejected: Mapping[str, int]
    #: Turns without an output, by the outcome of their last call.
    lost: Mapping[str, int]
    #: People who gave an output.
    asked: int
    #: Share of the latest 500 outputs that repeat no earlier one; None if there are fewer.
    novelty: float | None = None
    #: Which rows of files to compare with could not be read, and so were not compared; empty if all were.
    unread: str = ""

    @property
    def task(self) -> str:
        """Return the name of the task."""
        return self.run.scenario

    @property
    def wanted(self) -> int:
        """Return how many rows were asked for."""
        return int(str(self.settings["n"]))

    def lines(self, changed: Mapping[str, object]) -> dict[str, str]:
        """Return the task and its rows in two lines; `changed` are the settings that differ from their defaults."""
        given = "".join(f", {name}={value}" for name, value in changed.items() if name != "n")
        state = "" if self.run.status == "finished" else f"; {self.run.status}"
        rejected = f"; {_join_counts(self.rejected)} rejected" if self.rejected else ""
        failed = f"; {_join_counts(self.lost)} failed" if self.lost else ""
        return {
            "task": f"{self.task}, seed {self.run.seed}{given}{state}",
            "rows": f"{self.accepted:,} of {self.wanted:,} accepted{rejected}{failed}; {self.asked:,} of "
            f"{self.run.agents:,} personas asked",
        }

    @property
    def has_run_short(self) -> bool:
        """Whether people ran out before all rows were accepted; False where too little was new, as was asked."""
        return bool(self.shortfall) and not self._is_exhausted

    @property
    def _is_exhausted(self) -> bool:
        least = self.settings.get("until_novelty")
        return isinstance(least, int | float) and self.novelty is not None and self.novelty < least

    @property
    def shortfall(self) -> str:
        """One sentence when fewer rows were accepted than were wanted, with what would give more; else nothing."""
        if self.accepted >= self.wanted or self.run.status != "finished":
            return ""
        if self._is_exhausted:
            least = self.settings["until_novelty"]
            why = (
                f"{self.novelty:.1%} of the latest {_LATEST} outputs was new, less than --until-novelty {least:g} asks"
            )
            return f"{self.accepted:,} of {self.wanted:,} rows were accepted: {why}."
        rejected, lost = sum(self.rejected.values()), sum(self.lost.values())
        if not self.accepted and (rejected or lost):
            failed = self.rejected if rejected >= lost else self.lost
            what = (
                f"{_count_noun(rejected, 'output')} rejected"
                if rejected >= lost
                else f"{_count_noun(lost, 'turn')} lost"
            )
            why = f"{what}, most often for {next(iter(failed))}; the funnel shows the reasons"
            return f"None of {_count_noun(self.wanted, 'row')} wanted was accepted: {why}."
        each = _count_noun(int(str(self.settings["per_persona"])), "row")
        why = f"{self.run.agents:,} people gave what they could at {each} each"
        return (
            f"{self.accepted:,} of {self.wanted:,} rows were accepted: {why}. A larger hub, more --agents or a higher "
            f"--per-persona gives more."
        )


def summarise_data(run: Queryable, whole: Summary) -> DataSummary | None:
    """Summarise what a run of a task made, in any state; None for any other run."""
    if "per_persona" not in whole.settings:
        return None
    ((accepted, asked),) = run.query(_ACCEPTED).rows
    ((novelty,),) = run.query(_NOVELTY).rows
    ((unread, reasons),) = run.query(_UNREAD).rows
    return DataSummary(
        run=whole,
        settings={name: value for name, value in whole.settings.items() if name not in SOCIETY_SETTINGS},
        accepted=accepted,
        rejected=_read_counts(run, _REJECTED),
        lost=_read_counts(run, _LOST),
        asked=asked,
        novelty=novelty,
        unread=f"{_count_noun(unread, 'row')} of the files to compare with: {'; '.join(reasons)}" if unread else "",
    )


#: What is written, and the column that names its author, by table.
_WRITTEN = {
    "personas": ("personas", "model"),
    "profiles": ("profiles", "model"),
    "biographies": ("biographies", "model"),
    "elites": ("elite personas", "model"),
    "emissions": ("outputs", "model"),
    "responses": ("responses", "model"),
    "solutions": ("solutions", "solver"),
    "votes": ("grades", "grader"),
    "answers": ("answers", "model"),
    "interviews": ("interviews", "model"),
}
#: Gives the rows of one statement: `lambda sql: run.query(sql).rows`.
type Ask = Callable[[str], Sequence[tuple[Any, ...]]]

#: Models that judge what they wrote: outputs while they are made (job 1), outputs and responses in other jobs.
_OWN = """
SELECT model FROM calls WHERE job = 1 AND {job} = 1 AND role = 'grader' INTERSECT SELECT model FROM emissions
UNION
SELECT v.grader FROM votes AS v
JOIN emissions AS e USING (emission)
LEFT JOIN (
    FROM responses WHERE job < {job} QUALIFY job = max(job) OVER (PARTITION BY emission)
) AS r ON r.emission = v.emission AND r.response = v.response
WHERE v.job = {job} AND v.grader = coalesce(r.model, e.model)
ORDER BY ALL
"""
_TABLES = "SELECT table_name FROM duckdb_tables()"
_NO_MODELS = ("rule", "import")


def read_authors(ask: Ask, *tables: str) -> list[str]:
    """Return the authors of the rows of `tables`, sorted; of all tables by default."""
    return sorted({author for authors in _read_by_table(ask, tables).values() for author in authors})


def is_procedural(author: str) -> bool:
    """True for the built-in generator, which is not a language model."""
    return author.partition(":")[0] == "procedural"


def describe_authors(ask: Ask) -> str:
    """Return one sentence on who wrote what; "" if one language model, or none, wrote all of it."""
    by_kind: dict[str, list[str]] = {}
    for table, authors in _read_by_table(ask, ()).items():
        if models := [author for author in authors if author not in _NO_MODELS]:
            by_kind[_WRITTEN[table][0]] = models
    everybody = {model for models in by_kind.values() for model in models}
    if all(map(is_procedural, everybody)):
        return PROCEDURAL_NOTICE if everybody else ""
    if len(everybody) == 1:
        return ""
    parts = (f"{kind} by {' and '.join(map(_name_author, authors))}" for kind, authors in by_kind.items())
    return f"Models are mixed: {', '.join(parts)}."


def describe_own_graders(ask: Ask, job: int = 1) -> str:
    """Return one sentence on the language models that graded what they wrote in a job; "" if there are none."""
    rows = ask(_OWN.format(job=job))
    own = [model for (model,) in rows if not is_procedural(model)]
    return f"{' and '.join(own)} grades what it wrote itself: models prefer their own text." if own else ""


def _name_author(author: str) -> str:
    return f"{author} (built-in generator, not a language model)" if is_procedural(author) else author


def _read_by_table(ask: Ask, tables: Sequence[str]) -> dict[str, list[str]]:
    present = {name for (name,) in ask(_TABLES)}
    found: dict[str, list[str]] = {}
    for table, (_, column) in _WRITTEN.items():
        if table in present and (not tables or table in tables):
            rows = ask(f"SELECT DISTINCT {column} FROM {table}")  # noqa: S608 - our own words
            found[table] = sorted(author for (author,) in rows if author is not None)
    return found
