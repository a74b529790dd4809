"""Comparing two candidates that were made for one prompt: each pair in both orders, to show a favoured place."""

from collections import Counter
from collections.abc import Mapping, Sequence
from string import Template
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from ...agents.procedural.judging import comparing
from ...agents.responses import schema_of
from ...core.errors import SetupError
from ...core.model import PersonaModel
from ...core.prompt import Prompt, fence, load_prompt
from ...core.table import Row
from ..runfile.reader import RunReader
from ..runfile.rows import VoteRow
from ..tasks.outputs import ROOM
from .candidates import CANDIDATES, Candidate, CandidateJob, CandidateSpec
from .grading import Vote, VotingPhase, check_rubrics

#: The kind of these jobs, and their one phase.
KIND = "comparing"
_PAIRS = f"""
SELECT a.key || '|' || b.key AS key, a.emission
FROM ({CANDIDATES}) AS a JOIN ({CANDIDATES}) AS b ON a.prompt = b.prompt AND (a.emission, a.key) < (b.emission, b.key)
QUALIFY row_number() OVER (PARTITION BY a.prompt ORDER BY md5(a.key || b.key)) <= $pairs
"""  # noqa: S608 - our own words
#: The criterion of their votes.
OVERALL = "overall"


class Comparison(BaseModel):
    """Which of two texts is better."""

    reason: Annotated[str, Field(max_length=2_000, description="What decides, in one or two sentences")]
    better: Annotated[Literal["first", "second", "tie"], Field(description="The better one, or tie")]


class ComparingSpec(CandidateSpec):
    """What is compared, and by whom."""

    #: Pairs of one prompt, at most, drawn by chance.
    pairs: int = Field(10, ge=1)
    #: Votes of each grader on each pair in each order.
    votes: int = Field(1, ge=1, le=64)


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
    """Has pairs compared, each in both orders."""

    name = KIND
    shown = "Pairs compared"

    async def work(self, item: Candidate, model: PersonaModel) -> list[Vote]:
        """Return the votes, in the order of graders, replicates and positions."""
        rubric, prompt = self.rubric_of(item), load_prompt(ROOM, "compare")
        # Two responses are to one request, which is shown as the task.
        fields = ("response",) if item.response is not None else rubric.fields
        texts = [one.shown(fields) for one in (item, item.other) if one is not None]
        # A rubric for the response alone is judged without the request.
        task = "" if rubric.fields == ("response",) else fence("task", task_of(prompt, item))
        asked = []
        for position, (first, second) in enumerate((texts, texts[::-1]), start=1):
            rendered = prompt.render(
                rubric=rubric.text,
                task=task,
                first=fence("output", first, place="first"),
                second=fence("output", second, place="second"),
            )
            asked.append((rendered, schema_of(Comparison, "compare", comparing(first, second)), position))
        return await self.ask_graders(item, model, asked)

    def counts_of(self, output: Candidate, result: list[Vote]) -> Mapping[str, int]:
        """Count votes by outcome, and how often the text shown first or second won, or there was a tie."""
        won = {"first": "first won", "second": "second won", "tie": "ties"}
        decided = Counter(won[one.value.better] for one in self.answers_of(result) if one.value is not None)
        return {**super().counts_of(output, result), **decided}

    def rows_of(self, output: Candidate, result: list[Vote]) -> Sequence[Row]:
        """Return the rows of the votes."""
        other, rows = output.other or output, []
        for one in result:
            label, value = better_of(one), one.answered.value
            reason = one.answered.reason if value is None else value.reason
            rows.append(VoteRow(
                self._context.job, output.emission, output.response, other.emission, other.response, OVERALL,
                one.grader, one.replicate, label, _SCORES.get(label), one.position, one.answered.outcome, reason,
            ))  # fmt: skip
        return rows


class ComparingJob(CandidateJob[ComparingSpec]):
    """Has pairs of what a run has made compared."""

    kind = KIND
    spec_type = ComparingSpec
    phase_type = ComparingPhase
    # What grading has rejected may be the worse one of a pair.
    own_checks = ("grade",)
    answer_tokens = 1_024
    noun = "pairs"
    items = _PAIRS

    @property
    def parameters(self) -> dict[str, object]:
        """The parameters of `items`."""
        return {**super().parameters, "pairs": self.spec.pairs}

    def nothing_to_judge(self, path: str) -> str:
        """Return the message for a run in which nothing can be compared."""
        if self.spec.responses:
            return super().nothing_to_judge(path)
        return (
            f"No two outputs of the run in {path!r} are of one kind and by one person, so there is nothing to compare; "
            f"make a run with --per-persona 2 or more, or have several responses written: "
            f"`populace data grade {path} --responses 4`."
        )

    def count(self, run: RunReader) -> int:
        """Count the pairs. Raises `SetupError` if no rubric is for one of the kinds, or a rubric finds authors."""
        check_rubrics(self.spec, run)
        if lineup := next((one.name for one in self.spec.rubrics if one.lineup), ""):
            raise SetupError(f"The rubric {lineup!r} finds authors, not the better of two; leave --pairwise out.")
        return super().count(run)

    def figures(self, counts: Mapping[str, int]) -> list[tuple[str, str]]:
        """Return how often the text that was shown first won."""
        first, second, ties = (counts.get(name, 0) for name in ("first won", "second won", "ties"))
        share = first / max(1, first + second)
        return [("first won", f"{first:,} of {first + second:,} decided votes ({share:.1%}); {ties:,} ties")]
