"""A scenario whose people make sums, whose answers are known; and its run."""

import random
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from populace.agents.actions import Action, KnownSolution, Novelty
from populace.sim.growth import Growth
from populace.sim.scenario import Scenario
from populace.sim.society import Society

#: Gives the rows of a query.
type Ask = Callable[[str], list[tuple[Any, ...]]]

_SUM = re.compile(r"A box holds (\d+) apples, and (\d+) more are put in\. How many apples does it hold\?")


class Sum(Action):
    """A sum."""

    name: ClassVar[str] = "sum"
    novelty: ClassVar[Novelty | None] = "none"
    kind: Literal["sum"]
    text: str

    @property
    def emitted_text(self) -> str:
        return self.text

    @staticmethod
    def stand_in(rng: random.Random, situation: Any, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        one, other = rng.randint(2, 90), rng.randint(2, 90)
        return {"text": f"A box holds {one} apples, and {other} more are put in. How many apples does it hold?"}

    @staticmethod
    def known_solution(text: str) -> KnownSolution | None:
        found = _SUM.fullmatch(text)
        if found is None:
            return None
        one, other = int(found[1]), int(found[2])
        return KnownSolution(f"To {one} apples {other} are added.", str(one + other), f"print({one} + {other})\n")


class Sums(Scenario):
    """Sums of apples."""

    name = "sums"
    world = "A school."
    actions: tuple[type[Action], ...] = (Sum,)
    observes = False
    independent = True


def make_sums(path: Path, *, people: int = 12, seed: int = 0) -> Path:
    """A finished run with a sum by each of so many people."""
    Society(Sums(), growth=Growth(agents=people, hops=0, per_passage=2), out=path, steps=1, seed=seed).run()
    return path
