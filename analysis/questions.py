"""Questions that fit a run, each with its SQL, and what the run shows in a few lines."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from textwrap import dedent

from ..core.query import QueryError
from .page import clip
from .table import Queryable, Rows

_OWN = "SELECT title, sql FROM questions ORDER BY ordinal"
_FIELDS = """
SELECT kind, field, type, choices FROM action_fields
WHERE kind IN (SELECT DISTINCT kind FROM emissions) ORDER BY ordinal
"""
_KINDS = "SELECT kind FROM emissions GROUP BY kind ORDER BY count(*) DESC, kind"
#: Interventions that have steps on both sides.
_TURNS = """
SELECT step, name FROM interventions
WHERE step > (SELECT min(step) FROM steps) AND step <= (SELECT max(step) FROM steps) ORDER BY step, name LIMIT 2
"""
_NOTHING = "The run holds nothing of the kind."


@dataclass(frozen=True, slots=True)
class Question:
    """A question in words and in SQL; the names of the columns are the headings of the answer."""

    title: str
    sql: str


@dataclass(frozen=True, slots=True)
class QuestionAnswer:
    """The answer of a run to a question."""

    question: Question
    #: None when the run cannot answer, which `sentence` says then.
    rows: Rows | None
    #: A note in place of rows; empty where there are rows.
    sentence: str = ""


@dataclass(frozen=True, slots=True)
class RecordedField:
    """A field of the scenario's actions that can be counted or averaged."""

    kind: str
    name: str
    #: integer, number, boolean or choice.
    type: str
    #: The values of a choice, as declared.
    choices: Sequence[str]

    @property
    def is_number(self) -> bool:
        """Whether it is averaged; else its values are counted."""
        return self.type in ("integer", "number")

    @property
    def title(self) -> str:
        """Kind and name."""
        return f"{self.kind}: {self.name.replace('_', ' ')}"


def read_fields(run: Queryable) -> list[RecordedField]:
    """Read the typed fields of what was emitted, in the order of their declaration."""
    fields = (RecordedField(*row) for row in run.query(_FIELDS).rows)
    return [RecordedField(f.kind, f.name, f.type, ("true", "false")) if f.type == "boolean" else f for f in fields]


def questions_of(run: Queryable) -> list[Question]:
    """Return the questions that fit a run, the scenario's own first, then by what it emitted, measured and changed."""
    return [*_own(run), *_derived(run)]


def answers_of(run: Queryable, most: int) -> list[QuestionAnswer]:
    """Return the answers to the first questions that the run has rows for, the scenario's own first."""
    own = [ask(run, question) for question in _own(run)]
    answers = [answer for answer in own if answer.sentence != _NOTHING][:most]
    for question in _derived(run):
        if len(answers) >= most:
            break
        if not (answer := ask(run, question)).sentence:
            answers.append(answer)
    return answers


def ask(run: Queryable, question: Question) -> QuestionAnswer:
    """Ask a run a question, and return the answer; a failing question gives a note instead of an error."""
    try:
        rows = run.query(question.sql)
    except QueryError as error:
        return QuestionAnswer(question, None, f"The run file cannot answer this: {error}")
    return QuestionAnswer(question, rows, "" if rows.rows else _NOTHING)


def _own(run: Queryable) -> list[Question]:
    return [Question(title, dedent(sql).strip()) for title, sql in run.query(_OWN).rows]


def _derived(run: Queryable) -> Iterator[Question]:
    fields, kinds = read_fields(run), [kind for (kind,) in run.query(_KINDS).rows]
    has_groups = bool(run.query("SELECT 1 FROM agents WHERE group_name IS NOT NULL LIMIT 1").rows)
    is_weighted = has_weights(run)
    for field in fields:
        yield _numbers(field, is_weighted) if field.is_number else _choices(field, is_weighted)
        if has_groups:
            yield _by_group(field, is_weighted)
    yield _question(
        "How did what the scenario measures change?",
        """
        SELECT name AS measure, arg_min(value, step) AS "after the first step",
               arg_max(value, step) AS "after the last", min(value) AS least, max(value) AS most
        FROM measures GROUP BY name ORDER BY name LIMIT 8
        """,
    )
    for step, name in run.query(_TURNS).rows:
        yield _turn(step, name)
    for kind in kinds:
        yield _sample(kind)
    yield from _always()


