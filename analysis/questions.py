"""The questions that a scenario declares, with their answers, and how its measures changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import dedent

from ..core.query import QueryError
from .table import Queryable, Rows

_QUESTIONS = "SELECT title, sql FROM questions ORDER BY ordinal"
_FIELDS = """
SELECT kind, field, type, choices FROM action_fields
WHERE kind IN (SELECT DISTINCT kind FROM emissions) ORDER BY ordinal
"""


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


def quoted(text: str) -> str:
    """Quote the text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


_MEASURED = """
SELECT name, arg_min(value, step), arg_max(value, step), min(step), max(step)
FROM measures WHERE isfinite(value) GROUP BY name ORDER BY min(value) = max(value), name
"""


def has_weights(run: Queryable) -> bool:
    """Whether agents stand for different numbers of people, by a selection that was to meet targets."""
    return bool(run.query("SELECT 1 FROM agents WHERE weight <> 1 LIMIT 1").rows)


def answer_questions(run: Queryable) -> list[tuple[str, str, Rows | None, str]]:
    """Return title, SQL and rows of each question that the scenario declares and that has an answer.

    A failing question has a sentence instead of rows.
    """
    answers: list[tuple[str, str, Rows | None, str]] = []
    for title, declared in run.query(_QUESTIONS).rows:
        sql = dedent(declared).strip()
        try:
            rows = run.query(sql)
        except QueryError as error:
            answers.append((title, sql, None, f"The run file cannot answer this: {error}"))
        else:
            answers += [(title, sql, rows, "")] if rows.rows else []
    return answers


def describe_measures(run: Queryable, most: int) -> list[tuple[str, str]]:
    """Return the name of each measure of the scenario, those that changed first, and its first and last value."""
    found = []
    for name, first, last, begun, ended in run.query(_MEASURED).rows:
        change = f", {last:.3g} in step {ended}" if begun != ended else ""
        found.append((name.replace("_", " "), f"{first:.3g} in step {begun}{change}"))
    return found[:most]
