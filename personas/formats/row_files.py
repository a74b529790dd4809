"""People as rows of JSONL, CSV and Parquet: with all columns, or in the format of a published collection."""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import orjson
from arro3.core import Table as Columnar

from ..arrow import UNFIT, iter_batches, set_column, table_of, to_rows, write_parquet
from ..csv_cells import write_csv_rows
from ..errors import SetupError
from ..files import uncompressed_suffix
from .columns import ColumnType, found_columns, own_names
from .options import Shape
from .people import ExportedPeople, row_ranges
from .reading import json_text, parse_json

#: Readers of JSONL infer the types from so many rows (polars; pandas and pyarrow from more).
_LOOKED_AT = 100


class PeopleRows:
    """The people of an export as Arrow batches: the hub's own columns, and imported ones with a type each.

    With `types_first` the rows that show the type of a column stand first, where the first hundred in order of
    arrival would not show it: programs that read JSONL tell the types from them.
    """

    def __init__(self, people: ExportedPeople, *, types_first: bool = False) -> None:
        self._people = people
        self.imported = found_columns(people.attributes(), own_names(people.extras))
        self._first: Sequence[int] = ()
        if types_first and people.count > _LOOKED_AT:
            places = {*people.first_places(_LOOKED_AT), *(c.first for c in self.imported if c.first >= _LOOKED_AT)}
            self._first = sorted(places)[:_LOOKED_AT]

    @property
    def own(self) -> Sequence[str]:
        """The hub's own columns, which come before the imported ones."""
        return self._people.columns

    @property
    def as_json(self) -> tuple[str, ...]:
        """The columns, as they are called in the export, whose cells are JSON text."""
        return tuple(column.written for column in self.imported if column.kind is ColumnType.JSON)

    def batches(self) -> Iterator[Any]:
        """The rows, some thousands at a time."""
        for batch in self._people.batches(self._first):
            yield self._typed(batch)

    def _typed(self, batch: Columnar) -> Columnar:
        texts: Any = batch["attributes"].to_pylist() if self.imported else ()
        rows = [parse_json(text) if text else {} for text in texts]
        batch = batch.drop_columns(["attributes"])
        for column in self.imported:
            batch = set_column(batch, column.written, [column.value(row) for row in rows], _sql_type(column.kind))
        return batch


def _sql_type(kind: ColumnType) -> str:
    """Return DuckDB's type of a column's values; JSON is text."""
    types = {ColumnType.INTEGER: "BIGINT", ColumnType.NUMBER: "DOUBLE", ColumnType.BOOLEAN: "BOOLEAN"}
    if kind.startswith("list of "):
        return types.get(ColumnType(kind.removeprefix("list of ")), "VARCHAR") + "[]"
    return types.get(kind, "VARCHAR")


def write_jsonl(batches: Iterable[Any], file: Any) -> None:
    """Write batches as one object a line, each with every column."""
    for batch in batches:
        file.write(b"".join([orjson.dumps(row) + b"\n" for row in to_rows(batch)]))


def write_csv(batches: Iterable[Any], file: Any) -> None:
    """Write batches as CSV with a header; lists are JSON arrays, and what is not there is an empty cell."""
    for number, batch in enumerate(batches):
        if number == 0:
            names = batch.column_names
            # Quoted, a mark in a name is not taken for the one that separates columns.
            is_quoted = any(mark in name for name in names for mark in ";\t")
            write_cells([names], file, quoting=csv.QUOTE_ALL if is_quoted else csv.QUOTE_MINIMAL)
        write_cells(zip(*map(_cells, batch.columns), strict=True), file)


def write_cells(rows: Iterable[Iterable[Any]], file: Any, *, quoting: Literal[0, 1] = csv.QUOTE_MINIMAL) -> None:
    """Write rows of cells as lines of CSV."""
    text = io.StringIO(newline="")
    write_csv_rows(rows, text, quoting=quoting)
    file.write(text.getvalue().encode())


def _cells(column: Any) -> list[Any]:
    return [value if value is None or type(value) in (int, str) else _cell(value) for value in column.to_pylist()]


def _cell(value: Any) -> str:
    if isinstance(value, str):
        return value
    return value.isoformat() if isinstance(value, datetime) else json_text(value)


def write_csv_types(rows: PeopleRows, name: str, path: Path, notice: str | None) -> None:
    """Write what the columns of the CSV file `name` hold, as CSV on the Web has it (W3C, 2015).

    Lists have the datatype `json`, for their cells are JSON arrays.
    """
    described = {
        "@context": "http://www.w3.org/ns/csvw",
        "url": name,
        **({"dc:description": notice} if notice else {}),
        "tableSchema": {
            "columns": [
                *({"titles": name} for name in rows.own),
                *({"titles": column.written, "datatype": _datatype(column.kind)} for column in rows.imported),
            ]
        },
    }
    path.write_bytes(orjson.dumps(described, option=orjson.OPT_INDENT_2) + b"\n")


