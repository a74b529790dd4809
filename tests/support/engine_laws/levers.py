"""Every lever, exactly: what a town's run file must hold, by its schedule and by what its agents decided."""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import orjson

from populace.scenarios.laws.law import (
    STANDARD_ERRORS,
    Measured,
    Trial,
    place_of,
    society_of,
    values_by_step,
)
from populace.sim import FinishedRun

from . import town as t
from .chi_square import chi_square_z

_WORD = re.compile(r"(?:word-\d+|visit)-\d+")
_SECTION = re.compile(r"<(\w+)[^>\n]*>(.*?)</\1>", re.DOTALL)
_NAMED = re.compile(r"^([^(\n]+) \(", re.MULTILINE)


@dataclass(slots=True)
class _Town:
    """The town as it must be, step by step."""

    step: int = 0
    ties: set[frozenset[int]] = field(default_factory=lambda: {frozenset(pair) for pair in t.RING})
    coins: Counter[int] = field(default_factory=Counter)
    acts: Counter[int] = field(default_factory=Counter)
    acted: int = 0
    inbox: defaultdict[int, list[str]] = field(default_factory=lambda: defaultdict(list))
    notes: defaultdict[int, list[str]] = field(default_factory=lambda: defaultdict(list))
    posts: list[tuple[int, str]] = field(default_factory=list)
    #: What two said to each other, oldest first.
    talks: defaultdict[frozenset[int], list[str]] = field(default_factory=lambda: defaultdict(list))

    def begin(self, step: int) -> None:
        """Pull the levers of a step."""
        self.step = step
        for place, at in (*((one, t.GIFT) for one in t.GIFTED), (t.LATER, t.LATER_GIFT)):
            self.coins[place] += t.COINS * (step == at)
        if step == t.SWAP:
            (one, other), (third, fourth) = t.SWAPPED
            self.ties -= {frozenset(pair) for pair in t.SWAPPED}
            self.ties |= {frozenset((one, fourth)), frozenset((third, other))}
        if step == t.LEAVING:
            self.ties = {pair for pair in self.ties if t.LEAVER not in pair}
        if step == t.COMING:
            self.ties.add(frozenset((t.HOST, t.NEWCOMER)))
        if step == t.VISIT:
            self.inbox[t.VISITED].append(t.VISIT_LINE)

    def is_there(self, place: int) -> bool:
        """Whether an agent has come and not left."""
        return self.step < t.LEAVING if place == t.LEAVER else place != t.NEWCOMER or self.step >= t.COMING

    def is_active(self, place: int) -> bool:
        """Whether an agent has a turn, is seen and is heard."""
        return self.is_there(place) and not (place == t.GAGGED and t.GAG <= self.step < t.UNGAG)

    def is_open(self, one: int, other: int) -> bool:
        """Whether nothing is blocked between two."""
        return (
            self.is_active(one) and self.is_active(other) and not ({one, other} == {*t.CUT} and self.step >= t.CUT_AT)
        )

    def lines(self, place: int) -> tuple[list[str], list[str]]:
        """What an agent can hear now, and what waits for a block to end."""
        known = [word for word in self.inbox[place] if word == t.VISIT_LINE or self.is_there(_speaker(word))]
        can = [word for word in known if word == t.VISIT_LINE or self.is_open(_speaker(word), place)]
        return can, [word for word in known if word not in can]

    def conversations(self, place: int) -> list[str]:
        """The lines of the conversations with those who speak to an agent now, who spoke last coming last."""
        can, waiting = self.lines(place)
        heard = can[-t.HEARD :]
        found = []
        for speaker in reversed(dict.fromkeys(map(_from, reversed(heard)))):
            both = self.talks[frozenset((place, speaker))][-t.HEARD - t.SAID :]
            found += [word for word in both if word not in (*can, *waiting)][-t.SAID :]
            found += [word for word in heard if _from(word) == speaker]
        return found

    def near(self, place: int) -> list[int]:
        """Those whom an agent can see, in the order in which their ties were made."""
        ends = (sum(pair) - place for pair in sorted(self.ties, key=_made) if place in pair)
        return [other for other in ends if self.is_open(place, other)]

    def act(self, place: int, word: str) -> list[str]:
        """Take a turn; gives the lines that were shown."""
        can, self.inbox[place] = self.lines(place)
        self.notes[place] += [*(heard := can[-t.HEARD :]), word]
        self.acts[place] += 1
        return heard


