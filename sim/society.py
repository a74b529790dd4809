"""The society: a Mesa model whose agents are personas, placed on the graph that Persona-to-Persona grew."""

from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from math import floor, inf
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, Unpack

import orjson

from ..agents.gateway.cache import AnswerCache
from ..agents.gateway.client import Gateway
from ..agents.gateway.limits import Limits
from ..core.errors import HookError, SetupError, StorageError, hook
from ..personas.persona import NameBook
from ..personas.population import PersonaGraph
from .config import ModelOptions, RunConfig, RunOptions, split_models
from .details import PeopleDetails
from .dynamics.network import draw_network, opened_source
from .dynamics.world import World
from .emitted import Emission, check_emitted
from .engine import Engine, Executor, rare_collections
from .growth import Growth, GrowthSource
from .growth.job import GrowthJob
from .growth.stored import begin_extension, remove_unanswered, with_arrivals
from .mesa import Model
from .observe import EmbeddingRecall, keep_descriptions
from .resident import Resident
from .run_models import RunModels
from .runfile.job_rows import JobRow
from .runfile.reader import FinishedRun, open_run, run_of
from .runfile.runlog import RunLog
from .scenario import Scenario, check_interventions, check_scenario, check_surveys
from .settling import check_played, check_prompts, checked_mind, declare, declared_rows, settle
from .state import SocietyState, restore
from .step import StepContext, take_step
from .survey.phase import batched_phases
from .tasks.task import Task, prepare_task
from .tasks.yields import YieldWatch
from .trust import check_resumed, note_trust

if TYPE_CHECKING:
    from ..agents.gateway.budget import Budget

#: Options that may be given again when a run is resumed.
_CHANGEABLE = ("base_url", "limits", "prices", "cache", "embedding_url")


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat:
    """What a replay puts in the place of models and texts."""

    #: The run that is repeated.
    job: JobRow
    #: Answers requests from the recording.
    gateway: Gateway
    #: Ranks notes by recorded vectors; None for recall by words.
    recall: EmbeddingRecall | None
    #: How growth was extended, and from what.
    extensions: Sequence[tuple[Growth, GrowthSource]]
    #: The open file of a fork, in the state that it began with.
    store: RunLog | None