def _numbers(field: RecordedField, is_weighted: bool) -> Question:
    value = f"(payload ->> {quoted(field.name)})::DOUBLE"
    return _question(
        f"How did {field.name} of {field.kind} change from step to step?",
        f"""
        SELECT step, {_mean(value, is_weighted)}, min({value}) AS least, max({value}) AS most,
               count({value}) AS emissions
        FROM {_emissions(is_weighted)} WHERE kind = {quoted(field.kind)} GROUP BY step ORDER BY step LIMIT 12
        """,  # noqa: S608 - quoted
    )


def _choices(field: RecordedField, is_weighted: bool) -> Question:
    return _question(
        f"How often was each {field.name} chosen in {field.kind}?",
        f"""
        SELECT payload ->> {quoted(field.name)} AS {_named(field.name)}, count(*) AS times,
               round(100 * count(*) / sum(count(*)) OVER (), 1) AS "%"{_share("", is_weighted)}
        FROM {_emissions(is_weighted)} WHERE kind = {quoted(field.kind)} GROUP BY 1 ORDER BY times DESC, 1 LIMIT 8
        """,  # noqa: S608 - quoted
    )


def _by_group(field: RecordedField, is_weighted: bool) -> Question:
    value = f"payload ->> {quoted(field.name)}"
    what = (
        f"{_mean(f'({value})::DOUBLE', is_weighted)}, count(*) AS emissions"
        if field.is_number
        else f"{value} AS {_named(field.name)}, count(*) AS times{_share('PARTITION BY group_name', is_weighted)}"
    )
    return _question(
        f"Do groups differ in {field.name} of {field.kind}?",
        f"""
        SELECT group_name AS "group", {what}
        FROM {_emissions(True)}
        WHERE kind = {quoted(field.kind)} AND group_name IS NOT NULL
        GROUP BY {"1" if field.is_number else "1, 2"} ORDER BY ALL LIMIT 12
        """,  # noqa: S608 - quoted
    )


def _emissions(with_agents: bool) -> str:
    return "emissions JOIN agents USING (agent)" if with_agents else "emissions"


def _mean(value: str, is_weighted: bool) -> str:
    if not is_weighted:
        return f"round(avg({value}), 3) AS mean"
    return f'round(sum({value} * weight) / sum(weight) FILTER ({value} IS NOT NULL), 3) AS "weighted mean"'


def _share(over: str, is_weighted: bool) -> str:
    """Return a column for the weighted share; empty without weights."""
    return (
        f',\n               round(100 * sum(weight) / sum(sum(weight)) OVER ({over}), 1) AS "weighted %"'
        if is_weighted
        else ""
    )


def _turn(step: int, name: str) -> Question:
    return _question(
        f"What changed when {name} came in step {step}?",
        f"""
        SELECT kind, round(count(*) FILTER (step < {step}) / (SELECT count(*) FROM steps WHERE step < {step}), 1)
               AS "in a step before",
               round(count(*) FILTER (step >= {step}) / (SELECT count(*) FROM steps WHERE step >= {step}), 1)
               AS "in a step since"
        FROM emissions GROUP BY kind ORDER BY kind LIMIT 8
        """,  # noqa: S608 - numbers
    )


def _sample(kind: str) -> Question:
    return _question(
        f"What was emitted as {kind}, for example?",
        f"""
        SELECT step, p.text AS who, e.text AS output
        FROM emissions AS e JOIN personas AS p ON p.id = agent
        WHERE kind = {quoted(kind)} ORDER BY md5(emission::VARCHAR) LIMIT 5
        """,  # noqa: S608 - quoted
    )


def _always() -> Iterator[Question]:
    yield _question(
        "Which kinds of relation carry most dialogue?",
        """
        SELECT coalesce(kind, 'visitor or stranger') AS kind, sum(lines)::INT AS lines,
               round(100 * sum(lines) / sum(sum(lines)) OVER (), 1) AS "% of lines", count(*) AS "who to whom"
        FROM spoke_to GROUP BY ALL ORDER BY 2 DESC, 1 LIMIT 5
        """,
    )
    yield _question(
        "What was a near-duplicate of whose?",
        """
        SELECT d.kind, p.text AS persona, o.text AS "repeats", count(*) AS times,
               round(max(similarity), 2) AS "most similar"
        FROM duplicates AS d
        JOIN emissions AS e USING (emission)
        JOIN personas AS p ON p.id = d.persona
        JOIN personas AS o ON o.id = d."of"
        WHERE NOT undone GROUP BY ALL ORDER BY times DESC, "most similar" DESC, persona, 3 LIMIT 5
        """,
    )


