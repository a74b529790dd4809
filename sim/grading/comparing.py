"""Comparing two candidates that were made for one prompt: each pair in both orders, to show a favoured place."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import Template
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from ...agents.procedural.grading import comparing
from ...agents.responses import schema_of
from ...agents.rubric import rubric_for
from ...personas.errors import SetupError
from ...personas.model import PersonaModel, RequestContext
from ...personas.prompt import Prompt, fence, load_prompt
from ...personas.table import Row
from ..jobs.kind import JobContext
from ..runfile.output_rows import VoteRow
from ..runfile.reader import RunReader
from ..seeds import derive_seed
from ..tasks.outputs import Output, OutputJobReport, OutputPhase, answered, role_of
from .candidates import Candidate, PairJob, PairSpec
from .grading import ROOM, Vote, VotingPhase, check_rubrics, ended_rows, owner_of

#: The kind of these jobs, and their one phase.
KIND = "comparing"
#: The criterion of their votes.
OVERALL = "overall"


class Comparison(BaseModel):
    """Which of two texts is better."""

    reason: Annotated[str, Field(max_length=2_000, description="What decides, in one or two sentences")]
    better: Annotated[Literal["first", "second", "tie"], Field(description="The better one, or tie")]


class ComparingSpec(PairSpec):
    """What is compared, and by whom."""

    #: Votes of each grader on each pair in each order.
    votes: int = Field(1, ge=1, le=64)


@dataclass(frozen=True, slots=True)
class ComparingWork:
    """Has one pair compared, in both orders."""

    spec: ComparingSpec
    job: int
    seed: int

    async def __call__(self, item: Output, model: PersonaModel) -> list[Vote]:
        """Return the votes, in the order of graders, replicates and positions."""
        rubric = rubric_for(self.spec.rubrics, item.kind)
        if rubric is None or not isinstance(item, Candidate) or item.other is None:
            return []
        prompt = load_prompt(ROOM, "compare")
        # Two responses are to one request, which is shown as the task.
        fields = ("response",) if item.response is not None else rubric.fields
        texts = [one.shown(fields) for one in (item, item.other)]
        # A rubric for the response alone is judged without the request.
        task = "" if rubric.fields == ("response",) else fence("task", task_of(prompt, item))
        owner = owner_of(item)
        context = RequestContext(KIND, 1, owner, derive_seed(self.seed, KIND, owner) >> 32, job=self.job)

        async def vote(place: int, grader: str, replicate: int, position: int) -> Vote:
            first, second = texts if position == 1 else reversed(texts)
            rendered = prompt.render(
                rubric=rubric.text,
                task=task,
                first=fence("output", first, place="first"),
                second=fence("output", second, place="second"),
            )
            schema = schema_of(Comparison, "compare", comparing(first, second))
            asked = context.varied(role=role_of("grader", place), replicate=replicate)
            return Vote(grader, replicate, await model.ask(rendered, schema, asked), position)

        return await answered(
            vote(place, grader, replicate, position)
            for place, grader in enumerate(self.spec.graders)
            for replicate in range(self.spec.votes)
            for position in (1, 2)
        )


def task_of(prompt: Prompt, item: Candidate) -> str:
    """Return what a candidate was made for: the request it responds to, or the persona it was created with."""
    if item.response is not None:
        return item.text
    return made_for(prompt, item.kind, item.persona)


def made_for(prompt: Prompt, kind: str, persona: str) -> str:
    """Return the request to create something with a persona, in the words of `prompt` (compare)."""
    word = "persona" if persona else "nobody"
    return Template(prompt.phrase("task", word)).substitute(kind=kind.replace("_", " "), persona=persona).strip()


def better_of(vote: Vote) -> str | None:
    """Return what a vote says about the candidate: better, worse or tie. Returns None for a vote without an answer."""
    value = vote.answered.value
    if value is None:
        return None
    if value.better == "tie":
        return "tie"
    return "better" if (value.better == "first") == (vote.position == 1) else "worse"


_SCORES: Mapping[str | None, float] = {"better": 1.0, "tie": 0.5, "worse": 0.0}


class ComparingPhase(VotingPhase):
    """Has pairs compared."""

    name = KIND
    shown = "Pairs compared"

    def __init__(self, context: JobContext, spec: ComparingSpec) -> None:
        super().__init__(context, chunk=spec.chunk)
        self.work = ComparingWork(spec, context.job, context.seed)

    def counts_of(self, output: Output, result: list[Vote]) -> Mapping[str, int]:
        """Count votes by outcome, and how often the text shown first or second won, or there was a tie."""
        counts = Counter(f"votes {one.answered.outcome}" for one in result)
        decided = [one.answered.value.better for one in result if one.answered.value is not None]
        counts.update({f"{place} won": decided.count(place) for place in ("first", "second")})
        counts["ties"] += decided.count("tie")
        return counts

    def rows_of(self, output: Output, result: list[Vote]) -> Sequence[Row]:
        """Return the rows of the votes."""
        if not isinstance(output, Candidate) or output.other is None:
            return []
        other = output.other
        rows = []
        for one in result:
            label, value = better_of(one), one.answered.value
            reason = one.answered.reason if value is None else value.reason
            rows.append(VoteRow(
                self._context.job, output.emission, output.response, other.emission, other.response, OVERALL,
                one.grader, one.replicate, label, _SCORES.get(label), one.position, one.answered.outcome, reason,
            ))  # fmt: skip
        return rows


class ComparingJob(PairJob[ComparingSpec]):
    """Has pairs of what a run has made compared."""

    kind = KIND
    spec_type = ComparingSpec
    phase_names = (KIND,)
    # What grading has rejected may be the worse one of a pair.
    own_checks = ("grade",)
    answer_tokens = 1_024

    def count(self, run: RunReader) -> int:
        """Count the pairs. Raises `SetupError` if no rubric is for one of the kinds, or a rubric finds authors."""
        check_rubrics(self.spec, run)
        if lineup := next((one.name for one in self.spec.rubrics if one.lineup), ""):
            raise SetupError(f"The rubric {lineup!r} finds authors, not the better of two; leave --pairwise out.")
        return super().count(run)

    def phases(self, context: JobContext) -> Sequence[OutputPhase[Any]]:
        """Return the one phase, comparing."""
        return [ComparingPhase(context, self.spec)]


def comparing_rows(done: OutputJobReport) -> list[tuple[str, str]]:
    """Return the result of a comparing job as rows for a terminal."""
    counts = done.counts
    first, second, ties = (counts.get(name, 0) for name in ("first won", "second won", "ties"))
    decided = max(1, first + second)
    return [
        ("pairs", f"{done.outputs:,}, each in both orders"),
        ("first won", f"{first:,} of {first + second:,} decided votes ({first / decided:.1%}); {ties:,} ties"),
        ("votes", ended_rows(counts, "votes ")),
        ("job", str(done.job)),
    ]
