"""Whether experiments find what is there, and nothing else: many of them, by a rule whose effect is known.

python benchmarks/experiments.py                       # 200 experiments of 3 replicates: 1,200 runs, some minutes
python benchmarks/experiments.py --experiments 20      # an experiment of 20 in less

In one arm each agent says yes with another chance than in the other, and in both it draws red or blue alike. All runs
are of one experiment, whose replicates are divided into blocks of as many as an experiment has; a block is analysed as
`populace experiment` does. The share that finds the effect is held against the power that `--power` states beforehand,
the share that finds red against .05, each with a 95 % interval.
"""

import argparse
import random
import sys
from math import sqrt
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, Literal

from pydantic import Field

from populace.agents.actions import Action
from populace.analysis.experiment.effects import compare, simulate_power
from populace.analysis.stats import wilson_interval
from populace.sim.experiment.design import Experiment, Hypothesis, OutcomeQuery
from populace.sim.experiment.folder import run_experiment
from populace.sim.growth import Growth
from populace.sim.runfile.reader import open_hub_or_run
from populace.sim.scenario import Scenario, Settings

#: Agents of a run, and the chances of yes in the two arms.
AGENTS, BASE, TREATED = 24, 0.4, 0.65
_VALUES = "SELECT arm, replicate, value FROM outcome_values WHERE outcome = $outcome ORDER BY replicate"


class Answer(Action):
    """An answer."""

    name: ClassVar[str] = "answer"
    novelty = "none"
    kind: Literal["answer"]
    says_yes: bool
    is_red: bool

    @property
    def emitted_text(self) -> str:
        """Yes or no."""
        return "yes" if self.says_yes else "no"


class AnsweringSettings(Settings):
    """The chance of yes."""

    chance: float = Field(BASE, ge=0, le=1)


class Answering(Scenario):
    """Says yes by chance."""

    name = "answering"
    actions = (Answer,)
    settings_type = AnsweringSettings
    settings: AnsweringSettings

    def mind(self) -> Any:
        """A rule."""
        return self.decide

    def decide(self, observation: Any, rng: random.Random) -> Answer:
        """Yes by chance, and a colour."""
        # Arms of one seed would draw the same, and replicates not vary: this arm's numbers are its own.
        own = random.Random(f"{rng.random()} {self.settings.chance}")
        return Answer(kind="answer", says_yes=own.random() < self.settings.chance, is_red=own.random() < 0.5)


def main() -> None:
    """Run them, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--experiments", type=int, default=200)
    parser.add_argument("--replicates", type=int, default=3, help="of one experiment")
    asked = parser.parse_args()
    sd = sqrt((BASE * (1 - BASE) + TREATED * (1 - TREATED)) / AGENTS)
    share = "SELECT avg((payload ->> '{}')::BOOLEAN::INT) FROM emissions"
    experiment = Experiment(
        Answering,
        arms={"base": {}, "treated": {"chance": TREATED}},
        replicates=asked.experiments * asked.replicates,
        steps=1,
        people=Growth(agents=AGENTS, hops=2),
        outcomes=[OutcomeQuery("yes", share.format("says_yes")), OutcomeQuery("red", share.format("is_red"))],
        hypotheses=[Hypothesis("yes", "treated", "base", effect=TREATED - BASE, sd=sd)],
    )
    power = {row["replicates"]: row["power"].value for row in simulate_power(experiment)}
    with TemporaryDirectory() as folder:
        made = run_experiment(experiment, Path(folder) / "answering", Answering)
        with open_hub_or_run(made) as merged:
            found = {name: merged.query(_VALUES, {"outcome": name}).rows for name in ("yes", "red")}
    for name, rows in found.items():
        hits = sum(is_found for is_found in _found(rows, asked.experiments, asked.replicates))
        low, high = wilson_interval(hits, asked.experiments)
        wanted = power[str(asked.replicates)] if name == "yes" else 0.05
        within = "within" if low <= wanted <= high else "outside"
        print(
            f"{name}: found in {hits} of {asked.experiments} experiments, {hits / asked.experiments:.3f} "
            f"[{low:.3f}, {high:.3f}]; stated {wanted:.3f}, {within} the interval"
        )
    sys.stdout.flush()


def _found(rows: list[tuple[Any, ...]], experiments: int, replicates: int) -> list[bool]:
    """Of each block of replicates, whether the arms differ."""
    values: dict[str, dict[int, float]] = {"base": {}, "treated": {}}
    for arm, replicate, value in rows:
        values[arm][replicate] = value
    blocks = (range(1 + n * replicates, 1 + (n + 1) * replicates) for n in range(experiments))
    return [
        compare(*({r: values[arm][r] for r in block} for arm in ("treated", "base")), paired=True, alpha=0.05).p < 0.05
        for block in blocks
    ]


if __name__ == "__main__":
    main()
