"""An experiment as CSV tables for other tools, with a codebook that says what each column means."""

from collections.abc import Iterator, Sequence
from dataclasses import astuple, fields
from itertools import chain
from pathlib import Path
from typing import Any

from ...personas.errors import SetupError
from ...personas.files import folder_beside
from ...personas.writers import write_csv_rows
from ..evaluation import Reader
from .effects import Effect, Findings

#: The statement of each table.
_TABLES = {
    "outcomes": "SELECT outcome, arm, replicate, agent, group_name, value, weight FROM outcome_values ORDER BY ALL",
    "runs": """
        SELECT arm, replicate, seed, model, is_language_model, agents, steps, calls, input_tokens, output_tokens, cost,
               failures, event_hash
        FROM runs ORDER BY ALL
    """,
    "model_checks": """
        SELECT model, name, what, reference, got, low, high, size, asked, answers, source, warning, skipped
        FROM model_checks ORDER BY ordinal
    """,
    "levels": "SELECT arm, factor, level FROM levels ORDER BY ALL",
}
_COMMENTS = """
SELECT table_name, column_name, comment FROM duckdb_columns()
WHERE table_name IN ('outcome_values', 'runs', 'levels', 'model_checks')
"""
_OF_OUTCOMES = "SELECT outcome, description, sql FROM outcomes ORDER BY ordinal"
_EFFECT = {
    "kind": "hypothesis, arm (against the first), group (of agents), within (a level of another factor) or interaction",
    "outcome": "Outcome",
    "arm": "Arm, or levels of factors",
    "against": "What it is compared with",
    "group": "Group of agents, or level of another factor; empty for all",
    "direction": "differs, more or less: what was tested",
    "mean": "Mean over the runs of the arm",
    "mean_against": "Mean over the runs that it is compared with",
    "estimate": "Difference of the two",
    "low": "Lower end of its two-sided interval",
    "high": "Upper end of its interval",
    "p": "p value of the t test over runs",
    "p_adjusted": "The same, corrected for the number of comparisons",
    "replicates": "Replicates that were compared",
    "is_registered": "Whether the hypothesis stood in the experiment before its first run",
    "error": "Standard error of the difference",
    "error_people": "What the drawing of people adds to it in a crossed design, and would add in a fixed one",
    "people": "People who were compared for that; of weighted ones as many as tell as much",
    "is_for_these_people": "Whether it was tested over runs of the same people, and so concerns these people only",
}


def write_tables(reader: Reader, findings: Findings, folder: Path) -> list[Path]:
    """Write outcomes, runs, levels and effects as a file each, and `codebook.csv`; gives their paths.

    Raises `SetupError` for a folder that is there.
    """
    if folder.exists():
        raise SetupError(f"{str(folder)!r} is there already; give a folder that is not.")
    described = _described(reader)
    with folder_beside(folder.absolute()) as part:
        codebook: list[tuple[str, str, str]] = []
        for name, columns, rows in _tables(reader, findings):
            codebook += [(f"{name}.csv", column, described.get((name, column), "")) for column in columns]
            _write_csv(part / f"{name}.csv", columns, rows)
        for name, said, sql in reader.query(_OF_OUTCOMES).rows:
            codebook.append(("outcome", name, f"{said or name} ({' '.join(sql.split())})"))
        _write_csv(part / "codebook.csv", ("file", "name", "meaning"), codebook)
        folder.mkdir()
        for path in sorted(part.iterdir()):
            path.rename(folder / path.name)
    return sorted(folder.iterdir())


def _tables(reader: Reader, findings: Findings) -> Iterator[tuple[str, Sequence[str], Sequence[Sequence[Any]]]]:
    for name, sql in _TABLES.items():
        if name == "model_checks" and not findings.model_checks:
            continue
        found = reader.query(sql)
        yield name, found.columns, found.rows
    yield "effects", [one.name for one in fields(Effect)], [astuple(one) for one in findings.effects]


def _described(reader: Reader) -> dict[tuple[str, str], str]:
    known = {("effects", name): said for name, said in _EFFECT.items()}
    named = {"outcome_values": "outcomes"}
    for table, column, comment in reader.query(_COMMENTS).rows:
        known[named.get(table, table), column] = comment or ""
    return known


def _write_csv(path: Path, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        cells = (["" if value is None or value != value else value for value in row] for row in rows)
        write_csv_rows(chain([columns], cells), file, end="\r\n")
