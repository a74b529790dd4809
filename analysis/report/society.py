"""What changed the society, and what agents answered to surveys."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ..page import clip
from ..plot import Chart, Marks, Point
from ..surveys import ItemTable, read_surveys
from ..table import Queryable
from .charts import chart_present, read_groups, read_marks

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


@dataclass(frozen=True, slots=True)
class _Scale:
    """The points of a Likert item, and what they mean: a label for each, or for the ends."""

    low: int
    high: int
    labels: Sequence[str]

    def named(self, point: str) -> str:
        """A point with its label, where it has one."""
        ends = {str(self.low): 0, str(self.high): -1}
        if len(self.labels) == self.high - self.low + 1:
            return f"{point}: {self.labels[int(point) - self.low]}"
        return f"{point}: {self.labels[ends[point]]}" if self.labels and point in ends else point


def _find_scale(one: ItemTable) -> _Scale | None:
    if one.type != "likert" or one.low is None or one.high is None:
        return None
    return _Scale(int(one.low), int(one.high), one.options)


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
            "question": clip(tables[-1].text, 300),
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
    scale = _find_scale(tables[0])
    steps = sorted({one.step for one in tables})
    shown = [None, *(group for group in groups if any(one.group == group for one in tables))]
    ordered = [one for group in shown for one in tables if one.group == group]
    name = tables[0].item.replace("_", " ")
    if any(one.mean for one in tables):
        yield _draw_means(f"answers-{place}-mean", name, ordered, steps, marks, scale)
    if any(one.shares for one in tables):
        if len(steps) > 1:
            waves = [one for one in ordered if one.group is None]
            yield _draw_shares(f"{place}-step", f"{name}: shares in each wave", "step", waves, scale, marks)
        if len(shown) > 1 or len(steps) == 1:
            title = f"{name}: shares by group after step {steps[-1]}"
            last = [one for one in ordered if one.step == steps[-1]]
            yield _draw_shares(f"{place}-group", title, "group", last, scale, ())


def _draw_means(
    name: str, item: str, tables: Sequence[ItemTable], steps: Sequence[int], marks: Marks, scale: _Scale | None
) -> Chart:
    """Draw means with their intervals: lines over the waves, or a dot for each group of a single wave."""
    is_one = len(steps) == 1
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
        ends=(scale.low, scale.high) if scale and not is_one else None,
        has_numbers=False,
    )


def _draw_shares(
    name: str, title: str, by: str, tables: Sequence[ItemTable], scale: _Scale | None, marks: Marks
) -> Chart:
    first = " (of a ranking, what was put first)" * any(one.type == "rank" for one in tables)
    return Chart(
        f"answers-{name}",
        title,
        f"Stacked bars: the share of each option{first}.",
        [
            Point(
                one.step if by == "step" else one.group or _ALL,
                share.share.value,
                scale.named(share.option) if scale else share.option,
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
