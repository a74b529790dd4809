"""The rows of jobs on outputs: responses of a teacher, votes of graders, preferences made of them, what is held out."""

from dataclasses import dataclass


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
