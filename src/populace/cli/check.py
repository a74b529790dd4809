"""`populace check`: an endpoint, a model, the engine, a run, and what agents say of themselves."""

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .options import limit_options, limits_of, prices_of, sampling_options
from .resume import replay
from .show import terminal_width
from .specs import PanelCommand
from .survey import drift

if TYPE_CHECKING:
    from rich.console import Console

    from populace.agents.doctor import CheckFinding, Examination
    from populace.agents.endpoint.models import ModelHandle
    from populace.agents.gateway.limits import Prices
    from populace.core.query import QueryResult
    from populace.scenarios.laws.law import Measured

_STYLES = {"ok": "green", "no": "red", "unknown": "yellow"}


@click.group()
def check() -> None:
    """Check an endpoint, a model, the engine or a run."""


check.add_command(replay)
check.add_command(drift)


@check.command("endpoint", cls=PanelCommand)
@click.option("--model", required=True, help="The model to check: openai:NAME, or gguf:PATH.")
@click.option("--base-url", multiple=True, help="Endpoint; may be given again.  [default: OPENAI_BASE_URL]")
@click.option("--embeddings", metavar="MODEL", help="An embedding model to try at the same endpoint.")
@click.option("--price", metavar="IN/OUT[/CACHED]", help="Dollars for a million tokens, where they are not known.")
@click.option("--timeout", type=click.FloatRange(0, min_open=True), default=60.0, show_default=True, help="A call's.")
def check_endpoint(
    model: str, base_url: tuple[str, ...], embeddings: str | None, price: str | None, timeout: float
) -> None:
    """Try what an endpoint can do, in under 20 calls.

    Shows what answers, and what a run would leave out or ask in another form. Exits with 0 if a run could work.
    """
    import asyncio

    from rich.console import Console

    from populace.agents.endpoint.models import open_model
    from populace.agents.gateway.budget import given_prices, known_prices

    handle = open_model(model, base_url=base_url or None, timeout=timeout)
    if not handle.is_language_model:
        raise click.UsageError(f"{handle.name} has no endpoint to check; name a model, as --model openai:NAME.")
    prices = given_prices(price) if price is not None else known_prices(handle)
    console = Console(width=terminal_width(), highlight=False)
    examinations = asyncio.run(_examine_all(handle, console, timeout, embeddings, prices))
    if not all(examination.works for examination in examinations):
        raise click.exceptions.Exit(1)


async def _examine_all(
    handle: "ModelHandle", console: "Console", within: float, embeddings: str | None, prices: "Prices | None"
) -> "list[Examination]":
    from dataclasses import replace
    from functools import partial

    from populace.agents.doctor import examine_endpoint

    examinations = []
    try:
        for endpoint in handle.all:
            one = replace(endpoint, more=())
            console.print(f"\n{one.name} at {one.endpoint or 'a server of our own'}", style="bold", markup=False)
            found = partial(_show_finding, console)
            examinations.append(
                await examine_endpoint(one, within=within, embeddings=embeddings, prices=prices, found=found)
            )
            _print_verdict(console, examinations[-1])
    finally:
        await handle.aclose()
    return examinations


def _show_finding(console: "Console", finding: "CheckFinding") -> None:
    from rich.table import Table
    from rich.text import Text

    from populace.analysis.table import make_visible

    row = Table.grid(padding=(0, 2))
    row.add_column(width=28)
    row.add_column(width=7)
    row.add_column()
    style = _STYLES[finding.health]
    row.add_row(f"  {finding.check}", Text(finding.health, style=style), Text(make_visible(finding.said)))
    console.print(row)


def _print_verdict(console: "Console", examination: "Examination") -> None:
    verdict = "A run could work" if examination.works else "A run would not work"
    cost = "1 call was made" if examination.calls == 1 else f"{examination.calls} calls were made"
    tokens = f", {examination.tokens:,} tokens counted" if examination.tokens else ""
    console.print(f"  {verdict}. For this {cost}{tokens}.", markup=False, style="bold")


