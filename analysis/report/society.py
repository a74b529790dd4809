"""What changed a society and what its agents answered to surveys; and the report of a data job."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
from markupsafe import Markup

from ...core.text import make_legible
from ..diversity.similarity import measure_diversity
from ..funnel import read_funnel
from ..page import clip_text
from ..plot import Chart, Marks, Point
from ..summary import DataSummary, describe_authors
from ..surveys import ItemTable, read_surveys
from ..table import Queryable
from .charts import chart_present, read_groups, read_marks
from .facts import FAILURES, read_provenance
from .rendering import render

_EFFECTS = """
SELECT step, intervention, what, coalesce(field, '') AS field, count(DISTINCT agent) AS agents, count(*) AS changes
FROM intervention_effects GROUP BY ALL ORDER BY step, intervention, what, field
"""
_PEOPLE = """
SELECT c.step, c.change AS what, coalesce(c.intervention, c.cause) AS "by", coalesce(p.text, c.text, c.agent) AS who,
       r.text AS "related to"
FROM agent_changes AS c LEFT JOIN personas AS p ON p.id = c.agent LEFT JOIN personas AS r ON r.id = c.parent
ORDER BY c.step, c.ordinal
"""
_COUNTS = "SELECT change, cause, count(*) AS people FROM agent_changes GROUP BY ALL ORDER BY change, cause"


def read_changes(run: Queryable) -> dict[str, Any]:
    """Read what interventions changed, who came and left, and how many were present after each step."""
    people = run.query(_PEOPLE)
    return {
        "effects": run.query(_EFFECTS),
        "counts": run.query(_COUNTS).rows,
        "people": people,
        "present": chart_present(run) if people.rows else None,
    }


#: Items of which charts are drawn, and answers in words that are shown of each.
ITEMS = 12
QUOTES = 4

_ASKED = "SELECT DISTINCT job FROM surveys"
# Ordered by a hash: a sample that is not chosen by hand, and the same each time.
_QUOTES = """
SELECT step, p.text, value ->> '$' FROM answers AS a JOIN personas AS p ON p.id = a.agent
WHERE job = ? AND survey = ? AND item = ? AND outcome = 'ok' ORDER BY md5(agent || step), step LIMIT ?
"""
_ALL = "all"

type _Place = tuple[int, str, str]


def _name_point(one: ItemTable, option: str) -> str:
    """Return an option, and what it means where it is a point of a scale with a label for each, or for the ends."""
    points, labels = one.named_options, one.options if one.type == "likert" else ()
    ends = dict(zip(points if len(labels) == len(points) else (points[0], points[-1]), labels, strict=False))
    return f"{option}: {ends[option]}" if option in ends else option


def read_answers(run: Queryable) -> dict[str, Any] | None:
    """Read what was answered: each item with its question, charts, tables and quotes; None if nobody was asked."""
    if not run.query(_ASKED).rows:
        return None
    groups, marks = read_groups(run), read_marks(run)
    found = read_surveys(run, by="group" if groups else None)
    by_item: dict[_Place, list[ItemTable]] = {}
    for one in found.items:
        by_item.setdefault((one.job, one.survey, one.item), []).append(one)
    questions = [
        {
            "title": f"{survey}: {item.replace('_', ' ')}",
            "question": clip_text(tables[-1].text, 300),
            "is_after": job > 1,
            "charts": list(_draw_item(place, tables, groups, marks)),
            "tables": tables,
            "quotes": run.query(_QUOTES, [job, survey, item, QUOTES]).rows if tables[0].type == "text" else (),
        }
        for place, ((job, survey, item), tables) in enumerate(list(by_item.items())[:ITEMS])
    ]
    return {"questions": questions, "number": len(by_item), "found": found}


def _draw_item(
    place: int,
    tables: Sequence[ItemTable],
    groups: Sequence[str],
    marks: Marks,
) -> Iterator[Chart]:
    steps = sorted({one.step for one in tables})
    shown = [None, *(group for group in groups if any(one.group == group for one in tables))]
    ordered = [one for group in shown for one in tables if one.group == group]
    name = tables[0].item.replace("_", " ")
    if any(one.mean for one in tables):
        yield _draw_means(f"answers-{place}-mean", name, ordered, steps, marks)
    if any(one.shares for one in tables):
        if len(steps) > 1:
            waves = [one for one in ordered if one.group is None]
            yield _draw_shares(f"{place}-step", f"{name}: shares in each wave", "step", waves, marks)
        if len(shown) > 1 or len(steps) == 1:
            title = f"{name}: shares by group after step {steps[-1]}"
            last = [one for one in ordered if one.step == steps[-1]]
            yield _draw_shares(f"{place}-group", title, "group", last, ())


def _draw_means(name: str, item: str, tables: Sequence[ItemTable], steps: Sequence[int], marks: Marks) -> Chart:
    """Draw means with their intervals: lines over the waves, or a dot for each group of a single wave."""
    is_one = len(steps) == 1
    low, high = (tables[0].low, tables[0].high) if tables[0].type == "likert" else (None, None)
    points = [
        Point(
            (one.group or _ALL) if is_one else one.step,
            one.mean.value,
            one.group or _ALL,
            one.mean.low,
            one.mean.high,
            note=f", {one.answered:,} of {one.asked:,} answered",
        )
        for one in tables
        if one.mean
    ]
    by_group = ", for each group" * any(one.group for one in tables)
    return Chart(
        name,
        f"{item}: mean {f'after step {steps[0]}' if is_one else 'in each wave'}",
        f"The mean answer{by_group}, with its 95 % interval.",
        points,
        f"{item} (mean)",
        mark="dot" if is_one else "line",
        legend_title="Group" * bool(by_group and not is_one),
        marks=marks,
        ends=(low, high) if low is not None and high is not None and not is_one else None,
        has_numbers=False,
    )


def _draw_shares(name: str, title: str, by: str, tables: Sequence[ItemTable], marks: Marks) -> Chart:
    first = " (of a ranking, what was put first)" * any(one.type == "rank" for one in tables)
    return Chart(
        f"answers-{name}",
        title,
        f"Stacked bars: the share of each option{first}.",
        [
            Point(
                one.step if by == "step" else one.group or _ALL,
                share.share.value,
                _name_point(one, share.option),
                share.share.low,
                share.share.high,
                share.count,
            )
            for one in tables
            for share in one.shares
        ],
        "share",
        x=by,
        mark="bar",
        legend_title="Option",
        unit="answers",
        marks=marks,
        is_share=True,
    )


#: Bytes of the rows in the page, rows of one status, and characters of one text, of a field and of a persona.
ROW_BYTES, ROWS, TEXT, FIELD, PERSONA = 400_000, 1_000, 3_000, 2_000, 300
#: Accepted rows at the head of the page.
EXCERPTS = 3

# Drawn by a hash of the number, as samples of steps are: nobody picked them. Accepted and rejected take turns.
_ROWS = """
WITH drawn AS (
    SELECT emission, row_number() OVER (PARTITION BY status ORDER BY md5(emission::VARCHAR)) AS place
    FROM outputs QUALIFY place <= ?
)
SELECT emission, status, kind, stage, reason, coalesce(p.text, ''), o.text, payload
FROM outputs AS o JOIN drawn USING (emission) LEFT JOIN personas AS p ON p.id = agent
ORDER BY place, status
"""
_EXCERPTS = """
SELECT coalesce(p.text, ''), o.text FROM outputs AS o LEFT JOIN personas AS p ON p.id = agent
WHERE status = 'accepted' ORDER BY md5(emission::VARCHAR) LIMIT ?
"""
_SOLVED = """
SELECT emission, format('{} of {} solutions give {}', votes, solutions, coalesce(answer, 'no answer'))
                 || CASE correct WHEN true THEN ': right' WHEN false THEN ': wrong' ELSE '' END
