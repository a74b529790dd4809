"""Deciding near-duplicate verdicts again whose survivor was rejected, removed or rewritten.

Near-duplicate is not transitive: of two people who repeat a third, one may not repeat the other. So when the third
falls, nobody inherits its place; those who repeated it are compared again, among themselves and with everybody who
stands, by the stage and at the threshold of the verdict that fell. What comes of it is what `dedup` finds among those
who are left: the first to arrive is retained, and those who repeat a retained person are marked.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress

import duckdb
import numpy as np
from arro3.core import Table
from numpy.typing import NDArray

from ..arrow import iter_batches, make_table, read_table, to_matrix
from ..dedup import DedupMethod, Duplicates
from ..dedup.near_duplicates import find_in_blocks, near_any
from ..dedup.vectors import COSINE, find_similar_vectors, units
from ..dedup.word_sets import iter_blocks
from .queries import REJECTED, registered

#: How the stage of a verdict by vectors begins; the model's name follows.
COSINE_STAGE = "cosine:"
#: What hubs that do not say it were compared at.
_WORDS = 0.9
_BATCH = 1 << 14

_PENDING = "CREATE TEMP TABLE IF NOT EXISTS pending_verdicts (persona VARCHAR, stage VARCHAR, similarity DOUBLE)"
#: Verdicts that no longer hold: the survivor is gone or was rejected, or was marked by the same stage or by words,
#: and its near-duplicates were never compared with its own survivor.
_FALLEN = f"""
CREATE OR REPLACE TEMP TABLE fallen_verdicts AS
SELECT d.persona, d."of", d.stage, d.similarity FROM duplicates AS d
LEFT JOIN personas AS o ON o.id = d."of"
LEFT JOIN ({REJECTED}) AS a ON a.persona = d."of"
LEFT JOIN (
    SELECT persona, bool_or(NOT starts_with(stage, '{COSINE_STAGE}')) AS by_words, list(stage) AS stages
    FROM duplicates WHERE kind = 'persona' AND NOT undone GROUP BY persona
) AS m ON m.persona = d."of"
WHERE d.kind = 'persona' AND NOT d.undone
AND (o.id IS NULL OR a.persona IS NOT NULL OR m.by_words OR list_contains(m.stages, d.stage))
"""  # noqa: S608 - our own words
_TAKEN = "INSERT INTO pending_verdicts SELECT persona, stage, similarity FROM fallen_verdicts"
_DELETED = """
DELETE FROM duplicates AS d USING fallen_verdicts AS f
WHERE d.kind = 'persona' AND NOT d.undone AND d.persona = f.persona AND d."of" = f."of" AND d.stage = f.stage
"""

#: Verdicts on, and of, those in the temporary table `gone` (was, now), by the ids that they will have.
_OF_GONE = (
    """kind = 'persona' AND NOT undone AND (persona IN (SELECT was FROM gone) OR "of" IN (SELECT was FROM gone))"""
)
_TAKEN_FROM_GONE = f"""
INSERT INTO pending_verdicts
SELECT CASE WHEN g.was IS NULL THEN d.persona ELSE g.now END, d.stage, d.similarity
FROM (FROM duplicates WHERE {_OF_GONE}) AS d LEFT JOIN gone AS g ON g.was = d.persona
"""  # noqa: S608 - our own words
_DELETED_OF_GONE = f"DELETE FROM duplicates WHERE {_OF_GONE}"  # noqa: S608 - our own words

#: Everybody whom no rule rejected, and whether the verdicts on them were undone: who was undone is an original.
PEOPLE = f"""
FROM personas AS p LEFT JOIN (
    SELECT persona, {{of_verdicts}}(undone) AS undone FROM duplicates WHERE kind = 'persona' GROUP BY persona
) AS d ON d.persona = p.id
WHERE p.id NOT IN ({REJECTED})
"""  # noqa: S608 - our own words
#: Of them those who are compared: without a verdict that holds.
COMPARED = PEOPLE.format(of_verdicts="bool_and") + "AND d.undone IS DISTINCT FROM false\n"
#: The order of arrival.
ORDER = "ORDER BY p.ordinal, p.rowid"

# People are named by their ids here: DuckDB 2.0 may crash on a join by the row numbers of rows that the same
# transaction has written.
_OPEN = f"""
SELECT p.id, list(w.stage), list(w.similarity)
FROM (SELECT p.id {COMPARED}) AS p JOIN pending_verdicts AS w ON w.persona = p.id GROUP BY p.id
"""  # noqa: S608 - our own words
_CHOSEN = "AND p.id IN (SELECT unnest($ids))"
_TEXTS = f"SELECT p.id, p.text, coalesce(d.undone, false) AS undone {COMPARED}"
_VECTORS = f"""
SELECT p.id, v.vector, coalesce(d.undone, false) AS undone {
    COMPARED.replace(
        "FROM personas AS p",
        "FROM personas AS p JOIN ("
        "    SELECT text_hash, arg_max(vector, rowid) AS vector FROM vectors WHERE model = $model GROUP BY text_hash"
        ") AS v ON v.text_hash = p.id",
        1,
    )
}
"""  # noqa: S608 - our own words
_INSERT = """
INSERT INTO duplicates (kind, persona, "of", stage, similarity, undone)
SELECT 'persona', persona, "of", $stage, similarity, false FROM found_again ORDER BY place
"""
_RECORDED = "SELECT stage, threshold FROM comparisons ORDER BY ordinal"
_FOUND = "SELECT stage, min(similarity) FROM duplicates WHERE kind = 'persona' GROUP BY stage ORDER BY stage"


def record_comparison(con: duckdb.DuckDBPyConnection, stage: str, threshold: float, *, anew: bool = False) -> None:
    """Record that a hub was compared by a stage, the latest last; with `anew`, forget earlier comparisons."""
    if anew:
        con.execute("DELETE FROM comparisons")
    else:
        con.execute("DELETE FROM comparisons WHERE stage = ? AND threshold = ?", [stage, threshold])
    con.execute(
        "INSERT INTO comparisons SELECT coalesce(max(ordinal), 0) + 1, ?, ? FROM comparisons", [stage, threshold]
    )


def withdraw(con: duckdb.DuckDBPyConnection) -> None:
    """Withdraw the verdicts on and of everybody in the temporary table `gone`, for `reconcile` to decide."""
    con.execute(_PENDING)
    _complete_comparisons(con)
    con.execute(_TAKEN_FROM_GONE)
    con.execute(_DELETED_OF_GONE)


def reconcile(con: duckdb.DuckDBPyConnection, entered: Iterable[str] = ()) -> int:
    """Decide again every verdict of a hub that no longer holds, and return the number of personas it marked.

    `entered` are the ids of personas that were not compared before, because they were rewritten or are back. All of it
    happens in the caller's transaction. A hub that was never searched for near-duplicates stays as it is.
    """
    con.execute(_PENDING)
    _complete_comparisons(con)
    with registered(con, {"id": list(entered)}, "entered_people"):
        con.execute("INSERT INTO pending_verdicts SELECT id, NULL, NULL FROM entered_people")
    comparisons, marked = _Comparisons.read(con), 0
    while True:
        # A verdict that falls may be the reason of another: each round begins after the one before.
        for statement in (_FALLEN, _TAKEN, _DELETED):
            con.execute(statement)
        people = {who: tuple(zip(stages, likes, strict=True)) for who, stages, likes in con.execute(_OPEN).fetchall()}
        con.execute("DELETE FROM pending_verdicts")
        if not people:
            return marked
        marked += _decide(con, people, comparisons)


@dataclass(frozen=True, slots=True)
class _Comparisons:
    """The thresholds that were used, by stage, the latest last."""

    thresholds: Mapping[str, Sequence[float]]

    @classmethod
    def read(cls, con: duckdb.DuckDBPyConnection) -> "_Comparisons":
        found: dict[str, list[float]] = defaultdict(list)
        for stage, threshold in con.execute(_RECORDED).fetchall():
            found[stage].append(threshold)
        return cls(found)

    @property
    def stages(self) -> list[str]:
        """Words first, as they are compared first."""
        return sorted(self.thresholds, key=lambda stage: (stage.startswith(COSINE_STAGE), stage))

    def threshold(self, stage: str, fallen: Iterable[tuple[str | None, float | None]]) -> float:
        """Return the threshold at which a stage compares a persona.

        It is the last one used, or a lower one if the fallen verdict was found at it.
        """
        used = self.thresholds[stage]
        likes = [like for name, like in fallen if like is not None and name == stage]
        own = [threshold for threshold in used if likes and threshold <= max(likes)]
        return min(max(own), used[-1]) if own else used[-1]


def _complete_comparisons(con: duckdb.DuckDBPyConnection) -> None:
    """Record the comparisons of a run or another program, as far as its verdicts show them."""
    known = {stage for stage, _ in con.execute(_RECORDED).fetchall()}
    for stage, least in con.execute(_FOUND).fetchall():
        if stage not in known:
            usual = COSINE if stage.startswith(COSINE_STAGE) else _WORDS
            record_comparison(con, stage, min(usual, max(least, 0.5)))


type _PeopleToCompare = Mapping[str, Sequence[tuple[str | None, float | None]]]


def _decide(con: duckdb.DuckDBPyConnection, people: _PeopleToCompare, comparisons: _Comparisons) -> int:
    """Compare personas, by their ids, with everybody retained, and return the number marked."""
    marked = 0
    for stage in comparisons.stages:
        alike: dict[float, list[str]] = defaultdict(list)
        for persona, fallen in people.items():
            alike[comparisons.threshold(stage, fallen)].append(persona)
        for threshold, ids in sorted(alike.items(), reverse=True):
            compare = _by_vectors if stage.startswith(COSINE_STAGE) else _by_words
            found = compare(con, ids, threshold, stage)
            marked += len(found)
            if len(found):
                with registered(con, found, "found_again"):
                    con.execute(_INSERT, {"stage": stage})
    return marked


def _by_words(con: duckdb.DuckDBPyConnection, ids: Sequence[str], threshold: float, stage: str) -> Table:
    method = DedupMethod.of_stage(stage)
    least = method.parse_threshold(threshold)
    few = read_table(con.sql(f"{_TEXTS} {_CHOSEN}", params={"ids": ids}))
    if not few.num_rows:
        return few
    read: list[str] = []
    near = near_any(few["text"].to_pylist(), _texts(con, read), least, method=method)
    chosen = {*few["id"].to_pylist(), *(read[place] for place in near)}
    some = read_table(con.sql(f"{_TEXTS} {_CHOSEN} {ORDER}", params={"ids": list(chosen)}))
    return _found(some, find_in_blocks(blocks(some), least, method=method))


def blocks(people: Table) -> Iterator[tuple[list[str], NDArray[np.bool_]]]:
    """Yield blocks of `text`, with flags for personas whose verdicts were `undone`, for `find_in_blocks`."""
    undone, at = np.asarray(people["undone"]), 0
    for block in iter_blocks(people["text"].to_pylist()):
        yield block, undone[at : at + len(block)]
        at += len(block)


def _texts(con: duckdb.DuckDBPyConnection, read: list[str]) -> Iterator[str]:
    """Yield the texts of everybody compared, and add their ids to the list `read`."""
    for batch in iter_batches(con.sql(_TEXTS), _BATCH):
        read += batch["id"].to_pylist()
        yield from batch["text"].to_pylist()


def _by_vectors(con: duckdb.DuckDBPyConnection, ids: Sequence[str], threshold: float, stage: str) -> Table:
    model = {"model": stage.removeprefix(COSINE_STAGE)}
    some = read_table(con.sql(f"{_VECTORS} {_CHOSEN}", params=model | {"ids": ids}))
    if not some.num_rows:
        return some
    few, chosen = units(to_matrix(some["vector"])), set(some["id"].to_pylist())
    for batch in iter_batches(con.sql(_VECTORS, params=model), _BATCH):
        likes = units(to_matrix(batch["vector"])) @ few.T
        # Which pairs count is decided below, by rounded cosines.
        chosen.update(compress(batch["id"].to_pylist(), (likes >= threshold - 1e-5).any(axis=1)))
    table = read_table(con.sql(f"{_VECTORS} {_CHOSEN} {ORDER}", params=model | {"ids": list(chosen)}))
    vectors = to_matrix(table["vector"])
    return _found(table, find_similar_vectors(vectors, threshold, fixed=np.asarray(table["undone"]), exact=True))


def _found(people: Table, found: Duplicates) -> Table:
    """Return the near-duplicates found among personas as rows of ids, in order of arrival."""
    ids, rows = people["id"].to_pylist(), np.asarray(found.rows, np.int64)
    persona, of = ([ids[place] for place in places] for places in (rows, found.of))
    return make_table({"place": rows, "persona": persona, "of": of, "similarity": found.similarity})
