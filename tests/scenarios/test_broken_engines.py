"""Engines that are broken on purpose, each in one way, and the number of a law that notices it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import count
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from engine_laws.suite import failed

from populace.agents.memory import Memory
from populace.analysis import surveys
from populace.personas import population
from populace.personas.network import drawing
from populace.sim import effects, observe, step
from populace.sim.dynamics import activation, archetypes, arrivals, channels, interventions
from populace.sim.dynamics.world import World
from populace.sim.effects import TurnEffects
from populace.sim.runfile.rows import MeasureRow
from populace.sim.seeds import derive_seed, rng_for
from populace.sim.survey import items
from populace.sim.survey import survey as declared
from populace.sim.survey.phase import SurveyPhase

type Patch = pytest.MonkeyPatch
type Break = Callable[[Patch], None]


def around(owner: Any, name: str, changed: Callable[..., Any]) -> Break:
    """Puts `changed` in the place of a function of the engine, which is given to it first."""

    def broken(patch: Patch) -> None:
        kept = getattr(owner, name)
        patch.setattr(owner, name, lambda *args, **options: changed(kept, *args, **options))

    return broken


def apply_at_once(patch: Patch) -> None:
    """Agents see what those before them did in the same step."""
    one_by_one = step.StepPhase.results

    async def results(self: step.StepPhase, items: Sequence[Any], executor: Any, engine: Any) -> list[Any]:
        taken: list[Any] = []
        for item in items:
            taken += await one_by_one(self, [item], executor, engine)
            if taken[-1] is not None:
                self._effects.take_turn(taken[-1][0].observation, taken[-1][1])
        return taken

    patch.setattr(step.StepPhase, "results", results)
    patch.setattr(step.StepPhase, "apply", lambda self, items, taken: self._effects.compare())


def seed_without(part: int, *, module: Any = step, name: str = "derive_seed", only: str = "") -> Break:
    """A seed does not depend on the run (0), the step (2) or the agent (3), of one purpose or of all."""

    def seeded(kept: Any, *purpose: Any) -> Any:
        if only and purpose[1] != only:
            return kept(*purpose)
        return kept(*(0 if place == part else one for place, one in enumerate(purpose)))

    return around(module, name, seeded)


def turned(kept: Any, persona: str, relation: Any) -> Any:
    tie = kept(persona, relation)
    return replace(tie, outgoing=not tie.outgoing)


def change_delivery(changed: Callable[[list[Any]], list[Any]]) -> Break:
    """What was said in the second step arrives changed; all else arrives as it should."""

    def delivered(kept: Any, self: Any, said: Sequence[Any]) -> None:
        kept(self, changed(list(said)) if self._step == 2 else said)

    return around(effects.Effects, "deliver", delivered)


def change_messages(times: int) -> Break:
    """In step 2 each line is said so many times."""

    def say(kept: Any, self: Any, *args: Any) -> None:
        for _ in range(times if self._step == 2 else 1):
            kept(self, *args)

    return around(effects.Effects, "say", say)


def next_of(self: Any, agent: str) -> Any:
    people = list(self._state.residents.values())
    return people[(people.index(self._state.residents[agent]) + 1) % len(people)]


def note_elsewhere(kept: Any, self: Any, resident: Any, seen: Any, decision: Any) -> None:
    kept(self, next_of(self, resident.id), seen, decision)


def without_blocks(kept: Any, self: Any) -> Any:
    world = self._state.world
    blocked, world.blocked = world.blocked, {}
    try:
        return kept(self)
    finally:
        world.blocked = blocked


def forget_the_newest(kept: Any, self: Memory, text: str, **options: Any) -> None:
    if len(self._notes) >= self._capacity:
        self._notes.pop()
    kept(self, text, **options)


def measure_late(kept: Any, self: Any) -> None:
    kept(self)
    measures = self.rows.of(MeasureRow)
    measures[:] = [replace(row, step=row.step + 1) for row in measures]


def settle_late(kept: Any, state: Any, view: Any, log: Any, decisions: Any) -> None:
    """What a step decided is settled at the end of the next."""
    due, state.settled_late = getattr(state, "settled_late", ()), decisions
    kept(state, view, log, due)


def settle_first(patch: Patch) -> None:
    """A step is settled before anything of it is applied."""
    kept = step.StepPhase.apply

    def apply(self: Any, items: Any, results: Any) -> None:
        interventions.resolve(self._state, self._context.view, self._effects._levers, ())
        kept(self, items, results)

    patch.setattr(step.StepPhase, "apply", apply)
    around(effects.Effects, "settle", lambda settle, self: patched_settle(self))(patch)


def patched_settle(self: Any) -> None:
    self.ties.make_wanted()
    self.people.leave_wanted()


def act_twice(kept: Any, self: Any, resident: Any, seen: Any, action: Any, decision: Any) -> None:
    kept(self, resident, seen, action, decision)
    action.apply(TurnEffects(self, seen, self.emissions[-1]))


def drop_held_lines(kept: Any, self: Any, resident: Any) -> None:
    resident.inbox = []


def all_present(kept: Any, self: Any) -> Any:
    """Those who leave keep their turns."""
    gone = [one for one in self._state.residents.values() if one.departed]
    return [*kept(self), *gone]


def meant_for_all(kept: Any, to: Any, state: Any, view: Any) -> Any:
    found = kept(to, state, view)
    return view.residents if len(found) > 1 else found


def stale_members(patch: Patch) -> None:
    """Posts are shown to those who were members in the step before."""
    begin, shown = channels.PostBoard.begin, channels.PostBoard._iter_visible
    before: dict[str, Any] = {}

    def began(self: Any, meant: Any) -> None:
        before["members"] = dict(self._members) or {"club": frozenset[str]()}
        begin(self, meant)

    def shown_to(self: Any, resident: Any, channel: Any) -> Iterator[Any]:
        members, self._members = self._members, before["members"]
        try:
            return iter(list(shown(self, resident, channel)))
        finally:
            self._members = members

    patch.setattr(channels.PostBoard, "begin", began)
    patch.setattr(channels.PostBoard, "_iter_visible", shown_to)


def show_own(kept: Any, self: Any, resident: Any, channel: Any) -> Iterator[Any]:
    yield from kept(self, SimpleNamespace(id=""), channel) if channel.name != "club" else self._ordered[channel.name]


def displayed(kept: Any, self: Any, respondent: Any, answers: Any) -> list[Any]:
    """The place of an answer among the options shown is taken for its place among those declared."""
    rows = kept(self, respondent, answers)
    for place, (item, row) in enumerate(zip(self._survey.items, rows, strict=True)):
        if item.type == "choice":
            value = item.choices[row.shown.index(orjson.loads(row.value))]
            rows[place] = replace(row, value=orjson.dumps(value).decode())
    return list(rows)


def answers_of_the_next(kept: Any, self: Any, items: Any, results: Any) -> None:
    kept(self, items, [*results[1:], results[0]])


def vary_twice(patch: Patch) -> None:
    copied = archetypes._copy_decision

    def twice(state: Any, turn: Any, made: Any, whose: str) -> Any:
        once = copied(state, turn, made, whose)
        rng = rng_for(state.seed, "vary again", state.world.step, turn.observation.agent)
        varied = state.scenario.vary(once.action, state.residents[turn.observation.agent], rng)
        return replace(once, action=varied)

    patch.setattr(archetypes, "_copy_decision", twice)


async def one_cluster(kept: Any, self: Any, state: Any, recall: Any) -> None:
    await kept(self, state, recall)
    self._clusters = dict.fromkeys(self._clusters, "all")


def reversed_feed(kept: Any, self: Any, resident: Any, posts: Any, channel: Any) -> Any:
    return kept(self, resident, posts, channel)[::-1]


def reversed_posts(shown: Any) -> Any:
    return tuple(replace(post, key=f"p{place}") for place, post in enumerate(shown[::-1], start=1))


def add_without_replies(kept: Any, self: Any, row: Any) -> None:
    kept(self, replace(row, reply_to=None))


def shuffled(kept: Any, self: Any, residents: Any) -> Any:
    """The order depends on who else is there, as it once did."""
    drawn = sorted(residents, key=lambda one: one.id)
    rng_for(self._state.seed, "order", self.number).shuffle(drawn)
    return drawn


def same_order(kept: Any, self: Any, residents: Any) -> Any:
    return sorted(residents, key=lambda one: derive_seed(self._state.seed, one.id))


def remove_nothing(kept: Any, self: Any, *args: Any, **options: Any) -> Iterator[Any]:
    return iter(())


def tie_without_end(kept: Any, self: Any, *args: Any, **options: Any) -> Iterator[Any]:
    return kept(self, *args, **options) if self._step < 6 else iter(())


def poissons_in_a_row(kept: Any, residents: Any, rng: Any) -> list[int]:
    """One stream for all, so that who is missing moves the draws of all after it."""
    return [rng.getrandbits(63) for _ in residents]


def posts_by_number(kept: Any, *purpose: Any) -> Any:
    """Which post of a step comes first depends on how many there are, as it once did."""
    return kept(*purpose[:-1], "number", next(_POSTS)) if purpose[1] == "post" else kept(*purpose)


_POSTS = count()


def drawn_anyhow(kept: Any, people: int, grown: Sequence[Any], rng: Any) -> list[tuple[int, int]]:
    pairs = {tuple(sorted(rng.sample(range(people), 2))) for _ in grown}
    return [(one, other) for one, other in pairs]


def newcomers_wait(kept: Any, self: Any) -> Any:
    return [one for one in kept(self) if not one.arrived or one.arrived < self.number]


def late_clock(kept: Any, state: Any, *step: int) -> str:
    return f"step {(step[0] if step else state.world.step) + 1}"


def later_times(kept: Any, self: Any, agent: str, time: float) -> None:
    kept(self, agent, time * 1.5)


def due_a_step_late(kept: Any, one: Any, state: Any, view: Any) -> bool:
    return bool(kept(one, SimpleNamespace(world=SimpleNamespace(step=state.world.step - 1)), view))


#: Each way to break the engine; a law that notices it, and words of the number by which it does.
BROKEN: dict[str, tuple[Break, str, str]] = {
    "effects in reverse": (
        around(step.StepPhase, "apply", lambda kept, self, items, results: kept(self, items[::-1], results[::-1])),
        "serial-dictatorship",
        "another house",
    ),
    "no snapshot": (apply_at_once, "beauty-contest", "largest deviation"),
    "agents draw alike": (seed_without(3), "independent-cascade", "share"),
    "steps draw alike": (seed_without(2), "independent-draws", "over agents"),
    "seeds draw alike": (seed_without(0), "independent-draws", "another seed"),
    "ties the other way round": (around(population, "_seen_from", turned), "independent-cascade", "share"),
    "ties of one weight": (
        around(observe, "_known_facts", lambda kept, other, found, levels: kept(other, found[:1], levels)),
        "degroot",
        "deviation",
    ),
    "a message that nobody hears": (change_delivery(lambda said: said[1:]), "public-goods", "deviation"),
    "a message that is heard twice": (change_delivery(lambda said: [*said, said[0]]), "public-goods", "deviation"),
    "messages that are not sent": (change_messages(0), "levers", "lost, doubled"),
    "messages that are sent twice": (change_messages(2), "levers", "lost, doubled"),
    "interventions a step late": (around(interventions, "_is_due", due_a_step_late), "levers", "states that are not"),
    "an intervention for all": (around(interventions, "residents_meant", meant_for_all), "levers", "news is missing"),
    "notes in another agent's memory": (
        around(effects.Effects, "_take_notes", note_elsewhere), "levers", "was not told"
    ),
    "the newest note is forgotten": (around(Memory, "note", forget_the_newest), "levers", "other notes"),
    "blocked agents act": (around(step.StepPhase, "_choose_active", without_blocks), "levers", "turns of blocked"),
    "lines that a block holds are lost": (
        around(effects.Effects, "_keep_unheard", drop_held_lines), "levers", "other lines"
    ),
    "blocked ties are seen": (
        around(World, "is_blocked", lambda kept, self, one, other: one in self.blocked or other in self.blocked),
        "levers",
        "others than the ties say",
    ),
    "the oldest lines are heard": (
        around(observe, "_list_heard", lambda kept, state, one, is_rule=False: kept(state, one, is_rule=True)[:2]),
        "levers",
        "other lines",
    ),
    "always the first neighbours": (
        around(observe, "draw_sample", lambda kept, rng, things, count: list(things[:count])), "levers", "first half"
    ),
    "neighbours drawn with replacement": (
        around(observe, "draw_sample", lambda kept, rng, things, count: [rng.choice(things) for _ in range(count)]),
        "levers",
        "others than the ties say",
    ),
    "the same neighbours in each step": (
        seed_without(2, module=observe, name="rng_for", only="observe"), "levers", "shown again"
    ),
    "the order of agents": (
        around(step.StepPhase, "_order_residents", lambda kept, self, residents: residents), "levers", "rank sum"
    ),
    "one order for all steps": (around(step.StepPhase, "_order_residents", same_order), "levers", "rank correlation"),
    "measures a step late": (around(effects.Effects, "measure", measure_late), "levers", "measure is wrong"),
    "a step is settled in the next": (around(effects, "resolve", settle_late), "levers", "states that are not"),
    "a step is settled before its decisions": (settle_first, "levers", "states that are not"),
    "effects twice": (around(effects.Effects, "_apply_action", act_twice), "levers", "states that are not"),
    "newcomers wait a step": (around(step.StepPhase, "_choose_active", newcomers_wait), "levers", "turns of blocked"),
    "those who left act": (around(step.StepPhase, "_choose_active", all_present), "levers", "turns of blocked"),
    "ties are not removed": (around(arrivals.TieChanges, "remove", remove_nothing), "levers", "number of ties"),
    "ties are left and kept": (
        around(arrivals.TieChanges, "remove", tie_without_end),
        "adaptive-voter",
        "number of ties",
    ),
    "a clock that is a step ahead": (around(observe, "told_time", late_clock), "levers", "another step"),
    "members of a group as they were": (stale_members, "levers", "posts of a group"),
    "own posts are shown": (around(channels.PostBoard, "_iter_visible", show_own), "levers", "posts of a group"),
    "options by the place shown": (around(SurveyPhase, "_answer_rows", displayed), "levers", "respondent's own"),
    "answers of the next agent": (around(SurveyPhase, "apply", answers_of_the_next), "levers", "respondent's own"),
    "options as they are declared": (
        around(items._OptionItem, "order", lambda kept, self, rng: self.options), "levers", "spread of an option"
    ),
    "options in one order for all": (seed_without(5, module=declared, name="rng_for"), "levers", "spread of an option"),
    "noise twice": (vary_twice, "archetypes", "variance of copies"),
    "the same noise for all": (
        seed_without(3, module=archetypes, name="rng_for", only="vary"), "archetypes", "mean distance"
    ),
    "one cluster": (around(archetypes.Archetypes, "_make_clusters", one_cluster), "archetypes", "another cluster"),
    "the last post first": (around(channels.PostBoard, "_score_posts", reversed_feed), "polya-urn", "rank behind"),
    "shown posts in reverse": (
        around(channels.PostBoard, "shown_to", lambda kept, *args: reversed_posts(kept(*args))),
        "polya-urn",
        "variance",
    ),
    "replies that do not count": (
        around(channels.PostBoard, "_add_post", add_without_replies), "polya-urn", "variance"
    ),
    "an order that depends on who is there": (
        around(step.StepPhase, "_order_residents", shuffled), "locality", "before news"
    ),
    "chances that depend on who is there": (
        around(activation, "_draw_numbers", poissons_in_a_row), "locality", "before news"
    ),
    "posts ordered by how many there are": (
        around(channels, "derive_seed", posts_by_number), "locality", "before news"
    ),
    "the first of a share": (
        around(activation, "_draw_numbers", lambda kept, residents, rng: list(range(len(residents)))),
        "activation",
        "spread of turns over a group",
    ),
    "a rate twice as high": (
        around(activation, "expm1", lambda kept, rate: kept(2 * rate)), "activation", "share of turns"
    ),
    "turns later than they are due": (
        around(activation.EventTime, "_add_event", later_times), "poisson-times", "earliest"
    ),
    "ties that are drawn without regard to their number": (
        around(drawing, "draw_configuration", drawn_anyhow),
        "sir-configuration",
        "number of ties",
    ),
    "ties that are not drawn anew": (
        around(drawing, "draw_configuration", lambda kept, people, grown, rng: list(grown)),
        "sir-configuration",
        "share infected",
    ),
    "weights of 1": (
        around(surveys, "weighted_mean", lambda kept, values: kept([(value, 1.0) for value, _ in values])),
        "horvitz-thompson",
        "follows from the stratum",
    ),
}  # fmt: skip
#: Two breaks whose laws are quick are tried in each run of the tests.
FAST = {"blocked agents act", "an order that depends on who is there", "the first of a share"}


@pytest.mark.parametrize("broken", [pytest.param(one, marks=() if one in FAST else pytest.mark.slow) for one in BROKEN])
def test_a_broken_engine_breaks_a_law(monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    breaks, law, words = BROKEN[broken]
    breaks(monkeypatch)
    found = [one.what for one in failed(law)]
    assert [what for what in found if words in what], found


def test_at_least_25_breaks_are_tried() -> None:
    assert len(BROKEN) >= 25