def _datatype(kind: ColumnType) -> str:
    return "json" if kind.startswith("list of ") else kind.value


_ROWS = 10_000

#: The column of the description in each shape.
_TEXT_COLUMNS: Mapping[Shape, str] = {Shape.TASKS: "input persona", Shape.ELITE: "persona", Shape.NEMOTRON: "persona"}

#: The columns in the order in which they are published; all others follow as they were met.
_ORDER: Mapping[Shape, tuple[str, ...]] = {
    Shape.TASKS: ("input persona", "synthesized text", "description"),
    Shape.ELITE: (
        "persona",
        *("general domain (top 1 percent)", "specific domain (top 1 percent)"),
        *("general domain (top 0.1 percent)", "specific domain (top 0.1 percent)"),
    ),
    Shape.NEMOTRON: (
        *("uuid", "professional_persona", "sports_persona", "arts_persona", "travel_persona", "culinary_persona"),
        *("persona", "cultural_background", "skills_and_expertise", "skills_and_expertise_list"),
        *("hobbies_and_interests", "hobbies_and_interests_list", "career_goals_and_ambitions", "sex", "age"),
        *("marital_status", "education_level", "bachelors_field", "occupation", "city", "state", "zipcode", "country"),
    ),
}

_NO_ROWS = """
CREATE OR REPLACE TEMP TABLE exported_rows (
    persona VARCHAR, file BIGINT, row BIGINT, source VARCHAR, licence VARCHAR, revision VARCHAR, model VARCHAR,
    attributes VARCHAR
)
"""
#: A file that was imported twice, in different ways, gives each of its rows once.
_IMPORTED = """
INSERT INTO exported_rows
SELECT i.persona, i.file, i.row, i.source, i.licence, i.revision, NULL, i.attributes::VARCHAR
FROM imports AS i JOIN imported_files AS f ON f.file = i.file SEMI JOIN exported_kept AS k ON k.id = i.persona
WHERE f.format = ?
QUALIFY row_number() OVER (PARTITION BY f.sha256, i.row, i.persona ORDER BY i.file) = 1
"""
#: People made by `populace hub enrich --raise` come after those who were imported.
_RAISED = """
INSERT INTO exported_rows
SELECT k.id, NULL, e.rowid, k.source, k.licence, NULL, e.model, json_object(
    'general domain (top ' || replace(e.tier, '%', ' percent)'), e.general_domain,
    'specific domain (top ' || replace(e.tier, '%', ' percent)'), e.specific_domain)
FROM elites AS e JOIN exported_kept AS k ON k.id = e.persona
"""
_MAPPINGS = """
SELECT file, (settings->'mapping')::VARCHAR FROM imported_files WHERE file IN (SELECT file FROM exported_rows)
"""
#: Hardly ever more than a few different ones, however many rows there are.
_STRUCTURES = """
SELECT json_structure(attributes)::VARCHAR FROM exported_rows WHERE attributes IS NOT NULL
GROUP BY 1 ORDER BY min(rowid)
"""
_IN_ORDER = """
SELECT k.text, k.language, r.source, r.licence, r.file, r.attributes
FROM exported_rows AS r JOIN exported_kept AS k ON k.id = r.persona ORDER BY r.file NULLS LAST, r.row
"""
_LICENCES = """
SELECT licence, source, revision, model, count(DISTINCT persona) AS personas
FROM exported_rows GROUP BY ALL ORDER BY personas DESC, licence, source, revision, model
"""
_NUMBERED = "(SELECT *, row_number() OVER (ORDER BY file NULLS LAST, row) AS n FROM exported_rows)"
_COUNTS = """
SELECT count(*), count(DISTINCT persona), count(DISTINCT persona) FILTER (licence IS NULL) FROM exported_rows
"""


