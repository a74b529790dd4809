"""`populace sql` and `populace schema`: asking a run file, and what there is to ask."""

import shutil
import sys
from pathlib import Path

import click

from .notice import BY_STAND_IN

__all__ = ["schema", "sql"]

_HAS_RUN = "SELECT 1 FROM duckdb_tables() WHERE table_name = 'jobs'"


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("statement")
@click.option("--csv", "form", flag_value="csv", help="Comma-separated values.")
@click.option("--json", "form", flag_value="json", help="A JSON array of objects.")
@click.option("--timeout", type=float, default=60, show_default=True, help="Seconds it may take; 0 for no limit.")
def sql(file: Path, statement: str, form: str | None, timeout: float) -> None:
    """Ask a run file or a hub in SQL, read-only; works on a run that is still going."""
    from populace.agents.procedural import PROCEDURAL_NOTICE
    from populace.analysis.table import render_csv, render_json, render_table
    from populace.personas.user_sql import QueryLimit
    from populace.sim.runfile.reader import open_hub_or_run

    limit = QueryLimit.given(timeout, has_own_process=True)
    with open_hub_or_run(file) as run:
        result = run.query(statement, limit=limit)
        made = run.query(BY_STAND_IN).rows or (
            run.query(_HAS_RUN).rows and run.query("SELECT 1 FROM jobs WHERE NOT is_language_model").rows
        )
    if form == "csv":
        click.echo(render_csv(result, for_terminal=sys.stdout.isatty()), nl=False)
    elif form == "json":
        click.echo(render_json(result), nl=False)
    else:
        elsewhere = "Values that end in \u2026 are shortened; --csv and --json give them whole."
        click.echo(render_table(result, width=_width(), elsewhere=elsewhere), nl=False)
    if made:
        # On standard error, so that it goes wherever the text goes and into no file that is read by machines.
        click.echo(PROCEDURAL_NOTICE, err=True)


@click.command()
@click.argument("table", required=False)
def schema(table: str | None) -> None:
    """Every table, view and column of run files and hubs with its meaning, or those of TABLE."""
    from populace.personas.errors import SetupError
    from populace.sim.choices import nearest
    from populace.sim.runfile.reader import describe

    relations = {relation.name: relation for relation in describe(hubs=True)}
    if table is not None and table not in relations:
        raise SetupError(
            f"There is no table or view {table!r}{nearest(table, relations)}. There are: {', '.join(relations)}."
        )
    for relation in relations.values() if table is None else (relations[table],):
        click.echo(f"{relation.kind} {relation.name}: {relation.comment}")
        for column in relation.columns:
            click.echo(f"    {column.name} {column.type}: {column.comment}")


def _width() -> int:
    return shutil.get_terminal_size((120, 40)).columns
