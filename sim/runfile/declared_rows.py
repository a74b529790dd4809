"""The rows that say whom a scenario groups, and what it declares of actions and questions, as in `rows`."""

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["ActionFieldRow", "AgentRow", "QuestionRow"]


@dataclass(frozen=True, slots=True)
class AgentRow:
    """A persona who lives in the society, in `agents`."""

    agent: str
    ordinal: int
    group_name: str | None = None


@dataclass(frozen=True, slots=True)
class ActionFieldRow:
    """A field of an action that can be counted or averaged, in `action_fields`."""

    kind: str
    field: str
    ordinal: int
    type: str
    choices: Sequence[str]
    description: str


@dataclass(frozen=True, slots=True)
class QuestionRow:
    """A question of the scenario's own, in `questions`."""

    ordinal: int
    title: str
    sql: str
