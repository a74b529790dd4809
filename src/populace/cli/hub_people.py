"""`populace hub check` and `populace hub enrich`: people judged by rules, and described by a model."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from .jobs import do_job
from .options import job_options, key_option, shared_option
from .show import show_facts
from .specs import command, spec_options

if TYPE_CHECKING:
    from populace.sim.enrichment import Enriched


@command()
@click.argument("hub_path", metavar="HUB", type=click.Path(path_type=Path))
@click.option("--quality/--no-quality", default=True, help="Judge the descriptions themselves.  [default: --quality]")
@click.option("--language", metavar="TAG", help="Language that all are to be in, as far as words and script tell.")
@click.option(
    "--personal",
    type=click.Choice(["keep", "pseudonymise", "drop", "ignore"]),
    default="keep",
    show_default=True,
    help="What becomes of personal data: flagged, replaced, or removed with their description.",
)
@key_option
def check(
    hub_path: Path,
    quality: bool,
    language: str | None,
    personal: str,
    key: Path | None,
) -> None:
    """Check personas for quality and personal data.

    Each result is a row of `rule_results`: too short, a refusal, the first person, personal data, and so on. Personas
    are checked once per version of the rules; a stricter --personal checks those that were kept again.

    Replaced and removed data are removed from all columns about the persona. The original words of replacements stay in
    `rule_results` for `populace hub undo --rule personal_data`, and no export includes them; dropped personas are not
    kept. Raw model answers and source texts stay in `calls` and `passages`, which resume and replay need. To get rid of
    these, export the personas and import them into a new hub, without relations.
    """
    from populace.personas.hub.check import judge_people
    from populace.personas.hub.file import open_hub
    from populace.personas.rules import Policy
    from populace.personas.rules.personal import use_key

    policy = None if personal == "ignore" else Policy(personal)
    with open_hub(hub_path, write=True) as hub:
        if key:
            use_key(hub_path, key)
        report = judge_people(
            hub,
            quality=quality,
            language=language,
            personal=policy,
        )
    remains = " and ".join(report.remains)
    show_facts([("judged", report.judged), *rule_facts(report.rule_results, report.changes)])
    path = quote(str(hub_path))
    for rule in report.most_rejected:
        click.echo(f"{rule} rejected most descriptions; to take them back: populace hub undo {path} --rule {rule}")
    if remains:
        export = f"populace hub export {path} people.jsonl"
        click.echo(
            f"What was replaced or removed may still stand in {remains}, and in free room of the file; to be rid of "
            f"it: {export}, and populace hub import people.jsonl --hub NEW"
        )
    click.echo("Names and numbers are found by patterns: what is not found may still be there.")


def rule_facts(
    results: Mapping[tuple[str, str], int], changes: Mapping[tuple[str, str | None, str], int]
) -> Iterator[tuple[str, object]]:
    """Yield how many results each rule gave, and the pieces of personal data that were found."""
    for (rule, outcome), number in sorted(results.items()):
        yield f"{rule} {outcome.replace('_', ' ')}", number
    if pieces := sum(changes.values()):
        yield "personal data", f"{pieces:,} pieces, in rule_results; patterns do not find everything"


@command()
@click.argument("hub", type=click.Path(path_type=Path))
@spec_options("populace.sim.specs:Enrichment")
@click.option(
    "--model",
    help="procedural, openai:NAME for any OpenAI-compatible endpoint, or gguf:PATH.  [default: the model that grew "
    "the hub]",
)
@job_options
@shared_option
def enrich(hub: Path, **options: Any) -> None:
    """Add profiles, biographies or elite skills by a model.

    Each profile attribute comes with its evidence, or is unknown. Personas that have a profile are skipped. The same
    command continues a job that was stopped; no answer is paid for twice.
    """
    from populace.core.model import given_fields
    from populace.sim.enrichment import EnrichmentJob
    from populace.sim.specs import Enrichment

    do_job(hub, EnrichmentJob(Enrichment.given(**given_fields(Enrichment, options))), options)


def show_done(hub: Path, kind: object, done: "Enriched") -> None:
    """Say what came of an enrichment."""
    from populace.core.model import PROCEDURAL_NOTICE

    if done.job is None:
        click.echo("There was nothing to do: everybody who was meant has what was wished.")
        return
    show_facts(done.as_rows())
    if not done.is_language_model:
        click.echo(f"\n{PROCEDURAL_NOTICE}")
    if any(done.failed.values()):
        why = f"FROM failure_reasons WHERE job = {done.job}"
        click.echo(f'\nWhy there was no answer: `populace sql {quote(str(hub))} "{why}"`.')
    if done.made.get("profiles"):
        click.echo(f"\nChoose by it: `populace hub sample {quote(str(hub))} --where \"age_band = '30-39'\"`.")
    if any(done.failed.values()) and not any(done.made.values()):
        click.get_current_context().exit(1)