class Society(Model):  # type: ignore[misc]  # mesa ships no types
    """Personas who live together, step by step, in one run file.

    `run` does everything: it grows the people, takes the steps and closes the file. For step-by-step work use the
    society in a `with` statement, as any Mesa model: `step()`, `run_for(n)`, `run_model()`, `agents`, `time`. There
    is no further step once `running` is False: when the steps are done, or the scenario has ended.
    """

    def __init__(
        self,
        scenario: Scenario,
        config: RunConfig | None = None,
        *,
        out: Path | str = "run.duckdb",
        source: GrowthSource | None = None,
        executor: Executor | None = None,
        repeat: Repeat | None = None,
        **options: Unpack[RunOptions],
    ) -> None:
        """Check and store the configuration. Nothing is opened and no model is asked yet.

        All fields of `config` can also be given as keywords, for example `growth=Growth(agents=24), steps=3`. See
        `RunConfig` for the fields, and `ModelOptions` for the models. With `embeddings`, agents recall notes by
        meaning, otherwise by words. `solver` and `grader` are the models that checks and stages ask by role, under the
        same budget. They default to `model`.

        `source` is where personas come from, if not from `growth`; `executor` runs turns. `repeat` is the run that a
        replay repeats. Raises `SetupError` for an invalid model or number.
        """
        check_scenario(scenario)
        declared_rows(scenario)  # malformed questions are reported before anything is asked
        progress = options.pop("progress", None)
        given, own = split_models(options)
        config = (config or RunConfig()).changed(
            **given | {"steps": scenario.most_steps or given.get("steps")},
            scenario=scenario.name,
            settings=scenario.settings.model_dump(mode="json"),
        )
        check_prompts(scenario, config.mind)
        super().__init__(rng=config.seed)
        # Mesa has put its own step around ours; one that nothing stops at the end goes around both.
        self.step = partial(self.run_for, 1)  # type: ignore[method-assign]
        self._models = RunModels.opened(
            config, model=own.pop("model", None), embeddings=own.pop("embeddings", None), roles=own
        )
        #: All that the run is made with.
        self.config = self._models.named_in(config)
        self.scenario, self.seed, self.path = scenario, config.seed, Path(out)
        self.steps_wanted = self.config.steps if scenario.takes_steps else 0
        self.state = SocietyState(scenario, seed=config.seed, judges=config.growth.judges(self.path))
        self._source, self._executor, self._repeat = source, executor, repeat
        self._progress = progress
        self._error: BaseException | None = None
        #: The budget that it shares with other runs, if any; set before it is opened.
        self.shared_budget: Budget | None = None
        self._restoring = self._is_resumed = self._is_open = self._is_interrupted = False

    @classmethod
    def resume(
        cls,
        path: Path | str,
        scenario: type[Scenario],
        *,
        steps: int | None = None,
        sources_named: bool = False,
        **options: Unpack[ModelOptions],
    ) -> Self:
        """Return the society of an unfinished run file, ready to `run` from its last complete step.

        Answers already paid for in the unfinished step are read from the file. `model`, `solver` and `grader` are
        needed only if the run began with a chat model of the caller's own, or to give their new addresses. `limits`
        holds the limits to change. Other limits, prices and cache (False for none) stay as they were.

        For a file that this machine's user did not make, addresses and files must be given again (`sources_named` are
        those it grows from). Raises `RunFileError` if the file is not a run file, or if the scenario's world or the
        embedding model differs from the run's. Raises `SetupError` if the sampling differs. `run` or `with` opens the
        file for writing.
        """
        cache, limits = options.pop("cache", None), options.pop("limits", None) or {}
        changed = limits.model_dump(exclude_unset=True) if isinstance(limits, Limits) else limits
        with open_run(path) as reader:
            row, stored = run_of(reader), RunConfig.read_resumed(reader, changed, steps=steps)
            check_resumed(reader, {**options, "cache": cache, "sources_named": sources_named})
        config = stored if cache is not False else stored.model_copy(update={"cache": None})
        options["cache"] = cache or None
        society = cls(scenario(stored.settings), config, out=path, **options)
        society._models.check_continues(row, path, world=society.scenario.world)
        society._is_resumed = True
        return society

    @property
    def is_language_model(self) -> bool:
        """Whether a language model is asked, in any role; the stand-in is none."""
        return self._models.is_language_model

    def check_priced(self, limits: Limits) -> None:
        """Raise `SetupError` if these limits cap the cost and a model has no known price."""
        self._models.check(limits)

    def run(self) -> FinishedRun:
        """Grow the personas, take all steps, and close the file.

        Works inside a running event loop, for example in a notebook. Raises `RunError` if the run fails. What was
        committed stays and can be resumed.
        """
        with self:
            self.run_model()
            event_hash = self.engine.events.hex
        return FinishedRun(self.path, event_hash)

    def step(self) -> None:
        """Take one step while the society is `running`. Raises what went wrong, also in every later step."""
        if self._restoring:
            return
        try:
            self.engine.call(partial(take_step, self._steps))
            self.running = self._goes_on()
            self._check_emitted()
        except BaseException as error:  # noqa: BLE001 - Mesa goes dead silently when anything leaves step
            self._error = self._explain_error(error)
            self.running = False

    def run_model(self) -> None:
        """Take all remaining steps. Raises `SetupError` if the society is not open."""
        self.run_until(inf)

    def interrupt(self) -> None:
        """Pause the run from any thread. `run` then raises `PausedError`, and the file can be resumed."""
        self._is_interrupted = True
        if hasattr(self, "engine"):
            self.engine.interrupt()

    def run_for(self, duration: float) -> None:
        """Take `duration` steps, or as many as remain. Raises `SetupError` if the society is not open."""
        self.run_until(self.time + duration)

    def run_until(self, end_time: float) -> None:
        """Take steps up to `end_time`, or as many as remain. Raises `SetupError` if the society is not open."""
        if not self._is_open:
            raise SetupError("The society is not open, so it takes no step; call run(), or step in `with society:`.")
        self._raise_error()
        with rare_collections(ruled=len(self.residents) if self._steps.is_rule else 0):
            while self.running and self.time < end_time:
                super().run_until(min(end_time, floor(self.time) + 1))
                self._raise_error()
        self._flush_commits()

    @property
    def world(self) -> World:
        """The state of the world; only interventions change it."""
        return self.state.world

    @property
    def graph(self) -> PersonaGraph:
        """Who is related to whom; empty until the society is open."""
        return self.state.graph

    @property
    def residents(self) -> Sequence[Resident]:
        """All agents who live there, in the order in which they came."""
        return self.state.present

    @property
    def newest(self) -> deque[bool]:
        """Of the latest 500 outputs, oldest first, whether each was new: no near-duplicate of an earlier one."""
        return self.state.newest

    def resident(self, agent: str) -> Resident:
        """Return the agent with this id. Raises `KeyError` for an unknown id."""
        return self.state.residents[agent]

    @property
    def emitted_this_step(self) -> Sequence[Emission]:
        """What the step that is being measured, or else the latest, emitted. Raises `RunFileError`."""
        return self.state.emitted.latest

    def __enter__(self) -> Self:
        """Open the run file and the model, grow or restore the personas, and continue after the last step."""
        if self._is_open:
            raise SetupError("The society is open already; inside `with society:`, call run_model() or step().")
        mind = checked_mind(self.scenario, self.config)
        # What cannot be read is found before a file is made, which the next attempt would refuse.
        source = None if self._repeated_store or self._is_resumed else self._opened_source()
        with ExitStack() as opened:
            cache = opened.enter_context(closing(AnswerCache.shared(self.config.cache))) if self.config.cache else None
            log = opened.enter_context(self._opened_log(source))
            self.engine = self._make_engine(log, cache)
            recall = self._repeat.recall if self._repeat else None
            recall = recall or (EmbeddingRecall(self.engine.embedder) if self.engine.embedder else None)
            self._steps = StepContext(self.state, self, self.engine, mind, self.config, recall, self._executor)
            opened.pop_all()
        if self._is_interrupted:
            self.engine.interrupt()
        try:
            self.engine.__enter__()
            self._note_changes(log)
            note_trust(log.job_row, repeats=self._repeat.job if self._repeat else None, is_resumed=self._is_resumed)
            self._populate_society(log, source)
            self._is_open = True
            self._catch_up()
        except BaseException as error:  # noqa: BLE001 - raised below, as its reader should see it
            failure = self._explain_error(error)
            self.__exit__(type(failure), failure, failure.__traceback__)
            raise failure from failure.__cause__
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Mark the run as finished, paused (also by Ctrl-C) or failed, and close everything."""
        failure = error or self._error
        self._is_open = self.running = self.engine.is_interruptible = False
        try:
            if not isinstance(failure, StorageError):
                self._flush_commits()  # the step before the one that failed
                keep_descriptions(self.state, self.engine.log, is_over=failure is None)
            self.engine.finish(failure, left=self.state.still_to_do(self.steps_wanted))
        finally:
            self.engine.__exit__(kind, error, trace)
        # A replay and an experiment read the files of their failed runs.
        is_given = self._repeat is None and self.shared_budget is None
        if failure is not None and is_given and not self._is_resumed:
            remove_unanswered(self.path, is_refused=isinstance(failure, SetupError))

    @property
    def _repeated_store(self) -> RunLog | None:
        return self._repeat.store if self._repeat else None

    def _flush_commits(self) -> None:
        if self.engine.is_committing:
            self.engine.call(self.engine.flush)

    def _opened_log(self, source: GrowthSource | None) -> RunLog:
        if self._is_resumed:
            return RunLog.open(self.path)
        drawn = getattr(source, "drawn", None)
        job = self._models.job(self.config, self.scenario, drawn=orjson.loads(drawn.as_json()) if drawn else None)
        return self._repeated_store or RunLog.create(self.path, job)

    def _opened_source(self) -> GrowthSource:
        if self._source is not None:
            return self._source
        check_interventions(self.scenario, self.steps_wanted)
        check_surveys(self.scenario, self.steps_wanted)
        return opened_source(self.config, self.scenario)

    def _make_engine(self, log: RunLog, cache: AnswerCache | None) -> Engine:
        return Engine(
            log,
            self._models,
            limits=self.config.limits,
            cache=cache,
            batched=batched_phases(self.scenario) if self.config.batch else frozenset(),
            answer_tokens=self.scenario.settings.answer_tokens,
            progress=self._progress,
            gateway=self._repeat.gateway if self._repeat else None,
            shared_budget=self.shared_budget,
        )

    def _note_changes(self, log: RunLog) -> None:
        # A resumed run may be given other numbers than it began with, and goes on with those when it is resumed again.
        job = self._models.job(self.config, self.scenario)
        spec: dict[str, object] = {"steps": self.steps_wanted}
        if roles := self.config.dumped_roles:
            spec["roles"] = roles
        log.commit(statements=log.change(spec=spec, **{name: getattr(job, name) for name in _CHANGEABLE})).result()

    def _populate_society(self, log: RunLog, source: GrowthSource | None) -> None:
        graph = self._grow_people(source)
        for growth, more in self._repeat.extensions if self._repeat else ():
            self.config = self.config.model_copy(update={"growth": growth})
            begin_extension(log, growth)
            graph = self._grow_people(more)
        if not self.scenario.takes_steps:
            return
        self.state.names = NameBook() if self.scenario.observes and not self._steps.is_rule else None
        self.state.graph = with_arrivals(graph, log)
        self.state.residents = settle(self, self.state, PeopleDetails(log))
        declare(self.state, log)
        check_played(self.state, self.config.play)
        self.engine.call(partial(draw_network, self.engine, self.state, self.config.network, self._steps.recall))
        restore(self.state, self, log)
        if isinstance(self.scenario, Task):
            self.engine.call(partial(prepare_task, self.engine, self.scenario, self.state, self._steps.recall))
            self.state.yields = YieldWatch(
                log, max_rejected=self.config.limits.max_rejected, min_yield=self.config.limits.min_yield
            )

    def _grow_people(self, source: GrowthSource | None) -> PersonaGraph:
        recorded = source if self._repeat is not None and isinstance(source, list) else None
        job = GrowthJob(self.engine, self.config.growth, seed=self.seed, source=source, recorded=recorded)
        population = self.engine.call(job.run)
        return population.graph() if self.scenario.takes_steps else PersonaGraph({}, ())

    def _catch_up(self) -> None:
        # Mesa's clock is to show the step at which a resumed society stands.
        if self.world.step:
            self._restoring = True
            self.run_for(self.world.step)
            self._restoring = False
        self.engine.call(self._steps.ask_surveys)
        self.running = self._goes_on()
        if not self.running:
            self._check_emitted()

    def _goes_on(self) -> bool:
        if self.world.step >= self.steps_wanted or (self.state.times is not None and self.state.times.is_over):
            return False
        with hook(self.scenario, "ended"):
            has_ended = self.scenario.ended(self)
        if self.state.yields is not None and not has_ended:
            self.state.yields.check(sum(one.accepted for one in self.residents))
        return not has_ended

    def _check_emitted(self) -> None:
        # A replay repeats a run in which every turn failed.
        if self._repeat is None and not self.state.has_emitted:
            self._flush_commits()
            check_emitted(self.engine.log, people=len(self.residents), is_over=not self.running)

    def _explain_error(self, error: BaseException) -> BaseException:
        """Add to a `HookError` how to continue the run. Other errors are returned as they are.

        In a replay, whose file cannot be continued, every error is returned as it is.
        """
        return error.with_way_on(self.path) if self._repeat is None and isinstance(error, HookError) else error

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error
