"""`populace hub check`: everybody by the rules of quality, and for personal data."""

import shlex
from pathlib import Path

import click

__all__ = ["check"]


@click.command()
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
def check(hub_path: Path, quality: bool, language: str | None, personal: str) -> None:
    """Judge everybody in HUB by rules, each ruling a row: too short, a refusal, the first person, personal data, ...

    Nobody is judged twice by the same rules, but a stricter --personal looks again at whoever was kept. Replaced and
    removed data go from everything that tells of these people. What a model answered and what texts were read stay in
    the tables calls and passages, which resume and replay need, and in free room of the file: to be rid of both, export
    the people and import them into a new hub. Their relations are left behind with it.
    """
    from populace.personas.hub.check import judge_people
    from populace.personas.hub.file import open_hub
    from populace.personas.rules import Policy

    policy = None if personal == "ignore" else Policy(personal)
    with open_hub(hub_path, write=True) as hub:
        report = judge_people(hub, quality=quality, language=language, personal=policy)
    remains = " and ".join(report.remains)
    click.echo(f"{report.judged:,} descriptions were judged, and {report.rulings.total():,} rulings made.")
    for (rule, outcome), count in sorted(report.rulings.items()):
        click.echo(f"  {rule:<18} {outcome.replace('_', ' '):<12} {count:,}")
    if remains:
        export = f"populace hub export {shlex.quote(str(hub_path))} people.jsonl"
        click.echo(
            f"What was replaced or removed may still stand in {remains}, and in free room of the file; to be rid of "
            f"it: {export}, and populace hub import people.jsonl --hub NEW"
        )
    click.echo("Names and numbers are found by patterns: what is not found may still be there.")
