"""Hubs: collections of personas that somebody has already made, read from a file."""

import csv
import glob
import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Literal

import duckdb

from ..directory import Directory, Located
from ..errors import SourceError
from ..persona import Persona, Relation, RelationKind
from ..source import iter_objects, parse_language, parse_text, read_head, read_text, resolve_file, shown
from .standing import GONE

__all__ = ["Draw", "DrawWish", "Drawn", "Hub", "read_hub"]

#: How people are drawn. `snowball`: somebody, three of those they know, three of those each of these knows, and so on.
#: `ego`: somebody, all they know, all those know. `community`: whole communities. `random`: by chance, ties or not.
type Draw = Literal["snowball", "ego", "community", "random"]

type _Config = dict[str, str | bool | int | float | list[str]]

_DATABASE = (".duckdb", ".db")
_JSONL = (".jsonl", ".ndjson")
_CSV = (".csv", ".tsv")
_PARQUET = (".parquet",)
_TEXT_KEYS = ("persona", "text", "input persona")
_BATCH = 10_000
#: What is read from a database. The names are ours, so they may stand in a query.
_TABLES = ("personas", "relations", "duplicates")
#: Whom a rule has turned away, and whoever repeats them, is not read, nor what ties others to them.
_KEPT = {
    "personas": f"id NOT IN ({GONE})",
    "relations": f"source NOT IN ({GONE}) AND target NOT IN ({GONE})",
    "duplicates": f'persona NOT IN ({GONE}) AND "of" NOT IN ({GONE})',
}
_OFFLINE: _Config = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
#: No view in somebody else's database may read other files, the network or this process's variables.
_CLOSED: _Config = {**_OFFLINE, "enable_external_access": "false", "python_enable_replacements": "false"}


@dataclass(frozen=True, slots=True)
class DrawWish:
    """So many people, at most, drawn in this way; the same from equal people, ties and seed."""

    people: int
    how: Draw
    seed: int


@dataclass(frozen=True, slots=True)
class Drawn:
    """What a draw left of a hub. A tie is a relation between two people who stand, each kind and label once."""

    how: Draw
    people: int
    of_people: int
    ties: int
    of_ties: int

    def sentence(self) -> str:
        """The numbers in one sentence."""
        people = f"{self.people:,} of the hub's {self.of_people:,} people were drawn"
        if not self.of_ties:
            return f"{people} at random, for the hub has no ties among them."
        way = {"snowball": "by snowball", "ego": "around one of them", "community": "by communities"}
        remain = "remains" if self.ties == 1 else "remain"
        return f"{people} {way.get(self.how, 'at random')}; {self.ties:,} of {self.of_ties:,} ties {remain}."


@dataclass(frozen=True, slots=True)
class Hub:
    """Personas, each once, and the relations between them."""

    personas: tuple[Persona, ...]
    relations: tuple[Relation, ...] = ()
    #: What a draw left of the file, where not everybody was taken.
    drawn: Drawn | None = None


def read_hub(path: Path, *, select: str | None = None, draw: DrawWish | None = None) -> Hub:
    """The people of a hub file, in its order, equal texts once; with `select` those of a selection that it keeps.

    With `draw` no more than so many of them, and the relations between these; of a hub that Populace wrote nobody
    else is read.

    A DuckDB file has a table `personas` and perhaps `relations` and `duplicates`: a run file is one. JSONL,
    CSV, TSV and Parquet have one persona a row, under `persona`, `text` or `input persona`. Raises
    `SourceError` for whatever cannot be read, naming file and row.
    """
    hub = _read(path, select, draw)
    if draw is None or hub.drawn is not None or len(hub.personas) <= draw.people:
        return hub
    from .graph.sampling import draw_from  # what draws people loads numpy and scipy, for which reading has no use

    return draw_from(hub, draw)


def _read(path: Path, select: str | None, draw: DrawWish | None) -> Hub:
    suffix = resolve_file(path).suffix.lower()
    if select is not None and not read_head(path, 12).endswith(b"DUCK"):
        raise SourceError(f"{path} keeps no selections, as a DuckDB file does; import it into a hub first.")
    if suffix in _JSONL:
        return _imported(path, _jsonl_rows(path))
    if suffix in _CSV:
        return _imported(path, _csv_rows(path))
    if suffix in _PARQUET:
        return _imported(path, _parquet_rows(path))
    if read_head(path, 12).endswith(b"DUCK"):
        return _read_database(path, select, draw)
    if suffix in _DATABASE:
        raise SourceError(f"{path} ends in {suffix} but is not a DuckDB file; give a hub or a run file.")
    known = ", ".join(_DATABASE + _JSONL + _CSV + _PARQUET)
    raise SourceError(f"{path} ends in {shown(path.suffix)}, which no hub is read from; give one of {known}.")


def _imported(path: Path, rows: Iterable[Located]) -> Hub:
    folded = ((where, {key.strip().lower(): value for key, value in row.items()}) for where, row in rows)
    personas = [
        Persona(parse_text(where, row, *_TEXT_KEYS), language=parse_language(where, row), source=path.name)
        for where, row in folded
    ]
    return Hub(_distinct(path, personas))