@check.command("model", cls=PanelCommand)
@click.option("--model", required=True, help="openai:NAME, gguf:PATH or procedural.")
@click.option("--base-url", multiple=True, help="The endpoint; may be given again.  [default: OPENAI_BASE_URL]")
@click.option("--calls", type=click.IntRange(10, 200), default=100, show_default=True, help="Maximum model calls.")
@click.option("--seed", type=int, default=0, show_default=True, help="Random seed.")
@click.option("--timeout", type=click.FloatRange(0, min_open=True), default=120, show_default=True, help="A call's.")
@click.option("--max-in-flight", type=click.IntRange(1), default=4, show_default=True, help="Maximum concurrent calls.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Keep the run files in this folder, and go on with those there.",
)
@click.option("--json", "as_json", is_flag=True, help="A JSON array of objects.")
def check_model(
    model: str,
    base_url: tuple[str, ...],
    calls: int,
    seed: int,
    timeout: float,
    max_in_flight: int,
    out: Path | None,
    as_json: bool,
) -> None:
    """Measure how a model writes personas, requests and lines.

    Runs a small fixed panel and reports the form, faults, variety and coherence of its texts. See docs/models.md. The
    same command on the same folder continues a panel that stopped.
    """
    from tempfile import TemporaryDirectory

    # Before anything else, because Mesa looks through every module that is loaded before it.
    import populace.sim.mesa  # noqa: F401
    from populace.agents.endpoint.models import open_model
    from populace.analysis.table import render_json, render_table
    from populace.scenarios.panel.panel import describe_panel, measure_panel, run_panel

    handle = open_model(model, base_url=base_url or None, timeout=timeout)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="populace-") as folder:
        limits = {"timeout": timeout, "max_in_flight": max_in_flight, "wait": 0}
        paths = run_panel(handle, out or Path(folder), calls=calls, seed=seed, limits=limits)
        measured = measure_panel(paths, seed=seed)
    click.echo(render_json(measured) if as_json else render_table(measured, width=terminal_width()), nl=False)
    click.echo(describe_panel(handle, measured), err=as_json)


@check.command("engine", cls=PanelCommand)
@click.option("--law", "laws", multiple=True, metavar="NAME", help="A law; may be given again.  [default: all]")
@click.option("--seed", type=int, default=0, show_default=True, help="Random seed.")
@click.option(
    "--times",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Run so many times as many copies where a result holds in the mean: tolerances fall with the root of it.",
)
@click.option("--csv", "as_csv", is_flag=True, help="Write the table as CSV.")
def check_engine(laws: tuple[str, ...], seed: int, times: int, as_csv: bool) -> None:
    """Check the engine against eight textbook models.

    Rule agents live each model; no language model is asked. Exits with 1 if a number is further from theory than its
    tolerance. See docs/validation.md.
    """
    from populace.core.inputs import check_seed
    from populace.scenarios.laws.suite import check_laws, find_laws, table_of

    findings: list[Measured] = []
    seed = check_seed(seed)
    with click.progressbar(find_laws(laws), label="Laws", file=sys.stderr) as progress:
        for law in progress:
            findings += check_laws((law,), seed=seed, times=times)
    _show_table(table_of(findings), as_csv=as_csv)
    if failed := [one for one in findings if not one.passes]:
        broken = ", ".join(dict.fromkeys(one.law for one in failed))
        click.echo(f"{len(failed)} of {len(findings)} numbers are further from theory than their tolerance: {broken}.")
        click.get_current_context().exit(1)
    click.echo(f"All {len(findings)} numbers are within their tolerance of theory.", err=as_csv)


@check.command("fidelity", cls=PanelCommand)
@click.option("--model", required=True, help="The model whose agents are measured, as openai:NAME.")
@click.option("--seed", type=int, default=0, show_default=True, help="Random seed.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Where the runs are kept; those begun there go on.  [default: fidelity-MODEL-SEED]",
)
@click.option("--csv", "as_csv", is_flag=True, help="Write the table as CSV.")
@limit_options
@sampling_options
def check_fidelity(model: str, seed: int, out: Path | None, as_csv: bool, **options: Any) -> None:
    """Measure a model's agents beside people, in 360 calls.

    The agents answer questions of studies with published results. Shows effect sizes with intervals; nothing passes or
    fails. See docs/validation.md.
    """
    from populace.agents.endpoint.models import open_model
    from populace.core.inputs import check_seed
    from populace.scenarios.fidelity.suite import check_language_model, measure_fidelity, table_of

    seed, handle = check_seed(seed), open_model(model, base_url=options["base_url"] or None)
    check_language_model(handle)
    given = {"limits": limits_of(options), "prices": prices_of(options), "cache": options["cache"]}
    folder = out or Path(f"fidelity-{re.sub(r'\W+', '-', handle.name)}-{seed}")
    folder.mkdir(parents=True, exist_ok=True)
    _show_table(table_of(measure_fidelity(handle, folder, seed, given)), as_csv=as_csv)


def _show_table(table: "QueryResult", *, as_csv: bool) -> None:
    from populace.analysis.table import render_csv, render_table

    click.echo(render_csv(table) if as_csv else render_table(table, width=terminal_width(160)), nl=False)
