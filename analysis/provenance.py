"""Who wrote or decided what a file holds: models by name, `rule` for rules of a scenario, `import` for given rows."""

from collections.abc import Callable, Sequence
from typing import Any

from ..core.model import PROCEDURAL_NOTICE

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
