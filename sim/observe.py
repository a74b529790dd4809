"""What one resident sees of the snapshot that a step begins with, and the vectors by which notes are recalled."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from sys import intern
from typing import Any, Protocol

from ..agents.actions import Action
from ..agents.embedding.embedder import Embedded
from ..agents.embedding.vectors import Vector
from ..agents.observation import (
    A_VISITOR,
    PLAYER,
    Disclosure,
    Heard,
    Observation,
    SaidBefore,
    Seen,
    heard_note,
    told_fields,
)
from ..core.errors import RunError, hook, text_from
from ..core.model import Answer, RequestContext
from ..personas.population import Neighbour
from .dynamics.world import is_cut
from .resident import Acquaintances, KnownFacts, Resident
from .runfile.job_rows import FailureRow
from .runfile.rows import DescriptionRow, MessageRow
from .runfile.runlog import RunLog
from .runfile.writer import Statement
from .scenario import Scenario
from .seeds import draw_sample, rng_for
from .state import Conversation, SocietyState, told_time

#: The purpose in rows about vectors.
PURPOSE = "embedding"

#: A `Seen` of all its fields, in half the time that its name takes: a turn makes one for each neighbour.
_new_seen = partial(tuple.__new__, Seen)

#: The phase of steps, in which agents recall unless a survey asks them.
_STEP = "step"
#: The owner of calls that embed the texts of many agents at once.
_OWNER = "society"


# Not frozen, as others are: a turn makes one, which takes a third of the time so.
@dataclass(slots=True)
class Turn:
    """One agent's turn, as plain data: what it sees and what it may do."""

    observation: Observation
    offered: tuple[type[Action], ...]
    #: The step, and the agent.
    step: int
    agent: str
    #: The seed of its requests, or of the generator that a rule draws from.
    seed: int


class TextEmbedder(Protocol):
    """Anything that gives texts vectors, as `Embedder` does."""

    async def embed(self, texts: Iterable[str], context: RequestContext) -> Embedded:
        """Return the vectors of these texts, and for each text without a vector the reason."""
        ...


def _no_failures(phase: str, step: int) -> Mapping[str, FailureRow]:
    return {}


