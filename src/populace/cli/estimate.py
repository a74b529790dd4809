"""`populace estimate`: what a run will ask of its model and cost, before it begins."""

import shutil
from typing import TYPE_CHECKING, Any

import click

from .options import growth_of, limits_of, prices_of, run_options, settings_of

if TYPE_CHECKING:
    from populace.sim.estimate import Estimate

__all__ = ["estimate", "show_estimate"]


@click.command()
@click.argument("scenario")
@run_options
@click.option(
    "--sample",
    type=click.IntRange(min=1),
    metavar="CALLS",
    help="Ask the model so many times, at most, to narrow the ranges; that is paid for.",
)
def estimate(scenario: str, sample: int | None, **options: Any) -> None:
    """What `populace run` would take with the same options: calls, tokens and money by purpose, as ranges."""
    from populace.scenarios.catalog import find_scenario
    from populace.sim.estimate import estimate as estimated

    from .panel import Panel

    found, _ = find_scenario(scenario)
    result = estimated(
        found(settings_of(options)),
        growth=growth_of(options),
        seed=options["seed"],
        model=options["model"],
        base_url=options["base_url"],
        limits=limits_of(options),
        prices=prices_of(options),
        cache=options["cache"],
        batch=options["batch"],
        steps=options["steps"],
        sample=sample or 0,
        progress=Panel(),
    )
    show_estimate(result)


def show_estimate(result: "Estimate") -> None:
    """Print an estimate, and what it rests on."""
    from populace.analysis.table import render_table
    from populace.sim.estimating.wording import sentences, table

    click.echo(render_table(table(result), width=min(110, shutil.get_terminal_size((110, 40)).columns)), nl=False)
    for sentence in sentences(result):
        click.echo(sentence)
