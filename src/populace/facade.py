"""Runs and growth in one call: what `import populace` gives beside its classes."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from .agents.endpoint.models import ModelHandle, open_model
from .agents.gateway.limits import Limits
from .agents.gateway.prices import Prices, given_prices
from .notebook import default_progress
from .personas.database import is_made
from .personas.errors import SetupError, parameter
from .personas.files import remove_database
from .scenarios.catalog import find_scenario
from .sim.config import ROLES
from .sim.engine import Progress
from .sim.growth import Growth
from .sim.growth.extension import extend, is_more
from .sim.runfile.reader import FinishedRun, open_run
from .sim.scenario import GrowthOnly, Scenario
from .sim.society import Society

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings
    from langchain_core.language_models.chat_models import BaseChatModel

    from .agents.embedding.models import EmbeddingHandle
    from .sim.config import GivenModel

__all__ = ["grow", "run", "run_async"]

_STORED = """
SELECT status, event_hash, (SELECT coalesce(max(step), 0) FROM steps) AS lived, scenario, settings, growth_settings,
       world, seed, steps_wanted, model, roles
FROM runs
"""


def run(
    scenario: Scenario | type[Scenario] | str,
    *,
    settings: Mapping[str, Any] | None = None,
    growth: Growth | None = None,
    agents: int | None = None,
    hops: int | None = None,
    seeds: Path | str | None = None,
    hub: Path | str | None = None,
    select: str | None = None,
    draw: str | None = None,
    steps: int = 8,
    seed: int = 0,
    model: "str | BaseChatModel | ModelHandle" = "procedural",
    base_url: str | Sequence[str] | None = None,
    limits: Limits | Mapping[str, Any] | None = None,
    prices: Prices | str | None = None,
    cache: Path | str | None = None,
    batch: bool = False,
    solver: "GivenModel | None" = None,
    grader: "GivenModel | None" = None,
    embeddings: "str | Embeddings | EmbeddingHandle | None" = None,
    embeddings_url: str | None = None,
    embeddings_prices: Prices | str | None = None,
    out: Path | str | None = None,
    resume: bool = False,
    overwrite: bool = False,
    progress: Progress | bool | None = None,
) -> FinishedRun:
    """Grow the people, take the steps, and give back the finished run. Works in a notebook, too.

    `scenario` is one of your own, or the name of one that ships, or the path of a script; `settings` are for the last
    two. `solver` and `grader` are the models that checks and stages ask by role, `model` unless given: a name, a chat
    model, or a `RoleModel` with endpoints and prices.

    People are said by `agents`, `hops`, `seeds`, `hub`, `select` and `draw`, as on the command line, or all at
    once by `growth`. `limits` are `Limits`, or some of them by name: `{"max_calls": 100}`. A price is `Prices`, or
    "INPUT/OUTPUT" in dollars for a million tokens. `out` is the run file, NAME.duckdb unless given.

    Called again, the same run that is finished is given back from its file, without a call, and its `note` says so. Of
    a file with an unfinished run, `resume` goes on; `overwrite` begins anew. Anything else that is there is refused.

    `progress` is shown in a notebook; True shows it in a terminal, False nowhere.
    Raises `SetupError` for what cannot be run, and `RunError` when the run fails; what was done can be resumed.
    """
    made, script = _scenario(scenario, settings)
    handle = model if isinstance(model, ModelHandle) else open_model(model, base_url=base_url)
    named: dict[str, Any] = {
        "base_url": base_url,
        "prices": _prices(prices),
        "cache": None if cache is None else Path(cache),
        "solver": solver,
        "grader": grader,
        "embeddings": embeddings,
        "embeddings_url": embeddings_url,
        "embeddings_prices": _prices(embeddings_prices),
        "progress": default_progress(progress),
    }
    society = Society(
        made,
        growth=_growth(growth, seeds=seeds, hub=hub, select=select, draw=draw, agents=agents, hops=hops),
        seed=seed,
        model=handle,
        limits=limits if isinstance(limits, Limits) else Limits.given(**(limits or {})),
        batch=batch,
        out=out or f"{made.name if script is None else script.stem}.duckdb",
        steps=steps,
        scenario_file=script,
        **named,
    )
    if not is_made(society.path) or _makes_room(society.path, resume=resume, overwrite=overwrite):
        return society.run()
    if found := _finished(society, handle, resume=resume):
        return found
    return Society.resume(
        society.path,
        type(made),
        model=None if isinstance(model, str) else handle,
        limits=_changes(limits),
        steps=steps,
        sources_named=True,
        **named,
    ).run()


def _takes_what[**P, R](
    _: Callable[P, R],
) -> Callable[[Callable[..., Coroutine[Any, Any, R]]], Callable[P, Coroutine[Any, Any, R]]]:
    """Lets type checkers see the parameters of another function."""
    return lambda function: function


@_takes_what(run)
async def run_async(*args: Any, **options: Any) -> FinishedRun:
    """The same as `run`, with the same parameters, while the caller's event loop goes on."""
    return await asyncio.to_thread(partial(run, *args, **options))


