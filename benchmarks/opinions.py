"""The society that `society.py` measures: opinions among people who know each other, decided by a rule."""

import random
from typing import ClassVar, Literal

from pydantic import Field

from populace.agents.actions import Action, ActionEffects
from populace.agents.mind import Rule
from populace.agents.observation import Observation
from populace.sim.dynamics.world import State
from populace.sim.scenario import Scenario, Settings


class Opinion(State):
    """What an agent thinks."""

    value: float = 0.5


class Change(Action):
    """Change one's opinion."""

    name: ClassVar[str] = "change"
    novelty = "none"
    kind: Literal["change"]
    value: float

    @property
    def emitted_text(self) -> str:
        """The opinion."""
        return f"{self.value:.3f}"

    def apply(self, effects: ActionEffects) -> None:
        """From now on."""
        effects.state.value = self.value


class Tell(Action):
    """Tell a neighbour one's opinion."""

    name: ClassVar[str] = "tell"
    addressed: ClassVar[bool] = True
    novelty = "none"
    kind: Literal["tell"]
    to: str
    value: float

    @property
    def emitted_text(self) -> str:
        """The opinion."""
        return f"{self.value:.3f}"


class OpinionSettings(Settings):
    """How often people speak."""

    talk: float = Field(0.1, ge=0, le=1, description="Share of turns in which an agent speaks")


class Opinions(Scenario):
    """People tell a neighbour what they think, or think again."""

    name = "opinions"
    actions = (Change, Tell)
    agent_state_type = Opinion
    settings_type = OpinionSettings
    settings: OpinionSettings

    def mind(self) -> Rule:
        """The rule."""
        return self.decide

    def decide(self, seen: Observation, rng: random.Random) -> Action:
        """Speak by chance; else move towards what was heard, and a little by chance."""
        value: float = seen.state.value
        if rng.random() < self.settings.talk and seen.neighbours:
            return Tell(kind="tell", to=rng.choice(seen.neighbours).key, value=value)
        for line in seen.heard:
            value += 0.3 * (float(line.text) - value)
        return Change(kind="change", value=value + 0.1 * (rng.random() - 0.5))
