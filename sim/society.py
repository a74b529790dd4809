"""The society: a Mesa model whose agents are personas, placed on the graph that Persona-to-Persona grew."""

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import count
from math import floor, inf
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self
from uuid import uuid4

import mesa
import orjson
from langchain_core.embeddings import Embeddings
from langchain_core.language_models.chat_models import BaseChatModel

from ..agents.embedding.models import EmbeddingHandle
from ..agents.endpoint.models import ModelHandle
from ..agents.gateway.cache import AnswerCache
from ..agents.gateway.limits import Limits
from ..agents.gateway.prices import Prices
from ..agents.hooks import hook
from ..personas.errors import HookError, PausedError, RunFileError, SetupError, StorageError
from ..personas.inputs import check_seed
from .answered import check_emitted
from .collector import rare_collections
from .declared import declare, declared_rows
from .emitted import Emission, Emitted
from .engine import Engine
from .event_hash import EventHash
from .finished import FinishedRun
from .growing.job import GrowthJob
from .growth import Growth, Source
from .model_setup import ModelSetup
from .progress import Progress, SilentProgress
from .resident import Resident, settle
from .restore import restore
from .runfile import rows
from .runfile.job_rows import job_of
from .runfile.runlog import RunLog
from .scenario import Scenario, check_interventions, check_scenario, check_steps, check_steps_left
from .seeds import derive_seed
from .step import take_step
from .times import now
from .trust import RESUMED, Kind, check_resumed, remember
from .vectors import SocietyVectors
from .versions import versions
from .world import World

if TYPE_CHECKING:
    from ..personas.hub.read import Drawn
    from ..personas.population import PersonaGraph

__all__ = ["Society"]

#: What a resumed run may be given anew.
_CHANGEABLE = ("base_url", "limits", "prices", "cache", "embedding_url")


