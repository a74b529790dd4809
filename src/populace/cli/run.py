"""`populace run` and `populace resume`, and the same from a scenario's own script."""

import sys
from collections.abc import Callable
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from .guard import guarded

if TYPE_CHECKING:
    from populace.sim.scenario import Scenario
    from populace.sim.society import Society

__all__ = ["resume", "run", "run_script", "scenario_of"]

_STANDING = "SELECT scenario, scenario_file, status, (SELECT coalesce(max(step), 0) FROM steps) FROM runs"

_RPM = "Model calls begun within any minute, at most."
_TPM = "Tokens used within any minute, at most, asked and answered."


class _Stopped(click.ClickException):
    exit_code = 130


def _options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(
        (
            click.option(
                "--seeds",
                type=click.Path(path_type=Path),
                help="Seed texts (JSONL, text or Markdown); default: the corpus that ships.",
            ),
            click.option(
                "--hub",
                type=click.Path(path_type=Path),
                help="People who exist already: a run file, or personas as JSONL, CSV or Parquet.",
            ),
            click.option(
                "--agents",
                type=int,
                default=None,
                help="How many people there are to be, at most.  [default: 240]",
            ),
            click.option(
                "--hops",
                type=int,
                default=None,
                help="Hops of Persona-to-Persona, 0 to 6.  [default: 3; 0 with --hub]",
            ),
            click.option("--steps", type=int, default=8, show_default=True, help="Steps to live."),
            click.option("--seed", type=int, default=0, show_default=True, help="Seed of every random choice."),
            click.option(
                "--model",
                default="procedural",
                show_default=True,
                help="procedural, or openai:NAME for any OpenAI-compatible endpoint.",
            ),
            click.option("--base-url", default=None, help="Endpoint of the model; default: OPENAI_BASE_URL."),
            click.option(
                "--max-in-flight",
                type=int,
                default=64,
                show_default=True,
                help="Model calls under way at once, at most.",
            ),
            click.option("--rpm", type=int, default=None, help=_RPM),
            click.option("--tpm", type=int, default=None, help=_TPM),
            click.option(
                "--set",
                "settings",
                multiple=True,
                metavar="NAME=VALUE",
                help="A setting of the scenario; may be given again.",
            ),
            click.option(
                "--out",
                type=click.Path(path_type=Path),
                default=None,
                help="The run file.  [default: SCENARIO.duckdb]",
            ),
        )
    ):
        command = option(command)
    return command


@click.command()
@click.argument("scenario")
@_options
def run(scenario: str, **options: Any) -> None:
    """Grow a society and let it live: SCENARIO is a name (see `populace scenarios`) or the path of a script."""
    from populace.scenarios.catalog import find_scenario

    found, script = find_scenario(scenario)
    _run(found, script, **options)


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--script", type=click.Path(path_type=Path), help="The scenario's script, when it has moved.")
@click.option("--base-url", default=None, help="Endpoint of the model, when it has moved.")
@click.option("--max-in-flight", type=int, default=None, help="Model calls under way at once, at most.")
@click.option("--rpm", type=int, default=None, help=f"{_RPM} Not kept from the run.")
@click.option("--tpm", type=int, default=None, help=f"{_TPM} Not kept from the run.")
@click.option("--steps", type=int, default=None, help="Steps to live in all, when more are wanted than before.")
def resume(file: Path, script: Path | None, steps: int | None, **options: Any) -> None:
    """Go on with a run that was stopped; answers it has paid for are not paid again."""
    from populace.sim.runfile.reader import open_run
    from populace.sim.society import Society

    from .show import RichProgress, show_run

    with open_run(file) as stored:
        ((name, made_by, status, lived),) = stored.query(_STANDING).rows
    if status == "finished" and steps in (None, lived):
        show_run(file)
        click.echo(
            f"\nThere was nothing to do: the run is finished. For more steps: "
            f"`populace resume {quote(str(file))} --steps {lived + 1}`."
        )
        return
    found = scenario_of(file, name, script or (Path(made_by) if made_by else None))
    _live(Society.resume(file, found, steps=steps, progress=RichProgress(), **options))


def scenario_of(file: Path, name: str, script: Path | None) -> "type[Scenario]":
    """The scenario that made a run file, by its name or from its script. Raises `SetupError` when it is not there."""
    from populace.personas.errors import SetupError
    from populace.scenarios.catalog import find_scenario, load_scenario

    if script is None:
        return find_scenario(name)[0]
    if not script.is_file():
        raise SetupError(
            f"The run in {str(file)!r} was made by the script {str(script)!r}, which is not there; "
            f"say where it is now with --script."
        )
    return load_scenario(script)


def run_script(scenario: "type[Scenario]", script: str) -> None:
    """Run a scenario from its own script, with the options of `populace run`."""

    @click.command(name=Path(script).name, help=scenario.summary())
    @_options
    def command(**options: Any) -> None:
        _run(scenario, Path(script), **options)

    sys.exit(guarded(command))


def _run(scenario: "type[Scenario]", script: Path | None, **options: Any) -> None:
    from populace.sim.growth import Growth
    from populace.sim.society import Society

    from .show import RichProgress

    growth = Growth.given(seeds=options["seeds"], hub=options["hub"], agents=options["agents"], hops=options["hops"])
    society = Society(
        scenario(_settings(options["settings"])),
        growth=growth,
        seed=options["seed"],
        model=options["model"],
        base_url=options["base_url"],
        max_in_flight=options["max_in_flight"],
        rpm=options["rpm"],
        tpm=options["tpm"],
        out=options["out"] or Path(f"{scenario.name}.duckdb"),
        steps=options["steps"],
        scenario_file=script,
        progress=RichProgress(),
    )
    _live(society)


def _live(society: "Society") -> None:
    from populace.personas.errors import EndpointError

    from .show import show_run

    try:
        finished = society.run()
    except KeyboardInterrupt:
        raise _Stopped(f"Stopped. {_way_on(society.path)}") from None
    except EndpointError as error:
        raise EndpointError(f"{error} {_way_on(society.path)[:-1]}, or begin anew with another --out.") from error
    show_run(finished.path)


def _way_on(path: Path) -> str:
    if not path.exists():
        return "Nothing was begun."
    return f"What was done is kept: go on with `populace resume {quote(str(path))}`."


def _settings(given: tuple[str, ...]) -> dict[str, str]:
    from populace.personas.errors import SetupError

    settings = {}
    for item in given:
        name, equals, value = item.partition("=")
        if not equals or not name:
            raise SetupError(f"--set takes name=value, as --set {name.strip() or 'memory'}=3, but {item!r} was given.")
        settings[name.strip()] = value.strip()
    return settings
