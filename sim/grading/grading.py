"""Grading outputs or responses by a rubric: several votes of each grader, and a verdict on each.

Each grader is asked as often as there are votes, each a request of its own, for a label by each criterion. The score of
an output by a criterion is the mean over its votes, its grade the weighted mean over the criteria, 0 to 1. An output
whose grade is below the threshold has failed the check `grade`. A grader that refuses, or answers nothing that can be
read, is a vote without a label.
"""

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from operator import itemgetter
from typing import Any, ClassVar

import orjson
from pydantic import BaseModel, Field

from ...agents.checks import CheckOutcome
from ...agents.problem_checks import STATED, VERIFIED, answer_phrase
from ...agents.procedural.judging import make_choice, make_grades
from ...agents.rubric import Rubric, rubric_for, shipped_rubrics
from ...core.errors import SetupError
from ...core.model import Answer, AnswerSchema, PersonaModel
from ...core.prompt import RenderedPrompt, fence, load_prompt
from ...core.table import Row
from ...personas.dedup.near_duplicates import NearDuplicates
from ..jobs.loop import Chunks
from ..runfile.reader import RunReader
from ..runfile.rows import CheckRow, VoteRow
from ..seeds import rng_for
from ..specs import OutputSpec, RoleModel
from ..tasks.outputs import (
    CHOSEN_OUTPUTS,
    ROOM,
    Output,
    OutputJob,
    OutputPhase,
    Reply,
    answered,
    describe_check,
    role_of,
)

#: The latest responses to each emission that can be used.
_RESPONSES = """
SELECT emission, response, text FROM responses WHERE outcome = 'ok'
QUALIFY job = max(job) OVER (PARTITION BY emission)
"""
#: What can be judged, in groups of what was made for one prompt: by one person, or in response to one output.
CANDIDATES = f"""
SELECT agent || kind AS prompt, CAST(emission AS VARCHAR) AS key, emission
FROM (SELECT agent, kind, emission {CHOSEN_OUTPUTS}) WHERE NOT $responses
UNION ALL
SELECT CAST(emission AS VARCHAR), emission || '/' || response, emission
FROM ({_RESPONSES}) SEMI JOIN (SELECT emission {CHOSEN_OUTPUTS}) USING (emission) WHERE $responses
"""  # noqa: S608 - our own words
#: The answers of problems: what most solutions of the latest solving job find, else the stated one that was verified.
_AGREED = f"""
SELECT emission, answer FROM agreed_answers WHERE agreement > 0.5
UNION ALL
SELECT emission, payload ->> '{STATED}' FROM emissions
WHERE emission IN (SELECT emission FROM checks WHERE "check" = '{VERIFIED}' AND outcome = 'passed')
AND emission NOT IN (SELECT emission FROM agreed_answers)
"""  # noqa: S608 - our own words
#: Those of one rubric and of one person follow each other, so that their requests begin with the same words.
_FILL = """
INSERT INTO job_items BY NAME
SELECT $job AS job, row_number() OVER (ORDER BY e.kind, e.agent, emission, key) AS ordinal, key AS item
FROM (SELECT key, emission FROM ({items}) ORDER BY md5(key || $seed) LIMIT $most)
JOIN emissions AS e USING (emission)
"""
_READ = f"""
WITH page AS (
    SELECT ordinal, item FROM job_items WHERE job = $job AND ordinal > $after ORDER BY ordinal LIMIT $most
), places AS (
    SELECT ordinal, unnest(string_split(item, '|')) AS key, generate_subscripts(string_split(item, '|'), 1) AS place
    FROM page
)
SELECT i.ordinal, i.place, e.emission, e.agent, e.kind, e.text, e.payload, coalesce(p.text, ''),
       r.response, coalesce(r.text, ''), coalesce(g.answer, ''), coalesce(p.language, '')
FROM places AS i
JOIN emissions AS e ON e.emission = CAST(split_part(i.key, '/', 1) AS BIGINT)
LEFT JOIN personas AS p ON p.id = e.agent
LEFT JOIN ({_RESPONSES}) AS r ON r.emission = e.emission AND r.response = TRY_CAST(split_part(i.key, '/', 2) AS INTEGER)
LEFT JOIN ({_AGREED}) AS g ON g.emission = e.emission
ORDER BY i.ordinal, i.place
"""  # noqa: S608 - our own words
_MOST = 1 << 62


@dataclass(frozen=True, slots=True)
class Candidate(Output):
    """An output that is judged, or a response to it; `other` is what it is compared with."""

    #: Description of the person who made the output.
    persona: str = ""
    #: Which of several responses is judged; None where the output itself is.
    response: int | None = None
    answer: str = ""
    #: The answer that solutions of it agree on, where it is a problem.
    agreed: str = ""
    #: Language of the person's description.
    language: str = ""
    other: "Candidate | None" = None

    def written(self) -> str:
        """Return what a model is to learn to write: the field `text`, or the whole output if it has none."""
        payload: dict[str, Any] = orjson.loads(self.payload)
        text = payload.get("text")
        return text if isinstance(text, str) else orjson.dumps(payload, option=orjson.OPT_INDENT_2).decode()

    def shown(self, fields: Sequence[str] = ()) -> str:
        """Return the text a grader sees: the named fields, or all non-empty fields of the output."""
        payload: dict[str, Any] = orjson.loads(self.payload)
        if self.response is not None:
            payload["response"] = self.answer
        return render_payload(payload, fields) or self.text


