"""How a model did on problems with known answers: accuracy with its interval, read from the file of an evaluation."""

import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from statistics import NormalDist
from typing import Any, Literal, Protocol

from ..core.errors import SetupError
from ..core.query import Params
from .table import Rows

#: Two-sided, 95 %.
_Z = NormalDist().inv_cdf(0.975)

#: The latest evaluation of a file.
_JOB = """
SELECT job, model, is_language_model, spec ->> '$.target', CAST(spec ->> '$.is_from_run' AS BOOLEAN),
       CAST(spec -> '$.answered_by' AS VARCHAR[]), CAST(spec ->> '$.rows' AS BIGINT),
       CAST(spec ->> '$.passed_over' AS BIGINT), status, spec ->> '$.voters.methods[0]',
       coalesce(CAST(spec ->> '$.is_held_out' AS BOOLEAN), false)
FROM jobs WHERE kind = 'evaluation' ORDER BY job DESC LIMIT 1
"""
_LOST = "('rate_limited', 'server_error', 'dropped', 'unreachable', 'timeout')"
_GROUPED = f"""
SELECT {{name}} AS name, count(*) FILTER (s.outcome NOT IN {_LOST}) AS asked, count(*) FILTER (s.correct) AS correct
FROM solutions AS s
JOIN test_problems AS p ON p.job = s.job AND p.problem = s.emission
WHERE s.job = $job
GROUP BY ALL
ORDER BY name NULLS LAST
"""  # noqa: S608 - our own words
_OUTCOMES = """
SELECT CASE WHEN outcome = 'ok' AND correct IS NULL THEN 'undecided' ELSE outcome END AS outcome, count(*)
FROM solutions WHERE job = $job AND NOT (outcome = 'ok' AND correct IS NOT NULL) GROUP BY ALL ORDER BY ALL
"""
_PROBLEMS = "SELECT count(*) FROM test_problems WHERE job = $job"
_MOST_GROUPS = 20


class Reader(Protocol):
    """What answers SQL about a file."""

    def query(self, sql: str, params: Params = ()) -> Rows:
        """The answer to one statement."""
        ...


def wilson_interval(hits: int, trials: int) -> tuple[float, float]:
    """The 95 % confidence interval of the share of hits: Wilson's score interval; from 0 to 1 for no trials."""
    if not trials:
        return 0.0, 1.0
    share, square = hits / trials, _Z * _Z / trials
    middle = (share + square / 2) / (1 + square)
    reach = _Z * math.sqrt(share * (1 - share) / trials + square / (4 * trials)) / (1 + square)
    # At the ends the formula is exact, and floating point is not.
    return (0.0 if hits == 0 else middle - reach), (1.0 if hits == trials else middle + reach)


