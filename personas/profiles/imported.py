"""Profiles of people who were imported as columns: what a column states in so many words, and nothing else."""

import math
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from .profile import ATTRIBUTES, AnsweredProfile, AttributeValue, Evidence, Profile

__all__ = ["profile_of_columns"]

#: Model and prompt of such profiles in the table.
_MODEL, _PROMPT = "import", "columns@1"

_PLACES = ("city", "town", "municipality", "county", "state", "province", "region", "country")
#: The names of columns that may hold an attribute.
_NAMES: Mapping[str, tuple[str, ...]] = {
    "age_band": ("age_band", "age"),
    "occupation": ("occupation", "job", "job_title", "profession"),
    "occupation_group": ("occupation_group",),
    "education": ("education", "education_level", "highest_education"),
    "household": ("household", "household_type"),
    "languages": ("languages",),
    "interests": ("interests", "hobbies", "hobbies_and_interests_list"),
    "values": ("values",),
    "favourite_colour": ("favourite_colour", "favorite_color"),
    "favourite_number": ("favourite_number", "favorite_number"),
    **{trait: (trait,) for trait in ("openness", "conscientiousness", "extraversion", "agreeableness", "neuroticism")},
}
#: Levels of ISCED 2011 by names that are unambiguous everywhere.
_LEVELS: Mapping[str, int] = {
    "primary": 1, "primary school": 1, "primary education": 1, "lower secondary": 2, "upper secondary": 3,
    "high school diploma": 3, "bachelor": 6, "bachelors": 6, "bachelor's": 6, "bachelor's degree": 6,
    "bachelors degree": 6, "master": 7, "masters": 7, "master's": 7, "master's degree": 7, "masters degree": 7,
    "doctorate": 8, "doctoral": 8, "phd": 8, "doctoral degree": 8,
}  # fmt: skip
_SEPARATED = re.compile(r"\s*;\s*")
_OLDEST = 120


def profile_of_columns(persona: str, columns: Mapping[str, Any]) -> Profile | None:
    """The profile that the columns of a row state; None when they state nothing that a profile has.

    A value is used when it can mean one thing only, like an age of 34; everything else stays a column.
    """
    by_name = {re.sub(r"[\s_-]+", "_", str(name).strip().casefold()): name for name in columns}
    known = {name: AttributeValue(None, Evidence.UNKNOWN) for name in ATTRIBUTES}
    for attribute, names in _NAMES.items():
        for column in (by_name[name] for name in names if name in by_name):
            value = _valid(attribute, _read(attribute, columns[column]))
            if value is not None:
                known[attribute] = AttributeValue(value, Evidence.STATED, f"{column}: {columns[column]}"[:300])
                break
    if region := _region(columns, by_name):
        known["region"] = region
    is_known = any(one.evidence is Evidence.STATED for one in known.values())
    return Profile(persona, known, _MODEL, _PROMPT) if is_known else None


def _read(attribute: str, value: Any) -> Any:
    if attribute == "age_band":
        return _band(value)
    if attribute == "education":
        return _LEVELS.get(value.strip().casefold().replace("_", " ").replace("’", "'")) if _is_text(value) else value
    if attribute in ("languages", "interests", "values"):
        return _SEPARATED.split(value.strip()) if _is_text(value) else value
    if attribute in ("occupation", "household", "favourite_colour"):
        return value
    number = _whole(value)
    return value if number is None else number


def _band(value: Any) -> str | None:
    age = _whole(value)
    if age is None:
        return value if _is_text(value) else None
    return None if not 0 <= age <= _OLDEST else "90+" if age >= 90 else f"{age // 10 * 10}-{age // 10 * 10 + 9}"


def _whole(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return int(value) if math.isfinite(value) and value == int(value) else None
    return int(value) if _is_text(value) and re.fullmatch(r"\d{1,4}", value.strip()) else None


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _valid(attribute: str, value: Any) -> Any:
    """The value, if the attribute can have it."""
    if value is None:
        return None
    answer = {"words": "", "evidence": Evidence.STATED, "value": value}
    try:
        return _kinds()[attribute].validate_python(answer).value
    except ValidationError:
        return None


@cache
def _kinds() -> Mapping[str, TypeAdapter[Any]]:
    kinds = {name: field.annotation for name, field in AnsweredProfile.model_fields.items()}
    return {name: TypeAdapter(kind) for name, kind in kinds.items() if kind is not None}


def _region(columns: Mapping[str, Any], by_name: Mapping[str, Any]) -> AttributeValue | None:
    there = [by_name[name] for name in _PLACES if name in by_name and _is_text(columns[by_name[name]])]
    value = _valid("region", ", ".join(columns[name].strip() for name in there))
    words = "; ".join(f"{name}: {columns[name]}" for name in there)[:300]
    return AttributeValue(value, Evidence.STATED, words) if value is not None else None
