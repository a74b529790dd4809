"""Running an experiment: a folder with its people, a run file for each arm and replicate, and the merged file.

    FOLDER/experiment.json      the design, and the hypotheses as they stood before the first run
    FOLDER/people/rN.duckdb     the people of a replicate, in all arms (people.duckdb where all runs have the same)
    FOLDER/answers.sqlite       a cache that the runs share, so that what arms ask alike is paid once
    FOLDER/runs/ARM-rN.duckdb   a run each; any of them can be asked, replayed and forked as every run
    FOLDER/experiment.duckdb    all of them merged, read-only, once all are finished

Given again, what is finished stays, what was stopped goes on, and no answer is paid for twice.
"""

import ast
import inspect
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import asdict, fields, replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import Any, Literal

import orjson

from ...agents.gateway.budget import Budget, Spent
from ...agents.gateway.limits import SAMPLING, Limits, Prices
from ...agents.mind import Mind
from ...core.database import is_made
from ...core.errors import HookError, PausedError, SetupError, SourceError, parameter
from ...core.files import remove_database, whole_file
from ...core.inputs import resolve_file
from ...personas.hub import Hub, read_hub
from ...personas.hub.read import DrawSpec, draw_from
from ...personas.network.spec import parse_network
from ..engine import INTERRUPTED, Progress, SilentProgress
from ..growth import Growth
from ..runfile.ledger import SPENT
from ..runfile.reader import open_run
from ..scenario import GrowthOnly, Scenario, check_answers, check_interventions, check_surveys
from ..settling import checked_mind
from ..society import Society
from .design import Arm, Experiment
from .merge import check_queries, write_merged


def code_hash(script: Path) -> str:
    """Return a hash of a scenario's script without imports, experiments, what only those use, comments and layout.

    Adding a hypothesis or an outcome to the same file later therefore keeps the runs valid.
    """
    tree = ast.parse(script.read_bytes())
    body = [
        node for node in tree.body if not isinstance(node, ast.Import | ast.ImportFrom) and not _is_experiment(node)
    ]
    while True:
        names = [name for node in body for name in ast.walk(node) if isinstance(name, ast.Name)]
        read = {name.id for name in names if isinstance(name.ctx, ast.Load)}
        kept = [node for node in body if not isinstance(node, ast.Assign) or _bind_names(node) & read]
        if len(kept) == len(body):
            break
        body = kept
    tree.body = body
    return sha256(ast.unparse(tree).encode()).hexdigest()


def _is_experiment(node: ast.stmt) -> bool:
    value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
    made = value.func if isinstance(value, ast.Call) else None
    return getattr(made, "id", getattr(made, "attr", "")) == "Experiment"


def _bind_names(node: ast.Assign) -> set[str]:
    return {name.id for target in node.targets for name in ast.walk(target) if isinstance(name, ast.Name)}


_STATUS = "SELECT status FROM runs"
_PEOPLE = "SELECT count(*) FROM personas"
#: The people of a run who are there already.
_SETTLED = Growth(agents=None, hops=0)
#: How many times more people than all replicates need a hub has, for them to share hardly anybody by chance.
_MANY = 20
_CAPS = ("max_calls", "max_tokens", "max_cost")


def run_experiment(
    experiment: Experiment,
    folder: Path | str,
    scenario: type[Scenario],
    *,
    scenario_file: Path | None = None,
    limits: Limits | None = None,
    prices: Prices | None = None,
    cache: Path | str | Literal[False] | None = None,
    parallel: int = 2,
    progress: Progress | None = None,
) -> Path:
    """Do all runs of an experiment in its folder, up to `parallel` at once, and return the merged file.

    Requests that several arms share are paid once, by the given cache or one in the folder. With `cache=False`, none is
    used. `limits` apply to the whole experiment. Its runs share the maximum of concurrent calls and the budget.

    Raises `SetupError` if the declaration is invalid, or the folder holds another experiment. Raises `PausedError` if
    the budget is spent or it was interrupted, and `RunError` if a run fails. What was done is kept, and continues if
    called again.
    """
    if parallel < 1:
        raise SetupError(f"{parameter('parallel')} must be a whole number from 1, but {parallel!r} was given.")
    experiment.check(scenario)
    limits = limits or Limits()
    runner = _Runner(Path(folder), experiment, scenario, scenario_file, limits, prices, parallel)
    runner.cache = Path(cache) if cache else None
    asks = False
    for arm in experiment.all_arms:
        society = runner.begin_run(arm, 1)
        asks |= society.is_language_model
        check_run(society)
        society.check_priced(limits)
    if asks and cache is None:  # the stand-in's answers are not worth keeping
        runner.cache = runner.folder / "answers.sqlite"
    runner.open_folder()
    runner.run(progress or SilentProgress())
    path = runner.folder / "experiment.duckdb"
    write_merged(path, experiment, scenario, runner.files, runner.registered)
    return path


