"""Grading outputs by a rubric: several votes of each grader, and a verdict on each output.

Each grader is asked as often as there are votes, each a request of its own, for a label by each criterion. The score of
an output by a criterion is the mean over its votes, its grade the weighted mean over the criteria, 0 to 1. An output
whose grade is below the threshold has failed the check `grade`. A grader that refuses, or answers nothing that can be
read, is a vote without a label.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, Field

from ...agents.checks import CheckOutcome
from ...agents.problem_checks import answer_phrase
from ...agents.procedural.grading import grading, identifying
from ...agents.rubric import Rubric, rubric_for, shipped_rubrics
from ...personas.errors import SetupError
from ...personas.model import Answer, Outcome, PersonaModel, RequestContext
from ...personas.prompt import fence, load_prompt
from ...personas.table import Row
from ..config import RoleModel
from ..jobs.kind import JobContext
from ..jobs.loop import Chunks
from ..runfile.output_rows import VoteRow
from ..runfile.reader import RunReader
from ..runfile.rows import CheckRow
from ..seeds import derive_seed, rng_for
from ..tasks.outputs import LOST_OUTCOMES, Output, OutputJobReport, OutputPhase, answered, role_of
from .candidates import Candidate, CandidateJob, CandidatePhase, CandidateSpec
from .lineup import SIZE, draw_lineup

#: The kind of these jobs, their one phase, and the check that they make.
KIND = "grading"
GRADE = "grade"
#: The check that a line-up makes in place of it.
IDENTIFIED = "identified"
_VERSION = 1
#: People of each language whom line-ups are drawn from, at most.
_PEOPLE = """
SELECT language, text FROM personas
QUALIFY row_number() OVER (PARTITION BY language ORDER BY md5(id || $seed)) <= 500
ORDER BY language, md5(id || $seed)
"""
_MOST_PEOPLE = "SELECT coalesce(max(n), 0) FROM (SELECT count(*) AS n FROM personas GROUP BY language)"
ROOM = f"{(__package__ or '').rpartition('.sim')[0]}.agents"


class GradingSpec(CandidateSpec):
    """What is graded, by whom, and what is good enough."""

    #: Votes of each grader.
    votes: int = Field(3, ge=1, le=64)
    #: The least grade that passes.
    threshold: float = Field(0.5, ge=0, le=1)


@dataclass(frozen=True, slots=True)
class Vote:
    """What a grader said of a candidate in one answer."""

    grader: str
    replicate: int
    answered: Answer[Any]
    #: Place in which the candidate was shown, of a comparison; or its author, of a line-up.
    position: int | None = None

    @property
    def is_lost(self) -> bool:
        """Whether the endpoint lost it."""
        return self.answered.outcome in LOST_OUTCOMES


@dataclass(frozen=True, slots=True)
class GradingWork:
    """Has one candidate graded as often as is wanted."""

    spec: GradingSpec
    job: int
    seed: int
    #: Descriptions of people by language, from which line-ups are drawn.
    people: Mapping[str, Sequence[str]] = field(default_factory=dict)

    async def __call__(self, item: Output, model: PersonaModel) -> list[Vote]:
        """Return the votes, in the order of graders and replicates. Empty if a line-up is needed and cannot be made."""
        rubric = rubric_for(self.spec.rubrics, item.kind)
        if rubric is None or not isinstance(item, Candidate):
            return []
        lineup = self.lineup(item) if rubric.lineup else ()
        if rubric.lineup and not lineup:
            return []
        text = item.shown(rubric.fields)
        author = lineup.index(item.persona) + 1 if lineup else None
        template = load_prompt(ROOM, "identify" if lineup else "grade")
        prompt = template.render(
            rubric=rubric.text,
            question=rubric.criteria[0].question,
            personas="\n\n".join(fence("persona", one, number=str(n)) for n, one in enumerate(lineup, start=1)),
            persona=fence("persona", item.persona) if rubric.persona else "",
            output=fence("output", text),
            answer=answer_phrase(template, item.agreed, criteria=rubric.by_answer) if rubric.by_answer else "",
        )
        schema = rubric.answer_schema(identifying(lineup, text) if lineup else grading(rubric, text), author or 0)
        owner = owner_of(item)
        context = RequestContext(KIND, 1, owner, derive_seed(self.seed, KIND, owner) >> 32, job=self.job)

        async def vote(place: int, grader: str, replicate: int) -> Vote:
            asked = context.varied(role=role_of("grader", place), replicate=replicate)
            return Vote(grader, replicate, await model.ask(prompt, schema, asked), author)

        return await answered(
            vote(place, grader, replicate)
            for place, grader in enumerate(self.spec.graders)
            for replicate in range(self.spec.votes)
        )

    def lineup(self, item: Candidate) -> tuple[str, ...]:
        """Draw a line-up of the candidate's persona and three others whose descriptions are in its language."""
        rng = rng_for(self.seed, KIND, "lineup", item.emission)
        return draw_lineup(item.persona, self.people.get(item.language, ()), rng) if item.persona else ()


