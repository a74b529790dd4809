"""The step: intervene, observe, decide, apply, commit. The result depends on the seed and the answers alone."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..agents.action_check import check_actions
from ..agents.action_schema import possible_actions
from ..agents.actions import Action
from ..agents.hooks import hook
from ..agents.mind import Decision, Mind, MindContext, MindState, decide
from ..agents.observation import Observation
from ..personas.errors import RunError
from ..personas.model import Outcome, RequestContext
from .answered import check_answered
from .bounded import bounded_map
from .effects import Effects, Turn
from .observe import cue_of, observe
from .runfile import rows
from .seeds import derive_seed, rng_for
from .times import now

if TYPE_CHECKING:
    from .resident import Resident
    from .society import Society

__all__ = ["take_step"]


async def take_step(society: "Society", mind: Mind) -> None:
    """Take the society one step further and commit it.

    Raises `RunError` without committing when the endpoint gave nobody an answer: a resumed run tries the step again.
    """
    started = now()
    world, scenario = society.world, society.scenario
    world.begin(world.step + 1)
    effects = Effects(society)
    effects.intervene()
    with hook(scenario, "visits"):
        for visit in scenario.visits(society, rng_for(society.seed, "visits", world.step)):
            effects.visit(visit)
    with hook(scenario, "active"):
        residents = list(scenario.active(society, rng_for(society.seed, "active", world.step)))
        known = set(map(id, society.residents))
        if strangers := [one for one in residents if id(one) not in known]:
            raise TypeError(f"it must give residents of the society, and gave {strangers[0]!r}")
    effects.unembedded += await _remind(society, residents)
    decided = await _decide(society, mind, residents)
    check_answered(f"step {world.step}", [(decision.outcome, decision.reason) for _, decision in decided])
    for turn, decision in decided:
        effects.take_turn(turn, decision)
    effects.deliver()
    effects.measure()
    await society.engine.commit(
        *effects.all_rows,
        rows.MarkerRow(
            phase="step",
            number=world.step,
            chunk=0,
            items=len(decided),
            failed=len(effects.failures),
            state=world.model_dump_json(),
            counts=f'{{"acted":{len(effects.emissions)}}}',
            started_at=started,
            ended_at=now(),
            event_hash=society.engine.events.extend([world.model_dump(mode="json"), *effects.events]),
        ),
        finished=("step", world.step),
    )


async def _remind(society: "Society", residents: Sequence["Resident"]) -> list[rows.FailureRow]:
    """Have vectors fetched for those who are to be reminded by meaning; the rows of those for whom that failed."""
    if society.vectors is None:
        return []
    return await society.vectors.prepare(
        [(resident, cue_of(society, resident)) for resident in residents],
        recalled=society.scenario.settings.recalled,
        step=society.world.step,
        seed=derive_seed(society.seed, "embedding", society.world.step) >> 32,
    )


def _turn(society: "Society", resident: "Resident") -> Turn | None:
    """The resident's turn; None when there is nothing that it could do."""
    step, seed = society.world.step, society.seed
    observation = observe(society, resident)
    offered = possible_actions(_offer(society, resident, observation), observation.addressees)
    if not offered:
        return None
    drawn = derive_seed(seed, "step", step, resident.id) >> 32  # endpoints take 31 bits
    return Turn(resident, observation, offered, RequestContext("step", step, resident.id, drawn))


def _offer(society: "Society", resident: "Resident", observation: Observation) -> tuple[type[Action], ...]:
    scenario, rng = society.scenario, rng_for(society.seed, "offer", society.world.step, resident.id)
    with hook(scenario, "offer"):
        offered = tuple(scenario.offer(resident, observation, rng))
        if not frozenset(offered) <= society.checked_actions:
            check_actions(offered, where=f"`offer` of {type(scenario).__name__}")
    return offered


async def _decide(society: "Society", mind: Mind, residents: Sequence["Resident"]) -> list[tuple[Turn, Decision]]:
    """The turns of all who can do something, in their order, and what each decides."""
    engine = society.engine
    context = MindContext(engine.gateway, society.scenario.world, society.emitted.earlier)

    async def decide_turn(resident: "Resident") -> tuple[Turn, Decision] | None:
        # Everybody looks at the same snapshot, so the first may be asked before the last look.
        turn = _turn(society, resident)
        return None if turn is None else (turn, await _decided(mind, context, turn))

    engine.progress.began(f"Step {society.world.step}", len(residents))
    workers = engine.workers("step")
    taken = await bounded_map(decide_turn, residents, workers=workers, done=engine.progress.advanced)
    return [turn for turn in taken if turn is not None]


async def _decided(mind: Mind, context: MindContext, turn: Turn) -> Decision:
    state = MindState(observation=turn.observation, offered=turn.offered, request_context=turn.context)
    try:
        return await decide(mind, state, context)
    except RunError:
        raise
    except Exception as error:  # noqa: BLE001 - a mind can be a scenario's own; its fault is this agent's alone
        return Decision(None, Outcome.MODEL_ERROR, f"The mind failed with {type(error).__name__}: {error}.")
