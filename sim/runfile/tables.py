"""Which table the rows of each class are kept in."""

from collections.abc import Mapping
from dataclasses import fields
from types import MappingProxyType

from . import rows
from .rows import Row

__all__ = ["column_names", "table_of"]

_TABLES: Mapping[type[object], str] = MappingProxyType(
    {
        rows.RunRow: "runs",
        rows.RulingRow: "rulings",
        rows.PassageRow: "passages",
        rows.PersonaRow: "personas",
        rows.RelationRow: "relations",
        rows.GrowthRow: "growth",
        rows.GrowthChunkRow: "growth_chunks",
        rows.GrowthExtensionRow: "growth_extensions",
        rows.SkippedSourceRow: "skipped_sources",
        rows.FrontierRow: "frontier",
        rows.PassagePlaceRow: "passage_places",
        rows.AgentRow: "agents",
        rows.ActionFieldRow: "action_fields",
        rows.QuestionRow: "questions",
        rows.StepRow: "steps",
        rows.InterventionRow: "interventions",
        rows.ObservationRow: "observations",
        rows.EmissionRow: "emissions",
        rows.MessageRow: "messages",
        rows.DuplicateRow: "duplicates",
        rows.MemoryRow: "memories",
        rows.MeasureRow: "measures",
        rows.Call: "calls",
        rows.FailureRow: "failures",
        rows.KnownAnswerRow: "known_answers",
        rows.BatchRow: "batches",
        rows.VectorRow: "vectors",
    }
)


def table_of(row_type: type[object]) -> str:
    """The table that rows of this class are kept in. Raises `TypeError` for any other class."""
    try:
        return _TABLES[row_type]
    except KeyError:
        raise TypeError(f"{row_type.__name__} is not a row of the run file.") from None


def column_names[R: Row](row_type: type[R]) -> tuple[str, ...]:
    """The columns of the class's table, which are its fields."""
    return tuple(field.name for field in fields(row_type))
