"""`populace hub enrich`: profiles, biographies and elite personas for the people of a hub."""

from collections.abc import Callable, Mapping
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from .options import limit_options, limits_of, prices_of, shared_option

if TYPE_CHECKING:
    from populace.sim.enrichment import Enriched

__all__ = ["enrich", "resume_enrichment"]


class _Stopped(click.ClickException):
    exit_code = 130


_TIERS = {"1": "1%", "1%": "1%", "0.1": "0.1%", "0.1%": "0.1%"}


@click.command()
@click.argument("hub", type=click.Path(path_type=Path))
@click.option(
    "--model",
    default="procedural",
    show_default=True,
    help="procedural, openai:NAME for any OpenAI-compatible endpoint, or gguf:PATH.",
)
@click.option("--where", metavar="SQL", help="Whom: a condition on the columns of personas and profiles.")
@click.option("--n", type=int, help="How many of them, drawn by chance.  [default: all]")
@click.option("--wiki", is_flag=True, help="Biographies too; profiles that contradict each other are asked for again.")
@click.option("--only-evident", is_flag=True, help="What the model only assumes is unknown.")
@click.option("--replace", is_flag=True, help="Ask for what is there already, too.")
@click.option("--raise", "skill", metavar="SKILL", help="Instead: make elite personas, among the best at this skill.")
@click.option("--tier", type=click.Choice(list(_TIERS)), help="How high: the top 1 or 0.1 per cent.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of every random choice.")
@click.option("--batch", is_flag=True, help="Send the work through the endpoint's batches.")
@click.option("--anew", is_flag=True, help="Begin this job though another one is unfinished, which is abandoned.")
@limit_options
@shared_option
def enrich(hub: Path, **options: Any) -> None:
    """Infer a profile of each person in HUB, each attribute with its evidence; write biographies; raise people.

    Given again, a job that was stopped goes on, and pays for no answer twice. Whoever has a profile is left out.
    """
    from populace.sim.enrichment import enrich as enrich_hub

    from .panel import Panel

    _work(
        hub,
        lambda: enrich_hub(
            hub,
            _enrichment_of(options),
            model=options["model"],
            base_url=options["base_url"],
            limits=limits_of(options),
            prices=prices_of(options),
            cache=options["cache"],
            batch=options["batch"],
            seed=options["seed"],
            anew=options["anew"],
            progress=Panel(),
        ),
    )


def resume_enrichment(hub: Path, job: int, given: Mapping[str, Any]) -> None:
    """Go on with an unfinished enrichment of a hub, as `populace resume` does."""
    from populace.sim.enrichment import resume_enrichment as resumed

    from .panel import Panel

    _work(hub, lambda: resumed(hub, job, progress=Panel(), **given))


def _work(hub: Path, work: Callable[[], "Enriched"]) -> None:
    """Do the job and show what came of it; when it stops before its end, say how to go on."""
    from populace.personas.errors import EndpointError, PausedError

    way_on = f"What was done is kept: go on with `populace resume {quote(str(hub))}`."
    try:
        done = work()
    except KeyboardInterrupt:
        raise _Stopped(f"Stopped. {way_on}") from None
    except PausedError as error:
        raise PausedError(f"Paused. {error} {way_on}") from error
    except EndpointError as error:
        raise EndpointError(f"{error} {way_on}") from error
    _show(hub, done)
    if any(done.failed.values()) and not any(done.made.values()):
        click.get_current_context().exit(1)


def _enrichment_of(options: Mapping[str, Any]) -> Any:
    from populace.sim.enrichment import Enrichment

    names = ("where", "n", "wiki", "only_evident", "replace", "skill")
    tier = _TIERS[options["tier"]] if options["tier"] else None
    return Enrichment.given(**{name: options[name] for name in names}, tier=tier)


def _show(hub: Path, done: "Enriched") -> None:
    from populace.agents.procedural import PROCEDURAL_NOTICE

    if done.job is None:
        click.echo("There was nothing to do: everybody who was meant has what was wished.")
        return
    for name, value in done.as_rows():
        click.echo(f"  {name:<18} {value}")
    if not done.is_language_model:
        click.echo(f"\n{PROCEDURAL_NOTICE}")
    if any(done.failed.values()):
        why = f"FROM failure_reasons WHERE job = {done.job}"
        click.echo(f'\nWhy there was no answer: `populace sql {quote(str(hub))} "{why}"`.')
    if done.made.get("profiles"):
        click.echo(f"\nChoose by it: `populace hub select {quote(str(hub))} --where \"age_band = '30-39'\"`.")