FROM agreed_answers WHERE emission IN (SELECT unnest(?::BIGINT[]))
"""
_GRADED = """
SELECT emission, string_agg(format('{} {:.2f} by {}', criterion, score, votes), ', ' ORDER BY criterion) || ' votes'
FROM (
    SELECT job, emission, criterion, avg(score) AS score, count(*) AS votes FROM votes
    WHERE score IS NOT NULL AND other IS NULL AND response IS NULL AND emission IN (SELECT unnest(?::BIGINT[]))
    GROUP BY job, emission, criterion QUALIFY job = max(job) OVER (PARTITION BY emission)
) GROUP BY emission
"""


def render_data_report(run: Queryable, made: DataSummary, *, run_file: Path, **header: Any) -> str:
    """The report of a data job as HTML: opens offline, loads nothing, and runs no script but its own."""
    funnel = read_funnel(run)
    rows, shown = _read_rows(run)
    rejected = sum(made.rejected.values())
    return render(
        "data.html.j2",
        more_script="rows.js",
        made=made,
        summary=made.run,
        settings=made.settings,
        finding=_describe_finding(made),
        authors=describe_authors(lambda sql: run.query(sql).rows),
        honesty=read_provenance(run, made.run),
        funnel=funnel,
        failures=run.query(FAILURES),
        rows=rows,
        excerpts=run.query(_EXCERPTS, [EXCERPTS]).rows,
        lists=[("accepted", shown["accepted"], made.accepted), ("rejected", shown["rejected"], rejected)],
        diversity=measure_diversity(run) if made.accepted else None,
        run_file=run_file.name,
        **header,
    )


def _describe_finding(made: DataSummary) -> str:
    summary = made.run
    calls = f"{summary.calls:,} call{'s' * (summary.calls != 1)}"
    cost = f"{calls}, {summary.cost}" if summary.is_language_model else calls
    return f"{made.accepted:,} of {made.wanted:,} rows wanted were accepted, in {cost}; text by {summary.written_by}."


def _read_rows(run: Queryable) -> tuple[Markup, Mapping[str, int]]:
    """As many rows as have room, as JSON that ends no script, and how many there are of each status."""
    rows: list[list[Any]] = []
    people: dict[str, int] = {}
    room, shown = ROW_BYTES, {"accepted": 0, "rejected": 0}
    found = run.query(_ROWS, [ROWS]).rows
    numbers = [row[0] for row in found]
    solved, graded = (dict(run.query(sql, [numbers]).rows) for sql in (_SOLVED, _GRADED))
    for emission, *told, description, text, payload in found:
        notes = [note[emission] for note in (solved, graded) if emission in note]
        persona, content = (
            _clip_text(description, PERSONA),
            [_clip_text(text, TEXT), list(_iter_fields(payload, text)), notes],
        )
        row = [emission, *(one or "" for one in told), *content]
        room -= len(_dump_json(row)) + (0 if persona in people else len(_dump_json(persona)))
        if room < 0:
            break
        rows.append([people.setdefault(persona, len(people)), *row])
        shown[row[1]] += 1
    rows.sort(key=lambda row: int(row[1]))
    return Markup(_dump_json({"people": list(people), "rows": rows}).decode()), shown  # noqa: S704 - no markup is left in it


def _dump_json(value: object) -> bytes:
    """JSON within a script: what would end or open an element there is escaped."""
    return orjson.dumps(value).replace(b"<", b"\\u003c").replace(b">", b"\\u003e").replace(b"&", b"\\u0026")


def _clip_text(text: str, length: int) -> str:
    return clip_text(make_legible(text), length)


def _iter_fields(payload: str, text: str) -> Iterator[tuple[str, str]]:
    """Name and text of what a row holds beside its text."""
    fields = orjson.loads(payload)
    for name, value in fields.items() if isinstance(fields, dict) else ():
        said = value if isinstance(value, str) else _format_value(value)
        if said and said != text:
            yield make_legible(name), _clip_text(said, FIELD)


def _format_value(value: object) -> str:
    if value in (None, [], {}):
        return ""
    if isinstance(value, list) and all(isinstance(one, dict) and one.keys() >= {"role", "content"} for one in value):
        return "\n\n".join(f"{one['role']}: {one['content'] or _format_value(one.get('tool_calls'))}" for one in value)
    return orjson.dumps(value).decode()
