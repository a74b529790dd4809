"""`select`: the people of a hub that a specification asks for, and the selections that a hub keeps.

A selection that is kept is a row, its people and a view; it can be read as if it were the whole hub.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import numpy as np
from arro3.core import Table
from numpy.typing import NDArray

from ...core.arrow import Floats, Ints, iter_batches, read_table, to_rows, write_parquet
from ...core.database import quote_name, quote_text
from ...core.errors import SetupError, parameter
from ...core.query import QueryLimit, Tabular
from ...core.result import html_table
from ...core.writers import check_free, write_csv, write_jsonl, write_new_file
from ..hub.file import HubFile
from ..hub.queries import REJECTED, SURVIVORS, check_selection, registered
from .candidates import (
    WHERE_LIMIT,
    Candidates,
    Category,
    PeopleColumn,
    PeopleColumns,
    Strata,
    ask_people,
    divide_strata,
    joins_for,
    parse_condition,
    read_candidates,
)
from .spec import (
    Breakdown,
    Diversity,
    Margin,
    Marginals,
    Report,
    SelectionSpec,
    Share,
    WordSpace,
    allocate_equally,
    allocate_proportionally,
    draw_strata,
    draw_systematic,
    farthest_first,
    rake_sizes,
    random_keys,
    read_integers,
    unit_random,
)


def _choose_by_targets(candidates: Candidates, spec: SelectionSpec, targets: Marginals) -> tuple[Ints, Floats, Report]:
    """Choose personas by targets: rows in random order, weights that bring them to the targets, and the report.

    The cells of all variables together are raked to the targets, none beyond the personas it has. Each cell gives that
    many personas, rounded up or down to a whole number. If fewer are allowed, a value that no candidate has is
    reported, and the other values of its variable make up for it. Raises `SetupError` if fewer are not allowed, and if
    there are too few personas.
    """
    # By place and not by name, because names in SQL are case-insensitive.
    wanted = list(targets.shares.values())
    shares = [
        np.array([values.get(value, 0.0) for value in category.values], dtype=float)
        for category, values in zip(candidates.categories, wanted, strict=True)
    ]
    eligible, left_out = _keep_asked(candidates, wanted, "is not among the targets")
    if not len(eligible):
        raise SetupError(
            f"Nobody among the {len(candidates):,} candidates has a value of every variable of the targets; the values "
            + "; ".join(f"of {c.name} are {', '.join(c.values[:20]) or 'not known'}" for c in candidates.categories)
            + "."
        )
    _check_met(candidates, spec, targets)
    if (spec.n or 0) > len(eligible):
        _refuse_shortage(spec, f"{len(eligible):,} fit the targets")
    n = min(spec.n or 0, len(eligible))
    strata = divide_strata(eligible.categories, len(eligible))
    fits = [_fit_margin(strata.cells[:, place], share) for place, share in enumerate(shares)]
    raked, raking = rake_sizes(strata.counts.astype(float), fits, n, most=strata.counts.astype(float))
    sizes = _brought_to(raked, strata.counts, n)
    got = draw_systematic(sizes, unit_random(spec.seed))
    positions = draw_strata(strata.codes, got, random_keys(eligible.arrivals, spec.seed))
    weights = _target_weights(got, fits)
    breakdowns = [
        _target_breakdown(category, values, n, fit, [strata.counts, got, got * weights])
        for category, values, fit in zip(candidates.categories, wanted, fits, strict=True)
    ]
    report = Report(len(candidates), spec.n, len(positions), left_out, breakdowns, raking)
    return eligible.rows[positions], weights[strata.codes[positions]], report


def _keep_asked(
    candidates: Candidates, asked: Iterable[Mapping[str, float] | None], why: str
) -> tuple[Candidates, dict[str, int]]:
    """Return the candidates who have a value asked of each column (None: a known one), and how many are left out."""
    kept = np.ones(len(candidates), dtype=bool)
    left_out = {}
    for category, values in zip(candidates.categories, asked, strict=True):
        codes = [code for code, value in enumerate(category.values) if values is None or values.get(value, 0) > 0]
        is_asked = np.isin(category.codes, codes)
        if others := int((kept & ~is_asked).sum()):
            left_out[f"{category.name} {why}"] = others
        kept &= is_asked
    return candidates.those(kept), left_out


def _check_met(candidates: Candidates, spec: SelectionSpec, targets: Marginals) -> None:
    for category, values in zip(candidates.categories, targets.shares.values(), strict=True):
        missing = [value for value, share in values.items() if share and category.code(value) is None]
        if missing and not spec.allow_fewer:
            raise SetupError(
                f"{parameter('targets')} asks for {values[missing[0]]:.1%} with {category.name} {missing[0]!r}, and "
                f"none of the {len(candidates):,} candidates has it; leave it out of the targets, or let the other "
                f"values make up for it with {parameter('allow_fewer', True)}."
            )


def _fit_margin(codes: Ints, share: Floats) -> Margin:
    """Return the variable's shares without values that no candidate has; the others are scaled up."""
    held = np.where(np.bincount(codes, minlength=len(share)) > 0, share, 0.0)
    return Margin(codes, held / held.sum())


