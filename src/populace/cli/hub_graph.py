"""`populace hub graph`: what a hub's relations look like, as a whole or around one person."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from .options import shared_option
from .show import notice_of, terminal_width

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed import DataclassInstance

    from populace.analysis.table import Section
    from populace.personas.hub import HubFile


@click.command()
@click.argument("hub", type=click.Path(path_type=Path))
@click.option("--around", metavar="WHO", help="Only around one person: an id, the beginning of one, or words.")
@click.option("--radius", type=int, default=2, show_default=True, help="With --around: so many ties away, 1 to 6.")
@click.option(
    "--picture",
    type=click.Path(path_type=Path),
    help="Draw it to this .html or .svg file; only an earlier one of HUB is written over.",
)
@click.option(
    "--colour",
    type=click.Choice(["community", "hop"]),
    help="With --picture: what colours tell of people.  [default: community where they were looked for, else hop]",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the random graphs and the samples.")
@click.option(
    "--communities/--no-communities",
    default=None,
    help="Look for communities.  [default: up to 200,000 people]",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with full texts.")
@shared_option
def graph(
    hub: Path,
    around: str | None,
    radius: int,
    picture: Path | None,
    colour: str | None,
    seed: int,
    communities: bool | None,
    as_json: bool,
) -> None:
    """Components, degrees, communities and more of HUB's relations, beside random graphs; or who is around one person.

    Near-duplicates count as whom they repeat, and whoever a rule rejected does not count. HUB is a hub or a run
    file.
    """
    from populace.personas.hub import open_hub

    if picture is not None:
        from populace.analysis.picture.page import check_picture

        check_picture(picture, of=hub.name)
    if colour == "community" and (around is not None or communities is False):
        raise click.UsageError("Communities are looked for in a whole hub; give --colour hop here.")
    with open_hub(hub) as file:
        if around is None:
            sought = True if colour == "community" else communities
            _whole(file, picture, colour, seed=seed, communities=sought, as_json=as_json)
        else:
            _around(file, around, radius, picture, as_json=as_json)
        if notice := notice_of(file):
            click.echo(notice, err=True)


def _whole(
    hub: "HubFile",
    picture: Path | None,
    colour: str | None,
    *,
    seed: int,
    communities: bool | None,
    as_json: bool,
) -> None:
    from populace.analysis.hub_summary import describe_figures
    from populace.personas.network import central_excerpt, read_ties
    from populace.personas.network.excerpts import communities_of
    from populace.personas.network.figures import graph_figures
    from populace.personas.network.network import Network

    ties = read_ties(hub)
    network = Network.of_pairs(ties.people, ties.source, ties.target)
    figures, labels = graph_figures(hub, ties, network, seed=seed, communities=communities)
    _print(figures, describe_figures(figures), as_json=as_json)
    if picture is not None:
        from populace.analysis.picture.page import write_picture

        excerpt = central_excerpt(hub, network)
        shown = None if labels is None or colour == "hop" else communities_of(hub, excerpt, labels)
        title = f"The people of {hub.path.name}"
        note = notice_of(hub)
        write_picture(excerpt, picture, title=title, communities=shown, note=note, of=hub.path.name)
        click.echo(f"Wrote {picture}", err=as_json)


def _around(hub: "HubFile", around: str, radius: int, picture: Path | None, *, as_json: bool) -> None:
    from populace.analysis.hub_summary import describe_found, describe_neighbourhood
    from populace.personas.errors import SetupError
    from populace.personas.network import find_people, neighbourhood

    found = find_people(hub, around)
    if not found.people:
        raise SetupError(f"Nobody in {str(hub.path)!r} has the id or the words {around!r}; give others.")
    if found.total > 1:
        _print(found, [describe_found(found)], as_json=as_json)
        raise SetupError(f"{found.total:,} people match {around!r}; give --around more words, or the id of one.")
    near = neighbourhood(hub, found.people[0].id, radius)
    _print(near, describe_neighbourhood(near), as_json=as_json)
    if picture is not None:
        from populace.analysis.picture.page import write_picture

        name = hub.path.name
        write_picture(near.excerpt, picture, title=f"The people of {name}", note=notice_of(hub), of=name)
        click.echo(f"Wrote {picture}", err=as_json)


def _print(result: "DataclassInstance", sections: "Iterable[Section]", *, as_json: bool) -> None:
    from dataclasses import asdict

    import orjson

    from populace.analysis.table import render_table, visible

    if as_json:
        # As a dataclass, orjson would load numpy's types and hold them past the end of DuckDB, which complains of it.
        click.echo(orjson.dumps(asdict(result), option=orjson.OPT_INDENT_2).decode())
        return
    width = terminal_width(10_000, unknown=120)
    for section in sections:
        click.echo(visible(section.title))
        click.echo(render_table(section, width=width))