def _made(pair: frozenset[int]) -> int:
    one, other = pair
    return _ORDER.get((one, other), _ORDER.get((other, one), len(t.RING)))


_ORDER = {pair: place for place, pair in enumerate(t.RING)}


def _from(word: str) -> int:
    return -1 if word == t.VISIT_LINE else _speaker(word)


def _speaker(word: str) -> int:
    return int(word.split("-")[1])


@dataclass(slots=True)
class _Chance:
    """Draws without replacement: hits, with the mean and the variance that they have if all are alike."""

    hits: float = 0
    mean: float = 0
    variance: float = 0

    def add(self, drawn: set[int], of: Sequence[int], marked: set[int]) -> None:
        """Add the hypergeometric number of those that are marked among `drawn`."""
        size, share = len(of), len(marked) / max(len(of), 1)
        self.hits += len(drawn & marked)
        self.mean += len(drawn) * share
        self.variance += len(drawn) * share * (1 - share) * (size - len(drawn)) / max(size - 1, 1)

    @property
    def z(self) -> float:
        """Standard deviations from the mean."""
        return (self.hits - self.mean) / math.sqrt(self.variance)


#: What is counted, with the words of its row: all are 0 in an engine that is right.
_COUNTED = {
    "turns": "turns of blocked, absent or unnamed agents, and turns that are missing",
    "sent": "messages that were lost, doubled or sent to others",
    "heard": "turns with other lines than those of the two who speak, up to the newest that reached the agent",
    "notes": "turns with other notes than the agent's newest that are not in a conversation",
    "secrets": "words in a prompt or note of somebody who was not told",
    "near": "turns whose neighbours, shown and not shown, are others than the ties say",
    "states": "states that are not as interventions, acts and settlements make them",
    "told": "turns whose prompt tells another state than the one before the step, or another step",
    "news": "turns in which news is missing, or heard by others",
    "posts": "posts of a group that are missing, or shown to others",
    "degrees": "people whose number of ties a swap, an arrival or a departure changed by another number",
    "measures": "steps of which a measure is wrong",
    "answers": "answers that are not the respondent's own",
}


