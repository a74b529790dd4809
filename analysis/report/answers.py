"""What agents answered to surveys: a chart for each item, over its waves and by group, and how many did not answer."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..page import clip
from ..surveys.tables import ConfidenceInterval, ItemTable, OptionShare, read_surveys
from ..table import Queryable
from .chart import Chart, bars, bars_legend, lines, lines_legend
from .charts import Marks, marks_at, read_groups, read_marks
from .intervals import PlottedEstimate, intervals
from .plot import Axes, Series
from .rendering import number

#: Items of which charts are drawn, and answers in words that are shown of each.
ITEMS = 12
QUOTES = 4

_ASKED = "SELECT DISTINCT job FROM surveys"
_SCALES = "SELECT job, survey, item, low, high, options FROM surveys WHERE type = 'likert'"
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


@dataclass(frozen=True, slots=True)
class SurveyItem:
    """One item: its question, its charts, and its tables by wave and group."""

    title: str
    question: str
    #: Whether it was asked when the run had ended.
    is_after: bool
    charts: Sequence[Chart]
    tables: Sequence[ItemTable]
    #: Of a free text: step, who answered, and what.
    quotes: Sequence[tuple[int, str, str]]


@dataclass(frozen=True, slots=True)
class SurveyAnswers:
    """The items of all surveys, those that are drawn."""

    items: Sequence[SurveyItem]
    items_in_all: int
    #: Whether agents count for different numbers of people; which models answered, and whether the stand-in did.
    is_weighted: bool
    models: Sequence[str]
    has_stand_in: bool


def read_answers(run: Queryable) -> SurveyAnswers | None:
    """What was answered; None where nobody was asked."""
    if not run.query(_ASKED).rows:
        return None
    groups, marks = read_groups(run), read_marks(run)
    found = read_surveys(run, by="group" if groups else None)
    scales = {
        (job, survey, item): _Scale(int(low), int(high), labels)
        for job, survey, item, low, high, labels in run.query(_SCALES).rows
    }
    by_item: dict[_Place, list[ItemTable]] = {}
    for one in found.items:
        by_item.setdefault((one.job, one.survey, one.item), []).append(one)
    items = [
        SurveyItem(
            title=f"{survey}: {item.replace('_', ' ')}",
            question=clip(tables[-1].text, 300),
            is_after=job > 1,
            charts=list(_charts(place, tables, groups, marks, scales.get((job, survey, item)))),
            tables=tables,
            quotes=run.query(_QUOTES, [job, survey, item, QUOTES]).rows if tables[0].type == "text" else (),
        )
        for place, ((job, survey, item), tables) in enumerate(list(by_item.items())[:ITEMS])
    ]
    return SurveyAnswers(items, len(by_item), found.is_weighted, found.models, found.has_stand_in)


def _charts(
    place: int,
    tables: Sequence[ItemTable],
    groups: Sequence[str],
    marks: Marks,
    scale: _Scale | None,
) -> Iterator[Chart]:
    steps = sorted({one.step for one in tables})
    shown = [None, *(group for group in groups if any(one.group == group for one in tables))]
    at = {(one.group, one.step): one for one in tables}
    name = tables[0].item.replace("_", " ")
    if any(one.mean for one in tables):
        if len(steps) > 1:
            yield _means_over_waves(place, name, at, shown, steps, marks, scale)
        elif chart := _means_of_wave(place, name, at, shown, steps[0]):
            yield chart
    options = list(dict.fromkeys(share.option for one in tables for share in one.shares))
    if options:
        if len(steps) > 1:
            whole = [(str(step), at[None, step]) for step in steps if (None, step) in at]
            yield _shares(f"{place}-step", f"{name}: shares in each wave", "step", whole, options, scale, steps, marks)
        if len(shown) > 1 or len(steps) == 1:
            last = [(group or _ALL, at[group, steps[-1]]) for group in shown if (group, steps[-1]) in at]
            title = f"{name}: shares by group after step {steps[-1]}"
            yield _shares(f"{place}-group", title, "group", last, options, scale, (), ())


def _means_over_waves(
    place: int,
    name: str,
    at: Mapping[tuple[str | None, int], ItemTable],
    groups: Sequence[str | None],
    steps: Sequence[int],
    marks: Marks,
    scale: _Scale | None,
) -> Chart:
    series = []
    for look, group in enumerate(groups):
        means = [one.mean if (one := at.get((group, step))) else None for step in steps]
        told = [_told(group or _ALL, step, at.get((group, step))) for step in steps]
        ranges = [_ends(mean) if mean else None for mean in means]
        series.append(Series(look, [mean.value if mean else None for mean in means], told, ranges))
    names = [group or _ALL for group in groups]
    ends = (scale.low, scale.high) if scale else None
    axes = Axes([str(step) for step in steps], "step", f"{name} (mean)", marks=marks_at(steps, marks), ends=ends)
    by_group = ", for each group" * (len(groups) > 1)
    return lines(
        f"answers-{place}-mean",
        f"{name}: mean in each wave",
        f"The mean answer after each step at which it was asked{by_group}, with its 95 % interval.",
        series,
        axes,
    )(legend=lines_legend(names) if len(names) > 1 else (), legend_title="Group")


def _means_of_wave(
    place: int,
    name: str,
    at: Mapping[tuple[str | None, int], ItemTable],
    groups: Sequence[str | None],
    step: int,
) -> Chart | None:
    estimates = []
    for look, group in enumerate(groups):
        one = at.get((group, step))
        if one and one.mean:
            low, high = _ends(one.mean) or (float("nan"), float("nan"))
            told = _told(group or _ALL, step, one)
            estimates.append(PlottedEstimate(group or _ALL, one.mean.value, low, high, told, look))
    title = f"{name}: mean after step {step}"
    return intervals(
        f"answers-{place}-mean",
        title,
        "A symbol for the mean, a line for its 95 % interval.",
        estimates,
        f"{name} (mean)",
    )


def _shares(
    name: str,
    title: str,
    by: str,
    waves: Sequence[tuple[str, ItemTable]],
    options: Sequence[str],
    scale: _Scale | None,
    steps: Sequence[int],
    marks: Marks,
) -> Chart:
    shares = [({share.option: share for share in one.shares}, label) for label, one in waves]
    series = [
        Series(
            look,
            [found[option].share.value if option in found else 0.0 for found, _ in shares],
            [_told_share(f"{'step ' * (by == 'step')}{label}", option, found) for found, label in shares],
        )
        for look, option in enumerate(options)
    ]
    axes = Axes([label for label, _ in waves], by, "share", is_share=True, marks=marks_at(steps, marks))
    first = " (of a ranking, what was put first)" * any(one.type == "rank" for _, one in waves)
    return bars(f"answers-{name}", title, f"Stacked bars: the share of each option{first}.", series, axes)(
        legend=bars_legend([scale.named(one) if scale else one for one in options]),
        legend_title="Option",
        headings=(by, "option", "answers", "share", "from", "to"),
        rows=[
            (label, option, one.count, f"{one.share.value:.1%}", _percent(one.share.low), _percent(one.share.high))
            for found, label in shares
            for option, one in found.items()
        ],
    )


def _told_share(label: str, option: str, found: Mapping[str, OptionShare]) -> str:
    one = found.get(option)
    if one is None:
        return f"{label}: {option} 0.0%"
    interval = f" ({_percent(one.share.low)} to {_percent(one.share.high)})" if one.share.low is not None else ""
    return f"{label}: {option} {one.share.value:.1%}{interval}, {one.count:,} answers"


def _told(group: str, step: int, one: ItemTable | None) -> str:
    if one is None or one.mean is None:
        return ""
    ends = _ends(one.mean)
    interval = f" ({number(ends[0])} to {number(ends[1])})" if ends else ""
    return f"{group}, step {step}: {number(one.mean.value)}{interval}, {one.answered:,} of {one.asked:,} answered"


def _ends(found: ConfidenceInterval) -> tuple[float, float] | None:
    return None if found.low is None or found.high is None else (found.low, found.high)


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"
