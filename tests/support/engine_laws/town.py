"""A town in which every lever is pulled once, at a known step, by agents who are shown what prompts hold.

What agents decide is a function of their turn's seed; everything else follows, and `levers.py` says what it must be.
"""

import json
import random
import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, cast

from langchain_core.language_models.chat_models import SimpleChatModel
from langchain_core.messages import BaseMessage
from pydantic import Field

from populace import Action
from populace.agents import ActionEffects, Decision, Mind, MindContext, MindState, Observation
from populace.personas import RelationKind
from populace.scenarios.laws.law import RuleSettings, Ties, place_of
from populace.sim import (
    Arrival,
    Channel,
    Choice,
    Emission,
    Intervention,
    Levers,
    Likert,
    Rank,
    Resident,
    Scenario,
    Settings,
    SocietyView,
    State,
    Survey,
    Visit,
)

#: People at first, on a ring, each tied to so many on either side; and the steps.
PEOPLE, REACH, STEPS = 24, 5, 8
#: Neighbours and lines that a prompt shows, and notes that an agent keeps, which it recalls all.
SHOWN, HEARD, SAID, NOTES = 4, 2, 2, 3
RING: Ties = tuple((place, (place + far) % PEOPLE) for far in range(1, REACH + 1) for place in range(PEOPLE))

#: Who is blocked, from when, and until which step no more; the tie that is blocked, and from when.
GAGGED, GAG, UNGAG = 10, 3, 5
CUT, CUT_AT = (15, 16), 5
#: Who gets so many coins, of which news tells, and when; and one more, later. Who has coins is in the club.
GIFTED, GIFT, COINS, LATER, LATER_GIFT = (5, 6, 7), 4, 10, 9, 7
#: Two ties that swap their ends, and when.
SWAPPED, SWAP = ((0, 1), (12, 13)), 6
#: Who leaves and who comes, tied to whom, and when; whom a player visits, and when; who gives up a tie, and when.
LEAVER, LEAVING = 20, 4
NEWCOMER, COMING, HOST = PEOPLE, 5, 3
STRANGER = f"Stranger {NEWCOMER}"
VISITED, VISIT = 2, 2
DROPPER, DROP = 8, 6

NEWS, VISIT_LINE = "A gift came.", "visit-0"
#: Options of which each person chooses the one of its place, whatever their order.
OPTIONS = ("bridge", "ferry", "tunnel", "nothing")
SURVEY = Survey(
    "ballot",
    [
        Choice("Which one?", choices=OPTIONS, name="one"),
        Rank("Which order?", choices=OPTIONS, name="order"),
        Likert("It matters.", name="point", shuffle=True),
    ],
    at=(STEPS,),
)
CLUB = "club"


class Purse(State):
    """What an agent has, how often it acted, and how many acted in the latest step."""

    coins: int = 0
    acts: int = 0
    acted: int = 0


class Tell(Action):
    """Say a word of one's own to some."""

    name: ClassVar[str] = "tell"
    addressed: ClassVar[bool] = True
    novelty = "none"
    kind: Literal["tell"]
    to: tuple[str, ...]
    #: The places of those told.
    told: tuple[int, ...]
    word: str
    step: int

    @property
    def emitted_text(self) -> str:
        """The word, which nobody else says."""
        return self.word

    def apply(self, effects: ActionEffects) -> None:
        """One more act; the club has a post of it, and one who drops a tie has none."""
        posts = effects.state.coins > 0
        effects.state.acts += 1
        super().apply(effects)
        if posts:
            effects.post(CLUB, self.word)
        if self.step == DROP and self.word == word_of(DROPPER, DROP):
            effects.untie(self.to[0])


def word_of(place: int, step: int) -> str:
    """What the agent at this place says in this step."""
    return f"word-{place}-{step}"


class Script:
    """The mind of all: it tells some of those whom it is shown, drawn by the seed of the turn."""

    async def ainvoke(self, state: MindState, *, context: MindContext) -> Mapping[str, Decision]:
        """Decide by chance."""
        seen: Observation = state["observation"]
        rng = random.Random(state["request_context"].seed)
        near = rng.sample(seen.neighbours, min(2, len(seen.neighbours)))
        places = tuple(place_of(one.text) for one in near)
        word = word_of(place_of(seen.persona), seen.step)
        action = Tell(kind="tell", to=tuple(one.key for one in near), told=places, word=word, step=seen.step)
        return {"decision": Decision(action, attempts=0, prompt="script", model="script")}


