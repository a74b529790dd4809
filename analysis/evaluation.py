"""How a model did on problems with known answers: accuracy with its interval, read from the file of an evaluation."""

from ..core.errors import SetupError
from ..core.model import PROCEDURAL_NOTICE
from ..core.result import Note, Result, make_result
from .stats import estimate_share
from .table import Reader

#: The latest evaluation of a file.
_JOB = """
SELECT job, model, is_language_model, spec ->> '$.target', CAST(spec ->> '$.is_from_run' AS BOOLEAN),
       CAST(spec -> '$.answered_by' AS VARCHAR[]), CAST(spec ->> '$.rows' AS BIGINT),
       CAST(spec ->> '$.passed_over' AS BIGINT), status, spec ->> '$.voters.methods[0]',
       coalesce(CAST(spec ->> '$.is_held_out' AS BOOLEAN), false)
FROM jobs WHERE kind = 'evaluation' ORDER BY job DESC LIMIT 1
"""
_LOST = "('rate_limited', 'server_error', 'dropped', 'unreachable', 'timeout')"
_GROUPED = f"""
SELECT {{name}} AS name, count(*) FILTER (s.outcome NOT IN {_LOST}) AS asked, count(*) FILTER (s.correct) AS correct
FROM solutions AS s
JOIN test_problems AS p ON p.job = s.job AND p.problem = s.emission
WHERE s.job = $job
GROUP BY ALL
ORDER BY name NULLS LAST
"""  # noqa: S608 - our own words
_OUTCOMES = """
SELECT CASE WHEN outcome = 'ok' AND correct IS NULL THEN 'undecided' ELSE outcome END AS outcome, count(*)
FROM solutions WHERE job = $job AND NOT (outcome = 'ok' AND correct IS NOT NULL) GROUP BY ALL ORDER BY ALL
"""
_PROBLEMS = "SELECT count(*) FROM test_problems WHERE job = $job"
_MOST_GROUPS = 20


def read_evaluation(reader: Reader) -> Result:
    """Read the latest evaluation in a file, as far as it is done: accuracy in all, by level and by type.

    What the endpoint lost is not in the accuracy; all else without an answer counts as wrong. Raises `SetupError` where
    there is none.
    """
    found = reader.query(_JOB).rows
    if not found:
        raise SetupError(
            "This file holds no evaluation; make one with `populace data evaluate RUN|FILE.jsonl --solver MODEL`."
        )
    job, model, is_language_model, target, is_from_run, by, rows, passed_over, _, method, is_held_out = found[0]
    ((problems,),) = reader.query(_PROBLEMS, {"job": job}).rows
    notes = [
        Note(
            "interval", "The interval is Wilson's, 95 %, over problems. Answers are compared by rules and math-verify."
        )
    ]
    if passed_over:
        lacking = "on whose answer solutions do not agree" if is_from_run else "without a known answer"
        notes.append(Note("passed_over", f"{passed_over:,} of {rows:,} rows were passed over, {lacking}."))
    if is_from_run:
        said = "The known answers are those that outputs state, or on which at least two of three solutions agree; "
        notes.append(Note("answers_from_run", f"{said}they may be wrong."))
    if model in (by or ()):
        favoured = f"{model} is among the models that gave the known answers, which favours it."
        notes.append(Note("own_answers", favoured))
    if not is_language_model:
        notes.append(Note("procedural", PROCEDURAL_NOTICE))
    whole = _read_groups(reader, "all", "'all'", job) or [("all", "all", 0, 0, estimate_share(0, 0))]
    groups = [row for by in ("level", "type") for row in _read_groups(reader, by, f"p.{by}", job)]
    return make_result(
        f"{model} ({method}) on {problems:,} problems of {target}{', held out' * bool(is_held_out)}",
        ("by", "group", "asked", "correct", "accuracy"),
        whole + groups,
        shares=("accuracy",),
        notes=notes,
        parts=[make_result("Without an answer", ("outcome", "solutions"), reader.query(_OUTCOMES, {"job": job}).rows)],
    )


def _read_groups(reader: Reader, by: str, column: str, job: int) -> list[tuple[object, ...]]:
    found = [row for row in reader.query(_GROUPED.format(name=column), {"job": job}).rows if row[0] is not None]
    return [(by, str(n), asked, correct, estimate_share(correct, asked)) for n, asked, correct in found[:_MOST_GROUPS]]