def render_payload(payload: Mapping[str, Any], fields: Sequence[str] = ()) -> str:
    """Return the fields of an output, one below the other. A single field is shown without its name."""
    found = [(name, value) for name, value in payload.items() if value not in ("", None, [], {})]
    if not fields:
        # How the request for the response ended does not matter to its text.
        kept = [(name, value) for name, value in found if name != "response_outcome"]
    else:
        kept = [(name, value) for name, value in found if name in fields]
    if len(kept) == 1:
        return _write_value(kept[0][1])
    return "\n\n".join(f"{name}:\n{_write_value(value)}" for name, value in kept)


def _write_value(value: object) -> str:
    return value if isinstance(value, str) else orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()


class CandidateSpec(OutputSpec):
    """Which candidates a job is about, by which rubrics they are judged, and by whom."""

    #: The first that names an output's kind counts, else the first that names none.
    rubrics: tuple[Rubric, ...] = ()
    #: The graders by name, in their order; each is asked in a role of its own.
    graders: tuple[str, ...] = Field(min_length=1)
    #: Whether the latest responses to outputs are judged, instead of the outputs.
    responses: bool = False


class CandidateJob[S: CandidateSpec](OutputJob[S]):
    """A job on outputs or on responses to them."""

    #: What the job's items are, in SQL with the columns `key` and `emission`.
    items: ClassVar[str] = CANDIDATES
    where_found = (
        'The votes: `populace sql {file} "FROM votes"`; how far they agree: `populace data agreement {file}`; '
        "preferences of them: `populace data pairs {file}`."
    )

    @property
    def parameters(self) -> dict[str, object]:
        """The parameters of `items`."""
        return {**self.chosen, "responses": self.spec.responses}

    def count(self, run: RunReader) -> int:
        """Count the candidates. Raises `SetupError` if there are no responses to judge."""
        ((number,),) = run.query(f"SELECT count(*) FROM ({self.items})", self.parameters).rows  # noqa: S608 - our own words
        if not number:
            raise SetupError(self.nothing_to_judge(str(run.path)))
        return min(int(number), self.spec.n or _MOST)

    def nothing_to_judge(self, path: str) -> str:
        """Return the message for outputs without anything to judge."""
        return (
            f"The outputs of the run in {path!r} have no responses to grade; ask for some first: "
            f"`populace data grade {path} --responses 4`."
        )

    def fill(self, con: Any, number: int, seed: int) -> None:
        """Write the items of the job when it begins."""
        given = {"job": number, "seed": str(seed), "most": self.spec.n or _MOST}
        con.execute(_FILL.format(items=self.items), self.parameters | given)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote(Reply):
    """What a grader said of a candidate in one answer."""

    grader: str
    replicate: int
    #: Place in which the candidate was shown, of a comparison; or its author, of a line-up.
    position: int | None = None


def owner_of(item: Candidate) -> str:
    """Return the name of a candidate in `calls`: the output number, with the response number if a response is judged.

    For a pair, return both names.
    """
    own = str(item.emission) if item.response is None else f"{item.emission}/{item.response}"
    return own if item.other is None else f"{own}|{owner_of(item.other)}"


class VotingPhase(OutputPhase[Candidate, list[Vote]]):
    """Has graders vote on candidates, or on pairs of them."""

    counted = "votes"
    query = _READ

    def read_items(self, rows: Sequence[tuple[Any, ...]]) -> Sequence[Candidate]:
        """Return the candidates, or pairs of them."""
        places = groupby(rows, key=itemgetter(0))
        found = [[Candidate(ordinal, *of) for ordinal, _, *of in some] for _, some in places]
        return [one if not others else replace(one, other=others[0]) for one, *others in found]

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
            own = context.vary_context(role=role_of("grader", place), replicate=replicate)
            answer = await model.ask(prompt, schema, own)
            return Vote(answer, answer.outcome, answer.reason, grader=grader, replicate=replicate, position=at)

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

    def event_of(self, output: Candidate, result: list[Vote]) -> object:
        """Return the raw answers, after the name of the candidate."""
        return [[self.owner(output)], *([one.outcome, one.answered.raw] for one in result)]


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
        schema = rubric.answer_schema(make_choice(lineup, text) if lineup else make_grades(rubric, text), author or 0)
        return await self.ask_graders(item, model, [(prompt, schema, author)])

    def _draw_lineup(self, item: Candidate) -> tuple[str, ...]:
        """Draw a line-up of the candidate's persona and three others whose descriptions are in its language."""
        rng = rng_for(self._context.seed, KIND, "lineup", item.emission)
        return draw_lineup(item.persona, self._people[item.language], rng) if item.persona else ()

    def counts_of(self, output: Candidate, result: list[Vote]) -> Mapping[str, int]:
        """Count votes by outcome and outputs by check result."""
        check = self._check_grade(output, result)
        return {**super().counts_of(output, result), f"{check.check} {check.outcome}": 1}

    def rows_of(self, output: Candidate, result: list[Vote]) -> Sequence[Row]:
        """Return the votes by criterion, and the check if the output itself was graded."""
        rubric, rows = self.rubric_of(output), list[Row]()
        for one in result:
            labels = labels_of(rubric, one.answered.value)
            for criterion in rubric.criteria:
                label, reason = labels.get(criterion.name, (None, one.reason))
                score = None if label is None else criterion.score(label)
                rows.append(VoteRow(
                    self._context.job, output.emission, output.response, None, None, criterion.name, one.grader,
                    one.replicate, label, score, one.position, one.outcome, reason,
                ))  # fmt: skip
        return rows if output.response is not None else [*rows, self._check_grade(output, result)]

    def _check_grade(self, output: Candidate, result: list[Vote]) -> CheckRow:
        rubric = self.rubric_of(output)
        outcome, reason, grade = grade_of(rubric, [one.answered for one in result], self._spec.threshold)
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
