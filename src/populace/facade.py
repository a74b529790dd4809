"""Runs and growth in one call: what `import populace` gives beside its classes."""

import asyncio
import sys
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Unpack

from .agents.endpoint.models import ModelHandle, open_model
from .agents.gateway.budget import given_prices
from .agents.gateway.limits import SAMPLING, Limits, Prices
from .core.database import is_made
from .core.errors import SetupError, parameter
from .core.files import remove_database
from .core.inputs import nearest
from .personas.network.spec import GROWN
from .scenarios.catalog import find_scenario, find_task, load_experiment
from .sim.config import ModelChoices, RunConfig
from .sim.engine import Progress, SilentProgress
from .sim.growth import Growth
from .sim.growth.stored import ask_again
from .sim.runfile.job_rows import RunSpec
from .sim.runfile.reader import FinishedRun, last_step, open_hub_or_run, open_run, run_of
from .sim.scenario import GrowthOnly, Scenario
from .sim.society import Society
from .sim.tasks.task import Prompting, Task

if TYPE_CHECKING:
    import networkx as nx

    from .analysis.experiment.effects import Findings
    from .sim.experiment.design import Experiment


class CallOptions(ModelChoices, total=False):
    """Who is asked, within what limits and how the model samples. What is left out, or None, is not given."""

    temperature: float | None
    top_p: float | None
    extra_body: Mapping[str, Any] | None
    #: How often a refused request is asked again.
    retry_refusals: int | None
    seed: int
    batch: bool


class RunCallOptions(CallOptions, total=False):
    """What `run` takes besides."""

    #: Where the people come from, and how many they are.
    agents: int | None
    hops: int | None
    seeds: Path | str | None
    hub: Path | str | None
    select: str | None
    draw: str | None
    #: Who is tied to whom: a name, or a networkx graph whose nodes name people, or stand for them in order.
    network: "str | nx.Graph"
    steps: int
    #: How agents decide: "one-call", "think", "react" or "rule"; the scenario's own unless given.
    mind: str | None
    #: Asks one agent for many.
    archetypes: str | int | None
    #: The agent whose turns you take, or the model `human`: its name or id.
    play: str | None


def run(
    scenario: Scenario | type[Scenario] | str,
    *,
    settings: Mapping[str, Any] | None = None,
    growth: Growth | None = None,
    out: Path | str | None = None,
    resume: bool = False,
    overwrite: bool = False,
    progress: Progress | bool | None = None,
    **options: Unpack[RunCallOptions],
) -> FinishedRun:
    """Grow the people, take the steps, and give back the finished run. Works in a notebook, too.

    `scenario` is one of your own, or the name of one that ships, or the path of a script; `settings` are for the last
    two. `options` are those of `RunCallOptions`: `agents`, `hops`, `seeds`, `hub`, `select` and `draw` say where the
    people come from, unless `growth` says it all at once; `model` is a name, a LangChain chat model or Runnable, or a
    compiled LangGraph graph on `MessagesState`. The ties of a networkx graph are written to OUT.network.csv. `out` is
    the run file, NAME.duckdb by default.

    Called again, the same run that is finished is given back from its file, without a call, and its `note` says so. Of
    a file with an unfinished run, `resume` goes on, with other limits where they are given; `overwrite` begins anew.
    Anything else there is refused. An interrupted call (Ctrl-C) leaves a paused run. `progress` is shown in a notebook;
    True shows it in a terminal, False nowhere. Raises `SetupError` for what cannot be run, `RunError` when it fails.
    """
    society = _make_society(
        scenario, settings, growth, out, resume=resume, overwrite=overwrite, progress=progress, **options
    )
    return society if isinstance(society, FinishedRun) else society.run()


