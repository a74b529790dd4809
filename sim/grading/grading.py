"""Grading outputs by a rubric: several votes of each grader, and a verdict on each output.

Each grader is asked as often as there are votes, each a request of its own, for a label by each criterion. The score of
an output by a criterion is the mean over its votes, its grade the weighted mean over the criteria, 0 to 1. An output
whose grade is below the threshold has failed the check `grade`. A grader that refuses, or answers nothing that can be
read, is a vote without a label.
"""

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, Field

from ...agents.checks import CheckOutcome
from ...agents.problem_checks import answer_phrase
from ...agents.procedural.judging import grading, identifying
from ...agents.rubric import Rubric, rubric_for, shipped_rubrics
from ...core.errors import SetupError
from ...core.model import Answer, AnswerSchema, PersonaModel
from ...core.prompt import RenderedPrompt, fence, load_prompt
from ...core.table import Row
from ...personas.dedup.near_duplicates import NearDuplicates
from ..config import RoleModel
from ..jobs.loop import Chunks
from ..runfile.reader import RunReader
from ..runfile.rows import CheckRow, VoteRow
from ..seeds import rng_for
from ..tasks.outputs import ROOM, answered, describe_check, role_of
from .candidates import Candidate, CandidateJob, CandidatePhase, CandidateSpec

#: Personas of a line-up.
SIZE = 4
#: Descriptions that have so many of their words in common are taken for one person.
_NEAR = 0.7


def draw_lineup(own: str, others: Sequence[str], rng: random.Random) -> tuple[str, ...]:
    """Place a persona at random among three others, or return () if fewer than three differ from it and each other."""
    apart = NearDuplicates[int](_NEAR)
    apart.add(0, own)
    drawn: list[str] = []
    for number, other in enumerate(rng.sample(others, len(others)), start=1):
        if apart.add(number, other) is None:
            drawn.append(other)
        if len(drawn) == SIZE - 1:
            drawn.insert(rng.randrange(SIZE), own)
            return tuple(drawn)
    return ()


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


def owner_of(item: Candidate) -> str:
    """Return the name of a candidate in `calls`: the output number, with the response number if a response is judged.

    For a pair, return both names.
    """
    own = str(item.emission) if item.response is None else f"{item.emission}/{item.response}"
    return own if item.other is None else f"{own}|{owner_of(item.other)}"


class VotingPhase(CandidatePhase[list[Vote]]):
    """Has graders vote on candidates, or on pairs of them."""

    counted = "votes"

    def owner(self, item: Candidate) -> str:
        """Return the name of the candidate in `calls`."""
        return owner_of(item)

    async def ask_graders(
        self,
        item: Candidate,
        model: PersonaModel,
        asked: Sequence[tuple[RenderedPrompt, AnswerSchema[Any], int | None]],
    ) -> list[Vote]:
        """Return the votes on these requests, each with its position, in the order of graders and replicates."""
        context = self._context.request(self.name, self.owner(item))

        async def vote(
            place: int, grader: str, replicate: int, prompt: RenderedPrompt, schema: AnswerSchema[Any], at: int | None
        ) -> Vote:
            own = context.varied(role=role_of("grader", place), replicate=replicate)
            return Vote(grader, replicate, await model.ask(prompt, schema, own), at)

        return await answered(
            vote(place, grader, replicate, *one)
            for place, grader in enumerate(self._spec.graders)
            for replicate in range(self._spec.votes)
            for one in asked
        )

    def rubric_of(self, output: Candidate) -> Rubric:
        """Return the rubric by which a candidate is judged."""
        rubric = rubric_for(self._spec.rubrics, output.kind)
        if rubric is None:
            raise ValueError(f"there is no rubric for {output.kind!r}, which `check_rubrics` has looked for")
        return rubric

    def answers_of(self, result: list[Vote]) -> Sequence[Answer[Any]]:
        """Return the answers of the graders."""
        return [one.answered for one in result]

    def event_of(self, output: Candidate, result: list[Vote]) -> object:
        """Return the raw answers, after the name of the candidate."""
        return [[self.owner(output)], *([one.outcome, one.raw] for one in self.answers_of(result))]


class GradingPhase(VotingPhase):
    """Has candidates graded."""

    name = KIND
    shown = "Outputs graded"

    def begin(self, chunks: Chunks) -> None:
        """Read the personas for line-ups, and continue after the last complete chunk."""
        super().begin(chunks)
        self._people = defaultdict[str, list[str]](list)
        if any(one.lineup for one in self._spec.rubrics):
            for language, text in self._context.log.query(_PEOPLE, {"seed": str(self._context.seed)}):
                self._people[language].append(text)

    async def work(self, item: Candidate, model: PersonaModel) -> list[Vote]:
        """Return the votes. Empty if a line-up is needed and cannot be made."""
        rubric = self.rubric_of(item)
        lineup = self._draw_lineup(item) if rubric.lineup else ()
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
        return await self.ask_graders(item, model, [(prompt, schema, author)])

    def _draw_lineup(self, item: Candidate) -> tuple[str, ...]:
        """Draw a line-up of the candidate's persona and three others whose descriptions are in its language."""
        rng = rng_for(self._context.seed, KIND, "lineup", item.emission)
        return draw_lineup(item.persona, self._people[item.language], rng) if item.persona else ()

    def counts_of(self, output: Candidate, result: list[Vote]) -> Mapping[str, int]:
        """Count votes by outcome and outputs by check result."""
        check = self._check(output, result)
        return {**super().counts_of(output, result), f"{check.check} {check.outcome}": 1}

    def rows_of(self, output: Candidate, result: list[Vote]) -> Sequence[Row]:
        """Return the votes by criterion, and the check if the output itself was graded."""
        rubric, rows = self.rubric_of(output), list[Row]()
        for one in result:
            labels = labels_of(rubric, one.answered.value)
            for criterion in rubric.criteria:
                label, reason = labels.get(criterion.name, (None, one.answered.reason))
                score = None if label is None else criterion.score(label)
                rows.append(VoteRow(
                    self._context.job, output.emission, output.response, None, None, criterion.name, one.grader,
                    one.replicate, label, score, one.position, one.answered.outcome, reason,
                ))  # fmt: skip
        return rows if output.response is not None else [*rows, self._check(output, result)]

    def _check(self, output: Candidate, result: list[Vote]) -> CheckRow:
        rubric = self.rubric_of(output)
        outcome, reason, grade = grade_of(rubric, self.answers_of(result), self._spec.threshold)
        # A line-up is a measure of the whole, in which three of four are wrong by chance: it rejects nothing.
        outcome = CheckOutcome.WARNED if rubric.lineup and outcome is CheckOutcome.FAILED else outcome
        check = IDENTIFIED if rubric.lineup else GRADE
        return CheckRow(output.emission, check, outcome, reason, grade, _VERSION, self._context.job)


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
    phase_type = GradingPhase
    own_checks = (GRADE, IDENTIFIED)
    answer_tokens = 2_048
    noun = "graded"

    def count(self, run: RunReader) -> int:
        """Count the candidates. Raises what `check_rubrics` raises."""
        check_rubrics(self.spec, run)
        return super().count(run)

    def figures(self, counts: Mapping[str, int]) -> list[tuple[str, str]]:
        """Return how many are good enough; a line-up gives no grade."""
        return [("good enough", describe_check(counts, GRADE))]


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
