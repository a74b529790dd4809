"""The yield of a run by stage: from the people asked to the outputs accepted, and how a model did on known answers."""

from ..core.errors import SetupError
from ..core.model import PROCEDURAL_NOTICE
from ..core.result import Note, Result, make_result
from .stats import estimate_share
from .table import Queryable, Reader

_TURNS = "SELECT coalesce(sum(active), 0)::BIGINT, coalesce(sum(acted), 0)::BIGINT FROM steps"
_RUN = "SELECT model, is_language_model FROM runs"
_ASKED = "SELECT count(DISTINCT owner) FROM calls WHERE phase = 'step' AND purpose <> 'embedding'"
_LOST = """
SELECT outcome, count(*) FROM failures
WHERE phase = 'step' AND purpose <> 'embedding' GROUP BY outcome ORDER BY count(*) DESC, outcome
"""
_CUT = "SELECT count(*) FROM calls WHERE outcome = 'length'"
_OUTPUTS = """
SELECT count(*), count(*) FILTER (revised), count(*) FILTER (status = 'accepted'),
       count(DISTINCT agent), count(DISTINCT agent) FILTER (status = 'accepted')
FROM outputs
"""
_REJECTED = """
SELECT stage, count(*), arg_min(reason, emission) FROM outputs
WHERE status = 'rejected' GROUP BY stage ORDER BY stage = 'near_duplicate', count(*) DESC, stage
"""
#: By check: outputs on which it was not sure, with an example of why.
_UNSURE = """
SELECT "check", count(DISTINCT emission), arg_min(reason, emission) FROM checks
WHERE outcome = $outcome GROUP BY "check" ORDER BY "check"
"""
#: Of an evaluation, solutions are those of a test set, numbered by its problems.
_WITH_EMISSIONS = """
SELECT table_name FROM duckdb_columns()
WHERE column_name = 'emission' AND table_name IN ('solutions', 'votes', 'preferences') ORDER BY table_name
"""
_LATER = """
SELECT count(DISTINCT emission) FROM {table}
WHERE emission IN (SELECT emission FROM outputs WHERE status = 'accepted')
  AND job NOT IN (SELECT job FROM jobs WHERE kind = 'evaluation')
"""
#: Calls by what they were for: growth, turns by role, vectors, and jobs on the outputs by their kind and role; and all.
_CALLS = """
WITH used AS (
    SELECT c.*, CASE WHEN c.purpose = 'embedding' THEN 'vectors'
                     WHEN j.kind NOT IN ('growth', 'society') THEN j.kind || if(c.role = 'default', '', ': ' || c.role)
                     WHEN c.phase = 'step' THEN if(c.role = 'default', 'turns', 'turns: ' || c.role)
                     ELSE 'people' END AS used_for
    FROM calls AS c LEFT JOIN jobs AS j USING (job) WHERE c.source IN ('endpoint', 'batch')
), spent AS (
    SELECT coalesce(used_for, 'total') AS used_for,
           if(used_for IS NULL, '', string_agg(DISTINCT model, ', ' ORDER BY model)) AS model,
           count(*) AS calls, count(*) FILTER (outcome <> 'ok') AS failed,
           sum(input_tokens)::BIGINT AS input_tokens, sum(output_tokens)::BIGINT AS output_tokens,
           nullif(count(*) FILTER (raw IS NOT NULL AND input_tokens IS NULL), 0) AS uncounted,
           sum(cost) AS dollars, nullif(count(*) FILTER (raw IS NOT NULL AND cost IS NULL), 0) AS unpriced,
           min(started_at) AS begun
    FROM used GROUP BY GROUPING SETS ((used_for), ())
    HAVING used_for IS NOT NULL OR count(DISTINCT used.used_for) > 1
)
SELECT * EXCLUDE (begun), if(unpriced IS NULL, $accepted / nullif(dollars, 0), NULL),
       if(uncounted IS NULL, $accepted / nullif(coalesce(input_tokens, 0) + coalesce(output_tokens, 0), 0) * 1000, NULL)
FROM spent ORDER BY used_for = 'total', begun, used_for
"""
_STAGES = ("stage", "meaning", "rows", "of_all_turns", "lost", "why")
_SPENT = (
    "purpose", "model", "calls", "failed", "input_tokens", "output_tokens", "uncounted", "dollars", "unpriced",
    "accepted_per_dollar", "accepted_per_1000_tokens",
)  # fmt: skip


