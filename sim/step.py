"""The step: intervene, observe, decide, talk, resolve, commit. The result depends on seed and answers alone.

Each step is a phase of the society's job. Its commit overlaps with the turns of the next one.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any, cast

from ..agents.action_schema import check_actions, novelty_of, only_choice, possible_actions
from ..agents.actions import Action
from ..agents.mind import Decision, Mind, MindContext, MindState, Rule, decide_by_rule
from ..agents.named_mind import MindName
from ..agents.observation import PLAYER, Observation
from ..core.errors import RunError, SetupError, hook
from ..core.model import HUMAN, Outcome, PersonaModel, RequestContext
from .config import RunConfig
from .dynamics.archetypes import Archetypes
from .dynamics.interventions import residents_meant
from .dynamics.world import is_cut
from .effects import Effects
from .emitted import Emitted
from .engine import Engine, Executor
from .jobs.loop import Changes, Chunks, Phase, run_phase, worked
from .observe import EmbeddingRecall, Turn, cue_of, observe
from .resident import Resident, SocietyView
from .runfile import job_rows, rows
from .runfile.job_rows import Unit
from .runfile.rows import MessageRow
from .scenario import Scenario, Settings, check_answers
from .seeds import derive_seed, draw_sample, rng_for
from .settling import mind_of
from .state import Conversation, SocietyState, count_outputs, emitted_in, read_world
from .survey.phase import ask_surveys


class Conversations:
    """Who answers whom next, after the turns of a step.

    The lines of those turns open conversations, in the order in which they were applied: one between any two agents of
    whom neither is in another, joined by others whom both know while there is room. Each round has one line of each
    conversation, so that nothing depends on which answer comes first. The members of a conversation hear a line at
    once; what is said to anybody else waits for the next step.
    """

    def __init__(self, effects: Effects, state: SocietyState, *, most: int, room: int = 2) -> None:
        """Allow conversations of `most` lines among `room` agents; with one line there are none within a step."""
        self._effects, self._state, self._most, self._room = effects, state, most, room
        self._open: list[Conversation] = []
        #: Messages that were looked at.
        self._seen = 0
        #: The line of each conversation that is being said, from 1.
        self.round = 1

    def next_speakers(self) -> Sequence[Resident]:
        """Return those who answer the last line of their conversation, or () once all conversations are over."""
        said = self._effects.messages[self._seen :]
        self._seen = len(self._effects.messages)
        going = (
            ()
            if self.round >= self._most
            else self._open_conversations(said)
            if self.round == 1
            else self._continue_conversations(said)
        )
        self._open = list(going)
        self.round += bool(self._open)
        self._state.circles = {one.speaker: one for one in self._open if len(one.members) > 2}
        return [self._state.residents[one.speaker] for one in self._open]

    def _open_conversations(self, said: Sequence[MessageRow]) -> Iterable[Conversation]:
        found: dict[frozenset[str], list[MessageRow]] = {}
        taken: set[str] = set()
        for line in said:
            pair = frozenset((line.sender, line.recipient))
            if pair not in found and (pair & taken or not self._can_hear(line.sender, line.recipient)):
                continue
            taken |= pair
            found.setdefault(pair, []).append(line)
        for lines in found.values():
            for line in lines:
                self._effects.deliver_line(line)
            joined = self._draw_joining(lines[0], taken)
            taken.update(joined)
            yield Conversation((lines[0].sender, lines[0].recipient, *joined), tuple(lines))

    def _draw_joining(self, line: MessageRow, taken: set[str]) -> Sequence[str]:
        """Draw who else is there, of those whom both ends of a line know and who are in no conversation."""
        if self._room == 2:
            return ()
        ends = (line.sender, line.recipient)
        first, second = (self._state.graph.acquaintances(one) for one in ends)
        free = [a for a in first if a in second and a not in taken and all(self._can_hear(one, a) for one in ends)]
        rng = rng_for(self._state.seed, "circle", line.step, *ends)
        return draw_sample(rng, free, min(len(free), self._room - 2))

    def _continue_conversations(self, said: Sequence[MessageRow]) -> Iterable[Conversation]:
        answers = {(line.sender, line.recipient): line for line in said}
        for one in self._open:
            # Whoever spoke is answered first of all.
            reach = dict.fromkeys((one.lines[-1].sender, *one.members))
            answer = next((answers[one.speaker, other] for other in reach if (one.speaker, other) in answers), None)
            if (
                answer is None
                or len(one.lines) + 1 >= self._most
                or not self._can_hear(answer.sender, answer.recipient)
            ):
                continue
            self._effects.deliver_line(answer)
            ends = (answer.sender, answer.recipient)
            members = (m for m in one.members if m in ends or all(self._can_hear(end, m) for end in ends))
            yield Conversation(tuple(members), (*one.lines, answer))

    def _can_hear(self, one: str, other: str) -> bool:
        return (
            PLAYER not in (one, other)
            and one != other
            and not any(map(self._state.has_left, (one, other)))
            and not is_cut(self._state.graph, one, other, self._state.world)
        )


#: Residents of a page: the most whose turns are in memory where turns of a step are independent of each other.
PAGE = 10_000


class TurnWork:
    """An agent's decision as a function of its turn; the emissions before the step are the snapshot it compares with.

    Pickled, it is the scenario's class and settings, and the snapshot: another process makes the mind for itself.
    """

    def __init__(
        self,
        scenario: Scenario,
        emitted: Emitted,
        mind: Mind | Rule | None = None,
        mind_name: MindName | None = None,
        played: str | None = None,
        built: Mapping[str, str] | None = None,
    ) -> None:
        """Use `mind`, or make the mind named `mind_name` if it is None.

        `mind_name` is the name by which `mind` was chosen. The role `human` decides for the agent `played`. `built` is
        the code of the tools that there are.
        """
        self._scenario = scenario
        self._emitted = emitted
        self._mind_name = mind_name
        self._played, self._built = played, built
        self._mind = mind_of(scenario, mind_name) if mind is None else mind

    def __reduce__(self) -> tuple[Callable[..., "TurnWork"], tuple[Any, ...]]:
        made_of = (type(self._scenario), self._scenario.settings, self._emitted)
        return _make_work, (*made_of, self._mind_name, self._played, self._built)

    async def __call__(self, item: Turn, model: PersonaModel) -> Decision:
        """Return what the agent decides.

        Raises `RunError` if no call can succeed. Other errors of a mind become decisions.
        """
        if not isinstance(self._mind, Mind):
            return decide_by_rule(self._mind, item.observation, item.offered, item.seed)
        if (only := only_choice(item.offered)) is not None:
            return Decision(only, attempts=0, model="rule")
        is_played = self._played is not None and self._played in (item.agent, item.observation.name)
        asked = RequestContext("step", item.step, item.agent, item.seed, role=HUMAN if is_played else "default")
        state = MindState(observation=item.observation, offered=item.offered, request_context=asked)
        settings = self._scenario.settings
        context = MindContext(
            model,
            self._scenario.world,
            self._emitted.earlier,
            settings.prompt_tokens,
            asks=self._scenario.asides(self._mind_name),
            tool_calls=settings.tool_calls,
            built=self._built,
            draws_angles=self._scenario.draws_angles,
            revises_repeats=self._scenario.revises_repeats,
        )
        try:
            decision = await self._mind.decide(state, context)
            decision.model = decision.model or (HUMAN if is_played else None)
            return decision
        except (RunError, SetupError):
            raise
        except Exception as error:  # noqa: BLE001 - a mind can be a scenario's own; its fault is this agent's alone
            return Decision(None, Outcome.MODEL_ERROR, f"The mind failed with {type(error).__name__}: {error}.")


def _make_work(scenario: type[Scenario], settings: Settings, emitted: Emitted, *more: Any) -> TurnWork:
    return TurnWork(scenario(settings), emitted, None, *more)


@dataclass(frozen=True, slots=True)
class StepContext:
    """What all steps of a society work on."""

    state: SocietyState
    #: What the scenario is shown.
    view: SocietyView
    engine: Engine
    mind: Mind | Rule
    config: RunConfig
    recall: EmbeddingRecall | None = None
    #: Runs the turns; None in this process.
    executor: Executor | None = None
    #: The clusters of agents of whom one is asked; None where each is asked.
    archetypes: Archetypes | None = field(init=False)

    def __post_init__(self) -> None:
        check_answers(self.state.scenario, is_rule=self.is_rule)
        by = self.config.archetypes
        object.__setattr__(self, "archetypes", None if by is None else Archetypes(by))

    @property
    def is_rule(self) -> bool:
        """Whether agents decide by a function, and no model is asked."""
        return not isinstance(self.mind, Mind)

    async def ask_surveys(self) -> None:
        """Ask the surveys that are due after the latest step and were not asked yet."""
        await ask_surveys(self.engine, self.state, is_rule=self.is_rule, recall=self.recall, executor=self.executor)


async def take_step(context: StepContext) -> None:
    """Run one step of the society, queue it to be committed, and ask the surveys that are due.

    The next step may begin before this one is durable (see `Engine.flush`), but its rows are written later. Raises
    `RunError` without committing if the endpoint answered no request. A resumed run then tries again.
    """
    world = context.state.world
    world.begin(world.step + 1)
    phase = StepPhase(context)
    await phase.begin_turns()
    await run_phase(context.engine, phase, executor=context.executor)
    await context.ask_surveys()


class StepPhase(Phase[Resident, tuple[Turn, Decision] | None]):
    """One step: all who are active observe one snapshot and decide, and what they do is applied one by one.

    The order is drawn for each step, unless the scenario fixes it (`Scenario.order`).

    Where turns are independent, those of many are committed in pages; else the step is one chunk.
    """

    name = "step"
    unit = Unit.STEP
    looks_ahead = False
    overlaps = True

    def __init__(self, context: StepContext) -> None:
        """Advance the clock if there is one, and apply the interventions before any agent observes."""
        self._context = context
        self._state = state = context.state
        self.number = state.world.step
        self._effects = Effects(state, context.view, model=context.engine.model.name)
        if state.times is not None:
            state.times.advance()
        self._effects.intervene(lambda line: line == 1)
        #: What agents may do in each turn, so that nothing is drawn for it; None where the scenario offers by turn.
        offers_all = getattr(state.scenario.offer, "__func__", None) is Scenario.offer
        self._offers_all = self._check_offered(state.scenario.actions) if offers_all else None
        #: Turns that were applied before the last of them was decided.
        self._early = 0
        self._residents: Sequence[Resident] = ()
        #: Residents that were taken, and those of the page that had turns.
        self._taken, self._acting = 0, set[str]()
        #: Lines of earlier pages, which are heard when the step has ended.
        self._said: list[rows.MessageRow] = []
        self._is_begun = False
        settings = state.scenario.settings
        self._conversations = Conversations(self._effects, state, most=settings.lines, room=settings.circle)
        #: The line of conversations that the step has come to.
        self._line = 1

    async def begin_turns(self) -> None:
        """Apply departures, arrivals and visits, and choose the agents that have a turn."""
        state, context = self._state, self._context
        self._effects.people.depart_declared()
        await self._effects.people.arrive(context.engine, context.executor)
        if state.posts is not None:
            state.posts.begin(lambda members: residents_meant(members, state, context.view))
        with hook(state.scenario, "visits"):
            for visit in state.scenario.visits(context.view, rng_for(state.seed, "visits", self.number)):
                self._effects.visit(visit)
        self._residents = self._order_residents(self._choose_active() if state.times is None else state.times.begin())
        self.chunk = PAGE if self._is_paged() else None

    def begin(self, chunks: Chunks) -> None:
        """Continue after the pages that an earlier session committed."""
        progress, state = self._context.engine.progress, self._state
        progress.began(f"Step {self.number}", len(self._residents))
        if not chunks.complete:
            return
        self._is_begun = True
        count_outputs(state, self._context.engine.log, first=self.number, last=self.number)
        self._effects.clear()
        state.world = read_world(chunks.complete[-1].state or "", state.scenario)
        state.take_heard(self.number)
        said = self._context.engine.log.rows(
            rows.MessageRow, "WHERE step = $step ORDER BY message", {"step": self.number}
        )
        self._said = list(said)
        self._taken = int(chunks.position or 0)
        for _ in range(self._taken):
            progress.advanced()

    def take(self, chunks: Chunks, most: int) -> Sequence[Resident]:
        """Return the next active agents, at most `most`; behind them those whose turn it is in a conversation."""
        taken = self._residents[self._taken : self._taken + most]
        self._taken += len(taken)
        if taken or self.chunk is not None:
            return taken
        self._line += 1
        self._effects.intervene(lambda line: line == self._line)
        answering = self._conversations.next_speakers()
        if answering and self._conversations.round == 2:
            most = len(answering) * (self._state.scenario.settings.lines - 1)
            self._context.engine.progress.began(f"Conversations of step {self.number}", most)
        return answering

    def owner(self, item: Resident) -> str:
        """Return the id of the agent."""
        return item.id

    async def results(
        self, items: Sequence[Resident], executor: Executor, engine: Engine
    ) -> list[tuple[Turn, Decision] | None]:
        """Return each agent's turn and decision, or None for an agent that could do nothing."""
        self._effects.add_failures(await self._fetch_recall(items))
        context = self._context
        if context.is_rule and context.executor is None and context.archetypes is None:
            taken = [self._decide_ruled(resident) for resident in items]
        else:
            taken = await self._decide_turns(items, executor, engine)
        await self._embed_outputs([one for one in taken if one is not None])
        return taken

    def _decide_ruled(self, resident: Resident) -> tuple[Turn, Decision] | None:
        """Return the turn and the decision of an agent that decides by a rule. Nothing is awaited."""
        turn = self._make_turn(resident)
        self._context.engine.progress.advanced()
        if turn is None:
            return None
        return turn, decide_by_rule(cast("Rule", self._context.mind), turn.observation, turn.offered, turn.seed)

    async def _decide_turns(
        self, items: Sequence[Resident], executor: Executor, engine: Engine
    ) -> list[tuple[Turn, Decision] | None]:
        turns: list[Turn | None] = []
        config = self._context.config
        built = {name: tool.code for name, tool in self._state.world.tools.items()} or None
        work = TurnWork(self._state.scenario, self._state.emitted, self._context.mind, config.mind, config.play, built)
        observed, done = self._iter_turns(items, turns), self._applied_early(items, turns)
        if (archetypes := self._context.archetypes) is not None:
            decide = partial(worked, work, executor=executor, engine=engine)
            made = await archetypes.decide_turns(self._state, list(observed), decide, self._context.recall)
        else:
            first = 0 if self._state.yields is None or engine.is_batched(self.name) else self._state.yields.tried_first
            made = await worked(work, islice(observed, first), executor, engine, done=done) if first else []
            later = done if done is None else lambda place, one: done(first + place, one)
            made += await worked(work, observed, executor, engine, done=later)
        decisions = iter(made)
        return [None if turn is None else (turn, next(decisions)) for turn in turns]

    def outcome(self, result: tuple[Turn, Decision] | None) -> tuple[Outcome, str] | None:
        """Return how the turn ended and why, or None if there was no turn."""
        return None if result is None else (result[1].outcome, result[1].reason)

    def apply(self, items: Sequence[Resident], results: Sequence[tuple[Turn, Decision] | None]) -> None:
        """Apply the decisions, then compare the new outputs with all earlier ones."""
        taken = [one for one in results if one is not None]
        for turn, decision in taken[self._early :]:
            self._effects.take_turn(turn.observation, decision)
        self._acting |= {turn.agent for turn, _ in taken}
        self._early = 0
        self._effects.compare()

    async def check(self, chunks: Chunks) -> None:
        """Commit the last page, so that the measures of the step can read all pages."""
        if self.chunk is not None and self._taken == len(self._residents) and not chunks.is_between:
            await chunks.commit(self.collect())
            await self._context.engine.flush()

    def collect(self) -> Changes:
        """Return the changes of a page.

        If the step has no pages, return those of the whole step, with deliveries and measures.
        """
        if self.chunk is None:
            self._end_step(self._effects.messages)
            return self._collect_changes()
        changes = self._collect_changes()
        self._said += self._effects.messages
        self._effects = Effects(self._state, self._context.view, model=self._context.engine.model.name)
        return changes

    def conclude(self) -> Changes:
        """Return the changes from deliveries and measures after all pages are committed."""
        log, scenario = self._context.engine.log, self._state.scenario
        self._state.emitted.note_latest(partial(emitted_in, log, self.number, scenario))
        self._end_step(self._said)
        return self._collect_changes()

    def _end_step(self, said: Sequence[rows.MessageRow]) -> None:
        self._effects.intervene(lambda line: line > self._line)
        self._effects.deliver(said)
        self._effects.settle()
        self._effects.measure()

    def _collect_changes(self) -> Changes:
        effects, world = self._effects, self._state.world
        first = [] if self._is_begun else [world.model_dump(mode="json")]
        self._is_begun, turns, self._acting = True, len(self._acting), set()
        return Changes(
            rows=list(effects.rows),
            items=turns,
            events=[*first, *effects.events],
            failed=effects.lost,
            counts={"acted": len(effects.emissions)},
            state=world.model_dump_json(),
            position=None if self.chunk is None else str(self._taken),
        )

    def _choose_active(self) -> Sequence[Resident]:
        state = self._state
        with hook(state.scenario, "active"):
            residents = list(state.scenario.active(self._context.view, rng_for(state.seed, "active", self.number)))
            known = set(map(id, state.present))
            if strangers := [one for one in residents if id(one) not in known]:
                raise TypeError(f"it must give residents of the society, and gave {strangers[0]!r}")
        blocked = state.world.blocked
        return [resident for resident in residents if resident.id not in blocked] if blocked else residents

    def _order_residents(self, residents: Sequence[Resident]) -> Sequence[Resident]:
        """Return the agents that have a turn, in the order in which their decisions are applied."""
        if self._state.scenario.order == "fixed" or self._state.times is not None:
            return residents
        turns = Counter[str]()

        def draw_place(resident: Resident) -> int:
            # One draw each, so that who is missing leaves all others in the same order.
            turns[resident.id] += 1
            return derive_seed(self._state.seed, "order", self.number, f"{resident.id} {turns[resident.id]}")

        return sorted(residents, key=draw_place)

    def _is_paged(self) -> bool:
        """Return whether the step is committed in pages. Each page then depends only on earlier pages."""
        scenario = self._state.scenario
        is_alone = scenario.independent and not any(action.addressed for action in scenario.actions)
        # States are written when a step ends, visitors are heard in the step in which they speak, and a step is
        # resolved with all of its decisions.
        is_simple = scenario.agent_state_type is None and type(scenario).visits is Scenario.visits
        is_simple &= type(scenario).resolve is Scenario.resolve
        return is_alone and is_simple and len(self._residents) > PAGE

    async def _fetch_recall(self, residents: Sequence[Resident]) -> list[job_rows.FailureRow]:
        """Fetch the vectors for recall by meaning, and return a row for each agent for which this failed."""
        recall, state = self._context.recall, self._state
        if recall is None:
            return []
        return await recall.prepare(
            [(resident, cue_of(state, resident)) for resident in residents],
            recalled=state.scenario.settings.recalled,
            step=self.number,
            seed=derive_seed(state.seed, "embedding", self.number) >> 32,
        )

    async def _embed_outputs(self, taken: Sequence[tuple[Turn, Decision]]) -> None:
        """Fetch the vectors of the decisions if outputs are compared by vectors."""
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
        self._effects.add_failures(lost)

    def _iter_turns(self, residents: Sequence[Resident], turns: list[Turn | None]) -> Iterator[Turn]:
        """Yield the turns of agents that can do something, and add every turn, or None, to `turns`.

        All agents observe the same snapshot. Each observes only when it is asked, so that the first calls need not wait
        for all turns.
        """
        for resident in residents:
            turn = self._make_turn(resident)
            turns.append(turn)
            if turn is None:
                self._context.engine.progress.advanced()
            else:
                yield turn

    def _applied_early(
        self, residents: Sequence[Resident], turns: Sequence[Turn | None]
    ) -> Callable[[int, Decision], None] | None:
        """Return a function that applies decisions in the order of `turns` while others are still being made.

        Returns None if a turn may depend on another one. Outputs are compared only when all are there, since the
        snapshot consists of the outputs before them.
        """
        if not self._state.scenario.independent or len({one.id for one in residents}) < len(residents):
            return None
        asked = (turn for turn in turns if turn is not None)
        decided: dict[int, Decision] = {}

        def apply(place: int, decision: Decision) -> None:
            decided[place] = decision
            while self._early in decided and _is_own(decided[self._early].action):
                self._effects.take_turn(next(asked).observation, decided.pop(self._early))
                self._early += 1

        return apply

    def _make_turn(self, resident: Resident) -> Turn | None:
        """Return the agent's turn, or None if it can do nothing."""
        observation = observe(self._state, resident, self._context.recall, is_rule=self._context.is_rule)
        if self._conversations.round > 1:
            observation = observation.among_speakers()
        offered = self._offer_actions(resident, observation) if self._offers_all is None else self._offers_all
        if not observation.neighbours:  # each of them can be spoken to
            offered = possible_actions(offered, observation.addressees)
        if not offered and not (self._context.is_rule and self._offers_all == ()):
            return None
        drawn = derive_seed(self._state.seed, *self._draw_purpose("step", resident)) >> 32  # endpoints take 31 bits
        return Turn(observation, offered, self.number, resident.id, drawn)

    def _offer_actions(self, resident: Resident, observation: Observation) -> tuple[type[Action], ...]:
        scenario = self._state.scenario
        with hook(scenario, "offer"):
            rng = rng_for(self._state.seed, *self._draw_purpose("offer", resident))
            return self._check_offered(scenario.offer(resident, observation, rng))

    def _draw_purpose(self, what: str, resident: Resident) -> tuple[object, ...]:
        """Return the purpose of a draw for this turn of the agent, of which a conversation brings several."""
        line = self._conversations.round
        return (what, self.number, resident.id) if line == 1 else (what, self.number, line, resident.id)

    def _check_offered(self, actions: Iterable[type[Action]]) -> tuple[type[Action], ...]:
        offered = tuple(actions)
        if not frozenset(offered) <= self._state.declared_actions:
            check_actions(offered, where=f"`offer` of {type(self._state.scenario).__name__}")
        return offered


def _is_own(action: Action | None) -> bool:
    """Return whether an action changes nothing that others see, neither the world nor other agents."""
    return action is None or not (action.addressed or type(action).apply is not Action.apply)
