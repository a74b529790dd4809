"""`populace estimate`: what a run will ask of its model and cost, before it begins."""

from typing import Any

import click

from .options import asked_of, growth_of, roles_of, run_options, settings_of

__all__ = ["estimate"]


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
    from .show import show_estimate

    found, _ = find_scenario(scenario)
    result = estimated(
        found(settings_of(options)),
        growth=growth_of(options),
        **asked_of(options),
        **roles_of(options),
        steps=options["steps"],
        sample=sample or 0,
        progress=Panel(),
    )
    show_estimate(result)
