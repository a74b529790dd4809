"""Preferences: of several candidates for one prompt the best and the worst, by grades, comparisons or agreement.

Candidates are the responses of a teacher to one request, or the outputs that one person made of one kind. Nobody is
asked: the scores are those of the latest grading, comparing or solving job of the file. A row is made where the best
leads the worst by the margin; the best must be accepted.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from string import Template
from typing import Annotated, Any, Literal

import orjson
from pydantic import BaseModel, Field

from ...agents.procedural.judging import make_comparison
from ...agents.responses import schema_of
from ...agents.rubric import Rubric, rubric_for
from ...core.errors import SetupError
from ...core.model import PersonaModel
from ...core.prompt import Prompt, fence, load_prompt
from ...core.table import Row
from ..runfile.reader import RunReader, open_made
from ..runfile.rows import PreferenceRow, VoteRow
from ..tasks.outputs import ROOM, record_rows
from .grading import CANDIDATES, Candidate, CandidateJob, CandidateSpec, Vote, VotingPhase, check_rubrics

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
    """Return what a candidate was made for: the request it responds to, or to create something with its persona.

    The latter is said in the words of `prompt` (compare).
    """
    if item.response is not None:
        return item.text
    words = Template(prompt.find_phrase("task", "persona" if item.persona else "nobody"))
    return words.substitute(kind=item.kind.replace("_", " "), persona=item.persona).strip()


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
            asked.append((rendered, schema_of(Comparison, "compare", make_comparison(first, second)), position))
        return await self.ask_graders(item, model, asked)

    def counts_of(self, output: Candidate, result: list[Vote]) -> Mapping[str, int]:
        """Count votes by outcome, and how often the text shown first or second won, or there was a tie."""
        won = {"first": "first won", "second": "second won", "tie": "ties"}
        decided = Counter(won[one.answered.value.better] for one in result if one.answered.value is not None)
        return {**super().counts_of(output, result), **decided}

    def rows_of(self, output: Candidate, result: list[Vote]) -> Sequence[Row]:
        """Return the rows of the votes."""
        other, rows = output.other or output, []
        for one in result:
            label, value = better_of(one), one.answered.value
            reason = one.reason if value is None else value.reason
            rows.append(VoteRow(
                self._context.job, output.emission, output.response, other.emission, other.response, OVERALL,
                one.grader, one.replicate, label, _SCORES.get(label), one.position, one.outcome, reason,
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


#: What the scores are.
type PreferenceSource = Literal["grades", "comparisons", "agreement"]

_LATEST = "SELECT max(job) FROM jobs WHERE kind = $kind AND job IN (SELECT job FROM {table})"
#: The mean votes by criterion, weighed; $weights holds those of each criterion for each kind of outputs.
_GRADES = """
SELECT emission, response, sum(weight * score) / sum(weight) AS score
FROM (
    SELECT e.kind, v.emission, v.response, v.criterion, avg(v.score) AS score
    FROM votes AS v JOIN emissions AS e USING (emission)
    WHERE v.job = $job AND v.score IS NOT NULL
    GROUP BY ALL
)
JOIN (SELECT unnest($kinds) AS kind, unnest($criteria) AS criterion, unnest($weights) AS weight) USING (kind, criterion)
GROUP BY ALL
"""
#: A comparison says as much of the one as of the other.
_COMPARISONS = """
SELECT emission, response, avg(score) AS score FROM (
    SELECT emission, response, score FROM votes WHERE job = $job AND score IS NOT NULL
    UNION ALL
    SELECT other, other_response, 1 - score FROM votes WHERE job = $job AND score IS NOT NULL
) GROUP BY ALL
"""
_AGREEMENT = (
    "SELECT emission, CAST(NULL AS INTEGER) AS response, agreement AS score FROM agreed_answers WHERE job = $job"
)
_CANDIDATES = """
WITH scored AS ({scored}), written AS (
    SELECT emission, response, text FROM responses WHERE outcome = 'ok'
    QUALIFY job = max(job) OVER (PARTITION BY emission)
)
SELECT if(s.response IS NULL, o.agent || o.kind, CAST(o.emission AS VARCHAR)) AS key, s.score, o.status = 'accepted',
       o.emission, o.agent, o.kind, o.text, CAST(o.payload AS VARCHAR), coalesce(p.text, ''), s.response,
       coalesce(w.text, '')