class EmbeddingRecall:
    """Vectors of the cues of one step; those of notes are kept with the notes, for as long as these are remembered.

    A resident for whom a vector is missing recalls by words in that step, and a row says so.
    """

    def __init__(
        self,
        embedder: TextEmbedder,
        failed: Callable[[str, int], Mapping[str, FailureRow]] = _no_failures,
        *,
        job: int = 1,
    ) -> None:
        """Use `embedder` for the calls and rows of the job `job`.

        `failed` maps a phase and a step to the known failures by agent. A replay passes it.
        """
        self._embedder = embedder
        self._failed = failed
        self._job = job
        self._cues: dict[str, Vector] = {}

    def cue_of(self, resident: Resident) -> Vector | None:
        """Return the vector of the agent's cue in this step, or None if recall goes by words."""
        return self._cues.get(resident.id)

    async def prepare(
        self, cues: Sequence[tuple[Resident, str]], *, recalled: int, step: int, seed: int, phase: str = _STEP
    ) -> list[FailureRow]:
        """Fetch the vectors needed to rank `recalled` notes of each agent by its cue, in a step or a survey after it.

        Returns a row for each agent for which this failed. Raises `RunError` if the endpoint returns no vector at all.
        """
        settled = self._failed(phase, step)
        self._cues = {}
        choosing = [(r, cue) for r, cue in cues if cue.strip() and r.memory.has_choice(recalled)]
        texts = [t for r, cue in choosing if r.id not in settled for t in (cue, *r.memory.without_vector())]
        context = RequestContext(phase, step, _OWNER, seed, job=self._job)
        embedded = await self._embedder.embed(texts, context) if texts else Embedded()
        if len(embedded.lost) > 1 and not embedded.vectors:
            raise RunError(_describe_nothing(embedded, phase, step))
        rows = [settled.get(r.id) or self._take_vectors(r, cue, embedded, phase, step) for r, cue in choosing]
        return [replace(row, job=self._job) for row in rows if row is not None]

    async def cue_vectors(
        self, resident: Resident, cues: Sequence[str], *, number: int, seed: int, phase: str
    ) -> tuple[Mapping[str, Vector], FailureRow | None]:
        """Return the vectors of several cues of one agent, used for recall one after the other.

        If a cue or a note gets no vector, returns no vectors and a failure row.
        """
        settled = self._failed(phase, number).get(resident.id)
        if settled is not None:
            return {}, settled
        embedded = await self._embedder.embed(
            (*cues, *resident.memory.without_vector()), RequestContext(phase, number, _OWNER, seed, job=self._job)
        )
        resident.memory.give_vectors(embedded.vectors)
        for lost in embedded.lost.values():
            told = "What the agent remembered for this question was chosen by words."
            return {}, replace(_failure_row(resident.id, lost, phase, number, told), job=self._job)
        return {cue: embedded.vectors[cue] for cue in cues}, None

    async def embed_outputs(
        self, outputs: Sequence[tuple[str, str]], *, step: int, seed: int
    ) -> tuple[Mapping[str, Vector], list[FailureRow]]:
        """Return the vectors of outputs, given as pairs of agent and text.

        Also returns a failure row for each output without a vector.
        """
        settled = self._failed(_STEP, step)
        texts = [text for agent, text in outputs if agent not in settled]
        embedded = await self._embedder.embed(texts, RequestContext(_STEP, step, _OWNER, seed))
        lost = [
            settled.get(agent)
            or _failure_row(agent, embedded.lost[text], _STEP, step, "What it emitted was compared by words alone.")
            for agent, text in outputs
            if agent in settled or text in embedded.lost
        ]
        return embedded.vectors, lost

    async def embed(self, texts: Iterable[str], *, seed: int) -> Mapping[str, Vector]:
        """Return the vectors of texts that existed before the first step. Texts without a vector are left out."""
        return (await self._embedder.embed(texts, RequestContext(_STEP, 0, _OWNER, seed))).vectors

    def _take_vectors(
        self, resident: Resident, cue: str, embedded: Embedded, phase: str, step: int
    ) -> FailureRow | None:
        needed = (cue, *resident.memory.without_vector())
        resident.memory.give_vectors(embedded.vectors)
        lost = next((embedded.lost[text] for text in needed if text in embedded.lost), None)
        if lost is None:
            self._cues[resident.id] = embedded.vectors[cue]
            return None
        where = "in this step" if phase == _STEP else "for this survey"
        return _failure_row(resident.id, lost, phase, step, f"What the agent remembered {where} was chosen by words.")


def _describe_nothing(embedded: Embedded, phase: str, step: int) -> str:
    *_, last = embedded.lost.values()
    where = f"step {step}" if phase == _STEP else f"{phase} after step {step}"
    return (
        f"The embedding model gave none of {len(embedded.lost)} texts in {where} a vector; the last it said was: "
        f"{last.reason} Nothing of {where} was committed: resume the run when the endpoint is well."
    )


def _failure_row(agent: str, lost: Answer[Any], phase: str, step: int, instead: str) -> FailureRow:
    told = replace(lost, reason=f"{lost.reason} {instead}")
    return FailureRow.of(told, phase, step, agent, PURPOSE, agent=agent)