def grow(
    *sources: str | Path,
    hub: Path | str,
    people: Path | str | None = None,
    agents: int | None = None,
    hops: int = 6,
    seed: int = 0,
    model: "str | BaseChatModel | ModelHandle" = "procedural",
    base_url: str | Sequence[str] | None = None,
    limits: Limits | Mapping[str, Any] | None = None,
    prices: Prices | str | None = None,
    cache: Path | str | None = None,
    batch: bool = False,
    progress: Progress | bool | None = None,
    **growth: Any,
) -> FinishedRun:
    """Grow people into a hub: from texts, or from the `people` of another hub, and from hop to hop those around them.

    `sources` are files, folders and patterns; without any, the corpus that ships. `agents` is how many people there are
    to be, at most. What else `Growth` takes (`fan_outs`, `kinds`, `language`, ...) may be given by name.

    The same call on a hub that is there goes on where it stopped; with more hops, a higher `agents` or further sources
    behind the earlier ones it grows on from what is there. `open_hub` opens what comes of it.
    Raises `SetupError` for what cannot be grown, and `RunError` when growing fails.
    """
    wanted = Growth.unlimited(
        sources=tuple(map(str, sources)) or None, hub=people, agents=agents, hops=hops, **growth
    )  # fmt: skip
    path, handle = Path(hub), model if isinstance(model, ModelHandle) else open_model(model, base_url=base_url)
    named: dict[str, Any] = {
        "base_url": base_url,
        "prices": _prices(prices),
        "cache": None if cache is None else Path(cache),
        "progress": default_progress(progress),
    }
    if not is_made(path):
        bounds = limits if isinstance(limits, Limits) else Limits.given(**(limits or {}))
        return Society(
            GrowthOnly(), growth=wanted, seed=seed, model=handle, limits=bounds, batch=batch, out=path, **named
        ).run()  # fmt: skip
    if is_more(path, wanted, seed=seed, model=handle.name):
        extend(path, wanted)
    elif (stored := _stored(path))["status"] == "finished":
        return FinishedRun(path, stored["event_hash"], "It was grown already, so nothing was asked.")
    again = None if isinstance(model, str) else handle
    return Society.resume(path, GrowthOnly, model=again, limits=_changes(limits), sources_named=True, **named).run()


def _scenario(
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


def _growth(growth: Growth | None, **options: Any) -> Growth:
    given = {name: value for name, value in options.items() if value is not None}
    if growth is None:
        return Growth.given(**given)
    if given:
        named = ", ".join(map(parameter, given))
        raise SetupError(f"{parameter('growth')} says how people come about, and so do {named}; give one of the two.")
    return growth


def _prices(prices: Prices | str | None) -> Prices | None:
    return given_prices(prices) if isinstance(prices, str) else prices


def _changes(limits: Limits | Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    return limits.model_dump() if isinstance(limits, Limits) else limits


def _makes_room(path: Path, *, resume: bool, overwrite: bool) -> bool:
    """Whether the run file that is there is to go, and then take it away. Raises `SetupError` when it cannot."""
    if not overwrite:
        return False
    if resume:
        raise SetupError(f"{parameter('resume')} and {parameter('overwrite')} contradict each other; leave one out.")
    with open_run(path) as run:  # which raises for what is no run file, and so not to be lost
        run.query("SELECT 1 FROM runs")
        if run.is_live:
            raise SetupError(f"{str(path)!r} is being written by a run that is still going; wait for its end.")
    remove_database(path)
    return True


def _finished(society: Society, model: ModelHandle, *, resume: bool) -> FinishedRun | None:
    """The run in the file when it is the one that is asked for, and finished; None when it is to be resumed.

    Raises `SetupError` when it is another run, or unfinished and not to be resumed.
    """
    path, stored = society.path, _stored(society.path)
    differences = [*_differences(society, model, stored)]
    is_longer = not differences and stored["steps_wanted"] < society.steps_wanted
    if stored["steps_wanted"] > society.steps_wanted:
        differences.append(f"it has {stored['steps_wanted']} steps, not {society.steps_wanted}")
    if differences:
        raise SetupError(
            f"{str(path)!r} holds another run: {'; '.join(differences)}. Give another {parameter('out')}, or replace "
            f"it with {parameter('overwrite', value=True)}."
        )
    if stored["status"] == "finished" and not is_longer:
        note = "It was there already: the file holds this very run, finished, so nothing was asked."
        return FinishedRun(path, stored["event_hash"], note)
    if not resume:
        state = "is still going" if stored["is_live"] else f"stands at step {stored['lived']} of {society.steps_wanted}"
        raise SetupError(
            f"{str(path)!r} holds this run, which {state}; go on with {parameter('resume', value=True)}, or begin anew "
            f"with {parameter('overwrite', value=True)}."
        )
    return None


def _stored(path: Path) -> dict[str, Any]:
    with open_run(path) as run:
        found = run.query(_STORED)
        return dict(zip(found.columns, found.rows[0], strict=True)) | {"is_live": run.is_live}


def _differences(society: Society, model: ModelHandle, stored: Mapping[str, Any]) -> Iterator[str]:
    """What the run in the file is otherwise than the one that is asked for, in words."""
    scenario = society.scenario
    if stored["scenario"] != scenario.name:
        yield f"its scenario is {stored['scenario']!r}, not {scenario.name!r}"
        return
    if stored["seed"] != society.seed:
        yield f"its seed is {stored['seed']}, not {society.seed}"
    if stored["model"] != model.name:
        yield f"its model is {stored['model']}, not {model.name}"
    roles = orjson.loads(stored["roles"] or "{}")
    for role in ROLES:
        named = getattr(society.config, role)
        was, wanted = roles.get(role, {}).get("model"), named.model if named else None
        if was != wanted:
            yield f"its {role} is {was or 'the model'}, not {wanted or 'the model'}"
    if stored["world"] != scenario.world:
        yield "its world text is another"
    yield from _differing(stored["settings"], scenario.settings.model_dump_json())
    yield from _differing(stored["growth_settings"], society.growth.model_dump_json())


def _differing(was: str, wanted: str) -> Iterator[str]:
    """Settings by name whose values differ, of two JSON objects."""
    before, now = orjson.loads(was), orjson.loads(wanted)
    for name in dict.fromkeys([*before, *now]):
        if before.get(name) != now.get(name):
            yield f"its {name} is {before.get(name)!r}, not {now.get(name)!r}"
