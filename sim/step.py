"""The step: intervene, observe, decide, apply, commit. The result depends on the seed and the answers alone."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import cast

from ..agents.action_check import check_actions
from ..agents.action_schema import possible_actions
from ..agents.actions import Action
from ..agents.hooks import hook
from ..agents.mind import Decision, Mind, MindContext, MindState, Rule, decide, decide_by_rule
from ..agents.observation import Observation
from ..personas.errors import RunError
from ..personas.model import Outcome, PersonaModel, RequestContext
from .answered import check_answered
from .effects import Effects
from .emitted import Emitted
from .engine import Engine
from .executor import AsyncioExecutor, Executor
from .observe import cue_of, observe
from .recall import EmbeddingRecall
from .resident import Resident, SocietyView
from .runfile import rows
from .scenario import Scenario, Settings
from .seeds import derive_seed, rng_for
from .state import SocietyState, emitted_in, read_world
from .times import now

__all__ = ["PAGE", "Stepper", "Turn", "TurnWork"]

#: Residents of a page: the most whose turns are in memory where turns of a step are independent of each other.
PAGE = 10_000

_PAGES = "WHERE job = $job AND phase = 'step' AND number = $step AND chunk > 0 ORDER BY chunk"


@dataclass(frozen=True, slots=True)
class Turn:
    """One agent's turn, as plain data: what it sees and what it may do."""

    observation: Observation
    offered: tuple[type[Action], ...]
    context: RequestContext


class TurnWork:
    """An agent's decision as a function of its turn; the emissions before the step are the snapshot it compares with.

    Pickled, it is the scenario's class and settings, and the snapshot: another process makes the mind for itself.
    """

    def __init__(self, scenario: Scenario, emitted: Emitted, mind: Mind | Rule | None = None) -> None:
        self._scenario = scenario
        self._emitted = emitted
        self._mind = mind or scenario.checked_mind()

    def __reduce__(self) -> tuple[Callable[..., "TurnWork"], tuple[type[Scenario], Settings, Emitted]]:
        return _work, (type(self._scenario), self._scenario.settings, self._emitted)

    async def __call__(self, item: Turn, model: PersonaModel) -> Decision:
        """What the agent does. Raises `RunError` when no call can succeed; other faults of a mind are decisions."""
        state = MindState(observation=item.observation, offered=item.offered, request_context=item.context)
        context = MindContext(model, self._scenario.world, self._emitted.earlier)
        if not hasattr(self._mind, "ainvoke"):
            return decide_by_rule(self._mind, state)
        try:
            return await decide(cast("Mind", self._mind), state, context)
        except RunError:
            raise
        except Exception as error:  # noqa: BLE001 - a mind can be a scenario's own; its fault is this agent's alone
            return Decision(None, Outcome.MODEL_ERROR, f"The mind failed with {type(error).__name__}: {error}.")


def _work(scenario: type[Scenario], settings: Settings, emitted: Emitted) -> TurnWork:
    return TurnWork(scenario(settings), emitted)


def _counts(acted: int) -> str:
    return f'{{"acted":{acted}}}'


