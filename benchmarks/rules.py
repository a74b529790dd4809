"""What an agent-turn costs that a rule decides: CPU with its rows, in one process.

python benchmarks/rules.py [--agents 2000] [--steps 5] [--repeat 3]
"""

import argparse
import random
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar, Literal

from populace.agents.actions import Action, ActionEffects
from populace.agents.mind import Rule
from populace.agents.observation import Observation
from populace.sim.dynamics.world import State
from populace.sim.growth import Growth
from populace.sim.scenario import Scenario
from populace.sim.society import Society


class Leaning(State):
    """How far an agent leans to one side."""

    value: float = 0.0


class Opinion(Action):
    """An opinion for or against."""

    name: ClassVar[str] = "opinion"
    kind: Literal["opinion"]
    side: Literal["for", "against"]

    @property
    def emitted_text(self) -> str:
        """The side."""
        return self.side

    def apply(self, effects: ActionEffects) -> None:
        """What is said is believed a little more."""
        effects.state.value += 0.1 if self.side == "for" else -0.1


class Poll(Scenario):
    """Everybody says an opinion in each step."""

    name = "poll"
    actions = (Opinion,)
    agent_state_type = Leaning

    def mind(self) -> Rule:
        """By leaning and chance."""
        return self.decide

    def decide(self, observation: Observation, rng: random.Random) -> Action | None:
        """One of the two sides."""
        return Opinion(kind="opinion", side="for" if rng.random() < 0.5 + observation.state.value else "against")


def measure(folder: Path, agents: int, steps: int) -> float:
    """Microseconds of CPU a turn, until the last step is committed."""
    people = folder / "people.jsonl"
    people.write_text("".join(f'{{"text": "A voter who keeps {n} hens by the river."}}\n' for n in range(agents)))
    growth = Growth(hub=people, hops=0, agents=agents)
    with Society(Poll(), growth=growth, out=folder / "run.duckdb", steps=steps) as society:
        begun = time.process_time()
        society.run_model()
        return (time.process_time() - begun) / agents / steps * 1e6


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--agents", type=int, default=2_000)
    options.add_argument("--steps", type=int, default=5)
    options.add_argument("--repeat", type=int, default=3)
    given = options.parse_args()
    for _ in range(given.repeat):
        with TemporaryDirectory() as folder:
            print(f"{measure(Path(folder), given.agents, given.steps):.0f} us CPU an agent-turn by a rule", flush=True)


if __name__ == "__main__":
    main()
