"""The rows of tables about what tasks make: demonstrations, solutions, votes, and what is held out."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DemonstrationRow:
    """A demonstration that a task shows the model, in `demonstrations`."""

    ordinal: int
    persona: str | None
    output: str
    is_inferred: bool


@dataclass(frozen=True, slots=True)
class SolutionRow:
    """A solution of a problem, in `solutions`."""

    job: int
    emission: int
    ordinal: int
    solver: str
    replicate: int
    method: str
    solution: str
    answer: str | None
    cluster: int | None
    outcome: str
    reason: str
    correct: bool | None = None


@dataclass(frozen=True, slots=True)
class ProblemRow:
    """A problem with a known answer on which a model is measured, in `test_problems`."""

    job: int
    problem: int
    text: str
    answer: str
    level: str | None
    type: str | None
    source: str


@dataclass(frozen=True, slots=True)
class ResponseRow:
    """One of several responses to an instruction, in `responses`."""

    job: int
    emission: int
    response: int
    model: str
    text: str
    outcome: str
    reason: str


@dataclass(frozen=True, slots=True)
class VoteRow:
    """What a grader says of an output by one criterion, in `votes`."""

    job: int
    emission: int
    response: int | None
    other: int | None
    other_response: int | None
    criterion: str
    grader: str
    replicate: int
    label: str | None
    score: float | None
    position: int | None
    outcome: str
    reason: str


@dataclass(frozen=True, slots=True)
class PreferenceRow:
    """The best and the worst of several candidates, in `preferences`."""

    job: int
    emission: int
    prompt: str
    chosen: str
    rejected: str
    chosen_emission: int
    rejected_emission: int
    chosen_response: int | None
    rejected_response: int | None
    margin: float
    source: str


@dataclass(frozen=True, slots=True)
class HeldOutRow:
    """An emission that is kept for measuring models, in `held_out`."""

    emission: int
    job: int
