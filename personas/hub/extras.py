"""What an export can have beside people: their profiles, their biographies, and what raised them to an elite."""

from collections.abc import Collection
from enum import StrEnum

from ..profiles.attributes import ATTRIBUTES

__all__ = ["NESTED", "Extra", "columns_of", "joins_of"]


class Extra(StrEnum):
    """Columns that a person may have beside those of the table personas; each is the name of the table they are in."""

    PROFILES = "profiles"
    BIOGRAPHIES = "biographies"
    ELITES = "elites"


#: Columns that are texts of JSON.
NESTED = ("attributes", "evidence", "elite_changes")

_ATTRIBUTES = ", ".join(f'r."{name}"' for name in ATTRIBUTES)
_COLUMNS = {
    Extra.PROFILES: f"{_ATTRIBUTES}, r.evidence::VARCHAR AS evidence, r.only_evident, r.model AS profile_model, "
    "r.prompt AS profile_prompt, r.made_at AS profile_made_at",
    Extra.BIOGRAPHIES: "b.text AS biography, b.mentions AS biography_mentions, b.language AS biography_language, "
    "b.model AS biography_model, b.prompt AS biography_prompt, b.made_at AS biography_made_at",
    Extra.ELITES: "e.original AS elite_of, e.skill AS elite_skill, e.tier AS elite_tier, "
    "e.general_domain AS elite_general_domain, e.specific_domain AS elite_specific_domain, "
    "e.changes::VARCHAR AS elite_changes, e.made_at AS elite_made_at",
}
_JOINS = {
    Extra.PROFILES: "LEFT JOIN profiles AS r ON r.persona = k.id",
    Extra.BIOGRAPHIES: "LEFT JOIN biographies AS b ON b.persona = k.id",
    # Two who were raised may come to the same description: the first of them counts.
    Extra.ELITES: """LEFT JOIN (
        FROM elites QUALIFY row_number() OVER (PARTITION BY persona ORDER BY rowid) = 1
    ) AS e ON e.persona = k.id""",
}


def columns_of(extras: Collection[Extra]) -> str:
    """SQL for their columns, to stand behind others."""
    return "".join(f", {_COLUMNS[extra]}" for extra in Extra if extra in extras)


def joins_of(extras: Collection[Extra]) -> str:
    """SQL that brings them to the people `k`."""
    return " ".join(_JOINS[extra] for extra in Extra if extra in extras)