def owner_of(item: Output) -> str:
    """Return the name of a candidate in `calls`: the output number, with the response number if a response is judged.

    For a pair, return both names.
    """
    if not isinstance(item, Candidate):
        return str(item.emission)
    own = str(item.emission) if item.response is None else f"{item.emission}/{item.response}"
    return own if item.other is None else f"{own}|{owner_of(item.other)}"


class VotingPhase(CandidatePhase[list[Vote]]):
    """Has graders vote on candidates, or on pairs of them."""

    def owner(self, item: Output) -> str:
        """Return the name of the candidate in `calls`."""
        return owner_of(item)

    def outcome(self, result: list[Vote]) -> tuple[Outcome, str]:
        """Return the outcome of the endpoint if it lost all votes, else OK."""
        if not result or not all(one.is_lost for one in result):
            return Outcome.OK, ""
        return result[-1].answered.outcome, result[-1].answered.reason

    def is_lost(self, result: list[Vote]) -> bool:
        """Return whether no vote has a label."""
        return all(one.answered.value is None for one in result)

    def event_of(self, output: Output, result: list[Vote]) -> object:
        """Return the raw answers."""
        return [[self.owner(output)], *([one.answered.outcome, one.answered.raw] for one in result)]


class GradingPhase(VotingPhase):
    """Has candidates graded."""

    name = KIND
    shown = "Outputs graded"

    def __init__(self, context: JobContext, spec: GradingSpec) -> None:
        super().__init__(context, chunk=spec.chunk)
        self._spec = spec
        self.work = GradingWork(spec, context.job, context.seed)

    def begin(self, chunks: Chunks) -> None:
        """Read the personas for line-ups, and continue after the last complete chunk."""
        super().begin(chunks)
        if any(one.lineup for one in self._spec.rubrics):
            people: dict[str, list[str]] = {}
            for language, text in self._context.engine.log.query(_PEOPLE, {"seed": str(self._context.seed)}):
                people.setdefault(language, []).append(text)
            self.work = GradingWork(self._spec, self._context.job, self._context.seed, people)

    def counts_of(self, output: Output, result: list[Vote]) -> Mapping[str, int]:
        """Count votes by outcome and outputs by check result."""
        counts = Counter(f"votes {one.answered.outcome}" for one in result)
        outcome, _, _ = self._verdict(output, result)
        counts[f"{_check_of(self._rubric(output))} {outcome}"] += 1
        return counts

    def rows_of(self, output: Output, result: list[Vote]) -> Sequence[Row]:
        """Return the votes by criterion, and the check if the output itself was graded."""
        rubric, response = self._rubric(output), output.response if isinstance(output, Candidate) else None
        rows: list[Row] = []
        for one in result:
            labels = labels_of(rubric, one.answered.value)
            for criterion in rubric.criteria:
                label, reason = labels.get(criterion.name, (None, one.answered.reason))
                score = None if label is None else criterion.score(label)
                rows.append(VoteRow(
                    self._context.job, output.emission, response, None, None, criterion.name, one.grader,
                    one.replicate, label, score, one.position, one.answered.outcome, reason,
                ))  # fmt: skip
        if response is None:
            outcome, reason, grade = self._verdict(output, result)
            rows.append(
                CheckRow(output.emission, _check_of(rubric), outcome, reason, grade, _VERSION, self._context.job)
            )
        return rows

    def _rubric(self, output: Output) -> Rubric:
        rubric = rubric_for(self._spec.rubrics, output.kind)
        if rubric is None:
            raise ValueError(f"there is no rubric for {output.kind!r}, which GradingJob.count has looked for")
        return rubric

    def _verdict(self, output: Output, result: list[Vote]) -> tuple[CheckOutcome, str, float | None]:
        rubric = self._rubric(output)
        outcome, reason, grade = grade_of(rubric, [one.answered for one in result], self._spec.threshold)
        # A line-up is a measure of the whole, in which three of four are wrong by chance: it rejects nothing.
        is_kept = rubric.lineup and outcome is CheckOutcome.FAILED
        return CheckOutcome.WARNED if is_kept else outcome, reason, grade


def _check_of(rubric: Rubric) -> str:
    return IDENTIFIED if rubric.lineup else GRADE


def labels_of(rubric: Rubric, value: BaseModel | None) -> dict[str, tuple[str, str]]:
    """Return label and reason by criterion. Empty without an answer."""
    if value is None:
        return {}
    found = value.model_dump(by_alias=True)
    return {one.name: (found[one.name]["label"], found[one.name]["reason"]) for one in rubric.criteria}


