"""What changed the society, who spoke before a state or an answer changed, and what agents answered to surveys.

What was said before a change is an order in time, counted, and no proof of a cause.

A line or post counts for the first change of its hearer after it: of a field of the state, or of an answer from one
wave of a survey to the next. The change went *towards* the speaker where what the hearer holds came nearer to what the
speaker held when speaking (of words: became equal to it), and *away* where it went from it. Changes that an
intervention made are left out, as are lines that a block held back.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..page import clip
from ..plot import Chart, Marks, Point
from ..questions import quoted
from ..surveys.tables import ItemTable, read_surveys
from ..table import Queryable, Rows
from .charts import CHOICES, STATE_FIELDS, chart_present, read_groups, read_marks, read_state_fields

#: Pairs of speaker and hearer that are listed for each field.
PAIRS = 5

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
_ITEMS = """
SELECT job, survey, item, type <> 'choice' FROM surveys WHERE type IN ('likert', 'number', 'choice')
GROUP BY job, survey, item, type HAVING count(DISTINCT step) > 1 ORDER BY job, survey, min(ordinal)
"""
_OF_STATE = """
SELECT agent, step, {value} AS value FROM agent_state AS h WHERE name = {name} AND json_type(value) <> 'NULL'"""
_OF_ANSWERS = """
SELECT agent, step, {value} AS value FROM answers
    WHERE job = {job} AND survey = {survey} AND item = {item} AND replicate = 0 AND outcome = 'ok'"""
#: A line is heard in the step after it, a visitor's in its own.
_HEARD = """
held AS ({held}
), heard AS (
    SELECT sender, recipient, CASE WHEN sender IN (SELECT agent FROM agents) THEN step ELSE step - 1 END AS step,
           (0, message) AS place
    FROM messages AS m
    WHERE NOT EXISTS (FROM blocks AS b WHERE b.step = m.step + 1 AND (
        (other IS NULL AND b.agent IN (sender, recipient))
        OR (b.agent, other) IN ((sender, recipient), (recipient, sender))
    ))
    UNION ALL
    SELECT p.agent, e.agent, e.step - 1, (1, e.place) FROM exposures AS e JOIN posts AS p USING (post)
)"""
_JUDGED = """
WITH {heard}, changes AS (
    SELECT agent, lag(step) OVER w AS since, step, lag(value) OVER w AS before, value AS after FROM held
    WINDOW w AS (PARTITION BY agent ORDER BY step) QUALIFY since IS NOT NULL AND before <> after
), own AS (
    SELECT * FROM changes AS c ANTI JOIN (
        SELECT step, agent FROM intervention_effects WHERE what = 'state' AND field = {name}
    ) USING (step, agent)
), spoken AS (
    SELECT c.agent, c.step, before, after, sender, max(h.step) AS spoke
    FROM own AS c JOIN heard AS h ON recipient = c.agent AND sender <> c.agent AND h.step >= since AND h.step < c.step
    GROUP BY ALL
), judged AS (
    SELECT s.agent, s.step, sender, {way} AS way
    FROM spoken AS s ASOF JOIN held AS v ON v.agent = sender AND v.step <= spoke
)"""
_NEARER = "sign(abs(before - v.value) - abs(after - v.value))"
_EQUAL = "CAST(after = v.value AS INTEGER) - CAST(before = v.value AS INTEGER)"
_SUMMARY = """{judged}, turns AS (
    SELECT g.agent, s.step FROM agents AS g JOIN steps AS s ON s.step >= g.arrived
    ANTI JOIN (SELECT agent AS gone, step AS since FROM agent_changes WHERE change = 'departed') AS d
        ON gone = g.agent AND since <= s.step
), tried AS (
    SELECT h.agent IS NOT NULL AS is_told, c.agent IS NOT NULL AS is_changed FROM turns AS t
    LEFT JOIN (SELECT DISTINCT recipient AS agent, step + 1 AS step FROM heard) AS h USING (agent, step)
    LEFT JOIN own AS c USING (agent, step)
)
SELECT (SELECT count(*) FROM own) AS changes, count(DISTINCT (agent, step)) AS after_a_line, count(*) AS occasions,
       count(*) FILTER (way > 0) AS towards, count(*) FILTER (way < 0) AS away,
       (SELECT count(*) FROM tried WHERE is_told) AS told, (SELECT count(*) FROM tried WHERE is_told AND is_changed),
       (SELECT count(*) FROM tried WHERE NOT is_told) AS untold,
       (SELECT count(*) FROM tried WHERE NOT is_told AND is_changed)