class PublishedRows:
    """The rows of one shape that the people of an export have: none, one or several each.

    What a row does not hold is null, and the word None among the domains of Persona Hub's elite, as it is there.
    """

    def __init__(self, people: ExportedPeople, shape: Shape) -> None:
        self._con = people.hub.con
        self._shape = shape
        self._fill(people)
        #: How many rows there are, how many people have them, and how many of these came without a licence.
        self.rows, self.people, self.unlicensed = map(int, self._con.execute(_COUNTS).fetchall()[0])
        found = self._con.execute(_MAPPINGS).fetchall() if people.has("imported_files") else []
        #: The columns that were read as text, language, source or licence, by file and meaning.
        self._mappings: dict[int, dict[str, str]] = {file: orjson.loads(mapping) for file, mapping in found}
        #: The columns, and of each the types of JSON that its values have.
        self.types = self._typed()

    def batches(self) -> Iterator[list[dict[str, Any]]]:
        """The rows in the order of their import, some thousands at a time, each with every column."""
        empty = self._empty()
        for batch in iter_batches(self._con.sql(_IN_ORDER), _ROWS):
            fields = zip(*(column.to_pylist() for column in batch.columns), strict=True)
            yield [empty | self._row(*values) for values in fields]

    def licences(self) -> list[tuple[Any, ...]]:
        """Licence, source, revision and model, each with the number of people whose rows have them."""
        return self._con.execute(_LICENCES).fetchall()

    def rows_of_licences(self) -> Mapping[tuple[Any, ...], str]:
        """Which rows, from 1, have each licence, source, revision and model."""
        return row_ranges(self._con, _NUMBERED)

    def _fill(self, people: ExportedPeople) -> None:
        self._con.execute(_NO_ROWS)
        if people.has("imports") and people.has("imported_files"):
            self._con.execute(_IMPORTED, [str(self._shape)])
        if self._shape is Shape.ELITE and people.has("elites"):
            self._con.execute(_RAISED)

    def _typed(self) -> dict[str, set[Any]]:
        types: dict[str, set[Any]] = {}
        for (structure,) in self._con.execute(_STRUCTURES).fetchall():
            for name, kind in orjson.loads(structure).items():
                types.setdefault(name, set()).add(str(kind))
        own = _TEXT_COLUMNS[self._shape]
        # Another column may have held the description, next to one of this name: then each keeps its own.
        for mapping in self._mappings.values():
            if own not in types and mapping["text"].strip().lower() == own:
                mapping["text"] = own
        for mapping in self._mappings.values():
            types |= {column: {"VARCHAR"} for column in mapping.values()}
        fixed = _ORDER[self._shape]
        always = fixed if self._shape is not Shape.NEMOTRON else (own,)
        first = [name for name in fixed if name in types or name in always]
        return {name: types.get(name, set()) for name in dict.fromkeys((*first, *types))}

    def _empty(self) -> dict[str, Any]:
        domains = _ORDER[Shape.ELITE][1:] if self._shape is Shape.ELITE else ()
        return {name: "None" if name in domains else None for name in self.types}

    def _row(
        self, text: str, language: str, source: str, licence: str | None, file: int | None, attributes: str | None
    ) -> dict[str, Any]:
        row: dict[str, Any] = orjson.loads(attributes) if attributes is not None else {}
        mapping = self._mappings[file] if file is not None else {"text": _TEXT_COLUMNS[self._shape]}
        known = {"text": text, "language": language, "source": source, "licence": licence}
        return row | {column: known[meaning] for meaning, column in mapping.items()}


_ENDINGS = (".jsonl", ".ndjson", ".csv", ".parquet")
_WHOLE = {"BIGINT", "UBIGINT"}


def check_ending(path: Path, form: str) -> str:
    """The ending of a file to write. Raises `SetupError` for one that says of no table how it is written."""
    ending = uncompressed_suffix(path)
    if ending not in _ENDINGS:
        raise SetupError(f"{form} is written as JSONL, CSV or Parquet; give {str(path)!r} such an ending.")
    return ending


def write_published(rows: PublishedRows, part: Path, ending: str, *, opened: Callable[[], Any]) -> None:
    """Write the rows as the file's ending says. Raises `SetupError` for values that no column of Parquet can hold."""
    if ending == ".parquet":
        _published_parquet(rows, part)
        return
    with opened() as file:
        (_published_csv if ending == ".csv" else _published_jsonl)(rows, file)


def _published_jsonl(rows: PublishedRows, file: Any) -> None:
    for batch in rows.batches():
        file.write(b"".join(orjson.dumps(row) + b"\n" for row in batch))


def _published_csv(rows: PublishedRows, file: Any) -> None:
    write_cells([rows.types], file)
    for batch in rows.batches():
        write_cells(([_published_cell(value) for value in row.values()] for row in batch), file)


def _published_cell(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _published_parquet(rows: PublishedRows, part: Path) -> None:
    types = {name: _published_type(name, held) for name, held in rows.types.items()}

    def tables() -> Iterator[Columnar]:
        yield table_of([], types)
        for batch in rows.batches():
            try:
                yield table_of([tuple(row.values()) for row in batch], types)
            except UNFIT as error:
                raise SetupError(f"Parquet cannot hold all values of these rows ({error}); write JSONL.") from error

    write_parquet(tables(), part)


def _published_type(name: str, types: set[str]) -> str:
    stated = types - {"NULL"}
    if stated <= {"VARCHAR"}:
        return "VARCHAR"
    if stated <= {*_WHOLE, "DOUBLE"}:
        return "BIGINT" if stated <= _WHOLE else "DOUBLE"
    if stated == {"BOOLEAN"}:
        return "BOOLEAN"
    if stated <= {"['VARCHAR']", "['NULL']"}:
        return "VARCHAR[]"
    raise SetupError(f"The values of {name!r} are of several types, or nested, which Parquet cannot hold; write JSONL.")