def grade_of(rubric: Rubric, votes: Sequence[Answer[Any]], threshold: float) -> tuple[CheckOutcome, str, float | None]:
    """Return outcome, reason and score of the check `grade`.

    The score is the weighted mean of the criteria's mean scores.
    """
    if rubric.lineup and not votes:
        return CheckOutcome.UNDECIDED, "There are not four different people of its language for a line-up.", None
    labels = [found for one in votes if (found := labels_of(rubric, one.value))]
    if not labels:
        return CheckOutcome.UNDECIDED, f"No grader gave a label: {votes[-1].reason if votes else ''}".strip(), None
    scores = {one.name: sum(one.score(found[one.name][0]) for found in labels) / len(labels) for one in rubric.criteria}
    grade = rubric.grade(scores)
    if grade is None or grade >= threshold:
        return CheckOutcome.PASSED, "", grade
    worst = min((one.name for one in rubric.criteria if one.weight), key=lambda name: scores[name])
    return (
        CheckOutcome.FAILED,
        f"Its grade is {grade:.2f}, below {threshold:g}; it is worst by {worst!r} ({scores[worst]:.2f}).",
        grade,
    )


class GradingJob(CandidateJob[GradingSpec]):
    """Has what a run has made graded by a rubric."""

    kind = KIND
    spec_type = GradingSpec
    phase_names = (KIND,)
    own_checks = (GRADE, IDENTIFIED)
    answer_tokens = 2_048

    def count(self, run: RunReader) -> int:
        """Count the candidates. Raises what `check_rubrics` raises."""
        check_rubrics(self.spec, run)
        return super().count(run)

    def phases(self, context: JobContext) -> Sequence[OutputPhase[Any]]:
        """Return the one phase, grading."""
        return [GradingPhase(context, self.spec)]


_KINDS = "SELECT DISTINCT kind FROM emissions ORDER BY kind"
_FILLED = """
SELECT count(*) FROM emissions
WHERE kind = $kind AND list_bool_or(list_transform($fields, lambda f: coalesce(payload ->> f, '') <> ''))
"""


def check_rubrics(spec: CandidateSpec, run: RunReader) -> None:
    """Raise `SetupError` if no rubric is for one of the kinds of outputs, or line-ups are impossible."""
    if any(one.lineup for one in spec.rubrics):
        ((people,),) = run.query(_MOST_PEOPLE).rows
        if people < SIZE:
            raise SetupError(
                f"A line-up takes {SIZE} personas of one language, and {str(run.path)!r} holds {people}; make the run "
                f"with more agents."
            )
    for (kind,) in run.query(_KINDS).rows:
        if spec.kinds and kind not in spec.kinds:
            continue
        rubric = rubric_for(spec.rubrics, kind)
        if rubric is None:
            named = sorted({one for rubric in spec.rubrics for one in rubric.kinds})
            raise SetupError(
                f"The rubric is for outputs of the kind {', '.join(named)}, and {str(run.path)!r} holds {kind!r} too; "
                f"choose with --kind, or leave `kinds` out of the rubric."
            )
        if rubric.fields and not spec.responses:
            ((filled,),) = run.query(_FILLED, {"kind": kind, "fields": list(rubric.fields)}).rows
            if not filled:
                raise SetupError(
                    f"The rubric {rubric.name!r} judges {' and '.join(rubric.fields)}, and no {kind!r} of "
                    f"{str(run.path)!r} holds that; name another rubric, or have responses written with --responses."
                )


def rubrics_for(kinds: Sequence[str], given: Rubric | None) -> tuple[Rubric, ...]:
    """Return the rubrics by which outputs of these kinds are judged: the given one, or those that ship."""
    if given is not None:
        return (given,)
    found = [rubric_for(shipped_rubrics(), kind) for kind in kinds]
    return tuple({one.name: one for one in found if one is not None}.values())


def grader_roles(graders: Sequence[RoleModel]) -> dict[str, Any]:
    """Return the options of a spec that name the graders.

    The first grader is the job's own model, and the others have roles.
    """
    roles = {role_of("grader", place): one for place, one in enumerate(graders) if place}
    return {"graders": tuple(one.model for one in graders), "roles": roles}


def grading_rows(done: OutputJobReport) -> list[tuple[str, str]]:
    """Return the result of a grading job as rows for a terminal."""
    counts = done.counts
    results = {outcome: counts.get(f"{GRADE} {outcome}", 0) for outcome in CheckOutcome}
    total = sum(results.values())
    share = results[CheckOutcome.PASSED] / total if total else 0.0
    undecided = f", {results[CheckOutcome.UNDECIDED]:,} undecided" if results[CheckOutcome.UNDECIDED] else ""
    passed = ("good enough", f"{results[CheckOutcome.PASSED]:,} of {total:,} ({share:.1%}){undecided}")
    return [
        ("graded", f"{done.outputs:,}"),
        *([passed] if total else []),  # a line-up gives no grade
        ("votes", ended_rows(counts, "votes ")),
        ("job", str(done.job)),
    ]


def ended_rows(counts: Mapping[str, int], prefix: str) -> str:
    """Return how often each outcome occurred, in words."""
    found = {name.removeprefix(prefix): number for name, number in sorted(counts.items()) if name.startswith(prefix)}
    return ", ".join(f"{number:,} {name}" for name, number in found.items())
