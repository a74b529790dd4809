"""Hubs: collections of personas that somebody has already made, read from a file, near-duplicates resolved."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import duckdb

from ...core.database import has_tables, open_error
from ...core.errors import SourceError
from ...core.files import uncompressed_suffix
from ...core.inputs import parse_language, parse_text, read_head, resolve_file, shown
from ..persona import Persona, PersonaOrigin, Relation, RelationKind, content_id
from .details import Weighting, read_details, read_stored_weighting, read_weighting
from .file import check_hub_version, lend_tables, make_hub_schema
from .queries import REJECTED

if TYPE_CHECKING:
    from arro3.core import Table


type HubRow = Mapping[str, object]
#: Where a row is, in words, and the row.
type Located = tuple[str, HubRow]

_TEXT_KEYS = ("text", "persona")
_ORIGINS: dict[Any, PersonaOrigin] = {
    "text": "text",
    "persona": "persona",
    "import": "import",
    None: "import",
}


class Directory:
    """The people of one database, by the ids that they have in it.

    Ids are made anew from the texts, so a file may number its people as it likes. Each person who is marked as a
    near-duplicate is left out, and their relations become those of their survivor.
    """

    def __init__(self, file: str, personas: Sequence[Located], duplicates: Iterable[Located]) -> None:
        self._file = file
        self._rows = {_old_id(where, row): (where, row) for where, row in personas}
        self._of: dict[str, str] = {}
        #: The present ids of those who were yielded, by the ids that the file has.
        self.ids: dict[str, str] = {}
        for where, row in duplicates:
            if row.get("kind", "persona") == "persona" and not row.get("undone"):
                self._of.setdefault(_read_name(where, row, "persona"), _read_name(where, row, "of"))

    def personas(self) -> Iterator[Persona]:
        """Yield every persona that is not a near-duplicate."""
        for old, (where, row) in self._rows.items():
            if old in self._of:
                self._resident(where, old)
            else:
                persona = self._persona(where, row)
                self.ids[old] = persona.id
                yield persona

    def _persona(self, where: str, row: HubRow) -> Persona:
        return Persona(
            parse_text(where, row, *_TEXT_KEYS),
            origin=_read_origin(where, row),
            hop=_read_number(where, row, "hop", 0),
            parent=self._parent(where, row),
            language=parse_language(where, row),
            source=_read_text(row, "source") if "source" in row else self._file,
            licence=_read_text(row, "licence"),
            model=_read_text(row, "model"),
            prompt=_read_text(row, "prompt"),
        )

    def relation(self, where: str, row: HubRow) -> Relation:
        """Return the row as a relation between personas that are kept.

        Raises `SourceError` if one of them is missing.
        """
        kind = _read_text(row, "kind") or RelationKind.OTHER.value
        return Relation(
            self._resident(f"{where}, source", _read_name(where, row, "source")),
            self._resident(f"{where}, target", _read_name(where, row, "target")),
            RelationKind(kind.lower()) if kind.lower() in RelationKind else RelationKind.OTHER,
            _read_text(row, "label") or kind,
            _read_number(where, row, "hop", 1),
        )

    def _parent(self, where: str, row: HubRow) -> str | None:
        parent = _read_text(row, "parent")
        # A parent is left behind when a hub is cut from a larger one: the lineage still names it.
        if parent is None or (parent not in self._rows and parent not in self._of):
            return parent
        return self._resident(f"{where}, parent", parent)

    def _resident(self, where: str, old: str) -> str:
        """Return the new id of a persona, or of the persona that it duplicates."""
        last, passed = old, {old}
        while last in self._of:
            last = self._of[last]
            if last in passed:
                raise SourceError(
                    f"{where}: {shown(old)} leads into a circle of near-duplicates; undo one of the verdicts."
                )
            passed.add(last)
        if last not in self._rows:
            raise SourceError(
                f"{where}: {shown(last)} is nobody in table personas; add them, or remove what names them."
            )
        return content_id(parse_text(*self._rows[last], *_TEXT_KEYS))


def _old_id(where: str, row: HubRow) -> str:
    return _read_text(row, "id") or content_id(parse_text(where, row, *_TEXT_KEYS))


def _read_name(where: str, row: HubRow, key: str) -> str:
    value = _read_text(row, key)
    if value is None:
        raise SourceError(f"{where} names nobody under {key!r}; its columns are {', '.join(row)}.")
    return value


def _read_text(row: HubRow, key: str) -> str | None:
    value = row.get(key)
    return None if value is None or value == "" else str(value)


def _read_number(where: str, row: HubRow, key: str, default: int) -> int:
    value = row.get(key)
    if value is None:
        return default
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise SourceError(f"{where}: {key!r} is {shown(value)}; it must be a whole number from 0.")
    return value


def _read_origin(where: str, row: HubRow) -> PersonaOrigin:
    value = row.get("origin")
    if not isinstance(value, str | None) or value not in _ORIGINS:
        raise SourceError(f"{where}: origin {shown(value)} is unknown; write text, persona or import.")
    return _ORIGINS[value]


#: How people are drawn. `snowball`: somebody, three of those they know, three of those each of these knows, and so on.
#: `random`: by chance, ties or not.
type Draw = Literal["snowball", "random"]

type _Config = dict[str, str | bool | int | float | list[str]]

_DATABASE = (".duckdb", ".db")
_TABLE = (".jsonl", ".ndjson", ".csv", ".tsv", ".parquet", ".arrow", ".feather", ".ipc")
_BATCH = 10_000
#: The tables that are read from a database.
_TABLES = ("personas", "relations", "duplicates")
#: People whom a rule rejected are not read, nor their ties; a near-duplicate of theirs is read.
_KEPT = {
    "personas": f"id NOT IN ({REJECTED})",
    "relations": f"source NOT IN ({REJECTED}) AND target NOT IN ({REJECTED})",
    "duplicates": f'persona NOT IN ({REJECTED}) AND "of" NOT IN ({REJECTED})',
}
_OFFLINE: _Config = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
#: No view in somebody else's database may read other files, the network or this process's variables.
_CLOSED: _Config = {**_OFFLINE, "enable_external_access": "false", "python_enable_replacements": "false"}


@dataclass(frozen=True, slots=True)
class DrawSpec:
    """So many people, at most, drawn in this way; the same from equal people, ties and seed."""

    people: int
    how: Draw
    seed: int


@dataclass(frozen=True, slots=True)
class DrawReport:
    """What a draw left of a hub. A tie is a relation between two people who are retained, each kind and label once."""

    how: Draw
    people: int
    of_people: int
    ties: int
    of_ties: int

    def as_json(self) -> str:
        """Return the numbers by name, as JSON."""
        # orjson keeps the class of a dataclass, and with it this module and DuckDB, past the end of the interpreter.
        return json.dumps(asdict(self))

    def sentence(self) -> str:
        """Return the numbers in one sentence."""
        people = f"{self.people:,} of the hub's {self.of_people:,} people were drawn"
        if not self.of_ties:
            return f"{people} at random, for the hub has no ties among them."
        way = "by snowball" if self.how == "snowball" else "at random"
        remain = "remains" if self.ties == 1 else "remain"
        return f"{people} {way}; {self.ties:,} of {self.of_ties:,} ties {remain}."


@dataclass(frozen=True, slots=True)
class Hub:
    """Personas, each once, and the relations between them."""

    personas: tuple[Persona, ...]
    relations: tuple[Relation, ...] = ()
    #: What a draw left of the file, where not everybody was taken.
    drawn: DrawReport | None = None
    #: What else is known of them, by table: the rows they were imported from, profiles and biographies.
    details: "Mapping[str, Table]" = field(default_factory=dict, hash=False, compare=False)
    #: Weights and target marginals of the selection they are read from; None without one.
    weighting: Weighting | None = field(default=None, hash=False, compare=False)


def read_hub(path: Path, *, select: str | None = None, draw: DrawSpec | None = None) -> Hub:
    """Read the personas of a hub file in its order, equal texts once; `select` names a selection that the hub keeps.

    `draw` limits the personas to a sample, with the relations among them. The other personas of a hub written by
    Populace are not read.

    A DuckDB file has a table `personas` and optionally `relations` and `duplicates`. A run file is one. Any other
    importable file is read as the hub that its import would make, with languages, licences and other columns. Raises
    `SourceError` for whatever cannot be read, naming file and row, and for a hub of a newer version.
    """
    hub = _read_hub(path, select, draw)
    if draw is None or hub.drawn is not None or len(hub.personas) <= draw.people:
        return hub
    return draw_from(hub, draw)


def draw_from(hub: Hub, spec: DrawSpec) -> Hub:
    """Draw a sample of the personas of a hub, with the relations among them; `drawn` says what remained."""
    import numpy as np

    from ..network.network import Network, draw_people

    places = {persona.id: place for place, persona in enumerate(hub.personas)}
    ends = [(places[r.source], places[r.target]) for r in hub.relations if r.source in places and r.target in places]
    source, target = np.array(ends, np.int64).reshape(-1, 2).T
    chosen = draw_people(Network.of_pairs(len(places), source, target), spec.people, how=spec.how, seed=spec.seed)
    if len(chosen) == len(places):
        return hub
    kept = {hub.personas[place].id for place in chosen}
    relations = tuple(r for r in hub.relations if r.source in kept and r.target in kept)
    drawn = DrawReport(spec.how, len(chosen), len(places), len(relations), len(ends))
    return replace(hub, personas=tuple(hub.personas[place] for place in chosen), relations=relations, drawn=drawn)


def _read_hub(path: Path, select: str | None, draw: DrawSpec | None) -> Hub:
    suffix = uncompressed_suffix(resolve_file(path))
    is_database = read_head(path, 12).endswith(b"DUCK")
    if select is not None and not is_database:
        raise SourceError(f"{path} keeps no selections, as a DuckDB file does; import it into a hub first.")
    if suffix in _TABLE:
        return _read_table_file(path)
    if is_database:
        return _read_database(path, select, draw)
    if suffix in _DATABASE:
        raise SourceError(f"{path} ends in {suffix} but is not a DuckDB file; give a hub or a run file.")
    known = ", ".join(_DATABASE + _TABLE)
    raise SourceError(f"{path} ends in {shown(path.suffix)}, which no hub is read from; give one of {known}.")


def _read_table_file(path: Path) -> Hub:
    """Read the personas of a file as a hub would hold them after a full import."""
    from ..formats.importing import import_files
    from ..formats.options import ImportOptions
    from .file import HubFile

    way_out = f"mend it, or leave such rows out by `populace hub import {path} --hub HUB`, and give that hub"
    with duckdb.connect(config=_OFFLINE) as connection:
        make_hub_schema(connection)
        spec = ImportOptions(strict=True, personal="ignore", way_out=way_out)
        list(import_files(HubFile(path, connection), [path], spec))
        return _read_connection(connection, path)[0]


def _keep_distinct(path: Path, personas: Iterable[Persona]) -> tuple[Persona, ...]:
    first: dict[str, Persona] = {}
    for persona in personas:
        first.setdefault(persona.id, persona)
    if not first:
        raise SourceError(f"{path} holds no personas; give a hub with somebody in it.")
    return tuple(first.values())


def _iter_rows(result: duckdb.DuckDBPyConnection, what: str) -> Iterator[Located]:
    columns = [column[0].lower() for column in result.description]
    number = count(1)
    while batch := result.fetchmany(_BATCH):
        yield from ((f"{what} {next(number)}", dict(zip(columns, row, strict=True))) for row in batch)


@contextmanager
def _explain_errors(path: Path) -> Iterator[None]:
    """Raise `SourceError` with one sentence for an error of DuckDB in this file."""
    try:
        yield
    except duckdb.Error as error:
        raise open_error(path, error, what="hub", raised=SourceError) from error


def _read_database(path: Path, select: str | None, draw: DrawSpec | None) -> Hub:
    drawn = None
    with _explain_errors(path), duckdb.connect(str(path.absolute()), read_only=True, config=_CLOSED) as connection:
        check_hub_version(connection, str(path))
        _check_people(connection, path)
        lend_tables(connection)
        if select is not None:
            from ..selection.selection import narrow  # what chooses people loads Arrow, for which reading has no use

            narrow(connection, path, select)
        if draw is not None:
            drawn = _draw_in(connection, path, draw)
        hub, ids = _read_connection(connection, path)
        if select is None:
            weighting = read_stored_weighting(connection, list(ids))
        else:
            weighting = read_weighting(connection, path, select, list(ids))
        hub = replace(hub, weighting=weighting.rename_people(ids) if weighting is not None else None)
    return hub if drawn is None else replace(hub, drawn=drawn)


def _draw_in(connection: duckdb.DuckDBPyConnection, path: Path, spec: DrawSpec) -> DrawReport | None:
    """Narrow a hub to the personas drawn, without reading the others; return None if it stays whole.

    It stays whole if nobody is left out, or if it has tables that Populace did not write.
    """
    from ..network.network import draw_ids
    from ..selection.selection import narrow_to
    from .file import HubFile

    try:
        found = draw_ids(HubFile(path, connection), spec.people, how=spec.how, seed=spec.seed)
    except SourceError:
        return None  # tables that Populace did not write: they are read whole and drawn from then
    if found is None:
        return None
    narrow_to(connection, found.ids)
    return DrawReport(spec.how, len(found.ids), found.of_people, found.ties, found.of_ties)


def _read_connection(connection: duckdb.DuckDBPyConnection, path: Path) -> tuple[Hub, Mapping[str, str]]:
    """Read a hub, whose ids are the hashes of its texts, and map the ids in the file to them."""
    rows = _read_tables(connection, path)
    directory = Directory(path.name, rows["personas"], rows["duplicates"])
    relations = [directory.relation(where, row) for where, row in rows["relations"]]
    people = _keep_distinct(path, directory.personas())
    return Hub(people, _keep_ties(relations), details=read_details(connection, directory.ids)), directory.ids


def _check_people(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    query = "SELECT lower(table_name) AS name FROM information_schema.tables ORDER BY name"
    there = [str(name) for (name,) in connection.execute(query).fetchall()]
    if "personas" not in there:
        tables = f"its tables are {', '.join(there)}" if there else "it has no tables at all"
        raise SourceError(f"{path} has no table personas; {tables}; give a hub or a run file.")


def _read_tables(connection: duckdb.DuckDBPyConnection, path: Path) -> dict[str, list[Located]]:
    return {name: _read_table(connection, name, path) for name in _TABLES}


def _read_table(connection: duckdb.DuckDBPyConnection, name: str, path: Path) -> list[Located]:
    columns = [column[0].lower() for column in connection.execute(f"FROM {name} LIMIT 0").description]
    order = "ORDER BY ordinal" if "ordinal" in columns else ""
    # Tables that Populace did not write may lack the columns that this asks for.
    kept = f"WHERE {_KEPT[name]}" if has_tables(connection, "duplicates", "rule_results") else ""
    rows = connection.execute(f"FROM {name} {kept} {order}")
    return list(_iter_rows(rows, f"{path}, {name} row"))


def _keep_ties(relations: Iterable[Relation]) -> tuple[Relation, ...]:
    """Return each tie once, without ties from a persona to itself, such as to a near-duplicate of its source."""
    first: dict[tuple[str, str, RelationKind, str], Relation] = {}
    for tie in relations:
        if tie.source != tie.target:
            first.setdefault((tie.source, tie.target, tie.kind, tie.label), tie)
    return tuple(first.values())
