"""Run files whose outputs were graded, written by hand."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import batched, chain
from pathlib import Path

from made_run import NOON, MadeRun

from populace.agents.rubric import Rubric
from populace.analysis.agreement import Graded, read_graded
from populace.sim.runfile.reader import open_run

RUBRIC = Rubric.model_validate(
    {
        "name": "plain",
        "criteria": [
            {"name": "clear", "question": "Is it clear?", "scale": [{"label": str(n)} for n in range(1, 6)]},
        ],
    }
)


@dataclass
class NewGraded:
    """Makes runs whose outputs have given votes."""

    folder: Path
    number: int = 0

    def run(self, outputs: int = 2) -> Path:
        """A run with so many outputs that nobody graded."""
        return self._made(outputs).done()

    def write(self, votes: Mapping[str, Sequence[Sequence[int | None]]], grades: Sequence[float] = ()) -> Path:
        """A run with the votes of graders: for each replicate a label for each output."""
        made = self._made(len(next(iter(votes.values()))[0]))
        spec = {"rubrics": [RUBRIC.model_dump(mode="json")]}
        made.fill("jobs", [
            2, "g", "grading", json.dumps(spec), 0, "a", True, None, None, None, "{}", None, None, False, "{}",
            "finished", None, "h", NOON, NOON,
        ])  # fmt: skip
        rows = [
            (2, place, None, None, None, "clear", grader, replicate, None if label is None else str(label),
             None if label is None else (label - 1) / 4, None, "refusal" if label is None else "ok", "")
            for grader, replicates in votes.items()
            for replicate, labels in enumerate(replicates)
            for place, label in enumerate(labels, start=1)
        ]  # fmt: skip
        marks = f"({', '.join('?' * 13)})"
        for some in batched(rows, 100):
            made.con.execute(f"INSERT INTO votes VALUES {', '.join([marks] * len(some))}", [*chain(*some)])
        for place, grade in enumerate(grades, start=1):
            made.fill("checks", [place, "grade", "passed", "", grade, 1, 2])
        return made.done()

    def __call__(self, votes: Mapping[str, Sequence[Sequence[int | None]]]) -> Graded:
        """What is read of such a run."""
        with open_run(self.write(votes)) as run:
            return read_graded(run)

    def _made(self, outputs: int) -> MadeRun:
        self.number += 1
        made = MadeRun(self.folder / f"graded-{self.number}.duckdb")
        person = made.person("A diver.")
        for place in range(1, outputs + 1):
            made.output(person, f"Question {place}?")
        return made
