"""The step: intervene, observe, decide, apply, commit. The result depends on the seed and the answers alone.

Each step is a phase of the society's job. Its commit overlaps with the turns of the next one.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from shlex import quote
from typing import cast

from ..agents.action_check import check_actions, novelty_of
from ..agents.action_schema import possible_actions
from ..agents.actions import Action
from ..agents.mind import Decision, Mind, MindContext, MindState, Rule, decide, decide_by_rule
from ..agents.observation import Observation
from ..personas.errors import RunError, hook
from ..personas.model import Outcome, PersonaModel, RequestContext
from .effects import Effects
from .emitted import Emitted
from .engine import Engine
from .executor import Executor
from .jobs import Changes, Chunks, Phase, run_phase, worked
from .observe import EmbeddingRecall, cue_of, observe
from .resident import Resident, SocietyView
from .runfile import job_rows, rows
from .runfile.job_rows import Unit
from .runfile.runlog import RunLog
from .scenario import Scenario, Settings
from .seeds import derive_seed, rng_for
from .state import SocietyState, count_outputs, emitted_in, read_world

#: Residents of a page: the most whose turns are in memory where turns of a step are independent of each other.
PAGE = 10_000


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
        self._mind = scenario.checked_mind() if mind is None else mind

    def __reduce__(self) -> tuple[Callable[..., "TurnWork"], tuple[type[Scenario], Settings, Emitted]]:
        return _work, (type(self._scenario), self._scenario.settings, self._emitted)

    async def __call__(self, item: Turn, model: PersonaModel) -> Decision:
        """What the agent does. Raises `RunError` when no call can succeed; other faults of a mind are decisions."""
        state = MindState(observation=item.observation, offered=item.offered, request_context=item.context)
        context = MindContext(model, self._scenario.world, self._emitted.earlier)
        if self._mind is not None and not hasattr(self._mind, "ainvoke"):
            return decide_by_rule(self._mind, state)
        try:
            return await decide(cast("Mind | None", self._mind), state, context)
        except RunError:
            raise
        except Exception as error:  # noqa: BLE001 - a mind can be a scenario's own; its fault is this agent's alone
            return Decision(None, Outcome.MODEL_ERROR, f"The mind failed with {type(error).__name__}: {error}.")


def _work(scenario: type[Scenario], settings: Settings, emitted: Emitted) -> TurnWork:
    return TurnWork(scenario(settings), emitted)


@dataclass(frozen=True, slots=True)
class StepContext:
    """What all steps of a society work on."""

    state: SocietyState
    #: What the scenario is shown.
    view: SocietyView
    engine: Engine
    mind: Mind | Rule | None
    recall: EmbeddingRecall | None = None
    #: Runs the turns; None in this process.
    executor: Executor | None = None


async def take_step(context: StepContext) -> None:
    """Take the society one step further, and hand the step over to be committed.

    The next step may begin before this one is durable (`Engine.flush` waits for that), but its rows come after it.
    Raises `RunError` without committing when the endpoint answered no request: a resumed run tries again.
    """
    world = context.state.world
    world.begin(world.step + 1)
    await run_phase(context.engine, StepPhase(context), executor=context.executor)


class StepPhase(Phase[Resident, tuple[Turn, Decision] | None]):
    """One step: all who are active observe one snapshot and decide, and what they do is applied in their order.

    Where turns are independent, those of many are committed in pages; else the step is one chunk.
    """

    name = "step"
    unit = Unit.STEP
    looks_ahead = False
    overlaps = True

    def __init__(self, context: StepContext) -> None:
        """Applies what interventions and visits do, before any agent observes."""
        self._context = context
        self._state = state = context.state
        self.number = state.world.step
        self._effects = Effects(state, context.view, model=context.engine.model.name)
        self._effects.intervene()
        with hook(state.scenario, "visits"):
            for visit in state.scenario.visits(context.view, rng_for(state.seed, "visits", self.number)):
                self._effects.visit(visit)
        self._residents = self._active()
        self.chunk = PAGE if self._is_paged() else None
        #: Residents that were taken, and turns of the page.
        self._taken = self._turns = 0
        #: Lines of earlier pages, which are heard when the step has ended.
        self._said: list[rows.MessageRow] = []
        self._is_begun = False

    def begin(self, chunks: Chunks) -> None:
        """Continue after the pages that an earlier session completed."""
        progress, state = self._context.engine.progress, self._state
        progress.began(f"Step {self.number}", len(self._residents))
        if not chunks.complete:
            return
        self._is_begun = True
        count_outputs(state, self._context.engine.log, first=self.number, last=self.number)
        self._effects.clear()
        state.world = read_world(chunks.complete[-1].state or "", state.scenario)
        self._said = state.take_heard(self.number)
        self._taken = int(chunks.position or 0)
        for _ in range(self._taken):
            progress.advanced()

    def take(self, chunks: Chunks, most: int) -> Sequence[Resident]:
        """The next of those who are active."""
        taken = self._residents[self._taken : self._taken + most]
        self._taken += len(taken)
        return taken

    def owner(self, item: Resident) -> str:
        """The agent."""
        return item.id

    async def results(
        self, items: Sequence[Resident], executor: Executor, engine: Engine
    ) -> list[tuple[Turn, Decision] | None]:
        """The turn of each and what it decided; None for those who could do nothing."""
        self._effects.unembedded += await self._remind(items)
        turns: list[Turn | None] = []
        work = TurnWork(self._state.scenario, self._state.emitted, self._context.mind)
        decisions = iter(await worked(work, self._observed(items, turns), executor, engine))
        taken = [None if turn is None else (turn, next(decisions)) for turn in turns]
        await self._embed([one for one in taken if one is not None])
        return taken

    def outcome(self, result: tuple[Turn, Decision] | None) -> tuple[Outcome, str] | None:
        """How the turn ended."""
        return None if result is None else (result[1].outcome, result[1].reason)

    def apply(self, items: Sequence[Resident], results: Sequence[tuple[Turn, Decision] | None]) -> None:
        """Do what was decided, then compare what was emitted with everything before it."""
        for taken in results:
            if taken is not None:
                self._effects.take_turn(taken[0].observation, taken[1])
                self._turns += 1
        self._effects.compare()

    async def check(self, chunks: Chunks) -> None:
        """Commit the last page: the measures of the step may read all of it."""
        if self.chunk is not None and self._taken == len(self._residents) and not chunks.is_between:
            await chunks.commit(self.collect())
            await self._context.engine.flush()

    def collect(self) -> Changes:
        """The results of turns: those of a page, or with deliveries and measures those of the step."""
        if self.chunk is None:
            self._end(self._effects.messages)
            return self._changes()
        changes = self._changes()
        self._said += self._effects.messages
        self._effects = Effects(self._state, self._context.view, model=self._context.engine.model.name)
        return changes

    def conclude(self) -> Changes:
        """Deliveries and measures, once all pages are committed."""
        log, scenario = self._context.engine.log, self._state.scenario
        self._state.emitted.note_latest(partial(emitted_in, log, self.number, scenario))
        self._end(self._said)
        return self._changes()

    def _end(self, said: Sequence[rows.MessageRow]) -> None:
        self._effects.deliver(said)
        self._effects.measure()

    def _changes(self) -> Changes:
        effects, world = self._effects, self._state.world
        first = [] if self._is_begun else [world.model_dump(mode="json")]
        self._is_begun, turns, self._turns = True, self._turns, 0
        return Changes(
            rows=effects.all_rows,
            items=turns,
            events=[*first, *effects.events],
            failed=len(effects.failures),
            counts={"acted": len(effects.emissions)},
            state=world.model_dump_json(),
            position=None if self.chunk is None else str(self._taken),
        )

    def _active(self) -> Sequence[Resident]:
        state = self._state
        with hook(state.scenario, "active"):
            residents = list(state.scenario.active(self._context.view, rng_for(state.seed, "active", self.number)))
            known = set(map(id, state.residents.values()))
            if strangers := [one for one in residents if id(one) not in known]:
                raise TypeError(f"it must give residents of the society, and gave {strangers[0]!r}")
        return residents

    def _is_paged(self) -> bool:
        """Whether the step is committed page by page: a page then depends on nothing but those before it."""
        scenario = self._state.scenario
        is_alone = scenario.independent and not any(action.addressed for action in scenario.actions)
        # States are written when a step ends, and visitors are heard in the step in which they speak.
        is_simple = scenario.agent_state_type is None and type(scenario).visits is Scenario.visits
        return is_alone and is_simple and len(self._residents) > PAGE

    async def _remind(self, residents: Sequence[Resident]) -> list[job_rows.FailureRow]:
        """Fetch the vectors for recall by meaning; gives the rows of agents for whom that failed."""
        recall, state = self._context.recall, self._state
        if recall is None:
            return []
        return await recall.prepare(
            [(resident, cue_of(state, resident)) for resident in residents],
            recalled=state.scenario.settings.recalled,
            step=self.number,
            seed=derive_seed(state.seed, "embedding", self.number) >> 32,
        )

    async def _embed(self, taken: Sequence[tuple[Turn, Decision]]) -> None:
        """Fetch the vectors of what was decided, where outputs are compared by them."""
        recall = self._context.recall
        if recall is None or self._state.similar is None:
            return
        made = [(turn.observation.agent, decision.action) for turn, decision in taken]
        texts = [
            (agent, action.emitted_text)
            for agent, action in made
            if action is not None and novelty_of(type(action)) != "none"
        ]
        seed = derive_seed(self._state.seed, "embedding", self.number) >> 32
        vectors, lost = await recall.embed_outputs(texts, step=self.number, seed=seed)
        self._effects.vectors |= vectors
        self._effects.unembedded += lost

    def _observed(self, residents: Sequence[Resident], turns: list[Turn | None]) -> Iterator[Turn]:
        """The turns of those who can do something, all of them noted in `turns`.

        Agents observe one snapshot, so each does so when it is asked: the first calls need not wait for all.
        """
        for resident in residents:
            turn = self._turn(resident)
            turns.append(turn)
            if turn is None:
                self._context.engine.progress.advanced()
            else:
                yield turn

    def _turn(self, resident: Resident) -> Turn | None:
        """The resident's turn; None when there is nothing that it could do."""
        observation = observe(self._state, resident, self._context.recall)
        offered = possible_actions(self._offer(resident, observation), observation.addressees)
        if not offered:
            return None
        drawn = derive_seed(self._state.seed, "step", self.number, resident.id) >> 32  # endpoints take 31 bits
        return Turn(observation, offered, RequestContext("step", self.number, resident.id, drawn))

    def _offer(self, resident: Resident, observation: Observation) -> tuple[type[Action], ...]:
        scenario = self._state.scenario
        rng = rng_for(self._state.seed, "offer", self.number, resident.id)
        with hook(scenario, "offer"):
            offered = tuple(scenario.offer(resident, observation, rng))
            if not frozenset(offered) <= self._state.declared_actions:
                check_actions(offered, where=f"`offer` of {type(scenario).__name__}")
        return offered


