"""What an export can have beside people: their profiles, their biographies, and what raised them to an elite."""

from collections.abc import Collection, Mapping
from enum import StrEnum

from ..profiles.profile import ATTRIBUTES

__all__ = ["EXTRA_MARKS", "Extra", "columns_of", "joins_of", "names_of", "sources_of"]


class Extra(StrEnum):
    """Columns that a person may have beside those of the table personas; each is the name of the table they are in."""

    PROFILES = "profiles"
    BIOGRAPHIES = "biographies"
    ELITES = "elites"


#: By extra, the column of an export that tells that it is there.
EXTRA_MARKS: Mapping[Extra, str] = {
    Extra.PROFILES: "profile_model",
    Extra.BIOGRAPHIES: "biography_model",
    Extra.ELITES: "elite_model",
}
#: The columns of each table, by what they are called in an export.
_SOURCES: Mapping[Extra, Mapping[str, str]] = {
    Extra.PROFILES: {name: name for name in (*ATTRIBUTES, "evidence", "only_evident")}
    | {f"profile_{name}": name for name in ("model", "prompt", "made_at")},
    Extra.BIOGRAPHIES: {"biography": "text"}
    | {f"biography_{name}": name for name in ("mentions", "language", "model", "prompt", "made_at")},
    Extra.ELITES: {"elite_of": "original"}
    | {
        f"elite_{name}": name
        for name in ("skill", "tier", "general_domain", "specific_domain", "changes", "model", "prompt", "made_at")
    },
}
_TABLES = {Extra.PROFILES: "r", Extra.BIOGRAPHIES: "b", Extra.ELITES: "e"}
#: Columns that are JSON, and texts of it in exports.
_JSON = ("evidence", "changes")
_JOINS = {
    Extra.PROFILES: "LEFT JOIN profiles AS r ON r.persona = k.id",
    Extra.BIOGRAPHIES: "LEFT JOIN biographies AS b ON b.persona = k.id",
    # Two who were raised may come to the same description: the first of them counts.
    Extra.ELITES: """LEFT JOIN (
        FROM elites QUALIFY row_number() OVER (PARTITION BY persona ORDER BY rowid) = 1
    ) AS e ON e.persona = k.id""",
}


def sources_of(extra: Extra) -> Mapping[str, str]:
    """The columns of its table, by what they are called in an export."""
    return _SOURCES[extra]


def names_of(extra: Extra) -> Collection[str]:
    """What its columns are called in an export."""
    return _SOURCES[extra].keys()


def columns_of(extras: Collection[Extra]) -> str:
    """SQL for their columns, to stand behind others."""
    return "".join(
        f', {_TABLES[extra]}."{source}"{"::VARCHAR" if source in _JSON else ""} AS "{name}"'
        for extra in Extra
        if extra in extras
        for name, source in _SOURCES[extra].items()
    )


def joins_of(extras: Collection[Extra]) -> str:
    """SQL that brings them to the people `k`."""
    return " ".join(_JOINS[extra] for extra in Extra if extra in extras)
