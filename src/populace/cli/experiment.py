"""`populace experiment`: arms times replicates of a scenario, compared."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from .guard import going_on
from .options import (
    benchmark_options,
    check_benchmark,
    check_sample,
    estimate_options,
    limit_options,
    limits_of,
    prices_of,
    sampling_of,
    shared_option,
)
from .show import authors_notice

if TYPE_CHECKING:
    from populace.analysis.experiment.effects import Effect, Findings
    from populace.sim.experiment.design import Experiment


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the experiment.  [default: FILE without .py]")
@click.option("--replicates", type=click.IntRange(min=1), help="Instead of those that FILE states.")
@click.option("--parallel", type=click.IntRange(min=1), default=2, show_default=True, help="Runs at once.")
@estimate_options
@click.option("--power", is_flag=True, help="Only say how likely it is to find what it expects, by simulation.")
@click.option(
    "--pilot",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="A finished experiment that gives --power the standard deviations.",
)
@click.option("--export", type=click.Path(path_type=Path), metavar="FOLDER", help="Write CSV tables and a codebook.")
@benchmark_options
@click.option("--no-cache", is_flag=True, help="Ask anew what another run has asked alike; else it is asked once.")
@limit_options
@shared_option
def experiment(file: Path, out: Path | None, replicates: int | None, **options: Any) -> None:
    """Compare conditions over several runs.

    FILE is a Python file that declares an Experiment, or the folder of a finished one. Each arm runs once per
    replicate. All runs go to one folder with a merged file. The same command continues where it stopped, and shows
    the result when finished. Limits apply to all runs together.
    """
    from dataclasses import replace

    from populace.core.errors import SetupError

    if options["no_cache"] and options["cache"] is not None:
        raise click.UsageError("--cache and --no-cache contradict each other; leave one out.")
    options["cache"] = False if options["no_cache"] else options["cache"]
    check_benchmark(options["benchmark"], options["margin"])
    check_sample(options)
    shown = {name: options[name] for name in ("export", "benchmark", "margin")}
    if file.is_dir():
        _show(file / "experiment.duckdb", **shown)
        return
    if options["pilot"] is not None and not options["power"]:
        raise SetupError("--pilot gives standard deviations to --power; leave it out, or add --power.")
    from populace.scenarios.catalog import load_experiment

    declared = load_experiment(file)
    if replicates is not None:
        declared = replace(declared, replicates=replicates)
    if options["power"]:
        _show_power(declared, options["pilot"])
        return
    if options["base_url"]:
        declared = replace(declared, options={**declared.options, "base_url": options["base_url"]})
    if options["estimate"]:
        _show_estimate(declared, options)
        return
    folder = out or file.with_suffix("")
    _run(declared, folder, options["parallel"], options)
    _show(folder / "experiment.duckdb", **shown)


def _run(declared: "Experiment", folder: Path, parallel: int, options: dict[str, Any]) -> None:
    from populace.facade import experiment as run_experiment

    from .panel import ProgressPanel

    with going_on(folder, kept="run"):
        run_experiment(
            declared,
            folder,
            limits=limits_of(options),
            prices=prices_of(options),
            cache=options["cache"],
            parallel=parallel,
            progress=ProgressPanel(),
        )


def _show_estimate(declared: "Experiment", options: dict[str, Any]) -> None:
    from populace.scenarios.catalog import find_scenario
    from populace.scenarios.fidelity.suite import MODEL_CHECKS
    from populace.sim.estimate.society import estimate_experiment

    from .show import show_estimate

    given = declared.scenario
    found = find_scenario(given)[0] if isinstance(given, str) else given
    show_estimate(
        estimate_experiment(
            declared,
            found,
            checks=MODEL_CHECKS,
            prices=prices_of(options),
            sampling=sampling_of(options),
        )
    )


def _show(path: Path, export: Path | None, benchmark: Path | None, margin: float | None) -> None:
    from populace.analysis.experiment.benchmark import describe_distances, measure_distances, read_benchmark
    from populace.analysis.experiment.effects import read_findings
    from populace.analysis.experiment.tables import write_tables
    from populace.sim.runfile.reader import open_hub_or_run

    with open_hub_or_run(path) as merged:
        found = read_findings(merged)
        for line in _lines(found):
            click.echo(line)
        if benchmark is not None:
            section = describe_distances(measure_distances(merged, read_benchmark(benchmark), margin=margin))
            click.echo(_table(section.title, section.columns, section.rows))
        if notice := authors_notice(merged):
            click.echo(f"\n{notice}")
        if export is not None:
            written = write_tables(merged, found, export)
            click.echo(f"\nWritten to {export}: {', '.join(one.name for one in written)}.")
    click.echo(f'\nAll runs in SQL: `populace sql {quote(str(path))} "FROM outcome_values"`.')


def _table(title: str, columns: Sequence[str], rows: Sequence[tuple[object, ...]]) -> str:
    from populace.analysis.table import Section, render_table

    from .show import terminal_width

    types = ["VARCHAR"] * len(columns)
    # Arms of several factors break between their levels where there is no room.
    arms = [place for place, name in enumerate(columns) if name in ("arm", "against", "in")]
    rows = [
        tuple(str(cell).replace(",", ", ") if place in arms else cell for place, cell in enumerate(row)) for row in rows
    ]
    return f"\n{title}\n{render_table(Section(title, columns, types, rows), width=terminal_width()).rstrip()}"


def _lines(found: "Findings") -> Iterator[str]:
    from populace.analysis.experiment.effects import NO_P, SECTIONS
    from populace.analysis.experiment.models import table_of_models, told_of_models
    from populace.analysis.table import visible

    seeds = "paired by seed" if found.paired else "seeds of their own"
    numbers = sorted({one.replicates for one in found.means} or {found.replicates})
    said = " to ".join(map(str, dict.fromkeys((numbers[0], numbers[-1]))))
    yield visible(f"{found.name}: {said} replicates an arm, {seeds}; intervals of {1 - found.alpha:.0%}")
    yield found.scope
    means = [(m.outcome, m.arm, _number(m.mean), _interval(m.low, m.high), str(m.replicates)) for m in found.means]
    yield _table("Means of arms, over runs", ("outcome", "arm", "mean", "interval", "runs"), means)
    for title, kinds in SECTIONS.items():
        effects = [one for one in found.effects if one.kind in kinds]
        if effects:
            columns = ("outcome", "arm", "against", "in", "difference", "interval", "p", "corrected", "")
            yield _table(title, columns, [_effect(one, found.alpha) for one in effects])
    if found.checks:
        rows = [
            (c.name, c.arm, f"{c.passed} of {c.runs}", f"{_number(c.least)} to {_number(c.greatest)}")
            for c in found.checks
        ]
        yield _table("Manipulation checks", ("check", "arm", "runs that pass", "values"), rows)
    if found.unvaried:
        yield f"\n{NO_P}"
    if (models := table_of_models(found.model_checks)).rows:
        yield _table(models.title, models.columns, models.rows)
    yield from (f"\n{said}" for said in told_of_models(found.model_checks))


def _effect(one: "Effect", alpha: float) -> tuple[str, ...]:
    told = {"more": " (more)", "less": " (less)"}.get(one.direction, "")
    return (
        *(
            one.outcome,
            f"{one.arm}{told}",
            one.against,
            one.group,
            "-" if math.isnan(one.estimate) else f"{one.estimate:+.4g}",
            _interval(one.low, one.high),
        ),
        *(_probability(one.p), _probability(one.p_adjusted), one.verdict(alpha)),
    )


def _number(value: float | None) -> str:
    return "-" if value is None or math.isnan(value) else f"{value:.4g}"


def _interval(low: float, high: float) -> str:
    return "-" if math.isnan(low) else f"{low:.4g} to {high:.4g}"


def _probability(p: float) -> str:
    return "-" if math.isnan(p) else "< .001" if p < 0.001 else f"{p:.3f}"


def _show_power(declared: "Experiment", pilot: Path | None) -> None:
    from populace.analysis.experiment.effects import read_findings
    from populace.analysis.experiment.power import simulated_power
    from populace.sim.runfile.reader import open_hub_or_run

    known = None
    if pilot is not None:
        with open_hub_or_run(pilot / "experiment.duckdb" if pilot.is_dir() else pilot) as merged:
            known = read_findings(merged)
    found = simulated_power(
        declared.hypotheses,
        replicates={
            name: declared.replicates_of(name) for one in declared.hypotheses for name in (one.arm, one.against)
        },
        paired=declared.paired,
        design=declared.people_design,
        people=declared.people.agents,
        alpha=declared.alpha,
        correction=declared.correction,
        pilot=known,
        seed=declared.seed,
    )
    is_crossed = declared.people_design == "crossed"
    columns = (
        "outcome",
        "arm",
        "against",
        "effect",
        "sd",
        *("people",) * is_crossed,
        "replicates",
        "power",
        "interval",
    )
    rows = [
        (
            *(one.outcome, one.arm, one.against, f"{one.effect:+.4g}", f"{one.sd:.4g}"),
            *(f"{one.error_people:.4g}",) * is_crossed,
            " and ".join(dict.fromkeys((str(one.replicates), str(one.replicates_against)))),
            *(f"{one.power:.1%}", f"{one.low:.1%} to {one.high:.1%}"),
        )
        for one in found
    ]
    click.echo(_table("Power", columns, rows))
    click.echo(
        "\nPower is the share of 2,000 simulated experiments that find the effect, tested and corrected as the real "
        "one. It is as good as the effect and the standard deviation that were expected."
    )
