"""The yield of a run by stage: from the people who were asked to the outputs that were accepted, and what each cost."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from .page import markup, write_chart_file
from .plot import draw_svg, draw_text, series_paint
from .table import Queryable, Section

#: What the picture shows, as in the mark by which it is known again.
WHAT = "funnel"

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
           count(*) FILTER (raw IS NOT NULL AND input_tokens IS NULL) AS uncounted,
           sum(cost) AS dollars, count(*) FILTER (raw IS NOT NULL AND cost IS NULL) AS unpriced,
           min(started_at) AS begun
    FROM used GROUP BY GROUPING SETS ((used_for), ())
    HAVING used_for IS NOT NULL OR count(DISTINCT used.used_for) > 1
)
SELECT * EXCLUDE (begun), if(unpriced = 0, $accepted / nullif(dollars, 0), NULL),
       if(uncounted = 0, $accepted / nullif(coalesce(input_tokens, 0) + coalesce(output_tokens, 0), 0) * 1000, NULL)
FROM spent ORDER BY used_for = 'total', begun, used_for
"""


@dataclass(frozen=True, slots=True)
class FunnelStage:
    """A stage of the funnel: how many rows are left after it, and why the others are not."""

    #: turns, answers, outputs, a check by its name, near_duplicate, accepted, or a later table.
    name: str
    #: In words.
    title: str
    #: Rows that are left after it.
    rows: int
    #: Rows that it took away, and an example of why.
    lost: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class PurposeYield:
    """The calls for one purpose, and the accepted outputs for each unit of what they took."""

    #: people (growth), turns, turns: ROLE, vectors, or the kind of a job on the outputs with its role.
    purpose: str
    model: str
    calls: int
    failed_calls: int
    #: Tokens as the endpoint counted them, of answered calls but for `uncounted`; None where it counted none.
    input_tokens: int | None
    output_tokens: int | None
    uncounted: int
    #: US dollars, of answered calls but for `unpriced`; None where no price is known.
    dollars: float | None
    unpriced: int
    #: Accepted outputs for a dollar and for 1,000 tokens; None where these are unknown in part, or nothing was spent.
    accepted_per_dollar: float | None
    accepted_per_1000_tokens: float | None


@dataclass(frozen=True, slots=True)
class Funnel:
    """The yield of a run."""

    #: People whom a model was asked for, those who made something, and those with an accepted output.
    asked_people: int
    people: int
    accepted_people: int
    stages: Sequence[FunnelStage]
    #: Turns without an answer, by the outcome of their last call.
    failed_turns: dict[str, int]
    #: Answers that were cut at the limit of tokens, whatever they were for.
    cut: int
    #: Outputs that an agent was asked to make anew, accepted or not.
    revised: int
    #: Outputs on which a check could not decide, by check; they are not rejected for it.
    undecided: dict[str, int]
    #: Outputs that a check was in doubt about, by check, with an example; they are not rejected for it either.
    warned: dict[str, tuple[int, str]]
    accepted: int
    spent: Sequence[PurposeYield]
    model: str
    is_language_model: bool


def read_funnel(run: Queryable) -> Funnel:
    """Read the yield of a run in any state."""
    ((turns, acted),) = run.query(_TURNS).rows
    ((asked,),) = run.query(_ASKED).rows
    ((model, is_language_model),) = run.query(_RUN).rows
    ((outputs, revised, accepted, people, accepted_people),) = run.query(_OUTPUTS).rows
    lost = dict(run.query(_LOST).rows)
    ((cut,),) = run.query(_CUT).rows
    failed = sum(lost.values())
    answers = max(turns - failed, 0)
    stages = [
        FunnelStage("turns", "turns asked for", turns),
        FunnelStage(
            "answers", "turns with an answer", answers, failed, ", ".join(f"{n:,} {o}" for o, n in lost.items())
        ),
    ]
    if silent := answers - acted:
        stages.append(
            FunnelStage("silence", "turns in which something was made", acted, silent, "said or made nothing")
        )
    stages.append(FunnelStage("outputs", "outputs made", outputs))
    left = outputs
    for stage, number, reason in run.query(_REJECTED).rows:
        left -= number
        title = "new, no near-duplicates" if stage == "near_duplicate" else f"passed {stage}"
        stages.append(FunnelStage(stage, title, left, number, f"such as: {reason}"))
    stages.append(FunnelStage("accepted", "accepted", accepted))
    for (table,) in run.query(_WITH_EMISSIONS).rows:
        ((number,),) = run.query(_LATER.format(table=table)).rows
        if number:
            stages.append(FunnelStage(table, f"accepted, with {table}", number))
    return Funnel(
        asked,
        people,
        accepted_people,
        stages,
        lost,
        cut,
        revised,
        {check: number for check, number, _ in run.query(_UNSURE, {"outcome": "undecided"}).rows},
        {check: (number, why) for check, number, why in run.query(_UNSURE, {"outcome": "warned"}).rows},
        accepted,
        [PurposeYield(*row) for row in run.query(_CALLS, {"accepted": accepted}).rows],
        model,
        is_language_model,
    )