class Society(mesa.Model):  # type: ignore[misc]  # mesa ships no types
    """Personas who live together, step by step, in one run file.

    `run` does everything: it grows the people, takes the steps and closes the file. For step-by-step work use the
    society in a `with` statement, as any Mesa model: `step()`, `run_for(n)`, `run_model()`, `agents`, `time`. There
    is no further step once `running` is False: when the steps are done, or the scenario has ended.
    """

    def __init__(
        self,
        scenario: Scenario,
        *,
        growth: Growth | None = None,
        seed: int = 0,
        model: str | BaseChatModel | ModelHandle = "procedural",
        base_url: str | Sequence[str] | None = None,
        limits: Limits | None = None,
        prices: Prices | None = None,
        cache: Path | None = None,
        batch: bool = False,
        embeddings: str | Embeddings | EmbeddingHandle | None = None,
        embeddings_url: str | None = None,
        embeddings_prices: Prices | None = None,
        out: Path | str = "run.duckdb",
        steps: int = 8,
        scenario_file: Path | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Nothing is opened or asked yet.

        `model` is a name, or any LangChain chat model; several base URLs share its load. `limits` bound what is sent
        and spent. `prices` are looked up where they are not given. `cache` is a file shared with other runs. With
        `batch`, growth goes through the endpoint's batch interface, and so do the steps of an independent scenario.
        With `embeddings`, an embedding model by name or any of LangChain's, at the model's own address unless
        `embeddings_url` is another, agents are reminded by meaning; without, by words.
        Raises `SetupError` for a model or a number that cannot be.
        """
        check_scenario(scenario)
        declared_rows(scenario)  # what is wrong with it is to be said before anything is asked
        seed, steps = check_seed(seed), check_steps(steps) if scenario.lives else 0
        super().__init__(rng=seed)
        # Mesa has put its own step around ours; one that nothing stops at the end goes around both.
        self.step = partial(self.run_for, 1)  # type: ignore[method-assign]
        self.scenario = scenario
        self.seed = seed
        self.growth = growth or Growth()
        self.path = Path(out)
        self.steps_wanted = steps
        self.world, self.emitted = World(), Emitted()
        self.graph: PersonaGraph
        self.engine: Engine
        self._models = ModelSetup.opened(
            model=model,
            base_url=base_url,
            limits=limits,
            prices=prices,
            cache=cache,
            batch=batch,
            embeddings=embeddings,
            embeddings_url=embeddings_url,
            embeddings_prices=embeddings_prices,
        )
        #: What reminds the residents by meaning; None where words do.
        self.vectors: SocietyVectors | None = None
        #: What the sources of texts passed over, in words; empty where nothing.
        self.passed_over = ""
        self._scenario_file = scenario_file
        self._progress = progress or SilentProgress()
        self._log: RunLog | None = None
        self._residents: dict[str, Resident] = {}
        self._error: BaseException | None = None
        self._restoring = self._is_resumed = self._is_open = False
        #: Those that have been found fit to be offered.
        self.checked_actions = frozenset(scenario.actions)
        self.count_from(emissions=0, messages=0)

    @classmethod
    def resume(
        cls,
        path: Path | str,
        scenario: type[Scenario],
        *,
        model: str | BaseChatModel | ModelHandle | None = None,
        base_url: str | Sequence[str] | None = None,
        limits: Mapping[str, Any] | None = None,
        prices: Prices | None = None,
        cache: Path | Literal[False] | None = None,
        embeddings: str | Embeddings | EmbeddingHandle | None = None,
        embeddings_url: str | None = None,
        embeddings_prices: Prices | None = None,
        steps: int | None = None,
        sources_named: bool = False,
        progress: Progress | None = None,
    ) -> Self:
        """The society of an unfinished run file, ready to `run` on from its last complete step.

        Answers that were paid for in the unfinished step are taken from the file. `model` is needed only where the run
        was begun with a chat model of the caller's own. `limits` holds those that are to change, by name; the others,
        prices and cache (False for none) are the run's own. Of a file that this machine's user did not make, addresses
        and files must be given again (`sources_named`: those it grows from). Raises `RunFileError` when the file is
        none, or when the scenario's world or the embedding model is not the one the run began with.
        """
        log = RunLog.open(Path(path))
        try:
            row = log.run
            stored = Limits.model_validate_json(row.limits) if row.limits else Limits(max_in_flight=row.max_in_flight)
            check_steps_left(steps, lived=log.last_step() or 0, path=path)
            given: dict[Kind, object] = {"address": base_url, "embeddings": embeddings_url, "cache": cache}
            given["source"] = sources_named
            check_resumed(log, row, given, model=model, embeddings=embeddings)
            society = cls(
                scenario(orjson.loads(row.settings)),
                growth=Growth.model_validate_json(row.growth_settings),
                seed=row.seed,
                model=model or row.model,
                base_url=base_url or (row.base_url.split() if row.base_url else None),
                limits=stored.changed(**(limits or {})),
                prices=prices or (Prices(**orjson.loads(row.prices)) if row.prices else None),
                batch=row.batch,
                cache=(Path(row.cache) if row.cache and cache is None else None) or cache or None,
                embeddings=embeddings or row.embedding_model,
                embeddings_url=embeddings_url or row.embedding_url,
                embeddings_prices=embeddings_prices,
                out=path,
                steps=row.steps_wanted if steps is None else steps,
                progress=progress,
            )
            society._models.check_embeddings_of(row, path)
            if society.scenario.world != row.world:
                raise RunFileError(
                    f"The world text of scenario {row.scenario!r} is not the one that {path} began with, so its "
                    f"answers would not fit; resume it with the script as it was, or run anew into another file."
                )
        except BaseException:
            log.close()
            raise
        society._log, society._is_resumed = log, True
        return society

    def run(self) -> FinishedRun:
        """Grow the people, take the steps that are wanted, and close the file.

        Works where an event loop runs already (a notebook). Raises `RunError` when the run fails; what was
        committed stays and can be resumed.
        """
        with self, rare_collections():
            self.run_model()
            event_hash = self.engine.events.hex
        return FinishedRun(self.path, event_hash)

    def step(self) -> None:
        """One step of the society, as long as it is `running`. Raises what went wrong, in every later step too."""
        if self._restoring:
            return
        try:
            self.engine.call(partial(take_step, self, self._mind))
            self.running = self._goes_on()
            self._check_emitted()
        except BaseException as error:  # noqa: BLE001 - Mesa goes dead silently when anything leaves step
            self._error = self._explained(error)
            self.running = False

    def run_model(self) -> None:
        """All steps that there are still to be. Raises `SetupError` when the society is not open."""
        self.run_until(inf)

    def run_for(self, duration: float) -> None:
        """So many steps, or as many as there are still to be. Raises `SetupError` when the society is not open."""
        self.run_until(self.time + duration)

    def run_until(self, end_time: float) -> None:
        """Steps up to this one, or as many as there are. Raises `SetupError` when the society is not open."""
        if not self._is_open:
            raise SetupError("The society is not open, so it takes no step; call run(), or step in `with society:`.")
        self._raise_error()
        while self.running and self.time < end_time:
            super().run_until(min(end_time, floor(self.time) + 1))
            self._raise_error()

    @property
    def residents(self) -> Sequence[Resident]:
        """All agents, in the fixed order in which effects are applied."""
        return tuple(self._residents.values())

    def resident(self, agent: str) -> Resident:
        """The agent with this id. Raises `KeyError` when nobody has it."""
        return self._residents[agent]

    @property
    def emitted_this_step(self) -> Sequence[Emission]:
        """What the step that is being measured, or else the latest, emitted, in the order of agents.

        Raises `RunFileError` when a resumed file's last step cannot be read as the scenario's actions.
        """
        return self.emitted.latest

    def count_from(self, *, emissions: int, messages: int) -> None:
        """Number emissions and messages from behind these."""
        self.next_emission = count(emissions + 1).__next__
        self.next_message = count(messages + 1).__next__

    def __enter__(self) -> Self:
        """Open the run file and the model, grow or restore the people, and stand where the last step ended."""
        if self._is_open:
            raise SetupError("The society is open already; inside `with society:`, call run_model() or step().")
        self._mind = self.scenario.checked_mind()
        # What cannot be read is found before there is a file that would stand in the way of the next try.
        source = self._source() if self._log is None else None
        self._answers = AnswerCache(self._models.cache) if self._models.cache else None
        try:
            log = self._log or RunLog.create(self.path, self._job_row(getattr(source, "drawn", None)))
        except BaseException:
            if self._answers is not None:
                self._answers.close()
            raise
        self.engine = self._engine(log)
        self.vectors = self._vectors()
        try:
            self.engine.__enter__()
            self._note_changes(log)
            self._note_trust(log.run)
            self._populate(log, source)
            self._is_open = True
            self._catch_up()
        except BaseException as error:  # noqa: BLE001 - raised below, as its reader should see it
            failure = self._explained(error)
            self.__exit__(type(failure), failure, failure.__traceback__)
            raise failure from failure.__cause__
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Mark the run finished or failed and close everything. An interrupted run stays open for `resume`."""
        failure = error or self._error
        self._is_open = self.running = False
        try:
            if failure is None:
                self.engine.log.finish("finished", None, self.engine.events.hex)
            elif isinstance(failure, Exception) and not isinstance(failure, StorageError):
                is_paused = isinstance(failure, PausedError)
                self.engine.log.finish("paused" if is_paused else "failed", str(failure), self.engine.events.hex)
        finally:
            self.engine.__exit__(kind, error, trace)

    def _source(self) -> Source:
        check_interventions(self.scenario, self.steps_wanted)
        self.growth.check_readable()
        return self.growth.source(seed=derive_seed(self.seed, "sources"))

    def _vectors(self) -> SocietyVectors | None:
        return SocietyVectors(self.engine.embedder) if self.engine.embedder else None

    def _engine(self, log: RunLog) -> Engine:
        batched = {"growth", "step"} if self.scenario.independent else {"growth"}
        return Engine(
            log,
            self._models.model,
            limits=self._models.limits,
            prices=self._models.prices,
            cache=self._answers,
            batched=frozenset(batched if self._models.batch else ()),
            embeddings=self._models.embeddings,
            embeddings_prices=self._models.embeddings_prices,
            answer_tokens=self.scenario.settings.answer_tokens,
            events=EventHash(log.last_event_hash()),
            progress=self._progress,
        )

    def _note_changes(self, log: RunLog) -> None:
        # A resumed run may be given other numbers than it began with, and goes on with those when it is resumed again.
        job = self._job_row()
        now_is = {name: getattr(job, name) for name in _CHANGEABLE}
        log.commit(statements=log.change(spec={"steps": self.steps_wanted}, **now_is)).result()

    def _note_trust(self, run: rows.RunRow) -> None:
        """Note what was named here, by whoever made this society: of a resumed one, all but its script."""
        remember(run, kinds=RESUMED if self._is_resumed else None)

    def _populate(self, log: RunLog, source: Source | None) -> None:
        growth = self.growth
        job = GrowthJob(self.engine, growth, seed=self.seed, source=source, judges=growth.judges)
        population = self.engine.call(job.run)
        self.passed_over = job.passed_over
        if not self.scenario.lives:
            return
        self.graph = population.graph()
        self._residents = settle(self)
        declare(self, log)
        restore(self, log)

    def _catch_up(self) -> None:
        # Mesa's clock is to show the step at which a resumed society stands.
        if self.world.step:
            self._restoring = True
            self.run_for(self.world.step)
            self._restoring = False
        self.running = self._goes_on()
        if not self.running:
            self._check_emitted()

    def _goes_on(self) -> bool:
        if self.world.step >= self.steps_wanted:
            return False
        with hook(self.scenario, "ended"):
            return not self.scenario.ended(self)

    def _check_emitted(self) -> None:
        if not len(self.emitted):
            check_emitted(self.engine.log, people=len(self.residents), is_over=not self.running)

    def _explained(self, error: BaseException) -> BaseException:
        """The error as its reader should see it."""
        return error.with_way_on(self.path) if isinstance(error, HookError) else error

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error

    def _job_row(self, drawn: "Drawn | None" = None) -> rows.JobRow:
        return job_of(self._run_row(drawn), kind="society" if self.scenario.lives else "growth")

    def _run_row(self, drawn: "Drawn | None" = None) -> rows.RunRow:
        return rows.RunRow(
            run=uuid4().hex,
            scenario=self.scenario.name,
            scenario_file=str(self._scenario_file) if self._scenario_file else None,
            settings=self.scenario.settings.model_dump_json(),
            growth_settings=self.growth.model_dump_json(),
            world=self.scenario.world,
            seed=self.seed,
            steps_wanted=self.steps_wanted,
            versions=orjson.dumps(versions()).decode(),
            status="running",
            reason=None,
            event_hash=None,
            started_at=now(),
            ended_at=None,
            drawn=drawn.as_json() if drawn else None,
            **self._models.columns(),
        )
