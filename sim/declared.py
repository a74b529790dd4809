"""What a scenario declares and analysis needs: agents with their groups, fields of actions, questions."""

from typing import TYPE_CHECKING

from ..agents.fields import typed_fields
from ..agents.hooks import hook
from .runfile import rows
from .runfile.writer import Statement

if TYPE_CHECKING:
    from .runfile.runlog import RunLog
    from .scenario import Scenario
    from .society import Society

__all__ = ["declare"]


def declare(society: "Society", log: "RunLog") -> None:
    """Write it to the run file, where it is not there yet; a script that has changed since is taken as it is now."""
    with hook(society.scenario, "group"):
        agents = [
            rows.AgentRow(resident.id, place, society.scenario.group(resident))
            for place, resident in enumerate(society.residents, start=1)
        ]
    declared: list[rows.Row] = [*_fields(society.scenario), *_questions(society.scenario)]
    there = log.rows(rows.AgentRow, "ORDER BY ordinal")
    known = [*log.rows(rows.ActionFieldRow, "ORDER BY ordinal"), *log.rows(rows.QuestionRow, "ORDER BY ordinal")]
    if there == agents and known == declared:
        return
    emptied = [Statement(f"DELETE FROM {table}") for table in ("action_fields", "questions")] if known else []  # noqa: S608
    if emptied:
        log.commit(statements=emptied).result()
    log.commit(declared if there else [*agents, *declared], statements=_regrouped(agents, there)).result()


def _fields(scenario: "Scenario") -> list[rows.ActionFieldRow]:
    fields = [(action.name, field) for action in scenario.actions for field in typed_fields(action)]
    return [
        rows.ActionFieldRow(kind, field.name, place, field.type, list(field.choices), field.description)
        for place, (kind, field) in enumerate(fields, start=1)
    ]


def _questions(scenario: "Scenario") -> list[rows.QuestionRow]:
    return [rows.QuestionRow(place, *asked) for place, asked in enumerate(scenario.questions.items(), start=1)]


def _regrouped(agents: list[rows.AgentRow], there: list[rows.AgentRow]) -> list[Statement]:
    before = {row.agent: row.group_name for row in there}
    return [
        Statement("UPDATE agents SET group_name = ? WHERE agent = ?", [row.group_name, row.agent])
        for row in agents
        if row.agent in before and before[row.agent] != row.group_name
    ]
