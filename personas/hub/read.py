"""Hubs: collections of personas that somebody has already made, read from a file, near-duplicates resolved."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import duckdb

from ...core.errors import SourceError
from ...core.files import uncompressed_suffix
from ...core.inputs import read_head, resolve_file, shown
from ..persona import Persona, Relation, RelationKind, content_id
from .details import Weighting, read_details, read_stored_weighting, read_weighting
from .file import HubFile, fold_duplicates, make_hub_schema, open_hub
from .queries import registered

if TYPE_CHECKING:
    from arro3.core import Table


#: How people are drawn. `snowball`: somebody, three of those they know, three of those each of these knows, and so on.
#: `random`: by chance, ties or not.
type Draw = Literal["snowball", "random"]

_DATABASE = (".duckdb", ".db")
_TABLE = (".jsonl", ".ndjson", ".csv", ".tsv", ".parquet", ".arrow", ".feather", ".ipc")
#: A file of rows is imported into a database in memory, which fetches nothing.
_OFFLINE: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}
#: Everybody who is retained, and what somebody was grown from: the survivor where that is a near-duplicate.
_PEOPLE = """
SELECT p.id, coalesce(f.survivor, p.parent) AS parent, p.text, p.origin, p.hop, p.language, p.source, p.licence,
       p.model, p.prompt
FROM personas AS p LEFT JOIN graph_folds AS f ON f.persona = p.parent
WHERE p.id NOT IN (FROM graph_away) AND p.id NOT IN (SELECT persona FROM graph_folds) ORDER BY p.ordinal
"""
#: Each tie once, those of near-duplicates as their survivors'.
_TIES = """
SELECT source, target, kind, label, arg_min(hop, ordinal) FROM (
    SELECT r.* REPLACE (coalesce(a.survivor, source) AS source, coalesce(b.survivor, target) AS target)
    FROM relations AS r LEFT JOIN graph_folds AS a ON a.persona = source
    LEFT JOIN graph_folds AS b ON b.persona = target
    WHERE source NOT IN (FROM graph_away) AND target NOT IN (FROM graph_away)
) WHERE source <> target GROUP BY ALL ORDER BY min(ordinal)
"""


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

    A run file is a hub, too. Any other importable file is read as the hub that its import would make, with languages,
    licences and other columns. Raises `SourceError` for whatever cannot be read, and for a hub of a newer version.
    """
    suffix = uncompressed_suffix(resolve_file(path))
    is_database = read_head(path, 12).endswith(b"DUCK")
    if select is not None and not is_database:
        raise SourceError(f"{path} keeps no selections, as a DuckDB file does; import it into a hub first.")
    if suffix in _TABLE:
        hub = _read_table_file(path)
        return hub if draw is None or len(hub.personas) <= draw.people else draw_from(hub, draw)
    if is_database:
        return _read_database(path, select, draw)
    if suffix in _DATABASE:
        raise SourceError(f"{path} ends in {suffix} but is not a DuckDB file; give a hub or a run file.")
    known = ", ".join(_DATABASE + _TABLE)
    raise SourceError(f"{path} ends in {shown(path.suffix)}, which no hub is read from; give one of {known}.")


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


def _read_table_file(path: Path) -> Hub:
    """Read the personas of a file as a hub would hold them after a full import."""
    from ..formats.importing import import_files
    from ..formats.options import ImportOptions

    way_out = f"mend it, or leave such rows out by `populace hub import {path} --hub HUB`, and give that hub"
    with duckdb.connect(config=_OFFLINE) as connection:
        make_hub_schema(connection)
        spec = ImportOptions(strict=True, personal="ignore", way_out=way_out)
        hub = HubFile(path, connection)
        list(import_files(hub, [path], spec))
        return _read_people(hub)[0]


def _read_database(path: Path, select: str | None, draw: DrawSpec | None) -> Hub:
    with open_hub(path) as file:
        if select is not None:
            from ..selection.selection import narrow  # what chooses people loads Arrow, for which reading has no use

            narrow(file.con, path, select)
        drawn = None if draw is None else _draw_in(file, draw)
        hub, ids = _read_people(file)
        if select is None:
            weighting = read_stored_weighting(file.con, list(ids))
        else:
            weighting = read_weighting(file.con, path, select, list(ids))
    return replace(hub, drawn=drawn, weighting=weighting.rename_people(ids) if weighting is not None else None)


def _draw_in(hub: HubFile, spec: DrawSpec) -> DrawReport | None:
    """Narrow a hub to the personas drawn, without reading the others; return None if nobody is left out."""
    import numpy as np

    from ..network.network import Network, draw_people, read_ties
    from ..selection.selection import narrow_to

    ties = read_ties(hub)
    if ties.people <= spec.people:
        return None
    network = Network.of_pairs(ties.people, ties.source, ties.target)
    chosen = draw_people(network, spec.people, how=spec.how, seed=spec.seed)
    with registered(hub.con, {"code": chosen}) as codes:
        query = f"SELECT id FROM graph_people SEMI JOIN {codes} USING (code) ORDER BY code"  # noqa: S608 - our own name
        ids = [str(persona) for (persona,) in hub.con.execute(query).fetchall()]
    narrow_to(hub.con, ids)
    ties_kept = int((np.isin(ties.source, chosen) & np.isin(ties.target, chosen)).sum())
    return DrawReport(spec.how, len(ids), ties.people, ties_kept, len(ties))


def _read_people(hub: HubFile) -> tuple[Hub, Mapping[str, str]]:
    """Read a hub, whose ids are the hashes of its texts, and map the ids in the file to them."""
    fold_duplicates(hub)
    con, people, ids = hub.con, dict[str, Persona](), dict[str, str]()
    names = ("text", "origin", "hop", "language", "source", "licence", "model", "prompt")
    rows = con.execute(_PEOPLE).fetchall()
    present = {was: content_id(text) for was, _, text, *_ in rows}
    for was, parent, *row in rows:
        # A parent is left behind when a hub is cut from a larger one: the lineage still names it.
        persona = Persona(**dict(zip(names, row, strict=True)), parent=present.get(parent, parent))
        ids[was] = persona.id
        people.setdefault(persona.id, persona)
    if not people:
        raise SourceError(f"{hub.path} holds no personas; give a hub with somebody in it.")
    ties: dict[tuple[str, str, str, str], Relation] = {}
    for source, target, kind, label, hop in con.execute(_TIES).fetchall():
        if nobody := next((end for end in (source, target) if end not in ids), None):
            raise SourceError(
                f"{hub.path} has a relation of {nobody!r}, who is nobody in its table personas; remove that relation."
            )
        tie = Relation(ids[source], ids[target], RelationKind(kind), label, hop)
        if tie.source != tie.target:
            ties.setdefault((tie.source, tie.target, kind, label), tie)
    return Hub(tuple(people.values()), tuple(ties.values()), details=read_details(con, ids)), ids