FROM scored AS s
JOIN outputs AS o USING (emission)
LEFT JOIN personas AS p ON p.id = o.agent
LEFT JOIN written AS w ON w.emission = s.emission AND w.response = s.response
WHERE o.status = 'accepted' OR o.stage IN ('grade', 'solved', 'answer')
ORDER BY key, o.emission, s.response
"""


@dataclass(frozen=True, slots=True)
class Scored:
    """A candidate with its score."""

    candidate: Candidate
    score: float
    is_accepted: bool
    text: str


@dataclass(frozen=True, slots=True)
class Preferences:
    """The result of pairing the best with the worst."""

    job: int
    source: PreferenceSource
    #: Groups of candidates made for one prompt, and the candidates in them.
    groups: int
    candidates: int
    rows: int
    #: Groups without a row: one candidate alone, a lead below the margin, or a best one that is not accepted.
    alone: int
    within_margin: int
    best_rejected: int


def write_preferences(path: Path | str, *, source: PreferenceSource | None = None, margin: float = 0.1) -> Preferences:
    """Write the preferences of a run. By default, `source` is the latest of grading, comparing and solving.

    Raises `SetupError` if nothing says which candidate is better, or no two candidates are for one prompt.
    """
    path = Path(path)
    if not 0 < margin <= 1:
        raise SetupError(f"The margin must be above 0 and at most 1, but {margin} was given.")
    with open_made(path) as run:
        source, job = _find_job(run, source)
        groups = list(_iter_groups(run, source, job))
    if not any(len(group) > 1 for group in groups):
        raise SetupError(
            f"No two candidates in {str(path)!r} were made for one prompt, so none can be preferred; make a run with "
            f"--per-persona 2 or more, or have several responses written: `populace data grade {path} --responses 4`."
        )
    rows, counts = [], dict.fromkeys(("alone", "within_margin", "best_rejected"), 0)
    for group in groups:
        found = choose_pair(group, margin)
        if isinstance(found, str):
            counts[found] += 1
        else:
            rows.append(found)
    spec = {"check": "", "source": source, "of_job": job, "margin": margin, **counts}
    number = record_rows(
        path, spec, lambda number: [_make_row(number, source, *one) for one in rows], replaces="preferences"
    )
    return Preferences(number, source, groups=len(groups), candidates=sum(map(len, groups)), rows=len(rows), **counts)


def choose_pair(group: Sequence[Scored], margin: float) -> tuple[Scored, Scored] | str:
    """Return the best and the worst of a group, or the reason why there is no pair.

    Among equal scores, the first one is the best and the last one is the worst.
    """
    if len(group) < 2:
        return "alone"
    # Numbers that should be equal may differ by a rounding error.
    scores = [round(one.score, 9) for one in group]
    best, worst = group[scores.index(max(scores))], group[-1 - scores[::-1].index(min(scores))]
    if best.score - worst.score < margin - 1e-9 or best.text == worst.text:
        return "within_margin"
    return (best, worst) if best.is_accepted else "best_rejected"


def _make_row(job: int, source: str, best: Scored, worst: Scored) -> PreferenceRow:
    first = best.candidate
    return PreferenceRow(
        job=job,
        emission=first.emission,
        prompt=task_of(load_prompt(ROOM, "compare"), first),
        chosen=best.text,
        rejected=worst.text,
        chosen_emission=first.emission,
        rejected_emission=worst.candidate.emission,
        chosen_response=first.response,
        rejected_response=worst.candidate.response,
        margin=best.score - worst.score,
        source=source,
    )


#: By source: the kind of the job and its table, the SQL of the scores, and what was to be done by which command.
_SOURCES: Mapping[PreferenceSource, tuple[str, str, str, str, str]] = {
    "grades": ("grading", "votes", _GRADES, "graded", "populace data grade {}"),
    "comparisons": ("comparing", "votes", _COMPARISONS, "compared", "populace data grade {} --pairwise"),
    "agreement": ("solving", "solutions", _AGREEMENT, "solved", "populace data solve {}"),
}


def _find_job(run: RunReader, source: PreferenceSource | None) -> tuple[PreferenceSource, int]:
    found: dict[PreferenceSource, int] = {}
    for name, (kind, table, *_) in _SOURCES.items():
        ((job,),) = run.query(_LATEST.format(table=table), {"kind": kind}).rows
        if job is not None:
            found[name] = int(job)
    latest = max(found, key=lambda name: found[name], default=None)
    chosen = source or latest or "grades"
    if chosen not in found:
        *_, what, how = _SOURCES[chosen]
        raise SetupError(
            f"The outputs of {str(run.path)!r} were not {what} yet; do that first: `{how.format(run.path)}`."
        )
    return chosen, found[chosen]


def _iter_groups(run: RunReader, source: PreferenceSource, job: int) -> Iterable[list[Scored]]:
    given: dict[str, Any] = {"job": job}
    if source == "grades":
        given |= _read_weights(run, job)
    rows = run.query(_CANDIDATES.format(scored=_SOURCES[source][2]), given).rows
    for _, group in groupby(rows, key=lambda row: row[0]):
        yield [_make_scored(*row[1:]) for row in group]


def _make_scored(score: float, is_accepted: bool, *candidate: Any) -> Scored:
    found = Candidate(0, *candidate)
    return Scored(found, score, is_accepted, found.answer if found.response is not None else found.written())


def _read_weights(run: RunReader, job: int) -> dict[str, list[Any]]:
    """Return the weight of each criterion for each kind of outputs, as columns."""
    ((spec,),) = run.query("SELECT spec FROM jobs WHERE job = $job", {"job": job}).rows
    rubrics = [Rubric.model_validate(one) for one in orjson.loads(spec)["rubrics"]]
    kinds = [kind for (kind,) in run.query("SELECT DISTINCT kind FROM emissions").rows]
    found = [
        (kind, one.name, one.weight)
        for kind in kinds
        if (rubric := rubric_for(rubrics, kind)) is not None
        for one in rubric.criteria
        if one.weight
    ]
    return {name: [row[place] for row in found] for place, name in enumerate(("kinds", "criteria", "weights"))}
