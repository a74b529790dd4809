"""What graders judge: an output, or one of several responses to it; alone, or two of them side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from operator import itemgetter
from typing import Any, ClassVar

import orjson
from pydantic import Field

from ...agents.problem_checks import STATED, VERIFIED
from ...agents.rubric import Rubric
from ...core.errors import SetupError
from ..runfile.reader import RunReader
from ..tasks.outputs import CHOSEN_OUTPUTS, Output, OutputJob, OutputPhase, OutputSpec

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
        return _written(kept[0][1])
    return "\n\n".join(f"{name}:\n{_written(value)}" for name, value in kept)


def _written(value: object) -> str:
    return value if isinstance(value, str) else orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()


class CandidateSpec(OutputSpec):
    """Which candidates a job is about, by which rubrics they are judged, and by whom."""

    #: The first that names an output's kind counts, else the first that names none.
    rubrics: tuple[Rubric, ...] = ()
    #: The graders by name, in their order; each is asked in a role of its own.
    graders: tuple[str, ...] = Field(min_length=1)
    #: Whether the latest responses to outputs are judged, instead of the outputs.
    responses: bool = False


class CandidatePhase[R](OutputPhase[Candidate, R]):
    """A phase that works on candidates in their order."""

    query = _READ

    def read_items(self, rows: Sequence[tuple[Any, ...]]) -> Sequence[Candidate]:
        """Return the candidates, or pairs of them."""
        places = groupby(rows, key=itemgetter(0))
        found = [[Candidate(ordinal, *of) for ordinal, _, *of in some] for _, some in places]
        return [one if not others else replace(one, other=others[0]) for one, *others in found]


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
