"""Commands that change nothing: `populace sql`, `report` and `list`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .options import shared_option
from .show import authors_notice, terminal_width
from .specs import command

if TYPE_CHECKING:
    from collections.abc import Iterable

    from populace.sim.scenario import Scenario


@command()
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("statement")
@click.option("--csv", "form", flag_value="csv", help="Comma-separated values.")
@click.option("--json", "form", flag_value="json", help="A JSON array of objects.")
@click.option(
    "--picture",
    type=click.Path(path_type=Path),
    help="Draw the answer into a file ending in .svg: the first column from left to right, a line for each "
    "further column of numbers, or for each text of a column of texts; columns that end in low and high are intervals.",
)
@click.option("--timeout", type=float, default=60, show_default=True, help="Seconds it may take; 0 for no limit.")
def sql(file: Path, statement: str, form: str | None, picture: Path | None, timeout: float) -> None:
    """Query a run or hub in SQL, read-only.

    Works on a run in progress.
    """
    from populace.analysis.table import render_csv, render_json, render_table
    from populace.core.query import QueryLimit
    from populace.sim.runfile.reader import open_hub_or_run

    limit = QueryLimit.given(timeout, has_own_process=True)
    with open_hub_or_run(file) as run:
        result = run.query(statement, limit=limit)
        notice = authors_notice(run)
    if picture is not None:
        from populace.analysis.report.charts import write_result_picture

        click.echo(f"Wrote {write_result_picture(result, picture, of=file.name, note=notice)}", err=form is not None)
    if form == "csv":
        click.echo(render_csv(result, for_terminal=sys.stdout.isatty()), nl=False)
    elif form == "json":
        click.echo(render_json(result), nl=False)
    elif picture is None:
        elsewhere = "Values that end in \u2026 are shortened; --csv and --json give them whole."
        click.echo(render_table(result, width=terminal_width(10_000, unknown=120), elsewhere=elsewhere), nl=False)
    if notice:
        click.echo(notice, err=True)


@command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=None,
    help="The page.  [default: FILE with .html in place of its ending]",
)
@shared_option
def report(file: Path, out: Path | None) -> None:
    """Write an HTML report that opens offline.

    FILE is a run file, the folder of an experiment, or its merged file. An earlier report of the same run or experiment
    is replaced; other files are never overwritten.
    """
    from populace.analysis.report import write_report
    from populace.sim.runfile.reader import open_reported

    with open_reported(file) as found:
        page = write_report(found, out or found.path.with_suffix(".html"), run_file=found.path)
    click.echo(f"Wrote {page}")


@click.group("list")
def list_() -> None:
    """List scenarios, tasks, minds, prompts, tables or models."""


@list_.command()
@click.argument("scenario", required=False)
def scenarios(scenario: str | None) -> None:
    """List scenarios, or the settings of one.

    SCENARIO is a name or the path of a script.
    """
    from populace.scenarios.catalog import find_scenario, iter_scenarios

    _list_settings(iter_scenarios() if scenario is None else [find_scenario(scenario)[0]], is_one=scenario is not None)


@list_.command()
@click.argument("task", required=False)
def tasks(task: str | None) -> None:
    """List tasks, or the settings of one.

    TASK is a name or the path of a task folder.
    """
    from populace.scenarios.catalog import find_task, iter_tasks

    _list_settings(iter_tasks() if task is None else [find_task(task)[0]], is_one=task is not None)


@list_.command()
@click.argument("name", required=False)
def minds(name: str | None) -> None:
    """List the minds, or draw the stages of one in Mermaid.

    NAME is a mind, or a scenario whose mind is drawn: its name or the path of a script.
    """
    from populace.agents.mind import Mind
    from populace.agents.named_mind import MINDS, named_mind
    from populace.core.errors import SetupError
    from populace.scenarios.catalog import find_scenario
    from populace.sim.settling import mind_of

    if name is None:
        click.echo("\n".join(f"{known}: {said}" for known, said in MINDS.items()))
        return
    if name == "rule":
        raise SetupError("The mind rule has no stages to draw: it is the method `rule` of a scenario.")
    mind = named_mind(name) if name in MINDS else mind_of(find_scenario(name)[0]())  # type: ignore[arg-type]
    if not isinstance(mind, Mind):
        raise SetupError(f"The agents of {name} decide by a function, which has no stages to draw.")
    click.echo(mind.graph.get_graph().draw_mermaid(with_styles=False).strip())


def _list_settings(found: "Iterable[type[Scenario]]", *, is_one: bool) -> None:
    from populace.analysis.table import make_visible
    from populace.scenarios.catalog import settings_of

    for scenario in found:
        click.echo(make_visible(f"{scenario.name}: {scenario.summary()}"))
        for setting in settings_of(scenario) if is_one else ():
            click.echo(make_visible(f"    --set {setting}"))


@list_.command()
@click.argument("name", required=False)
@click.option("--scenario", metavar="NAME|FILE", help="Include the prompts of a scenario and its actions.")
def prompts(name: str | None, scenario: str | None) -> None:
    """List the prompts, or show one in full."""
    from populace.core.errors import SetupError
    from populace.core.inputs import nearest
    from populace.core.prompt import iter_prompts
    from populace.scenarios.catalog import find_scenario, iter_scenarios, iter_tasks, prompts_of

    shown = [p for package in ("personas", "agents") for p in iter_prompts(f"populace.{package}")]
    for found in (*iter_scenarios(), *iter_tasks()) if scenario is None else (find_scenario(scenario)[0],):
        shown += [prompt for prompt in prompts_of(found) if prompt not in shown]
    known = {prompt.name: prompt for prompt in shown}
    if name is None:
        for prompt in shown:
            click.echo(f"{prompt.name}@{prompt.version}: {' '.join(prompt.about.split())}")
    elif name not in known:
        names = list(dict.fromkeys(prompt.name for prompt in shown))
        raise SetupError(f"There is no prompt {name!r}{nearest(name, names)}. There are: {', '.join(names)}.")
    else:
        prompt = known[name]
        click.echo(f"# {prompt.name}@{prompt.version}\n# {' '.join(prompt.about.split())}")
        for role, text in (("system", prompt.system), ("user", prompt.user)):
            if text:
                click.echo(f"\n[{role}]\n{text.strip()}")
        for slot, phrases in prompt.choices.items():
            for word, phrase in phrases.items():
                click.echo(f"\n[{slot} = {word}]\n{phrase.strip()}")


@list_.command()
@click.argument("table", required=False)
def tables(table: str | None) -> None:
    """Describe the tables, views and columns of runs and hubs."""
    from populace.core.errors import SetupError
    from populace.core.inputs import nearest
    from populace.sim.runfile.database import describe

    relations = {relation.name: relation for relation in describe(hubs=True)}
    if table is not None and table not in relations:
        raise SetupError(
            f"There is no table or view {table!r}{nearest(table, relations)}. There are: {', '.join(relations)}."
        )
    for relation in relations.values() if table is None else (relations[table],):
        click.echo(f"{relation.kind} {relation.name}: {relation.comment}")
        for column in relation.columns:
            click.echo(f"    {column.name} {column.type}: {column.comment}")


@list_.command()
def models() -> None:
    """List what --model takes."""
    from populace.agents.endpoint.models import MODEL_NAMES

    for name, meaning in MODEL_NAMES.items():
        click.echo(f"{name}: {meaning}")