class Stepper:
    """Takes the steps of one society."""

    def __init__(
        self,
        state: SocietyState,
        view: SocietyView,
        engine: Engine,
        mind: Mind | Rule,
        *,
        recall: EmbeddingRecall | None = None,
        executor: Executor | None = None,
    ) -> None:
        """`view` is what the scenario is shown; `executor` runs the turns, in this process if None."""
        self._state = state
        self._view = view
        self._engine = engine
        self._mind = mind
        self._recall = recall
        self._executor = executor or AsyncioExecutor(engine.gateway, workers=engine.workers("step"))
        self._committing: asyncio.Task[None] | None = None
        #: Actions that were checked when the society was made.
        self._checked = frozenset(state.scenario.actions)

    async def take(self) -> None:
        """Take the society one step further, and hand the step over to be committed.

        The next step may begin before this one is durable (`flush` waits for that), but its rows come after it.
        Raises `RunError` without committing when the endpoint gave nobody an answer: a resumed run tries again.
        """
        started, state = now(), self._state
        world = state.world
        world.begin(world.step + 1)
        effects = self._begun()
        residents = self._active()
        self._engine.progress.began(f"Step {world.step}", len(residents))
        if self._is_paged(residents):
            await self._take_pages(effects, residents, started)
            return
        active = await self._take_turns(effects, residents)
        effects.deliver(effects.messages)
        effects.measure()
        happened = [world.model_dump(mode="json"), *effects.events]
        await self._hand_over(effects, self._marker(effects, active, started, happened))

    def _begun(self) -> Effects:
        """What interventions and visits do, before any agent observes."""
        state = self._state
        effects = Effects(state, self._view, model=self._engine.model.name)
        effects.intervene()
        with hook(state.scenario, "visits"):
            for visit in state.scenario.visits(self._view, rng_for(state.seed, "visits", state.world.step)):
                effects.visit(visit)
        return effects

    async def _take_turns(self, effects: Effects, residents: Sequence[Resident]) -> int:
        """Have these residents take their turns; gives how many had one."""
        effects.unembedded += await self._remind(residents)
        decided = await self._decide(residents)
        ended = [(decision.outcome, decision.reason) for _, decision in decided]
        check_answered(f"step {self._state.world.step}", ended)
        for turn, decision in decided:
            effects.take_turn(turn.observation, decision)
        effects.compare()
        return len(decided)

    def _is_paged(self, residents: Sequence[Resident]) -> bool:
        """Whether the step is committed page by page: a page then depends on nothing but those before it."""
        scenario = self._state.scenario
        is_alone = scenario.independent and not any(action.addressed for action in scenario.actions)
        # States are written when a step ends, and visitors are heard in the step in which they speak.
        is_simple = scenario.agent_state_type is None and type(scenario).visits is Scenario.visits
        return is_alone and is_simple and len(residents) > PAGE

    async def _take_pages(self, effects: Effects, residents: Sequence[Resident], started: datetime) -> None:
        """Take a step in pages, from behind those that an earlier session completed; each has a marker of its own."""
        state, engine = self._state, self._engine
        step = state.world.step
        complete = engine.log.rows(rows.MarkerRow, _PAGES, {"job": engine.log.job, "step": step})
        at = int(complete[-1].position or 0) if complete else 0
        happened: list[object] = [] if complete else [state.world.model_dump(mode="json")]
        said: list[rows.MessageRow] = []
        if complete:
            effects.clear()
            state.world = read_world(complete[-1].state or "", state.scenario)
            said = state.take_heard(step)
        for _ in range(at):
            engine.progress.advanced()
        while at < len(residents):
            page, begun = residents[at : at + PAGE], now()
            engine.recall("step", step, [resident.id for resident in page])
            active = await self._take_turns(effects, page)
            at += len(page)
            marker = self._marker(effects, active, begun, [*happened, *effects.events])
            complete.append(replace(marker, chunk=len(complete) + 1, position=str(at)))
            await self._hand_over(effects, complete[-1])
            said += effects.messages
            effects, happened = Effects(state, self._view, model=engine.model.name), []
        await self.flush()
        effects.deliver(said)
        state.emitted.note_latest(partial(emitted_in, engine.log, step, state.scenario))
        effects.measure()
        whole = self._marker(effects, sum(page.items for page in complete), started, effects.events)
        acted = sum(page.count("acted") for page in complete)
        failed = sum(page.failed for page in complete)
        await self._hand_over(effects, replace(whole, failed=failed, counts=_counts(acted)))

    def _marker(self, effects: Effects, active: int, started: datetime, happened: Sequence[object]) -> rows.MarkerRow:
        return rows.MarkerRow(
            phase="step",
            number=self._state.world.step,
            chunk=0,
            items=active,
            failed=len(effects.failures),
            state=self._state.world.model_dump_json(),
            counts=_counts(len(effects.emissions)),
            started_at=started,
            ended_at=now(),
            event_hash=self._engine.events.extend(happened),
            job=self._engine.log.job,
        )

    async def _hand_over(self, effects: Effects, marker: rows.MarkerRow) -> None:
        """Have the rows committed while the next turns are taken; what was handed over before is durable then."""
        await self.flush()
        self._committing = asyncio.create_task(self._engine.commit(*effects.all_rows, marker, finished=None))
        # Where the next step fails too, nobody may ask how the commit ended.
        self._committing.add_done_callback(lambda task: task.cancelled() or task.exception())
        # The task hands its rows over when it first runs, and with that before anything of the next step.
        await asyncio.sleep(0)

    @property
    def is_committing(self) -> bool:
        """Whether the latest step may not be durable yet."""
        return self._committing is not None

    async def flush(self) -> None:
        """Wait until all steps so far are durable. Raises `StorageError`."""
        if self._committing is not None:
            committing, self._committing = self._committing, None
            await committing

    def _active(self) -> list[Resident]:
        state = self._state
        with hook(state.scenario, "active"):
            residents = list(state.scenario.active(self._view, rng_for(state.seed, "active", state.world.step)))
            known = set(map(id, state.residents.values()))
            if strangers := [one for one in residents if id(one) not in known]:
                raise TypeError(f"it must give residents of the society, and gave {strangers[0]!r}")
        return residents

    async def _remind(self, residents: Sequence[Resident]) -> list[rows.FailureRow]:
        """Fetch the vectors for recall by meaning; gives the rows of agents for whom that failed."""
        if self._recall is None:
            return []
        state = self._state
        return await self._recall.prepare(
            [(resident, cue_of(state, resident)) for resident in residents],
            recalled=state.scenario.settings.recalled,
            step=state.world.step,
            seed=derive_seed(state.seed, "embedding", state.world.step) >> 32,
        )

    async def _decide(self, residents: Sequence[Resident]) -> list[tuple[Turn, Decision]]:
        """The turns of all who can do something, in their order, and what each decides."""
        engine, state = self._engine, self._state
        turns: list[Turn] = []
        work = TurnWork(state.scenario, state.emitted, self._mind)
        done = await self._executor.map(
            work, self._turns(residents, turns.append, engine.progress.advanced), done=engine.progress.advanced
        )
        for one in done:
            engine.record(one.calls)
        return list(zip(turns, (one.result for one in done), strict=True))

    def _turns(
        self, residents: Sequence[Resident], began: Callable[[Turn], None], passed: Callable[[], None]
    ) -> Iterator[Turn]:
        """The turns of those who can do something; agents observe one snapshot, so each may do so when it is asked."""
        for resident in residents:
            turn = self._turn(resident)
            if turn is None:
                passed()
            else:
                began(turn)
                yield turn

    def _turn(self, resident: Resident) -> Turn | None:
        """The resident's turn; None when there is nothing that it could do."""
        step, seed = self._state.world.step, self._state.seed
        observation = observe(self._state, resident, self._recall)
        offered = possible_actions(self._offer(resident, observation), observation.addressees)
        if not offered:
            return None
        drawn = derive_seed(seed, "step", step, resident.id) >> 32  # endpoints take 31 bits
        return Turn(observation, offered, RequestContext("step", step, resident.id, drawn))

    def _offer(self, resident: Resident, observation: Observation) -> tuple[type[Action], ...]:
        scenario = self._state.scenario
        rng = rng_for(self._state.seed, "offer", self._state.world.step, resident.id)
        with hook(scenario, "offer"):
            offered = tuple(scenario.offer(resident, observation, rng))
            if not frozenset(offered) <= self._checked:
                check_actions(offered, where=f"`offer` of {type(scenario).__name__}")
        return offered