def _brought_to(sizes: Floats, counts: Ints, n: int) -> Floats:
    """Scale the sizes to sum up to `n`, none beyond its count; they already do if the targets can be met."""
    sizes = np.minimum(sizes, counts)
    for _ in range(len(sizes) + 1):
        is_full = sizes >= counts
        lacking = n - float(sizes.sum())
        capacity = float(sizes[~is_full].sum())
        if abs(lacking) < 1e-9 * n or (lacking > 0 and capacity == 0):
            break
        base = sizes if lacking < 0 else np.where(is_full, 0.0, sizes)
        sizes = np.minimum(sizes + base * (lacking / float(base.sum())), counts)
    # Cells emptied by contradictory targets take what no other cell can.
    lacking = n - float(sizes.sum())
    if lacking < 1e-6:
        return sizes
    left = counts - sizes
    return sizes + left * (lacking / float(left.sum()))


def _target_weights(got: Ints, fits: list[Margin]) -> Floats:
    """Return the weight of one persona of each cell, 1 on average, to meet what the sample can of the targets."""
    there = got > 0
    present = [_fit_margin(fit.codes[there], fit.shares) for fit in fits]
    raked, _ = rake_sizes(got[there].astype(float), present, float(got.sum()))
    weights = np.zeros(len(got))
    weights[there] = raked / got[there]
    return weights * (got.sum() / float((weights * got).sum()))


def _target_breakdown(
    category: Category, wanted: Mapping[str, float], n: int, fit: Margin, cells: Sequence[Ints | Floats]
) -> Breakdown:
    """Return wanted, candidates, chosen and weighted chosen by value; `cells` gives the last three by cell."""
    sums = [np.bincount(fit.codes, weights=sizes, minlength=len(category.values)) for sizes in cells]
    shares = []
    for value, share in wanted.items():
        code = category.code(value)
        there, chosen, weighted = (0.0, 0.0, 0.0) if code is None else (float(by_value[code]) for by_value in sums)
        shares.append(Share((value,), int(there), share * n, int(chosen), weighted))
    return Breakdown((category.name,), tuple(shares))


#: The texts of candidates, in the order of their rows.
type Texts = Callable[[Ints], Iterable[str]]

_SHOWN = 5


@dataclass(frozen=True, slots=True, eq=False)
class ChosenPeople:
    """Rows of those chosen, in order, what each counts for (1 on average), and how well that meets the spec."""

    rows: Ints
    #: None where the choice is no sample: of people who are unlike each other nothing is estimated.
    weights: NDArray[np.float64] | None
    report: Report


def choose(candidates: Candidates, spec: SelectionSpec, texts: Texts) -> ChosenPeople:
    """Choose personas by the rule of the spec. Raises `SetupError` if it cannot be met and fewer will not do."""
    if not len(candidates):
        raise SetupError(
            f"Nobody meets {parameter('where')}; choose by something that somebody has."
            if spec.where
            else "The hub has nobody to choose from; import or grow people first."
        )
    if spec.targets is not None:
        return ChosenPeople(*_choose_by_targets(candidates, spec, spec.targets))
    eligible, left_out = _find_eligible(candidates, spec)
    strata = divide_strata(eligible.categories, len(eligible))
    wanted = _wanted_sizes(strata, spec, len(eligible))
    _check_enough(strata, wanted, spec)
    capacity = np.minimum(wanted, strata.counts)
    order = random_keys(eligible.arrivals, spec.seed)
    diversity = None
    if spec.diverse:
        positions, diversity = _choose_diverse(eligible, strata, capacity, order, texts)
    elif spec.rule == "everybody":
        positions = np.arange(len(eligible))
    else:
        positions = draw_strata(strata.codes, capacity, order)
    weights = None if spec.diverse else _weigh_strata(strata, capacity)[strata.codes[positions]]
    breakdowns = [_make_breakdown(strata, wanted, capacity)] if spec.columns else []
    report = Report(len(candidates), spec.wanted, len(positions), left_out, breakdowns, None, diversity)
    return ChosenPeople(eligible.rows[positions], weights, report)


