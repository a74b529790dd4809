"""The relations between exported people: as rows of a second file, which lies beside that of the people."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb

from ..packing import PACKINGS, plain_suffix
from .people import People
from .queries import fold_duplicates
from .row_files import write_csv, write_jsonl, write_parquet

__all__ = ["RELATION_FIELDS", "relations_of", "relations_path", "write_relations"]

#: The columns of the file.
RELATION_FIELDS = ("source", "target", "kind", "label", "hop")

#: Only whoever is not exported gives ties away, and only those of somebody turned away are dropped who is not either.
_FOLDED = """
WITH folds AS (FROM graph_folds ANTI JOIN exported_kept ON id = persona),
away AS (FROM graph_away ANTI JOIN exported_kept ON id = persona)
SELECT DISTINCT ON (source, target, kind, label) source, target, kind, label, hop, ordinal FROM (
    SELECT coalesce(a.survivor, r.source) AS source, coalesce(b.survivor, r.target) AS target, kind, label, hop, ordinal
    FROM relations AS r
    LEFT JOIN folds AS a ON a.persona = r.source
    LEFT JOIN folds AS b ON b.persona = r.target
    WHERE r.source NOT IN (FROM away) AND r.target NOT IN (FROM away)
) WHERE source <> target ORDER BY source, target, kind, label, ordinal
"""
_AS_WRITTEN = "SELECT source, target, kind, label, hop, ordinal FROM relations"


def relations_path(path: Path) -> Path:
    """Where the relations of the people in `path` lie: `town.relations.csv.gz` beside `town.csv.gz`."""
    name, packing = path.name, path.suffix if path.suffix.lower() in PACKINGS else ""
    name = name.removesuffix(packing)
    ending = name[len(name) - len(plain_suffix(path)) :] if plain_suffix(path) else ""
    return path.with_name(f"{name.removesuffix(ending)}.relations{ending}{packing}")


def relations_of(people: People) -> duckdb.DuckDBPyRelation:
    """The relations of which both ends are exported, in order of arrival.

    Near-duplicates that are left out give theirs to whom they repeat, and whom a rule turned away takes all along.
    """
    con = people.hub.con
    if not people.has("relations"):
        return con.sql("SELECT '' AS source, '' AS target, '' AS kind, '' AS label, 1 AS hop WHERE false")
    fold_duplicates(people.hub)
    fields = ", ".join(RELATION_FIELDS)
    return con.sql(
        f"SELECT {fields} FROM ({_AS_WRITTEN if people.duplicates else _FOLDED}) AS r "  # noqa: S608 - our own words
        "WHERE source IN (SELECT id FROM exported_kept) AND target IN (SELECT id FROM exported_kept) "
        "ORDER BY ordinal, source, target"
    )


def write_relations(relations: duckdb.DuckDBPyRelation, form: str, *, packed: Callable[[], Any]) -> None:
    """Write relations as rows of `jsonl`, `csv` or `parquet`."""
    write = {"jsonl": write_jsonl, "csv": write_csv, "parquet": write_parquet}[form]
    with packed() as file:
        write(relations.to_arrow_reader(10_000), file)
