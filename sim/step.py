"""The step: intervene, observe, decide, apply, commit. The result depends on the seed and the answers alone."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..agents.actions import possible_actions
from ..agents.mind import Decision, Mind, MindContext, MindState
from ..personas.errors import RunError
from ..personas.model import Occasion, Outcome
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
    for visit in scenario.visits(society, rng_for(society.seed, "visits", world.step)):
        effects.visit(visit)
    residents = list(scenario.active(society, rng_for(society.seed, "active", world.step)))
    effects.unembedded += await _remind(society, residents)
    turns = _turns(society, residents)
    decisions = await _decide(society, mind, turns)
    check_answered(f"step {world.step}", [(d.outcome, d.reason) for d in decisions])
    for turn, decision in zip(turns, decisions, strict=True):
        effects.take_turn(turn, decision)
    effects.deliver()
    effects.measure()
    await society.engine.commit(
        *effects.all_rows,
        rows.StepRow(
            step=world.step,
            active=len(turns),
            acted=len(effects.emissions),
            failed=len(effects.failures),
            world_state=world.model_dump_json(),
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


def _turns(society: "Society", residents: Sequence["Resident"]) -> list[Turn]:
    world, scenario, seed = society.world, society.scenario, society.seed
    turns = []
    for resident in residents:
        observation = observe(society, resident)
        rng = rng_for(seed, "offer", world.step, resident.id)
        offered = possible_actions(scenario.offer(resident, observation, rng), observation.addressees)
        if offered:
            drawn = derive_seed(seed, "step", world.step, resident.id) >> 32  # endpoints take 31 bits
            turns.append(Turn(resident, observation, offered, Occasion("step", world.step, resident.id, drawn)))
    return turns


async def _decide(society: "Society", mind: Mind, turns: list[Turn]) -> list[Decision]:
    engine = society.engine
    context = MindContext(engine.gateway, society.scenario.world, society.emitted.earlier)

    async def decide(turn: Turn) -> Decision:
        state = MindState(observation=turn.observation, offered=turn.offered, occasion=turn.occasion)
        try:
            decided = await mind.ainvoke(state, context=context)
        except RunError:
            raise
        except Exception as error:  # noqa: BLE001 - a mind can be a scenario's own; its fault is this agent's alone
            return Decision(None, Outcome.MODEL_ERROR, f"The mind failed with {type(error).__name__}: {error}.")
        decision: Decision = decided["decision"]
        return decision

    engine.progress.began(f"Step {society.world.step}", len(turns))
    return await bounded_map(decide, turns, workers=engine.workers("step"), done=engine.progress.advanced)