#: Failed turns after which a run without results is not continued, if everybody had one.
_MANY = 8

_TURNS = """
SELECT coalesce(max(step), 0), coalesce(sum(active), 0), coalesce(sum(failed), 0), coalesce(sum(acted), 0) FROM steps
"""
_COMMONEST = """
SELECT outcome, count(*), mode(reason) FROM failures WHERE step IS NOT NULL AND purpose <> 'embedding'
GROUP BY outcome ORDER BY count(*) DESC, outcome LIMIT 1
"""


def check_emitted(log: RunLog, *, people: int, is_over: bool) -> None:
    """Raise `RunError` when every turn in a run file has failed: at its end, or once all its `people` had a turn."""
    ((step, turns, failed, acted),) = log.query(_TURNS)
    if not failed or failed < turns or acted or not (is_over or failed >= max(_MANY, people)):
        return
    ((outcome, number, reason),) = log.query(_COMMONEST)
    turns_said = "The one turn" if failed == 1 else f"All {failed:,} turns"
    more = f" --steps {step + 1}" if is_over else ""
    raise RunError(
        f"{turns_said} failed and nothing was emitted; {number:,} of them with {outcome}, as: {reason} "
        f"Mend that, and go on with `populace resume {quote(str(log.path))}{more}`."
    )
