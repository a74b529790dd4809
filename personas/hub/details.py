"""What a hub knows of its people: imported rows, profiles, biographies, weights; runs and growth take them over."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

import duckdb
import orjson

from ...core.database import has_tables, quote_name
from ...core.errors import SetupError
from ..rules import Policy
from ..rules.personal import Pseudonyms
from .file import hub_table, make_hub_schema
from .queries import registered, table_names
from .redaction import clear_traces, judge_imports, names_of_people
from .rewrites import add_rule_results

if TYPE_CHECKING:
    from arro3.core import Table


#: The tables that are taken along, and how each is narrowed to the people in `read_people`, or to none, and ordered.
_READ = {
    "imports": """{among} ORDER BY file, "row\"""",
    "imported_files": "WHERE file IN (SELECT file FROM imports {among}) ORDER BY file",
    "imported_columns": """WHERE file IN (SELECT file FROM imports {among}) ORDER BY file, "column\"""",
    "profiles": "{among} ORDER BY persona",
    "biographies": "{among} ORDER BY persona",
}
_AMONG = "SEMI JOIN read_people ON persona = id"


def read_details(con: duckdb.DuckDBPyConnection, people: Mapping[str, str]) -> "Mapping[str, Table]":
    """Read the rows about people by their ids in the file; `people` gives the ids under which they are returned.

    A table without any is left out.
    """
    # Tables of the same names in a database that is no hub mean something else.
    if not has_tables(con, "hub_migrations"):
        return {}
    wanted = [name for name in _READ if con.execute(f"SELECT 1 FROM {name} LIMIT 1").fetchall()]  # noqa: S608 - ours
    if not wanted:
        return {}
    from ...core.arrow import read_table

    with registered(con, {"id": list(people)}, "read_people"):
        tables = {name: read_table(con.sql(_details_query(name, _AMONG))) for name in wanted}
    return details_of({name: table for name, table in tables.items() if table.num_rows}, people)


def read_all_details(ask: "Callable[[str], Table]") -> "Mapping[str, Table]":
    """The same of everybody in a file that answers SQL by `ask`."""
    there = set(ask("SELECT table_name FROM duckdb_tables()")["table_name"].to_pylist())
    names = [name for name in _READ if name in there and "hub_migrations" in there]
    tables = {name: ask(_details_query(name)) for name in names}
    return {name: table for name, table in tables.items() if table.num_rows}


def _details_query(name: str, among: str = "") -> str:
    return hub_table(name).query(_READ[name].format(among=among))


def details_of(tables: "Mapping[str, Table]", people: Mapping[str, str]) -> "Mapping[str, Table]":
    """Those of such rows that are about some of the people, whose ids are keys, under the ids that they have now."""
    if not tables:
        return {}
    from ...core.arrow import set_column, take_known

    about = {}
    for name, table in tables.items():
        if "persona" in table.column_names:
            kept = take_known(table, "persona", people)
            about[name] = set_column(kept, "persona", [people[was] for was in kept["persona"].to_pylist()])
    if "imports" in about:
        used = set(about["imports"]["file"].to_pylist())
        for name in tables.keys() & {"imported_files", "imported_columns"}:
            about[name] = take_known(tables[name], "file", used)
    return {name: table for name, table in about.items() if table.num_rows}


def write_details(
    con: duckdb.DuckDBPyConnection,
    tables: "Mapping[str, Table]",
    personal: Policy = Policy.KEEP,
    pseudonyms: Pseudonyms | None = None,
) -> None:
    """Write such rows into a run file, which gets the tables of a hub for it; replacing any that it has.

    What a policy for personal data takes out of descriptions is taken out of them too.
    """
    make_hub_schema(con)
    for name, table in tables.items():
        con.execute(f"DELETE FROM {name}")  # noqa: S608 - our own names
        with registered(con, table, "kept_beside"):
            # Of two people who have become one, the first is the one who is described.
            once = "" if name in ("imports", "imported_columns") else "ON CONFLICT DO NOTHING"
            con.execute(f"INSERT INTO {name} BY NAME FROM kept_beside {once}")
    if personal is not Policy.KEEP:
        about = [table["persona"].to_pylist() for table in tables.values() if "persona" in table.column_names]
        people = sorted({str(one) for column in about for one in column})
        names = names_of_people(con)
        columns = judge_imports(con, personal, pseudonyms, names)
        add_rule_results(con, [*columns, *clear_traces(con, people, pseudonyms, names)])


_SELECTION = "SELECT columns, report FROM selections WHERE name = ?"
_WEIGHTS = "SELECT persona, weight FROM selected SEMI JOIN weighted_people ON persona = id WHERE selection = ?"
_STORED_WEIGHTS = "SELECT persona, weight FROM weights"
_STORED_TARGETS = 'SELECT "column", value, wanted FROM target_shares ORDER BY ordinal'
_STORED_PLACES = 'SELECT "column", persona, ordinal FROM target_people ORDER BY rowid'
_LEFT = "who are left once near-duplicates and rejected ones are taken away"


@dataclass(frozen=True, slots=True)
class TargetShare:
    """The share that a selection wanted of one value of a column, or of one combination of several columns."""

    #: Columns and values, joined by commas where there are several.
    column: str
    value: str
    wanted: float