class TownSettings(RuleSettings):
    """So little fits into a prompt that what is chosen shows."""

    neighbours: int = Field(SHOWN, ge=0, description="Neighbours a prompt shows")
    heard: int = Field(HEARD, ge=1, description="Lines a prompt holds")
    lines_shown: int = Field(SAID, ge=0, description="Earlier lines of a conversation that a prompt holds")
    recalled: int = Field(NOTES + 1, ge=0, description="Notes that come to mind, at most")
    memory: int = Field(NOTES, ge=1, description="Notes an agent keeps")


def _swap(levers: Levers) -> None:
    """Two ties swap their ends, so that all have as many as before."""
    (one, other), (third, fourth) = SWAPPED
    for pair in SWAPPED:
        levers.untie(*_at(levers, *pair))
    for pair in ((one, fourth), (third, other)):
        levers.tie(*_at(levers, *pair), RelationKind.OTHER, "acquaintance 1")


def _at(levers: Levers, one: int, other: int) -> tuple[Resident, Resident]:
    at = {place_of(resident.persona.text): resident for resident in levers.society.residents}
    return at[one], at[other]


def _is_at(*places: int) -> Any:
    return lambda resident: place_of(resident.persona.text) in places


def _each(levers: Levers, change: Any) -> None:
    for resident in levers.residents:
        change(resident)


class LeverTown(Scenario):
    """Everybody tells two of those whom it sees; interventions, people and a player come at known steps."""

    name = "lever-town"
    world = "A town in which every lever is pulled once."
    settings_type: ClassVar[type[Settings]] = TownSettings
    actions = (Tell,)
    agent_state_type = Purse
    channels = (Channel(CLUB, members=lambda one: one.state.coins > 0, shown=PEOPLE),)
    surveys = (SURVEY,)
    interventions = (
        Intervention(GAG, "gag", to=_is_at(GAGGED), effect=lambda levers: _each(levers, levers.block)),
        Intervention(UNGAG, "ungag", to=_is_at(GAGGED), effect=lambda levers: _each(levers, levers.unblock)),
        Intervention(CUT_AT, "cut", effect=lambda levers: levers.block(*_at(levers, *CUT))),
        Intervention(
            GIFT, "gift", NEWS, to=_is_at(*GIFTED),
            effect=lambda levers: _each(levers, lambda one: levers.set_state(one, coins=COINS)),
        ),
        Intervention(
            LATER_GIFT, "later gift", to=_is_at(LATER),
            effect=lambda levers: _each(levers, lambda one: levers.set_state(one, coins=COINS)),
        ),
        Intervention(SWAP, "swap", effect=_swap),
    )  # fmt: skip

    def mind(self) -> Mind:
        """The script, for all agents."""
        return cast("Mind", Script())

    def departures(self, society: SocietyView, rng: random.Random) -> Sequence[Resident | str]:
        """One leaves."""
        return [one for one in society.residents if society.world.step == LEAVING and _is_at(LEAVER)(one)]

    def arrivals(self, society: SocietyView, rng: random.Random) -> Sequence[Arrival]:
        """One comes, whom somebody knows."""
        if society.world.step != COMING:
            return ()
        host = next(one for one in society.residents if _is_at(HOST)(one))
        return [Arrival(of=host, kind=RelationKind.OTHER, label="newcomer", persona=STRANGER)]

    def visits(self, society: SocietyView, rng: random.Random) -> Sequence[Visit]:
        """A player says something to one."""
        return [
            Visit(one.id, VISIT_LINE)
            for one in society.residents
            if society.world.step == VISIT and _is_at(VISITED)(one)
        ]

    def resolve(self, society: SocietyView, decisions: Sequence[Emission], levers: Levers) -> None:
        """All are told how many acted."""
        for resident in levers.residents:
            levers.set_state(resident, acted=len(decisions))

    def measures(self, society: SocietyView) -> Mapping[str, float]:
        """How many acted."""
        return {"acted": len(society.emitted_this_step)}


class Respondent(SimpleChatModel):
    """Answers the survey by who it is asked to be, in the words of the options that it is shown."""

    @property
    def _llm_type(self) -> str:
        return "respondent"

    def _call(self, messages: list[BaseMessage], *args: object, **kwargs: Any) -> str:
        persona = re.search(r"<persona[^>]*>\n[^<]*?(\d+)", "\n".join(str(one.content) for one in messages))
        return json.dumps(answers_of(int(persona[1]) if persona else 0))


def answers_of(place: int) -> dict[str, Any]:
    """What the agent at this place answers to each item."""
    first = place % len(OPTIONS)
    return {"one": OPTIONS[first], "order": [*OPTIONS[first:], *OPTIONS[:first]], "point": place % 5 + 1}