def make(
    task: type[Task] | str,
    n: int = 100,
    *,
    per_persona: int = 1,
    prompting: Prompting = "zero-shot",
    against: Sequence[Path | str] = (),
    settings: Mapping[str, Any] | None = None,
    growth: Growth | None = None,
    agents: int | None = None,
    hub: Path | str | None = None,
    select: str | None = None,
    **options: Any,
) -> FinishedRun:
    """Have people make data of one kind until `n` rows are accepted, and give back the finished run.

    `task` is the name of one that ships, the path of a folder with one, or a class of your own; its other `settings`
    are given by name. People come from `hub`, where `select` names a selection of them, or are grown. Each gives
    `per_persona` rows at most. `prompting` says whether demonstrations are shown. Rows that nearly repeat a text of the
    files `against` are rejected. The view `outputs` holds all rows, accepted and rejected, with the reasons.

    All other options of `run` can be given by name. Raises what `run` raises.
    """
    _check_names("make", options, {*signature(make).parameters, *_RUN_NAMES} - {"scenario", "options"})
    own = {"n": n, "per_persona": per_persona, "prompting": prompting, "against": tuple(map(str, against))}
    found, script = find_task(task) if isinstance(task, str) else (task, None)
    given = own | dict(settings or {})
    made = found(given)
    if growth is None:
        asked = {"hub": hub, "select": select, "agents": agents, "hops": options.pop("hops", None)}
        asked |= {"seeds": options.pop("seeds", None), "draw": options.pop("draw", None if hub is None else made.draw)}
        growth = made.growth(_make_growth(None, **asked), is_counted=agents is not None)
    if script is not None:
        return run(str(script), settings=given, growth=growth, **options)
    return run(made, growth=growth, **options)


def experiment(
    declared: "Experiment | Path | str",
    out: Path | str,
    *,
    limits: Limits | Mapping[str, Any] | None = None,
    prices: Prices | str | None = None,
    cache: Path | str | Literal[False] | None = None,
    parallel: int = 2,
    progress: Progress | bool | None = None,
) -> "Findings":
    """Do all runs of an experiment in the folder `out`, and give back what it found: means, effects and checks.

    `declared` is an `Experiment`, or the path of a Python file that defines one. `limits` hold for all runs together.
    Given again, it goes on. Raises `SetupError` for what cannot be as declared, `PausedError` and `RunError`.
    """
    from .analysis.experiment.effects import read_findings
    from .sim.experiment.folder import run_experiment

    stated = load_experiment(Path(declared)) if isinstance(declared, str | Path) else declared
    found, script = find_scenario(stated.scenario) if isinstance(stated.scenario, str) else (stated.scenario, None)
    path = run_experiment(
        stated,
        out,
        found,
        scenario_file=script,
        limits=limits if isinstance(limits, Limits) else Limits.given(**(limits or {})),
        prices=given_prices(prices) if isinstance(prices, str) else prices,
        cache=cache,
        parallel=parallel,
        progress=default_progress(progress),
    )
    with open_hub_or_run(path) as merged:
        return read_findings(merged)


#: The names of all that `run` takes.
_RUN_NAMES = {*signature(run).parameters, *RunCallOptions.__annotations__} - {"options"}


def _takes_what[**P, R](
    _: Callable[P, R],
) -> Callable[[Callable[..., Coroutine[Any, Any, R]]], Callable[P, Coroutine[Any, Any, R]]]:
    """Lets type checkers see the parameters of another function."""
    return lambda function: function


@_takes_what(run)
async def run_async(*args: Any, **options: Any) -> FinishedRun:
    """The same as `run`, with the same parameters, while the caller's event loop goes on.

    When it is cancelled, the run is paused first, and its file closed.
    """
    given = signature(run).bind(*args, **options)
    given.apply_defaults()
    society = await asyncio.to_thread(_make_society, *given.args, **given.kwargs)
    if isinstance(society, FinishedRun):
        return society
    running = asyncio.create_task(asyncio.to_thread(society.run))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        society.interrupt()
        # How it ended, paused or failed, is in the file.
        await asyncio.wait([running])
        running.exception()
        raise


def grow(
    *sources: str | Path,
    hub: Path | str,
    people: Path | str | None = None,
    agents: int | None = None,
    hops: int = 6,
    progress: Progress | bool | None = None,
    **options: Any,
) -> FinishedRun:
    """Grow people into a hub: from texts, or from the `people` of another hub, and from hop to hop those around them.

    `sources` are files and folders; without any, the corpus that ships. `agents` is how many people there are
    to be, at most. What else `Growth` takes (`fan_outs`, `kinds`, `language`, ...) may be given by name, and the
    options of `CallOptions`.

    The same call on an existing hub continues where it stopped; with more hops, a higher `agents` or further sources
    after the earlier ones it grows on from what is there. `open_hub` opens what comes of it.
    Raises `SetupError` for what cannot be grown, and `RunError` when growing fails.
    """
    known = {*signature(grow).parameters, *CallOptions.__annotations__, *Growth.model_fields}
    _check_names("grow", options, known - {"sources", "seeds", "growth", "options"}, {"limit": "agents"})
    growth = {name: options.pop(name) for name in list(options) if name in Growth.model_fields}
    wanted = Growth.unlimited(sources=tuple(map(str, sources)) or None, hub=people, agents=agents, hops=hops, **growth)
    path, seed = Path(hub), options.pop("seed", 0)
    asked = _society_options(options, progress)
    if not is_made(path):
        return Society(GrowthOnly(), growth=wanted, seed=seed, out=path, **asked).run()
    model = (
        open_model(asked["model"], base_url=asked.get("base_url"))
        if isinstance(asked["model"], str)
        else asked["model"]
    )
    so_far = ask_again(path, wanted, seed=seed, model=model.name, limits=Limits.given(**asked["limits"]))
    with open_run(path) as reader:
        stored = run_of(reader)
    if so_far is not None and stored.status == "finished":
        return FinishedRun(path, stored.event_hash or "", "It was grown already, so nothing was asked.")
    return _resume_society(path, GrowthOnly, asked).run()