@dataclass(frozen=True, slots=True)
class Accuracy:
    """The share of problems that were answered rightly."""

    #: Problems that were asked and came back, rightly answered, wrongly, or not at all.
    asked: int
    correct: int

    @property
    def share(self) -> float:
        """Of those asked, 0 to 1."""
        return self.correct / self.asked if self.asked else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """Where the share lies with a confidence of 95 %."""
        return wilson_interval(self.correct, self.asked)

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.share:.1%} [{low:.1%}, {high:.1%}], {self.correct:,} of {self.asked:,}"


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What an evaluation came to, as far as it is done."""

    model: str
    is_language_model: bool
    #: The test set or run, by its file's name.
    target: str
    is_from_run: bool
    method: str
    problems: int
    accuracy: Accuracy
    by_level: Mapping[str, Accuracy]
    by_type: Mapping[str, Accuracy]
    #: What did not end with an answer that could be compared, by outcome: refusals and failures among them. Those that
    #: the endpoint lost are not in the accuracy; all others count as wrong.
    unanswered: Mapping[str, int]
    #: Models on whose solutions the known answers rest.
    answered_by: Sequence[str]
    #: Rows of the test set, or solved outputs of the run, and those without an established answer.
    rows: int
    passed_over: int
    status: str
    #: Whether the problems are those that the run holds out for measuring.
    is_held_out: bool = False

    def as_rows(self) -> list[tuple[str, str]]:
        """Name and value of each figure, for a terminal."""
        target = f"{self.target}, held out" if self.is_held_out else self.target
        rows = [("model", f"{self.model} ({self.method})"), ("problems", f"{self.problems:,} of {target}")]
        if self.passed_over:
            lacking = "on whose answer solutions do not agree" if self.is_from_run else "without a known answer"
            rows.append(("passed over", f"{self.passed_over:,} of {self.rows:,}, {lacking}"))
        rows.append(("accuracy", str(self.accuracy)))
        for title, groups in (("level", self.by_level), ("type", self.by_type)):
            names = list(groups)[:_MOST_GROUPS]
            rows += [(f"  {name if title in name.lower() else f'{title} {name}'}", str(groups[name])) for name in names]
        lost = ", ".join(f"{number:,} {outcome}" for outcome, number in self.unanswered.items())
        rows.append(("without answer", lost or "none"))
        return rows

    @property
    def notes(self) -> list[str]:
        """What has to be known to read the figures."""
        notes = ["The interval is Wilson's, 95 %, over problems. Answers are compared by rules and math-verify."]
        if self.is_from_run:
            notes.append(
                "The known answers are those that outputs state, or on which at least two of three solutions agree; "
                "they may be wrong."
            )
        if self.model in self.answered_by:
            notes.append(f"{self.model} is among the models that gave the known answers, which favours it.")
        return notes


def read_evaluation(reader: Reader) -> Evaluation:
    """The latest evaluation in a file. Raises `SetupError` where there is none."""
    found = reader.query(_JOB).rows
    if not found:
        raise SetupError(
            "This file holds no evaluation; make one with `populace data evaluate RUN|FILE.jsonl --solver MODEL`."
        )
    job, model, is_model, target, is_from_run, by, rows, passed_over, status, method, is_held_out = found[0]
    key = {"job": job}
    whole = _accuracies(reader, "'all'", job).get("all", Accuracy(0, 0))
    ((problems,),) = reader.query(_PROBLEMS, key).rows
    return Evaluation(
        model=str(model),
        is_language_model=bool(is_model),
        target=str(target),
        is_from_run=bool(is_from_run),
        method=str(method),
        problems=int(problems),
        accuracy=whole,
        by_level=_accuracies(reader, "p.level", job),
        by_type=_accuracies(reader, "p.type", job),
        unanswered=dict(reader.query(_OUTCOMES, key).rows),
        answered_by=tuple(by or ()),
        rows=int(rows or 0),
        passed_over=int(passed_over or 0),
        status=str(status),
        is_held_out=bool(is_held_out),
    )


def _accuracies(reader: Reader, column: str, job: int) -> dict[str, Accuracy]:
    found = reader.query(_GROUPED.format(name=column), {"job": job}).rows
    return {str(name): Accuracy(int(asked), int(correct)) for name, asked, correct in found if name is not None}


@cache
def _paper() -> Mapping[str, Any]:
    return tomllib.loads(files(__package__).joinpath("paper_accuracy.toml").read_text(encoding="utf-8"))


def paper_table(table: Literal["synthetic", "math"]) -> list[str]:
    """The paper's accuracies as lines, with their source: on its synthetic problems, or on MATH."""
    paper = _paper()
    found = paper["tables"][table]
    width = max(len(model) for model, _ in found["accuracy"])
    return [
        f"The paper's {found['title']} ({found['protocol']}).",
        "Another protocol, other models and other problems: a scale, not a comparison.",
        *(f"  {model:<{width}}  {share:.1f} %" for model, share in found["accuracy"]),
        f"Source: {paper['source']}.",
    ]