def observe(
    state: SocietyState, resident: Resident, recall: EmbeddingRecall | None = None, *, is_rule: bool = False
) -> Observation:
    """Return what the agent observes: who spoke, who is near, the news, and what it recalls.

    A rule observes all ties and lines, with the states of neighbours. For a prompt, the settings cap the content. Notes
    are recalled by meaning with `recall`, else by words.
    """
    scenario, world, memory = state.scenario, state.world, resident.memory
    settings, observes = scenario.settings, scenario.observes
    lines, news = _list_heard(state, resident, is_rule=is_rule), world.told_to(resident.id)
    inbox = lines if observes else []
    circle = state.circles.get(resident.id)
    party = [] if circle is None else [one for one in circle.members if one != resident.id]
    speakers = [*dict.fromkeys((*_list_speakers(inbox), *party))]
    seen, unseen = _list_seen(state, resident, speakers, is_rule=is_rule) if observes else ((), 0)
    said_before = _said_before(state, resident, inbox, circle)
    observation = Observation(
        agent=resident.id,
        persona=described(state, resident),
        now=_describe_now(state, resident) if observes and not is_rule else "",
        attributes=resident.attributes,
        task=text_from(scenario, "task", lambda: scenario.task(resident, world)),
        neighbours=seen,
        unseen=unseen,
        heard=_as_heard(inbox, seen) if inbox else (),
        news=news,
        memories=memory.recall(
            _make_cue(lines, news),
            settings.recalled,
            vector=recall.cue_of(resident) if recall else None,
            without=() if is_rule else _notes_of(said_before, seen),
        ),
        language=resident.persona.language,
        name=resident.name,
        said_before=said_before,
        party=tuple(one.key for one in seen if one.agent in party),
        step=world.step,
        state=resident.state,
        profile=resident.profile,
        world_state=world.state,
        plan=memory.plan,
        plan_time=memory.plan_time,
        plan_ahead=_plan_ahead(state, resident) if settings.plan_every else 0,
        reflects_on=_reflects_on(state, resident) if settings.reflect_at else (),
        tools={name: tool.about for name, tool in world.tools.items()},
        posts=state.posts.shown_to(resident, scenario.disclosure) if state.posts is not None else (),
    )
    if getattr(scenario.observe, "__func__", None) is not Scenario.observe:
        with hook(scenario, "observe"):
            observed: object = scenario.observe(resident, observation, world)
            if not isinstance(observed, Observation):
                raise TypeError(f"it must give an Observation, and gave {observed!r:.80}")
        observation = observed
    return observation if is_rule else observation.cap_tokens(settings.observation_tokens)


def _describe_now(state: SocietyState, resident: Resident) -> str:
    """Return time and place, and the agent's own state unless the settings keep it out of prompts."""
    place = text_from(state.scenario, "place", lambda: state.scenario.place(resident, state.world))
    told = [f"It is {told_time(state)}{f', {place}' if place else ''}."]
    if resident.state is not None and state.scenario.settings.tell_state:
        told += told_fields(resident.state)
    return "\n".join(told)


def _plan_ahead(state: SocietyState, resident: Resident) -> int:
    every = state.scenario.settings.plan_every if state.scenario.observes else 0
    return every if resident.memory.is_plan_due(state.world.step, every) else 0


def _reflects_on(state: SocietyState, resident: Resident) -> tuple[str, ...]:
    """Return the newest notes to reflect on that fit into an observation, or () if no reflection is due."""
    settings = state.scenario.settings
    notes = resident.memory.to_reflect_on(settings.reflect_at)
    if notes:
        notes = Observation("", "", "", memories=notes).cap_tokens(settings.observation_tokens).memories
    return notes


def cue_of(state: SocietyState, resident: Resident) -> str:
    """Return the cue that recalls the agent's notes in this step: what it hears, and the news."""
    return _make_cue(_list_heard(state, resident), state.world.told_to(resident.id))


def _make_cue(heard: Sequence[MessageRow], news: Sequence[str]) -> str:
    return " ".join([*(m.text for m in heard), *news]) if heard or news else ""


def described(state: SocietyState, resident: Resident) -> str:
    """Return what prompts say about the agent itself, from its scenario. Raises `HookError`."""
    return text_from(state.scenario, "described", lambda: state.scenario.described(resident))