def _find_eligible(candidates: Candidates, spec: SelectionSpec) -> tuple[Candidates, dict[str, int]]:
    """Return the candidates that the rule applies to, and how many are left out and why.

    `stratify` treats unknown as a value.
    """
    if spec.rule == "stratify":
        return candidates, {}
    eligible, left_out = _keep_asked(candidates, [None] * len(candidates.categories), "is not known")
    if spec.quota is not None:
        (category,) = candidates.categories
        if missing := [value for value in spec.quota.counts if category.code(value) is None]:
            values = ", ".join(map(repr, category.values[:20])) + (", ..." if len(category.values) > 20 else "")
            raise SetupError(
                f"Nobody among the {len(candidates):,} candidates has {category.name} "
                f"{' or '.join(map(repr, missing))}; the values are {values}."
            )
        eligible, others = _keep_asked(eligible, [spec.quota.counts], "is not in the quota")
        left_out |= others
    if not len(eligible):
        raise SetupError(f"{' and '.join(spec.columns)} is known of nobody among the {len(candidates):,} candidates.")
    return eligible, left_out


def _wanted_sizes(strata: Strata, spec: SelectionSpec, size: int) -> Ints:
    """Return how many personas are wanted from each stratum."""
    if spec.quota is not None:
        return np.array([spec.quota.counts[str(strata.label(s)[0])] for s in range(len(strata))], dtype=np.int64)
    n = size if spec.n is None else spec.n
    if spec.balance:
        if n < len(strata):
            raise SetupError(
                f"{', '.join(spec.balance)} has {len(strata):,} values among the candidates, more than the {n:,} "
                "people to choose; ask for more people, or balance by something coarser."
            )
        return allocate_equally(strata.counts, n)
    if n > size:
        _refuse_shortage(spec, f"{size:,} can be chosen")
        n = size
    return allocate_proportionally(strata.counts, n)


def _refuse_shortage(spec: SelectionSpec, there: str) -> None:
    if not spec.allow_fewer:
        raise SetupError(
            f"{spec.wanted:,} people were asked for and {there}; "
            f"ask for fewer, or take what there is with {parameter('allow_fewer', True)}."
        )


def _check_enough(strata: Strata, wanted: Ints, spec: SelectionSpec) -> None:
    short = np.flatnonzero(wanted > strata.counts)
    if not len(short) or spec.allow_fewer:
        return
    named = "; ".join(
        f"{', '.join(f'{column} {value!r}' for column, value in zip(strata.columns, strata.label(one), strict=True))}: "
        f"{strata.counts[one]:,} of {wanted[one]:,}"
        for one in short[:_SHOWN]
    )
    more = f" and {len(short) - _SHOWN} more" if len(short) > _SHOWN else ""
    raise SetupError(
        f"There are too few candidates with {named}{more}; ask for fewer, or take what there is with "
        f"{parameter('allow_fewer', True)}."
    )


def _choose_diverse(
    eligible: Candidates, strata: Strata, capacity: Ints, order: NDArray[np.uint64], texts: Texts
) -> tuple[Ints, Diversity]:
    # In random order, so that the seed decides on the first and between those who are equally far.
    shuffled = np.argsort(order, kind="stable")
    space = WordSpace(texts(eligible.rows[shuffled]))
    positions, diversity = farthest_first(space, int(capacity.sum()), strata=strata.codes[shuffled], capacity=capacity)
    return shuffled[positions], diversity


def _weigh_strata(strata: Strata, got: Ints) -> NDArray[np.float64]:
    """Return the weight of one persona of each stratum, so that weighted figures are those of all candidates."""
    shares = strata.counts / strata.counts.sum()
    return np.divide(shares * got.sum(), got, out=np.zeros(len(got)), where=got > 0)