class _Runner:
    """The folder of an experiment, in which it runs what is not finished, several runs at once."""

    def __init__(
        self,
        folder: Path,
        experiment: Experiment,
        scenario: type[Scenario],
        scenario_file: Path | None,
        limits: Limits,
        prices: Prices | None,
        parallel: int,
    ) -> None:
        self.folder = folder
        self._experiment = experiment
        self._scenario = scenario
        self._scenario_file = scenario_file
        #: The people of runs, by the name that the design gives them.
        self.people = {
            name: folder / "people" / f"{name}.duckdb" if name else folder / "people.duckdb"
            for name in dict.fromkeys(experiment.people_of(*run) for run in experiment.runs())
        }
        #: Each run of the design, and its file.
        self.files = {
            (arm.name, number): folder / "runs" / f"{arm.slug}-r{number}.duckdb" for arm, number in experiment.runs()
        }
        #: The hypotheses as they stood before the first run, as JSON.
        self.registered: list[dict[str, Any]] = []
        self._prices = prices
        #: Where the runs share answers; None for nowhere.
        self.cache: Path | None = None
        self._parallel = min(parallel, len(self.files))
        own = limits.model_dump(exclude_unset=True)
        self._limits = {name: value for name, value in own.items() if name not in _CAPS}
        self._limits["max_in_flight"] = max(1, limits.max_in_flight // self._parallel)
        #: The one budget of all runs.
        self._budget = Budget(limits)
        #: How the runs that are there ended, by their files.
        self._status: dict[Path, str] = {}
        self._running: set[Society] = set()
        self._lock = Lock()
        #: Why nothing more is begun; empty as long as runs are.
        self._stopped = ""
        self._is_interrupted = False

    def open_folder(self) -> None:
        """Create the folder, or check that it holds this experiment. Raises `SetupError`."""
        stated = self.folder / "experiment.json"
        now: dict[str, Any] = {
            "design": self._experiment.design(self._scenario),
            "code": self._hash_code(),
            "hypotheses": [asdict(one) for one in self._experiment.hypotheses],
        }
        if not stated.exists() or not self._has_begun():
            if not stated.exists():
                self._check_new()
            for folder in {path.parent for path in (*self.people.values(), *self.files.values())}:
                folder.mkdir(parents=True, exist_ok=True)
            with whole_file(stated.absolute(), replace=True) as part:
                part.write_bytes(orjson.dumps(now, option=orjson.OPT_INDENT_2))
            self.registered = now["hypotheses"]
            return
        try:
            was = orjson.loads(stated.read_bytes())
            self.registered = list(was["hypotheses"])
            before = was["design"] | {"code": was["code"]}
        except (orjson.JSONDecodeError, KeyError, TypeError) as error:
            raise SourceError(f"{str(stated)!r} is damaged ({error}); restore it, or give another folder.") from error
        wanted = orjson.loads(orjson.dumps(now["design"])) | {"code": now["code"]}
        differing = [name for name in wanted if before.get(name) != wanted[name]]
        if differing:
            raise SetupError(self._describe_difference(differing, before, wanted))

    def _has_begun(self) -> bool:
        """Return whether anything was made. Another design would then be another experiment."""
        return any(is_made(path) for path in (*self.people.values(), *self.files.values()))

    def _check_new(self) -> None:
        if self.folder.is_file():
            raise SetupError(f"{str(self.folder)!r} is a file; give a folder for the experiment.")
        if self.folder.is_dir() and any(self.folder.iterdir()):
            raise SetupError(
                f"The folder {str(self.folder)!r} holds other files and no experiment; give an empty or a new one."
            )

    def _describe_difference(self, differing: Sequence[str], before: dict[str, Any], wanted: dict[str, Any]) -> str:
        (first, *_) = differing
        if first == "code":
            what = f"the script of scenario {self._scenario.name!r} has changed since"
        else:
            what = f"its {first} were {before.get(first)!r:.200}, and now are {wanted[first]!r:.200}"
        return (
            f"The folder {str(self.folder)!r} holds another experiment: {what}. Runs that are there would not compare "
            f"with new ones; give another folder."
        )

    def _hash_code(self) -> str:
        # A scenario that ships is told apart by the version in its run files.
        if self._scenario.__module__.startswith("populace."):
            return ""
        with suppress(OSError, TypeError):
            return code_hash(Path(inspect.getfile(self._scenario)))
        return ""

    def run(self, progress: Progress) -> None:
        """Do all runs. Raises what the first failing run raises."""
        self._count_spent()
        self._settle_people(progress)
        check_queries(self._experiment, next(iter(self.people.values())))
        self._run_parallel("Runs", [partial(self._run_replicate, *one) for one in self._experiment.runs()], progress)

    def _run_parallel(self, title: str, work: Sequence[Callable[[], None]], progress: Progress) -> None:
        """Do all of the work, several pieces at once."""
        progress.began(title, len(work))
        with ThreadPoolExecutor(self._parallel, thread_name_prefix="run") as pool:
            waiting = {pool.submit(one) for one in work}
            for one in waiting:
                one.add_done_callback(lambda _: progress.advanced())
            try:
                self._await_all(waiting)
            except BaseException as error:
                self._stop_all(waiting, error)
                left = sum(one.cancelled() or one.exception() is not None for one in waiting)
                said = " ".join(filter(None, (self._budget.text, f"{title}: {left:,} of {len(work):,} left.")))
                if isinstance(error, PausedError):
                    error.left = said
                elif isinstance(error, KeyboardInterrupt):
                    error.add_note(said)
                raise
            finally:
                progress.ended()

    def _await_all(self, waiting: set[Future[None]]) -> None:
        while waiting:
            # A wait without an end would not notice Ctrl-C on every platform.
            done, waiting = wait(waiting, timeout=0.5, return_when=FIRST_EXCEPTION)
            for one in done:
                one.result()

    def _stop_all(self, waiting: set[Future[None]], error: BaseException) -> None:
        """Begin nothing more. Calls in flight end and are kept, unless the experiment was interrupted."""
        self._stopped = INTERRUPTED if isinstance(error, KeyboardInterrupt) else f"Another run was stopped: {error}"
        for one in waiting:
            one.cancel()
        if isinstance(error, Exception):
            self._budget.stop(self._stopped)
        else:
            self._interrupt_runs()
        try:
            wait(waiting)
        except KeyboardInterrupt:
            self._interrupt_runs()
            wait(waiting)

    def _interrupt_runs(self) -> None:
        with self._lock:
            self._is_interrupted = True
            for society in self._running:
                society.interrupt()

    def _settle_people(self, progress: Progress) -> None:
        """Grow or sample the personas once."""
        grown = [partial(self._grow_people, name, source) for name, source in self._find_sources().items()]
        if len(self.people) > 1:
            self._run_parallel("People", grown, progress)
        for one in grown if len(self.people) == 1 else ():
            one(progress)

    def _find_sources(self) -> dict[str, Hub | None]:
        """Return where the missing personas come from, by name. None means as the design says.

        As long as a hub has personas left, each replicate samples those that no earlier one has.
        """
        growth = self._experiment.people
        left = {name: path for name, path in self.people.items() if self._status.get(path) != "finished"}
        found: dict[str, Hub | None] = dict.fromkeys(left)
        if growth.hub is None or growth.agents is None or len(self.people) == 1 or not left:
            return found
        some = growth.source(seed=0)
        if not isinstance(some, Hub) or (
            some.drawn and some.drawn.of_people > _MANY * growth.agents * len(self.people)
        ):
            return found  # so many that replicates share hardly anybody
        hub, used = read_hub(growth.hub, select=growth.select), set[str]()
        for name in self.people:
            free = tuple(one for one in hub.personas if one.id not in used)
            if len(free) < growth.agents:
                break
            ids = {one.id for one in free}
            ties = tuple(one for one in hub.relations if one.source in ids and one.target in ids)
            spec = DrawSpec(growth.agents, growth.draw, self._experiment.people_seed(name))
            drawn = draw_from(replace(hub, personas=free, relations=ties), spec)
            used.update(one.id for one in drawn.personas)
            if name in found:
                found[name] = drawn
        return found

    def _grow_people(self, name: str, source: Hub | None, progress: Progress | None = None) -> None:
        experiment = self._experiment
        path = self.people[name]
        _, options = experiment.settings_of(experiment.all_arms[0], self._scenario)
        asked = {one: options[one] for one in ("model", "base_url") if options.get(one) is not None}
        if source is not None and path in self._status and _has_nobody(path):
            remove_database(path)  # stopped before anybody was drawn
            del self._status[path]
        how = {"growth": experiment.people, "seed": experiment.people_seed(name), "out": path, "progress": progress}
        begin = partial(self._make_society, GrowthOnly(), asked, source=source, **how)
        self._continue_run(path, GrowthOnly, asked, begin, progress)

    def _run_replicate(self, arm: Arm, replicate: int) -> None:
        _, options = self._experiment.settings_of(arm, self._scenario)
        begin = partial(self.begin_run, arm, replicate)
        self._continue_run(self.files[arm.name, replicate], self._scenario, options, begin)

    def _continue_run(
        self,
        path: Path,
        scenario: type[Scenario],
        options: Mapping[str, Any],
        begin: Callable[[], Society],
        progress: Progress | None = None,
    ) -> None:
        """Run what is not finished, from where it stopped."""
        if self._stopped:
            raise PausedError(self._stopped)
        if (status := self._status.get(path)) == "finished":
            return
        if status is None:
            society = begin()
        else:
            model = options.get("model")
            society = Society.resume(
                path,
                scenario,
                sources_named=True,
                model=None if isinstance(model, str) else model,  # a name is in the file
                base_url=options.get("base_url"),
                limits=self._limits,
                prices=self._prices,
                cache=self.cache or False,
                progress=progress,
            )
        society.shared_budget = self._budget
        with self._lock:
            self._running.add(society)
        try:
            if self._is_interrupted:
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

    def begin_run(self, arm: Arm, replicate: int) -> Society:
        """Create a run that does not exist yet. Its file is made when it is opened. Raises `SetupError`."""
        experiment = self._experiment
        settings, options = experiment.settings_of(arm, self._scenario)
        return self._make_society(
            self._scenario(settings),
            options,
            growth=_SETTLED.model_copy(update={"hub": self.people[experiment.people_of(arm, replicate)]}),
            seed=experiment.seed_of(arm, replicate),
            steps=experiment.steps,
            out=self.files[arm.name, replicate],
            scenario_file=self._scenario_file,
        )

    def _make_society(self, scenario: Scenario, options: Mapping[str, Any], **how: Any) -> Society:
        sampling = {name: options[name] for name in SAMPLING if name in options}
        how |= {name: value for name, value in options.items() if name not in SAMPLING}
        how["limits"] = Limits.given(**self._limits, **sampling)
        return Society(scenario, prices=self._prices, cache=self.cache, **how)

    def _count_spent(self) -> None:
        """Find out how far each run is, and count what all of them have spent so far."""
        for path in filter(is_made, (*self.people.values(), *self.files.values())):
            with open_run(path) as stored:
                ((self._status[path],),) = stored.query(_STATUS).rows
                (spent,) = stored.query(SPENT, {"job": 1}).rows
            for field, more in zip(fields(Spent), spent, strict=True):
                setattr(self._budget.spent, field.name, getattr(self._budget.spent, field.name) + more)


def check_run(society: Society) -> None:
    """Raise `SetupError` or `SourceError` for errors in a run that can be found before it is opened.

    These are interventions and surveys that would never happen, and a mind the scenario does not have. They are also
    rules that answer no survey, and a network whose file does not exist.
    """
    scenario, config = society.scenario, society.config
    scenario.check_readable()
    check_interventions(scenario, config.steps)
    check_surveys(scenario, config.steps)
    mind = checked_mind(scenario, config)
    check_answers(scenario, is_rule=not isinstance(mind, Mind))
    if (file := parse_network(config.network).file) is not None:
        resolve_file(file)


def _has_nobody(path: Path) -> bool:
    with open_run(path) as stored:
        return not stored.query(_PEOPLE).rows[0][0]