def keep_descriptions(state: SocietyState, log: RunLog, *, is_over: bool) -> None:
    """Store what the scenario has prompts say about its agents when a run is over.

    It can then be used without the scenario's script. Does nothing if the scenario does not override `described`.
    """
    if not is_over or type(state.scenario).described is Scenario.described:
        return
    found = []
    for resident in state.present:
        settings = state.scenario.settings
        own = resident.described(settings.persona_detail, settings.tell_attributes)
        told = described(state, resident)
        before, has_own, after = told.partition(own)
        if told != own:
            found.append(DescriptionRow(resident.id, before, after, not has_own))
    log.commit(statements=[Statement("DELETE FROM descriptions")]).result()
    log.commit(found).result()


def _list_heard(state: SocietyState, resident: Resident, *, is_rule: bool = False) -> list[MessageRow]:
    """Return the lines the agent hears in this step.

    Leaves out lines that a block or suspension holds back, and lines from agents that left. A prompt gets only the
    newest lines.
    """
    circle = state.circles.get(resident.id)
    if not resident.inbox and circle is None:
        return []
    inbox = [
        m
        for m in resident.inbox
        if not is_cut(state.graph, m.sender, resident.id, state.world) and not state.has_left(m.sender)
    ]
    if circle is not None:
        inbox = [*(m for m in inbox if m not in circle.lines), circle.lines[-1]]
    return inbox if is_rule else inbox[-state.scenario.settings.heard :]


def _said_before(
    state: SocietyState, resident: Resident, inbox: Sequence[MessageRow], circle: Conversation | None
) -> tuple[SaidBefore, ...]:
    """Return earlier lines of the conversations with those who speak now, without lines not heard yet.

    In a conversation of more than two these are followed by all that was said in it.
    """
    if not inbox or not state.talks:
        return ()
    most, unheard = state.scenario.settings.lines_shown, {line.message for line in resident.inbox}
    found = []
    for sender in dict.fromkeys(line.sender for line in inbox):
        earlier = [line for line in state.talk(resident.id, sender) if line.message not in unheard]
        if circle is not None and sender == circle.lines[-1].sender:
            earlier = [line for line in earlier if line.step < state.world.step] + [*circle.lines[:-1]]
        for line in earlier[-most:] if most else ():
            ends = [PLAYER if one == PLAYER else state.residents[one].name for one in (sender, line.sender)]
            is_own, time = line.sender == resident.id, told_time(state, line.step)
            found.append(SaidBefore(ends[0], is_own, line.text, time, "" if is_own else ends[1]))
    return tuple(found)


def _notes_of(said_before: Sequence[SaidBefore], seen: Sequence[Seen]) -> tuple[str, ...]:
    """Return how the notes end that were taken of the lines of a conversation."""
    called = {one.key: one.called for one in seen}
    return tuple(
        f": {line.text}" if line.is_own else heard_note(called.get(line.key, A_VISITOR), line.text)
        for line in said_before
    )


def _list_speakers(lines: Sequence[MessageRow]) -> Sequence[str]:
    """Return the agents who said these lines, each once and without the player."""
    return list(dict.fromkeys(m.sender for m in lines if m.sender != PLAYER)) if lines else ()


def _as_heard(lines: Sequence[MessageRow], seen: Sequence[Seen]) -> tuple[Heard, ...]:
    """Return the lines under the keys of their speakers."""
    keys = {PLAYER: PLAYER} | {n.agent: n.key for n in seen}
    return tuple(Heard(keys[m.sender], m.text, m.message) for m in lines)


