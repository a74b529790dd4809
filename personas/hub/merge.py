"""Merging hubs: equal texts become one persona, and all that is known of them stays."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
from arro3.core import Table

from ..arrow import iter_batches, read_table
from ..database import check_regular, said
from ..errors import SetupError, SourceError, StorageError
from ..files import whole_file
from ..formats.repeats import fill_licences, fold_repeats
from ..persona import content_id
from ..selection.selection import make_view
from .file import HubFile, create_hub, open_hub
from .merge_tables import COUNTS, FINISHED, LEFT, READ, STAGED, WRITE
from .queries import count, registered, table_names
from .reconcile import reconcile

_LONGEST = 63
_SELECTIONS = """
SELECT * REPLACE (spec::VARCHAR AS spec, report::VARCHAR AS report) FROM selections ORDER BY made_at, name
"""
_SELECTED = "FROM selected SEMI JOIN selections ON name = selection"
_NAMED = "CREATE OR REPLACE TEMP TABLE merged_names AS SELECT unnest(?::VARCHAR[]) AS was, unnest(?::VARCHAR[]) AS now"
_TAKE = """
INSERT INTO selections BY NAME
SELECT t.* REPLACE (n.now AS name) FROM {taken} AS t JOIN merged_names AS n ON n.was = t.name
"""
_TAKE_PEOPLE = """
INSERT INTO selected BY NAME
SELECT t.* REPLACE (n.now AS selection) FROM {taken} AS t JOIN merged_names AS n ON n.was = t.selection
"""
_SAME = "SELECT 1 FROM selections WHERE name = ? AND made_at = ? AND spec::VARCHAR = ?"


class _MergedSelections:
    """Takes the selections of one hub after another. A number is appended to a name that is taken.

    What two hubs have from a third, under one name, is one selection.
    """

    def __init__(self, hub: HubFile) -> None:
        self._hub = hub
        rows = hub.con.execute("SELECT lower(table_name) FROM information_schema.tables").fetchall()
        self._taken = {str(name) for (name,) in rows}
        self._kept: list[str] = []
        #: The hub, the old name and the new one of each selection that could not keep its name.
        self.renamed: list[tuple[Path, str, str]] = []

    def take(self, source: HubFile) -> None:
        """Write the selections of one hub, in the caller's transaction; the views come with `make_views`."""
        if "selections" not in table_names(source.con):
            return
        rows = read_table(source.con.sql(_SELECTIONS))
        told = zip(*(rows.column(name).to_pylist() for name in ("name", "made_at", "spec")), strict=True)
        con = self._hub.con
        new = [name for name, *rest in told if not con.execute(_SAME, [name, *rest]).fetchall()]
        names = {name: self._name(source.path, name) for name in new}
        con.execute(_NAMED, [list(names), list(names.values())])
        for table, statement in ((rows, _TAKE), (read_table(source.con.sql(_SELECTED)), _TAKE_PEOPLE)):
            with registered(con, table) as taken:
                con.execute(statement.format(taken=taken))
        self._kept += names.values()

    def make_views(self) -> None:
        """Give each selection the view of its name, once everybody and all profiles are there."""
        for name in self._kept:
            make_view(self._hub.con, name)

    def _name(self, path: Path, name: str) -> str:
        new, number = name, 1
        while new.lower() in self._taken:
            number += 1
            new = f"{name[: _LONGEST - len(str(number)) - 1]}_{number}"
        self._taken.add(new.lower())
        if new != name:
            self.renamed.append((path, name, new))
        return new


_ROWS = 50_000
#: A vector takes the room of a hundred rows.
_FEW = 4096

#: Tables about the file itself, and those that are merged in another way.
_OF_THE_FILE = {"hub_migrations", "migrations", "occupation_groups", "selections", "selected"}
#: Rows of merged tables that are left out.
_LEFT_OF_ITS_OWN = {
    "duplicates among emissions": "FROM duplicates WHERE kind <> 'persona'",
    "vectors of other texts": "FROM vectors ANTI JOIN personas ON id = text_hash",
}


@dataclass(frozen=True, slots=True)
class MergeReport:
    """What merging hubs came to."""

    path: Path
    #: People of each hub, in the order given.
    people: tuple[int, ...]
    #: What is in the new hub.
    personas: int
    relations: int
    verdicts: int
    #: Relations that named somebody who is in none of the hubs, and stayed behind.
    dangling: int
    vectors: int
    #: Selections that could not keep their names: the hub, the old name and the new one.
    renamed: tuple[tuple[Path, str, str], ...]
    #: People whom a check had removed or rewritten in one of the hubs, and whom another one has.
    returned: int
    #: Rows that were not taken over, by table or reason, because what they say holds for one hub only.
    left_out: tuple[tuple[str, int], ...]

    @property
    def equal(self) -> int:
        """People whose text was met before: they are one persona now."""
        return sum(self.people) - self.personas


