"""The rows of tables about what tasks make: demonstrations, solutions, votes, and what is held out."""

# ruff: noqa: E501 - what a table and a column mean is one string
# fmt: off

from dataclasses import dataclass
from typing import Annotated

from ...personas.table import ALL, table
from .job_rows import LATER


@table("demonstrations", key="ordinal", fork=ALL)
@dataclass(frozen=True, slots=True)
class DemonstrationRow:
    """The demonstrations that a task shows the model."""

    ordinal: Annotated[int, "Place in their file, from 1"]
    persona: Annotated[str | None, "Description of the person from whom the output could be; null where that is not known and not asked for"]
    output: Annotated[str, "The demonstration itself"]
    is_inferred: Annotated[bool, "True where the persona was inferred from the output by Text-to-Persona"]


@table("solutions", key="job emission ordinal", fork=None, undo=LATER)
@dataclass(frozen=True, slots=True)
class SolutionRow:
    """Solutions of problems by solvers: several of each problem (populace solve), or those of the model that is measured (populace evaluate)."""

    job: Annotated[int, "Job, as in jobs"]
    emission: Annotated[int, "Emission that is solved; of an evaluation the problem, as in test_problems", "BIGINT"]
    ordinal: Annotated[int, "Place among the solutions of the problem, from 1"]
    solver: Annotated[str, "Model that solved it, by name"]
    replicate: Annotated[int, "Which of several answers of this solver by this method it is, from 0"]
    method: Annotated[str, "text (worked out in words) or program (a program whose output is the answer)"]
    solution: Annotated[str, "The solution as it was written, or the program; empty where none came"]
    answer: Annotated[str | None, "The final answer; null where there is none"]
    cluster: Annotated[int | None, "Number among the different answers to the problem, from 1 in their order: equal answers have the same; null where there is no answer"]
    outcome: Annotated[str, "ok; no_answer (the solver gives none); program_failed or not_run of a program; or how the call ended, as in calls"]
    reason: Annotated[str, "Why there is no answer, in one sentence; empty where there is one"]
    correct: Annotated[bool | None, "Whether the answer equals the known one; null where none is known, or where the two could not be compared in time"] = None


@table("test_problems", key="job problem", fork=None)
@dataclass(frozen=True, slots=True)
class ProblemRow:
    """Problems with known answers on which a model is measured (populace evaluate)."""

    job: Annotated[int, "Job, as in jobs"]
    problem: Annotated[int, "Number in the job, from 1", "BIGINT"]
    text: Annotated[str, "The problem as the model is shown it"]
    answer: Annotated[str, "The known answer: that of the test set, or the one on which earlier solutions agree"]
    level: Annotated[str | None, "Level of the problem, as the test set names it; null where it names none"]
    type: Annotated[str | None, "Subject of the problem, as the test set names it, or the kind of the output; null where there is none"]
    source: Annotated[str, "Line of the test set (FILE:line), or the emission (RUN#emission)"]


@table("responses", key="job emission response", fork=None, undo=LATER)
@dataclass(frozen=True, slots=True)
class ResponseRow:
    """Several responses of a teacher to one instruction (populace grade --responses), of which preferences are made."""

    job: Annotated[int, "Job, as in jobs"]
    emission: Annotated[int, "Emission that is responded to", "BIGINT"]
    response: Annotated[int, "Which of several responses it is, from 0"]
    model: Annotated[str, "Model that wrote it"]
    text: Annotated[str, "The response; empty where none came"]
    outcome: Annotated[str, "ok, refusal, empty, or how the call ended, as in calls; only those that are ok are graded"]
    reason: Annotated[str, "Why there is none to use, in one sentence; empty where there is one"]


@table("votes", fork=None, undo=LATER)
@dataclass(frozen=True, slots=True)
class VoteRow:
    """What graders say of outputs (populace grade): a label for each criterion of a rubric, or which of two is better."""

    job: Annotated[int, "Job, as in jobs"]
    emission: Annotated[int, "Emission that is graded; of a comparison the earlier of the two", "BIGINT"]
    response: Annotated[int | None, "Response to it that is graded, as in responses; null where the output itself is"]
    other: Annotated[int | None, "Emission that it is compared with; null where nothing is compared", "BIGINT"]
    other_response: Annotated[int | None, "Response that it is compared with; null where there is none"]
    criterion: Annotated[str, "Criterion of the rubric; of a comparison overall"]
    grader: Annotated[str, "Model that judged, by name"]
    replicate: Annotated[int, "Which of several votes of this grader it is, from 0"]
    label: Annotated[str | None, "The label that was given; of a comparison better, worse or tie, said of emission; null where none came"]
    score: Annotated[float | None, "The score of the label, 0 to 1; null where none came"]
    position: Annotated[int | None, "Place in which emission, or in a line-up its author, was shown to the grader, from 1; null where there is one place"]
    outcome: Annotated[str, "How the call ended, as in calls: ok, or why there is no label (a refusal, an answer that could not be read, ...)"]
    reason: Annotated[str, "The grader's reason, or why there is no label"]


@table("preferences", key="job emission", fork=None, undo=LATER)
@dataclass(frozen=True, slots=True)
class PreferenceRow:
    """The best and the worst of several candidates made for one prompt (populace prefer): rows for training on preferences."""

    job: Annotated[int, "Job, as in jobs: the latest, whose rows take the place of those before"]
    emission: Annotated[int, "Emission that the row stands for: the one that is responded to, or the better one", "BIGINT"]
    prompt: Annotated[str, "What both answer"]
    chosen: Annotated[str, "The better answer"]
    rejected: Annotated[str, "The worse answer"]
    chosen_emission: Annotated[int, "Emission of the better one; where responses are compared, the one that is responded to", "BIGINT"]
    rejected_emission: Annotated[int, "Emission of the worse one; where responses are compared, the one that is responded to", "BIGINT"]
    chosen_response: Annotated[int | None, "The better response, as in responses; null where outputs are compared"]
    rejected_response: Annotated[int | None, "The worse response, as in responses; null where outputs are compared"]
    margin: Annotated[float, "Difference of their scores, above 0 and at most 1"]
    source: Annotated[str, "What the scores are: grades (by a rubric), comparisons (share of comparisons won) or agreement (of solutions)"]


@table("held_out", key="emission", fork=None, undo=LATER)
@dataclass(frozen=True, slots=True)
class HeldOutRow:
    """Emissions that are kept for measuring models (populace split): exports leave them out, and populace evaluate --held-out takes them."""

    emission: Annotated[int, "Emission, accepted or not", "BIGINT"]
    job: Annotated[int, "Job, as in jobs: the latest, whose rows take the place of those before"]