def _list_seen(
    state: SocietyState, resident: Resident, speakers: Sequence[str], *, is_rule: bool
) -> tuple[tuple[Seen, ...], int]:
    """Return the visible agents with their keys for this turn, and the number cut to fit the prompt."""
    # Speakers come first, so that they can be answered; the rest by the setting, when there are too many.
    world, settings = state.world, state.scenario.settings
    known = _read_acquaintances(state, resident) if world.is_open else _within_reach(state, resident)
    others = [one for agent, one in known.items() if agent not in speakers] if speakers else list(known.values())
    room = len(others) if is_rule else max(0, settings.neighbours - len(speakers))
    unseen = max(0, len(others) - room)
    if settings.neighbours_by == "strength":
        others = _sort_by_strength(state, resident, others)[:room]
    elif unseen:
        rng = rng_for(state.seed, "observe", world.step, resident.id)
        others = draw_sample(rng, others, room)
    facts = [*[known.get(agent) or _stranger_facts(state, agent) for agent in speakers], *others]
    residents = state.residents if is_rule else {}
    return tuple(
        [
            _new_seen(
                (
                    state.residents[one[0]].name or _neighbour_key(place),
                    *one,
                    residents[one[0]].state if is_rule else None,
                )
            )
            for place, one in enumerate(facts, start=1)
        ]
    ), unseen


@cache
def _neighbour_key(place: int) -> str:
    """Return the key of the neighbour at this index, counted from 1, for rules."""
    return f"n{place}"


def _read_acquaintances(state: SocietyState, resident: Resident) -> Mapping[str, KnownFacts]:
    """Return what the agent knows about each agent it has ties with."""
    levels, changes = state.scenario.disclosure, state.graph.changes(resident.id)
    kept = resident.acquaintances
    if kept is None or kept.changes != changes or kept.levels is not levels:
        ties = state.graph.acquaintances(resident.id)
        facts = (_known_facts(state.residents[agent], found, levels) for agent, found in ties.items())
        # Neighbours know the same of somebody, which is held once.
        known = {one[0]: state.known_facts.setdefault(one, one) for one in facts}
        kept = resident.acquaintances = Acquaintances(levels, changes, known)
    return kept.known


def _known_facts(other: Resident, ties: Sequence[Neighbour], levels: Mapping[str, Disclosure]) -> KnownFacts:
    oldest = ties[0]
    known = other.disclosed_at(levels.get(oldest.kind, "sentence"))
    to, back = (oldest.weight, 0.0) if oldest.outgoing else (0.0, oldest.weight)
    for tie in ties[1:]:
        if tie.outgoing:
            to += tie.weight
        else:
            back += tie.weight
    # Many are alike, and kept for as long as the society is there.
    called = other.name or intern(oldest.called)
    return (other.id, intern(oldest.described), oldest.kind.value, known, called, to, back)


def _stranger_facts(state: SocietyState, agent: str) -> KnownFacts:
    known = state.residents[agent].disclosed_at(state.scenario.disclosure.get("other", "sentence"))
    called = state.residents[agent].name or "somebody"
    return (agent, "somebody who spoke to you", "other", known, called, 0.0, 0.0)


def _within_reach(state: SocietyState, resident: Resident) -> Mapping[str, KnownFacts]:
    """Return what the agent knows about each agent it has a tie with that is neither suspended nor blocked."""
    world, levels = state.world, state.scenario.disclosure
    is_blocking = bool(world.blocked or world.blocked_ties)
    known = {}
    for agent, ties in state.graph.acquaintances(resident.id).items():
        left = [tie for tie in ties if tie.kind not in world.suspended]
        if left and not (is_blocking and world.is_blocked(resident.id, agent)):
            known[agent] = _known_facts(state.residents[agent], left, levels)
    return known


def _sort_by_strength(state: SocietyState, resident: Resident, others: list[KnownFacts]) -> list[KnownFacts]:
    """Sort agents by the strength of their ties to this one, strongest first.

    Among equals, the latest contact comes first, then chance decides.
    """
    strength = defaultdict[str, float](float)
    for tie in state.graph.neighbours(resident.id):
        if tie.kind not in state.world.suspended:
            strength[tie.id] += tie.weight
    rng_for(state.seed, "observe", state.world.step, resident.id).shuffle(others)
    return sorted(others, key=lambda known: (-strength[known[0]], -resident.contacts.get(known[0], 0)))
