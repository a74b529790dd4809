"""`populace experiment`: arms times replicates of a scenario, compared."""

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
from .show import authors_notice, show_result
from .specs import command

if TYPE_CHECKING:
    from populace.sim.experiment.design import Experiment


@command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the experiment.  [default: FILE without .py]")
@click.option("--replicates", type=click.IntRange(min=1), help="Instead of those that FILE states.")
@click.option("--parallel", type=click.IntRange(min=1), default=2, show_default=True, help="Runs at once.")
@estimate_options
@click.option("--power", is_flag=True, help="Only say how likely it is to find what it expects, by simulation.")
@click.option("--json", "as_json", is_flag=True, help="The result as a JSON object.")
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

    if options["no_cache"] and options["cache"] is not None:
        raise click.UsageError("--cache and --no-cache contradict each other; leave one out.")
    options["cache"] = False if options["no_cache"] else options["cache"]
    check_benchmark(options["benchmark"], options["margin"])
    check_sample(options)
    shown = {name: options[name] for name in ("benchmark", "margin", "as_json")}
    if file.is_dir():
        _show_findings(file / "experiment.duckdb", **shown)
        return
    from populace.scenarios.catalog import load_experiment

    declared = load_experiment(file)
    if replicates is not None:
        declared = replace(declared, replicates=replicates)
    if options["power"]:
        from populace.analysis.experiment.effects import simulate_power

        show_result(simulate_power(declared))
        return
    if options["base_url"]:
        declared = replace(declared, options={**declared.options, "base_url": options["base_url"]})
    if options["estimate"]:
        _show_estimate(declared, options)
        return
    folder = out or file.with_suffix("")
    _run_declared(declared, folder, options["parallel"], options)
    _show_findings(folder / "experiment.duckdb", **shown)


def _run_declared(declared: "Experiment", folder: Path, parallel: int, options: dict[str, Any]) -> None:
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
    from populace.sim.estimate.jobs import estimate_experiment

    from .show import show_estimate

    given = declared.scenario
    found = find_scenario(given)[0] if isinstance(given, str) else given
    show_estimate(
        estimate_experiment(
            declared,
            found,
            prices=prices_of(options),
            sampling=sampling_of(options),
        )
    )


def _show_findings(path: Path, benchmark: Path | None, margin: float | None, *, as_json: bool) -> None:
    from dataclasses import replace

    from populace.analysis.experiment.benchmark import measure_distances, read_benchmark
    from populace.analysis.experiment.effects import describe_findings, read_findings
    from populace.sim.runfile.reader import open_hub_or_run

    with open_hub_or_run(path) as merged:
        found = describe_findings(read_findings(merged))
        if benchmark is not None:
            distances = measure_distances(merged, read_benchmark(benchmark), margin=margin)
            found = replace(found, parts=(*found.parts, distances))
        notice = authors_notice(merged)
    show_result(found, as_json=as_json)
    if notice:
        click.echo(f"\n{notice}", err=as_json)
    click.echo(f'\nAll runs in SQL: `populace sql {quote(str(path))} "FROM outcome_values"`.', err=as_json)