def read_funnel(run: Queryable) -> Result:
    """Read the yield of a run in any state: how many rows are left after each stage, and why the others are not."""
    ((turns, acted),) = run.query(_TURNS).rows
    ((outputs, revised, accepted, people, accepted_people),) = run.query(_OUTPUTS).rows
    lost = dict(run.query(_LOST).rows)
    failed = sum(lost.values())
    answers = max(turns - failed, 0)
    rows: list[tuple[object, ...]] = []

    def add_stage(stage: str, meaning: str, number: int, gone: int = 0, why: str = "") -> None:
        rows.append((stage, meaning, number, number / turns if turns else None, gone, why))

    add_stage("turns", "turns asked for", turns)
    add_stage("answers", "turns with an answer", answers, failed, ", ".join(f"{n:,} {one}" for one, n in lost.items()))
    if silent := answers - acted:
        add_stage("silence", "turns in which something was made", acted, silent, "said or made nothing")
    add_stage("outputs", "outputs made", outputs)
    left = outputs
    for stage, number, reason in run.query(_REJECTED).rows:
        left -= number
        meaning = "new, no near-duplicates" if stage == "near_duplicate" else f"passed {stage}"
        add_stage(stage, meaning, left, number, f"such as: {reason}")
    add_stage("accepted", "accepted", accepted)
    for (table,) in run.query(_WITH_EMISSIONS).rows:
        ((number,),) = run.query(_LATER.format(table=table)).rows
        if number:
            add_stage(table, f"accepted, with {table}", number)
    ((asked,),) = run.query(_ASKED).rows
    told = f"{asked:,} asked, {people:,} with an output, {accepted_people:,} with an accepted output"
    notes = [Note("people", f"Personas: {told}. Outputs revised before they were kept: {revised:,}.")]
    spent = run.query(_CALLS, {"accepted": accepted}).rows
    notes += _read_notes(run, has_unknown=any(row[_SPENT.index("unpriced")] for row in spent))
    cost = make_result("Cost by purpose", _SPENT, spent)
    return make_result("Yield by stage", _STAGES, rows, shares=("of_all_turns",), notes=notes, parts=[cost])


def _read_notes(run: Queryable, *, has_unknown: bool) -> list[Note]:
    notes = []
    if undecided := run.query(_UNSURE, {"outcome": "undecided"}).rows:
        checks = ", ".join(f"{check} on {number:,}" for check, number, _ in undecided)
        notes.append(Note("undecided", f"Undecided checks, which reject nothing: {checks}."))
    for check, number, why in run.query(_UNSURE, {"outcome": "warned"}).rows:
        warned = f"The check {check} warns of {number:,} outputs without rejecting them, for example: {why}"
        notes.append(Note("warned", warned))
    ((cut,),) = run.query(_CUT).rows
    if cut:
        advice = "raise it with `--set answer_tokens=N`"
        notes.append(Note("cut", f"{cut:,} answers were cut at the token limit; {advice}."))
    ((_, is_language_model),) = run.query(_RUN).rows
    if not is_language_model:
        said = "The model is the built-in generator, not a language model: expect other yields from a model. "
        notes.append(Note("procedural", f"{said}Its tokens are words."))
    elif has_unknown:
        unknown = "The price or token count of some calls is unknown, so rows per dollar are left out."
        notes.append(Note("unpriced", unknown))
    return notes


#: The latest evaluation of a file.
_JOB = """
SELECT job, model, is_language_model, spec ->> '$.target', CAST(spec ->> '$.is_from_run' AS BOOLEAN),
       CAST(spec -> '$.answered_by' AS VARCHAR[]), CAST(spec ->> '$.rows' AS BIGINT),
       CAST(spec ->> '$.passed_over' AS BIGINT), status, spec ->> '$.voters.methods[0]',
       coalesce(CAST(spec ->> '$.is_held_out' AS BOOLEAN), false)
FROM jobs WHERE kind = 'evaluation' ORDER BY job DESC LIMIT 1
"""
_EVALUATION_LOST = "('rate_limited', 'server_error', 'dropped', 'unreachable', 'timeout')"
_GROUPED = f"""
SELECT {{name}} AS name, count(*) FILTER (s.outcome NOT IN {_EVALUATION_LOST}) AS asked,
       count(*) FILTER (s.correct) AS correct
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