@dataclass(frozen=True, slots=True)
class Weighting:
    """What each person of a selection counts for, the shares that it was to meet, and who belongs to which."""

    #: By persona; none where people were chosen to be unlike each other, since they are no sample.
    weights: Mapping[str, float] = field(default_factory=dict)
    targets: tuple[TargetShare, ...] = ()
    #: By column and persona, the place of its share among the targets, from 1; None where no share was wanted of it.
    places: Mapping[str, Mapping[str, int | None]] = field(default_factory=dict)

    @classmethod
    def of_rows(
        cls,
        weights: Mapping[str, float],
        targets: Sequence[TargetShare],
        places: Iterable[tuple[str, str, int | None]],
    ) -> Self | None:
        """The weighting that a file keeps; None where it keeps none. `places` are column, persona and place."""
        by_column: dict[str, dict[str, int | None]] = {}
        for column, persona, place in places:
            by_column.setdefault(column, {})[persona] = place
        return cls(weights, tuple(targets), by_column) if weights or targets else None

    def rename_people(self, ids: Mapping[str, str]) -> Self:
        """Return the weighting with the ids that people have now."""
        weights = {ids[persona]: weight for persona, weight in self.weights.items()}
        places = {name: {ids[who]: place for who, place in people.items()} for name, people in self.places.items()}
        return replace(self, weights=weights, places=places)

    def check_met(self, left: Collection[str], became: Mapping[str, str], *, why: str = _LEFT) -> None:
        """Raise `SetupError` for a target that nobody meets who is `left`; `became` has their ids of now."""
        met = {
            place for places in self.places.values() for was, place in places.items() if became.get(was, was) in left
        }
        for place, one in enumerate(self.targets, start=1):
            if one.wanted and place not in met:
                raise SetupError(
                    f"The people are to have {one.wanted:.1%} with {one.column} {one.value!r}, and none of the "
                    f"{len(left):,} {why} meets that; take more of them (or all), or make a selection without that "
                    "target."
                )


def read_weighting(
    con: duckdb.DuckDBPyConnection, path: Path, selection: str, people: Sequence[str]
) -> Weighting | None:
    """The weights of those `people` and the targets of their selection; None where it has neither.

    Raises `SetupError` for a target that none of these people meets.
    """
    (found,) = con.execute(_SELECTION, [selection]).fetchall()
    columns, report = list(found[0]), orjson.loads(found[1])
    with registered(con, {"id": people}, "weighted_people"):
        weights = {persona: weight for persona, weight in con.execute(_WEIGHTS, [selection]).fetchall() if weight}
        breakdowns = report["breakdowns"]
        values = _read_values(con, columns) if breakdowns else {}
    targets: list[TargetShare] = []
    places: dict[str, dict[str, int | None]] = {}
    for breakdown in breakdowns:
        found_targets, of_people = _place_targets(breakdown, values, people, before=len(targets))
        targets += found_targets
        if found_targets:
            places[found_targets[0].column] = of_people
    weighting = Weighting(weights, tuple(targets), places)
    weighting.check_met(people, {}, why=f"taken from the selection {selection!r} of {str(path)!r}")
    return weighting if weights or targets else None


def read_stored_weighting(con: duckdb.DuckDBPyConnection, people: Sequence[str]) -> Weighting | None:
    """What a run file keeps of the selection that its own people were read from; None where it keeps nothing."""
    if not {"weights", "target_shares", "target_people", "migrations"} <= table_names(con):
        return None
    wanted = set(people)
    weights = {persona: weight for persona, weight in con.execute(_STORED_WEIGHTS).fetchall() if persona in wanted}
    targets = [TargetShare(*row) for row in con.execute(_STORED_TARGETS).fetchall()]
    places = (row for row in con.execute(_STORED_PLACES).fetchall() if row[1] in wanted)
    return Weighting.of_rows(weights, targets, places)


def _read_values(con: duckdb.DuckDBPyConnection, columns: Sequence[str]) -> dict[str, dict[str, str | None]]:
    """The value of each person in each of the columns, as text."""
    from ..selection.candidates import PeopleColumns, joins_for

    people = PeopleColumns(con, within="SELECT id FROM weighted_people")
    known = [people.column(name, asked_by="targets") for name in columns]
    shown = "".join(f", ({one.sql})::VARCHAR AS {quote_name(f'value {place}')}" for place, one in enumerate(known))
    joins = joins_for(known, within="SELECT id FROM weighted_people")
    query = f"SELECT p.id{shown} FROM personas AS p {joins} SEMI JOIN weighted_people AS w_ ON w_.id = p.id"  # noqa: S608 - quoted
    rows = con.execute(query).fetchall()
    return {one.name: {row[0]: row[place] for row in rows} for place, one in enumerate(known, start=1)}


def _place_targets(
    breakdown: Mapping[str, object],
    values: Mapping[str, Mapping[str, str | None]],
    people: Sequence[str],
    *,
    before: int,
) -> tuple[list[TargetShare], dict[str, int | None]]:
    """The shares of a breakdown, placed behind those `before`, and each person's place among them."""
    columns = [str(name) for name in breakdown["columns"]]  # type: ignore[attr-defined]  # written by Report.to_json
    shares = [(tuple(one["values"]), float(one["wanted"])) for one in breakdown["shares"]]  # type: ignore[attr-defined]
    wanted = sum(share for _, share in shares)
    if not wanted:
        return [], {}
    places: dict[tuple[str | None, ...], int] = {
        value: place for place, (value, _) in enumerate(shares, start=before + 1)
    }
    of_people = {one: places.get(tuple(values[name].get(one) for name in columns)) for one in people}
    targets = [
        TargetShare(", ".join(columns), ", ".join("unknown" if one is None else one for one in value), share / wanted)
        for value, share in shares
    ]
    return targets, of_people
