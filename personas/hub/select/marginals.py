"""Tables of targets: which share of the chosen each value of each variable is to have."""

import glob
import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import duckdb
from pydantic import BaseModel, ConfigDict, Field

from ...database import said
from ...errors import SourceError

__all__ = ["Marginals", "read_marginals"]

_OFFLINE = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
_AMOUNTS = ("share", "percent", "count")
#: Shares that were rounded for print add up to about one.
_TOLERANCE = 0.01


class Marginals(BaseModel):
    """Shares that add up to 1 within each variable."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    shares: dict[str, dict[str, float]] = Field(min_length=1)

    @property
    def variables(self) -> tuple[str, ...]:
        """The variables, in order."""
        return tuple(self.shares)


def read_marginals(path: Path) -> Marginals:
    """The targets in a table with the columns variable, value and one of share, percent or count.

    CSV, TSV, Parquet and JSON are read; JSON may also be `{variable: {value: share}}`. Shares are brought to
    exactly 1. Raises `SourceError` for whatever cannot be read or does not add up.
    """
    if not path.is_file():
        raise SourceError(f"There is no table of targets {str(path)!r}.")
    rows = _json_rows(path) if path.suffix.lower() == ".json" else _table_rows(path)
    return _marginals(path, rows)


def _table_rows(path: Path) -> list[dict[str, Any]]:
    reader = {
        ".csv": "read_csv(?, all_varchar = true)",
        ".tsv": "read_csv(?, all_varchar = true, delim = '\t')",
        ".parquet": "read_parquet(?)",
    }.get(path.suffix.lower())
    if reader is None:
        raise SourceError(f"{str(path)!r} is no table of targets that is known; give .csv, .tsv, .parquet or .json.")
    try:
        with duckdb.connect(config=dict(_OFFLINE)) as con:
            # Unescaped, a `[1]` in a file's name would be read as a pattern.
            found = con.execute(f"FROM {reader}", [glob.escape(str(path))])
            names = [str(column[0]) for column in found.description]
            return [dict(zip(names, row, strict=True)) for row in found.fetchall()]
    except duckdb.Error as error:
        raise SourceError(f"The targets {str(path)!r} cannot be read: {said(error)}.") from error


def _json_rows(path: Path) -> list[dict[str, Any]]:
    try:
        found = json.loads(path.read_bytes())
    except ValueError as error:
        raise SourceError(f"The targets {str(path)!r} are no JSON: {error}.") from error
    if isinstance(found, dict) and all(isinstance(values, dict) for values in found.values()):
        return [
            {"variable": variable, "value": value, "share": share}
            for variable, values in found.items()
            for value, share in values.items()
        ]
    if isinstance(found, list) and all(isinstance(row, dict) for row in found):
        return found
    raise SourceError(f"The targets {str(path)!r} are neither a list of rows nor {{variable: {{value: share}}}}.")


def _marginals(path: Path, rows: Iterable[Mapping[str, Any]]) -> Marginals:
    amounts: dict[str, dict[str, float]] = {}
    unit = None
    for number, row in enumerate(rows, start=1):
        folded = {str(key).strip().lower(): value for key, value in row.items()}
        unit = unit or _unit(path, folded)
        variable, value = (_word(path, number, folded, key) for key in ("variable", "value"))
        values = amounts.setdefault(variable, {})
        if value in values:
            raise SourceError(f"The targets {str(path)!r}, row {number}: {variable} {value!r} stands there twice.")
        values[value] = _amount(path, number, folded.get(unit), unit)
    if unit is None:
        raise SourceError(f"The targets {str(path)!r} have no rows; give at least one variable and its values.")
    return Marginals(shares={name: _shares(path, name, values, unit) for name, values in amounts.items()})


def _unit(path: Path, row: Mapping[str, Any]) -> str:
    units = [name for name in _AMOUNTS if name in row]
    if not {"variable", "value"} <= row.keys() or len(units) != 1:
        raise SourceError(
            f"The targets {str(path)!r} have the columns {', '.join(row)}; "
            "there must be variable, value, and one of share, percent or count."
        )
    return units[0]


def _word(path: Path, number: int, row: Mapping[str, Any], key: str) -> str:
    word = "" if row.get(key) is None else str(row[key]).strip()
    if not word:
        raise SourceError(f"The targets {str(path)!r}, row {number}: there is no {key}.")
    return word


def _amount(path: Path, number: int, given: object, unit: str) -> float:
    try:
        amount = float(str(given))
    except ValueError:
        amount = math.nan
    if not 0 <= amount < math.inf:
        raise SourceError(f"The targets {str(path)!r}, row {number}: {unit} is {given!r}; it must be a number from 0.")
    return amount


def _shares(path: Path, variable: str, values: Mapping[str, float], unit: str) -> dict[str, float]:
    total = math.fsum(values.values())
    whole = {"share": 1.0, "percent": 100.0, "count": total}[unit]
    if total <= 0 or abs(total - whole) > _TOLERANCE * whole:
        raise SourceError(
            f"The targets {str(path)!r}: the {unit}s of {variable} add up to {total:g} "
            f"instead of {whole if total else 'more than 0'!s}; add what is missing, or give counts."
        )
    return {value: amount / total for value, amount in values.items()}