def levers(trial: Trial) -> Iterator[Measured]:
    """Each lever at its step, for its targets and nobody else; order and neighbours are drawn without a favourite."""
    run = trial.run(t.LeverTown(), society_of(t.PEOPLE, t.RING), steps=t.STEPS, model=t.Respondent())
    found = _Reading(run)
    wrong = Counter[str]()
    half, again, world = _Chance(), _Chance(), _Town()
    before: dict[int, set[int]] = {}
    for step in range(1, t.STEPS + 1):
        world.begin(step)
        spoken = found.spoken[step]
        wrong["turns"] += len({one for one, _ in spoken} ^ {one for one in range(t.PEOPLE + 1) if world.is_active(one)})
        wrong["turns"] += len(spoken) - len({one for one, _ in spoken})
        wrong["measures"] += found.measures.get(step) != len(spoken)
        posted = [(one, t.word_of(one, step)) for one, _ in spoken if world.coins[one]]
        for place, _told in spoken:
            near = world.near(place)
            is_new = place == t.NEWCOMER and step == t.COMING
            state = f"Coins: {world.coins[place]} Acts: {world.acts[place]} Acted: {0 if is_new else world.acted}"
            held, talk = world.notes[place][-t.NOTES :], world.conversations(place)
            heard = world.act(place, t.word_of(place, step))
            text = found.prompts[step, place]
            seen = [found.names[name] for name in _NAMED.findall(text.get("neighbours", ""))]
            speakers = {_speaker(word) for word in heard if word != t.VISIT_LINE}
            others = [one for one in near if one not in speakers]
            wrong["heard"] += _WORD.findall(text.get("conversation", "")) != talk
            known = [word for word in held if word not in talk]
            wrong["notes"] += _WORD.findall(text.get("memory", "")) != known
            own = {t.word_of(place, one) for one in range(step)} | found.told_before(place, step)
            own |= found.shown[step, place].keys()
            wrong["secrets"] += len(set(_WORD.findall(str(text))) - own)
            wrong["near"] += {*seen[: len(speakers)]} != speakers or not {*seen} <= {*near} | speakers
            wrong["near"] += len(seen) != len({*seen})
            wrong["near"] += found.known[step, place] != len(others) + len(speakers)
            wrong["told"] += " ".join(text.get("now", "").split()) != f"It is step {step}. {state}"
            is_told = place in t.GIFTED and t.GIFT <= step < t.GIFT + 2
            wrong["news"] += (t.NEWS in text.get("news", "")) != is_told
            shown = {word for one, word in world.posts if one != place} if world.coins[place] else set[str]()
            wrong["posts"] += found.shown[step, place] != Counter(shown)
            drawn = {*seen} - speakers
            half.add(drawn, others, {*others[: len(others) // 2]})
            if place in before:
                again.add(drawn, others, before[place] & {*others})
            before[place] = drawn
        sent = Counter((place, one, t.word_of(place, step)) for place, told in spoken for one in told)
        wrong["sent"] += _difference(sent, found.messages[step])
        for place, told in spoken:
            for one in told:
                world.inbox[one].append(t.word_of(place, step))
                world.talks[frozenset((place, one))].append(t.word_of(place, step))
        if step == t.DROP:
            world.ties -= {frozenset((t.DROPPER, told[0])) for place, told in spoken if place == t.DROPPER}
        world.posts, world.acted = posted, len(spoken)
        for place in filter(world.is_there, range(t.PEOPLE + 1)):
            values = (world.coins[place], world.acts[place], world.acted)
            wrong["states"] += found.states(step, place) != values
    degrees = Counter(place for pair in world.ties for place in pair)
    wrong["degrees"] = _difference(degrees, found.degrees)
    answers = {
        (one, name): value
        for one in range(t.PEOPLE + 1)
        if world.is_there(one)
        for name, value in t.answers_of(one).items()
    }
    wrong["answers"] = sum(found.answers.get(key) != answers.get(key) for key in {*answers, *found.answers})
    for name, what in _COUNTED.items():
        yield Measured(what, 0, wrong[name])
    yield Measured("first half of neighbours among those shown, in standard errors", 0, half.z, STANDARD_ERRORS)
    yield Measured("neighbours that are shown again, in standard errors", 0, again.z, STANDARD_ERRORS)
    yield from _orders(found)
    places = Counter(shown.index(t.OPTIONS[0]) for shown in found.orders)
    alike = len(found.orders) / len(t.OPTIONS)
    z = chi_square_z(sum((places[n] - alike) ** 2 / alike for n in range(len(t.OPTIONS))), len(t.OPTIONS) - 1)
    yield Measured(
        "spread of an option over the places of a shuffled question, in standard errors", 0, z, STANDARD_ERRORS
    )


def _orders(found: "_Reading") -> Iterator[Measured]:
    """Ranks of a drawn order (Kendall and Gibbons 1990): rank sums, and Spearman's correlation of two steps."""
    sums = variance = likeness = pairs = 0.0
    ranks: dict[int, int] = {}
    for step in range(1, t.STEPS + 1):
        places = [place for place, _ in found.spoken[step]]
        first = {place for place in places if place < t.PEOPLE // 2}
        latest = {place: rank for rank, place in enumerate(places, start=1)}
        size, part = len(places), len(first)
        sums += sum(latest[place] for place in first) - part * (size + 1) / 2
        variance += part * (size - part) * (size + 1) / 12
        both = [place for place in latest if place in ranks]
        if len(both) > 2:
            one, other = ([sorted(by[p] for p in both).index(by[p]) for p in both] for by in (ranks, latest))
            away = sum((a - b) ** 2 for a, b in zip(one, other, strict=True))
            likeness += (1 - 6 * away / (len(both) ** 3 - len(both))) * math.sqrt(len(both) - 1)
            pairs += 1
        ranks = latest
    yield Measured(
        "rank sum of the first half in the order of effects, in standard errors",
        0,
        sums / math.sqrt(variance or 1),
        STANDARD_ERRORS,
    )
    yield Measured(
        "rank correlation of the orders of two steps, in standard errors",
        0,
        likeness / math.sqrt(pairs or 1),
        STANDARD_ERRORS,
    )


def _difference[T](one: Counter[T], other: Counter[T]) -> int:
    return sum(((one - other) + (other - one)).values())


class _Reading:
    """What the run file says, by the places of agents."""

    def __init__(self, run: FinishedRun) -> None:
        people = run.sql(
            "SELECT a.agent, p.text, a.name FROM agents AS a JOIN personas AS p ON p.id = a.agent ORDER BY a.ordinal"
        )
        place = {agent: place_of(text) for agent, text, _ in people.rows}
        self.names = {name: place[agent] for agent, _, name in people.rows}
        self._places = list(place.values())
        self.spoken: defaultdict[int, list[tuple[int, list[int]]]] = defaultdict(list)
        for step, agent, payload in run.sql("SELECT step, agent, payload FROM emissions ORDER BY emission").rows:
            self.spoken[step].append((place[agent], orjson.loads(payload)["told"]))
        self.messages: defaultdict[int, Counter[tuple[int, int, str]]] = defaultdict(Counter)
        self._told: list[tuple[int, int, str]] = []
        for step, sender, recipient, text in run.sql("SELECT step, sender, recipient, text FROM messages").rows:
            self._told.append((step + (text != t.VISIT_LINE), place[recipient], text))
            if text != t.VISIT_LINE:
                self.messages[step][place[sender], place[recipient], text] += 1
        self.prompts: defaultdict[tuple[int, int], defaultdict[str, str]] = defaultdict(lambda: defaultdict(str))
        self.known: dict[tuple[int, int], int] = {}
        for step, agent, count, unseen, text in run.sql(
            "SELECT step, agent, neighbours, unseen, text FROM observations"
        ).rows:
            for tag, inside in _SECTION.findall(text):
                self.prompts[step, place[agent]][tag] += inside
            self.known[step, place[agent]] = count + unseen
        self.measures = dict(run.sql("SELECT step, value FROM measures WHERE name = 'acted'").rows)
        self.shown: defaultdict[tuple[int, int], Counter[str]] = defaultdict(Counter)
        for step, agent, text in run.sql(
            "SELECT e.step, e.agent, p.text FROM exposures AS e JOIN posts AS p USING (post)"
        ).rows:
            self.shown[step, place[agent]][text] += 1
        self._states = [values_by_step(run, name) for name in ("coins", "acts", "acted")]
        ends = {frozenset((place[one], place[other])) for one, other in run.sql("SELECT source, target FROM ties").rows}
        self.degrees: Counter[int] = Counter(one for pair in ends for one in pair)
        self.answers, self.orders = {}, []
        for agent, item, value, shown in run.sql("SELECT agent, item, value, shown FROM answers").rows:
            self.answers[place[agent], item] = orjson.loads(value) if value else None
            self.orders += [shown] if item == "one" else []

    def states(self, step: int, place: int) -> tuple[int, ...]:
        """The state of an agent after a step."""
        at = self._places.index(place)
        return tuple(values[step][at] for values in self._states)

    def told_before(self, place: int, step: int) -> set[str]:
        """What was said to an agent before a step, or by the player in it."""
        return {text for at, recipient, text in self._told if recipient == place and at <= step}