def _distinct(path: Path, personas: Iterable[Persona]) -> tuple[Persona, ...]:
    first: dict[str, Persona] = {}
    for persona in personas:
        first.setdefault(persona.id, persona)
    if not first:
        raise SourceError(f"{path} holds no personas; give a hub with somebody in it.")
    return tuple(first.values())


def _jsonl_rows(path: Path) -> Iterator[Located]:
    for line, row in iter_objects(path, read_text(path)):
        yield f"{path}, line {line}", row


def _csv_rows(path: Path) -> Iterator[Located]:
    text = read_text(path)
    header = text.lstrip("\n").partition("\n")[0]
    delimiter = next((mark for mark in ",;\t" if mark in header), ",")
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        columns = next(filter(any, rows))
        for values in filter(any, rows):
            if len(values) != len(columns):
                raise SourceError(
                    f"{path}, line {rows.line_num}: the header has {len(columns)} columns and this row "
                    f"{len(values)}; put texts that contain {delimiter!r} between double quotes."
                )
            yield f"{path}, line {rows.line_num}", dict(zip(columns, values, strict=True))
    except csv.Error as error:
        raise SourceError(
            f"{path}, line {rows.line_num}: this is not CSV ({error}); "
            "put texts between double quotes, and double the quotes in them."
        ) from error


def _parquet_rows(path: Path) -> Iterator[Located]:
    with _explained(path), duckdb.connect(config=_OFFLINE) as connection:
        # Unescaped, a `[1]` in a file's name would be read as a pattern.
        result = connection.execute("FROM read_parquet(?)", [glob.escape(str(path))])
        yield from _numbered(result, f"{path}, row")


def _numbered(result: duckdb.DuckDBPyConnection, what: str) -> Iterator[Located]:
    columns = [column[0].lower() for column in result.description]
    number = count(1)
    while batch := result.fetchmany(_BATCH):
        yield from ((f"{what} {next(number)}", dict(zip(columns, row, strict=True))) for row in batch)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Puts what DuckDB says of a file into one sentence."""
    try:
        yield
    except duckdb.Error as error:
        raise SourceError(_sentence(path, str(error).partition("\n")[0].rstrip(".!"))) from error


def _sentence(path: Path, said: str) -> str:
    if "Could not set lock" in said or "being used by another process" in said:
        return f"{path} is being written by another process; wait for its end, or give a copy."
    if "different configuration" in said:
        return f"{path} is open in this process already; close that connection first."
    return f"{path} cannot be read as a hub ({said}); give a whole, readable file."


def _read_database(path: Path, select: str | None, draw: DrawWish | None) -> Hub:
    drawn = None
    with _explained(path), duckdb.connect(str(path.absolute()), read_only=True, config=_CLOSED) as connection:
        if select is not None:
            from .select.narrowing import narrow  # what chooses people loads Arrow, for which reading has no use

            narrow(connection, path, select)
        if draw is not None:
            drawn = _draw_in(connection, path, draw)
        rows = _read_tables(connection, path)
    directory = Directory(path.name, rows["personas"], rows["duplicates"])
    relations = [directory.relation(where, row) for where, row in rows["relations"]]
    return Hub(_distinct(path, directory.personas()), _ties(relations), drawn)


def _draw_in(connection: duckdb.DuckDBPyConnection, path: Path, draw: DrawWish) -> Drawn | None:
    from .file import HubFile
    from .graph.sampling import draw_in
    from .select.narrowing import narrow_to

    def narrow(ids: Sequence[str]) -> None:
        narrow_to(connection, ids)

    try:
        return draw_in(HubFile(path, connection), draw, narrow)
    except SourceError:
        return None  # tables of somebody else's, which are read as a whole and drawn from then


def _read_tables(connection: duckdb.DuckDBPyConnection, path: Path) -> dict[str, list[Located]]:
    query = "SELECT lower(table_name) AS name FROM information_schema.tables ORDER BY name"
    there = [str(name) for (name,) in connection.execute(query).fetchall()]
    if "personas" not in there:
        tables = f"its tables are {', '.join(there)}" if there else "it has no tables at all"
        raise SourceError(f"{path} has no table personas; {tables}; give a hub or a run file.")
    has_rulings = {"duplicates", "rulings"} <= set(there)
    return {name: _read_table(connection, name, path, has_rulings) if name in there else [] for name in _TABLES}


def _read_table(
    connection: duckdb.DuckDBPyConnection, name: str, path: Path, has_rulings: bool = False
) -> list[Located]:
    columns = [column[0].lower() for column in connection.execute(f"FROM {name} LIMIT 0").description]
    order = "ORDER BY ordinal" if "ordinal" in columns else ""
    kept = f"WHERE {_KEPT[name]}" if has_rulings else ""
    return list(_numbered(connection.execute(f"FROM {name} {kept} {order}"), f"{path}, {name} row"))


def _ties(relations: Iterable[Relation]) -> tuple[Relation, ...]:
    """Each tie once; one that led to a near-duplicate of its own source has become a loop, and goes."""
    first: dict[tuple[str, str, RelationKind, str], Relation] = {}
    for tie in relations:
        if tie.source != tie.target:
            first.setdefault((tie.source, tie.target, tie.kind, tie.label), tie)
    return tuple(first.values())
