"""The report of a data job: its funnel, rows to browse, and their diversity."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson
from markupsafe import Markup

from ...core.text import legible
from ..diversity.report import measure_diversity
from ..funnel import read_funnel
from ..page import clip
from ..summary import DataSummary, describe_authors
from ..table import Queryable
from .facts import FAILURES, read_provenance
from .rendering import render

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
    return clip(legible(text), length)


def _iter_fields(payload: str, text: str) -> Iterator[tuple[str, str]]:
    """Name and text of what a row holds beside its text."""
    fields = orjson.loads(payload)
    for name, value in fields.items() if isinstance(fields, dict) else ():
        said = value if isinstance(value, str) else _format_value(value)
        if said and said != text:
            yield legible(name), _clip_text(said, FIELD)


def _format_value(value: object) -> str:
    if value in (None, [], {}):
        return ""
    if isinstance(value, list) and all(isinstance(one, dict) and one.keys() >= {"role", "content"} for one in value):
        return "\n\n".join(f"{one['role']}: {one['content'] or _format_value(one.get('tool_calls'))}" for one in value)
    return orjson.dumps(value).decode()