FROM judged
"""
_PAIRS = """{judged}
SELECT s.text AS speaker, r.text AS hearer, count(*) FILTER (way > 0) AS towards, count(*) FILTER (way < 0) AS away,
       count(*) AS changes
FROM judged AS j JOIN personas AS s ON s.id = sender JOIN personas AS r ON r.id = agent
GROUP BY sender, agent, s.text, r.text HAVING towards > 0 ORDER BY towards DESC, away, sender, agent LIMIT {most}
"""


@dataclass(frozen=True, slots=True)
class SocietyChanges:
    """What changed the society; empty if nothing did."""

    effects: Rows
    #: Change, cause, people.
    counts: Sequence[tuple[str, str, int]]
    people: Rows
    #: Agents present after each step; None if nobody came or left.
    present: Chart | None
    effects_sql: str = _EFFECTS.strip()


@dataclass(frozen=True, slots=True)
class StepRates:
    """Steps of agents who had heard somebody in the step before, and in how many the field changed; and all others."""

    told: int
    told_changed: int
    untold: int
    untold_changed: int


@dataclass(frozen=True, slots=True)
class Influence:
    """The changes of one field or item, and who had spoken before them."""

    name: str
    changes: int
    #: Changes of those who had heard somebody since their last one.
    after_a_line: int
    #: Changes times those who had spoken before them.
    occasions: int
    towards: int
    away: int
    #: Of a field of the state; answers change from wave to wave alone.
    rates: StepRates | None
    #: Speaker, hearer, and how often the changes of the hearer went which way.
    pairs: Rows
    sql: str


@dataclass(frozen=True, slots=True)
class _Held:
    """One field of the state, or one item of a survey."""

    title: str
    #: Name of the field; empty of an item.
    field: str
    is_number: bool
    sql: str

    @property
    def heard(self) -> str:
        return _HEARD.format(held=self.sql)


def read_changes(run: Queryable) -> SocietyChanges:
    """Read what interventions changed, and who came and left."""
    people = run.query(_PEOPLE)
    present = chart_present(run) if people.rows else None
    return SocietyChanges(run.query(_EFFECTS), run.query(_COUNTS).rows, people, present)


def read_influences(run: Queryable) -> list[Influence]:
    """Count how often each field and item changed after somebody had spoken, and between whom."""
    found = []
    for held in _all_held(run) if _has_lines(run) else ():
        way = _NEARER if held.is_number else _EQUAL
        judged = _JUDGED.format(heard=held.heard, name=quoted(held.field), way=way).strip()
        sql = _SUMMARY.format(judged=judged).strip()
        ((changes, after_a_line, occasions, towards, away, *steps),) = run.query(sql).rows
        if occasions:
            pairs = run.query(_PAIRS.format(judged=judged, most=PAIRS))
            rates = StepRates(*steps) if held.field else None
            found.append(Influence(held.title, changes, after_a_line, occasions, towards, away, rates, pairs, sql))
    return found


def _has_lines(run: Queryable) -> bool:
    return bool(run.query("SELECT 1 FROM messages UNION ALL SELECT 1 FROM exposures LIMIT 1").rows)


def _all_held(run: Queryable) -> Iterator[_Held]:
    fields = [one for one in read_state_fields(run) if one.changes and (one.is_number or one.is_truth or one.is_word)]
    for one in fields[:STATE_FIELDS]:
        if one.is_word and one.different > CHOICES:
            continue
        value = "CAST(value AS DOUBLE)" if one.is_number else "value ->> '$'"
        yield _Held(one.title, one.name, one.is_number, _OF_STATE.format(value=value, name=quoted(one.name)))
    for job, survey, item, is_number in run.query(_ITEMS).rows:
        value = "number" if is_number else "value ->> '$'"
        sql = _OF_ANSWERS.format(value=value, job=job, survey=quoted(survey), item=quoted(item))
        yield _Held(f"answer: {item.replace('_', ' ')}", "", is_number, sql)


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
