"""Societies that change: ties that follow opinions, feeds in which the popular grow, and how far change is felt."""

import math
import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from statistics import fmean, stdev
from typing import Any, ClassVar, Literal
from zlib import crc32

import networkx as nx

from populace import Action
from populace.agents import ActionEffects, Observation
from populace.personas import RelationKind
from populace.scenarios.laws.law import (
    STANDARD_ERRORS,
    Measured,
    RuleScenario,
    Ties,
    Trial,
    copies_of,
    final_values,
    place_of,
    society_of,
)
from populace.sim import (
    Channel,
    Emission,
    FinishedRun,
    Intervention,
    Levers,
    Post,
    Resident,
    SocietyView,
    State,
    poisson,
)

#: Six people, two of whom think otherwise, and their ties.
_FEW = 6
_OTHERS = (0, 3)
_WEB: Ties = ((0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (5, 0), (1, 4))
#: How often somebody leaves a neighbour of another opinion instead of taking it over.
_LEAVES = 0.4


class Mindset(State):
    """What an agent holds."""

    yes: bool = False


class Reconsider(Action):
    """Leave a neighbour of another opinion, or take it over."""

    name: ClassVar[str] = "reconsider"
    novelty = "none"
    kind: Literal["reconsider"]
    neighbour: str
    leaves: bool

    @property
    def emitted_text(self) -> str:
        """Which of both."""
        return "leaves" if self.leaves else "follows"


class AdaptiveVoter(RuleScenario):
    """In each copy an end of a tie, drawn by chance, meets the other; one of another opinion it leaves or follows."""

    name = "adaptive-voter"
    actions = (Reconsider,)
    agent_state_type = Mindset

    def agent_state(self, resident: Resident, rng: random.Random) -> Mindset:
        """Two of six say yes."""
        return Mindset(yes=place_of(resident.persona.text) % _FEW in _OTHERS)

    def active(self, society: SocietyView, rng: random.Random) -> Sequence[Resident]:
        """One of each copy, by its number of ties: the end of a tie."""
        people = society.residents
        ends = [len(society.graph.neighbours(one.id)) for one in people]
        return [rng.choices(people[at : at + _FEW], ends[at : at + _FEW])[0] for at in range(0, len(people), _FEW)]

    def rule(self, seen: Observation, rng: random.Random) -> Reconsider | None:
        """The other end, if it thinks otherwise."""
        other = rng.choice(seen.neighbours)
        leaves = rng.random() < _LEAVES
        is_alike = other.state.yes == seen.state.yes
        return None if is_alike else Reconsider(kind="reconsider", neighbour=other.agent, leaves=leaves)

    def resolve(self, society: SocietyView, decisions: Sequence[Emission], levers: Levers) -> None:
        """Tie those who leave to somebody of their opinion, if there is one to whom they are not tied."""
        people = society.residents
        for one in decisions:
            action, agent = one.action, society.resident(one.agent)
            assert isinstance(action, Reconsider)
            if not action.leaves:
                levers.set_state(agent, yes=society.resident(action.neighbour).state.yes)
                continue
            at = place_of(agent.persona.text) // _FEW * _FEW
            tied = {tie.id for tie in society.graph.neighbours(agent.id)} | {agent.id}
            free = [
                other for other in people[at : at + _FEW] if other.id not in tied and other.state.yes == agent.state.yes
            ]
            if free:
                levers.untie(agent, action.neighbour)
                levers.tie(agent, levers.rng.choice(free), RelationKind.OTHER, "acquaintance 1")


def adaptive_voter(trial: Trial) -> Iterator[Measured]:
    """By ties drawn at random both opinions win a neighbour as often: their mean stays, whatever ties do."""
    copies = 100 * trial.times
    run = trial.run(AdaptiveVoter(), copies_of(copies, _FEW, _WEB), steps=8)
    shares = [fmean(final_values(run, "yes")[at : at + _FEW]) for at in range(0, copies * _FEW, _FEW)]
    error = stdev(shares) / math.sqrt(copies)
    share = len(_OTHERS) / _FEW
    yield Measured("mean share of an opinion after ties were drawn", share, fmean(shares), STANDARD_ERRORS * error)
    places = {agent: place for place, (agent,) in enumerate(run.sql("SELECT agent FROM agents ORDER BY ordinal").rows)}
    ties = Counter(places[one] // _FEW for one, _ in run.sql("SELECT source, target FROM ties").rows)
    wrong = sum(ties[copy] != len(_WEB) for copy in range(copies))
    yield Measured("copies with another number of ties than at first", 0, wrong)
    moved = run.sql("SELECT step, source, target, change FROM relation_changes ORDER BY step, ordinal").rows
    left = {(step, one) for step, *ends, change in moved if change == "removed" for one in ends}
    found = {(step, one) for step, one, _, change in moved if change == "added"}
    yield Measured("ties that were made by somebody who left none", 0, len(found - left))


#: Readers of an urn, after two writers; readers come one after the other.
_READERS = 10
_URN = _READERS + 2


class Publish(Action):
    """Write a post, or reply to the one that was shown."""

    name: ClassVar[str] = "publish"
    novelty = "none"
    kind: Literal["publish"]
    reply_to: str | None = None

    @property
    def emitted_text(self) -> str:
        """The same of everybody."""
        return "so it is"

    def apply(self, effects: ActionEffects) -> None:
        """Replies are in a channel of their own."""
        effects.post("feed" if self.reply_to is None else "square", self.emitted_text, reply_to=self.reply_to)


def _polya(post: Post, reader: Resident, society: SocietyView) -> float:
    """First is a post of the reader's own copy, drawn by 1 + its replies (Efraimidis and Spirakis 2006)."""
    own, other = (place_of(one.persona.text) // _URN for one in (reader, society.resident(post.agent)))
    drawn = random.Random(f"{society.seed} {reader.id} {post.post}").random()
    return math.log(drawn) / (1 + post.replies) if own == other else -math.inf


class Urn(RuleScenario):
    """Two write; those who come one by one see both posts, and reply to the one that the feed shows first."""

    name = "urn"
    actions = (Publish,)
    channels = (Channel("feed", _polya, shown=2, steps=_URN), Channel("square", shown=1))

    def active(self, society: SocietyView, rng: random.Random) -> Sequence[Resident]:
        """Both writers, then a reader of each copy in each step."""
        now = (0, 1) if society.world.step == 1 else (society.world.step,)
        return [one for one in society.residents if place_of(one.persona.text) % _URN in now]

    def rule(self, seen: Observation, rng: random.Random) -> Publish:
        """Reply to what the feed shows first; write if it shows nothing."""
        shown = [one.key for one in seen.posts if one.channel == "feed"]
        return Publish(kind="publish", reply_to=shown[0] if shown else None)


def polya_urn(trial: Trial) -> Iterator[Measured]:
    """Shown first by 1 + its replies, a post has each number of replies with the same chance (Eggenberger, Polya)."""
    copies = 60 * trial.times
    run = trial.run(Urn(), society_of(copies * _URN), steps=_READERS + 1)
    copy = {agent: (n - 1) // _URN for agent, n in run.sql("SELECT agent, ordinal FROM agents").rows}
    shown = run.sql(
        "SELECT e.agent, p.agent, p.post, r.reply_to FROM exposures AS e JOIN posts AS p USING (post) "
        "JOIN posts AS r ON r.agent = e.agent AND r.step = e.step WHERE e.channel = 'feed' AND e.place = 1"
    ).rows
    wrong = sum(copy[reader] != copy[writer] or post != reply for reader, writer, post, reply in shown)
    yield Measured("posts shown first that rank behind another, or of which no reply came", 0, wrong)
    yield Measured("posts shown first in the feed", copies * _READERS, len(shown))
    first = dict(run.sql("SELECT agent, post FROM posts WHERE reply_to IS NULL ORDER BY agent DESC").rows)
    posts = {copy[agent]: post for agent, post in sorted(first.items())}
    replies = Counter(post for _, _, post, _ in shown)
    got = [replies[post] - _READERS / 2 for post in posts.values()]
    moments = [fmean((n - _READERS / 2) ** power for n in range(_READERS + 1)) for power in (2, 4)]
    error = math.sqrt(moments[0] / copies)
    yield Measured("mean replies to one of two posts, less half", 0, fmean(got), STANDARD_ERRORS * error)
    error = math.sqrt((moments[1] - moments[0] ** 2) / copies)
    variance = fmean(one**2 for one in got)
    yield Measured("variance of replies to one of two posts", moments[0], variance, STANDARD_ERRORS * error)


class Whisper(Action):
    """Say, and post, what one has seen and drawn, in short."""

    name: ClassVar[str] = "whisper"
    addressed: ClassVar[bool] = True
    novelty = "none"
    kind: Literal["whisper"]
    to: str
    said: int

    @property
    def emitted_text(self) -> str:
        """The number."""
        return str(self.said)

    def apply(self, effects: ActionEffects) -> None:
        """Whoever is told, and all who are tied, can see it from the next step on."""
        super().apply(effects)
        effects.post("neighbours", self.emitted_text)


class Whispers(RuleScenario):
    """Who has a turn tells a neighbour what follows from all that it sees, and from its draws."""

    name = "whispers"
    actions = (Whisper,)
    activation = poisson(1.5)
    channels = (Channel("neighbours", "neighbours"),)

    def rule(self, seen: Observation, rng: random.Random) -> Whisper:
        """Sum up what is seen, in its order."""
        told = [
            rng.random(),
            [one.text for one in seen.neighbours],
            [line.text for line in seen.heard],
            [post.text for post in seen.posts],
        ]
        return Whisper(kind="whisper", to=rng.choice(seen.addressees), said=crc32(repr(told).encode()))


_LEFT_AT = 3


class Bereft(Whispers):
    """The same, where one leaves."""

    interventions = (Intervention(_LEFT_AT, "leave", effect=lambda levers: levers.depart(levers.residents[0])),)


def locality(trial: Trial) -> Iterator[Measured]:
    """What happens to one is felt one tie farther in each step: the draws of all others stay as they are."""
    people, steps = 40 * trial.times, 8
    ring = [(place, (place + 1) % people) for place in range(people)]
    away = nx.single_source_shortest_path_length(nx.Graph(ring), 0)
    runs = [trial.run(one, society_of(people, ring), steps=steps) for one in (Whispers(), Bereft())]
    plain, bereft = (_whispers(run) for run in runs)
    wrong = near = 0
    for step in range(1, steps + 1):
        far = {place for place in range(people) if away[place] > step - _LEFT_AT + 1}
        one, other = ([row for row in rows[step] if row[0] in far] for rows in (plain, bereft))
        wrong += sum(a != b for a, b in zip(one, other, strict=False)) + abs(len(one) - len(other))
        near += step >= _LEFT_AT and plain[step] != bereft[step]
    yield Measured("turns, their order and their draws that change before news of a departure can have come", 0, wrong)
    yield Measured("steps in which the departure is felt", steps - _LEFT_AT + 1, near)


def _whispers(run: FinishedRun) -> defaultdict[int, list[tuple[Any, ...]]]:
    rows = defaultdict[int, list[tuple[Any, ...]]](list)
    asked = "SELECT step, ordinal - 1, text FROM emissions JOIN agents USING (agent) ORDER BY emission"
    for step, place, text in run.sql(asked).rows:
        rows[step].append((place, text))
    return rows
