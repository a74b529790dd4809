"""The command that compares the engine with known results, and a model's agents with people."""

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .options import limit_options, limits_of, prices_of
from .show import terminal_width

if TYPE_CHECKING:
    from populace.personas.query import Result
    from populace.scenarios.laws.law import Finding


@click.command()
@click.option("--law", "laws", multiple=True, metavar="NAME", help="A law; may be given again.  [default: all]")
@click.option("--seed", type=int, default=0, show_default=True, help="What is drawn by chance follows from it.")
@click.option(
    "--times",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="So many times as many copies, where a result holds in the mean: tolerances fall with the root of it.",
)
@click.option("--model", help="Measure this model's agents beside people instead, as openai:NAME: some 600 calls.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Where the runs of --model are kept; those begun there go on.  [default: validate-MODEL-SEED]",
)
@click.option("--csv", "as_csv", is_flag=True, help="Write the table as CSV.")
@limit_options
def validate(
    laws: tuple[str, ...], seed: int, times: int, model: str | None, out: Path | None, as_csv: bool, **options: Any
) -> None:
    """Check the engine against models with known results.

    Rule agents live textbook models; no model is asked. Exits with 1 if a number is further from theory than its
    tolerance. With --model, a language model lives small experiments with published results instead: effect sizes with
    intervals, and nothing passes or fails. See docs/validation.md.
    """
    from populace.personas.errors import SetupError
    from populace.personas.inputs import check_seed

    seed = check_seed(seed)
    if model is not None:
        if laws:
            raise SetupError("--law is for the engine, and --model for a model; leave one out.")
        if times > 1:
            raise SetupError("--times is for the engine, and --model for a model; leave one out.")
        _measure(model, seed, out, options, as_csv=as_csv)
        return
    if options["base_url"]:
        raise SetupError("No model is asked without --model; name one, or leave --base-url out.")
    findings = _check(laws, seed, times, as_csv=as_csv)
    if failed := [one for one in findings if not one.passes]:
        broken = ", ".join(dict.fromkeys(one.law for one in failed))
        click.echo(f"{len(failed)} of {len(findings)} numbers are further from theory than their tolerance: {broken}.")
        click.get_current_context().exit(1)
    click.echo(f"All {len(findings)} numbers are within their tolerance of theory.", err=as_csv)


def _check(laws: tuple[str, ...], seed: int, times: int, *, as_csv: bool) -> "list[Finding]":
    from populace.scenarios.laws.suite import check_laws, find_laws, table_of

    findings: list[Finding] = []
    with click.progressbar(find_laws(laws), label="Laws", file=sys.stderr) as progress:
        for law in progress:
            findings += check_laws((law,), seed=seed, times=times)
    _show(table_of(findings), as_csv=as_csv)
    return findings


def _measure(model: str, seed: int, out: Path | None, options: dict[str, Any], *, as_csv: bool) -> None:
    from populace.agents.endpoint.models import open_model
    from populace.scenarios.fidelity.suite import Suite, check_language_model, table_of

    handle = open_model(model, base_url=options["base_url"] or None)
    check_language_model(handle)
    given = {"limits": limits_of(options), "prices": prices_of(options), "cache": options["cache"]}
    folder = out or Path(f"validate-{re.sub(r'\W+', '-', handle.name)}-{seed}")
    folder.mkdir(parents=True, exist_ok=True)
    effects = list(Suite(handle, folder, seed, given).effects())
    _show(table_of(effects), as_csv=as_csv)


def _show(table: "Result", *, as_csv: bool) -> None:
    from populace.analysis.table import render_csv, render_table

    click.echo(render_csv(table) if as_csv else render_table(table, width=terminal_width(160)), nl=False)
