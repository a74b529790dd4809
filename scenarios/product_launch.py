"""A new product at a price: who hears of it, who buys it, and what the word of neighbours adds.

Run it as `populace run product_launch --steps 20`; `--set price=8` sets the price.
"""

import random
import re
from collections.abc import Mapping, Sequence
from math import exp
from typing import Any, ClassVar, Literal

from pydantic import Field

from populace import Action, Scenario
from populace.agents import ActionEffects, Observation
from populace.agents.actions import Phrase
from populace.agents.checks import RETOLD_CHECKS
from populace.agents.procedural.situation import Situation
from populace.sim import Resident, Settings, SocietyView, State, World
from populace.sim.seeds import rng_for

WORLD = """
Hollin Cross is a market town. The hardware shop on the square has a new thing in its window: a lamp that charges at the
window by day, needs no socket, and gives light all evening. Nobody has had one before.
"""
#: Segments: what agents are told of their means, and what the product is worth to them, in money.
MEANS = {
    "low": ("Money is tight in your household.", 4.0),
    "middle": ("You get by, and can buy something extra now and then.", 6.0),
    "high": ("You need not count your money.", 9.0),
}
QUESTIONS = {
    "What share has bought it, by means?": """
        SELECT group_name AS means, count(DISTINCT agent) AS people, round(count(emission) / people, 3) AS bought
        FROM agents LEFT JOIN (FROM emissions WHERE payload->>'buys' = 'true') USING (agent) GROUP BY means ORDER BY 1
    """,
}


def means_of(resident: Resident) -> str:
    """By the occupation in the profile (ISCO-08 major group); without one, drawn from the person alone."""
    group = resident.profile.value("occupation_group") if resident.profile else None
    group = rng_for(0, "means", resident.persona.text).randint(1, 9) if group is None else group
    return "high" if group in (1, 2) else "middle" if group in (3, 4, 7) else "low"


def decide_purchase(means: str, persona: str, price: float, praise: int, rng: random.Random) -> tuple[float, bool]:
    """The reservation price, raised by up to five recommendations, and whether it buys: logistic in the price."""
    worth = MEANS[means][1] * exp(0.4 * rng_for(0, "worth", persona).gauss()) * (1 + 0.15 * min(praise, 5))
    return round(worth, 2), rng.random() < 1 / (1 + exp(min(50.0, 2 * (price - worth))))


class Customer(State):
    """An agent's means, how many buyers have recommended the product to it, and whether it has bought it."""

    means: str = ""
    praise: int = 0
    has_bought: bool = False


class Consider(Action):
    """What this person does about the product at its price today, buy it or do without, and whom it tells of that."""

    name: ClassVar[str] = "consider"
    addressed: ClassVar[bool] = True
    remembered: ClassVar[str] = "You told $to about the lamp: $text"
    checks = RETOLD_CHECKS
    novelty = "none"
    kind: Literal["consider"]
    willing_to_pay: float = Field(ge=0, description="The most that this person would pay for it today")
    buys: bool = Field(description="Whether this person buys it today")
    to: tuple[str, ...] = Field(description="The keys of those who are told, as given in the observation; may be empty")
    text: Phrase = Field(description="What this person says of the product and its price, in its own words")

    @property
    def emitted_text(self) -> str:
        """What is said of the product."""
        return self.text

    def apply(self, effects: ActionEffects) -> None:
        """Those who buy have it from now on, and recommend it to those whom they tell."""
        super().apply(effects)
        effects.state.has_bought = self.buys
        for key in self.addressees if self.buys else ():
            effects.state_of(key).praise += 1

    @staticmethod
    def stand_in(rng: random.Random, situation: Situation, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        """The same rule, from what the prompt says of price, means and recommendations."""
        means = next(name for name, (words, _) in MEANS.items() if words in situation.persona)
        price = float(re.findall(r"costs ([\d.]*\d)", situation.sections["task"])[0])
        worth, buys = decide_purchase(means, situation.persona, price, len(situation.heard), rng)
        to = [one.key for one in situation.neighbours if buys and rng.random() < 0.5]
        return {"willing_to_pay": worth, "buys": buys, "to": to, "text": f"To me it is worth {worth:.2f}."}


class LaunchSettings(Settings):
    """The offer and its echo."""

    price: float = Field(6.0, ge=0, description="Price of the product at first")
    advertised: float = Field(0.05, ge=0, le=1, description="Share of people who notice it in the window in a step")
    talk: float = Field(0.5, ge=0, le=1, description="Chance that a rule agent tells a neighbour of its purchase")


class ProductLaunch(Scenario):
    """Who buys a product at a price, by segment and word of mouth."""

    name = "product_launch"
    world = WORLD.strip()
    actions = (Consider,)
    agent_state_type = Customer
    settings_type = LaunchSettings
    settings: LaunchSettings
    questions = QUESTIONS

    def group(self, resident: Resident) -> str:
        """The segment."""
        return means_of(resident)

    def agent_state(self, resident: Resident, rng: random.Random) -> Customer:
        """Nobody has heard of it yet."""
        return Customer(means=means_of(resident))

    def active(self, society: SocietyView, rng: random.Random) -> Sequence[Resident]:
        """Those without one who notice it, or are told of it."""
        noticed = [one for one in society.residents if rng.random() < self.settings.advertised or one.inbox]
        return [one for one in noticed if not one.state.has_bought]

    def described(self, resident: Resident) -> str:
        """The person and its means."""
        return f"{super().described(resident)} {MEANS[str(resident.group)][0]}"

    def task(self, resident: Resident, world: World) -> str:
        """The offer."""
        return f"The lamp costs {self.settings.price:.2f} today. Do you buy it, and what do you say of it?"

    def rule(self, observation: Observation, rng: random.Random) -> Consider:
        """By the reservation price, which every recommendation raises."""
        agent, offer = observation.state, self.settings
        worth, buys = decide_purchase(agent.means, observation.persona, offer.price, agent.praise, rng)
        to = tuple(key for key in observation.addressees if buys and rng.random() < offer.talk)
        return Consider(kind="consider", willing_to_pay=worth, buys=buys, to=to, text=f"To me it is worth {worth:.2f}.")

    def measures(self, society: SocietyView) -> Mapping[str, float]:
        """The share of people who have it."""
        return {"bought": sum(one.state.has_bought for one in society.residents) / len(society.residents)}


if __name__ == "__main__":
    from populace.cli import run_script

    run_script(ProductLaunch, __file__)