def _question(title: str, sql: str) -> Question:
    return Question(title, dedent(sql).strip())


def quoted(text: str) -> str:
    """Quote the text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def _named(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


#: Sentences on what a run shows, above the notice on who wrote it.
FINDINGS = 4

_MEASURED = """
SELECT name, arg_min(value, step), arg_max(value, step), min(step), max(step)
FROM measures WHERE isfinite(value) GROUP BY name ORDER BY min(value) = max(value), name
"""
_CHOSEN = """
SELECT value, count(*), sum(weight) FROM (
    SELECT e.payload ->> ? AS value, coalesce(weight, 1) AS weight
    FROM emissions AS e LEFT JOIN agents USING (agent) WHERE kind = ?
) WHERE value IS NOT NULL GROUP BY value ORDER BY sum(weight) DESC, value
"""
_MEANS = """
WITH said AS (
    SELECT step, TRY_CAST(e.payload ->> ? AS DOUBLE) AS value, coalesce(weight, 1) AS weight
    FROM emissions AS e LEFT JOIN agents USING (agent) WHERE kind = ?
), means AS (SELECT step, sum(value * weight) / sum(weight) AS mean FROM said WHERE isfinite(value) GROUP BY step)
SELECT arg_min(mean, step), arg_max(mean, step), min(step), max(step) FROM means HAVING count(*) > 0
"""


@dataclass(frozen=True, slots=True)
class Headline:
    """One thing that the run shows: of what, and a sentence without its subject."""

    subject: str
    said: str


def read_findings(run: Queryable) -> Sequence[Headline]:
    """Return the first few: what the scenario measures, then fields of its actions."""
    measures, fields = list(_find_measures(run)), list(_find_fields(run))
    # Where there is more of both than has room, both are there.
    shown = max(FINDINGS - len(fields), (FINDINGS + 1) // 2)
    return [*measures[:shown], *fields[: FINDINGS - len(measures[:shown])]]


def _find_fields(run: Queryable) -> Iterator[Headline]:
    by_weight = ", by weight" if has_weights(run) else ""
    for field in read_fields(run):
        said = _describe_number(run, field, by_weight) if field.is_number else _describe_choice(run, field, by_weight)
        if said:
            yield _finding(field.title, said)


def _describe_choice(run: Queryable, field: RecordedField, by_weight: str) -> str:
    counts = run.query(_CHOSEN, [field.name, field.kind]).rows
    number, whole = sum(count for _, count, _ in counts), sum(weight for *_, weight in counts)
    shares = ", ".join(f"{clip(value, 24)} {weight / whole:.0%}" for value, _, weight in counts[:4])
    return f"{shares}{', \u2026' if len(counts) > 4 else ''} (of {number:,}{by_weight})" if counts else ""


def _describe_number(run: Queryable, field: RecordedField, by_weight: str) -> str:
    for first, last, begun, ended in run.query(_MEANS, [field.name, field.kind]).rows:
        return f"{_describe_change(first, last, begun, ended, 'on average ')}{by_weight}"
    return ""


def _find_measures(run: Queryable) -> Iterator[Headline]:
    for name, first, last, begun, ended in run.query(_MEASURED).rows:
        if isfinite(first) and isfinite(last):
            yield _finding(name.replace("_", " "), _describe_change(first, last, begun, ended, ""))


def _describe_change(first: float, last: float, begun: int, ended: int, how: str) -> str:
    if begun == ended:
        return f"{how}{first:.3g} in step {begun}"
    return f"{how}{first:.3g} in step {begun}, {last:.3g} in step {ended}"


def _finding(subject: str, said: str) -> Headline:
    # The notice on who wrote it is below, and should be on the first screen of a telephone too.
    return Headline(clip(subject, 40), clip(said, 110))


def has_weights(run: Queryable) -> bool:
    """Whether agents stand for different numbers of people, by a selection that was to meet targets."""
    return bool(run.query("SELECT 1 FROM agents WHERE weight <> 1 LIMIT 1").rows)
