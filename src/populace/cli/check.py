"""`populace check`: what a model's texts are like."""

from pathlib import Path

import click

from .show import terminal_width


@click.group()
def check() -> None:
    """Check a model."""


@check.command("model")
@click.option("--model", required=True, help="openai:NAME, gguf:PATH or procedural.")
@click.option("--base-url", multiple=True, help="The endpoint; may be given again.  [default: OPENAI_BASE_URL]")
@click.option("--calls", type=click.IntRange(10, 200), default=100, show_default=True, help="Maximum model calls.")
@click.option("--seed", type=int, default=0, show_default=True, help="Random seed.")
@click.option("--timeout", type=click.FloatRange(0, min_open=True), default=120, show_default=True, help="A call's.")
@click.option("--max-in-flight", type=click.IntRange(1), default=4, show_default=True, help="Maximum concurrent calls.")
@click.option("--out", type=click.Path(path_type=Path), metavar="FOLDER", help="Keep the run files in a new folder.")
@click.option("--json", "as_json", is_flag=True, help="A JSON array of objects.")
def check_model(
    model: str,
    base_url: tuple[str, ...],
    calls: int,
    seed: int,
    timeout: float,
    max_in_flight: int,
    out: Path | None,
    as_json: bool,
) -> None:
    """Measure how a model writes personas, requests and lines.

    Runs a small fixed panel and reports the form, faults, variety and coherence of its texts. See docs/models.md.
    """
    from tempfile import TemporaryDirectory

    # Before anything else, because Mesa looks through every module that is loaded before it.
    import populace.sim.mesa  # noqa: F401
    from populace.agents.endpoint.models import open_model
    from populace.analysis.table import render_json, render_table
    from populace.scenarios.panel.panel import describe_panel, measure_panel, run_panel

    handle = open_model(model, base_url=base_url or None, timeout=timeout)
    if out is not None:
        out.mkdir(parents=True)
    with TemporaryDirectory(prefix="populace-") as folder:
        limits = {"timeout": timeout, "max_in_flight": max_in_flight, "wait": 0}
        paths = run_panel(handle, out or Path(folder), calls=calls, seed=seed, limits=limits)
        measured = measure_panel(paths, seed=seed)
    click.echo(render_json(measured) if as_json else render_table(measured, width=terminal_width()), nl=False)
    click.echo(describe_panel(handle, measured), err=as_json)
