"""What a scenario declares and analysis needs: agents with their groups, fields of actions, questions."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..agents.action_schema import typed_fields
from ..agents.hooks import hook
from ..personas.errors import SetupError
from .runfile import rows
from .runfile.writer import Statement

if TYPE_CHECKING:
    from .runfile.runlog import RunLog
    from .scenario import Scenario
    from .society import Society

__all__ = ["declare", "declared_rows"]


def declare(society: "Society", log: "RunLog") -> None:
    """Write it to the run file, where it is not there yet; a script that has changed since is taken as it is now."""
    with hook(society.scenario, "group"):
        agents = [
            rows.AgentRow(resident.id, place, _named(society.scenario.group(resident)))
            for place, resident in enumerate(society.residents, start=1)
        ]
    declared = declared_rows(society.scenario)
    there = log.rows(rows.AgentRow, "ORDER BY ordinal")
    known = [*log.rows(rows.ActionFieldRow, "ORDER BY ordinal"), *log.rows(rows.QuestionRow, "ORDER BY ordinal")]
    if there == agents and known == declared:
        return
    emptied = [Statement(f"DELETE FROM {table}") for table in ("action_fields", "questions")] if known else []  # noqa: S608
    if emptied:
        log.commit(statements=emptied).result()
    log.commit(declared if there else [*agents, *declared], statements=_regrouped(agents, there)).result()


def declared_rows(scenario: "Scenario") -> list[rows.Row]:
    """The rows of its actions' fields and its questions. Raises `SetupError` for questions that are none."""
    return [*_fields(scenario), *_questions(scenario)]


def _fields(scenario: "Scenario") -> list[rows.ActionFieldRow]:
    fields = {(action.name, field.name): field for action in scenario.actions for field in typed_fields(action)}
    return [
        rows.ActionFieldRow(kind, name, place, field.type, list(field.choices), field.description)
        for place, ((kind, name), field) in enumerate(fields.items(), start=1)
    ]


def _questions(scenario: "Scenario") -> list[rows.QuestionRow]:
    asked: object = scenario.questions
    if not isinstance(asked, Mapping) or not all(isinstance(words, str) for pair in asked.items() for words in pair):
        raise SetupError(
            f"The questions of scenario {scenario.name!r} must be a mapping of texts to SQL, as "
            f'{{"How many?": "SELECT ..."}}, but {asked!r:.80} was given.'
        )
    return [rows.QuestionRow(place, *pair) for place, pair in enumerate(asked.items(), start=1)]


def _named(group: object) -> str | None:
    return None if group is None else str(group)


def _regrouped(agents: list[rows.AgentRow], there: list[rows.AgentRow]) -> list[Statement]:
    before = {row.agent: row.group_name for row in there}
    return [
        Statement("UPDATE agents SET group_name = ? WHERE agent = ?", [row.group_name, row.agent])
        for row in agents
        if row.agent in before and before[row.agent] != row.group_name
    ]