def merge_hubs(paths: Sequence[Path], out: Path) -> MergeReport:
    """Write a new hub with everybody who is in any of these, and return what it holds.

    Equal texts are one persona, as the first hub that has it describes it. One of several identical relations is kept.
    Verdicts of near-duplicate detection and rule results stay, and what was undone in one hub stays undone. Profiles,
    biographies and vectors that several hubs have come from the first. Selections stay, under another name if theirs is
    taken. The import origin of each row is kept. `dedup_hub` finds texts that are nearly equal across hubs. The file
    appears only once it is complete. Raises `SourceError` for a hub that cannot be read and `SetupError` for fewer than
    two.
    """
    if len(paths) < 2:
        raise SetupError("One hub alone cannot be merged; give two or more.")
    check_regular(out, what="hub", raised=SetupError)
    if out.exists():
        raise SetupError(f"{str(out)!r} exists already; give another path for the merged hub.")
    if not out.parent.is_dir():
        raise SetupError(f"There is no folder {str(out.parent)!r} to write {out.name!r} to; make it first.")
    try:
        with whole_file(out) as part, create_hub(part) as hub:
            report = _merged(hub, paths, out)
    except OSError as error:
        raise StorageError(
            f"{str(out)!r} cannot be written ({error.strerror or error}); make room, or give another path."
        ) from error
    return report


def _merged(hub: HubFile, paths: Sequence[Path], out: Path) -> MergeReport:
    people, related, left_out = [], 0, Counter[str]()
    selections = _MergedSelections(hub)
    # Not one transaction: the file takes its name only when all is in it, and large transactions take memory.
    hub.con.execute(STAGED)
    for number, path in enumerate(paths, start=1):
        with open_hub(path) as source, hub.writing():
            people.append(_take(hub, source, number))
            related += count(source.con, _RELATED) if "relations" in table_names(source.con) else 0
            selections.take(source)
            left_out.update(_others(source))
    for script in FINISHED:
        with hub.writing() as con:
            con.execute(script)
    with hub.writing() as con:
        for (file,) in con.execute(_FILES).fetchall():
            fold_repeats(con, file, last=file)
        fill_licences(con)
    with hub.writing() as con:
        selections.make_views()
        # The survivor of one hub's verdict may be rejected in another.
        reconcile(con)
    left_out.update(dict(hub.con.execute(LEFT).fetchall()))
    dangling = related - count(hub.con, "SELECT count(*) FROM merged_relations")
    return MergeReport(
        path=out,
        people=tuple(people),
        personas=count(hub.con, _PERSONAS),
        relations=count(hub.con, _RELATED),
        verdicts=count(hub.con, "SELECT count(*) FROM duplicates"),
        dangling=dangling,
        vectors=count(hub.con, "SELECT count(*) FROM vectors"),
        renamed=tuple(selections.renamed),
        returned=count(hub.con, _RETURNED),
        left_out=tuple(sorted(left_out.items())),
    )


_FILES = "SELECT file FROM imported_files ORDER BY file"
_PERSONAS = "SELECT count(*) FROM personas"
_RELATED = "SELECT count(*) FROM relations"
_RETURNED = """
SELECT count(DISTINCT persona) FROM rule_results SEMI JOIN personas ON id = persona
WHERE outcome IN ('rewritten', 'removed') AND NOT undone AND "column" IS NULL
"""


def _take(hub: HubFile, source: HubFile, number: int) -> int:
    """Write what one hub holds, and return how many personas it has."""
    given = {"hub": number, **{name: count(hub.con, query) for name, query in COUNTS.items()}}
    there = table_names(source.con)
    hub.con.execute("DELETE FROM merged_otherwise")
    for table in READ:
        if table in there:
            _copy(hub, source, table, given)
    return count(source.con, _PERSONAS)


def _copy(hub: HubFile, source: HubFile, table: str, given: dict[str, int]) -> None:
    for batch in _batches(source, READ[table], _FEW if table == "vectors" else _ROWS):
        if table == "personas":
            _check_ids(source, batch)
        with registered(hub.con, batch, "taken"):
            for statement in WRITE[table]:
                used = {name: value for name, value in given.items() if f"${name}" in statement}
                hub.con.execute(statement, used)


def _batches(source: HubFile, query: str, rows: int) -> Iterator[Table]:
    try:
        yield from iter_batches(source.con.sql(query), rows)
    except (duckdb.BinderException, duckdb.CatalogException) as error:
        raise SourceError(f"{str(source.path)!r} has not the tables of a hub: {said(error)}.") from error


def _check_ids(source: HubFile, batch: Table) -> None:
    for persona, text in zip(*(batch.column(name).to_pylist() for name in ("id", "text")), strict=True):
        if persona != content_id(text):
            raise SourceError(
                f"{str(source.path)!r} numbers its people in another way: {persona!r} is not the hash of its text; "
                "export its people and import them instead."
            )


def _others(source: HubFile) -> dict[str, int]:
    """Count the rows of a run, or of a newer hub, that are not merged, by table."""
    there = table_names(source.con)
    others = {name: f'FROM "{name}"' for name in there - {*READ, *_OF_THE_FILE}}
    others |= {what: query for what, query in _LEFT_OF_ITS_OWN.items() if what.partition(" ")[0] in there}
    counts = {name: count(source.con, f"SELECT count(*) FROM ({query})") for name, query in others.items()}  # noqa: S608
    return {name: count for name, count in counts.items() if count}
