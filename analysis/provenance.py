"""Who wrote or decided what a file holds: models by name, `rule` for rules of a scenario, `import` for given rows."""

from collections.abc import Callable, Sequence
from typing import Any

#: Columns that name the author of a row, by table.
_AUTHORS = {
    **dict.fromkeys(("personas", "profiles", "biographies", "elites", "emissions", "responses"), "model"),
    **dict.fromkeys(("answers", "interviews"), "model"),
    "solutions": "solver",
    "votes": "grader",
}
#: Gives the rows of one statement: `lambda sql: run.query(sql).rows`.
type Ask = Callable[[str], Sequence[tuple[Any, ...]]]

_TABLES = "SELECT table_name FROM duckdb_tables()"
_NO_MODELS = ("rule", "import")


def read_authors(ask: Ask, *tables: str) -> list[str]:
    """The authors of the rows of these tables, or of all tables that name one, by name; each once."""
    present = {name for (name,) in ask(_TABLES)}
    asked = [
        f"SELECT DISTINCT {column} FROM {table}"  # noqa: S608 - our own words
        for table, column in _AUTHORS.items()
        if table in present and (not tables or table in tables)
    ]
    if not asked:
        return []
    found = {author for statement in asked for (author,) in ask(statement)}
    return sorted(author for author in found if author is not None)


def is_stand_in(author: str) -> bool:
    """Whether this is the stand-in, which is no language model."""
    return author.partition(":")[0] == "procedural"


def has_stand_in(ask: Ask) -> bool:
    """Whether the stand-in wrote or decided any row of a run, a hub or the merged file of an experiment."""
    return any(is_stand_in(author) for author in read_authors(ask))


def name_mixture(ask: Ask, answered: Sequence[str] = ()) -> str:
    """One sentence where different models wrote the people, wrote the outputs, or `answered` later; else empty."""
    made = [author for author in read_authors(ask, "personas", "emissions") if author not in _NO_MODELS]
    later = [author for author in answered if author not in _NO_MODELS]
    if len({*made, *later}) < 2:
        return ""
    if not made:
        return f"Models are mixed: {' and '.join(later)} answered."
    if later and set(later) != set(made):
        return f"Models are mixed: {' and '.join(later)} answered, {' and '.join(made)} wrote the run."
    return f"Models are mixed: {' and '.join(made)} wrote this."