def _society_options(options: Mapping[str, Any], progress: Progress | bool | None) -> dict[str, Any]:
    """Return options of a run as `Society` takes them: sampling among the limits, a model that can be asked."""
    asked = {name: value for name, value in options.items() if value is not None}
    limits = asked.pop("limits", {})
    given = limits.model_dump(exclude_unset=True) if isinstance(limits, Limits) else dict(limits)
    asked["limits"] = given | {name: asked.pop(name) for name in SAMPLING if name in asked}
    model = asked.setdefault("model", "procedural")
    if not isinstance(model, str | ModelHandle):
        asked["model"] = open_model(model, base_url=asked.get("base_url"))
    if "cache" in asked:
        asked["cache"] = Path(asked["cache"])
    return asked | {"progress": default_progress(progress)}


def default_progress(wanted: Progress | bool | None) -> Progress:
    """Return what shows progress: what is given; without it lines in a notebook, and nothing elsewhere.

    True shows it everywhere, False nowhere.
    """
    if not isinstance(wanted, bool) and wanted is not None:
        return wanted
    if wanted or (wanted is None and _is_in_notebook()):
        from .cli.panel import ProgressPanel

        return ProgressPanel()
    return SilentProgress()


def _is_in_notebook() -> bool:
    """Return whether a Jupyter kernel runs this process; IPython in a terminal is none."""
    shell = sys.modules.get("IPython")
    return shell is not None and getattr(shell.get_ipython(), "kernel", None) is not None


def _resume_society(
    path: Path, scenario: type[Scenario], asked: Mapping[str, Any], *, steps: int | None = None
) -> Society:
    """Return the society of the run in a file, which goes on with its own model where one was given by name."""
    names = {*ModelChoices.__annotations__, "progress"}
    given = {name: value for name, value in asked.items() if name in names}
    if isinstance(given["model"], str):
        del given["model"]
    return Society.resume(path, scenario, steps=steps, sources_named=True, **given)


def _check_names(
    function: str, given: Iterable[str], known: Iterable[str], meant: Mapping[str, str] | None = None
) -> None:
    """Raise `SetupError` for a parameter that the function does not have; `meant` has names for wrong ones."""
    for name in set(given) - set(known):
        hint = (meant or {}).get(name)
        hint = f" (did you mean {hint!r}?)" if hint else nearest(name, known)
        raise SetupError(f"{function}() has no parameter {name!r}{hint}.")


def _make_society(
    scenario: Scenario | type[Scenario] | str,
    settings: Mapping[str, Any] | None = None,
    growth: Growth | None = None,
    out: Path | str | None = None,
    *,
    resume: bool = False,
    overwrite: bool = False,
    progress: Progress | bool | None = None,
    **options: Any,
) -> Society | FinishedRun:
    """Return what `run` is to run; or the finished run, where its file holds it already."""
    _check_names("run", options, _RUN_NAMES)
    made, script = _make_scenario(scenario, settings)
    people = {name: options.pop(name, None) for name in ("seeds", "hub", "sample", "draw", "agents", "hops")}
    path = Path(out or f"{made.name if script is None else script.stem}.duckdb")
    if not isinstance(network := options.get("network", GROWN), str):
        options["network"] = _write_network(network, path)
        people["agents"] = people["agents"] or (len(network) if growth is None else None)
    asked = _society_options(options, progress)
    society = Society(made, growth=_make_growth(growth, **people), out=path, scenario_file=script, **asked)
    if overwrite and is_made(society.path):
        _remove_run(society.path, resume=resume)
    if not is_made(society.path):
        return society
    steps = options.get("steps", RunConfig().steps)
    return _find_finished(society, resume=resume) or _resume_society(society.path, type(made), asked, steps=steps)


