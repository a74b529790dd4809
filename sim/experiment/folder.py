"""Running an experiment: a folder with its people, a run file for each arm and replicate, and the merged file.

    FOLDER/experiment.json      the design, and the hypotheses as they stood before the first run
    FOLDER/checks/MODEL.CHECK.duckdb  a run file for each check of each model, where the experiment has any checked
    FOLDER/people.duckdb        the people of all arms
    FOLDER/runs/ARM-rN.duckdb   a run each; any of them can be asked, replayed and forked as every run
    FOLDER/experiment.duckdb    all of them merged, read-only, once all are finished

Given again, what is finished stays, what was stopped goes on, and no answer is paid for twice.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Lock
from types import MappingProxyType
from typing import Any

from ...agents.gateway.budget import Prices, SharedBudget, Spent
from ...agents.gateway.limits import Limits
from ...personas.database import is_made
from ...personas.errors import HookError, PausedError, SetupError, parameter
from ...personas.files import remove_database
from ..engine import Progress, SilentProgress
from ..growth import Growth
from ..runfile.ledger import SPENT
from ..runfile.reader import open_run
from ..scenario import GrowthOnly, Scenario
from ..society import Society
from .checking import check_queries, check_run
from .design import Arm, Experiment, ModelCheckName, check_names
from .layout import ExperimentFolder
from .merge import write_merged
from .model_checks import CheckedModel, ExperimentModel, ModelCheck, read_checks

_STATUS = "SELECT status FROM runs"
_PEOPLE = "SELECT count(*) FROM personas"
#: Options of a run that are sent with every request, as its limits hold them.
SAMPLING = ("temperature", "top_p", "extra_body", "retry_refusals")
_CAPS = ("max_calls", "max_tokens", "max_cost")


@dataclass(frozen=True, slots=True)
class ExperimentReport:
    """An experiment that is finished."""

    folder: Path
    #: The merged file.
    path: Path
    arms: tuple[str, ...]
    replicates: int
    #: Runs that this session finished; the others were finished before.
    run_now: int
    is_language_model: bool


def run_experiment(
    experiment: Experiment,
    folder: Path | str,
    scenario: type[Scenario],
    *,
    scenario_file: Path | None = None,
    checks: Mapping[ModelCheckName, ModelCheck] = MappingProxyType({}),
    limits: Limits | None = None,
    prices: Prices | None = None,
    cache: Path | str | None = None,
    parallel: int = 2,
    progress: Progress | None = None,
) -> ExperimentReport:
    """Do all runs of an experiment in its folder, `parallel` of them at once, and merge them.

    `checks` are those of models that it may have asked before, by name.
    `limits` hold for the whole experiment: calls in flight and the budget are shared by the runs. Raises `SetupError`
    for what cannot be as declared, or is another experiment than the one in the folder; `PausedError` when the budget
    is spent or it was interrupted; `RunError` when a run fails. What was done stays, and goes on when given again.
    """
    if parallel < 1:
        raise SetupError(f"{parameter('parallel')} must be a whole number from 1, but {parallel!r} was given.")
    experiment.check(scenario)
    wanted = [checks[name] for name in check_names(experiment.model_checks)]
    work = ExperimentFolder(Path(folder), experiment, scenario, scenario_file, wanted)
    limits = limits or Limits()
    runner = _Runner(work, limits, prices, cache, parallel)
    for arm in experiment.all_arms:
        check_run(runner.begun(arm, 1))
    work.open()
    runner.run(progress or SilentProgress())
    path = work.folder / "experiment.duckdb"
    checked = list(read_checks(work.models, wanted, work.checks, experiment.seed))
    is_language_model = write_merged(path, experiment, scenario, work.files, work.registered, checked)
    arms = tuple(arm.name for arm in experiment.all_arms)
    return ExperimentReport(work.folder, path, arms, experiment.replicates, runner.done, is_language_model)


def check_models(
    experiment: Experiment,
    folder: Path | str,
    scenario: type[Scenario],
    *,
    checks: Mapping[ModelCheckName, ModelCheck],
    limits: Limits | None = None,
    prices: Prices | None = None,
    cache: Path | str | None = None,
    parallel: int = 2,
    progress: Progress | None = None,
) -> list[CheckedModel]:
    """Ask the checks of an experiment's models alone, in its folder, where its runs find them answered later.

    Raises what `run_experiment` raises, and `SetupError` for an experiment that declares no checks.
    """
    wanted = [checks[name] for name in check_names(experiment.model_checks)]
    if not wanted:
        raise SetupError("The experiment declares no checks of its models; give it model_checks=True.")
    work = ExperimentFolder(Path(folder), experiment, scenario, None, wanted)
    runner = _Runner(work, limits or Limits(), prices, cache, parallel)
    work.open()
    runner.check(progress or SilentProgress())
    return list(read_checks(work.models, wanted, work.checks, experiment.seed))


class _Runner:
    """Runs what is not finished, several at once."""

    def __init__(
        self, work: ExperimentFolder, limits: Limits, prices: Prices | None, cache: Path | str | None, parallel: int
    ) -> None:
        self._work = work
        self._prices = prices
        self._cache = cache
        self._parallel = min(parallel, len(work.files))
        own = limits.model_dump(exclude_unset=True)
        self._limits = {name: value for name, value in own.items() if name not in _CAPS}
        self._limits["max_in_flight"] = max(1, limits.max_in_flight // self._parallel)
        self._whole = limits
        self._budget = SharedBudget(limits, prices)
        #: How the runs that are there ended, by their files.
        self._status: dict[Path, str] = {}
        self._running: set[Society] = set()
        self._lock = Lock()
        self._is_stopped = False
        self.done = 0

    def check(self, progress: Progress) -> None:
        """The checks of models, to the end."""
        self._budget = SharedBudget(self._whole, self._prices, spent=self._look())
        if checks := self._work.model_checks:
            self._work.checks.mkdir(exist_ok=True)
            self._all("Checks of models", [partial(self._check, *one) for one in checks], progress)

    def run(self, progress: Progress) -> None:
        """All runs, to the end. Raises what the first of them raises that fails."""
        experiment = self._work.experiment
        self._budget = SharedBudget(self._whole, self._prices, spent=self._look())
        self._settle(progress)
        check_queries(experiment, self._work.people)
        self.check(progress)
        self._all("Runs", [partial(self._run, *one) for one in experiment.runs()], progress)

    def _all(self, title: str, work: Sequence[Callable[[], None]], progress: Progress) -> None:
        """Do all of it, several at once."""
        progress.began(title, len(work))
        with ThreadPoolExecutor(self._parallel, thread_name_prefix="run") as pool:
            waiting = {pool.submit(one) for one in work}
            for one in waiting:
                one.add_done_callback(lambda _: progress.advanced())
            try:
                self._await(waiting)
            except BaseException as error:
                self._stop(waiting)
                left = sum(one.cancelled() or one.exception() is not None for one in waiting)
                said = f"{title}: {left:,} of {len(work):,} left."
                if isinstance(error, PausedError):
                    error.left = said
                elif isinstance(error, KeyboardInterrupt):
                    error.add_note(said)
                raise
            finally:
                progress.ended()

    def _await(self, waiting: set[Future[None]]) -> None:
        while waiting:
            # A wait without an end would not notice Ctrl-C on every platform.
            done, waiting = wait(waiting, timeout=0.5, return_when=FIRST_EXCEPTION)
            for one in done:
                one.result()

    def _stop(self, waiting: set[Future[None]]) -> None:
        with self._lock:
            self._is_stopped = True
            for society in self._running:
                society.interrupt()
        for one in waiting:
            one.cancel()
        wait(waiting)

    def _settle(self, progress: Progress) -> None:
        """Grow or draw the people of all arms, once."""
        work, experiment = self._work, self._work.experiment
        if (status := self._status.get(work.people)) == "finished":
            return
        _, options = experiment.settings_of(experiment.all_arms[0], work.scenario)
        if status is not None:
            where = _where(options)
            society = Society.resume(work.people, GrowthOnly, sources_named=True, progress=progress, **where)
        else:
            named = {name: options.get(name) for name in ("model", "base_url")}
            society = Society(
                GrowthOnly(),
                growth=experiment.people,
                seed=experiment.seed,
                out=work.people,
                limits=self._limits_with({}),
                prices=self._prices,
                cache=self._cache,
                progress=progress,
                **{name: value for name, value in named.items() if value is not None},
            )
        self._live(society)

    def _check(self, model: ExperimentModel, check: ModelCheck, path: Path) -> None:
        """Ask a model the questions of a check, or those that are left."""
        if self._is_stopped:
            raise PausedError("It was interrupted.")
        if (status := self._status.get(path)) == "finished":
            return
        if status is not None:
            how: dict[str, Any] = {"limits": self._limits, "prices": self._prices, **_where(model.options)}
            society = Society.resume(path, type(check.scenario), **how)
        else:
            society = Society(
                check.scenario,
                source=check.people,
                growth=Growth(agents=None, hops=0),
                seed=self._work.experiment.seed,
                steps=check.steps,
                out=path,
                limits=self._limits_with(dict(model.options)),
                prices=self._prices,
                cache=self._cache,
                **{name: value for name, value in model.options.items() if name not in SAMPLING},
            )
        self._live(society)

    def _run(self, arm: Arm, replicate: int) -> None:
        work = self._work
        path = work.files[arm.name, replicate]
        if self._is_stopped:
            raise PausedError("It was interrupted.")
        if (status := self._status.get(path)) == "finished":
            return
        if status is not None:
            _, options = work.experiment.settings_of(arm, work.scenario)
            how: dict[str, Any] = {"limits": self._limits, "prices": self._prices, **_where(options)}
            society = Society.resume(path, work.scenario, sources_named=True, **how)
        else:
            society = self.begun(arm, replicate)
        self._live(society)
        self.done += 1

    def begun(self, arm: Arm, replicate: int) -> Society:
        """A run that is not there yet; it has no file before it is opened. Raises `SetupError`."""
        work, experiment = self._work, self._work.experiment
        settings, options = experiment.settings_of(arm, work.scenario)
        return Society(
            work.scenario(settings),
            growth=Growth(hub=work.people, agents=None, hops=0),
            seed=experiment.seed_of(arm, replicate),
            steps=experiment.steps,
            out=work.files[arm.name, replicate],
            scenario_file=work.scenario_file,
            limits=self._limits_with(options),
            prices=self._prices,
            cache=self._cache,
            **{name: value for name, value in options.items() if name not in SAMPLING},
        )

    def _live(self, society: Society) -> None:
        society.shared_budget = self._budget
        with self._lock:
            self._running.add(society)
        try:
            if self._is_stopped:
                society.interrupt()
            society.run()
        except HookError as error:
            raise HookError(
                f"{error.bare} Mend it, and give the experiment another folder, since runs of two versions of a script "
                f"do not compare; a {parameter('cache')} keeps answers for requests that are the same.",
                error.frames,
            ) from error
        finally:
            with self._lock:
                self._running.discard(society)

    def _limits_with(self, options: dict[str, Any]) -> Limits:
        return Limits.given(**self._limits, **{name: options[name] for name in SAMPLING if name in options})

    def _look(self) -> Spent:
        """See how far each run is, and add up what all of them have used so far."""
        total = Spent()
        checks = [path for *_, path in self._work.model_checks]
        for path in (self._work.people, *checks, *self._work.files.values()):
            if not is_made(path):
                continue
            if path in checks and _has_nobody(path):  # stopped before anything was asked, and its people come with it
                remove_database(path)
                continue
            with open_run(path) as stored:
                ((self._status[path],),) = stored.query(_STATUS).rows
                found = Spent(*stored.query(SPENT, {"job": 1}).rows[0])
            for name in Spent.__slots__:
                setattr(total, name, getattr(total, name) + getattr(found, name))
        return total


def _has_nobody(path: Path) -> bool:
    with open_run(path) as stored:
        return not stored.query(_PEOPLE).rows[0][0]


def _where(options: Mapping[str, Any]) -> dict[str, Any]:
    """Where the model of a run that goes on is asked now, or the model itself where that is no name."""
    model = options.get("model")
    return {"base_url": options.get("base_url"), "model": None if isinstance(model, str) else model}
