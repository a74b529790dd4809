"""What a run file knows of its people: profiles, biographies and weights; and whom newcomers must not repeat."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, Any

import orjson

from ..core.arrow import to_rows
from ..personas.dedup import NearDuplicates
from ..personas.persona import Persona
from ..personas.profiles.profile import ATTRIBUTES, AttributeValue, Evidence, Profile, profile_of_columns
from .runfile.rows import WeightRow

if TYPE_CHECKING:
    from arro3.core import Table

    from .runfile.reader import FileTables
    from .runfile.runlog import RunLog

#: How each table of a hub is read; of several rows that somebody was imported with, the first counts.
_QUERIES = {
    "profiles": "SELECT * REPLACE (evidence::VARCHAR AS evidence) FROM profiles",
    "biographies": "SELECT persona, text FROM biographies",
    "imports": "SELECT persona, arg_min(attributes::VARCHAR, rowid) AS attributes FROM imports "
    "WHERE attributes IS NOT NULL GROUP BY persona",
}


#: A run file as what reads its people sees it: finished, or while it is written.
type StoredTables = RunLog | FileTables


class PeopleDetails:
    """Profiles, biographies and weights by persona; of people who have none they are None, empty and 1.

    What a profile does not know is taken from the columns that the person was imported with, as in selections.
    """

    def __init__(self, file: StoredTables) -> None:
        """Read the file once. Profiles stay columns until one is requested."""
        self._weights = {row.persona: row.weight for row in file.rows(WeightRow)}
        tables = _read_tables(file)
        self._profiles, self._imports = tables.get("profiles"), tables.get("imports")
        self._profiled, self._imported = _number_personas(self._profiles), _number_personas(self._imports)
        biographies = tables.get("biographies")
        told = (biographies[name].to_pylist() for name in ("persona", "text")) if biographies is not None else ((), ())
        self._biographies: dict[str, str] = dict(zip(*told, strict=True))

    def profile(self, persona: str) -> Profile | None:
        """Return what is known of a persona by attribute, or None."""
        own = _find_row(self._profiles, self._profiled, persona)
        columns = _find_row(self._imports, self._imported, persona)
        imported = profile_of_columns(persona, orjson.loads(columns["attributes"])) if columns else None
        if own is None:
            return imported
        profile = _make_profile(own)
        if imported is None:
            return profile
        known = {
            name: imported.attributes[name] if one.evidence is Evidence.UNKNOWN else one
            for name, one in profile.attributes.items()
        }
        return replace(profile, attributes=known)

    def attributes(self, persona: str) -> Mapping[str, Any]:
        """Return the columns a persona was imported with, by name. Empty if it was not imported with any."""
        columns = _find_row(self._imports, self._imported, persona)
        return orjson.loads(columns["attributes"]) if columns else {}

    def biography(self, persona: str) -> str:
        """Return the biography of a persona, or "" if it has none."""
        return self._biographies.get(persona, "")

    def weight(self, persona: str) -> float:
        """Return the weight of a persona in figures about the population, 1 by default."""
        return self._weights.get(persona, 1.0)


class KnownPeople:
    """Those whom a newcomer must not repeat: all who live in the society or did, and everybody in the run file."""

    def __init__(self, residents: Collection[Persona], file: StoredTables) -> None:
        """Index the personas in the run file and `residents`, the agents that live or lived there."""
        self._ids = {str(persona) for (persona,) in file.query("SELECT id FROM personas")}
        self._index = NearDuplicates[str]()
        self._index.keep_all((one.id for one in residents), (one.text for one in residents))
        ((last,),) = file.query("SELECT max(ordinal) FROM personas")
        #: The place of the next person in `personas`.
        self.next_place = count(int(last) + 1).__next__

    def find_resembled(self, persona: Persona) -> str | None:
        """Return the id of the persona that this one equals or nearly repeats.

        Returns None for a new persona, which is known from then on.
        """
        if persona.id in self._ids:
            return persona.id
        match = self._index.add(persona.id, persona.text)
        if match is None:
            self._ids.add(persona.id)
        return None if match is None else match.key


def _read_tables(file: StoredTables) -> dict[str, "Table"]:
    there = {name for (name,) in file.query("SELECT table_name FROM duckdb_tables()")}
    tables = {name: file.table(query) for name, query in _QUERIES.items() if name in there}
    return {name: table.combine_chunks() for name, table in tables.items() if table.num_rows}


def _number_personas(table: "Table | None") -> dict[str, int]:
    """Return the row number of each persona."""
    return {} if table is None else {persona: place for place, persona in enumerate(table["persona"].to_pylist())}


def _find_row(table: "Table | None", places: Mapping[str, int], persona: str) -> dict[str, Any] | None:
    place = places.get(persona)
    return None if place is None or table is None else to_rows(table.slice(place, 1))[0]


def _make_profile(row: Mapping[str, Any]) -> Profile:
    evidence = orjson.loads(row["evidence"])
    attributes = {}
    for name in ATTRIBUTES:
        said = evidence.get(name, {})
        attributes[name] = AttributeValue(row[name], Evidence(said.get("evidence", "unknown")), said.get("words", ""))
    return Profile(row["persona"], attributes, row["model"], row["prompt"], row["only_evident"])
