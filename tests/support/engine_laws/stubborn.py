"""Opinions of people who hold on to the one they began with (Friedkin and Johnsen)."""

import random
from collections.abc import Iterator

import numpy as np
from pydantic import Field

from populace.agents import Observation
from populace.scenarios.laws.law import Hold, Measured, RuleSettings, Trial, final_values, place_of, society_of
from populace.scenarios.laws.spreading import Averaging, strongly_connected, trust_matrix


class StubbornSettings(RuleSettings):
    """How far people are moved."""

    susceptibility: float = Field(1.0, ge=0, le=1, description="1 - this is the weight of the opinion one began with")


class Stubborn(Averaging):
    """Each takes the average of what DeGroot has them hold and the opinion that they began with."""

    name = "stubborn"
    settings_type = StubbornSettings
    settings: StubbornSettings

    def rule(self, seen: Observation, rng: random.Random) -> Hold:
        """Be moved in part."""
        said, moved = super().rule(seen, rng), self.settings.susceptibility
        begun = self.settings.initial[place_of(seen.persona)]
        return said.model_copy(update={"value": moved * said.value + (1 - moved) * begun}) if seen.step > 1 else said


def friedkin_johnsen(trial: Trial) -> Iterator[Measured]:
    """Opinions settle where the pull of others and that of the own first opinion are in balance."""
    rng = random.Random(trial.seed)
    people, steps, susceptibility = 16, 90, 0.8
    ties = strongly_connected(people, rng, more=3)
    initial = tuple(rng.random() for _ in range(people))
    moved = susceptibility * trust_matrix(people, ties)
    fixed = np.linalg.solve(np.eye(people) - moved, (1 - susceptibility) * np.array(initial))
    scenario = Stubborn({"initial": initial, "susceptibility": susceptibility})
    final = np.array(final_values(trial.run(scenario, society_of(people, ties), steps=steps), "value"))
    yield Measured("largest distance from the fixed point", 0, float(abs(final - fixed).max()), 1e-6)
    yield Measured("spread of opinions, which remains", float(np.ptp(fixed)), float(np.ptp(final)), 1e-6)
