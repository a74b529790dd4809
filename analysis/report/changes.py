"""What changed the society itself: effects of interventions, and who came and who left."""

from collections.abc import Sequence
from dataclasses import dataclass

from ..page import clip, short_label
from ..table import Queryable
from .chart import Chart, lines
from .charts import marks_at, read_marks, spans_of
from .plot import Axes, Series

#: Kinds of effects of interventions, and people who came or left, that are listed.
EFFECTS = 20
PEOPLE = 12

_EFFECTS = """
SELECT step, intervention, what, coalesce(field, '') AS field, count(DISTINCT agent) AS agents, count(*) AS changes
FROM intervention_effects GROUP BY ALL ORDER BY step, intervention, what, field
"""
_PEOPLE = """
SELECT c.step, c.change, c.cause, coalesce(c.intervention, ''), coalesce(p.text, c.text, c.agent), r.text
FROM agent_changes AS c LEFT JOIN personas AS p ON p.id = c.agent LEFT JOIN personas AS r ON r.id = c.parent
ORDER BY c.step, c.ordinal
"""
_COUNTS = "SELECT change, cause, count(*) AS people FROM agent_changes GROUP BY ALL ORDER BY change, cause"
_PRESENT = """
WITH came AS (
    SELECT arrived AS step, count(*) AS people FROM agents GROUP BY arrived
    UNION ALL
    SELECT step, -count(DISTINCT agent) FROM agent_changes WHERE change = 'departed' GROUP BY step
)
SELECT s.step, (SELECT sum(people) FROM came AS c WHERE c.step <= s.step)::BIGINT AS present,
       (SELECT count(*) FROM agents AS a WHERE a.arrived = s.step) AS arrived,
       (SELECT count(DISTINCT agent) FROM agent_changes AS c WHERE change = 'departed' AND c.step = s.step) AS departed
FROM steps AS s ORDER BY s.step
"""


@dataclass(frozen=True, slots=True)
class ChangedAgent:
    """Somebody who came, was refused, or left."""

    step: int
    change: str
    #: The scenario, an action, or an intervention by its name.
    cause: str
    who: str
    #: To whom a newcomer is related; empty where to nobody.
    parent: str


@dataclass(frozen=True, slots=True)
class SocietyChanges:
    """What changed the society; empty where nothing did."""

    #: Step, intervention, what, field, agents, changes.
    effects: Sequence[tuple[int, str, str, str, int, int]]
    effects_in_all: int
    #: Change, cause, people.
    counts: Sequence[tuple[str, str, int]]
    people: Sequence[ChangedAgent]
    people_in_all: int
    #: Agents present after each step; None where nobody came or left.
    present: Chart | None
    effects_sql: str = _EFFECTS.strip()


def read_changes(run: Queryable) -> SocietyChanges:
    """What interventions changed, and who came and left."""
    effects = [(*row[:3], clip(row[3], 60), *row[4:]) for row in run.query(_EFFECTS).rows]
    people = run.query(_PEOPLE).rows
    return SocietyChanges(
        effects=effects[:EFFECTS],
        effects_in_all=len(effects),
        counts=[(change, cause, count) for change, cause, count in run.query(_COUNTS).rows],
        people=[
            ChangedAgent(step, change, named or cause, short_label(who), short_label(parent) if parent else "")
            for step, change, cause, named, who, parent in people[:PEOPLE]
        ],
        people_in_all=len(people),
        present=_present(run) if people else None,
    )


def _present(run: Queryable) -> Chart | None:
    rows = run.query(_PRESENT).rows
    if not rows:
        return None
    found = {row[0]: row for row in rows}
    # Of a long run the last of each span of steps.
    steps = [span[-1] for span in spans_of(sorted(found))]
    told = [f"step {step}: {found[step][1]:,} agents" for step in steps]
    axes = Axes([str(step) for step in steps], "step", "agents", marks=marks_at(steps, read_marks(run)))
    return lines(
        "present",
        "Agents who live there after each step",
        "A line over the steps: those who were there or came, less those who left.",
        [Series(0, [found[step][1] for step in steps], told)],
        axes,
    )(headings=("step", "present", "arrived", "departed"), rows=rows, sql=_PRESENT.strip())