def _make_breakdown(strata: Strata, wanted: Ints, got: Ints) -> Breakdown:
    numbers = zip(strata.counts.tolist(), wanted.tolist(), got.tolist(), strict=True)
    return Breakdown(strata.columns, tuple(Share(strata.label(s), *n) for s, n in enumerate(numbers)))


#: The hash of a text that was replaced stays in the hub.
_SHOWN_ID = "coalesce((SELECT any_value(text_hash) FROM rewritten_people WHERE persona = people.{0}), {0}) AS {0}"
_FORMATS = {".parquet": "parquet", ".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}


@dataclass(frozen=True, slots=True, eq=False)
class Selection(Tabular):
    """Who was chosen, and how well that meets the spec; as a table with `arrow()`, `df()` and `pl()`."""

    spec: SelectionSpec
    #: One row a person: persona (id), ordinal (place, from 1) and weight (null where it is no sample).
    people: Table
    report: Report

    @property
    def ids(self) -> list[str]:
        """Ids of the personas, in order."""
        return list(self.people["persona"].to_pylist())

    def table(self) -> Table:
        """Return the ids, places and weights of the personas chosen, as in `people`."""
        return self.people

    def _repr_html_(self) -> str:
        """Show the first of the personas chosen, for a notebook."""
        return html_table(self.people.column_names, [tuple(row.values()) for row in to_rows(self.people)])


def select(hub: HubFile, spec: SelectionSpec, *, limit: QueryLimit = WHERE_LIMIT) -> Selection:
    """Select the personas that the spec asks for; if it has a name, the hub keeps them in a view of that name.

    The same spec gives the same personas of the same hub. Raises `SetupError` if the spec cannot be met, or if its
    condition takes more than `limit`.
    """
    if spec.name is not None:
        check_name(hub, spec.name)
    people = PeopleColumns(hub.con)
    condition = parse_condition(hub.con, spec.where, people, limit)
    columns = [people.column(name, asked_by=spec.rule) for name in spec.columns]
    candidates = read_candidates(hub.con, people, condition, columns, with_duplicates=spec.with_duplicates, limit=limit)
    choice = choose(candidates, spec, lambda rows: _read_texts(hub.con, rows))
    selection = Selection(spec, _read_people(hub.con, choice), choice.report)
    if spec.name is not None:
        keep_selection(hub, spec, selection.people, choice.report)
    return selection


def check_output(path: Path) -> str:
    """Return the file form in which personas can be written to this path. Raises `SetupError` if they cannot be."""
    form = _FORMATS.get(path.suffix.lower())
    if form is None:
        raise SetupError(f"People cannot be written to {str(path)!r}; give a path that ends in {', '.join(_FORMATS)}.")
    check_free(path)
    return form


def write_selection(hub: HubFile, selection: Selection, path: Path) -> None:
    """Write everything known of the personas chosen to a new file: .parquet, .csv or .jsonl. Raises `SetupError`.

    Lists are JSON arrays in CSV. Imported data is text that holds an object. Ids are those of exports.
    """
    form = check_output(path)
    with registered(hub.con, selection.people) as chosen, write_new_file(path) as part:
        people = hub.con.sql(chosen_columns(hub.con, chosen))
        ids = [name for name in ("id", "parent") if name in people.columns]
        shown = f"people.* REPLACE ({', '.join(map(_SHOWN_ID.format, ids))})"
        rows = iter_batches(people.query("people", f"SELECT {shown} FROM people ORDER BY place"), 10_000)  # noqa: S608
        if form == "parquet":
            write_parquet(rows, part)
            return
        with part.open("wb") as file:
            (write_csv if form == "csv" else write_jsonl)(rows, file)


def _read_people(con: duckdb.DuckDBPyConnection, choice: ChosenPeople) -> Table:
    places = np.arange(1, len(choice.rows) + 1)
    numbers = {"row": choice.rows, "ordinal": places}
    weights = [None] * len(places) if choice.weights is None else choice.weights
    with registered(con, numbers | {"weight": weights}, types={"weight": "DOUBLE"}) as chosen:
        relation = con.sql(
            f'SELECT p.id AS persona, c.ordinal, c.weight FROM {chosen} AS c JOIN personas AS p ON p.rowid = c."row" '  # noqa: S608
            "ORDER BY c.ordinal"
        )
        return read_table(relation)


def _read_texts(con: duckdb.DuckDBPyConnection, rows: Ints) -> Iterable[str]:
    with registered(con, {"row": rows, "place": np.arange(len(rows))}) as wanted:
        relation = con.sql(
            f'SELECT p.text FROM {wanted} AS c JOIN personas AS p ON p.rowid = c."row" ORDER BY c.place'  # noqa: S608
        )
        # A batch at a time: a million Python strings would be held together with the arrays made of them.
        for batch in iter_batches(relation, 10_000):
            yield from batch["text"].to_pylist()


def choose_people(
    con: duckdb.DuckDBPyConnection,
    *,
    where: str | None = None,
    n: int | None = None,
    seed: int = 0,
    lacking: Sequence[str] = (),
) -> list[str]:
    """Return ids in order of arrival, without near-duplicates; `n` limits them to a sample drawn by `seed`.

    `lacking` names tables keyed by persona: a persona in all of them is left out. Raises `SetupError` for a condition
    that cannot be asked.
    """
    people = PeopleColumns(con)
    condition = parse_condition(con, where, people)
    used = {*condition.columns, people.column("id", asked_by="where")}
    tables = [f"id IN (SELECT persona FROM {table})" for table in lacking]  # noqa: S608 - the caller's own names
    has_all = " AND ".join(tables) or "false"
    relation = people.relation(used, with_duplicates=False)
    query = f'SELECT id, "#arrival" FROM {relation} WHERE {condition} AND NOT ({has_all}) ORDER BY "#arrival"'  # noqa: S608
    found = ask_people(con, query, WHERE_LIMIT, duckdb.DuckDBPyRelation.fetchnumpy)
    ids: list[str] = found["id"].tolist()
    if n is None or n >= len(ids):
        return ids
    drawn = np.argsort(random_keys(read_integers(found["#arrival"]), seed), kind="stable")[:n]
    return [ids[place] for place in np.sort(drawn)]


_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
_STATE = f"""
    SELECT count(*), max(ordinal), (SELECT count(*) FROM ({SURVIVORS})) + (SELECT count(*) FROM ({REJECTED})),
           (SELECT count(*) FROM profiles)
    FROM personas
"""  # noqa: S608 - our own words


def check_name(hub: HubFile, name: str) -> None:
    """Raise `SetupError` when a selection cannot be kept under that name in this hub."""
    hub.check_writable("a selection is a row in it")
    if _NAME.fullmatch(name) is None:
        raise SetupError(
            f"A selection cannot be called {name!r}: take a letter, then letters, digits and _, at most 63 in all."
        )
    if hub.con.execute("SELECT 1 FROM selections WHERE lower(name) = lower(?)", [name]).fetchall():
        raise SetupError(
            f"There is a selection {name!r} already; drop it with `populace hub sample --drop {name}`, "
            "or take another name."
        )
    taken = "SELECT 1 FROM information_schema.tables WHERE lower(table_name) = lower(?)"
    reserved = "SELECT 1 FROM duckdb_keywords() WHERE keyword_name = lower(?) AND keyword_category = 'reserved'"
    if hub.con.execute(taken, [name]).fetchall() or hub.con.execute(reserved, [name]).fetchall():
        raise SetupError(f"{name!r} has a meaning in this hub or in SQL; take another name for the selection.")


def keep_selection(hub: HubFile, spec: SelectionSpec, people: Table, report: Report) -> None:
    """Write a selection, its people (persona, ordinal, weight) and its view, all or nothing."""
    name = str(spec.name)
    told = (name, spec.where, spec.wanted, spec.rule, list(spec.columns), spec.diverse, spec.seed, len(people))
    with hub.writing() as con, registered(con, people) as chosen:
        con.execute(
            f"INSERT INTO selections VALUES ({', '.join('?' * 15)})",  # noqa: S608 - question marks alone
            [
                *told,
                spec.model_dump_json(),
                report.to_json(),
                *_read_state(con),
                datetime.now(UTC).replace(tzinfo=None),
            ],
        )
        con.execute(f"INSERT INTO selected SELECT ?, persona, ordinal, weight FROM {chosen}", [name])  # noqa: S608 - ours
        make_view(con, name)


def make_view(con: duckdb.DuckDBPyConnection, name: str) -> None:
    """Give a selection that is written the view of its name: its people in their places, with profiles."""
    columns = chosen_columns(con, f"(FROM selected WHERE selection = {quote_text(name)})")
    con.execute(f"CREATE VIEW {quote_name(name)} AS {columns} ORDER BY place")
    con.execute(f"COMMENT ON VIEW {quote_name(name)} IS 'The people of the selection of this name, with profiles'")


def chosen_columns(con: duckdb.DuckDBPyConnection, chosen: str) -> str:
    """Return SQL that gives everything known of the personas in the relation `chosen` (persona, ordinal, weight)."""
    within = f"SELECT persona FROM {chosen}"  # noqa: S608 - our own words
    columns = PeopleColumns(con, within=within).every_column()
    shown = ", ".join(f"{column.sql} AS {quote_name(_shown_as(column))}" for column in columns)
    joined = f"{chosen} AS s JOIN personas AS p ON p.id = s.persona {joins_for(columns, within=within)}"
    return f"SELECT s.ordinal AS place, s.weight, {shown} FROM {joined}"  # noqa: S608 - names are quoted


def drop_selection(hub: HubFile, name: str) -> None:
    """Delete a selection and its view; the personas stay in the hub. Raises `SetupError` if there is none."""
    check_selection(hub.con, hub.path, name)
    with hub.writing() as con:
        con.execute(f"DROP VIEW IF EXISTS {quote_name(name)}")
        con.execute("DELETE FROM selected WHERE selection = ?", [name])
        con.execute("DELETE FROM selections WHERE name = ?", [name])


def _shown_as(column: PeopleColumn) -> str:
    # The view has columns of these two names.
    return f"persona_{column.name}" if column.name.lower() in {"place", "weight"} else column.name


def _read_state(con: duckdb.DuckDBPyConnection) -> tuple[int, ...]:
    """Return what a choice depends on, in four numbers: personas, the last of them, those left out, profiles."""
    (state,) = con.execute(_STATE).fetchall()
    return tuple(state)


#: Those chosen and their near-duplicates, whose relations are theirs.
_CHOSEN = """
CREATE OR REPLACE TEMP TABLE chosen AS
WITH RECURSIVE found(persona) AS (
    {those}
    UNION
    SELECT d.persona FROM {hub}.duplicates AS d JOIN found ON d."of" = found.persona
    WHERE d.kind = 'persona' AND NOT d.undone
)
SELECT persona, persona IN ({those}) AS is_chosen FROM found
"""
_VIEWS = """
CREATE OR REPLACE TEMP VIEW personas AS
    SELECT * FROM {hub}.personas WHERE id IN (SELECT persona FROM temp.chosen WHERE is_chosen);
CREATE OR REPLACE TEMP VIEW duplicates AS
    SELECT * FROM {hub}.duplicates WHERE kind = 'persona' AND NOT undone
    AND persona IN (SELECT persona FROM temp.chosen WHERE NOT is_chosen)
    AND "of" IN (SELECT persona FROM temp.chosen);
CREATE OR REPLACE TEMP VIEW relations AS
    SELECT * FROM {hub}.relations
    WHERE source IN (SELECT persona FROM temp.chosen) AND target IN (SELECT persona FROM temp.chosen);
"""


def narrow(con: duckdb.DuckDBPyConnection, path: Path, selection: str) -> None:
    """Narrow the tables on this connection to a selection of the hub at `path`: personas, relations and duplicates.

    Relations stay if both personas are chosen, or duplicate somebody who is. Raises `SourceError` if the hub keeps no
    such selection.
    """
    check_selection(con, path, selection)
    hub = _main_schema(con)
    _narrow_tables(con, hub, f"SELECT persona FROM {hub}.selected WHERE selection = {quote_text(selection)}")  # noqa: S608 - quoted


def narrow_to(con: duckdb.DuckDBPyConnection, ids: Sequence[str]) -> None:
    """Narrow the tables on this connection to the personas with these ids."""
    with registered(con, {"persona": list(ids)}) as lent:
        con.execute(f"CREATE OR REPLACE TEMP TABLE narrowed_to AS FROM {lent}")
    _narrow_tables(con, _main_schema(con), "SELECT persona FROM temp.narrowed_to")


def _main_schema(con: duckdb.DuckDBPyConnection) -> str:
    ((database,),) = con.execute("SELECT current_database()").fetchall()
    return f"{quote_name(database)}.main"


def _narrow_tables(con: duckdb.DuckDBPyConnection, hub: str, those: str) -> None:
    # Temporary views come before what the file has under the same names.
    con.execute(_CHOSEN.format(hub=hub, those=those))
    con.execute(_VIEWS.format(hub=hub))
