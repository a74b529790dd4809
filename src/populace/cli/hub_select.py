"""`populace hub sample` and `populace hub graph`: choosing people from a hub, and what their relations look like."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from .options import shared_option
from .show import authors_notice, show_result, terminal_width
from .specs import command

if TYPE_CHECKING:
    from populace.core.result import Result
    from populace.personas.selection import Breakdown, Diversity, Report, Selection, SelectionSpec


_MOST_ROWS = 40


@command()
@click.argument("hub", type=click.Path(path_type=Path))
@click.option(
    "--where", metavar="SQL", help="Condition on a person, as \"occupation = 'nurse' AND age_band = '30-39'\"."
)
@click.option("--n", type=int, help="How many people.  [default: everybody who meets --where]")
@click.option("--stratify", metavar="COLUMN,...", help="Spread them over these columns' values in proportion.")
@click.option("--balance", metavar="COLUMN,...", help="Take equally many of each value.")
@click.option("--quota", metavar="COLUMN=VALUE:N,...", help="Take so many of each value, as region=north:100,south:50.")
@click.option(
    "--targets",
    type=click.Path(path_type=Path),
    help="Table of marginals to meet (CSV, JSONL, Parquet): variable, value, and share, percent or count.",
)
@click.option("--diverse", is_flag=True, help="Take people who are unlike each other, instead of at random.")
@click.option("--timeout", type=float, default=30, show_default=True, help="Seconds --where may take; 0 for no limit.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the choice.")
@click.option("--name", help="Keep the selection in the hub, as a view of this name.")
@click.option("--out", type=click.Path(path_type=Path), help="Write those chosen to a .parquet, .csv or .jsonl file.")
@click.option("--with-duplicates", is_flag=True, help="Near-duplicates may be chosen too.")
@click.option("--allow-fewer", is_flag=True, help="Take what there is where there are not enough.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.option("--drop", metavar="NAME", help="Forget a selection; its people stay in the hub.")
def sample(hub: Path, drop: str | None, out: Path | None, as_json: bool, timeout: float, **options: Any) -> None:
    """Sample personas by condition, quota or diversity.

    The result says how well the sample meets the specification. The table `selections` has those that are kept.
    """
    from populace.core.query import QueryLimit
    from populace.personas.hub import open_hub
    from populace.personas.selection import check_output, drop_selection, write_selection
    from populace.personas.selection import select as choose

    if drop is not None:
        _check_alone()
        with open_hub(hub, write=True) as file:
            drop_selection(file, drop)
        click.echo(f"Dropped {drop}.")
        return
    spec = _make_spec(options)
    limit = QueryLimit.given(timeout, has_own_process=True)
    if out is not None:
        check_output(out)
    # Only what is kept needs writing, and other processes may read while nothing is written.
    with open_hub(hub, write=spec.name is not None) as file:
        selection = choose(file, spec, limit=limit)
        if out is not None:
            write_selection(file, selection, out)
    click.echo(selection.report.to_json() if as_json else _describe_report(selection, out), nl=as_json)


def _check_alone() -> None:
    """Dropping chooses nobody, so that what says whom to choose would be passed over."""
    asked = click.get_current_context()
    given = [name for name in asked.params if asked.get_parameter_source(name) is ParameterSource.COMMANDLINE]
    if len(given) > 2:
        raise click.UsageError("--drop goes with no other option; give it alone.")


def _make_spec(options: dict[str, Any]) -> "SelectionSpec":
    from populace.personas.selection import SelectionSpec, parse_quota, read_marginals

    quota, targets = options.pop("quota"), options.pop("targets")
    for name in ("stratify", "balance"):
        options[name] = None if options[name] is None else _split_columns(name, options[name])
    return SelectionSpec.given(
        quota=None if quota is None else parse_quota(quota),
        targets=None if targets is None else read_marginals(targets),
        **options,
    )


def _split_columns(option: str, given: str) -> tuple[str, ...]:
    from populace.core.errors import SetupError

    names = tuple(name.strip() for name in given.split(","))
    if not all(names):
        raise SetupError(f"--{option} is {given!r}; write the names of columns with commas between them.")
    return names


def _describe_report(selection: "Selection", out: Path | None) -> str:
    from populace.analysis.table import render_result

    report, spec = selection.report, selection.spec
    lines = [f"Chose {report.chosen:,} of {report.candidates:,} candidates, seed {spec.seed}."]
    lines += [f"{count:,} left out: {reason}." for reason, count in report.left_out.items()]
    lines += _find_warnings(report)
    lines += [_describe_diversity(report.diversity)] if report.diversity is not None else []
    tables = [render_result(_describe_breakdown(one), terminal_width(10_000, unknown=120)) for one in report.breakdowns]
    kept = [f"Kept as {spec.name}."] if spec.name is not None else []
    kept += [f"Wrote {out}."] if out is not None else []
    kept = kept or ["Not kept; --name keeps it in the hub, and --out writes it to a file."]
    return "\n".join([*lines, "".join(tables) + "\n".join(kept)]) + "\n"


def _find_warnings(report: "Report") -> Iterator[str]:
    if report.wanted is not None and report.chosen < report.wanted:
        yield f"{report.wanted:,} were asked for; there are no more."
    for breakdown in report.breakdowns:
        for share in breakdown.unfilled:
            named = _name_values(breakdown.columns, share.values)
            yield f"Nobody can fill {named}, of which {share.wanted:,.1f} were wanted."
    if report.raking is not None and report.raking.deviation > 1e-6:
        yield (
            f"The candidates cannot meet all targets at once: the worst is off by {report.raking.deviation:.2%} "
            "of all people."
        )


def _name_values(columns: Sequence[str], values: Sequence[str | None]) -> str:
    return ", ".join(f"{column} {value!r}" for column, value in zip(columns, values, strict=True))


def _describe_diversity(found: "Diversity") -> str:
    alike = "" if found.closest_pair is None else f"the two most alike are {found.closest_pair:.2f} apart, and "
    return (
        f"Distance by words (0 the same, 1 nothing shared): {alike}nobody is farther than {found.radius:.2f} "
        f"from the nearest of those chosen ({found.mean_distance:.2f} on average)."
    )


def _describe_breakdown(breakdown: "Breakdown") -> "Result":
    from populace.core.result import Note, make_result

    rows = [
        (
            *("(not known)" if value is None else value for value in share.values),
            *(share.candidates, share.wanted, share.got, round(share.difference, 2)),
        )
        for share in breakdown.shares
    ]
    fit = f"Chi-square {breakdown.chi_square:.3g}, largest difference {breakdown.largest_deviation:.3g} people."
    more = len(rows) - _MOST_ROWS
    notes = [Note("cut", f"{more:,} more rows: --json has them all.")] if more > 0 else []
    return make_result(
        f"By {', '.join(breakdown.columns)}",
        (*breakdown.columns, "candidates", "wanted", "got", "difference"),
        rows[:_MOST_ROWS],
        notes=[*notes, Note("fit", fit)],
    )


@command()
@click.argument("hub", type=click.Path(path_type=Path))
@click.option(
    "--picture",
    type=click.Path(path_type=Path),
    help="Draw it to this .svg file; only an earlier one of HUB is written over.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with full texts.")
@shared_option
def graph(hub: Path, picture: Path | None, as_json: bool) -> None:
    """Measure or draw the network.

    Components, degrees, communities (of up to 200,000 people) and small-world figures beside a random graph. HUB is a
    hub or a run file.
    Near-duplicates count as the persona they repeat, and rejected personas do not count.
    """
    from populace.analysis.hub_summary import describe_figures
    from populace.analysis.page import check_picture
    from populace.personas.hub import open_hub
    from populace.personas.network import central_excerpt, read_ties
    from populace.personas.network.excerpts import communities_of
    from populace.personas.network.figures import graph_figures
    from populace.personas.network.network import Network

    if picture is not None:
        check_picture(picture, what="picture", of=hub.name)
    with open_hub(hub) as file:
        notice = authors_notice(file)
        ties = read_ties(file)
        network = Network.of_pairs(ties.people, ties.source, ties.target)
        figures, labels = graph_figures(file, ties, network)
        show_result(describe_figures(figures), as_json=as_json)
        if picture is not None:
            from populace.analysis.picture import write_picture

            excerpt = central_excerpt(file, network)
            shown = None if labels is None else communities_of(file, labels)
            write_picture(excerpt, picture, communities=shown, note=notice, of=file.path.name)
            click.echo(f"Wrote {picture}", err=as_json)
    if notice:
        click.echo(notice, err=True)
