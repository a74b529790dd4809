"""A law is announced: who supports it before and after, by group, and what talk among neighbours does to that.

Run it as `populace run public_consultation --steps 8`; the survey is in the tables `surveys` and `answers`.
"""

import random
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field

from populace import Action, Scenario
from populace.agents import ActionEffects, Observation
from populace.agents.checks import RETOLD_CHECKS
from populace.agents.procedural.situation import Situation
from populace.sim import Intervention, Item, Levers, Likert, Resident, Settings, SocietyView, State, Survey, World
from populace.sim.seeds import rng_for

Stance = Literal["in favour", "undecided", "opposed"]
WORLD = (
    "Brackenford is a city on a hill. The streets of its old town are full of cars, and the council decides on them."
)
LAW = "The council drafts a law: from May, no private car may drive in the old town between ten in the morning and six."
#: Groups: what agents are told of their place in it, and how the law suits them by rule, from -1 to 1.
GROUPS = {
    "residents": ("You live in the old town and have no car.", 0.6),
    "shops": ("You work in a shop in the old town.", -0.5),
    "commuters": ("You live outside and drive through the old town to work.", -0.3),
}
QUESTIONS = {
    "How many support it (4 or 5 of 5)?": "SELECT answers.step, group_name, avg((number >= 4)::INT) AS support "
    "FROM answers JOIN agents USING (agent) WHERE item = 'support' GROUP BY ALL ORDER BY 2, 1"
}


def stance_of(attitude: float) -> Stance:
    """What somebody with this attitude says."""
    return "in favour" if attitude > 0.2 else "opposed" if attitude < -0.2 else "undecided"


class Citizen(State):
    """Whether an agent knows of the law, and by rule its attitude to it, about from -1 to 1."""

    is_informed: bool = False
    attitude: float = 0.0


class Talk(Action):
    """Where this person stands on the draft law today, and what it says of it to somebody who is there."""

    name: ClassVar[str] = "talk"
    addressed: ClassVar[bool] = True
    remembered: ClassVar[str] = "You said to $to of the draft law: $text"
    checks = RETOLD_CHECKS
    novelty = "none"
    kind: Literal["talk"]
    stance: Stance = Field(description="Where this person stands on the law today")
    to: str = Field(description="The key of the one who is spoken to, as given in the observation")
    text: str = Field(min_length=1, max_length=500, description="What is said, in this person's own words")

    @property
    def emitted_text(self) -> str:
        """What is said of the law."""
        return self.text

    def apply(self, effects: ActionEffects) -> None:
        """The other hears it in the next step; by rule its attitude moves a tenth of the way."""
        super().apply(effects)
        other = effects.state_of(self.to)
        other.attitude += 0.1 * ({"in favour": 1, "opposed": -1}.get(self.stance, 0) - other.attitude)

    @staticmethod
    def stand_in(rng: random.Random, situation: Situation, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        """By the person's leaning and group; what others say does not count."""
        suits = next(suits for words, suits in GROUPS.values() if words in situation.persona)
        stance = stance_of(rng_for(0, "leaning", situation.persona).gauss(0, 0.5) + suits)
        return {"stance": stance, "to": rng.choice(situation.neighbours).key, "text": f"I am {stance}."}


class ConsultationSettings(Settings):
    """When the law is announced, how much is said about it, and when people are asked."""

    announced_at: int = Field(2, ge=0, description="Step in which shops are told; the others a step later; 0 for never")
    asked_at: tuple[int, ...] = Field((1, 3, 8), description="Steps after which everybody is asked")
    talk: float = Field(0.5, ge=0, le=1, description="Chance that somebody who knows of the law speaks in a step")


class PublicConsultation(Scenario):
    """Support for a law before and after it is announced, by group."""

    name = "public_consultation"
    world = WORLD
    actions = (Talk,)
    agent_state_type = Citizen
    settings_type = ConsultationSettings
    settings: ConsultationSettings
    questions = QUESTIONS

    @property
    def interventions(self) -> Sequence[Intervention]:  # type: ignore[override]  # a property serves as the attribute
        """The announcement: shops hear of it first."""
        if not (first := self.settings.announced_at):
            return ()
        shops = Intervention(first, "letter to shops", LAW, self.inform, to=lambda one: one.group == "shops")
        return (shops, Intervention(first + 1, "announcement", LAW, self.inform))

    def inform(self, levers: Levers) -> None:
        """Those who are told know of the law, and see how it suits them."""
        for one in [one for one in levers.residents if not one.state.is_informed]:
            levers.set_state(one, is_informed=True, attitude=one.state.attitude + GROUPS[str(one.group)][1])

    @property
    def surveys(self) -> Sequence[Survey]:  # type: ignore[override]  # a property serves as the attribute
        """The same question each time, which can be asked before anybody knows of the law."""
        support = Likert("Private cars should be kept out of the old town by day.", name="support")
        return (Survey("consultation", (support,), at=self.settings.asked_at),)

    def group(self, resident: Resident) -> str:
        """Drawn from the person alone: three in ten live there, two work in shops, five drive in."""
        return rng_for(0, "group", resident.persona.text).choices(list(GROUPS), (3, 2, 5))[0]

    def agent_state(self, resident: Resident, rng: random.Random) -> Citizen:
        """What a person thinks of such laws in general, about from -1 to 1: drawn from the person alone."""
        return Citizen(attitude=rng_for(0, "leaning", resident.persona.text).gauss(0, 0.5))

    def active(self, society: SocietyView, rng: random.Random) -> Sequence[Resident]:
        """Those who have just been told of the law, and of the others who know of it a share."""
        informed = [one for one in society.residents if one.state.is_informed]
        return [one for one in informed if society.world.told_to(one.id) or rng.random() < self.settings.talk]

    def described(self, resident: Resident) -> str:
        """The person, and its place in the matter."""
        return f"{super().described(resident)} {GROUPS[str(resident.group)][0]}"

    def task(self, resident: Resident, world: World) -> str:
        """The matter."""
        return f"{LAW} What do you say of it, and to whom?"

    def rule(self, observation: Observation, rng: random.Random) -> Talk:
        """Says its attitude to one of those who are there."""
        stance = stance_of(observation.state.attitude)
        return Talk(kind="talk", stance=stance, to=rng.choice(observation.addressees), text=f"I am {stance}.")

    def answer(self, resident: Resident, item: Item, rng: random.Random) -> int:
        """Of a rule agent: its attitude on the scale of five, with a little noise."""
        return min(5, max(1, round(3 + 2 * float(resident.state.attitude) + rng.gauss(0, 0.2))))


if __name__ == "__main__":
    from populace.cli import run_script

    run_script(PublicConsultation, __file__)