def describe_funnel(found: Funnel) -> Iterator[Section]:
    """Describe the funnel as tables for the terminal."""
    whole = found.stages[0].rows
    rows = [
        (stage.title, stage.rows, f"{stage.rows / whole:.1%}" if whole else "", stage.lost or None, stage.reason)
        for stage in found.stages
    ]
    headings = ("stage", "rows", "of all turns", "lost", "why")
    yield Section("Yield by stage", headings, ("VARCHAR", "BIGINT", "DOUBLE", "BIGINT", "VARCHAR"), rows)
    unit = "tokens" if found.is_language_model else "words"
    columns = [
        ("purpose", "VARCHAR"), ("model", "VARCHAR"), ("calls", "BIGINT"), ("failed", "BIGINT"),
        (f"{unit} in", "BIGINT"), (f"{unit} out", "BIGINT"), (f"rows/1k {unit}", "DOUBLE"),
    ]  # fmt: skip
    if is_priced := any(one.dollars is not None for one in found.spent):
        columns += [("dollars", "VARCHAR"), ("rows/$", "DOUBLE")]
    names, types = zip(*columns, strict=True)
    yield Section("Cost by purpose", names, types, [_line(one, is_priced=is_priced) for one in found.spent])


def _line(one: PurposeYield, *, is_priced: bool) -> tuple[object, ...]:
    dollars = "unknown" if one.dollars is None else f"{one.dollars:,.4f}"
    if one.dollars is not None and one.unpriced:
        dollars += f" and {one.unpriced:,} calls unknown"
    per_dollar, per_tokens = (
        None if number is None else float(f"{number:.3g}")
        for number in (one.accepted_per_dollar, one.accepted_per_1000_tokens)
    )
    counts = (one.purpose, one.model, one.calls, one.failed_calls, one.input_tokens, one.output_tokens, per_tokens)
    return (*counts, dollars, per_dollar) if is_priced else counts


def notes_on_funnel(found: Funnel) -> Iterator[str]:
    """Yield sentences on what a reader has to know of the numbers."""
    yield (
        f"Personas: {found.asked_people:,} asked, {found.people:,} with an output, {found.accepted_people:,} with an "
        f"accepted output. Outputs revised before they were kept: {found.revised:,}."
    )
    if found.undecided:
        checks = ", ".join(f"{check} on {number:,}" for check, number in found.undecided.items())
        yield f"Undecided checks, which reject nothing: {checks}."
    for check, (number, why) in found.warned.items():
        yield f"The check {check} warns of {number:,} outputs without rejecting them, for example: {why}"
    if found.cut:
        yield f"{found.cut:,} answers were cut at the token limit; raise it with `--set answer_tokens=N`."
    if found.is_language_model and any(one.unpriced for one in found.spent):
        yield "The price or token count of some calls is unknown, so rows per dollar are left out."
    if not found.is_language_model:
        yield "The model is the built-in generator, not a language model: expect other yields from a model."


_WIDTH, _LEFT, _ROW, _BAR = 960.0, 240.0, 30.0, 18.0


def draw_funnel(found: Funnel, *, title: str) -> str:
    """Draw a bar for each stage, followed by what it took away, as SVG that needs no script."""
    most = max((stage.rows + stage.lost for stage in found.stages), default=0) or 1
    height = 16 + _ROW * len(found.stages) + (26 if not found.is_language_model else 0)
    parts = []
    for place, stage in enumerate(found.stages):
        y = 10 + _ROW * place
        wide, gone = (number / most * (_WIDTH - _LEFT - 190) for number in (stage.rows, stage.lost))
        share = f" ({stage.rows / found.stages[0].rows:.1%})" if found.stages[0].rows else ""
        lost = f", {stage.lost:,} lost" if stage.lost else ""
        size = f'y="{y:.1f}" height="{_BAR:g}" fill="currentColor"'
        parts += [
            f"<g><title>{markup(f'{stage.title}: {stage.rows:,}{share}{lost} {stage.reason}'.rstrip())}</title>",
            draw_text("muted", 12, y + 14, stage.title[:34]),
            f'<rect {series_paint(0)} x="{_LEFT:g}" width="{wide:.1f}" {size}/>',
            f'<rect {series_paint(3)} x="{_LEFT + wide:.1f}" width="{gone:.1f}" {size} fill-opacity="0.55"/>',
            draw_text("ink", _LEFT + wide + gone + 8, y + 14, f"{stage.rows:,}{share}{lost}"),
            "</g>",
        ]
    if not found.is_language_model:
        parts.append(draw_text("muted", 12, height - 10, "The model is the built-in generator, not a language model."))
    return draw_svg(_WIDTH, height, title, parts, size=13)


def write_funnel_picture(found: Funnel, path: Path, *, of: str) -> Path:
    """Write the funnel to a file that ends in .svg or .html, over nothing but an earlier one `of` the same run file.

    Raises `SetupError` as `check_picture` does, and when the file cannot be written.
    """
    title = f"The yield of {of} by stage"
    svg = draw_funnel(found, title=title)
    return write_chart_file(svg, path, what=WHAT, of=of, title=title, notes=notes_on_funnel(found))