def _write_network(graph: "nx.Graph", out: Path) -> str:
    """Write the graph beside the run file; gives the network that reads it."""
    from .personas.network.spec import write_graph_ties

    if not hasattr(graph, "edges"):
        raise SetupError(f"{parameter('network')} is {graph!r:.80}; give a name, as 'ring:4', or a networkx graph.")
    path = out.with_suffix(".network.csv")
    write_graph_ties(graph, path)
    return f"file:{path}"


def _make_scenario(
    scenario: Scenario | type[Scenario] | str, settings: Mapping[str, Any] | None
) -> tuple[Scenario, Path | None]:
    """The scenario, and the script that it is from, if it was named by one."""
    if isinstance(scenario, Scenario):
        if settings is not None:
            raise SetupError(
                f"{parameter('settings')} are given to a scenario that is made already; give them to {scenario.name!r} "
                f"itself, as {type(scenario).__name__}({{'name': value}})."
            )
        return scenario, None
    found, script = find_scenario(scenario) if isinstance(scenario, str) else (scenario, None)
    return found(dict(settings or {})), script


def _make_growth(growth: Growth | None, **options: Any) -> Growth:
    given = {name: value for name, value in options.items() if value is not None}
    if growth is None:
        return Growth.given(**given)
    if given:
        named = ", ".join(map(parameter, given))
        raise SetupError(f"{parameter('growth')} says how people come about, and so do {named}; give one of the two.")
    return growth


def _remove_run(path: Path, *, resume: bool) -> None:
    """Remove an existing run file that is to be overwritten. Raises `SetupError` if it is live or not a run file."""
    if resume:
        raise SetupError(f"{parameter('resume')} and {parameter('overwrite')} contradict each other; leave one out.")
    with open_run(path) as run:  # which raises for what is no run file, and so not to be lost
        run.query("SELECT 1 FROM runs")
        if run.is_live:
            raise SetupError(f"{str(path)!r} is being written by a run that is still going; wait for its end.")
    remove_database(path)


def _find_finished(society: Society, *, resume: bool) -> FinishedRun | None:
    """The run in the file when it is the one that is asked for, and finished; None when it is to be resumed.

    Raises `SetupError` when it is another run, or unfinished and not to be resumed.
    """
    path, steps = society.path, society.steps_wanted
    with open_run(path) as reader:
        stored, was, lived, is_live = run_of(reader), RunConfig.read(reader), last_step(reader), reader.is_live
    if differences := _list_differences(stored.run_spec, was, society, resume=resume):
        raise SetupError(
            f"{str(path)!r} holds another run: {'; '.join(differences)}. Give another {parameter('out')}, or replace "
            f"it with {parameter('overwrite', value=True)}."
        )
    if stored.status == "finished" and stored.run_spec.steps == steps:
        note = "It was there already: the file holds this very run, finished, so nothing was asked."
        return FinishedRun(path, stored.event_hash or "", note)
    if is_live:
        raise SetupError(f"{str(path)!r} holds this run, which is still going; wait for its end, or interrupt it.")
    if not resume:
        raise SetupError(
            f"{str(path)!r} holds this run, which stopped at step {lived} of {steps}; go on with "
            f"{parameter('resume', value=True)}, or begin anew with {parameter('overwrite', value=True)}."
        )
    return None


def _list_differences(spec: RunSpec, was: RunConfig, society: Society, *, resume: bool) -> list[str]:
    """What the run in the file is otherwise than the one that is asked for, in words."""
    wanted = society.config
    if was.scenario != wanted.scenario:
        return [f"its scenario is {was.scenario!r}, not {wanted.scenario!r}"]
    found = [(one.name, one.was, one.wanted) for one in was.list_differences(wanted)]
    # A run that goes on may be given other limits.
    if not resume and was.limits.retry_refusals != wanted.limits.retry_refusals:
        found.append(("retry_refusals", was.limits.retry_refusals, wanted.limits.retry_refusals))
    said = [f"its {name} is {before!r}, not {now!r}" for name, before, now in found]
    if spec.world != society.scenario.world:
        said.append("its world text is another")
    if spec.steps > society.steps_wanted:
        said.append(f"it has {spec.steps} steps, not {society.steps_wanted}")
    return said
